//! The mailer against a real mail server, in all three kinds of protection.
//!
//! `cargo xtask test` builds the server and runs this; `cargo xtask control-plane` prints what to export.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, helpers of tests too")]

use std::time::Duration;

use k8supdater_core::pull_secret::Secret;
use k8supdater_egress::{Failure, Mail, MailAddress, MailLogin, MailOptions, MailTls, Mailer};
use k8supdater_testkit::{MailMode, MailPart, MailServer};

const PASSWORD: &str = "correct horse battery";
const ALL: [MailMode; 3] = [MailMode::Plain, MailMode::StartTls, MailMode::ImplicitTls];

/// A server that runs, and wants a login.
async fn server(mode: MailMode) -> MailServer {
    let mut server = MailServer::new(mode);
    server.set_login("k8s", PASSWORD);
    server.start().await;
    server
}

/// Those that fit the server; it is called by its address.
fn options(server: &MailServer, mode: MailMode) -> MailOptions {
    let tls = match mode {
        MailMode::Plain => MailTls::None,
        MailMode::StartTls => MailTls::StartTls,
        MailMode::ImplicitTls => MailTls::Implicit,
    };
    let sender = MailAddress::parse("k8supdater@example.com").unwrap();
    MailOptions {
        login: login("k8s", PASSWORD),
        extra_authorities: Some(std::fs::read(server.authority()).unwrap()),
        ..MailOptions::new("127.0.0.1".to_owned(), server.port(), tls, sender)
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is what an option is set to")]
fn login(username: &str, password: &str) -> Option<MailLogin> {
    Some(MailLogin { username: username.to_owned(), password: Secret::new(password.to_owned()) })
}

fn mail(key: &str) -> Mail {
    Mail {
        to: vec!["ops@example.com".to_owned(), "dev@example.com".to_owned()],
        subject: "[k8supdater] nginx 1.27.1 für shop/web – 更新".to_owned(),
        text: "Grüße,\n.\nand a line of dots:\n...\nFrom here on it is the end.".to_owned(),
        html: Some("<p>Grüße &amp; <b>dots</b></p>".to_owned()),
        key: key.to_owned(),
    }
}

async fn send(options: MailOptions, mail: &Mail) -> Result<(), Failure> {
    Mailer::new(options).unwrap().send(mail).await
}

#[tokio::test]
async fn a_mail_arrives_whole_over_every_kind_of_connection() {
    for mode in ALL {
        let server = server(mode).await;
        send(options(&server, mode), &mail("k-1")).await.unwrap();
        let messages = server.messages().await;
        let [message] = messages.as_slice() else { unreachable!("{mode:?}: {messages:?}") };
        let sent = mail("k-1");
        assert_eq!((message.from.as_str(), &message.to), ("k8supdater@example.com", &sent.to));
        assert_eq!((message.bcc.as_slice(), message.username.as_str()), ([].as_slice(), "k8s"), "{mode:?}");
        assert_eq!((&message.subject, message.text.trim_end()), (&sent.subject, sent.text.as_str()));
        assert_eq!(message.html.trim_end(), sent.html.unwrap());
        assert_eq!(message.header("Auto-Submitted"), Some("auto-generated"));
        assert!(message.header("Content-Type").unwrap().starts_with("multipart/alternative;"));
        assert!(message.header("Date").is_some());
    }
}

#[tokio::test]
async fn every_attempt_to_send_a_mail_has_the_same_message_id() {
    let server = server(MailMode::StartTls).await;
    for key in ["k-1", "k-1", "k-2"] {
        send(options(&server, MailMode::StartTls), &mail(key)).await.unwrap();
    }
    let messages = server.messages().await;
    let ids: Vec<&str> = messages.iter().map(|message| message.header("message-id").unwrap()).collect();
    assert!(ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    assert!(ids[0].ends_with("@example.com>"), "{ids:?}");
}

#[tokio::test]
async fn a_mail_of_text_alone_has_no_other_part() {
    let server = server(MailMode::ImplicitTls).await;
    send(options(&server, MailMode::ImplicitTls), &Mail { html: None, ..mail("k") }).await.unwrap();
    let messages = server.messages().await;
    assert_eq!((messages[0].html.as_str(), messages[0].text.trim_end()), ("", mail("k").text.as_str()));
    assert_eq!(messages[0].header("Content-Type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_the_servers_words() {
    for mode in ALL {
        let server = server(mode).await;
        for (username, password) in [("k8s", "wrong-canary"), ("nobody", PASSWORD)] {
            let options = MailOptions { login: login(username, password), ..options(&server, mode) };
            let result = send(options, &mail("k")).await;
            let expected = format!("127.0.0.1:{} refuses the login: 535 ", server.port());
            assert!(matches!(&result, Err(Failure::Mail(why)) if why.starts_with(&expected)), "{mode:?}: {result:?}");
            assert!(!format!("{result:?}").contains(password));
        }
        assert_eq!(server.messages().await, []);
    }
}

#[tokio::test]
async fn a_server_that_wants_a_login_takes_nothing_without_one() {
    let server = server(MailMode::StartTls).await;
    let options = MailOptions { login: None, ..options(&server, MailMode::StartTls) };
    let result = send(options, &mail("k")).await;
    assert!(matches!(&result, Err(Failure::Mail(why)) if why.contains("refuses the sender")), "{result:?}");
}

#[tokio::test]
async fn a_server_that_wants_no_login_takes_mails_without_one() {
    for mode in ALL {
        let mut server = MailServer::new(mode);
        server.start().await;
        let options = MailOptions { login: None, ..options(&server, mode) };
        send(options, &mail("k")).await.unwrap();
        assert_eq!(server.messages().await[0].username, "", "{mode:?}");
    }
}

#[tokio::test]
async fn an_authority_that_nobody_knows_is_not_trusted() {
    for mode in [MailMode::StartTls, MailMode::ImplicitTls] {
        let server = server(mode).await;
        let stranger = MailServer::new(mode);
        let others = std::fs::read(stranger.authority()).unwrap();
        for extra_authorities in [None, Some(others)] {
            let options = MailOptions { extra_authorities, ..options(&server, mode) };
            let result = send(options, &mail("k")).await;
            assert!(matches!(&result, Err(Failure::Tls(_))), "{mode:?}: {result:?}");
        }
        let unknown = MailOptions { extra_authorities: None, ..options(&server, mode) };
        let result = send(unknown, &mail("k")).await;
        assert!(matches!(&result, Err(Failure::Tls(why)) if why.contains("unknown authority")), "{result:?}");
        assert_eq!(server.messages().await, []);
    }
}

#[tokio::test]
async fn a_kind_of_protection_that_the_server_does_not_have_is_an_error_that_says_so() {
    let check = async |is: MailMode, told: MailMode, expected: &str| {
        let server = server(is).await;
        let options = MailOptions { total: Duration::from_secs(2), ..options(&server, told) };
        let text = send(options, &mail("k")).await.unwrap_err().to_string();
        assert!(text.contains(expected), "{is:?}, {told:?}: {text}");
        assert_eq!(server.messages().await, []);
    };
    check(MailMode::Plain, MailMode::StartTls, "does not offer STARTTLS").await;
    check(MailMode::Plain, MailMode::ImplicitTls, "does not speak TLS").await;
    check(MailMode::StartTls, MailMode::ImplicitTls, "does not speak TLS").await;
    check(MailMode::StartTls, MailMode::Plain, "530 5.7.0 Must issue a STARTTLS command first").await;
    // Both wait for the other side to begin.
    check(MailMode::ImplicitTls, MailMode::Plain, "no complete answer in the time allowed").await;
}

#[tokio::test]
async fn a_refusal_says_what_was_refused_and_is_over_when_the_server_has_recovered() {
    let server = server(MailMode::StartTls).await;
    let mailer = Mailer::new(options(&server, MailMode::StartTls)).unwrap();
    let check = async |part: MailPart, code: u16, expected: &str| {
        server.fail(part, code).await;
        let result = mailer.send(&mail("k")).await;
        let expected = format!("127.0.0.1:{} refuses {expected}: {code} ", server.port());
        assert!(matches!(&result, Err(Failure::Mail(why)) if why.starts_with(&expected)), "{result:?}");
    };
    check(MailPart::Sender, 451, "the sender k8supdater@example.com for now").await;
    check(MailPart::Sender, 553, "the sender k8supdater@example.com").await;
    check(MailPart::Recipient, 450, "the recipient ops@example.com for now").await;
    check(MailPart::Recipient, 550, "the recipient ops@example.com").await;
    check(MailPart::Authentication, 535, "the login").await;
    check(MailPart::Authentication, 454, "the login for now").await;
    assert_eq!(server.messages().await, []);
    server.recover().await;
    mailer.send(&mail("k")).await.unwrap();
    assert_eq!(server.messages().await.len(), 1);
}

#[tokio::test]
async fn a_server_that_is_down_and_up_again_takes_mails_again_and_has_kept_the_old_ones() {
    let mut server = server(MailMode::StartTls).await;
    let mailer = Mailer::new(options(&server, MailMode::StartTls)).unwrap();
    mailer.send(&mail("k-1")).await.unwrap();
    server.stop();
    let refused = format!("127.0.0.1:{} refused the connection", server.port());
    assert_eq!(mailer.send(&mail("k-2")).await, Err(Failure::Connect(refused)));
    server.start().await;
    mailer.send(&mail("k-2")).await.unwrap();
    assert_eq!(server.messages().await.len(), 2);
}
