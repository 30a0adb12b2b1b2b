use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8supdater_testkit::{FakeRegistry, FakeTelegram, Stage, TelegramMessage, TelegramPart, TelegramUser};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::channels::{CHAT, settled, told};
use crate::scene::{condition, container, equal, image, more_checks, prepared};

fn ada() -> TelegramUser {
    TelegramUser { id: 7, username: Some("ada".to_owned()), first_name: "Ada".to_owned() }
}

fn stranger() -> TelegramUser {
    TelegramUser { id: 8, username: None, first_name: "Mallory".to_owned() }
}

/// A stage where 1.0.0 runs and 2.0.0 is offered in a chat in which Ada may answer.
async fn offered(name: &str) -> (Stage, FakeRegistry, FakeTelegram) {
    let plugin = json!({"notices": {"kinds": ["update-available", "rollout-failed"]}});
    let (stage, registry, telegram) = told_with_approvers(name, &plugin).await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    settled(&stage, "web").await;
    (stage, registry, telegram)
}

async fn told_with_approvers(name: &str, plugin: &serde_json::Value) -> (Stage, FakeRegistry, FakeTelegram) {
    let (stage, registry, telegram) = told(name, plugin).await;
    let settings = json!({"spec": {"settings": {"approvers": [7]}}});
    stage.plugins().patch("telegram", &PatchParams::default(), &Patch::Merge(&settings)).await.unwrap();
    stage
        .eventually("the plugin knows the approvers and the bot listens", async || {
            let is_loaded = stage.operator.log().matches("plugin serves plugin=telegram").count() >= 2;
            equal(&(is_loaded && telegram.count(TelegramPart::GetUpdates) > 0), &true)
        })
        .await;
    (stage, registry, telegram)
}

/// The message with buttons.
async fn message(stage: &Stage, telegram: &FakeTelegram) -> TelegramMessage {
    stage
        .eventually("a message has buttons", async || {
            let found = telegram.messages().into_iter().find(|message| !message.buttons.is_empty());
            found.ok_or_else(|| format!("{:?}", telegram.messages()))
        })
        .await
}

/// Waits until the message says that.
async fn says(stage: &Stage, telegram: &FakeTelegram, message: i64, words: &[&str]) {
    stage
        .eventually(&format!("the message says {words:?}"), async || {
            let text = telegram.message(message).text;
            words.iter().all(|word| text.contains(word)).then_some(()).ok_or(text)
        })
        .await;
}

#[tokio::test]
async fn a_button_that_is_pressed_updates_once_and_the_message_tells_how_it_went() {
    let (mut stage, registry, telegram) = offered("pressed").await;
    let message = message(&stage, &telegram).await;
    let labels: Vec<&str> = message.buttons.iter().map(|button| button.label.as_str()).collect();
    assert_eq!((message.chat, labels.as_slice()), (CHAT, ["Update", "Skip this version", "Snooze"].as_slice()));
    assert!(!message.text.contains("Next step:"), "the buttons do it: {}", message.text);
    // Twice, before anybody could take the button away.
    let first = telegram.press(message.id, "Update", &ada());
    let second = telegram.press(message.id, "Update", &ada());
    image(&stage, "web", "app", &registry.image("web", "2.0.0")).await;
    condition(&stage, "web", "RolloutHealthy", "True", "RolloutFinished").await;
    says(&stage, &telegram, message.id, &["2.0.0", "@ada"]).await;
    stage
        .eventually("both presses are answered", async || {
            let answered: Vec<String> = telegram.answers().into_iter().map(|answer| answer.query).collect();
            equal(&(answered.contains(&first) && answered.contains(&second)), &true)
        })
        .await;
    // The look after the rollout is every few seconds.
    says(&stage, &telegram, message.id, &["olled out"]).await;
    assert!(telegram.message(message.id).buttons.is_empty());
    more_checks(&mut stage, 3).await;
    assert_eq!(stage.count_rollouts("web").await, 2, "once");
    assert_eq!(stage.operator.metric("k8supdater_updates_total{outcome=\"applied\"}").await, 1);
    let update = container(&stage, "web", "app").await.unwrap().update.unwrap();
    assert!(update.approved_by.unwrap().contains("ada"));
    assert_eq!(stage.count_events("web", "Approved").await, 1);
    let shown = stage.operator.log() + &stage.account().await;
    assert!(!shown.contains("bot-canary"), "no token in the log, in a status or in an Event");
}

#[tokio::test]
async fn a_stranger_who_presses_is_refused_and_logged() {
    let (mut stage, registry, telegram) = offered("stranger").await;
    let message = message(&stage, &telegram).await;
    let query = telegram.press(message.id, "Update", &stranger());
    stage
        .eventually("the stranger is told so", async || {
            let answer = telegram.answers().into_iter().find(|answer| answer.query == query);
            answer.filter(|answer| answer.show_alert).map(drop).ok_or_else(|| format!("{:?}", telegram.answers()))
        })
        .await;
    more_checks(&mut stage, 3).await;
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.0"));
    assert_eq!(telegram.message(message.id).edits, 0);
    let log = stage.operator.log();
    let line =
        log.lines().find(|line| line.contains("may not answer")).unwrap_or_else(|| panic!("it is not logged: {log}"));
    assert!(line.contains("user=8") && line.contains(&format!("chat={CHAT}")), "{line}");
    assert_eq!(stage.operator.metric("k8supdater_bot_presses_total{outcome=\"refused\"}").await, 1);
    // The others still can.
    telegram.press(message.id, "Skip this version", &ada());
    says(&stage, &telegram, message.id, &["@ada"]).await;
    stage
        .eventually("the version is skipped", async || {
            let skipped = container(&stage, "web", "app").await.unwrap().skipped;
            equal(
                &skipped.iter().map(|skipped| skipped.tag.as_str()).collect::<Vec<_>>().as_slice(),
                &["2.0.0"].as_slice(),
            )
        })
        .await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
}

#[tokio::test]
async fn an_answer_to_something_that_is_not_offered_any_more_changes_nothing() {
    let (stage, registry, telegram) = offered("late").await;
    let old = message(&stage, &telegram).await;
    registry.push("web", &["2.1.0"]);
    stage
        .eventually("the newer version is offered", async || {
            equal(&telegram.messages().iter().filter(|message| message.text.contains("2.1.0 is available")).count(), &1)
        })
        .await;
    telegram.press(old.id, "Update", &ada());
    stage.eventually("the buttons are gone", async || equal(&telegram.message(old.id).buttons.is_empty(), &true)).await;
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.0"));
    let new = telegram.messages().into_iter().find(|message| message.text.contains("2.1.0 is available")).unwrap();
    telegram.press(new.id, "Snooze", &ada());
    stage
        .eventually("it is snoozed", async || {
            let snoozed = container(&stage, "web", "app").await.unwrap().snoozed;
            equal(&snoozed.map(|snoozed| snoozed.tag).as_deref(), &Some("2.1.0"))
        })
        .await;
    says(&stage, &telegram, new.id, &["@ada"]).await;
}

#[tokio::test]
async fn a_press_while_the_operator_is_away_waits_for_it() {
    let (mut stage, registry, telegram) = offered("away").await;
    let message = message(&stage, &telegram).await;
    stage.operator.kill();
    telegram.press(message.id, "Update", &ada());
    stage.operator.start().await;
    image(&stage, "web", "app", &registry.image("web", "2.0.0")).await;
    says(&stage, &telegram, message.id, &["@ada"]).await;
    assert_eq!(stage.count_events("web", "Approved").await, 1);
}

#[tokio::test]
async fn without_approvers_the_message_shows_the_command_and_nobody_listens_without_a_bot() {
    let (stage, registry, telegram) = told("unapproved", &json!({"notices": {"kinds": ["update-available"]}})).await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    stage.eventually("a message has come", async || equal(&telegram.messages().len(), &1)).await;
    let message = telegram.messages().remove(0);
    assert!(message.buttons.is_empty());
    assert!(message.text.contains("k8supdater approve"), "{}", message.text);

    let without = prepared("botless", &[]).await;
    let mut without = without;
    without.operator.start().await;
    more_checks_or_time(&mut without).await;
    let leases: Api<Lease> = without.own_api();
    assert!(leases.list(&kube::api::ListParams::default()).await.unwrap().items.is_empty(), "nobody needs a lease");
}

/// Nothing is checked there; a moment is given for what must not happen.
async fn more_checks_or_time(stage: &mut Stage) {
    let _ = stage.operator.get("/metrics").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
}

#[tokio::test]
async fn required_approval_is_given_in_a_chat() {
    let plugin = json!({"notices": {"kinds": ["update-available", "rollout-finished"]}});
    let (stage, registry, telegram) = told_with_approvers("required", &plugin).await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"approval": "Required"})).await;
    let message = message(&stage, &telegram).await;
    assert!(message.text.contains("1.0.1"), "{}", message.text);
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.0"));
    telegram.press(message.id, "Update", &ada());
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    stage
        .eventually("the end of the rollout is told", async || {
            let finished = |message: &TelegramMessage| message.text.contains("1.0.1 is rolled out");
            equal(&telegram.messages().iter().filter(|message| finished(message)).count(), &1)
        })
        .await;
}

#[tokio::test]
async fn two_operators_share_one_bot() {
    let (mut stage, registry, telegram) = offered("shared").await;
    let message = message(&stage, &telegram).await;
    // Another operator, of another namespace of the cluster, must not use the token at the same time; a second replica of the same
    // operator does not, because the first holds the lease.
    let leases: Api<Lease> = stage.own_api();
    let lease = stage
        .eventually("the operator holds the lease", async || {
            let lease = leases.get_opt("k8supdater-bot").await.unwrap();
            lease.and_then(|lease| lease.spec?.holder_identity).ok_or_else(|| "nobody does".to_owned())
        })
        .await;
    assert_eq!(lease, "k8supdater");
    let exit = stage.operator.terminate(Duration::from_secs(20)).await;
    assert!(
        exit.status.success() && exit.took < Duration::from_secs(15),
        "a poll under way keeps nobody waiting: {exit:?}"
    );
    let left = leases.get("k8supdater-bot").await.unwrap().spec.unwrap();
    assert!(left.holder_identity.unwrap_or_default().is_empty(), "it is let go for the next one");
    stage.operator.set_flag("--instance", "another");
    stage.operator.start().await;
    telegram.press(message.id, "Update", &ada());
    image(&stage, "web", "app", &registry.image("web", "2.0.0")).await;
    let handlers: Api<DynamicObject> = stage.handlers();
    assert!(
        handlers.get("web").await.unwrap().metadata.annotations.unwrap_or_default().is_empty(),
        "answers are taken up"
    );
}
