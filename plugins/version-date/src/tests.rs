use k8supdater_plugin::version_parser::compare;
use proptest::prelude::*;

use super::*;

#[test]
fn the_examples_of_the_plugin_manifest_come_out() {
    k8supdater_plugin::examples::run_version_parser::<Date>(include_str!("../plugin.json")).unwrap();
}

fn prepare(scheme: Option<&str>) -> Result<Date, String> {
    Date::prepare(Settings { scheme: scheme.map(str::to_owned) })
}

/// `expected` is levels and flavor.
#[track_caller]
fn check_scheme(scheme: Option<&str>, tag: &str, expected: Option<(&[u64], &str)>) {
    let got = prepare(scheme).unwrap().parse(tag);
    assert!(got.as_ref().is_none_or(|version| !version.prerelease && version.tail.is_empty()), "{got:?}");
    let got = got.as_ref().map(|version| (version.levels.as_slice(), version.flavor.as_str()));
    assert_eq!(got, expected, "for {tag:?} by {scheme:?}");
}

#[track_caller]
fn check(tag: &str, expected: Option<(&[u64], &str)>) {
    check_scheme(None, tag, expected);
}

#[track_caller]
fn check_none(tags: &[&str]) {
    for tag in tags {
        check(tag, None);
    }
}

#[test]
fn tags_of_well_known_images() {
    // debian, ubuntu, minio, archlinux, rockylinux
    check("bookworm-20240110-slim", Some((&[2024, 1, 10], "bookworm--slim")));
    check("jammy-20240111", Some((&[2024, 1, 11], "jammy-")));
    check("RELEASE.2024-01-16T16-07-38Z", Some((&[2024, 1, 16, 16, 7, 38], "RELEASE.")));
    check("RELEASE.2024-01-16T16-07-38Z-cpuv1", Some((&[2024, 1, 16, 16, 7, 38], "RELEASE.-cpuv1")));
    check("RELEASE.2024-01-16T16-07-38Z.fips", Some((&[2024, 1, 16, 16, 7, 38], "RELEASE..fips")));
    check("base-devel-20240101.0.204074", Some((&[2024, 1, 1, 0, 204_074], "base-devel-")));
    check("9.3-20231124", Some((&[2023, 11, 24], "9.3-")));
    check("nightly-2024-01-15", Some((&[2024, 1, 15], "nightly-")));
    check("version-v2024.1.5", Some((&[2024, 1, 5], "version-v")));
    check("2024.1.5-ls45", Some((&[2024, 1, 5], "-ls45")));
    check("ltsc2022-2024.01.15", Some((&[2024, 1, 15], "ltsc2022-")));
    check("20240115-windowsservercore-ltsc2022", Some((&[2024, 1, 15], "-windowsservercore-ltsc2022")));
    check("main-20240115T030000Z", Some((&[2024, 1, 15, 3, 0, 0], "main-")));
    // amazonlinux has a number between year and day, Home Assistant a release number behind the month: schemes for both.
    check("2023.3.20240108.0", None);
    check_scheme(Some("YYYY.MINOR.MICRO.PATCH"), "2023.3.20240108.0", Some((&[2023, 3, 20_240_108, 0], "")));
    check("2024.1.0", None);
    check_scheme(Some("YYYY.MM.MICRO"), "2024.1.0", Some((&[2024, 1, 0], "")));
    // nginx, postgres, python, and others that have no dates
    check_none(&[
        "1.25.3",
        "1.25.3-alpine3.18",
        "16.1",
        "16-bookworm",
        "3.12.1-slim",
        "1.2.3-ls45",
        "17.0.8_7-jdk",
        "22.04",
    ]);
    check_none(&[
        "2019-CU18-ubuntu-20.04",
        "2022-latest",
        "latest",
        "bookworm",
        "stable-alpine",
        "sha-12345ab",
        "3f2504e",
    ]);
}

#[test]
fn separators_are_the_same_throughout() {
    check("2024.10.9", Some((&[2024, 10, 9], "")));
    check("2024-1-5", Some((&[2024, 1, 5], "")));
    check("2024_12_31", Some((&[2024, 12, 31], "")));
    check("2024.01.15.x", Some((&[2024, 1, 15], ".x")));
    check("2024.01-alpine", Some((&[2024, 1], "-alpine")));
    check("V2024.01", Some((&[2024, 1], "V")));
    check_none(&[
        "2024.01-15",
        "2024-01.15",
        "202401.15",
        "2024.0115",
        "2024-0115",
        "2024 01 15",
        "2024/01/15",
        "2024:01:15",
    ]);
    check_none(&[
        "24.01.15",
        "24-01-15",
        "12024.01.15",
        "2024.001.15",
        "2024.01.015",
        "202401",
        "2024011",
        "2024",
        "2024-alpine",
    ]);
    check_none(&[
        "2024.01.",
        "2024..01",
        ".2024.01",
        "x2024.01",
        "vv2024.01",
        "2024.01.15x",
        "2024.01.15-",
        "2024.01.15--x",
        "2024.01+x",
    ]);
}

#[test]
fn days_that_do_not_exist_are_not_versions() {
    check_none(&[
        "2024-13-45",
        "2024-00-01",
        "2024-01-00",
        "2024.04.31",
        "2024.02.30",
        "2024_02_30",
        "20240230",
        "2024.2.30",
    ]);
    check_none(&["2023.02.29", "2100.02.29", "1900.02.29", "20241301", "20240132", "2024.13", "2024-00", "20240015"]);
    check("2024.02.29", Some((&[2024, 2, 29], "")));
    check("20000229", Some((&[2000, 2, 29], "")));
    check("2024.12.31", Some((&[2024, 12, 31], "")));
    // Without a scheme, only years of our time.
    check_none(&["1969.12.31", "2100.01.01", "1012.01.15", "0000.01.01", "99991231"]);
    check("1970.01.01", Some((&[1970, 1, 1], "")));
    check("2099.12.31", Some((&[2099, 12, 31], "")));
    check_scheme(Some("YYYY.0M"), "1066.10", Some((&[1066, 10], "")));
    check_scheme(Some("YYYY.0M"), "0000.10", None);
}

#[test]
fn times_follow_days_only() {
    for tag in [
        "2024-01-15T0300",
        "20240115T0300",
        "2024-01-15t03-00",
        "2024.01.15T03.00Z",
        "2024-01-15T03:00z",
        "20240115T03_00",
        "202401150300",
    ] {
        check(tag, Some((&[2024, 1, 15, 3, 0], "")));
    }
    check("2024-01-15T03", Some((&[2024, 1, 15, 3], "")));
    check("20240115235959", Some((&[2024, 1, 15, 23, 59, 59], "")));
    check("2024-01-15T235959Z-x", Some((&[2024, 1, 15, 23, 59, 59], "-x")));
    check("2024-01-15T03-alpine", Some((&[2024, 1, 15, 3], "-alpine")));
    check("2024-01-15T0300-2", Some((&[2024, 1, 15, 3, 0, 2], "")));
    check_none(&[
        "20240115T2400",
        "20240115T0060",
        "20240115T000060",
        "202401152400",
        "20240115T",
        "20240115T3",
        "20240115T030",
        "20240115T03000",
    ]);
    check_none(&[
        "2024011503",
        "2024011503000",
        "2024011503000000",
        "2024.01.150300",
        "2024-01T0300",
        "20240115T030000000",
        "20240115Z",
    ]);
    check_scheme(Some("YYYY.0M.0D"), "2024.01.15T0300-x", Some((&[2024, 1, 15, 3, 0], "-x")));
    check_scheme(Some("YYYY0M0D"), "202401150300", None);
    check_scheme(Some("YYYY.0M"), "2024.01T0300", None);
}

#[test]
fn counters_follow_days_only() {
    check("20240115.1", Some((&[2024, 1, 15, 1], "")));
    check("20240115-0300", Some((&[2024, 1, 15, 300], "")));
    check("2024.01.15_2-x", Some((&[2024, 1, 15, 2], "-x")));
    check("2024-01-15-10-30-00", Some((&[2024, 1, 15, 10, 30, 0], "")));
    check(
        "20240115.1.2.3.4.5.6.7.8.9.10.11.12.13",
        Some((&[2024, 1, 15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13], "")),
    );
    check_none(&[
        "20240115.1.2.3.4.5.6.7.8.9.10.11.12.13.14",
        "2024-01_5",
        "20240115.",
        "20240115..1",
        "20240115.1x",
        "20240115-1234567",
    ]);
    check_scheme(Some("YYYY.0M.0D"), "2024.01.15.1", None);
    check_scheme(Some("YYYY.0M.0D.MICRO"), "2024.01.15.1234567", Some((&[2024, 1, 15, 1_234_567], "")));
}

#[test]
fn hashes_and_builds_are_no_flavor() {
    check_none(&[
        "20240115-abc1234",
        "20240115-3f2504e",
        "20240115-gabcdef1",
        "abc1234-20240115",
        "2024.01.15-x-0123abc",
        "2024.01.15-x.20231231",
    ]);
    check_none(&[
        "104523-20240115",
        "20231231-x-20240115",
        "1234567",
        "0e4f6c3d2b1a09887766554433221100ffeeddcc",
        "v0.0.0-20240115103000-abcdef012345",
    ]);
    check("20240115-decade", Some((&[2024, 1, 15], "-decade")));
    check("main-12345-20240115", Some((&[2024, 1, 15], "main-12345-")));
}

#[test]
fn schemes_are_kept_to() {
    let check = check_scheme;
    check(Some("YYYY.0M.0D"), "2024.01.15", Some((&[2024, 1, 15], "")));
    check(Some("YYYY.0M.0D"), "2024.1.15", None);
    check(Some("YYYY.MM.DD"), "2024.01.5", Some((&[2024, 1, 5], "")));
    check(Some("YYYY.MM.DD"), "2024-01-15", None);
    check(Some("YYYY.MM.DD"), "2024.02.30", None);
    check(Some("YY.MM"), "24.4", Some((&[2024, 4], "")));
    check(Some("YY.MM"), "ubuntu-24.04-x", Some((&[2024, 4], "ubuntu--x")));
    check(Some("YY.MM"), "v24.10", Some((&[2024, 10], "v")));
    check(Some("YY.MM"), "24.04.1", None);
    check(Some("YY.MM"), "1.24.04", None);
    check(Some("YY.MM"), "10.2.1", None);
    check(Some("YY.MM"), "124.04", None);
    check(Some("0Y.0M"), "06.04", Some((&[2006, 4], "")));
    check(Some("0Y.0M"), "6.04", None);
    check(Some("YYMMDD"), "240115", Some((&[2024, 1, 15], "")));
    check(Some("YYMMDD"), "24115", None);
    check(Some("YYYY0M0DMICRO"), "202401157", Some((&[2024, 1, 15, 7], "")));
    check(Some("YYYY.WW"), "2024.53", Some((&[2024, 53], "")));
    check(Some("YYYY.WW"), "2024.54", None);
    check(Some("YYYY.WW"), "2024.0", None);
    check(Some("YYYYw0W"), "2024w03-alpine", Some((&[2024, 3], "-alpine")));
    check(Some("YYYY.MAJOR.MINOR.MICRO"), "2024.10.0.99999999", Some((&[2024, 10, 0, 99_999_999], "")));
    check(Some("YYYY.MICRO"), "2024.18446744073709551615", Some((&[2024, u64::MAX], "")));
    check(Some("YYYY.MICRO"), "2024.18446744073709551616", None);
    check(Some("YYYY.MICRO"), "2024.", None);
    check(Some("MAJOR.YYYYMMDD"), "3.20240115-x", Some((&[3, 2024, 1, 15], "-x")));
    check(Some("YYYY"), "2022-x", Some((&[2022], "-x")));
    check(Some("YYYY"), "windows-2022", Some((&[2022], "windows-")));
}

#[test]
fn schemes_that_make_no_sense_are_refused() {
    let check = |scheme: &str, expected: &str| {
        let err = prepare(Some(scheme)).err().unwrap_or_else(|| panic!("{scheme:?} is accepted"));
        assert!(err.starts_with(&format!("the scheme {scheme:?} {expected}")), "{err}");
    };
    check("", "has no year; expected YYYY, YY or 0Y in it");
    check("MAJOR.MINOR", "has no year");
    check("MM.DD", "has no year");
    check("yyyy.mm", "has no year");
    check("YYYY.YY", "says the same twice");
    check("YYYY.MM.0M", "says the same twice");
    check("YYYY.MM.WW", "says the same twice");
    check("YYYY.MM.DD.0D", "says the same twice");
    check("YYYY.DD", "has a day without a month");
    check("YYYY.WW.DD", "has a day without a month");
    check("DD.MM.YYYY", "is not written from large to small");
    check("YYYY.DD.MM", "is not written from large to small");
    check("MICROYYYY", "has a number directly before another part");
    check("YYYY.MICROMINOR", "has a number directly before another part");
    check("YYYY.0H", "has an unknown part at \"0H\", expected one of: YYYY, YY, 0Y");
    check("YYYYY", "has an unknown part at \"Y\"");
    check("YYYY/MM", "has an unknown part at \"/MM\"");
    check("YYYY.MM-MODIFIER", "has an unknown part at \"MODIFIER\"");
    check("YYYYé", "has an unknown part at \"é\"");
    check(&format!("YYYY{}", ".MICRO".repeat(16)), "has 17 parts, and 16 are allowed");
}

/// Days that exist, and a few that do not.
fn day() -> impl Strategy<Value = (u64, u64, u64)> {
    (1999..2030_u64, 0..14_u64, 0..33_u64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn all_ways_to_write_a_day_are_the_same(left in day(), right in day(), prefix in "(v|[a-z]{3}-|RELEASE[.])?", suffix in "(-slim|_x|[.]fips|T0300|-alpine3[.]18)?") {
        let parser = prepare(None).unwrap();
        let read = |(year, month, day): (u64, u64, u64)| {
            let compact = parser.parse(&format!("{prefix}{year}{month:02}{day:02}{suffix}"));
            for separator in [".", "-", "_"] {
                assert_eq!(parser.parse(&format!("{prefix}{year}{separator}{month:02}{separator}{day:02}{suffix}")), compact);
                assert_eq!(parser.parse(&format!("{prefix}{year}{separator}{month}{separator}{day}{suffix}")), compact);
            }
            compact
        };
        let (one, other) = (read(left), read(right));
        prop_assert_eq!(one.is_some(), (1..=12).contains(&left.1) && left.2 >= 1 && left.2 <= if left.1 == 2 { 28 + u64::from(left.0 % 4 == 0) } else { 30 + u64::from([1, 3, 5, 7, 8, 10, 12].contains(&left.1)) });
        if let (Some(one), Some(other)) = (one, other) {
            prop_assert_eq!(compare(&one, &other), left.cmp(&right));
        }
    }

    #[test]
    fn no_text_whatsoever_panics(text in "\\PC{0,40}", tag in "([a-z]{1,3}[-.])?(2024|1999|2[0-9]{3})[-._]?[0-9]{1,2}[-._]?[0-9]{1,2}[-._T]?[0-9a-zT._-]{0,110}", scheme in "((YYYY|YY|0Y|MM|0M|DD|0D|WW|0W|MICRO|PATCH|MAJOR)[._v-]?){0,6}") {
        for parser in [prepare(None), prepare(Some(&scheme)), prepare(Some(&text))].into_iter().flatten() {
            for tag in [&text, &tag] {
                let version = parser.parse(tag);
                prop_assert_eq!(&version, &parser.parse(tag));
                prop_assert!(version.is_none_or(|version| (1..=16).contains(&version.levels.len()) && version.flavor.len() < tag.len()));
            }
        }
    }

    #[test]
    fn each_tag_is_read_by_itself(tags in prop::collection::vec("v?20[0-9]{2}[.]?[0-9]{1,2}([.][0-9]{1,2})?(-[a-z]{1,4})?", 0..12), cut in 0..12_usize) {
        let parse = |tags: &[String]| k8supdater_plugin::version_parser::parse::<Date>(tags, "{}").unwrap();
        let (one, other) = tags.split_at(cut.min(tags.len()));
        prop_assert_eq!(parse(&tags), [parse(one), parse(other)].concat());
    }
}
