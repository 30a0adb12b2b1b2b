//! What a link to the image that is offered can be made of.

use k8supdater_core::image::Digest;
use k8supdater_core::notice::link::is_source_needed;
use k8supdater_core::policy;
use tracing::debug;

use super::{Choice, KEPT, Moving, Tags};
use crate::api::versioning_handler::ContainerStatus;
use crate::failure::chain;
use crate::reconcile::offer::{LinkFacts, Offer};
use crate::registry::{Inquiry, Registries};

/// The settings of a registry plugin that name the project of an image in GitLab.
const GITLAB_PROJECT: &str = "project";

/// What is known for a link to what `choice` offers. The image is looked at only if it is offered for the first time, which `before` tells,
/// and no link could be made otherwise; mostly it has been looked at already, for its platforms. What cannot be had makes no link, and no
/// error.
pub(super) async fn facts(
    registries: &Registries,
    inquiry: &Inquiry,
    choice: &Choice,
    before: Option<&ContainerStatus>,
) -> LinkFacts {
    // A number says nothing about where the project's page is.
    let gitlab_project = inquiry.setting(GITLAB_PROJECT).filter(|project| project.contains('/'));
    let source = match news(choice, before) {
        Some(tag) => source(registries, inquiry, tag).await,
        None => None,
    };
    LinkFacts { gitlab_project, source }
}

/// The tag that is offered, if it was not before.
fn news<'a>(choice: &'a Choice, before: Option<&ContainerStatus>) -> Option<&'a str> {
    match choice {
        Choice::Ignored => None,
        Choice::Tags(tags) => {
            let Tags { image, policy, current, candidates } = &**tags;
            let ruling = policy::decide(policy, current, candidates);
            let chosen = |index: Option<usize>| candidates.get(index?).map(|chosen| chosen.tag.as_str());
            // Of two, the one that is left to people is what they are linked to.
            let Some(reported) = chosen(ruling.notify) else { return chosen(ruling.update) };
            let offer = Offer::reported(image.clone(), reported.to_owned());
            let is_known = before.and_then(Offer::of).is_some_and(|before| before.is_same_as(&offer));
            (!is_known).then_some(reported)
        }
        // Its images are known by now, and with them its source.
        Choice::Moving(moving) => {
            let Moving { registry, running, tag, .. } = &**moving;
            let has_moved = |registry: &Digest| running.iter().any(|running| running.digest != *registry);
            registry.as_ref().is_some_and(has_moved).then_some(tag)
        }
    }
}

async fn source(registries: &Registries, inquiry: &Inquiry, tag: &str) -> Option<String> {
    if !is_source_needed(inquiry.image()) {
        return registries.known_images(inquiry, tag).await?.source;
    }
    match registries.images(inquiry, tag, KEPT).await {
        Ok(detail) => detail.source,
        Err(err) => {
            debug!(tag, error = chain(&err), "source of an image not known");
            None
        }
    }
}
