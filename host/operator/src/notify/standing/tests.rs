use k8supdater_core::notice::outbox::{Mode, Policy};
use serde_json::{Value, json};

use super::*;

/// A handler whose status is `status`, created at second 1,000.
pub(in crate::notify) fn handler(spec: &Value, status: &Value) -> VersioningHandler {
    let mut full = json!({"deployment": "web", "containerregistry": "oci"});
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
        "metadata": {"namespace": "team-a", "name": "web", "uid": "u", "generation": 1, "creationTimestamp": "1970-01-01T00:16:40Z"},
        "spec": full, "status": status,
    }))
    .unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ready(status: &str, reason: &str, since: i64) -> Value {
    json!({"type": "Ready", "status": status, "reason": reason, "message": "words", "lastTransitionTime": at(since).to_string()})
}

fn update(phase: &str, second: i64) -> Value {
    let (started, finished) = (at(second).to_string(), at(second).to_string());
    json!({"from": "nginx:1.0", "to": "nginx:1.1", "phase": phase, "started": started, "finished": finished})
}

fn container(more: &Value) -> Value {
    let mut container = json!({"name": "app", "image": "nginx:1.1", "decision": "None"});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    container
}

/// An outbox, and what people are told from one state to the next.
struct Story {
    outbox: Outbox,
    filter: Filter,
    now: i64,
}

impl Story {
    fn new() -> Self {
        Self { outbox: Outbox::default(), filter: Filter::default(), now: 100_000 }
    }

    /// Lets a minute pass, takes in that status, sends what is due, and compares with `expected`: kind, from and to of each.
    fn tell(&mut self, status: &Value, expected: &[&str]) {
        self.tell_as(&json!({}), status, expected);
    }

    fn tell_as(&mut self, spec: &Value, status: &Value, expected: &[&str]) {
        self.now += 60;
        let mut status = status.clone();
        let notices = json!({"generation": 1});
        status.as_object_mut().unwrap().entry("notices").or_insert(notices);
        let standing = Standing::of(&handler(spec, &status), Duration::from_mins(5), at(self.now));
        standing.enter(&mut self.outbox, &self.filter, at(90_000), at(self.now));
        let mut told = Vec::new();
        loop {
            let due = self.outbox.due(at(self.now), &Policy { mode: Mode::Immediate, remind_after: None });
            if due.dispatches.is_empty() {
                break;
            }
            for dispatch in due.dispatches {
                let message = &dispatch.message;
                let word = |text: &Option<String>| text.clone().unwrap_or_default();
                told.push(format!("{} {} {}", message.kind, word(&message.from), word(&message.to)).trim().to_owned());
                self.outbox.begin(&dispatch);
                self.outbox.sent(&dispatch, at(self.now));
            }
        }
        assert_eq!(told, expected, "{status}");
    }
}

#[test]
fn what_is_offered_is_told_once_and_again_after_something_else_was() {
    let offer = |tag: &str, from: &str| json!({"containers": [container(&json!({"reported": tag, "reportedFrom": from, "newest": tag}))]});
    let nothing = json!({"containers": [container(&json!({}))]});
    let mut story = Story::new();
    story.tell(&nothing, &[]);
    story.tell(&offer("2.0", "1.0"), &["update-available 1.0 2.0"]);
    story.tell(&offer("2.0", "1.0"), &[]);
    story.tell(&offer("2.1", "1.0"), &["update-available 1.0 2.1"]);
    story.tell(&offer("2.0", "1.0"), &["update-available 1.0 2.0"]);
    story.tell(&nothing, &[]);
    story.tell(&offer("2.0", "1.0"), &["update-available 1.0 2.0"]);
}

#[test]
fn what_is_snoozed_is_told_again_when_its_time_comes_and_something_newer_at_once() {
    let offer = |tag: &str| {
        let snoozed = json!({"tag": "2.0", "until": at(100_300).to_string(), "by": "somebody"});
        json!({"containers": [container(&json!({"reported": tag, "reportedFrom": "1.0", "snoozed": snoozed}))]})
    };
    let mut story = Story::new();
    let unsnoozed = json!({"containers": [container(&json!({"reported": "2.0", "reportedFrom": "1.0"}))]});
    story.tell(&unsnoozed, &["update-available 1.0 2.0"]);
    story.tell(&offer("2.0"), &[]);
    assert_eq!(story.outbox.standing().count(), 0, "nobody is reminded of it");
    let standing = Standing::of(&handler(&json!({}), &offer("2.0")), Duration::ZERO, at(100_120));
    assert_eq!(standing.changes_at, Some(at(100_300)));
    story.tell(&offer("2.1"), &["update-available 1.0 2.1"]);
    story.tell(&offer("2.0"), &[]);
    story.tell(&offer("2.0"), &["update-available 1.0 2.0"]);
}

#[test]
fn what_pods_get_at_another_time_is_not_told_as_what_they_run() {
    let text = |hint: Value| {
        let mut update = update("Finished", 100_000);
        update["hint"] = hint;
        let spec = json!({"deployment": null, "workload": {"kind": "CronJob", "name": "report"}});
        let handler = handler(&spec, &json!({"containers": [container(&json!({"update": update}))]}));
        let standing = Standing::of(&handler, Duration::ZERO, at(100_120));
        let texts: Vec<String> = standing.rollouts.iter().map(Notice::text).collect();
        texts.concat()
    };
    let later = text(json!("the next Job runs it"));
    assert!(later.contains("of CronJob/report in namespace team-a has the update"), "{later}");
    assert!(later.ends_with(": the next Job runs it."), "{later}");
    assert!(text(json!(null)).contains("runs the update, in all pods"));
}

#[test]
fn an_update_is_told_as_far_as_it_has_come_and_not_if_it_is_old() {
    let status =
        |phase: &str, second: i64| json!({"containers": [container(&json!({"update": update(phase, second)}))]});
    let mut story = Story::new();
    story.tell(&status("Announced", 100_000), &[]);
    story.tell(&status("RollingOut", 100_000), &["updated 1.0 1.1"]);
    story.tell(&status("RollingOut", 100_000), &[]);
    story.tell(&status("Failed", 100_100), &["rollout-failed 1.0 1.1"]);
    story.tell(&status("Finished", 100_200), &["rollout-finished 1.0 1.1"]);
    story.tell(&status("Finished", 100_200), &[]);
    let mut quick = Story::new();
    quick.tell(&status("Finished", 100_000), &["rollout-finished 1.0 1.1"]);
    let mut late = Story::new();
    late.tell(&status("Finished", 89_999), &[]);
    let mut human = Story::new();
    human.tell(&status("Failed", 100_000), &["rollout-failed 1.0 1.1"]);
    human.tell(&status("Overtaken", 100_100), &[]);
    assert_eq!(human.outbox.standing().count(), 0, "nobody is reminded of what a human has taken over");
}

/// An update that was taken back, by somebody if anybody asked for that.
fn taken_back(phase: &str, by: Option<&str>, second: i64) -> Value {
    let mut update = update(phase, second);
    update["rollback"] = json!({"started": at(second).to_string(), "by": by});
    update["failure"] = json!("no pod is ready");
    json!({"containers": [container(&json!({"update": update}))]})
}

#[test]
fn a_rollback_is_told_from_the_failure_to_what_came_of_it() {
    let failed = json!({"containers": [container(&json!({"update": update("Failed", 100_000)}))]});
    let mut story = Story::new();
    story.tell(&failed, &["rollout-failed 1.0 1.1"]);
    story.tell(&taken_back("RollingBack", None, 100_100), &[]);
    assert_eq!(story.outbox.standing().count(), 1);
    story.tell(&taken_back("RolledBack", None, 100_200), &["rolled-back 1.1 1.0"]);
    story.tell(&taken_back("RolledBack", None, 100_200), &[]);
    assert_eq!(story.outbox.standing().count(), 0, "nobody has to do anything");

    let mut quick = Story::new();
    quick.tell(&taken_back("RollingBack", None, 100_000), &["rollout-failed 1.0 1.1"]);
    quick.tell(&taken_back("RollbackFailed", None, 100_100), &["rollback-failed 1.1 1.0"]);
    assert_eq!(quick.outbox.standing().count(), 1);
    let mut mended = Story { outbox: quick.outbox.clone(), ..Story::new() };
    mended.tell(&taken_back("Overtaken", None, 100_300), &[]);
    assert_eq!(mended.outbox.standing().count(), 0, "somebody has set another image");
    quick.tell(&taken_back("RolledBack", None, 100_200), &["rolled-back 1.1 1.0"]);

    let mut asked = Story::new();
    asked.tell(&taken_back("RollingBack", Some("ada"), 100_000), &[]);
    asked.tell(&taken_back("RolledBack", Some("ada"), 100_100), &["rolled-back 1.1 1.0"]);
}

#[test]
fn a_rollback_says_why_and_matters_more_if_nobody_asked_for_it() {
    let check = |phase: &str, by: Option<&str>, level: Level, detail: &str| {
        let mut status = taken_back(phase, by, 100_000);
        let waits = "the rollout waits for 1 pod";
        status["conditions"] = json!([{
            "type": "RolloutHealthy", "status": "Unknown", "reason": "RollingOut", "message": waits,
            "lastTransitionTime": at(1).to_string(),
        }]);
        let standing = Standing::of(&handler(&json!({}), &status), Duration::ZERO, at(100_120));
        let found: Vec<_> = standing.rollouts.iter().map(|it| (it.level, it.detail.as_deref())).collect();
        assert_eq!(found, [(level, Some(detail))], "{phase} {by:?}");
    };
    check("Failed", None, Level::Critical, "no pod is ready");
    check("RollingBack", None, Level::Critical, "no pod is ready; the image before is put back");
    check("RolledBack", None, Level::Error, "no pod is ready");
    check("RolledBack", Some("ada"), Level::Info, "ada has asked for that");
    check("RollbackFailed", None, Level::Critical, "no pod is ready; the rollout waits for 1 pod");
    check("RollbackFailed", Some("ada"), Level::Critical, "ada has asked for that; the rollout waits for 1 pod");
}

#[test]
fn a_tag_that_was_pushed_again_stands_until_it_is_accepted() {
    let status = |moved_to: Option<&str>| json!({"containers": [container(&json!({"digest": "sha256:a", "movedTo": moved_to, "reported": "2.0"}))]});
    let mut story = Story::new();
    story.tell(&status(Some("sha256:b")), &["update-available 1.1 2.0", "tag-moved 1.1@sha256:a 1.1@sha256:b"]);
    story.tell(&status(Some("sha256:b")), &[]);
    assert_eq!(story.outbox.standing().count(), 2);
    story.tell(&status(Some("sha256:c")), &["tag-moved 1.1@sha256:a 1.1@sha256:c"]);
    story.tell(&status(None), &[]);
    assert_eq!(story.outbox.standing().count(), 1);
    story.tell(&status(Some("sha256:c")), &["tag-moved 1.1@sha256:a 1.1@sha256:c"]);
}

#[test]
fn what_is_for_others_to_change_is_told_and_cannot_be_approved() {
    let status = |mode: &str| json!({"mode": mode, "containers": [container(&json!({"reported": "2.0", "reportedWhy": "why"}))]});
    let check = |mode: &str, command: &str, buttons: usize| {
        let handler = handler(&json!({}), &status(mode));
        let standing = Standing::of(&handler, Duration::ZERO, at(100_120));
        let told: Vec<String> = standing.offers.iter().map(Notice::command).collect();
        assert_eq!((told, offers(&handler, at(100_120)).len()), (vec![command.to_owned()], buttons), "{mode}");
    };
    check("Update", "k8supdater approve team-a/web app=2.0", 1);
    check("Notify", "", 0);
}

#[test]
fn nobody_is_told_anything_of_a_preview() {
    let spec = json!({"mode": "Preview"});
    let status = json!({
        "mode": "Preview", "notices": {"generation": 0}, "conditions": [ready("False", "NotReachable", 90_000)],
        "containers": [container(&json!({"movedTo": "sha256:b", "update": update("Failed", 100_000)}))],
    });
    let mut story = Story::new();
    story.tell_as(&spec, &status, &[]);
    let told = json!({"containers": [container(&json!({"reported": "2.0"}))]});
    story.tell(&told, &["update-available 1.1 2.0"]);
    story.tell_as(&spec, &status, &[]);
    assert_eq!(story.outbox.standing().count(), 0);
    story.tell(&told, &["update-available 1.1 2.0"]);
    let standing = |spec: &Value| Standing::of(&handler(spec, &json!({})), Duration::ZERO, at(1_000));
    assert!(standing(&json!({})).is_new() && !standing(&spec).is_new());
    assert!(standing(&json!({})).deleted(at(1_000)).is_some() && standing(&spec).deleted(at(1_000)).is_none());
}

#[test]
fn a_restart_is_told_with_the_digest_that_it_is_for() {
    let restart = json!({
        "from": "nginx:latest", "to": "nginx:latest", "digest": "sha256:0", "phase": "RollingOut", "started": at(100_000).to_string(),
    });
    let mut story = Story::new();
    story.tell(&json!({"containers": [container(&json!({"update": restart}))]}), &["restarted latest latest@sha256:0"]);
}

#[test]
fn a_check_that_fails_is_told_when_it_does_not_pass_by_itself() {
    let status = |ready: Value| json!({"conditions": [ready]});
    let mut story = Story::new();
    story.tell(&status(ready("True", "Checked", 90_000)), &[]);
    let fails = |reason: &str| status(ready("False", reason, 100_100));
    let standing = Standing::of(&handler(&json!({}), &fails("NotReachable")), Duration::from_mins(5), at(100_120));
    assert_eq!(standing.changes_at, Some(at(100_400)));
    for _ in 0..5 {
        story.tell(&fails("NotReachable"), &[]);
    }
    story.tell(&fails("NotReachable"), &["check-failing"]);
    story.tell(&fails("NotReachable"), &[]);
    story.tell(&fails("CredentialsRefused"), &["check-failing"]);
    story.tell(&status(ready("Unknown", "Suspended", 100_900)), &[]);
    story.tell(&status(ready("True", "Checked", 101_000)), &["check-recovered"]);
    story.tell(&status(ready("True", "Checked", 101_000)), &[]);
    let again = status(ready("False", "CredentialsRefused", 100_200));
    story.tell(&again, &["check-failing"]);
    let mut short = Story::new();
    short.tell(&status(ready("False", "NotReachable", 100_050)), &[]);
    short.tell(&status(ready("True", "Checked", 100_100)), &[]);
}

#[test]
fn a_plugin_that_fails_is_told_as_itself_and_what_else_fails_beside_it() {
    let broken =
        |plugin: &str| container(&json!({"problem": "it traps", "problemReason": "Trapped", "failingPlugin": plugin}));
    let status =
        |containers: Value| json!({"conditions": [ready("False", "Trapped", 90_000)], "containers": containers});
    let mut story = Story::new();
    story.tell(&status(json!([broken("oci"), broken("oci")])), &["plugin-failing"]);
    let other =
        container(&json!({"name": "side", "problem": "no such repository", "problemReason": "RepositoryNotFound"}));
    story.tell(&status(json!([broken("oci"), other])), &["check-failing"]);
    story.tell(&status(json!([broken("pep440")])), &["plugin-failing"]);
    let works = json!({"conditions": [ready("True", "Checked", 100_000)]});
    story.tell(&works, &["check-recovered"]);
    story.tell(&status(json!([broken("oci")])), &["plugin-failing"]);
    story.tell(&works, &["check-recovered"]);
}

#[test]
fn recovery_is_told_only_to_those_who_heard_of_the_failure() {
    let fails = json!({"conditions": [ready("False", "NotReachable", 90_000)]});
    let works = json!({"conditions": [ready("True", "Checked", 100_000)]});
    let mut story = Story { filter: Filter { levels: Vec::new(), kinds: vec![Kind::CheckRecovered] }, ..Story::new() };
    story.tell(&fails, &[]);
    story.tell(&works, &[]);
    let mut story = Story { filter: Filter { levels: Vec::new(), kinds: vec![Kind::CheckFailing] }, ..Story::new() };
    story.tell(&fails, &["check-failing"]);
    story.tell(&works, &[]);
    story.tell(&fails, &["check-failing"]);
}

#[test]
fn what_becomes_of_the_handler_itself_is_told() {
    let told =
        |generation: i64, suspended: bool| json!({"notices": {"generation": generation, "suspended": suspended}});
    let mut story = Story::new();
    story.tell(&told(1, false), &[]);
    story.tell(&told(0, false), &["handler-changed 0 1"]);
    story.tell(&told(0, true), &["handler-resumed 0 1"]);
    let mut suspended = Story::new();
    suspended.tell_as(&json!({"suspend": true}), &told(0, false), &["handler-changed 0 1"]);
    let lifecycle = |now: i64| Standing::of(&handler(&json!({}), &json!({})), Duration::ZERO, at(now)).is_new();
    assert!(lifecycle(1_000) && lifecycle(4_599));
    assert!(!lifecycle(4_600), "it was there before anybody was told of anything");
}

#[test]
fn nothing_is_said_about_what_a_suspended_handler_shows() {
    let status = json!({"containers": [container(&json!({"reported": "2.0", "update": update("Finished", 100_000)}))]});
    let mut story = Story::new();
    story.tell_as(&json!({"suspend": true}), &status, &[]);
    story.tell(&status, &["rollout-finished 1.0 1.1", "update-available 1.1 2.0"]);
}

#[test]
fn a_fleet_speaks_of_what_becomes_of_itself_and_its_members_of_all_else() {
    let fleet = json!({"deployment": null, "selector": {}});
    let failing = json!({"conditions": [ready("False", "MembersFailing", 1_000)]});
    let mut story = Story::new();
    story.tell_as(&fleet, &failing, &[]);
    story.tell_as(&fleet, &json!({"notices": {"generation": 0}}), &["handler-changed 0 1"]);

    let mut member = handler(&json!({}), &json!({"containers": [container(&json!({"reported": "2.0"}))]}));
    let owner = json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "name": "shop", "uid": "u", "controller": true,
    });
    member.metadata.owner_references = Some(vec![serde_json::from_value(owner).unwrap()]);
    let standing = Standing::of(&member, Duration::ZERO, at(1_000));
    assert_eq!((standing.lifecycle.as_ref(), standing.offers.len()), (None, 1));
    assert!(standing.is_new(), "what happens to it from its beginning on is told");
}
