//! What is done about a workload: updates, reports, or nothing but saying what would be done. Pure.

use crate::api::pace::Mode;
use crate::api::versioning_handler::{ContainerStatus, VersioningHandlerStatus};
use crate::workload::owner::Owner;

use super::{Decision, Happening};

/// The mode that the spec says, or that follows from who else sets the images of the workload: what is changed here, an owner changes back.
pub(super) fn of(said: Option<Mode>, owner: Option<&Owner>) -> Mode {
    said.unwrap_or(if owner.is_some() { Mode::Notify } else { Mode::Update })
}

/// Why nothing is changed.
pub(super) fn why_notify(owner: Option<&Owner>) -> String {
    match owner {
        Some(owner) => format!("the workload belongs to {owner}, so that it is changed there"),
        None => "mode is Notify".to_owned(),
    }
}

impl Decision {
    /// Why nobody can have the workload changed at present, if that is so.
    pub fn why_unchangeable(&self) -> Option<String> {
        match self.mode {
            Mode::Update => None,
            Mode::Notify => {
                Some(format!("{}; set spec.mode to Update to have it changed here", why_notify(self.owner.as_ref())))
            }
            Mode::Preview => Some("mode is Preview, with which nothing is done".to_owned()),
        }
    }
}

/// Has the status say what would be done, in place of doing it. What was said before the mode was set is forgotten.
pub(super) fn preview(decision: &mut Decision, known: &VersioningHandlerStatus) {
    for status in &mut decision.containers {
        let update = decision.updates.iter().find(|update| update.change.container == status.name);
        let mut would = Vec::new();
        if let Some(update) = update {
            would.push(match &update.change.restart_for {
                Some(digest) => format!("would restart the workload now for {digest}"),
                None => format!("would set the image to {} now: {}", update.change.to, update.why),
            });
        }
        if let Some(waits) = &status.waits {
            would.push(format!("would wait with {}: {}", waits.tag, waits.message));
        }
        if let Some(reported) = &status.reported {
            let why = status.reported_why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            would.push(format!("would report {reported}{why}"));
        }
        if would.is_empty() {
            would.push(nothing(status));
        }
        status.preview = Some(crate::api::conditions::shorten(would.join("; "), 2048));
        status.keep_report(None);
        status.waits = None;
        if let Some(approved) = &mut status.approved {
            approved.generation = None;
        }
        status.link = known.container(&status.name).and_then(|known| known.link.clone());
    }
    decision.updates.clear();
    decision.news.retain(|news| !matches!(news.what, Happening::Available { .. }));
}

fn nothing(status: &ContainerStatus) -> String {
    match (&status.problem, status.held.last()) {
        (Some(problem), _) => format!("cannot say: {problem}"),
        (None, Some(held)) => format!("would do nothing: {} is held, because {}", held.tag, held.message),
        (None, None) => "would do nothing".to_owned(),
    }
}
