//! Why an update waits, in words.

use std::time::Duration;

use jiff::{Timestamp, Zoned};

use crate::policy::units::in_units;

/// The rule that lasts longest, with what it was found from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// The version is too young.
    MinimumAge {
        /// Where its age counts from.
        from: AgeFrom,
        /// When that was; none if nobody knows.
        since: Option<Timestamp>,
        /// How old it must be.
        minimum_age: Duration,
        /// When it is; none if nobody knows.
        end: Option<Timestamp>,
    },
    /// Too little time has passed since the handler's last update.
    DelayBetweenUpdates {
        /// When that was applied.
        last_update: Timestamp,
        /// How much time must pass.
        delay: Duration,
        /// When it has; none at the end of the calendar.
        end: Option<Timestamp>,
    },
    /// Too little time has passed since a rollout failed.
    Cooldown {
        /// When it failed.
        last_failure: Timestamp,
        /// How much time must pass.
        cooldown: Duration,
        /// When it has; none at the end of the calendar.
        end: Option<Timestamp>,
    },
    /// No maintenance window is open when nothing else is in the way.
    OutsideWindow {
        /// From when on nothing else is in the way; none if nothing is by now.
        after: Option<Timestamp>,
        /// When the next one opens, on its own clock; none at the end of the calendar.
        opens: Option<Zoned>,
    },
}

/// What the age of a version counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgeFrom {
    /// The date that the registry has for it.
    Published,
    /// The first time that we saw it, because the registry has no date.
    FirstSeen,
}

impl WaitReason {
    /// A fixed CamelCase word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MinimumAge { .. } => "MinimumAge",
            Self::DelayBetweenUpdates { .. } => "DelayBetweenUpdates",
            Self::Cooldown { .. } => "Cooldown",
            Self::OutsideWindow { .. } => "OutsideWindow",
        }
    }

    /// Why, in a sentence without its full stop, to follow the name of the version: what was when, and until when it waits.
    pub fn explain(&self) -> String {
        match self {
            Self::MinimumAge { from: _, since: None, minimum_age, .. } => {
                format!("it must be {} old, and nobody knows yet since when there is one", in_units(*minimum_age))
            }
            Self::MinimumAge { from, since: Some(since), minimum_age, end } => {
                let known = match from {
                    AgeFrom::Published => format!("it was published at {since}"),
                    AgeFrom::FirstSeen => format!("it was first seen at {since}"),
                };
                format!("{known} and must be {} old, which it is {}", in_units(*minimum_age), at(*end))
            }
            Self::DelayBetweenUpdates { last_update, delay, end } => format!(
                "the last update was at {last_update} and the next one may follow after {}, which is {}",
                in_units(*delay),
                at(*end)
            ),
            Self::Cooldown { last_failure, cooldown, end } => format!(
                "a rollout failed at {last_failure} and the next update may follow after {}, which is {}",
                in_units(*cooldown),
                at(*end)
            ),
            Self::OutsideWindow { after: None, opens } => {
                format!("no maintenance window is open; the next one opens {}", at(opens.as_ref()))
            }
            Self::OutsideWindow { after: Some(after), opens } => format!(
                "it may be applied from {after} on, but no maintenance window is open then; the next one opens {}",
                at(opens.as_ref())
            ),
        }
    }
}

fn at(time: Option<impl std::fmt::Display>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("at {time}"))
}
