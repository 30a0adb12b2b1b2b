//! Step five: does exactly what the decision says. The only place that changes a workload.
//!
//! Chooses nothing and waits for nothing: the rollout is observed by the checks that follow. Doing it twice is harmless, because the
//! patch tests what it replaces.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tracing::{Instrument, info, warn};

use super::Context;
use super::decide::{ContainerProblem, Decision, Update};
use super::traced;
use super::validate::Target;
use crate::api::versioning_handler::{UpdatePhase, VersioningHandler};
use crate::failure::chain;
use crate::registry::ListError;
use crate::telemetry::traces::context;
use crate::workload::WorkloadError;
use crate::workload::patch::Change;

/// A decision whose updates stand in the status of the API server. Only [`announce`](super::announce::announce) makes one.
pub struct Announced {
    pub(super) decision: Decision,
    /// The object as it was after the announcement.
    pub(super) handler: VersioningHandler,
}

/// What came of it all.
pub enum Outcome {
    /// The user wants no checks.
    Suspended(Box<Target>),
    /// A check was made.
    Checked(Box<Checked>),
}

/// A check, and what was done.
pub struct Checked {
    /// What was decided, with the statuses of containers as they are now.
    pub decision: Decision,
    /// The object that the report is written over.
    pub handler: VersioningHandler,
    /// Why the decided updates were not made.
    pub failure: Option<UpdateFailure>,
}

/// Why updates that were decided were not made.
pub enum UpdateFailure {
    /// The workload was changed by somebody else, or the API server refused.
    Workload(WorkloadError),
    /// The registry lists a tag but could not show it.
    Tag(ListError),
    /// A tag points at something else than a moment before.
    Moved {
        /// The tag.
        tag: String,
    },
}

impl UpdateFailure {
    /// Whether the workload was not changed, for certain: a request without an answer may have been followed.
    fn is_certain(&self) -> bool {
        match self {
            Self::Workload(err) => matches!(err, WorkloadError::Overtaken { .. }),
            Self::Tag(_) | Self::Moved { .. } => true,
        }
    }
}

impl Outcome {
    pub(super) fn suspended(target: Target) -> Self {
        Self::Suspended(Box::new(target))
    }
}

/// Makes the decided updates.
pub async fn act(ctx: &Context, announced: Announced, now: Timestamp) -> Outcome {
    let Announced { mut decision, handler } = announced;
    let failure = if decision.updates.is_empty() { None } else { apply(ctx, &mut decision, now).await.err() };
    if !decision.stuck.is_empty() {
        clear_the_way(ctx, &decision).await;
    }
    Outcome::Checked(Box::new(Checked::new(decision, handler, failure)))
}

async fn apply(ctx: &Context, decision: &mut Decision, now: Timestamp) -> Result<(), UpdateFailure> {
    let target = &decision.target;
    // A listing may be as old as the interval, and registries list tags that they cannot serve: a tag is looked at once more before a
    // workload depends on it.
    let resolved = join_all(decision.updates.iter().map(|update| resolve(ctx, decision, update))).await;
    let digests = resolved.into_iter().collect::<Result<Vec<_>, _>>()?;
    let changes: Vec<Change> = decision.updates.iter().map(|update| update.change.clone()).collect();
    let (namespace, workload) = (&target.handler.namespace, &target.workload);
    let span = traced::patch(decision);
    let patched = ctx.workloads.patch(namespace, workload, &changes, &decision.template, now);
    let patched = patched.instrument(span.clone()).await;
    if let Err(err) = &patched {
        context::failed(&span, err.reason());
    }
    let generation = patched.map_err(UpdateFailure::Workload)?;
    for (update, digest) in decision.updates.iter().zip(&digests) {
        let message = if update.is_rollback() {
            ctx.metrics.rollback_applied();
            "image put back"
        } else {
            ctx.metrics.update_applied();
            if update.change.restart_for.is_some() { "workload restarted" } else { "image updated" }
        };
        info!(
            namespace,
            handler = target.handler.name,
            %workload,
            container = update.change.container,
            from = update.change.from,
            to = update.change.to,
            digest,
            "{message}"
        );
    }
    note_made(decision, digests, generation);
    Ok(())
}

/// Puts into the statuses of `decision` that its updates were made, with the `digests` of their tags, and that the workload has that
/// `generation` since. Pure.
pub(super) fn note_made(decision: &mut Decision, digests: Vec<Option<String>>, generation: Option<i64>) {
    for (update, digest) in decision.updates.iter().zip(digests) {
        let status = decision.containers.iter_mut().find(|status| status.name == update.change.container);
        if let Some(status) = status {
            status.image.clone_from(&update.change.to);
            // It is done, and not to be done again.
            status.approved.take_if(|_| update.approved_by.is_some());
            if let Some(record) = &mut status.update {
                record.generation = generation;
                if !update.is_rollback() {
                    record.phase = UpdatePhase::RollingOut;
                    record.digest = digest.or(record.digest.take());
                }
            }
            // What the tag of the image before pointed at says nothing about that of this one.
            let known =
                status.update.as_ref().map(|it| if update.is_rollback() { &it.from_digest } else { &it.digest });
            status.digest = known.cloned().flatten();
            status.moved_to = None;
        }
    }
}

/// Deletes the pods that keep a StatefulSet from putting the image before back: its controller waits for a pod to become ready that never
/// will (<https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback>).
async fn clear_the_way(ctx: &Context, decision: &Decision) {
    let (handler, workload) = (&decision.target.handler, &decision.target.workload);
    let namespace = &handler.namespace;
    let stuck: Vec<(&str, &str)> =
        decision.stuck.iter().map(|(container, image)| (container.as_str(), image.as_str())).collect();
    let deleted = match ctx.workloads.read(namespace, workload, None).await {
        Ok(found) => ctx.workloads.delete_stuck_pods(&found, &stuck).await,
        Err(err) => Err(err),
    };
    match deleted {
        Ok(0) => {}
        Ok(count) => info!(namespace, handler = handler.name, %workload, count, "pods deleted that were never ready"),
        // They are looked at again in a moment.
        Err(err) => {
            warn!(namespace, handler = handler.name, %workload, error = chain(&err), "pods are in the way of a rollback");
        }
    }
}

/// Digest of the tag that `update` applies, if the registry tells.
async fn resolve(ctx: &Context, decision: &Decision, update: &Update) -> Result<Option<String>, UpdateFailure> {
    let Update { change, tag, digest: expected, .. } = update;
    if update.is_rollback() {
        // The nodes have run it before, and must get it back whether the registry answers or not.
        return Ok(None);
    }
    let Some(inquiry) = decision.inquiries.get(&change.container) else { return Ok(None) };
    match ctx.registries.digest(inquiry, tag, Duration::ZERO).await {
        Ok(detail) => match (detail.digest, expected) {
            (Some(found), Some(expected)) if found != *expected => {
                warn!(tag, %found, %expected, "tag moved while it was looked at");
                ctx.registries.distrust(inquiry, tag).await;
                Err(UpdateFailure::Moved { tag: tag.clone() })
            }
            (found, _) => Ok(found.map(|digest| digest.to_string())),
        },
        Err(err) => {
            warn!(tag, error = chain(&err), "tag not usable");
            if err.is_not_found() {
                // It was deleted, which a listing that goes on from a checkpoint does not see.
                ctx.registries.distrust(inquiry, tag).await;
            }
            Err(UpdateFailure::Tag(err))
        }
    }
}

impl Checked {
    /// A check after which `decision` is what is, where the updates were made if there is no `failure`. Pure.
    pub(super) fn new(mut decision: Decision, handler: VersioningHandler, failure: Option<UpdateFailure>) -> Self {
        if failure.as_ref().is_some_and(UpdateFailure::is_certain) {
            // No trace of a change needs to be looked for.
            for approved in decision.containers.iter_mut().filter_map(|status| status.approved.as_mut()) {
                approved.generation = None;
            }
        }
        Self { decision, handler, failure }
    }

    /// Time until the next check.
    pub fn next_check(&self) -> Duration {
        match &self.failure {
            None => self.decision.next_check(),
            Some(UpdateFailure::Workload(WorkloadError::Overtaken { .. })) => Duration::from_millis(500),
            Some(UpdateFailure::Workload(_)) => self.decision.next_check().min(Duration::from_secs(10)),
            Some(UpdateFailure::Tag(_)) => self.decision.next_check().min(Duration::from_secs(30)),
            Some(UpdateFailure::Moved { .. }) => self.decision.next_check().min(Duration::from_secs(2)),
        }
    }

    /// All that stands in the way, failed updates included.
    pub fn problems(&self) -> Vec<(&str, &'static str, String)> {
        let of_container = |problem: &ContainerProblem| format!("container {}: {}", problem.container, problem.message);
        let mut problems: Vec<_> = self
            .decision
            .problems
            .iter()
            .map(|problem| (problem.container.as_str(), problem.reason, of_container(problem)))
            .collect();
        match &self.failure {
            None => {}
            Some(UpdateFailure::Workload(err)) => problems.push(("", err.reason(), chain(err))),
            Some(UpdateFailure::Tag(err)) => problems.push(("", "TagNotUsable", chain(err))),
            Some(UpdateFailure::Moved { tag }) => {
                let message = format!("the tag {tag} moved just before it was applied; it is looked at again");
                problems.push(("", "TagMovedMeanwhile", message));
            }
        }
        problems
    }
}
