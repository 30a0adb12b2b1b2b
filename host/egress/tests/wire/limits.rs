//! Limits on answers, on time and on how much happens at once.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use futures::FutureExt;
use futures::future::join_all;
use k8supdater_egress::{Client, Failure, Limits, Options, Request, Resolver};
use tokio::net::TcpListener;

use crate::server::{Server, Then, answer, client, get, ok, raw, scope};

const MIB: usize = 1024 * 1024;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Sends a GET to a server that answers with exactly `bytes`, and then closes the connection or falls silent.
async fn check(bytes: Vec<u8>, then: Then, limits: Limits) -> Result<(u16, usize), Failure> {
    let (address, task) = raw(bytes, then).await;
    let mut scope = scope(&[&format!("http://{address}")]);
    scope.limits = limits;
    let result = client().send(&scope, get(format!("http://{address}/"))).await;
    task.abort();
    result.map(|response| (response.status, response.body.len()))
}

fn message(headers: &str, body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n", headers.as_bytes(), b"\r\n", body].concat()
}

#[tokio::test]
async fn answers_that_pass_a_limit_are_given_up() {
    let limits = || Limits { wire: MIB, decoded: 2 * MIB, ..Limits::default() };
    let length = |length: usize| format!("content-length: {length}\r\n");
    let plain = |size: usize| message(&length(size), &vec![b'x'; size]);
    let packed = |size: usize| {
        let body = gzip(&vec![b'x'; size]);
        message(&format!("content-encoding: gzip\r\n{}", length(body.len())), &body)
    };
    let many_headers = |count: usize| message(&"x-a: b\r\n".repeat(count), b"");
    let too_large = Err(Failure::TooLarge);
    assert_eq!(check(plain(MIB), Then::Close, limits()).await, Ok((200, MIB)));
    assert_eq!(check(plain(MIB + 1), Then::Close, limits()).await, too_large);
    assert_eq!(check(message("", &vec![b'x'; MIB + 1]), Then::Close, limits()).await, too_large, "without a length");
    assert_eq!(
        check(message(&length(usize::MAX), b"x"), Then::FallSilent, limits()).await,
        too_large,
        "before the body comes"
    );
    assert_eq!(check(packed(2 * MIB), Then::Close, limits()).await, Ok((200, 2 * MIB)));
    assert_eq!(check(packed(2 * MIB + 1), Then::Close, limits()).await, too_large);
    assert_eq!(check(packed(64 * MIB), Then::Close, limits()).await, too_large, "a bomb");
    assert_eq!(check(many_headers(100), Then::Close, limits()).await, Ok((200, 0)));
    assert_eq!(check(many_headers(200), Then::Close, limits()).await, too_large);
    let long = format!("x-a: {}\r\n", "b".repeat(70 * 1024));
    assert_eq!(check(message(&long, b""), Then::Close, limits()).await, too_large);
}

#[tokio::test]
async fn answers_that_are_broken_are_failures_with_a_cause() {
    let fails = async |bytes: Vec<u8>, expected: &str| {
        let failure = check(bytes, Then::Close, Limits::default()).await.unwrap_err();
        assert!(failure.to_string().contains(expected), "expected {expected:?} in {failure:?}");
        failure
    };
    let failure = fails(message("content-length: 100\r\n", b"half"), "before the answer was complete").await;
    assert!(matches!(failure, Failure::Connect(_)), "{failure:?}");
    let failure = fails(Vec::new(), "before the answer was complete").await;
    assert!(matches!(failure, Failure::Connect(_)), "{failure:?}");
    let failure = fails(b"220 mail.example ESMTP\r\n".to_vec(), "not HTTP").await;
    assert!(matches!(failure, Failure::Other(_)), "{failure:?}");
    fails(message("content-encoding: br\r\ncontent-length: 1\r\n", b"x"), "\"br\"").await;
    fails(message("content-encoding: gzip\r\ncontent-length: 5\r\n", b"plain"), "content-encoding says").await;
    let mut half = gzip(b"hello, hello");
    half.truncate(half.len() - 3);
    let headers = format!("content-encoding: gzip\r\ncontent-length: {}\r\n", half.len());
    fails(message(&headers, &half), "content-encoding says").await;
}

#[tokio::test]
async fn gzip_is_asked_for_and_taken_off() {
    let server = Server::start(|seen| {
        assert_eq!(seen.header("accept-encoding"), "gzip");
        answer(200, &[("content-encoding", "gzip"), ("content-type", "application/json")], gzip(b"{}"))
    })
    .await;
    let response = client().send(&scope(&[&server.origin()]), get(server.origin())).await.unwrap();
    assert_eq!(response.body.as_ref(), b"{}");
    let names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"content-type"), "{names:?}");
    assert!(!names.contains(&"content-encoding") && !names.contains(&"content-length"), "{names:?}");
}

#[tokio::test]
async fn a_head_keeps_the_length_that_it_was_asked_for() {
    let server =
        Server::start(|_| answer(200, &[("content-length", "99999999"), ("docker-content-digest", "sha256:d")], ""))
            .await;
    let head = Request { method: "HEAD".to_owned(), ..get(server.origin()) };
    let response = client().send(&scope(&[&server.origin()]), head).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.headers.contains(&("docker-content-digest".to_owned(), "sha256:d".to_owned())), "{response:?}");
}

#[tokio::test]
async fn cookies_are_not_handed_to_plugins() {
    let server = Server::start(|_| answer(200, &[("set-cookie", "session=canary"), ("x-other", "y")], "")).await;
    let response = client().send(&scope(&[&server.origin()]), get(server.origin())).await.unwrap();
    assert!(!format!("{response:?}").contains("canary"), "{response:?}");
    assert!(response.headers.iter().any(|(name, _)| name == "x-other"), "{response:?}");
}

#[tokio::test]
async fn silence_and_slowness_end_in_time() {
    let short = Duration::from_millis(200);
    let check = async |bytes: Vec<u8>, limits: Limits| {
        let begun = Instant::now();
        assert_eq!(check(bytes, Then::FallSilent, limits).await, Err(Failure::Timeout));
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    };
    check(Vec::new(), Limits { total: short, ..Limits::default() }).await;
    check(message("content-length: 100\r\n", b"half"), Limits { total: short, ..Limits::default() }).await;
    check(message("content-length: 100\r\n", b"half"), Limits { idle: short, ..Limits::default() }).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_idle() {
    let (address, task) = raw(Vec::new(), Then::FallSilent).await;
    let client = Client::new(Options { connect: Duration::from_millis(100), ..Options::default() }).unwrap();
    let mut scope = scope(&[&format!("http://{address}")]);
    scope.limits.idle = Duration::from_millis(200);
    assert_eq!(client.send(&scope, get(format!("http://{address}/"))).await, Err(Failure::Timeout));
    task.abort();
}

#[tokio::test]
async fn no_connection_is_said_to_be_none() {
    // A name server that never answers takes connecting time.
    let resolver = Resolver::from_fn(|_| std::future::pending().boxed());
    let client = Client::new(Options { resolver, connect: Duration::from_millis(100), ..Options::default() }).unwrap();
    let url = "http://slow.example/";
    let slow = client.send(&scope(&[url]), get(url)).await;
    assert!(
        matches!(&slow, Err(Failure::Connect(text)) if text.contains("slow.example") && text.contains("in time")),
        "{slow:?}"
    );
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{address}/");
    let refused = client.send(&scope(&[&url]), get(&url)).await;
    assert!(matches!(&refused, Err(Failure::Connect(text)) if text.contains("refused")), "{refused:?}");
}

/// A server of which each request waits a little, and which knows how many were there at once.
async fn slow_server() -> (Server, Arc<AtomicUsize>) {
    let most = Arc::new(AtomicUsize::new(0));
    let under_way = Arc::new(AtomicUsize::new(0));
    let seen_most = Arc::clone(&most);
    let server = Server::start(move |_| {
        let under_way = Arc::clone(&under_way);
        seen_most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let body = async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            under_way.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, std::io::Error>("x")
        };
        answer(200, &[], axum::body::Body::from_stream(futures::stream::once(body)))
    })
    .await;
    (server, most)
}

#[tokio::test]
async fn no_more_than_the_allowed_requests_are_under_way() {
    let (one, most_of_one) = slow_server().await;
    let (other, most_of_other) = slow_server().await;
    let client = Client::new(Options { per_origin: 3, total: 4, ..Options::default() }).unwrap();
    let scope = scope(&[&one.origin(), &other.origin()]);
    let urls = (0..24).map(|n| if n % 2 == 0 { one.origin() } else { other.origin() });
    let results = join_all(urls.map(|url| client.send(&scope, get(url)))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let (most_of_one, most_of_other) = (most_of_one.load(Ordering::SeqCst), most_of_other.load(Ordering::SeqCst));
    assert!((1..=3).contains(&most_of_one), "{most_of_one}");
    assert!((1..=3).contains(&most_of_other), "{most_of_other}");
}

#[tokio::test]
async fn waiting_for_a_place_counts_as_time() {
    let (address, task) = raw(Vec::new(), Then::FallSilent).await;
    let quick = Server::start(|_| ok("")).await;
    let client = Client::new(Options { per_origin: 1, ..Options::default() }).unwrap();
    let url = format!("http://{address}/");
    let mut scope = scope(&[&url, &quick.origin()]);
    scope.limits.total = Duration::from_millis(300);
    let begun = Instant::now();
    let results = join_all((0..3).map(|_| client.send(&scope, get(&url)))).await;
    assert_eq!(results, [Err(Failure::Timeout), Err(Failure::Timeout), Err(Failure::Timeout)]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(client.send(&scope, get(quick.origin())).await.map(|response| response.status), Ok(200));
    task.abort();
}
