use std::time::Duration;

use k8supdater_testkit::{FakeRegistry, MailMessage, MailMode, MailPart, MailServer, Stage};
use serde_json::json;

use crate::channels::settled;
use crate::scene::{condition, equal, image, more_checks, prepared};

const PASSWORD: &str = "mail-canary-7Hq";
const SENDER: &str = "k8supdater@example.com";

/// A stage with a registry and a mail server that wants a login, and an operator that is configured by variables alone.
async fn mailing(name: &str, mode: MailMode) -> (Stage, FakeRegistry, MailServer) {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    let mut stage = prepared(name, &[registry.origin()]).await;
    stage.plug("email", "notify-email", &json!({"notices": {"kinds": ["update-available", "rollout-finished"]}})).await;
    let mut server = MailServer::new(mode);
    server.set_login(SENDER, PASSWORD);
    server.start().await;
    configure(&mut stage, &server, mode);
    (stage, registry, server)
}

fn configure(stage: &mut Stage, server: &MailServer, mode: MailMode) {
    let tls = match mode {
        MailMode::Plain => "none",
        MailMode::StartTls => "starttls",
        MailMode::ImplicitTls => "implicit",
    };
    let port = server.port().to_string();
    let variables = [
        ("EMAIL_HOST", "127.0.0.1"),
        ("EMAIL_PORT", &port),
        ("EMAIL_SENDER", SENDER),
        ("EMAIL_RECIPIENT", "ops@example.com, web@example.com"),
        ("EMAIL_PASSWORD", PASSWORD),
        ("EMAIL_TLS", tls),
    ];
    for (name, value) in variables {
        stage.operator.env(name, value);
    }
    stage.operator.env("K8SUPDATER_CA_FILE", server.authority());
}

async fn offer(stage: &Stage, registry: &FakeRegistry, name: &str) {
    stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle(name, &json!({})).await;
}

/// A notice arrives, once, in that mode.
async fn arrives(name: &str, mode: MailMode) {
    let (mut stage, registry, server) = mailing(name, mode).await;
    stage.operator.start().await;
    offer(&stage, &registry, "web").await;
    let mails = server.wait_for_messages(1).await;
    let mail = &mails[0];
    let title = format!("[k8supdater] {}/web: ", stage.namespace);
    assert!(
        mail.subject.starts_with(&title) && mail.subject.ends_with("1.0.0 → 2.0.0 is available"),
        "{}",
        mail.subject
    );
    assert!(mail.from.contains(SENDER), "{}", mail.from);
    assert_eq!(mail.to, ["ops@example.com", "web@example.com"]);
    let command = format!("k8supdater approve {}/web app=2.0.0", stage.namespace);
    for part in [&mail.text, &mail.html] {
        assert!(part.contains(&command) && part.contains("frontier 2"), "{part}");
    }
    assert!(mail.html.contains("<table") || mail.html.contains("<div"), "{}", mail.html);
    assert!(mail.header("message-id").is_some_and(|id| id.contains("example.com")), "{mail:?}");
    settled(&stage, "web").await;
    condition(&stage, "web", "Notified", "True", "Delivered").await;
    more_checks(&mut stage, 3).await;
    assert_eq!(server.messages().await.len(), 1);
    let shown = stage.operator.log() + &stage.account().await;
    assert!(!shown.contains("mail-canary"), "no password in the log, in a status or in an Event");
}

#[tokio::test]
async fn a_mail_arrives_in_the_open_where_that_is_wanted() {
    arrives("mail-open", MailMode::Plain).await;
}

#[tokio::test]
async fn a_mail_arrives_by_starttls() {
    arrives("mail-starttls", MailMode::StartTls).await;
}

#[tokio::test]
async fn a_mail_arrives_by_tls() {
    arrives("mail-tls", MailMode::ImplicitTls).await;
}

#[tokio::test]
async fn a_mail_server_that_was_down_gets_each_notice_once() {
    let (mut stage, registry, mut server) = mailing("mail-down", MailMode::StartTls).await;
    server.stop();
    stage.operator.start().await;
    offer(&stage, &registry, "web").await;
    let message = condition(&stage, "web", "Notified", "False", "NotDelivered").await;
    assert!(message.contains("email: ") && message.contains("127.0.0.1"), "{message}");
    // Updates go on meanwhile.
    registry.push("web", &["1.0.1"]);
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "RolloutHealthy", "True", "RolloutFinished").await;
    server.start().await;
    stage
        .within(Duration::from_secs(100), "both notices have come", async || {
            let mut subjects: Vec<String> = server.messages().await.into_iter().map(|mail| mail.subject).collect();
            subjects.sort();
            let ends = |end: &str| subjects.iter().filter(|subject| subject.ends_with(end)).count();
            equal(&(ends("2.0.0 is available"), ends("1.0.1 is rolled out"), subjects.len()), &(1, 1, 2))
        })
        .await;
    condition(&stage, "web", "Notified", "True", "Delivered").await;
}

#[tokio::test]
async fn killed_after_a_mail_was_accepted_it_sends_the_same_one_again_at_most() {
    let (mut stage, registry, server) = mailing("mail-killed", MailMode::Plain).await;
    let names: Vec<String> = (0..5).map(|number| format!("web-{number}")).collect();
    for name in &names {
        offer(&stage, &registry, name).await;
    }
    let mut kills = 0;
    for wait in [0, 20, 60, 120] {
        let before = server.messages().await.len();
        stage.operator.start().await;
        for _ in 0..100 {
            if server.messages().await.len() > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(wait)).await;
        stage.operator.kill();
        kills += 1;
    }
    stage.operator.start().await;
    for name in &names {
        settled(&stage, name).await;
    }
    let mails = server.messages().await;
    for name in &names {
        let of_handler: Vec<&MailMessage> =
            mails.iter().filter(|mail| mail.subject.contains(&format!("/{name}: "))).collect();
        assert!((1..=1 + kills).contains(&of_handler.len()), "{name}: {}", of_handler.len());
        let first = of_handler[0].header("message-id");
        assert!(
            of_handler.iter().all(|mail| mail.header("message-id") == first),
            "it is the same mail: {of_handler:?}"
        );
    }
    // A plugin sends four messages at a time, so that many are on their way at most.
    assert!(
        mails.len() <= names.len() + 4 * kills,
        "each end repeats what was on its way, and nothing else: {}",
        mails.len()
    );
}

#[tokio::test]
async fn no_failure_of_a_mail_server_tells_the_password() {
    let (mut stage, registry, server) = mailing("mail-secret", MailMode::StartTls).await;
    stage.operator.start().await;
    for (index, (part, code)) in
        [(MailPart::Sender, 451), (MailPart::Recipient, 550), (MailPart::Authentication, 535)].into_iter().enumerate()
    {
        server.fail(part, code).await;
        let name = format!("web-{index}");
        offer(&stage, &registry, &name).await;
        let message = condition(&stage, &name, "Notified", "False", "NotDelivered").await;
        assert!(message.contains("ChannelUnavailable") && message.contains(&code.to_string()), "{message}");
        server.recover().await;
    }
    stage.operator.kill();
    // Another password than the server's, an authority that nobody trusts, and a server that offers no TLS.
    let plain = {
        let mut plain = MailServer::new(MailMode::Plain);
        plain.start().await;
        plain
    };
    let endings: [(&str, &str, String); 3] = [
        ("EMAIL_PASSWORD", "refuses the login", "mail-canary-wrong".to_owned()),
        ("K8SUPDATER_CA_FILE", "authority", String::new()),
        ("EMAIL_PORT", "STARTTLS", plain.port().to_string()),
    ];
    for (index, (variable, word, value)) in endings.into_iter().enumerate() {
        stage.operator.env(variable, value);
        stage.operator.start().await;
        let name = format!("web-other-{index}");
        offer(&stage, &registry, &name).await;
        let message = condition(&stage, &name, "Notified", "False", "NotDelivered").await;
        assert!(message.contains(word), "{word:?} in {message}");
        stage.operator.kill();
        configure(&mut stage, &server, MailMode::StartTls);
    }
    let shown = stage.operator.log() + &stage.account().await;
    assert!(!shown.contains("mail-canary"), "no password in the log, in a status or in an Event");
    assert!(server.messages().await.is_empty() && plain.messages().await.is_empty());
}
