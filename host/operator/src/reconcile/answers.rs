//! Which answers are for which container, and what is remembered of its tags. Pure.
//!
//! An answer that names its container is for that one. Another is for every container to which its tag is offered, and where a workload
//! has but one container, for that.

use std::collections::BTreeSet;

use k8supdater_core::image::ImageReference;

use super::validate::Target;
use crate::answer::{Answer, Choice};
use crate::api::rollout_status::SeenTag;
use crate::api::versioning_handler::ContainerStatus;

impl Target {
    /// The answers for `container` that are not taken up yet. `is_alone` says that no other container is looked after.
    pub fn answers_for(&self, container: &str, is_alone: bool) -> Vec<Choice> {
        let before = self.before_of(container);
        let is_meant = |choice: &&Choice| match &choice.container {
            Some(name) => name == container,
            None => is_alone || before.is_some_and(|before| before.knows(&choice.tag)),
        };
        self.answers.choices.iter().filter(is_meant).cloned().collect()
    }

    /// What was known of `container` before.
    pub fn before_of(&self, container: &str) -> Option<&ContainerStatus> {
        self.before.containers.iter().find(|before| before.name == container)
    }

    /// The tags that people do not want in `container`: those that `spec.hold` lists and those that are skipped, now that `answers` are given.
    pub fn held(&self, container: &str, answers: &[Choice]) -> BTreeSet<String> {
        let mut held = self.plan_of(container).map(|plan| plan.policy.held.clone()).unwrap_or_default();
        let skipped = self.before_of(container).map(|before| before.skipped.as_slice()).unwrap_or_default();
        held.extend(skipped.iter().map(|skipped| skipped.tag.clone()));
        held.extend(tags(answers, |answer| answer == Answer::Skip).map(str::to_owned));
        held
    }

    /// The tags of the repository of `image` whose rollout in `container` failed, or that somebody took back.
    pub fn failed(&self, container: &str, image: &ImageReference) -> BTreeSet<String> {
        let held = self.before_with(container, image).map(|before| before.held.as_slice()).unwrap_or_default();
        held.iter().map(|held| held.tag.clone()).collect()
    }

    /// When tags of the repository of `image` were seen first, as far as it was written down for `container`.
    pub fn first_seen(&self, container: &str, image: &ImageReference) -> &[SeenTag] {
        self.before_with(container, image).map(|before| before.first_seen.as_slice()).unwrap_or_default()
    }

    /// What was known of `container`, if it had an image of the same repository as `image` then: in another one the same tag names something
    /// else.
    fn before_with(&self, container: &str, image: &ImageReference) -> Option<&ContainerStatus> {
        let is_same = |before: &&ContainerStatus| {
            before.image.parse().is_ok_and(|before: ImageReference| before.is_of_same_repository(image))
        };
        self.before_of(container).filter(is_same)
    }

    /// The tag that is approved in `container`, now that `answers` are given: the last one.
    pub fn approved(&self, container: &str, answers: &[Choice]) -> Option<String> {
        let recorded = || self.before_of(container)?.approved.as_ref().map(|approved| approved.tag.clone());
        tags(answers, |answer| answer == Answer::Approve).last().map(str::to_owned).or_else(recorded)
    }
}

impl ContainerStatus {
    /// Whether an answer about `tag` can only mean this container: it is what is offered, held or in place, or was answered already.
    fn knows(&self, tag: &str) -> bool {
        let is_applied = self.update.as_ref().is_some_and(|update| update.is_to(tag) && update.to == self.image);
        is_applied
            || self.reported.as_deref() == Some(tag)
            || self.held.iter().any(|held| held.tag == tag)
            || self.approved.as_ref().is_some_and(|approved| approved.tag == tag)
            || self.skipped.iter().any(|skipped| skipped.tag == tag)
    }
}

/// The tags to which that is the answer.
fn tags(answers: &[Choice], is_it: impl Fn(Answer) -> bool) -> impl Iterator<Item = &str> {
    answers.iter().filter(move |choice| is_it(choice.answer)).map(|choice| choice.tag.as_str())
}
