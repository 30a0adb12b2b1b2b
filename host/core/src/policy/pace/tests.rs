use super::*;
use crate::policy::Window;

const HOUR: Duration = Duration::from_hours(1);

fn at(time: &str) -> Timestamp {
    time.parse().unwrap_or_else(|err| panic!("{time}: {err}"))
}

/// Day and time in June 2026, UTC.
fn june(time: &str) -> Timestamp {
    at(&format!("2026-06-{time}:00Z"))
}

fn windows(start: &str, hours: u32, zone: &str) -> Windows {
    Windows::from(vec![Window::parse(start, hours * HOUR, zone).unwrap()])
}

/// Checks when an update is applied that is decided on at noon of the tenth, and by which rule it waits.
fn check(patience: &Patience, facts: &Facts, expected: Option<(&str, Option<&str>)>) {
    let found = decide_pace(patience, facts, june("10T12:00"));
    match (found, expected) {
        (Pace::Now, None) => {}
        (Pace::Wait { until, why }, Some((reason, expected))) => {
            assert_eq!((why.reason(), until), (reason, expected.map(june)), "{patience:?} {facts:?}");
        }
        (found, _) => panic!("{patience:?} {facts:?}: {found:?} instead of {expected:?}"),
    }
}

#[test]
fn without_rules_nothing_waits() {
    check(&Patience::default(), &Facts::default(), None);
    let facts = Facts {
        published: Some(june("10T11:59")),
        last_update: Some(june("10T11:59")),
        last_failure: Some(june("10T11:59")),
        ..Facts::default()
    };
    check(&Patience::default(), &facts, None);
}

#[test]
fn a_version_must_be_old_enough_by_the_registry_or_by_us() {
    let check = |published: Option<&str>, first_seen: Option<&str>, expected: Option<(&str, Option<&str>)>| {
        let facts = Facts { published: published.map(june), first_seen: first_seen.map(june), ..Facts::default() };
        check(&Patience { minimum_age: 72 * HOUR, ..Patience::default() }, &facts, expected);
    };
    check(Some("07T12:00"), None, None);
    check(Some("07T12:01"), None, Some(("MinimumAge", Some("10T12:01"))));
    check(None, Some("07T12:00"), None);
    check(None, Some("10T12:00"), Some(("MinimumAge", Some("13T12:00"))));
    // The registry knows better, in both directions.
    check(Some("01T00:00"), Some("10T12:00"), None);
    check(Some("09T12:00"), Some("01T00:00"), Some(("MinimumAge", Some("12T12:00"))));
    check(None, None, Some(("MinimumAge", None)));
}

#[test]
fn updates_keep_their_distance_from_updates_and_failures() {
    let check = |last_update: Option<&str>, last_failure: Option<&str>, expected: Option<(&str, Option<&str>)>| {
        let facts =
            Facts { last_update: last_update.map(june), last_failure: last_failure.map(june), ..Facts::default() };
        let patience = Patience { delay_between_updates: 24 * HOUR, cooldown: 48 * HOUR, ..Patience::default() };
        check(&patience, &facts, expected);
    };
    check(None, None, None);
    check(Some("09T12:00"), None, None);
    check(Some("09T12:01"), None, Some(("DelayBetweenUpdates", Some("10T12:01"))));
    check(Some("09T12:01"), Some("08T12:00"), Some(("DelayBetweenUpdates", Some("10T12:01"))));
    check(Some("09T12:01"), Some("08T12:02"), Some(("Cooldown", Some("10T12:02"))));
    check(Some("09T12:01"), Some("08T12:01"), Some(("DelayBetweenUpdates", Some("10T12:01"))));
    check(Some("01T12:00"), Some("08T13:00"), Some(("Cooldown", Some("10T13:00"))));
}

#[test]
fn a_clock_that_went_backwards_makes_updates_wait() {
    let patience =
        Patience { minimum_age: HOUR, delay_between_updates: 2 * HOUR, cooldown: 3 * HOUR, ..Patience::default() };
    let aged = Facts { first_seen: Some(june("01T00:00")), ..Facts::default() };
    let future = Some(june("20T00:00"));
    check(&patience, &aged, None);
    check(&patience, &Facts { first_seen: future, ..aged }, Some(("MinimumAge", Some("20T01:00"))));
    check(&patience, &Facts { published: future, ..aged }, Some(("MinimumAge", Some("20T01:00"))));
    check(&patience, &Facts { last_update: future, ..aged }, Some(("DelayBetweenUpdates", Some("20T02:00"))));
    check(&patience, &Facts { last_failure: future, ..aged }, Some(("Cooldown", Some("20T03:00"))));
}

#[test]
fn a_window_must_be_open_when_all_else_is_over() {
    let check = |start: &str, hours: u32, published: &str, expected: Option<(&str, Option<&str>)>| {
        let patience =
            Patience { minimum_age: 24 * HOUR, windows: windows(start, hours, "UTC"), ..Patience::default() };
        check(&patience, &Facts { published: Some(june(published)), ..Facts::default() }, expected);
    };
    check("0 12 * * *", 2, "01T00:00", None);
    check("0 10 * * *", 2, "01T00:00", Some(("OutsideWindow", Some("11T10:00"))));
    // It is old enough while the window is open, as it opens, as it closes, and when it has closed.
    check("0 11 * * *", 4, "09T13:00", Some(("MinimumAge", Some("10T13:00"))));
    check("0 13 * * *", 4, "09T13:00", Some(("MinimumAge", Some("10T13:00"))));
    check("0 11 * * *", 2, "09T13:00", Some(("OutsideWindow", Some("11T11:00"))));
    check("0 11 * * *", 2, "09T15:00", Some(("OutsideWindow", Some("11T11:00"))));
    check("0 14 * * *", 1, "09T13:30", Some(("OutsideWindow", Some("10T14:00"))));
    check("0 12 * * *", 24, "10T08:00", Some(("MinimumAge", Some("11T08:00"))));
}

#[test]
fn what_nobody_knows_lasts_longer_than_any_rule() {
    let patience = Patience {
        minimum_age: HOUR,
        delay_between_updates: HOUR,
        windows: windows("0 1 * * *", 1, "UTC"),
        ..Patience::default()
    };
    let facts = Facts { last_update: Some(june("10T12:00")), ..Facts::default() };
    check(&patience, &facts, Some(("MinimumAge", None)));
    let endless = Patience { delay_between_updates: Duration::MAX, ..patience };
    check(&endless, &Facts { first_seen: Some(june("10T12:00")), ..facts }, Some(("DelayBetweenUpdates", None)));
}

#[test]
fn what_a_human_approves_waits_for_the_window_only() {
    let patience = |start: &str| Patience {
        minimum_age: HOUR,
        delay_between_updates: HOUR,
        cooldown: HOUR,
        windows: windows(start, 1, "UTC"),
    };
    let now = Some(june("10T12:00"));
    let facts = Facts { published: now, first_seen: now, last_update: now, last_failure: now, is_approved: true };
    check(&patience("0 12 * * *"), &facts, None);
    check(&patience("0 14 * * *"), &facts, Some(("OutsideWindow", Some("10T14:00"))));
    check(&patience("0 12 * * *"), &Facts { is_approved: true, ..Facts::default() }, None);
}

#[test]
fn reasons_are_sentences_with_times() {
    let check =
        |patience: Patience, facts: Facts, expected: &str| match decide_pace(&patience, &facts, june("10T12:00")) {
            Pace::Wait { why, .. } => assert_eq!(why.explain(), expected),
            Pace::Now => panic!("{patience:?} {facts:?} does not wait"),
        };
    let age = Patience { minimum_age: 36 * HOUR, ..Patience::default() };
    let time = Some(june("10T00:00"));
    check(
        age.clone(),
        Facts { published: time, ..Facts::default() },
        "it was published at 2026-06-10T00:00:00Z and must be 36h old, which it is at 2026-06-11T12:00:00Z",
    );
    check(
        age.clone(),
        Facts { first_seen: time, ..Facts::default() },
        "it was first seen at 2026-06-10T00:00:00Z and must be 36h old, which it is at 2026-06-11T12:00:00Z",
    );
    check(age.clone(), Facts::default(), "it must be 36h old, and nobody knows yet since when there is one");
    check(
        Patience { delay_between_updates: 72 * HOUR, ..Patience::default() },
        Facts { last_update: time, ..Facts::default() },
        "the last update was at 2026-06-10T00:00:00Z and the next one may follow after 3d, which is at 2026-06-13T00:00:00Z",
    );
    check(
        Patience { cooldown: Duration::MAX, ..Patience::default() },
        Facts { last_failure: time, ..Facts::default() },
        "a rollout failed at 2026-06-10T00:00:00Z and the next update may follow after 213503982334601d7h15s, which is never",
    );
    let night = windows("0 2 * * *", 3, "Europe/Berlin");
    check(
        Patience { windows: night.clone(), ..Patience::default() },
        Facts::default(),
        "no maintenance window is open; the next one opens at 2026-06-11T02:00:00+02:00[Europe/Berlin]",
    );
    check(
        Patience { windows: night, ..age },
        Facts { published: time, ..Facts::default() },
        "it may be applied from 2026-06-11T12:00:00Z on, but no maintenance window is open then; the next one opens at \
         2026-06-12T02:00:00+02:00[Europe/Berlin]",
    );
}
