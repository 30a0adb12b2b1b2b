//! The kind `version-parser`: which tags are versions, and how they are ordered.

use serde::de::DeserializeOwned;

pub use crate::bindings::version_parser::exports::k8supdater::plugin::version_parser::{Guest, Version};
pub use crate::settings::NoSettings;

/// Reads tags as versions. Implemented by the plugin, exported with `export!(version-parser: …)`.
///
/// A call hands over thousands of tags. What depends on the settings only is computed once per call, in
/// [`prepare`](Self::prepare); [`parse`](Self::parse) then sees one tag at a time, so that no tag can influence another, as
/// the WIT demands.
pub trait VersionParser: Sized {
    /// The type behind the schema `settings` of the plugin manifest.
    type Settings: DeserializeOwned;

    /// The parser for these settings.
    ///
    /// # Errors
    ///
    /// A sentence for people, if the settings are valid by the schema and make no sense all the same.
    fn prepare(settings: Self::Settings) -> Result<Self, String>;

    /// The tag as a version; `None` if it is none. Must not panic, whatever the tag.
    fn parse(&self, tag: &str) -> Option<Version>;
}

/// One call as the host makes it: all tags, settings as JSON text.
///
/// # Errors
///
/// Those of [`VersionParser::prepare`], and settings that are not of the plugin's type.
pub fn parse<P: VersionParser>(tags: &[String], settings: &str) -> Result<Vec<Option<Version>>, String> {
    let parser = P::prepare(crate::settings::parse(settings)?)?;
    Ok(tags.iter().map(|tag| parser.parse(tag)).collect())
}

impl<P: VersionParser> Guest for P {
    fn parse(tags: Vec<String>, settings: String) -> Result<Vec<Option<Version>>, String> {
        parse::<P>(&tags, &settings)
    }
}

impl Version {
    /// A plain release of these levels, the most significant first: epoch 0, no tail, no flavor.
    pub fn release(levels: impl Into<Vec<u64>>) -> Self {
        Self { epoch: 0, levels: levels.into(), tail: Vec::new(), prerelease: false, flavor: String::new() }
    }

    /// The same version with this flavor.
    #[must_use]
    pub fn with_flavor(mut self, flavor: impl Into<String>) -> Self {
        self.flavor = flavor.into();
        self
    }
}

/// The order of versions that the WIT lays down: epoch, levels padded with zeros, tail. The host has its own; this one is for
/// plugins' tests.
///
/// ```
/// use k8supdater_plugin::{Version, version_parser::compare};
///
/// assert!(compare(&Version::release([1, 2]), &Version::release([1, 2, 0])).is_eq());
/// assert!(compare(&Version::release([9]), &Version::release([10])).is_lt());
/// ```
pub fn compare(a: &Version, b: &Version) -> std::cmp::Ordering {
    let length = a.levels.len().max(b.levels.len());
    let padded = |version: &Version| -> Vec<u64> {
        version.levels.iter().copied().chain(std::iter::repeat(0)).take(length).collect()
    };
    a.epoch.cmp(&b.epoch).then_with(|| padded(a).cmp(&padded(b))).then_with(|| a.tail.cmp(&b.tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `N` as the version N, if N is at least the setting `from`.
    struct Numbers {
        from: u64,
    }

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[serde(default)]
        from: u64,
    }

    impl VersionParser for Numbers {
        type Settings = Settings;

        fn prepare(settings: Settings) -> Result<Self, String> {
            if settings.from > 100 {
                return Err("from is beyond every tag".to_owned());
            }
            Ok(Self { from: settings.from })
        }

        fn parse(&self, tag: &str) -> Option<Version> {
            tag.parse().ok().filter(|number| *number >= self.from).map(|number| Version::release([number]))
        }
    }

    #[track_caller]
    fn check(settings: &str, tags: &[&str], expected: Result<&[Option<u64>], &str>) {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let got = <Numbers as Guest>::parse(tags, settings.to_owned());
        match expected {
            Ok(numbers) => {
                let versions = numbers.iter().map(|number| number.map(|number| Version::release([number]))).collect();
                assert_eq!(got, Ok(versions), "for {settings}");
            }
            Err(text) => assert!(matches!(&got, Err(err) if err.contains(text)), "{got:?} without {text:?}"),
        }
    }

    #[test]
    fn one_version_or_none_per_tag_in_their_order() {
        check("{}", &[], Ok(&[]));
        check("", &["1"], Ok(&[Some(1)]));
        check("{}", &["2", "latest", "1"], Ok(&[Some(2), None, Some(1)]));
        check(r#"{"from": 2}"#, &["2", "1"], Ok(&[Some(2), None]));
    }

    #[test]
    fn bad_settings_are_an_error_not_a_panic() {
        check("nonsense", &["1"], Err("the settings cannot be read: expected ident at line 1 column 2"));
        check(r#"{"form": 1}"#, &["1"], Err("unknown field `form`, expected `from`"));
        check(r#"{"from": "1"}"#, &["1"], Err("invalid type: string \"1\", expected u64"));
        check(r#"{"from": 101}"#, &["1"], Err("from is beyond every tag"));
    }
}
