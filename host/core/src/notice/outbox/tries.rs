//! Attempts at one thing, and when the next one makes sense.

use std::time::Duration;

use jiff::Timestamp;

/// Longest time that anything waits for its next attempt, whatever a channel or a clock says.
pub(super) const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// What came of trying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// How often in a row it failed.
    pub failures: u32,
    /// When to try again; none for at once.
    pub not_before: Option<Timestamp>,
}

impl Tries {
    /// When to try again, if that is not now.
    pub(super) fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_before.filter(|&not_before| is_ahead(not_before, now))
    }
}

/// Whether `time` is still to come. A time further ahead than anything ever waits was written by a clock that went wrong, and is not.
pub(super) fn is_ahead(time: Timestamp, now: Timestamp) -> bool {
    now < time && time <= later(now, LONGEST_WAIT)
}

/// `wait` after `time`; the end of time if there is no such time.
pub(super) fn later(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_far_ahead_are_mistakes_of_a_clock() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let check = |time: i64, expected: bool| assert_eq!(is_ahead(at(time), at(1_000_000)), expected, "{time}");
        check(999_999, false);
        check(1_000_000, false);
        check(1_000_001, true);
        check(1_086_400, true);
        check(1_086_401, false);
        assert!(is_ahead(Timestamp::MAX, Timestamp::MAX - Duration::from_secs(1)));
        assert_eq!(later(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(later(at(0), Duration::MAX), Timestamp::MAX);
    }
}
