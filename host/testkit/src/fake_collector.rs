//! A collector of traces: it takes OTLP over HTTP in its real format, and fails on demand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Response, StatusCode};
use axum::routing::post;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::server::cut;

/// Longest body that is taken.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CollectorFault {
    /// With this status, and the seconds after which it may be tried again, if it says so.
    Status(u16, Option<u32>),
    /// The spans are taken, but only after this time.
    Slow(Duration),
    /// The connection ends instead of an answer.
    Cut,
    /// The request is taken, but this many of its spans are not.
    Rejects(i64),
}

/// A span that has arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectedSpan {
    /// Its trace, in hexadecimal digits.
    pub trace: String,
    /// Itself.
    pub id: String,
    /// The span that it is a part of; none if it begins the trace.
    pub parent: Option<String>,
    /// What it is called.
    pub name: String,
    /// What is said of it, as text.
    pub attributes: BTreeMap<String, String>,
    /// The traces that it refers to.
    pub links: Vec<String>,
    /// Whether it ended badly.
    pub is_error: bool,
    /// When it began and ended, in nanoseconds since the epoch.
    pub times: (u64, u64),
}

impl CollectedSpan {
    /// An attribute; empty if it has none of that name.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// A request that has arrived, whether it was taken or not.
#[derive(Clone, Debug)]
pub struct CollectedRequest {
    /// Path and query.
    pub path: String,
    /// All headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Whether its spans were taken.
    pub is_taken: bool,
    /// What is said of the process that it comes from.
    pub resource: BTreeMap<String, String>,
    spans: Vec<CollectedSpan>,
    /// The message, in its wire format.
    raw: Vec<u8>,
}

/// A collector on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct FakeCollector {
    address: SocketAddr,
    shared: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<CollectorFault>,
    /// Requests that have arrived, answered or not.
    asked: usize,
    requests: Vec<CollectedRequest>,
}

impl FakeCollector {
    /// Takes everything.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared: Arc<Mutex<State>> = Arc::default();
        let state = Arc::clone(&shared);
        let router = Router::new().route("/{*path}", post(move |request| answer(Arc::clone(&state), request)));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("axum serves without end") });
        Self { address, shared, task }
    }

    /// Its origin, which is what `OTEL_EXPORTER_OTLP_ENDPOINT` wants.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets all requests fail like this.
    pub fn fail(&self, fault: CollectorFault) {
        self.lock().fault = Some(fault);
    }

    /// Ends all faults.
    pub fn recover(&self) {
        self.lock().fault = None;
    }

    /// Whether anybody has asked, and perhaps waits.
    pub fn is_asked(&self) -> bool {
        self.lock().asked > 0
    }

    /// Every request so far that was read.
    pub fn requests(&self) -> Vec<CollectedRequest> {
        self.lock().requests.clone()
    }

    /// Every span that was taken, in the order in which they came.
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.lock().requests.iter().filter(|it| it.is_taken).flat_map(|it| it.spans.clone()).collect()
    }

    /// Whether `secret` is anywhere in what has arrived.
    pub fn holds(&self, secret: &str) -> bool {
        let is_in = |raw: &[u8]| raw.windows(secret.len()).any(|window| window == secret.as_bytes());
        self.lock().requests.iter().any(|request| is_in(&request.raw))
    }

    /// A trace as text, each span below that which it is a part of: what a failing test shows.
    pub fn show(&self, trace: &str) -> String {
        let spans: Vec<CollectedSpan> = self.spans().into_iter().filter(|span| span.trace == trace).collect();
        let is_root = |span: &&CollectedSpan| !spans.iter().any(|other| Some(&other.id) == span.parent.as_ref());
        let mut text = String::new();
        for root in spans.iter().filter(is_root) {
            show(&mut text, &spans, root, 0);
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeCollector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn show(text: &mut String, spans: &[CollectedSpan], span: &CollectedSpan, depth: usize) {
    let CollectedSpan { name, attributes, is_error, times: (start, end), .. } = span;
    let took = Duration::from_nanos(end.saturating_sub(*start));
    let failed = if *is_error { " failed" } else { "" };
    let _ = writeln!(text, "{:indent$}{name} {took:?}{failed} {attributes:?}", "", indent = 2 * depth);
    let mut children: Vec<&CollectedSpan> =
        spans.iter().filter(|child| child.parent.as_ref() == Some(&span.id)).collect();
    children.sort_by_key(|child| child.times);
    for child in children {
        show(text, spans, child, depth + 1);
    }
}

async fn answer(shared: Arc<Mutex<State>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LONGEST_BODY).await.unwrap_or_default();
    let fault = {
        let mut state = shared.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked += 1;
        state.fault.clone()
    };
    if let Some(CollectorFault::Slow(delay)) = &fault {
        tokio::time::sleep(*delay).await;
    }
    let is_compressed = head.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
    let mut raw = body.to_vec();
    if is_compressed {
        raw.clear();
        if GzDecoder::new(body.as_ref()).read_to_end(&mut raw).is_err() {
            return status(StatusCode::BAD_REQUEST);
        }
    }
    let is_protobuf = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/x-protobuf");
    let Some(message) = ExportTraceServiceRequest::decode(raw.as_slice()).ok().filter(|_| is_protobuf) else {
        return status(StatusCode::BAD_REQUEST);
    };
    let header = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let resource = message.resource_spans.first().and_then(|spans| spans.resource.as_ref());
    let spans = message.resource_spans.iter().flat_map(|spans| &spans.scope_spans).flat_map(|spans| &spans.spans);
    let seen = CollectedRequest {
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers.iter().map(header).collect(),
        is_taken: !matches!(fault, Some(CollectorFault::Status(..) | CollectorFault::Cut)),
        resource: resource.map(|resource| attributes(&resource.attributes)).unwrap_or_default(),
        spans: spans.map(collected).collect(),
        raw,
    };
    shared.lock().unwrap_or_else(PoisonError::into_inner).requests.push(seen);
    match fault {
        Some(CollectorFault::Status(code, wait)) => {
            let mut response = status(StatusCode::from_u16(code).expect("a test knows its statuses"));
            if let Some(seconds) = wait {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            response
        }
        Some(CollectorFault::Cut) => cut(),
        Some(CollectorFault::Rejects(rejected_spans)) => {
            let partial = ExportTracePartialSuccess { rejected_spans, error_message: "too many".to_owned() };
            taken(&ExportTraceServiceResponse { partial_success: Some(partial) })
        }
        Some(CollectorFault::Slow(_)) | None => taken(&ExportTraceServiceResponse { partial_success: None }),
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn taken(answer: &ExportTraceServiceResponse) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.encode_to_vec()));
    response.headers_mut().insert(CONTENT_TYPE, "application/x-protobuf".parse().expect("it is ASCII"));
    response
}

fn collected(span: &Span) -> CollectedSpan {
    CollectedSpan {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
        name: span.name.clone(),
        attributes: attributes(&span.attributes),
        links: span.links.iter().map(|link| hex(&link.trace_id)).collect(),
        is_error: span.status.as_ref().is_some_and(|status| status.code == SpanStatus::Error as i32),
        times: (span.start_time_unix_nano, span.end_time_unix_nano),
    }
}

fn attributes(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes.iter().map(|pair| (pair.key.clone(), text(pair.value.as_ref()))).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};

    use super::*;

    fn request() -> Vec<u8> {
        let pair = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) }),
            ..KeyValue::default()
        };
        let span = |id: u8, parent: &[u8], name: &str| Span {
            trace_id: vec![1; 16],
            span_id: vec![id; 8],
            parent_span_id: parent.to_vec(),
            name: name.to_owned(),
            attributes: vec![pair("a", "canary")],
            ..Span::default()
        };
        let spans = vec![span(3, &[2; 8], "child"), span(2, &[], "root")];
        let resource = Resource { attributes: vec![pair("service.name", "s")], ..Resource::default() };
        let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    #[tokio::test]
    async fn it_takes_spans_and_fails_when_told_to() {
        let collector = FakeCollector::start().await;
        let post = |kind: &'static str, body: Vec<u8>| {
            let request = crate::http_client().post(format!("{}/v1/traces", collector.origin()));
            request.header(CONTENT_TYPE, kind).body(body).send()
        };
        let proto = "application/x-protobuf";
        assert_eq!(post(proto, request()).await.unwrap().status(), 200);
        assert_eq!(post("application/json", request()).await.unwrap().status(), 400);
        assert_eq!(post(proto, vec![255]).await.unwrap().status(), 400);
        collector.fail(CollectorFault::Status(503, Some(7)));
        let refused = post(proto, request()).await.unwrap();
        assert_eq!((refused.status().as_u16(), &refused.headers()[RETRY_AFTER]), (503, &"7".parse().unwrap()));
        collector.fail(CollectorFault::Cut);
        let cut = post(proto, request()).await;
        assert!(cut.is_err() || cut.unwrap().bytes().await.is_err());
        collector.recover();
        let names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
        assert_eq!(names, ["child", "root"], "what was refused does not count");
        assert_eq!(collector.requests().len(), 3);
        assert_eq!(collector.requests()[0].resource["service.name"], "s");
        assert!(collector.holds("canary") && !collector.holds("secret"));
        let shown = collector.show(&"01".repeat(16));
        assert!(shown.starts_with("root ") && shown.contains("\n  child "), "{shown}");
    }
}
