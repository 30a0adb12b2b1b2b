use std::time::Duration;

use k8supdater::api::versioning_handler::UpdatePhase;
use k8supdater_testkit::{FakeRegistry, Fault, Part};
use serde_json::json;
use tokio::time::sleep;

use crate::scene::{condition, container, equal, image, prepared, with_fake_registry};

#[tokio::test]
async fn killed_at_any_moment_it_neither_repeats_nor_loses_anything() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    let mut stage = prepared("killed", &[registry.origin()]).await;
    // Each update takes some tenths of a second, which the moments below divide.
    registry.fail_at(Part::Manifest, Fault::Slow(Duration::from_millis(100)));
    let moments = [0, 40, 80, 120, 160, 220, 300, 500, 900];
    for moment in moments {
        stage.deploy(&format!("web-{moment}"), &[("app", &registry.image("web", "1.0.0"))]).await;
    }
    for moment in moments {
        stage.operator.start().await;
        // The rollouts of the others give the operator something to do as well.
        stage.handle(&format!("web-{moment}"), &json!({})).await;
        sleep(Duration::from_millis(moment)).await;
        stage.operator.kill();
    }
    stage.operator.start().await;
    for moment in moments {
        let name = format!("web-{moment}");
        stage
            .eventually(&format!("the update of {name} is finished"), async || {
                let update = container(&stage, &name, "app").await.and_then(|container| container.update);
                equal(&update.map(|update| update.phase), &Some(UpdatePhase::Finished))
            })
            .await;
        condition(&stage, &name, "UpToDate", "False", "UpdateAvailable").await;
        assert_eq!(stage.image(&name, "app").await, registry.image("web", "1.0.1"), "{name}");
        assert_eq!(stage.count_rollouts(&name).await, 2, "{name}");
        for reason in ["UpdateAvailable", "Updated"] {
            assert_eq!(stage.count_events(&name, reason).await, 1, "{name} {reason}: {:?}", stage.events(&name).await);
        }
        // Who is killed before saying that an update begins may find it finished, and then says just that.
        assert!(stage.count_events(&name, "Updating").await <= 1, "{name}: {:?}", stage.events(&name).await);
    }
}

#[tokio::test]
async fn what_happened_while_it_was_down_is_found_after_the_restart() {
    let (mut stage, registry) = with_fake_registry("down").await;
    registry.push("web", &["1.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"interval": "1h"})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    stage.operator.kill();
    registry.push("web", &["1.0.1"]);
    stage.operator.start().await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
}

#[tokio::test]
async fn sigterm_lets_a_check_finish_and_ends_with_success() {
    let (mut stage, registry) = with_fake_registry("sigterm").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    registry.fail_at(Part::Manifest, Fault::Slow(Duration::from_secs(2)));
    stage.handle("web", &json!({})).await;
    stage.eventually("an update is under way", async || equal(&(registry.count(Part::Manifest) > 0), &true)).await;
    // A pod gets 30 s.
    let exit = stage.operator.terminate(Duration::from_secs(25)).await;
    assert!(exit.status.success(), "{exit:?}");
    let log = stage.operator.log();
    assert!(log.contains("stopping") && log.trim_end().ends_with("stopped"), "{log}");
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.1"), "what was under way is finished");
}

#[tokio::test]
async fn sigterm_ends_an_idle_operator_within_a_second_or_two() {
    let (mut stage, registry) = with_fake_registry("idle").await;
    registry.push("web", &["1.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
    let exit = stage.operator.terminate(Duration::from_secs(5)).await;
    assert!(exit.status.success(), "{exit:?}");
}
