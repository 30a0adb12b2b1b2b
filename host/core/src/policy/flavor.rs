//! Which flavors are the same.

use std::ops::RangeInclusive;

/// How many characters an abbreviated or a whole commit hash has.
const HASH_LENGTHS: RangeInclusive<usize> = 7..=40;

/// Whether an update may go from a tag of the flavor `one` to a tag of the flavor `other`.
///
/// They are equal, or equal but for commit hashes in the same places and of the same length: a pipeline that tags its images
/// `1.4.3-3f2504e` never gives one flavor twice, and would never see an update. So a tag with a hash goes to tags with a hash only, and
/// never to one without, which may come from elsewhere. What is all digits or all letters is taken for a number or a word; a hash that
/// happens to be so is waited out.
///
/// This is an equivalence: what is the same as the same is the same.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let words = |flavor| str::split(flavor, is_separator);
    // With that, and words as long as each other, the separators stand in the same places.
    one.len() == other.len()
        && one.matches(is_separator).eq(other.matches(is_separator))
        && words(one).zip(words(other)).all(|(one, other)| one == other || is_hash_for_hash(one, other))
}

fn is_separator(character: char) -> bool {
    !character.is_ascii_alphanumeric()
}

/// Whether both are hashes of one length, with the `g` of `git describe` or without.
fn is_hash_for_hash(one: &str, other: &str) -> bool {
    let hash = |word: &str| {
        let hash = word.strip_prefix('g').unwrap_or(word);
        is_hash(hash).then_some((hash.len(), word.len()))
    };
    hash(one).is_some_and(|one| hash(other) == Some(one))
}

fn is_hash(word: &str) -> bool {
    HASH_LENGTHS.contains(&word.len())
        && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flavors_are_the_same_up_to_commit_hashes() {
        let check = |one: &str, other: &str, expected: bool| {
            assert_eq!(is_same(one, other), expected, "{one} {other}");
            assert_eq!(is_same(other, one), expected, "{other} {one}");
        };
        check("", "", true);
        check("-alpine", "-alpine", true);
        check("-alpine", "", false);
        check("-alpine", "-debian", false);
        check("-alpine3.19", "-alpine3.20", false);
        check("v", "", false);
        check("-3f2504e", "-9a8b7c6", true);
        check("-3f2504e", "", false);
        check("-3f2504e", "-alpine7", false);
        check("-3f2504e", "_9a8b7c6", false);
        check("-3f2504e", "-9a8b7c6d", false);
        check("-3f2504e-slim", "-9a8b7c6-slim", true);
        check("-3f2504e-slim", "-9a8b7c6-full", false);
        check("-g3f2504e", "-g9a8b7c6", true);
        check("-g3f2504e", "-19a8b7c6", false);
        let long = "0123456789abcdef0123456789abcdef01234567";
        check(&format!("-{long}"), &format!("-{}", long.replace("0123", "3210")), true);
        check(&format!("-{long}8"), &format!("-{}8", long.replace("0123", "3210")), false);
        // Words and numbers are no hashes.
        check("-3f2504", "-9a8b7c", false);
        check("-1234567", "-7654321", false);
        check("-deadbee", "-facade1", false);
        check("-3F2504E", "-9A8B7C6", false);
        check("-3f2504e", "-bullsey", false);
        check("-ls45", "-ls46", false);
        check("-ä3f2504e", "-ä9a8b7c6", true);
    }
}
