//! A container whose tag moves. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8supdater_core::image::{Digest, ImageReference};
use k8supdater_core::policy::moving::{LatestPreference, MovingRuling, MovingTag, PullPolicy, decide_moving};

use super::gate::Gate;
use super::{AWAITING_APPROVAL, ContainerProblem, Decision, Update, held, mode};
use crate::api::pace::Mode;
use crate::api::rollout_status::{HeldTag, HoldReason, SeenTag};
use crate::api::versioning_handler::{ContainerStatus, RefusedTag, UpdatePhase};
use crate::api::workload::WorkloadKind;
use crate::reconcile::observe::Moving;
use crate::workload::containers::Container;
use crate::workload::patch::Change;

/// Decides about a container whose tag is no version.
pub(super) fn follow(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    container: &Container,
    moving: Moving,
    gate: &Gate,
) {
    status.newest_applicable = Some(moving.tag.clone());
    status.newest = Some(moving.tag.clone());
    if decision.target.workload.kind == WorkloadKind::CronJob && moving.image.digest().is_none() {
        return leave_to_the_next_job(decision, status, container, &moving);
    }
    note_set_back(decision, status, container, &moving);
    if let Some(to) = approved(decision, status, container, &moving) {
        status.keep_report(None);
        let is_approved = true;
        return apply(decision, status, container, moving, to, gate, is_approved);
    }
    let is_notify = decision.mode == Mode::Notify;
    let preference = if is_notify { LatestPreference::Notify } else { moving.preference };
    let ruling = rule(&moving, status, container, preference);
    let needs_approval = decision.target.plan_of(&container.name).is_some_and(|plan| plan.needs_approval);
    let (offered, why) = match &ruling {
        MovingRuling::Notify { to } => {
            "Notify".clone_into(&mut status.decision);
            let why = if is_notify { mode::why_notify(decision.owner.as_ref()) } else { "latest is Notify".to_owned() };
            (Some(to), why)
        }
        MovingRuling::Restart { to } if needs_approval => {
            AWAITING_APPROVAL.clone_into(&mut status.decision);
            (Some(to), "approval is Required".to_owned())
        }
        _ => (None, String::new()),
    };
    if let Some(to) = offered {
        let to = offer(&moving.tag, to);
        if status.reported.as_ref() != Some(&to) {
            let why = format!("the tag points at another image than the pods run, and {why}");
            decision.tell(status, moving.tag, to, why);
        }
        return;
    }
    status.keep_report(None);
    let tag = &moving.tag;
    match ruling {
        MovingRuling::UpToDate | MovingRuling::Notify { .. } => {}
        MovingRuling::Restart { to } => apply(decision, status, container, moving, to, gate, false),
        MovingRuling::Held { to } => {
            let offer = offer(tag, &to);
            let held = status.held.iter().find(|held| held.tag == offer);
            let message = match held {
                Some(held) => format!("it is held, because {}; the next one is applied by itself", held.message),
                None => "it was skipped, and is not offered again".to_owned(),
            };
            status.refused.push(RefusedTag { tag: offer, reason: "Held".to_owned(), message });
        }
        MovingRuling::CannotPull { why } => {
            "Failed".clone_into(&mut status.decision);
            status.problem = Some(why.clone());
            status.problem_reason = Some("CannotPull".to_owned());
            let message = format!("the tag {tag} has moved, and {why}");
            decision.problems.push(ContainerProblem::of_user(&status.name, "CannotPull", message));
        }
        MovingRuling::Unknown { why } => {
            "Unknown".clone_into(&mut status.decision);
            status.problem = Some(format!("whether the tag {tag} has moved is not known: {why}"));
        }
    }
}

/// No pod of a CronJob lasts, so that none has to be restarted: the next Job runs what the tag points at, if its image is pulled.
fn leave_to_the_next_job(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    container: &Container,
    moving: &Moving,
) {
    let tag = &moving.tag;
    status.keep_report(None);
    decision.give_up(status, "no pod of a CronJob has to be restarted: its next Job starts a new one".to_owned());
    let policy = match container.pull_policy {
        PullPolicy::Always => {
            if let Some(digest) = &moving.registry {
                let message = "the next Job pulls it: imagePullPolicy is Always".to_owned();
                let tag = offer(tag, digest);
                status.refused.push(RefusedTag { tag, reason: "PulledByNextJob".to_owned(), message });
            }
            return;
        }
        PullPolicy::IfNotPresent => "IfNotPresent",
        PullPolicy::Never => "Never",
    };
    "Unknown".clone_into(&mut status.decision);
    status.problem = Some(format!(
        "whether the next Job runs what the tag {tag} points at is not known: imagePullPolicy is {policy}, with which a node that has an \
         old image runs that one; set it to Always"
    ));
}

/// The digest that somebody has approved, if the tag still points at it and the workload can have it. Where that is not known the approval
/// waits; another one is given up.
fn approved(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    container: &Container,
    moving: &Moving,
) -> Option<Digest> {
    let approved = status.approved.as_ref()?.tag.clone();
    if let Some(why) = decision.why_unchangeable() {
        decision.give_up(status, why);
        return None;
    }
    status.held.retain(|held| held.tag != approved);
    let tag = &moving.tag;
    let why = match (approved.split_once('@'), &moving.registry) {
        (None, _) => {
            format!("the container has the tag {tag}, which moves: approve it with the digest that is offered")
        }
        (Some((other, _)), _) if other != tag => format!("the container has the tag {tag} now"),
        // It will be asked again.
        (Some(_), None) => return None,
        (Some((_, digest)), Some(registry)) if digest != registry.to_string() => {
            format!("the tag points at another image by now, {registry}")
        }
        (Some(_), Some(registry)) => match rule(moving, status, container, LatestPreference::Update) {
            MovingRuling::Restart { to } => return Some(to),
            MovingRuling::UpToDate => "all pods run it already".to_owned(),
            MovingRuling::Held { .. } => "it was skipped".to_owned(),
            MovingRuling::Unknown { why } if container.restarted_for.as_ref() == Some(registry) => why,
            MovingRuling::CannotPull { why } => why,
            MovingRuling::Unknown { .. } | MovingRuling::Notify { .. } => return None,
        },
    };
    decision.give_up(status, why);
    None
}

fn rule(
    moving: &Moving,
    status: &ContainerStatus,
    container: &Container,
    preference: LatestPreference,
) -> MovingRuling {
    let is_pinned = moving.image.digest().is_some();
    let offered = moving.registry.as_ref().map(|digest| offer(&moving.tag, digest));
    decide_moving(&MovingTag {
        registry: moving.registry.as_ref(),
        index_members: &moving.members,
        running: &moving.running,
        restarted_for: container.restarted_for.as_ref().filter(|_| !is_pinned),
        is_held: offered.is_some_and(|offered| {
            let is_skipped = status.skipped.iter().any(|skipped| skipped.tag == offered);
            is_skipped || status.held.iter().any(|held| held.tag == offered)
        }),
        preference,
        // Another digest in the image is another image, which nodes pull whatever the policy says, unless it says never.
        pull_policy: if is_pinned { PullPolicy::Always } else { container.pull_policy },
    })
}

/// Has the container run what its tag points at: by another digest in its image if it is pinned to one, else by a restart.
fn apply(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    container: &Container,
    moving: Moving,
    to: Digest,
    gate: &Gate,
    is_approved: bool,
) {
    let offer = offer(&moving.tag, &to);
    let now = Time(decision.now);
    let seen = status.first_seen.iter().find(|seen| seen.tag == offer).map_or(now, |seen| seen.at.clone());
    let is_aged = !gate.minimum_age().is_zero();
    status.first_seen = is_aged.then(|| SeenTag { tag: offer.clone(), at: seen.clone() }).into_iter().collect();
    status.waits = gate.wait_since(&offer, seen.0, is_approved);
    if let Some(after) = moving.after.as_ref().filter(|_| !is_approved)
        && gate.proven(after).digest(&moving.tag) != Some(&to)
    {
        status.waits = Some(gate.proof(offer, after));
    }
    if status.waits.is_some() {
        "Wait".clone_into(&mut status.decision);
        return;
    }
    let why = "the tag points at another image than the pods run".to_owned();
    if moving.image.digest().is_some() {
        "Update".clone_into(&mut status.decision);
        let update = Update::to(container, &moving.image, &moving.tag, Some(&to), why);
        return decision.make(status, update, is_approved);
    }
    "Restart".clone_into(&mut status.decision);
    let change = Change {
        list: container.list,
        index: container.index,
        container: container.name.clone(),
        from: container.image.clone(),
        to: container.image.clone(),
        restart_for: Some(to.clone()),
        rolls_back: None,
        is_for_once: false,
    };
    let update = Update { change, tag: moving.tag, digest: Some(to), approved_by: None, why, seen: None };
    decision.make(status, Some(update), is_approved);
}

/// Holds what the last update pinned the image to if somebody has set it back since. A restart needs no such note: the workload says for
/// which digest it was.
fn note_set_back(decision: &Decision, status: &mut ContainerStatus, container: &Container, moving: &Moving) {
    let Some(update) = &status.update else { return };
    let is_over = matches!(update.phase, UpdatePhase::Finished | UpdatePhase::Overtaken | UpdatePhase::Failed);
    if !is_over || update.is_restart() || update.to == container.image || update.from != container.image {
        return;
    }
    let to: Option<ImageReference> = update.to.parse().ok();
    let Some(digest) = to.as_ref().and_then(ImageReference::digest) else { return };
    let tag = offer(&moving.tag, digest);
    if status.held.iter().all(|held| held.tag != tag) {
        let message = format!("somebody has set {} back to {}", update.to, container.image);
        let (reason, at) = (HoldReason::SetBack, Time(decision.now));
        held::hold(status, HeldTag { tag, reason, message, by: None, at });
    }
}

/// A tag that has moved, as it is offered.
fn offer(tag: &str, digest: &Digest) -> String {
    format!("{tag}@{digest}")
}
