use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8supdater::workload::restart::{RESTARTED_AT, RESTARTED_FOR};
use k8supdater_testkit::{FakeRegistry, Stage, objects};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::sleep;

use crate::scene::{condition, container, equal, image, more_checks, prepared, with_fake_registry};

/// What a kubelet says that it runs.
fn image_id(registry: &FakeRegistry, digest: &str) -> String {
    registry.image("web", "").trim_end_matches(':').to_owned() + "@" + digest
}

async fn generation(stage: &Stage, deployment: &str) -> i64 {
    stage.api::<Deployment>().get(deployment).await.unwrap().metadata.generation.unwrap()
}

async fn annotation(stage: &Stage, deployment: &str, name: &str) -> Option<String> {
    let found = stage.api::<Deployment>().get(deployment).await.unwrap();
    found.spec.unwrap().template.metadata.unwrap().annotations.unwrap_or_default().get(name).cloned()
}

async fn restarted_for(stage: &Stage, deployment: &str, digest: &str) {
    let expected = Some(format!("app={digest}"));
    let what = format!("{deployment} is restarted for {digest}");
    stage.eventually(&what, async || equal(&annotation(stage, deployment, RESTARTED_FOR).await, &expected)).await;
}

#[tokio::test]
async fn latest_that_moves_restarts_the_workload_once_for_each_digest() {
    let (mut stage, registry) = with_fake_registry("latest").await;
    registry.push("web", &["latest"]);
    let first = registry.digest("web", "latest");
    stage.deploy("web", &[("app", &registry.image("web", "latest"))]).await;
    stage.pods_run("web", "app", &image_id(&registry, &first)).await;
    stage.handle("web", &json!({"latest": "Update"})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    assert_eq!(generation(&stage, "web").await, 1);

    for generation_after in [2, 3] {
        let digest = registry.repush("web", "latest");
        restarted_for(&stage, "web", &digest).await;
        assert!(annotation(&stage, "web", RESTARTED_AT).await.is_some(), "as kubectl rollout restart says it");
        // The new pods say that they run the new image, as a kubelet would.
        stage
            .eventually("the rollout of the restart is finished", async || {
                let update = container(&stage, "web", "app").await.and_then(|container| container.update);
                equal(&update.is_some_and(|update| update.finished.is_some()), &true)
            })
            .await;
        stage.pods_run("web", "app", &image_id(&registry, &digest)).await;
        condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
        more_checks(&mut stage, 2).await;
        assert_eq!(generation(&stage, "web").await, generation_after, "restarted once");
    }
    assert_eq!(stage.image("web", "app").await, registry.image("web", "latest"));
    assert_eq!(stage.count_events("web", "Updated").await, 2, "{:?}", stage.events("web").await);
}

#[tokio::test]
async fn latest_is_reported_where_nobody_says_that_it_may_restart() {
    let (mut stage, registry) = with_fake_registry("notify").await;
    registry.push("web", &["latest"]);
    let old = registry.digest("web", "latest");
    // An image without a tag means latest.
    let untagged = registry.image("web", "").trim_end_matches(':').to_owned();
    stage.deploy("web", &[("app", &untagged)]).await;
    stage.pods_run("web", "app", &image_id(&registry, &old)).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    let digest = registry.repush("web", "latest");
    let message = condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    assert!(message.contains(&format!("app: latest@{}", &digest[..19])), "{message}");
    let command = format!("k8supdater approve {}/web app=latest@{digest}", stage.namespace);
    assert!(message.contains(&command), "{message}");
    more_checks(&mut stage, 2).await;
    assert_eq!((generation(&stage, "web").await, stage.count_events("web", "UpdateAvailable").await), (1, 1));

    // The human does so.
    stage.pods_run("web", "app", &image_id(&registry, &digest)).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    // Back to the old one and forth again is news again.
    stage.pods_run("web", "app", &image_id(&registry, &old)).await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    stage
        .eventually("that is reported again", async || equal(&stage.count_events("web", "UpdateAvailable").await, &2))
        .await;
}

#[tokio::test]
async fn the_operators_preference_holds_where_a_handler_says_nothing() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["latest"]);
    let mut stage = prepared("preference", &[registry.origin()]).await;
    stage.operator.arg("--latest=true");
    stage.operator.start().await;
    stage.deploy("web", &[("app", &registry.image("web", "latest"))]).await;
    stage.pods_run("web", "app", &image_id(&registry, &registry.digest("web", "latest"))).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    let digest = registry.repush("web", "latest");
    restarted_for(&stage, "web", &digest).await;
}

#[tokio::test]
async fn an_index_and_the_image_in_it_for_the_node_are_the_same() {
    let (mut stage, registry) = with_fake_registry("index").await;
    let digests = registry.push_index("web", "latest", &["linux/amd64", "linux/arm64"]);
    stage.deploy("web", &[("app", &registry.image("web", "latest"))]).await;
    stage.pods_run("web", "app", &image_id(&registry, digests.member("linux/amd64"))).await;
    stage.handle("web", &json!({"latest": "Update"})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    stage.pods_run("web", "app", &image_id(&registry, &digests.index)).await;
    more_checks(&mut stage, 2).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    assert_eq!(generation(&stage, "web").await, 1);
    registry.push_index("web", "latest", &["linux/amd64"]);
    stage.eventually("another index is another image", async || equal(&generation(&stage, "web").await, &2)).await;
}

#[tokio::test]
async fn a_restart_that_would_pull_nothing_is_said_and_not_made() {
    let (mut stage, registry) = with_fake_registry("pull").await;
    registry.push("web", &["latest"]);
    let deployment = objects::deployment("web", &[("app", &registry.image("web", "latest"))]);
    let deployment = objects::with_container(&deployment, "app", &json!({"imagePullPolicy": "IfNotPresent"}));
    stage.deploy_as(&deployment).await;
    stage.pods_run("web", "app", &image_id(&registry, &registry.digest("web", "latest"))).await;
    stage.handle("web", &json!({"latest": "Update"})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    registry.repush("web", "latest");
    let message = condition(&stage, "web", "Ready", "False", "CannotPull").await;
    assert!(message.contains("imagePullPolicy is IfNotPresent"), "{message}");
    condition(&stage, "web", "RegistryReachable", "True", "Listed").await;
    more_checks(&mut stage, 2).await;
    assert_eq!(generation(&stage, "web").await, 1);
}

#[tokio::test]
async fn pods_that_do_not_tell_what_they_run_are_no_reason_to_restart_them() {
    let (mut stage, registry) = with_fake_registry("silent").await;
    registry.push("web", &["latest"]);
    stage.deploy("web", &[("app", &registry.image("web", "latest"))]).await;
    stage.handle("web", &json!({"latest": "Update"})).await;
    let message = condition(&stage, "web", "UpToDate", "Unknown", "NotKnown").await;
    assert!(message.contains("no pod tells which image it runs"), "{message}");
    condition(&stage, "web", "Ready", "True", "Checked").await;
    more_checks(&mut stage, 2).await;
    assert_eq!(generation(&stage, "web").await, 1);
}

#[tokio::test]
async fn other_tags_that_are_no_versions_are_followed_where_the_spec_says_what_to_do_with_them() {
    let (stage, registry) = with_fake_registry("stable").await;
    registry.push("web", &["stable"]);
    let deployment = objects::deployment("web", &[("app", &registry.image("web", "stable"))]);
    stage.deploy_as(&objects::with_container(&deployment, "app", &json!({"imagePullPolicy": "Always"}))).await;
    stage.pods_run("web", "app", &image_id(&registry, &registry.digest("web", "stable"))).await;
    stage.handle("web", &json!({})).await;
    let message = condition(&stage, "web", "Ready", "False", "NoVersion").await;
    assert!(message.contains("has the tag stable") && message.contains("spec.latest"), "{message}");
    let patch = json!({"spec": {"containers": [{"name": "app", "latest": "Update"}]}});
    stage.handlers().patch("web", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    let digest = registry.repush("web", "stable");
    restarted_for(&stage, "web", &digest).await;
}

#[tokio::test]
async fn images_that_are_pinned_to_a_digest_get_the_digest_of_the_new_tag() {
    let (stage, registry) = with_fake_registry("pinned").await;
    registry.push("web", &["1.0.0", "latest"]);
    let pinned = |tag: &str| format!("{}@{}", registry.image("web", tag), registry.digest("web", tag));
    let containers = [("app", pinned("1.0.0")), ("job", pinned("latest"))];
    let containers: Vec<(&str, &str)> = containers.iter().map(|(name, image)| (*name, image.as_str())).collect();
    stage.deploy("web", &containers).await;
    stage.handle("web", &json!({"latest": "Update"})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    registry.push("web", &["1.0.1"]);
    image(&stage, "web", "app", &pinned("1.0.1")).await;
    registry.repush("web", "latest");
    image(&stage, "web", "job", &pinned("latest")).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    assert_eq!(annotation(&stage, "web", RESTARTED_FOR).await, None, "another digest is another image");
    // A digest alone is no tag that could be followed.
    let bare = pinned("latest").replace(":latest@", "@");
    stage.set_image("web", "job", &bare).await;
    let message = condition(&stage, "web", "Ready", "False", "NoVersion").await;
    assert!(message.contains("is pinned to a digest and has no tag"), "{message}");
}

#[tokio::test]
async fn a_pinned_image_gets_the_digest_that_the_tag_has_when_it_is_applied() {
    let (stage, registry) = with_fake_registry("pinned-late").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let pinned = |tag: &str| format!("{}@{}", registry.image("web", tag), registry.digest("web", tag));
    stage.deploy("web", &[("app", &pinned("1.0.0"))]).await;
    // Left of the frontier: its digest becomes known, and is not applied.
    stage.handle("web", &json!({"frontier": 3})).await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    registry.repush("web", "1.0.1");
    let apply = json!({"spec": {"frontier": 2}});
    stage.handlers().patch("web", &PatchParams::default(), &Patch::Merge(&apply)).await.unwrap();
    image(&stage, "web", "app", &pinned("1.0.1")).await;
}

#[tokio::test]
async fn killed_at_any_moment_it_restarts_once() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["latest"]);
    let old = registry.digest("web", "latest");
    let mut stage = prepared("restart-killed", &[registry.origin()]).await;
    let moments = [0, 50, 100, 150, 200, 300, 500];
    for moment in moments {
        let name = format!("web-{moment}");
        stage.deploy(&name, &[("app", &registry.image("web", "latest"))]).await;
        stage.pods_run(&name, "app", &image_id(&registry, &old)).await;
        stage.handle(&name, &json!({"latest": "Update"})).await;
    }
    let new = registry.repush("web", "latest");
    for moment in moments {
        stage.operator.start().await;
        sleep(Duration::from_millis(moment)).await;
        stage.operator.kill();
    }
    stage.operator.start().await;
    for moment in moments {
        let name = format!("web-{moment}");
        restarted_for(&stage, &name, &new).await;
        stage
            .eventually(&format!("the restart of {name} is finished"), async || {
                let update = container(&stage, &name, "app").await.and_then(|container| container.update);
                equal(&update.is_some_and(|update| update.finished.is_some()), &true)
            })
            .await;
        assert_eq!(generation(&stage, &name).await, 2, "{name}");
        assert_eq!(stage.count_events(&name, "Updated").await, 1, "{name}: {:?}", stage.events(&name).await);
    }
    let api: Api<Deployment> = stage.api();
    assert_eq!(api.list(&kube::api::ListParams::default()).await.unwrap().items.len(), moments.len());
}
