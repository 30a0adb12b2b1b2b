//! The smallest plugin: a tag that is a number, or numbers with dots between them, is a version; everything else is none.

use k8supdater_plugin::version_parser::{NoSettings, Version, VersionParser};

k8supdater_plugin::export!(version-parser: Number, manifest: "plugin.json");

/// Reads `17`, `v17` and `1.2.3`. There is no flavor: `17-slim` is not a version.
pub struct Number;

impl VersionParser for Number {
    type Settings = NoSettings;

    fn prepare(_: NoSettings) -> Result<Self, String> {
        Ok(Self)
    }

    fn parse(&self, tag: &str) -> Option<Version> {
        let levels: Vec<u64> = tag.strip_prefix('v').unwrap_or(tag).split('.').map(number).collect::<Option<_>>()?;
        // The WIT allows no more.
        (levels.len() <= 16).then(|| Version::release(levels))
    }
}

/// Digits and nothing else, unlike `parse`, which takes a sign. None for numbers beyond 64 bits.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_plugin_manifest_come_out() {
        k8supdater_plugin::examples::run_version_parser::<Number>(include_str!("../plugin.json")).unwrap();
    }

    #[test]
    fn at_most_sixteen_numbers_of_at_most_64_bits() {
        let check = |tag: &str, expected: Option<&[u64]>| {
            assert_eq!(Number.parse(tag).map(|version| version.levels).as_deref(), expected, "for {tag:?}");
        };
        check("18446744073709551615", Some(&[u64::MAX]));
        check("18446744073709551616", None);
        check("1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", Some(&[1; 16]));
        check("1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1", None);
    }
}
