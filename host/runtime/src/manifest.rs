//! The plugin manifest: what a plugin says about itself.
//!
//! JSON in the custom section `k8supdater:manifest`, so that it travels with the code under one digest and can be read without running
//! anything. Everything in it is a claim: [loading](crate::load) compares the kind with what the component exports and runs the
//! [examples](Examples); what it asks for has no effect until an administrator grants it.
//!
//! ```json
//! {
//!   "name": "registry-oci",
//!   "version": "0.1.0",
//!   "kind": "registry",
//!   "description": "Lists the tags of registries that speak the OCI distribution protocol.",
//!   "license": "Apache-2.0",
//!   "settings": {"type": "object", "properties": {"pageSize": {"type": "integer", "default": 1000}}, "additionalProperties": false},
//!   "origins": [{"origin": "$registry", "reason": "to list the tags of the image's own registry"}],
//!   "slots": [{"name": "registry", "scheme": "oci-token", "description": "user name and password, or an access token as the password"}],
//!   "examples": []
//! }
//! ```
//!
//! A slot's `scheme` is one of [`SlotScheme`]'s: `"basic"`, `"bearer"`, `"oci-token"`, `"url"`, `{"header": "PRIVATE-TOKEN"}`,
//! `{"hmac-sha256": "X-Signature"}`, or, where an API gives a short-lived token for user name and password,
//! `{"login": {"path": "/v2/auth/token", "username": "identifier", "password": "secret", "token": "access_token"}}`.
//!
//! A notifier whose messages people can answer says so by `"answers": "telegram"`: see [`Answers`].
//!
//! `settings`, `origins`, `slots`, `answers` and `examples` may be left out; a plugin without `settings` takes none. An entry of `origins` has either
//! `origin` or, where a setting says whom to talk to, `setting`: see [`Wanted`].

mod asked;
mod example;
mod login;
mod wanted;

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

pub(crate) use asked::describe;
pub use example::Examples;
pub(crate) use example::{Exchange, NotifierExample, RegistryExample, VersionExample, VersionParserExample};
pub use login::LoginForm;
pub use wanted::Wanted;

/// Largest plugin manifest, in bytes. Most of it are examples.
pub const LARGEST: usize = 256 * 1024;
/// Most entries of `origins` and `slots`.
const MOST_ASKED: usize = 32;
/// Longest name of a plugin or slot: it becomes part of names of Kubernetes objects, which have at most 63 characters.
const LONGEST_NAME: usize = 50;
/// Longest other text, in characters.
const LONGEST_TEXT: usize = 1024;

/// What a plugin says about itself.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Lower-case letters, digits and hyphens, at most 50.
    pub name: String,
    /// The plugin's own version, for people; the digest is what counts.
    pub version: String,
    /// What it does.
    pub kind: Kind,
    /// A sentence for people.
    pub description: String,
    /// SPDX expression, not checked (<https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/>).
    pub license: String,
    /// JSON Schema of the settings; an object.
    pub settings: Value,
    /// Whom it wants to talk to.
    pub origins: Vec<Asked>,
    /// The credentials that it can make use of.
    pub slots: Vec<Slot>,
    /// How people's answers to its notices come back; none if they do not.
    pub answers: Option<Answers>,
    /// What it answers to what, run before it serves.
    pub examples: Examples,
}

/// How people's answers to a notifier's notices come back: through a conversation that the host has, not the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// As presses of inline buttons, for which the host asks the Bot API (<https://core.telegram.org/bots/api#getupdates>). The plugin has a
    /// slot `bot` of scheme `url` with the bot's token, and the settings `apiUrl`, `chatId` and `approvers`.
    Telegram,
}

impl Answers {
    /// The slot whose secret the host needs for the conversation.
    pub const TELEGRAM_SLOT: &str = "bot";
    /// The settings that the host reads for it.
    const TELEGRAM_SETTINGS: [&str; 3] = ["apiUrl", "chatId", "approvers"];
}

/// What a plugin can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Delivers notices.
    Notifier,
    /// Lists tags.
    Registry,
    /// Reads tags as versions.
    VersionParser,
}

impl Kind {
    /// All kinds, in alphabetical order of their names.
    pub const ALL: [Self; 3] = [Self::Notifier, Self::Registry, Self::VersionParser];

    /// The name of the kind, which is also that of its interface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notifier => "notifier",
            Self::Registry => "registry",
            Self::VersionParser => "version-parser",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("unknown kind {text:?}, expected one of: {known}")
        })
    }
}

/// An origin that a plugin wants to talk to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which one.
    pub origin: Wanted,
    /// Why, as a sentence for the administrator who has to grant it.
    pub reason: String,
}

/// A credential that a plugin can make use of, without ever seeing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What requests call it; written as a plugin's name is.
    pub name: String,
    /// How the host attaches it.
    pub scheme: SlotScheme,
    /// What belongs in it, as a sentence for people; may be empty.
    pub description: String,
}

/// How the host attaches the secret of a slot to a request.
///
/// Written as a string in the plugin manifest, `"bearer"`; only a header needs its name too, `{"header": "PRIVATE-TOKEN"}`, as does that of a
/// signature, and a login its [form](LoginForm).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotScheme {
    /// `authorization: Basic` with user name and password (RFC 7617).
    Basic,
    /// `authorization: Bearer` with a token (RFC 6750).
    Bearer,
    /// A header of this name with a token.
    Header(String),
    /// A header of this name with `sha256=` and the HMAC-SHA256 of the body, of which a token is the key, in hexadecimal digits.
    HmacSha256(String),
    /// `authorization: Bearer` with a token that the origin gives for user name and password.
    Login(LoginForm),
    /// The token exchange of OCI registries (<https://distribution.github.io/distribution/spec/auth/token/>).
    OciToken,
    /// In place of `{slot:name}` in the URL.
    Url,
}

impl fmt::Display for SlotScheme {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic => out.write_str("basic"),
            Self::Bearer => out.write_str("bearer"),
            Self::Header(name) => write!(out, "header {name}"),
            Self::HmacSha256(name) => write!(out, "hmac-sha256 {name}"),
            Self::Login(form) => write!(out, "login {}", form.path),
            Self::OciToken => out.write_str("oci-token"),
            Self::Url => out.write_str("url"),
        }
    }
}

/// Why a plugin manifest cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ManifestError {
    /// It is larger than [`LARGEST`].
    #[error("it has {size} bytes, and {LARGEST} are allowed")]
    TooLarge {
        /// Bytes that it has.
        size: usize,
    },
    /// It is no JSON, or a field is missing, unknown or of the wrong type.
    #[error("{0}")]
    Json(String),
    /// A field has a value that makes no sense.
    #[error("{field}: {message}")]
    Field {
        /// The field, as a path.
        field: String,
        /// What is wrong with it.
        message: String,
    },
}

impl ManifestError {
    fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field { field: field.into(), message: message.into() }
    }
}

/// The manifest as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    version: String,
    kind: String,
    description: String,
    license: String,
    #[serde(default = "no_settings")]
    settings: Value,
    #[serde(default)]
    origins: Vec<WrittenOrigin>,
    #[serde(default)]
    slots: Vec<WrittenSlot>,
    #[serde(default)]
    answers: Option<Answers>,
    #[serde(default)]
    examples: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOrigin {
    origin: Option<String>,
    setting: Option<String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSlot {
    name: String,
    scheme: SlotScheme,
    #[serde(default)]
    description: String,
}

fn no_settings() -> Value {
    serde_json::json!({"type": "object", "additionalProperties": false})
}

impl Manifest {
    /// Reads and checks a plugin manifest; the schema of the settings too.
    ///
    /// # Errors
    /// See [`ManifestError`]; the first thing that is wrong.
    pub fn parse(json: &[u8]) -> Result<Self, ManifestError> {
        if json.len() > LARGEST {
            return Err(ManifestError::TooLarge { size: json.len() });
        }
        let written: Written = serde_json::from_slice(json).map_err(|err| ManifestError::Json(err.to_string()))?;
        let kind = written.kind.parse().map_err(|message: String| ManifestError::field("kind", message))?;
        check_name("name", &written.name)?;
        check_text("version", &written.version, 64)?;
        check_text("description", &written.description, LONGEST_TEXT)?;
        check_text("license", &written.license, LONGEST_TEXT)?;
        crate::settings::Schema::compile(&written.settings)
            .map_err(|message| ManifestError::field("settings", message))?;
        let slots = slots(written.slots)?;
        if let Some(answers) = written.answers {
            check_answers(answers, kind, &slots, &written.settings)
                .map_err(|message| ManifestError::field("answers", message))?;
        }
        Ok(Self {
            name: written.name,
            version: written.version,
            kind,
            description: written.description,
            license: written.license,
            origins: origins(written.origins, &written.settings)?,
            settings: written.settings,
            slots,
            answers: written.answers,
            examples: Examples::read(kind, written.examples)?,
        })
    }

    /// The settings of somebody who sets nothing: the defaults of the schema's own properties. Not checked against the schema.
    pub fn default_settings(&self) -> Value {
        let default = |(name, property): (&String, &Value)| Some((name.clone(), property.get("default")?.clone()));
        let properties = self.settings.get("properties").and_then(Value::as_object);
        Value::Object(properties.into_iter().flatten().filter_map(default).collect())
    }
}

fn origins(written: Vec<WrittenOrigin>, schema: &Value) -> Result<Vec<Asked>, ManifestError> {
    check_count("origins", written.len())?;
    let read = |(index, asked): (usize, WrittenOrigin)| {
        check_text(&format!("origins[{index}].reason"), &asked.reason, LONGEST_TEXT)?;
        let (key, origin) = match (asked.origin, asked.setting) {
            (Some(text), None) => ("origin", Wanted::origin(&text)),
            (None, Some(name)) => ("setting", Wanted::setting(name, schema)),
            (None, None) | (Some(_), Some(_)) => {
                let message = "it needs either `origin` or `setting`";
                return Err(ManifestError::field(format!("origins[{index}]"), message));
            }
        };
        let origin = origin.map_err(|message| ManifestError::field(format!("origins[{index}].{key}"), message))?;
        Ok(Asked { origin, reason: asked.reason })
    };
    written.into_iter().enumerate().map(read).collect()
}

fn slots(written: Vec<WrittenSlot>) -> Result<Vec<Slot>, ManifestError> {
    check_count("slots", written.len())?;
    let mut slots: Vec<Slot> = Vec::new();
    for (index, slot) in written.into_iter().enumerate() {
        let field = format!("slots[{index}].name");
        check_name(&field, &slot.name)?;
        if slots.iter().any(|other| other.name == slot.name) {
            return Err(ManifestError::field(field, format!("there are two slots named {:?}", slot.name)));
        }
        check_scheme(&slot.scheme)
            .map_err(|(part, message)| ManifestError::field(format!("slots[{index}].scheme.{part}"), message))?;
        if !slot.description.is_empty() {
            check_text(&format!("slots[{index}].description"), &slot.description, LONGEST_TEXT)?;
        }
        slots.push(Slot { name: slot.name, scheme: slot.scheme, description: slot.description });
    }
    Ok(slots)
}

/// What a plugin lacks whose notices are answered like that.
fn check_answers(answers: Answers, kind: Kind, slots: &[Slot], schema: &Value) -> Result<(), String> {
    if kind != Kind::Notifier {
        return Err("only a notifier's notices can be answered".to_owned());
    }
    match answers {
        Answers::Telegram => {
            let is_slot = |slot: &Slot| slot.name == Answers::TELEGRAM_SLOT && slot.scheme == SlotScheme::Url;
            if !slots.iter().any(is_slot) {
                return Err("answers by telegram need a slot named \"bot\" of scheme url".to_owned());
            }
            let has = |name: &&str| schema.get("properties").and_then(|properties| properties.get(*name)).is_some();
            match Answers::TELEGRAM_SETTINGS.iter().find(|name| !has(name)) {
                Some(missing) => Err(format!("answers by telegram need a setting named {missing:?}")),
                None => Ok(()),
            }
        }
    }
}

/// What is wrong with the scheme of a slot: the part of it, and why.
fn check_scheme(scheme: &SlotScheme) -> Result<(), (String, String)> {
    match scheme {
        SlotScheme::Header(name) if !is_header_name(name) => {
            Err(("header".to_owned(), format!("{name:?} is no name of an HTTP header")))
        }
        SlotScheme::HmacSha256(name) if !is_header_name(name) => {
            Err(("hmac-sha256".to_owned(), format!("{name:?} is no name of an HTTP header")))
        }
        SlotScheme::Login(form) => form.check().map_err(|(field, message)| (format!("login.{field}"), message)),
        SlotScheme::Basic
        | SlotScheme::Bearer
        | SlotScheme::Header(_)
        | SlotScheme::HmacSha256(_)
        | SlotScheme::OciToken
        | SlotScheme::Url => Ok(()),
    }
}

fn check_count(field: &str, count: usize) -> Result<(), ManifestError> {
    if count > MOST_ASKED {
        return Err(ManifestError::field(field, format!("there are {count} entries, and {MOST_ASKED} are allowed")));
    }
    Ok(())
}

/// Part of the name of a Kubernetes object (RFC 1123 label).
fn check_name(field: &str, name: &str) -> Result<(), ManifestError> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = (1..=LONGEST_NAME).contains(&name.len())
        && name.chars().all(is_allowed)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if is_name {
        return Ok(());
    }
    let rule = format!("expected up to {LONGEST_NAME} lower-case letters, digits and, within, hyphens");
    Err(ManifestError::field(field, format!("{name:?} is no name; {rule}")))
}

/// One line for people: it is printed to terminals and into status as it is.
fn check_text(field: &str, text: &str, longest: usize) -> Result<(), ManifestError> {
    let message = if text.trim().is_empty() {
        "it is empty".to_owned()
    } else if text.chars().count() > longest {
        format!("it is longer than {longest} characters")
    } else if text.chars().any(char::is_control) {
        "it has line breaks or other control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(ManifestError::field(field, message))
}

/// A token of RFC 9110 section 5.6.2.
fn is_header_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(is_allowed)
}

#[cfg(test)]
mod tests;
