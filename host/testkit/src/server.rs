//! What the fakes share: a server on the loopback interface that remembers what it was asked, and fails where it is told to.
//!
//! [`Api`] is what one of them answers; everything else about serving is here. [`seen`] is what is remembered of a request, [`reply`]
//! builds answers.

#[cfg(test)]
pub(crate) mod asking;
mod listener;
pub(crate) mod reply;
mod seen;

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use futures::stream;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use listener::Resetting;
pub use seen::Seen;
pub(crate) use seen::{basic, basic_login};

/// Longest body of a request that is read; logins have a hundred bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// What a fake answers.
pub(crate) trait Api: Debug + Send + 'static {
    /// What a request is about; faults are injected by it.
    type Part: Copy + Debug + Eq + Hash + Send + Sync + 'static;
    /// How a request fails.
    type Fault: Clone + Debug + Send + 'static;

    /// Every part, the one for what is unknown last.
    const PARTS: &'static [Self::Part];

    /// What a request with this path is about.
    fn part(&self, path: &str) -> Self::Part;

    /// The right answer.
    fn answer(&mut self, asked: &Seen<Self::Part>) -> Response<Body>;

    /// The right answer, or how long there may be none. It is looked for again after that time, and whenever something has changed before:
    /// `number` is the same then, and `waited` is the time since the first look. Requests that came later have higher numbers.
    ///
    /// # Errors
    /// With the time to wait.
    fn answer_in_time(
        &mut self,
        _number: u64,
        asked: &Seen<Self::Part>,
        _waited: Duration,
    ) -> Result<Response<Body>, Duration> {
        Ok(self.answer(asked))
    }

    /// What comes instead.
    fn disturb(&self, fault: &Self::Fault, asked: &Seen<Self::Part>) -> Disturbance;

    /// Whether connections are to be reset, rather than requests answered wrongly.
    fn is_reset(fault: &Self::Fault) -> bool;
}

/// What a fault does to one request.
pub(crate) enum Disturbance {
    /// This is the answer.
    Answer(Response<Body>),
    /// The right answer comes, but late.
    Delay(Duration),
    /// The connection ends instead of an answer.
    Cut,
}

/// A server on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Server<A: Api> {
    address: SocketAddr,
    shared: Shared<A>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared<A: Api>(Arc<Common<A>>);

#[derive(Debug)]
struct Common<A: Api> {
    state: Mutex<State<A>>,
    /// Wakes the requests that have no answer yet.
    changed: Notify,
}

#[derive(Debug)]
struct State<A: Api> {
    api: A,
    faults: HashMap<A::Part, A::Fault>,
    /// With a number by which the status is added once it is known, even if other requests were forgotten meanwhile.
    seen: Vec<(u64, Seen<A::Part>)>,
    arrived: u64,
}

impl<A: Api> Clone for Shared<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: Api> Shared<A> {
    fn lock(&self) -> MutexGuard<'_, State<A>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Api> State<A> {
    fn remember(&mut self, seen: Seen<A::Part>) -> u64 {
        self.arrived += 1;
        self.seen.push((self.arrived, seen));
        self.arrived
    }

    fn settle(&mut self, number: u64, status: u16) {
        if let Some((_, seen)) = self.seen.iter_mut().find(|(found, _)| *found == number) {
            seen.status = status;
        }
    }

    fn resets_connections(&self) -> bool {
        A::PARTS.iter().all(|part| self.faults.get(part).is_some_and(A::is_reset))
    }
}

impl<A: Api> Server<A> {
    /// Serves what `api` makes of its own address.
    ///
    /// # Panics
    /// When there is no free port.
    pub(crate) async fn start(api: impl FnOnce(SocketAddr) -> A) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into(), api).await
    }

    /// The same at another address of this machine.
    ///
    /// # Panics
    /// When this machine does not have that address, or no free port.
    pub(crate) async fn start_at(address: IpAddr, api: impl FnOnce(SocketAddr) -> A) -> Self {
        let bound = TcpListener::bind((address, 0)).await;
        let listener = bound.unwrap_or_else(|err| panic!("there is no free port at {address}: {err}"));
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = State { api: api(address), faults: HashMap::new(), seen: Vec::new(), arrived: 0 };
        let shared = Shared(Arc::new(Common { state: Mutex::new(state), changed: Notify::new() }));
        let (resetting, answering) = (shared.clone(), shared.clone());
        let must_reset = move || {
            let mut state = resetting.lock();
            let resets = state.resets_connections();
            if let (true, Some(&unknown)) = (resets, A::PARTS.last()) {
                state.remember(Seen::unanswered(unknown));
            }
            resets
        };
        let listener = Resetting { listener, must_reset };
        let router = Router::new().fallback(move |request: Request| answer(answering.clone(), request));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("axum serves without end") });
        Self { address, shared, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at what is served, or changes it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut A) -> T) -> T {
        let value = look(&mut self.shared.lock().api);
        self.shared.0.changed.notify_waiters();
        value
    }

    pub(crate) fn fail(&self, fault: &A::Fault) {
        let mut state = self.shared.lock();
        state.faults.extend(A::PARTS.iter().map(|&part| (part, fault.clone())));
    }

    pub(crate) fn fail_at(&self, part: A::Part, fault: A::Fault) {
        self.shared.lock().faults.insert(part, fault);
    }

    pub(crate) fn recover(&self) {
        self.shared.lock().faults.clear();
    }

    pub(crate) fn seen(&self) -> Vec<Seen<A::Part>> {
        self.shared.lock().seen.iter().map(|(_, seen)| seen.clone()).collect()
    }

    pub(crate) fn count(&self, part: A::Part) -> usize {
        self.shared.lock().seen.iter().filter(|(_, seen)| seen.part == part).count()
    }

    pub(crate) fn forget(&self) {
        self.shared.lock().seen.clear();
    }
}

impl<A: Api> Drop for Server<A> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers one request and writes it down, before the answer: tests look for a request that is under way.
async fn answer<A: Api>(shared: Shared<A>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, LONGEST_BODY).await.unwrap_or_default();
    let (number, asked, disturbance) = {
        let mut state = shared.lock();
        let asked = Seen::of(&head, &body, state.api.part(head.uri.path()));
        let number = state.remember(asked.clone());
        let fault = state.faults.get(&asked.part);
        let disturbance = fault.map(|fault| state.api.disturb(fault, &asked));
        (number, asked, disturbance)
    };
    if let Some(Disturbance::Delay(delay)) = &disturbance {
        tokio::time::sleep(*delay).await;
    }
    let response = match disturbance {
        Some(Disturbance::Cut) => return cut(),
        Some(Disturbance::Answer(response)) => response,
        Some(Disturbance::Delay(_)) | None => wait_for_answer(&shared, number, &asked).await,
    };
    shared.lock().settle(number, response.status().as_u16());
    response
}

/// The right answer, as soon as there is one.
async fn wait_for_answer<A: Api>(shared: &Shared<A>, number: u64, asked: &Seen<A::Part>) -> Response<Body> {
    let started = Instant::now();
    let changed = &shared.0.changed;
    let mut is_first_look = true;
    loop {
        // Made before the look, so that no change between the look and the wait is missed.
        let next_change = changed.notified();
        let found = shared.lock().api.answer_in_time(number, asked, started.elapsed());
        if is_first_look || found.is_ok() {
            // It may have changed something for others. That it wakes itself once costs it one more look.
            changed.notify_waiters();
        }
        is_first_look = false;
        match found {
            Ok(response) => return response,
            Err(wait) => {
                let _ = timeout(wait, next_change).await;
            }
        }
    }
}

/// The connection ends instead of an answer.
pub(crate) fn cut() -> Response<Body> {
    Response::new(Body::from_stream(stream::once(async { Err::<Vec<u8>, _>(io::Error::other("cut")) })))
}
