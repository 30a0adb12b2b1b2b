use k8supdater_testkit::{Part, objects};
use serde_json::json;

use crate::scene::{condition, container, image, more_checks, with_fake_registry};

#[tokio::test]
async fn a_tag_that_lacks_the_platform_of_the_nodes_is_no_candidate() {
    let (mut stage, registry) = with_fake_registry("platform").await;
    registry.push_index("web", "1.0.0", &["linux/amd64"]);
    registry.push_index("web", "1.0.1", &["linux/amd64", "linux/arm64"]);
    registry.push_index("web", "1.0.2", &["linux/arm64"]);
    registry.push_for("web", "1.0.3", "windows/amd64");
    registry.push_for("web", "2.0.0", "linux/arm64");
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    let refused = container(&stage, "web", "app").await.unwrap().refused;
    let found: Vec<(&str, &str)> =
        refused.iter().map(|refused| (refused.tag.as_str(), refused.reason.as_str())).collect();
    assert_eq!(found, [("2.0.0", "OtherPlatform"), ("1.0.3", "OtherPlatform"), ("1.0.2", "OtherPlatform")]);
    assert!(refused[0].message.contains("no image for linux/amd64"), "{refused:?}");

    // Images for other platforms often come later.
    registry.push_index("web", "1.0.2", &["linux/arm64", "linux/amd64"]);
    image(&stage, "web", "app", &registry.image("web", "1.0.2")).await;
    // What is known is not asked for again.
    registry.push("web", &["3.0.0"]);
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    more_checks(&mut stage, 2).await;
    registry.forget();
    more_checks(&mut stage, 3).await;
    let manifests =
        registry.seen().iter().filter(|seen| seen.part == Part::Manifest && seen.path.contains("3.0.0")).count();
    assert_eq!(manifests, 0, "{:?}", registry.seen());
}

#[tokio::test]
async fn nodes_that_the_workload_cannot_run_on_do_not_count() {
    let (stage, registry) = with_fake_registry("selector").await;
    registry.push_index("web", "1.0.0", &["linux/arm64"]);
    registry.push_index("web", "1.0.1", &["linux/arm64"]);
    let deployment =
        objects::deployment_with("web", &[("app", &registry.image("web", "1.0.0"))], &json!({"replicas": 0}));
    let selector = json!({"nodeSelector": {"kubernetes.io/arch": "arm64"}});
    stage.deploy_as(&objects::with_pod(&deployment, &selector)).await;
    stage.handle("web", &json!({})).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
}
