//! One request, one answer: the only code that sends anything.
//!
//! Owns the connections. Whatever is sent has been checked in [`crate::request`] or [`crate::challenge`]; here the address is checked,
//! the place in the queue is waited for, and the answer is read within its limits. Redirects, conditional requests and 401s are
//! answers like any other.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use k8supdater_core::origin::Origin;
use tokio::time::{Instant, timeout};
use tracing::field::Empty;
use tracing::{Instrument, Span, debug, info_span};
use url::{Host, Url};

use crate::body::{Body, BodyError};
use crate::budget::Budget;
use crate::client::{BuildError, Options};
use crate::failure::Failure;
use crate::places::Places;
use crate::resolve::{self, CheckedResolver, Reach};
use crate::scope::Limits;
use crate::tls;

/// Most headers of an answer.
const MOST_HEADERS: usize = 128;
/// Most bytes of names and values of an answer's headers together.
const MOST_HEADER_BYTES: usize = 64 * 1024;
/// Where servers see who asks.
const USER_AGENT: &str = concat!("k8supdater/", env!("CARGO_PKG_VERSION"));

/// Called for each [`Exchange`]. It must not block.
pub type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// A request that was made, or refused: what there is to count.
///
/// One call of [`Client::send`](crate::Client::send) makes several where tokens have to be bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Where it went. None if it was refused before that was known.
    pub origin: Option<Origin>,
    /// How it ended.
    pub end: End,
    /// From the moment it had a place to go out until it ended; zero if it was refused.
    pub elapsed: Duration,
    /// How many requests the server still allows, if its answer says so.
    pub budget: Option<Budget>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With an answer of this status, 304 excepted.
    Answered(u16),
    /// With a 304: the answer that was kept is still good.
    Revalidated,
    /// It was not made, because it may not be.
    Denied,
    /// Without a complete answer.
    Failed,
}

impl Exchange {
    /// A fixed word for metrics: `2xx`, `3xx`, `4xx`, `429`, `5xx`, `revalidated`, `denied` or `failed`.
    pub fn outcome(&self) -> &'static str {
        match self.end {
            // Servers may make up statuses; what is no known class is none of the server's successes.
            // The one that asks for fewer requests.
            End::Answered(429) => "429",
            End::Answered(status) => match status / 100 {
                2 => "2xx",
                3 => "3xx",
                4 => "4xx",
                _ => "5xx",
            },
            End::Revalidated => "revalidated",
            End::Denied => "denied",
            End::Failed => "failed",
        }
    }
}

/// A request with everything on it.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    /// May hold secrets: not for logs and errors.
    pub(crate) url: Url,
    pub(crate) origin: Origin,
    pub(crate) reach: Reach,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Outgoing {
    /// The same with this `authorization`, or as it is.
    pub(crate) fn with_authorization(&self, value: Option<HeaderValue>) -> Self {
        let mut outgoing = self.clone();
        if let Some(value) = value {
            outgoing.headers.insert(AUTHORIZATION, value);
        }
        outgoing
    }
}

/// An answer, decoded.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Without `content-encoding`, and without a `content-length` that is no longer true.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The connections.
pub(crate) struct Wire {
    /// For origins that are granted by way of `$registry`.
    public: reqwest::Client,
    /// For origins that are granted by name. Connections are reused by name, so these two must not share any: one that was made to a
    /// private address because one plugin may would serve another that may not.
    named: reqwest::Client,
    places: Places,
    observer: Option<Observer>,
    connect: Duration,
}

impl Wire {
    pub(crate) fn new(options: Options) -> Result<Self, BuildError> {
        let mut tls = tls::config(options.extra_authorities.as_deref())?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let build = |reach: Reach| {
            let reach = if options.proxy.is_some() { Reach::Proxy } else { reach };
            let resolver = CheckedResolver { resolver: options.resolver.clone(), reach };
            let mut builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(Arc::new(resolver))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                // Proxies of the environment are none of ours: a proxy connects to whatever it likes.
                .no_proxy()
                .user_agent(USER_AGENT)
                .connect_timeout(options.connect)
                .pool_max_idle_per_host(options.per_origin)
                .http1_max_headers(MOST_HEADERS)
                .http2_max_header_list_size(u32::try_from(MOST_HEADER_BYTES).unwrap_or(u32::MAX));
            if let Some(proxy) = &options.proxy {
                builder = builder.proxy(parse_proxy(proxy)?);
            }
            builder.build().map_err(|err| BuildError::Http(err.without_url()))
        };
        Ok(Self {
            public: build(Reach::Public)?,
            named: build(Reach::Named)?,
            places: Places::new(options.per_origin.max(1), options.total.max(1)),
            observer: options.observer,
            connect: options.connect,
        })
    }

    /// Sends `outgoing` and reads the answer.
    ///
    /// Cancel-safe: dropping the future closes the connection or, over HTTP/2, the stream.
    ///
    /// # Errors
    /// Any [`Failure`]. Every status is an answer, not an error.
    pub(crate) async fn exchange(&self, outgoing: Outgoing, limits: &Limits) -> Result<Answer, Failure> {
        let origin = outgoing.origin.clone();
        let _place = self.places.take(&origin).await;
        let begun = Instant::now();
        let span = span_of(&outgoing);
        let result = self.send(outgoing, limits).instrument(span.clone()).await;
        let elapsed = begun.elapsed();
        let end = match &result {
            Ok(answer) if answer.status == StatusCode::NOT_MODIFIED => End::Revalidated,
            Ok(answer) => End::Answered(answer.status.as_u16()),
            Err(Failure::Denied(_)) => End::Denied,
            Err(_) => End::Failed,
        };
        match &result {
            Ok(answer) => {
                span.record("http.response.status_code", answer.status.as_u16());
            }
            Err(failure) => {
                span.record("error.type", failure.reason());
                span.record("otel.status_code", "ERROR");
            }
        }
        let budget = result.as_ref().ok().and_then(|answer| Budget::of(&answer.headers));
        debug!(%origin, ?end, ?elapsed, "request made");
        self.observe(&Exchange { origin: Some(origin), end, elapsed, budget });
        result
    }

    /// The same without a word in logs, metrics and traces: what is sent about them would otherwise be more of it. Waits for no place.
    ///
    /// # Errors
    /// As [`exchange`](Self::exchange).
    pub(crate) async fn exchange_silently(&self, outgoing: Outgoing, limits: &Limits) -> Result<Answer, Failure> {
        self.send(outgoing, limits).await
    }

    /// Counts a request that was refused before it came here.
    pub(crate) fn count_denied(&self, origin: Option<&Origin>) {
        self.observe(&Exchange { origin: origin.cloned(), end: End::Denied, elapsed: Duration::ZERO, budget: None });
    }

    fn observe(&self, exchange: &Exchange) {
        if let Some(observer) = &self.observer {
            observer(exchange);
        }
    }

    async fn send(&self, outgoing: Outgoing, limits: &Limits) -> Result<Answer, Failure> {
        let Outgoing { method, url, origin, reach, mut headers, body } = outgoing;
        check_literal(&url, reach)?;
        let client = match reach {
            Reach::Public => &self.public,
            Reach::Named | Reach::Proxy => &self.named,
        };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let is_head = method == Method::HEAD;
        let mut request = client.request(method, url).headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        // A server may take long to answer after it has accepted the connection: idle time, too.
        let waiting = timeout(self.connect + limits.idle, request.send());
        let response = match waiting.await {
            Err(_) => return Err(Failure::Timeout),
            Ok(result) => result.map_err(|err| Failure::of(&origin, &err))?,
        };
        self.read(&origin, response, is_head, limits).await
    }

    async fn read(
        &self,
        origin: &Origin,
        mut response: reqwest::Response,
        is_head: bool,
        limits: &Limits,
    ) -> Result<Answer, Failure> {
        let status = response.status();
        let mut headers = std::mem::take(response.headers_mut());
        let header_bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if headers.len() > MOST_HEADERS || header_bytes > MOST_HEADER_BYTES {
            return Err(Failure::TooLarge);
        }
        let explain = |err: BodyError| match err {
            BodyError::TooLarge => Failure::TooLarge,
            BodyError::UnknownEncoding(encoding) => Failure::Other(format!(
                "{origin} answered in the content-encoding {encoding:?}, which was not asked for"
            )),
            BodyError::Corrupt => {
                Failure::Other(format!("{origin} sent a body that is not what its content-encoding says"))
            }
        };
        // Given up before a single byte of a body is read that says itself that it is too long.
        if !is_head && response.content_length().is_some_and(|length| length > limits.wire as u64) {
            return Err(Failure::TooLarge);
        }
        let mut body = Body::new(&headers, limits.wire, limits.decoded).map_err(explain)?;
        loop {
            match timeout(limits.idle, response.chunk()).await {
                Err(_) => return Err(Failure::Timeout),
                Ok(Err(err)) => return Err(Failure::of(origin, &err)),
                Ok(Ok(Some(piece))) => body.push(&piece).map_err(explain)?,
                Ok(Ok(None)) => break,
            }
        }
        let body = body.finish().map_err(explain)?;
        if headers.remove(http::header::CONTENT_ENCODING).is_some() {
            headers.remove(CONTENT_LENGTH);
        }
        Ok(Answer { status, headers, body })
    }
}

/// One request, as a span, under the names of OpenTelemetry's conventions
/// (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-client-span>); nothing where nobody traces what it is made for.
///
/// Without path and query: by now they may have secrets in them.
fn span_of(outgoing: &Outgoing) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    let Outgoing { method, url, .. } = outgoing;
    info_span!(
        "exchange",
        otel.name = method.as_str(),
        otel.kind = "client",
        http.request.method = method.as_str(),
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        url.scheme = url.scheme(),
        http.response.status_code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Checks a host that is an address already: no resolver ever sees it.
///
/// The URL parser has brought all spellings into one form, so that `0x7f.1`, `2130706433` and `127.0.0.1` are the same here.
fn check_literal(url: &Url, reach: Reach) -> Result<(), Failure> {
    let ip = match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    resolve::check(&ip.to_string(), ip, reach).map_err(|err| Failure::Denied(err.to_string()))
}

fn parse_proxy(text: &str) -> Result<reqwest::Proxy, BuildError> {
    // The text is not shown: proxies are given with their password in the URL.
    let url = Url::parse(text).map_err(|_| BuildError::Proxy)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BuildError::Proxy);
    }
    reqwest::Proxy::all(url).map_err(|_| BuildError::Proxy)
}
