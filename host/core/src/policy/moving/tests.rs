use super::*;

/// The digest that is called `name` in these tests, one hexadecimal digit.
fn digest(name: &str) -> Digest {
    format!("sha256:{}", name.repeat(64)).parse().unwrap()
}

fn digests(names: &str) -> Vec<Digest> {
    names.split_whitespace().map(digest).collect()
}

/// A case, with digests by name. The registry's is `a` unless said otherwise.
struct Case {
    registry: &'static str,
    members: &'static str,
    running: &'static str,
    restarted_for: &'static str,
    is_held: bool,
    preference: LatestPreference,
    pull_policy: PullPolicy,
}

const CASE: Case = Case {
    registry: "a",
    members: "",
    running: "a",
    restarted_for: "",
    is_held: false,
    preference: LatestPreference::Update,
    pull_policy: PullPolicy::Always,
};

fn ruling(case: &Case) -> MovingRuling {
    let (registry, restarted_for) = (digests(case.registry), digests(case.restarted_for));
    let running: Vec<RunningImage> = digests(case.running).into_iter().map(|digest| RunningImage { digest }).collect();
    decide_moving(&MovingTag {
        registry: registry.first(),
        index_members: &digests(case.members),
        running: &running,
        restarted_for: restarted_for.first(),
        is_held: case.is_held,
        preference: case.preference,
        pull_policy: case.pull_policy,
    })
}

/// `expected` is the reason; whatever is to be done is about the digest in the registry.
#[track_caller]
fn check(case: &Case, expected: &str) {
    let ruling = ruling(case);
    assert_eq!(ruling.reason(), expected);
    if let MovingRuling::Restart { to } | MovingRuling::Notify { to } | MovingRuling::Held { to } = ruling {
        assert_eq!(to, digest(case.registry));
    }
}

#[test]
fn a_tag_has_moved_when_a_pod_runs_something_else() {
    check(&CASE, "UpToDate");
    check(&Case { running: "a a a", ..CASE }, "UpToDate");
    check(&Case { running: "b", ..CASE }, "Restart");
    check(&Case { running: "a b a", ..CASE }, "Restart");
    check(&Case { running: "b", preference: LatestPreference::Notify, ..CASE }, "Notify");
    check(&Case { preference: LatestPreference::Notify, ..CASE }, "UpToDate");
}

#[test]
fn an_index_and_the_manifests_in_it_are_the_same_image() {
    check(&Case { members: "c d", running: "c", ..CASE }, "UpToDate");
    check(&Case { members: "c d", running: "d a c", ..CASE }, "UpToDate");
    check(&Case { members: "c d", running: "c b", ..CASE }, "Restart");
    check(&Case { members: "c d", running: "b", preference: LatestPreference::Notify, ..CASE }, "Notify");
}

#[test]
fn a_restart_that_pulls_nothing_is_not_made() {
    let moved = Case { running: "b", ..CASE };
    for (pull_policy, name) in [(PullPolicy::IfNotPresent, "IfNotPresent"), (PullPolicy::Never, "Never")] {
        let why = format!(
            "imagePullPolicy is {name}, with which a restart may run the old image again; set it to Always, or latest to Notify"
        );
        assert_eq!(ruling(&Case { pull_policy, ..moved }), MovingRuling::CannotPull { why });
        check(&Case { pull_policy, preference: LatestPreference::Notify, ..moved }, "Notify");
        check(&Case { pull_policy, ..CASE }, "UpToDate");
    }
}

#[test]
fn nothing_is_done_about_what_is_not_known() {
    let check = |case: &Case, why: &str| {
        assert_eq!(ruling(case), MovingRuling::Unknown { why: why.to_owned() });
    };
    check(&Case { running: "", ..CASE }, "no pod tells which image it runs");
    check(&Case { registry: "", ..CASE }, "the registry does not tell the digest of the tag");
    check(
        &Case { registry: "", running: "", members: "c", ..CASE },
        "the registry does not tell the digest of the tag",
    );
}

#[test]
fn no_digest_is_restarted_for_twice() {
    let moved = Case { running: "b", ..CASE };
    let MovingRuling::Unknown { why } = ruling(&Case { restarted_for: "a", ..moved }) else {
        panic!("it is restarted again")
    };
    assert!(why.starts_with(&format!("a pod runs {} although", digest("b"))), "{why}");
    check(&Case { restarted_for: "c", ..moved }, "Restart");
    check(&Case { restarted_for: "a", ..CASE }, "UpToDate");
    check(&Case { restarted_for: "a", preference: LatestPreference::Notify, ..moved }, "Notify");
}

#[test]
fn what_runs_is_read_from_the_status_of_a_container() {
    let a = digest("a");
    let check = |image_id: &str, expected: Option<&Digest>| {
        assert_eq!(RunningImage::parse(image_id).map(|running| running.digest).as_ref(), expected, "{image_id}");
    };
    check(&format!("docker.io/library/nginx@{a}"), Some(&a));
    check(&format!("docker-pullable://nginx@{a}"), Some(&a));
    check(&format!("127.0.0.1:5000/team/web@{a}"), Some(&a));
    check(&a.to_string(), None);
    check("", None);
    check("docker.io/library/nginx:1.27", None);
    check("docker.io/library/nginx@sha256:ff", None);
}

#[test]
fn what_was_skipped_is_neither_reported_nor_restarted_for() {
    let held = Case { is_held: true, running: "b", ..CASE };
    check(&held, "Held");
    check(&Case { preference: LatestPreference::Notify, ..held }, "Held");
    check(&Case { running: "a", ..held }, "UpToDate");
    check(&Case { running: "", ..held }, "Unknown");
}
