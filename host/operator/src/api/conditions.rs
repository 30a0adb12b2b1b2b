//! Condition types and how a set of conditions changes over time.
//!
//! Pure: the clock is an argument. Which condition is set when is decided in [`reconcile::report`](crate::reconcile::report) and
//! [`plugin`](crate::plugin).

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Everything about the object works; on a VersioningHandler, that its last check succeeded.
pub const READY: &str = "Ready";
/// The tags of every container's repository could be listed.
pub const REGISTRY_REACHABLE: &str = "RegistryReachable";
/// No newer version is waiting, neither for the operator nor for a human.
pub const UP_TO_DATE: &str = "UpToDate";
/// The workload runs what its spec says.
pub const ROLLOUT_HEALTHY: &str = "RolloutHealthy";
/// Everything that people have to be told was delivered. Only where somebody is told.
pub const NOTIFIED: &str = "Notified";
/// Something else sets the workload's images: Argo CD, Flux or Helm. Only where that is so.
pub const OWNED_ELSEWHERE: &str = "OwnedElsewhere";
/// A tag that is a version points at another image than before. Only where that is so.
pub const TAG_MOVED: &str = "TagMoved";
/// The plugin's bytes were read, checked, compiled, and its examples passed.
pub const LOADED: &str = "Loaded";
/// The plugin asks for nothing that is not granted.
pub const GRANTED: &str = "Granted";

/// The three values of a condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The condition holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told at the moment.
    Unknown,
}

impl State {
    /// The word that the API server expects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// One condition as decided now, before it is merged with what was known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// One of the constants of this module.
    pub kind: &'static str,
    /// Whether it holds.
    pub state: State,
    /// A fixed CamelCase word.
    pub reason: &'static str,
    /// A sentence for people: what, why, and what to do.
    pub message: String,
}

/// Longest message of a condition, in bytes; the API server takes 32,768 (`metav1.Condition`), people far less.
const LONGEST_MESSAGE: usize = 2048;

/// `findings` as conditions. One whose status did not change keeps its transition time from `before`.
pub fn merge(before: &[Condition], findings: Vec<Finding>, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    findings
        .into_iter()
        .map(|finding| {
            let status = finding.state.as_str();
            let since = before
                .iter()
                .find(|condition| condition.type_ == finding.kind && condition.status == status)
                .map_or(Time(now), |condition| condition.last_transition_time.clone());
            Condition {
                type_: finding.kind.to_owned(),
                status: status.to_owned(),
                reason: finding.reason.to_owned(),
                message: shorten(finding.message, LONGEST_MESSAGE),
                observed_generation: generation,
                last_transition_time: since,
            }
        })
        .collect()
}

/// `text`, cut at a character boundary so that it has at most `longest` bytes, with an ellipsis where it was cut.
pub fn shorten(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(state: State, message: &str) -> Finding {
        Finding { kind: READY, state, reason: "Checked", message: message.to_owned() }
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let start = Timestamp::from_second(1_000).unwrap();
        let later = Timestamp::from_second(2_000).unwrap();
        let first = merge(&[], vec![finding(State::True, "a")], Some(1), start);
        let same = merge(&first, vec![finding(State::True, "b")], Some(2), later);
        assert_eq!(same[0].last_transition_time, Time(start));
        assert_eq!((same[0].message.as_str(), same[0].observed_generation), ("b", Some(2)));
        let other = merge(&same, vec![finding(State::False, "c")], Some(2), later);
        assert_eq!(other[0].last_transition_time, Time(later));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shorten("short".to_owned(), 5), "short");
        assert_eq!(shorten("ääää".to_owned(), 6), "ä…");
        assert!(shorten("x".repeat(9_000), LONGEST_MESSAGE).len() <= LONGEST_MESSAGE);
    }
}
