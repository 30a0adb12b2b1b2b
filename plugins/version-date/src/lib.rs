//! Reads tags as dates: `2024.01.15`, `bookworm-20240115-slim`, `2024-01-15T0300`; and calendar versions by a scheme such as `YY.MM.MICRO`.
//!
//! [`scheme`] reads the notation of [calendar versioning](https://calver.org) and dates written in it; [`find`] says where in the tag the date is,
//! and what is flavor; [`clock`] reads the time of day.

mod clock;
mod find;
mod scheme;

use k8supdater_plugin::version_parser::{Version, VersionParser};
use serde::Deserialize;

use scheme::Scheme;

k8supdater_plugin::export!(version-parser: Date, manifest: "plugin.json");

/// Most levels that the WIT allows.
const MOST_LEVELS: usize = 16;

/// What is recognised without a scheme: full dates, and a year with a month.
const COMMON: [&str; 7] = ["YYYY.MM.DD", "YYYY-MM-DD", "YYYY_MM_DD", "YYYYMMDD", "YYYY.MM", "YYYY-MM", "YYYY_MM"];

/// The plugin, prepared for one handler's settings.
pub enum Date {
    /// The user's scheme.
    Given(Scheme),
    /// [`COMMON`] ones.
    Guessed(Vec<Scheme>),
}

/// The settings, as the schema in `plugin.json` describes them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    scheme: Option<String>,
}

impl VersionParser for Date {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Self, String> {
        Ok(match settings.scheme {
            Some(scheme) => Self::Given(Scheme::parse(&scheme)?),
            None => Self::Guessed(COMMON.iter().map(|scheme| Scheme::parse(scheme)).collect::<Result<_, _>>()?),
        })
    }

    fn parse(&self, tag: &str) -> Option<Version> {
        let found = find::find(tag, self)?;
        (found.levels.len() <= MOST_LEVELS).then(|| Version::release(found.levels).with_flavor(found.flavor))
    }
}

#[cfg(test)]
mod tests;
