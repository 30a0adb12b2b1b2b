//! Digests: what content is called by what is in it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The algorithms that container runtimes know, and how many hexadecimal digits their hashes have
/// (<https://github.com/opencontainers/go-digest/blob/master/algorithm.go>).
const ALGORITHMS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// The digest of an image manifest or image index: `sha256:` and 64 hexadecimal digits, or one of the longer hashes.
///
/// Well-formed, which says nothing about what it belongs to
/// (<https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests>).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

/// Why a text is no digest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DigestError {
    /// It is made with something that nobody knows here.
    #[error("the digest does not begin with a known algorithm and a colon, expected one of: sha256, sha384, sha512")]
    Algorithm,
    /// It is too short or too long.
    #[error("the {algorithm} digest has {digits} digits instead of {expected}")]
    Length {
        /// What it is made with.
        algorithm: &'static str,
        /// How long it is, in bytes.
        digits: usize,
        /// How long it should be.
        expected: usize,
    },
    /// Something in it is no digit.
    #[error("the digest holds something other than the hexadecimal digits 0 to 9 and a to f")]
    Digits,
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (name, digits) = text.split_once(':').ok_or(DigestError::Algorithm)?;
        let known = ALGORITHMS.iter().find(|(algorithm, _)| *algorithm == name);
        let &(algorithm, expected) = known.ok_or(DigestError::Algorithm)?;
        if digits.len() != expected {
            return Err(DigestError::Length { algorithm, digits: digits.len(), expected });
        }
        if !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::Digits);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_what_runtimes_take() {
        let f = |count: usize| "f".repeat(count);
        let check = |text: String, expected: Result<(), DigestError>| {
            let digest = text.parse::<Digest>();
            assert_eq!(digest.clone().map(|_| ()), expected, "{text}");
            if let Ok(digest) = digest {
                assert_eq!(digest.to_string(), text);
            }
        };
        let length = |algorithm, digits, expected| Err(DigestError::Length { algorithm, digits, expected });
        check(format!("sha256:{}", f(64)), Ok(()));
        check(format!("sha384:{}", f(96)), Ok(()));
        check(format!("sha512:{}", f(128)), Ok(()));
        check(format!("sha256:{}0123456789abcdef", f(48)), Ok(()));
        check(format!("sha256:{}", f(34)), length("sha256", 34, 64));
        check(format!("sha256:{}", f(65)), length("sha256", 65, 64));
        check("sha256:".to_owned(), length("sha256", 0, 64));
        check(format!("sha256:{}F", f(63)), Err(DigestError::Digits));
        check(format!("sha256:{}g", f(63)), Err(DigestError::Digits));
        check(format!("sha256:{}ä", f(62)), Err(DigestError::Digits));
        check(format!("SHA256:{}", f(64)), Err(DigestError::Algorithm));
        check(format!("invaliddigest:{}", f(64)), Err(DigestError::Algorithm));
        check(f(64), Err(DigestError::Algorithm));
        check(String::new(), Err(DigestError::Algorithm));
    }
}
