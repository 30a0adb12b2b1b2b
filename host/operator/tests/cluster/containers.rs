use serde_json::json;

use crate::scene::{condition, container, equal, image, status, with_fake_registry};

#[tokio::test]
async fn several_containers_change_in_one_rollout_each_by_its_own_rule() {
    let (stage, registry) = with_fake_registry("several").await;
    registry.push("team/web", &["1.0.0", "1.0.1", "1.1.0"]);
    registry.push("team/db", &["1.0.0", "1.5.0", "2.0.0"]);
    registry.push("proxy", &["1.0.0", "1.0.9"]);
    let old = ["team/web", "team/db", "proxy"].map(|repository| registry.image(repository, "1.0.0"));
    stage.deploy("shop", &[("web", &old[0]), ("db", &old[1]), ("proxy", &old[2])]).await;
    let exceptions = json!([{"name": "db", "frontier": 1}, {"name": "proxy", "ignore": true}]);
    stage.handle("shop", &json!({"containers": exceptions})).await;
    image(&stage, "shop", "web", &registry.image("team/web", "1.0.1")).await;
    condition(&stage, "shop", "RolloutHealthy", "True", "RolloutFinished").await;
    condition(&stage, "shop", "UpToDate", "False", "UpdateAvailable").await;

    assert_eq!(stage.image("shop", "db").await, registry.image("team/db", "1.5.0"), "only level 1 must stay");
    assert_eq!(stage.image("shop", "proxy").await, old[2]);
    assert_eq!(stage.count_rollouts("shop").await, 2, "both images in one patch");
    assert_eq!(container(&stage, "shop", "proxy").await.unwrap().decision, "Ignored");
    assert!(!registry.seen().iter().any(|seen| seen.path.contains("/proxy/")), "nobody asks for what is ignored");
    let status = status(&stage, "shop").await;
    assert_eq!(status.current.as_deref(), Some("web=1.0.1, db=1.5.0, proxy=1.0.0"));
    assert_eq!(status.available.as_deref(), Some("web=1.1.0, db=2.0.0"));
}

#[tokio::test]
async fn container_that_cannot_be_judged_does_not_stop_the_others() {
    let (stage, registry) = with_fake_registry("sidecar").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.push("sidecar", &["1.0.0", "stable"]);
    let pinned = format!("{}@sha256:{}", registry.image("sidecar", "").trim_end_matches(':'), "0".repeat(64));
    let (web, stable) = (registry.image("web", "1.0.0"), registry.image("sidecar", "stable"));
    let containers = [("web", web.as_str()), ("stable", stable.as_str()), ("pinned", pinned.as_str())];
    stage.deploy("shop", &containers).await;
    stage.handle("shop", &json!({})).await;
    image(&stage, "shop", "web", &registry.image("web", "1.0.1")).await;
    let message = condition(&stage, "shop", "Ready", "False", "NoVersion").await;
    for part in
        ["container stable", "has the tag stable", "container pinned", "pinned to a digest", "ignore the container"]
    {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    stage
        .eventually("the update of the good container finishes", async || {
            let update = container(&stage, "shop", "web").await.and_then(|container| container.update);
            equal(&update.is_some_and(|update| update.finished.is_some()), &true)
        })
        .await;
    assert_eq!(stage.count_rollouts("shop").await, 2);
}
