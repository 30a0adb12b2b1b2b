//! Points in time, as registries write them, and as people read them.

use serde::{Deserialize, Serialize};

/// A point in time from 1970 on, to the nanosecond. Earlier is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z, as the WIT's `tag.pushed` wants them.
    pub seconds: u64,
    /// The fraction of a second, cut off (not rounded) behind the ninth digit.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Reads a date and time as in RFC 3339 section 5.6: `2024-01-15T10:00:01.654321Z`, `2019-01-06T16:49:51.272+01:00`.
    ///
    /// None for anything else: another form of ISO 8601, a date that the calendar does not have, years before 1970. Such a date, as the
    /// year 1 of a field that was never set, says nothing about a tag.
    ///
    /// ```
    /// use k8supdater_plugin::time::Timestamp;
    ///
    /// let pushed = Timestamp::parse("2024-01-15T11:00:01.5+01:00");
    /// assert_eq!(pushed, Some(Timestamp { seconds: 1_705_312_801, nanoseconds: 500_000_000 }));
    /// assert_eq!(Timestamp::parse("2024-02-30T10:00:00Z"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once(['T', 't'])?;
        let (clock, fraction, ahead) = split_time(time)?;
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hours, minutes, seconds] = numbers(clock, ':', [2, 2, 2])?;
        let is_date = year >= 1970 && (1..=12).contains(&month) && (1..=days_of_month(year, month)).contains(&day);
        // A leap second counts as the first second after it.
        if !is_date || hours > 23 || minutes > 59 || seconds > 60 {
            return None;
        }
        let local = ((days(year, month, day) * 24 + hours) * 60 + minutes) * 60 + seconds;
        Some(Self { seconds: local.checked_add_signed(-ahead)?, nanoseconds: nanoseconds(fraction)? })
    }

    /// This many whole seconds after 1970-01-01T00:00:00Z.
    pub fn from_seconds(seconds: u64) -> Self {
        Self { seconds, nanoseconds: 0 }
    }

    /// As in RFC 3339, to the second: `2024-01-15T10:00:01Z`.
    pub fn rfc3339(self) -> String {
        let (date, clock) = self.date_and_clock();
        format!("{date}T{clock}Z")
    }

    /// As people read it: `2024-01-15 10:00:01 UTC`.
    pub fn for_people(self) -> String {
        let (date, clock) = self.date_and_clock();
        format!("{date} {clock} UTC")
    }

    fn date_and_clock(self) -> (String, String) {
        const DAY: u64 = 24 * 60 * 60;
        let (year, month, day) = date(self.seconds / DAY);
        let second = self.seconds % DAY;
        let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
        (format!("{year:04}-{month:02}-{day:02}"), clock)
    }
}

/// Time of day, digits of the fraction (empty if there is none), and how many seconds the clock is ahead of UTC.
fn split_time(time: &str) -> Option<(&str, &str, i64)> {
    let (time, ahead) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => split_offset(time)?,
    };
    match time.split_once('.') {
        Some((_, "")) => None,
        Some((clock, fraction)) => Some((clock, fraction, ahead)),
        None => Some((time, "", ahead)),
    }
}

/// What stands before an offset such as `+05:30`, and its seconds.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    let (time, offset) = time.split_at_checked(time.rfind(['+', '-'])?)?;
    let [hours, minutes] = numbers(offset.get(1..)?, ':', [2, 2])?;
    let seconds = i64::try_from((hours * 60 + minutes) * 60).ok().filter(|_| hours < 24 && minutes < 60)?;
    Some((time, if offset.starts_with('-') { -seconds } else { seconds }))
}

/// Nanoseconds of the digits behind the point.
fn nanoseconds(fraction: &str) -> Option<u32> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().map(|byte| u32::from(byte - b'0')).chain(std::iter::repeat(0));
    Some(digits.take(9).fold(0, |number, digit| number * 10 + digit))
}

/// Numbers of exactly these many digits, with `separator` between them and nothing else.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[u64; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

fn days_of_month(year: u64, month: u64) -> u64 {
    let is_leap_year = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap_year => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, for years from 1970 on. The year is made to begin in March, so that a leap day is its last.
pub(crate) fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before_this_year = 365 * year + year / 4 - year / 100 + year / 400;
    // 153 days in the five months from March to July, and again from August on.
    let before_this_month = (153 * month + 2) / 5;
    before_this_year + before_this_month + day - 1 - DAYS_TO_1970
}

/// The reverse of [`days`]: year, month and day.
fn date(days: u64) -> (u64, u64, u64) {
    const FOUR_CENTURIES: u64 = 400 * 365 + 97;
    const CENTURY: u64 = 100 * 365 + 24;
    const FOUR_YEARS: u64 = 4 * 365 + 1;
    let (cycles, day) = ((days + DAYS_TO_1970) / FOUR_CENTURIES, (days + DAYS_TO_1970) % FOUR_CENTURIES);
    // The fourth century of a cycle has a day more than the others, and the fourth year of four too: a leap day at the end.
    let century = (day / CENTURY).min(3);
    let day = day - century * CENTURY;
    let (four_years, day) = (day / FOUR_YEARS, day % FOUR_YEARS);
    let year = (day / 365).min(3);
    let day = day - year * 365;
    let months = (5 * day + 2) / 153;
    let day = day - (153 * months + 2) / 5 + 1;
    let year = cycles * 400 + century * 100 + four_years * 4 + year;
    if months < 10 { (year, months + 3, day) } else { (year + 1, months - 9, day) }
}

/// Days from the March of year 0 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn dates_are_counted_from_1970() {
        let check = |text: &str, seconds, nanoseconds| {
            assert_eq!(Timestamp::parse(text), Some(Timestamp { seconds, nanoseconds }), "for {text:?}");
        };
        check("1970-01-01T00:00:00Z", 0, 0);
        // Three of the examples in RFC 3339 section 5.8.
        check("1985-04-12T23:20:50.52Z", 482_196_050, 520_000_000);
        check("1996-12-19T16:39:57-08:00", 851_042_397, 0);
        check("1990-12-31T23:59:60Z", 662_688_000, 0);
        check("2024-01-15T10:00:01.654321Z", 1_705_312_801, 654_321_000);
        check("2019-01-06T16:49:51.272+00:00", 1_546_793_391, 272_000_000);
        check("2019-01-06T16:49:51+05:30", 1_546_773_591, 0);
        check("2024-02-29t00:00:00z", 1_709_164_800, 0);
        check("2000-02-29T00:00:00Z", 951_782_400, 0);
        check("2100-02-28T23:59:59Z", 4_107_542_399, 0);
        check("1970-01-01T00:30:00+00:30", 0, 0);
        check("1970-01-01T00:00:00-00:30", 1_800, 0);
        check("2024-01-15T10:00:01.000000001Z", 1_705_312_801, 1);
        check("2024-01-15T10:00:01.9999999999999Z", 1_705_312_801, 999_999_999);
        check("9999-12-31T23:59:59Z", 253_402_300_799, 0);
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "T",
            "Z",
            "null",
            "0001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+00:01",
            "2024-01-15",
            "2024-01-15T10:00:01",
            "2024-01-15 10:00:01Z",
            "2024-01-15T10:00Z",
            "2024-01-15T10:00:01.Z",
            "2024-01-15T10:00:01.5.5Z",
            "2024-01-15T10:00:01.5xZ",
            "2024-01-15T10:00:01,5Z",
            "2024-01-15T10:00:01+01",
            "2024-01-15T10:00:01+0100",
            "2024-01-15T10:00:01+24:00",
            "2024-01-15T10:00:01+00:60",
            "2024-01-15T24:00:00Z",
            "2024-01-15T10:60:00Z",
            "2024-01-15T10:00:61Z",
            "2024-00-15T10:00:00Z",
            "2024-13-15T10:00:00Z",
            "2024-01-00T10:00:00Z",
            "2024-01-32T10:00:00Z",
            "2024-04-31T10:00:00Z",
            "2023-02-29T10:00:00Z",
            "2100-02-29T10:00:00Z",
            "24-01-15T10:00:00Z",
            "+024-01-15T10:00:00Z",
            "2024-1-15T10:00:00Z",
            "2024-01-15T10:00:00ZZ",
            "2024-01-15T10:00:00Zé",
            "2024-01-15T1é:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "for {text:?}");
        }
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        assert_eq!(Timestamp::from_seconds(1_705_312_801).rfc3339(), "2024-01-15T10:00:01Z");
        assert_eq!(Timestamp::from_seconds(0).for_people(), "1970-01-01 00:00:00 UTC");
        // Every day of a cycle of the calendar, each at another time of day.
        for day in 0..146_097 + 365 {
            let time = Timestamp::from_seconds(day * 86_400 + day % 86_400);
            assert_eq!(Timestamp::parse(&time.rfc3339()), Some(time));
        }
        assert!(Timestamp::from_seconds(u64::MAX).rfc3339().ends_with('Z'));
    }

    #[test]
    fn earlier_is_less_also_within_a_second() {
        let times =
            ["2023-12-01T00:00:00Z", "2024-01-15T10:00:01Z", "2024-01-15T10:00:01.1Z", "2024-01-15T10:00:01.15Z"];
        let times = times.map(|text| Timestamp::parse(text).unwrap());
        assert!(times.is_sorted_by(|earlier, later| earlier < later));
    }
}
