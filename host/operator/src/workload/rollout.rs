//! How far a workload's rollout is. Pure: a reading of the status that its controller writes.
//!
//! "Finished" means that all wanted pods run the current pod template and count as available, and that no older pod is left. It does
//! *not* mean that the application works. What counts for each kind is what `kubectl rollout status` waits for
//! (<https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/kubectl_rollout_status/>).

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, DeploymentCondition, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;

use super::Workload;

/// The update strategy with which pods get a new template when somebody deletes them.
const ON_DELETE: &str = "OnDelete";

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Every pod is new and available.
    Finished,
    /// The workload has the new template, and its controller has done all that it will: the rest happens at another time.
    Applied {
        /// When pods get the new template, in words.
        hint: String,
    },
    /// The controller is at work, or has not looked yet.
    Progressing {
        /// What it waits for, in words.
        waits_for: String,
    },
    /// The rollout made no progress within the workload's `progressDeadlineSeconds`, or was not finished in the handler's own time.
    Failed {
        /// The controller's own words, if it has said so itself.
        message: String,
    },
}

/// Reads the rollout of a workload.
pub fn rollout(workload: &Workload) -> Rollout {
    let metadata = workload.metadata();
    let (kind, observed) = (workload.kind(), observed_generation(workload));
    match observed {
        Observed::Never => return progressing(&format!("the {kind} controller to look at the {kind}")),
        Observed::At(observed) if observed < metadata.generation => {
            return progressing(&format!("the {kind} controller to look at the new pod template"));
        }
        Observed::At(_) | Observed::NotTold => {}
    }
    match workload {
        Workload::Deployment(deployment) => of_deployment(deployment),
        Workload::StatefulSet(stateful_set) => of_stateful_set(stateful_set),
        Workload::DaemonSet(daemon_set) => of_daemon_set(daemon_set),
        Workload::CronJob(cron_job) => of_cron_job(cron_job),
    }
}

/// Which generation of a workload its controller has looked at.
enum Observed {
    /// It has not come to it yet.
    Never,
    At(Option<i64>),
    /// Controllers of this kind do not tell.
    NotTold,
}

fn observed_generation(workload: &Workload) -> Observed {
    let at = |observed: Option<Option<i64>>| observed.map_or(Observed::Never, Observed::At);
    match workload {
        Workload::Deployment(object) => at(object.status.as_ref().map(|status| status.observed_generation)),
        Workload::StatefulSet(object) => at(object.status.as_ref().map(|status| status.observed_generation)),
        Workload::DaemonSet(object) => at(object.status.as_ref().map(|status| status.observed_generation)),
        Workload::CronJob(_) => Observed::NotTold,
    }
}

/// The Deployment controller has a deadline of its own, and says when it has passed
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status>).
fn of_deployment(deployment: &Deployment) -> Rollout {
    let status = deployment.status.clone().unwrap_or_default();
    if let Some(condition) = deadline_exceeded(status.conditions.as_deref().unwrap_or_default()) {
        let message = condition.message.clone().unwrap_or_else(|| "progress deadline exceeded".to_owned());
        return Rollout::Failed { message };
    }
    let spec = deployment.spec.as_ref();
    let wanted = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let updated = status.updated_replicas.unwrap_or(0);
    let existing = status.replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    if updated < wanted {
        let paused = spec.and_then(|spec| spec.paused).unwrap_or(false);
        let why = if paused { "; the Deployment is paused" } else { "" };
        progressing(&format!("{updated} of {wanted} pods to be replaced{why}"))
    } else if existing > updated {
        progressing(&format!("{} old pods to end", existing - updated))
    } else if available < updated {
        progressing(&format!("{available} of {updated} new pods to become available"))
    } else {
        Rollout::Finished
    }
}

fn deadline_exceeded(conditions: &[DeploymentCondition]) -> Option<&DeploymentCondition> {
    conditions.iter().find(|condition| {
        condition.type_ == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    })
}

/// Pods are replaced from the highest ordinal down to the partition, each when the one before is ready; a pod that never is stops it all
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#rolling-updates>).
fn of_stateful_set(stateful_set: &StatefulSet) -> Rollout {
    let (spec, status) =
        (stateful_set.spec.clone().unwrap_or_default(), stateful_set.status.clone().unwrap_or_default());
    let strategy = spec.update_strategy.unwrap_or_default();
    let wanted = spec.replicas.unwrap_or(1);
    let updated = status.updated_replicas.unwrap_or(0);
    if strategy.type_.as_deref() == Some(ON_DELETE) {
        return on_delete(updated, status.available_replicas.unwrap_or(0), wanted);
    }
    let partition = strategy.rolling_update.and_then(|rolling| rolling.partition).unwrap_or(0).clamp(0, wanted);
    let replaced = wanted - partition;
    let available = status.available_replicas.or(status.ready_replicas).unwrap_or(0);
    let is_current = status.current_revision == status.update_revision;
    if !is_current && updated < replaced {
        progressing(&format!("{updated} of {replaced} pods to be replaced, of which each has to become ready"))
    } else if available < wanted {
        progressing(&format!("{available} of {wanted} pods to become available"))
    } else if is_current {
        Rollout::Finished
    } else if partition > 0 {
        let hint = format!("{partition} of {wanted} pods keep the old template: the update strategy has a partition");
        Rollout::Applied { hint }
    } else {
        progressing("the StatefulSet controller to take the new pods for the current ones")
    }
}

/// Pods are replaced node by node
/// (<https://kubernetes.io/docs/tasks/manage-daemon/update-daemon-set/>).
fn of_daemon_set(daemon_set: &DaemonSet) -> Rollout {
    let status = daemon_set.status.clone().unwrap_or_default();
    let strategy = daemon_set.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    let wanted = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or(0);
    let available = status.number_available.unwrap_or(0);
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some(ON_DELETE) {
        on_delete(updated, available, wanted)
    } else if updated < wanted {
        progressing(&format!("{updated} of {wanted} pods to be replaced"))
    } else if available < wanted {
        progressing(&format!("{available} of {wanted} pods to become available"))
    } else {
        Rollout::Finished
    }
}

/// Its controller reads the template when it makes a Job.
fn of_cron_job(cron_job: &CronJob) -> Rollout {
    let is_suspended = cron_job.spec.suspend.unwrap_or(false);
    let when = if is_suspended { "; the CronJob is suspended" } else { "" };
    Rollout::Applied { hint: format!("the next Job runs the current pod template{when}") }
}

fn on_delete(updated: i32, available: i32, wanted: i32) -> Rollout {
    if updated < wanted {
        let hint = format!(
            "{updated} of {wanted} pods have the current template: the update strategy is OnDelete, so that the others get it when \
             somebody deletes them"
        );
        Rollout::Applied { hint }
    } else if available < wanted {
        progressing(&format!("{available} of {wanted} pods to become available"))
    } else {
        Rollout::Finished
    }
}

fn progressing(waits_for: &str) -> Rollout {
    Rollout::Progressing { waits_for: waits_for.to_owned() }
}

#[cfg(test)]
mod tests;
