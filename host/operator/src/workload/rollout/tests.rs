use std::sync::Arc;

use serde_json::{Value, json};

use super::super::Object;
use super::*;

/// The rollout in words, of a workload with three pods at generation 2; `spec` and `status` are laid over what that means.
#[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
fn check<K: Object>(spec: Value, status: Value, expected: &str) {
    let mut full = json!({"replicas": 3, "selector": {}, "serviceName": "", "template": {}});
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let object = json!({"metadata": {"generation": 2}, "spec": full, "status": status});
    let object: K = serde_json::from_value(object).unwrap();
    let found = match rollout(&K::into_workload(Arc::new(object))) {
        Rollout::Finished => "finished".to_owned(),
        Rollout::Applied { hint } => format!("applied: {hint}"),
        Rollout::Progressing { waits_for } => waits_for,
        Rollout::Failed { message } => format!("failed: {message}"),
    };
    assert_eq!(found, expected, "{spec} {status}");
}

#[test]
fn deployment_is_rolled_out_when_every_pod_is_new_and_available() {
    let check = |status: Value, expected: &str| check::<Deployment>(json!({}), status, expected);
    check(json!(null), "the Deployment controller to look at the Deployment");
    check(json!({"observedGeneration": 1}), "the Deployment controller to look at the new pod template");
    check(json!({"observedGeneration": 2}), "0 of 3 pods to be replaced");
    check(json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 4}), "1 old pods to end");
    check(
        json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 1}),
        "1 of 3 new pods to become available",
    );
    check(json!({"observedGeneration": 2, "updatedReplicas": 3, "replicas": 3, "availableReplicas": 3}), "finished");
    check(
        json!({"observedGeneration": 2, "updatedReplicas": 1, "replicas": 4, "conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "stuck"}]}),
        "failed: stuck",
    );
    let paused = json!({"paused": true});
    let waits_for = "0 of 3 pods to be replaced; the Deployment is paused";
    self::check::<Deployment>(paused, json!({"observedGeneration": 2}), waits_for);
}

/// What the StatefulSet controller says of `updated` new pods and `available` ones of three.
fn stateful(updated: i32, available: i32, is_current: bool) -> Value {
    json!({
        "observedGeneration": 2, "replicas": 3, "updatedReplicas": updated, "availableReplicas": available,
        "currentRevision": if is_current { "b" } else { "a" }, "updateRevision": "b",
    })
}

#[test]
fn stateful_set_is_rolled_out_when_its_controller_counts_the_new_revision_as_the_current_one() {
    let check = |status: Value, expected: &str| check::<StatefulSet>(json!({}), status, expected);
    check(json!(null), "the StatefulSet controller to look at the StatefulSet");
    check(
        json!({"replicas": 0, "observedGeneration": 1}),
        "the StatefulSet controller to look at the new pod template",
    );
    check(stateful(1, 2, false), "1 of 3 pods to be replaced, of which each has to become ready");
    check(stateful(3, 2, false), "2 of 3 pods to become available");
    check(stateful(3, 3, false), "the StatefulSet controller to take the new pods for the current ones");
    check(stateful(3, 3, true), "finished");
    check(stateful(3, 2, true), "2 of 3 pods to become available");
    // The count of new pods is not always kept once there is nothing to update.
    check(stateful(0, 3, true), "finished");
}

#[test]
fn pods_below_the_partition_of_a_stateful_set_keep_what_they_have() {
    let check = |partition: i32, status: Value, expected: &str| {
        let spec = json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}});
        self::check::<StatefulSet>(spec, status, expected);
    };
    let kept = "applied: 2 of 3 pods keep the old template: the update strategy has a partition";
    check(2, stateful(0, 3, false), "0 of 1 pods to be replaced, of which each has to become ready");
    check(2, stateful(1, 2, false), "2 of 3 pods to become available");
    check(2, stateful(1, 3, false), kept);
    check(2, stateful(3, 3, true), "finished");
    let all = "applied: 3 of 3 pods keep the old template: the update strategy has a partition";
    check(9, stateful(0, 3, false), all);
    check(0, stateful(1, 3, false), "1 of 3 pods to be replaced, of which each has to become ready");
}

#[test]
fn pods_that_are_replaced_on_delete_are_left_to_people() {
    let spec = || json!({"updateStrategy": {"type": "OnDelete"}});
    let waits = |updated: i32| {
        format!(
            "applied: {updated} of 3 pods have the current template: the update strategy is OnDelete, so that the others get it when \
             somebody deletes them"
        )
    };
    check::<StatefulSet>(
        spec(),
        json!({"replicas": 3, "observedGeneration": 1}),
        "the StatefulSet controller to look at the new pod template",
    );
    check::<StatefulSet>(spec(), stateful(0, 3, false), &waits(0));
    check::<StatefulSet>(spec(), stateful(3, 2, false), "2 of 3 pods to become available");
    // With this strategy the current revision stays what it was.
    check::<StatefulSet>(spec(), stateful(3, 3, false), "finished");
    check::<DaemonSet>(spec(), daemons(1, 3), &waits(1));
    check::<DaemonSet>(spec(), daemons(3, 3), "finished");
}

/// What the DaemonSet controller says of `updated` new pods and `available` ones on three nodes.
fn daemons(updated: i32, available: i32) -> Value {
    json!({
        "observedGeneration": 2, "currentNumberScheduled": 3, "desiredNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": 3,
        "updatedNumberScheduled": updated, "numberAvailable": available,
    })
}

#[test]
fn daemon_set_is_rolled_out_when_every_node_has_a_new_pod() {
    let check = |status: Value, expected: &str| check::<DaemonSet>(json!({}), status, expected);
    check(json!(null), "the DaemonSet controller to look at the DaemonSet");
    check(daemons(1, 3), "1 of 3 pods to be replaced");
    check(daemons(3, 2), "2 of 3 pods to become available");
    check(daemons(3, 3), "finished");
}

#[test]
fn cron_job_has_nothing_to_roll_out() {
    let spec = |suspend: bool| json!({"schedule": "0 3 * * *", "suspend": suspend, "jobTemplate": {}});
    check::<CronJob>(spec(false), json!({}), "applied: the next Job runs the current pod template");
    check::<CronJob>(
        spec(true),
        json!({}),
        "applied: the next Job runs the current pod template; the CronJob is suspended",
    );
}
