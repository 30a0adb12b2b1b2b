//! Servers that record what they are asked, and builders for what is asked of them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, Response as HttpResponse, Version};
use axum::serve::Listener;
use futures::FutureExt;
use k8supdater_core::origin::{Grant, Grants, Origin};
use k8supdater_egress::{
    BoundCredential, Client, Credential, Exchange, Failure, Limits, Options, Request, Resolver, Response, Scheme, Scope,
};
use rcgen::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

/// A request as a server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) version: Version,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A server on the loopback interface; stops when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) type Answer = HttpResponse<Body>;

impl Server {
    /// A server that speaks plain HTTP.
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(listener, address, "http", answer)
    }

    /// A server that speaks HTTP/2 over TLS, with this certificate.
    pub(crate) async fn start_tls(
        certificate: &CertifiedKey<rcgen::KeyPair>,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self::serve(TlsListener(listener, acceptor(certificate, &[b"h2"])), address, "https", answer)
    }

    fn serve<L>(
        listener: L,
        address: SocketAddr,
        scheme: &'static str,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self
    where
        L: Listener<Addr = SocketAddr>,
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&seen), Arc::new(answer));
        let router = Router::new().fallback(move |request: HttpRequest| {
            let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
            async move {
                let (parts, body) = request.into_parts();
                let seen = Seen {
                    method: parts.method.to_string(),
                    path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
                    headers: parts.headers,
                    version: parts.version,
                    body: to_bytes(body, usize::MAX).await.unwrap(),
                };
                log.lock().unwrap().push(seen.clone());
                answer(&seen)
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, scheme, seen, task }
    }

    /// The origin under the address itself: `http://127.0.0.1:40000`.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The origin under another name.
    pub(crate) fn origin_as(&self, host: &str) -> String {
        format!("{}://{host}:{}", self.scheme, self.address.port())
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

/// What begins TLS with this certificate, for these protocols.
pub(crate) fn acceptor(certificate: &CertifiedKey<rcgen::KeyPair>, protocols: &[&[u8]]) -> TlsAcceptor {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(certificate.signing_key.serialize_der()));
    let mut config =
        ServerConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)
            .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

struct TlsListener(TcpListener, TlsAcceptor);

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.0.accept().await else { continue };
            // A client that does not like the certificate breaks off; the next one may like it.
            if let Ok(stream) = self.1.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// What a [`raw`] server does when it has said what it has to say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    Close,
    FallSilent,
}

/// A server that sends exactly `bytes` to whoever connects and asks something.
pub(crate) async fn raw(bytes: Vec<u8>, then: Then) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut silent = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(&bytes).await;
            if then == Then::FallSilent {
                silent.push(stream);
            }
        }
    });
    (address, task)
}

/// An answer with this status, these headers and this body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut builder = HttpResponse::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

/// 200 with this body.
pub(crate) fn ok(body: &'static str) -> Answer {
    answer(200, &[], body)
}

pub(crate) fn origin(text: &str) -> Origin {
    Origin::parse(text).unwrap()
}

/// A scope with these grants: origins, or `$registry` for `registry`.
pub(crate) fn scope(grants: &[&str]) -> Scope {
    let grants = grants.iter().map(|grant| grant.parse::<Grant>().unwrap()).collect();
    Scope {
        grants: Grants::new(grants),
        registry: None,
        credentials: Vec::new(),
        realms: Vec::new(),
        limits: Limits::default(),
    }
}

pub(crate) fn bound(slot: &str, origin_text: &str, scheme: Scheme, secret: Credential) -> BoundCredential {
    BoundCredential { slot: slot.to_owned(), origin: origin(origin_text), scheme, secret }
}

pub(crate) fn login(username: &str, password: &str) -> Credential {
    Credential::login(username.to_owned(), password.to_owned())
}

pub(crate) fn token(token: &str) -> Credential {
    Credential::token(token.to_owned())
}

/// A GET without anything.
pub(crate) fn get(url: impl Into<String>) -> Request {
    Request { method: "GET".to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new(), credential: None }
}

/// The same, naming a credential slot.
pub(crate) fn with_slot(mut request: Request, slot: &str) -> Request {
    request.credential = Some(slot.to_owned());
    request
}

pub(crate) fn client() -> Client {
    Client::new(Options::default()).unwrap()
}

/// A resolver that knows these names and no others.
pub(crate) fn names(known: &[(&str, &[&str])]) -> Resolver {
    let known: HashMap<String, Vec<IpAddr>> = known
        .iter()
        .map(|(name, addresses)| ((*name).to_owned(), addresses.iter().map(|ip| ip.parse().unwrap()).collect()))
        .collect();
    Resolver::from_fn(move |name| {
        let found = known.get(&name).cloned().ok_or_else(|| io::Error::other("no such host"));
        async move { found }.boxed()
    })
}

/// Counts of what the observer was told, by outcome.
#[derive(Clone, Default)]
pub(crate) struct Outcomes(Arc<Mutex<HashMap<&'static str, usize>>>);

impl Outcomes {
    pub(crate) fn observer(&self) -> k8supdater_egress::Observer {
        let counts = Arc::clone(&self.0);
        Arc::new(move |exchange: &Exchange| *counts.lock().unwrap().entry(exchange.outcome()).or_default() += 1)
    }

    pub(crate) fn count(&self, outcome: &str) -> usize {
        self.0.lock().unwrap().get(outcome).copied().unwrap_or_default()
    }
}

/// The text of a denial; fails on anything else.
pub(crate) fn denied(result: Result<Response, Failure>) -> String {
    match result {
        Err(Failure::Denied(text)) => text,
        other => unreachable!("expected a denial, got {other:?}"),
    }
}
