//! Where in a tag the date is.
//!
//! It begins where a word begins, and the first one that is whole counts: behind it come a time, counters, and then nothing or a flavor,
//! which begins with a letter. What stands before and behind is flavor. So `2024.01.15.x` has the flavor `.x`, and `2024.02.30` is nothing,
//! rather than February with the flavor `.30`.

use crate::scheme::Scheme;
use crate::{Date, clock};

/// Longest tag that the OCI distribution specification allows, in characters
/// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>).
const LONGEST_TAG: usize = 128;

/// Years that are believed without a scheme. `1012.01.15` may be anything.
const YEARS: std::ops::Range<u64> = 1970..2100;

/// Most digits of a counter; more may be a hash. A time without seconds has four.
const LONGEST_COUNTER: usize = 6;

/// A word of as many digits, or of as many hexadecimal ones, may be a date of something else, a build or a commit: nothing to stay the same.
const OPAQUE_DIGITS: usize = 6;
const SHORTEST_HASH: usize = 7;

/// A date, with what is more in it than its scheme says, and the rest of its tag.
pub(crate) struct Found {
    pub(crate) levels: Vec<u64>,
    pub(crate) flavor: String,
}

/// The date in `tag`, if there is one. Never panics.
pub(crate) fn find(tag: &str, date: &Date) -> Option<Found> {
    if tag.len() > LONGEST_TAG || !tag.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let read = |start: usize| {
        let (prefix, text) = tag.split_at_checked(start)?;
        let (levels, suffix) = match date {
            Date::Given(scheme) => read_given(scheme, text),
            Date::Guessed(schemes) => schemes.iter().find_map(|scheme| read_guessed(scheme, text)),
        }?;
        Some((levels, prefix, suffix))
    };
    let (levels, prefix, suffix) = starts(tag).find_map(read)?;
    let is_opaque = [prefix, suffix].iter().flat_map(|text| text.split(['-', '_', '.'])).any(is_opaque);
    (!is_opaque).then(|| Found { levels, flavor: format!("{prefix}{suffix}") })
}

/// Where words begin: behind `-` and `_`, and behind a `.` that follows a letter; behind a `v`, too.
fn starts(tag: &str) -> impl Iterator<Item = usize> {
    let bytes = tag.as_bytes();
    let is_start = move |index: usize| match bytes.get(..index) {
        Some([] | [.., b'-' | b'_']) => true,
        Some([.., letter, b'.']) => letter.is_ascii_alphabetic(),
        Some(_) | None => false,
    };
    let is_v = move |index: usize| matches!(bytes.get(index), Some(b'v' | b'V'));
    (0..bytes.len()).filter(move |&index| is_start(index) || (index > 0 && is_v(index - 1) && is_start(index - 1)))
}

/// The scheme as it stands; it may be followed by a time if it ends with the day.
fn read_given<'a>(scheme: &Scheme, text: &'a str) -> Option<(Vec<u64>, &'a str)> {
    let dated = scheme.read(text)?;
    let (mut levels, mut rest) = (dated.levels, dated.rest);
    if scheme.ends_with_day()
        && let Some((time, behind)) = clock::read(rest)
    {
        levels.extend(time);
        rest = behind;
    }
    is_flavor(rest).then_some((levels, rest))
}

/// One of the common schemes, in a year of our time; days may be followed by a time, and by counters.
fn read_guessed<'a>(scheme: &Scheme, text: &'a str) -> Option<(Vec<u64>, &'a str)> {
    let dated = scheme.read(text).filter(|dated| YEARS.contains(&dated.year))?;
    let (mut levels, mut rest) = (dated.levels, dated.rest);
    if scheme.ends_with_day() {
        let digits = || if scheme.is_compact() { clock::read_digits(rest) } else { None };
        if let Some((time, behind)) = clock::read(rest).or_else(digits) {
            levels.extend(time);
            rest = behind;
        }
        while let Some((counter, behind)) = counter(rest) {
            levels.push(counter);
            rest = behind;
        }
    }
    is_flavor(rest).then_some((levels, rest))
}

/// A separator and a number that ends where a word ends.
fn counter(text: &str) -> Option<(u64, &str)> {
    let text = text.strip_prefix(['-', '_', '.'])?;
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(length)?;
    let is_end = rest.is_empty() || rest.starts_with(['-', '_', '.']);
    if is_end && length <= LONGEST_COUNTER { Some((digits.parse().ok()?, rest)) } else { None }
}

/// Nothing, or a separator and a letter.
fn is_flavor(text: &str) -> bool {
    match text.as_bytes() {
        [] => true,
        [b'-' | b'_' | b'.', letter, ..] => letter.is_ascii_alphabetic(),
        [_, ..] => false,
    }
}

/// Whether a word may be a commit hash (with the `g` of `git describe` or without), a date or a build number.
fn is_opaque(word: &str) -> bool {
    let is_digits = word.len() >= OPAQUE_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit());
    let hash = word.strip_prefix('g').unwrap_or(word);
    let is_hash = hash.len() >= SHORTEST_HASH
        && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        && hash.bytes().any(|byte| byte.is_ascii_digit());
    is_digits || is_hash
}
