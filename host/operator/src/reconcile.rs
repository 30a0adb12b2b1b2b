//! The main loop: one VersioningHandler, from an event to its status.
//!
//! ```text
//! event ─> reconcile ─> validate ─> observe ─> decide ─> announce ─> act ─> report ─> Action
//!                        pure        reads      pure      writes     writes  writes (also on failure)
//! ```
//!
//! Each step hands an owned value of a new type to the next, so that none can be skipped or done twice. An update is *announced* in
//! the status before the workload is changed: an operator that is killed at any point finds out from the API server alone what it was
//! doing.

pub mod act;
pub mod announce;
pub mod answered;
pub mod answers;
pub mod census;
pub mod claims;
pub mod decide;
pub mod event;
pub mod fleet;
pub mod handlers;
pub mod history;
pub mod lifecycle;
pub mod observe;
pub mod offer;
pub mod progress;
pub mod report;
pub mod schedule;
pub mod slots;
pub mod status;
mod traced;
pub mod validate;

#[cfg(test)]
mod laws;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8supdater_core::backoff;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt};
use thiserror::Error;
use tracing::{Instrument, Span, debug, info_span, warn};

use crate::api::versioning_handler::VersioningHandler;
use crate::config::Config;
use crate::failure::{Retry, chain};
use crate::fleet::FleetError;
use crate::interrupted::{Interrupted, bounded};
use crate::nodes::Nodes;
use crate::plugin::Plugins;
use crate::registry::Registries;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::context;
use crate::workload::{WorkloadError, Workloads};

use act::Outcome;
use handlers::{HandlerKey, Handlers, Wake};
use schedule::{Next, Schedule};
use slots::{Slots, Standing};

/// What the main loop works with.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The operator's configuration, for what a handler does not say.
    pub config: Config,
    /// What serves.
    pub plugins: Arc<Plugins>,
    /// What is in the registries.
    pub registries: Arc<Registries>,
    /// The workloads.
    pub workloads: Workloads,
    /// Where their pods can run.
    pub nodes: Arc<Nodes>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// How often in a row each handler's reconcile failed as a whole, for its backoff.
    pub failures: Failures,
    /// All handlers that are watched, in whichever scope.
    pub handlers: Handlers,
    /// Has another handler looked at, in whichever scope.
    pub wake: Wake,
    /// How many rollouts may be under way.
    pub slots: Arc<Slots>,
    /// When fleets were looked at.
    pub fleets: fleet::Looks,
    /// When which handler is looked at next, in whichever scope.
    pub schedule: Arc<Schedule>,
}

/// Failures in a row, by handler.
#[derive(Default)]
pub struct Failures(Mutex<HashMap<ObjectRef<DeserializeGuard<VersioningHandler>>, u32>>);

impl Failures {
    fn count(&self, handler: ObjectRef<DeserializeGuard<VersioningHandler>>) -> u32 {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(handler).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn forget(&self, handler: &ObjectRef<DeserializeGuard<VersioningHandler>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(handler);
    }

    /// Forgets handlers that no longer exist.
    pub fn retain(&self, exists: impl Fn(&ObjectRef<DeserializeGuard<VersioningHandler>>) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|handler, _| exists(handler));
    }
}

/// Why a check ended early. What went wrong with single containers is not an error but part of what was observed.
#[derive(Debug, Error)]
pub enum Error {
    /// The spec cannot be followed.
    #[error(transparent)]
    Invalid(#[from] validate::Invalid),
    /// The workload could not be read or changed.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// The status could not be written.
    #[error(transparent)]
    Status(#[from] status::StatusError),
    /// The members of a fleet could not be kept.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// It was given up.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Error {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(err) => err.reason(),
            Self::Workload(err) => err.reason(),
            Self::Status(err) => err.reason(),
            Self::Fleet(err) => err.reason(),
            Self::Interrupted(err) => err.reason(),
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Invalid(_) => Retry::OnChange,
            Self::Workload(err) => err.retry(),
            Self::Status(err) => err.retry(),
            Self::Fleet(err) => err.retry(),
            Self::Interrupted(err) => err.retry(),
        }
    }
}

/// Reconciles one handler.
///
/// # Errors
/// Only what could not be written to the handler's status; everything else is shown there. [`error_policy`] turns either into the
/// time of the next attempt.
pub async fn reconcile(object: Arc<DeserializeGuard<VersioningHandler>>, ctx: Arc<Context>) -> Result<Action, Error> {
    let now = Timestamp::now();
    let key = ObjectRef::from_obj(&*object);
    let look = ctx.schedule.begin(&key);
    let next = match &object.0 {
        Ok(handler) if handler.spec.selector.is_some() => {
            // It has none, even if it was another kind of handler before.
            ctx.slots.forget(&key);
            fleet::reconcile(key.clone(), handler, &ctx, now).instrument(traced::fleet(&object)).await
        }
        _ => {
            let span = traced::check(&object, now);
            check(&key, &object, &ctx, now, &span).instrument(span.clone()).await
        }
    };
    let next = next?;
    ctx.failures.forget(&key);
    look.end(next);
    Ok(next.into())
}

/// Longest time for a check. Every wait in it has a limit of its own, so this is for what nobody has thought of, such as an API server that
/// takes a request and never answers.
const LONGEST_ATTEMPT: Duration = Duration::from_hours(1);

/// Checks the workload of one handler.
async fn check(
    key: &HandlerKey,
    object: &DeserializeGuard<VersioningHandler>,
    ctx: &Context,
    now: Timestamp,
    span: &Span,
) -> Result<Next, Error> {
    let begun = Instant::now();
    let attempt = match &object.0 {
        Ok(handler) => bounded(LONGEST_ATTEMPT, attempt(key, handler, ctx, now)).await.map_err(Error::from).flatten(),
        Err(invalid) => Err(validate::Invalid::malformed(invalid).into()),
    };
    traced::note(span, &attempt);
    let standing = Standing::of(object, &attempt, now);
    let is_good = match &attempt {
        Ok(Outcome::Checked(checked)) => Some(checked.problems().is_empty()),
        // None was wanted.
        Ok(Outcome::Suspended(_)) => None,
        Err(_) => Some(false),
    };
    // One door out, so that failures reach the status too.
    let reported = report::report(ctx, object, attempt, now).instrument(info_span!("report")).await;
    // Not before the status says that a rollout has ended: by then another one may have begun.
    let standing = match (&reported, standing) {
        (Err(_), Standing::Idle) => Standing::failed(object, now),
        (_, standing) => standing,
    };
    ctx.slots.settle(key, slots::version(object), standing);
    match is_good {
        Some(true) if reported.is_ok() => ctx.metrics.check_succeeded(begun.elapsed(), now),
        Some(_) => ctx.metrics.check_failed(begun.elapsed()),
        None => {}
    }
    reported
}

/// Steps one to five; `?` is fine in here.
async fn attempt(
    key: &HandlerKey,
    handler: &VersioningHandler,
    ctx: &Context,
    now: Timestamp,
) -> Result<Outcome, Error> {
    if handler.status.as_ref().is_some_and(|status| status.fleet.is_some()) {
        fleet::disband(handler, ctx).await?;
    }
    let target = info_span!("validate").in_scope(|| validate::validate(handler, &ctx.config))?;
    if target.is_suspended {
        return Ok(Outcome::suspended(target));
    }
    let observed = observe::observe(ctx, target, now).instrument(info_span!("observe")).await?;
    let mut decision = traced::decide(|| decide::decide(observed, now));
    if decision.needs_slot() && !ctx.slots.occupy(key) {
        decision.withhold(ctx.config.max_rollouts);
    }
    let changes = !decision.updates.is_empty() || !decision.stuck.is_empty();
    // Of what changes nothing there is nothing to tell.
    let step = |name: fn() -> Span| if changes { name() } else { Span::none() };
    let trace = context::current();
    let announced = announce::announce(ctx, handler, decision, trace.as_deref(), now);
    let announced = announced.instrument(step(|| info_span!("announce"))).await?;
    Ok(act::act(ctx, announced, now).instrument(step(|| info_span!("act"))).await)
}

/// First delay after a reconcile that failed as a whole.
const BACKOFF_BASE: Duration = Duration::from_secs(1);
/// Longest delay after reconciles that failed as a whole.
const BACKOFF_CAP: Duration = Duration::from_mins(5);

/// When to try again after an error that could not be reported.
#[allow(clippy::needless_pass_by_value, reason = "the controller prescribes the signature")]
pub fn error_policy(object: Arc<DeserializeGuard<VersioningHandler>>, err: &Error, ctx: Arc<Context>) -> Action {
    let handler = ObjectRef::from_obj(&*object);
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    ctx.metrics.obstructed(err.reason());
    let next = match err.retry() {
        Retry::Soon => {
            debug!(namespace, handler = name, error = chain(err), "looked at again");
            Next::After(Duration::from_millis(200))
        }
        Retry::OnChange => {
            warn!(namespace, handler = name, reason = err.reason(), error = chain(err), "check failed");
            Next::OnChange
        }
        Retry::BackOff => {
            let wait = backoff::delay(ctx.failures.count(handler.clone()), BACKOFF_BASE, BACKOFF_CAP, rand::random());
            warn!(namespace, handler = name, reason = err.reason(), error = chain(err), ?wait, "check failed");
            Next::After(wait)
        }
        Retry::After(wait) => {
            warn!(namespace, handler = name, reason = err.reason(), error = chain(err), ?wait, "check failed");
            Next::After(wait)
        }
    };
    ctx.schedule.next(&handler, next);
    next.into()
}
