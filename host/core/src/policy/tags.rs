//! Which tags are candidates, and which of two candidates is greater.

use std::cmp::{Ordering, Reverse};

use super::{Policy, Tagged, Verdict, alias, artifact, flavor, platform, scheme};
use crate::image;
use crate::version::Version;

/// What is to be said about one candidate, without looking at the others: [`Verdict::Superseded`] if it may be applied.
///
/// The first rule that refuses it speaks. That it is not newer comes early, so that the other rules speak of newer tags only; what the
/// candidate is comes before what the owner wants, so that nobody loosens a pattern in vain.
///
/// `real` is what [`alias::real_version`] says of the current tag.
pub(super) fn judge(policy: &Policy, current: &Tagged, real: Option<&Version>, candidate: &Tagged) -> Verdict {
    if !image::is_tag(&candidate.tag) {
        return Verdict::InvalidTag;
    }
    if artifact::is_artifact(&candidate.tag) {
        return Verdict::Artifact;
    }
    let Some((now, real)) = current.version.as_ref().zip(real) else { return Verdict::NothingToCompare };
    let Some(version) = &candidate.version else { return Verdict::NoVersion };
    if version.order(now) != Ordering::Greater {
        return Verdict::NotNewer;
    }
    if alias::is_same_image(current, candidate) {
        return Verdict::SameImage;
    }
    if version.order(real) != Ordering::Greater {
        return Verdict::NotNewer;
    }
    let has_flavor = match &policy.flavor {
        None => flavor::is_same(&now.flavor, &version.flavor),
        Some(pattern) => pattern.matches(&version.flavor),
    };
    if !has_flavor {
        return Verdict::OtherFlavor;
    }
    if scheme::is_other(now, version) {
        return Verdict::OtherScheme;
    }
    if policy.include.as_ref().is_some_and(|include| !include.matches(&candidate.tag)) {
        return Verdict::NotIncluded;
    }
    if policy.exclude.as_ref().is_some_and(|exclude| exclude.matches(&candidate.tag)) {
        return Verdict::Excluded;
    }
    if !policy.precision.allows(now, version) {
        return Verdict::OtherPrecision;
    }
    if version.prerelease && !now.prerelease && !policy.allow_prereleases {
        return Verdict::Prerelease;
    }
    if platform::lacking(&policy.platforms, candidate.platforms.as_deref()).is_some() {
        return Verdict::OtherPlatform;
    }
    match now.first_difference(version) {
        Some(difference) if policy.frontier.is_left(difference) => Verdict::BeyondFrontier,
        _ => Verdict::Superseded,
    }
}

/// Index of the greatest candidate with the verdict `wanted`.
pub(super) fn greatest(
    current: &Tagged,
    candidates: &[Tagged],
    verdicts: &[Verdict],
    wanted: Verdict,
) -> Option<usize> {
    let wanted = candidates.iter().zip(verdicts).enumerate().filter(|(_, (_, verdict))| **verdict == wanted);
    let greatest = wanted.max_by(|(_, (one, _)), (_, (other, _))| order(current, one, other));
    greatest.map(|(index, _)| index)
}

/// Which of two candidates is greater: the newer one, and among names of the same version the one that looks most like the current tag.
///
/// Its flavor, where a policy allows several. As many levels as that one has, else as many as there are: registries move short names (1.28) from patch to patch, so the longest
/// means what it says for longest. Then the longest common beginning, for a `v` in front; then the alphabet, so that there is always
/// an answer, and always the same.
pub(super) fn order(current: &Tagged, one: &Tagged, other: &Tagged) -> Ordering {
    let (Some(version), Some(other_version)) = (&one.version, &other.version) else { return Ordering::Equal };
    let likeness = |tagged: &Tagged, version: &Version| {
        let levels = version.levels.len();
        let current_version = current.version.as_ref();
        let has_its_flavor = current_version.is_some_and(|current| flavor::is_same(&current.flavor, &version.flavor));
        let is_as_long = current_version.is_some_and(|current| current.levels.len() == levels);
        (has_its_flavor, is_as_long, levels, common_beginning(&current.tag, &tagged.tag))
    };
    version.order(other_version).then_with(|| {
        let likenesses = (likeness(one, version), likeness(other, other_version));
        likenesses.0.cmp(&likenesses.1).then_with(|| Reverse(&one.tag).cmp(&Reverse(&other.tag)))
    })
}

/// How many bytes are the same from the beginning.
fn common_beginning(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count()
}
