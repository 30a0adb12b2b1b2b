//! Reads tags as PEP 440 versions, wherever in the tag the version stands: `v1.2.3`, `3.2.1-alpine`, `release-1.4`.
//!
//! [`find`] says where in the tag the version is and what is flavor; the version itself is read by [`pep440_rs`]; [`tail`] writes down as
//! bytes what PEP 440 orders by after the numbers.

mod find;
mod tail;

use k8supdater_plugin::version_parser::{NoSettings, Version, VersionParser};

k8supdater_plugin::export!(version-parser: Pep440, manifest: "plugin.json");

/// Most levels and most bytes of a tail that the WIT allows.
const MOST_LEVELS: usize = 16;
const MOST_TAIL: usize = 256;

/// The plugin. It has no settings, so there is nothing to prepare.
pub struct Pep440;

impl VersionParser for Pep440 {
    type Settings = NoSettings;

    fn prepare(_: NoSettings) -> Result<Self, String> {
        Ok(Self)
    }

    fn parse(&self, tag: &str) -> Option<Version> {
        let found = find::find(tag)?;
        let tail = tail::encode(&found.version);
        let levels = found.version.release().to_vec();
        (levels.len() <= MOST_LEVELS && tail.len() <= MOST_TAIL).then(|| Version {
            epoch: found.version.epoch(),
            levels,
            tail,
            prerelease: found.version.any_prerelease(),
            flavor: format!("{}{}", found.prefix, found.suffix),
        })
    }
}

#[cfg(test)]
mod tests;
