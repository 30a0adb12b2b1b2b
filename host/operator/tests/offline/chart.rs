use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use clap::Args;
use k8supdater::api::definitions;
use k8supdater::config::RawConfig;
use serde_json::Value;
use serde_yaml_ng as yaml;

use crate::root;

/// Variables that have no value of their own in the chart; `env` sets them.
const LEFT_TO_ENV: [&str; 2] = ["K8SUPDATER_CACHE_KEY_FILE", "K8SUPDATER_HEALTH_ADDRESS"];

/// The beginning of variables that are the same for all programs, and are set by `env` as everywhere else.
const STANDARD: &str = "OTEL_";

/// Variables in which a secret may stand, and which are plain values all the same: the schema refuses those that have one.
const URLS: [&str; 2] = ["K8SUPDATER_PROXY", "TELEGRAM_API_URL"];

/// What a parent chart says to this one.
const OF_PARENTS: [&str; 2] = ["enabled", "global"];

/// Values that differ in other sets of values, or would make another one differ in nothing.
const ELSEWHERE: [&str; 11] = [
    "config.ca.existingSecret",
    "networkPolicy.enabled",
    // There is no other image.
    "nodeSelector.kubernetes.io/os",
    "plugins.install",
    "podDisruptionBudget.enabled",
    "podMonitor.enabled",
    "podMonitor.interval",
    "podMonitor.labels",
    "rbac.create",
    "serviceAccount.create",
    "watchNamespaces",
];

fn read(path: &str) -> String {
    let path = root().join("deploy/chart").join(path);
    fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

fn read_yaml(path: &str) -> Value {
    yaml::from_str(&read(path)).unwrap_or_else(|err| panic!("{path} is no YAML: {err}"))
}

/// The comment above each key of a YAML text of blocks, by the path of the key.
fn comments(text: &str) -> BTreeMap<String, String> {
    let (mut found, mut path, mut comment) = (BTreeMap::new(), Vec::<&str>::new(), Vec::<&str>::new());
    for line in text.lines() {
        let (depth, line) = (line.len() - line.trim_start().len(), line.trim());
        if let Some(said) = line.strip_prefix('#') {
            comment.push(said.trim());
            continue;
        }
        if let Some((key, _)) = line.split_once(':') {
            path.truncate(depth / 2);
            path.push(key);
            found.insert(path.join("."), comment.join(" "));
        }
        comment.clear();
    }
    found
}

/// What the schema says of each value, by its path. Fails where one may hold anything.
fn descriptions(schema: &Value, path: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let Some(properties) = schema["properties"].as_object() else { return found };
    assert_eq!(schema["additionalProperties"], false, "{path} takes values that are not described");
    for (name, property) in properties {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        found.extend(descriptions(property, &path));
        found.insert(path, property["description"].as_str().unwrap_or_default().to_owned());
    }
    found
}

/// The values that are no further tables, by their paths. Tables that users fill are values.
fn leaves(values: &Value, like: &Value, path: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (name, value) in values.as_object().unwrap() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match &like[name] {
            Value::Object(fields) if !fields.is_empty() && value.is_object() => {
                found.extend(leaves(value, &like[name], &path));
            }
            _ => _ = found.insert(path, value.clone()),
        }
    }
    found
}

/// Every variable that the operator reads, and whether it may hold a secret.
fn variables() -> BTreeMap<String, bool> {
    let command = RawConfig::augment_args(clap::Command::new("k8supdater"));
    let named = command
        .get_arguments()
        .filter_map(|argument| Some((argument.get_env()?.to_str()?.to_owned(), argument.is_hide_env_values_set())));
    named.collect()
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let chart = read_yaml("Chart.yaml");
    for field in ["version", "appVersion"] {
        assert_eq!(chart[field], env!("CARGO_PKG_VERSION"), "{field} in deploy/chart/Chart.yaml");
    }
}

#[test]
fn the_chart_brings_the_kinds_that_the_types_say() {
    let is_same = read("crds/k8supdater.dev.yaml") == definitions().unwrap();
    assert!(is_same, "deploy/chart/crds is out of date: run `cargo xtask manifests`");
}

#[test]
fn every_variable_of_the_operator_can_be_set_by_a_value_and_every_secret_only_by_name() {
    let (template, check) = (read("templates/_env.tpl"), read("templates/_check.tpl"));
    let set: BTreeSet<&str> = template
        .split("\"name\" \"")
        .skip(1)
        .chain(template.split("\n- name: ").skip(1))
        .filter_map(|rest| rest.split(['"', '\n']).next())
        .filter(|name| !name.contains('{'))
        .collect();
    let known = variables();
    for (name, is_secret) in &known {
        let name = name.as_str();
        if name.starts_with(STANDARD) {
            let is_refused = *is_secret && !name.ends_with("_ENDPOINT");
            assert_eq!(check.contains(&format!("\"{name}\"")), is_refused, "{name} as a plain value of `env`");
            continue;
        }
        assert!(set.contains(name) != LEFT_TO_ENV.contains(&name), "{name} has no value, or one that is not needed");
        let is_by_name = template.contains(&format!("\"k8supdater.secretVariable\" (dict \"name\" \"{name}\""));
        assert_eq!(is_by_name, *is_secret && !URLS.contains(&name), "{name}");
        assert_eq!(check.contains(&format!("\"{name}\"")), is_by_name, "{name} as a plain value of `env`");
    }
    let unknown: Vec<&&str> = set.iter().filter(|name| !known.contains_key(**name)).collect();
    assert_eq!(unknown, Vec::<&&str>::new(), "the operator reads no such variables");
}

#[test]
fn every_value_has_a_comment_and_the_schema_repeats_it() {
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let mut described = descriptions(&schema, "");
    for name in OF_PARENTS {
        assert!(described.remove(name).is_some_and(|text| !text.is_empty()), "{name} is not described");
    }
    // What stands in these is Kubernetes' or the user's own.
    let is_ours = |path: &str| {
        let tables = ["dashboards.labels.", "nodeSelector.", "resources.limits.", "resources.requests."];
        !tables.iter().any(|table| path.starts_with(table))
    };
    let commented: BTreeMap<String, String> =
        comments(&read("values.yaml")).into_iter().filter(|(path, _)| is_ours(path)).collect();
    for (path, comment) in &commented {
        assert!(!comment.is_empty(), "{path} has no comment in deploy/chart/values.yaml");
        assert_eq!(described.get(path), Some(comment), "{path} in deploy/chart/values.schema.json");
    }
    let missing: Vec<&String> = described.keys().filter(|path| !commented.contains_key(*path)).collect();
    assert_eq!(missing, Vec::<&String>::new(), "values that are in the schema only");
}

#[test]
fn there_is_a_set_of_values_in_which_every_one_differs() {
    let (usual, other) = (read_yaml("values.yaml"), read_yaml("ci/everything.yaml"));
    let (usual, other) = (leaves(&usual, &usual, ""), leaves(&other, &usual, ""));
    for (path, value) in &usual {
        let differs = other.get(path).is_some_and(|other| other != value);
        assert_eq!(differs, !ELSEWHERE.contains(&path.as_str()), "{path} in deploy/chart/ci/everything.yaml");
    }
}
