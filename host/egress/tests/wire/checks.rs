//! What is refused before anything is sent, and what goes out as it was asked for.

use k8supdater_egress::{Client, Options, Request};

use crate::server::{Outcomes, Server, client, denied, get, ok, scope};

#[tokio::test]
async fn urls_that_are_not_plain_are_refused() {
    let server = Server::start(|_| ok("")).await;
    let address = server.address;
    let scope = scope(&[&server.origin()]);
    let check = async |url: &str, expected: &str| {
        let text = denied(client().send(&scope, get(url)).await);
        assert!(text.contains(expected), "{url}: {text}");
    };
    check("file:///etc/passwd", "neither http nor https").await;
    check("ftp://127.0.0.1/", "neither http nor https").await;
    check("/v2/", "not valid").await;
    check("", "not valid").await;
    check("http://", "not valid").await;
    check(&format!("http://user@{address}/"), "name a credential slot").await;
    check(&format!("http://user:pass@{address}/"), "name a credential slot").await;
    check(&format!("http://{address}/a b"), "percent-encode").await;
    check(&format!("http://{address}/a\r\nx: y"), "percent-encode").await;
    check(&format!("http://{address}/{}", "a".repeat(9000)), "longer than").await;
    assert_eq!(server.count(), 0);
    let text = denied(client().send(&scope, get(format!("http://user:hunter2@{address}/"))).await);
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn fragments_stay_here() {
    let server = Server::start(|_| ok("")).await;
    client().send(&scope(&[&server.origin()]), get(format!("{}/a?b#c", server.origin()))).await.unwrap();
    assert_eq!(server.seen()[0].path, "/a?b");
}

#[tokio::test]
async fn methods_headers_and_bodies_are_bounded() {
    let server = Server::start(|_| ok("")).await;
    let scope = scope(&[&server.origin()]);
    let base = || get(server.origin());
    let header = |name: &str, value: &str| Request { headers: vec![(name.to_owned(), value.to_owned())], ..base() };
    let check = async |request: Request, expected: &str| {
        let text = denied(client().send(&scope, request).await);
        assert!(text.contains(expected), "{expected:?} is not in: {text}");
    };
    for name in [
        "host",
        "Authorization",
        "cookie",
        "proxy-authorization",
        "Content-Length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "TE",
        "trailer",
        "upgrade",
        "keep-alive",
        "expect",
        "if-none-match",
        "if-modified-since",
    ] {
        check(header(name, "x"), &format!("{name:?}")).await;
    }
    check(header("x-a", "b\r\nc: d"), "line end").await;
    check(header("x-a", "b\0"), "line end").await;
    check(header("x a", "b"), "not a valid header name").await;
    check(header("x-a\r\nc", "b"), "not a valid header name").await;
    check(header("", "b"), "not a valid header name").await;
    check(header("x-a", &"b".repeat(17 * 1024)), "bytes of headers").await;
    let many = |count: usize| (0..count).map(|n| (format!("x-{n}"), "v".to_owned())).collect::<Vec<_>>();
    check(Request { headers: many(65), ..base() }, "65 headers").await;
    check(Request { method: "TRACE".to_owned(), ..base() }, "GET, HEAD, POST").await;
    check(Request { method: "get".to_owned(), ..base() }, "GET, HEAD, POST").await;
    check(Request { method: "POST".to_owned(), body: vec![0; 1024 * 1024 + 1], ..base() }, "1048577 bytes").await;
    assert_eq!(server.count(), 0);

    client().send(&scope, Request { headers: many(64), ..base() }).await.unwrap();
    client().send(&scope, Request { method: "POST".to_owned(), body: vec![7; 1024 * 1024], ..base() }).await.unwrap();
    let seen = server.seen();
    assert_eq!((seen[0].header("x-0"), seen[0].header("x-63")), ("v", "v"));
    assert_eq!((seen[1].method.as_str(), seen[1].body.len()), ("POST", 1024 * 1024));
}

#[tokio::test]
async fn each_method_goes_out_as_it_is() {
    let server = Server::start(|_| ok("")).await;
    let scope = scope(&[&server.origin()]);
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    for method in methods {
        let request = Request { method: method.to_owned(), ..get(server.origin()) };
        assert_eq!(client().send(&scope, request).await.map(|response| response.status), Ok(200), "{method}");
    }
    assert_eq!(server.seen().iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>(), methods);
    assert!(server.seen()[0].header("user-agent").starts_with("k8supdater/"));
}

#[tokio::test]
async fn the_observer_is_told_of_each_request_and_each_refusal() {
    let server =
        Server::start(|seen| crate::server::answer(seen.path.trim_start_matches('/').parse().unwrap(), &[], "")).await;
    let outcomes = Outcomes::default();
    let client = Client::new(Options { observer: Some(outcomes.observer()), ..Options::default() }).unwrap();
    let scope = scope(&[&server.origin(), "http://127.0.0.1:1"]);
    for status in [200, 204, 301, 404, 429, 503] {
        let response = client.send(&scope, get(format!("{}/{status}", server.origin()))).await.unwrap();
        assert_eq!(response.status, status);
    }
    denied(client.send(&scope, get("https://elsewhere.example/")).await);
    client.send(&scope, get("http://127.0.0.1:1/")).await.unwrap_err();
    let counts =
        ["2xx", "3xx", "4xx", "429", "5xx", "revalidated", "denied", "failed"].map(|word| outcomes.count(word));
    assert_eq!(counts, [2, 1, 1, 1, 1, 0, 1, 1]);
}
