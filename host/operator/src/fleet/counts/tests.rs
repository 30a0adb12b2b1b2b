use std::sync::Arc;

use kube::core::DeserializeGuard;
use serde_json::{Value, json};

use super::*;

/// A member with these conditions and this container.
fn member(name: &str, ready: (&str, &str), up_to_date: (&str, &str), container: &Value) -> VersioningHandler {
    let condition = |kind: &str, (status, reason): (&str, &str)| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"});
    let mut full = json!({"name": "app", "image": "app:1", "decision": "None"});
    full.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "metadata": {"name": name},
        "spec": {"deployment": name, "containerregistry": "oci"},
        "status": {"conditions": [condition("Ready", ready), condition("UpToDate", up_to_date)], "containers": [full]},
    }))
    .unwrap()
}

const READY_NOW: (&str, &str) = ("True", "Checked");

fn up_to_date(name: &str) -> VersioningHandler {
    member(name, READY_NOW, ("True", "UpToDate"), &json!({}))
}

fn updating(name: &str, phase: &str) -> VersioningHandler {
    let update = json!({"from": "app:1", "to": "app:2", "phase": phase, "started": "2026-01-02T03:04:05Z"});
    member(name, READY_NOW, ("False", "Updating"), &json!({"update": update}))
}

fn offering(name: &str) -> VersioningHandler {
    member(name, READY_NOW, ("False", "UpdateAvailable"), &json!({"reported": "2"}))
}

fn waiting(name: &str) -> VersioningHandler {
    let waits = json!({"tag": "2", "reason": "RolloutLimit", "message": "words"});
    member(name, READY_NOW, ("False", "Waiting"), &json!({"waits": waits}))
}

fn failing(name: &str) -> VersioningHandler {
    member(name, ("False", "RegistryUnavailable"), ("Unknown", "CheckFailed"), &json!({}))
}

fn fleet(spec: &Value) -> VersioningHandler {
    let mut full = json!({"selector": {}, "containerregistry": "oci"});
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "metadata": {"name": "fleet"}, "spec": full,
    }))
    .unwrap()
}

fn counts(members: Vec<VersioningHandler>) -> Counts {
    let members = members.into_iter().map(|member| Arc::new(DeserializeGuard(Ok(member)))).collect();
    Counts::of(&fleet(&json!({})), &Plan { members, ..Plan::default() })
}

#[test]
fn the_sum_of_a_fleet_says_what_there_is_to_wait_for() {
    let check = |members: Vec<VersioningHandler>, state: State, reason: &str, message: &str| {
        let found = counts(members).up_to_date();
        assert_eq!((found.state, found.reason, found.message.as_str()), (state, reason, message));
    };
    check(vec![], State::True, "UpToDate", "0 workloads");
    check(vec![up_to_date("a")], State::True, "UpToDate", "1 workload, 1 up to date");
    check(
        vec![updating("a", "RollingOut"), updating("b", "RollingBack"), offering("c"), failing("d"), up_to_date("e")],
        State::False,
        "Updating",
        "5 workloads, 2 being updated, 1 waiting, 1 not ready, 1 up to date",
    );
    check(
        vec![offering("a"), waiting("b"), up_to_date("c")],
        State::False,
        "UpdateAvailable",
        "3 workloads, 2 waiting, 1 up to date",
    );
    check(vec![waiting("a"), failing("b")], State::False, "Waiting", "2 workloads, 1 waiting, 1 not ready");
    check(vec![failing("a"), up_to_date("b")], State::Unknown, "NotKnown", "2 workloads, 1 not ready, 1 up to date");
    // About to be updated, but its pods are not being replaced.
    check(vec![updating("a", "Announced")], State::False, "Waiting", "1 workload, 1 waiting");
    let mut new = up_to_date("a");
    new.status = None;
    check(vec![new], State::Unknown, "NotKnown", "1 workload");
}

#[test]
fn a_fleet_is_ready_when_its_members_are() {
    let check = |counts: &Counts, taken: &[&str], state: State, reason: &str, part: &str| {
        let taken: Vec<String> = taken.iter().map(|name| (*name).to_owned()).collect();
        let found = counts.ready(&taken);
        assert_eq!((found.state, found.reason), (state, reason), "{found:?}");
        assert!(found.message.contains(part), "{found:?}");
    };
    let none = Counts::default();
    check(&none, &[], State::True, "Selected", "spec.selector matches no workload of this namespace");
    let all_left = Counts { left_to_others: 2, ..Counts::default() };
    check(&all_left, &[], State::True, "Selected", "at present; 2 are left to other handlers");
    check(&counts(vec![up_to_date("a")]), &[], State::True, "Selected", "1 workload, each with a handler of its own");
    check(&none, &["fleet.deployment.a"], State::False, "NameTaken", "fleet.deployment.a; delete it");
    let suspended = Counts::of(&fleet(&json!({"suspend": true})), &Plan::default());
    check(&suspended, &[], State::Unknown, "Suspended", "spec.suspend is set");
    let failing = counts("gfedcba".chars().map(|name| failing(&name.to_string())).chain([up_to_date("z")]).collect());
    check(&failing, &[], State::False, "MembersFailing", "7 of 8 handlers are not ready: a, b, c, d, e and 2 more;");
}

#[test]
fn columns_are_short_and_counts_add_up() {
    let counts = counts(vec![up_to_date("a"), offering("b"), updating("c", "RollingOut"), failing("d"), offering("e")]);
    assert_eq!((counts.current().as_str(), counts.available().as_deref()), ("5 workloads", Some("for 2")));
    let expected = FleetStatus { workloads: 5, up_to_date: 1, updating: 1, waiting: 2, failing: 1, left_to_others: 0 };
    assert_eq!(counts.status(), expected);
}
