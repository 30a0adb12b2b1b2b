//! Taking an update back: by itself when its rollout fails, or because somebody wants that. Pure.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8supdater_core::image::ImageReference;

use super::{Decision, Happening, News, Update, held};
use crate::answer;
use crate::api::pace::{Mode, Rollback};
use crate::api::rollout_status::{HeldTag, HoldReason, RollbackStatus};
use crate::api::versioning_handler::{ContainerStatus, UpdatePhase, UpdateStatus};
use crate::api::workload::WorkloadKind;
use crate::reconcile::answered::Answered;
use crate::reconcile::progress::Milestone;
use crate::workload::containers::Container;
use crate::workload::patch::Change;
use crate::workload::pods::Complaint;
use crate::workload::rollout::Rollout;

/// How soon a StatefulSet is looked at again whose pods are in the way of a rollback.
const STUCK: Duration = Duration::from_secs(2);

/// Has a failed update taken back, if the handler wants that, and has a rollback that is under way go on.
///
/// The image is put back by the same check that finds the rollout failed. What stands in the status before that, and in an annotation of
/// the workload after it, tells a process that takes over whether it was.
pub(super) fn roll_back(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    container: &Container,
    complaint: Option<&Complaint>,
) {
    let Some(update) = &status.update else { return };
    let is_left_alone = decision.mode != Mode::Update || decision.target.plan_of(&container.name).is_none();
    let is_wanted = decision.target.rollback == Rollback::OnFailure && !is_left_alone;
    match update.phase {
        UpdatePhase::Failed if is_wanted && container.image == update.to && !update.is_restart() => {
            let failure = update.failure.clone().unwrap_or_else(|| "its rollout failed".to_owned());
            let message = match guilty(complaint).filter(|guilty| *guilty != status.name) {
                Some(guilty) => format!("it was updated together with container {guilty}: {failure}"),
                None => failure,
            };
            begin(decision, status, HoldReason::RolloutFailed, message, None);
        }
        UpdatePhase::RollingBack if is_left_alone && container.image == update.to => {
            // Nothing is to be changed any more.
            if let Some(update) = &mut status.update {
                update.phase = UpdatePhase::Failed;
                update.rollback = None;
            }
        }
        UpdatePhase::Announced
        | UpdatePhase::RollingOut
        | UpdatePhase::Finished
        | UpdatePhase::Failed
        | UpdatePhase::Overtaken
        | UpdatePhase::RollingBack
        | UpdatePhase::RolledBack
        | UpdatePhase::RollbackFailed => {}
    }
    go_back(decision, status, container);
}

/// Has the last update of the container taken back because somebody wants that.
pub(super) fn ask(decision: &mut Decision, status: &mut ContainerStatus, tag: String, by: String) {
    let update = status.update.as_ref();
    if update.is_some_and(|update| update.is_to(&tag) && is_asked_for(update, &by)) {
        // Taken up already, by a process that was killed before it could remove the answer.
        return;
    }
    let remedy = match answer::last_update(status, Some(decision.mode)) {
        _ if decision.target.plan_of(&status.name).is_none() => Some("the container is ignored".to_owned()),
        Ok(update) if update.is_to(&tag) => None,
        Ok(UpdateStatus { from, to, .. }) => {
            Some(format!("the last update was {from} → {to}, and only that can be taken back"))
        }
        Err(why) => Some(why),
    };
    if let Some(remedy) = remedy {
        let (annotation, value) = (answer::ROLLBACK, format!("{}={tag}", status.name));
        return decision.say(status, Answered::NotUnderstood { annotation, value, remedy });
    }
    let last_update = update.map(|update| update.started.0);
    decision.say(status, Answered::RollbackAsked { tag, by: by.clone(), last_update });
    begin(decision, status, HoldReason::RolledBack, format!("{by} has taken it back"), Some(by));
}

fn begin(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    reason: HoldReason,
    message: String,
    by: Option<String>,
) {
    let at = Time(decision.now);
    let Some(update) = &mut status.update else { return };
    update.phase = UpdatePhase::RollingBack;
    update.finished = None;
    update.rollback = Some(RollbackStatus { started: at.clone(), by: by.clone() });
    let what = Happening::reached(update, Milestone::RollingBack { why: message.clone() });
    let tag = update.offered();
    decision.news.push(News { container: status.name.clone(), what });
    if let Some(tag) = tag {
        held::hold(status, HeldTag { tag, reason, message, by, at });
    }
}

/// The next step of a rollback.
fn go_back(decision: &mut Decision, status: &ContainerStatus, container: &Container) {
    let Some(update) = status.update.as_ref().filter(|update| update.phase == UpdatePhase::RollingBack) else { return };
    if container.image == update.to {
        let change = Change {
            list: container.list,
            index: container.index,
            container: container.name.clone(),
            from: update.to.clone(),
            to: update.from.clone(),
            restart_for: None,
            rolls_back: Some(update.started.0.as_second()),
            is_for_once: false,
        };
        let tag = tag(&update.from).unwrap_or_default();
        let why = update.failure.clone().unwrap_or_default();
        decision.updates.push(Update { change, tag, digest: None, approved_by: None, why, seen: None });
    } else if decision.target.workload.kind == WorkloadKind::StatefulSet
        && matches!(decision.rollout, Rollout::Progressing { .. })
    {
        decision.stuck.push((container.name.clone(), update.to.clone()));
        decision.look_again_at(decision.now.checked_add(STUCK).ok());
    }
}

/// The container whose image does not run, as far as pods tell.
fn guilty(complaint: Option<&Complaint>) -> Option<&str> {
    complaint.filter(|complaint| complaint.is_crash)?.container.as_deref()
}

fn is_asked_for(update: &UpdateStatus, by: &str) -> bool {
    update.rollback.as_ref().is_some_and(|rollback| rollback.by.as_deref() == Some(by))
}

fn tag(image: &str) -> Option<String> {
    let image: ImageReference = image.parse().ok()?;
    image.tag().map(str::to_owned)
}
