//! Settings as the host hands them over: JSON text. Only who implements a raw `Guest` has to read them; the traits do it themselves.

use serde::de::DeserializeOwned;

/// The settings as the plugin's own type.
///
/// # Errors
///
/// A sentence naming the field and what was expected. The host has checked the text against the schema before, so this means
/// that schema and type have drifted apart, or that the plugin was called by something other than the host.
pub fn parse<S: DeserializeOwned>(settings: &str) -> Result<S, String> {
    // No settings at all is the same as an empty object.
    let settings = if settings.trim().is_empty() { "{}" } else { settings };
    serde_json::from_str(settings).map_err(|err| format!("the settings cannot be read: {err}"))
}

/// For plugins without settings: accepts `{}` and refuses every field.
///
/// ```
/// use k8supdater_plugin::version_parser::NoSettings;
///
/// assert!(serde_json::from_str::<NoSettings>("{}").is_ok());
/// assert!(serde_json::from_str::<NoSettings>(r#"{"n": 1}"#).is_err());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}
