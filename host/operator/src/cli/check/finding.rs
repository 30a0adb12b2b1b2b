//! What is asked about an image, and what is found. Types, and what follows from them.

use std::sync::Arc;

use k8supdater_core::image::{Digest, ImageReference};
use k8supdater_core::policy::moving::MovingRuling;
use k8supdater_core::policy::{Policy, Ruling, Tagged};

use super::edit::Plan;
use crate::failure::chain;
use crate::reconcile::observe::Problem;
use crate::reconcile::validate::{Latest, PluginUse};

/// By which rules an image is judged, and who is asked about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rules {
    /// Which tags may follow which.
    pub policy: Policy,
    /// Who lists the tags.
    pub registry: PluginUse,
    /// Who reads them as versions.
    pub parser: PluginUse,
    /// What to do about tags that move.
    pub latest: Latest,
}

/// An image to be judged.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// As it is written.
    pub image: String,
    /// Where it is written; none if it stands on the command line.
    pub place: Option<Place>,
    /// The rules, or why it is not to be judged.
    pub rules: Result<Arc<Rules>, Finding>,
}

/// Where an image is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, as messages name it.
    pub file: String,
    /// The line in it, from 1.
    pub line: usize,
    /// Kind of the workload.
    pub kind: String,
    /// Its namespace, if the file says so.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The container.
    pub container: String,
}

/// What is found out about an image.
#[derive(Clone, Debug)]
pub(super) enum Finding {
    /// Its tag was compared with those of the registry.
    Judged(Box<Judged>),
    /// Its tag moves, and what it is pinned to was compared with what the tag points at now.
    Followed(Box<Followed>),
    /// Its tag moves, so only what runs can be compared, and only a cluster knows that.
    Moves(String),
    /// It is left alone, for this reason.
    Ignored(String),
    /// It could not be judged.
    Failed(Failure),
}

/// Why an image could not be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// A fixed CamelCase word, the same as the operator's for such a failure.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
}

/// An image whose tag was compared.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    /// The image.
    pub image: ImageReference,
    /// The rules that hold for it.
    pub policy: Policy,
    /// Its tag.
    pub current: Tagged,
    /// All tags of the repository.
    pub candidates: Arc<[Tagged]>,
    /// What is to be done.
    pub ruling: Ruling,
}

/// An image that is pinned to what its tag pointed at once.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    /// The image.
    pub image: ImageReference,
    /// Its tag.
    pub tag: String,
    /// What is to be done.
    pub ruling: MovingRuling,
}

/// What an image has, or could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version<'a> {
    /// The tag.
    pub tag: &'a str,
    /// What it points at; only for images that are pinned to a digest.
    pub digest: Option<&'a Digest>,
}

/// An image, what was found, and what was done about it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// What was asked.
    pub subject: Subject,
    /// What was found.
    pub finding: Finding,
    /// What became of the text, if it was to be changed.
    pub written: Option<Plan>,
}

impl Judged {
    /// The tag to apply.
    pub(super) fn update(&self) -> Option<&Tagged> {
        self.candidates.get(self.ruling.update?)
    }

    /// The tag to report, which is newer still.
    pub(super) fn available(&self) -> Option<&Tagged> {
        self.candidates.get(self.ruling.notify?)
    }

    /// Why the tag to report is not to be applied.
    fn why_not(&self) -> Option<String> {
        let verdict = self.ruling.verdicts.get(self.ruling.notify?)?;
        Some(verdict.explain(&self.policy, &self.current, self.available()?))
    }

    fn version<'a>(&self, tagged: &'a Tagged) -> Version<'a> {
        let digest = tagged.digest.as_ref().filter(|_| self.image.digest().is_some());
        Version { tag: &tagged.tag, digest }
    }
}

impl Failure {
    /// As the operator would say it.
    pub(super) fn of(problem: &Problem) -> Self {
        Self { reason: problem.reason(), message: chain(problem) }
    }
}

impl Finding {
    /// What was compared with all tags, if anything was.
    pub(super) fn judged(&self) -> Option<&Judged> {
        match self {
            Self::Judged(judged) => Some(judged),
            Self::Followed(_) | Self::Moves(_) | Self::Ignored(_) | Self::Failed(_) => None,
        }
    }

    /// What the image has, if it was compared.
    pub(super) fn current(&self) -> Option<Version<'_>> {
        match self {
            Self::Judged(judged) => Some(Version { tag: &judged.current.tag, digest: judged.image.digest() }),
            Self::Followed(followed) => Some(Version { tag: &followed.tag, digest: followed.image.digest() }),
            Self::Moves(_) | Self::Ignored(_) | Self::Failed(_) => None,
        }
    }

    /// What is to be applied.
    pub(super) fn update(&self) -> Option<Version<'_>> {
        match self {
            Self::Judged(judged) => judged.update().map(|update| judged.version(update)),
            Self::Followed(followed) => match &followed.ruling {
                MovingRuling::Restart { to } => Some(Version { tag: &followed.tag, digest: Some(to) }),
                MovingRuling::UpToDate
                | MovingRuling::Notify { .. }
                | MovingRuling::Held { .. }
                | MovingRuling::CannotPull { .. }
                | MovingRuling::Unknown { .. } => None,
            },
            Self::Moves(_) | Self::Ignored(_) | Self::Failed(_) => None,
        }
    }

    /// What is to be reported, and why it is not to be applied.
    pub(super) fn available(&self) -> Option<(Version<'_>, String)> {
        match self {
            Self::Judged(judged) => {
                let available = judged.available().map(|available| judged.version(available));
                available.zip(judged.why_not())
            }
            Self::Followed(followed) => match &followed.ruling {
                MovingRuling::Notify { to } => {
                    let why = "the tag points at another image than it is pinned to, and latest is notify";
                    Some((Version { tag: &followed.tag, digest: Some(to) }, why.to_owned()))
                }
                MovingRuling::UpToDate
                | MovingRuling::Restart { .. }
                | MovingRuling::Held { .. }
                | MovingRuling::CannotPull { .. }
                | MovingRuling::Unknown { .. } => None,
            },
            Self::Moves(_) | Self::Ignored(_) | Self::Failed(_) => None,
        }
    }

    /// The image with what is to be applied, spelt as its owner spells it.
    pub(super) fn updated_image(&self) -> Option<String> {
        let Version { tag, digest } = self.update()?;
        let image = match self {
            Self::Judged(judged) => &judged.image,
            Self::Followed(followed) => &followed.image,
            Self::Moves(_) | Self::Ignored(_) | Self::Failed(_) => return None,
        };
        let updated = match digest {
            Some(digest) => image.with_tag_and_digest(tag, digest.clone()),
            None => image.with_tag(tag),
        };
        // Tags that no reference can hold are never chosen, and what is pinned is never updated without a digest.
        Some(updated.ok()?.to_string())
    }

    /// Whether there is something newer, to apply or to report.
    pub(super) fn has_newer(&self) -> bool {
        self.update().is_some() || self.available().is_some()
    }
}
