//! Whether something is still offered, or was answered already. Pure: what stands in the object, and the time.

use jiff::Timestamp;
use kube::ResourceExt;

use super::taking_back::reversible;
use super::{Answer, Choice, parse};
use crate::api::VersioningHandler;
use crate::api::pace::Mode;
use crate::api::versioning_handler::ContainerStatus;

/// Who takes an update back by itself.
const OPERATOR: &str = "k8supdater";

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
    /// It is known, but the answer would come to nothing.
    Impossible {
        /// Why, for people.
        why: String,
    },
}

/// How what `choice` is about stands in `handler`.
///
/// A snooze is no last word: after it an approval and a skip are as good as before. Beside what is offered, what is held may be approved, and
/// a tag that was pushed again; what the last update has applied may be taken back.
pub(super) fn standing(handler: &VersioningHandler, choice: &Choice, now: Timestamp) -> Standing {
    if let Some(answered) = pending(handler, choice) {
        return answered;
    }
    if choice.answer == Answer::RollBack {
        return taking_back(handler, choice);
    }
    let containers = handler.status.as_ref().map(|status| status.containers.as_slice()).unwrap_or_default();
    let meant = || containers.iter().filter(|container| is_meant(choice, container));
    // If the tag is offered to several containers, one that waits is enough to answer.
    let waiting =
        meant().any(|container| may_be_answered(container, choice) && recorded(container, choice, now).is_none());
    if waiting {
        return match why_not_approved(handler, choice, meant()) {
            Some(why) => Standing::Impossible { why },
            None => Standing::Offered,
        };
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
        Standing::NotOffered { .. } | Standing::Impossible { .. } => false,
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

fn is_held(container: &ContainerStatus, tag: &str) -> bool {
    container.held.iter().any(|held| held.tag == tag)
}

/// Whether that is the tag of the container, as it was pushed again.
fn is_moved(container: &ContainerStatus, tag: &str) -> bool {
    let digest = tag.split_once('@').map(|(_, digest)| digest);
    digest.is_some() && container.moved_to.as_deref() == digest
}

fn may_be_answered(container: &ContainerStatus, choice: &Choice) -> bool {
    let tag = &choice.tag;
    let may_be_approved = || is_held(container, tag) || is_moved(container, tag);
    let may_be_decided = matches!(choice.answer, Answer::Approve | Answer::Skip) && is_waiting(container, tag);
    is_offered(container, tag) || may_be_decided || choice.answer == Answer::Approve && may_be_approved()
}

/// Whether it would be applied by itself, but for the time.
fn is_waiting(container: &ContainerStatus, tag: &str) -> bool {
    container.waits.as_ref().is_some_and(|waits| waits.tag == tag)
}

/// Why an approval would come to nothing. That a tag was pushed again can be accepted whoever changes the workload.
fn why_not_approved<'a>(
    handler: &VersioningHandler,
    choice: &Choice,
    mut meant: impl Iterator<Item = &'a ContainerStatus>,
) -> Option<String> {
    let mode = handler.status.as_ref()?.mode.filter(|_| choice.answer == Answer::Approve)?;
    if meant.any(|container| is_moved(container, &choice.tag)) {
        return None;
    }
    match mode {
        Mode::Update => None,
        Mode::Notify => Some("the workload is not changed here, with the mode Notify".to_owned()),
        Mode::Preview => Some("nothing is changed with the mode Preview".to_owned()),
    }
}

/// How what the last update has applied stands, which somebody wants to be taken back.
fn taking_back(handler: &VersioningHandler, choice: &Choice) -> Standing {
    let all = reversible(handler);
    let can_be = |(_, judged): &(String, Result<_, String>)| {
        judged.as_ref().is_ok_and(|it: &super::Reversible| it.choice.tag == choice.tag && choice.is_for(&it.choice))
    };
    if all.iter().any(can_be) {
        return Standing::Offered;
    }
    let containers = handler.status.as_ref().map(|status| status.containers.as_slice()).unwrap_or_default();
    let meant = || containers.iter().filter(|container| is_meant(choice, container));
    let update = meant().filter_map(|container| container.update.as_ref()).find(|update| update.is_to(&choice.tag));
    if let Some(rollback) = update.filter(|update| update.is_rolled_back()).and_then(|update| update.rollback.as_ref())
    {
        let by = rollback.by.clone().unwrap_or_else(|| OPERATOR.to_owned());
        return Standing::Answered { by, answer: Answer::RollBack };
    }
    let why = meant().find_map(|container| {
        let (_, judged) = all.iter().find(|(name, _)| *name == container.name)?;
        Some(match judged {
            Ok(it) => format!("the last update was {} → {}, and only that can be taken back", it.to, it.from),
            Err(why) => why.clone(),
        })
    });
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let no_container = || format!("there is no such container, expected one of: {}", names.join(", "));
    Standing::Impossible { why: why.unwrap_or_else(no_container) }
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
    // Applied already, and neither offered nor held.
    let update = container.update.as_ref().filter(|update| update.is_to(tag) && !may_be_answered(container, choice))?;
    answered(update.approved_by.as_ref()?, Answer::Approve)
}

/// Whether there is nothing more to say, with `answer`, once `given` was said. What is taken back was approved, if anybody had to do that.
fn is_final(given: Answer, answer: Answer) -> bool {
    match given {
        Answer::Approve | Answer::Skip => answer != Answer::RollBack,
        Answer::Snooze(_) => matches!(answer, Answer::Snooze(_)),
        Answer::RollBack => answer == Answer::RollBack,
    }
}
