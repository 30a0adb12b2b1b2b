//! The main loop's way for a handler with `spec.selector`: its members are kept, and its status is their sum.
//!
//! ```text
//! event ─> plan ─> keep ─> pass answers on ─> count ─> status ─> remove the answers ─> Action
//!           pure    writes   writes             pure    writes    writes
//! ```
//!
//! Answers are removed last, and handing them on twice is harmless, so that a process that is killed in between loses none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use tracing::{info, warn};

use super::answered::Answered;
use super::handlers::HandlerKey;
use super::schedule::Next;
use super::status::{StatusError, write_if_changed};
use super::{Context, Error, lifecycle, report};
use crate::answer::{self, Answers};
use crate::api::conditions::{self, Finding, READY, State, UP_TO_DATE};
use crate::api::versioning_handler::{VersioningHandler, VersioningHandlerStatus};
use crate::failure::{Retry, chain};
use crate::fleet::counts::Counts;
use crate::fleet::members::{Plan, is_member, label};
use crate::fleet::selection::Selection;
use crate::fleet::{self, FleetError};

/// Shortest time between two looks at one fleet. Each of its members wakes it with every change of status.
const SHORTEST_REST: Duration = Duration::from_secs(1);

/// Longest time between two looks, for the case that an event was lost. `lastCheck` is refreshed then, too.
const LONGEST_REST: Duration = Duration::from_mins(10);

/// When each fleet was last looked at.
#[derive(Default)]
pub struct Looks(Mutex<HashMap<HandlerKey, Instant>>);

impl Looks {
    /// Time until that fleet may be looked at again; none if it may be now.
    fn rest(&self, fleet: &HandlerKey) -> Option<Duration> {
        let looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = looks.get(fleet)?.elapsed();
        SHORTEST_REST.checked_sub(since).filter(|rest| !rest.is_zero())
    }

    fn note(&self, fleet: HandlerKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(fleet, Instant::now());
    }

    /// Forgets a fleet that does not exist any more.
    pub fn forget(&self, fleet: &HandlerKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(fleet);
    }
}

/// What came of a look.
struct Seen {
    counts: Counts,
    taken: Vec<String>,
    answers: Answers,
}

/// Looks after one fleet.
pub(super) async fn reconcile(
    key: HandlerKey,
    fleet: &VersioningHandler,
    ctx: &Context,
    now: Timestamp,
) -> Result<Next, Error> {
    if fleet.metadata.deletion_timestamp.is_some() {
        return Ok(Next::OnChange);
    }
    if let Some(rest) = ctx.fleets.rest(&key) {
        return Ok(Next::After(rest));
    }
    let looked = look_after(fleet, ctx, now).await;
    ctx.fleets.note(key);
    looked
}

async fn look_after(fleet: &VersioningHandler, ctx: &Context, now: Timestamp) -> Result<Next, Error> {
    let (namespace, name) = (fleet.namespace().unwrap_or_default(), fleet.name_any());
    if let Some(saying) = lifecycle::saying(fleet) {
        info!(namespace, handler = name, reason = saying.reason, note = saying.note, "notice");
        report::say(ctx, fleet, None, &saying, now).await?;
    }
    match keep(fleet, ctx, now).await {
        Ok(seen) => {
            let findings = vec![seen.counts.ready(&seen.taken), seen.counts.up_to_date()];
            let fleet = write(fleet, ctx, Some(&seen.counts), findings, now).await?;
            if !seen.answers.annotations.is_empty() {
                answer::remove(&ctx.client, &fleet, &seen.answers.annotations).await.map_err(StatusError::from)?;
            }
            Ok(Next::After(LONGEST_REST))
        }
        Err(err) => {
            let ready = Finding { kind: READY, state: State::False, reason: err.reason(), message: chain(&err) };
            let message = "not looked at; see the condition Ready".to_owned();
            let unknown = Finding { kind: UP_TO_DATE, state: State::Unknown, reason: err.reason(), message };
            write(fleet, ctx, None, vec![ready, unknown], now).await?;
            match err.retry() {
                Retry::OnChange => {
                    warn!(namespace, handler = name, reason = err.reason(), error = chain(&err), "fleet not kept");
                    Ok(Next::After(LONGEST_REST))
                }
                Retry::Soon | Retry::BackOff | Retry::After(_) => Err(err.into()),
            }
        }
    }
}

/// Makes the members what they should be, and hands answers to them.
async fn keep(fleet: &VersioningHandler, ctx: &Context, now: Timestamp) -> Result<Seen, FleetError> {
    let (namespace, name) = (fleet.namespace().unwrap_or_default(), fleet.name_any());
    let selector = fleet.spec.selector.clone().unwrap_or_default();
    let selection = Selection::parse(&selector).map_err(|source| {
        let (namespace, name) = (namespace.clone(), name.clone());
        FleetError::Selector { namespace, name, source }
    })?;
    let workloads = ctx.workloads.select(&namespace, |kind, labels| selection.matches(kind, labels));
    let handlers = ctx.handlers.in_namespace(&namespace, |_| true);
    let plan = Plan::of(fleet, &workloads, &handlers);
    fleet::keep(&ctx.client, &namespace, &plan).await?;
    let answers = answer::parse(fleet.annotations());
    if !answers.annotations.is_empty() {
        let members: Vec<&VersioningHandler> = plan.members.iter().filter_map(|it| it.0.as_ref().ok()).collect();
        let unmatched = fleet::pass_on(&ctx.client, &members, &answers, now).await?;
        say_misunderstood(fleet, ctx, &answers, &unmatched, now).await;
    }
    Ok(Seen { counts: Counts::of(fleet, &plan), taken: plan.taken, answers })
}

/// Says which answers were about nothing. An Event that cannot be published is not worth to keep all answers waiting.
async fn say_misunderstood(
    fleet: &VersioningHandler,
    ctx: &Context,
    answers: &Answers,
    unmatched: &[answer::Choice],
    now: Timestamp,
) {
    let (namespace, name) = (fleet.namespace().unwrap_or_default(), fleet.name_any());
    let members = format!("{}={}", fleet::LABEL, label(&name));
    let about_nothing = unmatched.iter().map(|choice| Answered::NotUnderstood {
        annotation: choice.answer.annotation(),
        value: choice.to_string(),
        remedy: format!(
            "none of its handlers offers that; \"kubectl get vh -n {namespace} -l {members}\" shows what they offer"
        ),
    });
    let unreadable = answers.misunderstood.iter().map(|wrong| Answered::NotUnderstood {
        annotation: wrong.annotation,
        value: wrong.value.clone(),
        remedy: wrong.remedy.clone(),
    });
    for answered in about_nothing.chain(unreadable) {
        let saying = answered.saying("");
        info!(namespace, handler = name, reason = saying.reason, note = saying.note, "notice");
        if let Err(err) = report::say(ctx, fleet, None, &saying, now).await {
            warn!(namespace, handler = name, error = chain(&err), "no Event about an answer");
        }
    }
}

/// Writes the status. Without `counts` those that are known stay.
async fn write(
    fleet: &VersioningHandler,
    ctx: &Context,
    counts: Option<&Counts>,
    findings: Vec<Finding>,
    now: Timestamp,
) -> Result<VersioningHandler, StatusError> {
    let before = fleet.status.clone().unwrap_or_default();
    let generation = fleet.metadata.generation;
    let known = VersioningHandlerStatus {
        current: before.current,
        available: before.available,
        fleet: before.fleet,
        ..VersioningHandlerStatus::default()
    };
    let counted = counts.map(|counts| VersioningHandlerStatus {
        current: Some(counts.current()),
        available: counts.available(),
        fleet: Some(counts.status()),
        ..VersioningHandlerStatus::default()
    });
    let status = VersioningHandlerStatus {
        observed_generation: generation,
        conditions: conditions::merge(&before.conditions, findings, generation, now),
        last_check: Some(Time(now)),
        ..counted.unwrap_or(known)
    };
    write_if_changed(ctx, fleet, status, now).await
}

/// Deletes the members of a handler that was a fleet and is none any more.
pub(super) async fn disband(handler: &VersioningHandler, ctx: &Context) -> Result<(), Error> {
    let namespace = handler.namespace().unwrap_or_default();
    let members = ctx.handlers.in_namespace(&namespace, |other| is_member(other, handler));
    let plan = Plan::of(handler, &[], &members);
    Ok(fleet::keep(&ctx.client, &namespace, &plan).await?)
}
