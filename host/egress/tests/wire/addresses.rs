//! Who may be called: grants, addresses in all spellings, names and what they resolve to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;
use k8supdater_core::origin::{Grants, Origin};
use k8supdater_egress::{Client, Failure, Options, Resolver};

use crate::server::{Server, answer, client, denied, get, names, ok, origin, scope};

#[tokio::test]
async fn only_granted_origins_are_called() {
    let (granted, other) = (Server::start(|_| ok("granted")).await, Server::start(|_| ok("other")).await);
    let scope = scope(&[&granted.origin()]);
    let client = client();
    let response = client.send(&scope, get(format!("{}/a?b=c", granted.origin()))).await.unwrap();
    assert_eq!((response.status, response.body.as_ref()), (200, b"granted".as_slice()));
    for url in [
        format!("{}/", other.origin()),
        format!("https://{}/", granted.address),
        format!("http://localhost:{}/", granted.address.port()),
        format!("http://127.0.0.1.nip.example:{}/", granted.address.port()),
        "http://127.0.0.1/".to_owned(),
    ] {
        denied(client.send(&scope, get(&url)).await);
    }
    assert_eq!((granted.count(), other.count()), (1, 0));
}

#[tokio::test]
async fn an_address_is_what_it_is_however_it_is_spelt() {
    let server = Server::start(|_| ok("here")).await;
    let port = server.address.port();
    let client = client();
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "0x7f000001", "127.1", "127.0.0.1."] {
        let scope = scope(&[&server.origin()]);
        let result = client.send(&scope, get(format!("http://{host}:{port}/"))).await;
        assert_eq!(result.map(|response| response.status), Ok(200), "{host}");
    }
    for host in [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
        "255.255.255.255",
    ] {
        let url = format!("http://{host}:{port}/");
        // Granted by its very name, which opens private addresses but not these.
        let text = denied(client.send(&scope(&[&url]), get(&url)).await);
        assert!(text.contains("may not be called"), "{host}: {text}");
    }
}

#[tokio::test]
async fn every_address_of_a_name_is_judged_before_any_is_called() {
    let server = Server::start(|_| ok("here")).await;
    let port = server.address.port();
    let resolver = names(&[
        ("inner.example", &["127.0.0.1"]),
        ("metadata.example", &["169.254.169.254"]),
        ("mixed.example", &["127.0.0.1", "169.254.169.254"]),
        ("mapped.example", &["::ffff:169.254.169.254"]),
        ("nowhere.example", &[]),
    ]);
    let client = Client::new(Options { resolver, ..Options::default() }).unwrap();
    let url = |host: &str| format!("http://{host}:{port}/");
    let send = async |host: &str| client.send(&scope(&[&url(host)]), get(url(host))).await;
    assert_eq!(send("inner.example").await.map(|response| response.status), Ok(200));
    assert_eq!(server.seen()[0].header("host"), format!("inner.example:{port}"));
    for host in ["metadata.example", "mixed.example", "mapped.example"] {
        let text = denied(send(host).await);
        assert!(text.contains(host) && text.contains("may not be called"), "{text}");
    }
    for (host, expected) in [("nowhere.example", "has no address"), ("unknown.example", "no such host")] {
        match send(host).await {
            Err(Failure::Connect(text)) => assert!(text.contains(host) && text.contains(expected), "{text}"),
            other => unreachable!("{host}: {other:?}"),
        }
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn the_images_own_registry_may_not_be_at_a_private_address() {
    let resolver = names(&[("registry.example", &["127.0.0.1"]), ("split.example", &["93.184.215.14", "10.0.0.7"])]);
    let client = Client::new(Options { resolver, ..Options::default() }).unwrap();
    for host in ["registry.example", "split.example"] {
        let mut scope = scope(&["$registry"]);
        scope.registry = Some(origin(&format!("https://{host}")));
        let text = denied(client.send(&scope, get(format!("https://{host}/v2/"))).await);
        assert!(text.contains(host) && text.contains("may not be called"), "{text}");
    }
}

#[tokio::test]
async fn a_registry_that_an_administrator_names_may_be_private_and_without_tls() {
    let server = Server::start(|_| ok("tags")).await;
    let grants = |texts: &[&str]| scope(texts).grants;
    let granted = grants(&["$registry", &server.origin()]);
    let mut scope = scope(&[]);
    scope.grants = Grants::intersect(&grants(&["$registry"]), &granted);
    // An image reference names no scheme, so what is looked for is https.
    scope.registry = Origin::registry(&server.address.to_string()).ok();
    let url = format!("{}/v2/", server.origin());
    assert_eq!(client().send(&scope, get(&url)).await.map(|response| response.status), Ok(200));
    scope.registry = Origin::registry("ghcr.io").ok();
    denied(client().send(&scope, get(&url)).await);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_name_that_moves_after_the_check_is_never_looked_up_again() {
    let server = Server::start(|_| answer(200, &[("connection", "close")], "here")).await;
    let looked_up = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looked_up);
    // The first answer is good, all later ones are what an attacker wants to be called.
    let resolver = Resolver::from_fn(move |_| {
        let ip = if counter.fetch_add(1, Ordering::SeqCst) == 0 { "127.0.0.1" } else { "169.254.169.254" };
        async move { Ok(vec![ip.parse().unwrap()]) }.boxed()
    });
    let client = Client::new(Options { resolver, ..Options::default() }).unwrap();
    let url = format!("http://rebind.example:{}/", server.address.port());
    let scope = scope(&[&url]);
    assert_eq!(client.send(&scope, get(&url)).await.map(|response| response.status), Ok(200));
    assert_eq!(looked_up.load(Ordering::SeqCst), 1, "one look-up for one connection");
    denied(client.send(&scope, get(&url)).await);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_connection_that_one_scope_may_make_is_not_lent_to_another() {
    let certificate = rcgen::generate_simple_self_signed(vec!["registry.example".to_owned()]).unwrap();
    let server = Server::start_tls(&certificate, |_| ok("inner")).await;
    let client = Client::new(Options {
        resolver: names(&[("registry.example", &["127.0.0.1"])]),
        extra_authorities: Some(certificate.cert.pem().into_bytes()),
        ..Options::default()
    })
    .unwrap();
    let url = server.origin_as("registry.example");
    let named = scope(&[&url]);
    assert_eq!(client.send(&named, get(&url)).await.map(|response| response.status), Ok(200));
    let mut by_registry = scope(&["$registry"]);
    by_registry.registry = Some(origin(&url));
    denied(client.send(&by_registry, get(&url)).await);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn redirects_are_answers_and_are_not_followed() {
    let elsewhere = Server::start(|_| ok("followed")).await;
    let location = elsewhere.origin();
    let server = Server::start(move |seen| {
        let status = seen.path.trim_start_matches('/').parse().unwrap();
        answer(status, &[("location", &location)], "")
    })
    .await;
    let scope = scope(&[&server.origin(), &elsewhere.origin()]);
    for status in [301, 302, 303, 307, 308] {
        let response = client().send(&scope, get(format!("{}/{status}", server.origin()))).await.unwrap();
        assert_eq!(response.status, status);
        assert!(response.headers.contains(&("location".to_owned(), elsewhere.origin())), "{:?}", response.headers);
    }
    assert_eq!(elsewhere.count(), 0);
}
