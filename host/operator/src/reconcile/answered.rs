//! What came of answers, in words. Pure.

use jiff::Timestamp;

use super::event::Saying;

/// What was made of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It is an approval, and is followed as soon as that is possible.
    Approved {
        /// What is approved.
        tag: String,
        /// By whom.
        by: String,
        /// When the last update before began, if there was one: after each the same tag can be approved anew.
        last_update: Option<Timestamp>,
    },
    /// The tag is neither applied nor offered any more.
    Skipped {
        /// What is skipped.
        tag: String,
        /// By whom.
        by: String,
    },
    /// Nobody is reminded of the tag for a while.
    Snoozed {
        /// What is snoozed.
        tag: String,
        /// By whom.
        by: String,
        /// For how long, as in the annotation.
        time: String,
        /// When the snooze before ends or ended, if there was one.
        last_snooze: Option<Timestamp>,
    },
    /// What the last update has applied is taken back.
    RollbackAsked {
        /// What is taken back.
        tag: String,
        /// By whom.
        by: String,
        /// When that update began.
        last_update: Option<Timestamp>,
    },
    /// That a version was pushed again is known and in order.
    Accepted {
        /// The tag with its new digest.
        tag: String,
        /// By whom.
        by: String,
        /// When the last update before began, if there was one.
        last_update: Option<Timestamp>,
    },
    /// It was an approval of something that cannot be applied, or not any more.
    NotApplied {
        /// What was approved.
        tag: String,
        /// By whom.
        by: String,
        /// A sentence for people.
        why: String,
        /// When the last update before began, if there was one.
        last_update: Option<Timestamp>,
    },
    /// It could not be read, or says nothing about what there is.
    NotUnderstood {
        /// Name of the annotation.
        annotation: &'static str,
        /// What stands in it.
        value: String,
        /// What is wrong, and what would be right.
        remedy: String,
    },
}

impl Answered {
    /// Words for an Event about `container`, which is empty if none is meant.
    ///
    /// The occasions depend on the answer and on what stood in the status when it was given, so that whoever is killed after saying it says
    /// the same again.
    pub(super) fn saying(&self, container: &str) -> Saying {
        let since = |last: &Option<Timestamp>| last.map_or(0, Timestamp::as_second);
        let place = if container.is_empty() { String::new() } else { format!("container {container}: ") };
        match self {
            Self::Approved { tag, by, last_update } => Saying {
                is_warning: false,
                reason: "Approved",
                action: "Approve",
                occasion: format!("{container} {tag} {by} after {}", since(last_update)),
                note: format!("{place}{tag} was approved by {by}"),
            },
            Self::Skipped { tag, by } => Saying {
                is_warning: false,
                reason: "Skipped",
                action: "Skip",
                occasion: format!("{container} {tag} {by}"),
                note: format!("{place}{tag} was skipped by {by}, and is not offered again"),
            },
            Self::Snoozed { tag, by, time, last_snooze } => Saying {
                is_warning: false,
                reason: "Snoozed",
                action: "Snooze",
                occasion: format!("{container} {tag} {by} {time} after {}", since(last_snooze)),
                note: format!("{place}{tag} was snoozed by {by} for {time}"),
            },
            Self::RollbackAsked { tag, by, last_update } => Saying {
                is_warning: false,
                reason: "RollbackRequested",
                action: "RollBack",
                occasion: format!("{container} {tag} {by} after {}", since(last_update)),
                note: format!("{place}{tag} is taken back, as {by} wants"),
            },
            Self::Accepted { tag, by, last_update } => Saying {
                is_warning: false,
                reason: "MovedTagAccepted",
                action: "Approve",
                occasion: format!("{container} {tag} {by} after {}", since(last_update)),
                note: format!("{place}{tag} was accepted by {by}; pods run it when they pull it next"),
            },
            Self::NotApplied { tag, by, why, last_update } => Saying {
                is_warning: true,
                reason: "ApprovalNotApplied",
                action: "Approve",
                occasion: format!("{container} {tag} {by} {why} after {}", since(last_update)),
                note: format!("{place}{tag}, which was approved by {by}, is not applied: {why}"),
            },
            Self::NotUnderstood { annotation, value, remedy } => Saying {
                is_warning: true,
                reason: "AnswerNotUnderstood",
                action: "Answer",
                occasion: format!("{container} {annotation} {value} {remedy}"),
                note: format!("{place}{value:?} in the annotation {annotation} was removed: {remedy}"),
            },
        }
    }
}
