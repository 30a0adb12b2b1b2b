//! Versions whose rollout failed, or that somebody took back.

use std::cmp::Ordering;

use super::{Policy, Tagged, Verdict, scheme};
use crate::version::Version;

/// The greatest version among `candidates` whose rollout failed or that was taken back.
///
/// One left of the frontier does not count: somebody had to approve it, and what is right of the frontier has little to do with it. Version
/// 1.4.3 would otherwise wait for something newer than 2.0.0, which can only come left of the frontier again. Nor does one that is numbered
/// by something else than `current`, after which no version would ever come.
pub(super) fn greatest<'a>(policy: &Policy, current: &Tagged, candidates: &'a [Tagged]) -> Option<&'a Version> {
    if policy.failed.is_empty() {
        return None;
    }
    let now = current.version.as_ref()?;
    let failed = candidates.iter().filter(|candidate| policy.failed.contains(&candidate.tag));
    let versions = failed.filter_map(|candidate| candidate.version.as_ref());
    let is_left = |version: &Version| now.first_difference(version).is_some_and(|place| policy.frontier.is_left(place));
    let counted = versions.filter(|version| !is_left(version) && !scheme::is_other(now, version));
    counted.max_by(|one, other| one.order(other))
}

/// The verdict on a candidate of which the other rules say `verdict`; `greatest` is [what failed](greatest).
///
/// Only a better one than what failed is applied by itself: one in between is older than something that was tried already, and another name
/// of the same version is the same version. What failed left of the frontier is not offered again either.
pub(super) fn judge(policy: &Policy, greatest: Option<&Version>, candidate: &Tagged, verdict: Verdict) -> Verdict {
    let is_better =
        |failed: &Version| candidate.version.as_ref().is_some_and(|version| version.order(failed) == Ordering::Greater);
    match verdict {
        Verdict::Superseded if greatest.is_some_and(|failed| !is_better(failed)) => Verdict::OnHold,
        Verdict::BeyondFrontier if policy.failed.contains(&candidate.tag) => Verdict::OnHold,
        other => other,
    }
}

/// Why `candidate` is on hold, in words.
pub(super) fn explain(policy: &Policy, candidate: &Tagged) -> String {
    let failed: Vec<&str> = policy.failed.iter().map(String::as_str).collect();
    let which = match failed.as_slice() {
        _ if policy.failed.contains(&candidate.tag) => "its rollout failed or it was taken back".to_owned(),
        [] => "it is not newer than one whose rollout failed or that was taken back".to_owned(),
        [one] => format!("it is not newer than {one}, whose rollout failed or which was taken back"),
        [..] => {
            format!("it is not newer than one of {}, whose rollouts failed or which were taken back", failed.join(", "))
        }
    };
    format!("{which}: a newer one is applied by itself, this one once somebody approves it")
}
