//! One of the five fields of a cron expression: which values it lets through.

use std::fmt;

use super::WindowError;
use crate::policy::verdict::quoted;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Sunday as the end of a week that begins on Monday; as a value it is 0.
const LAST_SUNDAY: u8 = 7;

/// A field of a cron expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The first.
    Minute,
    /// The second.
    Hour,
    /// The third.
    DayOfMonth,
    /// The fourth.
    Month,
    /// The fifth; Sunday is 0 and 7.
    DayOfWeek,
}

impl Field {
    /// The least value, and the greatest that `*` stands for.
    fn bounds(self) -> (u8, u8) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, 6),
        }
    }

    /// The greatest value that may be written.
    fn greatest(self) -> u8 {
        if self == Self::DayOfWeek { LAST_SUNDAY } else { self.bounds().1 }
    }

    /// Names of the values, from the least one on.
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Minute | Self::Hour | Self::DayOfMonth => &[],
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
        }
    }

    /// The allowed values in words.
    pub(super) fn allowed(self) -> &'static str {
        match self {
            Self::Minute => "0 to 59",
            Self::Hour => "0 to 23",
            Self::DayOfMonth => "1 to 31",
            Self::Month => "1 to 12 or jan to dec",
            Self::DayOfWeek => "0 to 7 or sun to sat (0 and 7 are Sunday)",
        }
    }

    /// A range as people write it.
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Minute => "0-29",
            Self::Hour => "1-4",
            Self::DayOfMonth => "1-7",
            Self::Month => "jan-mar",
            Self::DayOfWeek => "mon-fri",
        }
    }

    /// The step that is as long as the field, so that only its first value is left.
    pub(super) fn largest_step(self) -> u8 {
        let (least, greatest) = self.bounds();
        greatest - least + 1
    }

    /// What a number or a name stands for.
    fn value(self, text: &str) -> Option<u8> {
        let (least, _) = self.bounds();
        // A sign would be taken by `parse`.
        if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
            return text.parse().ok().filter(|value| (least..=self.greatest()).contains(value));
        }
        let place = self.names().iter().position(|name| name.eq_ignore_ascii_case(text))?;
        u8::try_from(place).ok().map(|place| place + least)
    }

    /// The backward range from `from` to `to` as one up to the end of the field, and one from its beginning.
    fn around(self, from: &str, to: &str) -> String {
        let (least, greatest) = match (self.names(), from.parse::<u8>()) {
            ([least, .., greatest], Err(_)) => ((*least).to_owned(), (*greatest).to_owned()),
            _ => (self.bounds().0.to_string(), self.greatest().to_string()),
        };
        format!("{from}-{greatest},{least}-{to}")
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        })
    }
}

/// The values that a field lets through; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Values {
    /// Bit n stands for the value n.
    bits: u64,
    /// Whether it begins with a star: the rule for days depends on it, see [`super::cron`].
    pub(super) has_star: bool,
}

impl Values {
    /// Reads what stands in `field`.
    pub(super) fn parse(field: Field, text: &str) -> Result<Self, WindowError> {
        let mut bits = 0;
        for part in text.split(',') {
            bits |= part_bits(field, part)?;
        }
        Ok(Self { bits, has_star: text.starts_with('*') })
    }

    pub(super) fn contains(self, value: u8) -> bool {
        self.first_from(value) == Some(value)
    }

    /// The least value that is at least `from`.
    pub(super) fn first_from(self, from: u8) -> Option<u8> {
        let bits = self.bits & u64::MAX.checked_shl(from.into())?;
        (bits != 0).then(|| position(bits.trailing_zeros()))
    }

    /// The greatest value that is at most `to`.
    pub(super) fn last_to(self, to: u8) -> Option<u8> {
        let bits = self.bits & (u64::MAX >> (63 - to.min(63)));
        bits.checked_ilog2().map(position)
    }
}

/// The number of a bit, which is below 64.
fn position(bit: u32) -> u8 {
    u8::try_from(bit).unwrap_or(u8::MAX)
}

/// What one part of a list stands for: a value, a range or a star, each with steps or without.
fn part_bits(field: Field, part: &str) -> Result<u64, WindowError> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(parse_step(field, step)?)),
        None => (part, None),
    };
    let (first, last) = parse_range(field, part, range, step.is_some())?;
    Ok((first..=last).step_by(step.unwrap_or(1).into()).fold(0, |bits, value| {
        let is_sunday = field == Field::DayOfWeek && value == LAST_SUNDAY;
        bits | 1 << if is_sunday { 0 } else { value }
    }))
}

/// The first and the last value of a range; a single value in front of steps goes on to the end, as in Kubernetes' `CronJob`.
fn parse_range(field: Field, part: &str, range: &str, has_steps: bool) -> Result<(u8, u8), WindowError> {
    let wrong = || WindowError::Value { field, shown: quoted(part) };
    let (least, greatest) = field.bounds();
    if range == "*" {
        return Ok((least, greatest));
    }
    let Some((from, to)) = range.split_once('-') else {
        let value = field.value(range).ok_or_else(wrong)?;
        return Ok((value, if has_steps { greatest.max(value) } else { value }));
    };
    let (start, mut end) = field.value(from).zip(field.value(to)).ok_or_else(wrong)?;
    // By number a week begins on Sunday, but nobody who writes sat-sun means another thing than a weekend.
    if to.eq_ignore_ascii_case("sun") && start > 0 {
        end = LAST_SUNDAY;
    }
    if start > end {
        return Err(WindowError::Backwards { field, shown: quoted(range), instead: field.around(from, to) });
    }
    Ok((start, end))
}

/// What stands behind a slash. A step beyond the field is a mistake, most often about the unit: `*/90` is not every 90 minutes.
fn parse_step(field: Field, text: &str) -> Result<u8, WindowError> {
    let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
    let step = text.parse().ok().filter(|step| is_number && (1..=field.largest_step()).contains(step));
    step.ok_or_else(|| WindowError::Step { field, shown: quoted(text) })
}
