use k8supdater_egress::{CollectorOptions, Resolver};
use k8supdater_testkit::{CollectorFault, FakeCollector, PATIENCE, eventually};
use opentelemetry::trace::{Tracer, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use url::Url;

use super::*;
use crate::config::{RawConfig, TraceFlags};

/// An exporter to `collector`, whose batches hold two spans and whose queue holds four.
fn provider(collector: &FakeCollector, metrics: &Arc<Metrics>, timeout: &str) -> SdkTracerProvider {
    let some = |text: &str| Some(text.to_owned());
    let traces = TraceFlags {
        otel_exporter_otlp_endpoint: Some(collector.origin()),
        otel_exporter_otlp_timeout: some(timeout),
        otel_exporter_otlp_compression: some("gzip"),
        otel_bsp_schedule_delay: some("20"),
        otel_bsp_max_queue_size: some("4"),
        otel_bsp_max_export_batch_size: some("2"),
        ..TraceFlags::default()
    };
    let config = RawConfig { traces, ..RawConfig::default() }.check().unwrap().traces.unwrap();
    let options = CollectorOptions {
        url: Url::parse(config.endpoint.as_str()).unwrap(),
        headers: Vec::new(),
        content_type: "application/x-protobuf",
        is_compressed: config.is_compressed,
        extra_authorities: None,
        resolver: Resolver::system(),
    };
    let processor = processor(&config, Collector::new(options).unwrap(), Arc::clone(metrics), Handle::current());
    SdkTracerProvider::builder().with_span_processor(processor).build()
}

/// How many spans had that outcome.
fn count(metrics: &Metrics, outcome: &str) -> u64 {
    let text = metrics.text(crate::telemetry::metrics::Format::OpenMetrics).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("k8supdater_trace_spans_total{{outcome=\"{outcome}\"}} ")));
    line.map_or(0, |count| count.parse().unwrap())
}

fn counts(metrics: &Metrics) -> [u64; 3] {
    ["exported", "failed", "dropped"].map(|outcome| count(metrics, outcome))
}

async fn wait_for(metrics: &Metrics, expected: [u64; 3]) {
    let probe = async || {
        let found = counts(metrics);
        if found == expected { Ok(()) } else { Err(format!("{found:?}, expected {expected:?}")) }
    };
    eventually(PATIENCE, probe).await.unwrap();
}

fn record(provider: &SdkTracerProvider, names: &[&'static str]) {
    let tracer = provider.tracer("test");
    for name in names {
        tracer.start(*name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_arrive_and_what_does_not_is_counted() {
    let (collector, metrics) = (FakeCollector::start().await, Arc::new(Metrics::default()));
    let provider = provider(&collector, &metrics, "300");
    record(&provider, &["a", "b", "c"]);
    wait_for(&metrics, [3, 0, 0]).await;
    let mut names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
    names.sort();
    assert_eq!(names, ["a", "b", "c"]);

    collector.fail(CollectorFault::Status(400, None));
    record(&provider, &["d"]);
    wait_for(&metrics, [3, 1, 0]).await;
    collector.fail(CollectorFault::Status(503, Some(60)));
    record(&provider, &["e"]);
    wait_for(&metrics, [3, 2, 0]).await;
    collector.fail(CollectorFault::Rejects(1));
    record(&provider, &["f"]);
    wait_for(&metrics, [3, 3, 0]).await;
    collector.recover();
    record(&provider, &["g"]);
    wait_for(&metrics, [4, 3, 0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_spans_wait_than_the_queue_holds() {
    let (collector, metrics) = (FakeCollector::start().await, Arc::new(Metrics::default()));
    let provider = provider(&collector, &metrics, "5000");
    collector.fail(CollectorFault::Slow(PATIENCE));
    record(&provider, &["first"]);
    // From now on nobody takes anything from the queue.
    eventually(PATIENCE, async || {
        let waiting = counts(&metrics);
        // What is under way has left the queue, and the collector has it as soon as it has read it.
        if collector.is_asked() { Ok(()) } else { Err(format!("{waiting:?}")) }
    })
    .await
    .unwrap();
    record(&provider, &["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(counts(&metrics), [0, 0, 3]);
    collector.recover();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_is_exported_at_the_end_and_a_dead_collector_puts_it_off_no_longer_than_allowed() {
    let (collector, metrics) = (FakeCollector::start().await, Arc::new(Metrics::default()));
    let finish = async |provider: SdkTracerProvider, patience: Duration| {
        tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(patience)).await.unwrap()
    };
    let good = provider(&collector, &metrics, "1000");
    record(&good, &["last"]);
    finish(good, PATIENCE).await.unwrap();
    assert_eq!(collector.spans().len(), 1);

    collector.fail(CollectorFault::Slow(PATIENCE));
    let stuck = provider(&collector, &metrics, "2000");
    record(&stuck, &["lost"]);
    assert!(finish(stuck, Duration::from_millis(100)).await.is_err());
}

#[test]
fn an_answer_says_how_many_were_rejected() {
    let answer = |rejected_spans: i64| {
        use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
        let partial = ExportTracePartialSuccess { rejected_spans, error_message: "too\nmany".to_owned() };
        ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
    };
    assert_eq!(rejected(&answer(3)), Some((3, "3 were rejected: too many".to_owned())));
    for nothing in [answer(0), answer(-1), Vec::new(), b"{}".to_vec(), b"no".to_vec()] {
        assert_eq!(rejected(&nothing), None, "{nothing:?}");
    }
}
