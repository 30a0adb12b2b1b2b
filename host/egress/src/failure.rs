//! Why a request brought no answer.
//!
//! Pure. None of the texts holds a secret: they are made from origins, slot names and the words of the TLS and HTTP libraries, never
//! from a URL or header after a secret was put in. What a mail server says goes through [`crate::mail`]'s hands first.

use std::error::Error as StdError;
use std::fmt::Display;
use std::iter;

use k8supdater_core::origin::Origin;
use thiserror::Error;

use crate::resolve::ResolveError;

/// Why a request brought no answer, or a mail was not sent. Each case is one of the WIT's `exchange.failure`.
///
/// Texts are one line, lower case, without a full stop.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// The request was not made: not granted, a forbidden address, malformed. Repeating it is useless.
    #[error("{0}")]
    Denied(String),
    /// No complete answer in [`Limits::total`](crate::Limits::total), or silence for [`Limits::idle`](crate::Limits::idle); a mail not
    /// accepted in [`MailOptions::total`](crate::MailOptions::total).
    #[error("no complete answer in the time allowed")]
    Timeout,
    /// No connection: the name does not resolve, refused, reset, or not made in time.
    #[error("{0}")]
    Connect(String),
    /// The TLS handshake failed.
    #[error("{0}")]
    Tls(String),
    /// The answer was larger than allowed, on the wire or decoded, or had too many headers.
    #[error("the answer is larger than allowed")]
    TooLarge,
    /// The mail server refused the login, an address or the mail, with its words.
    #[error("{0}")]
    Mail(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Denied(_) => "RequestDenied",
            Self::Timeout => "RequestTimedOut",
            Self::Connect(_) => "NotReachable",
            Self::Tls(_) => "TlsFailed",
            Self::TooLarge => "ResponseTooLarge",
            Self::Mail(_) => "MailRefused",
            Self::Other(_) => "RequestFailed",
        }
    }

    /// The handshake with `place` failed.
    pub(crate) fn of_tls(place: &impl Display, err: &rustls::Error) -> Self {
        Self::Tls(format!("no TLS connection to {place}: {}", describe_tls(err)))
    }

    /// What went wrong between us and `origin`. `err` may hold the URL; the result does not.
    pub(crate) fn of(origin: &Origin, err: &reqwest::Error) -> Self {
        // The most telling cause wins, wherever in the chain it is.
        for cause in causes(err) {
            if let Some(refused) = cause.downcast_ref::<ResolveError>() {
                return refused.into();
            }
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                return Self::of_tls(origin, tls);
            }
            if let Some(io) = cause.downcast_ref::<std::io::Error>()
                && let Some(kind) = describe_io(io.kind())
            {
                return Self::Connect(format!("{origin} {kind}"));
            }
            // hyper's words for a head that does not fit are only there as text: its error type is not ours to name.
            if cause.to_string().contains("message head is too large") {
                return Self::TooLarge;
            }
        }
        if err.is_timeout() {
            return Self::Connect(format!("{origin} did not accept a connection in time"));
        }
        // The last cause is the plainest; the ones before it only say "error sending request".
        let last = causes(err).last().map(ToString::to_string).unwrap_or_default();
        if err.is_connect() {
            return Self::Connect(format!("no connection to {origin}: {last}"));
        }
        // hyper's words for a head that it cannot read: the other side speaks some other protocol.
        if last.starts_with("invalid ") {
            return Self::Other(format!("{origin} answered something that is not HTTP: {last}"));
        }
        if err.is_body() || err.is_decode() || err.is_request() {
            return Self::Connect(format!("the connection to {origin} broke before the answer was complete: {last}"));
        }
        Self::Other(format!("the request to {origin} could not be made: {last}"))
    }
}

impl From<&ResolveError> for Failure {
    fn from(refused: &ResolveError) -> Self {
        match refused {
            ResolveError::Denied { .. } => Self::Denied(refused.to_string()),
            ResolveError::NoAddress { .. } | ResolveError::Lookup { .. } => Self::Connect(refused.to_string()),
        }
    }
}

/// `err`'s causes, itself excluded because it prints the URL.
///
/// An `io::Error` that wraps another error names that error's causes as its own, and so hides the very error that it wraps.
pub(crate) fn causes<'a>(err: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(next_cause(err), |cause| next_cause(*cause))
}

fn next_cause<'a>(err: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match err.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => err.source(),
    }
}

pub(crate) fn describe_io(kind: std::io::ErrorKind) -> Option<&'static str> {
    use std::io::ErrorKind;
    match kind {
        ErrorKind::ConnectionRefused => Some("refused the connection"),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Some("broke off the connection")
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Some("cannot be reached from here"),
        ErrorKind::UnexpectedEof => Some("closed the connection before the answer was complete"),
        _ => None,
    }
}

fn describe_tls(err: &rustls::Error) -> String {
    use rustls::CertificateError as Cert;
    match err {
        rustls::Error::InvalidCertificate(Cert::UnknownIssuer) => {
            "its certificate is from an unknown authority; an administrator can add that authority to the operator's CA bundle".to_owned()
        }
        rustls::Error::InvalidCertificate(Cert::Expired | Cert::ExpiredContext { .. }) => "its certificate has expired".to_owned(),
        rustls::Error::InvalidCertificate(Cert::NotValidForName | Cert::NotValidForNameContext { .. }) => {
            "its certificate is for another name".to_owned()
        }
        rustls::Error::InvalidMessage(_) => "it does not speak TLS".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}
