use k8supdater::api::rollout_status::HoldReason;
use k8supdater::api::versioning_handler::UpdatePhase;
use k8supdater_testkit::Stage;
use serde_json::json;

use crate::answers::{event, run};
use crate::channels::{heard, told};
use crate::scene::{condition, container, equal, image, more_checks, status, with_fake_registry};

/// Waits until the last update of the only container is that far.
async fn phase(stage: &Stage, handler: &str, expected: UpdatePhase) {
    let probe = async || {
        let update = container(stage, handler, "app").await.and_then(|container| container.update);
        equal(&update.map(|update| update.phase), &Some(expected))
    };
    stage.eventually(&format!("the update of {handler} is {expected:?}"), probe).await;
}

#[tokio::test]
async fn an_update_is_taken_back_at_a_terminal_and_held_until_there_is_a_better_version() {
    let (mut stage, registry, telegram) =
        told("back", &json!({"notices": {"kinds": ["rollout-finished", "rolled-back"]}})).await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let versions = |tag: &str| registry.image("web", tag);
    stage.deploy("web", &[("app", &versions("1.0.0"))]).await;
    stage.handle("web", &json!({"interval": "1s"})).await;
    phase(&stage, "web", UpdatePhase::Finished).await;

    let (success, text) = run(&stage, "rollback", "web", &["db"]).await;
    assert!(!success && text.contains("looks after no container \"db\", expected one of: app"), "{text}");
    let (success, text) = run(&stage, "rollback", "web", &["--by", "ada", "--wait"]).await;
    assert!(success && text.contains(&format!("app: {} → {}", versions("1.0.1"), versions("1.0.0"))), "{text}");
    assert!(text.contains("app=1.0.1 is taken back by ada"), "{text}");
    assert!(text.trim_end().ends_with(&format!("and all pods run {} again", versions("1.0.0"))), "{text}");
    assert_eq!(stage.image("web", "app").await, versions("1.0.0"));

    more_checks(&mut stage, 3).await;
    assert_eq!(stage.image("web", "app").await, versions("1.0.0"), "it is held");
    let found = container(&stage, "web", "app").await.unwrap();
    let [held] = found.held.as_slice() else { panic!("one version is held, not {:?}", found.held) };
    assert_eq!((held.tag.as_str(), held.reason, held.by.as_deref()), ("1.0.1", HoldReason::RolledBack, Some("ada")));
    let message = condition(&stage, "web", "UpToDate", "False", "Held").await;
    assert!(message.contains("1.0.1 is held"), "{message}");
    let history = status(&stage, "web").await.history;
    let [entry] = history.as_slice() else { panic!("one update, not {history:?}") };
    assert_eq!((entry.result, entry.rolled_back_by.as_deref()), (UpdatePhase::RolledBack, Some("ada")));
    for reason in ["Updating", "RollbackRequested", "RollingBack", "RolledBack"] {
        assert_eq!(stage.count_events("web", reason).await, 1, "{reason}: {:?}", stage.events("web").await);
    }
    assert!(event(&stage, "web", "RollbackRequested").await.contains("ada"));
    let name = versions("x").trim_end_matches(":x").to_owned();
    let back = format!("{name} 1.0.1 was taken back, 1.0.0 runs again");
    heard(&stage, &telegram, "web", &[&format!("{name} 1.0.0 → 1.0.1 is rolled out"), &back]).await;
    let (success, text) = run(&stage, "rollback", "web", &[]).await;
    assert!(!success && text.contains("was taken back already"), "{text}");
    let (success, text) = run(&stage, "history", "web", &[]).await;
    assert!(success && text.contains("taken back for ada"), "{text}");

    let (success, text) = run(&stage, "approve", "web", &["app=1.0.1", "--wait", "--by", "bob"]).await;
    assert!(success && text.trim_end().ends_with("app=1.0.1: all pods run it"), "{text}");
    assert_eq!(stage.image("web", "app").await, versions("1.0.1"), "somebody has approved it again");
}

#[tokio::test]
async fn what_is_better_than_what_was_taken_back_is_applied_by_itself() {
    let (stage, registry) = with_fake_registry("back-better").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"interval": "1s"})).await;
    phase(&stage, "web", UpdatePhase::Finished).await;
    let (success, text) = run(&stage, "rollback", "web", &["app", "--by", "ada"]).await;
    assert!(success && text.contains("the operator puts the image before back"), "{text}");
    phase(&stage, "web", UpdatePhase::RolledBack).await;
    registry.push("web", &["1.0.2"]);
    image(&stage, "web", "app", &registry.image("web", "1.0.2")).await;
    phase(&stage, "web", UpdatePhase::Finished).await;
    let held = container(&stage, "web", "app").await.unwrap().held;
    assert_eq!(held, [], "there is a better one");
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_said_with_the_reason() {
    let (stage, registry) = with_fake_registry("back-not").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    for name in ["new", "notified", "taken"] {
        stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
    }
    stage.handle("new", &json!({"approval": "Required"})).await;
    stage.handle("notified", &json!({"mode": "Notify"})).await;
    stage.handle("taken", &json!({})).await;
    phase(&stage, "taken", UpdatePhase::Finished).await;
    stage.set_image("taken", "app", &registry.image("web", "1.0.0")).await;
    condition(&stage, "taken", "UpToDate", "False", "Held").await;
    let check = async |handler: &str, expected: &str| {
        let (success, text) = run(&stage, "rollback", handler, &[]).await;
        assert!(!success && text.contains(expected), "{handler}: {text}");
    };
    condition(&stage, "notified", "UpToDate", "False", "UpdateAvailable").await;
    check("notified", "app: the workload is not changed here, with the mode Notify").await;
    let (success, text) = run(&stage, "approve", "notified", &["app=1.0.1"]).await;
    assert!(!success && text.contains("cannot be approved: the workload is not changed here"), "{text}");
    condition(&stage, "new", "UpToDate", "False", "AwaitingApproval").await;
    check("new", "app: this handler has not updated it yet").await;
    check("taken", "somebody has set the image to").await;
    check("gone", "there is no VersioningHandler").await;
}
