//! No secret in any error, `Debug` output or log line, at the most talkative level, on any path.

use std::error::Error;
use std::fmt::{Debug, Write};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use k8supdater_egress::telegram::{Content, Message, TelegramBot};
use k8supdater_egress::{Client, Failure, Options, Request, Resolver, Response, Scheme, Scope};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;
use url::Url;

use crate::server::{Answer, Seen, Server, Then, answer, bound, get, login, names, ok, raw, scope, token, with_slot};

/// Where captured log lines go.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Everything that can be made of `value` by printing it.
fn print(into: &mut String, value: &Result<Response, Failure>) {
    // The answer itself may hold what the server repeats; its headers may not.
    match value {
        Ok(response) => writeln!(into, "{} {:?}", response.status, response.headers).unwrap(),
        Err(failure) => print_error(into, failure, failure.reason()),
    }
}

fn print_error(into: &mut String, error: &dyn Error, reason: &str) {
    writeln!(into, "{error} {error:?} {error:#?} {reason}").unwrap();
    let mut cause = error.source();
    while let Some(err) = cause {
        writeln!(into, "{err} {err:?}").unwrap();
        cause = err.source();
    }
}

fn debug(into: &mut String, value: &impl Debug) {
    writeln!(into, "{value:?} {value:#?}").unwrap();
}

/// All forms in which the secret could show up: as it is, percent-encoded, and as part of a Basic header.
fn forms(secret: &str, username: &str) -> Vec<String> {
    let basic = http_auth::basic::encode_credentials(username, secret);
    vec![secret.to_owned(), secret.replace('/', "%2F"), basic.trim_start_matches("Basic ").to_owned()]
}

#[tokio::test]
async fn a_secret_is_seen_by_its_origin_and_by_nothing_else() {
    let captured = Captured::default();
    // For all threads: with a subscriber for this one only, a line that another test's thread comes to first is off for good. So the
    // lines of the other tests are captured as well, which does no harm.
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(captured.clone()).finish().init();
    let canary = format!("can/ary{:032x}", rand::random::<u128>());

    let redirecting = Server::start(|seen| answer(302, &[("location", &seen.path)], "")).await;
    let plain = Server::start(|_| ok("fine")).await;
    let basic = Server::start(|_| answer(401, &[("www-authenticate", "Basic realm=\"x\"")], "")).await;
    let wrong_realm =
        Server::start(|_| answer(401, &[("www-authenticate", "Bearer realm=\"http://evil.example/t\"")], "")).await;
    let broken_realm = Server::start(|seen| match seen.path.as_str() {
        "/t" => answer(500, &[], ""),
        _ => answer(401, &[("www-authenticate", &format!("Bearer realm=\"http://{}/t\"", seen.header("host")))], ""),
    })
    .await;
    let selling = Server::start(|seen| match (seen.path.as_str(), seen.header("authorization")) {
        ("/t", _) => answer(200, &[], "{\"token\":\"bought-t0k3n\"}"),
        (_, "Bearer bought-t0k3n") => ok("tags"),
        _ => answer(401, &[("www-authenticate", &format!("Bearer realm=\"http://{}/t\"", seen.header("host")))], ""),
    })
    .await;
    let logging_in = Server::start(gives_tokens).await;
    let refusing =
        Server::start(|seen| answer(403, &[("x-echo", "1")], String::from_utf8_lossy(&seen.body).into_owned())).await;
    let unzipped = Server::start(|_| answer(200, &[("content-encoding", "gzip")], "plain")).await;
    let certificate = rcgen::generate_simple_self_signed(vec!["tls.example".to_owned()]).unwrap();
    let secure = Server::start_tls(&certificate, |_| ok("over HTTP/2")).await;
    let (silent, _silent) = raw(Vec::new(), Then::FallSilent).await;
    let (cut, _cut) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx".to_vec(), Then::Close).await;
    let (garbage, _garbage) = raw(b"garbage\r\n\r\n".to_vec(), Then::Close).await;
    let (large, _large) =
        raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx".to_vec(), Then::FallSilent).await;
    let origins = [
        redirecting.origin(),
        plain.origin(),
        basic.origin(),
        wrong_realm.origin(),
        broken_realm.origin(),
        selling.origin(),
        logging_in.origin(),
        refusing.origin(),
        unzipped.origin(),
        secure.origin_as("tls.example"),
        secure.origin_as("wrong-name.example"),
        format!("http://{silent}"),
        format!("http://{cut}"),
        format!("http://{garbage}"),
        format!("http://{large}"),
        "http://127.0.0.1:1".to_owned(),
        "http://nowhere.example".to_owned(),
        "http://metadata.example".to_owned(),
        "http://169.254.169.254".to_owned(),
    ];

    let client = Client::new(Options {
        resolver: resolver(),
        connect: Duration::from_secs(1),
        extra_authorities: Some(certificate.cert.pem().into_bytes()),
        ..Options::default()
    })
    .unwrap();
    let mut printed = String::new();
    for origin in &origins {
        for scope in scopes(origin, &canary) {
            debug(&mut printed, &scope);
            for request in requests(origin) {
                debug(&mut printed, &request);
                print(&mut printed, &client.send(&scope, request).await);
            }
        }
    }
    printed.push_str(&crate::mail::repeat_password(&canary).await);
    // A bot waits for the silent one longer than a test should.
    let talking = origins.iter().filter(|origin| !origin.ends_with(&silent.to_string()));
    bots_talk(&mut printed, &client, talking, &canary).await;
    let logged = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    for library in ["hyper_util", "h2::", "rustls", "reqwest"] {
        assert!(logged.contains(library), "the lines of {library} are captured");
    }
    assert!(logged.contains("request made") && logged.contains("mail handed over"), "and so are ours");

    let sent = |server: &Server| {
        let seen = server.seen();
        let told: Vec<_> =
            seen.iter().map(|seen| (&seen.path, seen.header("authorization"), seen.header("x-key"))).collect();
        format!("{told:?}")
    };
    for form in forms(&canary, "alice") {
        // Or this test would show nothing.
        assert!(sent(&plain).contains(&form) && sent(&secure).contains(&form), "{form} was sent where it belongs");
        assert!(!printed.contains(&form), "{}", around(&printed, &form));
        assert!(!logged.contains(&form), "{}", around(&logged, &form));
    }
    let mailed = base64::engine::general_purpose::STANDARD.encode(format!("\0alice\0{canary}"));
    assert!(!printed.contains(&mailed) && !logged.contains(&mailed));
    for server in [&logging_in, &refusing] {
        let body = format!("{{\"identifier\":\"alice\",\"secret\":\"{canary}\"}}");
        assert!(server.seen().iter().any(|seen| seen.body == body), "the canary was sent to log in");
    }
    for token in ["bought-t0k3n", "given-t0k3n"] {
        assert!(!logged.contains(token) && !printed.contains(token), "{token} is a secret too");
    }
}

fn resolver() -> Resolver {
    names(&[
        ("metadata.example", &["169.254.169.254"]),
        ("tls.example", &["127.0.0.1"]),
        ("wrong-name.example", &["127.0.0.1"]),
    ])
}

/// One scope per scheme, with the canary bound to `origin`; one where it cannot be sent; and one that grants nothing.
fn scopes(origin: &str, canary: &str) -> Vec<Scope> {
    let secrets = [
        (Scheme::Basic, login("alice", canary)),
        (Scheme::Bearer, token(canary)),
        (Scheme::Header("x-key".to_owned()), token(canary)),
        (Scheme::HmacSha256("x-signature".to_owned()), token(canary)),
        (Scheme::Login(crate::logins::form()), login("alice", canary)),
        (Scheme::Login(crate::logins::form()), token(canary)),
        (Scheme::OciToken, login("alice", canary)),
        (Scheme::Url, token(canary)),
        (Scheme::Bearer, token(&format!("{canary}\r\nx"))),
        (Scheme::Basic, token(canary)),
        (Scheme::Header("host".to_owned()), token(canary)),
    ];
    let mut scopes: Vec<Scope> = secrets
        .into_iter()
        .map(|(scheme, secret)| {
            let mut scope = scope(&[origin]);
            scope.credentials = vec![bound("main", origin, scheme, secret)];
            scope.limits.total = Duration::from_millis(500);
            scope
        })
        .collect();
    let mut ungranted = scopes[0].clone();
    ungranted.grants = scope(&[]).grants;
    scopes.push(ungranted);
    scopes
}

fn requests(origin: &str) -> Vec<Request> {
    vec![
        with_slot(get(format!("{origin}/a")), "main"),
        get(format!("{origin}/{{slot:main}}/x?y={{slot:main}}")),
        with_slot(Request { headers: vec![("host".to_owned(), "x".to_owned())], ..get(origin) }, "main"),
    ]
}

/// A Bot API, or what is in its place, that repeats all it knows.
fn repeat(status: u16, seen: &Seen) -> Answer {
    let path = &seen.path;
    answer(status, &[], format!("{{\"ok\":false,\"error_code\":{status},\"description\":\"no {path} here\"}}"))
}

/// Bots talk to all `origins`, and to servers that answer in the Bot API's own words.
async fn bots_talk(printed: &mut String, client: &Client, origins: impl Iterator<Item = &String>, canary: &str) {
    let talking = [400, 401, 403, 404, 409, 429, 500].map(|status| Server::start(move |seen| repeat(status, seen)));
    let talking = futures::future::join_all(talking).await;
    for origin in origins.cloned().chain(talking.iter().map(Server::origin)) {
        talk(printed, client, &origin, canary).await;
    }
    let path = format!("/bot{}/", canary.replace('/', "%2F"));
    for server in &talking {
        assert!(server.seen().iter().any(|seen| seen.path.starts_with(&path)), "the canary was sent");
    }
}

/// Everything that a bot can do, as far as it comes.
async fn talk(printed: &mut String, client: &Client, origin: &str, canary: &str) {
    let url = Url::parse(origin).unwrap();
    for grants in [scope(&[origin]).grants, scope(&[]).grants] {
        let bot = TelegramBot::new(client.clone(), grants, &url, token(canary)).unwrap();
        debug(printed, &bot);
        let message = Message { chat: 1, id: 1 };
        let errors = [
            bot.updates(None, Duration::ZERO).await.err(),
            bot.answer("1", "text", true).await.err(),
            bot.edit(message, &Content::plain("text")).await.err(),
        ];
        for err in errors {
            let err = err.unwrap();
            print_error(printed, &err, err.reason());
        }
    }
}

/// An API with a login.
fn gives_tokens(seen: &Seen) -> Answer {
    match (seen.method.as_str(), seen.header("authorization")) {
        ("POST", _) => answer(200, &[], "{\"access_token\":\"given-t0k3n\"}"),
        (_, "Bearer given-t0k3n") => ok("tags"),
        _ => answer(401, &[], ""),
    }
}

/// Where `form` was found, for the message of a failure.
fn around(text: &str, form: &str) -> String {
    let found = text.find(form).unwrap_or_default();
    let (start, end) = (found.saturating_sub(300), (found + 300).min(text.len()));
    String::from_utf8_lossy(&text.as_bytes()[start..end]).into_owned()
}
