use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use k8supdater::telemetry::metrics::{Format, Metrics, words};
use k8supdater_testkit::metrics::{Documented, differences, documented, read};
use serde_json::Value;
use serde_yaml_ng as yaml;

use crate::root;

const PAGE: &str = "docs/metrics.md";
const RULES: &str = "deploy/monitoring/rules.yaml";
/// Where the page is that alerts lead to.
const RUNBOOKS: &str = "https://github.com/k8supdater/k8supdater/blob/main/docs/metrics.md#";

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
}

fn page() -> BTreeMap<String, Documented> {
    documented(&text(PAGE))
}

#[test]
fn the_page_says_what_the_operator_shows_from_its_first_moment_on() {
    let shown = read(&Metrics::default().text(Format::Text).unwrap());
    assert_eq!(differences(&page(), &shown), Vec::<String>::new());
}

/// The text between the braces that follow `start`.
fn body<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    let after = text.match_indices(start).map(|(place, _)| &text[place + start.len()..]);
    let body = after.filter_map(|after| {
        let (mut depth, open) = (0, after.find('{')?);
        let end = after[open..].char_indices().find_map(|(place, char)| {
            depth += i32::from(char == '{') - i32::from(char == '}');
            (depth == 0).then_some(open + place)
        })?;
        Some(&after[open..end])
    });
    body.collect()
}

/// The CamelCase words in quotation marks.
fn quoted(text: &str) -> BTreeSet<&str> {
    let parts = text.split('"').skip(1).step_by(2);
    parts.filter(|word| word.starts_with(char::is_uppercase) && word.chars().all(char::is_alphanumeric)).collect()
}

/// The Rust files below `directory`, up to their tests.
fn sources(directory: &str) -> Vec<(String, String)> {
    let (mut found, mut directories) = (Vec::new(), vec![root().join(directory)]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = fs::read_to_string(&path).unwrap();
                let code = code.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned(), code));
            }
        }
    }
    found
}

#[test]
fn every_reason_that_is_counted_is_one_of_the_words() {
    // What these say is for logs, for commands, or for nobody but whoever starts the operator.
    let uncounted = ["cli/", "lease.rs", "workload/owner.rs", "engine.rs", "pack.rs", "egress/src/client.rs"];
    let code: Vec<(String, String)> =
        ["operator", "runtime", "egress"].iter().flat_map(|room| sources(&format!("host/{room}/src"))).collect();
    let known: BTreeSet<&str> =
        [words::CHECK_FAILURES, words::DELIVERY_FAILURES, words::PLUGIN_REFUSALS, words::BOT_FAILURES]
            .concat()
            .into_iter()
            .collect();
    for (path, code) in code.iter().filter(|(path, _)| !uncounted.iter().any(|part| path.contains(part))) {
        let reasons =
            ["fn reason(", "fn plugin_reason("].into_iter().flat_map(|start| body(code, start)).flat_map(quoted);
        for reason in reasons.filter(|reason| *reason != "MailRefused") {
            assert!(
                known.contains(reason),
                "{reason} of {path} is missing in telemetry/metrics/words.rs and in {PAGE}"
            );
        }
    }
    let everything: BTreeSet<&str> =
        code.iter().filter(|(path, _)| !path.ends_with("words.rs")).flat_map(|(_, code)| code.split('"')).collect();
    for word in known.into_iter().chain(words::EVENTS.iter().copied()).filter(|word| *word != words::OTHER) {
        assert!(everything.contains(word), "nobody says {word} any more");
    }
}

#[test]
fn every_event_and_every_decision_is_one_of_the_words() {
    let (mut events, mut decisions) = (BTreeSet::new(), BTreeSet::new());
    for (_, code) in sources("host/operator/src/reconcile") {
        let after = |start: &str| -> BTreeSet<String> {
            let after = code.match_indices(start).filter_map(|(place, _)| {
                let rest = code[place + start.len()..].trim_start().strip_prefix('"')?;
                rest.split_once('"').map(|(word, _)| word.to_owned())
            });
            after.collect()
        };
        if code.contains("Saying") {
            events.extend([after("(true,"), after("(false,"), after("=> ("), after("reason:")].concat_all());
        }
        let decided = code.split("let decided = ").skip(1).filter_map(|rest| rest.split("};").next()).flat_map(quoted);
        decisions.extend(decided.map(str::to_owned));
        let written = code.match_indices(".clone_into(&mut status.decision)");
        let written = written.filter_map(|(place, _)| code[..place].strip_suffix('"')?.rsplit('"').next());
        decisions.extend(written.map(str::to_owned));
    }
    let unknown = |found: &BTreeSet<String>, words: &[&str]| -> Vec<String> {
        found.iter().filter(|word| !words.contains(&word.as_str())).cloned().collect()
    };
    // Reasons of conditions and of refused tags stand in the same files.
    let others = [
        "RolloutFinished",
        "Applied",
        "RollingOut",
        "Listed",
        "NotAsked",
        "Held",
        "PulledByNextJob",
        "Predecessor",
        "Checked",
    ];
    let events: BTreeSet<String> = events.into_iter().filter(|word| !others.contains(&word.as_str())).collect();
    assert_eq!(unknown(&events, words::EVENTS), Vec::<String>::new());
    assert_eq!(unknown(&decisions, words::DECISIONS), Vec::<String>::new());
    assert!(events.len() > 15 && decisions.len() > 9, "{events:?} {decisions:?}");
}

trait ConcatAll {
    fn concat_all(self) -> BTreeSet<String>;
}

impl<const N: usize> ConcatAll for [BTreeSet<String>; N] {
    fn concat_all(self) -> BTreeSet<String> {
        self.into_iter().flatten().collect()
    }
}

/// Every metric that an expression asks for, with the text of its matchers.
fn selectors(expression: &str) -> Vec<(&str, &str)> {
    let selector = |place: usize| {
        let rest = &expression[place..];
        let end =
            rest.find(|char: char| !char.is_ascii_lowercase() && char != '_' && char != '8').unwrap_or(rest.len());
        let matchers = rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        (&rest[..end], matchers.map_or("", |(matchers, _)| matchers))
    };
    expression.match_indices("k8supdater_").map(|(place, _)| selector(place)).collect()
}

#[track_caller]
fn check(page: &BTreeMap<String, Documented>, place: &str, expression: &str) {
    let found = selectors(expression);
    assert!(!found.is_empty(), "{place} asks for no metric: {expression}");
    for (name, matchers) in found {
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
            let name = name.strip_suffix(suffix)?;
            page.get(name).filter(|metric| metric.kind == "histogram")
        });
        let metric = family.or_else(|| page.get(name).filter(|metric| metric.kind != "histogram"));
        let metric = metric.unwrap_or_else(|| panic!("{place} asks for {name}, which is not documented"));
        for matcher in matchers.split(',').filter(|matcher| !matcher.is_empty()) {
            let (label, value) = matcher.split_once('=').unwrap_or_else(|| panic!("{place}: {matcher}"));
            let words = metric.labels.get(label);
            let words = words.unwrap_or_else(|| panic!("{place} asks {name} for {label}, which it does not have"));
            for word in value.trim_start_matches('~').trim_matches('"').split('|') {
                let is_known = words.as_ref().is_none_or(|words| words.contains(word));
                assert!(is_known, "{place} asks {name} for {label} {word}, which is not documented");
            }
        }
    }
}

fn rules() -> Vec<Value> {
    let rules: Value = yaml::from_str(&text(RULES)).unwrap();
    rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn alerts_dashboard_and_examples_ask_for_what_there_is() {
    let page = page();
    for rule in rules() {
        check(&page, rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
    }
    let dashboard: Value = serde_json::from_str(&text("deploy/monitoring/dashboard.json")).unwrap();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title} has the number of another panel");
        assert!(!panel["description"].as_str().unwrap().is_empty(), "{title} says nothing");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        for target in panel["targets"].as_array().unwrap() {
            check(&page, title, target["expr"].as_str().unwrap());
        }
    }
    for note in dashboard["annotations"]["list"].as_array().unwrap() {
        check(&page, "a note", note["expr"].as_str().unwrap());
    }
    let text = text(PAGE);
    let examples =
        text.split("```promql").skip(1).filter_map(|rest| rest.split("```").next()).flat_map(|text| text.split("\n\n"));
    for example in examples {
        check(&page, "an example", example);
    }
}

#[test]
fn alerts_are_explained_and_have_tests_for_both_ways() {
    let (rules, page) = (rules(), text(PAGE));
    let tests: Value = yaml::from_str(&text("deploy/monitoring/rules.test.yaml")).unwrap();
    let tests: Vec<&Value> = tests["tests"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        .collect();
    assert!((1..=12).contains(&rules.len()), "{} alerts are more than anybody reads", rules.len());
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        let said = ["summary", "description"].map(|word| rule["annotations"][word].as_str().unwrap_or_default());
        assert!(said.iter().all(|text| text.len() > 20), "{name} says too little: {said:?}");
        assert_eq!(rule["annotations"]["runbook_url"], format!("{RUNBOOKS}{}", name.to_lowercase()));
        assert!(page.contains(&format!("\n### {name}\n")), "{PAGE} does not say what to do about {name}");
        let (wait, severity) =
            (rule["for"].as_str().unwrap_or("at once"), rule["labels"]["severity"].as_str().unwrap());
        let row = page.lines().find(|line| line.starts_with(&format!("| [{name}](#{}) | ", name.to_lowercase())));
        assert!(row.is_some_and(|row| row.ends_with(&format!(" | {wait} | {severity} |"))), "{name}: {row:?}");
        let fires: BTreeSet<bool> = tests
            .iter()
            .filter(|test| test["alertname"] == name)
            .map(|test| !test["exp_alerts"].as_array().unwrap().is_empty())
            .collect();
        assert_eq!(fires, BTreeSet::from([false, true]), "{name} has no test that it fires, or none that it is silent");
    }
}

#[test]
fn alerts_for_the_prometheus_operator_are_the_same() {
    let rule: Value = yaml::from_str(&text("deploy/monitoring/prometheus-rule.yaml")).unwrap();
    let rules: Value = yaml::from_str(&text(RULES)).unwrap();
    assert_eq!(rule["spec"], rules);
    // A port by another name is none, and its pods are not found.
    let monitor: Value = yaml::from_str(&text("deploy/monitoring/pod-monitor.yaml")).unwrap();
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["port"], "health");
    for file in ["prometheus-rule.yaml", "pod-monitor.yaml", "dashboard.json"] {
        assert!(root().join("deploy/monitoring").join(file).exists());
        assert!(text("deploy/monitoring/kustomization.yaml").contains(file), "{file}");
    }
}
