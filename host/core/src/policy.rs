//! What is to be done about the tags of a repository: apply one, report one, or nothing.
//!
//! Start reading at [`decide`]. Each rule has a file: [`tags`] puts them in order, [`artifact`], [`alias`], [`flavor`], [`scheme`],
//! [`pattern`], [`precision`], [`platform`] and [`held`] say which tags are candidates, [`frontier`] on which side of the frontier they are,
//! [`verdict`] what is said about each of them. Tags that move are another matter, for [`moving`]. When an update may be applied says
//! [`pace`], with the maintenance windows of [`window`].

pub mod frontier;
pub mod moving;
pub mod pace;
pub mod pattern;
pub mod platform;
pub mod precision;
pub mod verdict;
pub mod window;

mod alias;
mod artifact;
mod flavor;
mod held;
mod scheme;
mod tags;
mod units;

pub use frontier::Frontier;
pub use pace::{Pace, WaitReason};
pub use pattern::{PatternError, TagPattern};
pub use platform::Platform;
pub use precision::Precision;
pub use verdict::Verdict;
pub use window::{Window, WindowError, WindowState, Windows};

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::image::Digest;
use crate::version::Version;

/// Which rules hold for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What is left of it is for a human to decide.
    pub frontier: Frontier,
    /// Whether an update may go from a release to a pre-release. From one pre-release to another it always may.
    pub allow_prereleases: bool,
    /// What a tag must match to be a candidate; none for all tags.
    pub include: Option<TagPattern>,
    /// What a tag must not match to be a candidate; it wins over [`include`](Self::include).
    pub exclude: Option<TagPattern>,
    /// Which flavors a candidate may have; none for that of the current tag only.
    pub flavor: Option<TagPattern>,
    /// Whether a candidate must be as precise as the current tag.
    pub precision: Precision,
    /// What a candidate must run on, all of them; empty if nobody knows.
    pub platforms: Vec<Platform>,
    /// Tags that people have skipped: neither they nor other names of the same versions are candidates.
    pub held: BTreeSet<String>,
}

impl Policy {
    /// No rule but this frontier, and no pre-releases.
    pub const fn new(frontier: Frontier) -> Self {
        Self {
            frontier,
            allow_prereleases: false,
            include: None,
            exclude: None,
            flavor: None,
            precision: Precision::Any,
            platforms: Vec::new(),
            held: BTreeSet::new(),
        }
    }
}

/// A tag, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// As the registry spells it, which is how it is written into a workload.
    pub tag: String,
    /// What a version parser made of it; none if it is no version to the parser.
    pub version: Option<Version>,
    /// What it points at, if the listing told. Of the current tag it may as well be the digest that the reference is pinned to. Only
    /// digests from one registry are compared, so both are of image indexes, or both of image manifests.
    pub digest: Option<Digest>,
    /// What it runs on; none if nobody has told yet. Many tags of a repository have the same, which is kept once.
    pub platforms: Option<Arc<[Platform]>>,
}

impl Tagged {
    /// A tag of which neither digest nor platforms are known.
    pub fn new(tag: impl Into<String>, version: Option<Version>) -> Self {
        Self { tag: tag.into(), version, digest: None, platforms: None }
    }
}

/// What is to be done about the candidates that were judged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Ruling {
    /// Index of the candidate to apply.
    pub update: Option<usize>,
    /// Index of the candidate to report to a human; newer than the one to apply.
    pub notify: Option<usize>,
    /// One for each candidate, in the same order.
    pub verdicts: Vec<Verdict>,
}

/// Judges `candidates`, which are all tags of the repository, against `current`, the tag that runs.
///
/// To apply is the greatest of those right of the frontier, to report the greatest of those left of it, if it is newer still. Of several
/// names of the same version (1.0 and 1.0.0) it is the one that looks most like the current tag. Nothing depends on the order of the
/// candidates.
pub fn decide(policy: &Policy, current: &Tagged, candidates: &[Tagged]) -> Ruling {
    let real = alias::real_version(current, candidates);
    let held = held::versions(&policy.held, candidates);
    let judge = |candidate| held::judge(policy, &held, candidate, tags::judge(policy, current, real, candidate));
    let mut verdicts: Vec<Verdict> = candidates.iter().map(judge).collect();
    let update = tags::greatest(current, candidates, &verdicts, Verdict::Superseded);
    let notify = tags::greatest(current, candidates, &verdicts, Verdict::BeyondFrontier);
    // Not a matter of course: with two levels kept, 1 is followed by 1.post1, which is left of the frontier because all of 1's levels are,
    // and by the newer 1.0.1, which is right of it.
    let notify = notify.filter(|&notify| update.is_none_or(|update| is_newer(candidates, notify, update)));
    if let Some(verdict) = update.and_then(|update| verdicts.get_mut(update)) {
        *verdict = Verdict::Update;
    }
    Ruling { update, notify, verdicts }
}

/// Whether one candidate is newer than the other; both by their index. A tag that is no version is not.
pub fn is_newer(candidates: &[Tagged], one: usize, other: usize) -> bool {
    let version = |index: usize| candidates.get(index).and_then(|candidate| candidate.version.as_ref());
    match (version(one), version(other)) {
        (Some(one), Some(other)) => one.order(other) == Ordering::Greater,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
