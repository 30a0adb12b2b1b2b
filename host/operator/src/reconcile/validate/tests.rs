use k8supdater_core::policy::moving::LatestPreference;
use k8supdater_core::policy::{Frontier, Policy, Precision, TagPattern, Window};
use serde_json::json;

use super::*;
use crate::api::versioning_handler::SecretReference;
use crate::config::RawConfig;
use crate::failure::chain;

#[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
fn handler(spec: serde_json::Value) -> VersioningHandler {
    let mut object = json!({"deployment": "web", "containerregistry": "oci"});
    object.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    serde_json::from_value(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
        "metadata": {"namespace": "team-a", "name": "web"}, "spec": object,
    }))
    .unwrap()
}

fn target(spec: serde_json::Value) -> Result<Target, Invalid> {
    let config = RawConfig { frontier: Some("3".into()), interval: Some("60".into()), ..RawConfig::default() };
    validate(&handler(spec), &config.check().unwrap())
}

fn check(spec: serde_json::Value) -> Result<Target, String> {
    target(spec).map_err(|err| err.to_string())
}

#[test]
fn what_the_spec_does_not_say_comes_from_the_operator() {
    let target = check(json!({})).unwrap();
    let plan = &target.plan;
    assert_eq!(plan.policy.frontier, Frontier::new(3).unwrap());
    assert_eq!(target.interval, Duration::from_mins(1));
    assert_eq!((plan.parser.plugin.as_str(), plan.registry.plugin.as_str()), ("pep440", "oci"));
    assert_eq!(plan.latest, Latest { preference: LatestPreference::Notify, follows_any: false });
    assert!(!plan.policy.allow_prereleases && !target.is_suspended && target.exceptions.is_empty());
    assert!(!plan.needs_approval && target.answers == Answers::default());
    assert_eq!((&plan.secret, target.plan_of("any")), (&None, Some(plan)));
}

#[test]
fn what_the_spec_says_wins() {
    let target = check(json!({
        "frontier": 2, "interval": "90s", "suspend": true, "precision": "Same",
        "tags": {"include": "[0-9.]+", "exclude": "9\\..*", "flavor": "-alpine.*", "prereleases": true},
        "versionParser": {"plugin": "semver", "settings": {"range": ">=1"}},
        "registry": {"settings": {"pageSize": 5}, "secretRef": {"name": "login", "slot": "registry"}},
        "latest": "Update", "approval": "Required",
    }))
    .unwrap();
    let Plan { policy, registry, secret, parser, latest, needs_approval } = &target.plan;
    assert_eq!((policy.frontier, target.interval), (Frontier::new(2).unwrap(), Duration::from_secs(90)));
    assert!(target.is_suspended && policy.allow_prereleases && policy.precision == Precision::Same);
    assert_eq!((parser.plugin.as_str(), registry.settings.len()), ("semver", 1));
    assert_eq!(*secret, Some(SecretReference { name: "login".to_owned(), slot: Some("registry".to_owned()) }));
    assert_eq!(*latest, Latest { preference: LatestPreference::Update, follows_any: true });
    assert!(needs_approval);
    let matches = |pattern: &Option<TagPattern>, text: &str| pattern.as_ref().unwrap().matches(text);
    assert!(matches(&policy.include, "1.2") && !matches(&policy.include, "v1.2"));
    assert!(matches(&policy.exclude, "9.1") && matches(&policy.flavor, "-alpine3.19"));
}

#[test]
fn a_rollout_without_a_deadline_of_its_controller_has_one_of_ours() {
    let check = |kind: &str, rollout: serde_json::Value, expected: Option<u64>| {
        let workload = json!({"kind": kind, "name": "db"});
        let target = check(json!({"deployment": null, "workload": workload, "rollout": rollout})).unwrap();
        assert_eq!(target.rollout_timeout, expected.map(Duration::from_mins), "{kind} {rollout}");
        assert_eq!(target.workload.path(), format!("{kind}/db"));
    };
    check("Deployment", json!({}), None);
    check("Deployment", json!({"timeout": "1h"}), Some(60));
    check("StatefulSet", json!(null), Some(10));
    check("StatefulSet", json!({"timeout": "5m"}), Some(5));
    check("DaemonSet", json!({}), Some(10));
    check("CronJob", json!({}), None);
}

#[test]
fn containers_differ_in_what_they_name_only() {
    let target = check(json!({
        "registry": {"settings": {"pageSize": 5}, "secretRef": {"name": "login"}}, "tags": {"include": "1.*"}, "frontier": 2,
        "containers": [
            {"name": "proxy", "ignore": true},
            {"name": "db", "frontier": 1},
            {"name": "app", "containerregistry": "gitlab", "latest": "Notify", "versionParser": {"plugin": "date"}},
            {"name": "job", "registry": {"settings": {"pageSize": 7}}, "precision": "Same", "tags": {"exclude": ".*-rc"}},
            {"name": "web"},
            {"name": "key", "approval": "Required"},
        ],
    }))
    .unwrap();
    let plan = |container: &str| target.plan_of(container).unwrap();
    assert_eq!(target.plan_of("proxy"), None);
    assert_eq!(plan("web"), &target.plan);
    let db = Policy { frontier: Frontier::new(1).unwrap(), ..target.plan.policy.clone() };
    assert_eq!(plan("db"), &Plan { policy: db, ..target.plan.clone() });
    assert_eq!(plan("key"), &Plan { needs_approval: true, ..target.plan.clone() });
    let app = plan("app");
    assert_eq!((app.registry.plugin.as_str(), app.parser.plugin.as_str()), ("gitlab", "date"));
    assert!(app.registry.settings.is_empty() && app.secret.is_none(), "they are for the plugin oci");
    assert_eq!(app.latest, Latest { preference: LatestPreference::Notify, follows_any: true });
    let job = plan("job");
    assert_eq!((job.registry.plugin.as_str(), &job.registry.settings["pageSize"]), ("oci", &json!(7)));
    assert_eq!(job.secret, None);
    let exclude = job.policy.exclude.as_ref().map(TagPattern::as_str);
    assert_eq!((exclude, job.policy.include.as_ref(), job.policy.precision), (Some(".*-rc"), None, Precision::Same));
    assert_eq!(job.policy.frontier, target.plan.policy.frontier);
}

#[test]
fn a_pattern_that_is_none_is_named_with_its_fault() {
    let handler = json!({"tags": {"exclude": "1.("}});
    assert_eq!(
        check(handler).unwrap_err(),
        "spec.tags.exclude of VersioningHandler team-a/web is no usable regular expression"
    );
    let of_container = json!({"containers": [{"name": "db", "tags": {"flavor": "["}}]});
    assert_eq!(
        check(of_container).unwrap_err(),
        "spec.containers[db].tags.flavor of VersioningHandler team-a/web is no usable regular expression"
    );
}

#[test]
fn out_of_bounds_fields_are_named() {
    for (spec, expected) in [
        (
            json!({"frontier": 17}),
            "spec.frontier of VersioningHandler team-a/web is 17, expected a number from 0 to 16",
        ),
        (
            json!({"containers": [{"name": "db", "frontier": 99}]}),
            "spec.containers[db].frontier of VersioningHandler team-a/web is 99, expected a number from 0 to 16",
        ),
        (
            json!({"interval": "500ms"}),
            "spec.interval of VersioningHandler team-a/web is 500ms, expected a duration from 1s to 720h",
        ),
        (
            json!({"rollout": {"timeout": "25h"}}),
            "spec.rollout.timeout of VersioningHandler team-a/web is 90000s, expected a duration from 1s to 24h",
        ),
        (
            json!({"workload": {"kind": "StatefulSet", "name": "db"}}),
            "VersioningHandler team-a/web names no workload, or two; expected either spec.deployment or spec.workload",
        ),
        (
            json!({"deployment": null}),
            "VersioningHandler team-a/web names no workload, or two; expected either spec.deployment or spec.workload",
        ),
    ] {
        assert_eq!(check(spec).unwrap_err(), expected);
    }
}

#[test]
fn patience_comes_from_the_spec_or_else_from_the_operator() {
    let check = |spec: serde_json::Value, expected: [u64; 3]| {
        let handler = handler(spec);
        let config = RawConfig {
            minimum_age: Some("72h".into()),
            delay_between_updates: Some("24h".into()),
            rollback: Some("OnFailure".into()),
            ..RawConfig::default()
        };
        let target = validate(&handler, &config.check().unwrap()).unwrap();
        let Patience { minimum_age, delay_between_updates, cooldown, .. } = target.patience;
        let found = [minimum_age, delay_between_updates, cooldown].map(|time| time.as_secs() / 60);
        assert_eq!(found, expected, "{:?}", handler.spec);
        target.rollback
    };
    assert_eq!(check(json!({}), [4_320, 1_440, 0]), Rollback::OnFailure);
    let given = json!({"minimumAge": "30m", "delayBetweenUpdates": "1h", "cooldown": "8760h", "rollback": "Never"});
    assert_eq!(check(given, [30, 60, 525_600]), Rollback::Never);
    assert_eq!(check(json!({"minimumAge": "0s", "delayBetweenUpdates": "0s"}), [0, 0, 0]), Rollback::OnFailure);
    let target = target(json!({})).unwrap();
    assert_eq!((target.patience, target.rollback), (Patience::default(), Rollback::Never));
    assert_eq!((target.mode, target.stable_for, target.after), (None, Duration::ZERO, Vec::new()));
}

#[test]
fn mode_and_rollout_are_as_the_spec_says() {
    let target = target(json!({"mode": "Preview", "rollout": {"stableFor": "5m"}})).unwrap();
    assert_eq!((target.mode, target.stable_for), (Some(Mode::Preview), Duration::from_mins(5)));
}

#[test]
fn windows_are_on_the_clock_of_their_zone_which_is_utc_if_they_name_none() {
    let target = target(json!({"windows": [
        {"start": "0 2 * * sat", "duration": "4h", "timeZone": "Europe/Berlin"}, {"start": "@daily", "duration": "1h30m"},
    ]}))
    .unwrap();
    let window = |start, minutes, zone| Window::parse(start, Duration::from_mins(minutes), zone).unwrap();
    let expected = vec![window("0 2 * * sat", 240, "Europe/Berlin"), window("@daily", 90, "UTC")];
    assert_eq!(target.patience.windows, expected.into());
}

#[test]
fn predecessors_are_of_the_same_namespace_if_they_name_none() {
    let target = target(json!({"after": [
        {"handler": "canary"}, {"handler": "web", "namespace": "staging", "soak": "24h"},
    ]}))
    .unwrap();
    let predecessor = |namespace: &str, name: &str, hours| Predecessor {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        soak: Duration::from_hours(hours),
    };
    assert_eq!(target.after, [predecessor("team-a", "canary", 0), predecessor("staging", "web", 24)]);
}

#[test]
fn tags_on_hold_are_those_of_the_container_if_it_lists_any() {
    let handler = json!({
        "hold": ["1.4.3", "2.0.0"],
        "containers": [{"name": "db", "hold": ["3.0"]}, {"name": "key", "hold": []}, {"name": "app", "tags": {"include": "1.*"}}],
    });
    let target = target(handler).unwrap();
    let check = |container: &str, expected: &[&str]| {
        let held = target.held(container, &[]);
        assert_eq!(held.iter().map(String::as_str).collect::<Vec<_>>(), expected, "{container}");
    };
    check("web", &["1.4.3", "2.0.0"]);
    check("app", &["1.4.3", "2.0.0"]);
    check("db", &["3.0"]);
    check("key", &[]);
}

#[test]
fn what_is_remembered_of_tags_is_of_one_repository() {
    let time = "2026-01-02T03:04:05Z";
    let mut handler = handler(json!({}));
    let before = json!({"containers": [{
        "name": "web", "image": "app:1.4.2", "decision": "None",
        "held": [{"tag": "1.4.3", "reason": "RolloutFailed", "message": "it crashed", "at": time}],
        "firstSeen": [{"tag": "1.4.4", "at": time}],
    }]});
    handler.status = serde_json::from_value(before).unwrap();
    let target = validate(&handler, &RawConfig::default().check().unwrap()).unwrap();
    let check = |container: &str, image: &str, is_known: bool| {
        let image = image.parse().unwrap();
        let (failed, seen) = (target.failed(container, &image), target.first_seen(container, &image));
        assert_eq!(failed.contains("1.4.3"), is_known, "{container} {image}");
        assert_eq!(seen.iter().any(|seen| seen.tag == "1.4.4"), is_known, "{container} {image}");
    };
    check("web", "docker.io/library/app:1.4.1", true);
    check("web", "team/app:1.4.2", false);
    check("web", "registry.example.com/library/app:1.4.2", false);
    check("db", "app:1.4.2", false);
}

#[test]
fn what_is_wrong_about_pace_is_named_with_its_place() {
    let check = |spec: serde_json::Value, expected: &str| {
        let shown = spec.to_string();
        assert_eq!(target(spec).map_err(|err| chain(&err)).unwrap_err(), expected, "{shown}");
    };
    let year = "expected a duration from 0s to 8760h";
    let minimum_age = format!("spec.minimumAge of VersioningHandler team-a/web is 31536001s, {year}");
    check(json!({"minimumAge": "8760h0m1s"}), &minimum_age);
    let delay = format!("spec.delayBetweenUpdates of VersioningHandler team-a/web is -1s, {year}");
    check(json!({"delayBetweenUpdates": "-1s"}), &delay);
    let cooldown = format!("spec.cooldown of VersioningHandler team-a/web is -60s, {year}");
    check(json!({"cooldown": "-1m"}), &cooldown);
    check(
        json!({"rollout": {"stableFor": "24h1s"}}),
        "spec.rollout.stableFor of VersioningHandler team-a/web is 86401s, expected a duration from 0s to 24h",
    );
    let good = json!({"start": "@daily", "duration": "1h"});
    check(
        json!({"windows": [good, {"start": "0 2 * * mo", "duration": "1h"}]}),
        "spec.windows[1] of VersioningHandler team-a/web is no usable maintenance window: \"mo\" is no day of week: use 0 to 7 or sun \
         to sat (0 and 7 are Sunday), a range such as mon-fri, a list with commas, or steps such as */2",
    );
    check(
        json!({"windows": [{"start": "@daily", "duration": "30s"}]}),
        "spec.windows[0].duration of VersioningHandler team-a/web is 30s, expected a duration from 1m to 168h",
    );
    let soak = format!("spec.after[1].soak of VersioningHandler team-a/web is 31536001s, {year}");
    check(json!({"after": [{"handler": "a"}, {"handler": "b", "soak": "8760h0m1s"}]}), &soak);
    for itself in [json!({"handler": "web"}), json!({"handler": "web", "namespace": "team-a"})] {
        check(
            json!({"after": [itself]}),
            "spec.after[0] of VersioningHandler team-a/web names that handler itself, which would wait for ever; name one whose workload \
             goes first, or take the entry out",
        );
    }
    assert!(target(json!({"after": [{"handler": "web", "namespace": "team-b"}]})).is_ok());
}
