//! Why kube's controller has an object looked at.
//!
//! A reconcile is not to depend on that, and is not told (<https://kube.rs/controllers/reconciler/#reasons-for-reconciliation>). The
//! controller says it in a span around each reconcile, for whoever watches; here it is remembered for the traces.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Span, Subscriber};
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

/// The span, and the field in it.
const SPAN: &str = "reconciling object";
const FIELD: &str = "object.reason";

/// Remembers the reason with the span.
pub(super) struct Reasons;

struct Reason(String);

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Reasons {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let mut reason = Reason(String::new());
        attributes.record(&mut reason);
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().insert(reason);
        }
    }
}

impl Visit for Reason {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == FIELD {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

/// Lets through the spans that tell a reason.
pub(super) fn only_reasons() -> FilterFn {
    FilterFn::new(tells_a_reason as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::INFO)
}

fn tells_a_reason(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.name() == SPAN && metadata.target().starts_with("kube_runtime::")
}

/// What has triggered the reconcile that this code runs in; none if that is not known.
pub fn trigger() -> Option<Trigger> {
    Span::current()
        .with_subscriber(|(id, dispatch)| {
            let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
            // Ours may be in between.
            span.scope().find_map(|span| span.extensions().get::<Reason>().map(|reason| Trigger::of(&reason.0)))
        })
        .flatten()
}

/// What has a handler looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It is new or was changed.
    Handler,
    /// Its workload was changed.
    Workload,
    /// Its time has come.
    Interval,
    /// The last check could not be ended.
    Retry,
    /// A plugin has begun to serve, or does no more.
    Plugins,
    /// Something else that it depends on has changed: another handler, or a place for a rollout.
    Other,
}

impl Trigger {
    fn of(reason: &str) -> Self {
        match reason {
            "object updated" => Self::Handler,
            "reconciler requested retry" => Self::Interval,
            "error policy requested retry" => Self::Retry,
            "bulk reconcile requested" => Self::Plugins,
            _ if reason.starts_with("related object updated") => Self::Workload,
            _ => Self::Other,
        }
    }

    /// A fixed word for traces.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Workload => "workload",
            Self::Interval => "interval",
            Self::Retry => "retry",
            Self::Plugins => "plugins",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::runtime::controller::ReconcileReason;
    use kube::runtime::reflector::ObjectRef;

    use super::*;

    #[test]
    fn each_reason_of_the_controller_has_its_word() {
        let check = |reason: ReconcileReason, expected: &str| {
            assert_eq!(Trigger::of(&reason.to_string()).word(), expected, "{reason}");
        };
        check(ReconcileReason::ObjectUpdated, "handler");
        let workload = ObjectRef::<k8s_openapi::api::apps::v1::Deployment>::new("web").within("a").erase();
        check(ReconcileReason::RelatedObjectUpdated { obj_ref: Box::new(workload) }, "workload");
        check(ReconcileReason::ReconcilerRequestedRetry, "interval");
        check(ReconcileReason::ErrorPolicyRequestedRetry, "retry");
        check(ReconcileReason::BulkReconcile, "plugins");
        check(ReconcileReason::Unknown, "other");
    }
}
