//! Versions that failed or were taken back, and are therefore not applied by themselves any more. Pure.
//!
//! Together they see to it that no container is updated twice to the same version without somebody asking for it: whoever sets an image
//! back, by whatever means, is not overruled.

use std::borrow::Cow;
use std::cmp::Ordering;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8supdater_core::image::ImageReference;
use k8supdater_core::policy::{Policy, Tagged};
use k8supdater_core::version::Version;

use super::Decision;
use crate::api::rollout_status::{HeldTag, HoldReason};
use crate::api::versioning_handler::{ContainerStatus, HistoryEntry, UpdatePhase, UpdateStatus};
use crate::reconcile::observe::Tags;

/// Most held versions that a container's status remembers; the oldest are forgotten first. All but the greatest are there to be read.
const MOST: usize = 8;

/// Takes over what `before` holds, as long as the container has an image of the same repository.
pub(super) fn keep(status: &mut ContainerStatus, before: Option<&ContainerStatus>) {
    if let Some(before) = before.filter(|before| repository(&before.image) == repository(&status.image)) {
        status.held.clone_from(&before.held);
        status.first_seen.clone_from(&before.first_seen);
    }
}

/// Adds a version to those that are held. One that is held already is held for the new reason.
pub(super) fn hold(status: &mut ContainerStatus, held: HeldTag) {
    status.held.retain(|known| known.tag != held.tag);
    status.held.push(held);
    let surplus = status.held.len().saturating_sub(MOST);
    status.held.drain(..surplus);
}

/// `policy`, and that nothing is applied which is not better than what is held.
pub(super) fn policy<'a>(status: &ContainerStatus, policy: &'a Policy) -> Cow<'a, Policy> {
    if status.held.is_empty() && policy.failed.is_empty() {
        return Cow::Borrowed(policy);
    }
    let failed = status.held.iter().map(|held| held.tag.clone()).collect();
    Cow::Owned(Policy { failed, ..policy.clone() })
}

/// Holds the version of the last update if somebody has set the container to an older one since.
pub(super) fn note_set_back(status: &mut ContainerStatus, tags: &Tags, now: Timestamp) {
    let Some(update) = status.update.as_ref().filter(|update| is_over(update) && update.to != status.image) else {
        return;
    };
    let Ok(to) = update.to.parse::<ImageReference>() else { return };
    let Some(tag) = to.tag().filter(|_| to.is_of_same_repository(&tags.image)) else { return };
    let is_back = version(&tags.candidates, tag).is_some_and(|version| is_newer(version, &tags.current));
    if !is_back || status.held.iter().any(|held| held.tag == tag) {
        return;
    }
    let message = format!("somebody has set {} back to {}", update.to, status.image);
    let held = HeldTag { tag: tag.to_owned(), reason: HoldReason::SetBack, message, by: None, at: Time(now) };
    hold(status, held);
}

/// Holds `candidate`, which would be applied by itself, if the container has had that version already: somebody has set it back further than
/// to what was there before the last update. Says whether that is so.
pub(super) fn hold_again(status: &mut ContainerStatus, candidate: &Tagged, tags: &Tags, decision: &Decision) -> bool {
    let is_same = |entry: &&HistoryEntry| {
        let Ok(to) = entry.to.parse::<ImageReference>() else { return false };
        let is_version = |tag: &str| {
            let versions = version(&tags.candidates, tag).zip(candidate.version.as_ref());
            tag == candidate.tag || versions.is_some_and(|(one, other)| one.order(other) == Ordering::Equal)
        };
        entry.container == status.name && to.is_of_same_repository(&tags.image) && to.tag().is_some_and(is_version)
    };
    let Some(entry) = decision.target.before.history.iter().find(is_same) else { return false };
    let message = format!("somebody has set {} back to {}", entry.to, status.image);
    let (tag, reason, at) = (candidate.tag.clone(), HoldReason::SetBack, Time(decision.now));
    hold(status, HeldTag { tag, reason, message, by: None, at });
    true
}

/// Lets go of what is no newer than what the container has.
pub(super) fn release(status: &mut ContainerStatus, current: &Tagged, candidates: &[Tagged]) {
    status.held.retain(|held| {
        held.tag != current.tag && version(candidates, &held.tag).is_none_or(|version| is_newer(version, current))
    });
}

/// Whether the container has been given the image of `update`, or may have been, and nobody is about to change that. What is rolled back
/// is held already.
fn is_over(update: &UpdateStatus) -> bool {
    match update.phase {
        UpdatePhase::Finished | UpdatePhase::Failed | UpdatePhase::Overtaken => !update.is_restart(),
        UpdatePhase::Announced
        | UpdatePhase::RollingOut
        | UpdatePhase::RollingBack
        | UpdatePhase::RolledBack
        | UpdatePhase::RollbackFailed => false,
    }
}

fn version<'a>(candidates: &'a [Tagged], tag: &str) -> Option<&'a Version> {
    candidates.iter().find(|candidate| candidate.tag == tag)?.version.as_ref()
}

fn is_newer(version: &Version, current: &Tagged) -> bool {
    current.version.as_ref().is_some_and(|current| version.order(current) == Ordering::Greater)
}

/// Registry and repository of an image, as Kubernetes understands it; as it is written, if it does not.
fn repository(image: &str) -> String {
    image.parse::<ImageReference>().map_or_else(|_| image.to_owned(), |image| image.name())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8supdater_core::policy::Frontier;

    use super::*;

    fn tagged(tag: &str) -> Tagged {
        let levels = tag.split('.').map(|level| level.parse().unwrap()).collect();
        Tagged::new(tag, Some(Version { levels, ..Version::default() }))
    }

    fn tags(current: &str) -> Tags {
        Tags {
            image: format!("ghcr.io/a/app:{current}").parse().unwrap(),
            policy: Policy::new(Frontier::new(0).unwrap()),
            current: tagged(current),
            candidates: ["1.0", "1.1", "1.2", "1.3"].map(tagged).into(),
            approved: None,
            after: None,
            first_seen: Vec::new(),
        }
    }

    fn held(tag: &str) -> HeldTag {
        let (message, at) = ("it crashed".to_owned(), Time(Timestamp::UNIX_EPOCH));
        HeldTag { tag: tag.to_owned(), reason: HoldReason::RolloutFailed, message, by: None, at }
    }

    fn status(image: &str, update: Option<(&str, &str, UpdatePhase)>) -> ContainerStatus {
        let image = format!("ghcr.io/a/app:{image}");
        let update = update.map(|(from, to, phase)| {
            let (from, to) = (format!("ghcr.io/a/app:{from}"), format!("ghcr.io/a/app:{to}"));
            UpdateStatus { phase, ..UpdateStatus::announced(&from, &to, Time(Timestamp::UNIX_EPOCH)) }
        });
        ContainerStatus { image, update, ..ContainerStatus::default() }
    }

    #[test]
    fn what_somebody_has_set_back_is_held() {
        use UpdatePhase::{Announced, Finished, Overtaken, RolledBack, RollingOut};
        let check = |current: &str, update: Option<(&str, &str, UpdatePhase)>, expected: Option<&str>| {
            let mut status = status(current, update);
            note_set_back(&mut status, &tags(current), Timestamp::UNIX_EPOCH);
            let found = status.held.first().map(|held| (held.tag.as_str(), held.reason));
            assert_eq!(found, expected.map(|tag| (tag, HoldReason::SetBack)), "{current} {update:?}");
            // Once is enough.
            note_set_back(&mut status, &tags(current), Timestamp::UNIX_EPOCH);
            assert_eq!(status.held.len(), usize::from(expected.is_some()));
        };
        check("1.0", None, None);
        check("1.0", Some(("1.0", "1.2", Finished)), Some("1.2"));
        check("1.1", Some(("1.0", "1.2", Overtaken)), Some("1.2"));
        check("1.2", Some(("1.0", "1.2", Finished)), None);
        check("1.3", Some(("1.0", "1.2", Overtaken)), None);
        check("1.0", Some(("1.0", "1.2", Announced)), None);
        check("1.0", Some(("1.0", "1.2", RollingOut)), None);
        check("1.0", Some(("1.0", "1.2", RolledBack)), None);
        // Nobody can go back to what is not there any more.
        check("1.0", Some(("1.0", "1.9", Finished)), None);
    }

    #[test]
    fn a_hold_ends_when_the_container_has_something_as_new() {
        let check = |current: &str, expected: &[&str]| {
            let mut status =
                ContainerStatus { held: vec![held("1.1"), held("1.2"), held("9")], ..status(current, None) };
            release(&mut status, &tagged(current), &tags(current).candidates);
            assert_eq!(status.held.iter().map(|held| held.tag.as_str()).collect::<Vec<_>>(), expected, "{current}");
        };
        check("1.0", &["1.1", "1.2", "9"]);
        check("1.1", &["1.2", "9"]);
        check("1.2", &["9"]);
        check("1.3", &["9"]);
    }

    #[test]
    fn holds_are_bounded_each_tag_once_and_of_one_repository() {
        let mut before = status("1.0", None);
        for minor in 0..12 {
            hold(&mut before, held(&format!("2.{minor}")));
            hold(&mut before, held(&format!("2.{minor}")));
        }
        assert_eq!((before.held.len(), before.held[0].tag.as_str()), (MOST, "2.4"));
        let check = |image: &str, expected: usize| {
            let mut status = ContainerStatus { image: image.to_owned(), ..ContainerStatus::default() };
            keep(&mut status, Some(&before));
            assert_eq!(status.held.len(), expected, "{image}");
        };
        check("ghcr.io/a/app:1.1", MOST);
        check("ghcr.io/a/other:1.1", 0);
        let all = Policy::new(Frontier::new(0).unwrap());
        let failed: BTreeSet<String> = before.held.iter().map(|held| held.tag.clone()).collect();
        assert_eq!(policy(&before, &all).failed, failed);
        assert!(matches!(policy(&ContainerStatus::default(), &all), Cow::Borrowed(_)));
    }
}
