use clap::ValueEnum;
use k8supdater::api::{VersioningHandler, definitions};
use k8supdater::cli::reference::Page;
use serde_json::json;

use crate::root;

#[test]
fn the_committed_definitions_are_what_the_types_say() {
    let committed = std::fs::read_to_string(root().join("deploy/crd/k8supdater.dev.yaml")).unwrap_or_default();
    // Not assert_eq: two files of a thousand lines side by side help nobody.
    assert!(
        committed == definitions().unwrap(),
        "deploy/crd/k8supdater.dev.yaml is out of date: run `cargo xtask manifests`"
    );
}

#[test]
fn the_committed_pages_are_what_the_types_and_flags_say() {
    for (page, file) in [
        (Page::Fields, "docs/reference.md"),
        (Page::Configuration, "docs/configuration.md"),
        (Page::Commands, "docs/commands.md"),
    ] {
        let committed = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(committed == page.text(), "{file} is out of date: run `cargo xtask reference`");
    }
    assert_eq!(Page::value_variants().len(), 3, "a page that no file holds");
}

#[test]
fn an_object_with_every_field_survives_reading_and_writing() {
    let notice = json!({
        "kind": "update-available", "level": "warning", "workload": "Deployment/web", "container": "web", "image": "app",
        "from": "1.4.3", "to": "2.0.0", "newest": "2.0.0", "plugin": "oci", "errorClass": "Trapped", "detail": "why",
        "approvable": true, "link": "https://example.com", "time": "2026-01-02T03:04:05Z",
    });
    let object = json!({
        "apiVersion": "k8supdater.dev/v1",
        "kind": "VersioningHandler",
        "metadata": {"name": "web", "namespace": "team-a"},
        "spec": {
            "deployment": "web",
            "containerregistry": "oci",
            "registry": {"settings": {"pageSize": 100}},
            "versionParser": {"plugin": "pep440", "settings": {"any": [1, "two"]}},
            "frontier": 2,
            "interval": "90s",
            "rollout": {"timeout": "300s"},
            "tags": {"include": "[0-9.]+", "exclude": ".*-nightly", "prereleases": true},
            "precision": "Same",
            "approval": "Required",
            "notifiers": [{
                "plugin": "telegram", "name": "chat", "settings": {"chatId": 5}, "secretRef": {"name": "bot", "slot": "bot"},
                "levels": ["error"], "kinds": ["update-available"], "digest": "86400s", "remindAfter": "172800s",
            }],
            "containers": [{"name": "proxy", "ignore": true}, {"name": "db", "frontier": 0, "approval": "NotRequired"}],
            "suspend": true,
        },
        "status": {
            "observedGeneration": 3,
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Checked", "message": "all is well",
                "observedGeneration": 3, "lastTransitionTime": "2026-01-02T03:04:05Z",
            }],
            "workload": "Deployment/web",
            "current": "1.4.3",
            "available": "2.0.0",
            "fleet": {"workloads": 6, "upToDate": 1, "updating": 2, "waiting": 3, "failing": 0, "leftToOthers": 5},
            "containers": [{
                "name": "web", "image": "app:1.4.3", "newestApplicable": "1.4.3", "newest": "2.0.0", "decision": "Notify",
                "problem": "none", "problemReason": "Trapped", "failingPlugin": "oci",
                "reported": "2.0.0", "reportedFrom": "1.4.3", "reportedWhy": "level 1 differs", "link": "https://example.com",
                "approved": {"tag": "2.0.0", "by": "ada", "at": "2026-01-02T03:04:05Z", "generation": 2},
                "skipped": [{"tag": "1.9.0", "by": "ada", "at": "2026-01-02T03:04:05Z"}],
                "snoozed": {"tag": "2.0.0", "until": "2026-01-03T03:04:05Z", "by": "ada"},
                "refused": [{"tag": "2.0.0", "reason": "BeyondFrontier", "message": "level 1 differs"}],
                "update": {
                    "from": "app:1.4.2", "to": "app:1.4.3", "phase": "Finished", "digest": "sha256:00", "generation": 2,
                    "approvedBy": "ada", "started": "2026-01-02T03:04:05Z", "finished": "2026-01-02T03:04:06Z", "hint": "the next Job runs it",
                    "trace": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                },
            }],
            "history": [{
                "container": "web", "from": "app:1.4.2", "to": "app:1.4.3", "digest": "sha256:00", "approvedBy": "ada",
                "started": "2026-01-02T03:04:05Z", "finished": "2026-01-02T03:04:06Z", "result": "Failed", "message": "stuck",
            }],
            "lastCheck": "2026-01-02T03:04:05Z",
            "nextCheck": "2026-01-02T03:14:05Z",
            "notices": {"generation": 3, "suspended": true, "channels": {"chat": {
                "since": "2026-01-02T03:04:05Z",
                "sent": [{"notice": notice, "serial": 0, "at": "2026-01-02T03:04:05Z", "reminders": 1, "failures": 2,
                    "notBefore": "2026-01-02T03:14:05Z"}],
                "pending": [{"notice": notice, "serial": 1, "since": "2026-01-02T03:04:05Z", "begun": true, "failures": 2,
                    "notBefore": "2026-01-02T03:14:05Z"}],
                "nextSerial": 2, "lastSent": "2026-01-02T03:04:05Z", "pausedUntil": "2026-01-02T03:14:05Z", "givenUp": 3,
                "failure": {"reason": "RateLimited", "message": "later"},
            }}},
        },
    });
    let handler: VersioningHandler = serde_json::from_value(object.clone()).unwrap();
    assert_eq!(serde_json::to_value(handler).unwrap(), object);
}

#[test]
fn a_minimal_object_needs_two_fields_and_unknown_ones_are_named() {
    let read = |spec: serde_json::Value| {
        let object = json!({"apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "metadata": {"name": "w"}, "spec": spec});
        serde_json::from_value::<VersioningHandler>(object).map_err(|err| err.to_string())
    };
    read(json!({"deployment": "web", "containerregistry": "oci"})).unwrap();
    read(json!({"workload": {"kind": "CronJob", "name": "report"}, "containerregistry": "oci"})).unwrap();
    let kind =
        read(json!({"workload": {"kind": "Cronjob", "name": "report"}, "containerregistry": "oci"})).unwrap_err();
    assert!(kind.contains("expected one of `Deployment`, `StatefulSet`, `DaemonSet`, `CronJob`"), "{kind}");
    let expression = json!({"key": "team", "operator": "In", "values": ["web"]});
    let selector = json!({"kinds": ["CronJob"], "matchLabels": {"tier": "front"}, "matchExpressions": [expression]});
    let fleet = read(json!({"selector": selector, "containerregistry": "oci"})).unwrap();
    assert_eq!(serde_json::to_value(fleet.spec.selector).unwrap(), selector);
    let missing = read(json!({"deployment": "web"})).unwrap_err();
    assert!(missing.contains("containerregistry"), "{missing}");
    let unknown = read(json!({"deployment": "web", "containerregistry": "oci", "fronteir": 1})).unwrap_err();
    assert!(unknown.contains("fronteir"), "{unknown}");
}
