//! Writing the status of a handler, and removing the answers that it records: the only place that does, apart from what people were told of
//! it, which belongs to [`notify`](crate::notify).
//!
//! Every write names the state of the object that it was made for; where anything but the notices has changed meanwhile, nothing is
//! written.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use thiserror::Error;

use super::Context;
use super::traced;
use super::validate::Target;
use crate::answer::{self, RemoveError};
use crate::api::conditions::NOTIFIED;
use crate::api::versioning_handler::{VersioningHandler, VersioningHandlerStatus};
use crate::failure::Retry;
use crate::fleet::selection::Selection;

/// How old `lastCheck` may become while nothing else changes. A write per check would cost the API server more than it tells anybody.
const HEARTBEAT: SignedDuration = SignedDuration::from_mins(10);

/// The status or an Event could not be written.
#[derive(Debug, Error)]
pub enum StatusError {
    /// The object changed meanwhile; a newer event is on its way.
    #[error("VersioningHandler {namespace}/{name} was changed at the same time")]
    Conflict {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("cannot write the {what} of VersioningHandler {namespace}/{name}")]
    Api {
        /// `status` or `Events`.
        what: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// The answers that the status records could not be removed.
    #[error(transparent)]
    Answers(#[from] RemoveError),
}

impl StatusError {
    /// A fixed CamelCase word for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Conflict { .. } => "HandlerChangedMeanwhile",
            Self::Api { .. } => "ApiServerRefused",
            Self::Answers(err) => err.reason(),
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Conflict { .. } => Retry::Soon,
            Self::Api { .. } => Retry::BackOff,
            Self::Answers(err) => err.retry(),
        }
    }
}

/// Writes `status` unless the API server has it already, apart from times that are young enough. Gives the object as it is then.
pub(super) async fn write_if_changed(
    ctx: &Context,
    handler: &VersioningHandler,
    status: VersioningHandlerStatus,
    now: Timestamp,
) -> Result<VersioningHandler, StatusError> {
    match changed(handler, status, now) {
        Some(status) => write(ctx, handler, status).await,
        None => Ok(handler.clone()),
    }
}

/// `status` as it is written over what `handler` has; none if that says the same, apart from times that are young enough. Pure.
pub(super) fn changed(
    handler: &VersioningHandler,
    mut status: VersioningHandlerStatus,
    now: Timestamp,
) -> Option<VersioningHandlerStatus> {
    keep_notices(&mut status, handler);
    status.workload = match &handler.spec.selector {
        Some(selector) => Selection::parse(selector).ok().map(|selection| selection.path()),
        None => handler.spec.workload_ref().map(|workload| workload.path()),
    };
    if let Some(known) = &handler.status {
        let is_young = |time: &Time| now.duration_since(time.0) < HEARTBEAT;
        let asleep = VersioningHandlerStatus {
            last_check: known.last_check.clone(),
            next_check: known.next_check.clone(),
            ..status.clone()
        };
        if asleep == *known && known.last_check.as_ref().is_some_and(is_young) {
            return None;
        }
    }
    // Whole seconds are what the API keeps; more would make every comparison differ.
    for time in [&mut status.last_check, &mut status.next_check].into_iter().flatten() {
        *time = Time(Timestamp::from_second(time.0.as_second()).unwrap_or(time.0));
    }
    Some(status)
}

/// How often a write is repeated because notices were written at the same time.
const MOST_ATTEMPTS: usize = 5;

/// Writes `status` over the state of the object that `handler` is; if more than its notices has changed since, nothing is written.
pub(super) async fn write(
    ctx: &Context,
    handler: &VersioningHandler,
    mut status: VersioningHandlerStatus,
) -> Result<VersioningHandler, StatusError> {
    let (namespace, name) = (handler.namespace().unwrap_or_default(), handler.name_any());
    let api: Api<VersioningHandler> = Api::namespaced(ctx.client.clone(), &namespace);
    let mut base = handler.clone();
    for _ in 0..MOST_ATTEMPTS {
        keep_notices(&mut status, &base);
        let mut changed = VersioningHandler { status: Some(status.clone()), ..base.clone() };
        changed.metadata.managed_fields = None;
        ctx.metrics.status_written();
        match api.replace_status(&name, &PostParams::default(), &changed).await {
            Ok(written) => {
                traced::tell_ends(handler, &written);
                return Ok(written);
            }
            Err(kube::Error::Api(answer)) if answer.code == 409 => {}
            // Deleted meanwhile: there is nothing to report on any more.
            Err(kube::Error::Api(answer)) if answer.code == 404 => return Ok(handler.clone()),
            Err(source) => return Err(StatusError::api("status", handler, source)),
        }
        match api.get_opt(&name).await {
            Ok(Some(fresh)) if is_same_but_for_notices(&fresh, handler) => base = fresh,
            Ok(Some(_)) => break,
            Ok(None) => return Ok(handler.clone()),
            Err(source) => return Err(StatusError::api("status", handler, source)),
        }
    }
    Err(StatusError::Conflict { namespace, name })
}

/// Puts what `handler` says of notices into `status`, in place of what is there.
fn keep_notices(status: &mut VersioningHandlerStatus, handler: &VersioningHandler) {
    let known = handler.status.as_ref();
    status.notices = known.and_then(|known| known.notices.clone());
    status.conditions.retain(|condition| condition.type_ != NOTIFIED);
    let notified = known.and_then(|known| known.conditions.iter().find(|condition| condition.type_ == NOTIFIED));
    status.conditions.extend(notified.cloned());
}

/// Whether nothing that a check depends on differs between the two.
fn is_same_but_for_notices(one: &VersioningHandler, other: &VersioningHandler) -> bool {
    let checked = |handler: &VersioningHandler| {
        let mut status = handler.status.clone().unwrap_or_default();
        keep_notices(&mut status, &VersioningHandler { status: None, ..handler.clone() });
        status
    };
    let (this, that) = (&one.metadata, &other.metadata);
    this.uid == that.uid
        && this.generation == that.generation
        && this.annotations == that.annotations
        && this.deletion_timestamp == that.deletion_timestamp
        && checked(one) == checked(other)
}

/// Removes the answers of `target` from the object, which its status records by now, and gives the object without them.
pub(super) async fn remove_answers(
    ctx: &Context,
    handler: VersioningHandler,
    target: &mut Target,
) -> Result<VersioningHandler, StatusError> {
    let annotations = std::mem::take(&mut target.answers.annotations);
    if annotations.is_empty() {
        return Ok(handler);
    }
    let removed = answer::remove(&ctx.client, &handler, &annotations).await?;
    // Deleted meanwhile: there is nothing to report on any more.
    Ok(removed.unwrap_or(handler))
}

impl StatusError {
    pub(super) fn api(what: &'static str, handler: &impl ResourceExt, source: kube::Error) -> Self {
        Self::Api {
            what,
            namespace: handler.namespace().unwrap_or_default(),
            name: handler.name_any(),
            source: Box::new(source),
        }
    }
}
