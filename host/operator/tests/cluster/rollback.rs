use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::CronJob;
use k8supdater::api::rollout_status::{HeldTag, HoldReason};
use k8supdater::api::versioning_handler::{UpdatePhase, UpdateStatus};
use k8supdater_testkit::{FakeRegistry, FakeWebhook, Stage, objects};
use serde_json::{Value, json};

use crate::scene::{condition, container, equal, image, plugin_condition, status, with_fake_registry};

/// Waits until the last update of a container has come that far.
async fn phase(stage: &Stage, handler: &str, name: &str, expected: UpdatePhase) -> UpdateStatus {
    let what = format!("the update of {name} of {handler} is {expected:?}");
    let probe = async || {
        let update = container(stage, handler, name).await.and_then(|container| container.update);
        equal(&update.as_ref().map(|update| update.phase), &Some(expected)).map(|()| update)
    };
    stage.eventually(&what, probe).await.unwrap()
}

/// What is held of the container `app`.
async fn held(stage: &Stage, handler: &str) -> Vec<HeldTag> {
    container(stage, handler, "app").await.unwrap().held
}

/// A spec that takes every flavor of a tag, and takes updates back.
fn spec(more: &Value) -> Value {
    let mut spec = json!({"rollback": "OnFailure", "tags": {"flavor": ".*"}, "interval": "1s"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// A stage with a Deployment `web` of version 1.0.0 whose rollouts have failed when they make no progress for two seconds.
async fn with_deployment(name: &str, tags: &[&str]) -> (Stage, FakeRegistry) {
    let (stage, registry) = with_fake_registry(name).await;
    registry.push("web", tags);
    let first = registry.image("web", "1.0.0");
    let deployment = objects::deployment_with("web", &[("app", &first)], &json!({"progressDeadlineSeconds": 2}));
    stage.deploy_as(&deployment).await;
    (stage, registry)
}

#[tokio::test]
async fn update_whose_pods_crash_is_taken_back_and_held_until_there_is_a_better_one() {
    let (stage, registry) = with_deployment("crashes", &["1.0.0", "1.0.1", "1.0.2-crash"]).await;
    let hook = FakeWebhook::start().await;
    let channel = json!({
        "settings": {"url": format!("{}/notices", hook.origin())}, "notices": {"kinds": ["rolled-back", "rollout-finished"]},
        "grants": {"origins": [hook.origin()]},
    });
    stage.plug("webhook", "notify-webhook", &channel).await;
    plugin_condition(&stage, "webhook", "Ready", "True", "Serving").await;
    let (old, bad) = (registry.image("web", "1.0.0"), registry.image("web", "1.0.2-crash"));
    stage.handle("web", &spec(&json!({}))).await;
    let update = phase(&stage, "web", "app", UpdatePhase::RolledBack).await;
    assert_eq!((update.from.as_str(), update.to.as_str()), (old.as_str(), bad.as_str()));
    assert_eq!(stage.image("web", "app").await, old);
    let failure = update.failure.unwrap();
    for part in ["timed out progressing", "container app: CrashLoopBackOff", "exit code 1"] {
        assert!(failure.contains(part), "{part} in {failure}");
    }
    let message = condition(&stage, "web", "UpToDate", "False", "Held").await;
    assert!(message.contains("1.0.2-crash is held, because") && message.contains("k8supdater approve"), "{message}");
    condition(&stage, "web", "RolloutHealthy", "True", "RolloutFinished").await;
    let found: Vec<_> = held(&stage, "web").await.into_iter().map(|held| (held.tag, held.reason)).collect();
    assert_eq!(found, [("1.0.2-crash".to_owned(), HoldReason::RolloutFailed)]);
    let mut reasons: Vec<String> = stage.events("web").await.into_iter().map(|(reason, _)| reason).collect();
    // Two of them happen at the same time.
    reasons.sort();
    assert_eq!(reasons, ["RolledBack", "RollingBack", "RolloutFailed", "Updating"]);
    let history = status(&stage, "web").await.history;
    assert_eq!(history.iter().map(|entry| entry.result).collect::<Vec<_>>(), [UpdatePhase::RolledBack]);
    assert!(history[0].message.as_ref().is_some_and(|message| message.contains("exit code 1")), "{history:?}");

    stage.eventually("people are told", async || equal(&hook.seen().len(), &1)).await;
    let told: Value = serde_json::from_str(&hook.seen()[0].body).unwrap();
    let words = [&told["kind"], &told["level"], &told["from"], &told["to"]].map(|word| word.as_str().unwrap());
    assert_eq!(words, ["rolled-back", "error", "1.0.2-crash", "1.0.0"]);
    assert!(told["text"].as_str().unwrap().contains("exit code 1"), "{told}");

    // 1.0.1 is not tried: what is older than the one that failed is no better.
    assert_eq!(stage.count_rollouts("web").await, 2, "1.0.0 and 1.0.2-crash");
    registry.push("web", &["1.0.3"]);
    image(&stage, "web", "app", &registry.image("web", "1.0.3")).await;
    phase(&stage, "web", "app", UpdatePhase::Finished).await;
    stage.eventually("nothing is held", async || equal(&held(&stage, "web").await, &Vec::new())).await;
    assert_eq!(stage.count_rollouts("web").await, 3, "1.0.0, 1.0.2-crash, 1.0.3");
    stage.eventually("people are told of that, too", async || equal(&hook.seen().len(), &2)).await;
}

#[tokio::test]
async fn update_whose_pods_are_never_ready_or_cannot_be_pulled_is_taken_back() {
    for (tag, says) in [("1.0.1-never", "running but not ready"), ("1.0.1-nopull", "ImagePullBackOff")] {
        let (stage, registry) = with_deployment("no-start", &["1.0.0", tag]).await;
        stage.handle("web", &spec(&json!({}))).await;
        let update = phase(&stage, "web", "app", UpdatePhase::RolledBack).await;
        assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.0"));
        assert!(update.failure.as_ref().is_some_and(|failure| failure.contains(says)), "{says}: {update:?}");
    }
}

#[tokio::test]
async fn update_whose_pods_die_while_it_has_to_stay_available_is_taken_back() {
    let (stage, registry) = with_deployment("dies", &["1.0.0", "1.0.1-dies"]).await;
    stage.handle("web", &spec(&json!({"rollout": {"stableFor": "30s"}}))).await;
    let update = phase(&stage, "web", "app", UpdatePhase::RolledBack).await;
    let failure = update.failure.unwrap();
    assert!(failure.contains("did not stay so") && failure.contains("exit code 137"), "{failure}");
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.0"));
    assert_eq!(stage.count_events("web", "Updated").await, 0, "it never was finished");
    assert_eq!(held(&stage, "web").await[0].tag, "1.0.1-dies");
}

#[tokio::test]
async fn without_rollback_a_failed_update_stays_where_it_is() {
    let (stage, registry) = with_deployment("stays", &["1.0.0", "1.0.1-crash"]).await;
    stage.handle("web", &spec(&json!({"rollback": "Never"}))).await;
    phase(&stage, "web", "app", UpdatePhase::Failed).await;
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.1-crash"));
    // The next better version is applied all the same.
    registry.push("web", &["1.0.2"]);
    phase(&stage, "web", "app", UpdatePhase::Finished).await;
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.2"));
}

#[tokio::test]
async fn stateful_set_goes_back_although_a_pod_that_never_became_ready_is_in_the_way() {
    let (stage, registry) = with_fake_registry("stuck-set").await;
    registry.push("db", &["1.0.0", "1.0.1-crash"]);
    let old = registry.image("db", "1.0.0");
    stage.create(&objects::stateful_set("db", &[("app", &old)], &json!({"replicas": 2}))).await;
    let spec = spec(&json!({"workload": {"kind": "StatefulSet", "name": "db"}, "rollout": {"timeout": "4s"}}));
    stage.handle("db", &spec).await;
    let update = phase(&stage, "db", "app", UpdatePhase::RolledBack).await;
    assert!(update.failure.as_ref().is_some_and(|failure| failure.contains("not finished after 4s")), "{update:?}");
    assert_eq!(stage.image_in::<StatefulSet>("db", "app").await, old);
    condition(&stage, "db", "RolloutHealthy", "True", "RolloutFinished").await;
}

#[tokio::test]
async fn the_next_job_of_a_cron_job_decides_whether_its_update_stays() {
    let (stage, registry) = with_fake_registry("cron-back").await;
    registry.push("report", &["1.0.0", "1.0.1-crash"]);
    let old = registry.image("report", "1.0.0");
    stage.create(&objects::cron_job("report", &[("app", &old)], &json!({}))).await;
    stage.handle("report", &spec(&json!({"workload": {"kind": "CronJob", "name": "report"}}))).await;
    phase(&stage, "report", "app", UpdatePhase::RollingOut).await;
    let mut job = objects::job_of(&stage.api::<CronJob>().get("report").await.unwrap(), "tonight");
    job.spec.as_mut().unwrap().backoff_limit = Some(0);
    stage.create(&job).await;
    let update = phase(&stage, "report", "app", UpdatePhase::RolledBack).await;
    assert!(update.failure.as_ref().is_some_and(|failure| failure.contains("the Job tonight failed")), "{update:?}");
    assert_eq!(stage.image_in::<CronJob>("report", "app").await, old);
    assert_eq!(held(&stage, "report").await[0].tag, "1.0.1-crash");
}

#[tokio::test]
async fn what_a_human_sets_while_an_update_is_rolled_out_is_left_alone() {
    let (stage, registry) = with_deployment("human", &["1.0.0", "1.0.1", "1.0.2-crash"]).await;
    let (theirs, bad) = (registry.image("web", "1.0.1"), registry.image("web", "1.0.2-crash"));
    stage.handle("web", &spec(&json!({}))).await;
    phase(&stage, "web", "app", UpdatePhase::RollingOut).await;
    stage.set_image("web", "app", &theirs).await;
    phase(&stage, "web", "app", UpdatePhase::Overtaken).await;
    let message = condition(&stage, "web", "UpToDate", "False", "Held").await;
    assert!(message.contains(&format!("somebody has set {bad} back to {theirs}")), "{message}");
    let found: Vec<_> = held(&stage, "web").await.into_iter().map(|held| (held.tag, held.reason)).collect();
    assert_eq!(found, [("1.0.2-crash".to_owned(), HoldReason::SetBack)]);
    assert_eq!(stage.image("web", "app").await, theirs);

    registry.push("web", &["1.0.3"]);
    image(&stage, "web", "app", &registry.image("web", "1.0.3")).await;
}

#[tokio::test]
async fn an_update_that_somebody_sets_back_after_it_was_finished_is_not_made_again() {
    let (stage, registry) = with_deployment("set-back", &["1.0.0", "1.0.1"]).await;
    let old = registry.image("web", "1.0.0");
    stage.handle("web", &spec(&json!({}))).await;
    phase(&stage, "web", "app", UpdatePhase::Finished).await;
    stage.set_image("web", "app", &old).await;
    condition(&stage, "web", "UpToDate", "False", "Held").await;
    assert_eq!(stage.image("web", "app").await, old);
    assert_eq!(stage.count_events("web", "Updating").await, 1);
}

#[tokio::test]
async fn containers_that_were_updated_together_go_back_together() {
    let (stage, registry) = with_fake_registry("together").await;
    registry.push("web", &["1.0.0", "1.0.1-crash"]);
    registry.push("proxy", &["2.0.0", "2.0.1"]);
    let (web, proxy) = (registry.image("web", "1.0.0"), registry.image("proxy", "2.0.0"));
    let spec_of = json!({"progressDeadlineSeconds": 2});
    stage.deploy_as(&objects::deployment_with("web", &[("app", &web), ("proxy", &proxy)], &spec_of)).await;
    stage.handle("web", &spec(&json!({}))).await;
    phase(&stage, "web", "app", UpdatePhase::RolledBack).await;
    phase(&stage, "web", "proxy", UpdatePhase::RolledBack).await;
    assert_eq!((stage.image("web", "app").await, stage.image("web", "proxy").await), (web, proxy));
    let innocent = container(&stage, "web", "proxy").await.unwrap().held;
    assert!(innocent[0].message.starts_with("it was updated together with container app: "), "{innocent:?}");
    assert_eq!(stage.count_rollouts("web").await, 2, "back to the ReplicaSet that there was");
}
