//! Where in a tag the version is.
//!
//! A tag is words with `-` or `_` between them. The version begins with the first word that begins with a digit (`v` before it does not
//! count) and is the longest text from there that PEP 440 accepts and that ends where a word or a `.` ends. What stands before and behind is
//! the flavor.
//!
//! A tag that could be something else is no version: better that the operator says "not a version" than that it rolls out a commit
//! hash or a date as the newest release. See [`is_opaque`] and [`is_date`].

use pep440_rs::Version;

/// Longest tag that the OCI distribution specification allows, in characters
/// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>).
const LONGEST_TAG: usize = 128;

/// A lone number of this many digits is a date, a time or an abbreviated hash rather than a version.
const OPAQUE_DIGITS: usize = 6;

/// The shortest abbreviation of a commit hash that git and CI systems write.
const SHORTEST_HASH: usize = 7;

/// Words that PEP 440 gives a meaning. Directly behind a version they are part of it, and never a flavor.
const KEYWORDS: [&str; 12] = ["a", "b", "c", "rc", "alpha", "beta", "pre", "preview", "post", "rev", "r", "dev"];

/// A version, and the rest of its tag.
pub(crate) struct Found<'a> {
    pub(crate) version: Version,
    /// Empty, or ends with `v`, `-` or `_`.
    pub(crate) prefix: &'a str,
    /// Empty, or begins with `-`, `_` or `.` and a letter.
    pub(crate) suffix: &'a str,
}

/// The version in `tag`. None if there is none, or if what looks like one may be something else. Never panics.
pub(crate) fn find(tag: &str) -> Option<Found<'_>> {
    // `+` and `!` are no part of a tag; PEP 440 has them, and a registry that is not OCI may have them too.
    let is_expected = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+!".contains(&byte);
    if tag.len() > LONGEST_TAG || !tag.bytes().all(is_expected) || is_date(tag) {
        return None;
    }
    let (prefix, rest) = tag.split_at_checked(start(tag)?)?;
    let (version, text, suffix) = longest_version(rest)?;
    let is_known = |word: &str| word.contains('.') || !is_opaque(word);
    let is_sound = text.split(['-', '_']).all(is_known)
        && !prefix.split(['-', '_', '.']).any(is_opaque)
        && !suffix.split(['-', '_', '.']).any(is_opaque);
    is_sound.then_some(Found { version, prefix, suffix })
}

/// Where the first word begins that begins with a digit, or with `v` and a digit; behind that `v`.
fn start(tag: &str) -> Option<usize> {
    let mut start = 0;
    for word in tag.split_inclusive(['-', '_']) {
        let number = word.strip_prefix(['v', 'V']).unwrap_or(word);
        if number.starts_with(|first: char| first.is_ascii_digit()) {
            return Some(start + word.len() - number.len());
        }
        start += word.len();
    }
    None
}

/// The longest version at the beginning of `text`, how it is written there, and the flavor that follows.
///
/// Only ends with nothing or a letter behind them are tried: a digit would continue the version (`1.2.3-rc.1.2` is not a flavor `.2` of
/// 1.2.3rc1). Whatever is a version up to one of them is one up to each before it as well, so the first that is none ends the search, and
/// no tag takes long, however it is made. Behind a `+` nothing tells a flavor from the local version, so all of it is the latter.
fn longest_version(text: &str) -> Option<(Version, &str, &str)> {
    let is_end = |pair: &[u8]| matches!(pair, [b'-' | b'_' | b'.', letter] if letter.is_ascii_alphabetic());
    let ends = text.as_bytes().windows(2).enumerate().filter(|(_, pair)| is_end(pair)).map(|(end, _)| end);
    let most = if text.contains('+') { 0 } else { text.len() };
    let (version, end) =
        ends.take(most).chain([text.len()]).map_while(|end| Some((parse(text.get(..end)?)?, end))).last()?;
    let (text, suffix) = text.split_at_checked(end)?;
    (!is_broken_version(suffix)).then_some((version, text, suffix))
}

/// PEP 440, and `1.0_5` like `1.0-5`: a post-release, which is how Java images count their builds (`17.0.8_7`). Docker tags have no `+`.
fn parse(text: &str) -> Option<Version> {
    text.parse().ok().or_else(|| {
        let (version, build) = text.rsplit_once('_')?;
        let is_number = build.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { format!("{version}-{build}").parse().ok() } else { None }
    })
}

/// Whether what follows a version begins with a word of PEP 440 that could not be read as one: `1.2.3-rc1x` and
/// `1.2.3-beta99999999999999999999` are not releases of 1.2.3.
fn is_broken_version(suffix: &str) -> bool {
    let word = suffix.trim_start_matches(['-', '_', '.']);
    let letters = word.split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(letters))
}

/// Whether a word may be a commit hash (with the `g` of `git describe` or without), a date or a time.
fn is_opaque(word: &str) -> bool {
    let is_digits = word.len() >= OPAQUE_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit());
    let hash = word.strip_prefix('g').unwrap_or(word);
    let is_hash = hash.len() >= SHORTEST_HASH
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        && hash.bytes().any(|byte| byte.is_ascii_digit());
    is_digits || is_hash
}

/// Whether a year and a month stand somewhere with `-` or `_` between them: `2024-01-15`, `nightly-2024-01`,
/// `RELEASE.2024-01-15T10-00-00Z`.
///
/// PEP 440 would read `2024-01` as a post-release. With dots, `2024.01.15` is a version: calendar versioning is common, and PEP 440 has it.
fn is_date(tag: &str) -> bool {
    let words = tag.split(['-', '_']);
    words.clone().zip(words.skip(1)).any(|(year, month)| {
        let year = year.rsplit('.').next().unwrap_or_default();
        let (month, day) = month.split_at_checked(2).unwrap_or_default();
        let is_year = year.len() == 4 && year.parse().is_ok_and(|year: u16| (1970..2100).contains(&year));
        let is_month = month.parse().is_ok_and(|month: u8| (1..=12).contains(&month)) && !month.starts_with('+');
        is_year && is_month && !day.starts_with(|first: char| first.is_ascii_digit())
    })
}
