use std::collections::BTreeMap;

use k8supdater_core::image::Digest;
use k8supdater_core::policy::Tagged;
use k8supdater_core::policy::moving::{LatestPreference, PullPolicy, RunningImage};
use k8supdater_core::version::Version;
use serde_json::{Value, json};

use super::*;
use crate::api::VersioningHandler;
use crate::config::RawConfig;
use crate::reconcile::decide::decide;
use crate::reconcile::observe::{Choice as State, Moving, Observed, ObservedContainer};
use crate::reconcile::progress::Milestone;
use crate::reconcile::validate::validate;
use crate::workload::containers::Container;
use crate::workload::containers::List;
use crate::workload::patch::Template;
use crate::workload::rollout::Rollout;

/// A check of a workload with the container `app`; all times are seconds, and it is 1000.
struct Case {
    /// Tag in the spec.
    current: &'static str,
    /// All tags of the repository, separated by spaces. The frontier is 2.
    tags: &'static str,
    /// `spec.approval`.
    approval: &'static str,
    /// Annotations without their prefix.
    answers: &'static [(&'static str, &'static str)],
    /// Fields of the container's status before.
    before: Value,
    /// `metadata.generation` of the Deployment.
    generation: i64,
}

fn case() -> Case {
    Case {
        current: "1.0.0",
        tags: "1.0.0 1.0.1 2.0.0",
        approval: "Required",
        answers: &[],
        before: json!({}),
        generation: 5,
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_000).unwrap()
}

fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
}

fn tagged(tag: &str) -> Tagged {
    let levels = tag.split('.').map(|level| level.parse().ok()).collect::<Option<Vec<u64>>>();
    Tagged::new(tag, levels.map(|levels| Version { levels, ..Version::default() }))
}

fn handler(approval: &str, answers: &[(&str, &str)], before: &[Value]) -> VersioningHandler {
    let annotations: BTreeMap<String, &str> =
        answers.iter().map(|(name, value)| (format!("k8supdater.dev/{name}"), *value)).collect();
    serde_json::from_value(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
        "metadata": {"name": "web", "namespace": "team-a", "annotations": annotations},
        "spec": {"deployment": "web", "containerregistry": "oci", "frontier": 2, "approval": approval},
        "status": {"containers": before},
    }))
    .unwrap()
}

fn observed(handler: &VersioningHandler, generation: i64, containers: Vec<(Container, State)>) -> Observed {
    let target = validate(handler, &RawConfig::default().check().unwrap()).unwrap();
    let is_alone = containers.len() == 1;
    let containers = containers.into_iter().map(|(container, mut state)| {
        let answers = target.answers_for(&container.name, is_alone);
        if let State::Tags(tags) = &mut state {
            tags.policy.held = target.held(&container.name, &answers);
        }
        ObservedContainer { container, answers, state: Ok(state), link_facts: None }
    });
    Observed {
        rollout: Rollout::Finished,
        template: Template { generation: Some(generation), ..Template::default() },
        owner: None,
        complaint: None,
        containers: containers.collect(),
        inquiries: BTreeMap::new(),
        target,
    }
}

fn container(name: &str, image: &str, restarted_for: Option<Digest>) -> Container {
    let (name, image) = (name.to_owned(), image.to_owned());
    Container {
        list: List::Containers,
        index: 0,
        name,
        image,
        pull_policy: PullPolicy::Always,
        restarted_for,
        rolled_back: None,
    }
}

fn before(name: &str, image: &str, more: &Value) -> Value {
    let mut before = json!({"name": name, "image": image, "decision": "None"});
    before.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    before
}

fn decided(case: &Case) -> Decision {
    let image = format!("app:{}", case.current);
    let handler = handler(case.approval, case.answers, &[before("app", &image, &case.before)]);
    let tags = |policy| Tags {
        image: image.parse().unwrap(),
        policy,
        current: tagged(case.current),
        candidates: case.tags.split_whitespace().map(tagged).collect(),
        first_seen: Vec::new(),
        approved: None,
        after: None,
    };
    let policy = validate(&handler, &RawConfig::default().check().unwrap()).unwrap().plan.policy;
    let state = State::Tags(Box::new(tags(policy)));
    decide(observed(&handler, case.generation, vec![(container("app", &image, None), state)]), now())
}

/// The word for each container, what is offered, what is done, what is said, and what the status remembers.
fn summary(decision: &Decision) -> Vec<String> {
    let mut summary = Vec::new();
    for status in &decision.containers {
        let offered = status.reported.as_ref().map(|tag| format!(", offers {tag}")).unwrap_or_default();
        summary.push(format!("{}{offered}", status.decision));
        summary.extend(status.approved.as_ref().map(|approved| format!("approved {}", approved.tag)));
        summary.extend(status.skipped.iter().map(|skipped| format!("skipped {}", skipped.tag)));
        let left = |snoozed: &SnoozedTag| snoozed.until.0.as_second() - now().as_second();
        summary.extend(status.snoozed.as_ref().map(|snoozed| format!("snoozed {} {}", snoozed.tag, left(snoozed))));
    }
    summary.extend(decision.updates.iter().map(|update| {
        let by = update.approved_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        format!("-> {}{by}", update.change.restart_for.as_ref().map_or(update.change.to.clone(), ToString::to_string))
    }));
    summary.extend(decision.news.iter().filter_map(|news| match &news.what {
        Happening::Answered(what) => {
            let saying = what.saying(&news.container);
            Some(format!("{}: {}", saying.reason, saying.note))
        }
        Happening::Reached { milestone: Milestone::Overtaken, .. } => Some("Overtaken".to_owned()),
        Happening::Available { .. } | Happening::Reached { .. } | Happening::TagMoved { .. } => None,
    }));
    summary
}

#[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
#[track_caller]
fn check(case: Case, expected: &[&str]) -> Decision {
    let decision = decided(&case);
    assert_eq!(summary(&decision), expected);
    decision
}

fn mark(tag: &str) -> Value {
    json!({"tag": tag, "by": "ada", "at": "1970-01-01T00:00:00Z"})
}

/// An approval for which an update was announced at generation 5.
fn attempted(tag: &str) -> Value {
    json!({"tag": tag, "by": "ada", "at": "1970-01-01T00:00:00Z", "generation": 5})
}

fn update(to: &str, phase: &str) -> Value {
    json!({"from": "app:1.0.0", "to": format!("app:{to}"), "phase": phase, "approvedBy": "ada", "started": "1970-01-01T00:00:00Z"})
}

const ADA: (&str, &str) = ("by", "ada");

#[test]
fn what_needs_approval_is_offered_first_and_what_is_left_of_the_frontier_after_it() {
    check(Case { approval: "NotRequired", ..case() }, &["UpdateAndNotify, offers 2.0.0", "-> app:1.0.1"]);
    let decision = check(case(), &["AwaitingApproval, offers 1.0.1"]);
    assert_eq!(decision.containers[0].newest.as_deref(), Some("2.0.0"), "what is beyond");
    check(Case { tags: "1.0.1", ..case() }, &["AwaitingApproval, offers 1.0.1"]);
    check(Case { tags: "2.0.0", ..case() }, &["Notify, offers 2.0.0"]);
    check(Case { tags: "1.0.0", ..case() }, &["None"]);
    let skipped = json!({"skipped": [mark("1.0.1")]});
    check(Case { before: skipped, ..case() }, &["Notify, offers 2.0.0", "skipped 1.0.1"]);
}

#[test]
fn what_is_approved_is_applied_whatever_is_newer() {
    let approved = |tag: &str| format!("Approved: container app: {tag} was approved by ada");
    let check = |answers: &'static [(&str, &str)], tags: &'static str, approval: &'static str, expected: &[&str]| {
        check(Case { tags, approval, answers, ..case() }, expected);
    };
    let (required, not_required) = ("Required", "NotRequired");
    for (answers, offer) in
        [(&[("approve", "app=1.0.1"), ADA] as &[_], "1.0.1"), (&[("approve", "1.0.1"), ADA], "1.0.1")]
    {
        let said = approved(offer);
        let expected = ["UpdateAndNotify, offers 2.0.0", "approved 1.0.1", "-> app:1.0.1 by ada", said.as_str()];
        check(answers, "1.0.1 2.0.0", required, &expected);
        // Meanwhile something newer has come.
        check(answers, "1.0.1 1.0.2 2.0.0", required, &expected);
    }
    let two = &[("approve", "app=2.0.0"), ADA];
    let said = approved("2.0.0");
    let expected = ["Update", "approved 2.0.0", "-> app:2.0.0 by ada", said.as_str()];
    check(two, "1.0.1 2.0.0", required, &expected);
    check(two, "1.0.1 2.0.0", not_required, &expected);
    let expected = ["UpdateAndNotify, offers 2.1.0", "approved 2.0.0", "-> app:2.0.0 by ada", said.as_str()];
    check(two, "1.0.1 2.0.0 2.1.0", not_required, &expected);
}

#[test]
fn an_approval_that_cannot_be_followed_is_given_up_with_the_reason() {
    let check = |tag: &'static str, tags: &'static str, before: Value, first: &[&str], why: &str| {
        let answers: &'static [(&str, &str)] = Box::leak(Box::new([("approve", tag), ADA]));
        let approved = format!("Approved: container app: {tag} was approved by ada");
        let given_up =
            format!("ApprovalNotApplied: container app: {tag}, which was approved by ada, is not applied: {why}");
        let expected: Vec<&str> = first.iter().copied().chain([approved.as_str(), given_up.as_str()]).collect();
        self::check(Case { tags, answers, before, ..case() }, &expected);
    };
    check("1.0.1", "1.0.0", json!({}), &["None"], "the registry does not list it");
    check("0.9.0", "0.9.0 1.0.0", json!({}), &["None"], "it is older than 1.0.0");
    check("1.0.0", "1.0.0", json!({}), &["None"], "it is what the container has already");
    let skipped = json!({"skipped": [mark("1.0.1")]});
    let held = "it was skipped, or stands in spec.hold, and is not offered";
    check("1.0.1", "1.0.1", skipped, &["None", "skipped 1.0.1"], held);
    let moved = "1.0.1@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let version = "the tag 1.0.0 of the container is a version, which is approved without a digest";
    check(moved, "1.0.1", json!({}), &["AwaitingApproval, offers 1.0.1"], version);
}

#[test]
fn a_later_approval_takes_the_place_of_an_earlier_one() {
    let before = json!({"approved": mark("1.0.1")});
    check(
        Case { answers: &[("approve", "app=2.0.0"), ("by", "bob")], before, ..case() },
        &[
            "Update",
            "approved 2.0.0",
            "-> app:2.0.0 by bob",
            "ApprovalNotApplied: container app: 1.0.1, which was approved by ada, is not applied: bob approved 2.0.0 instead",
            "Approved: container app: 2.0.0 was approved by bob",
        ],
    );
}

#[test]
fn an_answer_that_is_recorded_already_changes_nothing() {
    let before = json!({"approved": mark("1.0.1"), "update": update("1.0.1", "Announced")});
    check(
        Case { answers: &[("approve", "app=1.0.1"), ("by", "bob")], before, ..case() },
        &["UpdateAndNotify, offers 2.0.0", "approved 1.0.1", "-> app:1.0.1 by ada"],
    );
    let before = json!({"reported": "2.0.0", "skipped": [mark("1.0.1")]});
    check(Case { answers: &[("skip", "1.0.1")], before, ..case() }, &["Notify, offers 2.0.0", "skipped 1.0.1"]);
    // Ten seconds later, because the process was killed.
    let snoozed = json!({"tag": "1.0.1", "by": "ada", "until": "1970-01-02T00:16:30Z"});
    let before = json!({"reported": "1.0.1", "snoozed": snoozed});
    check(
        Case { answers: &[("snooze", "1.0.1")], before, ..case() },
        &["AwaitingApproval, offers 1.0.1", "snoozed 1.0.1 86390"],
    );
}

#[test]
fn an_approval_is_followed_once_wherever_the_process_was_killed() {
    let again: &[&str] = &["UpdateAndNotify, offers 2.0.0", "approved 1.0.1", "-> app:1.0.1 by ada"];
    let waits: &[&str] = &["AwaitingApproval, offers 1.0.1"];
    let done: &[&str] = &["Notify, offers 2.0.0"];
    let check = |current: &'static str, before: Value, generation: i64, expected: &[&str]| {
        let decision = decided(&Case { current, before: before.clone(), generation, ..case() });
        let found = summary(&decision);
        assert_eq!(&found[..expected.len()], expected, "{current} {generation} {before}");
        found[expected.len()..].join("; ")
    };
    // Recorded, and nothing was tried yet.
    assert_eq!(check("1.0.0", json!({"approved": mark("1.0.1")}), 9, again), "");
    // Announced, and not made; a replica more does not matter.
    let announced = || json!({"approved": attempted("1.0.1"), "update": update("1.0.1", "Announced")});
    assert_eq!(check("1.0.0", announced(), 5, again), "");
    assert_eq!(check("1.0.0", announced(), 6, again), "");
    // Made, and not told.
    assert_eq!(check("1.0.1", announced(), 6, done), "");
    // Made, and taken back by somebody before the next process looked.
    let said = check("1.0.0", announced(), 7, waits);
    assert!(said.contains("ApprovalNotApplied") && said.contains("approve it again if it is still wanted"), "{said}");
    // Made, told, and taken back: it is held, and whoever has taken it back is not asked again.
    for phase in ["RollingOut", "Finished", "Overtaken"] {
        assert!(check("1.0.0", json!({"update": update("1.0.1", phase)}), 7, done).len() < 10, "{phase}");
    }
    // Somebody else was faster with something else.
    let said = check("1.0.2", announced(), 6, done);
    assert!(said.contains("Overtaken") && said.contains("somebody else has changed the container"), "{said}");
    // An earlier update to the same tag is none of this approval's.
    let before = json!({"approved": mark("1.0.1"), "update": update("1.0.1", "Finished")});
    assert_eq!(check("1.0.0", before, 9, again), "");
}

#[test]
fn the_generation_is_noted_before_the_workload_is_changed() {
    let decision = decided(&Case { answers: &[("approve", "1.0.1")], ..case() });
    assert_eq!(decision.containers[0].approved.as_ref().unwrap().generation, Some(5));
    assert!(decision.updates[0].change.is_for_once);
    let decision = decided(&Case { approval: "NotRequired", ..case() });
    assert!(!decision.updates[0].change.is_for_once);
}

#[test]
fn what_is_skipped_is_offered_no_more_and_the_oldest_skips_are_forgotten() {
    let said = "Skipped: container app: 1.0.1 was skipped by ada, and is not offered again";
    let expected = ["Notify, offers 2.0.0", "skipped 1.0.1", said];
    check(Case { answers: &[("skip", "app=1.0.1"), ADA], ..case() }, &expected);
    check(Case { answers: &[("skip", "1.0.1"), ADA], approval: "NotRequired", ..case() }, &expected);
    let skipped: Vec<Value> = (0..32).map(|patch| mark(&format!("0.9.{patch}"))).collect();
    let decision =
        decided(&Case { answers: &[("skip", "app=1.0.1"), ADA], before: json!({"skipped": skipped}), ..case() });
    let found = &decision.containers[0].skipped;
    assert_eq!((found.len(), found[0].tag.as_str(), found[31].tag.as_str()), (32, "0.9.1", "1.0.1"));
}

#[test]
fn a_snooze_ends_with_its_time_or_with_something_newer() {
    let offers = "AwaitingApproval, offers 1.0.1";
    let said = "Snoozed: container app: 1.0.1 was snoozed by ada for 3d";
    let snooze = || Case { answers: &[("snooze", "app=1.0.1 3d"), ADA], ..case() };
    check(snooze(), &[offers, "snoozed 1.0.1 259200", said]);
    let snoozed = |tag: &str, until: &str| json!({"snoozed": {"tag": tag, "by": "bob", "until": until}});
    check(Case { before: snoozed("1.0.1", "1970-01-01T00:20:00Z"), ..case() }, &[offers, "snoozed 1.0.1 200"]);
    check(
        Case { before: snoozed("1.0.1", "1970-01-01T00:20:00Z"), ..snooze() },
        &[offers, "snoozed 1.0.1 259200", said],
    );
    check(Case { before: snoozed("1.0.1", "1970-01-01T00:16:40Z"), ..case() }, &[offers]);
    check(
        Case { before: snoozed("1.0.1", "1970-01-01T00:20:00Z"), tags: "1.0.1 1.0.2", ..case() },
        &["AwaitingApproval, offers 1.0.2"],
    );
    check(
        Case { answers: &[("snooze", "app=9.9.9"), ADA], ..case() },
        &[
            offers,
            "AnswerNotUnderstood: container app: \"app=9.9.9 24h\" in the annotation k8supdater.dev/snooze was removed: what is offered \
         at present is 1.0.1",
        ],
    );
}

#[test]
fn an_answer_without_a_container_is_for_those_to_which_the_tag_is_offered() {
    let check = |answers: &[(&str, &str)], expected: &[&str]| {
        let known = [("app", "1.0.1"), ("db", "1.0.1"), ("web", "2.0.0")];
        let known = known.map(|(name, reported)| before(name, "app:1.0.0", &json!({"reported": reported})));
        let handler = handler("Required", answers, &known);
        let policy = validate(&handler, &RawConfig::default().check().unwrap()).unwrap().plan.policy;
        let containers = ["app", "db", "web"].map(|name| {
            let tags = Tags {
                image: "app:1.0.0".parse().unwrap(),
                policy: policy.clone(),
                current: tagged("1.0.0"),
                candidates: (if name == "web" { vec!["2.0.0"] } else { vec!["1.0.1"] })
                    .into_iter()
                    .map(tagged)
                    .collect(),
                first_seen: Vec::new(),
                approved: None,
                after: None,
            };
            (container(name, "app:1.0.0", None), State::Tags(Box::new(tags)))
        });
        let decision = decide(observed(&handler, 5, containers.into()), now());
        let updated = decision.updates.iter().map(|update| format!("{} {}", update.change.container, update.tag));
        let said = decision.news.iter().filter_map(|news| match &news.what {
            Happening::Answered(what @ (Answered::NotApplied { .. } | Answered::NotUnderstood { .. })) => {
                Some(what.saying(&news.container).note)
            }
            _ => None,
        });
        assert_eq!(updated.chain(said).collect::<Vec<_>>(), expected, "{answers:?}");
    };
    check(&[("approve", "1.0.1")], &["app 1.0.1", "db 1.0.1"]);
    check(&[("approve", "db=1.0.1")], &["db 1.0.1"]);
    check(&[("approve", "2.0.0,app=1.0.1")], &["app 1.0.1", "web 2.0.0"]);
    check(
        &[("approve", "3.0.0")],
        &[
            "3.0.0, which was approved by an annotation, is not applied: it is offered to no container; say which one is meant, as in \
         app=3.0.0",
        ],
    );
    check(
        &[("approve", "cache=1.0.1")],
        &[
            "cache=1.0.1, which was approved by an annotation, is not applied: the Deployment has no container cache, expected one of: \
         app, db, web",
        ],
    );
    check(
        &[("skip", "cache=1.0.1"), ("snooze", "a b c")],
        &[
            "\"cache=1.0.1\" in the annotation k8supdater.dev/skip was removed: the Deployment has no container cache, expected one of: \
         app, db, web",
            "\"a b c\" in the annotation k8supdater.dev/snooze was removed: \"b c\" is no time to snooze, expected one from 1s to 365d, \
         such as 24h or 3d",
        ],
    );
}

/// A check of a container with the tag `latest`, which points at digest `b`, while pods run what is given.
fn moved(
    answers: &[(&str, &str)],
    approval: &str,
    before: &Value,
    set: impl Fn(&mut Container, &mut Moving),
) -> Vec<String> {
    let handler = handler(approval, answers, &[self::before("app", "app:latest", before)]);
    let mut moving = Moving {
        after: None,
        image: "app:latest".parse().unwrap(),
        tag: "latest".to_owned(),
        registry: Some(digest('b')),
        members: Vec::new(),
        running: vec![RunningImage { digest: digest('a') }],
        preference: LatestPreference::Notify,
    };
    let mut container = container("app", "app:latest", None);
    set(&mut container, &mut moving);
    let state = State::Moving(Box::new(moving));
    let mut found = summary(&decide(observed(&handler, 5, vec![(container, state)]), now()));
    for text in &mut found {
        *text = text.replace(&digest('b').to_string(), "B").replace(&digest('d').to_string(), "D");
    }
    found
}

#[test]
fn a_tag_that_moved_is_restarted_for_the_digest_that_was_approved() {
    let this = format!("latest@{}", digest('b'));
    let approve = [("approve", this.as_str()), ADA];
    let none = json!({});
    let nothing = |_: &mut Container, _: &mut Moving| {};
    assert_eq!(moved(&[], "NotRequired", &none, nothing), ["Notify, offers latest@B"]);
    let update = |_: &mut Container, moving: &mut Moving| moving.preference = LatestPreference::Update;
    assert_eq!(moved(&[], "NotRequired", &none, update), ["Restart", "-> B"]);
    assert_eq!(moved(&[], "Required", &none, update), ["AwaitingApproval, offers latest@B"]);
    let said = "Approved: container app: latest@B was approved by ada";
    for approval in ["Required", "NotRequired"] {
        let expected = ["Restart", "approved latest@B", "-> B by ada", said];
        assert_eq!(moved(&approve, approval, &none, nothing), expected);
        assert_eq!(moved(&approve, approval, &none, update), expected);
    }
    let unknown = |_: &mut Container, moving: &mut Moving| moving.registry = None;
    assert_eq!(moved(&approve, "Required", &none, unknown), ["Unknown", "approved latest@B", said], "it waits");
    // Restarted, and not told.
    let announced = json!({"approved": {"tag": this, "by": "ada", "at": "1970-01-01T00:00:00Z", "generation": 4}, "update": {
        "from": "app:latest", "to": "app:latest", "phase": "Announced", "approvedBy": "ada", "digest": digest('b').to_string(),
        "started": "1970-01-01T00:00:00Z",
    }});
    let restarted = |container: &mut Container, _: &mut Moving| container.restarted_for = Some(digest('b'));
    assert_eq!(moved(&[], "NotRequired", &announced, restarted), ["Notify, offers latest@B"]);
    assert_eq!(moved(&[], "NotRequired", &announced, nothing), ["Restart", "approved latest@B", "-> B by ada"]);
}

#[test]
fn a_restart_that_was_approved_and_makes_no_sense_is_given_up() {
    let none = json!({});
    let check = |tag: &str, set: &dyn Fn(&mut Container, &mut Moving), word: &str, why: &str| {
        let found = moved(&[("approve", tag), ADA], "NotRequired", &none, set);
        assert_eq!((found[0].as_str(), found.len()), (word, 3), "{found:?}");
        assert!(found[2].starts_with("ApprovalNotApplied") && found[2].contains(why), "{found:?}");
    };
    let this = format!("latest@{}", digest('b'));
    let nothing = |_: &mut Container, _: &mut Moving| {};
    let offers = "Notify, offers latest@B";
    check(&format!("latest@{}", digest('d')), &nothing, offers, "the tag points at another image by now, B");
    check("latest", &nothing, offers, "approve it with the digest that is offered");
    check(&format!("stable@{}", digest('b')), &nothing, offers, "the container has the tag latest now");
    check(
        &this,
        &|container, _| container.pull_policy = PullPolicy::IfNotPresent,
        offers,
        "imagePullPolicy is IfNotPresent",
    );
    check(
        &this,
        &|_, moving| moving.running = vec![RunningImage { digest: digest('b') }],
        "None",
        "all pods run it already",
    );
}

#[test]
fn a_digest_that_was_skipped_is_offered_no_more_and_the_next_one_is() {
    let this = format!("latest@{}", digest('b'));
    let said = "Skipped: container app: latest@B was skipped by ada, and is not offered again";
    let found = moved(&[("skip", &this), ADA], "NotRequired", &json!({"reported": this}), |_, _| {});
    assert_eq!(found, ["None", "skipped latest@B", said]);
    let before = json!({"skipped": [mark(&this)]});
    let update = |_: &mut Container, moving: &mut Moving| moving.preference = LatestPreference::Update;
    assert_eq!(moved(&[], "NotRequired", &before, update), ["None", "skipped latest@B"]);
    let next = |_: &mut Container, moving: &mut Moving| moving.registry = Some(digest('d'));
    assert_eq!(moved(&[], "NotRequired", &before, next), ["Notify, offers latest@D", "skipped latest@B"]);
}
