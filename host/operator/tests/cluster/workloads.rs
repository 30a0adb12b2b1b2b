use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use crate::scene::{condition, image, with_fake_registry};

#[tokio::test]
async fn handler_waits_for_its_deployment_and_begins_when_it_appears() {
    let (stage, registry) = with_fake_registry("missing").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    // So long an interval that only the appearance of the Deployment can be what is noticed.
    stage.handle("web", &json!({"interval": "1h"})).await;
    let message = condition(&stage, "web", "Ready", "False", "WorkloadNotFound").await;
    assert!(message.contains(&format!("Deployment {}/web does not exist", stage.namespace)), "{message}");
    condition(&stage, "web", "UpToDate", "Unknown", "WorkloadNotFound").await;
    assert_eq!(stage.count_events("web", "CheckFailed").await, 1);

    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;

    let api: Api<Deployment> = stage.api();
    api.delete("web", &DeleteParams::background()).await.unwrap();
    condition(&stage, "web", "Ready", "False", "WorkloadNotFound").await;
    assert_eq!(stage.count_events("web", "CheckFailed").await, 2, "it was there in between");
}

#[tokio::test]
async fn image_that_a_human_sets_is_checked_at_once() {
    let (stage, registry) = with_fake_registry("set-image").await;
    registry.push("web", &["1.0.0", "2.0.0", "2.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"interval": "1h"})).await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    stage.set_image("web", "app", &registry.image("web", "2.0.0")).await;
    image(&stage, "web", "app", &registry.image("web", "2.0.1")).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
}
