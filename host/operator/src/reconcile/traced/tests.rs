use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::api::rollout_status::RollbackStatus;
use UpdatePhase::{Announced, Failed, Finished, Overtaken, RollbackFailed, RolledBack, RollingBack, RollingOut};

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A container with an update that began at that second; a rollback begins at second 500.
fn container(name: &str, phase: UpdatePhase, started: i64) -> ContainerStatus {
    let is_back = matches!(phase, RollingBack | RolledBack | RollbackFailed);
    let update = UpdateStatus {
        phase,
        rollback: is_back.then(|| RollbackStatus { started: Time(second(500)), by: None }),
        trace: Some(format!("trace of {started}")),
        ..UpdateStatus::announced("app:1", "app:2", Time(second(started)))
    };
    ContainerStatus { name: name.to_owned(), update: Some(update), ..ContainerStatus::default() }
}

#[test]
fn a_check_goes_on_with_the_trace_of_what_is_under_way() {
    let check = |containers: &[(UpdatePhase, i64)], expected: &[&str]| {
        let numbered = containers.iter().enumerate();
        let containers = numbered.map(|(n, (phase, started))| container(&n.to_string(), *phase, *started)).collect();
        let status = VersioningHandlerStatus { containers, ..VersioningHandlerStatus::default() };
        assert_eq!(traces_of(Some(&status), second(1_000)), expected, "{containers:?}", containers = status.containers);
    };
    check(&[(RollingOut, 10)], &["trace of 10"]);
    check(&[(RollingBack, 10)], &["trace of 10"]);
    // It was about to be made, perhaps by a process that was killed.
    check(&[(Announced, 941)], &["trace of 941"]);
    check(&[(Announced, 940)], &[]);
    for phase in [Finished, Failed, Overtaken, RolledBack, RollbackFailed] {
        check(&[(phase, 990)], &[]);
    }
    // The others are referred to.
    check(&[(RollingOut, 10), (RollingOut, 20)], &["trace of 20", "trace of 10"]);
    check(&[(RollingOut, 10), (RollingOut, 10)], &["trace of 10"]);
    assert_eq!(traces_of(None, second(1_000)), Vec::<&str>::new());
}

#[test]
fn each_rollout_and_each_rollback_ends_once() {
    let check = |was: UpdatePhase, is: UpdatePhase, expected: Option<(&'static str, i64, UpdatePhase)>| {
        let (before, after) = ([container("app", was, 10)], [container("app", is, 10)]);
        let found = ends(&before, &after);
        let found: Vec<_> = found.iter().map(|end| (end.name, end.since.as_second(), end.result)).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{was:?} {is:?}");
    };
    check(Announced, Announced, None);
    check(Announced, RollingOut, None);
    check(RollingOut, RollingOut, None);
    check(Announced, Finished, Some((ROLLOUT, 10, Finished)));
    check(RollingOut, Finished, Some((ROLLOUT, 10, Finished)));
    check(RollingOut, Failed, Some((ROLLOUT, 10, Failed)));
    check(RollingOut, Overtaken, Some((ROLLOUT, 10, Overtaken)));
    // It has failed, and is taken back at once.
    check(RollingOut, RollingBack, Some((ROLLOUT, 10, RollingBack)));
    check(Failed, Failed, None);
    check(Failed, Finished, Some((ROLLOUT, 10, Finished)));
    check(Failed, RollingBack, None);
    check(Finished, Finished, None);
    check(Finished, RollingBack, None);
    check(RollingBack, RollingBack, None);
    check(RollingBack, RolledBack, Some((ROLLBACK, 500, RolledBack)));
    check(RollingBack, RollbackFailed, Some((ROLLBACK, 500, RollbackFailed)));
    check(RollbackFailed, RollbackFailed, None);
    check(RollbackFailed, RolledBack, Some((ROLLBACK, 500, RolledBack)));
    check(RolledBack, RolledBack, None);
}

#[test]
fn what_another_update_takes_the_place_of_has_ended() {
    let check = |was: UpdatePhase, expected: Option<&'static str>| {
        let (before, after) = ([container("app", was, 10)], [container("app", Announced, 20)]);
        let found: Vec<_> = ends(&before, &after).iter().map(|end| (end.name, end.update.started.0)).collect();
        assert_eq!(found, expected.map(|name| (name, second(10))).into_iter().collect::<Vec<_>>(), "{was:?}");
    };
    check(RollingOut, Some(ROLLOUT));
    check(RollingBack, Some(ROLLBACK));
    for was in [Announced, Finished, Failed, Overtaken, RolledBack, RollbackFailed] {
        check(was, None);
    }
}

#[test]
fn only_what_people_want_counts_as_an_answer() {
    for (annotation, expected) in [
        ("k8supdater.dev/approve", true),
        ("k8supdater.dev/skip", true),
        ("k8supdater.dev/snooze", true),
        ("k8supdater.dev/rollback", true),
        ("k8supdater.dev/by", false),
        ("kubectl.kubernetes.io/last-applied-configuration", false),
    ] {
        assert_eq!(is_answer(annotation), expected, "{annotation}");
    }
}
