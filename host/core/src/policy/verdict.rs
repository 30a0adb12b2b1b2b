//! What is said about one tag.

use std::cmp::Ordering;

use super::scheme::Scheme;
use super::{Policy, Precision, TagPattern, Tagged, age, on_hold, platform, proven};
use crate::version::Version;

/// Most characters of a text that somebody else made up and a message repeats.
const MOST_SHOWN: usize = 64;

/// What becomes of a candidate, and by which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is the one to apply.
    Update,
    /// It could be applied, but another one is newer, or is the same under a better name.
    Superseded,
    /// It is newer and left of the frontier, for a human to decide.
    BeyondFrontier,
    /// It is newer and a pre-release, which neither the current tag is nor the policy allows.
    Prerelease,
    /// It is newer and of another flavor than the current tag.
    OtherFlavor,
    /// It is newer as numbers go, but numbered by something else than the current tag: a date among versions, or the reverse.
    OtherScheme,
    /// It is newer and the policy does not include it.
    NotIncluded,
    /// It is newer and the policy excludes it.
    Excluded,
    /// It is newer and has more levels than the current tag, or fewer, which the policy does not allow.
    OtherPrecision,
    /// It is newer and lacks a platform that the workload's nodes have.
    OtherPlatform,
    /// It is newer, and a human wants neither to have it nor to hear of it.
    Held,
    /// It could be applied, but it is not newer than one whose rollout failed or that was taken back.
    OnHold,
    /// It could be applied, but the workloads that go first have not proved it.
    NotProven,
    /// It could be applied, but it is not old enough.
    TooYoung,
    /// It is newer as numbers go, but the image that the current tag names too.
    SameImage,
    /// It is the current version, or an older one, by the current tag or by another name of its image.
    NotNewer,
    /// It is no version to the parser.
    NoVersion,
    /// It names a signature or the like, not an image to run.
    Artifact,
    /// No image reference can name it.
    InvalidTag,
    /// The current tag is no version, so that nothing is newer.
    NothingToCompare,
}

impl Verdict {
    /// A fixed CamelCase word.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Update => "Update",
            Self::Superseded => "Superseded",
            Self::BeyondFrontier => "BeyondFrontier",
            Self::Prerelease => "Prerelease",
            Self::OtherFlavor => "OtherFlavor",
            Self::OtherScheme => "OtherScheme",
            Self::NotIncluded => "NotIncluded",
            Self::Excluded => "Excluded",
            Self::OtherPrecision => "OtherPrecision",
            Self::OtherPlatform => "OtherPlatform",
            Self::Held => "Held",
            Self::OnHold => "OnHold",
            Self::NotProven => "NotProven",
            Self::TooYoung => "TooYoung",
            Self::SameImage => "SameImage",
            Self::NotNewer => "NotNewer",
            Self::NoVersion => "NoVersion",
            Self::Artifact => "Artifact",
            Self::InvalidTag => "InvalidTag",
            Self::NothingToCompare => "NothingToCompare",
        }
    }

    /// Whether it is a refusal of something newer: what people ask about, when an update does not come.
    ///
    /// A tag that no image reference can name is none. Nobody could want it, and it may be as long and strange as it likes.
    pub fn is_near_miss(self) -> bool {
        match self {
            Self::BeyondFrontier
            | Self::Prerelease
            | Self::OtherFlavor
            | Self::OtherScheme
            | Self::NotIncluded
            | Self::Excluded
            | Self::OtherPrecision
            | Self::OtherPlatform
            | Self::Held
            | Self::OnHold
            | Self::NotProven
            | Self::TooYoung => true,
            Self::Update
            | Self::Superseded
            | Self::SameImage
            | Self::NotNewer
            | Self::NoVersion
            | Self::Artifact
            | Self::InvalidTag
            | Self::NothingToCompare => false,
        }
    }

    /// Whether a human may have it applied all the same. What only they can know is in order: that it is better than what failed, or that it
    /// is worth the risk. What could not run, is none of the versions that are followed, or was ruled out by the spec, stays refused.
    pub fn is_for_a_human(self) -> bool {
        match self {
            Self::Update
            | Self::Superseded
            | Self::BeyondFrontier
            | Self::OnHold
            | Self::NotProven
            | Self::TooYoung => true,
            Self::Prerelease
            | Self::OtherFlavor
            | Self::OtherScheme
            | Self::NotIncluded
            | Self::Excluded
            | Self::OtherPrecision
            | Self::OtherPlatform
            | Self::Held
            | Self::SameImage
            | Self::NotNewer
            | Self::NoVersion
            | Self::Artifact
            | Self::InvalidTag
            | Self::NothingToCompare => false,
        }
    }

    /// The verdict in words, for `candidate`, which is named in front of it.
    ///
    /// Makes sense only with what the verdict was found for; otherwise it says less, but nothing wrong.
    pub fn explain(self, policy: &Policy, current: &Tagged, candidate: &Tagged) -> String {
        let tag = &current.tag;
        let versions = current.version.as_ref().zip(candidate.version.as_ref());
        match self {
            Self::Update => format!("it is the greatest that differs from {tag} right of the frontier only"),
            Self::Superseded => {
                "it may be applied, but there is a newer one, or the same under a better name".to_owned()
            }
            Self::BeyondFrontier => {
                let difference = versions.and_then(|(now, version)| now.first_difference(version));
                let place = difference.map_or_else(|| "somewhere".to_owned(), |difference| difference.to_string());
                let frontier = policy.frontier;
                format!(
                    "it differs from {tag} in {place}, and frontier {frontier} leaves all up to level {frontier} to a human"
                )
            }
            Self::Prerelease => format!("it is a pre-release, which {tag} is not and tags.prereleases does not allow"),
            Self::OtherFlavor => {
                let (now, other) = versions.map_or_else(Default::default, |(now, other)| (flavor(now), flavor(other)));
                match &policy.flavor {
                    None => format!("it is of {other}, {tag} of {now}"),
                    Some(_) => {
                        format!("it is of {other}, which tags.flavor{} does not match", pattern(policy.flavor.as_ref()))
                    }
                }
            }
            Self::OtherScheme => {
                let schemes = versions.map(|(now, version)| (Scheme::of(now), Scheme::of(version)));
                let numbered = schemes.map_or_else(
                    || format!("it is not numbered as {tag} is"),
                    |(now, other)| format!("it is numbered by {other}, {tag} by {now}"),
                );
                format!("{numbered}; to follow such tags, change to one of them by hand")
            }
            Self::NotIncluded => format!("tags.include{} does not match all of it", pattern(policy.include.as_ref())),
            Self::Excluded => format!("tags.exclude{} matches it", pattern(policy.exclude.as_ref())),
            Self::OtherPrecision => {
                let (now, other) = versions.map_or((0, 0), |(now, other)| (now.levels.len(), other.levels.len()));
                let levels = if now == 1 { "level" } else { "levels" };
                format!("precision {:?} wants {now} {levels} like {tag}, and it has {other}", Precision::Same)
            }
            Self::OtherPlatform => match platform::lacking(&policy.platforms, candidate.platforms.as_deref()) {
                Some(lacking) => format!("it has no image for {lacking}, which nodes of the cluster need"),
                None => "it has no image for the nodes of the cluster".to_owned(),
            },
            Self::Held if policy.held.contains(&candidate.tag) => {
                "it was skipped, or stands in spec.hold, and is not offered".to_owned()
            }
            Self::Held => {
                "it is another name of a version that was skipped, or stands in spec.hold, and is not offered"
                    .to_owned()
            }
            Self::OnHold => on_hold::explain(policy, candidate),
            Self::NotProven => proven::explain(policy, candidate),
            Self::TooYoung => age::explain(policy.age, candidate),
            Self::SameImage => format!("it is the same image as {tag} under another name"),
            Self::NotNewer => match versions.map(|(now, version)| version.order(now)) {
                Some(Ordering::Equal) => format!("it is the same version as {tag}"),
                _ => format!("it is older than {tag}"),
            },
            Self::NoVersion => "it is no version to the version parser".to_owned(),
            Self::Artifact => "it names a signature, an attestation or the like, which cannot run".to_owned(),
            Self::InvalidTag => {
                "it is not a tag that an image reference can have: at most 128 letters, digits, '_', '.' and '-'"
                    .to_owned()
            }
            Self::NothingToCompare => format!("{tag} is no version to the version parser, so that nothing is newer"),
        }
    }
}

fn flavor(version: &Version) -> String {
    if version.flavor.is_empty() { "no flavor".to_owned() } else { format!("flavor {}", quoted(&version.flavor)) }
}

/// To follow the name of its field.
fn pattern(pattern: Option<&TagPattern>) -> String {
    pattern.map(|pattern| format!(" {}", quoted(pattern.as_str()))).unwrap_or_default()
}

/// `text` in quotes, or its beginning if it is long.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MOST_SHOWN) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
    }
}
