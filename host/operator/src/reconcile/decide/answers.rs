//! What follows from what people have said. Pure.
//!
//! [`take_up`] records answers in a container's status, [`approved_candidate`] says whether an approval can be followed now, [`snooze`] comes
//! last, when it is known what is offered. [`unmatched`] are the answers that are for nobody.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8supdater_core::policy::{Policy, Ruling};

use super::{Decision, Happening, News, digest_unknown, rollback};
use crate::answer::{self, Answer, Choice};
use crate::api::versioning_handler::{ApprovedTag, ContainerStatus, SkippedTag, SnoozedTag, UpdatePhase};
use crate::reconcile::answered::Answered;
use crate::reconcile::observe::{ObservedContainer, Tags};

/// Most skipped tags that a container's status remembers.
const MOST_SKIPPED: usize = 32;

/// Two ends of a snooze that are less than this apart come from the same answer, which was recorded by a process that was killed before
/// it could remove the annotation.
const SAME_END: SignedDuration = SignedDuration::from_mins(1);

/// Records skips and approvals in `status`, over what `before` remembers. Whether an approval can be followed is not asked here.
pub(super) fn take_up(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    before: Option<&ContainerStatus>,
    observed: &ObservedContainer,
    now: Timestamp,
) {
    if let Some(before) = before {
        status.approved.clone_from(&before.approved);
        status.skipped.clone_from(&before.skipped);
        status.snoozed.clone_from(&before.snoozed);
    }
    settle(decision, status);
    let by = decision.target.answers.by.clone();
    let last_update = status.update.as_ref().map(|update| update.started.0);
    for Choice { tag, answer, .. } in &observed.answers {
        let (tag, by) = (tag.clone(), by.clone());
        match answer {
            Answer::Skip if status.skipped.iter().any(|skipped| skipped.tag == tag) => {}
            Answer::Skip => {
                status.skipped.push(SkippedTag { tag: tag.clone(), by: by.clone(), at: Time(now) });
                let surplus = status.skipped.len().saturating_sub(MOST_SKIPPED);
                status.skipped.drain(..surplus);
                decision.say(status, Answered::Skipped { tag, by });
            }
            Answer::Approve if status.approved.as_ref().is_some_and(|approved| approved.tag == tag) => {}
            Answer::Approve => {
                decision.give_up(status, format!("{by} approved {tag} instead"));
                let approved = ApprovedTag { tag: tag.clone(), by: by.clone(), at: Time(now), generation: None };
                status.approved = Some(approved);
                decision.say(status, Answered::Approved { tag, by, last_update });
            }
            Answer::RollBack => rollback::ask(decision, status, tag, by),
            Answer::Snooze(_) => {}
        }
    }
}

/// What became of an approval for which an update was announced by a process that did not live to say.
///
/// A container with the new image has got it, and nothing is left to be approved: whoever sets the old image back wants the old image. If it
/// has the old image, the generation of the workload tells whether the change was never made, or was made and taken back: that takes two
/// changes, and one may as well be somebody else's.
fn settle(decision: &mut Decision, status: &mut ContainerStatus) {
    let Some((approved, generation)) =
        status.approved.as_ref().and_then(|approved| Some((approved, approved.generation?)))
    else {
        return;
    };
    let Some(update) = status.update.as_ref().filter(|update| update.is_to(&approved.tag)) else { return };
    match update.phase {
        UpdatePhase::RollingOut
        | UpdatePhase::Finished
        | UpdatePhase::Failed
        | UpdatePhase::RollingBack
        | UpdatePhase::RolledBack
        | UpdatePhase::RollbackFailed => status.approved = None,
        UpdatePhase::Overtaken => {
            decision.give_up(
                status,
                "somebody else has changed the container meanwhile; approve it again if it is still wanted".to_owned(),
            );
        }
        UpdatePhase::Announced
            if decision.template.generation.is_some_and(|now| now >= generation.saturating_add(2)) =>
        {
            let why = format!(
                "the {} was changed several times while the operator was away, so that it may have been applied and taken back; approve \
                 it again if it is still wanted",
                decision.target.workload.kind
            );
            decision.give_up(status, why);
        }
        UpdatePhase::Announced => {}
    }
}

/// Index of the candidate that somebody has approved and that can be applied. An approval of anything else is given up.
pub(super) fn approved_candidate(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    tags: &Tags,
    policy: &Policy,
    ruling: &Ruling,
) -> Option<usize> {
    let approved = status.approved.clone()?;
    if let Some(why) = decision.why_unchangeable() {
        decision.give_up(status, why);
        return None;
    }
    let found = tags.candidates.iter().position(|candidate| candidate.tag == approved.tag);
    let judged = found.and_then(|index| Some((index, tags.candidates.get(index)?, *ruling.verdicts.get(index)?)));
    let why = match judged {
        _ if approved.tag == tags.current.tag => "it is what the container has already".to_owned(),
        _ if approved.tag.contains('@') => {
            format!("the tag {} of the container is a version, which is approved without a digest", tags.current.tag)
        }
        None => "the registry does not list it".to_owned(),
        Some((_, candidate, _)) if tags.image.digest().is_some() && candidate.digest.is_none() => {
            digest_unknown(&status.image, &candidate.tag)
        }
        Some((index, _, verdict)) if verdict.is_for_a_human() => return Some(index),
        Some((_, candidate, verdict)) => verdict.explain(policy, &tags.current, candidate),
    };
    decision.give_up(status, why);
    None
}

/// Ends a snooze whose time is over or whose tag is not what is offered any more, and begins one that is asked for.
pub(super) fn snooze(decision: &mut Decision, status: &mut ContainerStatus, answers: &[Choice], now: Timestamp) {
    let last_snooze = status.snoozed.as_ref().map(|snoozed| snoozed.until.0);
    let is_over = |snoozed: &SnoozedTag| snoozed.until.0 <= now || status.reported.as_ref() != Some(&snoozed.tag);
    if status.snoozed.as_ref().is_some_and(is_over) {
        status.snoozed = None;
    }
    for choice in answers {
        let (Some(until), Answer::Snooze(time)) = (choice.answer.until(now), choice.answer) else { continue };
        if status.reported.as_ref() != Some(&choice.tag) {
            let remedy = match &status.reported {
                Some(offered) => format!("what is offered at present is {offered}"),
                None => "nothing is offered at present".to_owned(),
            };
            let (annotation, value) = (choice.answer.annotation(), choice.to_string());
            decision.say(status, Answered::NotUnderstood { annotation, value, remedy });
            continue;
        }
        let is_same = |snoozed: &SnoozedTag| snoozed.until.0.duration_since(until).abs() < SAME_END;
        if status.snoozed.as_ref().is_some_and(is_same) {
            continue;
        }
        let (tag, by, time) = (choice.tag.clone(), decision.target.answers.by.clone(), answer::as_duration(time));
        status.snoozed = Some(SnoozedTag { tag: tag.clone(), until: Time(until), by: by.clone() });
        decision.say(status, Answered::Snoozed { tag, by, time, last_snooze });
    }
}

/// Says of answers that are for no container, or are no answers, what is wrong with them.
pub(super) fn unmatched(decision: &mut Decision, matched: &[Choice]) {
    let names: Vec<&str> = decision.containers.iter().map(|container| container.name.as_str()).collect();
    let names = names.join(", ");
    let answers = &decision.target.answers;
    let kind = decision.target.workload.kind;
    let of_nobody = answers.choices.iter().filter(|choice| !matched.contains(choice)).map(|choice| {
        let why = match &choice.container {
            Some(container) => format!("the {kind} has no container {container}, expected one of: {names}"),
            None => format!("it is offered to no container; say which one is meant, as in app={}", choice.tag),
        };
        let (annotation, value) = (choice.answer.annotation(), choice.to_string());
        match choice.answer {
            Answer::Approve => {
                Answered::NotApplied { tag: choice.offer(), by: answers.by.clone(), why, last_update: None }
            }
            Answer::Skip | Answer::Snooze(_) | Answer::RollBack => {
                Answered::NotUnderstood { annotation, value, remedy: why }
            }
        }
    });
    let malformed = answers.misunderstood.iter().map(|wrong| Answered::NotUnderstood {
        annotation: wrong.annotation,
        value: wrong.value.clone(),
        remedy: wrong.remedy.clone(),
    });
    let news =
        of_nobody.chain(malformed).map(|what| News { container: String::new(), what: Happening::Answered(what) });
    let news: Vec<News> = news.collect();
    decision.news.extend(news);
}

impl Decision {
    /// Has people told what became of an answer about this container.
    pub(super) fn say(&mut self, status: &ContainerStatus, what: Answered) {
        self.news.push(News { container: status.name.clone(), what: Happening::Answered(what) });
    }

    /// Forgets the approval of this container, if there is one, and has people told why.
    pub(super) fn give_up(&mut self, status: &mut ContainerStatus, why: String) {
        let last_update = status.update.as_ref().map(|update| update.started.0);
        if let Some(ApprovedTag { tag, by, .. }) = status.approved.take() {
            self.say(status, Answered::NotApplied { tag, by, why, last_update });
        }
    }
}

#[cfg(test)]
mod tests;
