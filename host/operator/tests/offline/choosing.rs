use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8supdater_core::image::Digest;
use k8supdater_core::policy::{Frontier, MinimumAge, Policy, Precision, Tagged, decide};
use k8supdater_plugin::version_parser;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use version_pep440::Pep440;
use version_semver::Semver;

use crate::{root, to_host};

/// Tags that several cases share, by name.
type Lists = BTreeMap<String, Vec<String>>;

/// One case; the README beside the cases explains the fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    parser: Parser,
    policy: Rules,
    current: String,
    list: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    update: Option<String>,
    notify: Option<String>,
    #[serde(default)]
    verdicts: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Parser {
    Pep440,
    Semver,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rules {
    frontier: u32,
    #[serde(default)]
    prereleases: bool,
    include: Option<String>,
    exclude: Option<String>,
    #[serde(default)]
    precision: Precise,
    #[serde(default)]
    held: BTreeSet<String>,
    #[serde(default)]
    failed: BTreeSet<String>,
    proven: Option<Vec<String>>,
    minimum_age: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Precise {
    #[default]
    Any,
    Same,
}

/// When all cases are judged.
fn now() -> Timestamp {
    Timestamp::from_second(1_780_000_000).unwrap()
}

fn digest(digit: &str) -> Digest {
    format!("sha256:{}", digit.repeat(64)).parse().unwrap()
}

impl Rules {
    fn policy(&self) -> Policy {
        let pattern = |text: &Option<String>| text.as_ref().map(|text| text.parse().unwrap());
        Policy {
            allow_prereleases: self.prereleases,
            include: pattern(&self.include),
            exclude: pattern(&self.exclude),
            precision: match self.precision {
                Precise::Any => Precision::Any,
                Precise::Same => Precision::Same,
            },
            held: self.held.clone(),
            failed: self.failed.clone(),
            proven: self.proven.as_ref().map(|proven| {
                let read = |name: &String| match name.split_once('@') {
                    Some((tag, digit)) => (tag.to_owned(), Some(digest(digit))),
                    None => (name.clone(), None),
                };
                proven.iter().map(read).collect()
            }),
            age: self.minimum_age.map(|hours| MinimumAge { minimum: Duration::from_hours(hours), now: now() }),
            ..Policy::new(Frontier::new(self.frontier).unwrap())
        }
    }
}

impl Parser {
    /// `names` with their versions, as the plugin's own code reads them; behind an `@` is what their digest consists of, behind a `~` their
    /// age in hours.
    fn read(self, names: &[String]) -> Vec<Tagged> {
        let tagged = |name: &String| {
            let (name, hours) = name.split_once('~').map_or((name.as_str(), None), |(name, hours)| (name, Some(hours)));
            let (tag, digit) = name.split_once('@').map_or((name, None), |(tag, digit)| (tag, Some(digit)));
            let since = hours.map(|hours| now() - SignedDuration::from_hours(hours.parse().unwrap()));
            Tagged { digest: digit.map(digest), since, ..Tagged::new(tag, None) }
        };
        let mut tagged: Vec<Tagged> = names.iter().map(tagged).collect();
        let tags: Vec<String> = tagged.iter().map(|tagged| tagged.tag.clone()).collect();
        let versions = match self {
            Self::Pep440 => version_parser::parse::<Pep440>(&tags, "{}"),
            Self::Semver => version_parser::parse::<Semver>(&tags, "{}"),
        };
        for (tagged, version) in tagged.iter_mut().zip(versions.unwrap()) {
            tagged.version = version.map(to_host);
        }
        tagged
    }
}

fn data() -> PathBuf {
    root().join("host/operator/tests/data/choosing")
}

fn read<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// All cases, each with the name of its file.
fn cases() -> Vec<(String, Case)> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(data()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") && !path.ends_with("lists.json") {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            cases.extend(read::<Vec<Case>>(&path).into_iter().map(|case| (file.clone(), case)));
        }
    }
    cases
}

/// What comes of a case otherwise than it says; empty if all comes as it says.
fn failures(case: &Case, lists: &Lists) -> Vec<String> {
    let listed = case.list.as_ref().map(|list| lists.get(list).unwrap_or_else(|| panic!("there is no list {list}")));
    let names: Vec<String> = listed.into_iter().flatten().chain(&case.tags).cloned().collect();
    let tags = case.parser.read(&names);
    let current = case.parser.read(std::slice::from_ref(&case.current)).remove(0);
    let ruling = decide(&case.policy.policy(), &current, &tags);
    let name = |index: Option<usize>| index.map(|index| tags[index].tag.clone());
    let mut failures = Vec::new();
    let mut compare = |what: &str, expected: Option<&String>, found: Option<String>| {
        if expected != found.as_ref() {
            failures.push(format!("{what} is {found:?}, expected {expected:?}"));
        }
    };
    compare("update", case.update.as_ref(), name(ruling.update));
    compare("notify", case.notify.as_ref(), name(ruling.notify));
    for (tag, expected) in &case.verdicts {
        let found = tags.iter().zip(&ruling.verdicts).find(|(tagged, _)| tagged.tag == *tag);
        compare(tag, Some(expected), found.map(|(_, verdict)| verdict.reason().to_owned()));
    }
    failures
}

#[test]
fn every_case_comes_out_as_it_says() {
    let lists: Lists = read(&data().join("lists.json"));
    let mut report = Vec::new();
    for (file, case) in cases() {
        for failure in failures(&case, &lists) {
            report.push(format!("{file}: {} ({:?} from {}): {failure}", case.rule, case.policy, case.current));
        }
    }
    assert!(report.is_empty(), "\n{}", report.join("\n"));
}

#[test]
fn the_cases_are_many_and_leave_out_no_verdict_and_no_list() {
    let cases = cases();
    assert!(cases.len() >= 150, "there are {} cases", cases.len());
    let mut verdicts: BTreeSet<&str> =
        cases.iter().flat_map(|(_, case)| case.verdicts.values()).map(String::as_str).collect();
    for reason in [
        "Artifact",
        "BeyondFrontier",
        "Excluded",
        "Held",
        "InvalidTag",
        "NoVersion",
        "NotIncluded",
        "NotNewer",
        "NotProven",
        "NothingToCompare",
        "OnHold",
        "OtherFlavor",
        "OtherPrecision",
        "OtherScheme",
        "Prerelease",
        "SameImage",
        "Superseded",
        "TooYoung",
        "Update",
    ] {
        assert!(verdicts.remove(reason), "no case expects {reason}");
    }
    assert_eq!(verdicts, BTreeSet::new(), "not known here");
    let used: BTreeSet<&String> = cases.iter().filter_map(|(_, case)| case.list.as_ref()).collect();
    let lists: Lists = read(&data().join("lists.json"));
    assert_eq!(lists.keys().collect::<BTreeSet<_>>(), used);
}
