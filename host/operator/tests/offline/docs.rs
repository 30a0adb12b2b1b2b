use std::fs;
use std::path::{Path, PathBuf};

use k8supdater::api::VersioningHandler;
use serde::Deserialize;
use serde_json::Value;
use serde_yaml_ng as yaml;

use crate::root;

/// The page whose every line is shown by a test.
const WRONG: &str = "docs/what-can-go-wrong.md";

/// The files of the directory `of` with this extension, relative to the root; those of its own directories, too, if it is searched `deeply`.
fn files(of: &str, extension: &str, deeply: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join(of)).unwrap() {
        let path = Path::new(of).join(entry.unwrap().file_name());
        if deeply && root().join(&path).is_dir() {
            found.extend(files(path.to_str().unwrap(), extension, deeply));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What people read: the README, the pages, and what the examples and the plugins say.
fn pages() -> Vec<PathBuf> {
    let pages = [
        files("", "md", false),
        files("docs", "md", true),
        files("examples", "md", true),
        files("plugins", "md", true),
    ]
    .concat();
    assert!(pages.contains(&PathBuf::from("README.md")) && pages.contains(&PathBuf::from(WRONG)), "{pages:?}");
    pages
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The text of a page without what stands in fences, and the fences: what they hold, and their word, such as `yaml`.
fn split(text: &str) -> (String, Vec<(String, String)>) {
    let (mut prose, mut fences, mut open) = (String::new(), Vec::new(), None::<(String, String)>);
    for line in text.split_inclusive('\n') {
        match (line.trim_start().strip_prefix("```"), open.as_mut()) {
            (Some(word), None) => open = Some((word.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => fences.extend(open.take()),
            (None, Some((_, held))) => held.push_str(line),
            (None, None) => prose.push_str(line),
        }
    }
    assert_eq!(open, None, "a fence is not closed");
    (prose, fences)
}

/// Text and target of every link `[text](target)`.
fn links(prose: &str) -> Vec<(&str, &str)> {
    let ends = prose.match_indices("](").map(|(end, _)| end);
    let link = |end: usize| {
        let start = prose[..end].rfind('[')? + 1;
        let (target, _) = prose[end + 2..].split_once(')')?;
        Some((&prose[start..end], target))
    };
    ends.filter_map(link).collect()
}

/// The file in the checkout that an address in the repository leads to.
fn resolve(target: &str) -> PathBuf {
    let (_, path) = target.split_once("/blob/main/").unwrap_or_else(|| panic!("{target} is no file of the repository"));
    path.into()
}

/// The tests that a line names, as `module::name` with their files.
fn named(line: &str) -> Vec<(&str, PathBuf)> {
    let tests = links(line).into_iter().filter_map(|(text, target)| Some((text.strip_prefix('`')?, target)));
    let tests = tests.filter_map(|(text, target)| Some((text.strip_suffix('`')?, target)));
    tests.filter(|(text, _)| text.contains("::")).map(|(text, target)| (text, resolve(target))).collect()
}

/// Whether the file has a test of that name.
fn has_test(file: &Path, name: &str) -> bool {
    let text = read(file);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let function = line.strip_prefix("async ").unwrap_or(line);
        function.strip_prefix("fn ").and_then(|rest| rest.split_once('(')).is_some_and(|(found, _)| found == name)
    };
    let is_test = |line: &str| line == "#[test]" || line == "#[tokio::test]" || line.starts_with("#[tokio::test(");
    lines.windows(2).any(|pair| is_test(pair[0]) && is_it(pair[1]))
}

#[test]
fn every_line_of_what_can_go_wrong_names_tests_that_there_are() {
    let page = Path::new(WRONG);
    let text = read(page);
    let is_head = |line: &str| line.starts_with("| what goes wrong |") || line.starts_with("|---");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('|') && !is_head(line)).collect();
    assert!(rows.len() > 50, "{} lines", rows.len());
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "not four cells: {row}");
        let tests = named(cells[3]);
        assert!(!tests.is_empty(), "no test is named: {row}");
        for (text, file) in tests {
            let (module, name) = text.split_once("::").unwrap();
            let stem = file.with_extension("");
            assert!(stem.components().any(|part| part.as_os_str() == module), "{text} is not in {}", file.display());
            assert!(has_test(&file, name), "there is no test {name} in {}", file.display());
        }
    }
}

/// What is wrong with a document of a page, if anything.
///
/// With `kind` it is an object, which counts if it is a VersioningHandler. Without, it is a part of a VersioningHandler if it has a `spec`, to
/// which a workload and a registry plugin are added where it does not name them.
fn check(mut document: Value) -> Result<(), String> {
    let kind = document.get("kind").and_then(Value::as_str);
    if kind.is_some_and(|kind| kind != "VersioningHandler") {
        return Ok(());
    }
    if kind.is_none() {
        let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut) else { return Ok(()) };
        // A part of a Plugin. The API server looks at it in `cargo xtask test`, and at all others.
        if spec.contains_key("grants") {
            return Ok(());
        }
        if !["deployment", "workload", "selector"].iter().any(|workload| spec.contains_key(*workload)) {
            spec.insert("deployment".to_owned(), "web".into());
        }
        spec.entry("containerregistry").or_insert("oci".into());
        document["apiVersion"] = "k8supdater.dev/v1".into();
        document["kind"] = "VersioningHandler".into();
        document["metadata"] = serde_json::json!({"name": "web"});
    }
    serde_json::from_value::<VersioningHandler>(document).map(drop).map_err(|err| err.to_string())
}

/// Checks every document of a YAML text; gives how many there are that say `spec`.
fn check_all(text: &str, place: &Path) -> usize {
    let documents = yaml::Deserializer::from_str(text).map(|document| {
        Value::deserialize(document).unwrap_or_else(|err| panic!("{} is no YAML: {err}\n{text}", place.display()))
    });
    let documents: Vec<Value> = documents.collect();
    let count = documents.iter().filter(|document| document.get("spec").is_some()).count();
    for document in documents {
        check(document).unwrap_or_else(|err| panic!("{}: {err}\n{text}", place.display()));
    }
    count
}

#[test]
fn handlers_on_pages_and_in_examples_are_what_the_operator_reads() {
    let mut count = 0;
    for page in pages() {
        let (_, fences) = split(&read(&page));
        count +=
            fences.iter().filter(|(word, _)| word == "yaml").map(|(_, text)| check_all(text, &page)).sum::<usize>();
    }
    assert!(count >= 8, "{count} on pages");
    let examples = files("examples", "yaml", true);
    let count: usize = examples.iter().map(|example| check_all(&read(example), example)).sum();
    assert!(count >= 20, "{count} in examples");
    for wrong in ["{windows: [{start: '@daily'}]}", "{rollouts: {}}", "{after: [{handler: web, soaks: 1h}]}"] {
        let document = yaml::from_str(&format!("spec: {wrong}")).unwrap();
        assert!(check(document).is_err(), "{wrong} is no spec");
    }
}
