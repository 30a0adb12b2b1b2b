//! Notices that the tests of this room share.

use super::*;

#[allow(clippy::unnecessary_wraps, reason = "fields take options, and tables read better without Some")]
pub(super) fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// A notice about Deployment/web in team-a, which says no more than its kind.
pub(super) fn notice(kind: Kind) -> Notice {
    let handler = Handler { namespace: "team-a".to_owned(), name: "web".to_owned(), uid: "u-1".to_owned() };
    let workload = Some(Workload { kind: "Deployment".to_owned(), name: "web".to_owned() });
    let time = Timestamp::from_second(1_700_000_000).unwrap();
    Notice { workload, ..Notice::new(kind, handler, time) }
}

/// That `to` is newer than 1.0 of nginx.
pub(super) fn available(to: &str) -> Notice {
    let from = if to.contains('@') { to.split('@').next() } else { Some("1.0") };
    Notice {
        container: some("app"),
        image: some("docker.io/library/nginx"),
        from: from.map(str::to_owned),
        to: some(to),
        ..notice(Kind::UpdateAvailable)
    }
}
