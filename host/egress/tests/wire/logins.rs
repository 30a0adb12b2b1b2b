//! Logins at an API: once, shared, renewed, and at the secret's own origin only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::join_all;
use k8supdater_egress::{Client, Failure, LoginForm, Options, Response, Scheme, Scope};

use crate::server::{
    Answer, Outcomes, Seen, Server, answer, bound, client, denied, get, login, names, ok, scope, token, with_slot,
};

const LOGIN: &str = "POST /v2/auth/token";
const TAGS: &str = "GET /v2/tags?page=1";

/// Docker Hub's.
pub(crate) fn form() -> LoginForm {
    LoginForm {
        path: "/v2/auth/token".to_owned(),
        username: "identifier".to_owned(),
        password: "secret".to_owned(),
        token: "access_token".to_owned(),
    }
}

/// An API whose logins give `t1`, `t2` and so on, and which accepts those from `valid_from` on.
fn api<T: Fn(usize) -> Answer + Send + Sync>(
    valid_from: &Arc<AtomicUsize>,
    log_in: T,
) -> impl Fn(&Seen) -> Answer + use<T> {
    let (valid_from, logins) = (Arc::clone(valid_from), AtomicUsize::new(0));
    move |seen| {
        if seen.path == "/v2/auth/token" {
            return log_in(logins.fetch_add(1, Ordering::SeqCst) + 1);
        }
        let proof = seen.header("authorization").strip_prefix("Bearer ").map(|token| token.split('.').next_back());
        let number = proof.flatten().and_then(|last| last.strip_prefix('t')).and_then(|number| number.parse().ok());
        match number {
            Some(number) if valid_from.load(Ordering::SeqCst) <= number => ok("tags"),
            _ => answer(401, &[], "who are you?"),
        }
    }
}

fn gives_token(number: usize) -> Answer {
    answer(200, &[], format!("{{\"access_token\":\"t{number}\"}}"))
}

/// A JWT with these claims, told apart by its last part.
fn gives_jwt(claims: &'static str) -> impl Fn(usize) -> Answer {
    move |number| {
        let claims = URL_SAFE_NO_PAD.encode(claims);
        answer(200, &[], format!("{{\"access_token\":\"e30.{claims}.t{number}\"}}"))
    }
}

fn all_valid() -> Arc<AtomicUsize> {
    Arc::default()
}

/// What was asked, in order: method, path and token.
fn story(server: &Server) -> Vec<String> {
    let tell = |seen: Seen| match seen.header("authorization") {
        "" => format!("{} {}", seen.method, seen.path),
        proof => format!("{} {} {proof}", seen.method, seen.path),
    };
    server.seen().into_iter().map(tell).collect()
}

/// What [`TAGS`] looks like with this token.
fn with(token: &str) -> String {
    format!("{TAGS} Bearer {token}")
}

fn of(username: &str, origin: &str) -> Scope {
    let mut scope = scope(&[origin]);
    scope.credentials = vec![bound("main", origin, Scheme::Login(form()), login(username, "canary\"\n"))];
    scope
}

fn alice(server: &Server) -> Scope {
    of("alice", &server.origin())
}

async fn tags(client: &Client, scope: &Scope, server: &Server) -> Result<Response, Failure> {
    client.send(scope, with_slot(get(format!("{}/v2/tags?page=1", server.origin())), "main")).await
}

async fn status(client: &Client, scope: &Scope, server: &Server) -> Result<u16, Failure> {
    tags(client, scope, server).await.map(|response| response.status)
}

#[tokio::test]
async fn the_first_request_logs_in_and_the_next_ones_do_not() {
    let server = Server::start(api(&all_valid(), gives_token)).await;
    let (client, scope) = (client(), alice(&server));
    for _ in 0..2 {
        assert_eq!(status(&client, &scope, &server).await, Ok(200));
    }
    assert_eq!(story(&server), [LOGIN.to_owned(), with("t1"), with("t1")]);
    let seen = &server.seen()[0];
    assert_eq!(seen.body, r#"{"identifier":"alice","secret":"canary\"\n"}"#);
    assert_eq!((seen.header("content-type"), seen.header("accept")), ("application/json", "application/json"));
}

#[tokio::test]
async fn without_a_slot_or_a_secret_nobody_logs_in() {
    let server = Server::start(api(&all_valid(), gives_token)).await;
    let url = format!("{}/v2/tags?page=1", server.origin());
    for (scope, request) in [(alice(&server), get(&url)), (scope(&[&server.origin()]), with_slot(get(&url), "main"))] {
        let response = client().send(&scope, request).await.unwrap();
        assert_eq!((response.status, response.body.as_ref()), (401, b"who are you?".as_slice()));
    }
    assert_eq!(story(&server), [TAGS, TAGS]);
}

#[tokio::test]
async fn a_login_is_shared_by_those_who_hold_the_same_secret_and_form_only() {
    let server = Server::start(api(&all_valid(), |number| {
        answer(200, &[], format!("{{\"access_token\":\"t{number}\",\"token\":\"x.t{number}\"}}"))
    }))
    .await;
    let client = client();
    let mut other_form = alice(&server);
    let form = LoginForm { token: "token".to_owned(), ..form() };
    other_form.credentials[0].scheme = Scheme::Login(form);
    for scope in [alice(&server), of("bobby", &server.origin()), other_form, alice(&server)] {
        assert_eq!(status(&client, &scope, &server).await, Ok(200));
    }
    let shown: Vec<_> = story(&server).into_iter().filter(|line| line != LOGIN).collect();
    assert_eq!(shown, ["t1", "t2", "x.t3", "t1"].map(with));
}

#[tokio::test]
async fn of_many_who_need_the_same_login_one_logs_in() {
    let server = Server::start(api(&all_valid(), gives_token)).await;
    let (client, scope) = (client(), alice(&server));
    let results = join_all((0..20).map(|_| status(&client, &scope, &server))).await;
    assert!(results.iter().all(|result| *result == Ok(200)), "{results:?}");
    assert_eq!(story(&server).iter().filter(|line| *line == LOGIN).count(), 1);
}

#[tokio::test]
async fn many_with_a_wrong_password_are_refused_together() {
    let server = Server::start(api(&all_valid(), |_| answer(401, &[], ""))).await;
    let (client, scope) = (client(), alice(&server));
    let results = join_all((0..20).map(|_| status(&client, &scope, &server))).await;
    assert!(results.iter().all(|result| *result == Ok(401)), "{results:?}");
    assert_eq!(story(&server), [LOGIN]);
    // A refusal is not kept beyond them: the password may have been changed at the origin.
    assert_eq!(status(&client, &scope, &server).await, Ok(401));
    assert_eq!(story(&server), [LOGIN, LOGIN]);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_runs_out() {
    let check = async |claims: &'static str, logins: usize| {
        let server = Server::start(api(&all_valid(), gives_jwt(claims))).await;
        let (client, scope) = (client(), alice(&server));
        for _ in 0..2 {
            assert_eq!(status(&client, &scope, &server).await, Ok(200));
        }
        assert_eq!(story(&server).iter().filter(|line| *line == LOGIN).count(), logins, "{claims}");
    };
    check(r#"{"exp": 1000, "iat": 1000}"#, 2).await;
    check(r#"{"exp": 1000}"#, 2).await;
    check(r#"{"exp": 1600, "iat": 1000}"#, 1).await;
    check(r#"{"exp": 99999999999}"#, 1).await;
    check(r#"{"sub": "alice"}"#, 1).await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let valid_from = all_valid();
    let server = Server::start(api(&valid_from, gives_token)).await;
    let (client, scope) = (client(), alice(&server));
    tags(&client, &scope, &server).await.unwrap();
    valid_from.store(2, Ordering::SeqCst);
    assert_eq!(status(&client, &scope, &server).await, Ok(200));
    assert_eq!(story(&server)[2..], [with("t1"), LOGIN.to_owned(), with("t2")]);
    valid_from.store(usize::MAX, Ordering::SeqCst);
    let response = tags(&client, &scope, &server).await.unwrap();
    assert_eq!((response.status, response.body.as_ref()), (401, b"who are you?".as_slice()));
    assert_eq!(story(&server)[5..], [with("t2"), LOGIN.to_owned(), with("t3")]);
}

#[tokio::test]
async fn a_401_to_a_new_token_is_the_answer() {
    let valid_from = Arc::new(AtomicUsize::new(usize::MAX));
    let server = Server::start(api(&valid_from, gives_token)).await;
    let (client, scope) = (client(), alice(&server));
    assert_eq!(status(&client, &scope, &server).await, Ok(401));
    assert_eq!(story(&server), [LOGIN.to_owned(), with("t1")]);
    // It may be fine for something else.
    valid_from.store(1, Ordering::SeqCst);
    assert_eq!(status(&client, &scope, &server).await, Ok(200));
    assert_eq!(story(&server)[2..], [with("t1")]);
}

#[tokio::test]
async fn what_a_login_is_answered_becomes_the_fitting_outcome() {
    let check = async |status: u16, headers: &'static [(&'static str, &'static str)], body: String| {
        let outcomes = Outcomes::default();
        let client = Client::new(Options { observer: Some(outcomes.observer()), ..Options::default() }).unwrap();
        let server = Server::start(api(&all_valid(), move |_| answer(status, headers, body.clone()))).await;
        let result = tags(&client, &alice(&server), &server).await;
        (result, server.count(), outcomes.count("2xx"))
    };
    for status in [401, 403] {
        // The body could repeat what it was sent.
        let (result, requests, _) =
            check(status, &[("x-request", "canary")], "{\"secret\":\"canary\"}".to_owned()).await;
        let response = result.unwrap();
        assert_eq!((response.status, response.headers, response.body.as_ref()), (status, vec![], b"".as_slice()));
        assert_eq!(requests, 1);
    }
    let busy = &[("retry-after", "17"), ("x-retry-after", "1705312860"), ("x-other", "y")];
    let (result, requests, _) = check(429, busy, "canary".to_owned()).await;
    let response = result.unwrap();
    assert_eq!((response.status, response.body.len(), requests), (429, 0, 1));
    let value = |name: &str| response.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    assert_eq!(
        (value("retry-after"), value("x-retry-after"), value("x-other")),
        (Some("17"), Some("1705312860"), None)
    );
    assert!(value("date").is_some());
    let fails = async |status: u16, body: &str, expected: &str| {
        let (result, requests, _) = check(status, &[("location", "/elsewhere")], body.to_owned()).await;
        assert!(matches!(&result, Err(Failure::Other(text)) if text.contains(expected)), "{status}: {result:?}");
        assert_eq!(requests, 1, "{status} is not followed and not asked again");
    };
    fails(302, "", "/v2/auth/token answered 302").await;
    fails(307, "", "answered 307").await;
    fails(400, "", "answered 400").await;
    fails(404, "", "answered 404").await;
    fails(500, "", "answered 500").await;
    fails(204, "", "answered 204").await;
    fails(200, "", "holds no token").await;
    fails(200, "<html>", "holds no token").await;
    fails(200, "{\"token\":\"t1\"}", "holds no token").await;
    fails(200, "{\"access_token\":\"a\\r\\nb: c\"}", "holds no token").await;
    let padded = |length: usize| format!("{{\"access_token\":\"t1\",\"pad\":\"{}\"}}", "x".repeat(length));
    fails(200, &padded(64 * 1024), "holds no token").await;
    let (result, requests, told) = check(200, &[], padded(60 * 1024)).await;
    assert_eq!((result.map(|response| response.status), requests, told), (Ok(200), 2, 2));
}

#[tokio::test]
async fn a_redirect_of_the_request_takes_no_secret_along() {
    let other = Server::start(|_| ok("caught")).await;
    let away = format!("{}/v2/tags?page=1", other.origin());
    let server = Server::start(move |seen| match seen.method.as_str() {
        "POST" => gives_token(1),
        _ => answer(307, &[("location", &away)], ""),
    })
    .await;
    let mut scope = alice(&server);
    scope.grants = crate::server::scope(&[&server.origin(), &other.origin()]).grants;
    let client = client();
    let response = tags(&client, &scope, &server).await.unwrap();
    assert_eq!((response.status, other.count()), (307, 0));
    let (_, location) = response.headers.iter().find(|(name, _)| name == "location").unwrap();
    // Following it is another request, for whose origin nothing is bound.
    client.send(&scope, with_slot(get(location), "main")).await.unwrap();
    assert_eq!(story(&other), [TAGS]);
}

#[tokio::test]
async fn a_login_is_made_at_the_secrets_own_origin_only() {
    let (own, other) = (Server::start(api(&all_valid(), gives_token)).await, Server::start(|_| ok("")).await);
    let mut scope = alice(&own);
    scope.grants = crate::server::scope(&[&own.origin(), &own.origin_as("localhost"), &other.origin()]).grants;
    for origin in [other.origin(), own.origin_as("localhost")] {
        client().send(&scope, with_slot(get(format!("{origin}/v2/tags?page=1")), "main")).await.unwrap();
    }
    assert_eq!((story(&own), story(&other)), (vec![TAGS.to_owned()], vec![TAGS.to_owned()]));
}

#[tokio::test]
async fn a_path_that_looks_like_another_host_stays_a_path() {
    let (own, other) = (Server::start(|_| gives_token(1)).await, Server::start(|_| gives_token(1)).await);
    for path in [format!("//{}/t", other.address), other.origin(), format!("@{}/t", other.address)] {
        let mut scope = alice(&own);
        scope.grants = crate::server::scope(&[&own.origin(), &other.origin()]).grants;
        scope.credentials[0].scheme = Scheme::Login(LoginForm { path: path.clone(), ..form() });
        assert_eq!(status(&client(), &scope, &own).await, Ok(200), "{path}");
    }
    assert_eq!((own.count(), other.count()), (6, 0));
}

#[tokio::test]
async fn a_secret_for_https_is_not_sent_over_http() {
    let server = Server::start(|_| ok("")).await;
    let mut scope = alice(&server);
    scope.credentials = of("alice", &format!("https://{}", server.address)).credentials;
    tags(&client(), &scope, &server).await.unwrap();
    assert_eq!(story(&server), [TAGS]);
}

#[tokio::test]
async fn a_login_over_tls_is_as_good_and_its_address_is_judged_too() {
    let certificate = rcgen::generate_simple_self_signed(vec!["hub.example".to_owned()]).unwrap();
    let server = Server::start_tls(&certificate, api(&all_valid(), gives_token)).await;
    let origin = server.origin_as("hub.example");
    let scope = of("alice", &origin);
    let send = async |address: &'static str, trusted: bool| {
        let client = Client::new(Options {
            resolver: names(&[("hub.example", &[address])]),
            extra_authorities: trusted.then(|| certificate.cert.pem().into_bytes()),
            ..Options::default()
        });
        client.unwrap().send(&scope, with_slot(get(format!("{origin}/v2/tags?page=1")), "main")).await
    };
    assert!(matches!(send("127.0.0.1", false).await, Err(Failure::Tls(_))));
    assert!(denied(send("169.254.169.254", true).await).contains("169.254.169.254"));
    assert_eq!(server.count(), 0);
    assert_eq!(send("127.0.0.1", true).await.map(|response| response.status), Ok(200));
    assert_eq!(story(&server), [LOGIN.to_owned(), with("t1")]);
}

#[tokio::test]
async fn a_token_does_not_fit_the_scheme() {
    let server = Server::start(|_| ok("")).await;
    let mut scope = alice(&server);
    scope.credentials[0].secret = token("canary");
    let text = denied(tags(&client(), &scope, &server).await);
    assert!(text.contains("\"main\"") && text.contains("a user name and a password"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_conditional_request_keeps_its_condition() {
    let server = Server::start(|seen| match (seen.method.as_str(), seen.header("if-none-match")) {
        ("POST", "") => gives_token(1),
        (_, "\"a\"") => answer(304, &[], ""),
        _ => answer(200, &[("etag", "\"a\"")], "tags"),
    })
    .await;
    let (client, scope) = (client(), alice(&server));
    for _ in 0..2 {
        assert_eq!(tags(&client, &scope, &server).await.unwrap().body, "tags");
    }
    assert_eq!(server.seen()[2].header("if-none-match"), "\"a\"");
}
