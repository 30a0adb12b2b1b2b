use serde_json::{Value, json};

use super::*;

/// A pod with `app` of the image `a:2`, `side` of `s:1` and an init container `init` of `i:2`, and this status.
#[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
fn pod(name: &str, status: Value) -> Pod {
    let spec = json!({
        "containers": [{"name": "app", "image": "a:2"}, {"name": "side", "image": "s:1"}],
        "initContainers": [{"name": "init", "image": "i:2"}, {"name": "proxy", "image": "p:2", "restartPolicy": "Always"}],
    });
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec, "status": status})).unwrap()
}

/// The status of a container; `fields` are laid over those of one that has not begun.
#[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
fn container(name: &str, fields: Value) -> Value {
    let mut status = json!({"name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0});
    status.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    status
}

/// The same in a pod of its own.
fn with_container(name: &str, fields: Value) -> Pod {
    let list = if name == "init" || name == "proxy" { "initContainerStatuses" } else { "containerStatuses" };
    pod("web-1", json!({list: [container(name, fields)]}))
}

/// The complaint about `pods` in which `app` and `init` and `proxy` have new images: `crash` or `trouble`, the container, and the text.
fn said(pods: &[Pod]) -> String {
    let Some(found) = complaint(pods, &[("app", "a:2"), ("init", "i:2"), ("proxy", "p:2")]) else {
        return String::new();
    };
    let kind = if found.is_crash { "crash" } else { "trouble" };
    format!("{kind} of {}: {}", found.container.as_deref().unwrap_or("nobody"), found.text)
}

#[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
fn check(name: &str, fields: Value, expected: &str) {
    assert_eq!(said(&[with_container(name, fields.clone())]), expected, "{name} {fields}");
}

fn waiting(reason: &str, message: &str) -> Value {
    json!({"waiting": {"reason": reason, "message": message}})
}

fn ended(code: i32, reason: &str) -> Value {
    json!({"terminated": {"exitCode": code, "reason": reason, "message": "the password is 1234"}})
}

#[test]
fn container_that_does_not_run_is_a_crash_of_its_image() {
    check(
        "app",
        json!({"state": waiting("CrashLoopBackOff", "back-off 10s restarting failed container"), "restartCount": 3,
            "lastState": ended(137, "OOMKilled")}),
        "crash of app: pod web-1: container app: CrashLoopBackOff; it ended with exit code 137 \
         (OOMKilled)",
    );
    check(
        "app",
        json!({"state": waiting("CrashLoopBackOff", ""), "restartCount": 1, "lastState": ended(0, "Completed")}),
        "crash of app: pod web-1: container app: CrashLoopBackOff; it ended with exit code 0 (Completed)",
    );
    check(
        "app",
        json!({"state": waiting("ErrImagePull", "a:2: not found")}),
        "crash of app: pod web-1: container app: ErrImagePull: a:2: not found",
    );
    check(
        "init",
        json!({"state": waiting("InvalidImageName", "x")}),
        "crash of init: pod web-1: container init: InvalidImageName: x",
    );
    for reason in BROKEN {
        let expected = format!("crash of app: pod web-1: container app: {reason}");
        check("app", json!({"state": {"waiting": {"reason": reason}}}), &expected);
    }
    check(
        "app",
        json!({"state": ended(1, "Error")}),
        "crash of app: pod web-1: container app ended with exit code 1 (Error)",
    );
    check("init", json!({"state": ended(2, "")}), "crash of init: pod web-1: container init ended with exit code 2");
}

#[test]
fn container_that_runs_again_after_an_error_is_a_crash_too() {
    let again = |count: i32, last: Value| json!({"state": {"running": {}}, "ready": true, "restartCount": count, "lastState": last});
    check(
        "app",
        again(1, ended(139, "Error")),
        "crash of app: pod web-1: container app ended with exit code 139 (Error), and was started again once",
    );
    check(
        "app",
        again(4, ended(1, "Error")),
        "crash of app: pod web-1: container app ended with exit code 1 (Error), and was started again 4 times",
    );
    check("app", again(1, ended(0, "Completed")), "");
    check("app", again(0, json!({})), "");
    // The node was gone for a while.
    check("app", again(1, ended(137, "ContainerStatusUnknown")), "");
}

#[test]
fn container_that_is_not_ready_is_in_trouble_but_has_not_crashed() {
    let running = || json!({"state": {"running": {}}});
    check("app", running(), "trouble of app: pod web-1: container app is running but not ready");
    check("proxy", running(), "trouble of proxy: pod web-1: container proxy is running but not ready");
    check("init", running(), "");
    check("init", json!({"state": ended(0, "Completed")}), "");
    check("app", json!({"state": waiting("ContainerCreating", "")}), "");
    check("app", json!({"state": waiting("PodInitializing", "")}), "");
    check("app", json!({}), "");
    let unheard = json!({"state": waiting("Meditating", "om")});
    check("app", unheard, "trouble of app: pod web-1: container app: Meditating: om");
}

#[test]
fn container_with_its_old_image_is_not_at_fault() {
    check(
        "side",
        json!({"state": waiting("CrashLoopBackOff", ""), "lastState": ended(1, "Error")}),
        "trouble of nobody: pod web-1: container side: CrashLoopBackOff; it ended with exit code 1 (Error)",
    );
    let pods = [with_container("app", json!({"state": ended(1, "Error")}))];
    assert_eq!(complaint(&pods, &[("app", "a:1"), ("side", "s:2"), ("gone", "a:2")]), None);
    assert_eq!(complaint(&[Pod::default()], &[("app", "a:2")]), None);
}

#[test]
fn pod_without_a_node_is_in_trouble() {
    let condition = |status: &str| {
        json!({"conditions": [{"type": "PodScheduled", "status": status, "reason": "Unschedulable",
            "message": "0/3 nodes are available"}]})
    };
    assert_eq!(
        said(&[pod("web-1", condition("False"))]),
        "trouble of nobody: pod web-1 has no node: 0/3 nodes are available"
    );
    assert_eq!(said(&[pod("web-1", condition("True"))]), "");
    let mut evicted = json!({"containerStatuses": [container("app", json!({"state": ended(137, "Error")}))]});
    evicted["phase"] = json!("Failed");
    evicted["reason"] = json!("Evicted");
    evicted["message"] = json!("The node was low on resource: memory");
    let expected = "trouble of nobody: pod web-1 is Failed: Evicted: The node was low on resource: memory";
    assert_eq!(said(&[pod("web-1", evicted)]), expected);
}

#[test]
fn the_worst_comes_first_and_then_the_first_pod() {
    let status = |fields: Value| json!({"containerStatuses": [container("app", fields)]});
    let unready = status(json!({"state": {"running": {}}}));
    let restarted = status(json!({"state": {"running": {}}, "restartCount": 1, "lastState": ended(1, "Error")}));
    let down = status(json!({"state": waiting("CrashLoopBackOff", "")}));
    let mut pods = vec![pod("a", unready), pod("b", restarted), pod("d", down.clone()), pod("c", down)];
    assert_eq!(said(&pods), "crash of app: pod c: container app: CrashLoopBackOff");
    pods.reverse();
    assert_eq!(said(&pods), "crash of app: pod c: container app: CrashLoopBackOff");
    pods.retain(|pod| matches!(pod.metadata.name.as_deref(), Some("a" | "b")));
    assert!(said(&pods).starts_with("crash of app: pod b: "), "{}", said(&pods));
    let both = json!({"containerStatuses": [
        container("side", json!({"state": waiting("CrashLoopBackOff", "")})), container("app", json!({"state": ended(1, "Error")}))]});
    assert_eq!(said(&[pod("web-1", both)]), "crash of app: pod web-1: container app ended with exit code 1 (Error)");
}

#[test]
fn foreign_text_is_one_line_of_bounded_length() {
    let message = format!("no\u{1b}[31m\n\tsuch{}", " image".repeat(200));
    let pods =
        [with_container("app", json!({"state": waiting("ErrImagePull", &message), "lastState": ended(1, "Error")}))];
    let found = said(&pods);
    assert!(
        found.starts_with("crash of app: pod web-1: container app: ErrImagePull: no [31m such image image"),
        "{found}"
    );
    assert!(found.ends_with("…; it ended with exit code 1 (Error)"), "{found}");
    let mut long = pods;
    long[0].metadata.name = Some("x".repeat(253));
    let text = complaint(&long, &[("app", "a:2")]).unwrap().text;
    assert!(text.len() <= LONGEST && text.ends_with('…'), "{text}");
}

#[test]
fn volume_is_at_fault_if_its_image_is_the_new_one_or_the_one_that_cannot_be_pulled() {
    let check = |new: &[(&str, &str)], state: Value, expected: &str| {
        let mut spec = json!({
            "containers": [
                {"name": "app", "image": "a:2", "volumeMounts": [{"name": "model", "mountPath": "/m"}]},
                {"name": "model", "image": "x:1"},
                {"name": "other", "image": "o:1"},
            ],
            "volumes": [{"name": "model", "image": {"reference": "m:2"}}, {"name": "data", "image": {"reference": "d:2"}}],
        });
        if new.iter().any(|(_, image)| *image == "m:2") {
            spec["containers"].as_array_mut().unwrap().remove(1);
        }
        let statuses = json!([container("app", json!({"state": state}))]);
        let pod = json!({"metadata": {"name": "web-1"}, "spec": spec, "status": {"containerStatuses": statuses}});
        let found = complaint(&[serde_json::from_value(pod).unwrap()], new);
        let found = found.map(|found| (found.is_crash, found.container.unwrap_or_default()));
        let expected = (!expected.is_empty()).then(|| (expected != "nobody", expected.replace("nobody", "")));
        assert_eq!(found, expected, "{new:?} {state}");
    };
    let crashed = || json!({"terminated": {"exitCode": 1}});
    let not_found = |image: &str| waiting("ErrImagePull", &format!("failed to resolve {image}: not found"));
    check(&[("model", "m:2")], crashed(), "model");
    check(&[("app", "a:2"), ("model", "m:2")], crashed(), "app");
    check(&[("app", "a:2"), ("model", "m:2")], not_found("m:2"), "model");
    check(&[("app", "a:2"), ("model", "m:2")], not_found("a:2"), "app");
    // Nobody in trouble mounts it.
    check(&[("data", "d:2")], crashed(), "nobody");
    check(&[("data", "d:1")], crashed(), "");
    // A container has the name of the volume.
    check(&[("model", "x:1")], crashed(), "nobody");
}
