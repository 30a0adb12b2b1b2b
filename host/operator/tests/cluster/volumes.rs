use k8s_openapi::api::apps::v1::Deployment;
use k8supdater::api::versioning_handler::UpdatePhase;
use k8supdater_testkit::{Stage, objects};
use serde_json::{Value, json};

use crate::scene::{container, equal, status, with_fake_registry};

/// Names of a Deployment's volumes with the images that they have.
async fn volumes(stage: &Stage, deployment: &str) -> Vec<(String, Option<String>)> {
    let found = stage.api::<Deployment>().get(deployment).await.unwrap();
    let pod = found.spec.and_then(|spec| spec.template.spec).unwrap_or_default();
    let volumes = pod.volumes.unwrap_or_default().into_iter();
    volumes.map(|volume| (volume.name, volume.image.and_then(|image| image.reference))).collect()
}

/// A Deployment with one container `app` and these volumes.
async fn deploy(stage: &Stage, name: &str, image: &str, volumes: Value) {
    let deployment = objects::deployment(name, &[("app", image)]);
    stage.deploy_as(&objects::with_pod(&deployment, &json!({"volumes": volumes}))).await;
}

#[tokio::test]
async fn image_of_a_volume_is_updated_where_the_handler_names_it() {
    let (stage, registry) = with_fake_registry("volume").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.push("model", &["2.0.0", "2.0.1", "2.1.0"]);
    let (app, model) = (registry.image("web", "1.0.0"), registry.image("model", "2.0.0"));
    let with_image = |name: &str| json!({"name": name, "image": {"reference": model}});
    let given =
        [json!({"name": "scratch", "emptyDir": {}}), with_image("app"), with_image("other"), with_image("model")];
    deploy(&stage, "web", &app, Value::from(given.to_vec())).await;
    stage.handle("web", &json!({"containers": [{"name": "model"}]})).await;
    stage
        .eventually("the update of the volume is finished", async || {
            let update = container(&stage, "web", "model").await.and_then(|container| container.update);
            equal(&update.map(|update| update.phase), &Some(UpdatePhase::Finished))
        })
        .await;

    let image = |image: &str| Some(image.to_owned());
    let new = registry.image("model", "2.0.1");
    let expected = [("scratch", None), ("app", image(&model)), ("other", image(&model)), ("model", image(&new))];
    assert_eq!(volumes(&stage, "web").await, expected.map(|(name, image)| (name.to_owned(), image)));
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.1"));
    assert_eq!(stage.count_rollouts("web").await, 2, "both in one rollout");
    let containers = status(&stage, "web").await.containers;
    let found: Vec<_> = containers.iter().map(|it| (it.name.as_str(), it.reported.as_deref())).collect();
    assert_eq!(found, [("app", None), ("model", Some("2.1.0"))]);
}

#[tokio::test]
async fn whether_the_tag_of_a_volume_has_moved_is_not_known_as_long_as_pods_do_not_tell() {
    let (stage, registry) = with_fake_registry("volume-latest").await;
    registry.push("web", &["1.0.0"]);
    registry.push("model", &["latest"]);
    let volume = json!({"name": "model", "image": {"reference": registry.image("model", "latest")}});
    deploy(&stage, "web", &registry.image("web", "1.0.0"), json!([volume])).await;
    stage.handle("web", &json!({"latest": "Update", "containers": [{"name": "model"}]})).await;
    let expected = "whether the tag latest has moved is not known: no pod tells which image it runs";
    stage
        .eventually("it says that it does not know", async || {
            let found = container(&stage, "web", "model").await.unwrap_or_default();
            equal(&(found.decision.as_str(), found.problem.as_deref()), &("Unknown", Some(expected)))
        })
        .await;
    assert_eq!(stage.count_rollouts("web").await, 1);
}
