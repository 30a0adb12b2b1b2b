//! A container whose tag moves. Pure.

use k8supdater_core::image::Digest;
use k8supdater_core::policy::moving::{LatestPreference, MovingRuling, MovingTag, PullPolicy, decide_moving};

use super::{AWAITING_APPROVAL, ContainerProblem, Decision, Update};
use crate::api::versioning_handler::{ContainerStatus, RefusedTag};
use crate::api::workload::WorkloadKind;
use crate::reconcile::observe::Moving;
use crate::workload::containers::Container;
use crate::workload::patch::Change;

/// Decides about a container whose tag is no version.
pub(super) fn follow(decision: &mut Decision, status: &mut ContainerStatus, container: &Container, moving: Moving) {
    status.newest_applicable = Some(moving.tag.clone());
    status.newest = Some(moving.tag.clone());
    if decision.target.workload.kind == WorkloadKind::CronJob && moving.image.digest().is_none() {
        return leave_to_the_next_job(decision, status, container, &moving);
    }
    if let Some(to) = approved(decision, status, container, &moving) {
        status.keep_report(None);
        let is_approved = true;
        return apply(decision, status, container, moving, to, is_approved);
    }
    let ruling = rule(&moving, status, container, moving.preference);
    let needs_approval = decision.target.plan_of(&container.name).is_some_and(|plan| plan.needs_approval);
    let (offered, why) = match &ruling {
        MovingRuling::Notify { to } => {
            "Notify".clone_into(&mut status.decision);
            (Some(to), "latest is Notify")
        }
        MovingRuling::Restart { to } if needs_approval => {
            AWAITING_APPROVAL.clone_into(&mut status.decision);
            (Some(to), "approval is Required")
        }
        _ => (None, ""),
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
        MovingRuling::Restart { to } => apply(decision, status, container, moving, to, false),
        MovingRuling::Held { to } => {
            let message = "it was skipped, and is not offered again".to_owned();
            status.refused.push(RefusedTag { tag: offer(tag, &to), reason: "Held".to_owned(), message });
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
        is_held: offered.is_some_and(|offered| status.skipped.iter().any(|skipped| skipped.tag == offered)),
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
    is_approved: bool,
) {
    if moving.image.digest().is_some() {
        "Update".clone_into(&mut status.decision);
        let update = Update::to(container, &moving.image, &moving.tag, Some(&to));
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
    let update = Update { change, tag: moving.tag, digest: Some(to), approved_by: None };
    decision.make(status, Some(update), is_approved);
}

/// A tag that has moved, as it is offered.
fn offer(tag: &str, digest: &Digest) -> String {
    format!("{tag}@{digest}")
}
