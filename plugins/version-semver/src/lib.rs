//! Reads tags as versions by [SemVer 2.0](https://semver.org/spec/v2.0.0.html): `1.2.3`, `v1.2.3-rc.1`, `3.2.1-alpine3.19`.
//!
//! [`tag`] says what in the tag is the version and what is flavor; the version itself is read by the crate [`semver`], and so are the
//! comparators that [`range`] puts together; [`tail`] writes down as bytes what it orders by after the three numbers.

mod range;
mod tag;
mod tail;

use k8supdater_plugin::version_parser::{Version, VersionParser};
use serde::Deserialize;

use range::Range;
use tag::Flavors;

k8supdater_plugin::export!(version-parser: Semver, manifest: "plugin.json");

/// The plugin, prepared for one handler's settings.
pub struct Semver {
    range: Option<Range>,
    flavors: Flavors,
    is_partial_allowed: bool,
}

/// The settings, as the schema in `plugin.json` describes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    range: Option<String>,
    flavors: Vec<String>,
    partial: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { range: None, flavors: tag::DEFAULT_FLAVORS.map(str::to_owned).to_vec(), partial: true }
    }
}

impl VersionParser for Semver {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Self, String> {
        let range = settings.range.as_deref().map(Range::parse).transpose()?;
        Ok(Self { range, flavors: Flavors::new(&settings.flavors), is_partial_allowed: settings.partial })
    }

    fn parse(&self, tag: &str) -> Option<Version> {
        let found = tag::read(tag, &self.flavors)?;
        let is_wanted = (self.is_partial_allowed || found.levels.len() == 3)
            && self.range.as_ref().is_none_or(|range| range.contains(&found.version));
        is_wanted.then(|| Version {
            epoch: 0,
            levels: found.levels,
            tail: tail::encode(&found.version.pre),
            prerelease: !found.version.pre.is_empty(),
            flavor: found.flavor,
        })
    }
}

#[cfg(test)]
mod tests;
