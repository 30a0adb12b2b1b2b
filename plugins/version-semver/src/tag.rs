//! What in a tag is the version, and what is flavor.
//!
//! Semantic versioning reads `1.2.3-alpine` as a pre-release, before 1.2.3; in image tags it mostly is a variant of 1.2.3. No rule tells one from the
//! other, so a list of words does: from the first of them on, everything is flavor.

use semver::{BuildMetadata, Prerelease, Version};

/// Longest tag that the OCI distribution specification allows, in characters
/// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>). It bounds the tail too.
const LONGEST_TAG: usize = 128;

/// A lone number of this many digits is a date, a build number or an abbreviated hash rather than a version.
const OPAQUE_DIGITS: usize = 6;

/// Words that are flavor without settings: operating systems, runtimes and other variants of images. The schema says the same.
pub(crate) const DEFAULT_FLAVORS: [&str; 47] = [
    "alpine",
    "amazonlinux",
    "amd",
    "apache",
    "arm",
    "bookworm",
    "bullseye",
    "buster",
    "cli",
    "cpu",
    "cuda",
    "debian",
    "debug",
    "distroless",
    "fips",
    "focal",
    "fpm",
    "full",
    "gpu",
    "jammy",
    "java",
    "jdk",
    "jre",
    "linux",
    "ltsc",
    "management",
    "minimal",
    "musl",
    "nanoserver",
    "noble",
    "node",
    "nonroot",
    "openjdk",
    "otel",
    "perl",
    "php",
    "python",
    "rootless",
    "scratch",
    "server",
    "slim",
    "temurin",
    "trixie",
    "ubi",
    "ubuntu",
    "windows",
    "windowsservercore",
];

/// The words that begin a flavor.
pub(crate) struct Flavors(Vec<String>);

impl Flavors {
    /// Upper and lower case are the same.
    pub(crate) fn new(words: &[String]) -> Self {
        Self(words.iter().map(|word| word.to_ascii_lowercase()).collect())
    }

    /// Whether `text` begins with one of them, and with no letter behind it: `alpine3.19` and `slim-bookworm`, not `slimmer`.
    fn begin(&self, text: &str) -> bool {
        let word = text.split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
        !word.is_empty() && self.0.iter().any(|flavor| flavor.eq_ignore_ascii_case(word))
    }

    /// Where in `text` the flavor begins, with its `-`, `_` or `+`; the length of `text` if there is none.
    fn start(&self, text: &str) -> usize {
        let separators = text.match_indices(['-', '_', '+']);
        let is_start =
            |(index, separator): &(usize, &str)| self.begin(text.get(index + separator.len()..).unwrap_or_default());
        separators.into_iter().find(is_start).map_or(text.len(), |(index, _)| index)
    }
}

/// A tag, taken apart.
pub(crate) struct Found {
    /// Missing numbers are 0.
    pub(crate) version: Version,
    /// The numbers that are there, one to three.
    pub(crate) levels: Vec<u64>,
    /// `v`, what follows the version, or both.
    pub(crate) flavor: String,
}

/// The version in `tag`; none if it is not semantic versioning, whole or cut short. Never panics.
pub(crate) fn read(tag: &str, flavors: &Flavors) -> Option<Found> {
    if tag.len() > LONGEST_TAG || !tag.is_ascii() {
        return None;
    }
    let rest = tag.strip_prefix(['v', 'V']).unwrap_or(tag);
    let (prefix, _) = tag.split_at_checked(tag.len() - rest.len())?;
    let (text, suffix) = rest.split_at_checked(flavors.start(rest))?;
    let end = text.find(['-', '_', '+']).unwrap_or(text.len());
    let (numbers, extension) = text.split_at_checked(end)?;
    let (version, levels) = if numbers.split('.').count() < 3 {
        partial(numbers, extension)?
    } else {
        // Tags cannot hold a `+`; Helm, and those who follow it, write `_` (<https://helm.sh/docs/topics/registries/>).
        let version: Version = text.replacen('_', "+", 1).parse().ok()?;
        let levels = vec![version.major, version.minor, version.patch];
        (version, levels)
    };
    Some(Found { version, levels, flavor: format!("{prefix}{suffix}") })
}

/// `1` and `1.2`, which the specification does not have, but images do: moving names for the newest version that begins so.
///
/// Behind so little, only a pre-release that begins with a letter is one: `2024-01-15` is a date. For the same reason there is no build
/// metadata, and a lone number cannot be long.
fn partial(numbers: &str, extension: &str) -> Option<(Version, Vec<u64>)> {
    let levels = numbers.split('.').map(number).collect::<Option<Vec<_>>>()?;
    let is_opaque = !numbers.contains('.') && numbers.len() >= OPAQUE_DIGITS;
    let pre = match extension.strip_prefix('-') {
        Some(pre) if pre.starts_with(|first: char| first.is_ascii_alphabetic()) => pre.parse().ok()?,
        None if extension.is_empty() => Prerelease::EMPTY,
        Some(_) | None => return None,
    };
    let level = |index| levels.get(index).copied().unwrap_or(0);
    let version = Version { major: level(0), minor: level(1), patch: 0, pre, build: BuildMetadata::EMPTY };
    (!is_opaque).then_some((version, levels))
}

/// A number as the specification writes it: digits without leading zeros. None beyond 64 bits.
fn number(text: &str) -> Option<u64> {
    let is_canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_canonical { text.parse().ok() } else { None }
}
