//! What of the testkit itself needs a control plane, or the program of the registry that comes with one.
//!
//! `cargo xtask test` starts it and runs this; `cargo xtask control-plane` keeps it running and prints what to export.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]

use std::path::Path;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use k8supdater_testkit::{PrivateRegistry, Stage, objects};
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

/// What a client got.
struct Answer {
    status: u16,
    challenge: String,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

async fn get(url: &str, authorization: Option<&str>) -> Answer {
    let request = reqwest::Client::builder().no_proxy().build().unwrap().get(url);
    // The registry does not show an image to who does not say that he understands it.
    let request = request.header("accept", "application/vnd.oci.image.manifest.v1+json");
    let request = authorization.into_iter().fold(request, |request, value| request.header("authorization", value));
    let response = request.send().await.unwrap();
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    Answer { status, challenge: challenge.unwrap_or_default(), text: response.text().await.unwrap() }
}

fn tags(registry: &PrivateRegistry) -> String {
    format!("{}/v2/team/web/tags/list", registry.origin())
}

/// `robot:secret` and `robot:fresh` as RFC 7617 has them.
const ROBOT: &str = "Basic cm9ib3Q6c2VjcmV0";
const FRESH: &str = "Basic cm9ib3Q6ZnJlc2g=";

#[tokio::test]
async fn a_registry_checks_a_password_itself() {
    let mut registry = PrivateRegistry::with_basic_auth("robot", "secret").await;
    registry.registry().push("team/web", &["1.0.0"]).await;
    let url = tags(&registry);
    let refused = get(&url, None).await;
    assert_eq!((refused.status, refused.challenge.as_str()), (401, "Basic realm=\"testkit\""));
    assert_eq!(get(&url, Some(FRESH)).await.status, 401);
    let listed = get(&url, Some(ROBOT)).await;
    assert_eq!((listed.status, listed.json()["tags"][0].as_str()), (200, Some("1.0.0")));
    registry.set_login("robot", "fresh");
    assert_eq!((get(&url, Some(ROBOT)).await.status, get(&url, Some(FRESH)).await.status), (401, 200));
    registry.registry().push("team/web", &["1.1.0"]).await;
    assert_eq!(get(&url, Some(FRESH)).await.json()["tags"].as_array().unwrap().len(), 2);
}

/// Buys a token for what the registry wants, and lists with it.
async fn list_with_token(registry: &PrivateRegistry, login: Option<&str>) -> (u16, u16) {
    let challenge = get(&tags(registry), None).await.challenge;
    let param = |name: &str| challenge.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
    let query = format!("service={}&scope={}", param("service").replace(' ', "+"), param("scope"));
    let sold = get(&format!("{}?{query}", param("realm")), login).await;
    if sold.status != 200 {
        return (sold.status, 0);
    }
    let bearer = format!("Bearer {}", sold.json()["token"].as_str().unwrap());
    (sold.status, get(&tags(registry), Some(&bearer)).await.status)
}

#[tokio::test]
async fn a_registry_takes_the_tokens_that_its_service_sells() {
    let registry = PrivateRegistry::with_token_auth("robot", "secret").await;
    registry.registry().push("team/web", &["1.0.0"]).await;
    let tokens = registry.tokens();
    assert_eq!(tokens.count(), 0, "to push, nobody asks the service");
    let refused = get(&tags(&registry), None).await;
    let expected =
        format!("Bearer realm=\"{}\",service=\"testkit registry\",scope=\"repository:team/web:pull\"", tokens.realm());
    assert_eq!((refused.status, refused.challenge), (401, expected));
    assert_eq!(list_with_token(&registry, Some(ROBOT)).await, (200, 200));
    assert_eq!(list_with_token(&registry, Some(FRESH)).await, (401, 0));
    assert_eq!(list_with_token(&registry, None).await, (200, 401), "a token of nobody opens nothing");
    assert_eq!(tokens.seen_authorizations(), [Some(ROBOT.to_owned()), Some(FRESH.to_owned()), None]);
    assert!(tokens.seen()[0].holds("robot:secret") && !tokens.seen()[1].holds("secret"));
}

#[tokio::test]
async fn a_token_service_changes_its_mind() {
    let mut registry = PrivateRegistry::with_token_auth("robot", "secret").await;
    registry.registry().push("team/web", &["1.0.0"]).await;
    registry.tokens().expire_login();
    assert_eq!(list_with_token(&registry, Some(ROBOT)).await, (401, 0));
    registry.set_login("robot", "fresh");
    assert_eq!(list_with_token(&registry, Some(FRESH)).await, (200, 200));
    registry.tokens().reject();
    assert_eq!(list_with_token(&registry, Some(FRESH)).await, (401, 0));
    registry.tokens().recover();
    registry.tokens().allow_anybody();
    assert_eq!(list_with_token(&registry, None).await, (200, 200));
    registry.tokens().set_lifetime(std::time::Duration::from_secs(7));
    registry.tokens().forget();
    let sold = get(&registry.tokens().realm(), Some(FRESH)).await.json();
    assert_eq!((sold["expires_in"].as_u64(), registry.tokens().count()), (Some(7), 1));
}

#[tokio::test]
async fn tokens_may_be_sold_under_another_name() {
    let registry = PrivateRegistry::with_token_auth_at("localhost", "robot", "secret").await;
    let challenge = get(&tags(&registry), None).await.challenge;
    assert!(challenge.starts_with("Bearer realm=\"http://localhost:"), "{challenge}");
    assert!(registry.origin().starts_with("http://127.0.0.1:"));
    assert!(registry.tokens().realm().starts_with(&registry.tokens().origin()));
}

#[tokio::test]
async fn a_real_registry_takes_images_for_several_platforms() {
    let private = PrivateRegistry::with_basic_auth("robot", "secret").await;
    let registry = private.registry();
    let platforms = ["linux/amd64", "linux/arm64/v8", "windows/amd64"];
    let digests = registry.push_index("team/web", "1.0.0", &platforms).await;
    assert_eq!(registry.digest("team/web", "1.0.0").await, digests.index);
    let object = async |part: &str, reference: &str| {
        let url = format!("{}/v2/team/web/{part}/{reference}", registry.origin());
        get(&url, Some(ROBOT)).await.json()
    };
    for (platform, digest) in &digests.members {
        let config = object("manifests", digest).await["config"]["digest"].as_str().unwrap().to_owned();
        let config = object("blobs", &config).await;
        let found = ["os", "architecture", "variant"].map(|key| config[key].as_str().unwrap_or_default().to_owned());
        assert_eq!(found.join("/").trim_end_matches('/'), platform);
    }
    let arm = registry.push_for("team/web", "1.0.0-arm", "linux/arm64").await;
    registry.push("team/web", &["1.0.0-amd"]).await;
    let amd = registry.digest("team/web", "1.0.0-amd").await;
    assert_eq!(registry.digest("team/web", "1.0.0-arm").await, arm);
    registry.push("team/web", &["1.0.0-amd"]).await;
    assert_eq!(registry.digest("team/web", "1.0.0-amd").await, amd, "pushing again changes nothing");
    let new = registry.repush("team/web", "1.0.0-amd").await;
    assert!(new != amd && registry.digest("team/web", "1.0.0-amd").await == new);
}

#[tokio::test]
async fn pods_run_what_a_test_says_and_pull_with_what_it_gave_them() {
    let stage = Stage::new("/bin/true", Path::new(env!("CARGO_TARGET_TMPDIR")), "testkit-pods").await;
    stage.create(&objects::pull_secret("pull", &[("r.example", "robot", "secret")])).await;
    stage.create(&objects::service_account("robot", &["pull"])).await;
    let plain = objects::deployment_with(
        "web",
        &[("app", "r.example/a:1"), ("side", "r.example/b:1")],
        &json!({"replicas": 2}),
    );
    let built = objects::with_container(&plain, "app", &json!({"imagePullPolicy": "Never"}));
    stage.deploy_as(&objects::with_pod(&built, &json!({"serviceAccountName": "robot"}))).await;
    let image_id = format!("r.example/a@sha256:{}", "1".repeat(64));
    stage.pods_run("web", "app", &image_id).await;
    let pods: Api<Pod> = stage.api();
    let pods = pods.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(pods.len(), 2);
    for pod in pods {
        let statuses = pod.status.unwrap().container_statuses.unwrap();
        let of = |name: &str| statuses.iter().find(|status| status.name == name).unwrap();
        assert_eq!(
            (&of("app").image_id, of("app").image.as_str(), of("app").ready),
            (&image_id, "r.example/a:1", true)
        );
        assert_ne!(of("side").image_id, image_id);
        let secrets = pod.spec.unwrap().image_pull_secrets.unwrap_or_default();
        assert_eq!(secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["pull"], "from the account");
    }
    let deployment = stage.api::<Deployment>().get("web").await.unwrap();
    let containers = deployment.spec.unwrap().template.spec.unwrap().containers;
    let policies: Vec<_> = containers.iter().map(|container| container.image_pull_policy.as_deref()).collect();
    assert_eq!(policies, [Some("Never"), Some("IfNotPresent")]);
}

/// Waits until the status of a pod of that workload looks like `expected`: null stands for a field that is not there, and what `expected`
/// does not name may be anything. Gives the whole status.
async fn pod_is(stage: &Stage, workload: &str, expected: Value) -> Value {
    let of_workload = ListParams::default().labels(&format!("app={workload}"));
    stage
        .eventually(&format!("a pod of {workload} is {expected}"), async || {
            let pods = stage.api::<Pod>().list(&of_workload).await.map_err(|err| err.to_string())?.items;
            let statuses = pods.iter().map(|pod| serde_json::to_value(&pod.status).unwrap());
            let statuses: Vec<Value> = statuses.collect();
            let found = statuses.iter().find(|status| looks_like(status, &expected));
            found.cloned().ok_or_else(|| format!("{statuses:?}"))
        })
        .await
}

fn looks_like(found: &Value, expected: &Value) -> bool {
    match expected {
        Value::Object(fields) => fields.iter().all(|(name, expected)| looks_like(&found[name], expected)),
        Value::Array(items) => found.as_array().is_some_and(|found| {
            found.len() == items.len() && found.iter().zip(items).all(|(found, item)| looks_like(found, item))
        }),
        expected => found == expected,
    }
}

fn condition<'status>(status: &'status Value, kind: &str) -> &'status Value {
    status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == kind).unwrap()
}

#[tokio::test]
async fn containers_behave_as_the_tags_of_their_images_say() {
    let stage = Stage::new("/bin/true", Path::new(env!("CARGO_TARGET_TMPDIR")), "testkit-tags").await;
    let ended = |code: i32, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
    let back_off = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let running = json!({"waiting": null, "terminated": null});
    for (tag, phase, container) in [
        ("crash", "Running", json!({"restartCount": 3, "state": back_off, "lastState": ended(1, "Error")})),
        ("dies", "Running", json!({"restartCount": 1, "state": back_off, "lastState": ended(137, "OOMKilled")})),
        ("never", "Running", json!({"restartCount": 0, "state": running, "lastState": {"terminated": null}})),
        ("nopull", "Pending", json!({"restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff"}}})),
    ] {
        let images = [format!("r.example:5000/not-{tag}/a:1.0.0"), format!("r.example/b:1.0.0-{tag}")];
        let deployment = objects::deployment(tag, &[("well", &images[0]), ("ill", &images[1])]);
        stage.create(&deployment).await;
        if tag == "dies" {
            pod_is(&stage, tag, json!({"containerStatuses": [{"ready": true}, {"ready": true}]})).await;
        }
        let mut ill = json!({"name": "ill", "image": images[1], "ready": false});
        ill.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
        let expected = json!({"phase": phase, "containerStatuses": [{"name": "well", "ready": true}, ill]});
        let status = pod_is(&stage, tag, expected).await;
        assert_eq!(condition(&status, "Initialized")["status"], "True", "{status}");
        for kind in ["Ready", "ContainersReady"] {
            let condition = condition(&status, kind);
            let found = ["status", "reason", "message"].map(|field| condition[field].as_str().unwrap());
            assert_eq!(found, ["False", "ContainersNotReady", "containers with unready status: [ill]"]);
        }
    }
    let status = pod_is(&stage, "nopull", json!({})).await;
    let message = &status["containerStatuses"][1]["state"]["waiting"]["message"];
    assert_eq!(message, "Back-off pulling image \"r.example/b:1.0.0-nopull\"");
}

#[tokio::test]
async fn jobs_fail_where_an_image_tag_says_so() {
    let stage = Stage::new("/bin/true", Path::new(env!("CARGO_TARGET_TMPDIR")), "testkit-jobs").await;
    for (name, tag, policy, failed) in [
        ("ends", "1.0.0", "Never", false),
        ("fails", "1.0.0-crash", "Never", true),
        ("restarts", "1.0.0-crash", "OnFailure", true),
    ] {
        let pod =
            json!({"containers": [{"name": "app", "image": format!("r.example/a:{tag}")}], "restartPolicy": policy});
        let template = json!({"metadata": {"labels": {"app": name}}, "spec": pod});
        let job = json!({"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": template}});
        let job: Job = serde_json::from_value(job).unwrap();
        stage.create(&job).await;
        let ended = stage
            .eventually(&format!("the Job {name} has ended"), async || {
                let status = stage.api::<Job>().get(name).await.map_err(|err| err.to_string())?.status;
                let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
                let mut ends = conditions.iter().filter(|condition| condition.status == "True");
                let end = ends.find(|condition| ["Complete", "Failed"].contains(&condition.type_.as_str()));
                end.cloned().ok_or_else(|| format!("{conditions:?}"))
            })
            .await;
        assert_eq!(ended.type_ == "Failed", failed, "{name}: {ended:?}");
    }
    let terminated = json!({"exitCode": 1, "reason": "Error"});
    let container = json!({"restartCount": 0, "state": {"terminated": terminated}});
    pod_is(&stage, "fails", json!({"phase": "Failed", "containerStatuses": [container]})).await;
}
