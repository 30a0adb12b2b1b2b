use k8s_openapi::api::core::v1::Secret;
use k8supdater_testkit::{
    FakeRegistry, FakeTelegram, FakeWebhook, MailMode, MailPart, MailServer, Seen, Stage, TelegramFault, TelegramPart,
    WebhookFault, objects,
};
use kube::api::PostParams;
use serde_json::json;

use crate::scene::{condition, prepared};

/// A secret that nobody has ever seen, in the alphabet of tokens.
fn canary() -> String {
    format!("{:032x}", rand::random::<u128>())
}

async fn secret(stage: &Stage, name: &str, values: &[(&str, &str)]) {
    let api = stage.own_api::<Secret>();
    api.create(&PostParams::default(), &objects::secret(name, values)).await.unwrap();
}

/// A stage with something to offer in the registry; its operator is not started.
async fn offering(name: &str) -> (Stage, FakeRegistry) {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    let stage = prepared(name, &[registry.origin()]).await;
    (stage, registry)
}

/// Creates a handler that is told on `plugin` alone, and gives what `Notified` says when that has failed.
async fn failing(stage: &Stage, registry: &FakeRegistry, name: &str, plugin: &str) -> String {
    stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle(name, &json!({"notifiers": [{"plugin": plugin, "kinds": ["update-available"]}]})).await;
    condition(stage, name, "Notified", "False", "NotDelivered").await
}

/// Everything that the operator shows: log, metrics, Events, statuses of handlers and plugins.
async fn shown(stage: &mut Stage) -> String {
    let metrics = stage.operator.get("/metrics").await.map(|(_, text)| text).unwrap_or_default();
    stage.operator.log() + &stage.account().await + &metrics
}

#[tokio::test]
async fn a_plugin_never_sees_a_secret_that_it_has_sent_and_nobody_else_does() {
    let (mut stage, registry) = offering("seen").await;
    let hook = FakeWebhook::start().await;
    let (token, password) = (canary(), canary());
    secret(&stage, "token", &[("token", &token)]).await;
    secret(&stage, "login", &[("username", "ada"), ("password", &password)]).await;
    let slots = ["url", "header", "bearer", "basic", "signature"];
    for slot in slots {
        let name = if slot == "basic" { "login" } else { "token" };
        let url = if slot == "url" { "/hooks/{slot:url}?also={slot:url}" } else { "/hooks" };
        let spec = json!({
            "settings": {"url": format!("{}{url}", hook.origin()), "slot": slot},
            "grants": {
                "origins": [hook.origin()],
                "secrets": [{"slot": slot, "origin": hook.origin(), "secretName": name}],
            },
        });
        stage.plug(slot, "hostile-notifier", &spec).await;
    }
    stage.operator.start().await;
    let faults = [None, Some(WebhookFault::Status(404)), Some(WebhookFault::Status(500)), Some(WebhookFault::Reset)];
    for (index, fault) in faults.into_iter().enumerate() {
        match &fault {
            Some(fault) => hook.fail(fault),
            None => hook.recover(),
        }
        for slot in slots {
            let message = failing(&stage, &registry, &format!("{slot}-{index}"), slot).await;
            // Or this test would show nothing.
            assert!(message.contains("SEEN Settings") && message.contains("hooks"), "{message}");
            if slot == "url" {
                assert!(message.contains("{slot:url}"), "it has seen its own placeholder: {message}");
            }
        }
    }
    let sent = |secret: &str| hook.seen().iter().any(|seen: &Seen<_>| seen.holds(secret));
    assert!(sent(&token) && sent(&password), "although they were sent where they belong");
    let shown = shown(&mut stage).await;
    assert!(!shown.contains(&token) && !shown.contains(&password));
}

#[tokio::test]
async fn no_failure_of_telegram_shows_a_token() {
    let (mut stage, registry) = offering("telegram-secret").await;
    let token = format!("123456:{}", canary());
    let telegram = FakeTelegram::start(&token).await;
    telegram.add_group(-5, "updates");
    secret(&stage, "bot", &[("token", &token)]).await;
    let grants = json!({
        "origins": [telegram.origin()],
        "secrets": [{"slot": "bot", "origin": telegram.origin(), "secretName": "bot"}],
    });
    let settings = json!({"apiUrl": telegram.origin(), "chatId": -5, "approvers": [1]});
    stage.plug("telegram", "notify-telegram", &json!({"settings": settings, "grants": grants})).await;
    let settings = json!({"url": format!("{}/bot{{slot:url}}/sendMessage", telegram.origin())});
    let grants = json!({
        "origins": [telegram.origin()],
        "secrets": [{"slot": "url", "origin": telegram.origin(), "secretName": "bot"}],
    });
    stage.plug("seen", "hostile-notifier", &json!({"settings": settings, "grants": grants})).await;
    stage.operator.start().await;
    let faults = [
        TelegramFault::Unauthorized,
        TelegramFault::Blocked,
        TelegramFault::Conflict,
        TelegramFault::RateLimited { seconds: 600 },
        TelegramFault::InternalError,
        TelegramFault::BadGateway,
        TelegramFault::TruncatedJson,
        TelegramFault::Reset,
    ];
    for (index, fault) in faults.iter().enumerate() {
        telegram.recover();
        // Sending and listening, both.
        telegram.fail(fault);
        telegram.fail_at(TelegramPart::GetUpdates, fault.clone());
        for plugin in ["telegram", "seen"] {
            let message = failing(&stage, &registry, &format!("{plugin}-{index}"), plugin).await;
            assert!(plugin == "telegram" || message.contains("SEEN Settings"), "{message}");
        }
    }
    assert!(telegram.seen().iter().any(|seen| seen.holds(&token)), "although it was sent where it belongs");
    let shown = shown(&mut stage).await;
    let secret = token.split_once(':').unwrap().1;
    assert!(!shown.contains(secret));
}

#[tokio::test]
async fn no_failure_of_a_mail_server_shows_a_password() {
    let (mut stage, registry) = offering("mail-secret").await;
    let password = canary();
    let mut server = MailServer::new(MailMode::ImplicitTls);
    server.set_login("k8s@example.com", &password);
    server.start().await;
    let port = server.port().to_string();
    for (name, value) in [
        ("EMAIL_HOST", "localhost"),
        ("EMAIL_PORT", &port),
        ("EMAIL_SENDER", "k8s@example.com"),
        ("EMAIL_RECIPIENT", "ops@example.com"),
        ("EMAIL_PASSWORD", &password),
        ("EMAIL_TLS", "implicit"),
    ] {
        stage.operator.env(name, value);
    }
    stage.operator.env("K8SUPDATER_CA_FILE", server.authority());
    stage.plug("email", "notify-email", &json!({})).await;
    stage.plug("seen", "hostile-notifier", &json!({})).await;
    stage.operator.start().await;
    // What works is seen, too.
    let message = failing(&stage, &registry, "sent", "seen").await;
    assert!(message.contains("SEEN Settings") && message.contains("mailed"), "{message}");
    assert_eq!(server.wait_for_messages(1).await[0].username, "k8s@example.com", "the password was used");
    for (index, (part, code)) in
        [(MailPart::Sender, 550), (MailPart::Recipient, 451), (MailPart::Authentication, 535)].into_iter().enumerate()
    {
        server.fail(part, code).await;
        for plugin in ["email", "seen"] {
            let message = failing(&stage, &registry, &format!("{plugin}-{index}"), plugin).await;
            assert!(message.contains(&code.to_string()), "{message}");
        }
        server.recover().await;
    }
    server.stop();
    for plugin in ["email", "seen"] {
        failing(&stage, &registry, &format!("{plugin}-down"), plugin).await;
    }
    assert!(!shown(&mut stage).await.contains(&password));
}
