use std::time::Duration;

use k8supdater_testkit::Part;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::scene::{condition, container, equal, image, with_fake_registry};

#[tokio::test]
async fn the_older_of_two_handlers_acts_until_it_is_gone() {
    let (stage, registry) = with_fake_registry("claims").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    // They may be created in the same second; then the name decides.
    stage.handle("a-older", &json!({"deployment": "web", "tags": {"exclude": "1[.]0[.]1"}})).await;
    condition(&stage, "a-older", "UpToDate", "True", "UpToDate").await;
    stage.handle("b-newer", &json!({"deployment": "web", "interval": "1h"})).await;
    let message = condition(&stage, "b-newer", "Ready", "False", "ClaimedByOther").await;
    let expected =
        format!("the Deployment web is looked after by the older VersioningHandler {}/a-older", stage.namespace);
    assert!(message.contains(&expected), "{message}");
    condition(&stage, "b-newer", "UpToDate", "Unknown", "CheckFailed").await;

    // It keeps its right while it is suspended.
    let suspend = json!({"spec": {"suspend": true}});
    stage.handlers().patch("a-older", &PatchParams::default(), &Patch::Merge(&suspend)).await.unwrap();
    condition(&stage, "a-older", "Ready", "Unknown", "Suspended").await;
    registry.forget();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(registry.count(Part::Tags), 0, "the newer one asks nobody");

    stage.handlers().delete("a-older", &DeleteParams::default()).await.unwrap();
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "b-newer", "Ready", "True", "Checked").await;
}

#[tokio::test]
async fn a_container_that_the_older_one_ignores_is_the_newer_ones() {
    let (stage, registry) = with_fake_registry("shared").await;
    registry.push("web", &["1.0.0"]);
    registry.push("side", &["1.0.0"]);
    let containers = [("app", registry.image("web", "1.0.0")), ("side", registry.image("side", "1.0.0"))];
    let containers = containers.each_ref().map(|(name, image)| (*name, image.as_str()));
    stage.deploy("web", &containers).await;
    stage.handle("a-older", &json!({"deployment": "web"})).await;
    condition(&stage, "a-older", "UpToDate", "True", "UpToDate").await;
    stage.handle("b-newer", &json!({"deployment": "web"})).await;
    condition(&stage, "b-newer", "Ready", "False", "ClaimedByOther").await;

    let ignore = json!({"spec": {"containers": [{"name": "side", "ignore": true}]}});
    stage.handlers().patch("a-older", &PatchParams::default(), &Patch::Merge(&ignore)).await.unwrap();
    let decided = async || {
        let app = container(&stage, "b-newer", "app").await.and_then(|container| container.problem_reason);
        let side = container(&stage, "b-newer", "side").await.and_then(|container| container.problem_reason);
        equal(&(app.as_deref(), side.as_deref()), &(Some("ClaimedByOther"), None))
    };
    stage.eventually("the newer one has the container side alone", decided).await;
    registry.push("side", &["1.0.1"]);
    image(&stage, "web", "side", &registry.image("side", "1.0.1")).await;
    let update = container(&stage, "a-older", "side").await.and_then(|container| container.update);
    assert_eq!(update, None, "it was not the older one");
}
