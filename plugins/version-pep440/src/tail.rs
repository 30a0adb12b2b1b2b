//! What PEP 440 orders by after the epoch and the numbers, as bytes that compare in the same order.
//!
//! The order (<https://packaging.python.org/en/latest/specifications/version-specifiers/#summary-of-permitted-suffixes-and-relative-ordering>)
//! is that of pre-release, post-release, development release and local version, one after the other, with these places for absence:
//!
//! | part | bytes, ascending |
//! |---|---|
//! | pre | 0 none, because this is a development release of the release itself; 1 alpha, 2 beta, 3 rc, each with its number; 4 none |
//! | post | 0 none; 1 and its number |
//! | dev | 0 and its number; 1 none |
//! | local | 0 none; 1, then segments (1 and a word that a 0 ends; 2 and a number), then 0 |
//!
//! A number is the count of its bytes, then those bytes, most significant first and without leading zeros.

use pep440_rs::{LocalSegment, PrereleaseKind, Version};

/// The tail of `version`. A plain release has one too, because alphas come before it and post-releases after it.
pub(crate) fn encode(version: &Version) -> Vec<u8> {
    let mut tail = Vec::new();
    match version.pre() {
        Some(pre) => {
            let kind = match pre.kind {
                PrereleaseKind::Alpha => 1,
                PrereleaseKind::Beta => 2,
                PrereleaseKind::Rc => 3,
            };
            tail.push(kind);
            push_number(&mut tail, pre.number);
        }
        // 1.0.dev1 comes before 1.0a1, while 1.0.post1.dev1 comes after 1.0.
        None if version.dev().is_some() && version.post().is_none() => tail.push(0),
        None => tail.push(4),
    }
    match version.post() {
        None => tail.push(0),
        Some(number) => {
            tail.push(1);
            push_number(&mut tail, number);
        }
    }
    match version.dev() {
        Some(number) => {
            tail.push(0);
            push_number(&mut tail, number);
        }
        None => tail.push(1),
    }
    push_local(&mut tail, version.local());
    tail
}

fn push_local(tail: &mut Vec<u8>, segments: &[LocalSegment]) {
    if !segments.is_empty() {
        tail.push(1);
        for segment in segments {
            match segment {
                LocalSegment::String(word) => {
                    tail.push(1);
                    tail.extend(word.bytes());
                    tail.push(0);
                }
                LocalSegment::Number(number) => {
                    tail.push(2);
                    push_number(tail, *number);
                }
            }
        }
    }
    tail.push(0);
}

fn push_number(tail: &mut Vec<u8>, number: u64) {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.iter().skip(zeros);
    tail.extend(u8::try_from(digits.len()));
    tail.extend(digits);
}
