//! What becomes of an update that is under way: how far its rollout is, and what the pods say that have the new image.

use jiff::Timestamp;
use tracing::debug;

use crate::api::versioning_handler::{UpdatePhase, UpdateStatus};
use crate::api::workload::WorkloadKind;
use crate::failure::chain;
use crate::reconcile::Context;
use crate::reconcile::validate::Target;
use crate::workload::containers::Container;
use crate::workload::jobs::NextJob;
use crate::workload::pods::{Complaint, complaint};
use crate::workload::rollout::{Rollout, rollout};
use crate::workload::{Workload, WorkloadError};

/// The rollout of `workload`, and what is the matter with the pods of an update, if they had to be asked.
///
/// Of a CronJob the next Job is what counts, as long as an update waits for it. Pods are asked only where something may be wrong, because
/// they are not watched.
///
/// # Errors
/// [`WorkloadError::Api`] if the Jobs of a CronJob cannot be listed. That nobody knows what the matter is keeps nobody from acting.
pub(super) async fn follow(
    ctx: &Context,
    target: &Target,
    workload: &Workload,
    containers: &[Container],
    now: Timestamp,
) -> Result<(Rollout, Option<Complaint>), WorkloadError> {
    let updates = in_place(target, containers);
    let images: Vec<(&str, &str)> = updates.iter().map(|(name, update)| (*name, update.to.as_str())).collect();
    let Some(since) = updates.iter().map(|(_, update)| update.started.0).min() else {
        return Ok((rollout(workload), None));
    };
    if target.workload.kind == WorkloadKind::CronJob {
        let NextJob { rollout, complaint } = ctx.workloads.next_job(workload, &images, since).await?;
        return Ok((rollout, complaint));
    }
    let rollout = rollout(workload);
    let is_suspicious = updates.iter().any(|(_, update)| is_suspicious(update, &rollout, target, now));
    if !is_suspicious {
        return Ok((rollout, None));
    }
    match ctx.workloads.pods(workload).await {
        Ok(pods) => Ok((rollout, complaint(&pods, &images))),
        Err(err) => {
            debug!(workload = %target.workload, error = chain(&err), "no word from the pods of an update");
            Ok((rollout, None))
        }
    }
}

/// The updates that the workload has and whose end is awaited, with the names of their containers. Pure.
fn in_place<'a>(target: &'a Target, containers: &'a [Container]) -> Vec<(&'a str, &'a UpdateStatus)> {
    let update = |container: &'a Container| {
        let update = target.before.container(&container.name)?.update.as_ref()?;
        let is_awaited = matches!(update.phase, UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::Failed);
        (is_awaited && update.to == container.image && !update.is_restart())
            .then_some((container.name.as_str(), update))
    };
    containers.iter().filter_map(update).collect()
}

/// Whether something may be wrong with the pods of an update. Pure.
fn is_suspicious(update: &UpdateStatus, rollout: &Rollout, target: &Target, now: Timestamp) -> bool {
    let is_late = || {
        let end = target.rollout_timeout.and_then(|timeout| update.started.0.checked_add(timeout).ok());
        end.is_some_and(|end| end <= now)
    };
    match rollout {
        Rollout::Failed { .. } => update.phase != UpdatePhase::Failed,
        Rollout::Progressing { .. } => update.available_since.is_some() || is_late(),
        Rollout::Finished => update.available_since.is_some(),
        Rollout::Applied { .. } => false,
    }
}
