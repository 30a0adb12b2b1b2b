use k8supdater::api::versioning_handler::UpdatePhase;
use k8supdater_testkit::{Stage, objects};
use serde_json::json;

use crate::scene::{condition, container, equal, image, status, with_fake_registry, with_registry};

/// Waits until the last update of the only container has come that far.
async fn phase(stage: &Stage, handler: &str, expected: UpdatePhase) {
    stage
        .eventually(&format!("the update of {handler} is {expected:?}"), async || {
            let update = container(stage, handler, "app").await.and_then(|container| container.update);
            equal(&update.map(|update| update.phase), &Some(expected))
        })
        .await;
}

#[tokio::test]
async fn tag_right_of_the_frontier_is_applied_and_followed_until_all_pods_run_it() {
    let (stage, registry, repository) = with_registry("update").await;
    registry.push(&repository, &["1.0.0", "1.0.2", "1.0.12", "1.0.13-alpine", "latest"]).await;
    let (old, new) = (registry.image(&repository, "1.0.0"), registry.image(&repository, "1.0.12"));
    let deployment = objects::deployment_with("web", &[("app", &old)], &json!({"replicas": 2}));
    stage.deploy_as(&deployment).await;
    stage.handle("web", &json!({})).await;
    phase(&stage, "web", UpdatePhase::Finished).await;

    assert_eq!(stage.image("web", "app").await, new);
    assert_eq!(stage.count_rollouts("web").await, 2, "the old pod template and the new one");
    let found = container(&stage, "web", "app").await.unwrap();
    let update = found.update.unwrap();
    assert_eq!((update.from, update.to), (old.clone(), new.clone()));
    assert!(update.digest.as_deref().is_some_and(|digest| digest.starts_with("sha256:") && digest.len() == 71));
    assert!(update.finished.is_some_and(|finished| finished >= update.started));
    assert_eq!((found.image, found.newest.as_deref(), found.decision.as_str()), (new, Some("1.0.12"), "None"));
    let refused: Vec<_> = found.refused.iter().map(|refused| (refused.tag.as_str(), refused.reason.as_str())).collect();
    assert_eq!(refused, [("1.0.13-alpine", "OtherFlavor")]);

    condition(&stage, "web", "Ready", "True", "Checked").await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    condition(&stage, "web", "RolloutHealthy", "True", "RolloutFinished").await;
    let status = status(&stage, "web").await;
    assert_eq!((status.current.as_deref(), status.available), (Some("1.0.12"), None));
    let reasons: Vec<String> = stage.events("web").await.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["Updating", "Updated"]);
    let [entry] = status.history.as_slice() else { panic!("one update, not {:?}", status.history) };
    assert_eq!((entry.container.as_str(), entry.result), ("app", UpdatePhase::Finished));
    assert!(entry.to.ends_with(":1.0.12") && entry.approved_by.is_none(), "{entry:?}");
}

#[tokio::test]
async fn tag_that_is_pushed_later_is_found_by_one_of_the_next_checks() {
    let (stage, registry, repository) = with_registry("push").await;
    registry.push(&repository, &["1.0.0"]).await;
    stage.deploy("web", &[("app", &registry.image(&repository, "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    for tag in ["1.0.1", "1.0.2"] {
        registry.push(&repository, &[tag]).await;
        image(&stage, "web", "app", &registry.image(&repository, tag)).await;
    }
    phase(&stage, "web", UpdatePhase::Finished).await;
}

#[tokio::test]
async fn rollout_that_fails_is_reported_once_and_a_human_can_take_over() {
    let (stage, registry) = with_fake_registry("crash").await;
    // Pods with such a tag never become ready, in this control plane.
    registry.push("web", &["1.0.0-crash", "1.0.1-crash", "1.0.1"]);
    let first = registry.image("web", "1.0.0-crash");
    let deployment = objects::deployment_with("web", &[("app", &first)], &json!({"progressDeadlineSeconds": 2}));
    stage.create(&deployment).await;
    stage.handle("web", &json!({})).await;
    phase(&stage, "web", UpdatePhase::Failed).await;
    let message = condition(&stage, "web", "RolloutHealthy", "False", "RolloutFailed").await;
    assert!(message.contains("has timed out progressing"), "{message}");
    assert_eq!(
        stage.image("web", "app").await,
        registry.image("web", "1.0.1-crash"),
        "nothing is rolled back by itself"
    );

    stage.set_image("web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "RolloutHealthy", "True", "RolloutFinished").await;
    phase(&stage, "web", UpdatePhase::Overtaken).await;
    assert_eq!(stage.count_events("web", "RolloutFailed").await, 1);
    assert_eq!(stage.count_events("web", "Updated").await, 0);
    let history = status(&stage, "web").await.history;
    let [entry] = history.as_slice() else { panic!("one update, not {history:?}") };
    assert_eq!(entry.result, UpdatePhase::Failed);
    assert!(entry.message.as_ref().is_some_and(|message| message.contains("timed out")), "{entry:?}");
}

#[tokio::test]
async fn tag_that_is_listed_but_cannot_be_served_is_not_applied() {
    use k8supdater_testkit::{Fault, Part};
    let (stage, registry) = with_fake_registry("unservable").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.fail_at(Part::Manifest, Fault::NotFound);
    let old = registry.image("web", "1.0.0");
    stage.deploy("web", &[("app", &old)]).await;
    stage.handle("web", &json!({})).await;
    let message = condition(&stage, "web", "Ready", "False", "TagNotUsable").await;
    assert!(message.contains("1.0.1"), "{message}");
    assert_eq!(stage.image("web", "app").await, old);
    registry.recover();
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
}
