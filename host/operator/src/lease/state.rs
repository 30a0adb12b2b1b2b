//! Whose the lease is, and what to do about it. Pure: the clock is an argument.
//!
//! As in client-go (<https://github.com/kubernetes/client-go/blob/v0.36.0/tools/leaderelection/leaderelection.go>), times that others write
//! are never compared with our clock, which may differ from theirs. What counts is how long the lease has looked the same *to us*.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// How long a lease is good after it was last renewed, for those who look at it.
pub const DURATION: Duration = Duration::from_secs(15);
/// How long we believe that it is ours after we last renewed it. Less than [`DURATION`], so that we have stopped before others begin, even
/// if our clock is a little slow.
pub const CONFIDENCE: Duration = Duration::from_secs(10);
/// Time between two renewals, and between two looks at a lease that is somebody else's.
pub const PERIOD: Duration = Duration::from_secs(2);

/// What stands in a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; empty for nobody.
    pub holder: String,
    /// How long it is good after a renewal. What is not positive is read as [`DURATION`].
    pub duration: Duration,
    /// When the holder got it, by the holder's clock.
    pub acquired: Option<Timestamp>,
    /// When the holder renewed it, by the holder's clock.
    pub renewed: Option<Timestamp>,
    /// How often it went from one holder to another.
    pub transitions: i32,
}

/// A lease, and since when it looks like that, by our own clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    record: Record,
    since: Instant,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no lease: make one.
    Create,
    /// It is ours: say that we are still there.
    Renew,
    /// Nobody holds it, or whoever does has not renewed it in time.
    TakeOver,
    /// It is somebody else's, for at least this much longer.
    Wait(Duration),
}

impl Sight {
    /// What is seen at `now`, when `before` is what was seen last. Only a change is a sign of life.
    pub fn of(record: Record, before: Option<Self>, now: Instant) -> Self {
        match before {
            Some(before) if before.record == record => before,
            _ => Self { record, since: now },
        }
    }

    /// What was seen.
    pub fn record(&self) -> &Record {
        &self.record
    }
}

/// What `me` has to do at `now`, when the lease looks like `sight`; none if there is no lease.
pub fn step(sight: Option<&Sight>, me: &str, now: Instant) -> Step {
    let Some(Sight { record, since }) = sight else { return Step::Create };
    if record.holder == me {
        return Step::Renew;
    }
    if record.holder.is_empty() {
        return Step::TakeOver;
    }
    let duration = if record.duration.is_zero() { DURATION } else { record.duration };
    match duration.checked_sub(now.saturating_duration_since(*since)) {
        Some(left) if !left.is_zero() => Step::Wait(left),
        _ => Step::TakeOver,
    }
}

/// Whether a lease that was renewed by a request sent at `renewed` is still ours at `now`.
pub fn is_held(renewed: Instant, now: Instant) -> bool {
    now.saturating_duration_since(renewed) < CONFIDENCE
}

/// The lease as `me` wants it to be at `now`, when it looks like `before`.
pub fn claimed(before: Option<&Record>, me: &str, now: Timestamp) -> Record {
    let (acquired, transitions) = match before {
        Some(before) if before.holder == me => (before.acquired.or(Some(now)), before.transitions),
        Some(before) => (Some(now), before.transitions.saturating_add(1)),
        None => (Some(now), 0),
    };
    Record { holder: me.to_owned(), duration: DURATION, acquired, renewed: Some(now), transitions }
}

/// The lease as it is left behind: nobody's, so that the next one need not wait.
pub fn released(before: &Record, now: Timestamp) -> Record {
    Record { holder: String::new(), renewed: Some(now), ..before.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn record(holder: &str, seconds: u64) -> Record {
        Record { holder: holder.to_owned(), duration: Duration::from_secs(seconds), ..Record::default() }
    }

    #[test]
    fn a_lease_is_taken_over_when_it_has_looked_the_same_for_too_long() {
        let start = Instant::now();
        let check = |holder: &str, seconds: u64, passed: Duration, expected: Step| {
            let sight = Sight::of(record(holder, seconds), None, start);
            assert_eq!(step(Some(&sight), "me", start + passed), expected, "{holder} {seconds} {passed:?}");
        };
        let instant = Duration::from_nanos(1);
        check("other", 10, Duration::ZERO, Step::Wait(10 * SECOND));
        check("other", 10, 9 * SECOND, Step::Wait(SECOND));
        check("other", 10, (10 * SECOND).saturating_sub(instant), Step::Wait(instant));
        check("other", 10, 10 * SECOND, Step::TakeOver);
        check("other", 10, 3600 * SECOND, Step::TakeOver);
        check("other", 0, DURATION.saturating_sub(instant), Step::Wait(instant));
        check("other", 0, DURATION, Step::TakeOver);
        check("", 10, Duration::ZERO, Step::TakeOver);
        check("me", 10, Duration::ZERO, Step::Renew);
        check("me", 10, 3600 * SECOND, Step::Renew);
        assert_eq!(step(None, "me", start), Step::Create);
    }

    #[test]
    fn only_a_change_is_a_sign_of_life() {
        let start = Instant::now();
        let at = |renewed: i64| Record { renewed: Timestamp::from_second(renewed).ok(), ..record("other", 10) };
        let first = Sight::of(at(1), None, start);
        let same = Sight::of(at(1), Some(first.clone()), start + 9 * SECOND);
        assert_eq!(step(Some(&same), "me", start + 10 * SECOND), Step::TakeOver);
        // The other clock may be years away, and may even go backwards.
        let renewed = Sight::of(at(-1_000_000_000), Some(first), start + 9 * SECOND);
        assert_eq!(step(Some(&renewed), "me", start + 10 * SECOND), Step::Wait(9 * SECOND));
    }

    #[test]
    fn we_stop_before_others_begin() {
        let start = Instant::now();
        let check =
            |passed: Duration, expected: bool| assert_eq!(is_held(start, start + passed), expected, "{passed:?}");
        check(Duration::ZERO, true);
        check(CONFIDENCE.saturating_sub(Duration::from_nanos(1)), true);
        check(CONFIDENCE, false);
        let theirs = Sight::of(record("me", DURATION.as_secs()), None, start);
        assert!(matches!(step(Some(&theirs), "other", start + CONFIDENCE), Step::Wait(_)));
    }

    #[test]
    fn who_takes_over_is_counted_and_who_renews_is_not() {
        let time = |second: i64| Timestamp::from_second(second).unwrap();
        let first = claimed(None, "me", time(1));
        assert_eq!((first.holder.as_str(), first.acquired, first.transitions), ("me", Some(time(1)), 0));
        let renewed = claimed(Some(&first), "me", time(2));
        assert_eq!((renewed.acquired, renewed.renewed, renewed.transitions), (Some(time(1)), Some(time(2)), 0));
        let taken = claimed(Some(&renewed), "other", time(3));
        assert_eq!((taken.holder.as_str(), taken.acquired, taken.transitions), ("other", Some(time(3)), 1));
        let left = released(&taken, time(4));
        assert_eq!((left.holder.as_str(), left.transitions, left.duration), ("", 1, DURATION));
        assert_ne!(left, taken);
    }
}
