//! Step four: an update is written down before it is made, and with it the answers of people that it follows from.
//!
//! An operator that is killed after the announcement finds it in the API server and knows what it was doing; one that is killed before
//! has done nothing. Answers are recorded, and their annotations removed, before the workload is changed; [`crate::answer`] says why.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Context;
use super::act::Announced;
use super::decide::{Decision, Happening, Update};
use super::history::history;
use super::report;
use super::status::{self, StatusError};
use crate::api::conditions::shorten;
use crate::api::versioning_handler::{
    ContainerStatus, UpdatePhase, UpdateStatus, VersioningHandler, VersioningHandlerStatus,
};
use crate::telemetry::traces::context;

/// How long an announcement holds. Deadline and delay count from it, and must not be over before the update is made; but each announcement
/// is a change of the handler, which is looked at again because of it, and attempts that fail must not follow one another without a pause.
pub(super) const FRESH: SignedDuration = SignedDuration::from_mins(1);

/// Longest reason for an update that the status keeps, in bytes.
const LONGEST_REASON: usize = 512;

/// Writes the updates of `decision` into the status, before anything is done about them, with the `trace` that they belong to. Without
/// updates nothing is written.
///
/// # Errors
/// When the status cannot be written: then nothing may be done either.
pub async fn announce(
    ctx: &Context,
    handler: &VersioningHandler,
    mut decision: Decision,
    trace: Option<&str>,
    now: Timestamp,
) -> Result<Announced, StatusError> {
    if decision.updates.is_empty() {
        return Ok(Announced { decision, handler: handler.clone() });
    }
    for update in decision.updates.iter_mut().filter(|update| !update.is_rollback()) {
        if let Some(inquiry) = decision.inquiries.get(&update.change.container) {
            update.seen = ctx.registries.first_seen(inquiry, &update.tag).await;
        }
    }
    let status = announced(handler.status.as_ref(), &mut decision, trace, now);
    let mut handler = handler.clone();
    say_answers(ctx, &handler, &mut decision, now).await?;
    if let Some(status) = status {
        handler = status::write(ctx, &handler, status).await?;
    }
    let handler = status::remove_answers(ctx, handler, &mut decision.target).await?;
    Ok(Announced { decision, handler })
}

/// Puts the updates of `decision` into its containers, and gives the status that says so, over what stands there `before`; none if that says
/// it already. Pure.
pub(super) fn announced(
    before: Option<&VersioningHandlerStatus>,
    decision: &mut Decision,
    trace: Option<&str>,
    now: Timestamp,
) -> Option<VersioningHandlerStatus> {
    let before = before.cloned().unwrap_or_default();
    let known = |name: &str| before.containers.iter().find(|known| known.name == name);
    let (mut is_new, mut replaced) = (false, Vec::new());
    for update in &decision.updates {
        let status = decision.containers.iter_mut().find(|status| status.name == update.change.container);
        let Some(status) = status else { continue };
        if update.is_rollback() {
            // The status says so already, and what is held because of it.
            let rolled_back = known(&status.name).and_then(|known| known.update.as_ref());
            if rolled_back.is_none_or(|known| known.phase != UpdatePhase::RollingBack) {
                is_new = true;
                if let Some(update) = &mut status.update {
                    update.trace = continued(update.trace.take(), trace);
                }
            }
            continue;
        }
        let (from, to) = (&update.change.from, &update.change.to);
        let digest = update.change.restart_for.as_ref().map(ToString::to_string);
        // The same may have been announced before, by a process that was killed or an attempt that failed.
        let is_same = |known: &UpdateStatus| {
            let is_announced = known.phase == UpdatePhase::Announced && known.approved_by == update.approved_by;
            let is_it = known.from == *from && known.to == *to && (from != to || known.digest == digest);
            is_announced && is_it && now.duration_since(known.started.0) < FRESH
        };
        if status.update.as_ref().is_some_and(is_same) {
            continue;
        }
        is_new = true;
        let last = status.update.replace(UpdateStatus {
            digest,
            from_digest: status.digest.clone(),
            reason: Some(shorten(update.why.clone(), LONGEST_REASON)).filter(|why| !why.is_empty()),
            approved_by: update.approved_by.clone(),
            trace: trace.map(str::to_owned),
            seen: first_seen(update, status),
            ..UpdateStatus::announced(from, to, Time(now))
        });
        replaced.extend(last.map(|last| ended(&status.name, last, now)));
    }
    let is_recorded = decision.containers.iter().all(|container| {
        let answered = |container: &ContainerStatus| {
            (container.approved.clone(), container.skipped.clone(), container.snoozed.clone())
        };
        known(&container.name).map(answered).unwrap_or_default() == answered(container)
    });
    if !is_new && is_recorded {
        return None;
    }
    let history = history(&before.history, &replaced);
    let mut status = VersioningHandlerStatus { containers: decision.containers.clone(), history, ..before.clone() };
    // What has not been reported yet must not stand as reported: the report may still fail.
    for container in &mut status.containers {
        let known = known(&container.name);
        if known.is_none_or(|known| known.reported != container.reported) {
            container.link = known.and_then(|known| known.link.clone());
        }
        container.keep_report(known);
    }
    Some(status)
}

/// The trace of a rollback: that of the update, if the check that begins it belongs to it, or else the check's own. Pure.
fn continued(known: Option<String>, trace: Option<&str>) -> Option<String> {
    match (known, trace) {
        (Some(known), Some(trace)) if context::is_same_trace(&known, trace) => Some(known),
        (_, trace) => trace.map(str::to_owned),
    }
}

/// When the tag of `update` was seen first: by the process that runs, or by one before it that has written that down. Kept in whole seconds,
/// as the API server does.
fn first_seen(update: &Update, status: &ContainerStatus) -> Option<Time> {
    let known = status.first_seen.iter().filter(|seen| seen.tag == update.tag).map(|seen| seen.at.0);
    let first = update.seen.into_iter().chain(known).min()?;
    Timestamp::from_second(first.as_second()).ok().map(Time)
}

/// A container as the history knows it, whose update another takes the place of: one that has just ended, or one that is rolled out and will
/// never be seen to end. Either way the container has had that version.
fn ended(container: &str, mut update: UpdateStatus, now: Timestamp) -> ContainerStatus {
    if update.is_under_way() {
        update.phase = UpdatePhase::Overtaken;
        update.finished = Some(Time(now));
    }
    ContainerStatus { name: container.to_owned(), update: Some(update), ..ContainerStatus::default() }
}

/// Tells what became of answers, before the status says that they are known: then nobody would tell any more.
async fn say_answers(
    ctx: &Context,
    handler: &VersioningHandler,
    decision: &mut Decision,
    now: Timestamp,
) -> Result<(), StatusError> {
    let (answered, others): (Vec<_>, Vec<_>) =
        decision.news.drain(..).partition(|news| matches!(news.what, Happening::Answered(_)));
    decision.news = others;
    for news in &answered {
        if let Happening::Answered(what) = &news.what {
            let saying = what.saying(&news.container);
            report::say(ctx, handler, Some(&decision.target.workload), &saying, now).await?;
        }
    }
    Ok(())
}
