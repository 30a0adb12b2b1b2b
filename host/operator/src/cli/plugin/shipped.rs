//! The shipped plugins as objects, read from a directory: `deploy/plugins`, and what the operator's image carries of it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::api::Plugin;

/// By this label it is known which objects are ours. All that is shipped has it.
pub const LABEL: (&str, &str) = ("app.kubernetes.io/name", "k8supdater");

/// How the key of a shipped component begins. Its ending is that of the file.
const KEY: &str = "plugin";

/// What is installed.
#[derive(Clone, Debug)]
pub struct Shipped {
    /// The components, in the order of their names.
    pub config_maps: Vec<ConfigMap>,
    /// The Plugins, as they are written, in the order of their names. They refer to the ConfigMaps.
    pub plugins: Vec<Value>,
}

/// Why there is nothing to install.
#[derive(Debug, Error)]
pub enum ShippedError {
    /// No directory has any.
    #[error(
        "found no YAML file with a Plugin in {places}; name their directory with --from or K8SUPDATER_PLUGINS: the operator's image has one, and deploy/plugins in the sources is one once \"cargo xtask plugins\" has run"
    )]
    Nowhere {
        /// The directories that were looked at.
        places: String,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is no YAML.
    #[error("{path} is no YAML")]
    Yaml {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: serde_yaml_ng::Error,
    },
    /// A Plugin has no name.
    #[error("a Plugin in {path} has no metadata.name")]
    Nameless {
        /// The file.
        path: String,
    },
    /// A Plugin does not say which file has its component.
    #[error(
        "the Plugin {plugin} in {path} needs a spec.source.configMap with a name and the key plugin.wasm or plugin.wasm.gz"
    )]
    NoSource {
        /// Its name.
        plugin: String,
        /// The file.
        path: String,
    },
    /// There is no shipped plugin of that name.
    #[error("there is no Plugin {name:?} in {directory}, expected one of: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Where.
        directory: String,
        /// The names that there are.
        known: String,
    },
}

impl Shipped {
    /// Reads the first of `places` that has a Plugin; of the Plugins there those with `names`, or all if there are none.
    ///
    /// # Errors
    /// See [`ShippedError`].
    pub fn read(places: &[PathBuf], names: &[String], namespace: &str) -> Result<Self, ShippedError> {
        for directory in places {
            let found = plugins(directory)?;
            if !found.is_empty() {
                return Self::of(directory, found, names, namespace);
            }
        }
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        Err(ShippedError::Nowhere { places: places.join(" or ") })
    }

    fn of(
        directory: &Path,
        found: BTreeMap<String, (PathBuf, Value)>,
        names: &[String],
        namespace: &str,
    ) -> Result<Self, ShippedError> {
        if let Some(name) = names.iter().find(|name| !found.contains_key(*name)) {
            let known: Vec<&str> = found.keys().map(String::as_str).collect();
            let directory = directory.display().to_string();
            return Err(ShippedError::Unknown { name: name.clone(), directory, known: known.join(", ") });
        }
        let (mut components, mut plugins) = (BTreeMap::new(), Vec::new());
        for (name, (path, mut plugin)) in found {
            if !names.is_empty() && !names.contains(&name) {
                continue;
            }
            let Some((component, key)) = source(&plugin) else {
                return Err(ShippedError::NoSource { plugin: name, path: path.display().to_string() });
            };
            let file = directory.join(format!("{component}{}", key.strip_prefix(KEY).unwrap_or_default()));
            if let Entry::Vacant(place) = components.entry(component) {
                let object = config_map(place.key(), &key, read(&file)?, namespace);
                place.insert(object);
            }
            plugin["metadata"]["namespace"] = namespace.into();
            plugins.push(plugin);
        }
        Ok(Self { config_maps: components.into_values().collect(), plugins })
    }
}

/// The Plugins in the YAML files of `directory` by name, with their files; none if there is no such directory.
fn plugins(directory: &Path) -> Result<BTreeMap<String, (PathBuf, Value)>, ShippedError> {
    let mut found = BTreeMap::new();
    let Ok(entries) = fs::read_dir(directory) else { return Ok(found) };
    let paths = entries.flatten().map(|entry| entry.path());
    for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")) {
        let text = String::from_utf8_lossy(&read(&path)?).into_owned();
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            let document = Value::deserialize(document)
                .map_err(|source| ShippedError::Yaml { path: path.display().to_string(), source })?;
            // Beside them there may be a kustomization.
            if document["kind"] != Plugin::kind(&()).as_ref() {
                continue;
            }
            let name = document["metadata"]["name"].as_str().map(str::to_owned);
            let name = name.ok_or_else(|| ShippedError::Nameless { path: path.display().to_string() })?;
            found.insert(name, (path.clone(), document));
        }
    }
    Ok(found)
}

/// ConfigMap and key of a Plugin.
fn source(plugin: &Value) -> Option<(String, String)> {
    let source = &plugin["spec"]["source"]["configMap"];
    let (name, key) = (source["name"].as_str()?, source["key"].as_str()?);
    // The name becomes that of a file.
    let is_file = !name.contains(['/', '\\']) && matches!(key, "plugin.wasm" | "plugin.wasm.gz");
    is_file.then(|| (name.to_owned(), key.to_owned()))
}

fn config_map(name: &str, key: &str, bytes: Vec<u8>, namespace: &str) -> ConfigMap {
    let (label, value) = LABEL;
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some([(label.to_owned(), value.to_owned())].into()),
            ..ObjectMeta::default()
        },
        binary_data: Some([(key.to_owned(), ByteString(bytes))].into()),
        ..ConfigMap::default()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ShippedError> {
    fs::read(path).map_err(|source| ShippedError::Read { path: path.display().to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUGIN: &str = "apiVersion: k8supdater.dev/v1\nkind: Plugin\nmetadata: {name: NAME}\n\
                          spec: {source: {configMap: {name: CONFIG_MAP, key: KEY}}}\n";

    fn plugin(name: &str, config_map: &str, key: &str) -> String {
        PLUGIN.replace("CONFIG_MAP", config_map).replace("NAME", name).replace("KEY", key)
    }

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    fn read(directory: &tempfile::TempDir, names: &[&str]) -> Result<Shipped, String> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let places = ["no-such-directory".into(), directory.path().to_owned()];
        Shipped::read(&places, &names, "ns").map_err(|err| err.to_string())
    }

    #[test]
    fn plugins_are_read_with_the_files_of_the_config_maps_that_they_name() {
        let directory = directory(&[
            ("b.yaml", &plugin("b", "registry-b", "plugin.wasm.gz")),
            ("a.yaml", &format!("{}---\n{}", plugin("a", "x", "plugin.wasm"), plugin("a2", "x", "plugin.wasm"))),
            ("registry-b.wasm.gz", "bytes of b"),
            ("x.wasm", "bytes of x"),
            ("kustomization.yaml", "kind: Kustomization\n"),
            ("other.wasm.gz", ""),
        ]);
        let shipped = read(&directory, &[]).unwrap();
        let names = |objects: &[Value]| -> Vec<String> {
            objects.iter().map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&shipped.plugins), ["a", "a2", "b"]);
        assert!(shipped.plugins.iter().all(|plugin| plugin["metadata"]["namespace"] == "ns"));
        let components = serde_json::to_value(&shipped.config_maps).unwrap();
        assert_eq!(names(components.as_array().unwrap()), ["registry-b", "x"]);
        assert_eq!(components[1]["binaryData"]["plugin.wasm"], "Ynl0ZXMgb2YgeA==");
        assert_eq!(components[1]["metadata"]["labels"][LABEL.0], LABEL.1);
        let some = read(&directory, &["b"]).unwrap();
        assert_eq!((some.config_maps.len(), names(&some.plugins)), (1, vec!["b".to_owned()]));
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = |files: &[(&str, &str)], names: &[&str], expected: &str| {
            let found = read(&directory(files), names).unwrap_err();
            assert!(found.contains(expected), "{found}");
        };
        check(
            &[("kustomization.yaml", "kind: Kustomization\n")],
            &[],
            "found no YAML file with a Plugin in no-such-directory or ",
        );
        check(&[("a.yaml", &plugin("a", "x", "plugin.wasm"))], &[], "x.wasm");
        check(&[("a.yaml", &plugin("a", "../x", "plugin.wasm"))], &[], "needs a spec.source.configMap");
        check(&[("a.yaml", &plugin("a", "x", "other.wasm"))], &[], "needs a spec.source.configMap");
        check(&[("a.yaml", "kind: Plugin\n")], &[], "has no metadata.name");
        check(&[("a.yaml", "kind: {\n")], &[], "a.yaml is no YAML");
        let known = [("a.yaml", plugin("a", "x", "plugin.wasm")), ("x.wasm", String::new())];
        let known = known.each_ref().map(|(name, text)| (*name, text.as_str()));
        check(&known, &["b"], "there is no Plugin \"b\" in ");
        check(&known, &["b"], "expected one of: a");
    }
}
