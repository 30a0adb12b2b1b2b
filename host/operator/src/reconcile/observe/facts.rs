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
    needs_approval: bool,
    before: Option<&ContainerStatus>,
) -> LinkFacts {
    // A number says nothing about where the project's page is.
    let gitlab_project = inquiry.setting(GITLAB_PROJECT).filter(|project| project.contains('/'));
    let source = match news(choice, needs_approval, before) {
        Some(tag) => source(registries, inquiry, tag).await,
        None => None,
    };
    LinkFacts { gitlab_project, source }
}

/// The tag that is offered, if it was not before.
fn news<'a>(choice: &'a Choice, needs_approval: bool, before: Option<&ContainerStatus>) -> Option<&'a str> {
    match choice {
        Choice::Ignored => None,
        Choice::Tags(tags) => {
            let Tags { image, policy, current, candidates, .. } = &**tags;
            let ruling = policy::decide(policy, current, candidates);
            let chosen = |index: Option<usize>| candidates.get(index?).map(|chosen| chosen.tag.as_str());
            // Of two, the one that is left to people is what they are linked to.
            let reported = match (chosen(ruling.update), chosen(ruling.notify)) {
                (Some(update), _) if needs_approval => update,
                (_, Some(notify)) => notify,
                (update, None) => return update,
            };
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

#[cfg(test)]
mod tests {
    use k8supdater_core::policy::moving::{LatestPreference, RunningImage};
    use k8supdater_core::policy::{Frontier, Policy, Tagged};
    use k8supdater_core::version::Version;

    use super::*;

    const APP: &str = "ghcr.io/example/app:1.0";

    fn before(reported: &str) -> ContainerStatus {
        let (image, reported) = (APP.to_owned(), Some(reported.to_owned()));
        ContainerStatus { image, reported, ..ContainerStatus::default() }
    }

    #[test]
    fn a_tag_is_looked_at_when_it_is_offered_for_the_first_time() {
        let check = |candidates: &[&str], before: Option<ContainerStatus>, expected: Option<&str>| {
            let tagged = |tag: &str| {
                let levels = tag.split('.').map(|level| level.parse().unwrap()).collect();
                Tagged::new(tag, Some(Version { levels, ..Version::default() }))
            };
            let choice = Choice::Tags(Box::new(Tags {
                image: APP.parse().unwrap(),
                policy: Policy::new(Frontier::new(1).unwrap()),
                current: tagged("1.0"),
                candidates: candidates.iter().map(|tag| tagged(tag)).collect(),
                first_seen: Vec::new(),
                approved: None,
                after: None,
            }));
            assert_eq!(news(&choice, false, before.as_ref()), expected, "{candidates:?} {before:?}");
        };
        check(&["0.9", "1.0"], None, None);
        check(&["2.0"], None, Some("2.0"));
        check(&["2.0"], Some(before("2.0")), None);
        check(&["2.0", "2.1"], Some(before("2.0")), Some("2.1"));
        check(&["1.1"], None, Some("1.1"));
        check(&["1.1"], Some(before("2.0")), Some("1.1"));
        check(&["1.1", "2.0"], None, Some("2.0"));
        check(&["1.1", "2.0"], Some(before("2.0")), None);
    }

    #[test]
    fn a_tag_that_moves_is_offered_where_something_else_runs() {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64)).parse::<Digest>().unwrap();
        let check = |registry: Option<&str>, running: &[&str], expected: Option<&str>| {
            let choice = Choice::Moving(Box::new(Moving {
                after: None,
                image: "app".parse().unwrap(),
                tag: "latest".to_owned(),
                registry: registry.map(digest),
                members: Vec::new(),
                running: running.iter().map(|digit| RunningImage { digest: digest(digit) }).collect(),
                preference: LatestPreference::Notify,
            }));
            assert_eq!(news(&choice, false, None), expected, "{registry:?} {running:?}");
        };
        check(Some("b"), &["a"], Some("latest"));
        check(Some("b"), &["b"], None);
        check(Some("b"), &[], None);
        check(None, &["a"], None);
    }
}
