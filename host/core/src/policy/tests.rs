mod patience;

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A tag as the parser of these tests reads it: `[v]levels[_tail][rc][-flavor]`; levels are numbers between dots.
fn tagged(tag: &str) -> Tagged {
    let (version, flavor) = match tag.split_once('-') {
        Some((version, flavor)) => (version, format!("-{flavor}")),
        None => (tag, String::new()),
    };
    let version = version.trim_start_matches('v');
    let (version, prerelease) = version.strip_suffix("rc").map_or((version, false), |version| (version, true));
    let (version, tail) = version.split_once('_').unwrap_or((version, ""));
    let levels: Option<Vec<u64>> = version.split('.').map(|level| level.parse().ok()).collect();
    // A release comes after its candidates, as parsers must see to.
    let tail = if prerelease { vec![0] } else { [&[1], tail.as_bytes()].concat() };
    let version = levels.map(|levels| Version { epoch: 0, levels, tail, prerelease, flavor });
    Tagged::new(tag, version)
}

/// The same with the digest that is called `name` in these tests, one hexadecimal digit.
fn pointing(tag: &str, name: &str) -> Tagged {
    Tagged { digest: Some(format!("sha256:{}", name.repeat(64)).parse().unwrap()), ..tagged(tag) }
}

fn policy(frontier: u32) -> Policy {
    Policy::new(Frontier::new(frontier).unwrap())
}

fn pattern(text: &str) -> TagPattern {
    text.parse().unwrap()
}

/// Update and notice among `candidates`, separated by spaces, for `current`; `-` for none.
fn decided(policy: &Policy, current: &str, candidates: &str) -> (String, String) {
    let candidates: Vec<Tagged> = candidates.split_whitespace().map(tagged).collect();
    let ruling = decide(policy, &tagged(current), &candidates);
    let name = |index: Option<usize>| index.map_or("-".to_owned(), |index| candidates[index].tag.clone());
    (name(ruling.update), name(ruling.notify))
}

fn check(policy: &Policy, current: &str, candidates: &str, update: &str, notify: &str) {
    let found = decided(policy, current, candidates);
    assert_eq!(found, (update.to_owned(), notify.to_owned()), "{current} with {candidates}, {policy:?}");
    let reversed: Vec<&str> = candidates.split_whitespace().rev().collect();
    assert_eq!(decided(policy, current, &reversed.join(" ")), found, "{current} with {reversed:?}, {policy:?}");
}

/// The cases of k8sUpdater's README and tests. Where they contradict each other, in the three with a frontier beyond all levels, the
/// README holds: <https://github.com/asicoderOfficial/k8sUpdater>.
#[test]
fn the_frontier_rules_as_in_k8supdater() {
    let check = |current: &str, candidate: &str, frontier: u32, expected: &str| {
        let (update, notify) = match expected {
            "update" => (candidate, "-"),
            "notify" => ("-", candidate),
            _ => ("-", "-"),
        };
        check(&policy(frontier), current, candidate, update, notify);
    };
    check("3.2.0", "3.2.1", 0, "update");
    check("3.2.0", "3.2.1", 5, "notify");
    check("3.2.2", "4.2.1", 2, "notify");
    check("3.2.2", "4.2.5", 2, "notify");
    check("3.2.2", "3.2.5", 2, "update");
    check("3.2.5", "3.2.5", 2, "none");
    check("3.1.2.1", "3.2.1", 5, "notify");
    check("3.1.2.1", "3.2.1", 2, "notify");
    check("3.1.2.1", "3.2.5", 2, "notify");
    check("3.1.2.1", "3.1.5", 2, "update");
    check("3.1.2", "3.2.1.1", 5, "notify");
    check("3.1.2", "3.2.1.1", 2, "notify");
    check("3.1.2", "3.2.5.1", 2, "notify");
    check("3.1.2", "3.1.5.1", 2, "update");
    check("3.1.5", "3.1.5.1", 2, "update");
    check("5.3.2.0", "5.3.2.1", 2, "update");
    check("5.3.2.0", "5.3.3.2", 2, "update");
    check("5.3.2.0", "5.4.1", 2, "notify");
    check("3.5.2.1", "4.6.2.2", 2, "notify");
    // Numbers are numbers, and nothing goes backwards.
    check("9.0.0", "10.0.0", 1, "notify");
    check("9.0.0", "10.0.0", 0, "update");
    check("3.2.10", "3.2.9", 2, "none");
    check("3.2.9", "3.2.10", 2, "update");
    check("1.0", "1.0.0", 2, "none");
    check("1.0.0", "1.0", 2, "none");
    // What follows the last level counts as one level more.
    check("1.2.3", "1.2.3_post1", 3, "update");
    check("1.2.3", "1.2.3_post1", 4, "notify");
}

#[test]
fn an_epoch_is_left_of_everything() {
    let current = tagged("9.9");
    let mut candidate = tagged("1.0");
    candidate.version.as_mut().unwrap().epoch = 1;
    let ruling = |frontier| {
        let ruling = decide(&policy(frontier), &current, std::slice::from_ref(&candidate));
        (ruling.update, ruling.notify)
    };
    assert_eq!(ruling(1), (None, Some(0)));
    assert_eq!(ruling(0), (Some(0), None), "0 applies everything");
}

#[test]
fn the_greatest_of_each_side_is_chosen() {
    let two = policy(2);
    check(&two, "1.4.2", "1.4.1 1.4.3 1.4.10 1.5.0 2.0.0 1.4.9", "1.4.10", "2.0.0");
    check(&two, "1.4.2", "1.4.3 1.4.4", "1.4.4", "-");
    check(&two, "1.4.2", "1.3.9 1.4.2", "-", "-");
    check(&two, "1.4.2", "", "-", "-");
    check(&policy(0), "1.4.2", "1.4.3 1.5.0 2.0.0", "2.0.0", "-");
    check(&policy(16), "1.4.2", "1.4.3 1.5.0 2.0.0", "-", "2.0.0");
    // The one tag left of the frontier is older than the one right of it: to report it would be old news.
    check(&two, "1", "1_post1 1.0.1", "1.0.1", "-");
    check(&two, "1", "1_post1 1.1", "-", "1.1");
}

#[test]
fn only_tags_of_the_same_flavor_are_candidates() {
    let two = policy(2);
    check(&two, "3.2.1-alpine", "3.2.2 3.2.2-alpine 3.2.3-slim 3.2.9", "3.2.2-alpine", "-");
    check(&two, "3.2.1", "3.2.2-alpine 4.0.0-alpine", "-", "-");
}

#[test]
fn prereleases_are_candidates_only_where_they_are_wanted() {
    let two = policy(2);
    check(&two, "1.4.2", "1.4.3rc 2.0.0rc", "-", "-");
    check(&two, "1.4.2", "1.4.3rc 1.4.3", "1.4.3", "-");
    check(&Policy { allow_prereleases: true, ..two.clone() }, "1.4.2", "1.4.3rc 2.0.0rc", "1.4.3rc", "2.0.0rc");
    check(&two, "1.4.2rc", "1.4.3rc", "1.4.3rc", "-");
    check(&policy(3), "1.4.2rc", "1.4.2", "1.4.2", "-");
}

#[test]
fn tags_that_are_no_versions_or_no_tags_are_no_candidates() {
    let long = format!("1.4.{}", "0".repeat(125));
    check(&policy(2), "1.4.2", &format!("latest main 1.4.x {long}3 1.4.3!"), "-", "-");
    let current = Tagged::new("latest", None);
    let ruling = decide(&policy(0), &current, &[tagged("1.0"), tagged("latest")]);
    assert_eq!((ruling.update, ruling.notify), (None, None));
    assert_eq!(ruling.verdicts, [Verdict::NothingToCompare; 2]);
}

#[test]
fn of_two_names_for_a_version_the_one_like_the_current_is_chosen() {
    let one = policy(1);
    check(&one, "1.27.0", "1.28 1.28.0 1.28.0.0", "1.28.0", "-");
    check(&one, "1.27", "1.28 1.28.0 1.28.0.0", "1.28", "-");
    check(&one, "1", "1.28 1.28.0 1.28.0.0", "1.28.0.0", "-");
    check(&one, "v1.27.0", "1.28.0 v1.28.0", "v1.28.0", "-");
    check(&one, "1.27.0", "1.28.0 v1.28.0", "1.28.0", "-");
    check(&one, "1.27.0", "01.28.0 001.28.0", "001.28.0", "-");
    check(&one, "1.0", "2 2.0", "-", "2.0");
}

#[test]
fn tags_are_candidates_by_include_and_exclude() {
    let two = policy(2);
    let include = Policy { include: Some(pattern("1\\..*")), ..two.clone() };
    check(&include, "1.4.2", "1.4.3 1.5.0 2.0.0", "1.4.3", "1.5.0");
    check(&include, "0.9.2", "0.9.3 1.4.3 2.0.0", "-", "1.4.3");
    let exclude = Policy { exclude: Some(pattern(".*\\.[0-9]*[13579]")), ..two.clone() };
    check(&exclude, "1.4.2", "1.4.3 1.4.4 1.4.5 2.0.1", "1.4.4", "-");
    let both = Policy { exclude: exclude.exclude, ..include };
    check(&both, "1.4.2", "1.4.3 1.4.4 1.6 1.7 2.0", "1.4.4", "1.6");
    // Neither says anything about the current tag.
    check(&Policy { include: Some(pattern("1\\.4\\..*")), ..two }, "1.3", "1.4.1 1.5", "-", "1.4.1");
}

#[test]
fn other_flavors_may_be_allowed_by_a_pattern() {
    let alpine = Policy { flavor: Some(pattern("-alpine.*")), ..policy(2) };
    check(&alpine, "1.4.2-alpine9", "1.4.3-alpine10 1.4.4-slim 1.4.5", "1.4.3-alpine10", "-");
    check(&policy(2), "1.4.2-alpine9", "1.4.3-alpine10 1.4.4-slim 1.4.5", "-", "-");
    // Of several, the current one is preferred, whatever the alphabet says; but a newer version comes first.
    check(&alpine, "1.4.2-alpine9", "1.4.3-alpine10 1.4.3-alpine9", "1.4.3-alpine9", "-");
    check(&alpine, "1.4.2-alpine9", "1.4.4-alpine10 1.4.3-alpine9", "1.4.4-alpine10", "-");
    // A way from one flavor to another.
    let plain = Policy { flavor: Some(pattern("()")), ..policy(2) };
    check(&plain, "1.4.2-slim", "1.4.3 1.4.4-slim", "1.4.3", "-");
    let candidate = tagged("1.4.3-slim");
    assert_eq!(
        Verdict::OtherFlavor.explain(&alpine, &tagged("1.4.2-alpine"), &candidate),
        "it is of flavor \"-slim\", which tags.flavor \"-alpine.*\" does not match"
    );
}

#[test]
fn tags_that_lack_a_platform_are_no_candidates() {
    let arm = Policy { platforms: vec![Platform::new("linux", "arm64")], ..policy(2) };
    let on = |tag: &str, architecture: &str| Tagged {
        platforms: Some([Platform::new("linux", architecture)].into()),
        ..tagged(tag)
    };
    let candidates = [on("1.4.5", "amd64"), on("1.4.4", "arm64"), tagged("1.4.3"), on("2.0.0", "amd64")];
    let ruling = decide(&arm, &tagged("1.4.2"), &candidates);
    let lacking = Verdict::OtherPlatform;
    assert_eq!((ruling.update, ruling.notify), (Some(1), None));
    assert_eq!(ruling.verdicts, [lacking, Verdict::Update, Verdict::Superseded, lacking]);
    assert_eq!(decide(&policy(2), &tagged("1.4.2"), &candidates).update, Some(0), "nobody knows of nodes");
    let words = lacking.explain(&arm, &tagged("1.4.2"), &candidates[0]);
    assert_eq!(words, "it has no image for linux/arm64, which nodes of the cluster need");
    assert_eq!((lacking.reason(), lacking.is_near_miss()), ("OtherPlatform", true));
}

#[test]
fn what_was_skipped_is_chosen_under_none_of_its_names() {
    let held = |tags: &str| Policy { held: tags.split_whitespace().map(str::to_owned).collect(), ..policy(2) };
    check(&held("2.0.0"), "1.4.2", "1.4.3 1.9 2.0.0 2.0 2", "1.4.3", "1.9");
    check(&held("2.0.0"), "1.4.2", "1.4.3 2.0.0 2.1.0", "1.4.3", "2.1.0");
    check(&held("1.4.3"), "1.4.2", "1.4.3 1.4.3.0 2.0.0", "-", "2.0.0");
    // A tag that is gone from the registry is a mere name.
    check(&held("2.0"), "1.4.2", "2.0.0", "-", "2.0.0");
    check(&held("2.0.0-slim main"), "1.4.2", "2.0.0 2.0.0-slim", "-", "-");
    check(&held("1.4.2 1.0"), "1.4.2", "1.0 1.4.2 1.4.3", "1.4.3", "-");
    let (policy, current) = (held("2.0.0 1.0"), tagged("1.4.2"));
    let words = |tag: &str| {
        let candidates = [tagged("2.0.0"), tagged(tag)];
        let verdict = decide(&policy, &current, &candidates).verdicts[1];
        (verdict.reason(), verdict.is_near_miss(), verdict.explain(&policy, &current, &candidates[1]))
    };
    assert_eq!(words("2.0.0"), ("Held", true, "it was skipped, or stands in spec.hold, and is not offered".to_owned()));
    let other_name = "it is another name of a version that was skipped, or stands in spec.hold, and is not offered";
    assert_eq!(words("2.0"), ("Held", true, other_name.to_owned()));
    assert_eq!(words("1.0").0, "NotNewer", "what could not be chosen anyway is refused by the rule that says so");
}

#[test]
fn the_same_precision_keeps_the_number_of_levels() {
    let same = Policy { precision: Precision::Same, ..policy(1) };
    check(&same, "5.3", "5.4 5.5.1 6 6.0 6.0.1", "5.4", "6.0");
    check(&same, "5.3.0", "5.4 5.5.1 6", "5.5.1", "-");
    check(&same, "5", "5.1 6 6.0", "-", "6");
    check(&policy(1), "5.3", "5.4 5.5.1 6 6.0.1", "5.5.1", "6.0.1");
}

#[test]
fn another_name_of_the_current_image_is_no_update() {
    let decided = |current: Tagged, candidates: &[Tagged]| {
        let ruling = decide(&policy(2), &current, candidates);
        let verdicts: Vec<&str> = ruling.verdicts.iter().map(|verdict| verdict.reason()).collect();
        (ruling.update, ruling.notify, verdicts.join(" "))
    };
    let ruling = |update, notify, verdicts: &str| (update, notify, verdicts.to_owned());
    // 1.25 names the newest patch.
    assert_eq!(decided(pointing("1.25", "a"), &[pointing("1.25.3", "a")]), ruling(None, None, "SameImage"));
    assert_eq!(decided(pointing("1.25", "a"), &[pointing("1.25.3", "b")]), ruling(Some(0), None, "Update"));
    assert_eq!(decided(pointing("1.25.3", "a"), &[pointing("1.25", "a")]), ruling(None, None, "NotNewer"));
    assert_eq!(decided(pointing("1.25.3", "a"), &[pointing("2.0", "a")]), ruling(None, None, "SameImage"));
    // What 1.25 points at is 1.25.5, so that nothing goes back to 1.25.4.
    let names = [pointing("1.25.4", "b"), pointing("1.25.5", "a"), pointing("1.25.6", "c")];
    assert_eq!(decided(pointing("1.25", "a"), &names[..2]), ruling(None, None, "NotNewer SameImage"));
    assert_eq!(decided(pointing("1.25", "a"), &names), ruling(Some(2), None, "NotNewer SameImage Update"));
    // What nobody knows is not the same.
    assert_eq!(decided(tagged("1.25"), &[tagged("1.25.3")]), ruling(Some(0), None, "Update"));
    assert_eq!(decided(pointing("1.25", "a"), &[tagged("1.25.3")]), ruling(Some(0), None, "Update"));
    assert_eq!(decided(tagged("1.25"), &[pointing("1.25.3", "a")]), ruling(Some(0), None, "Update"));
    // Of the names of a new image it is still the one that looks like the current tag.
    let candidates = [pointing("1.26.1", "b"), pointing("1.25.4", "c"), pointing("1.26.1.0", "b")];
    assert_eq!(
        decided(pointing("1.25.3", "a"), &candidates),
        ruling(Some(1), Some(0), "BeyondFrontier Update BeyondFrontier")
    );
}

#[test]
fn artifacts_are_no_candidates() {
    let hash = "0123456789abcdef".repeat(4);
    let tags = format!("1.4.3.sig 1.4.3-slim.att 1.4.3.sbom sha256-{hash} sha256-{hash}.sig");
    check(&policy(0), "1.4.2", &tags, "-", "-");
    // Not even of one that somebody has put into a workload, whatever the parser makes of the ending.
    let mut artifact = tagged("1.4.3");
    artifact.tag.push_str(".sig");
    assert_eq!(decide(&policy(0), &tagged("1.4.2"), &[artifact]).verdicts, [Verdict::Artifact]);
}

#[test]
fn dates_do_not_win_over_versions_nor_versions_over_dates() {
    let (none, two) = (policy(0), policy(2));
    check(&none, "1.4.2", "1.4.3 2024.01.15 2024.01 20240115 202401151030 2024 1.4.20240115", "1.4.3", "-");
    check(&two, "1.4.2", "1.4.3 2024.01.15 2.0 1.4.20240115 1.4.2.20240115", "1.4.3", "2.0");
    check(&none, "2024.01", "2024.02.1 20240301 3000.1", "2024.02.1", "-");
    check(&policy(1), "2024.01.15", "2024.03.01 2025.01.01", "2024.03.01", "2025.01.01");
    check(&none, "20240115", "20240116 202401151030 20250101", "20250101", "-");
    check(&two, "1.4.20240115", "1.4.20240201 1.4.3 1.5.0 1.5.20240301", "1.4.20240201", "1.5.20240301");
    check(&none, "1989", "1990 2024", "2024", "-");
    check(&none, "2023.4", "2024.0 2024.13", "2024.13", "-");
}

#[test]
fn a_commit_hash_is_a_flavor_that_changes() {
    let two = policy(2);
    check(&two, "1.4.2-9a8b7c6", "1.4.3-3f2504e 1.4.4 1.4.5-slim 1.4.6-3f2504e1", "1.4.3-3f2504e", "-");
    check(&two, "1.4.2-9a8b7c6", "1.4.2-3f2504e 2.0-3f2504e", "-", "2.0-3f2504e");
    check(&two, "1.4.2", "1.4.3-3f2504e", "-", "-");
}

#[test]
fn each_verdict_is_explained() {
    let policy = Policy {
        include: Some(pattern("[1-9].*")),
        exclude: Some(pattern(".*99")),
        precision: Precision::Same,
        ..policy(2)
    };
    let current = tagged("1.4.2");
    let check = |tag: &str, verdict: Verdict, is_near_miss: bool, expected: &str| {
        let candidates = [tagged(tag), tagged("1.4.9")];
        let ruling = decide(&policy, &current, &candidates);
        assert_eq!(
            ruling.verdicts,
            [verdict, if verdict == Verdict::Update { Verdict::Superseded } else { Verdict::Update }]
        );
        assert_eq!(verdict.explain(&policy, &current, &candidates[0]), expected, "{tag}");
        assert_eq!(verdict.reason(), format!("{verdict:?}"));
        assert_eq!(verdict.is_near_miss(), is_near_miss, "{tag}");
    };
    let left = "it differs from 1.4.2 in level 1, and frontier 2 leaves all up to level 2 to a human";
    check("2.0.0", Verdict::BeyondFrontier, true, left);
    let tag = "1.4.10";
    check(tag, Verdict::Update, false, "it is the greatest that differs from 1.4.2 right of the frontier only");
    let superseded = "it may be applied, but there is a newer one, or the same under a better name";
    check("1.4.3", Verdict::Superseded, false, superseded);
    let prerelease = "it is a pre-release, which 1.4.2 is not and tags.prereleases does not allow";
    check("1.4.10rc", Verdict::Prerelease, true, prerelease);
    check("1.4.10-slim", Verdict::OtherFlavor, true, "it is of flavor \"-slim\", 1.4.2 of no flavor");
    let scheme =
        "it is numbered by year and month, 1.4.2 by plain numbers; to follow such tags, change to one of them by hand";
    check("2024.1.15", Verdict::OtherScheme, true, scheme);
    check("v1.4.10", Verdict::NotIncluded, true, "tags.include \"[1-9].*\" does not match all of it");
    check("1.4.99", Verdict::Excluded, true, "tags.exclude \".*99\" matches it");
    let precision = "precision Same wants 3 levels like 1.4.2, and it has 2";
    check("1.5", Verdict::OtherPrecision, true, precision);
    check("1.4.10.sig", Verdict::Artifact, false, "it names a signature, an attestation or the like, which cannot run");
    check("1.4.2.0", Verdict::NotNewer, false, "it is the same version as 1.4.2");
    check("1.4.1", Verdict::NotNewer, false, "it is older than 1.4.2");
    check("1.4.1-slim", Verdict::NotNewer, false, "it is older than 1.4.2");
    check("main", Verdict::NoVersion, false, "it is no version to the version parser");
    let invalid = "it is not a tag that an image reference can have: at most 128 letters, digits, '_', '.' and '-'";
    check("1.4.3!", Verdict::InvalidTag, false, invalid);
    let nothing = Verdict::NothingToCompare.explain(&policy, &tagged("main"), &current);
    assert_eq!(nothing, "main is no version to the version parser, so that nothing is newer");
    let alias = [pointing("1.4.3", "a")];
    assert_eq!(decide(&policy, &pointing("1.4.2", "a"), &alias).verdicts, [Verdict::SameImage]);
    let older = Verdict::NotNewer.explain(&policy, &tagged("1.4"), &tagged("1.4.2"));
    assert_eq!(older, "it is older than 1.4", "where 1.4 is another name of 1.4.3");
    let same = Verdict::SameImage.explain(&policy, &current, &alias[0]);
    assert_eq!(same, "it is the same image as 1.4.2 under another name");
    assert_eq!((Verdict::SameImage.reason(), Verdict::SameImage.is_near_miss()), ("SameImage", false));
    let one = Verdict::OtherPrecision.explain(&policy, &tagged("5"), &tagged("6.1"));
    assert_eq!(one, "precision Same wants 1 level like 5, and it has 2");
}

#[test]
fn an_endless_flavor_makes_no_endless_message() {
    let current = tagged("1.4.2");
    let mut candidate = tagged("1.4.3");
    candidate.version.as_mut().unwrap().flavor = "ä".repeat(100_000);
    let text = Verdict::OtherFlavor.explain(&policy(2), &current, &candidate);
    assert!(text.len() < 250 && text.contains('…'), "{text}");
}

/// Tags of few and small parts, so that equal versions under several names are common; with dates, hashes and digests among them.
fn any_tag() -> impl Strategy<Value = Tagged> {
    let number = "v?(0?[0-2]|0?[0-2](\\.[0-2]){1,3}|main)(_[ab])?(rc)?";
    let date = "202[34]|202[34]\\.[0-3]|2024010[12]|1\\.2024010[12]";
    let flavor = "(-slim|-3f2504e|-9a8b7c6|\\.sig)?!?";
    let since = prop::option::weighted(0.8, (0..20_i64).prop_map(|second| Timestamp::from_second(second).unwrap()));
    (prop_oneof![4 => number, 1 => date], flavor, prop::option::weighted(0.2, "[a-c]"), since).prop_map(
        |(version, flavor, digest, since)| {
            let tag = format!("{version}{flavor}");
            let tagged = digest.map_or_else(|| tagged(&tag), |digest| pointing(&tag, &digest));
            Tagged { since, ..tagged }
        },
    )
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let include = prop::option::weighted(0.2, prop::sample::select(vec!["v?[12].*", ".*[.2].*"]));
    let exclude = prop::option::weighted(0.2, prop::sample::select(vec![".*rc.*", ".*1"]));
    let precision = prop::sample::select(vec![Precision::Any, Precision::Same]);
    let tags = || prop::collection::btree_set("0?[0-2](\\.[0-2]){0,2}", 0..3);
    let proven = prop::option::weighted(0.2, prop::collection::vec(any_tag(), 0..12)).prop_map(|tags| {
        let tags = tags?.into_iter().map(|tagged| (tagged.tag, tagged.digest));
        Some(tags.collect())
    });
    let age = prop::option::weighted(0.5, 0..10_u64).prop_map(|seconds| {
        Some(MinimumAge { minimum: Duration::from_secs(seconds?), now: Timestamp::from_second(10).unwrap() })
    });
    let chosen = (0..6_u32, any::<bool>(), include, exclude, precision);
    (chosen, tags(), tags(), proven, age).prop_map(
        |((frontier, allow_prereleases, include, exclude, precision), held, failed, proven, age)| Policy {
            held,
            failed,
            proven,
            age,
            allow_prereleases,
            include: include.map(pattern),
            exclude: exclude.map(pattern),
            precision,
            ..policy(frontier)
        },
    )
}

proptest! {
    #[test]
    fn the_order_of_candidates_does_not_matter(
        policy in any_policy(),
        current in any_tag(),
        (candidates, shuffled) in prop::collection::vec(any_tag(), 0..12)
            .prop_flat_map(|tags| (Just(tags.clone()), Just(tags).prop_shuffle())),
    ) {
        let (one, two) = (decide(&policy, &current, &candidates), decide(&policy, &current, &shuffled));
        let tag = |candidates: &[Tagged], index: Option<usize>| index.map(|index| candidates[index].tag.clone());
        prop_assert_eq!(tag(&candidates, one.update), tag(&shuffled, two.update));
        prop_assert_eq!(tag(&candidates, one.notify), tag(&shuffled, two.notify));
        prop_assert_eq!(decide(&policy, &current, &candidates), one);
    }

    #[test]
    fn whatever_is_chosen_obeys_every_rule(
        policy in any_policy(),
        current in any_tag(),
        candidates in prop::collection::vec(any_tag(), 0..12),
    ) {
        let ruling = decide(&policy, &current, &candidates);
        prop_assert_eq!(ruling.verdicts.len(), candidates.len());
        for (index, side) in [(ruling.update, false), (ruling.notify, true)] {
            let Some(index) = index else { continue };
            prop_assert!(crate::image::is_tag(&candidates[index].tag));
            let (chosen, now) = (candidates[index].version.as_ref().unwrap(), current.version.as_ref().unwrap());
            prop_assert_eq!(chosen.order(now), Ordering::Greater);
            prop_assert!(!artifact::is_artifact(&candidates[index].tag));
            let real = alias::real_version(&current, &candidates).unwrap();
            prop_assert!(!alias::is_same_image(&current, &candidates[index]) && chosen.order(real) == Ordering::Greater);
            prop_assert!(flavor::is_same(&chosen.flavor, &now.flavor) && !scheme::is_other(now, chosen));
            prop_assert!(policy.include.as_ref().is_none_or(|include| include.matches(&candidates[index].tag)));
            prop_assert!(!policy.exclude.as_ref().is_some_and(|exclude| exclude.matches(&candidates[index].tag)));
            prop_assert!(policy.precision == Precision::Any || chosen.levels.len() == now.levels.len());
            prop_assert!(!chosen.prerelease || now.prerelease || policy.allow_prereleases);
            prop_assert!(!policy.held.contains(&candidates[index].tag));
            prop_assert_eq!(policy.frontier.is_left(now.first_difference(chosen).unwrap()), side);
            let waits = !patience::may_be_applied(&policy, &current, &candidates, index);
            prop_assert!(side || !waits, "{:?} has to wait", candidates[index]);
            // And nothing that obeys them on the same side is newer.
            for other in candidates.iter().zip(&ruling.verdicts).filter(|(_, verdict)| **verdict == ruling.verdicts[index]) {
                prop_assert_ne!(other.0.version.as_ref().unwrap().order(chosen), Ordering::Greater);
            }
        }
        if let (Some(update), Some(notify)) = (ruling.update, ruling.notify) {
            prop_assert!(is_newer(&candidates, notify, update));
        }
    }

    #[test]
    fn after_an_update_the_same_tags_bring_no_other(
        policy in any_policy(),
        current in any_tag(),
        candidates in prop::collection::vec(any_tag(), 0..12),
    ) {
        let ruling = decide(&policy, &current, &candidates);
        // A version with more levels moves what counts as left: from 1 with two levels kept, 1.post1 is left of the frontier; from
        // 1.0 it is right of it. So does a year that follows a plain number.
        let version = |tagged: &Tagged| tagged.version.clone().unwrap();
        let is_alike = |update: &Tagged| {
            let (now, next) = (version(&current), version(update));
            next.levels.len() <= now.levels.len() && scheme::Scheme::of(&now) == scheme::Scheme::of(&next)
        };
        if let Some(update) = ruling.update.filter(|&update| is_alike(&candidates[update])) {
            let again = decide(&policy, &candidates[update], &candidates);
            prop_assert_eq!(again.update, None, "{:?}", candidates[update]);
        }
    }
}
