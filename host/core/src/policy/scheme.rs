//! By what a version is numbered: versions that are numbered by different things have no order that means anything.
//!
//! Many repositories hold dates among their versions: 20240115 is a greater number than 1 and not a newer release than 1.4.2.

use std::fmt;

use crate::version::Version;

/// What the first level of a version may be if it is a year.
const YEARS: std::ops::RangeInclusive<u64> = 1990..=2100;

/// By what a version seems to be numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// One number that is no date: a build number, or the most general name of a version.
    Number,
    /// Numbers, the first of which is no year, or the second of which is no month.
    Numbers,
    /// One number that may be a year or a build number.
    Year,
    /// A year and a month, and perhaps more.
    Calendar,
    /// Somewhere a whole date, with or without the time.
    Date {
        /// Index of the level that is one.
        level: usize,
        /// How many digits it has.
        digits: u32,
    },
}

impl Scheme {
    pub(super) fn of(version: &Version) -> Self {
        let date = version.levels.iter().enumerate().find_map(|(level, &number)| Some((level, date_digits(number)?)));
        match (date, version.levels.as_slice()) {
            (Some((level, digits)), _) => Self::Date { level, digits },
            (None, [year]) if YEARS.contains(year) => Self::Year,
            (None, [_]) => Self::Number,
            (None, [year, month, ..]) if YEARS.contains(year) && (1..=12).contains(month) => Self::Calendar,
            (None, _) => Self::Numbers,
        }
    }
}

/// Whether the two are surely numbered by different things.
///
/// In doubt they are not: 2024 may become 2024.1, or 2025 if it is the 2024th build; 2024.0 and 2024.13 do not begin with a year and a
/// month, but may well be neighbours of versions that seem to.
pub(super) fn is_other(one: &Version, other: &Version) -> bool {
    use Scheme::{Calendar, Date, Number, Numbers, Year};
    match (Scheme::of(one), Scheme::of(other)) {
        (one @ Date { .. }, other) | (one, other @ Date { .. }) => one != other,
        (Calendar, Number | Numbers) | (Year, Numbers) => !begins_with_year(other),
        (Number | Numbers, Calendar) | (Numbers, Year) => !begins_with_year(one),
        (Calendar | Year, Calendar | Year)
        | (Number, Number | Numbers | Year)
        | (Numbers, Number | Numbers)
        | (Year, Number) => false,
    }
}

fn begins_with_year(version: &Version) -> bool {
    version.levels.first().is_some_and(|first| YEARS.contains(first))
}

/// How many digits `number` has, if it is a date as yyyymmdd, yyyymmddhhmm or yyyymmddhhmmss.
fn date_digits(number: u64) -> Option<u32> {
    let digits = number.checked_ilog10()?.saturating_add(1);
    let (date, time) = match digits {
        8 => (number, 0),
        12 => (number / 10_000, number % 10_000 * 100),
        14 => (number / 1_000_000, number % 1_000_000),
        _ => return None,
    };
    let is_date =
        YEARS.contains(&(date / 10_000)) && (1..=12).contains(&(date / 100 % 100)) && (1..=31).contains(&(date % 100));
    let is_time = time / 10_000 < 24 && time / 100 % 100 < 60 && time % 100 < 60;
    (is_date && is_time).then_some(digits)
}

/// To follow "it is numbered by".
impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number | Self::Numbers => f.write_str("plain numbers"),
            Self::Year => f.write_str("the year"),
            Self::Calendar => f.write_str("year and month"),
            Self::Date { level, digits } => {
                write!(f, "a date of {digits} digits in level {}", level.saturating_add(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(levels: &[u64]) -> Version {
        Version { levels: levels.to_vec(), ..Version::default() }
    }

    #[test]
    fn dates_are_told_from_numbers() {
        let check = |levels: &[u64], expected: Scheme, text: &str| {
            let scheme = Scheme::of(&version(levels));
            assert_eq!((scheme, scheme.to_string().as_str()), (expected, text), "{levels:?}");
        };
        let date = |level, digits| Scheme::Date { level, digits };
        check(&[], Scheme::Numbers, "plain numbers");
        check(&[1], Scheme::Number, "plain numbers");
        check(&[1, 4, 2], Scheme::Numbers, "plain numbers");
        check(&[22, 4], Scheme::Numbers, "plain numbers");
        check(&[1989, 12], Scheme::Numbers, "plain numbers");
        check(&[2101, 1], Scheme::Numbers, "plain numbers");
        check(&[2024, 0], Scheme::Numbers, "plain numbers");
        check(&[2024, 13], Scheme::Numbers, "plain numbers");
        check(&[2024], Scheme::Year, "the year");
        check(&[1990, 1], Scheme::Calendar, "year and month");
        check(&[2100, 12, 31], Scheme::Calendar, "year and month");
        check(&[20_240_115], date(0, 8), "a date of 8 digits in level 1");
        check(&[202_401_151_030], date(0, 12), "a date of 12 digits in level 1");
        check(&[20_240_115_103_059], date(0, 14), "a date of 14 digits in level 1");
        check(&[20_240_115, 3], date(0, 8), "a date of 8 digits in level 1");
        check(&[1, 4, 20_240_115], date(2, 8), "a date of 8 digits in level 3");
        check(&[2024, 1, 20_240_115], date(2, 8), "a date of 8 digits in level 3");
        check(&[20_241_301], Scheme::Number, "plain numbers");
        check(&[20_240_132], Scheme::Number, "plain numbers");
        check(&[20_240_100], Scheme::Number, "plain numbers");
        check(&[19_891_231], Scheme::Number, "plain numbers");
        check(&[202_401_152_430], Scheme::Number, "plain numbers");
        check(&[202_401_151_060], Scheme::Number, "plain numbers");
        check(&[20_240_115_103_060], Scheme::Number, "plain numbers");
        check(&[2_024_011_510], Scheme::Number, "plain numbers");
        check(&[u64::MAX], Scheme::Number, "plain numbers");
        check(&[0], Scheme::Number, "plain numbers");
    }

    #[test]
    fn versions_of_different_schemes_do_not_compare() {
        let check = |one: &[u64], other: &[u64], expected: bool| {
            assert_eq!(is_other(&version(one), &version(other)), expected, "{one:?} {other:?}");
            assert_eq!(is_other(&version(other), &version(one)), expected, "{other:?} {one:?}");
        };
        check(&[1, 4, 2], &[2024, 1], true);
        check(&[1, 4, 2], &[2024, 1, 15], true);
        check(&[1, 4, 2], &[20_240_115], true);
        check(&[1, 4, 2], &[202_401_151_030], true);
        check(&[1, 4, 2], &[1, 4, 20_240_115], true);
        check(&[1, 4, 2], &[1, 4, 2, 20_240_115], true);
        check(&[1, 4, 2], &[2024], true);
        check(&[7], &[2024, 1], true);
        check(&[7], &[20_240_115], true);
        check(&[2024, 1], &[20_240_115], true);
        check(&[2024], &[20_240_115], true);
        check(&[20_240_115], &[202_401_151_030], true);
        check(&[1, 20_240_115], &[1, 4, 20_240_115], true);
        check(&[2023, 12], &[3000, 1], true);

        check(&[1, 4, 2], &[2, 0], false);
        check(&[1, 4, 2], &[2], false);
        check(&[1, 4, 2], &[1, 5], false);
        check(&[2023, 12], &[2024, 1, 3], false);
        check(&[20_240_115], &[20_240_116, 2], false);
        check(&[1, 4, 20_240_115], &[1, 5, 20_240_201], false);
        // Neighbours of what seems to be a month.
        check(&[2024, 0], &[2024, 1], false);
        check(&[2024, 12], &[2024, 13], false);
        check(&[2024], &[2024, 1], false);
        check(&[2024], &[2024, 13], false);
        // The 2024th build is no year.
        check(&[1989], &[1990], false);
        check(&[2100], &[2101], false);
        check(&[1809], &[2004], false);
    }
}
