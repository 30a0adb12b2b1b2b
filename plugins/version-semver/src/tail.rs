//! What semantic versioning orders by after the three numbers, as bytes that compare in the same order.
//!
//! The order (<https://semver.org/spec/v2.0.0.html#spec-item-11>) goes identifier by identifier: numbers as numbers and before words, words
//! as ASCII, and what has more identifiers comes later if all before are equal.
//!
//! | part | bytes, ascending |
//! |---|---|
//! | pre-release | 0, then its identifiers |
//! | identifier | 1, the count of its digits, the digits; or 2, the word, 0 |
//! | release | 1 |
//!
//! Numbers have no leading zeros, so the one with more digits is greater; a word ends with a 0, which is in none. That something ends
//! needs no byte of its own, because what is a prefix of something else comes first. At most three bytes for two of the tag.

use semver::Prerelease;

/// The tail of a version with this pre-release. Build metadata takes no part, as the specification says.
pub(crate) fn encode(pre: &Prerelease) -> Vec<u8> {
    if pre.is_empty() {
        return vec![1];
    }
    let mut tail = vec![0];
    for identifier in pre.split('.') {
        let is_number = identifier.bytes().all(|byte| byte.is_ascii_digit());
        if is_number {
            tail.push(1);
            // A tag is shorter than 256 characters.
            tail.push(u8::try_from(identifier.len()).unwrap_or(u8::MAX));
            tail.extend(identifier.bytes());
        } else {
            tail.push(2);
            tail.extend(identifier.bytes());
            tail.push(0);
        }
    }
    tail
}
