//! An origin that a plugin wants to talk to, known when it is written or only when it is used.

use std::fmt;

use k8supdater_core::origin::{Grant, Origin};
use serde_json::Value;

/// Whom a plugin wants to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// An origin, or `$registry` for the registry of the image in question.
    Grant(Grant),
    /// The origin of the URL that this setting has when the plugin is used: `{"setting": "baseUrl"}` asks for
    /// `https://gitlab.example.com` where `baseUrl` is `https://gitlab.example.com/git`.
    ///
    /// Whoever may set it decides whom the plugin *asks* to call. Whom it may call is still for the administrator to say, origin by
    /// origin.
    OriginOfSetting(String),
}

impl Wanted {
    /// What `text` in `origin` of the plugin manifest means.
    pub(super) fn origin(text: &str) -> Result<Self, String> {
        text.parse().map(Self::Grant).map_err(|err: k8supdater_core::origin::ParseError| err.to_string())
    }

    /// What `name` in `setting` of the plugin manifest means, which has to be a property of type string in the schema of its settings.
    pub(super) fn setting(name: String, schema: &Value) -> Result<Self, String> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let is_string = |property: &Value| property.get("type").and_then(Value::as_str) == Some("string");
        let mut texts = properties.into_iter().flatten().filter(|(_, property)| is_string(property));
        if texts.clone().any(|(text, _)| *text == name) {
            return Ok(Self::OriginOfSetting(name));
        }
        let known = match texts.next() {
            None => "none".to_owned(),
            Some((first, _)) => texts.fold(first.clone(), |all, (text, _)| format!("{all}, {text}")),
        };
        Err(format!("{name:?} is no property of type \"string\" of the settings; such properties are: {known}"))
    }

    /// What it comes to with `settings`, in which defaults are filled in. None where the setting is missing or its value is no URL: then
    /// there is nothing to call.
    pub fn with_settings(&self, settings: &Value) -> Option<Grant> {
        match self {
            Self::Grant(grant) => Some(grant.clone()),
            Self::OriginOfSetting(name) => {
                settings.get(name).and_then(Value::as_str).and_then(Origin::of_text).map(Grant::Origin)
            }
        }
    }

    /// What it is and what it comes to with `settings`, for people: `origin of the setting baseUrl, https://gitlab.com now`.
    pub fn describe(&self, settings: &Value) -> String {
        match (self, self.with_settings(settings)) {
            (Self::Grant(grant), _) => grant.to_string(),
            (Self::OriginOfSetting(_), Some(now)) => format!("{self}, {now} now"),
            (Self::OriginOfSetting(_), None) => format!("{self}, which names none now"),
        }
    }
}

/// What it is, whatever the settings.
impl fmt::Display for Wanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant(grant) => grant.fmt(out),
            Self::OriginOfSetting(name) => write!(out, "origin of the setting {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_origin_is_that_of_the_settings_value() {
        let wanted = Wanted::OriginOfSetting("baseUrl".to_owned());
        let check = |settings: Value, expected: Option<&str>, described: &str| {
            let grant = wanted.with_settings(&settings);
            assert_eq!(grant, expected.map(|origin| origin.parse().unwrap()), "{settings}");
            assert_eq!(wanted.describe(&settings), format!("origin of the setting baseUrl, {described}"));
        };
        check(json!({"baseUrl": "https://gitlab.com"}), Some("https://gitlab.com"), "https://gitlab.com now");
        check(json!({"baseUrl": "http://tools:8080/git/"}), Some("http://tools:8080"), "http://tools:8080 now");
        // What looks like one of the words of a grant is a URL here, and none.
        check(json!({"baseUrl": "$registry"}), None, "which names none now");
        check(json!({"baseUrl": ""}), None, "which names none now");
        check(json!({"baseUrl": 5}), None, "which names none now");
        check(json!({"other": "https://gitlab.com"}), None, "which names none now");
        let fixed = Wanted::origin("https://api.example.com").unwrap();
        assert_eq!(fixed.describe(&json!({})), "https://api.example.com");
        assert_eq!(fixed.with_settings(&json!({})), Some("https://api.example.com".parse().unwrap()));
    }
}
