//! A proxy in front of the API server, which loses the operator at a write that a test has chosen, or keeps news from it.
//!
//! All that an operator leaves to its next process is what it has written to the API server. So, instead of killing it at moments and
//! hoping that they are the bad ones, a test goes through its writes: it lets the first be lost, then the second …

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::{Body as Answer, to_bytes};
use axum::http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use futures::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use kube::config::{AuthInfo, Config, KubeConfigOptions, Kubeconfig};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// At which write the operator loses the API server, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashPoint {
    /// The write does not reach the API server.
    Before(usize),
    /// It does, but the answer is lost.
    After(usize),
}

/// A request that changes something, apart from leases, which are renewed for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Path without the query.
    pub path: String,
}

/// A proxy on a port of its own: it passes everything on, answers as they come, until it loses the operator at a [`CrashPoint`]. It
/// stops when it is dropped.
#[derive(Debug)]
pub struct ApiProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    api_server: Client,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    /// None while everything may pass.
    point: Option<CrashPoint>,
    /// Whether it has come to that: nothing passes any more.
    is_cut: bool,
    /// Writes that were passed on since [`ApiProxy::arm`], and the one that was not.
    writes: Vec<Write>,
    /// How many of those the API server has not answered yet.
    under_way: usize,
    /// Watches whose path has one of these in it bring nothing for the time being.
    held: Vec<String>,
    /// Answers to whoever reads these paths, in place of the API server's.
    replaced: BTreeMap<String, (u16, String)>,
}

/// What becomes of a write.
enum Fate {
    /// It is passed on, and so is the answer.
    Passes,
    /// It is passed on, and the answer is lost.
    Unanswered,
    /// It never arrives.
    Lost,
}

impl ApiProxy {
    /// Passes requests on to the API server of `kubeconfig`, with the credentials that they bring.
    ///
    /// # Panics
    /// When there is no free port, or the kubeconfig is not complete.
    pub async fn start(kubeconfig: &Kubeconfig) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared { api_server: api_server(kubeconfig).await, state: watch::Sender::default() });
        let task = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// Its origin, for a kubeconfig.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Counts writes from here on, and loses the operator at this point of them.
    pub fn arm(&self, point: CrashPoint) {
        self.shared.state.send_modify(|state| {
            state.point = Some(point);
            state.writes.clear();
        });
    }

    /// Loses the operator here and now, whatever it is doing.
    pub fn cut(&self) {
        self.shared.state.send_modify(|state| state.is_cut = true);
    }

    /// Answers whoever reads `path` with this status and body, in place of the API server: for what all tests share.
    pub fn replace(&self, path: &str, status: u16, body: String) {
        self.shared.state.send_modify(|state| _ = state.replaced.insert(path.to_owned(), (status, body)));
    }

    /// Waits until the operator is lost, and the API server has finished all that it got from it before: nothing changes from then on.
    ///
    /// # Cancel safety
    /// It may be called again.
    pub async fn has_cut(&self) {
        self.shared.until(|state| state.is_cut && state.under_way == 0).await;
    }

    /// Lets everything pass again. What a process has sent that was killed before this call does not.
    ///
    /// # Panics
    /// When the proxy does not run any more.
    pub async fn heal(&self) {
        if self.shared.is_cut() {
            // Connections are accepted in order. When this one has been dropped, so have all that came before it.
            let mut last = TcpStream::connect(self.address).await.expect("the proxy listens");
            let _ = last.read_u8().await;
        }
        self.shared.state.send_modify(|state| {
            state.point = None;
            state.is_cut = false;
        });
    }

    /// From now on watches bring nothing more whose path has one of `parts` in it, until [`ApiProxy::release_watches`]. Everything else passes.
    pub fn hold_watches(&self, parts: &[&str]) {
        self.shared.state.send_modify(|state| state.held = parts.iter().map(|&part| part.to_owned()).collect());
    }

    /// Lets watches bring what was held back, and what comes.
    pub fn release_watches(&self) {
        self.shared.state.send_modify(|state| state.held.clear());
    }

    /// The writes since [`ApiProxy::arm`], with the one at which the operator was lost, in the order in which they came.
    pub fn writes(&self) -> Vec<Write> {
        self.shared.state.borrow().writes.clone()
    }
}

impl Drop for ApiProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Display for CrashPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(number) => write!(f, "before write {number}"),
            Self::After(number) => write!(f, "after write {number}"),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Write {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let (method, path) = (request.method(), request.uri().path());
        let is_write = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(method);
        // Who asks what it may do, or who it is, posts the question.
        let changes_nothing = ["/leases", "/selfsubject"].iter().any(|resource| path.contains(resource));
        (is_write && !changes_nothing).then(|| Self { method: method.to_string(), path: path.to_owned() })
    }
}

impl Shared {
    fn is_cut(&self) -> bool {
        self.state.borrow().is_cut
    }

    fn replaced<B>(&self, request: &Request<B>) -> Option<Response<Body>> {
        let state = self.state.borrow();
        let (status, body) = state.replaced.get(request.uri().path()).filter(|_| request.method() == Method::GET)?;
        let mut response = Response::new(Body::from(body.clone().into_bytes()));
        *response.status_mut() = StatusCode::from_u16(*status).ok()?;
        Some(response)
    }

    async fn until(&self, is_so: impl FnMut(&State) -> bool) {
        // It fails when the sender is gone, which lives as long as this.
        let _ = self.state.subscribe().wait_for(is_so).await;
    }

    /// Decides about the next write.
    fn admit(&self, write: Write) -> Fate {
        let mut fate = Fate::Lost;
        self.state.send_modify(|state| {
            let number = state.writes.len() + 1;
            fate = match state.point {
                _ if state.is_cut => return,
                Some(CrashPoint::After(last)) if number > last => return,
                Some(CrashPoint::Before(last)) if number == last => Fate::Lost,
                Some(CrashPoint::After(last)) if number == last => Fate::Unanswered,
                _ => Fate::Passes,
            };
            state.writes.push(write);
            match fate {
                Fate::Lost => state.is_cut = true,
                Fate::Passes | Fate::Unanswered => state.under_way += 1,
            }
        });
        fate
    }

    /// Passes a write on and waits for the answer, even if whoever sent it is gone meanwhile.
    async fn pass_write(self: Arc<Self>, request: Request<Body>, fate: Fate) -> Option<Response<Body>> {
        let passing = tokio::spawn(async move {
            let response = self.pass(request).await;
            let is_lost = matches!(fate, Fate::Unanswered);
            self.state.send_modify(|state| {
                state.under_way -= 1;
                state.is_cut |= is_lost;
            });
            (!is_lost).then_some(response)
        });
        passing.await.expect("what passes requests on does not panic")
    }

    /// What a watch of `path` brings, each piece only while such watches are not held.
    fn held_back(self: Arc<Self>, body: Answer, path: String) -> Answer {
        Answer::from_stream(body.into_data_stream().then(move |piece| {
            let (shared, path) = (Arc::clone(&self), path.clone());
            async move {
                shared.until(|state| !state.held.iter().any(|part| path.contains(part))).await;
                piece
            }
        }))
    }

    async fn pass(&self, mut request: Request<Body>) -> Response<Body> {
        request.headers_mut().remove(HOST);
        remove_hop_by_hop(request.headers_mut());
        match self.api_server.send(request).await {
            Ok(mut response) => {
                remove_hop_by_hop(response.headers_mut());
                response
            }
            Err(err) => bad_gateway(&err),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

/// A client that adds nothing to what it sends, and sends it once.
async fn api_server(kubeconfig: &Kubeconfig) -> Client {
    crate::install_crypto();
    let config = Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default()).await;
    let mut config = config.expect("the kubeconfig is complete");
    config.auth_info = AuthInfo::default();
    config.default_retry = false;
    Client::try_from(config).expect("a client can be built")
}

/// Accepts connections, and drops all there are when the operator is to be lost.
async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Nobody is accepted before those who are to be lost are lost; `heal` builds on it.
            biased;
            () = shared.until(|state| state.is_cut), if !connections.is_empty() => connections.shutdown().await,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if !shared.is_cut() => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // Dropped, or gone before it was accepted.
                Ok(_) | Err(_) => {}
            },
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
    // An error says that the other side is gone.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The answer of the API server; none at all once the operator is lost, so that the connection ends without one.
async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Answer>, axum::Error> {
    if let Some(response) = shared.replaced(&request) {
        return Ok(response.map(Answer::new));
    }
    // Whole before it is looked at, so that a write that has its number can be passed on whatever becomes of the connection.
    let (head, body) = request.into_parts();
    let body = to_bytes(axum::body::Body::new(body), usize::MAX).await?;
    let request = Request::from_parts(head, Body::from(body));
    let Some(write) = Write::of(&request) else {
        let is_watch =
            request.uri().query().is_some_and(|query| query.split('&').any(|part| part.starts_with("watch=")));
        let path = request.uri().path().to_owned();
        let response = shared.pass(request).await.map(Answer::new);
        return Ok(if is_watch { response.map(|body| shared.held_back(body, path)) } else { response });
    };
    let answer = match shared.admit(write) {
        Fate::Lost => None,
        fate => shared.pass_write(request, fate).await,
    };
    match answer {
        Some(response) => Ok(response.map(Answer::new)),
        None => pending().await,
    }
}

/// Headers that are about one connection (RFC 9110, section 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
}

/// Says what kept the proxy from reaching the API server.
fn bad_gateway(err: &kube::Error) -> Response<Body> {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        text = format!("{text}: {err}");
        cause = err.source();
    }
    let mut response = Response::new(Body::from(text.into_bytes()));
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::Router;
    use futures::{StreamExt, stream};
    use serde_json::json;
    use tokio::time::timeout;

    use super::*;
    use crate::server::Seen;
    use crate::{FakeWebhook, WebhookFault, WebhookPart, eventually, http_client};

    /// A proxy in front of what is at `origin`.
    async fn in_front_of(origin: &str) -> ApiProxy {
        let kubeconfig = json!({
            "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": origin}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "users": [{"name": "c", "user": {"token": "of-the-kubeconfig"}}],
        });
        ApiProxy::start(&serde_json::from_value(kubeconfig).unwrap()).await
    }

    async fn send(proxy: &ApiProxy, method: Method, path: &str) -> Result<u16, reqwest::Error> {
        let request = http_client().request(method, format!("{}{path}", proxy.origin()));
        let response = request.bearer_auth("of-the-request").body("body").send().await?;
        Ok(response.status().as_u16())
    }

    fn paths(seen: &[Seen<WebhookPart>]) -> Vec<String> {
        seen.iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    #[tokio::test]
    async fn everything_passes_as_it_came_and_writes_are_told_from_the_rest() {
        let hook = FakeWebhook::start().await;
        let proxy = in_front_of(&hook.origin()).await;
        let requests = [
            (Method::GET, "/api/v1/pods?watch=1"),
            (Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
            (Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/a/leases/b"),
            (Method::PATCH, "/apis/apps/v1/namespaces/a/deployments/web?fieldManager=b"),
            (Method::POST, "/apis/events.k8s.io/v1/namespaces/a/events"),
        ];
        for (method, path) in &requests {
            assert_eq!(send(&proxy, method.clone(), path).await.unwrap(), 204, "{path}");
        }
        let seen = hook.seen();
        assert_eq!(paths(&seen), requests.map(|(method, path)| format!("{method} {path}")));
        for seen in &seen {
            assert_eq!((seen.authorization(), seen.body.as_str()), (Some("Bearer of-the-request"), "body"));
        }
        let writes: Vec<String> = proxy.writes().iter().map(ToString::to_string).collect();
        let expected =
            ["PATCH /apis/apps/v1/namespaces/a/deployments/web", "POST /apis/events.k8s.io/v1/namespaces/a/events"];
        assert_eq!(writes, expected);
    }

    #[tokio::test]
    async fn at_a_crash_point_a_write_or_its_answer_is_lost_and_everything_else_until_it_heals() {
        for (point, arrived) in [(CrashPoint::Before(2), 1), (CrashPoint::After(2), 2)] {
            let hook = FakeWebhook::start().await;
            let proxy = in_front_of(&hook.origin()).await;
            send(&proxy, Method::POST, "/before").await.unwrap();
            proxy.arm(point);
            send(&proxy, Method::GET, "/read").await.unwrap();
            send(&proxy, Method::POST, "/1").await.unwrap();
            assert!(timeout(Duration::from_millis(50), proxy.has_cut()).await.is_err(), "{point} is too early");
            assert!(send(&proxy, Method::POST, "/2").await.is_err(), "{point}");
            proxy.has_cut().await;
            for method in [Method::GET, Method::POST] {
                assert!(send(&proxy, method, "/3").await.is_err(), "{point}");
            }
            let expected = ["POST /before", "GET /read", "POST /1", "POST /2"];
            assert_eq!(paths(&hook.seen()), expected[..2 + arrived], "{point}");
            assert_eq!(proxy.writes().len(), 2, "{point}");
            proxy.heal().await;
            for path in ["/4", "/5", "/6"] {
                assert_eq!(send(&proxy, Method::POST, path).await.unwrap(), 204, "{point}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_on_its_way_when_the_operator_is_lost_arrives_and_is_waited_for() {
        let hook = FakeWebhook::start().await;
        let proxy = in_front_of(&hook.origin()).await;
        hook.fail(&WebhookFault::Slow(Duration::from_millis(300)));
        proxy.arm(CrashPoint::Before(2));
        let first = async {
            assert!(send(&proxy, Method::POST, "/1").await.is_err());
        };
        let second = async {
            let arrived = async || if hook.seen().is_empty() { Err(String::new()) } else { Ok(()) };
            eventually(Duration::from_secs(10), arrived).await.unwrap();
            assert!(send(&proxy, Method::POST, "/2").await.is_err());
        };
        let over = async {
            proxy.has_cut().await;
            assert_eq!(hook.seen().iter().map(|seen| seen.status).collect::<Vec<_>>(), [204]);
        };
        tokio::join!(first, second, over);
    }

    #[tokio::test]
    async fn watches_are_passed_on_piece_by_piece_and_end_when_the_operator_is_lost() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<&str>();
        let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
        let router = Router::new().fallback(move || {
            let receiver = receiver.lock().unwrap().take();
            let pieces = stream::unfold(receiver.unwrap(), async |mut receiver| {
                receiver.recv().await.map(|piece| (Ok::<_, std::io::Error>(piece), receiver))
            });
            async { Response::new(axum::body::Body::from_stream(pieces)) }
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await });
        let proxy = in_front_of(&origin).await;
        let watch = http_client().get(format!("{}/watch?watch=true", proxy.origin())).send().await.unwrap();
        let mut watch = watch.bytes_stream();
        for piece in ["one", "two"] {
            sender.send(piece).unwrap();
            assert_eq!(watch.next().await.unwrap().unwrap(), piece);
        }
        proxy.hold_watches(&["/others", "/wat"]);
        sender.send("three").unwrap();
        assert!(timeout(Duration::from_millis(50), watch.next()).await.is_err(), "it is held");
        proxy.release_watches();
        assert_eq!(watch.next().await.unwrap().unwrap(), "three");
        proxy.arm(CrashPoint::Before(1));
        assert!(send(&proxy, Method::POST, "/").await.is_err());
        assert!(watch.next().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn an_api_server_that_is_gone_is_told_from_a_crash() {
        let proxy = in_front_of("http://127.0.0.1:1").await;
        assert_eq!(send(&proxy, Method::POST, "/").await.unwrap(), 502);
    }
}
