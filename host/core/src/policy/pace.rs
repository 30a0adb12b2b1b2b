//! When an update may be applied: how old its version must be, how far apart updates are, and in which windows they are.
//!
//! Each rule says until when it asks for patience. All must be satisfied at the same moment, which is not the same as one after the other:
//! when age and delay are over, a window must be open. [`decide_pace`] finds the first such moment.
//!
//! Times that lie after `now` come from a clock that was wrong, ours or a registry's. They count as they are, so that an update waits for
//! longer rather than hurries.

mod reason;

use std::cmp::Ordering;
use std::time::Duration;

use jiff::Timestamp;

pub use reason::{AgeFrom, WaitReason};

use super::window::{WindowState, Windows};

/// How patient updates are. Times of zero ask for no patience.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// How old a version must be: others are to find out what is wrong with it.
    pub minimum_age: Duration,
    /// The least time from one update of the same handler to the next: what the first one breaks must have time to show.
    pub delay_between_updates: Duration,
    /// The least time from a failed rollout to the next update: somebody has to have had time to look.
    pub cooldown: Duration,
    /// When the workload may be disturbed.
    pub windows: Windows,
}

/// What is known about a container's update that could be applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// When it was published, as the registry says; none if it does not.
    pub published: Option<Timestamp>,
    /// When we first saw it; none if that was never written down. It counts only if the registry has no date.
    pub first_seen: Option<Timestamp>,
    /// When the handler's last update was applied; none if there was none.
    pub last_update: Option<Timestamp>,
    /// When the handler's last rollout failed, so that it was put back or its version was held; none if none did.
    pub last_failure: Option<Timestamp>,
    /// Whether a human has approved this very update.
    ///
    /// Age, delay and cooldown are there so that nothing happens before somebody could have looked; who approves has looked. Windows are
    /// there for those who use the workload, and are often agreed upon with others than those who may press a button in a chat; they hold
    /// for approved updates too.
    pub is_approved: bool,
}

/// When an update may be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pace {
    /// At once.
    Now,
    /// Not yet.
    Wait {
        /// The first moment at which it may, if nothing happens until then; none if that cannot be known.
        until: Option<Timestamp>,
        /// Which rule lasts until then.
        why: WaitReason,
    },
}

/// Says when an update may be applied by these rules.
///
/// Looking again later gives the same moment until it has come, and then [`Pace::Now`], as long as the facts stay as they are.
pub fn decide_pace(patience: &Patience, facts: &Facts, now: Timestamp) -> Pace {
    let longest = waits(patience, facts).filter(|wait| wait.end.is_none_or(|end| end > now)).reduce(later);
    let rest = match &longest {
        None => now,
        Some(Wait { end: Some(end), .. }) => *end,
        Some(Wait { end: None, why }) => return Pace::Wait { until: None, why: why.clone() },
    };
    match (patience.windows.state(rest), longest) {
        (WindowState::Open { .. }, None) => Pace::Now,
        (WindowState::Open { .. }, Some(Wait { end, why })) => Pace::Wait { until: end, why },
        (WindowState::Closed { .. }, longest) => {
            let opens = patience.windows.start_after(rest);
            let until = opens.as_ref().map(jiff::Zoned::timestamp);
            Pace::Wait { until, why: WaitReason::OutsideWindow { after: longest.and_then(|wait| wait.end), opens } }
        }
    }
}

/// What one rule asks for.
struct Wait {
    /// From when on it is satisfied; none if nobody knows.
    end: Option<Timestamp>,
    why: WaitReason,
}

/// What each rule but the windows asks for, whether it is satisfied by now or not.
fn waits(patience: &Patience, facts: &Facts) -> impl Iterator<Item = Wait> {
    let age = |minimum_age| {
        let (from, since) = match facts.published {
            Some(published) => (AgeFrom::Published, Some(published)),
            None => (AgeFrom::FirstSeen, facts.first_seen),
        };
        let end = since.and_then(|since| end(since, minimum_age));
        Some(Wait { end, why: WaitReason::MinimumAge { from, since, minimum_age, end } })
    };
    let delay = |delay| {
        let last_update = facts.last_update?;
        let end = end(last_update, delay);
        Some(Wait { end, why: WaitReason::DelayBetweenUpdates { last_update, delay, end } })
    };
    let cooldown = |cooldown| {
        let last_failure = facts.last_failure?;
        let end = end(last_failure, cooldown);
        Some(Wait { end, why: WaitReason::Cooldown { last_failure, cooldown, end } })
    };
    let asked = |time: Duration| Some(time).filter(|time| !time.is_zero() && !facts.is_approved);
    [
        asked(patience.minimum_age).and_then(age),
        asked(patience.delay_between_updates).and_then(delay),
        asked(patience.cooldown).and_then(cooldown),
    ]
    .into_iter()
    .flatten()
}

/// None at the end of the calendar.
fn end(since: Timestamp, time: Duration) -> Option<Timestamp> {
    since.checked_add(time).ok()
}

/// The one that lasts longer; one of which nobody knows when it ends lasts longest. Of equals it is the first.
fn later(one: Wait, other: Wait) -> Wait {
    let order = match (one.end, other.end) {
        (None, _) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(one), Some(other)) => one.cmp(&other),
    };
    if order == Ordering::Less { other } else { one }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod laws;
