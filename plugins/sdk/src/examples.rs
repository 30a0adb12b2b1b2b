//! Runs the examples of a plugin manifest natively, for `cargo test`.
//!
//! The operator runs the same examples on the compiled component before a plugin becomes Ready; running them here finds
//! mistakes without building one. What this does not do: check the settings against their schema or fill in its defaults
//! (the plugin's own serde defaults are used), and every other check of the plugin manifest.
//!
//! ```no_run
//! # struct Oci;
//! # use k8supdater_plugin::{Error, Replies, registry::{Asked, NoSettings, Registry, Step}};
//! # impl Registry for Oci {
//! #     type Settings = NoSettings;
//! #     type State = ();
//! #     fn begin(_: &Asked<'_, NoSettings>) -> Result<Step<()>, Error> { Err(Error::Unsupported) }
//! #     fn proceed(_: &Asked<'_, NoSettings>, (): (), _: Replies) -> Result<Step<()>, Error> { Err(Error::Unsupported) }
//! # }
//! k8supdater_plugin::examples::run_registry::<Oci>(&std::fs::read_to_string("plugin.json")?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asked;
mod conversation;
mod format;

use std::fmt;

use format::{Manifest, NotifierExample, RegistryExample, VersionExample, VersionParserExample};

use crate::notifier::Notifier;
use crate::registry::Registry;
use crate::version_parser::{Guest, Version, compare};

/// An example that did not come out as written, or a plugin manifest that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Name of the example; empty if it is about the plugin manifest as a whole.
    pub example: String,
    /// What was expected and what came instead.
    pub problem: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.example.is_empty() {
            write!(f, "plugin manifest: {}", self.problem)
        } else {
            write!(f, "example {:?}: {}", self.example, self.problem)
        }
    }
}

impl std::error::Error for Failed {}

/// Runs all examples of a version parser.
///
/// # Errors
///
/// The first example that fails.
pub fn run_version_parser<P: Guest>(manifest: &str) -> Result<(), Failed> {
    for example in examples::<VersionParserExample>(manifest, "version-parser")? {
        run_one_version_parser::<P>(&example).map_err(|problem| Failed { example: example.name.clone(), problem })?;
    }
    Ok(())
}

/// Runs all examples of a registry.
///
/// # Errors
///
/// The first example that fails.
pub fn run_registry<P: Registry>(manifest: &str) -> Result<(), Failed> {
    for example in examples::<RegistryExample>(manifest, "registry")? {
        conversation::run_registry::<P>(&example)
            .map_err(|problem| Failed { example: example.name.clone(), problem })?;
    }
    Ok(())
}

/// Runs all examples of a notifier.
///
/// # Errors
///
/// The first example that fails.
pub fn run_notifier<P: Notifier>(manifest: &str) -> Result<(), Failed> {
    for example in examples::<NotifierExample>(manifest, "notifier")? {
        conversation::run_notifier::<P>(&example)
            .map_err(|problem| Failed { example: example.name.clone(), problem })?;
    }
    Ok(())
}

/// The examples of a plugin manifest, which must be of this kind.
fn examples<E: serde::de::DeserializeOwned>(manifest: &str, kind: &str) -> Result<Vec<E>, Failed> {
    let failed = |problem: String| Failed { example: String::new(), problem };
    let manifest: Manifest = serde_json::from_str(manifest).map_err(|err| failed(err.to_string()))?;
    if manifest.kind != kind {
        return Err(failed(format!("kind is {:?}, expected {kind:?}", manifest.kind)));
    }
    manifest
        .examples
        .into_iter()
        .map(|example| {
            serde_json::from_value(example.clone()).map_err(|err| {
                let name = example.get("name").and_then(|name| name.as_str()).unwrap_or_default();
                Failed { example: name.to_owned(), problem: format!("cannot be read: {err}") }
            })
        })
        .collect()
}

fn run_one_version_parser<P: Guest>(example: &VersionParserExample) -> Result<(), String> {
    let parse = |tags: &[String]| P::parse(tags.to_vec(), example.settings.to_string());
    match (parse(&example.tags), &example.error) {
        (Err(err), Some(expected)) if err.contains(expected) => return Ok(()),
        (Err(err), Some(expected)) => return Err(format!("expected an error containing {expected:?}, got {err:?}")),
        (Err(err), None) => return Err(format!("failed with {err:?}")),
        (Ok(_), Some(expected)) => return Err(format!("expected an error containing {expected:?}, got none")),
        (Ok(versions), None) => {
            if versions.len() != example.versions.len() {
                let expected = example.versions.len();
                return Err(format!("{expected} versions are expected for {} tags", versions.len()));
            }
            for ((tag, got), expected) in example.tags.iter().zip(&versions).zip(&example.versions) {
                if !is_as_expected(got.as_ref(), expected.as_ref()) {
                    return Err(format!("tag {tag:?}: expected {expected:?}, got {got:?}"));
                }
            }
        }
    }
    let ascending = parse(&example.ascending)?;
    for (tags, versions) in example.ascending.windows(2).zip(ascending.windows(2)) {
        match versions {
            [Some(a), Some(b)] if compare(a, b).is_lt() => {}
            _ => return Err(format!("{tags:?} are not two versions in ascending order: {versions:?}")),
        }
    }
    Ok(())
}

fn is_as_expected(got: Option<&Version>, expected: Option<&VersionExample>) -> bool {
    match (got, expected) {
        (None, None) => true,
        (Some(got), Some(expected)) => {
            let hex = || {
                got.tail
                    .iter()
                    .flat_map(|byte| [byte >> 4, byte & 15])
                    .filter_map(|digit| char::from_digit(digit.into(), 16))
            };
            got.epoch == expected.epoch
                && got.levels == expected.levels
                && got.prerelease == expected.prerelease
                && got.flavor == expected.flavor
                && expected.tail.as_ref().is_none_or(|tail| tail.chars().eq(hex()))
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

#[cfg(test)]
mod tests;
