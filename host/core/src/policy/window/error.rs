//! Why a window cannot be read, for the person who wrote it.

use std::time::Duration;

use thiserror::Error;

use super::cron::SHORTHANDS;
use super::field::Field;
use super::{LONGEST, SHORTEST};
use crate::policy::units::in_units;

/// Why there is no window: what is wrong, and what would be right.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WindowError {
    /// The start is longer than anybody could read.
    #[error("the start has {0} bytes; at most {longest} are allowed", longest = super::cron::LONGEST)]
    TooLong(usize),
    /// The start has more fields than five, or fewer.
    #[error(
        "the start has {0} fields instead of five: minute, hour, day of month, month and day of week, such as \"0 2 * * sat\" for \
         Saturdays at 02:00"
    )]
    Fields(usize),
    /// The start begins with `@`, but is none of the shorthands.
    #[error("unknown shorthand {shown}, expected one of: {known}", known = SHORTHANDS.map(|(name, _)| name).join(", "))]
    Shorthand {
        /// What stands there, in quotes.
        shown: String,
    },
    /// A field has something in it that does not belong there.
    #[error("{shown} is no {field}: use {allowed}, a range such as {range}, a list with commas, or steps such as */2", allowed = field.allowed(), range = field.example())]
    Value {
        /// Where.
        field: Field,
        /// What stands there, in quotes.
        shown: String,
    },
    /// A range ends before it begins.
    #[error("the range {shown} of the {field} runs backwards; write {instead:?} instead")]
    Backwards {
        /// Where.
        field: Field,
        /// What stands there, in quotes.
        shown: String,
        /// The same round the end of the field, such as `22-23,0-4` for `22-4`.
        instead: String,
    },
    /// A step is no number, or one that the field is too small for.
    #[error("the step {shown} of the {field} is none from 1 to {largest}", largest = field.largest_step())]
    Step {
        /// Where.
        field: Field,
        /// What stands behind the slash, in quotes.
        shown: String,
    },
    /// There is no such day in any year, such as the 30th of February.
    #[error("it never starts, because none of its months has one of its days of the month")]
    Never,
    /// It is open for too short a time, or for too long.
    #[error("a window of {} is too short or too long; it may last from {} to {}", in_units(*.0), in_units(SHORTEST), in_units(LONGEST))]
    Duration(Duration),
    /// The database of time zones has none of this name.
    #[error("unknown time zone {shown}; {hint}")]
    Zone {
        /// What stands there, in quotes.
        shown: String,
        /// What could stand there.
        hint: String,
    },
}
