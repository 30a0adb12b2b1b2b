//! Which machines an image runs on.

use std::fmt;

/// Operating system and processor of a node, or of an image, in the words of Go
/// (<https://github.com/opencontainers/image-spec/blob/main/image-index.md#image-index-property-descriptions>), which are also those of
/// the node labels `kubernetes.io/os` and `kubernetes.io/arch`.
///
/// Variants of a processor, such as arm's `v7`, are left out: nodes do not tell theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// `linux`, `windows`.
    pub os: String,
    /// `amd64`, `arm64`, `s390x` …
    pub architecture: String,
}

/// What of `needed` is not among `offered`; none if all of it is.
///
/// An image of which nothing is known offers everything: registries that do not tell must not stand in the way.
pub(super) fn lacking<'a>(needed: &'a [Platform], offered: Option<&[Platform]>) -> Option<&'a Platform> {
    let offered = offered?;
    needed.iter().find(|platform| !offered.contains(platform))
}

impl Platform {
    /// A platform of this operating system and processor.
    pub fn new(os: impl Into<String>, architecture: impl Into<String>) -> Self {
        Self { os: os.into(), architecture: architecture.into() }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_must_offer_all_that_is_needed_as_far_as_it_tells() {
        let platforms = |texts: &[&str]| -> Vec<Platform> {
            texts.iter().filter_map(|text| text.split_once('/')).map(|(os, arch)| Platform::new(os, arch)).collect()
        };
        let check = |needed: &[&str], offered: Option<&[&str]>, expected: Option<&str>| {
            let (needed, offered) = (platforms(needed), offered.map(platforms));
            let found = lacking(&needed, offered.as_deref()).map(ToString::to_string);
            assert_eq!(found.as_deref(), expected, "{needed:?} of {offered:?}");
        };
        check(&[], None, None);
        check(&[], Some(&["linux/amd64"]), None);
        check(&["linux/amd64"], None, None);
        check(&["linux/amd64"], Some(&["linux/arm64", "linux/amd64"]), None);
        check(&["linux/amd64"], Some(&["windows/amd64"]), Some("linux/amd64"));
        check(&["linux/amd64", "linux/arm64"], Some(&["linux/amd64"]), Some("linux/arm64"));
        check(&["linux/amd64"], Some(&[]), Some("linux/amd64"));
    }
}
