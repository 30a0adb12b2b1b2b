//! The settings; `plugin.json` holds their schema.

use std::collections::BTreeMap;

use k8supdater_plugin::Error;
use serde::Deserialize;

/// Headers that the host sets, or that another setting is for.
const TAKEN: [&str; 12] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "proxy-authorization",
    "te",
    "transfer-encoding",
    "upgrade",
    "x-k8supdater-signature",
];

/// What can be set. The defaults are those of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Where notices are posted to. `{slot:secret}` in its path or query stands for the secret part of it.
    pub url: String,
    /// The form of the body.
    #[serde(default)]
    pub format: Format,
    /// The body, with `{{field}}` in place of what a notice says. Only for the format `template`.
    pub template: Option<String>,
    /// Of the body of a template.
    #[serde(default = "json")]
    pub content_type: String,
    /// The topic of ntfy. Only for the format `ntfy`.
    pub topic: Option<String>,
    /// Further headers, by their names.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// How requests prove where they come from, if a secret is bound to the slot of this name.
    #[serde(default)]
    pub credential: Credential,
}

/// The form of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Our own document.
    #[default]
    Json,
    /// An incoming webhook of Slack.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A workflow of Microsoft Teams.
    Teams,
    /// A topic of ntfy.
    Ntfy,
    /// What the setting `template` says.
    Template,
}

/// A slot of the plugin manifest that goes beside the URL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Credential {
    /// A header with the HMAC of the body.
    #[default]
    Signature,
    /// A bearer token.
    Token,
    /// User name and password.
    Login,
}

fn json() -> String {
    "application/json".to_owned()
}

impl Credential {
    pub(crate) fn slot(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Token => "token",
            Self::Login => "login",
        }
    }
}

impl Settings {
    /// The further headers.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSettings`] for one that no request can have, or that is not to be set here; the first of them.
    pub(crate) fn headers(&self) -> Result<impl Iterator<Item = (&str, &str)>, Error> {
        for (name, value) in &self.headers {
            let refused = |why: &str| Err(Error::InvalidSettings(format!("headers: {name:?} {why}")));
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) {
                return refused("is no name of a header");
            }
            if value.chars().any(char::is_control) {
                return refused("has a value with a line end or another control character");
            }
            match name.to_ascii_lowercase().as_str() {
                "content-type" => return refused("is what the setting contentType is for"),
                "authorization" | "cookie" | "proxy-authorization" => {
                    return refused(
                        "is for secrets; bind a Secret to one of the slots token and login, and set credential to its name",
                    );
                }
                taken if TAKEN.contains(&taken) => return refused("is set by the operator"),
                _ => {}
            }
        }
        Ok(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}
