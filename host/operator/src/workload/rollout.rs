//! How far a workload's rollout is. Pure: a reading of its status.
//!
//! "Finished" means that all wanted pods run the current pod template and count as available, and that no older pod is left. It does
//! *not* mean that the application works.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition};

use super::Workload;

/// How far a rollout is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// Every pod is new and available.
    Finished,
    /// The controller is at work, or has not looked yet.
    Progressing {
        /// What it waits for, in words.
        waits_for: String,
    },
    /// The rollout made no progress within the workload's `progressDeadlineSeconds`.
    Failed {
        /// The controller's own words.
        message: String,
    },
}

/// Reads the rollout from the status that the workload's controller writes.
pub fn rollout(workload: &Workload) -> Rollout {
    match workload {
        Workload::Deployment(deployment) => of_deployment(deployment),
    }
}

/// As the Deployment controller describes it
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status>).
fn of_deployment(deployment: &Deployment) -> Rollout {
    let Some(status) = deployment.status.as_ref() else {
        return progressing("the Deployment controller to look at the Deployment");
    };
    if status.observed_generation < deployment.metadata.generation {
        return progressing("the Deployment controller to look at the new pod template");
    }
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

fn progressing(waits_for: &str) -> Rollout {
    Rollout::Progressing { waits_for: waits_for.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn check(status: serde_json::Value, expected: &str) {
        let deployment: Deployment = serde_json::from_value(serde_json::json!({
            "metadata": {"generation": 2},
            "spec": {"replicas": 3, "selector": {}, "template": {}, "paused": status["paused"].as_bool().unwrap_or(false)},
            "status": status,
        }))
        .unwrap();
        let found = match rollout(&Workload::Deployment(Arc::new(deployment))) {
            Rollout::Finished => "finished".to_owned(),
            Rollout::Progressing { waits_for } => waits_for,
            Rollout::Failed { message } => format!("failed: {message}"),
        };
        assert_eq!(found, expected, "{status}");
    }

    #[test]
    fn rollout_is_finished_only_when_every_pod_is_new_and_available() {
        use serde_json::json;
        check(json!(null), "the Deployment controller to look at the Deployment");
        check(json!({"observedGeneration": 1}), "the Deployment controller to look at the new pod template");
        check(json!({"observedGeneration": 2}), "0 of 3 pods to be replaced");
        check(json!({"observedGeneration": 2, "paused": true}), "0 of 3 pods to be replaced; the Deployment is paused");
        check(json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 4}), "1 old pods to end");
        check(
            json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 1}),
            "1 of 3 new pods to become available",
        );
        check(
            json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}),
            "finished",
        );
        check(
            json!({"observedGeneration": 2, "updatedReplicas": 1, "replicas": 4, "conditions": [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "stuck"}]}),
            "failed: stuck",
        );
    }
}
