use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8supdater_testkit::{FakeRegistry, FakeTelegram, Stage, TelegramFault, TelegramPart, objects};
use kube::Api;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::scene::{condition, equal, image, more_checks, plugin_condition, prepared, status};

/// A chat of nobody else.
pub(crate) const CHAT: i64 = -1_001_234_567_890;
const TOKEN: &str = "123456:bot-canary";

/// Telegram with one group.
pub(crate) async fn telegram() -> FakeTelegram {
    let telegram = FakeTelegram::start(TOKEN).await;
    telegram.add_group(CHAT, "updates");
    telegram
}

/// Creates the Plugin `name` of the component notify-telegram, which writes to the group; `spec` says what is different.
pub(crate) async fn plug_telegram(stage: &Stage, name: &str, telegram: &FakeTelegram, spec: &Value) {
    let secret = objects::secret(&format!("{name}-bot"), &[("token", TOKEN)]);
    stage.own_api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    let grants = json!({
        "origins": [telegram.origin()],
        "secrets": [{"slot": "bot", "origin": telegram.origin(), "secretName": format!("{name}-bot")}],
    });
    let mut object = json!({"settings": {"apiUrl": telegram.origin(), "chatId": CHAT}, "grants": grants});
    for (key, value) in spec.as_object().unwrap() {
        object[key] = value.clone();
    }
    stage.plug(name, "notify-telegram", &object).await;
}

/// A stage with a registry and a running operator that tells a group.
pub(crate) async fn told(name: &str, plugin: &Value) -> (Stage, FakeRegistry, FakeTelegram) {
    let registry = FakeRegistry::start().await;
    let mut stage = prepared(name, &[registry.origin()]).await;
    let telegram = telegram().await;
    plug_telegram(&stage, "telegram", &telegram, plugin).await;
    stage.operator.set_flag("--failing-after", "0s");
    stage.operator.start().await;
    (stage, registry, telegram)
}

/// First lines of all messages that are about the handler, without the sign of the level and the handler.
pub(crate) fn titles(telegram: &FakeTelegram, namespace: &str, handler: &str) -> Vec<String> {
    let prefix = format!("{namespace}/{handler}: ");
    let title = |text: String| {
        let first = text.lines().next().unwrap_or_default().to_owned();
        first.split_once(&prefix).map(|(_, title)| title.to_owned())
    };
    telegram.messages().into_iter().filter_map(|message| title(message.text)).collect()
}

/// Waits until the titles of the handler's messages, without those about the handler itself, are these.
pub(crate) async fn heard(stage: &Stage, telegram: &FakeTelegram, handler: &str, expected: &[&str]) {
    heard_within(Duration::from_secs(30), stage, telegram, handler, expected).await;
}

async fn heard_within(patience: Duration, stage: &Stage, telegram: &FakeTelegram, handler: &str, expected: &[&str]) {
    stage
        .within(patience, &format!("people have heard {expected:?} of {handler}"), async || {
            let mut titles = titles(telegram, &stage.namespace, handler);
            titles.retain(|title| !title.starts_with("handler "));
            equal(&titles.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), &expected)
        })
        .await;
}

/// Waits until everything that is to be told has been.
pub(crate) async fn settled(stage: &Stage, handler: &str) {
    stage
        .eventually(&format!("nothing waits to be told of {handler}"), async || {
            let channels = status(stage, handler).await.notices.map(|notices| notices.channels).unwrap_or_default();
            let waiting: Vec<_> = channels.into_iter().filter(|(_, channel)| !channel.pending.is_empty()).collect();
            equal(&waiting, &Vec::new())
        })
        .await;
}

/// The repository as titles spell it.
pub(crate) fn available(registry: &FakeRegistry, from: &str, to: &str) -> String {
    let image = registry.image("web", from);
    format!("{} {from} → {to} is available", image.rsplit_once(':').unwrap().0)
}

#[tokio::test]
async fn what_is_available_arrives_once_and_says_what_to_do() {
    let (mut stage, registry, telegram) = told("told", &json!({})).await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    let expected = available(&registry, "1.0.0", "2.0.0");
    heard(&stage, &telegram, "web", &[&expected]).await;
    settled(&stage, "web").await;
    let all = titles(&telegram, &stage.namespace, "web");
    assert_eq!(all, ["handler created", &*expected]);
    let message = telegram.messages().pop().unwrap();
    assert_eq!(message.chat, CHAT);
    let command = format!("k8supdater approve {}/web app=2.0.0", stage.namespace);
    for part in ["container app of Deployment/web", "frontier 2", &command] {
        assert!(message.text.contains(part), "{part:?} in {}", message.text);
    }
    assert!(condition(&stage, "web", "Notified", "True", "Delivered").await.contains("telegram"));

    // The same state, looked at again and again, by this operator and by the next one.
    more_checks(&mut stage, 3).await;
    let exit = stage.operator.terminate(Duration::from_secs(20)).await;
    assert!(exit.status.success());
    stage.operator.start().await;
    more_checks(&mut stage, 3).await;
    assert_eq!(titles(&telegram, &stage.namespace, "web"), all);
    assert_eq!(
        stage.operator.metric("k8supdater_deliveries_total{outcome=\"delivered\"}").await,
        0,
        "by the second one"
    );

    let shown = stage.operator.log() + &stage.account().await;
    assert!(!shown.contains("bot-canary"), "no token in the log, in a status or in an Event");
}

#[tokio::test]
async fn another_version_and_then_the_first_one_again_are_told_again() {
    let (stage, registry, telegram) = told("aba", &json!({})).await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    let (first, second) = (available(&registry, "1.0.0", "2.0.0"), available(&registry, "1.0.0", "2.1.0"));
    heard(&stage, &telegram, "web", &[&first]).await;
    registry.push("web", &["2.1.0"]);
    heard(&stage, &telegram, "web", &[&first, &second]).await;
    registry.remove("web", "2.1.0");
    heard(&stage, &telegram, "web", &[&first, &second, &first]).await;
}

#[tokio::test]
async fn an_update_is_told_to_its_end_and_a_check_that_fails_until_it_works_again() {
    let (stage, registry, telegram) = told("course", &json!({})).await;
    registry.push("web", &["1.0.0"]);
    let repository = registry.image("web", "1.0.0").replace(":1.0.0", "");
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    registry.fail(&k8supdater_testkit::Fault::Unauthorized);
    heard(&stage, &telegram, "web", &["check fails (CredentialsMissing)"]).await;
    registry.recover();
    heard(&stage, &telegram, "web", &["check fails (CredentialsMissing)", "check works again"]).await;
    registry.push("web", &["1.0.1"]);
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    stage
        .eventually("people hear of the end of the update", async || {
            let titles = titles(&telegram, &stage.namespace, "web");
            let end = format!("{repository} 1.0.0 → 1.0.1 is rolled out");
            equal(&titles.iter().filter(|title| **title == end).count(), &1)
        })
        .await;
    let handlers: Api<DynamicObject> = stage.handlers();
    let patch = json!({"spec": {"frontier": 1}});
    handlers.patch("web", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    let expects = async |what: &str| {
        stage
            .eventually(&format!("people hear of {what}"), async || {
                let titles = titles(&telegram, &stage.namespace, "web");
                equal(&titles.iter().filter(|title| *title == what).count(), &1)
            })
            .await;
    };
    expects("handler changed").await;
    let suspend = |suspend: bool| json!({"spec": {"suspend": suspend}});
    handlers.patch("web", &PatchParams::default(), &Patch::Merge(&suspend(true))).await.unwrap();
    condition(&stage, "web", "Ready", "Unknown", "Suspended").await;
    settled(&stage, "web").await;
    handlers.patch("web", &PatchParams::default(), &Patch::Merge(&suspend(false))).await.unwrap();
    expects("handler resumed").await;
    handlers.delete("web", &DeleteParams::default()).await.unwrap();
    expects("handler deleted").await;
    let told = ["HandlerCreated", "HandlerChanged", "HandlerChanged", "HandlerResumed", "HandlerDeleted"];
    stage
        .eventually("Events tell the same", async || {
            let reasons = stage.lifecycle("web").await;
            equal(&reasons.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), &told.as_slice())
        })
        .await;
}

#[tokio::test]
async fn a_dead_channel_keeps_nothing_waiting_and_catches_up_once() {
    let (mut stage, registry, dead) = told("dead", &json!({})).await;
    let alive = telegram().await;
    plug_telegram(&stage, "alive", &alive, &json!({})).await;
    registry.push("web", &["1.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    settled(&stage, "web").await;
    dead.fail(&TelegramFault::InternalError);
    registry.push("web", &["1.0.1", "2.0.0"]);
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "RolloutHealthy", "True", "RolloutFinished").await;
    let message = condition(&stage, "web", "Notified", "False", "NotDelivered").await;
    assert!(message.contains("telegram: ") && message.contains("ChannelUnavailable"), "{message}");
    assert!(!message.contains("alive: "), "{message}");
    let is_told = async |telegram: &FakeTelegram, patience: u64| {
        stage
            .within(Duration::from_secs(patience), "people have heard of both versions", async || {
                let titles = titles(telegram, &stage.namespace, "web");
                let count = |end: &str| titles.iter().filter(|title| title.ends_with(end)).count();
                equal(&(count("→ 1.0.1 is rolled out"), count("→ 2.0.0 is available")), &(1, 1))
            })
            .await;
    };
    is_told(&alive, 30).await;
    assert!(stage.operator.metric("k8supdater_delivery_failures_total{reason=\"ChannelUnavailable\"}").await > 0);
    // A newer version takes the place of the one that waits.
    registry.push("web", &["2.1.0"]);
    stage
        .eventually("the newer one is told", async || {
            let titles = titles(&alive, &stage.namespace, "web");
            equal(&titles.iter().filter(|title| title.ends_with("→ 2.1.0 is available")).count(), &1)
        })
        .await;
    dead.recover();
    stage
        .within(Duration::from_secs(90), "the channel has caught up", async || {
            let titles = titles(&dead, &stage.namespace, "web");
            let count = |end: &str| titles.iter().filter(|title| title.ends_with(end)).count();
            let counts = (count("→ 1.0.1 is rolled out"), count("→ 2.1.0 is available"), count("→ 2.0.0 is available"));
            equal(&counts, &(1, 1, 0))
        })
        .await;
    condition(&stage, "web", "Notified", "True", "Delivered").await;
}

#[tokio::test]
async fn a_channel_that_asks_to_wait_is_left_alone_for_so_long() {
    let (stage, registry, telegram) = told("limited", &json!({})).await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    telegram.fail_at(TelegramPart::SendMessage, TelegramFault::RateLimited { seconds: 4 });
    stage.handle("web", &json!({})).await;
    let message = condition(&stage, "web", "Notified", "False", "NotDelivered").await;
    assert!(message.contains("asks to wait 4 s"), "{message}");
    telegram.recover();
    let asked = telegram.count(TelegramPart::SendMessage);
    let paused = status(&stage, "web").await.notices.unwrap().channels["telegram"].paused_until.clone().unwrap();
    heard(&stage, &telegram, "web", &[&available(&registry, "1.0.0", "2.0.0")]).await;
    assert!(jiff::Timestamp::now() >= paused.0, "nothing is sent before the time has come");
    assert!(telegram.count(TelegramPart::SendMessage) > asked);
}

#[tokio::test]
async fn killed_while_it_sends_it_repeats_once_at_most_and_loses_nothing() {
    let (mut stage, registry, telegram) = told("killed-telling", &json!({})).await;
    stage.operator.kill();
    registry.push("web", &["1.0.0", "2.0.0"]);
    let moments = [0, 30, 80, 150, 300, 600];
    let name = |moment: &u64| format!("web-{moment}");
    for moment in &moments {
        stage.deploy(&name(moment), &[("app", &registry.image("web", "1.0.0"))]).await;
    }
    let namespace = stage.namespace.clone();
    let count = |moment: &u64| {
        let titles = titles(&telegram, &namespace, &name(moment));
        titles.iter().filter(|title| title.ends_with("2.0.0 is available")).count()
    };
    for moment in &moments {
        stage.handle(&name(moment), &json!({})).await;
    }
    // One after the other is killed as soon as its message has arrived, or a moment later: before, while or after that is written down.
    for moment in &moments {
        stage.operator.start().await;
        let before: usize = moments.iter().map(count).sum();
        for _ in 0..200 {
            if moments.iter().map(count).sum::<usize>() > before {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_millis(*moment)).await;
        stage.operator.kill();
    }
    let kills = moments.len();
    stage.operator.start().await;
    for moment in &moments {
        settled(&stage, &name(moment)).await;
    }
    more_checks(&mut stage, 12).await;
    let counts: Vec<usize> = moments.iter().map(count).collect();
    assert!(counts.iter().all(|count| *count >= 1), "none is lost: {counts:?}");
    // Messages of several handlers may be on their way when a process ends, each of them once; how many is a matter of the machine.
    let is_repeated_once_at_most = counts.iter().all(|count| *count <= 1 + kills);
    assert!(
        is_repeated_once_at_most,
        "each end repeats what was on its way at that moment, and nothing else: {counts:?}"
    );
    sleep(Duration::from_secs(2)).await;
    assert_eq!(moments.iter().map(count).collect::<Vec<_>>(), counts, "nothing is repeated without being killed");
}

#[tokio::test]
async fn handlers_of_one_name_in_two_namespaces_do_not_mix() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    let mut stage = prepared("twins", &[registry.origin()]).await;
    let other = stage.also_watch("twins-other").await;
    let telegram = telegram().await;
    plug_telegram(&stage, "telegram", &telegram, &json!({})).await;
    stage.operator.start().await;
    let deployment = objects::deployment("web", &[("app", &registry.image("web", "1.0.0"))]);
    let there: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(stage.cluster.client.clone(), &other);
    let handlers: Api<DynamicObject> = Api::namespaced_with(stage.cluster.client.clone(), &other, &objects::handlers());
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    there.create(&PostParams::default(), &deployment).await.unwrap();
    stage.handle("web", &json!({})).await;
    heard(&stage, &telegram, "web", &[&available(&registry, "1.0.0", "2.0.0")]).await;
    handlers.create(&PostParams::default(), &objects::handler("web", &json!({}))).await.unwrap();
    stage
        .eventually("the other one is told, too", async || {
            let titles = titles(&telegram, &other, "web");
            equal(
                &titles.as_slice(),
                &["handler created".to_owned(), available(&registry, "1.0.0", "2.0.0")].as_slice(),
            )
        })
        .await;
    assert_eq!(titles(&telegram, &stage.namespace, "web").len(), 2, "and the first one not again");
    handlers.delete("web", &DeleteParams::default()).await.unwrap();
    stage
        .eventually("the end of the other one is told", async || equal(&titles(&telegram, &other, "web").len(), &3))
        .await;
    assert_eq!(titles(&telegram, &stage.namespace, "web").len(), 2);
}

#[tokio::test]
async fn a_handler_chooses_its_channels_their_secrets_and_what_they_hear() {
    let (stage, registry, telegram) = told("chosen", &json!({"notices": {"kinds": ["updated"]}})).await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    let own = FakeTelegram::start("7:own-canary").await;
    own.add_group(-5, "team");
    // A plugin that lacks its settings is no channel, until a handler completes it.
    stage
        .plug(
            "team",
            "notify-telegram",
            &json!({"settings": {"apiUrl": own.origin()}, "grants": {"origins": [own.origin()]}}),
        )
        .await;
    let secret = objects::secret("team-bot", &[("token", "7:own-canary")]);
    stage.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    let channel = |more: Value| {
        let mut channel = json!({"plugin": "team", "settings": {"chatId": -5}, "secretRef": {"name": "team-bot"}});
        channel.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        channel
    };
    let handlers = [
        ("silent", json!({"notifiers": []})),
        ("plain", json!({})),
        ("own", json!({"notifiers": [channel(json!({"kinds": ["update-available"]}))]})),
        ("calm", json!({"notifiers": [channel(json!({"levels": ["error", "critical"]}))]})),
        ("lost", json!({"notifiers": [{"plugin": "team", "settings": {"chatId": -5}, "secretRef": {"name": "none"}}]})),
        ("nowhere", json!({"notifiers": [{"plugin": "pigeon"}]})),
        ("broken", json!({"notifiers": [{"plugin": "team", "settings": {"chatId": true}}]})),
    ];
    for (name, spec) in &handlers {
        stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
        stage.handle(name, spec).await;
    }
    for (name, _) in &handlers {
        condition(&stage, name, "UpToDate", "False", "UpdateAvailable").await;
    }
    heard(&stage, &own, "own", &[&available(&registry, "1.0.0", "2.0.0")]).await;
    for (name, _) in &handlers[1..4] {
        condition(&stage, name, "Notified", "True", "Delivered").await;
        settled(&stage, name).await;
    }
    assert_eq!(titles(&own, &stage.namespace, "own").len(), 1, "of this kind only");
    assert!(titles(&own, &stage.namespace, "calm").is_empty(), "nothing was that bad");
    assert!(telegram.messages().is_empty(), "nothing was updated");
    assert_eq!(status(&stage, "silent").await.notices, None);
    for (name, words) in [
        ("lost", "Secret"),
        ("nowhere", "there is no Plugin \"pigeon\""),
        ("broken", "the settings for plugin team are refused"),
    ] {
        let message = condition(&stage, name, "Notified", "False", "NotDelivered").await;
        assert!(message.contains(words), "{message}");
    }
    let shown = stage.operator.log() + &stage.account().await;
    assert!(!shown.contains("canary"), "no token in the log, in a status or in an Event");
}

#[tokio::test]
async fn people_are_reminded_until_somebody_does_something() {
    let (stage, registry, telegram) = told("reminded", &json!({"notices": {"remindAfter": "2s"}})).await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    let reminders = || {
        let messages = telegram.messages().into_iter();
        messages.filter(|message| message.text.contains("Reminder: ") && message.text.contains("2.0.0")).count()
    };
    stage.eventually("people are reminded again and again", async || equal(&(reminders() >= 2), &true)).await;
    stage.set_image("web", "app", &registry.image("web", "2.0.0")).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    settled(&stage, "web").await;
    let before = reminders();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(reminders(), before);
}

#[tokio::test]
async fn a_digest_sums_up_what_all_handlers_have_to_say() {
    let (stage, registry, telegram) = told("digest", &json!({"notices": {"digest": "15s"}})).await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    for name in ["one", "two"] {
        stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
    }
    // At the beginning of an interval, so that both fall into it.
    let second = jiff::Timestamp::now().as_second();
    sleep(Duration::from_secs(u64::try_from(15 - second.rem_euclid(15)).unwrap())).await;
    for name in ["one", "two"] {
        stage.handle(name, &json!({})).await;
        image(&stage, name, "app", &registry.image("web", "1.0.1")).await;
    }
    stage.eventually("a message has come", async || equal(&telegram.messages().len(), &1)).await;
    let message = telegram.messages().remove(0);
    for part in ["notices about 2 handlers", "one: handler created", "two: handler created"] {
        assert!(message.text.contains(part), "{part:?} in {}", message.text);
    }
    assert_eq!(message.text.matches("→ 1.0.1 is rolled out").count(), 2, "{}", message.text);
    assert!(message.text.matches("→ 2.0.0 is available").count() >= 2, "{}", message.text);
    assert!(message.buttons.is_empty());
    for name in ["one", "two"] {
        settled(&stage, name).await;
    }
    sleep(Duration::from_secs(4)).await;
    assert_eq!(telegram.messages().len(), 1, "one for both");
}

#[tokio::test]
async fn variables_alone_make_a_channel() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    let mut stage = prepared("variables", &[registry.origin()]).await;
    let telegram = telegram().await;
    stage.plug("telegram", "notify-telegram", &json!({"grants": {"origins": ["https://api.telegram.org"]}})).await;
    stage.operator.start().await;
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    more_checks(&mut stage, 2).await;
    assert_eq!(status(&stage, "web").await.notices, None, "without a chat it is no channel");
    let message = plugin_condition(&stage, "telegram", "Ready", "True", "Serving").await;
    assert!(message.contains("no channel for others") && message.contains("chatId"), "{message}");
    stage.operator.kill();
    for (name, value) in
        [("TELEGRAM_TOKEN", TOKEN), ("TELEGRAM_CHAT_ID", &CHAT.to_string()), ("TELEGRAM_API_URL", &telegram.origin())]
    {
        stage.operator.env(name, value);
    }
    stage.operator.start().await;
    heard(&stage, &telegram, "web", &[&available(&registry, "1.0.0", "2.0.0")]).await;
    let shown = stage.operator.log() + &stage.account().await;
    assert!(!shown.contains("bot-canary"), "no token in the log, in a status or in an Event");
}
