//! Conditional requests, and whose answers they bring back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use k8supdater_egress::{Client, Failure, Options, Request, Scheme};

use crate::server::{Answer, Outcomes, Seen, Server, answer, bound, client, get, scope, token, with_slot};

/// A tag list that changes with the user who asks.
fn tags(seen: &Seen) -> Answer {
    let user = seen.header("authorization").to_owned();
    let etag = format!("\"{}\"", user.len());
    if seen.header("if-none-match") == etag {
        return answer(304, &[("etag", &etag)], "");
    }
    answer(200, &[("etag", &etag), ("x-page", "1")], format!("tags of {user}"))
}

#[tokio::test]
async fn an_unchanged_answer_is_asked_about_and_given_again() {
    let server = Server::start(tags).await;
    let outcomes = Outcomes::default();
    let client = Client::new(Options { observer: Some(outcomes.observer()), ..Options::default() }).unwrap();
    let scope = scope(&[&server.origin()]);
    let send = async || client.send(&scope, get(format!("{}/tags", server.origin()))).await.unwrap();
    let first = send().await;
    let second = send().await;
    assert_eq!(first, second);
    assert_eq!((second.status, second.body.as_ref()), (200, b"tags of ".as_slice()));
    assert!(second.headers.contains(&("x-page".to_owned(), "1".to_owned())), "{second:?}");
    let seen = server.seen();
    assert_eq!((seen[0].header("if-none-match"), seen[1].header("if-none-match")), ("", "\"0\""));
    assert_eq!((outcomes.count("2xx"), outcomes.count("revalidated")), (1, 1));
}

#[tokio::test]
async fn a_changed_answer_replaces_the_kept_one() {
    let changed = Arc::new(AtomicBool::new(false));
    let is_changed = Arc::clone(&changed);
    let server = Server::start(move |seen| {
        let (modified, body) = if is_changed.load(Ordering::SeqCst) {
            ("Tue, 16 Jan 2024 10:00:00 GMT", "new")
        } else {
            ("Mon, 15 Jan 2024 10:00:00 GMT", "old")
        };
        if seen.header("if-modified-since") == modified {
            return answer(304, &[], "");
        }
        answer(200, &[("last-modified", modified)], body)
    })
    .await;
    let (client, scope) = (client(), scope(&[&server.origin()]));
    let send = async || client.send(&scope, get(server.origin())).await.unwrap().body;
    assert_eq!((send().await, send().await), ("old".into(), "old".into()));
    changed.store(true, Ordering::SeqCst);
    assert_eq!((send().await, send().await), ("new".into(), "new".into()));
    let asked: Vec<_> = server.seen().iter().map(|seen| seen.header("if-modified-since").to_owned()).collect();
    assert_eq!(asked[3], "Tue, 16 Jan 2024 10:00:00 GMT", "{asked:?}");
}

#[tokio::test]
async fn one_tenant_never_gets_what_another_was_answered() {
    let server = Server::start(tags).await;
    let client = client();
    let url = server.origin();
    let send = async |secret: Option<&str>| {
        let mut scope = scope(&[&url]);
        scope.credentials =
            secret.map(|secret| bound("main", &url, Scheme::Bearer, token(secret))).into_iter().collect();
        String::from_utf8(client.send(&scope, with_slot(get(&url), "main")).await.unwrap().body.to_vec()).unwrap()
    };
    assert_eq!(send(Some("alice")).await, "tags of Bearer alice");
    assert_eq!(send(Some("bobby")).await, "tags of Bearer bobby", "although the etag would be the same");
    assert_eq!(send(None).await, "tags of ");
    assert_eq!(send(Some("alice")).await, "tags of Bearer alice");
    let conditions: Vec<bool> = server.seen().iter().map(|seen| seen.headers.contains_key("if-none-match")).collect();
    assert_eq!(conditions, [false, false, false, true]);
}

#[tokio::test]
async fn only_the_same_request_is_asked_about() {
    let server = Server::start(tags).await;
    let (client, scope) = (client(), scope(&[&server.origin()]));
    let base = || get(format!("{}/tags", server.origin()));
    let accept = |value: &str| Request { headers: vec![("accept".to_owned(), value.to_owned())], ..base() };
    let requests = [
        accept("a"),
        accept("b"),
        get(format!("{}/tags?n=1", server.origin())),
        Request { method: "HEAD".to_owned(), ..base() },
        Request { method: "POST".to_owned(), ..base() },
        accept("a"),
    ];
    for request in requests {
        client.send(&scope, request).await.unwrap();
    }
    let conditions: Vec<bool> = server.seen().iter().map(|seen| seen.headers.contains_key("if-none-match")).collect();
    assert_eq!(conditions, [false, false, false, false, false, true]);
}

#[tokio::test]
async fn an_answer_without_room_is_not_kept() {
    let server = Server::start(tags).await;
    let client = Client::new(Options { kept_bytes: 100, ..Options::default() }).unwrap();
    for _ in 0..2 {
        client.send(&scope(&[&server.origin()]), get(server.origin())).await.unwrap();
    }
    assert_eq!(server.seen()[1].header("if-none-match"), "");
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_a_failure() {
    let server = Server::start(|_| answer(304, &[], "")).await;
    let result = client().send(&scope(&[&server.origin()]), get(server.origin())).await;
    assert!(matches!(&result, Err(Failure::Other(text)) if text.contains("304")), "{result:?}");
}
