//! What becomes of a handler itself, in Events and the log: it is new, says something else, goes on, or is gone.

use kube::ResourceExt;
use tracing::{debug, info};

use super::Context;
use super::event::{self, Saying};
use super::validate::HandlerRef;
use crate::api::conditions::READY;
use crate::api::versioning_handler::VersioningHandler;
use crate::failure::chain;

/// The reason of the condition `Ready` of a suspended handler.
pub(super) const SUSPENDED: &str = "Suspended";

/// What there is to say about the spec that was not said before; the status tells which spec that was. Pure.
pub(super) fn saying(handler: &VersioningHandler) -> Option<Saying> {
    let generation = handler.metadata.generation?;
    let status = handler.status.as_ref();
    let known = status.and_then(|status| status.observed_generation);
    let was_suspended = status.is_some_and(|status| {
        status.conditions.iter().any(|condition| condition.type_ == READY && condition.reason == SUSPENDED)
    });
    let workload = subject(handler)?;
    let (reason, note) = match known {
        None => ("HandlerCreated", format!("{workload} is looked after from now on")),
        Some(known) if known == generation => return None,
        Some(_) if handler.spec.suspend => {
            ("HandlerChanged", format!("{workload} is not looked after any more: spec.suspend is set"))
        }
        Some(_) if was_suspended => ("HandlerResumed", format!("{workload} is looked after again")),
        Some(_) => ("HandlerChanged", format!("{workload} is looked after as the spec says now")),
    };
    Some(Saying { is_warning: false, reason, action: "Read", occasion: generation.to_string(), note })
}

/// What `handler` looks after, in words; none if it does not say.
fn subject(handler: &VersioningHandler) -> Option<String> {
    match &handler.spec.selector {
        Some(_) => Some("every workload that spec.selector matches".to_owned()),
        None => handler.spec.workload_ref().map(|workload| workload.to_string()),
    }
}

/// Says that `handler` is gone, as far as its namespace still takes Events: it may be on its way out itself.
pub async fn deleted(handler: VersioningHandler, ctx: &Context) {
    let reference = HandlerRef {
        namespace: handler.namespace().unwrap_or_default(),
        name: handler.name_any(),
        uid: handler.uid().unwrap_or_default(),
        resource_version: handler.resource_version().unwrap_or_default(),
    };
    let workload = handler.spec.workload_ref();
    let named = subject(&handler).unwrap_or_else(|| "the workload".to_owned());
    let saying = Saying {
        is_warning: false,
        reason: "HandlerDeleted",
        action: "Read",
        occasion: String::new(),
        note: format!("{named} is not looked after any more by this handler, and keeps the images that it has"),
    };
    let HandlerRef { namespace, name, .. } = &reference;
    info!(namespace, handler = name, reason = saying.reason, note = saying.note, "notice");
    ctx.metrics.event(saying.reason);
    let now = jiff::Timestamp::now();
    let published =
        event::publish(&ctx.client, &ctx.config.instance, &reference, workload.as_ref(), &saying, now).await;
    if let Err(err) = published {
        debug!(namespace, handler = name, error = chain(&err), "no Event about a handler that is gone");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_spec_is_told_once_and_as_what_it_is() {
        let check = |spec: Value, status: Value, expected: Option<&str>| {
            let mut full = json!({"deployment": "web", "containerregistry": "oci"});
            full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            let handler = json!({
                "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
                "metadata": {"name": "web", "generation": 3}, "spec": full, "status": status,
            });
            let handler = serde_json::from_value(handler).unwrap();
            assert_eq!(saying(&handler).map(|saying| saying.reason), expected, "{spec} {status}");
        };
        let suspended = json!([{
            "type": "Ready", "status": "Unknown", "reason": "Suspended", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z",
        }]);
        check(json!({}), Value::Null, Some("HandlerCreated"));
        check(json!({}), json!({"observedGeneration": 3}), None);
        check(json!({}), json!({"observedGeneration": 2}), Some("HandlerChanged"));
        check(json!({"suspend": true}), json!({"observedGeneration": 2}), Some("HandlerChanged"));
        check(json!({}), json!({"observedGeneration": 2, "conditions": suspended}), Some("HandlerResumed"));
        check(json!({"suspend": true}), json!({"observedGeneration": 3, "conditions": suspended}), None);
        check(json!({"deployment": null, "selector": {}}), Value::Null, Some("HandlerCreated"));
    }
}
