//! Tags that people have skipped, or that stand in `spec.hold`.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{Policy, Tagged, Verdict};
use crate::version::Version;

/// The versions that the tags in `held` are; those that are no longer among `candidates` count by their names alone.
pub(super) fn versions<'a>(held: &BTreeSet<String>, candidates: &'a [Tagged]) -> Vec<&'a Version> {
    if held.is_empty() {
        return Vec::new();
    }
    let held = candidates.iter().filter(|candidate| held.contains(&candidate.tag));
    held.filter_map(|candidate| candidate.version.as_ref()).collect()
}

/// The verdict on a candidate of which the other rules say `verdict`; `versions` are the [held ones](versions).
///
/// It speaks only of what could have been chosen. Who skips 2.0.0 does not want to be offered 2.0 instead, so that another name
/// of the same version is held with it.
pub(super) fn judge(policy: &Policy, versions: &[&Version], candidate: &Tagged, verdict: Verdict) -> Verdict {
    let is_same = |version: &Version| versions.iter().any(|held| held.order(version) == Ordering::Equal);
    let is_held = || policy.held.contains(&candidate.tag) || candidate.version.as_ref().is_some_and(is_same);
    match verdict {
        Verdict::Superseded | Verdict::BeyondFrontier if is_held() => Verdict::Held,
        other => other,
    }
}
