//! Values of groups, as numbers and bytes that compare as the setting `order` says.
//!
//! | order | a level | the groups `prerelease` and `tail` |
//! |---|---|---|
//! | `numeric` | the number | the count of its digits, then the digits |
//! | `text` | up to 8 bytes, the first one most significant | the bytes, then 0 |
//! | `natural` | | as text, where `0` (the digit), the count of its digits and the digits stand for a number |
//!
//! Numbers lose their leading zeros, so the one with more digits is greater.

use serde::Deserialize;

/// How the values of a group compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// As numbers of at most 64 bits; nothing else is allowed.
    Numeric,
    /// As ASCII, byte by byte.
    Text,
    /// As text in which digits are numbers: rc9, rc10.
    Natural,
}

/// `text` as a level; none if it is not a number of at most 64 bits, or not a text of at most 8 bytes.
pub(crate) fn level(text: &str, order: Order) -> Option<u64> {
    match order {
        Order::Numeric => number(text),
        Order::Text | Order::Natural => {
            let mut bytes = [0; 8];
            bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
            Some(u64::from_be_bytes(bytes))
        }
    }
}

/// Adds `text` to `tail`, so that nothing added later can change how it compares. None if `order` wants a number and it is none.
pub(crate) fn push(tail: &mut Vec<u8>, text: &str, order: Order) -> Option<()> {
    match order {
        Order::Numeric => {
            number(text)?;
            push_digits(tail, text);
        }
        Order::Text => {
            tail.extend(text.bytes());
            tail.push(0);
        }
        Order::Natural => {
            let mut rest = text;
            while !rest.is_empty() {
                let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
                let (digits, others) = rest.split_at_checked(end)?;
                if !digits.is_empty() {
                    tail.push(b'0');
                    push_digits(tail, digits);
                }
                let end = others.find(|character: char| character.is_ascii_digit()).unwrap_or(others.len());
                let (letters, others) = others.split_at_checked(end)?;
                tail.extend(letters.bytes());
                rest = others;
            }
            tail.push(0);
        }
    }
    Some(())
}

/// A tag is shorter than 256 characters, so the count fits.
fn push_digits(tail: &mut Vec<u8>, digits: &str) {
    let digits = digits.trim_start_matches('0');
    tail.push(u8::try_from(digits.len()).unwrap_or(u8::MAX));
    tail.extend(digits.bytes());
}

/// Digits and nothing else, unlike `parse`, which takes a sign. None for numbers beyond 64 bits.
pub(crate) fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
