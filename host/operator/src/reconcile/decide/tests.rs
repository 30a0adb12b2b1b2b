mod scene;
mod taking_back;
mod waiting;

use std::sync::Arc;

use k8supdater_core::policy::moving::{LatestPreference, PullPolicy, RunningImage};
use k8supdater_core::policy::{Policy, Tagged};
use k8supdater_core::version::Version;
use serde_json::json;

use super::*;
use crate::api::VersioningHandler;
use crate::api::workload::WorkloadKind;
use crate::config::RawConfig;
use crate::reconcile::observe::{Moving, ObservedContainer};
use crate::reconcile::offer::LinkFacts;
use crate::reconcile::validate::validate;
use crate::workload::containers::List;

fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
}

fn observed(container: Container, state: Result<Choice, Problem>, before: Option<ContainerStatus>) -> Observed {
    let mut handler: VersioningHandler = serde_json::from_value(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
        "metadata": {"name": "web", "namespace": "team-a"},
        "spec": {"deployment": "web", "containerregistry": "oci", "frontier": 2},
    }))
    .unwrap();
    handler.status.get_or_insert_default().containers = before.into_iter().collect();
    Observed {
        target: validate(&handler, &RawConfig::default().check().unwrap()).unwrap(),
        rollout: Rollout::Finished,
        template: Template::default(),
        owner: None,
        complaint: None,
        containers: vec![ObservedContainer { container, answers: Vec::new(), state, link_facts: None }],
        inquiries: BTreeMap::new(),
    }
}

fn container(image: &str, pull_policy: PullPolicy) -> Container {
    let (name, image) = ("app".to_owned(), image.to_owned());
    Container { list: List::Containers, index: 0, name, image, pull_policy, restarted_for: None, rolled_back: None }
}

/// What was decided about the one container: the word, then what is changed, told or in the way.
fn summary(decision: &Decision) -> Vec<String> {
    let updates = decision.updates.iter().map(|update| match &update.change.restart_for {
        Some(digest) => format!("restart {} for {digest}", update.change.from),
        None => format!("{} -> {}", update.change.from, update.change.to),
    });
    let news = decision.news.iter().map(|news| match &news.what {
        Happening::Available { from, to, .. } => format!("tell {from} -> {to}"),
        Happening::Reached { to, milestone, .. } => format!("reached {to} {milestone:?}"),
        Happening::Answered(answered) => answered.saying(&news.container).note,
        Happening::TagMoved { tag, to, .. } => format!("moved {tag} {to}"),
    });
    let problems = decision.problems.iter().map(|problem| problem.reason.to_owned());
    let word = decision.containers[0].decision.clone();
    std::iter::once(word).chain(updates).chain(news).chain(problems).collect()
}

/// A tag that points at digest `b` in the registry while pods run what is given.
fn moving(image: &str, running: &[char], preference: LatestPreference) -> Moving {
    Moving {
        after: None,
        image: image.parse().unwrap(),
        tag: "latest".to_owned(),
        registry: Some(digest('b')),
        members: vec![digest('c')],
        running: running.iter().map(|digit| RunningImage { digest: digest(*digit) }).collect(),
        preference,
    }
}

#[test]
fn a_tag_that_moved_is_followed_as_the_owner_wants() {
    let check = |running: &[char], preference: LatestPreference, pull_policy: PullPolicy, expected: &[&str]| {
        let choice = Choice::Moving(Box::new(moving("app", running, preference)));
        let decision = decide(observed(container("app", pull_policy), Ok(choice), None), Timestamp::UNIX_EPOCH);
        assert_eq!(summary(&decision), expected, "{running:?} {preference:?} {pull_policy:?}");
    };
    let (update, notify) = (LatestPreference::Update, LatestPreference::Notify);
    let (restart, tell) =
        (format!("restart app for {}", digest('b')), format!("tell latest -> latest@{}", digest('b')));
    check(&['a'], update, PullPolicy::Always, &["Restart", &restart]);
    check(&['a'], update, PullPolicy::IfNotPresent, &["Failed", "CannotPull"]);
    check(&['a'], notify, PullPolicy::IfNotPresent, &["Notify", &tell]);
    check(&['b', 'c'], update, PullPolicy::Always, &["None"]);
    check(&['b', 'a'], update, PullPolicy::Always, &["Restart", &restart]);
    check(&[], update, PullPolicy::Always, &["Unknown"]);
}

#[test]
fn the_next_job_of_a_cron_job_runs_what_a_tag_points_at_if_it_is_pulled() {
    let check = |image: &str, preference: LatestPreference, pull_policy: PullPolicy, expected: &[&str]| {
        let choice = Choice::Moving(Box::new(moving(image, &['a'], preference)));
        let mut observed = observed(container(image, pull_policy), Ok(choice), None);
        observed.target.workload.kind = WorkloadKind::CronJob;
        let decision = decide(observed, Timestamp::UNIX_EPOCH);
        let status = &decision.containers[0];
        let refused = status.refused.iter().map(|refused| format!("{} {}", refused.tag, refused.reason));
        let found: Vec<String> = summary(&decision).into_iter().chain(refused).collect();
        assert_eq!(found, expected, "{image} {preference:?} {pull_policy:?}");
        assert_eq!(status.problem.is_some(), found == ["Unknown"], "{status:?}");
    };
    let (update, notify) = (LatestPreference::Update, LatestPreference::Notify);
    let pulled = format!("latest@{} PulledByNextJob", digest('b'));
    for preference in [update, notify] {
        check("app", preference, PullPolicy::Always, &["None", &pulled]);
        check("app", preference, PullPolicy::IfNotPresent, &["Unknown"]);
        check("app", preference, PullPolicy::Never, &["Unknown"]);
    }
    let pinned = format!("app:latest@{}", digest('a'));
    let to = format!("{pinned} -> app:latest@{}", digest('b'));
    check(&pinned, update, PullPolicy::IfNotPresent, &["Update", &to]);
}

#[test]
fn what_was_told_of_a_moved_tag_is_not_told_again() {
    let before = |reported: Option<String>| ContainerStatus { name: "app".to_owned(), reported, ..Default::default() };
    let check = |reported: Option<String>, running: char, expected: &[&str], reported_after: Option<String>| {
        let choice = Choice::Moving(Box::new(moving("app", &[running], LatestPreference::Notify)));
        let container = container("app", PullPolicy::Always);
        let decision = decide(observed(container, Ok(choice), Some(before(reported))), Timestamp::UNIX_EPOCH);
        assert_eq!(summary(&decision), expected);
        assert_eq!(decision.containers[0].reported, reported_after);
    };
    let (this, other) = (format!("latest@{}", digest('b')), format!("latest@{}", digest('d')));
    check(Some(this.clone()), 'a', &["Notify"], Some(this.clone()));
    check(Some(other), 'a', &["Notify", &format!("tell latest -> {this}")], Some(this.clone()));
    check(Some(this), 'b', &["None"], None);
}

#[test]
fn while_pods_are_replaced_a_tag_that_moves_is_not_judged() {
    let known = ContainerStatus {
        name: "app".to_owned(),
        image: "app".to_owned(),
        newest: Some("latest".to_owned()),
        ..Default::default()
    };
    let choice = Choice::Moving(Box::new(moving("app", &['a', 'b'], LatestPreference::Update)));
    let mut observed = observed(container("app", PullPolicy::Always), Ok(choice), Some(known));
    observed.rollout = Rollout::Progressing { waits_for: "pods".to_owned() };
    let decision = decide(observed, Timestamp::UNIX_EPOCH);
    assert_eq!(
        (summary(&decision), decision.containers[0].newest.as_deref()),
        (vec!["None".to_owned()], Some("latest"))
    );
}

#[test]
fn a_pinned_image_gets_another_digest_and_never_a_restart() {
    let pinned = format!("app:latest@{}", digest('a'));
    let choice = |preference| Choice::Moving(Box::new(moving(&pinned, &['a'], preference)));
    let decided = |preference| {
        // Another digest is pulled whatever the policy says.
        let container = container(&pinned, PullPolicy::IfNotPresent);
        summary(&decide(observed(container, Ok(choice(preference)), None), Timestamp::UNIX_EPOCH))
    };
    let to = format!("app:latest@{}", digest('b'));
    assert_eq!(decided(LatestPreference::Update), ["Update".to_owned(), format!("{pinned} -> {to}")]);
    assert_eq!(decided(LatestPreference::Notify)[0], "Notify");
}

#[test]
fn a_version_that_is_pinned_takes_the_digest_of_the_new_tag_along() {
    let tagged = |tag: &str, digest: Option<Digest>| {
        let levels = tag.split('.').map(|level| level.parse().unwrap()).collect();
        Tagged { digest, ..Tagged::new(tag, Some(Version { levels, ..Version::default() })) }
    };
    let check = |image: &str, newer: Option<Digest>, expected: &[String]| {
        let target = observed(container(image, PullPolicy::Always), Ok(Choice::Ignored), None).target;
        let candidates: Arc<[Tagged]> = [tagged("1.0.0", None), tagged("1.0.1", newer)].into();
        let (image_reference, current) = (image.parse().unwrap(), tagged("1.0.0", Some(digest('a'))));
        let policy: Policy = target.plan.policy;
        let choice = Choice::Tags(Box::new(Tags {
            image: image_reference,
            policy,
            current,
            candidates,
            first_seen: Vec::new(),
            approved: None,
            after: None,
        }));
        let observed = observed(container(image, PullPolicy::Always), Ok(choice), None);
        assert_eq!(summary(&decide(observed, Timestamp::UNIX_EPOCH)), expected);
    };
    let pinned = format!("app:1.0.0@{}", digest('a'));
    let update = |to: String| vec!["Update".to_owned(), to];
    check(&pinned, Some(digest('b')), &update(format!("{pinned} -> app:1.0.1@{}", digest('b'))));
    check(&pinned, None, &update("DigestUnknown".to_owned()));
    check("app:1.0.0", Some(digest('b')), &update("app:1.0.0 -> app:1.0.1".to_owned()));
}

#[test]
fn what_is_offered_is_linked() {
    let tagged = |tag: &str| {
        let levels = tag.split('.').map(|level| level.parse().unwrap()).collect();
        Tagged::new(tag, Some(Version { levels, ..Version::default() }))
    };
    let check = |image: &str, newer: &str, source: Option<&str>, expected: Option<&str>| {
        let policy = observed(container(image, PullPolicy::Always), Ok(Choice::Ignored), None).target.plan.policy;
        let candidates: Arc<[Tagged]> = [tagged("1.0.0"), tagged(newer)].into();
        let image_reference = image.parse().unwrap();
        let tags = Tags {
            image: image_reference,
            policy,
            current: tagged("1.0.0"),
            candidates,
            first_seen: Vec::new(),
            approved: None,
            after: None,
        };
        let mut observed = observed(container(image, PullPolicy::Always), Ok(Choice::Tags(Box::new(tags))), None);
        observed.containers[0].link_facts =
            Some(LinkFacts { gitlab_project: None, source: source.map(ToOwned::to_owned) });
        let decision = decide(observed, Timestamp::UNIX_EPOCH);
        assert_eq!(decision.containers[0].link.as_deref(), expected, "{image} {newer}");
    };
    let home = Some("https://git.example.com/app");
    check("ghcr.io/a/app:1.0.0", "1.0.1", home, home);
    check("ghcr.io/a/app:1.0.0", "2.0.0", home, home);
    check("ghcr.io/a/app:1.0.0", "0.9.0", home, None);
    check("ghcr.io/a/app:1.0.0", "2.0.0", None, None);
    check("app:1.0.0", "1.0.1", None, Some("https://hub.docker.com/_/app/tags?name=1.0.1"));
    check("app:1.0.0", "2.0.0", None, Some("https://hub.docker.com/_/app/tags?name=2.0.0"));
}
