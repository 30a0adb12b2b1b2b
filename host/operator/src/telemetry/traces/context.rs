//! How spans in different checks, and in different processes, come to belong to one trace: by W3C Trace Context
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>), as text.

use std::collections::HashMap;
use std::time::SystemTime;

use jiff::Timestamp;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span as _, SpanContext, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The name of the one header of Trace Context that is used.
const TRACEPARENT: &str = "traceparent";

/// The span that this code runs in, as `traceparent`; none if traces are not exported. Whether this trace is, its last two digits tell.
pub fn current() -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}

/// The trace and the span that this code runs in, if they are exported.
pub fn ids() -> Option<(String, String)> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    (span.is_valid() && span.is_sampled()).then(|| (span.trace_id().to_string(), span.span_id().to_string()))
}

/// Makes `span`, which nobody has entered yet, a child of the span that `traceparent` names. What is malformed is ignored: a status is
/// something that people can write to.
pub fn follow(span: &Span, traceparent: &str) {
    if let Some(parent) = parse(traceparent) {
        // It fails where nobody takes spans, or where it has begun.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
}

/// Has `span` refer to the span that `traceparent` names, which belongs to another trace.
pub fn refer(span: &Span, traceparent: &str) {
    if let Some(other) = parse(traceparent) {
        span.add_link(other);
    }
}

/// Whether the two belong to the same trace.
pub fn is_same_trace(one: &str, other: &str) -> bool {
    match (parse(one), parse(other)) {
        (Some(one), Some(other)) => one.trace_id() == other.trace_id(),
        _ => false,
    }
}

/// Says that what `span` is about has failed; the reason is a fixed word.
pub fn failed(span: &Span, reason: &'static str) {
    span.record("error.type", reason).record("otel.status_code", "ERROR");
}

/// Adds a number to `span` under a name that is known only now.
pub fn note(span: &Span, name: String, count: usize) {
    span.set_attribute(name, i64::try_from(count).unwrap_or(i64::MAX));
}

/// Something that took longer than a check, and has ended.
pub struct Past<'a> {
    /// What it is called.
    pub name: &'static str,
    /// The span that it belongs to.
    pub parent: &'a str,
    /// When it began.
    pub since: Timestamp,
    /// What is said of it.
    pub attributes: Vec<(&'static str, String)>,
    /// Whether it ended badly.
    pub is_failure: bool,
}

impl Past<'_> {
    /// Writes it down as a span that ends now.
    pub fn record(self) {
        let Some(parent) = parse(self.parent) else { return };
        let tracer = global::tracer(super::SCOPE);
        let attributes = self.attributes.into_iter().map(|(name, value)| KeyValue::new(name, value));
        let builder = tracer
            .span_builder(self.name)
            .with_start_time(SystemTime::from(self.since))
            .with_attributes(attributes.collect::<Vec<_>>());
        let mut span = builder.start_with_context(&tracer, &Context::new().with_remote_span_context(parent));
        if self.is_failure {
            span.set_status(opentelemetry::trace::Status::error(""));
        }
        span.end();
    }
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_no_traceparent_is_ignored() {
        let check = |text: &str, expected: bool| assert_eq!(parse(text).is_some(), expected, "{text}");
        check(ONE, true);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true);
        check("", false);
        check("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false);
        check("00-zaf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check("secret", false);
    }

    #[test]
    fn spans_belong_to_the_same_trace_by_its_id() {
        let check = |one: &str, other: &str, expected: bool| assert_eq!(is_same_trace(one, other), expected, "{other}");
        check(ONE, "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-00", true);
        check(ONE, "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check(ONE, "", false);
        check("", "", false);
    }

    #[test]
    fn without_an_exporter_there_is_no_context() {
        assert_eq!((current(), ids()), (None, None));
    }
}
