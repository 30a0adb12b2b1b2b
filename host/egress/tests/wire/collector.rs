//! The collector of traces: what is posted, what is tried again, and where nothing goes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use k8supdater_core::pull_secret::Secret;
use k8supdater_egress::{BuildError, Collector, CollectorError, CollectorOptions, Failure, Resolver};

use crate::server::{Answer, Server, answer, names, ok};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(30);

fn options(url: &str) -> CollectorOptions {
    CollectorOptions {
        url: url.parse().unwrap(),
        headers: Vec::new(),
        content_type: "application/x-protobuf",
        is_compressed: false,
        extra_authorities: None,
        resolver: Resolver::system(),
    }
}

fn collector(url: &str) -> Collector {
    Collector::new(options(url)).unwrap()
}

/// Answers with the first of `answers`, then the second and so on; with the last for ever.
fn in_turn(answers: Vec<fn() -> Answer>) -> impl Fn(&crate::server::Seen) -> Answer + Send + Sync + 'static {
    let asked = AtomicUsize::new(0);
    move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        answers[number.min(answers.len() - 1)]()
    }
}

#[tokio::test]
async fn what_is_posted_arrives_with_its_headers() {
    let server = Server::start(|_| ok("taken")).await;
    for is_compressed in [false, true] {
        let headers = vec![("Authorization".to_owned(), Secret::new("Basic canary".to_owned()))];
        let url = format!("{}/v1/traces", server.origin());
        let collector = Collector::new(CollectorOptions { headers, is_compressed, ..options(&url) }).unwrap();
        assert_eq!(collector.post("spans".into(), LONG).await.unwrap().as_ref(), b"taken");
        assert!(!format!("{collector:?}").contains("canary"), "{collector:?}");
    }
    let [plain, compressed] = &server.seen()[..] else { unreachable!("two requests") };
    assert_eq!(
        (plain.method.as_str(), plain.path.as_str(), plain.body.as_ref()),
        ("POST", "/v1/traces", &b"spans"[..])
    );
    assert_eq!(
        (plain.header("content-type"), plain.header("authorization")),
        ("application/x-protobuf", "Basic canary")
    );
    assert_eq!((plain.header("content-encoding"), compressed.header("content-encoding")), ("", "gzip"));
    let unpacked = std::io::read_to_string(GzDecoder::new(compressed.body.as_ref())).unwrap();
    assert_eq!(unpacked, "spans");
}

#[tokio::test]
async fn what_passes_by_itself_is_tried_again_and_nothing_else_is() {
    for (status, is_tried_again) in
        [(429, true), (502, true), (503, true), (504, true), (400, false), (401, false), (404, false), (500, false)]
    {
        let refused = move |_: &crate::server::Seen| answer(status, &[], "canary");
        let server = Server::start(refused).await;
        let result = collector(&server.origin()).post("spans".into(), Duration::from_secs(2)).await;
        let err = result.unwrap_err();
        assert!(matches!(err, CollectorError::Refused { status: found, .. } if found == status), "{err:?}");
        assert_eq!(err.to_string(), format!("{} answered with status {status}", server.origin()));
        assert_eq!(server.count() > 1, is_tried_again, "{status}: {} attempts", server.count());
    }
    let server = Server::start(in_turn(vec![|| answer(503, &[], ""), || ok("taken")])).await;
    assert!(collector(&server.origin()).post("spans".into(), LONG).await.is_ok());
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_collector_that_asks_to_be_left_alone_is() {
    let server = Server::start(in_turn(vec![|| answer(429, &[("retry-after", "2")], ""), || ok("taken")])).await;
    let begun = Instant::now();
    assert!(collector(&server.origin()).post("spans".into(), LONG).await.is_ok());
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());

    let server = Server::start(|_| answer(503, &[("retry-after", "3600")], "")).await;
    let begun = Instant::now();
    assert!(collector(&server.origin()).post("spans".into(), Duration::from_secs(20)).await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(10), "a wait that ends too late is not begun");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_collector_that_does_not_answer_is_given_up_in_time() {
    let (address, _task) = crate::server::raw(Vec::new(), crate::server::Then::FallSilent).await;
    let begun = Instant::now();
    let result = collector(&format!("http://{address}/")).post("spans".into(), Duration::from_millis(700)).await;
    assert!(matches!(result, Err(CollectorError::Failed(Failure::Timeout))), "{result:?}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let result = collector(&format!("http://{closed}/")).post("spans".into(), Duration::from_millis(700)).await;
    assert!(matches!(result, Err(CollectorError::Failed(Failure::Connect(_)))), "{result:?}");
}

#[tokio::test]
async fn a_redirect_is_no_place_to_take_a_login_to() {
    let other = Server::start(|_| ok("")).await;
    let location = other.origin();
    let server = Server::start(move |_| answer(307, &[("location", &location)], "")).await;
    let result = collector(&server.origin()).post("spans".into(), LONG).await;
    assert!(matches!(result, Err(CollectorError::Refused { status: 307, .. })), "{result:?}");
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn a_private_address_is_in_order_and_that_of_the_cloud_is_not() {
    let server = Server::start(|_| ok("")).await;
    let resolver = names(&[("near.example", &["127.0.0.1"]), ("metadata.example", &["169.254.169.254"])]);
    let post = async |url: String| {
        let options = CollectorOptions { resolver: resolver.clone(), ..options(&url) };
        Collector::new(options).unwrap().post("spans".into(), LONG).await
    };
    assert!(post(server.origin_as("near.example")).await.is_ok());
    for host in ["metadata.example", "169.254.169.254"] {
        let result = post(format!("http://{host}:4318/")).await;
        assert!(matches!(result, Err(CollectorError::Failed(Failure::Denied(_)))), "{host}: {result:?}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read() {
    let server = Server::start(|_| answer(200, &[], "x".repeat(100_000))).await;
    let result = collector(&server.origin()).post("spans".into(), LONG).await;
    assert!(matches!(result, Err(CollectorError::Failed(Failure::TooLarge))), "{result:?}");
}

#[test]
fn what_cannot_be_posted_is_refused_at_the_start_without_its_secrets() {
    let check = |name: &str, value: &str, expected: &str| {
        let headers = vec![(name.to_owned(), Secret::new(value.to_owned()))];
        let err = Collector::new(CollectorOptions { headers, ..options("http://a/") }).unwrap_err();
        assert!(matches!(&err, BuildError::Collector(why) if why.contains(expected)), "{err:?}");
        assert!(!format!("{err:?} {err}").contains("canary"), "{err:?}");
    };
    check("a b", "canary", "is no header");
    check("authorization", "canary\n", "has a line end");
    check("Content-Length", "canary", "not for others to set");
    check("Host", "canary", "not for others to set");
    let err = Collector::new(options("ftp://a/")).unwrap_err();
    assert_eq!(err.reason(), "InvalidCollector");
}
