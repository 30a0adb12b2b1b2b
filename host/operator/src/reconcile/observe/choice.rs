//! What there is to choose from.

use std::sync::Arc;
use std::time::Duration;

use k8supdater_core::image::{Digest, ImageReference};
use k8supdater_core::policy::moving::{LatestPreference, RunningImage};
use k8supdater_core::policy::{self, Policy, Tagged};
use tracing::debug;

use super::{After, KEPT, needed};
use crate::api::rollout_status::SeenTag;
use crate::failure::chain;
use crate::registry::{Detail, Inquiry, ListError, Registries};

/// What a container's policy can choose from.
#[derive(Debug)]
pub enum Choice {
    /// The user wants it left alone.
    Ignored,
    /// These tags.
    Tags(Box<Tags>),
    /// What its tag points at now.
    Moving(Box<Moving>),
}

/// The tags of a repository, for a container whose tag is a version.
#[derive(Debug)]
pub struct Tags {
    /// The image reference in the spec.
    pub image: ImageReference,
    /// Which rules hold.
    pub policy: Policy,
    /// The tag in the spec.
    pub current: Tagged,
    /// All tags of the repository, as far as they are known.
    pub candidates: Arc<[Tagged]>,
    /// When tags that could be applied were seen first, where an age is asked for and the registry has no date; for the status.
    pub first_seen: Vec<SeenTag>,
    /// The tag that somebody has approved.
    pub approved: Option<String>,
    /// What the workloads that go first have proved; none if no workload goes first.
    pub after: Option<After>,
}

/// What a tag that moves points at, and what runs.
#[derive(Debug)]
pub struct Moving {
    /// The image reference in the spec.
    pub image: ImageReference,
    /// Its tag; `latest` if it has none.
    pub tag: String,
    /// What the tag points at, if the registry tells.
    pub registry: Option<Digest>,
    /// The images behind that, if it is an index and they have been asked for.
    pub members: Vec<Digest>,
    /// What runs, or what the reference is pinned to.
    pub running: Vec<RunningImage>,
    /// What the owner wants.
    pub preference: LatestPreference,
    /// What the workloads that go first have proved; none if no workload goes first.
    pub after: Option<After>,
}

/// Most tags that are looked at more closely in one check. Each may cost a pull.
const MOST_LOOKS: usize = 4;

impl Moving {
    /// Asks what the tag points at, at most `interval` ago. What runs may be the image for one platform behind an index that the tag points
    /// at: those are worth a look only where they differ.
    ///
    /// # Errors
    /// See [`ListError`].
    pub async fn look_up(
        mut self,
        registries: &Registries,
        inquiry: &Inquiry,
        interval: Duration,
    ) -> Result<Self, ListError> {
        self.registry = registries.digest(inquiry, &self.tag, interval).await?.digest;
        let differs = |digest: &Digest| self.running.iter().any(|running| running.digest != *digest);
        if let Some(digest) = self.registry.as_ref().filter(|digest| differs(digest)) {
            let is_of_digest = |detail: &Detail| detail.digest.as_ref() == Some(digest);
            let mut detail = registries.images(inquiry, &self.tag, KEPT).await?;
            if !is_of_digest(&detail) {
                detail = registries.images(inquiry, &self.tag, Duration::ZERO).await?;
            }
            self.members = if is_of_digest(&detail) { detail.members } else { Vec::new() };
        }
        Ok(self)
    }
}

impl Tags {
    /// Asks for what is not known about the tags that would win: what they run on, where nodes are known, and their digest, where the
    /// image is pinned to one. What cannot be had stays unknown, which refuses nothing.
    pub async fn look_closer(mut self, registries: &Registries, inquiry: &Inquiry, interval: Duration) -> Self {
        let nodes = std::mem::take(&mut self.policy.platforms);
        if let [only] = nodes.as_slice() {
            self.policy.platforms = vec![only.clone()];
        } else if !nodes.is_empty() && self.winners().next().is_some() {
            // Several platforms: those count on which the current image can run.
            let current = registries.images(inquiry, &self.current.tag, KEPT).await.ok();
            let current = current.and_then(|detail| detail.platforms);
            self.policy.platforms = needed(nodes, current.as_deref());
        }
        let mut looked = Vec::new();
        while looked.len() < MOST_LOOKS {
            let Some(winner) = self.winners().find(|winner| !looked.contains(&winner.tag) && self.is_unclear(winner))
            else {
                break;
            };
            let tag = winner.tag.clone();
            if let Some(detail) = self.detail(registries, inquiry, &tag, interval).await {
                self.learn(&tag, detail);
            }
            looked.push(tag);
        }
        self
    }

    fn winners(&self) -> impl Iterator<Item = &Tagged> {
        let ruling = policy::decide(&self.policy, &self.current, &self.candidates);
        let approved =
            self.approved.as_ref().and_then(|tag| self.candidates.iter().position(|tagged| tagged.tag == *tag));
        let winners = [approved, ruling.update, ruling.notify].into_iter().flatten();
        winners.filter_map(|index| self.candidates.get(index))
    }

    fn is_unclear(&self, tagged: &Tagged) -> bool {
        let lacks_digest = self.image.digest().is_some() && tagged.digest.is_none();
        let lacks_platforms = !self.policy.platforms.is_empty() && tagged.platforms.is_none();
        lacks_digest || lacks_platforms
    }

    async fn detail(
        &self,
        registries: &Registries,
        inquiry: &Inquiry,
        tag: &str,
        interval: Duration,
    ) -> Option<Detail> {
        let ask = async |max_age: Duration| match registries.images(inquiry, tag, max_age).await {
            Ok(detail) => Some(detail),
            Err(err) => {
                debug!(tag, error = chain(&err), "images behind a tag not known");
                None
            }
        };
        let detail = ask(KEPT).await?;
        let lacks = |detail: &Detail| {
            let has = |platform| detail.platforms.as_ref().is_none_or(|platforms| platforms.contains(platform));
            !self.policy.platforms.iter().all(has)
        };
        // Images for other platforms are often pushed some minutes later.
        if lacks(&detail) { ask(interval).await } else { Some(detail) }
    }

    fn learn(&mut self, tag: &str, detail: Detail) {
        let mut candidates = self.candidates.to_vec();
        if let Some(candidate) = candidates.iter_mut().find(|candidate| candidate.tag == tag) {
            candidate.digest = candidate.digest.take().or(detail.digest);
            candidate.platforms = detail.platforms;
        }
        self.candidates = candidates.into();
    }
}
