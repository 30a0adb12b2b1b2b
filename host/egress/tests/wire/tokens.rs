//! Tokens of OCI registries: bought where allowed, shared, renewed, and never asked for in a loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use k8supdater_egress::{Client, Failure, Options, RealmBinding, Request, Response, Scheme, Scope};

use crate::server::{
    Answer, Outcomes, Seen, Server, answer, bound, client, denied, get, login, names, ok, origin, scope, with_slot,
};

const SCOPE: &str = "repository:acme/app:pull";
const ALICE: &str = "Basic YWxpY2U6Y2FuYXJ5"; // alice:canary

/// A registry that sells its own tokens, `t1`, `t2` and so on, and accepts those from `valid_from` on.
fn registry<T: Fn(usize) -> Answer + Send + Sync>(
    valid_from: &Arc<AtomicUsize>,
    token: T,
) -> impl Fn(&Seen) -> Answer + use<T> {
    let (valid_from, sold) = (Arc::clone(valid_from), AtomicUsize::new(0));
    move |seen| {
        if seen.path.starts_with("/token") {
            return token(sold.fetch_add(1, Ordering::SeqCst) + 1);
        }
        let number = seen.header("authorization").strip_prefix("Bearer t").and_then(|number| number.parse().ok());
        match number {
            Some(number) if valid_from.load(Ordering::SeqCst) <= number => ok("tags"),
            _ => unauthorized(&format!("http://{}/token", seen.header("host"))),
        }
    }
}

fn unauthorized(realm: &str) -> Answer {
    let challenge = format!("Bearer realm=\"{realm}\",service=\"registry.example\",scope=\"{SCOPE}\"");
    answer(401, &[("www-authenticate", &challenge)], "who are you?")
}

fn token_living(seconds: u64) -> impl Fn(usize) -> Answer {
    move |number| answer(200, &[], format!("{{\"token\":\"t{number}\",\"expires_in\":{seconds}}}"))
}

fn all_valid() -> Arc<AtomicUsize> {
    Arc::default()
}

/// What was asked, in order: path and kind of proof.
fn story(server: &Server) -> Vec<String> {
    let tell = |seen: Seen| {
        let path = seen.path.split('?').next().unwrap().to_owned();
        match seen.header("authorization") {
            "" => path,
            proof => format!("{path} {proof}"),
        }
    };
    server.seen().into_iter().map(tell).collect()
}

fn anonymous(server: &Server) -> Scope {
    scope(&[&server.origin()])
}

fn alice(server: &Server) -> Scope {
    let mut scope = anonymous(server);
    scope.credentials = vec![bound("main", &server.origin(), Scheme::OciToken, login("alice", "canary"))];
    scope
}

async fn tags(client: &Client, scope: &Scope, server: &Server) -> Result<Response, Failure> {
    client.send(scope, with_slot(get(format!("{}/v2/acme/app/tags/list", server.origin())), "main")).await
}

#[tokio::test]
async fn an_anonymous_token_is_bought_once_and_shown_at_once_from_then_on() {
    let server = Server::start(registry(&all_valid(), token_living(300))).await;
    let (client, scope) = (client(), anonymous(&server));
    for _ in 0..2 {
        assert_eq!(tags(&client, &scope, &server).await.map(|response| response.status), Ok(200));
    }
    let head = Request { method: "HEAD".to_owned(), ..get(format!("{}/v2/acme/app/manifests/1", server.origin())) };
    assert_eq!(client.send(&scope, with_slot(head, "main")).await.map(|response| response.status), Ok(200));
    assert_eq!(
        story(&server),
        [
            "/v2/acme/app/tags/list",
            "/token",
            "/v2/acme/app/tags/list Bearer t1",
            "/v2/acme/app/tags/list Bearer t1",
            "/v2/acme/app/manifests/1 Bearer t1",
        ]
    );
    assert_eq!(server.seen()[1].path, "/token?service=registry.example&scope=repository%3Aacme%2Fapp%3Apull");
}

#[tokio::test]
async fn a_password_is_shown_to_the_token_service_and_not_to_the_registry() {
    let server = Server::start(registry(&all_valid(), token_living(300))).await;
    assert_eq!(tags(&client(), &alice(&server), &server).await.map(|response| response.status), Ok(200));
    let expected = ["/v2/acme/app/tags/list", &format!("/token {ALICE}"), "/v2/acme/app/tags/list Bearer t1"];
    assert_eq!(story(&server), expected);
}

#[tokio::test]
async fn without_a_slot_a_401_is_the_answer() {
    let server = Server::start(registry(&all_valid(), token_living(300))).await;
    let url = format!("{}/v2/acme/app/tags/list", server.origin());
    let response = client().send(&alice(&server), get(url)).await.unwrap();
    assert_eq!((response.status, response.body.as_ref()), (401, b"who are you?".as_slice()));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn tokens_are_shared_by_those_who_hold_the_same_secret_only() {
    let server = Server::start(registry(&all_valid(), token_living(300))).await;
    let client = client();
    let mut bobby = alice(&server);
    bobby.credentials = vec![bound("main", &server.origin(), Scheme::OciToken, login("bobby", "canary"))];
    for scope in [alice(&server), bobby, anonymous(&server), alice(&server)] {
        assert_eq!(tags(&client, &scope, &server).await.map(|response| response.status), Ok(200));
    }
    let shown: Vec<_> = story(&server).into_iter().filter(|line| line.contains("Bearer")).collect();
    assert_eq!(shown, ["t1", "t2", "t3", "t1"].map(|token| format!("/v2/acme/app/tags/list Bearer {token}")));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_runs_out() {
    let server = Server::start(registry(&all_valid(), token_living(0))).await;
    let (client, scope) = (client(), anonymous(&server));
    for _ in 0..2 {
        assert_eq!(tags(&client, &scope, &server).await.map(|response| response.status), Ok(200));
    }
    assert_eq!(story(&server)[3..], ["/token", "/v2/acme/app/tags/list Bearer t2"]);
}

#[tokio::test]
async fn of_many_who_want_the_same_token_one_buys_it() {
    let server = Server::start(registry(&all_valid(), token_living(300))).await;
    let (client, scope) = (client(), anonymous(&server));
    let results = join_all((0..20).map(|_| tags(&client, &scope, &server))).await;
    assert!(results.iter().all(|result| matches!(result, Ok(Response { status: 200, .. }))), "{results:?}");
    assert_eq!(story(&server).iter().filter(|line| *line == "/token").count(), 1);
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    let valid_from = all_valid();
    let server = Server::start(registry(&valid_from, token_living(300))).await;
    let (client, scope) = (client(), anonymous(&server));
    tags(&client, &scope, &server).await.unwrap();
    valid_from.store(2, Ordering::SeqCst);
    assert_eq!(tags(&client, &scope, &server).await.map(|response| response.status), Ok(200));
    assert_eq!(story(&server)[3..], ["/v2/acme/app/tags/list Bearer t1", "/token", "/v2/acme/app/tags/list Bearer t2"]);
}

#[tokio::test]
async fn a_registry_that_refuses_everything_is_not_asked_for_ever() {
    let valid_from = Arc::new(AtomicUsize::new(usize::MAX));
    let server = Server::start(registry(&valid_from, token_living(300))).await;
    let (client, scope) = (client(), anonymous(&server));
    for _ in 0..2 {
        let response = tags(&client, &scope, &server).await.unwrap();
        assert_eq!((response.status, response.body.as_ref()), (401, b"who are you?".as_slice()));
    }
    let once = ["/v2/acme/app/tags/list", "/token", "/v2/acme/app/tags/list Bearer t"];
    let told: Vec<_> =
        story(&server).into_iter().map(|line| line.trim_end_matches(char::is_numeric).to_owned()).collect();
    assert_eq!(told, [once, once].concat());
    // And as soon as it relents, it is believed: the refused token does not linger.
    valid_from.store(3, Ordering::SeqCst);
    assert_eq!(tags(&client, &scope, &server).await.map(|response| response.status), Ok(200));
}

#[tokio::test]
async fn a_registry_that_asks_for_something_else_each_time_is_left_alone_soon() {
    let sold = AtomicUsize::new(0);
    let server = Server::start(move |seen| {
        let number = sold.fetch_add(1, Ordering::SeqCst);
        if seen.path.starts_with("/token") {
            return answer(200, &[], format!("{{\"token\":\"t{number}\"}}"));
        }
        let host = seen.header("host");
        answer(401, &[("www-authenticate", &format!("Bearer realm=\"http://{host}/token\",scope=\"s{number}\""))], "")
    })
    .await;
    assert_eq!(tags(&client(), &anonymous(&server), &server).await.map(|response| response.status), Ok(401));
    assert_eq!(server.count(), 5, "three requests and the two tokens for the last two of them");
}

#[tokio::test]
async fn a_registry_that_asks_for_a_password_gets_it_if_it_is_its_own() {
    let server = Server::start(|seen| match seen.header("authorization") {
        ALICE => ok("tags"),
        _ => answer(401, &[("www-authenticate", "Basic realm=\"My Private Docker Registry Server\"")], ""),
    })
    .await;
    let client = client();
    for _ in 0..2 {
        assert_eq!(tags(&client, &alice(&server), &server).await.map(|response| response.status), Ok(200));
    }
    let path = "/v2/acme/app/tags/list";
    let proven = format!("{path} {ALICE}");
    assert_eq!(story(&server), [path, &proven, &proven]);
    let mut wrong = alice(&server);
    wrong.credentials = vec![bound("main", &server.origin(), Scheme::OciToken, login("alice", "wrong"))];
    assert_eq!(tags(&client, &wrong, &server).await.map(|response| response.status), Ok(401));
    assert_eq!(server.count(), 5);
    assert_eq!(tags(&client, &anonymous(&server), &server).await.map(|response| response.status), Ok(401));
    assert_eq!(server.count(), 6);
}

#[tokio::test]
async fn a_challenge_that_makes_no_sense_leaves_the_401_as_it_is() {
    for challenge in ["Authenticate you must", "Bearer realm=\"nonsense\"", "Bearer", "Digest realm=\"x\",nonce=\"y\""]
    {
        let server = Server::start(move |_| answer(401, &[("www-authenticate", challenge)], "no")).await;
        let response = tags(&client(), &alice(&server), &server).await.unwrap();
        assert_eq!((response.status, response.body.as_ref()), (401, b"no".as_slice()), "{challenge}");
        assert_eq!(server.count(), 1, "{challenge}");
    }
}

#[tokio::test]
async fn a_token_service_elsewhere_must_be_bound() {
    let service = Server::start(|_| answer(200, &[], "{\"access_token\":\"t1\"}")).await;
    let realm = service.origin_as("auth.example");
    let sent_to = format!("{realm}/token");
    let server = Server::start(move |seen| match seen.header("authorization") {
        "Bearer t1" => ok("tags"),
        _ => unauthorized(&sent_to),
    })
    .await;
    let outcomes = Outcomes::default();
    let resolver = names(&[("auth.example", &["127.0.0.1"])]);
    let client = Client::new(Options { resolver, observer: Some(outcomes.observer()), ..Options::default() }).unwrap();
    let mut scope = alice(&server);
    let text = denied(tags(&client, &scope, &server).await);
    assert!(
        text.contains(&realm) && text.contains(&server.origin()) && text.contains("administrator can bind"),
        "{text}"
    );
    assert_eq!((server.count(), service.count(), outcomes.count("denied")), (1, 0, 1));
    // Bound to another registry is not bound to this one.
    scope.realms = vec![RealmBinding { registry: origin("https://other.example"), realm: origin(&realm) }];
    denied(tags(&client, &scope, &server).await);
    assert_eq!(service.count(), 0);
    scope.realms = vec![RealmBinding { registry: origin(&server.origin()), realm: origin(&realm) }];
    assert_eq!(tags(&client, &scope, &server).await.map(|response| response.status), Ok(200));
    assert_eq!(service.seen()[0].header("authorization"), ALICE);
    // The token is at hand now, but not for those who may not buy it.
    denied(tags(&client, &alice(&server), &server).await);
    assert_eq!(service.count(), 1);
}

#[tokio::test]
async fn a_token_service_on_the_registrys_own_host_needs_no_binding() {
    let service = Server::start(|_| answer(200, &[], "{\"token\":\"t1\"}")).await;
    let realm = format!("{}/token", service.origin());
    let server = Server::start(move |seen| match seen.header("authorization") {
        "Bearer t1" => ok("tags"),
        _ => unauthorized(&realm),
    })
    .await;
    assert_eq!(tags(&client(), &alice(&server), &server).await.map(|response| response.status), Ok(200));
    assert_eq!(service.seen()[0].header("authorization"), ALICE);
}

#[tokio::test]
async fn the_address_of_a_token_service_is_judged_like_any_other() {
    let server = Server::start(|_| unauthorized("http://auth.example/token")).await;
    let client =
        Client::new(Options { resolver: names(&[("auth.example", &["169.254.169.254"])]), ..Options::default() })
            .unwrap();
    let mut scope = alice(&server);
    scope.realms = vec![RealmBinding { registry: origin(&server.origin()), realm: origin("http://auth.example") }];
    let text = denied(tags(&client, &scope, &server).await);
    assert!(text.contains("auth.example is at 169.254.169.254"), "{text}");
}

#[tokio::test]
async fn what_a_token_service_answers_becomes_the_fitting_outcome() {
    let check = async |status: u16, headers: &'static [(&'static str, &'static str)], body: String| {
        let server = Server::start(registry(&all_valid(), move |_| answer(status, headers, body.clone()))).await;
        let result = tags(&client(), &alice(&server), &server).await;
        assert_eq!(server.count(), if matches!(result, Ok(Response { status: 200, .. })) { 3 } else { 2 });
        result
    };
    for status in [400, 401, 403, 404] {
        let response = check(status, &[], "{\"details\":\"incorrect username or password\"}".to_owned()).await.unwrap();
        assert_eq!((response.status, response.body.as_ref()), (401, b"who are you?".as_slice()), "{status}");
    }
    let response = check(429, &[("retry-after", "17"), ("x-other", "y")], String::new()).await.unwrap();
    assert_eq!(response.status, 429);
    assert_eq!(response.headers, [("retry-after".to_owned(), "17".to_owned())]);
    let fails = async |status: u16, body: &str, expected: &str| {
        let result = check(status, &[("location", "/elsewhere")], body.to_owned()).await;
        assert!(matches!(&result, Err(Failure::Other(text)) if text.contains(expected)), "{status}: {result:?}");
    };
    fails(500, "", "answered 500").await;
    fails(302, "", "answered 302").await;
    fails(204, "", "answered 204").await;
    fails(200, "", "not a token").await;
    fails(200, "<html>", "not a token").await;
    fails(200, "{}", "not a token").await;
    fails(200, "{\"token\":\"a\\r\\nb: c\"}", "not a token").await;
    let padded = |length: usize| format!("{{\"token\":\"t1\",\"pad\":\"{}\"}}", "x".repeat(length));
    fails(200, &padded(64 * 1024), "not a token").await;
    assert_eq!(check(200, &[], padded(60 * 1024)).await.map(|response| response.status), Ok(200));
    assert_eq!(check(200, &[], "{\"access_token\":\"t1\"}".to_owned()).await.map(|response| response.status), Ok(200));
}

#[tokio::test]
async fn a_conditional_request_keeps_its_condition_on_the_way_through_the_token_service() {
    let server = Server::start(registry_with_etag).await;
    let (client, scope) = (client(), anonymous(&server));
    let send = async || String::from_utf8(tags(&client, &scope, &server).await.unwrap().body.to_vec()).unwrap();
    assert_eq!((send().await, send().await), ("tags".to_owned(), "tags".to_owned()));
    let seen = server.seen();
    assert_eq!(seen.len(), 4, "401, token, 200, and one conditional request");
    assert_eq!((seen[3].header("authorization"), seen[3].header("if-none-match")), ("Bearer t1", "\"a\""));
}

fn registry_with_etag(seen: &Seen) -> Answer {
    if seen.path.starts_with("/token") {
        return answer(200, &[], "{\"token\":\"t1\"}");
    }
    match (seen.header("authorization"), seen.header("if-none-match")) {
        ("Bearer t1", "\"a\"") => answer(304, &[], ""),
        ("Bearer t1", _) => answer(200, &[("etag", "\"a\"")], "tags"),
        _ => unauthorized(&format!("http://{}/token", seen.header("host"))),
    }
}
