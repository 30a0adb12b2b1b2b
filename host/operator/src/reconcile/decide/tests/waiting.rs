//! What waits, and what would be done in place of doing it.

use std::time::Duration;

use k8supdater_core::policy::moving::LatestPreference;
use serde_json::{Value, json};

use super::scene::{Scene, at, changes, progressing, scene, second, update, waits};
use super::{digest, moving};
use crate::reconcile::decide::{AWAITING_APPROVAL, Decision};
use crate::reconcile::observe::{After, Moving};

/// An update that began at second 900 and ended at 950.
fn ended(result: &str) -> Value {
    json!([{"container": "app", "from": "app:0.9.0", "to": "app:1.0.0", "started": at(900), "finished": at(950), "result": result}])
}

fn approved() -> Vec<(&'static str, String)> {
    vec![("approve", "app=1.0.1".to_owned()), ("by", "ada".to_owned())]
}

fn of_app(update: &Value) -> Vec<(&'static str, Value)> {
    vec![("app", json!({"update": update}))]
}

#[test]
fn an_update_waits_for_the_end_of_the_rollout_before_unless_somebody_approves_it() {
    let check = |phase: &str, more: Scene, expected: Option<(&str, Option<i64>)>| {
        let before = of_app(&update("0.9.0", "1.0.0", phase));
        let decision = Scene { before, ..more }.decided();
        let status = &decision.containers[0];
        assert_eq!(waits(status), expected, "{phase}");
        assert_eq!(changes(&decision).is_empty(), expected.is_some(), "{phase}");
        decision
    };
    let going = || Scene { rollout: progressing(), ..scene() };
    let decision = check("RollingOut", going(), Some(("Rollout", None)));
    let message = decision.containers[0].waits.as_ref().map(|waits| waits.message.clone());
    assert_eq!(message.as_deref(), Some("it waits for the end of a rollout: app:1.0.0 is being rolled out"));
    check("RollingOut", scene(), None);
    check("Finished", going(), None);
    check("Failed", going(), None);
    check("RollingOut", Scene { answers: approved(), ..going() }, None);
    let cron_job = json!({"deployment": null, "workload": {"kind": "CronJob", "name": "web"}});
    check("RollingOut", Scene { spec: cron_job, ..going() }, None);
}

#[test]
fn a_container_waits_for_the_rollout_of_another_one() {
    let images = vec![("app", "app:1.0.0".to_owned()), ("side", "app:1.0.0".to_owned())];
    let check = |update: Value, expected: &str| {
        let before = vec![("side", json!({"update": update}))];
        let decision = Scene { images: images.clone(), before, rollout: progressing(), ..scene() }.decided();
        let message = decision.containers[0].waits.as_ref().map(|waits| waits.message.clone());
        assert_eq!(message.unwrap_or_default(), expected);
    };
    check(update("0.9.0", "1.0.0", "RollingOut"), "it waits for the end of a rollout: app:1.0.0 is being rolled out");
    let mut back = update("1.0.0", "1.0.1", "RollingBack");
    back["rollback"] = json!({"started": at(950)});
    check(back, "it waits for the end of a rollout: app:1.0.0 is being put back");
}

#[test]
fn after_the_last_update_the_next_one_waits_for_delay_and_cooldown_and_for_a_window_in_any_case() {
    let check = |spec: Value, history: Value, answers: Vec<_>, expected: Option<(&str, Option<i64>)>| {
        let shown = format!("{spec} {history}");
        let decision = Scene { spec, answers, history, ..scene() }.decided();
        assert_eq!(waits(&decision.containers[0]), expected, "{shown}");
        assert_eq!(changes(&decision).is_empty(), expected.is_some(), "{shown}");
    };
    let (delay, cooldown) = (json!({"delayBetweenUpdates": "10m"}), json!({"cooldown": "10m"}));
    let both = json!({"delayBetweenUpdates": "10m", "cooldown": "10m"});
    check(delay.clone(), json!([]), Vec::new(), None);
    check(delay.clone(), ended("Finished"), Vec::new(), Some(("DelayBetweenUpdates", Some(1_500))));
    check(delay.clone(), ended("RolledBack"), Vec::new(), Some(("DelayBetweenUpdates", Some(1_500))));
    check(cooldown.clone(), ended("Finished"), Vec::new(), None);
    check(cooldown.clone(), ended("RolledBack"), Vec::new(), Some(("Cooldown", Some(1_550))));
    check(cooldown, ended("RollbackFailed"), Vec::new(), Some(("Cooldown", Some(1_550))));
    check(both.clone(), ended("Failed"), Vec::new(), Some(("Cooldown", Some(1_550))));
    check(both, ended("Failed"), approved(), None);
    let night = |mut spec: Value| {
        spec["windows"] = json!([{"start": "0 2 * * *", "duration": "1h"}]);
        spec
    };
    check(night(json!({})), json!([]), Vec::new(), Some(("OutsideWindow", Some(7_200))));
    check(night(json!({})), json!([]), approved(), Some(("OutsideWindow", Some(7_200))));
    check(night(delay), ended("Finished"), Vec::new(), Some(("OutsideWindow", Some(7_200))));
}

#[test]
fn an_update_that_was_announced_and_not_made_delays_nothing() {
    let spec = || json!({"delayBetweenUpdates": "10m"});
    let check = |phase: &str, expected: Option<(&str, Option<i64>)>| {
        let before = of_app(&update("1.0.0", "1.0.1", phase));
        let decision = Scene { spec: spec(), before, tags: "1.0.2", ..scene() }.decided();
        assert_eq!(waits(&decision.containers[0]), expected, "{phase}");
    };
    check("Announced", None);
    check("Overtaken", Some(("DelayBetweenUpdates", Some(1_500))));
}

#[test]
fn what_should_have_ended_by_now_is_looked_at_when_something_happens_and_not_at_once() {
    let check = |mut record: Value, more: Value, image: &str, expected: u64| {
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (spec, images) =
            (json!({"interval": "10m", "rollout": {"stableFor": "30s"}}), vec![("app", image.to_owned())]);
        let decision = Scene { spec, images, before: of_app(&record), rollout: progressing(), ..scene() }.decided();
        assert_eq!(decision.next_check(), Duration::from_secs(expected), "{more}");
    };
    let stable = |since: i64| json!({"availableSince": at(since)});
    check(update("1.0.0", "1.0.1", "RollingOut"), stable(980), "app:1.0.1", 10);
    // It should be stable by now, and there is patience for ten minutes more.
    check(update("1.0.0", "1.0.1", "RollingOut"), stable(950), "app:1.0.1", 580);
    check(update("1.0.0", "1.0.1", "RollingOut"), stable(360), "app:1.0.1", 600);
    // A rollback that the API server refuses.
    let back = |since: i64| json!({"rollback": {"started": at(since)}});
    check(update("1.0.0", "1.0.1", "RollingBack"), back(900), "app:1.0.1", 500);
    check(update("1.0.0", "1.0.1", "RollingBack"), back(300), "app:1.0.1", 600);
}

#[test]
fn a_preview_says_what_would_be_done_and_does_nothing() {
    let check = |more: Scene, tags: &'static str, expected: &str| {
        let mut spec = more.spec.clone();
        spec["mode"] = json!("Preview");
        let decision = Scene { spec, tags, ..more }.decided();
        let status = &decision.containers[0];
        assert_eq!(status.preview.as_deref(), Some(expected));
        assert_eq!((changes(&decision), &status.reported, waits(status)), (Vec::new(), &None, None), "{expected}");
    };
    let why = "it is the greatest that differs from 1.0.0 right of the frontier only";
    let would = format!("would set the image to app:1.0.1 now: {why}");
    check(scene(), "1.0.0", "would do nothing");
    check(scene(), "1.0.1", &would);
    let decision = Scene { spec: json!({"mode": "Preview"}), tags: "2.0.0", ..scene() }.decided();
    let preview = decision.containers[0].preview.clone().unwrap();
    assert!(preview.starts_with("would report 2.0.0: "), "{preview}");
    check(scene(), "1.0.1 2.0.0", &format!("{would}; {preview}"));
    let delayed = Scene { spec: json!({"delayBetweenUpdates": "10m"}), history: ended("Finished"), ..scene() };
    let until = "the last update was at 1970-01-01T00:15:00Z and the next one may follow after 10m, which is at \
                 1970-01-01T00:25:00Z";
    check(delayed, "1.0.1", &format!("would wait with 1.0.1: {until}"));
    let held = json!({"held": [{"tag": "1.0.1", "reason": "RolloutFailed", "message": "it crashed", "at": at(900)}]});
    let before = vec![("app", held)];
    check(Scene { before, ..scene() }, "1.0.1", "would do nothing: 1.0.1 is held, because it crashed");
    let required = Scene { spec: json!({"approval": "Required"}), ..scene() };
    check(required, "1.0.1", &format!("would report 1.0.1: {why}, and approval is Required"));
}

/// A tag that points at digest `b` while pods run `a`.
fn moved(after: Option<After>) -> Moving {
    Moving { after, ..moving("app", &['a'], LatestPreference::Update) }
}

fn decided(spec: Value, seen: Option<i64>, after: Option<&After>) -> Decision {
    let offer = format!("latest@{}", digest('b'));
    let first_seen: Vec<Value> = seen.map(|seen| json!({"tag": offer, "at": at(seen)})).into_iter().collect();
    let before = vec![("app", json!({"firstSeen": first_seen}))];
    let images = vec![("app", "app".to_owned())];
    Scene { spec, before, images, ..scene() }.decided_on_moving(|| moved(after.cloned()))
}

#[test]
fn a_tag_that_moved_waits_like_a_version() {
    let check = |spec: Value, seen: Option<i64>, after: Option<&After>, expected: Option<(&str, Option<i64>)>| {
        let shown = format!("{spec} {seen:?}");
        let decision = decided(spec, seen, after);
        let status = &decision.containers[0];
        assert_eq!(waits(status), expected, "{shown}");
        assert_eq!(decision.updates.is_empty(), expected.is_some(), "{shown}");
        let word = if expected.is_some() { "Wait" } else { "Restart" };
        assert_eq!(status.decision, word, "{shown}");
        status.first_seen.first().map(|seen| seen.at.0)
    };
    assert_eq!(check(json!({}), None, None, None), None);
    let night = json!({"windows": [{"start": "0 2 * * *", "duration": "1h"}]});
    check(night.clone(), None, None, Some(("OutsideWindow", Some(7_200))));
    let aged = || json!({"minimumAge": "5m"});
    assert_eq!(check(aged(), None, None, Some(("MinimumAge", Some(1_300)))), Some(second(1_000)));
    assert_eq!(check(aged(), Some(800), None, Some(("MinimumAge", Some(1_100)))), Some(second(800)));
    check(aged(), Some(700), None, None);
    let canary = After { predecessors: vec!["VersioningHandler team-a/canary".to_owned()], ..After::default() };
    check(json!({}), None, Some(&canary), Some(("Predecessor", None)));
    check(night, None, Some(&canary), Some(("Predecessor", None)));
    let decision = decided(json!({"approval": "Required"}), None, None);
    assert_eq!((decision.containers[0].decision.as_str(), decision.updates.len()), (AWAITING_APPROVAL, 0));
}
