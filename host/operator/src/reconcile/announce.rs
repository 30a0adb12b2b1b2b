//! Step four: an update is written down before it is made.
//!
//! An operator that is killed after the announcement finds it in the API server and knows what it was doing; one that is killed before
//! has done nothing.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Context;
use super::act::Announced;
use super::decide::Decision;
use super::status::{self, StatusError};
use crate::api::versioning_handler::{UpdatePhase, UpdateStatus, VersioningHandler, VersioningHandlerStatus};

/// Writes the updates of `decision` into the status, before anything is done about them. Without updates nothing is written.
///
/// # Errors
/// When the status cannot be written: then nothing may be done either.
pub async fn announce(
    ctx: &Context,
    handler: &VersioningHandler,
    mut decision: Decision,
    now: Timestamp,
) -> Result<Announced, StatusError> {
    if decision.updates.is_empty() {
        return Ok(Announced { decision, handler: handler.clone() });
    }
    let mut is_new = false;
    for update in &decision.updates {
        let status = decision.containers.iter_mut().find(|status| status.name == update.change.container);
        let Some(status) = status else { continue };
        let (from, to) = (&update.change.from, &update.change.to);
        let digest = update.change.restart_for.as_ref().map(ToString::to_string);
        // The same update may have been announced by a process that was killed, or before an attempt that failed.
        if !status.update.as_ref().is_some_and(|known| known.is_announced(from, to, digest.as_deref())) {
            is_new = true;
            status.update = Some(UpdateStatus {
                from: from.clone(),
                to: to.clone(),
                phase: UpdatePhase::Announced,
                digest,
                generation: None,
                approved_by: None,
                started: Time(now),
                finished: None,
            });
        }
    }
    if !is_new {
        return Ok(Announced { decision, handler: handler.clone() });
    }
    let before = handler.status.clone().unwrap_or_default();
    let mut status = VersioningHandlerStatus { containers: decision.containers.clone(), ..before.clone() };
    // What has not been reported yet must not stand as reported: the report may still fail.
    for container in &mut status.containers {
        let known = before.containers.iter().find(|known| known.name == container.name);
        if known.is_none_or(|known| known.reported != container.reported) {
            container.link = known.and_then(|known| known.link.clone());
        }
        container.keep_report(known);
    }
    let handler = status::write(ctx, handler, status).await?;
    Ok(Announced { decision, handler })
}
