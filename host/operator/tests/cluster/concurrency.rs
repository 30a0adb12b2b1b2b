use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8supdater::api::versioning_handler::UpdatePhase;
use k8supdater_testkit::{FakeRegistry, Fault, Part, Stage, objects};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::scene::{condition, container, equal, image, with_fake_registry};

/// Waits until the operator has decided, and is held up on its last look at the tag.
async fn about_to_patch(stage: &Stage, registry: &FakeRegistry) {
    let asked = async || if registry.count(Part::Manifest) > 0 { Ok(()) } else { Err("it is not".to_owned()) };
    stage.eventually("the operator is asking for the tag that it will set", asked).await;
}

#[tokio::test]
async fn image_that_a_human_changes_meanwhile_is_left_alone_and_judged_anew() {
    let (mut stage, registry) = with_fake_registry("human").await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    registry.fail_at(Part::Manifest, Fault::Slow(Duration::from_secs(1)));
    stage.handle("web", &json!({})).await;
    about_to_patch(&stage, &registry).await;
    let theirs = registry.image("web", "2.0.0");
    stage.set_image("web", "app", &theirs).await;
    registry.recover();

    stage
        .eventually("the update counts as overtaken", async || {
            let update = container(&stage, "web", "app").await.and_then(|container| container.update);
            equal(&update.map(|update| update.phase), &Some(UpdatePhase::Overtaken))
        })
        .await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    condition(&stage, "web", "RolloutHealthy", "True", "RolloutFinished").await;
    assert_eq!(stage.image("web", "app").await, theirs);
    assert_eq!(stage.count_rollouts("web").await, 2, "the first image and the human's, never the operator's");
    assert_eq!(stage.count_events("web", "Overtaken").await, 1);
    assert_eq!(stage.count_events("web", "Updated").await, 0);
    assert_eq!(stage.operator.metric("k8supdater_updates_total{outcome=\"applied\"}").await, 0);

    registry.push("web", &["2.0.1"]);
    image(&stage, "web", "app", &registry.image("web", "2.0.1")).await;
}

#[tokio::test]
async fn containers_that_change_places_meanwhile_do_not_get_each_others_images() {
    let (stage, registry) = with_fake_registry("places").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.push("db", &["1.0.0"]);
    let [web, db] = ["web", "db"].map(|repository| registry.image(repository, "1.0.0"));
    stage.deploy("shop", &[("web", &web), ("db", &db)]).await;
    registry.fail_at(Part::Manifest, Fault::Slow(Duration::from_secs(1)));
    stage.handle("shop", &json!({})).await;
    about_to_patch(&stage, &registry).await;
    // Both containers with the same image, in the other order: only the name of the container tells them apart.
    let swapped = objects::deployment("shop", &[("db", &web), ("web", &web)]);
    let containers = swapped.spec.and_then(|spec| spec.template.spec).unwrap().containers;
    let patch = json!([{"op": "replace", "path": "/spec/template/spec/containers", "value": containers}]);
    let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
    let api: Api<Deployment> = stage.api();
    api.patch("shop", &PatchParams::default(), &Patch::<()>::Json(patch)).await.unwrap();
    registry.recover();
    let new = registry.image("web", "1.0.1");
    image(&stage, "shop", "web", &new).await;
    image(&stage, "shop", "db", &new).await;
    condition(&stage, "shop", "RolloutHealthy", "True", "RolloutFinished").await;
    // Not by ReplicaSets: the Deployment controller makes none for a pod template that it comes too late to see.
    let generation = api.get("shop").await.unwrap().metadata.generation;
    assert_eq!(generation, Some(3), "made, swapped, and both updated together");
}

#[tokio::test]
async fn other_fields_that_change_meanwhile_stay_as_they_are_set() {
    let (stage, registry) = with_fake_registry("fields").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    registry.fail_at(Part::Manifest, Fault::Slow(Duration::from_secs(1)));
    stage.handle("web", &json!({})).await;
    about_to_patch(&stage, &registry).await;
    let api: Api<Deployment> = stage.api();
    let patch = json!({"metadata": {"labels": {"team": "a"}}, "spec": {"replicas": 3}});
    api.patch("web", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    let found = api.get("web").await.unwrap();
    let spec = found.spec.unwrap();
    assert_eq!(spec.replicas, Some(3));
    assert_eq!(found.metadata.labels.unwrap_or_default()["team"], "a");
    let annotations = spec.template.metadata.unwrap_or_default().annotations;
    assert_eq!(annotations, None, "nothing but the image is touched");
}
