//! Whether something is still offered, or was answered already. Pure: what stands in the object, and the time.

use jiff::Timestamp;
use kube::ResourceExt;

use super::{Answer, Choice, parse};
use crate::api::VersioningHandler;
use crate::api::versioning_handler::{ContainerStatus, UpdateStatus};

/// How an offer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It waits for an answer.
    Offered,
    /// Somebody has answered.
    Answered {
        /// Who.
        by: String,
        /// What.
        answer: Answer,
    },
    /// It is not offered.
    NotOffered {
        /// What is, as `CONTAINER=TAG`.
        offered: Vec<String>,
    },
}

/// How what `choice` is about stands in `handler`.
///
/// A snooze is no last word: after it an approval and a skip are as good as before.
pub(super) fn standing(handler: &VersioningHandler, choice: &Choice, now: Timestamp) -> Standing {
    if let Some(answered) = pending(handler, choice) {
        return answered;
    }
    let containers = handler.status.as_ref().map(|status| status.containers.as_slice()).unwrap_or_default();
    let meant = || containers.iter().filter(|container| is_meant(choice, container));
    // If the tag is offered to several containers, one that waits is enough to answer.
    let waiting =
        meant().any(|container| is_offered(container, &choice.tag) && recorded(container, choice, now).is_none());
    if waiting {
        return Standing::Offered;
    }
    if let Some(answered) = meant().find_map(|container| recorded(container, choice, now)) {
        return answered;
    }
    let offered = containers.iter().filter_map(|container| {
        let tag = container.reported.as_deref()?;
        Some(format!("{}={tag}", container.name))
    });
    Standing::NotOffered { offered: offered.collect() }
}

/// Whether `choice` is about something that `handler` offers, or has offered until it was answered.
pub fn concerns(handler: &VersioningHandler, choice: &Choice, now: Timestamp) -> bool {
    match standing(handler, choice, now) {
        Standing::Offered | Standing::Answered { .. } => true,
        Standing::NotOffered { .. } => false,
    }
}

/// What `handler` offers and that waits for such an answer, which is given to each of it.
pub fn waiting(handler: &VersioningHandler, answer: Answer, now: Timestamp) -> Vec<Choice> {
    let containers = handler.status.as_ref().map(|status| status.containers.as_slice()).unwrap_or_default();
    let offered = containers.iter().filter_map(|container| {
        let (name, tag) = (container.name.clone(), container.reported.clone()?);
        Some(Choice { container: Some(name), tag, answer })
    });
    offered.filter(|choice| standing(handler, choice, now) == Standing::Offered).collect()
}

fn is_meant(choice: &Choice, container: &ContainerStatus) -> bool {
    choice.container.as_ref().is_none_or(|name| *name == container.name)
}

fn is_offered(container: &ContainerStatus, tag: &str) -> bool {
    container.reported.as_deref() == Some(tag)
}

/// The answer that stands in an annotation.
fn pending(handler: &VersioningHandler, choice: &Choice) -> Option<Standing> {
    let answers = parse(handler.annotations());
    let is_same = |given: &&Choice| {
        let is_same_place =
            given.container.is_none() || choice.container.is_none() || given.container == choice.container;
        given.tag == choice.tag && is_same_place && is_final(given.answer, choice.answer)
    };
    let given = answers.choices.iter().find(is_same)?;
    Some(Standing::Answered { by: answers.by, answer: given.answer })
}

/// The answer that stands in the status.
fn recorded(container: &ContainerStatus, choice: &Choice, now: Timestamp) -> Option<Standing> {
    let tag = &choice.tag;
    let answered = |by: &String, answer| Some(Standing::Answered { by: by.clone(), answer });
    if let Some(approved) = container.approved.as_ref().filter(|approved| approved.tag == *tag) {
        return answered(&approved.by, Answer::Approve);
    }
    if let Some(skipped) = container.skipped.iter().find(|skipped| skipped.tag == *tag) {
        return answered(&skipped.by, Answer::Skip);
    }
    let snoozed = container.snoozed.as_ref().filter(|snoozed| snoozed.tag == *tag && snoozed.until.0 > now);
    if let Some(snoozed) = snoozed {
        let left = snoozed.until.0.duration_since(now).unsigned_abs();
        if is_final(Answer::Snooze(left), choice.answer) {
            return answered(&snoozed.by, Answer::Snooze(left));
        }
    }
    // Applied already, and offered no more.
    let update = container.update.as_ref().filter(|update| update.is_to(tag) && !is_offered(container, tag))?;
    answered(update.approved_by.as_ref()?, Answer::Approve)
}

/// Whether there is nothing more to say, with `answer`, once `given` was said.
fn is_final(given: Answer, answer: Answer) -> bool {
    match given {
        Answer::Approve | Answer::Skip => true,
        Answer::Snooze(_) => matches!(answer, Answer::Snooze(_)),
        Answer::RollBack => answer == Answer::RollBack,
    }
}

impl UpdateStatus {
    /// Whether this is an update to what was offered as `tag`.
    pub fn is_to(&self, tag: &str) -> bool {
        match tag.split_once('@') {
            // The image after says which tag; of a restart only the digest tells what it was for.
            Some((_, digest)) => self.digest.as_deref() == Some(digest),
            None => self.to.parse().is_ok_and(|to: k8supdater_core::image::ImageReference| to.tag() == Some(tag)),
        }
    }
}
