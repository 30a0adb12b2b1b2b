//! What an image is for: operating system and architecture, as registries write them.

use serde::Deserialize;

use crate::names::is_digest;
use crate::registry::Image;

/// Longest word; see the WIT.
const LONGEST: usize = 64;

/// A platform in the words of an image index, which are also those of an image's configuration
/// (<https://github.com/opencontainers/image-spec/blob/main/image-index.md#image-index-property-descriptions>,
/// <https://github.com/opencontainers/image-spec/blob/main/config.md#properties>).
///
/// Reads what registries write: what is missing or null is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Platform {
    /// `linux`.
    #[serde(deserialize_with = "null_is_empty")]
    pub os: String,
    /// `amd64`.
    #[serde(deserialize_with = "null_is_empty")]
    pub architecture: String,
    /// `v8`.
    pub variant: Option<String>,
}

impl Platform {
    /// The image for this platform with this digest. None if the contract leaves it out: it is for no platform, as attestations are, which
    /// have `unknown` in its place; or it is not told in words that the contract allows.
    ///
    /// ```
    /// use k8supdater_plugin::platform::Platform;
    ///
    /// let digest = format!("sha256:{}", "0a".repeat(32));
    /// let platform = |os: &str| Platform { os: os.to_owned(), architecture: "arm64".to_owned(), variant: None };
    /// assert!(platform("linux").image(&digest).is_some());
    /// assert!(platform("unknown").image(&digest).is_none());
    /// assert!(platform("linux").image("sha256:0a").is_none());
    /// ```
    pub fn image(self, digest: &str) -> Option<Image> {
        let is_known = |word: &String| is_word(word) && word != "unknown";
        let variant = self.variant.filter(is_word);
        let is_image = is_known(&self.os) && is_known(&self.architecture) && is_digest(digest);
        is_image.then(|| Image { digest: digest.to_owned(), os: self.os, architecture: self.architecture, variant })
    }
}

#[allow(clippy::ptr_arg, reason = "the signature that `Option::filter` wants")]
fn is_word(word: &String) -> bool {
    (1..=LONGEST).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic())
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Operating system, architecture and variant of the image that comes of a platform in JSON.
    #[track_caller]
    fn check(json: &str, expected: Option<(&str, &str, Option<&str>)>) {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let image = serde_json::from_str::<Platform>(json).unwrap().image(&digest);
        let expected = expected.map(|(os, architecture, variant)| Image {
            digest,
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        });
        assert_eq!(image, expected, "for {json}");
    }

    #[test]
    fn platforms_are_read_as_registries_write_them() {
        check(r#"{"os": "linux", "architecture": "amd64"}"#, Some(("linux", "amd64", None)));
        check(r#"{"os": "linux", "architecture": "arm", "variant": "v7"}"#, Some(("linux", "arm", Some("v7"))));
        check(r#"{"os": "linux", "architecture": "arm64", "variant": null}"#, Some(("linux", "arm64", None)));
        check(r#"{"os": "linux", "architecture": "arm64", "variant": ""}"#, Some(("linux", "arm64", None)));
        let windows = r#"{"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2700"}"#;
        check(windows, Some(("windows", "amd64", None)));
    }

    #[test]
    fn what_is_for_no_platform_is_no_image() {
        check("{}", None);
        check(r#"{"os": "unknown", "architecture": "unknown"}"#, None);
        check(r#"{"os": "linux", "architecture": "unknown"}"#, None);
        check(r#"{"os": "linux"}"#, None);
        check(r#"{"os": null, "architecture": "amd64"}"#, None);
        check(r#"{"os": "", "architecture": "amd64"}"#, None);
        check(r#"{"os": "li nux", "architecture": "amd64"}"#, None);
        check(&format!(r#"{{"os": "{}", "architecture": "amd64"}}"#, "x".repeat(65)), None);
    }
}
