//! How old a version must be before it is applied by itself: others are to find out what is wrong with it.

use std::time::Duration;

use jiff::Timestamp;

use super::units::in_units;
use super::{Policy, Ruling, Tagged, Verdict, is_newer, tags};

/// How old a version must be, and what time it is: one says nothing without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinimumAge {
    /// The least age. With zero nothing is too young.
    pub minimum: Duration,
    /// When that is judged.
    pub now: Timestamp,
}

impl MinimumAge {
    /// From when on something is old enough whose age counts from `since`; none if that is never.
    pub fn end(&self, since: Timestamp) -> Option<Timestamp> {
        since.checked_add(self.minimum).ok()
    }

    /// Of what nobody knows the age is as young as can be. What is from the future, by a clock that was wrong, waits for longer rather than
    /// hurries.
    fn is_too_young(&self, tagged: &Tagged) -> bool {
        let is_old_enough = |since| self.end(since).is_some_and(|end| end <= self.now);
        !self.minimum.is_zero() && !tagged.since.is_some_and(is_old_enough)
    }
}

/// The verdict on a candidate of which the other rules say `verdict`.
///
/// It speaks of what would be applied by itself, one candidate at a time, so that the greatest that is old enough is applied while a younger
/// one waits. What is left of the frontier is reported at any age: people decide about that, and the sooner they know the better.
pub(super) fn judge(policy: &Policy, candidate: &Tagged, verdict: Verdict) -> Verdict {
    match (verdict, policy.age) {
        (Verdict::Superseded, Some(age)) if age.is_too_young(candidate) => Verdict::TooYoung,
        (other, _) => other,
    }
}

/// Why `candidate` is too young, in words.
pub(super) fn explain(age: Option<MinimumAge>, candidate: &Tagged) -> String {
    // The moments, not how old it is now: a status that says something else at each check is written at each check.
    match (age, candidate.since) {
        (None, _) => "it is younger than minimumAge".to_owned(),
        (Some(age), None) => {
            format!("nobody knows how old it is, and minimumAge wants it to be {} old", in_units(age.minimum))
        }
        (Some(age), Some(since)) => {
            let end = age.end(since).map_or_else(|| "never".to_owned(), |end| format!("from {end} on"));
            let minimum = in_units(age.minimum);
            format!("it is of {since}, and minimumAge wants it to be {minimum} old: it may be applied by itself {end}")
        }
    }
}

/// The candidate that is the first to become old enough, by its index, and when; none if none does, or if what is applied now is newer.
///
/// Of several at the same moment it is the greatest. `ruling` is what [`decide`](super::decide) says of all the rest.
pub fn next_of_age(
    policy: &Policy,
    current: &Tagged,
    candidates: &[Tagged],
    ruling: &Ruling,
) -> Option<(usize, Timestamp)> {
    let age = policy.age?;
    let judged = candidates.iter().zip(&ruling.verdicts).enumerate();
    let young = judged.filter(|(_, (_, verdict))| **verdict == Verdict::TooYoung);
    let newer = young.filter(|(index, _)| ruling.update.is_none_or(|update| is_newer(candidates, *index, update)));
    let ends = newer.filter_map(|(index, (tagged, _))| Some((index, tagged, age.end(tagged.since?)?)));
    let first = ends.min_by(|(_, one, one_end), (_, other, other_end)| {
        one_end.cmp(other_end).then_with(|| tags::order(current, other, one))
    });
    first.map(|(index, _, end)| (index, end))
}
