//! What is to be done about the tags of a repository: apply one, report one, or nothing.
//!
//! Start reading at [`decide`]. Each rule has a file: [`tags`] puts them in order, [`artifact`], [`alias`], [`flavor`], [`scheme`],
//! [`pattern`], [`precision`], [`platform`] and [`held`] say which tags are candidates, [`frontier`] on which side of the frontier they are,
//! [`on_hold`], [`proven`] and [`age`] which of those that could be applied by themselves have to wait, [`verdict`] what is said about each
//! of them. Tags that move are another matter, for [`moving`]. When an update may be applied says [`pace`], with the maintenance windows of
//! [`window`]; what workloads that go first have proved says [`after`].

pub mod after;
pub mod age;
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
mod on_hold;
mod proven;
mod scheme;
mod tags;
mod units;

pub use after::Proofs;
pub use age::{MinimumAge, next_of_age};
pub use frontier::Frontier;
pub use pace::{Pace, WaitReason};
pub use pattern::{PatternError, TagPattern};
pub use platform::Platform;
pub use precision::Precision;
pub use proven::Proven;
pub use verdict::Verdict;
pub use window::{Window, WindowError, WindowState, Windows};

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

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
    /// Tags that people have skipped or put on the list `spec.hold`: neither they nor other names of the same versions are candidates.
    pub held: BTreeSet<String>,
    /// Tags whose rollout failed or that somebody took back: only a newer one is applied by itself.
    pub failed: BTreeSet<String>,
    /// What the workloads that go first have proved, which is all that is applied by itself; none if no workload goes first.
    pub proven: Option<Proven>,
    /// How old a version must be to be applied by itself; none for any age.
    pub age: Option<MinimumAge>,
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
            failed: BTreeSet::new(),
            proven: None,
            age: None,
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
    /// From when its age counts: when it was pushed, as the registry says, else when it was first seen; none if nobody knows.
    pub since: Option<Timestamp>,
}

impl Tagged {
    /// A tag of which nothing but the version is known.
    pub fn new(tag: impl Into<String>, version: Option<Version>) -> Self {
        Self { tag: tag.into(), version, digest: None, platforms: None, since: None }
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
///
/// Of the rules that make something wait that is right of the frontier, the one speaks that lasts longest, so that nobody waits for a moment
/// at which nothing happens: what people do not want is wanted only when they change their mind; what failed needs a newer version, or them;
/// what is not proved needs other workloads; what is too young gets older by itself, at a moment that [`next_of_age`] tells.
pub fn decide(policy: &Policy, current: &Tagged, candidates: &[Tagged]) -> Ruling {
    let real = alias::real_version(current, candidates);
    let held = held::versions(&policy.held, candidates);
    let failed = on_hold::greatest(policy, current, candidates);
    let judge = |candidate| {
        let verdict = tags::judge(policy, current, real, candidate);
        let verdict = held::judge(policy, &held, candidate, verdict);
        let verdict = on_hold::judge(policy, failed, candidate, verdict);
        let verdict = proven::judge(policy, candidate, verdict);
        age::judge(policy, candidate, verdict)
    };
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
