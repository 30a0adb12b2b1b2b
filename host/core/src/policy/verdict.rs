//! What is said about one tag.

use std::cmp::Ordering;

use super::{Policy, Tagged};
use crate::version::Version;

/// Most characters of a text that a plugin made up and a message repeats.
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
    /// It is the current version, or an older one.
    NotNewer,
    /// It is no version to the parser.
    NoVersion,
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
            Self::NotNewer => "NotNewer",
            Self::NoVersion => "NoVersion",
            Self::InvalidTag => "InvalidTag",
            Self::NothingToCompare => "NothingToCompare",
        }
    }

    /// Whether it is a refusal of something newer: what people ask about, when an update does not come.
    ///
    /// A tag that no image reference can name is none. Nobody could want it, and it may be as long and strange as it likes.
    pub fn is_near_miss(self) -> bool {
        match self {
            Self::BeyondFrontier | Self::Prerelease | Self::OtherFlavor => true,
            Self::Update
            | Self::Superseded
            | Self::NotNewer
            | Self::NoVersion
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
                format!("it is of {other}, {tag} of {now}")
            }
            Self::NotNewer => match versions.map(|(now, version)| version.order(now)) {
                Some(Ordering::Equal) => format!("it is the same version as {tag}"),
                _ => format!("it is older than {tag}"),
            },
            Self::NoVersion => "it is no version to the version parser".to_owned(),
            Self::InvalidTag => {
                "it is not a tag that an image reference can have: at most 128 letters, digits, '_', '.' and '-'"
                    .to_owned()
            }
            Self::NothingToCompare => format!("{tag} is no version to the version parser, so that nothing is newer"),
        }
    }
}

fn flavor(version: &Version) -> String {
    match version.flavor.char_indices().nth(MOST_SHOWN) {
        _ if version.flavor.is_empty() => "no flavor".to_owned(),
        None => format!("flavor {:?}", version.flavor),
        Some((end, _)) => format!("flavor {:?}…", version.flavor.get(..end).unwrap_or_default()),
    }
}
