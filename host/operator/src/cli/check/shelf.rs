//! Plugins from a directory, loaded when they are first needed.
//!
//! Whoever runs the command is the administrator here: what a plugin asks for in its manifest is granted, and what is granted beside that
//! is said on the command line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use k8supdater_core::origin::{Grant, Grants};
use k8supdater_runtime::inspect::inspect;
use k8supdater_runtime::manifest::Kind;
use k8supdater_runtime::{Component, Engine, Limits, LoadError, pack};
use serde_json::Value;
use thiserror::Error;

/// A directory with packed plugins.
pub(super) struct Shelf {
    engine: Engine,
    directory: PathBuf,
    /// Paths of components, by the beginning of their file names.
    files: BTreeMap<String, PathBuf>,
}

/// Why there is no plugin.
#[derive(Debug, Error)]
pub enum ShelfError {
    /// There is no directory with plugins.
    #[error(
        "found no plugins (*.wasm or *.wasm.gz) in {places}; name their directory with --plugins or K8SUPDATER_PLUGINS, or build them with \"cargo xtask plugins\""
    )]
    Nowhere {
        /// The directories that were looked at.
        places: String,
    },
    /// There is no plugin of that name and kind.
    #[error("there is no {kind} plugin {name:?} in {directory}, expected one of: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What it should do.
        kind: Kind,
        /// The directory.
        directory: String,
        /// The names that there are.
        known: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A plugin cannot be loaded.
    #[error("cannot load the plugin {path}")]
    Load {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: LoadError,
    },
}

impl Shelf {
    /// The first of `places` that has plugins.
    ///
    /// # Errors
    /// [`ShelfError::Nowhere`].
    pub(super) fn open(engine: Engine, places: &[PathBuf]) -> Result<Self, ShelfError> {
        for directory in places {
            let files = components(directory);
            if !files.is_empty() {
                return Ok(Self { engine, directory: directory.clone(), files });
            }
        }
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        Err(ShelfError::Nowhere { places: places.join(" or ") })
    }

    /// The plugin that its manifest, or that without the prefix of its kind, calls `name`: `registry-oci` or `oci`.
    ///
    /// # Errors
    /// See [`ShelfError`]. Files that are no plugins are passed over, unless they are called like this one.
    pub(super) async fn load(&self, name: &str, kind: Kind) -> Result<Component, ShelfError> {
        let prefix = prefix(kind);
        let mut known = Vec::new();
        // Packed files are usually called like their plugins, and looking into all of them takes its time.
        let usual = [name.to_owned(), format!("{prefix}{name}")];
        for path in usual.iter().filter_map(|stem| self.files.get(stem)) {
            let failed = |source| ShelfError::Load { path: path.display().to_string(), source };
            let component = self.engine.load(read(path)?.into(), Limits::default()).await.map_err(failed)?;
            if component.kind() == kind && is_called(&component.manifest().name, prefix, name) {
                return Ok(component);
            }
        }
        for path in self.files.values() {
            let Ok(bytes) = read(path) else { continue };
            let Ok(inspection) = inspect(&bytes) else { continue };
            if inspection.kind != kind {
                continue;
            }
            let own = inspection.manifest.name;
            if is_called(&own, prefix, name) {
                let failed = |source| ShelfError::Load { path: path.display().to_string(), source };
                return self.engine.load(bytes.into(), Limits::default()).await.map_err(failed);
            }
            known.push(bare(&own, kind).to_owned());
        }
        known.sort();
        known.dedup();
        Err(ShelfError::Unknown {
            name: name.to_owned(),
            kind,
            directory: self.directory.display().to_string(),
            known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
        })
    }
}

/// All that is granted to `component` with these `settings`: what it asks for, and what is `granted` beside that.
pub(super) fn granted(component: &Component, settings: &Value, granted: &[Grant]) -> Grants {
    Grants::new(asked(component, settings).chain(granted.iter().cloned()).collect())
}

/// What `component` may call with these `settings`: all that it asks for, and of `also` what can be a part of that.
pub(super) fn grants(component: &Component, settings: &Value, also: &[Grant]) -> Grants {
    Grants::intersect(&Grants::new(asked(component, settings).collect()), &granted(component, settings, also))
}

fn asked(component: &Component, settings: &Value) -> impl Iterator<Item = Grant> {
    component.manifest().origins.iter().filter_map(|asked| asked.origin.with_settings(settings))
}

/// The name of a plugin without the prefix of its kind, which is what it is called in a cluster.
pub(super) fn bare(name: &str, kind: Kind) -> &str {
    name.strip_prefix(prefix(kind)).unwrap_or(name)
}

fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Notifier => "notify-",
        Kind::Registry => "registry-",
        Kind::VersionParser => "version-",
    }
}

fn is_called(own: &str, prefix: &str, name: &str) -> bool {
    own == name || own.strip_prefix(prefix) == Some(name)
}

fn components(directory: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    // So that of two files of one name it is always the same that counts.
    paths.sort();
    paths.reverse();
    paths.into_iter().filter_map(|path| Some((stem(&path)?, path))).collect()
}

/// The name of a component's file without its endings; none for other files.
fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".wasm").or_else(|| name.strip_suffix(".wasm.gz")).map(str::to_owned)
}

fn read(path: &Path) -> Result<Vec<u8>, ShelfError> {
    let bytes = fs::read(path).map_err(|source| ShelfError::Read { path: path.display().to_string(), source })?;
    if path.extension().is_some_and(|ending| ending == "gz") {
        return pack::decompress(&bytes)
            .map_err(|source| ShelfError::Load { path: path.display().to_string(), source });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_told_by_their_endings_and_each_counts_once() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["registry-oci.wasm", "registry-oci.wasm.gz", "version-a.b.wasm.gz", "oci.yaml", "notes.gz"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let found: Vec<(String, bool)> = components(directory.path())
            .into_iter()
            .map(|(stem, path)| (stem, path.extension().is_some_and(|ending| ending == "wasm")))
            .collect();
        assert_eq!(found, [("registry-oci".to_owned(), true), ("version-a.b".to_owned(), false)]);
    }

    #[test]
    fn where_nothing_is_the_places_are_named() {
        let directory = tempfile::tempdir().unwrap();
        let engine = Engine::new(k8supdater_runtime::EngineOptions::default()).unwrap();
        let places = [directory.path().join("a"), directory.path().to_owned()];
        let Err(err) = Shelf::open(engine, &places) else { panic!("an empty directory has plugins") };
        let expected = format!("in {} or {}; name their directory", places[0].display(), places[1].display());
        assert!(err.to_string().contains(&expected), "{err}");
    }
}
