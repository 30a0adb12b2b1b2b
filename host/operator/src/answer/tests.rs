use std::fmt::Write;

use serde_json::{Value, json};

use super::standing::{Standing, standing};
use super::*;
use crate::api::VersioningHandler;

fn digest() -> String {
    format!("sha256:{}", "a".repeat(64))
}

/// What is read from these annotations, which are named without their prefix: answers as `approve app=1.0`, then what is wrong.
fn read(annotations: &[(&str, &str)]) -> (Answers, Vec<String>) {
    let annotations =
        annotations.iter().map(|(name, value)| (format!("k8supdater.dev/{name}"), (*value).to_owned())).collect();
    let answers = parse(&annotations);
    let word = |annotation: &str| annotation.trim_start_matches("k8supdater.dev/").to_owned();
    let choices = answers.choices.iter().map(|choice| format!("{} {choice}", word(choice.answer.annotation())));
    let wrong = answers.misunderstood.iter().map(|wrong| format!("{}: {:?} no", word(wrong.annotation), wrong.value));
    let read = choices.chain(wrong).collect();
    (answers, read)
}

#[test]
fn answers_are_read_from_annotations() {
    let check = |name: &str, value: &str, expected: &[&str]| {
        assert_eq!(read(&[(name, value)]).1, expected, "{name} {value:?}");
    };
    check("approve", "1.4.3", &["approve 1.4.3"]);
    check("approve", "app=1.4.3", &["approve app=1.4.3"]);
    check("approve", " app=1.4.3 , db=2.0-alpine,", &["approve app=1.4.3", "approve db=2.0-alpine"]);
    check("approve", "1.4.3,1.4.3", &["approve 1.4.3"]);
    let moved = format!("app=latest@{}", digest());
    check("approve", &moved, &[&format!("approve {moved}")]);
    check("skip", "app=2.0.0", &["skip app=2.0.0"]);
    check("snooze", "app=2.0.0", &["snooze app=2.0.0 24h"]);
    check("snooze", "app=2.0.0  3d,db=1.1 90m", &["snooze app=2.0.0 3d", "snooze db=1.1 90m"]);
    // What is wrong takes nothing else down with it.
    check("skip", "app=2.0.0,a b,db=1.1", &["skip app=2.0.0", "skip db=1.1", "skip: \"a b\" no"]);
    for wrong in
        ["app=", "=1.0", "App=1.0", "a.b=1.0", "-a=1.0", "app=1.0=2", "app=1 0", "$(x)", "latest@sha256:1", "a@b@c"]
    {
        check("approve", wrong, &[&format!("approve: {wrong:?} no")]);
    }
    check("approve", "1.0 3d", &["approve: \"1.0 3d\" no"]);
    for wrong in [
        "1.0 3",
        "1.0 d",
        "1.0 -3d",
        "1.0 +3d",
        "1.0 3w",
        "1.0 0s",
        "1.0 366d",
        "1.0 9999999999999999999d",
        "1.0 3d 4h",
    ] {
        check("snooze", wrong, &[&format!("snooze: {wrong:?} no")]);
    }
    check("approve", "", &["approve: \"\" no"]);
    check("other", "1.0", &[]);
}

#[test]
fn what_is_wrong_is_said_with_the_remedy() {
    let check = |name: &str, value: &str, expected: &str| {
        let (answers, _) = read(&[(name, value)]);
        assert_eq!(answers.misunderstood[0].remedy, expected, "{name} {value:?}");
    };
    let offer =
        "expected [CONTAINER=]TAG, such as app=1.4.3, or a tag that has moved with its whole digest, latest@sha256:…";
    check("skip", "a b", offer);
    check("snooze", "1.0 3w", "\"3w\" is no time to snooze, expected one from 1s to 365d, such as 24h or 3d");
    check("approve", " ", "it is empty; expected [CONTAINER=]TAG, such as app=1.4.3");
    let (answers, _) = read(&[("skip", &format!("{}\nx", "?".repeat(9_000)))]);
    assert_eq!(answers.misunderstood[0].value.chars().count(), 100);
    let many = (0..40).fold(String::new(), |mut many, index| {
        write!(many, "1.{index},").unwrap();
        many
    });
    let (answers, _) = read(&[("skip", &many)]);
    assert_eq!((answers.choices.len(), answers.misunderstood.len()), (MOST_ANSWERS, 1));
}

#[test]
fn who_answers_is_one_line_and_never_empty() {
    let check = |by: Option<&str>, expected: &str| {
        let by = by.map(|by| ("by", by));
        let (answers, _) = read(&[by, Some(("skip", "1.0"))].into_iter().flatten().collect::<Vec<_>>());
        assert_eq!(answers.by, expected);
        assert_eq!(answers.annotations.len(), 1 + usize::from(by.is_some()), "all that is to be removed");
    };
    check(None, SOMEBODY);
    check(Some(" \n"), SOMEBODY);
    check(Some("Ada\nLovelace\u{202e}  <ada>"), "Ada Lovelace <ada>");
    check(Some(&"ä".repeat(500)), &format!("{}…", "ä".repeat(99)));
    let (answers, _) = read(&[("by", "ada")]);
    assert_eq!(answers, Answers::default(), "nobody says anything");
}

#[test]
fn times_are_written_as_they_are_read() {
    for (text, seconds) in
        [("1s", 1), ("90s", 90), ("90m", 5_400), ("24h", 86_400), ("2d", 172_800), ("365d", 31_536_000)]
    {
        assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        assert_eq!(as_duration(Duration::from_secs(seconds)), text);
    }
    assert_eq!(as_duration(Duration::from_millis(61_500)), "61s");
    assert_eq!(as_duration(Duration::ZERO), "0s");
}

fn handler(annotations: &Value, containers: &Value) -> VersioningHandler {
    serde_json::from_value(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
        "metadata": {"name": "web", "namespace": "team-a", "annotations": annotations},
        "spec": {"deployment": "web", "containerregistry": "oci"},
        "status": {"containers": containers},
    }))
    .unwrap()
}

/// How `offer` stands: `offered`, `approve by ada`, or what is offered instead.
fn stands(annotations: &Value, containers: &Value, offer: &str, answer: Answer) -> String {
    stands_in(&handler(annotations, containers), offer, answer)
}

fn stands_in(handler: &VersioningHandler, offer: &str, answer: Answer) -> String {
    let choice = Choice::new(offer, answer).unwrap();
    let now = Timestamp::from_second(1_000).unwrap();
    match standing(handler, &choice, now) {
        Standing::Offered => "offered".to_owned(),
        Standing::Answered { by, answer } => format!("{} by {by}", answer.participle()),
        Standing::NotOffered { offered } => offered.join(" "),
        Standing::Impossible { why } => why,
    }
}

fn container(name: &str, reported: Option<&str>, more: &Value) -> Value {
    let mut container = json!({"name": name, "image": "app:1.0", "decision": "Notify", "reported": reported});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    container
}

#[test]
fn an_offer_is_answered_once() {
    let (approve, skip, snooze) = (Answer::Approve, Answer::Skip, Answer::Snooze(SNOOZE_TIME));
    let mark = json!({"tag": "2.0", "by": "ada", "at": "1970-01-01T00:00:00Z"});
    let snoozed = |until: &str| json!({"snoozed": {"tag": "2.0", "by": "ada", "until": until}});
    let (running, over) = (snoozed("1970-01-01T01:00:00Z"), snoozed("1970-01-01T00:10:00Z"));
    let applied = json!({"image": "app:2.0", "update": {
        "from": "app:1.0", "to": "app:2.0", "phase": "RollingOut", "approvedBy": "ada", "started": "1970-01-01T00:00:00Z",
    }});
    let check = |more: &Value, reported: Option<&str>, answer: Answer, expected: &str| {
        let containers = json!([container("app", reported, more)]);
        for offer in ["app=2.0", "2.0"] {
            assert_eq!(stands(&json!({}), &containers, offer, answer), expected, "{more} {reported:?} {answer:?}");
        }
    };
    check(&json!({}), Some("2.0"), approve, "offered");
    check(&json!({}), Some("2.1"), approve, "app=2.1");
    check(&json!({}), None, approve, "");
    check(&json!({"approved": mark}), Some("2.0"), skip, "approved by ada");
    check(&json!({"skipped": [mark]}), Some("2.1"), approve, "skipped by ada");
    check(&applied, None, approve, "approved by ada");
    // It was applied once, and is offered again.
    check(&applied, Some("2.0"), approve, "offered");
    // Snoozing is no last word.
    check(&running, Some("2.0"), snooze, "snoozed by ada");
    check(&running, Some("2.0"), approve, "offered");
    check(&running, Some("2.0"), skip, "offered");
    check(&over, Some("2.0"), snooze, "offered");
}

#[test]
fn an_answer_that_is_not_taken_up_yet_counts() {
    let containers = json!([container("app", Some("2.0"), &json!({})), container("db", Some("2.0"), &json!({}))]);
    let check = |name: &str, value: &str, offer: &str, answer: Answer, expected: &str| {
        let annotations = json!({format!("k8supdater.dev/{name}"): value, "k8supdater.dev/by": "ada"});
        assert_eq!(stands(&annotations, &containers, offer, answer), expected, "{name} {value} {offer} {answer:?}");
    };
    check("approve", "app=2.0", "app=2.0", Answer::Approve, "approved by ada");
    check("approve", "2.0", "app=2.0", Answer::Skip, "approved by ada");
    check("skip", "app=2.0", "2.0", Answer::Approve, "skipped by ada");
    check("approve", "app=2.0", "db=2.0", Answer::Approve, "offered");
    check("approve", "app=2.1", "app=2.0", Answer::Approve, "offered");
    check("snooze", "app=2.0", "app=2.0", Answer::Approve, "offered");
    check("snooze", "app=2.0", "app=2.0", Answer::Snooze(SNOOZE_TIME), "snoozed by ada");
}

#[test]
fn what_is_offered_to_several_containers_is_offered_as_long_as_one_waits() {
    let mark = json!({"approved": {"tag": "2.0", "by": "ada", "at": "1970-01-01T00:00:00Z"}});
    let containers = json!([container("app", Some("2.0"), &mark), container("db", Some("2.0"), &json!({}))]);
    let check = |offer: &str, expected: &str| {
        assert_eq!(stands(&json!({}), &containers, offer, Answer::Approve), expected, "{offer}");
    };
    check("2.0", "offered");
    check("db=2.0", "offered");
    check("app=2.0", "approved by ada");
    check("other=2.0", "app=2.0 db=2.0");
    let moved = format!("latest@{}", digest());
    let update = json!({"update": {
        "from": "app:latest", "to": "app:latest", "phase": "Finished", "approvedBy": "ada", "digest": digest(),
        "started": "1970-01-01T00:00:00Z",
    }});
    let containers = json!([container("app", None, &update)]);
    assert_eq!(stands(&json!({}), &containers, &moved, Answer::Skip), "approved by ada");
}

#[test]
fn what_the_last_update_has_applied_can_be_taken_back_once() {
    let update = |phase: &str, more: &Value| {
        let mut update = json!({"from": "app:1.0", "to": "app:1.1", "phase": phase, "started": "1970-01-01T00:00:00Z"});
        update.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"image": "app:1.1", "update": update})
    };
    let check = |status: &Value, expected: &str| {
        let containers = json!([container("app", None, status), container("db", None, &json!({}))]);
        for offer in ["app=1.1", "1.1"] {
            let found = stands(&json!({}), &containers, offer, Answer::RollBack);
            assert!(found.contains(expected), "{found:?} instead of {expected:?}: {status}");
        }
    };
    let by = |by: Option<&str>| json!({"rollback": {"started": "1970-01-01T00:00:10Z", "by": by}});
    for phase in ["RollingOut", "Finished", "Failed"] {
        check(&update(phase, &json!({"approvedBy": "bob"})), "offered");
    }
    for phase in ["RollingBack", "RolledBack", "RollbackFailed"] {
        check(&update(phase, &by(Some("ada"))), "taken back by ada");
        check(&update(phase, &by(None)), "taken back by k8supdater");
    }
    check(&update("Announced", &json!({})), "has not been made yet");
    check(&update("Overtaken", &json!({})), "somebody else has changed the image");
    check(&json!({}), "has not updated it yet");
    check(&update("Finished", &json!({"to": "app:1.2"})), "somebody has set the image to app:1.1 since");
    check(&update("Finished", &json!({"from": "app:1.1", "digest": digest()})), "was a restart");
    let found =
        stands(&json!({}), &json!([container("app", None, &update("Finished", &json!({})))]), "1.0", Answer::RollBack);
    assert!(found.contains("the last update was app:1.0 → app:1.1"), "{found}");
    let found = stands(&json!({}), &json!([container("app", None, &json!({}))]), "db=1.0", Answer::RollBack);
    assert!(found.contains("expected one of: app"), "{found}");
    let asked = json!({"k8supdater.dev/rollback": "app=1.1", "k8supdater.dev/by": "ada"});
    let containers = json!([container("app", None, &update("Finished", &json!({})))]);
    assert_eq!(stands(&asked, &containers, "app=1.1", Answer::RollBack), "taken back by ada");
    // An approval that is not taken up yet is another story.
    let approved = json!({"k8supdater.dev/approve": "app=1.1", "k8supdater.dev/by": "ada"});
    assert_eq!(stands(&approved, &containers, "app=1.1", Answer::RollBack), "offered");
}

#[test]
fn what_can_be_taken_back_is_named_as_it_was_offered() {
    let (a, b) = (digest(), format!("sha256:{}", "b".repeat(64)));
    let check = |from: &str, to: &str, expected: Option<&str>| {
        let update =
            json!({"from": from, "to": to, "digest": b, "phase": "Finished", "started": "1970-01-01T00:00:00Z"});
        let status = container("app", None, &json!({"image": to, "update": update}));
        let (name, found) = reversible(&handler(&json!({}), &json!([status]))).remove(0);
        let found = found.ok();
        assert_eq!(found.as_ref().map(|found| found.choice.tag.as_str()), expected, "{from} {to}");
        let way = found.map(|found| (found.from, found.to));
        assert_eq!((name.as_str(), way), ("app", expected.map(|_| (to.to_owned(), from.to_owned()))));
    };
    check("r:5000/app:1.0", "r:5000/app:1.1", Some("1.1"));
    check("app:1.0@sha256:0", &format!("app:1.1@{b}"), Some("1.1"));
    check(&format!("app:latest@{a}"), &format!("app:latest@{b}"), Some(&format!("latest@{b}")));
    check("app:1.0", "app", None);
}

#[test]
fn what_is_held_or_was_pushed_again_can_be_approved_and_nothing_else_said_to_it() {
    let moved = format!("1.0@{}", digest());
    let held = json!({"tag": "1.1", "reason": "RolloutFailed", "message": "it crashed", "at": "1970-01-01T00:00:00Z"});
    let status = json!({"held": [held], "movedTo": digest(), "update": {
        "from": "app:1.0", "to": "app:1.1", "phase": "RolledBack", "approvedBy": "bob", "started": "1970-01-01T00:00:00Z",
    }});
    let check = |offer: &str, answer: Answer, mode: Option<&str>, expected: &str| {
        let mut handler = handler(&json!({}), &json!([container("app", Some("2.0"), &status)]));
        handler.status.as_mut().unwrap().mode = mode.map(|mode| serde_json::from_value(json!(mode)).unwrap());
        let found = stands_in(&handler, offer, answer);
        assert!(found.contains(expected), "{found:?} instead of {expected:?}: {offer} {answer:?} {mode:?}");
    };
    check("app=1.1", Answer::Approve, None, "offered");
    check("1.1", Answer::Approve, Some("Update"), "offered");
    check("app=1.1", Answer::Skip, None, "approved by bob");
    check("app=1.2", Answer::Approve, None, "app=2.0");
    check(&moved, Answer::Approve, None, "offered");
    check(&moved, Answer::Skip, None, "app=2.0");
    check("app=2.0", Answer::Approve, Some("Notify"), "is not changed here");
    check("app=2.0", Answer::Skip, Some("Notify"), "offered");
    check("app=1.1", Answer::Approve, Some("Preview"), "nothing is changed");
    check(&moved, Answer::Approve, Some("Notify"), "offered");
}

#[test]
fn what_waits_for_its_time_can_be_approved_and_skipped() {
    let waits = json!({"waits": {"tag": "1.1", "reason": "MinimumAge", "message": "it is too young"}});
    let containers = json!([container("app", Some("2.0"), &waits)]);
    let check = |offer: &str, answer: Answer, expected: &str| {
        assert_eq!(stands(&json!({}), &containers, offer, answer), expected, "{offer} {answer:?}");
    };
    check("app=1.1", Answer::Approve, "offered");
    check("1.1", Answer::Skip, "offered");
    check("app=1.1", Answer::Snooze(SNOOZE_TIME), "app=2.0");
    check("app=1.2", Answer::Approve, "app=2.0");
}
