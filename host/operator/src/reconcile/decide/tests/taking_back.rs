//! Updates that are taken back, by the operator or because somebody wants that, and tags that were pushed again.

use k8supdater_core::image::Digest;
use serde_json::{Value, json};

use super::digest;
use super::scene::{Scene, at, changes, said, scene, update};
use crate::api::versioning_handler::UpdatePhase;
use crate::reconcile::answered::Answered;
use crate::reconcile::decide::{Decision, Happening};
use crate::workload::pods::Complaint;
use crate::workload::rollout::Rollout;

fn stuck() -> Rollout {
    Rollout::Failed { message: "stuck".to_owned() }
}

/// Why versions are held, by container.
fn held(decision: &Decision) -> Vec<String> {
    let containers = decision.containers.iter();
    containers.flat_map(|status| status.held.iter().map(|held| format!("{}: {}", held.tag, held.message))).collect()
}

#[test]
fn containers_that_were_updated_together_are_taken_back_together() {
    let check = |spec: Value, guilty: Option<&str>, expected: &[&str], reasons: &[&str]| {
        let images = vec![("app", "app:1.0.1".to_owned()), ("side", "app:1.0.1".to_owned())];
        let before = vec!["app", "side"].into_iter();
        let before = before.map(|name| (name, json!({"update": update("1.0.0", "1.0.1", "RollingOut")}))).collect();
        let crash =
            |name: &str| Complaint { is_crash: true, container: Some(name.to_owned()), text: "exit code 1".to_owned() };
        let decision =
            Scene { spec, images, before, rollout: stuck(), complaint: guilty.map(crash), ..scene() }.decided();
        assert_eq!((changes(&decision), held(&decision)), (strings(expected), strings(reasons)));
    };
    let on_failure = || json!({"rollback": "OnFailure"});
    let back = ["app:1.0.1 <- app:1.0.0", "app:1.0.1 <- app:1.0.0"];
    check(on_failure(), None, &back, &["1.0.1: stuck", "1.0.1: stuck"]);
    let together = "1.0.1: it was updated together with container side: stuck; exit code 1";
    check(on_failure(), Some("side"), &back, &[together, "1.0.1: stuck; exit code 1"]);
    check(json!({"rollback": "Never"}), Some("side"), &[], &[]);
    check(json!({"rollback": "OnFailure", "mode": "Notify"}), Some("side"), &[], &[]);
    // Windows are for what can wait.
    let night = json!([{"start": "0 2 * * *", "duration": "1h"}]);
    check(json!({"rollback": "OnFailure", "windows": night}), None, &back, &["1.0.1: stuck", "1.0.1: stuck"]);
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn whoever_asks_for_a_rollback_gets_it_or_hears_why_not() {
    let check = |image: &str, update: Option<Value>, spec: Value, expected: Result<&str, &str>| {
        let before = update.map(|update| ("app", json!({"update": update}))).into_iter().collect();
        let images = vec![("app", image.to_owned())];
        let answers = vec![("rollback", "app=1.0.1".to_owned()), ("by", "ada".to_owned())];
        let decision = Scene { spec, answers, before, images, ..scene() }.decided();
        let remedy = decision.news.iter().find_map(|news| match &news.what {
            Happening::Answered(Answered::NotUnderstood { remedy, .. }) => Some(remedy.clone()),
            _ => None,
        });
        match expected {
            Ok(change) => assert_eq!((changes(&decision), remedy), (strings(&[change]), None)),
            Err(expected) => assert_eq!((changes(&decision), remedy.as_deref()), (Vec::new(), Some(expected))),
        }
        decision
    };
    let finished = || Some(update("1.0.0", "1.0.1", "Finished"));
    let decision = check("app:1.0.1", finished(), json!({}), Ok("app:1.0.1 <- app:1.0.0"));
    assert_eq!(held(&decision), ["1.0.1: ada has taken it back"]);
    assert_eq!(said(&decision), ["RollbackRequested"]);
    check("app:1.0.1", None, json!({}), Err("this handler has not updated it yet"));
    let elsewhere = "the last update was app:1.0.0 → app:1.0.1, and somebody has set the image to app:1.0.0 since";
    check("app:1.0.0", finished(), json!({}), Err(elsewhere));
    let back = "app:1.0.1 was taken back already, and app:1.0.0 was put back";
    check("app:1.0.1", Some(update("1.0.0", "1.0.1", "RolledBack")), json!({}), Err(back));
    let other = "the last update was app:1.0.0 → app:1.0.2, and only that can be taken back";
    check("app:1.0.2", Some(update("1.0.0", "1.0.2", "Finished")), json!({}), Err(other));
    let restart = "the last update was a restart for a tag that had moved, which cannot be taken back";
    check("app:1.0.1", Some(update("1.0.1", "1.0.1", "Finished")), json!({}), Err(restart));
    let notify = "the workload is not changed here, with the mode Notify";
    check("app:1.0.1", finished(), json!({"mode": "Notify"}), Err(notify));
    check("app:1.0.1", finished(), json!({"mode": "Preview"}), Err("nothing is changed with the mode Preview"));
    let ignored = json!({"containers": [{"name": "app", "ignore": true}]});
    check("app:1.0.1", finished(), ignored, Err("the container is ignored"));
}

#[test]
fn whoever_has_asked_for_a_rollback_and_was_not_heard_to_the_end_is_not_told_twice() {
    let mut back = update("1.0.0", "1.0.1", "RollingBack");
    back["rollback"] = json!({"started": at(950), "by": "ada"});
    let check = |by: &str, expected: &[&str]| {
        let answers = vec![("rollback", "app=1.0.1".to_owned()), ("by", by.to_owned())];
        let before = vec![("app", json!({"update": back.clone()}))];
        let images = vec![("app", "app:1.0.1".to_owned())];
        let decision = Scene { answers, before, images, ..scene() }.decided();
        assert_eq!(said(&decision), expected, "{by}");
        // It goes on whoever asks.
        assert_eq!(changes(&decision), ["app:1.0.1 <- app:1.0.0"]);
    };
    check("ada", &[]);
    check("bob", &["AnswerNotUnderstood"]);
}

#[test]
fn a_version_that_was_pushed_again_is_told_of_once_until_somebody_accepts_it() {
    let check = |known: Value, now: char, accepted: Option<char>, news: &[&str], expected: (char, Option<char>)| {
        let answers = accepted.map(|digit| ("approve", format!("app=1.0.0@{}", digest(digit))));
        let answers = answers.into_iter().chain([("by", "ada".to_owned())]).collect();
        let (before, digest_now) = (vec![("app", known)], Some(digest(now)));
        let decision = Scene { answers, before, digest: digest_now, tags: "1.0.0", ..scene() }.decided();
        let status = &decision.containers[0];
        let shown = |digit: char| digest(digit).to_string();
        let expected = (Some(shown(expected.0)), expected.1.map(shown));
        assert_eq!((status.digest.clone(), status.moved_to.clone()), expected);
        assert_eq!(said(&decision), news);
        assert_eq!(changes(&decision), Vec::<String>::new());
    };
    let known = |digit: char| json!({"digest": digest(digit).to_string()});
    let moved = |from: char, to: char| {
        let text = |digest: Digest| digest.to_string();
        json!({"digest": text(digest(from)), "movedTo": text(digest(to))})
    };
    check(json!({}), 'a', None, &[], ('a', None));
    check(known('a'), 'a', None, &[], ('a', None));
    check(known('a'), 'b', None, &["TagMoved 1.0.0"], ('a', Some('b')));
    check(moved('a', 'b'), 'b', None, &[], ('a', Some('b')));
    check(moved('a', 'b'), 'c', None, &["TagMoved 1.0.0"], ('a', Some('c')));
    check(moved('a', 'b'), 'a', None, &[], ('a', None));
    check(moved('a', 'b'), 'b', Some('b'), &["Approved", "MovedTagAccepted"], ('b', None));
    // What is accepted is not what it points at by now.
    check(moved('a', 'c'), 'c', Some('b'), &["Approved", "ApprovalNotApplied"], ('a', Some('c')));
}

#[test]
fn a_container_that_is_ignored_meanwhile_is_left_alone_and_holds_up_no_other_one() {
    let mut back = update("1.0.0", "1.0.1", "RollingBack");
    back["rollback"] = json!({"started": at(950)});
    let spec = json!({"rollback": "OnFailure", "containers": [{"name": "app", "ignore": true}]});
    let images = vec![("app", "app:1.0.1".to_owned()), ("side", "app:1.0.0".to_owned())];
    let before = vec![("app", json!({"update": back}))];
    let decision = Scene { spec, images, before, tags: "1.0.0 1.0.2", ..scene() }.decided();
    let phase = decision.containers[0].update.as_ref().map(|update| update.phase);
    assert_eq!((changes(&decision), phase), (strings(&["app:1.0.0 -> app:1.0.2"]), Some(UpdatePhase::Failed)));
}
