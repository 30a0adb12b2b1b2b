//! A tag that is a version, and yet points at another image than before: somebody has pushed it again. Pure.
//!
//! Such a tag is not followed, and people are told: it may be a mistake, a rebuild, or an attack. A short tag such as 1.27, next to which there
//! is 1.27.1, moves from patch to patch and is none of those.

use k8supdater_core::policy::Tagged;

use super::{Decision, Happening, News};
use crate::api::versioning_handler::ContainerStatus;
use crate::reconcile::answered::Answered;
use crate::reconcile::observe::Tags;

/// Compares what the tag of a container points at with what it pointed at `before`.
pub(super) fn watch(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    before: Option<&ContainerStatus>,
    tags: &Tags,
) {
    let Tags { image, current, candidates, .. } = tags;
    // What is pinned to a digest is that image, wherever the tag points.
    if image.digest().is_some() || is_short(current, candidates) {
        return;
    }
    let before = before.filter(|before| before.image == status.image);
    let updated = status.update.as_ref().filter(|update| update.to == status.image);
    let known = before.and_then(|before| before.digest.clone()).or_else(|| updated?.digest.clone());
    let now = current.digest.as_ref().map(ToString::to_string);
    let moved = known.as_ref().zip(now.as_ref()).filter(|(known, now)| known != now).map(|(_, now)| now.clone());
    let Some(moved) = moved else {
        status.digest = known.or(now);
        return;
    };
    let offer = format!("{}@{moved}", current.tag);
    if let Some(approved) = status.approved.take_if(|approved| approved.tag == offer) {
        let last_update = updated.map(|update| update.started.0);
        decision.say(status, Answered::Accepted { tag: offer, by: approved.by, last_update });
        status.digest = Some(moved);
        return;
    }
    if before.is_none_or(|before| before.moved_to.as_ref() != Some(&moved)) {
        let (tag, from) = (current.tag.clone(), known.clone().unwrap_or_default());
        let what = Happening::TagMoved { tag, from, to: moved.clone() };
        decision.news.push(News { container: status.name.clone(), what });
    }
    status.digest = known;
    status.moved_to = Some(moved);
}

/// Whether there are longer names of the version, such as 1.27.1 for 1.27.
fn is_short(current: &Tagged, candidates: &[Tagged]) -> bool {
    let Some(now) = &current.version else { return false };
    candidates.iter().filter_map(|candidate| candidate.version.as_ref()).any(|version| {
        version.levels.len() > now.levels.len()
            && version.levels.starts_with(&now.levels)
            && version.epoch == now.epoch
            && version.flavor == now.flavor
    })
}

#[cfg(test)]
mod tests {
    use k8supdater_core::version::Version;

    use super::*;

    #[test]
    fn a_tag_is_short_if_a_longer_one_begins_like_it() {
        let tagged = |tag: &str| {
            let (version, flavor) = tag.split_once('-').unwrap_or((tag, ""));
            let levels = version.split('.').map(|level| level.parse().unwrap()).collect();
            Tagged::new(tag, Some(Version { levels, flavor: flavor.to_owned(), ..Version::default() }))
        };
        let check = |current: &str, candidates: &[&str], expected: bool| {
            let candidates: Vec<Tagged> = candidates.iter().map(|tag| tagged(tag)).collect();
            assert_eq!(is_short(&tagged(current), &candidates), expected, "{current} {candidates:?}");
        };
        check("1.27", &["1.27", "1.26.9", "2.0.0"], false);
        check("1.27", &["1.27", "1.27.1"], true);
        check("1", &["1.27.1"], true);
        check("1.27.1", &["1.27", "1.27.1", "1.27.10"], false);
        check("1.27", &["1.27.1-alpine"], false);
        assert!(!is_short(&Tagged::new("latest", None), &[tagged("1.0")]));
    }
}
