//! Updates that wait because too many others are under way. Pure; whose turn it is, is the matter of [`slots`](crate::reconcile::slots).

use std::time::Duration;

use super::{Decision, Update};
use crate::api::rollout_status::WaitStatus;
use crate::api::workload::WorkloadKind;

/// What a container waits for that could be updated if not so many others were.
const ROLLOUT_LIMIT: &str = "RolloutLimit";
/// What sets the limit.
const LIMIT: &str = "K8SUPDATER_MAX_ROLLOUTS";

/// Longest time until a handler is looked at again that waits for a slot. It is woken when it is its turn.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

impl Decision {
    /// Whether its updates take one of the slots for rollouts. The next Job of a CronJob is not waited for.
    pub fn needs_slot(&self) -> bool {
        self.target.workload.kind != WorkloadKind::CronJob && self.updates.iter().any(|update| !update.is_rollback())
    }

    /// Takes its updates back for now, because `most` rollouts are under way already.
    pub fn withhold(&mut self, most: usize) {
        let (kept, withheld) = std::mem::take(&mut self.updates).into_iter().partition(Update::is_rollback);
        self.updates = kept;
        for update in Vec::from_iter(withheld) {
            let status = self.containers.iter_mut().find(|status| status.name == update.change.container);
            let Some(status) = status else { continue };
            let tag = match &update.change.restart_for {
                Some(digest) => format!("{}@{digest}", update.tag),
                None => update.tag,
            };
            let message = match most {
                1 => format!("another rollout is under way, and {LIMIT} is 1; it begins when that one ends"),
                most => {
                    format!(
                        "{most} rollouts are under way, which is the limit ({LIMIT}); it begins when one of them ends"
                    )
                }
            };
            status.waits = Some(WaitStatus { tag, until: None, reason: ROLLOUT_LIMIT.to_owned(), message });
            // No trace of a change needs to be looked for.
            if let Some(approved) = &mut status.approved {
                approved.generation = None;
            }
        }
    }

    /// Whether updates were taken back.
    pub fn is_withheld(&self) -> bool {
        self.containers.iter().any(|status| status.waits.as_ref().is_some_and(|waits| waits.reason == ROLLOUT_LIMIT))
    }
}
