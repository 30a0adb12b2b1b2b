//! Reads the files in which logins are kept.
//!
//! Values stay where they stand in the caller's bytes until they are known to be part of a login, and are then copied into memory that is
//! overwritten. Only texts with escapes in them leave a trace, in a buffer of the JSON reader that is freed as it is.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use thiserror::Error;
use zeroize::Zeroizing;

use super::login::Login;
use super::matching::{Pattern, PatternError};
use super::{Entry, ProblemKind as Kind};

/// Most bytes of a file: 1 MiB, what a Secret or ConfigMap can hold.
pub const MOST_BYTES: usize = 1024 * 1024;

/// As Go reads it, on which the files' writers rely: padding is optional, and what is left of the last bits is not looked at.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An object whose `auths` has the entries: the Docker CLI's `config.json`, and the key `.dockerconfigjson` of Secrets of type
    /// `kubernetes.io/dockerconfigjson`.
    DockerConfigJson,
    /// The entries alone: the older `.dockercfg`, the key of that name in Secrets of type `kubernetes.io/dockercfg`.
    DockerCfg,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// What can be used, in the order of the file.
    pub entries: Vec<Entry>,
    /// What cannot, in the order of the file.
    pub problems: Vec<Problem>,
}

/// Why nothing of a file can be used. Repeats nothing of it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReadError {
    /// It is too large.
    #[error("it has {size} bytes; at most {MOST_BYTES} are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It is no text.
    #[error("it is not UTF-8 from byte {byte} on")]
    Encoding {
        /// How many bytes of it are text.
        byte: usize,
    },
    /// It is not JSON.
    #[error("it is not JSON: mistake at line {line}, column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The byte in that line, from 1, or 0 at its end.
        column: usize,
    },
    /// It is JSON, but no object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// It has no entries where its format has them.
    #[error(
        "it has no object \"auths\"; one with the registries at the top is of the older format, .dockercfg, and belongs in a Secret of that type"
    )]
    NoAuths,
}

/// Why one entry of a file cannot be used. Repeats nothing of it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("entry {number}: {kind}")]
pub struct Problem {
    /// Which one, in the order of the file, from 1.
    pub number: usize,
    /// What is the matter.
    pub kind: ProblemKind,
}

/// What is the matter with an entry.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProblemKind {
    /// Its key says of no registry that it is its own.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Its key has broken escapes.
    #[error("its key is not valid text")]
    Key,
    /// It is something other than an object.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// A field holds something other than text, or broken escapes.
    #[error("its {0} is not valid text")]
    NotText(Field),
    /// The field `auth` cannot be decoded.
    #[error("its auth is not base64")]
    Base64,
    /// The field `auth` holds bytes that are no text.
    #[error("its auth is base64 of something that is not UTF-8")]
    Encoding,
    /// The field `auth` holds one text, not two.
    #[error("its auth is base64 of something without a colon; expected user name, colon, password")]
    NoColon,
    /// There is no login in it.
    #[error(
        "it has no login; where the Docker CLI uses a credential store, the file only says that there is one: create the Secret with \"kubectl create secret docker-registry\""
    )]
    Empty,
}

/// A field of an entry that is looked at. Others, such as `email`, are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `auth`: user name, colon and password in base64.
    Auth,
    /// `username`.
    Username,
    /// `password`.
    Password,
    /// `identitytoken`.
    IdentityToken,
    /// `registrytoken`.
    RegistryToken,
}

/// The logins in `bytes`, and what is wrong with the others.
///
/// An entry is read as the kubelet reads it: `auth`, if there, counts more than `username` and `password`, line ends in it do not count,
/// and the password is all that follows the first colon. Names of fields may be written in capitals; the last of equal keys counts. The
/// kubelet knows no tokens, so they count where there is no password, `registrytoken` more than `identitytoken`; `docker login` writes an
/// identity token in place of the password
/// (<https://github.com/docker/cli/blob/v28.3.2/cli/config/types/authconfig.go>).
///
/// Other than in the kubelet, a mistake in one entry leaves the others usable, an entry with nothing in it is a mistake, and so is a login
/// that is not UTF-8.
///
/// # Errors
/// [`ReadError`] if `bytes` are more than [`MOST_BYTES`] or not of this format.
pub fn read(format: Format, bytes: &[u8]) -> Result<Contents, ReadError> {
    if bytes.len() > MOST_BYTES {
        return Err(ReadError::TooLarge { size: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|err| ReadError::Encoding { byte: err.valid_up_to() })?;
    let file: Members = serde_json::from_str(text).map_err(|err| match err.classify() {
        Category::Data => ReadError::NotAnObject,
        Category::Syntax | Category::Eof | Category::Io => ReadError::Syntax { line: err.line(), column: err.column() },
    })?;
    let auths = match format {
        Format::DockerCfg => file,
        Format::DockerConfigJson => {
            let is_auths = |key: &RawValue| text_of(key).is_some_and(|key| key.eq_ignore_ascii_case("auths"));
            let auths = file.0.into_iter().rfind(|(key, _)| is_auths(key)).ok_or(ReadError::NoAuths)?.1;
            serde_json::from_str(auths.get()).map_err(|_| ReadError::NoAuths)?
        }
    };
    Ok(contents(auths))
}

fn contents(auths: Members) -> Contents {
    let (mut keyed, mut entries, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (key, value)) in (1..).zip(auths.0) {
        match text_of(key) {
            Some(key) => keyed.push((key, number, value)),
            None => problems.push(Problem { number, kind: Kind::Key }),
        }
    }
    // Equal keys come together, and stay in the order of the file.
    keyed.sort_by(|(one, ..), (other, ..)| one.as_str().cmp(other));
    for (key, number, value) in keyed.chunk_by(|(one, ..), (other, ..)| one == other).filter_map(<[_]>::last) {
        match entry(key, value) {
            Ok(entry) => entries.push((*number, entry)),
            Err(kind) => problems.push(Problem { number: *number, kind }),
        }
    }
    entries.sort_by_key(|(number, _)| *number);
    problems.sort_by_key(|problem| problem.number);
    Contents { entries: entries.into_iter().map(|(_, entry)| entry).collect(), problems }
}

fn entry(key: &str, value: &RawValue) -> Result<Entry, Kind> {
    let pattern = Pattern::parse(key)?;
    let members: Members = serde_json::from_str(value.get()).map_err(|_| Kind::NotAnObject)?;
    let mut texts = BTreeMap::new();
    for (key, value) in members.0 {
        // Null is how Go writes "not there".
        if let Some(field) = text_of(key).and_then(|key| Field::named(&key))
            && value.get() != "null"
        {
            texts.insert(field, text_of(value).ok_or(Kind::NotText(field))?);
        }
    }
    Ok(Entry { pattern, login: login(texts)? })
}

fn login(mut texts: BTreeMap<Field, Zeroizing<String>>) -> Result<Login, Kind> {
    let mut take = |field| texts.remove(&field).filter(|text| !text.is_empty());
    let (username, password) = match take(Field::Auth) {
        Some(auth) => decode(&auth)?,
        None => (take(Field::Username).unwrap_or_default(), take(Field::Password).unwrap_or_default()),
    };
    if password.is_empty() {
        if let Some(token) = take(Field::RegistryToken) {
            return Ok(Login::RegistryToken(token.into()));
        }
        if let Some(token) = take(Field::IdentityToken) {
            return Ok(Login::IdentityToken(token.into()));
        }
        if username.is_empty() {
            return Err(Kind::Empty);
        }
    }
    Ok(Login::Basic { username: username.into(), password: password.into() })
}

/// User name and password in a field `auth`.
fn decode(auth: &str) -> Result<(Zeroizing<String>, Zeroizing<String>), Kind> {
    // As large as it may become at once, so that it never moves and leaves a copy behind.
    let mut encoded = Zeroizing::new(Vec::with_capacity(auth.len()));
    encoded.extend(auth.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')));
    let decoded = Zeroizing::new(BASE64.decode(encoded.as_slice()).map_err(|_| Kind::Base64)?);
    let decoded = std::str::from_utf8(&decoded).map_err(|_| Kind::Encoding)?;
    let (username, password) = decoded.split_once(':').ok_or(Kind::NoColon)?;
    Ok((Zeroizing::new(username.to_owned()), Zeroizing::new(password.to_owned())))
}

/// The text that `json` is; none if it is something else.
fn text_of(json: &RawValue) -> Option<Zeroizing<String>> {
    serde_json::from_str(json.get()).ok().map(Zeroizing::new)
}

impl Field {
    const ALL: [Self; 5] = [Self::Auth, Self::Username, Self::Password, Self::IdentityToken, Self::RegistryToken];

    fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Username => "username",
            Self::Password => "password",
            Self::IdentityToken => "identitytoken",
            Self::RegistryToken => "registrytoken",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The members of a JSON object in the order of the file, unread: neither a strange key nor a strange value spoils its neighbours.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
