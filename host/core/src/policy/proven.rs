//! Versions that other workloads have to run first.

use std::collections::BTreeMap;

use super::{Policy, Tagged, Verdict};
use crate::image::Digest;

/// The tags that all workloads that go first have proved, with what each of them pointed at there, if that is known. How they come about is
/// the matter of [`after`](super::after).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proven(BTreeMap<String, Option<Digest>>);

impl Proven {
    /// The tags, in alphabetical order.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What the tag pointed at where it was proved; none if that is not known, or it was not proved.
    pub fn digest(&self, tag: &str) -> Option<&Digest> {
        self.0.get(tag)?.as_ref()
    }

    /// Whether `tagged` is proved. A digest that nobody knows is no other one; whoever applies the tag compares once more what it points at
    /// by then.
    fn has(&self, tagged: &Tagged) -> bool {
        match (self.0.get(&tagged.tag), &tagged.digest) {
            (None, _) => false,
            (Some(Some(proven)), Some(digest)) => proven == digest,
            (Some(None), _) | (Some(_), None) => true,
        }
    }
}

impl FromIterator<(String, Option<Digest>)> for Proven {
    fn from_iter<I: IntoIterator<Item = (String, Option<Digest>)>>(tags: I) -> Self {
        Self(tags.into_iter().collect())
    }
}

/// The verdict on a candidate of which the other rules say `verdict`.
pub(super) fn judge(policy: &Policy, candidate: &Tagged, verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Superseded if policy.proven.as_ref().is_some_and(|proven| !proven.has(candidate)) => {
            Verdict::NotProven
        }
        other => other,
    }
}

/// Why `candidate` is not proved, in words.
pub(super) fn explain(policy: &Policy, candidate: &Tagged) -> String {
    match policy.proven.as_ref().and_then(|proven| proven.digest(&candidate.tag)) {
        Some(proven) => {
            format!(
                "the workloads that go first (spec.after) have proved it as {proven}, and its tag points at another image now"
            )
        }
        None => "the workloads that go first (spec.after) have not proved it yet".to_owned(),
    }
}
