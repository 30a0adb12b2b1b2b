//! Traces: what a check did and how long that took, exported by OTLP, and one trace for each update, from what triggered the check that made it
//! to the end of its rollout.
//!
//! Every span of this process is a span of `tracing` in our own packages; no log line shows them. [`Traces::layer`] hands them to
//! OpenTelemetry, and [`export`] to the collector. Where traces are not exported, no layer wants them, and a span costs as much as asking
//! whether somebody does.
//!
//! An update takes several checks, perhaps of several processes. What holds its trace together is the [`context`] of the check that has
//! announced it, which stands in the handler's status. Why a check was made knows only kube's controller, which says so in a span of its own:
//! [`reason`] remembers it.

pub mod call;
pub mod context;
pub mod reason;

mod export;

use std::sync::Arc;
use std::time::Duration;

use k8supdater_egress::Collector;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanLimits};
use tokio::runtime::Handle;
use tracing::{Metadata, warn};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::{Layer, Registry};

use super::metrics::Metrics;
use crate::config;

/// How long the end of the process may be put off by what is not exported yet. With the time that everything else has to stop in, it is less
/// than the 30 s after which a pod is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The name of our spans' instrumentation scope.
const SCOPE: &str = "k8supdater";

/// Traces that are exported, until [`finish`](Self::finish) is called.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Has spans exported to `collector`, as `config` says, on `runtime`. Nothing is exported before [`layer`](Self::layer) is installed.
    ///
    /// What is handed to the SDK is complete, so that none of what it would read from the environment by itself counts.
    pub fn start(
        config: &config::Traces,
        instance: &str,
        collector: Collector,
        metrics: Arc<Metrics>,
        runtime: Handle,
    ) -> Self {
        let own = [("service.version", env!("CARGO_PKG_VERSION")), ("service.instance.id", instance)];
        let own = own.map(|(name, value)| KeyValue::new(name, value.to_owned()));
        let given = config.attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
        // What was given comes last, and replaces what we say.
        let resource = Resource::builder_empty()
            .with_service_name(config.service.clone())
            .with_attributes(own)
            .with_attributes(given)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_span_limits(SpanLimits::default())
            .with_sampler(sampler(config.sampling))
            .with_span_processor(export::processor(config, collector, metrics, runtime))
            .build();
        let tracer = provider.tracer(SCOPE);
        // For spans whose beginning lies in the past, which `tracing` has no words for.
        global::set_tracer_provider(provider.clone());
        Self { provider, tracer }
    }

    /// What takes the spans of this process.
    pub fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        let spans = OpenTelemetryLayer::new(self.tracer.clone())
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_filter(only_ours());
        spans.and_then(reason::Reasons.with_filter(reason::only_reasons())).boxed()
    }

    /// Exports what is left, though not for long. The runtime must still be there; this blocks.
    pub fn finish(self) {
        if self.provider.shutdown_with_timeout(PATIENCE).is_err() {
            warn!("the last spans could not be exported in time, and are lost");
        }
    }
}

/// Lets through the spans of our own packages, which are all for traces, and nothing else.
fn only_ours() -> FilterFn {
    FilterFn::new(is_ours as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::INFO)
}

/// Whether it is a span of our own packages.
pub(super) fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && (metadata.target().starts_with("k8supdater::") || metadata.target().starts_with("k8supdater_"))
}

fn sampler(config::Sampling { follows_parent, ratio }: config::Sampling) -> Sampler {
    let sampler = Sampler::TraceIdRatioBased(ratio);
    if follows_parent { Sampler::ParentBased(Box::new(sampler)) } else { sampler }
}
