use serde_json::{Value, json};

use super::*;
use crate::api::workload::WorkloadKind;

fn read(object: Value) -> VersioningHandler {
    serde_json::from_value(object).unwrap()
}

/// A fleet that was created in that second.
fn fleet(name: &str, created: u32) -> VersioningHandler {
    read(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
        "metadata": {
            "name": name, "namespace": "team-a", "uid": format!("uid-of-{name}"),
            "creationTimestamp": format!("2026-01-02T03:04:{created:02}Z"),
        },
        "spec": {"selector": {"matchLabels": {"team": "web"}}, "containerregistry": "oci", "frontier": 2},
    }))
}

fn handler(name: &str, workload: &str) -> VersioningHandler {
    read(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
        "metadata": {"name": name, "namespace": "team-a", "uid": format!("uid-of-{name}")},
        "spec": {"deployment": workload, "containerregistry": "oci"},
    }))
}

/// The member of `fleet` as the API server has it.
fn existing(fleet: &VersioningHandler, workload: &str) -> VersioningHandler {
    let mut member = member(fleet, &deployment(workload));
    member.metadata.uid = Some(format!("uid-of-{}", member.name_any()));
    member
}

fn deployment(name: &str) -> WorkloadRef {
    WorkloadRef { kind: WorkloadKind::Deployment, name: name.to_owned() }
}

/// What a plan does, one word and a name each.
fn plan(fleet: &VersioningHandler, workloads: &[&str], handlers: &[VersioningHandler]) -> Vec<String> {
    let workloads: Vec<WorkloadRef> = workloads.iter().map(|name| deployment(name)).collect();
    let handlers: Vec<Arc<Guarded>> = handlers.iter().map(|it| Arc::new(DeserializeGuard(Ok(it.clone())))).collect();
    let plan = Plan::of(fleet, &workloads, &handlers);
    let create = plan.create.iter().map(|member| format!("create {}", member.name_any()));
    let change = plan.change.iter().map(|change| format!("change {}", change.name));
    let delete = plan.delete.iter().map(|member| format!("delete {} {}", member.name, member.uid));
    let keep = plan.members.iter().map(|member| format!("keep {}", member.name_any()));
    let left = (plan.left_to_others > 0).then(|| format!("leave {}", plan.left_to_others));
    let taken = plan.taken.iter().map(|name| format!("taken {name}"));
    create.chain(change).chain(delete).chain(keep).chain(left).chain(taken).collect()
}

#[test]
fn a_fleet_has_one_member_for_each_workload() {
    let fleet = fleet("shop", 1);
    let check = |workloads: &[&str], handlers: &[VersioningHandler], expected: &[&str]| {
        assert_eq!(plan(&fleet, workloads, handlers), expected);
    };
    check(&[], &[], &[]);
    check(&["a", "b"], &[], &["create shop.deployment.a", "create shop.deployment.b"]);
    check(&["a"], &[existing(&fleet, "a")], &["keep shop.deployment.a"]);
    check(&[], &[existing(&fleet, "a")], &["delete shop.deployment.a uid-of-shop.deployment.a"]);
    let mut other = existing(&fleet, "a");
    other.spec.frontier = Some(1);
    check(&["a"], &[other], &["change shop.deployment.a", "keep shop.deployment.a"]);
}

#[test]
fn a_workload_is_left_to_whoever_names_it_or_was_there_first() {
    let (shop, older, younger) = (fleet("shop", 5), fleet("older", 4), fleet("younger", 6));
    let check = |handlers: &[VersioningHandler], expected: &[&str]| {
        assert_eq!(plan(&shop, &["a"], handlers), expected);
    };
    let leave: &[&str] = &["leave 1"];
    let create: &[&str] = &["create shop.deployment.a"];
    check(&[handler("x", "a")], leave);
    check(&[handler("x", "b")], create);
    let taken_over = ["delete shop.deployment.a uid-of-shop.deployment.a", "leave 1"];
    check(&[handler("x", "a"), existing(&shop, "a")], &taken_over);
    check(&[older.clone(), existing(&older, "a")], leave);
    check(&[younger.clone(), existing(&younger, "a")], create);
    // Its members are only waiting for the garbage collector.
    check(&[existing(&older, "a")], create);
}

#[test]
fn an_object_of_somebody_else_is_not_touched() {
    let fleet = fleet("shop", 1);
    let check = |handlers: &[VersioningHandler]| {
        assert_eq!(plan(&fleet, &["a"], handlers), ["taken shop.deployment.a"]);
    };
    check(&[handler("shop.deployment.a", "other")]);
    let mut of_predecessor = existing(&fleet, "a");
    of_predecessor.metadata.owner_references.as_mut().unwrap()[0].uid = "another".to_owned();
    check(&[of_predecessor]);
    let mut borrowed = existing(&fleet, "a");
    borrowed.spec.workload = Some(deployment("other"));
    borrowed.metadata.owner_references.as_mut().unwrap()[0].controller = None;
    check(&[borrowed]);
}

#[test]
fn a_member_is_the_fleet_for_one_workload() {
    let member = existing(&fleet("shop", 1), "a");
    let expected = json!({
        "workload": {"kind": "Deployment", "name": "a"}, "containerregistry": "oci", "frontier": 2,
    });
    assert_eq!(serde_json::to_value(&member.spec).unwrap(), expected);
    assert_eq!((member.namespace().as_deref(), member.labels()[LABEL].as_str()), (Some("team-a"), "shop"));
    let expected = json!([{
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "name": "shop", "uid": "uid-of-shop",
        "controller": true, "blockOwnerDeletion": false,
    }]);
    assert_eq!(serde_json::to_value(member.owner_references()).unwrap(), expected);
}

#[test]
fn a_change_replaces_the_spec_and_leaves_what_others_have_added() {
    let fleet = fleet("shop", 1);
    let check = |change: fn(&mut VersioningHandler)| {
        let mut found = existing(&fleet, "a");
        found.metadata.annotations = Some([("their".to_owned(), "note".to_owned())].into());
        found.metadata.labels.get_or_insert_default().insert("their".to_owned(), "label".to_owned());
        let expected = found.clone();
        change(&mut found);
        let patch =
            super::change(&DeserializeGuard(Ok(found.clone())), &member(&fleet, &deployment("a"))).unwrap().patch;
        let mut object = serde_json::to_value(&found).unwrap();
        json_patch::patch(&mut object, &patch).unwrap();
        assert_eq!(object["spec"], serde_json::to_value(&expected.spec).unwrap());
        assert_eq!(object["metadata"]["labels"][LABEL], "shop");
        assert_eq!(object["metadata"]["annotations"], json!({"their": "note"}));
        // Another object of the same name is not changed.
        object["metadata"]["uid"] = json!("another");
        assert!(json_patch::patch(&mut object, &patch).is_err());
    };
    check(|found| found.spec.suspend = true);
    check(|found| found.metadata.labels = None);
    check(|found| {
        found.metadata.labels.as_mut().unwrap().remove(LABEL);
    });
}

#[test]
fn names_that_are_too_long_are_cut_and_stay_different() {
    let long = "x".repeat(200);
    let fleet = fleet(&long, 1);
    let names: Vec<VersioningHandler> =
        ["a", "b"].map(|end| member(&fleet, &deployment(&format!("{}{end}", "y".repeat(100))))).into();
    for member in &names {
        let (name, label) = (member.name_any(), member.labels()[LABEL].clone());
        assert!(name.len() <= 253 && name.starts_with(&long), "{name}");
        assert!(label.len() <= 63 && label.starts_with("xxx"), "{label}");
    }
    assert_ne!(names[0].name_any(), names[1].name_any());
    assert_eq!(fitted(&format!("{}.{}", "a".repeat(51), "b".repeat(20)), 63).find('.'), None, "no dot before a dash");
}
