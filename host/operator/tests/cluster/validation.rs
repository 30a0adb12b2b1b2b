use axum::http::Request;
use k8supdater_testkit::{Stage, objects};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{bare, condition, image, with_fake_registry};

/// What the API server says to the object, as in `kubectl create --dry-run=server`.
async fn try_create(api: &Api<DynamicObject>, object: &DynamicObject) -> Result<(), String> {
    let url = format!("{}?dryRun=All&fieldValidation=Strict", api.resource_url());
    let body = serde_json::to_vec(object).unwrap();
    let request = Request::post(url).header("content-type", "application/json").body(body).unwrap();
    let client = api.clone().into_client();
    client.request::<DynamicObject>(request).await.map(drop).map_err(|err| err.to_string())
}

async fn check(api: &Api<DynamicObject>, object: &DynamicObject, parts: &[&str]) {
    let spec = &object.data["spec"];
    match try_create(api, object).await {
        Ok(()) => assert!(parts.is_empty(), "{spec} was accepted, expected {parts:?}"),
        Err(message) => {
            assert!(!parts.is_empty(), "{spec} was refused: {message}");
            for part in parts {
                assert!(message.contains(part), "{part:?} in the answer to {spec}: {message}");
            }
        }
    }
}

#[tokio::test]
async fn api_server_refuses_nonsense_in_handlers_and_says_what_is_right() {
    let stage = bare("handlers").await;
    let interval = "interval must be a duration between 1s and 720h, such as 30s, 10m or 1h30m";
    let one_workload = "say once which workload is meant: either spec.deployment with the name of a Deployment, or spec.workload with kind and name";
    let stateful_set = json!({"kind": "StatefulSet", "name": "db"});
    let kinds = "supported values: \"Deployment\", \"StatefulSet\", \"DaemonSet\", \"CronJob\"";
    let ignored = "a container that is ignored has no other options: remove ignore, or the others";
    let table: &[(Value, &[&str])] = &[
        (json!({}), &[]),
        (json!({"frontier": null, "interval": null}), &[]),
        (
            json!({
                "frontier": 16, "interval": "1h30m", "suspend": true, "precision": "Same",
                "tags": {"prereleases": true, "include": "1.*", "exclude": ".*-rc", "flavor": "-alpine.*"}, "latest": "Update",
                "registry": {"settings": {"a": {"b": [1]}}, "secretRef": {"name": "s", "slot": "token"}},
                "versionParser": {"plugin": "p", "settings": {"c": 1}},
                "containers": [
                    {"name": "a", "frontier": 0, "latest": "Notify"}, {"name": "b", "ignore": true},
                    {
                        "name": "c", "containerregistry": "gitlab", "versionParser": {"plugin": "date"},
                        "registry": {"settings": {"a": 1}, "secretRef": {"name": "s"}},
                    },
                ],
            }),
            &[],
        ),
        (json!({"frontier": -1}), &["spec.frontier", "greater than or equal to 0"]),
        (json!({"frontier": 17}), &["spec.frontier", "less than or equal to 16"]),
        (json!({"frontier": "2"}), &["spec.frontier", "integer"]),
        (json!({"interval": "10"}), &["spec.interval", interval]),
        (json!({"interval": "0.5s"}), &["spec.interval", interval]),
        (json!({"interval": "721h"}), &["spec.interval", interval]),
        (json!({"interval": "-10m"}), &["spec.interval", interval]),
        (json!({"interval": "soon"}), &["spec.interval", interval]),
        (json!({"rollout": {"timeout": "5m"}}), &[]),
        (json!({"rollout": {"timeout": "25h"}}), &["spec.rollout.timeout", "between 1s and 24h"]),
        (json!({"latest": "true"}), &["spec.latest", "supported values: \"Update\", \"Notify\""]),
        (json!({"tags": {"flavor": ""}}), &["spec.tags.flavor", "at least 1 chars"]),
        (json!({"registry": {"secretRef": {}}}), &["spec.registry.secretRef.name", "Required value"]),
        (json!({"containers": [{"name": "a", "ignore": true, "latest": "Update"}]}), &[ignored]),
        (json!({"precision": "Exact"}), &["spec.precision", "supported values: \"Any\", \"Same\""]),
        (json!({"tags": {"include": ""}}), &["spec.tags.include", "at least 1 chars"]),
        (json!({"workload": stateful_set}), &[]),
        (json!({"deployment": null}), &[one_workload, "as in {kind: StatefulSet, name: db}"]),
        (json!({"deployment": "web", "workload": stateful_set}), &[one_workload]),
        (json!({"workload": {"kind": "ReplicaSet", "name": "db"}}), &["spec.workload.kind", kinds]),
        (json!({"workload": {"kind": "statefulset", "name": "db"}}), &["spec.workload.kind", kinds]),
        (json!({"workload": {"name": "db"}}), &["spec.workload.kind", "Required value"]),
        (json!({"workload": {"kind": "CronJob", "name": ""}}), &["spec.workload.name", "at least 1 chars"]),
        (json!({"deployment": ""}), &["spec.deployment", "at least 1 chars"]),
        (json!({"deployment": "Web_1"}), &["spec.deployment", "should match"]),
        (json!({"containerregistry": null}), &["spec.containerregistry", "Required value"]),
        (json!({"containerregistry": "docker hub"}), &["spec.containerregistry", "should match"]),
        (json!({"containers": [{"name": "a", "frontier": 1, "ignore": true}]}), &["spec.containers[0]", ignored]),
        (json!({"containers": [{"name": "a"}, {"name": "a"}]}), &["spec.containers[1]", "Duplicate value"]),
        (json!({"versionParser": {}}), &["spec.versionParser.plugin", "Required value"]),
        (json!({"registry": {"settings": [1]}}), &["spec.registry.settings", "object"]),
        (json!({"intervall": "10m"}), &["unknown field \"spec.intervall\""]),
        (json!({"approval": "Yes"}), &["spec.approval", "supported values"]),
        (json!({"notifiers": []}), &[]),
        (
            json!({"notifiers": [
                {"plugin": "email", "settings": {"recipients": ["a@example.com"]}, "digest": "24h"},
                {"plugin": "webhook", "name": "slack", "secretRef": {"name": "s", "slot": "secret"}, "levels": ["error"],
                 "kinds": ["check-failing"], "remindAfter": "36h"},
            ]}),
            &[],
        ),
        (json!({"notifiers": [{}]}), &["spec.notifiers[0].plugin", "Required value"]),
        (json!({"notifiers": [{"plugin": "x", "levels": ["loud"]}]}), &["spec.notifiers[0].levels[0]", "\"critical\""]),
        (json!({"notifiers": [{"plugin": "x", "levels": []}]}), &["spec.notifiers[0].levels", "at least 1 items"]),
        (json!({"notifiers": [{"plugin": "x", "kinds": ["update"]}]}), &["spec.notifiers[0].kinds[0]", "\"updated\""]),
        (
            json!({"notifiers": [{"plugin": "x", "digest": "721h"}]}),
            &["spec.notifiers[0].digest", "digest must be a duration between 1s and 720h"],
        ),
        (
            json!({"notifiers": [{"plugin": "x", "remindAfter": "daily"}]}),
            &["spec.notifiers[0].remindAfter", "remindAfter must be a duration between 1s and 720h"],
        ),
    ];
    for (spec, parts) in table {
        check(&stage.handlers(), &objects::handler("web", spec), parts).await;
    }
}

#[tokio::test]
async fn api_server_refuses_nonsense_in_plugins_and_says_what_is_right() {
    let stage = bare("plugin-specs").await;
    let origin = "scheme://host[:port] with scheme http or https, without path, user or wildcard";
    let secret =
        |origin: &str| json!({"grants": {"secrets": [{"slot": "registry", "origin": origin, "secretName": "s"}]}});
    let origins = |origin: &str| json!({"grants": {"origins": [origin]}});
    let deadline = "deadline must be a duration between 1ms and 5s, such as 200ms";
    let table: &[(Value, &[&str])] = &[
        (json!({}), &[]),
        (
            json!({
                "source": {"configMap": {"name": "p", "key": "a.wasm"}}, "settings": {"a": 1},
                "limits": {"deadline": "200ms", "memoryMib": 256},
                "grants": {
                    "origins": ["$registry", "https://ghcr.io", "http://10.0.0.7:5000"],
                    "secrets": [{"slot": "registry", "origin": "https://ghcr.io", "secretName": "s"}],
                    "realms": [{"registry": "https://registry-1.docker.io", "realm": "https://auth.docker.io"}],
                },
            }),
            &[],
        ),
        (origins("https://ghcr.io/path"), &["spec.grants.origins", origin]),
        (origins("https://*.example.com"), &["spec.grants.origins", origin]),
        (origins("https://user@example.com"), &["spec.grants.origins", origin]),
        (origins("ftp://example.com"), &["spec.grants.origins", origin]),
        (origins("*"), &["spec.grants.origins", origin]),
        (secret("$registry"), &["spec.grants.secrets[0].origin", origin]),
        (
            json!({"grants": {"realms": [{"registry": "ghcr.io", "realm": "https://a.example"}]}}),
            &["registry is", origin],
        ),
        (json!({"limits": {"deadline": "6s"}}), &["spec.limits.deadline", deadline]),
        (json!({"limits": {"deadline": "1h"}}), &["spec.limits.deadline", deadline]),
        (json!({"limits": {"memoryMib": 0}}), &["spec.limits.memoryMib", "greater than or equal to 1"]),
        (json!({"limits": {"memoryMib": 257}}), &["spec.limits.memoryMib", "less than or equal to 256"]),
        (json!({"source": null}), &["spec.source", "Required value"]),
        (json!({"source": {"configMap": {"name": ""}}}), &["spec.source.configMap.name", "at least 1 chars"]),
        (json!({"source": {"configMap": {"name": "p", "key": "a/b"}}}), &["spec.source.configMap.key", "should match"]),
        (json!({"grant": {}}), &["unknown field \"spec.grant\""]),
        (json!({"notices": {"levels": ["error"], "kinds": ["updated"], "digest": "1h", "remindAfter": "24h"}}), &[]),
        (json!({"notices": {"digest": "0s"}}), &["spec.notices.digest", "digest must be a duration"]),
        (json!({"notices": {"levels": ["warn"]}}), &["spec.notices.levels[0]", "\"warning\""]),
    ];
    for (spec, parts) in table {
        check(&stage.plugins(), &objects::plugin("p", spec), parts).await;
    }
}

/// Makes a handler unreadable for the operator, with a time that the API server takes and that is more precise than any clock.
async fn spoil(stage: &Stage, handler: &str) {
    let status = json!({"status": {"lastCheck": "2024-01-15T10:00:00.12345678901Z"}});
    stage.handlers().patch_status(handler, &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
}

#[tokio::test]
async fn handler_that_cannot_be_read_does_not_stop_the_others() {
    let (mut stage, registry) = with_fake_registry("malformed").await;
    registry.push("web", &["1.0.0"]);
    for name in ["good", "bad"] {
        stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
        stage.handle(name, &json!({})).await;
        condition(&stage, name, "Ready", "True", "Checked").await;
    }
    spoil(&stage, "bad").await;
    // Also when it is in the first list of a watch.
    stage.operator.kill();
    stage.operator.start().await;
    registry.push("web", &["1.0.1"]);
    image(&stage, "good", "app", &registry.image("web", "1.0.1")).await;
    assert_eq!(stage.image("bad", "app").await, registry.image("web", "1.0.0"));
    let failures = stage.operator.metric("k8supdater_check_failures_total{reason=\"InvalidSpec\"}").await;
    assert!(failures > 0, "{}", stage.operator.log());
    let events = stage.events("bad").await;
    let [(reason, note)] = events.as_slice() else { panic!("one Event, not {events:?}") };
    assert!(reason == "CheckFailed" && note.contains("/bad is not valid"), "{reason}: {note}");
}
