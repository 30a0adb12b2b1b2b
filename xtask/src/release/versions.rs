//! Every place that has the version written down.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::IMAGE;
use crate::workspace;

/// What people read or apply, and what may name the operator's image.
const NAMING_THE_IMAGE: [&str; 4] = ["README.md", "deploy", "docs", "examples"];

/// The places that do not have `version`, or that name another image than that of releases.
///
/// # Errors
/// When a file cannot be read.
pub fn problems(version: &str) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut expect = |path: &Path, what: &str, found: Option<&str>| {
        if found != Some(version) {
            let found = found.map_or("no version".to_owned(), |found| format!("{found:?}"));
            problems.push(format!("{}: {what} is {found}", workspace::shown(path)));
        }
    };
    let path = workspace::plugins().join("Cargo.toml");
    expect(&path, "the version of the plugins", toml_value(&read(&path)?, "[workspace.package]", "version"));
    for path in files(&workspace::plugins())?.into_iter().filter(|path| path.ends_with("plugin.json")) {
        let manifest: Value =
            serde_json::from_str(&read(&path)?).with_context(|| format!("{} is no JSON", path.display()))?;
        expect(&path, "the plugin's version", manifest["version"].as_str());
    }
    let path = workspace::root().join("deploy/chart/Chart.yaml");
    let text = read(&path)?;
    for key in ["version", "appVersion"] {
        expect(&path, key, yaml_value(&text, key));
    }
    for name in NAMING_THE_IMAGE {
        for path in files(&workspace::root().join(name))? {
            // Compressed plugins are in there, too.
            let Ok(text) =
                String::from_utf8(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?)
            else {
                continue;
            };
            let shown = workspace::shown(&path);
            problems.extend(
                wrong_images(&text, version).map(|image| format!("{shown}: {image:?} is not {IMAGE}:{version}")),
            );
        }
    }
    Ok(problems)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The file `path`, or all files below it, in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let mut paths: Vec<_> =
        entries.with_context(|| format!("cannot read {}", path.display()))?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    paths.retain(|path| path.file_name() != Some("target".as_ref()));
    Ok(paths.iter().map(|path| files(path)).collect::<Result<Vec<_>>>()?.concat())
}

/// The text of `key = "…"` below the heading `table`.
fn toml_value<'a>(text: &'a str, table: &str, key: &str) -> Option<&'a str> {
    let below = text.lines().skip_while(|line| line.trim() != table).skip(1).take_while(|line| !line.starts_with('['));
    let mut values = below.filter_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
    values.next()?.trim().strip_prefix('"')?.split('"').next()
}

/// The value of a key that stands at the beginning of a line.
fn yaml_value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    Some(values.next()?.trim().trim_matches('"'))
}

/// The operator's images in a text that are not `version` of [`IMAGE`]. One with another tag than a version is what somebody builds himself,
/// and the page of the repository is no image.
fn wrong_images<'a>(text: &'a str, version: &str) -> impl Iterator<Item = &'a str> {
    let name = IMAGE.split_once('/').map_or(IMAGE, |(_, name)| name);
    let right = format!("{IMAGE}:{version}");
    text.match_indices(name).filter_map(move |(start, _)| {
        let is_part = |character: char| character.is_ascii_alphanumeric() || "./:_-@".contains(character);
        let begin = text[..start].rfind(|character| !is_part(character)).map_or(0, |before| before + 1);
        let end = text[start..].find(|character| !is_part(character)).map_or(text.len(), |length| start + length);
        let image = text.get(begin..end)?.trim_end_matches(['.', ':']);
        let tag = image.get(start - begin + name.len()..)?.strip_prefix(':')?.split('@').next()?;
        let is_version = tag.starts_with(|character: char| character.is_ascii_digit());
        (is_version && image.split('@').next() != Some(&right)).then_some(image)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_of_one_version() {
        assert_eq!(problems(super::super::VERSION).unwrap(), Vec::<String>::new());
        let problems = problems("999.0.0").unwrap();
        for place in ["plugins/Cargo.toml: ", "plugins/registry-oci/plugin.json: ", "deploy/operator/deployment.yaml: "]
        {
            assert!(problems.iter().any(|problem| problem.starts_with(place)), "{place} is not in {problems:?}");
        }
    }

    #[test]
    fn values_are_read_where_they_belong() {
        let toml = "[package]\nversion = \"1\"\n[workspace.package]\nedition = \"2024\"\nversion = \"2\" # why\n[x]\nversion = \"3\"\n";
        assert_eq!(toml_value(toml, "[workspace.package]", "version"), Some("2"));
        assert_eq!(toml_value(toml, "[workspace.package]", "license"), None);
        let yaml = "apiVersion: v2\nversion: 0.1.0\nappVersion: \"0.2.0\"\ndependencies:\n  - version: 3\n";
        assert_eq!([yaml_value(yaml, "version"), yaml_value(yaml, "appVersion")], [Some("0.1.0"), Some("0.2.0")]);
        assert_eq!(yaml_value(yaml, "kubeVersion"), None);
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(wrong_images(text, "0.1.0").collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn an_image_of_another_place_or_version_is_found() {
        check("image: ghcr.io/k8supdater/k8supdater:0.1.0\n", &[]);
        check("`ghcr.io/k8supdater/k8supdater:0.1.0@sha256:00`, or ghcr.io/k8supdater/k8supdater:0.1.0.", &[]);
        check("image: k8supdater/k8supdater:0.1.0\n", &["k8supdater/k8supdater:0.1.0"]);
        check("ghcr.io/k8supdater/k8supdater:0.1.0-rc.1", &["ghcr.io/k8supdater/k8supdater:0.1.0-rc.1"]);
        check("(ghcr.io/k8supdater/k8supdater:0.0.9@sha256:00)", &["ghcr.io/k8supdater/k8supdater:0.0.9@sha256:00"]);
        check("https://github.com/k8supdater/k8supdater: the project. ghcr.io/k8supdater/k8supdater:mine", &[]);
    }
}
