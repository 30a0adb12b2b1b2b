//! The image that a container is offered, and where people can read about it. Pure.

use k8supdater_core::image::{Digest, ImageReference};
use k8supdater_core::notice::link::{self, Facts};

use super::observe::LATEST;
use crate::api::versioning_handler::ContainerStatus;
use crate::workload::patch::Change;

/// An image that people are told of: the one that is reported, or else that of the last update.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Registry and repository; its tag and digest do not count.
    image: ImageReference,
    /// The tag; of one that moves, with `@` and its digest behind it.
    tag: String,
}

/// What a link can be made of, besides the image and its tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts {
    /// Path of the GitLab project that the image belongs to, if the registry plugin is told one.
    pub gitlab_project: Option<String>,
    /// Where the image that is offered says that its source is, if it says so and has been looked at.
    pub source: Option<String>,
}

impl Offer {
    /// What is offered where `tag` is reported of `image`.
    pub fn reported(image: ImageReference, tag: String) -> Self {
        Self { image, tag }
    }

    /// What is offered by a status.
    pub fn of(status: &ContainerStatus) -> Option<Self> {
        if let Some(tag) = &status.reported {
            return Some(Self::reported(status.image.parse().ok()?, tag.clone()));
        }
        let update = status.update.as_ref()?;
        Self::updated(&update.to, update.digest.as_deref().filter(|_| update.is_restart()))
    }

    /// What is offered by a status together with the update that is about to be made.
    pub fn with(status: &ContainerStatus, change: Option<&Change>) -> Option<Self> {
        match change.filter(|_| status.reported.is_none()) {
            Some(change) => Self::updated(&change.to, change.restart_for.as_ref().map(Digest::to_string).as_deref()),
            None => Self::of(status),
        }
    }

    fn updated(to: &str, restart_for: Option<&str>) -> Option<Self> {
        let image: ImageReference = to.parse().ok()?;
        let tag = image.tag().unwrap_or(LATEST);
        let tag = restart_for.map_or_else(|| tag.to_owned(), |digest| format!("{tag}@{digest}"));
        Some(Self { image, tag })
    }

    /// Whether both are the same tag of the same repository.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.tag == other.tag && self.image.name() == other.image.name()
    }

    /// Where to read about it.
    pub fn link(&self, facts: &LinkFacts) -> Option<String> {
        let LinkFacts { gitlab_project, source } = facts;
        let (gitlab_project, source) = (gitlab_project.as_deref(), source.as_deref());
        let link = link::link(Facts { image: &self.image, tag: &self.tag, gitlab_project, source })?;
        Some(link.as_str().to_owned())
    }
}

/// The link that belongs into `status`, where `change` is about to be made and `before` was known. `facts` are none if the container
/// could not be looked at.
///
/// Where an image says that its source is, is asked for once, when the image is offered for the first time; from then on the link is known
/// from the status.
pub fn link(
    status: &ContainerStatus,
    change: Option<&Change>,
    facts: Option<&LinkFacts>,
    before: Option<&ContainerStatus>,
) -> Option<String> {
    let offer = Offer::with(status, change)?;
    let known = before.filter(|before| Offer::of(before).is_some_and(|before| before.is_same_as(&offer)));
    let known = known.and_then(|known| known.link.clone());
    match facts {
        Some(facts) if facts.source.is_some() || known.is_none() => offer.link(facts),
        Some(_) | None => known,
    }
}

#[cfg(test)]
mod tests {
    use crate::workload::containers::List;
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::versioning_handler::{UpdatePhase, UpdateStatus};

    const APP: &str = "ghcr.io/example/app";
    const OLD: &str = "https://example.net/old";
    const NEW: &str = "https://example.net/new";

    /// A status of `image`, of which this tag is reported, and the last update went to that image, for that digest.
    fn status(image: &str, reported: Option<&str>, update: Option<(&str, Option<&str>)>) -> ContainerStatus {
        let update = update.map(|(to, digest)| UpdateStatus {
            phase: UpdatePhase::Finished,
            digest: digest.map(str::to_owned),
            ..UpdateStatus::announced(if digest.is_some() { to } else { image }, to, Time(Timestamp::UNIX_EPOCH))
        });
        ContainerStatus {
            image: image.to_owned(),
            reported: reported.map(str::to_owned),
            update,
            ..ContainerStatus::default()
        }
    }

    fn change(to: &str, restart_for: Option<&str>) -> Change {
        let restart_for = restart_for.map(|digest| digest.parse().unwrap());
        Change {
            list: List::Containers,
            index: 0,
            container: "app".to_owned(),
            from: format!("{APP}:1.0"),
            to: to.to_owned(),
            restart_for,
            rolls_back: None,
            is_for_once: false,
        }
    }

    #[test]
    fn what_is_offered_is_what_is_reported_or_else_the_last_update() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let check = |status: &ContainerStatus, change: Option<&Change>, expected: Option<(&str, &str)>| {
            let offer = Offer::with(status, change).map(|offer| (offer.image.name(), offer.tag));
            let expected = expected.map(|(name, tag)| (name.to_owned(), tag.to_owned()));
            assert_eq!(offer, expected, "{status:?} {change:?}");
        };
        let image = format!("{APP}:1.0");
        let (newer, moved) = (format!("{APP}:1.1"), format!("latest@{digest}"));
        let update = || Some((newer.as_str(), None));
        check(&status(&image, None, None), None, None);
        check(&status(&image, Some("2.0"), update()), None, Some((APP, "2.0")));
        check(&status(&image, Some("2.0"), None), Some(&change(&newer, None)), Some((APP, "2.0")));
        check(&status(&image, None, update()), None, Some((APP, "1.1")));
        check(&status(&image, None, update()), Some(&change(&format!("{APP}:1.2"), None)), Some((APP, "1.2")));
        check(&status(&image, None, None), Some(&change(&format!("{newer}@{digest}"), None)), Some((APP, "1.1")));
        check(&status(APP, Some(&moved), None), None, Some((APP, &moved)));
        check(&status(APP, None, Some((APP, Some(&digest)))), None, Some((APP, &moved)));
        check(&status(APP, None, None), Some(&change(APP, Some(&digest))), Some((APP, &moved)));
        check(&status("IMAGE", Some("2.0"), None), None, None);
    }

    #[test]
    fn a_link_is_made_when_an_image_is_offered_and_kept_as_long_as_it_is() {
        let image = format!("{APP}:1.0");
        let now = |reported: Option<&str>| status(&image, reported, None);
        let facts = |source: Option<&str>| LinkFacts { gitlab_project: None, source: source.map(str::to_owned) };
        let known = |reported: Option<&str>| ContainerStatus { link: Some(OLD.to_owned()), ..now(reported) };
        let check = |reported: Option<&str>, facts: Option<LinkFacts>, before: Option<ContainerStatus>, expected| {
            let found = link(&now(reported), None, facts.as_ref(), before.as_ref());
            assert_eq!(found.as_deref(), expected, "{reported:?} {facts:?} {before:?}");
        };
        let two = Some("2.0");
        check(two, Some(facts(Some(NEW))), None, Some(NEW));
        check(two, Some(facts(Some("http://example.net"))), None, None);
        check(two, Some(facts(None)), None, None);
        // It was offered before.
        check(two, Some(facts(None)), Some(known(two)), Some(OLD));
        check(two, Some(facts(Some(NEW))), Some(known(two)), Some(NEW));
        check(two, None, Some(known(two)), Some(OLD));
        // Another one was, or the same tag of another repository.
        check(two, Some(facts(None)), Some(known(Some("1.9"))), None);
        check(two, None, Some(known(Some("1.9"))), None);
        let other = ContainerStatus { image: "ghcr.io/example/other:1.0".to_owned(), ..known(two) };
        check(two, Some(facts(None)), Some(other), None);
        check(None, Some(facts(Some(NEW))), Some(known(two)), None);
    }

    #[test]
    fn where_no_source_is_needed_a_link_needs_no_looking() {
        let hub = |reported| status("nginx:1.25.1", Some(reported), None);
        let facts = LinkFacts::default();
        let link = |reported| link(&hub(reported), None, Some(&facts), None);
        assert_eq!(link("1.25.2").as_deref(), Some("https://hub.docker.com/_/nginx/tags?name=1.25.2"));
        let gitlab = status("registry.gitlab.com/group/app/web:1.0", Some("2.0"), None);
        let facts = LinkFacts { gitlab_project: Some("group/app".to_owned()), source: None };
        let found = super::link(&gitlab, None, Some(&facts), None);
        assert_eq!(found.as_deref(), Some("https://gitlab.com/group/app/container_registry"));
    }
}
