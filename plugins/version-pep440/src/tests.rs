use std::cmp::Ordering;

use k8supdater_plugin::version_parser::compare;
use proptest::prelude::*;

use super::*;

#[test]
fn the_examples_of_the_plugin_manifest_come_out() {
    k8supdater_plugin::examples::run_version_parser::<Pep440>(include_str!("../plugin.json")).unwrap();
}

/// `expected` is levels, flavor and whether it is a pre-release.
#[track_caller]
fn check(tag: &str, expected: Option<(&[u64], &str, bool)>) {
    let got = Pep440.parse(tag);
    let got = got.as_ref().map(|version| (version.levels.as_slice(), version.flavor.as_str(), version.prerelease));
    assert_eq!(got, expected, "for {tag:?}");
}

#[track_caller]
fn check_none(tags: &[&str]) {
    for tag in tags {
        check(tag, None);
    }
}

#[test]
fn the_version_is_found_inside_the_tag_and_the_rest_is_flavor() {
    check("1.2.3", Some((&[1, 2, 3], "", false)));
    check("3", Some((&[3], "", false)));
    check("5.3.2.1", Some((&[5, 3, 2, 1], "", false)));
    check("1.0", Some((&[1, 0], "", false)));
    check("v1.2.3", Some((&[1, 2, 3], "v", false)));
    check("3.2.1-alpine", Some((&[3, 2, 1], "-alpine", false)));
    check("3.2.1-alpine3.18-slim", Some((&[3, 2, 1], "-alpine3.18-slim", false)));
    check("release-1.4", Some((&[1, 4], "release-", false)));
    check("release-v1.4-slim", Some((&[1, 4], "release-v-slim", false)));
    check("alpine-3.18", Some((&[3, 18], "alpine-", false)));
    check("jdk17_1.2.3", Some((&[1, 2, 3], "jdk17_", false)));
    check("22-bookworm", Some((&[22], "-bookworm", false)));
    check("2.4.59.Final", Some((&[2, 4, 59], ".Final", false)));
    check("1.2.x", Some((&[1, 2], ".x", false)));
    check("1.0.dev.nightly-arm64", Some((&[1, 0], ".nightly-arm64", true)));
    check("2019-CU18-ubuntu-20.04", Some((&[2019], "-CU18-ubuntu-20.04", false)));
    check("18446744073709551615.0", Some((&[u64::MAX, 0], "", false)));
}

#[test]
fn what_pep_440_puts_behind_the_numbers_is_not_flavor() {
    check("1.2.3rc1-slim", Some((&[1, 2, 3], "-slim", true)));
    check("1.2.3-rc.1", Some((&[1, 2, 3], "", true)));
    check("1.2.3-RC1", Some((&[1, 2, 3], "", true)));
    check("3.13-rc-alpine", Some((&[3, 13], "-alpine", true)));
    check("1.2.3-beta-2-alpine", Some((&[1, 2, 3], "-alpine", true)));
    check("1.0.dev20240115", Some((&[1, 0], "", true)));
    check("2.0-dev.7", Some((&[2, 0], "", true)));
    check("1.0a1.post5.dev6", Some((&[1, 0], "", true)));
    check("1.2.3-r5", Some((&[1, 2, 3], "", false)));
    check("1.2.3-14-slim", Some((&[1, 2, 3], "-slim", false)));
    check("1.0.post5", Some((&[1, 0], "", false)));
    check("1.0+dev", Some((&[1, 0], "", false)));
    check("1.0+cu118-slim", Some((&[1, 0], "", false)));
    check("17.0.8_7-jdk", Some((&[17, 0, 8], "-jdk", false)));
}

#[test]
fn epochs_are_read() {
    let check = |tag: &str, expected| assert_eq!(Pep440.parse(tag).map(|version| version.epoch), expected, "{tag:?}");
    check("1!2.0", Some(1));
    check("v1!2.0-slim", Some(1));
    check("2.0", Some(0));
    check("99999999999999999999!2.0", None);
}

#[test]
fn names_are_not_versions() {
    check_none(&[
        "",
        "latest",
        "stable-alpine",
        "bookworm",
        "v",
        "alpine3.18",
        "go1.21",
        "release.1.2",
        "-",
        "_",
        "é1.2",
    ]);
    check_none(&["french toast", "1. 0", "1 .0", "1.0 a1", " 1.0", "1.0\n", "٠١٢.٣٤٥", "1.0+\u{130}"]);
}

#[test]
fn broken_versions_are_not_shorter_versions() {
    check_none(&[".", "..", "1..0", "1.0.", ".1.0", "1..2.3", "1.0-", "1.0--alpine", "1.2.3alpine", "1.2.3foo-bar"]);
    check_none(&[
        "1.0+a+",
        "1.0++",
        "1.0+_foobar",
        "1.0+foo&asd",
        "1.0+1+1",
        "1.2.3-rc.1.2",
        "1.2.3-rc1x",
        "1.2.3-1.2-x",
    ]);
    check_none(&["jdk-17-1.2.3", "1_0_2", "1.2-3-4"]);
}

#[test]
fn hashes_are_not_versions() {
    check_none(&[
        "3f2504e",
        "1234567",
        "12e45678",
        "1234a567",
        "v1234567",
        "main-3f2504e",
        "sha-1234567",
        "sha-12345ab",
    ]);
    check_none(&["1.2.3-3f2504e", "1.2.3-1234567", "1.2.3-14-gabcdef1", "1.2.3-slim-0123abc", "3f2504e-1.2.3"]);
    check_none(&["0e4f6c3d2b1a09887766554433221100ffeeddcc", "v0.0.0-20240115103000-abcdef012345", "1.2.3_deadbee1"]);
    check_none(&["sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.sig", "abc1234-1.2.3"]);
}

#[test]
fn dates_are_not_versions() {
    check_none(&[
        "20240115",
        "v20240115",
        "240115",
        "202401151030",
        "20240115-slim",
        "20240115T103000",
        "bookworm-20240115",
    ]);
    check_none(&["2024-01-15", "2024_01_15", "2024-01", "nightly-2024-01-15", "1.2.3-2024-01-15", "3.19-20240115"]);
    check_none(&["RELEASE.2023-12-20T01-00-02Z", "2024-12-nightly"]);
    // Calendar versioning, with dots, is versioning.
    check("2024.01.15", Some((&[2024, 1, 15], "", false)));
    check("22.04", Some((&[22, 4], "", false)));
    check("2024-13", Some((&[2024], "", false)));
}

#[test]
fn what_is_too_large_is_not_a_version() {
    check_none(&[
        "99999999999999999999",
        "1.18446744073709551616",
        "1.2.3rc99999999999999999999",
        "1.0-99999999999999999999",
    ]);
    check_none(&["1.2.3-beta99999999999999999999", "1.0.post18446744073709551616"]);
    check("1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", Some((&[1; 16], "", false)));
    check_none(&["1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", &"1".repeat(5000), &format!("1.0-{}", "x".repeat(125))]);
}

/// From pypa/packaging, `tests/test_version.py` at 053c884615f2e83d80705251b447769ec2599653: strictly ascending.
const ASCENDING: [&str; 45] = [
    "1.0.dev0",
    "1.0.dev456",
    "1.0.dev456+local",
    "1.0a0.post0.dev0",
    "1.0a0.post0",
    "1.0a1.dev1",
    "1.0a1.dev1+local",
    "1.0a1",
    "1.0a1+local",
    "1.0b0",
    "1.0b1.dev456",
    "1.0b2",
    "1.0b2.post345.dev456",
    "1.0b2.post345",
    "1.0b2-346",
    "1.0rc0",
    "1.0rc1.dev1",
    "1.0c1",
    "1.0rc2",
    "1.0",
    "1.0.post0.dev0",
    "1.0.post0",
    "1.0.post456.dev34",
    "1.0.post456",
    "1.0.post456+local",
    "1.0.1.dev1",
    "1.0.1a1",
    "1.0.1",
    "1.0.1+local",
    "1.0.1.post1",
    "1.1.dev1",
    "1.2+a",
    "1.2+abc",
    "1.2+abcdef",
    "1.2+def",
    "1.2+0",
    "1.2+1",
    "1.2+1.abc",
    "1.2+1.1",
    "1.2+1.1.0",
    "1.2+2",
    "1.2+123",
    "1.2+123456",
    "1.2.r32+123456",
    "1.2.rev33+123456",
];

#[test]
fn the_order_of_pep_440_is_the_order_of_versions() {
    let epochs = ASCENDING.iter().map(|version| format!("1!{version}"));
    let versions: Vec<(String, Version)> = ASCENDING
        .iter()
        .map(ToString::to_string)
        .chain(epochs)
        .map(|tag| {
            let version = Pep440.parse(&tag).unwrap_or_else(|| panic!("{tag} is a version"));
            (tag, version)
        })
        .collect();
    for (i, (left_tag, left)) in versions.iter().enumerate() {
        for (j, (right_tag, right)) in versions.iter().enumerate() {
            assert_eq!(compare(left, right), i.cmp(&j), "{left_tag} {right_tag}");
        }
    }
}

#[test]
fn spellings_of_one_version_are_equal() {
    let check = |normal: &str, spellings: &[&str]| {
        let expected = Pep440.parse(normal).unwrap();
        for spelling in spellings {
            let got = Pep440.parse(spelling).unwrap_or_else(|| panic!("{spelling} is a version"));
            assert_eq!(compare(&got, &expected), Ordering::Equal, "{spelling} and {normal}");
        }
    };
    check("1.0.dev0", &["1.0dev", "1.0.dev", "1.0-dev", "1.0DEV", "1.0.0.dev0"]);
    check("1.0a1", &["1.0.a1", "1.0-a1", "1.0alpha1", "1.0-ALPHA1", "1.0_alpha_1"]);
    check("1.0b0", &["1.0b", "1.0-beta", "1.0.BETA"]);
    check("1.0rc1", &["1.0c1", "1.0-c1", "1.0RC1", "1.0-pre1", "1.0.preview.1"]);
    check("1.0.post5", &["1.0-5", "1.0-r5", "1.0-rev5", "1.0post5", "1.0.POST5", "1.0_5", "v1.0.post5-slim"]);
    check("1.0", &["1", "1.0.0", "v1.0", "01.00", "1.0-alpine"]);
}

/// Numbers that are often equal, and those where a byte more or less is needed.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..3_u64, prop::sample::select(vec![254, 255, 256, 65_535, 65_536, u64::MAX - 1, u64::MAX])]
}

/// PEP 440 versions with at least one dot, so that no number among them stands alone.
fn pep440() -> impl Strategy<Value = String> {
    let part = |words: &'static [&'static str]| {
        prop::option::of((prop::sample::select(words), number()))
            .prop_map(|part| part.map_or_else(String::new, |(word, number)| format!("{word}{number}")))
    };
    let segment = prop_oneof![number().prop_map(|number| number.to_string()), "[a-c]{1,2}", "[0-9a-c]{3}"];
    (
        prop::option::of(0..2_u64),
        prop::collection::vec(number(), 2..4),
        part(&["a", "b", "rc", "-alpha."]),
        part(&[".post", "-r"]),
        part(&[".dev", "-dev"]),
        prop::collection::vec(segment, 0..3),
    )
        .prop_map(|(epoch, release, pre, post, dev, local)| {
            let epoch = epoch.map_or_else(String::new, |epoch| format!("{epoch}!"));
            let release = release.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
            let local = if local.is_empty() { String::new() } else { format!("+{}", local.join(".")) };
            format!("{epoch}{release}{pre}{post}{dev}{local}")
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn versions_compare_as_pep440_rs_compares_them(left in pep440(), right in pep440()) {
        let expected = left.parse::<pep440_rs::Version>().unwrap().cmp(&right.parse().unwrap());
        let (one, two) = (Pep440.parse(&left).unwrap(), Pep440.parse(&right).unwrap());
        prop_assert_eq!(compare(&one, &two), expected, "{} {}", left, right);
        prop_assert!(one.tail.len() <= MOST_TAIL && one.flavor.is_empty());
    }

    #[test]
    fn a_flavor_changes_neither_order_nor_prerelease(version in pep440(), prefix in "(v|[a-z]{3}-v?)?", suffix in "(-slim|_jdk-alpine3[.]18)") {
        // A local version would swallow the suffix.
        let version = version.split('+').next().unwrap();
        let plain = Pep440.parse(version).unwrap();
        let flavored = Pep440.parse(&format!("{prefix}{version}{suffix}")).unwrap();
        prop_assert_eq!(flavored, plain.with_flavor(format!("{prefix}{suffix}")));
    }

    #[test]
    fn no_text_whatsoever_panics(text in "\\PC{0,40}", tag in "[0-9av][0-9a-f._+!rcv-]{0,20}") {
        for tag in [text, tag] {
            if let Some(version) = Pep440.parse(&tag) {
                prop_assert!(version.tail.len() <= MOST_TAIL && version.levels.len() <= MOST_LEVELS);
                prop_assert!(version.flavor.len() < tag.len());
            }
        }
    }
}
