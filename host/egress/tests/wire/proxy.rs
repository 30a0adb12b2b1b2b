//! Proxies: only the one that is configured, never one of the environment.

use std::process::Command;

use k8supdater_egress::{BuildError, Client, Options};

use crate::server::{Server, client, denied, get, ok, scope};

#[tokio::test]
async fn a_configured_proxy_is_asked_for_everything_that_is_granted() {
    let proxy = Server::start(|_| ok("by proxy")).await;
    let client = Client::new(Options { proxy: Some(proxy.origin()), ..Options::default() }).unwrap();
    let url = "http://only-the-proxy-knows.example/a";
    let response = client.send(&scope(&["http://only-the-proxy-knows.example"]), get(url)).await.unwrap();
    assert_eq!(response.body.as_ref(), b"by proxy");
    assert_eq!(proxy.seen()[0].header("host"), "only-the-proxy-knows.example");
    denied(client.send(&scope(&[]), get(url)).await);
    denied(client.send(&scope(&["http://169.254.169.254"]), get("http://169.254.169.254/")).await);
    assert_eq!(proxy.count(), 1);
}

#[test]
fn a_proxy_that_is_no_url_is_refused_without_showing_it() {
    for proxy in ["proxy:3128", "socks5://user:canary@proxy.example", "", "http://"] {
        let err = Client::new(Options { proxy: Some(proxy.to_owned()), ..Options::default() }).err();
        assert!(matches!(&err, Some(BuildError::Proxy)), "{proxy:?}: {err:?}");
        assert!(!format!("{err:?} {}", err.as_ref().unwrap()).contains("canary"));
    }
}

/// Where the child process below is to go; its being set is what makes it the child.
const TARGET: &str = "EGRESS_TEST_TARGET";

/// The environment of a process cannot be changed safely while it has threads, so that a child of our own is given one.
#[tokio::test(flavor = "multi_thread")]
async fn proxies_of_the_environment_change_nothing() {
    if let Ok(target) = std::env::var(TARGET) {
        let response = client().send(&scope(&[&target]), get(&target)).await.unwrap();
        assert_eq!(response.body.as_ref(), b"direct");
        return;
    }
    let (target, proxy) = (Server::start(|_| ok("direct")).await, Server::start(|_| ok("by proxy")).await);
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "proxy::proxies_of_the_environment_change_nothing"]).env(TARGET, target.origin());
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(variable, proxy.origin());
    }
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((target.count(), proxy.count()), (1, 0));
}
