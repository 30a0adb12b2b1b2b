use std::cmp::Ordering;

use k8supdater_plugin::version_parser::compare;
use proptest::prelude::*;

use super::*;

#[test]
fn the_examples_of_the_plugin_manifest_come_out() {
    k8supdater_plugin::examples::run_version_parser::<Regex>(include_str!("../plugin.json")).unwrap();
}

fn prepare(expression: &str, order: &[(&str, Order)]) -> Result<Regex, String> {
    let order = order.iter().map(|(name, order)| ((*name).to_owned(), *order)).collect();
    Regex::prepare(Settings { expression: Some(expression.to_owned()), order })
}

/// `expected` is levels, flavor and whether it is a pre-release.
type Expected<'a> = Option<(&'a [u64], &'a str, bool)>;

#[track_caller]
fn check(expression: &str, table: &[(&str, Expected<'_>)]) {
    let parser = prepare(expression, &[]).unwrap();
    for (tag, expected) in table {
        let got = parser.parse(tag);
        let got = got.as_ref().map(|version| (version.levels.as_slice(), version.flavor.as_str(), version.prerelease));
        assert_eq!(got, *expected, "for {tag:?}");
    }
}

#[track_caller]
fn check_order(expression: &str, order: &[(&str, Order)], ascending: &[&str]) {
    let parser = prepare(expression, order).unwrap();
    for (i, left) in ascending.iter().enumerate() {
        for (j, right) in ascending.iter().enumerate() {
            let [one, other] =
                [left, right].map(|tag| parser.parse(tag).unwrap_or_else(|| panic!("{tag} is a version")));
            assert_eq!(compare(&one, &other), i.cmp(&j), "{left} {right}");
        }
    }
}

#[test]
fn tags_of_well_known_images() {
    // nginx, postgres, python
    check(
        r"(?<version>\d+(?:\.\d+)*)(?<prerelease>(?:a|b|rc)\d+)?(?<flavor>-[a-z].*)?",
        &[
            ("1.25.3", Some((&[1, 25, 3], "", false))),
            ("1.25.3-alpine3.18-slim", Some((&[1, 25, 3], "-alpine3.18-slim", false))),
            ("16-bookworm", Some((&[16], "-bookworm", false))),
            ("3.13.0a2-slim-bookworm", Some((&[3, 13, 0], "-slim-bookworm", true))),
            ("3.12.1-windowsservercore-ltsc2022", Some((&[3, 12, 1], "-windowsservercore-ltsc2022", false))),
            ("latest", None),
            ("bookworm", None),
            ("3f2504e", None),
        ],
    );
    // What fits the expression is a version: that a number is a date or a hash is for the expression to say.
    check(
        r"(?<version>\d+)",
        &[("20240115", Some((&[20_240_115], "", false))), ("1234567", Some((&[1_234_567], "", false)))],
    );
    check(
        r"RELEASE\.(?<level1>\d{4})-(?<level2>\d\d)-(?<level3>\d\d)T(?<level4>\d\d)-(?<level5>\d\d)-(?<level6>\d\d)Z(?<flavor>.*)",
        &[
            ("RELEASE.2023-12-20T01-00-02Z", Some((&[2023, 12, 20, 1, 0, 2], "", false))),
            ("RELEASE.2023-12-20T01-00-02Z.fips", Some((&[2023, 12, 20, 1, 0, 2], ".fips", false))),
            ("RELEASE.2023-12-20T01-00-02", None),
        ],
    );
    check(
        r"(?<level1>\d+)\.(?<level2>\d+)\.(?<level3>\d+)-(?<tail>\d+)-g[0-9a-f]{7,40}",
        &[("1.2.3-14-gabcdef1", Some((&[1, 2, 3], "", false))), ("1.2.3", None)],
    );
}

#[test]
fn the_whole_tag_has_to_match() {
    let table: &[(&str, Expected<'_>)] =
        &[("1", Some((&[1], "", false))), ("1x", None), ("x1", None), ("1\n", None), ("", None)];
    for expression in [
        r"(?<level1>\d)",
        r"^(?<level1>\d)$",
        r"\A(?<level1>\d)\z",
        r"(?x) (?<level1> \d ) # one digit",
        r"(?:(?<level1>\d))??",
    ] {
        check(expression, table);
    }
    // The first alternative that leads to the end, not the first one that matches.
    check(r"(?<level1>\d)|1(?<flavor>\D+)(?<tail>x)?|y", &[("1", Some((&[1], "", false))), ("1ab", None), ("y", None)]);
    check(r"(?<level1>1|12)", &[("1", Some((&[1], "", false))), ("12", Some((&[12], "", false))), ("123", None)]);
    check(r"(?m)(?<level1>\d+)$", &[("1\n2", None)]);
}

#[test]
fn groups_that_are_empty_are_not_there() {
    check(
        r"(?<level1>\d*)(?:\.(?<level2>\d*))?(?:\.(?<level3>\d*))?(?<prerelease>[a-z]*)(?<flavor>(?:-.*)?)",
        &[
            ("1", Some((&[1], "", false))),
            ("1.", Some((&[1], "", false))),
            ("1.2.", Some((&[1, 2], "", false))),
            ("1..3", None),
            (".2", None),
            ("", None),
            ("1rc-x", Some((&[1], "-x", true))),
        ],
    );
    check(
        r"(?<version>.*)",
        &[("1.2", Some((&[1, 2], "", false))), ("1..2", None), (".", None), ("", None), ("1.+2", None)],
    );
}

#[test]
fn values_that_do_not_fit_are_not_versions() {
    check(
        r"(?<level1>.+)",
        &[
            ("18446744073709551615", Some((&[u64::MAX], "", false))),
            ("18446744073709551616", None),
            ("x", None),
            ("+1", None),
        ],
    );
    check(
        r"(?<version>[0-9.]+)",
        &[
            ("1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", Some((&[1; 16], "", false))),
            ("1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", None),
        ],
    );
    check(
        r"(?<level1>1)(?<tail>.*)",
        &[(&format!("1{}", "x".repeat(127)), Some((&[1], "", false))), (&"1".repeat(129), None)],
    );
    check(r"(?<level1>1)(?<tail>.*)", &[("1é", None), ("1 ", None), ("1\0", None), ("1\u{7f}", None)]);
    // A tail of more than 256 bytes: each digit between letters takes three.
    check(r"(?<level1>1)(?<tail>.*)", &[(&format!("1{}", "x1".repeat(63)), Some((&[1], "", false)))]);
    check(
        r"(?<level1>1)(?<tail>.*?)(?<prerelease>y.*)",
        &[(&format!("1{}y1", "x1".repeat(62)), Some((&[1], "", true)))],
    );
    let numeric = prepare(r"(?<level1>1)(?<tail>.*)", &[("tail", Order::Numeric)]).unwrap();
    assert!(numeric.parse("118446744073709551615").is_some());
    assert_eq!(numeric.parse("118446744073709551616"), None);
    assert_eq!(numeric.parse("1x"), None);
    let text = prepare("(?<level1>.+)", &[("level1", Order::Text)]).unwrap();
    assert!(text.parse("12345678").is_some());
    assert_eq!(text.parse("123456789"), None);
}

#[test]
fn order_is_as_asked_for() {
    let dashed = r"(?<version>[0-9.]+)(?:-(?<prerelease>[a-z0-9.]+))?(?:_(?<tail>[a-z0-9.]+))?";
    check_order(
        dashed,
        &[],
        &[
            "1-a", "1-a.1", "1-a.1_1", "1-a2", "1-a10", "1-a10b", "1-b", "1", "1_0", "1_1", "1_2", "1_10", "1_a",
            "1_b", "1.1-a",
        ],
    );
    check_order(
        dashed,
        &[("prerelease", Order::Text), ("tail", Order::Text)],
        &["1-10", "1-9", "1-a", "1-a_10", "1-a_9", "1-a1", "1", "1_10", "1_9"],
    );
    check_order(
        dashed,
        &[("prerelease", Order::Numeric), ("tail", Order::Numeric)],
        &["1-9", "1-10", "1-10_9", "1-10_10", "1", "1_9", "1_18446744073709551615"],
    );
    check_order(
        "(?<level1>[a-z]+)(?<level2>[0-9]*)",
        &[("level1", Order::Text)],
        &["a", "a1", "a10", "aa", "ab", "b", "focal", "jammy", "noble1"],
    );
    let same = |expression: &str, one: &str, other: &str| {
        let parser = prepare(expression, &[]).unwrap();
        assert_eq!(
            compare(&parser.parse(one).unwrap(), &parser.parse(other).unwrap()),
            Ordering::Equal,
            "{one} {other}"
        );
    };
    same(dashed, "1.0-rc007", "1-rc7");
    same(dashed, "01", "1.0.0");
    same(r"(?<level1>\d+)-.*", "1-x", "1-y");
}

#[track_caller]
fn check_refused(expression: &str, order: &[(&str, Order)], expected: &str) {
    let err = prepare(expression, order).err().unwrap_or_else(|| panic!("{expression:?} is accepted"));
    assert!(err.starts_with(expected), "{err}");
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    let no_regex = |expression: &str, problem: &str| {
        check_refused(expression, &[], &format!("the expression is not a regular expression: {problem}"));
    };
    no_regex("(?<level1>a", "unclosed group, character 1, at \"(?<level1>a\"");
    no_regex("é(?<level1>a", "unclosed group, character 2, at \"(?<level1>a\"");
    no_regex("(?<level1>a))", "unopened group, character 13, at \")\"");
    no_regex(
        "(?<level1>\\",
        "incomplete escape sequence, reached end of pattern prematurely, character 11, at \"\\\\\"",
    );
    no_regex("(?<level1>[a-", "unclosed character class, character 11, at \"[a-\"");
    no_regex("*(?<level1>a)", "repetition operator missing expression, character 1, at \"*(?<level1>a)\"");
    no_regex("(?<level1>a)(?<level1>b)", "duplicate capture group name, character 16, at \"level1>b)\"");
    no_regex("(?=x)(?<level1>a)", "look-around, including look-ahead and look-behind, is not supported, character 1");
    no_regex(r"(?<level1>\d)\1", "backreferences are not supported, character 14");
    no_regex(r"(?<level1>\pN)", "Unicode not allowed here, character 11");
    no_regex(&format!("{}(?<level1>1){}", "(".repeat(60), ")".repeat(60)), "exceed the maximum number of nested");
    // What closes the group around it does not get out of it.
    no_regex("(?<level1>a))|(?:b", "unopened group");
}

#[test]
fn what_can_never_match_is_refused() {
    let nothing = "the expression can never match: it wants something that no text can be";
    for expression in [
        r"[^\s\S]",
        r"(?<level1>\d)[^\s\S]",
        r"(?<level1>\d)[a&&b]+",
        r"(?<level1>\d) x",
        r"(?<level1>\d)é",
        r"(?<level1>\s)",
        r"(?<level1>(?:[^\s\S]|é)x)",
        r"(?<level1>\d)(?:[^\s\S]){2,}",
    ] {
        check_refused(expression, &[], nothing);
    }
    check_refused(
        r"(?<level1>\d{129})",
        &[],
        "the expression can never match: it wants 129 characters, and a tag has at most 128",
    );
    check_refused(r"(?<level1>(?:1{1000}){1000})", &[], "the expression can never match: it wants 1000000 characters");
    check_refused(
        r"(?<level1>1{60}(?:2{60}){2}|[^\s\S])",
        &[],
        "the expression can never match: it wants 180 characters",
    );
    for expression in [
        r"(?<level1>\d|[^\s\S])",
        r"(?<level1>\d)[^\s\S]*",
        r"(?<level1>\d)(?: x)?",
        r"(?<level1>\d{128})",
        r"(?<level1>\d)(?:9{200}|x)",
    ] {
        assert!(prepare(expression, &[]).is_ok(), "{expression}");
    }
}

#[test]
fn what_is_too_large_is_refused() {
    check_refused(
        &format!("(?<level1>1){}", "x?".repeat(500)),
        &[],
        "the expression has 1012 bytes; at most 1000 are allowed",
    );
    let too_large = "the expression is too large once its repetitions are written out";
    check_refused(r"(?<level1>\d)(?:\w{0,100}){0,100}", &[], too_large);
    check_refused(r"(?<level1>\d)(?:(?:(?:x{0,1000}){0,1000}){0,1000}){0,1000}", &[], too_large);
    assert!(prepare(r"(?<level1>\d{1,20})\.(?<level2>\d{1,20})-(?<flavor>[a-z]{1,64})", &[]).is_ok());
}

#[test]
fn groups_that_make_no_sense_are_refused() {
    let none =
        "the expression has no group that says what the version is: name one \"version\", or some level1, level2 …";
    check_refused(r"\d+", &[], none);
    check_refused(r"(\d+)(?<flavor>x)?", &[], none);
    check_refused(r"(?<level2>\d+)", &[], "the expression has 1 levels, but no group level1");
    check_refused(r"(?<level1>\d+)\.(?<level3>\d+)", &[], "the expression has 2 levels, but no group level2");
    check_refused(r"(?<level1>\d+)\.(?<version>\d+)", &[], "the expression has a group version and groups level1 …");
    for name in ["major", "level0", "level01", "level17", "Level1", "levels", "versions"] {
        check_refused(
            &format!(r"(?<level1>\d)(?<{name}>\d)"),
            &[],
            &format!("unknown group {name:?}, expected one of: level1 … level16"),
        );
    }
    let sixteen = (1..=16).map(|number| format!(r"(?<level{number}>\d)")).collect::<Vec<_>>().concat();
    assert_eq!(prepare(&sixteen, &[]).unwrap().parse("1234567890123456").unwrap().levels.len(), 16);
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    check_refused(
        "(?<level1>1)",
        &[("tail", Order::Text)],
        "order names the group \"tail\", which the expression does not have",
    );
    check_refused(
        "(?<level1>1)",
        &[("level1", Order::Natural)],
        "levels cannot be ordered as \"natural\", expected one of: numeric, text",
    );
    check_refused(
        "(?<version>1)",
        &[("version", Order::Text)],
        "the group \"version\" has no order that could be chosen",
    );
    check_refused(
        "(?<level1>1)(?<flavor>x)",
        &[("flavor", Order::Text)],
        "the group \"flavor\" has no order that could be chosen",
    );
    let err = k8supdater_plugin::version_parser::parse::<Regex>(
        &[],
        r#"{"expression": "(?<level1>1)", "order": {"level1": "alphabetic"}}"#,
    );
    assert!(err.unwrap_err().contains("unknown variant `alphabetic`, expected one of `numeric`, `text`, `natural`"));
}

/// A parser for everything that the generators make.
const ANY: &str =
    r"(?<level1>[0-9a-z]*)(?:\.(?<level2>[0-9a-z]*))?(?:-(?<prerelease>[^_]*))?(?:_(?<tail>[^+]*))?(?<flavor>\+.*)?";

fn order() -> impl Strategy<Value = Order> {
    prop::sample::select(vec![Order::Numeric, Order::Text, Order::Natural])
}

fn level_order() -> impl Strategy<Value = Order> {
    prop::sample::select(vec![Order::Numeric, Order::Text])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_expression_whatsoever_panics(text in "\\PC{0,40}", made in "([(]([?]<(level[123]|version|flavor|tail)>)?|[)]|[\\[][a-d^&-]{1,3}\\]|[a-d.|^$]|\\\\[dwsbzDWSBpx]|[*+?]|[{][0-9]{1,3},?[}]){0,20}", tag in "[a-d0-9.-]{0,20}") {
        for expression in [&text, &made] {
            if let Ok(parser) = prepare(expression, &[]) {
                let version = parser.parse(&tag);
                prop_assert_eq!(&version, &parser.parse(&tag));
                prop_assert!(version.is_none_or(|version| (1..=16).contains(&version.levels.len()) && version.tail.len() <= 256));
            }
        }
    }

    #[test]
    fn no_tag_whatsoever_panics(text in "\\PC{0,40}", tag in "[0-9a-z]{1,3}([.][0-9]{0,3})?(-[a-z0-9._+-]{0,120})?", orders in (level_order(), level_order(), order(), order())) {
        let (one, two, pre, tail) = orders;
        let parser = prepare(ANY, &[("level1", one), ("level2", two), ("prerelease", pre), ("tail", tail)]).unwrap();
        for tag in [text, tag] {
            let version = parser.parse(&tag);
            prop_assert_eq!(&version, &parser.parse(&tag));
            prop_assert!(version.is_none_or(|version| (1..=2).contains(&version.levels.len()) && version.tail.len() <= 256));
        }
    }

    #[test]
    fn numbers_compare_as_numbers(left in any::<(u64, u64, u64)>(), right in any::<(u64, u64, u64)>(), near in any::<bool>(), order in prop::sample::select(vec![Order::Numeric, Order::Natural])) {
        let parser = prepare(r"(?<level1>\d+)-(?<prerelease>\d+)_(?<tail>\d+)", &[("prerelease", order), ("tail", order)]).unwrap();
        // Often the same, so that what comes later counts.
        let small = |(one, two, three): (u64, u64, u64)| if near { (one % 2, two % 2, three % 12) } else { (one, two, three) };
        let (left, right) = (small(left), small(right));
        let read = |(one, two, three): (u64, u64, u64)| parser.parse(&format!("{one}-{two}_{three}")).unwrap();
        prop_assert_eq!(compare(&read(left), &read(right)), left.cmp(&right));
    }

    #[test]
    fn text_compares_as_text(left in ("[ab]{1,3}", "[ab-]{0,3}"), right in ("[ab]{1,3}", "[ab-]{0,3}"), order in prop::sample::select(vec![Order::Text, Order::Natural])) {
        let parser = prepare("(?<level1>[a-z]+)_(?<tail>.*)", &[("level1", Order::Text), ("tail", order)]).unwrap();
        let read = |(one, two): &(String, String)| parser.parse(&format!("{one}_{two}")).unwrap();
        prop_assert_eq!(compare(&read(&left), &read(&right)), left.cmp(&right));
    }

    #[test]
    fn each_tag_is_read_by_itself(tags in prop::collection::vec("[0-9a]{1,3}([.][0-9]){0,2}(-[a-z0-9]{1,4})?", 0..12), cut in 0..12_usize) {
        let settings = serde_json::json!({"expression": ANY}).to_string();
        let parse = |tags: &[String]| k8supdater_plugin::version_parser::parse::<Regex>(tags, &settings).unwrap();
        let (one, other) = tags.split_at(cut.min(tags.len()));
        prop_assert_eq!(parse(&tags), [parse(one), parse(other)].concat());
    }
}
