//! The client: what a plugin asks for goes in, what came of it comes out.
//!
//! Puts the other rooms together, in the order that makes the guarantees: check, look for a kept answer, attach the secret, send,
//! and hide what must not be seen. Start reading at [`Client::send`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, SET_COOKIE};
use thiserror::Error;
use tokio::time::timeout;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span, info_span};

use crate::credential::Proof;
use crate::failure::Failure;
use crate::login::Logins;
use crate::request::{self, Call, Request, SecretUrl};
use crate::resolve::Resolver;
use crate::revalidate::{Kept, Key};
use crate::scope::Scope;
use crate::token::Tokens;
use crate::wire::{Answer, Observer, Outgoing, Wire};

/// How a [`Client`] is built. All clones share connections, tokens and kept answers, so there should be one per process.
#[derive(Clone)]
pub struct Options {
    /// Certificate authorities to trust beside those of the web, as PEM.
    pub extra_authorities: Option<Vec<u8>>,
    /// URL of an HTTP proxy for all requests. None: there is no proxy, whatever the environment says.
    ///
    /// With a proxy, it is the proxy that resolves names, and addresses behind names are no longer checked here: the proxy must do
    /// it. Origins are checked as ever.
    pub proxy: Option<String>,
    /// How names are looked up.
    pub resolver: Resolver,
    /// Told about each request.
    pub observer: Option<Observer>,
    /// Most time to make a connection: look-up, TCP and TLS. 5 s.
    pub connect: Duration,
    /// Most requests under way to one origin. At least 1; 8.
    pub per_origin: usize,
    /// Most requests under way in total. At least 1; 64.
    pub total: usize,
    /// Most bytes of answers kept to be asked about again. 32 MiB.
    pub kept_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            extra_authorities: None,
            proxy: None,
            resolver: Resolver::system(),
            observer: None,
            connect: Duration::from_secs(5),
            per_origin: 8,
            total: 64,
            // Some hundred tag lists of a hundred KiB each.
            kept_bytes: 32 * 1024 * 1024,
        }
    }
}

/// Why a [`Client`] or a [`Mailer`](crate::Mailer) cannot be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The extra authorities are not usable.
    #[error(
        "the bundle of extra certificate authorities is not usable: {0}; it must be PEM with at least one CERTIFICATE"
    )]
    Authorities(String),
    /// The proxy is not usable. Its URL is not shown, because it may hold a password.
    #[error("the URL of the HTTP proxy is not valid; it must look like http://proxy.example.com:3128")]
    Proxy,
    /// The mail server's name is none.
    #[error("{0:?} is neither the name nor the address of a mail server; it must look like mail.example.com")]
    MailHost(String),
    /// A collector cannot be posted to.
    #[error("the collector of traces is not usable: {0}")]
    Collector(String),
    /// The TLS library refused its configuration.
    #[error("cannot configure TLS")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refused its configuration.
    #[error("cannot configure the HTTP client")]
    Http(#[source] reqwest::Error),
}

impl BuildError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Authorities(_) => "InvalidAuthorities",
            Self::Proxy => "InvalidProxy",
            Self::MailHost(_) => "InvalidMailHost",
            Self::Collector(_) => "InvalidCollector",
            Self::Tls(_) => "TlsNotConfigured",
            Self::Http(_) => "HttpNotConfigured",
        }
    }
}

/// An answer, of whatever status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100 to 599, but never 304: then it is the kept answer, with the status that it had.
    pub status: u16,
    /// Lower-case names and their values, in the order in which the names were first received. Values that are not UTF-8 are left
    /// out, as are cookies, which are secrets that a plugin could not send back anyway.
    pub headers: Vec<(String, String)>,
    /// Decoded.
    pub body: Bytes,
}

/// The one way out. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    wire: Wire,
    tokens: Tokens,
    logins: Logins,
    kept: Kept,
}

impl Client {
    /// A client without connections. Reads nothing from the environment.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn new(options: Options) -> Result<Self, BuildError> {
        let kept = Kept::new(options.kept_bytes);
        Ok(Self(Arc::new(Inner { wire: Wire::new(options)?, tokens: Tokens::new(), logins: Logins::new(), kept })))
    }

    /// Makes the request that a plugin asks for, if `scope` allows it, and returns the answer.
    ///
    /// Redirects are answers. A 401 is one too, unless the request names a credential slot that is of scheme `oci-token` or empty, and
    /// the origin asks for a token that can be had; or the slot is of scheme `login`, and another login gives another token.
    ///
    /// Cancel-safe: dropping the future gives up the request. The origin may have acted on it by then.
    ///
    /// # Errors
    /// See [`Failure`]; it never takes longer than the scope's `total` limit.
    pub async fn send(&self, scope: &Scope, request: Request) -> Result<Response, Failure> {
        let span = span_of(&request);
        let sent = timeout(scope.limits.total, self.0.send(scope, request)).instrument(span.clone());
        let result = sent.await.unwrap_or(Err(Failure::Timeout));
        match &result {
            Ok(response) => {
                span.record("http.response.status_code", response.status);
            }
            Err(failure) => {
                span.record("error.type", failure.reason());
                span.record("otel.status_code", "ERROR");
            }
        }
        result
    }
}

/// What a plugin asks for, as a span: one request, or several where tokens have to be bought.
///
/// Of the URL there is what a plugin that reads has made, which has no secret in it yet, without the query. What is posted goes to places whose
/// very path may be a secret.
fn span_of(request: &Request) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    let span = info_span!(
        "request",
        http.request.method = request.method,
        url.path = Empty,
        http.response.status_code = Empty,
        k8supdater.revalidated = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    );
    if matches!(request.method.as_str(), "GET" | "HEAD")
        && let Ok(url) = url::Url::parse(&request.url)
    {
        span.record("url.path", display(url.path()));
    }
    span
}

impl Inner {
    async fn send(&self, scope: &Scope, request: Request) -> Result<Response, Failure> {
        let prepared = Prepared::new(scope, request).inspect_err(|_| self.wire.count_denied(None))?;
        let Prepared { mut outgoing, secret_url, proof, key } = prepared;
        let kept = key.as_ref().and_then(|key| self.kept.find(key));
        if let Some(kept) = &kept {
            kept.condition(&mut outgoing.headers);
        }
        let answer = match proof {
            Proof::Nothing | Proof::Header(..) => self.wire.exchange(outgoing, &scope.limits).await?,
            Proof::Login(form, secret) => {
                self.logins.exchange(&self.wire, &scope.limits, &outgoing, &form, &secret).await?
            }
            Proof::OnChallenge(login) => self.tokens.exchange(&self.wire, scope, &outgoing, login.as_ref()).await?,
        };
        if answer.status != StatusCode::NOT_MODIFIED {
            if let Some(key) = key {
                self.kept.keep(key, &answer);
            }
            return Ok(to_response(answer, &secret_url));
        }
        Span::current().record("k8supdater.revalidated", true);
        match kept {
            Some(kept) => Ok(to_response(kept.answer(), &secret_url)),
            None => Err(Failure::Other("304 was answered to a request that was not conditional".to_owned())),
        }
    }
}

/// A request that has passed all checks, with its secrets on it.
struct Prepared {
    outgoing: Outgoing,
    secret_url: SecretUrl,
    proof: Proof,
    key: Option<Key>,
}

impl Prepared {
    /// Pure.
    ///
    /// # Errors
    /// [`Failure::Denied`].
    fn new(scope: &Scope, request: Request) -> Result<Self, Failure> {
        let slot = request.credential.clone();
        let call = request::check(request, scope)?;
        let secret_url = call.url_with_secrets(scope)?;
        let bound = slot.as_deref().and_then(|slot| scope.credential(slot, &call.origin));
        let proof = match (bound, slot) {
            (Some(bound), _) => bound.proof(&call.body)?,
            // The slot is empty: anonymous, but anonymous tokens are had in the same way as others.
            (None, Some(_)) => Proof::OnChallenge(None),
            (None, None) => Proof::Nothing,
        };
        let mut identities = secret_url.identities.clone();
        identities.extend(bound.map(|bound| bound.secret.identity()));
        let key = Key::of(&call, identities);
        let Call { method, url: _, origin, reach, mut headers, body } = call;
        if let Proof::Header(name, value) = &proof {
            headers.insert(name.clone(), value.clone());
        }
        let outgoing = Outgoing { method, url: secret_url.url.clone(), origin, reach, headers, body };
        Ok(Self { outgoing, secret_url, proof, key })
    }
}

fn to_response(answer: Answer, secret_url: &SecretUrl) -> Response {
    let Answer { status, headers, body } = answer;
    Response { status: status.as_u16(), headers: to_pairs(&headers, secret_url), body }
}

fn to_pairs(headers: &HeaderMap, secret_url: &SecretUrl) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| **name != SET_COOKIE)
        .filter_map(|(name, value)| {
            let value = std::str::from_utf8(value.as_bytes()).ok()?;
            Some((name.as_str().to_owned(), secret_url.conceal(value)))
        })
        .collect()
}
