//! What is asked about an image, and what is found. Types, and what follows from them.

use std::sync::Arc;

use k8supdater_core::image::ImageReference;
use k8supdater_core::policy::{Policy, Ruling, Tagged};

use super::edit::Plan;
use crate::reconcile::validate::PluginUse;

/// By which rules an image is judged, and who is asked about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rules {
    /// Which tags may follow which.
    pub policy: Policy,
    /// Who lists the tags.
    pub registry: PluginUse,
    /// Who reads them as versions.
    pub parser: PluginUse,
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
    /// Its tag is no version, so only what runs can be compared, and only a cluster knows that.
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
    pub(super) fn why_not(&self) -> Option<String> {
        let verdict = self.ruling.verdicts.get(self.ruling.notify?)?;
        Some(verdict.explain(&self.policy, &self.current, self.available()?))
    }

    /// The image with the tag to apply, spelt as its owner spells it.
    pub(super) fn updated_image(&self) -> Option<String> {
        // Tags that no reference can hold are never chosen.
        Some(self.image.with_tag(&self.update()?.tag).ok()?.to_string())
    }
}

impl Finding {
    /// What was compared, if anything was.
    pub(super) fn judged(&self) -> Option<&Judged> {
        match self {
            Self::Judged(judged) => Some(judged),
            Self::Moves(_) | Self::Ignored(_) | Self::Failed(_) => None,
        }
    }

    /// Whether there is something newer, to apply or to report.
    pub(super) fn has_newer(&self) -> bool {
        self.judged().is_some_and(|judged| judged.update().is_some() || judged.available().is_some())
    }
}
