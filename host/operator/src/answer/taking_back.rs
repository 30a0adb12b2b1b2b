//! What can be taken back. Pure: what stands in the object.

use k8supdater_core::image::ImageReference;

use super::{Answer, Choice};
use crate::api::VersioningHandler;
use crate::api::pace::Mode;
use crate::api::versioning_handler::{ContainerStatus, UpdatePhase, UpdateStatus};

/// An update that can be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversible {
    /// What is to be said for that.
    pub choice: Choice,
    /// The image in place.
    pub from: String,
    /// The image before, which goes back.
    pub to: String,
}

/// The last update of each container of `handler`, with the container's name: how to take it back, or why that is not possible.
pub fn reversible(handler: &VersioningHandler) -> Vec<(String, Result<Reversible, String>)> {
    let Some(status) = &handler.status else { return Vec::new() };
    let judge = |container: &ContainerStatus| {
        let update = last_update(container, status.mode)?;
        let tag = update.offered().ok_or_else(|| format!("nobody could name the tag of {}", update.to))?;
        let choice = Choice { container: Some(container.name.clone()), tag, answer: Answer::RollBack };
        Ok(Reversible { choice, from: update.to.clone(), to: update.from.clone() })
    };
    status.containers.iter().map(|container| (container.name.clone(), judge(container))).collect()
}

/// The last update of `container`, if it can be taken back; or why it cannot, for people.
pub fn last_update(container: &ContainerStatus, mode: Option<Mode>) -> Result<&UpdateStatus, String> {
    match mode {
        Some(Mode::Notify) => return Err("the workload is not changed here, with the mode Notify".to_owned()),
        Some(Mode::Preview) => return Err("nothing is changed with the mode Preview".to_owned()),
        Some(Mode::Update) | None => {}
    }
    let Some(update) = &container.update else { return Err("this handler has not updated it yet".to_owned()) };
    let UpdateStatus { from, to, .. } = update;
    if update.is_restart() {
        return Err("the last update was a restart for a tag that had moved, which cannot be taken back".to_owned());
    }
    match update.phase {
        UpdatePhase::RollingBack => return Err(format!("{from} goes back already, in place of {to}")),
        UpdatePhase::RolledBack | UpdatePhase::RollbackFailed => {
            return Err(format!("{to} was taken back already, and {from} was put back"));
        }
        UpdatePhase::Announced => return Err(format!("the update {from} → {to} has not been made yet")),
        UpdatePhase::Overtaken => {
            return Err(format!("somebody else has changed the image since the last update, {from} → {to}"));
        }
        UpdatePhase::RollingOut | UpdatePhase::Finished | UpdatePhase::Failed => {}
    }
    if container.image != *to {
        return Err(format!(
            "the last update was {from} → {to}, and somebody has set the image to {} since",
            container.image
        ));
    }
    Ok(update)
}

impl UpdateStatus {
    /// Whether this is an update to what was offered as `tag`.
    pub fn is_to(&self, tag: &str) -> bool {
        match tag.split_once('@') {
            // The image after says which tag; of a restart only the digest tells what it was for.
            Some((_, digest)) => self.digest.as_deref() == Some(digest),
            None => self.to.parse().is_ok_and(|to: ImageReference| to.tag() == Some(tag)),
        }
    }

    /// The image after, as it is offered: its tag, with its digest if the tag is that of the image before. None if it has no tag.
    pub fn offered(&self) -> Option<String> {
        let (from, to): (Option<ImageReference>, ImageReference) = (self.from.parse().ok(), self.to.parse().ok()?);
        let tag = to.tag()?;
        let is_same_tag = from.is_some_and(|from| from.tag() == Some(tag));
        Some(match to.digest().filter(|_| is_same_tag) {
            Some(digest) => format!("{tag}@{digest}"),
            None => tag.to_owned(),
        })
    }
}
