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
    Tagged { tag: tag.to_owned(), version }
}

fn policy(frontier: u32) -> Policy {
    Policy { frontier: Frontier::new(frontier).unwrap(), allow_prereleases: false }
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
    let current = Tagged { tag: "latest".to_owned(), version: None };
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
fn each_verdict_is_explained() {
    let policy = policy(2);
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
    check("1.4.2.0", Verdict::NotNewer, false, "it is the same version as 1.4.2");
    check("1.4.1", Verdict::NotNewer, false, "it is older than 1.4.2");
    check("1.4.1-slim", Verdict::NotNewer, false, "it is older than 1.4.2");
    check("main", Verdict::NoVersion, false, "it is no version to the version parser");
    let invalid = "it is not a tag that an image reference can have: at most 128 letters, digits, '_', '.' and '-'";
    check("1.4.3!", Verdict::InvalidTag, false, invalid);
    let nothing = Verdict::NothingToCompare.explain(&policy, &tagged("main"), &current);
    assert_eq!(nothing, "main is no version to the version parser, so that nothing is newer");
}

#[test]
fn an_endless_flavor_makes_no_endless_message() {
    let current = tagged("1.4.2");
    let mut candidate = tagged("1.4.3");
    candidate.version.as_mut().unwrap().flavor = "ä".repeat(100_000);
    let text = Verdict::OtherFlavor.explain(&policy(2), &current, &candidate);
    assert!(text.len() < 250 && text.contains('…'), "{text}");
}

/// Tags of few and small parts, so that equal versions under several names are common.
fn any_tag() -> impl Strategy<Value = Tagged> {
    "v?(0?[0-2]|0?[0-2](\\.[0-2]){1,3}|main)(_[ab])?(rc)?(-slim)?!?".prop_map(|tag| tagged(&tag))
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (0..6_u32, any::<bool>()).prop_map(|(frontier, allow_prereleases)| Policy { allow_prereleases, ..policy(frontier) })
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
            prop_assert_eq!(&chosen.flavor, &now.flavor);
            prop_assert!(!chosen.prerelease || now.prerelease || policy.allow_prereleases);
            prop_assert_eq!(policy.frontier.is_left(now.first_difference(chosen).unwrap()), side);
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
        // 1.0 it is right of it.
        let levels = |tagged: &Tagged| tagged.version.as_ref().map(|version| version.levels.len());
        if let Some(update) = ruling.update.filter(|&update| levels(&candidates[update]) <= levels(&current)) {
            let again = decide(&policy, &candidates[update], &candidates);
            prop_assert_eq!(again.update, None, "{:?}", candidates[update]);
        }
    }
}
