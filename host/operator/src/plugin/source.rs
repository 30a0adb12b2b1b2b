//! Where a plugin's bytes come from: a key of a ConfigMap.

use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use k8supdater_runtime::pack;
use kube::Api;
use thiserror::Error;

use crate::api::plugin::ConfigMapSource;
use crate::failure::Retry;

/// Keys that are looked for where the Plugin names none.
const USUAL_KEYS: [&str; 2] = ["plugin.wasm", "plugin.wasm.gz"];

/// A plugin's bytes, decompressed.
pub(super) struct Bytes {
    /// ConfigMap and key, for messages.
    pub origin: String,
    /// The component, if all is well.
    pub bytes: Arc<[u8]>,
}

/// Why there are no bytes.
#[derive(Debug, Error)]
pub enum SourceError {
    /// There is no such ConfigMap.
    #[error(
        "ConfigMap {name} does not exist in the operator's namespace; create it with \"k8supdater plugin pack --config-map\""
    )]
    NoConfigMap {
        /// Its name.
        name: String,
    },
    /// The ConfigMap has no such key under `binaryData`.
    #[error("ConfigMap {name} has no key {wanted} under binaryData; {found}")]
    NoKey {
        /// Its name.
        name: String,
        /// The keys that were looked for.
        wanted: String,
        /// The keys that are there.
        found: String,
    },
    /// The bytes are not what the key's ending says.
    #[error("ConfigMap {name} key {key:?} ends in .gz but cannot be decompressed: {message}")]
    NotGzip {
        /// Its name.
        name: String,
        /// The key.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// The API server refused or could not be reached.
    #[error("cannot read ConfigMap {name}")]
    Api {
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
}

impl SourceError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoConfigMap { .. } => "ConfigMapNotFound",
            Self::NoKey { .. } => "ConfigMapKeyNotFound",
            Self::NotGzip { .. } => "NotGzip",
            Self::Api { .. } => "ApiServerRefused",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::NoConfigMap { .. } | Self::NoKey { .. } | Self::NotGzip { .. } => Retry::OnChange,
            Self::Api { .. } => Retry::BackOff,
        }
    }
}

/// Reads and, for keys that end in `.gz`, decompresses.
///
/// # Errors
/// See [`SourceError`].
pub(super) async fn read(api: &Api<ConfigMap>, source: &ConfigMapSource) -> Result<Bytes, SourceError> {
    let name = source.name.clone();
    let config_map = match api.get_opt(&name).await {
        Ok(Some(config_map)) => config_map,
        Ok(None) => return Err(SourceError::NoConfigMap { name }),
        Err(err) => return Err(SourceError::Api { name, source: Box::new(err) }),
    };
    pick(&config_map, &name, source.key.as_deref())
}

fn pick(config_map: &ConfigMap, name: &str, key: Option<&str>) -> Result<Bytes, SourceError> {
    let data = config_map.binary_data.clone().unwrap_or_default();
    let wanted: &[&str] = key.as_ref().map_or(&USUAL_KEYS, std::slice::from_ref);
    let Some((key, bytes)) = wanted.iter().find_map(|key| data.get(*key).map(|bytes| (*key, bytes))) else {
        let text_keys = config_map.data.iter().flatten().map(|(key, _)| format!("{key} (under data, not binaryData)"));
        let keys: Vec<String> = data.keys().cloned().chain(text_keys).collect();
        let found = if keys.is_empty() { "it has none".to_owned() } else { format!("it has: {}", keys.join(", ")) };
        return Err(SourceError::NoKey { name: name.to_owned(), wanted: wanted.join(" or "), found });
    };
    let origin = format!("ConfigMap {name} key {key:?}");
    let bytes = if Path::new(key).extension().is_some_and(|extension| extension == "gz") {
        let decompressed = pack::decompress(&bytes.0);
        decompressed.map_err(|err| SourceError::NotGzip {
            name: name.to_owned(),
            key: key.to_owned(),
            message: err.to_string(),
        })?
    } else {
        bytes.0.clone()
    };
    Ok(Bytes { origin, bytes: bytes.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;

    fn check(binary: &[(&str, &[u8])], text: &[&str], key: Option<&str>, expected: Result<&[u8], &str>) {
        let config_map = ConfigMap {
            binary_data: Some(
                binary.iter().map(|(key, bytes)| ((*key).to_owned(), ByteString(bytes.to_vec()))).collect(),
            ),
            data: Some(text.iter().map(|key| ((*key).to_owned(), String::new())).collect()),
            ..ConfigMap::default()
        };
        let found = pick(&config_map, "plug", key).map(|found| found.bytes.to_vec()).map_err(|err| err.to_string());
        assert_eq!(found, expected.map(<[u8]>::to_vec).map_err(str::to_owned));
    }

    #[test]
    fn the_usual_keys_are_found_and_a_named_one_is_taken_at_its_word() {
        check(&[("plugin.wasm", b"a")], &[], None, Ok(b"a"));
        check(&[("other.wasm", b"b"), ("plugin.wasm", b"a")], &[], Some("other.wasm"), Ok(b"b"));
        check(
            &[("x.wasm", b"b")],
            &[],
            None,
            Err("ConfigMap plug has no key plugin.wasm or plugin.wasm.gz under binaryData; it has: x.wasm"),
        );
        check(
            &[],
            &["plugin.wasm"],
            Some("plugin.wasm"),
            Err(
                "ConfigMap plug has no key plugin.wasm under binaryData; it has: plugin.wasm (under data, not binaryData)",
            ),
        );
        check(
            &[],
            &[],
            None,
            Err("ConfigMap plug has no key plugin.wasm or plugin.wasm.gz under binaryData; it has none"),
        );
    }
}
