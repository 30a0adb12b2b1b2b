use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::subscriber::with_default;
use tracing::{info, info_span};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written by two lines, one of them within a span, where that part of traces is exported; without a ratio traces are not.
fn written(log_format: LogFormat, ratio: Option<f64>) -> [String; 2] {
    let lines = Lines::default();
    let writer = lines.clone();
    let layer = lines_to(log_format, move || writer.clone(), false);
    let sampler = |ratio: f64| SdkTracerProvider::builder().with_sampler(Sampler::TraceIdRatioBased(ratio)).build();
    let traces = ratio.map(|ratio| tracing_opentelemetry::layer().with_tracer(sampler(ratio).tracer("test")).boxed());
    let mut layers = vec![layer.with_filter(without_spans("info")).boxed()];
    layers.extend(traces);
    with_default(tracing_subscriber::registry().with(layers), || {
        info_span!("secretive", canary = "canary").in_scope(|| info!(answer = 42, "inside"));
        info!("outside");
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    assert!(!text.contains("canary"), "spans of ours are for traces: {text}");
    lines.try_into().unwrap()
}

#[test]
fn a_line_names_the_trace_that_it_belongs_to_if_that_is_exported() {
    let [inside, outside] = written(LogFormat::Text, Some(1.0));
    let (rest, ids) = inside.split_once(" trace_id=").unwrap();
    assert!(rest.ends_with("inside answer=42"), "{inside}");
    let (trace, span) = ids.split_once(" span_id=").unwrap();
    assert_eq!((trace.len(), span.len()), (32, 16), "{inside}");
    assert!(outside.ends_with("outside"), "{outside}");
    for ratio in [Some(0.0), None] {
        let [inside, _] = written(LogFormat::Text, ratio);
        assert!(inside.ends_with("inside answer=42"), "{inside}");
    }
}

#[test]
fn in_json_they_are_fields() {
    let read = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    let [inside, outside] = written(LogFormat::Json, Some(1.0)).map(|line| read(&line));
    assert_eq!((inside["trace_id"].as_str().unwrap().len(), inside["span_id"].as_str().unwrap().len()), (32, 16));
    assert_eq!((&inside["message"], &inside["answer"]), (&"inside".into(), &42.into()));
    assert_eq!(outside.get("trace_id"), None);
    let [inside, _] = written(LogFormat::Json, None).map(|line| read(&line));
    assert_eq!(inside.get("trace_id"), None);
}
