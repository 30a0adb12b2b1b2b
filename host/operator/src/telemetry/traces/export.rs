//! From ended spans to the collector: a queue that is bounded, batches, and what is said when they do not arrive.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use k8supdater_egress::Collector;
use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};
use prost::Message;
use tokio::runtime::Handle;
use tracing::{info, warn};

use crate::api::conditions::shorten;
use crate::config;
use crate::failure::chain;
use crate::telemetry::metrics::Metrics;

/// Longest message of a collector that is logged, in bytes.
const LONGEST_MESSAGE: usize = 256;

/// What gathers ended spans and has them exported.
pub(super) fn processor(
    config: &config::Traces,
    collector: Collector,
    metrics: Arc<Metrics>,
    runtime: Handle,
) -> impl SpanProcessor + 'static {
    let backlog = Arc::new(Backlog { waiting: AtomicUsize::new(0), most: config.queue });
    let exporter = Exporter {
        collector: Arc::new(collector),
        runtime,
        timeout: config.timeout,
        resource: ResourceAttributesWithSchema::default(),
        backlog: Arc::clone(&backlog),
        metrics: Arc::clone(&metrics),
        is_down: AtomicBool::new(false),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(config.queue)
        .with_max_export_batch_size(config.batch)
        .with_scheduled_delay(config.delay)
        .build();
    let inner = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    Bounded { inner, backlog, metrics }
}

/// How many spans wait. The SDK bounds them as well, but does not tell how many it has dropped.
#[derive(Debug)]
struct Backlog {
    waiting: AtomicUsize,
    most: usize,
}

impl Backlog {
    /// Whether there was room for one more.
    fn takes_one(&self) -> bool {
        let next = |waiting: usize| (waiting < self.most).then_some(waiting + 1);
        self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }

    fn gives(&self, count: usize) {
        let next = |waiting: usize| Some(waiting.saturating_sub(count));
        let _ = self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }
}

/// The SDK's processor, given no more spans than it takes.
struct Bounded {
    inner: BatchSpanProcessor,
    backlog: Arc<Backlog>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("backlog", &self.backlog).finish_non_exhaustive()
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, ctx: &Context) {
        self.inner.on_start(span, ctx);
    }

    fn on_end(&self, span: SpanData) {
        if self.backlog.takes_one() {
            self.inner.on_end(span);
        } else {
            self.metrics.spans("dropped", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Posts batches.
struct Exporter {
    collector: Arc<Collector>,
    /// Where requests are made: batches are made on a thread that has no runtime.
    runtime: Handle,
    timeout: Duration,
    resource: ResourceAttributesWithSchema,
    backlog: Arc<Backlog>,
    metrics: Arc<Metrics>,
    /// Whether the last batch did not arrive: that is said once, and once that it is over.
    is_down: AtomicBool,
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("collector", &self.collector).finish_non_exhaustive()
    }
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.backlog.gives(count);
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let (collector, timeout) = (Arc::clone(&self.collector), self.timeout);
        let posted = self.runtime.spawn(async move { collector.post(body.into(), timeout).await });
        let result = match posted.await {
            Ok(Ok(answer)) => Ok(rejected(&answer)),
            Ok(Err(err)) => Err(chain(&err)),
            Err(err) => Err(err.to_string()),
        };
        self.note(count, result)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

impl Exporter {
    /// Counts what became of `count` spans, and says what is new about it.
    fn note(&self, count: usize, result: Result<Option<(usize, String)>, String>) -> OTelSdkResult {
        let origin = self.collector.origin();
        let (lost, why) = match result {
            Ok(None) => (0, None),
            Ok(Some((rejected, message))) => (rejected.min(count), Some(message)),
            Err(message) => (count, Some(message)),
        };
        self.metrics.spans("exported", count - lost);
        self.metrics.spans("failed", lost);
        let was_down = self.is_down.swap(why.is_some(), Ordering::AcqRel);
        match (why, was_down) {
            (None, false) => Ok(()),
            (None, true) => {
                info!(%origin, "traces are taken again");
                Ok(())
            }
            (Some(error), was_down) => {
                if !was_down {
                    warn!(%origin, spans = lost, error, "traces are not taken, and lost until they are; nothing else depends on them");
                }
                Err(OTelSdkError::InternalFailure(error))
            }
        }
    }
}

/// How many spans the collector has taken and then rejected, and why; none if it has kept all. An answer that is none is as good as an empty
/// one: the status counts (<https://opentelemetry.io/docs/specs/otlp/#partial-success-1>).
fn rejected(answer: &[u8]) -> Option<(usize, String)> {
    let partial = ExportTraceServiceResponse::decode(answer).ok()?.partial_success?;
    let count = usize::try_from(partial.rejected_spans).ok().filter(|count| *count > 0)?;
    let message = shorten(partial.error_message.replace(char::is_control, " "), LONGEST_MESSAGE);
    Some((count, format!("{count} were rejected: {message}")))
}

#[cfg(test)]
mod tests;
