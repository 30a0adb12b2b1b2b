//! The way to a collector of traces: one address, which an administrator has configured, and nothing to grant.
//!
//! What is posted is made by the operator; here it goes out by the same [wire](crate::wire) as everything else: addresses are judged, with
//! private ones allowed because somebody has named them, no redirect is followed, and answers are bounded. There is never a proxy: the
//! headers may hold a password, and a collector is near. Start reading at [`Collector::post`].

use std::fmt;
use std::io::Write;
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use k8supdater_core::backoff;
use k8supdater_core::origin::Origin;
use k8supdater_core::pull_secret::Secret;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::client::{BuildError, Options};
use crate::failure::Failure;
use crate::request::FRAMING_HEADERS;
use crate::resolve::{Reach, Resolver};
use crate::scope::Limits;
use crate::wire::{Answer, Outgoing, Wire};

/// First delay after a refusal that passes.
const BACKOFF_BASE: Duration = Duration::from_millis(500);
/// Longest delay after refusals, unless the collector asks for a longer one.
const BACKOFF_CAP: Duration = Duration::from_secs(5);
/// Most bytes of an answer: it has a few counts and a sentence in it.
const LARGEST: usize = 64 * 1024;

/// How a [`Collector`] is reached.
#[derive(Clone, Debug)]
pub struct CollectorOptions {
    /// Where is posted to, as it is.
    pub url: Url,
    /// Further headers, often a login.
    pub headers: Vec<(String, Secret)>,
    /// What is posted, such as `application/x-protobuf`.
    pub content_type: &'static str,
    /// Whether it is compressed with gzip.
    pub is_compressed: bool,
    /// Certificate authorities to trust beside those of the web, as PEM.
    pub extra_authorities: Option<Vec<u8>>,
    /// How names are looked up.
    pub resolver: Resolver,
}

/// A collector. Holds connections, and nothing of what was posted.
pub struct Collector {
    wire: Wire,
    outgoing: Outgoing,
    is_compressed: bool,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL and the headers may hold secrets.
        f.debug_tuple("Collector").field(&self.outgoing.origin).finish()
    }
}

/// Why a collector has not taken what was posted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CollectorError {
    /// It has answered, and does not want it.
    #[error("{origin} answered with status {status}")]
    Refused {
        /// The collector.
        origin: Origin,
        /// The last status.
        status: u16,
    },
    /// It has not answered.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl Collector {
    /// A collector that nothing is posted to yet.
    ///
    /// # Errors
    /// [`BuildError::Collector`] if the URL is no place to post to, or a header is none; and those about authorities and TLS.
    pub fn new(options: CollectorOptions) -> Result<Self, BuildError> {
        let CollectorOptions { url, headers, content_type, is_compressed, extra_authorities, resolver } = options;
        let unusable = |what: String| BuildError::Collector(what);
        let origin =
            Origin::of(&url).ok_or_else(|| unusable("its URL must begin with https:// or http://".to_owned()))?;
        let mut checked = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| unusable(format!("{name:?} is no header")))?;
            if FRAMING_HEADERS.contains(&name.as_str()) {
                return Err(unusable(format!("the header {name} is not for others to set")));
            }
            // The value is not shown: it may be a password.
            let value = HeaderValue::from_str(value.expose());
            let mut value =
                value.map_err(|_| unusable(format!("the header {name} has a line end or control character in it")))?;
            value.set_sensitive(true);
            checked.insert(name, value);
        }
        checked.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if is_compressed {
            checked.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let outgoing =
            Outgoing { method: Method::POST, url, origin, reach: Reach::Named, headers: checked, body: Bytes::new() };
        let wire = Wire::new(Options { extra_authorities, resolver, ..Options::default() })?;
        Ok(Self { wire, outgoing, is_compressed })
    }

    /// The collector's origin, which holds no secret.
    pub fn origin(&self) -> &Origin {
        &self.outgoing.origin
    }

    /// Posts `body`, again and again if need be, until it is taken, or refused for good, or `time` has passed. Gives the answer's body.
    ///
    /// What passes by itself is what the protocol says (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>): a status 429, 502,
    /// 503 or 504, after the time that `Retry-After` names, and no answer at all. A wait that would end too late is not begun.
    ///
    /// Cancel-safe: dropping the future gives up the request. The collector may have taken it by then.
    ///
    /// # Errors
    /// [`CollectorError`], of the last attempt.
    pub async fn post(&self, body: Bytes, time: Duration) -> Result<Bytes, CollectorError> {
        let end = Instant::now() + time;
        let limits = Limits { wire: LARGEST, decoded: LARGEST, total: time, idle: time };
        let body = if self.is_compressed { compressed(&body)? } else { body };
        let outgoing = Outgoing { body, ..self.outgoing.clone() };
        let mut attempts = 0;
        loop {
            let posted = timeout_at(end, self.wire.exchange_silently(outgoing.clone(), &limits)).await;
            let (err, asked_for) = match posted.unwrap_or(Err(Failure::Timeout)) {
                Ok(answer) if answer.status.is_success() => return Ok(answer.body),
                Ok(answer) => {
                    let (origin, status) = (outgoing.origin.clone(), answer.status.as_u16());
                    let err = CollectorError::Refused { origin, status };
                    if !is_passing(answer.status) {
                        return Err(err);
                    }
                    (err, retry_after(&answer))
                }
                Err(failure @ (Failure::Timeout | Failure::Connect(_))) => (failure.into(), Duration::ZERO),
                Err(failure) => return Err(failure.into()),
            };
            attempts += 1;
            let wait = backoff::delay(attempts, BACKOFF_BASE, BACKOFF_CAP, rand::random()).max(asked_for);
            if Instant::now() + wait >= end {
                return Err(err);
            }
            sleep(wait).await;
        }
    }
}

/// Whether the same may be taken a little later.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// How long a collector wants to be left alone; nothing if it says so with a date, which would need our clocks to agree.
fn retry_after(answer: &Answer) -> Duration {
    let seconds = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok());
    Duration::from_secs(u64::from(seconds.unwrap_or(0)))
}

fn compressed(body: &[u8]) -> Result<Bytes, Failure> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.map(Bytes::from).map_err(|err| Failure::Other(format!("what is posted cannot be compressed: {err}")))
}
