//! What traces say of checks, and of updates from their announcement to their end.
//!
//! A check is a trace of its own, or goes on with that of the update whose rollout it looks at: the status has it
//! ([`UpdateStatus::trace`](crate::api::versioning_handler::UpdateStatus::trace)), so that it does not matter which process looks.

use jiff::Timestamp;
use kube::ResourceExt;
use tracing::field::{Empty, display};
use tracing::{Span, info_span};

use super::Error;
use super::act::Outcome;
use super::announce::FRESH;
use super::decide::Decision;
use super::handlers::Guarded;
use crate::answer;
use crate::api::versioning_handler::{
    ContainerStatus, UpdatePhase, UpdateStatus, VersioningHandler, VersioningHandlerStatus,
};
use crate::telemetry::traces::context::{self, Past};
use crate::telemetry::traces::reason;
use crate::workload::patch::Change;

/// The span of a check of `object`, with what has triggered it.
pub(super) fn check(object: &Guarded, now: Timestamp) -> Span {
    let span = info_span!(
        "check",
        k8supdater.trigger = Empty,
        k8supdater.handler = object.name_any(),
        k8s.namespace.name = object.namespace(),
        k8supdater.workload = Empty,
        k8supdater.result = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    );
    if span.is_disabled() {
        return span;
    }
    let handler = object.0.as_ref().ok();
    let is_answered = handler.is_some_and(|it| it.annotations().keys().any(|key| is_answer(key)));
    match reason::trigger() {
        // What it was changed by is more telling.
        Some(reason::Trigger::Handler) | None if is_answered => span.record("k8supdater.trigger", "answer"),
        Some(trigger) => span.record("k8supdater.trigger", trigger.word()),
        None => &span,
    };
    if let Some(handler) = handler {
        if let Some(workload) = handler.spec.workload_ref() {
            span.record("k8supdater.workload", display(workload));
        }
        let traces = traces_of(handler.status.as_ref(), now);
        let mut traces = traces.into_iter();
        if let Some(trace) = traces.next() {
            context::follow(&span, trace);
        }
        traces.for_each(|other| context::refer(&span, other));
    }
    span
}

/// Whether an annotation of that name says what people want.
fn is_answer(annotation: &str) -> bool {
    [answer::APPROVE, answer::SKIP, answer::SNOOZE, answer::ROLLBACK].contains(&annotation)
}

/// Says how a check ended.
pub(super) fn note(span: &Span, attempt: &Result<Outcome, Error>) {
    match attempt {
        Ok(Outcome::Suspended(_)) => {
            span.record("k8supdater.result", "suspended");
        }
        Ok(Outcome::Checked(checked)) if checked.failure.is_some() => {
            span.record("k8supdater.result", "failed");
            // What failed last is what was to be done.
            context::failed(span, checked.problems().last().map_or("UpdateFailed", |(_, reason, _)| *reason));
        }
        Ok(Outcome::Checked(checked)) => {
            let decision = &checked.decision;
            if let Some(problem) = decision.problems.first() {
                context::failed(span, problem.reason);
            }
            let result = match (decision.updates.is_empty(), decision.problems.is_empty()) {
                (false, _) => "changed",
                (true, true) => "nothing",
                (true, false) => "failed",
            };
            span.record("k8supdater.result", result);
        }
        Err(err) => {
            span.record("k8supdater.result", "failed");
            context::failed(span, err.reason());
        }
    }
}

/// Makes a decision in a span of its own, and says there what was decided: how many updates, and how many tags got which verdict.
pub(super) fn decide(decide: impl FnOnce() -> Decision) -> Decision {
    let span = info_span!("decide", k8supdater.updates = Empty);
    let decision = span.in_scope(decide);
    if !span.is_disabled() {
        span.record("k8supdater.updates", decision.updates.len());
        for (verdict, count) in &decision.verdicts {
            context::note(&span, format!("k8supdater.verdicts.{verdict}"), *count);
        }
    }
    decision
}

/// The span of a look at a handler of many workloads.
pub(super) fn fleet(object: &Guarded) -> Span {
    let span = info_span!(
        "keep fleet",
        k8supdater.trigger = Empty,
        k8supdater.handler = object.name_any(),
        k8s.namespace.name = object.namespace(),
    );
    if let Some(trigger) = reason::trigger().filter(|_| !span.is_disabled()) {
        span.record("k8supdater.trigger", trigger.word());
    }
    span
}

/// The span of a change to a workload, by one patch.
pub(super) fn patch(decision: &Decision) -> Span {
    let span = info_span!(
        "patch",
        k8supdater.workload = %decision.target.workload,
        k8s.container.name = Empty,
        k8supdater.from = Empty,
        k8supdater.to = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    );
    if !span.is_disabled() {
        let all = |text: fn(&Change) -> &str| {
            decision.updates.iter().map(|update| text(&update.change)).collect::<Vec<_>>().join(", ")
        };
        span.record("k8s.container.name", all(|change| &change.container));
        span.record("k8supdater.from", all(|change| &change.from));
        span.record("k8supdater.to", all(|change| &change.to));
    }
    span
}

/// The traces that a check of a handler with that status goes on with: those of what is under way, the youngest first. Pure.
///
/// What was announced and not made within its time is announced anew, and begins a new trace: else a registry that is gone for days would make
/// a trace of days.
fn traces_of(status: Option<&VersioningHandlerStatus>, now: Timestamp) -> Vec<&str> {
    let is_under_way = |update: &UpdateStatus| {
        let is_fresh = || update.phase == UpdatePhase::Announced && now.duration_since(update.started.0) < FRESH;
        update.is_under_way() || is_fresh()
    };
    let updates = status.into_iter().flat_map(|status| &status.containers).filter_map(|it| it.update.as_ref());
    let mut updates: Vec<&UpdateStatus> = updates.filter(|update| is_under_way(update)).collect();
    updates.sort_by_key(|update| std::cmp::Reverse(update.started.0));
    let mut traces: Vec<&str> = updates.iter().filter_map(|update| update.trace.as_deref()).collect();
    traces.dedup();
    traces
}

/// Writes the ends of rollouts and rollbacks into their traces, now that the status says that they have ended.
pub(super) fn tell_ends(before: &VersioningHandler, after: &VersioningHandler) {
    let containers = |handler: &VersioningHandler| {
        handler.status.as_ref().map(|status| status.containers.clone()).unwrap_or_default()
    };
    let (known, containers) = (containers(before), containers(after));
    for End { container, update, name, since, result } in ends(&known, &containers) {
        let Some(parent) = &update.trace else { continue };
        let workload = before.spec.workload_ref().map(|workload| workload.to_string());
        let attributes = [
            ("k8supdater.handler", Some(before.name_any())),
            ("k8s.namespace.name", before.namespace()),
            ("k8supdater.workload", workload),
            ("k8s.container.name", Some(container.to_owned())),
            ("k8supdater.from", Some(update.from.clone())),
            ("k8supdater.to", Some(update.to.clone())),
            ("k8supdater.result", Some(format!("{result:?}"))),
        ];
        let attributes = attributes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let is_failure = match result {
            UpdatePhase::Failed | UpdatePhase::RollingBack | UpdatePhase::RollbackFailed => true,
            UpdatePhase::Announced
            | UpdatePhase::RollingOut
            | UpdatePhase::Finished
            | UpdatePhase::Overtaken
            | UpdatePhase::RolledBack => false,
        };
        Past { name, parent, since, attributes, is_failure }.record();
    }
}

/// The end of a rollout or rollback.
#[derive(Debug, PartialEq)]
struct End<'a> {
    container: &'a str,
    update: &'a UpdateStatus,
    name: &'static str,
    since: Timestamp,
    result: UpdatePhase,
}

/// What has ended between these two statuses. Pure.
fn ends<'a>(before: &'a [ContainerStatus], after: &'a [ContainerStatus]) -> Vec<End<'a>> {
    let updates = |containers: &'a [ContainerStatus]| {
        containers.iter().filter_map(|container| Some((container.name.as_str(), container.update.as_ref()?)))
    };
    let ends = updates(before).filter_map(|(container, was)| {
        let is = updates(after).find(|(name, _)| *name == container).map(|(_, is)| is)?;
        let end = |name, update, since, result| Some(End { container, update, name, since, result });
        let is_same = is.started == was.started && is.to == was.to;
        let began_back = |update: &UpdateStatus| update.rollback.as_ref().map_or(update.started.0, |it| it.started.0);
        match (was.phase, is.phase) {
            (UpdatePhase::RollingOut, _) if !is_same => end(ROLLOUT, was, was.started.0, UpdatePhase::Overtaken),
            (UpdatePhase::RollingBack, _) if !is_same => end(ROLLBACK, was, began_back(was), UpdatePhase::Overtaken),
            _ if !is_same => None,
            (UpdatePhase::RollingBack | UpdatePhase::RollbackFailed, result) if was.phase != result => {
                end(ROLLBACK, is, began_back(was), result)
            }
            (UpdatePhase::Announced | UpdatePhase::RollingOut, result) if !is_going_on(result) => {
                end(ROLLOUT, is, is.started.0, result)
            }
            // It has come to its end after all.
            (UpdatePhase::Failed, UpdatePhase::Finished | UpdatePhase::Overtaken) => {
                end(ROLLOUT, is, is.started.0, is.phase)
            }
            _ => None,
        }
    });
    ends.collect()
}

const ROLLOUT: &str = "rollout";
const ROLLBACK: &str = "rollback";

/// Whether a rollout in that phase has no end yet.
fn is_going_on(phase: UpdatePhase) -> bool {
    matches!(phase, UpdatePhase::Announced | UpdatePhase::RollingOut)
}

#[cfg(test)]
mod tests;
