use std::cmp::Ordering;

use k8supdater_plugin::version_parser::compare;
use proptest::prelude::*;

use super::*;

#[test]
fn the_examples_of_the_plugin_manifest_come_out() {
    k8supdater_plugin::examples::run_version_parser::<Semver>(include_str!("../plugin.json")).unwrap();
}

#[test]
fn the_flavors_of_the_schema_are_those_of_the_code() {
    let manifest: serde_json::Value = serde_json::from_str(include_str!("../plugin.json")).unwrap();
    assert_eq!(
        manifest["settings"]["properties"]["flavors"]["default"],
        serde_json::json!(tag::DEFAULT_FLAVORS.as_slice())
    );
}

fn parser(settings: Settings) -> Semver {
    Semver::prepare(settings).unwrap()
}

/// `expected` is levels, flavor and whether it is a pre-release.
#[track_caller]
fn check(tag: &str, expected: Option<(&[u64], &str, bool)>) {
    let got = parser(Settings::default()).parse(tag);
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
fn tags_of_well_known_images() {
    // nginx, postgres, python, node, redis
    check("1.25.3", Some((&[1, 25, 3], "", false)));
    check("1.25.3-alpine3.18-slim", Some((&[1, 25, 3], "-alpine3.18-slim", false)));
    check("1.25-bookworm-perl", Some((&[1, 25], "-bookworm-perl", false)));
    check("16.1", Some((&[16, 1], "", false)));
    check("16-alpine3.19", Some((&[16], "-alpine3.19", false)));
    check("3.12.1-slim-bookworm", Some((&[3, 12, 1], "-slim-bookworm", false)));
    check("3.12.1-windowsservercore-ltsc2022", Some((&[3, 12, 1], "-windowsservercore-ltsc2022", false)));
    check("3.13-rc-alpine", Some((&[3, 13], "-alpine", true)));
    check("20.11.0-nanoserver-1809", Some((&[20, 11, 0], "-nanoserver-1809", false)));
    check("7.2.4-debian-12-r3", Some((&[7, 2, 4], "-debian-12-r3", false)));
    check("8.2.15-fpm-alpine", Some((&[8, 2, 15], "-fpm-alpine", false)));
    check("v2.10.7-arm64", Some((&[2, 10, 7], "v-arm64", false)));
    // Python writes its pre-releases as PEP 440 has them.
    check("3.13.0a2-slim", None);
    // linuxserver counts builds; git describes commits behind a release. SemVer says that both come before it.
    check("1.2.3-ls45", Some((&[1, 2, 3], "", true)));
    check("v1.32.8.7639-fb6452ebf-ls200", None);
    check("1.2.3-14-gabcdef1", Some((&[1, 2, 3], "", true)));
    check("v0.0.0-20240115103000-abcdef012345", Some((&[0, 0, 0], "v", true)));
}

#[test]
fn what_is_flavor_and_what_is_pre_release() {
    check("1.2.3-Alpine", Some((&[1, 2, 3], "-Alpine", false)));
    check("V1.2.3", Some((&[1, 2, 3], "V", false)));
    check("1.2.3+alpine", Some((&[1, 2, 3], "+alpine", false)));
    check("1.2.3_build.5-alpine", Some((&[1, 2, 3], "-alpine", false)));
    check("17.0.8_7-jdk", Some((&[17, 0, 8], "-jdk", false)));
    check("1.2.3-rc-1-alpine", Some((&[1, 2, 3], "-alpine", true)));
    check("1.2.3-linuxfoundation", Some((&[1, 2, 3], "", true)));
    check("1.2.3-x.alpine", Some((&[1, 2, 3], "", true)));
    check("1.2.3-alpine+", Some((&[1, 2, 3], "-alpine+", false)));
    let strict = parser(Settings { flavors: vec![], ..Settings::default() });
    let version = strict.parse("1.2.3-alpine").unwrap();
    assert_eq!((version.flavor.as_str(), version.prerelease), ("", true));
}

#[test]
fn partial_versions_are_few() {
    check("0", Some((&[0], "", false)));
    check("12345", Some((&[12345], "", false)));
    check("1-beta", Some((&[1], "", true)));
    check("1.2-rc.1_alpine", Some((&[1, 2], "_alpine", true)));
    check("20240115.1", Some((&[20_240_115, 1], "", false)));
    check_none(&[
        "123456",
        "v1234567",
        "20240115-slim",
        "1-2",
        "2024-01",
        "2024-01-15",
        "2024_01_15",
        "1.2_3",
        "1.2+3",
        "1_3",
    ]);
    check_none(&["1.", ".1", "1..2", "1.02", "1.-alpine", "-alpine", "1-", "1-rc..1", "v", "v-alpine", "vv1", "1.x"]);
}

#[test]
fn what_is_not_semver_is_not_a_version() {
    check_none(&[
        "",
        "latest",
        "stable",
        "bookworm",
        "alpine3.18",
        "sha-12345ab",
        "3f2504e",
        "12e45678",
        "main-3f2504e",
    ]);
    check_none(&[
        "1.2.3.4",
        "01.2.3",
        "1.02.3",
        "1.2.3-01",
        "1.2.3-rc.01",
        "1.2.3-",
        "1.2.3+",
        "1.2.3_",
        "1.2.3-a..b",
        "1.2.3rc1",
    ]);
    check_none(&["1.2.3_a_b", "1.2.3+a+b", "1.2.3-é", "١.٢.٣", " 1.2.3", "1.2.3 ", "1.2.3\n", "1.2.3-\0"]);
    check_none(&["18446744073709551616.0.0", "1.18446744073709551616", "99999999999999999999"]);
    check("18446744073709551615.0.0", Some((&[u64::MAX, 0, 0], "", false)));
    check_none(&[&format!("1.0.0-{}", "x".repeat(123)), &"1".repeat(5000)]);
    assert!(parser(Settings::default()).parse(&format!("1.0.0-{}", "x".repeat(122))).is_some());
}

#[test]
fn ranges_as_people_write_them() {
    let check = |range: &str, inside: &[&str], outside: &[&str]| {
        let parser = parser(Settings { range: Some(range.to_owned()), ..Settings::default() });
        for tag in inside {
            assert!(parser.parse(tag).is_some(), "{tag} in {range}");
        }
        for tag in outside {
            assert_eq!(parser.parse(tag), None, "{tag} in {range}");
        }
    };
    for range in [">=1.2 <2", ">=1.2, <2", ">=1.2,<2", ">= 1.2 < 2", "  >=1.2   <2 ", ">= 1.2 , < 2"] {
        check(range, &["1.2.0", "1.2", "v1.99.0-alpine"], &["1.1.99", "1", "2.0.0", "2", "1.3.0-rc.1"]);
    }
    check("^1.4", &["1.4.0", "1.99.0"], &["1.3.9", "2.0.0"]);
    check("1.4", &["1.4.0", "1.99.0"], &["1.3.9", "2.0.0"]);
    check("=1.4", &["1.4.0", "1.4.9"], &["1.5.0"]);
    check("~1.2", &["1.2.9"], &["1.3.0"]);
    check("^0.2.3", &["0.2.9"], &["0.3.0"]);
    check("1.x", &["1.0.0"], &["2.0.0"]);
    check("*", &["0.0.1", "99.0.0"], &["1.0.0-rc.1"]);
    check("^1||>=3 <4 || =5.0.0", &["1.0.0", "3.5.0", "5.0.0"], &["2.0.0", "4.0.0", "5.0.1"]);
    check(">=1.2.0-beta.2 <2", &["1.2.0-beta.11", "1.2.0", "1.3.0"], &["1.2.0-beta.1", "1.3.0-beta.2"]);
}

#[test]
fn a_range_that_cannot_be_read_is_named() {
    let check = |range: &str, expected: &str| {
        let settings = Settings { range: Some(range.to_owned()), ..Settings::default() };
        let err = Semver::prepare(settings).err().unwrap_or_else(|| panic!("{range:?} is a range"));
        assert!(err.starts_with(&format!("the range {range:?} cannot be read: {expected}")), "{err}");
    };
    check("", "unexpected end of input while parsing major version number;");
    check(">=1.2 <", "unexpected end of input while parsing major version number;");
    check("newest", "unexpected character 'n' while parsing major version number;");
    check("^1 || ~a", "unexpected character 'a' while parsing major version number in \"~a\";");
    check("1 ||", "unexpected end of input while parsing major version number in \"\";");
    check(">=1.2,,<2", "unexpected character ',' while parsing major version number;");
    check("1.2 - 2.3", "unexpected character '-' while parsing major version number;");
    check(">=1.2.3.4", "expected comma after patch version number, found '.';");
    check("^99999999999999999999", "value of major version number exceeds u64::MAX;");
}

/// From <https://semver.org/spec/v2.0.0.html#spec-item-11>, with more of the same.
const ASCENDING: [&str; 20] = [
    "0.0.1-0",
    "0.0.1",
    "1.0.0-0",
    "1.0.0-1",
    "1.0.0-18446744073709551616",
    "1.0.0--",
    "1.0.0-A",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-alpha-1",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1-0",
    "2.0.0",
    "2.1.0",
    "2.1.1",
];

#[test]
fn the_order_of_semver_is_the_order_of_versions() {
    let parser = parser(Settings::default());
    for (i, left) in ASCENDING.iter().enumerate() {
        for (j, right) in ASCENDING.iter().enumerate() {
            assert_eq!(
                compare(&parser.parse(left).unwrap(), &parser.parse(right).unwrap()),
                i.cmp(&j),
                "{left} {right}"
            );
        }
    }
    for (left, right) in [("1.0.0_1", "1.0.0_2"), ("1.0.0+a", "1.0.0"), ("1", "1.0.0"), ("v1.0.0-rc.1", "1-rc.1-slim")]
    {
        assert_eq!(
            compare(&parser.parse(left).unwrap(), &parser.parse(right).unwrap()),
            Ordering::Equal,
            "{left} {right}"
        );
    }
}

/// Versions with pre-releases that are often alike.
fn semver() -> impl Strategy<Value = String> {
    let number = || prop_oneof![0..3_u64, prop::sample::select(vec![9, 10, 255, 256, u64::MAX])];
    let identifier = prop_oneof![
        number().prop_map(|number| number.to_string()),
        "[1-9][0-9]{18,24}",
        "[a-b-]{1,3}",
        "[0-9]{1,2}[a-]"
    ];
    (number(), number(), number(), prop::collection::vec(identifier, 0..4)).prop_map(|(major, minor, patch, pre)| {
        let pre = if pre.is_empty() { String::new() } else { format!("-{}", pre.join(".")) };
        format!("{major}.{minor}.{patch}{pre}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn versions_compare_as_the_crate_compares_them(left in semver(), right in semver(), build in "([+_][a-z0-9]{1,3})?") {
        let expected = left.parse::<semver::Version>().unwrap().cmp_precedence(&right.parse().unwrap());
        let parser = parser(Settings::default());
        let (one, two) = (parser.parse(&format!("{left}{build}")).unwrap(), parser.parse(&right).unwrap());
        prop_assert_eq!(compare(&one, &two), expected, "{} {}", left, right);
        prop_assert_eq!(compare(&two, &one), expected.reverse());
    }

    #[test]
    fn a_flavor_changes_neither_order_nor_prerelease(version in semver(), prefix in "v?", suffix in "(-slim|_jdk-x|-alpine3[.]18)?") {
        let parser = parser(Settings::default());
        let plain = parser.parse(&version).unwrap();
        let flavored = parser.parse(&format!("{prefix}{version}{suffix}")).unwrap();
        prop_assert_eq!(flavored, plain.with_flavor(format!("{prefix}{suffix}")));
    }

    #[test]
    fn no_text_whatsoever_panics(text in "\\PC{0,40}", tag in "v?[0-9]{1,3}[.][0-9a-z._+-]{0,120}", range in "[0-9.<>=^~|, x*-]{0,40}") {
        let settings = Settings { range: Some(range), ..Settings::default() };
        let ranged = Semver::prepare(settings).unwrap_or_else(|_| parser(Settings::default()));
        for tag in [text, tag] {
            let version = ranged.parse(&tag);
            prop_assert_eq!(&version, &ranged.parse(&tag));
            if let Some(version) = version {
                prop_assert!(version.tail.len() <= 256 && (1..=3).contains(&version.levels.len()));
            }
        }
    }

    #[test]
    fn each_tag_is_read_by_itself(tags in prop::collection::vec("v?[0-9]{1,2}([.][0-9]){0,3}(-[a-z0-9]{1,4})?", 0..12), cut in 0..12_usize) {
        let parse = |tags: &[String]| k8supdater_plugin::version_parser::parse::<Semver>(tags, "{}").unwrap();
        let (one, other) = tags.split_at(cut.min(tags.len()));
        prop_assert_eq!(parse(&tags), [parse(one), parse(other)].concat());
    }
}
