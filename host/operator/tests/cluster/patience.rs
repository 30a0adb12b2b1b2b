use std::time::Duration;

use jiff::{Timestamp, Zoned, tz::TimeZone};
use k8s_openapi::api::apps::v1::Deployment;
use k8supdater::api::pace::Mode;
use k8supdater::api::versioning_handler::ContainerStatus;
use k8supdater_testkit::{Stage, objects};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{annotate, condition, container, equal, image, more_checks, status, with_fake_registry};

/// Waits until the container `app` of `web` waits for that reason.
async fn waits(stage: &Stage, reason: &str) -> ContainerStatus {
    stage
        .eventually(&format!("the update waits for {reason}"), async || {
            let found = container(stage, "web", "app").await.unwrap_or_default();
            equal(&found.waits.as_ref().map(|waits| waits.reason.as_str()), &Some(reason)).map(|()| found)
        })
        .await
}

/// Lays `spec` over that of the handler `web`.
async fn change(stage: &Stage, spec: Value) {
    let patch = json!({"spec": spec});
    stage.handlers().patch("web", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

/// A window of an hour that begins this many hours from now, each day, as a clock in `zone` shows it.
fn window(hours: i64, zone: &str) -> Value {
    let start = Zoned::now().with_time_zone(TimeZone::get(zone).unwrap()) + Duration::from_hours(hours.unsigned_abs());
    json!([{"start": format!("{} {} * * *", start.minute(), start.hour()), "duration": "1h", "timeZone": zone}])
}

#[tokio::test]
async fn what_is_found_outside_the_window_waits_and_says_until_when() {
    let (stage, registry) = with_fake_registry("window").await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    let old = registry.image("web", "1.0.0");
    stage.deploy("web", &[("app", &old)]).await;
    stage.handle("web", &json!({"windows": window(3, "Asia/Kathmandu")})).await;
    let found = waits(&stage, "OutsideWindow").await;
    let wait = found.waits.unwrap();
    let left = wait.until.as_ref().unwrap().0.duration_since(Timestamp::now()).as_secs();
    assert!((3 * 3_600 - 120..=3 * 3_600).contains(&left), "{left} s");
    assert!(wait.tag == "1.0.1" && wait.message.contains("the next one opens at"), "{wait:?}");
    assert!(wait.message.contains("Asia/Kathmandu"), "{}", wait.message);
    assert_eq!((found.decision.as_str(), found.reported.as_deref()), ("WaitAndNotify", Some("2.0.0")));
    assert_eq!(stage.image("web", "app").await, old);
    // What is approved waits for the window as well.
    annotate(&stage, "web", &[("approve", "app=2.0.0")]).await;
    stage
        .eventually("the approval waits", async || {
            let found = container(&stage, "web", "app").await.unwrap();
            equal(&found.waits.map(|waits| waits.tag), &Some("2.0.0".to_owned()))
        })
        .await;
    // One that is open since a moment ago.
    change(&stage, json!({"windows": [{"start": "* * * * *", "duration": "1m"}]})).await;
    image(&stage, "web", "app", &registry.image("web", "2.0.0")).await;
}

#[tokio::test]
async fn updates_of_a_handler_keep_their_distance() {
    let (stage, registry) = with_fake_registry("delay").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"delayBetweenUpdates": "1h"})).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    registry.push("web", &["1.0.2"]);
    let found = waits(&stage, "DelayBetweenUpdates").await;
    let message = condition(&stage, "web", "UpToDate", "False", "Waiting").await;
    assert!(message.contains("app: 1.0.2 waits: the last update was at"), "{message}");
    assert!(found.waits.unwrap().until.unwrap().0 > Timestamp::now());
    // As soon as the time is over, and not at the next check.
    change(&stage, json!({"delayBetweenUpdates": "5s", "interval": "1h"})).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.2")).await;
}

#[tokio::test]
async fn a_version_must_have_been_known_for_some_time_and_a_restart_makes_it_no_younger() {
    let (mut stage, registry) = with_fake_registry("age").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"minimumAge": "12s", "interval": "2s"})).await;
    let before = waits(&stage, "MinimumAge").await;
    assert_eq!(before.first_seen.iter().map(|seen| seen.tag.as_str()).collect::<Vec<_>>(), ["1.0.1"]);
    let until = before.waits.unwrap().until.unwrap();
    stage.operator.kill();
    stage.operator.start().await;
    more_checks(&mut stage, 1).await;
    let after = container(&stage, "web", "app").await.unwrap();
    if let Some(waits) = &after.waits {
        assert_eq!(waits.until.as_ref(), Some(&until));
    }
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    assert!(Timestamp::now() >= until.0);
}

#[tokio::test]
async fn a_workload_that_belongs_to_another_tool_is_only_reported_on_unless_the_spec_insists() {
    let (stage, registry) = with_fake_registry("owned").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let old = registry.image("web", "1.0.0");
    let mut deployment = objects::deployment("web", &[("app", &old)]);
    let id = format!("shop:apps/Deployment:{}/web", stage.namespace);
    deployment.metadata.annotations = Some([("argocd.argoproj.io/tracking-id".to_owned(), id)].into());
    stage.deploy_as(&deployment).await;
    stage.handle("web", &json!({})).await;
    let message = condition(&stage, "web", "OwnedElsewhere", "True", "ArgoCDApplication").await;
    assert!(message.contains("belongs to Argo CD application shop") && message.contains("spec.mode"), "{message}");
    let message = condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    assert!(message.contains("1.0.1") && !message.contains("k8supdater approve"), "{message}");
    assert_eq!((status(&stage, "web").await.mode, stage.image("web", "app").await), (Some(Mode::Notify), old));
    change(&stage, json!({"mode": "Update"})).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "OwnedElsewhere", "True", "ArgoCDApplication").await;
}

#[tokio::test]
async fn a_preview_says_what_would_be_done_and_does_nothing() {
    let (mut stage, registry) = with_fake_registry("preview").await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    let old = registry.image("web", "1.0.0");
    stage.deploy("web", &[("app", &old)]).await;
    stage.handle("web", &json!({"mode": "Preview"})).await;
    let message = condition(&stage, "web", "UpToDate", "Unknown", "Preview").await;
    let new = registry.image("web", "1.0.1");
    assert!(message.contains(&format!("would set the image to {new} now")), "{message}");
    assert!(message.contains("would report 2.0.0"), "{message}");
    more_checks(&mut stage, 3).await;
    assert_eq!((stage.image("web", "app").await, stage.events("web").await), (old, Vec::new()));
    assert_eq!(status(&stage, "web").await.available, None);
    // Then it is done.
    change(&stage, json!({"mode": null})).await;
    image(&stage, "web", "app", &new).await;
}

#[tokio::test]
async fn held_versions_are_neither_applied_nor_offered() {
    let (stage, registry) = with_fake_registry("hold").await;
    registry.push("web", &["1.0.0", "1.0.1", "1.0.2", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"hold": ["1.0.2", "2.0.0"]})).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    let refused = container(&stage, "web", "app").await.unwrap().refused;
    let refused: Vec<_> = refused.iter().map(|it| (it.tag.as_str(), it.reason.as_str())).collect();
    assert_eq!(refused, [("2.0.0", "Held"), ("1.0.2", "Held")]);
}

#[tokio::test]
async fn production_follows_staging_by_the_digest_that_staging_has_proved() {
    let (stage, registry) = with_fake_registry("order").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let (old, new) = (registry.image("web", "1.0.0"), registry.image("web", "1.0.1"));
    for name in ["staging", "web"] {
        stage.deploy(name, &[("app", &old)]).await;
    }
    stage.handle("web", &json!({"after": [{"handler": "staging", "soak": "6s"}], "interval": "1h"})).await;
    let found = waits(&stage, "Predecessor").await;
    assert!(found.waits.unwrap().message.contains("staging, which spec.after names, does not exist"));
    stage.handle("staging", &json!({"interval": "1h"})).await;
    image(&stage, "staging", "app", &new).await;
    // Woken by what staging proves, and looked at again when it has for long enough.
    stage
        .eventually("the end of the soak is known", async || {
            let waits = container(&stage, "web", "app").await.unwrap().waits.ok_or("nothing waits")?;
            waits.until.map(|_| ()).ok_or(waits.message)
        })
        .await;
    assert_eq!(stage.image("web", "app").await, old);
    image(&stage, "web", "app", &new).await;
    let proven = container(&stage, "staging", "app").await.unwrap().proven;
    assert!(proven[0].since.0.duration_since(Timestamp::now()).as_secs() <= -6, "{proven:?}");

    // Somebody pushes the next one again while staging runs what it was.
    registry.push("web", &["1.0.2"]);
    let interval = json!({"spec": {"interval": "1s", "after": [{"handler": "staging", "soak": "8s"}]}});
    for name in ["web", "staging"] {
        let mut patch = interval.clone();
        if name == "staging" {
            patch["spec"].as_object_mut().unwrap().remove("after");
        }
        stage.handlers().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }
    image(&stage, "staging", "app", &registry.image("web", "1.0.2")).await;
    stage
        .eventually("staging has proved something of 1.0.2", async || {
            let proven = container(&stage, "staging", "app").await.unwrap().proven;
            let is_it = proven.first().is_some_and(|it| it.image.ends_with(":1.0.2") && it.digest.is_some());
            is_it.then_some(()).ok_or_else(|| format!("{proven:?}"))
        })
        .await;
    registry.repush("web", "1.0.2");
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(stage.image("web", "app").await, new, "what staging has not run is not applied");
}

#[tokio::test]
async fn a_version_that_is_pushed_again_is_not_followed_and_told_once() {
    let (mut stage, registry) = with_fake_registry("pushed-again").await;
    registry.push("web", &["1.0.0", "0.9.0"]);
    let image = registry.image("web", "1.0.0");
    stage.deploy("web", &[("app", &image)]).await;
    stage.handle("web", &json!({})).await;
    stage
        .eventually("the digest is known", async || {
            let digest = container(&stage, "web", "app").await.unwrap_or_default().digest;
            equal(&digest, &Some(registry.digest("web", "1.0.0")))
        })
        .await;
    let generation = async || stage.api::<Deployment>().get("web").await.unwrap().metadata.generation;
    let before = generation().await;
    // An operator that runs on asks once an hour.
    stage.operator.kill();
    let moved = registry.repush("web", "1.0.0");
    stage.operator.start().await;
    let message = condition(&stage, "web", "TagMoved", "True", "PushedAgain").await;
    assert!(message.contains("the tag 1.0.0 pointed at") && message.contains("although it is a version"), "{message}");
    more_checks(&mut stage, 3).await;
    assert_eq!(stage.count_events("web", "TagMoved").await, 1);
    let generation = stage.api::<Deployment>().get("web").await.unwrap().metadata.generation;
    assert_eq!(generation, before, "the workload is left alone");

    annotate(&stage, "web", &[("approve", &format!("app=1.0.0@{moved}"))]).await;
    stage
        .eventually("it is accepted", async || {
            let found = container(&stage, "web", "app").await.unwrap();
            equal(&(found.moved_to, found.digest), &(None, Some(moved.clone())))
        })
        .await;
    assert!(status(&stage, "web").await.conditions.iter().all(|condition| condition.type_ != "TagMoved"));
    assert_eq!(stage.count_events("web", "MovedTagAccepted").await, 1);
}
