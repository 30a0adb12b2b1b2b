//! Log lines: to standard error, as text for people or as JSON for collectors.
//!
//! A line that is written while something is done that is traced ends with `trace_id` and `span_id`, by which log and trace meet.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{FilterExt, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format, layer};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::traces::{self, Traces, context};
use crate::config::LogFormat;

/// Starts logging for the whole process. `filter` has been checked by [`config`](crate::config).
pub fn start(filter: &str, log_format: LogFormat) {
    start_with(filter, log_format, None);
}

/// The same, and the taking of `traces` if there are any.
pub fn start_with(filter: &str, log_format: LogFormat, traces: Option<&Traces>) {
    let lines = lines_to(log_format, std::io::stderr, std::io::stderr().is_terminal());
    let mut layers = vec![lines.with_filter(without_spans(filter)).boxed()];
    layers.extend(traces.map(Traces::layer));
    tracing_subscriber::registry().with(layers).init();
}

/// What `filter` lets through, but for spans of ours, which are for traces.
fn without_spans(filter: &str) -> impl Filter<Registry> + Send + Sync + 'static {
    let others = filter_fn(|metadata| !traces::is_ours(metadata)).with_max_level_hint(LevelFilter::TRACE);
    EnvFilter::new(filter).and(others)
}

fn lines_to<W>(log_format: LogFormat, writer: W, ansi: bool) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    match log_format {
        LogFormat::Text => {
            let format = WithIds { format: format().with_ansi(ansi), show: as_text };
            layer().with_writer(writer).with_ansi(ansi).event_format(format).boxed()
        }
        LogFormat::Json => {
            let format = WithIds { format: format().json().flatten_event(true), show: as_json };
            layer().with_writer(writer).fmt_fields(JsonFields::new()).event_format(format).boxed()
        }
    }
}

/// Lines of another format, with the trace that they belong to at their end.
struct WithIds<F> {
    format: F,
    show: fn(&mut String, &str, &str),
}

impl<S, N, F> FormatEvent<S, N> for WithIds<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some((trace, span)) = context::ids() else { return self.format.format_event(ctx, writer, event) };
        let mut line = String::new();
        self.format.format_event(ctx, Writer::new(&mut line), event)?;
        let length = line.trim_end_matches('\n').len();
        line.truncate(length);
        (self.show)(&mut line, &trace, &span);
        writeln!(writer, "{line}")
    }
}

fn as_text(line: &mut String, trace: &str, span: &str) {
    line.extend([" trace_id=", trace, " span_id=", span]);
}

/// Into the object, which has at least the time in it.
fn as_json(line: &mut String, trace: &str, span: &str) {
    if line.ends_with('}') {
        line.pop();
        line.extend([",\"trace_id\":\"", trace, "\",\"span_id\":\"", span, "\"}"]);
    }
}

#[cfg(test)]
mod tests;
