//! Mails, and what mail servers may not get away with.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8supdater_core::pull_secret::Secret;
use k8supdater_egress::{BuildError, Failure, Mail, MailAddress, MailLogin, MailOptions, MailTls, Mailer};
use rcgen::CertifiedKey;

use crate::server::{Then, names, raw};
use crate::smtp::{Smtp, Turn, ordinary, say};

const PASSWORD: &str = "correct horse battery";

type Certificate = CertifiedKey<rcgen::KeyPair>;

fn certificate() -> Certificate {
    rcgen::generate_simple_self_signed(vec!["mail.example".to_owned()]).unwrap()
}

fn login(password: &str) -> MailLogin {
    MailLogin { username: "alice".to_owned(), password: Secret::new(password.to_owned()) }
}

/// For `mail.example`, which is where the server is.
fn options(server: &Smtp, certificate: &Certificate, tls: MailTls) -> MailOptions {
    let sender = MailAddress::parse("k8s@example.com").unwrap();
    MailOptions {
        resolver: names(&[
            ("mail.example", &["127.0.0.1"]),
            ("other.example", &["127.0.0.1"]),
            ("two.example", &["127.0.0.2", "127.0.0.1"]),
            ("metadata.example", &["169.254.169.254"]),
        ]),
        extra_authorities: Some(certificate.cert.pem().into_bytes()),
        ..MailOptions::new("mail.example".to_owned(), server.address.port(), tls, sender)
    }
}

fn mail(to: &[&str]) -> Mail {
    Mail {
        to: to.iter().map(|to| (*to).to_owned()).collect(),
        subject: "nginx 1.27.1 is available".to_owned(),
        text: "It is.\n.\nReally.".to_owned(),
        html: None,
        key: "k-1".to_owned(),
    }
}

async fn send(options: MailOptions) -> Result<(), Failure> {
    Mailer::new(options).unwrap().send(&mail(&["ops@example.com"])).await
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written_at_all_recipients_in_one_go() {
    let certificate = certificate();
    let server = Smtp::start(&certificate, ordinary).await;
    let mailer = Mailer::new(options(&server, &certificate, MailTls::None)).unwrap();
    mailer.send(&mail(&["ops@example.com", "dev@example.com"])).await.unwrap();
    let told: Vec<String> = server.told().into_iter().map(|told| told.line).collect();
    assert_eq!(
        told,
        [
            "EHLO [127.0.0.1]",
            "MAIL FROM:<k8s@example.com>",
            "RCPT TO:<ops@example.com>",
            "RCPT TO:<dev@example.com>",
            "DATA",
            ".",
            "QUIT"
        ]
    );
    let mails = server.mails();
    assert!(mails[0].contains("\r\n\r\nIt is.\r\n.\r\nReally."), "{mails:?}");
}

#[tokio::test]
async fn without_a_password_there_is_no_login_although_the_server_offers_one() {
    let certificate = certificate();
    for tls in [MailTls::None, MailTls::StartTls] {
        let server = Smtp::start(&certificate, ordinary).await;
        send(options(&server, &certificate, tls)).await.unwrap();
        assert!(!server.commands().iter().any(|command| command == "AUTH"), "{:?}", server.told());
    }
}

#[tokio::test]
async fn with_starttls_nothing_is_said_before_tls_that_is_worth_hearing() {
    let certificate = certificate();
    let server = Smtp::start(&certificate, ordinary).await;
    let options = options(&server, &certificate, MailTls::StartTls);
    send(MailOptions { login: Some(login(PASSWORD)), ..options }).await.unwrap();
    let told = server.told();
    let commands = |secured: bool| {
        let told = told.iter().filter(|told| told.secured == secured);
        told.map(|told| told.line.split(' ').next().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(commands(false), ["EHLO", "STARTTLS"]);
    assert_eq!(commands(true), ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", ".", "QUIT"]);
    let auth = format!("AUTH PLAIN {}", BASE64_STANDARD.encode(format!("\0alice\0{PASSWORD}")));
    assert!(told.iter().any(|told| told.line == auth), "{told:?}");
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_the_password_nor_the_mail() {
    let certificate = certificate();
    let check = async |script: fn(&str) -> Turn, expected: &str| {
        let server = Smtp::start(&certificate, script).await;
        let options = options(&server, &certificate, MailTls::StartTls);
        let result = send(MailOptions { login: Some(login(PASSWORD)), ..options }).await;
        assert!(matches!(&result, Err(Failure::Tls(why)) if why.contains(expected)), "{result:?}");
        let commands = server.commands();
        assert!(
            commands.iter().all(|command| ["EHLO", "STARTTLS", "QUIT"].contains(&command.as_str())),
            "{commands:?}"
        );
    };
    check(
        |line| if line.starts_with("EHLO") { say("250 AUTH PLAIN") } else { ordinary(line) },
        "does not offer STARTTLS",
    )
    .await;
    check(
        |line| if line == "STARTTLS" { say("454 4.7.0 no key today") } else { ordinary(line) },
        "refuses to begin TLS for now: 454 4.7.0 no key today",
    )
    .await;
}

#[tokio::test]
async fn what_was_put_behind_the_answer_to_starttls_counts_for_nothing() {
    let certificate = certificate();
    let server = Smtp::start(&certificate, |line| match line.split(' ').next() {
        Some("EHLO") => say("250-mail.example\r\n250 STARTTLS"),
        // As if somebody on the way offered a login that the server does not offer.
        Some("STARTTLS") => Turn::BeginTls("220 go ahead\r\n250-mail.example\r\n250 AUTH PLAIN\r\n".to_owned()),
        _ => ordinary(line),
    })
    .await;
    let options = options(&server, &certificate, MailTls::StartTls);
    let result = send(MailOptions { login: Some(login(PASSWORD)), ..options }).await;
    assert!(matches!(&result, Err(Failure::Mail(why)) if why.contains("offers neither AUTH")), "{result:?}");
}

#[tokio::test]
async fn implicit_tls_begins_at_once() {
    let certificate = certificate();
    let server = Smtp::start_tls(&certificate, ordinary).await;
    let options = options(&server, &certificate, MailTls::Implicit);
    send(MailOptions { login: Some(login(PASSWORD)), ..options }).await.unwrap();
    assert!(server.told().iter().all(|told| told.secured));
    assert_eq!(server.commands(), ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", ".", "QUIT"]);
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_said_to_be_so() {
    let good = certificate();
    let mut params = rcgen::CertificateParams::new(vec!["mail.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    // Of the same name, it would be taken for the same authority with a wrong signature.
    params.distinguished_name.push(rcgen::DnType::CommonName, "another authority");
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let old = CertifiedKey { cert: params.self_signed(&signing_key).unwrap(), signing_key };
    let check = async |presented: &Certificate, trusted: &Certificate, host: &str, expected: &str| {
        for tls in [MailTls::StartTls, MailTls::Implicit] {
            let server = match tls {
                MailTls::Implicit => Smtp::start_tls(presented, ordinary).await,
                MailTls::None | MailTls::StartTls => Smtp::start(presented, ordinary).await,
            };
            let options = options(&server, trusted, tls);
            let result = send(MailOptions { host: host.to_owned(), login: Some(login(PASSWORD)), ..options }).await;
            assert!(matches!(&result, Err(Failure::Tls(why)) if why.contains(expected)), "{tls:?}: {result:?}");
            assert!(!server.commands().contains(&"AUTH".to_owned()));
        }
    };
    check(&good, &old, "mail.example", "unknown authority").await;
    check(&good, &good, "other.example", "for another name").await;
    check(&old, &old, "mail.example", "has expired").await;
    let plain = Smtp::start(&good, ordinary).await;
    let result = send(options(&plain, &good, MailTls::Implicit)).await;
    assert!(matches!(&result, Err(Failure::Tls(why)) if why.contains("does not speak TLS")), "{result:?}");
}

/// Fails at the command that begins with `at`, in the way that `turn` says; before that everything is ordinary.
async fn failing(at: &'static str, turn: Turn, total: Duration) -> (Result<(), Failure>, Smtp) {
    let certificate = certificate();
    let is_at = move |line: &str| if at.is_empty() { line.is_empty() } else { line.starts_with(at) };
    let server = Smtp::start(&certificate, move |line| if is_at(line) { turn.clone() } else { ordinary(line) }).await;
    let options = options(&server, &certificate, MailTls::StartTls);
    let result = send(MailOptions { login: Some(login(PASSWORD)), total, ..options }).await;
    (result, server)
}

const STAGES: [&str; 8] = ["", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "."];
const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn silence_is_waited_for_only_so_long() {
    for stage in STAGES {
        let (result, _) = failing(stage, Turn::FallSilent, Duration::from_millis(300)).await;
        assert_eq!(result, Err(Failure::Timeout), "{stage:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_lost_connection() {
    for stage in STAGES {
        let (result, _) = failing(stage, Turn::HangUp, LONG).await;
        let is_lost = |why: &str| why.contains("closed the connection") || why.contains("broke off the connection");
        assert!(matches!(&result, Err(Failure::Connect(why)) if is_lost(why)), "{stage:?}: {result:?}");
    }
}

#[tokio::test]
async fn an_accepted_mail_stays_accepted_whatever_comes_after() {
    for turn in [Turn::FallSilent, Turn::HangUp, say("554 who are you?")] {
        let (result, server) = failing("QUIT", turn, LONG).await;
        assert_eq!((result, server.mails().len()), (Ok(()), 1));
    }
}

#[tokio::test]
async fn a_refusal_says_what_was_refused_and_in_whose_words() {
    let check = async |stage: &'static str, said: &str, expected: &str| {
        let (result, server) = failing(stage, say(said), LONG).await;
        let text = format!("mail.example:{} refuses {expected}", server.address.port());
        assert_eq!(result, Err(Failure::Mail(text)), "{stage:?}");
        assert!(server.mails().is_empty() || stage == ".");
    };
    check("", "554 5.3.2 go away", "to talk: 554 5.3.2 go away").await;
    check("EHLO", "421 4.3.2 closing", "to talk for now: 421 4.3.2 closing").await;
    check("AUTH", "535 5.7.8 bad credentials", "the login: 535 5.7.8 bad credentials").await;
    check("AUTH", "454 4.7.0 try later", "the login for now: 454 4.7.0 try later").await;
    check("MAIL", "553 not yours", "the sender k8s@example.com: 553 not yours").await;
    check("RCPT", "550 5.1.1 no such user", "the recipient ops@example.com: 550 5.1.1 no such user").await;
    check("RCPT", "451 4.7.1 greylisted", "the recipient ops@example.com for now: 451 4.7.1 greylisted").await;
    check("DATA", "554 no", "the mail: 554 no").await;
    check(".", "550-5.7.1 looks like\r\n550 5.7.1 spam\u{1b}[0m", "the mail: 550 5.7.1 looks like spam [0m").await;
}

#[tokio::test]
async fn nobody_gets_a_mail_that_one_of_its_recipients_is_refused() {
    let certificate = certificate();
    let server = Smtp::start(&certificate, |line| match line {
        "RCPT TO:<gone@example.com>" => say("550 gone"),
        _ => ordinary(line),
    })
    .await;
    let mailer = Mailer::new(options(&server, &certificate, MailTls::None)).unwrap();
    let result = mailer.send(&mail(&["ops@example.com", "gone@example.com"])).await;
    assert!(matches!(&result, Err(Failure::Mail(why)) if why.contains("recipient gone@example.com")), "{result:?}");
    assert!(!server.commands().contains(&"DATA".to_owned()));
}

#[tokio::test]
async fn what_is_no_smtp_is_called_so() {
    let (address, _task) = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), Then::FallSilent).await;
    // It waits for the other side to begin, and so do we.
    let (speaking, _task2) = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        });
        (address, task)
    };
    let sender = MailAddress::parse("k8s@example.com").unwrap();
    let options = |port: u16| MailOptions {
        total: Duration::from_millis(300),
        ..MailOptions::new("127.0.0.1".to_owned(), port, MailTls::None, sender.clone())
    };
    assert_eq!(send(options(address.port())).await, Err(Failure::Timeout));
    let result = send(options(speaking.port())).await;
    assert!(matches!(&result, Err(Failure::Other(why)) if why.contains("not SMTP")), "{result:?}");
}

#[tokio::test]
async fn a_server_that_never_stops_talking_is_not_listened_to_for_ever() {
    for stage in ["", "EHLO", "AUTH", "."] {
        for flood in [b"x".repeat(8192), format!("250-{}\r\n", "x".repeat(900)).into_bytes()] {
            let (result, _) = failing(stage, Turn::Pour(Box::leak(flood.into_boxed_slice())), LONG).await;
            assert!(matches!(result, Err(Failure::TooLarge | Failure::Other(_))), "{stage:?}: {result:?}");
        }
    }
}

#[tokio::test]
async fn replies_that_make_no_sense_do_no_harm() {
    for stage in ["", "EHLO", "AUTH", "MAIL", "."] {
        for said in [
            "",
            "   ",
            "250",
            "250-",
            "250-a\r\n250    ",
            "250   ",
            "999 what",
            "250 a\r\n\r\n250 b",
            "334 ****",
            "334 ",
        ] {
            let (result, _) = failing(stage, say(said), Duration::from_millis(500)).await;
            // What makes some sense to lettre may be taken for a yes.
            let is_explained = matches!(
                result,
                Ok(()) | Err(Failure::Other(_) | Failure::Mail(_) | Failure::Timeout | Failure::Tls(_))
            );
            assert!(is_explained, "{stage:?} {said:?}: {result:?}");
        }
    }
}

#[tokio::test]
async fn the_addresses_of_a_host_are_tried_in_turn_and_every_one_is_judged() {
    let certificate = certificate();
    let server = Smtp::start(&certificate, ordinary).await;
    let to = |host: &str| {
        let options = options(&server, &certificate, MailTls::None);
        send(MailOptions { host: host.to_owned(), ..options })
    };
    // Nothing listens at its first address.
    assert_eq!(to("two.example").await, Ok(()));
    assert_eq!(to("127.0.0.1").await, Ok(()));
    assert_eq!(server.mails().len(), 2);
    for host in ["metadata.example", "169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0"] {
        let result = to(host).await;
        assert!(
            matches!(&result, Err(Failure::Denied(why)) if why.contains("may not be called")),
            "{host}: {result:?}"
        );
    }
    let result = to("nowhere.example").await;
    assert!(matches!(&result, Err(Failure::Connect(why)) if why.contains("cannot be resolved")), "{result:?}");
    let nobody = MailOptions { port: 1, ..options(&server, &certificate, MailTls::None) };
    let result = send(nobody).await;
    assert_eq!(result, Err(Failure::Connect("mail.example:1 refused the connection".to_owned())));
    for host in ["", "mail example", "mail.example:25", "https://mail.example"] {
        let options = MailOptions { host: host.to_owned(), ..options(&server, &certificate, MailTls::None) };
        assert!(matches!(Mailer::new(options), Err(BuildError::MailHost(_))), "{host:?}");
    }
}

#[tokio::test]
async fn a_line_end_in_a_subject_or_address_is_refused_before_anything_is_sent() {
    let certificate = certificate();
    let server = Smtp::start(&certificate, ordinary).await;
    let mailer = Mailer::new(options(&server, &certificate, MailTls::None)).unwrap();
    let hostile = [
        Mail { subject: "hi\r\nBcc: eve@example.com".to_owned(), ..mail(&["ops@example.com"]) },
        Mail { subject: "hi\rBcc: eve@example.com".to_owned(), ..mail(&["ops@example.com"]) },
        mail(&["ops@example.com\r\nBcc: eve@example.com"]),
        mail(&["ops@example.com>\r\nRCPT TO:<eve@example.com"]),
        mail(&["ops@example.com", "eve@example.com\n"]),
    ];
    for mail in hostile {
        let result = mailer.send(&mail).await;
        assert!(matches!(&result, Err(Failure::Denied(why)) if !why.contains(['\r', '\n'])), "{result:?}");
    }
    assert_eq!(server.told(), []);
}

/// Everything that can be printed about mails to servers that repeat the password in every form, at every stage; for the test that looks
/// for it, with whether they were sent it.
pub(crate) async fn repeat_password(password: &str) -> String {
    let plain = BASE64_STANDARD.encode(format!("\0alice\0{password}"));
    let mut printed = String::new();
    let certificate = certificate();
    for echo in [password.to_owned(), BASE64_STANDARD.encode(password), format!("{plain} {password}")] {
        for stage in ["AUTH", "MAIL", "RCPT", "DATA", ".", "QUIT"] {
            for said in [format!("535 what is {echo}?"), format!("451-{echo}\r\n451 {echo}"), echo.clone()] {
                let script = move |line: &str| if line.starts_with(stage) { say(&said) } else { ordinary(line) };
                let server = Smtp::start(&certificate, script).await;
                let options = options(&server, &certificate, MailTls::StartTls);
                let options = MailOptions { login: Some(login(password)), ..options };
                writeln!(printed, "{options:?}").unwrap();
                let mailer = Mailer::new(options).unwrap();
                let result = mailer.send(&mail(&["ops@example.com"])).await;
                writeln!(printed, "{mailer:?} {result:?}").unwrap();
                if let Err(failure) = result {
                    writeln!(printed, "{failure} {}", failure.reason()).unwrap();
                }
                let told = server.told();
                assert!(told.iter().any(|told| told.line.contains(&plain)), "or this would show nothing: {told:?}");
            }
        }
    }
    printed
}
