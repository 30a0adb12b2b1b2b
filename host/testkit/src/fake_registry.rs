//! A registry for what a real one does not do on demand: it fails, counts, is slow, wants a password, answers conditionally.
//!
//! It speaks the wire format of the OCI distribution specification
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>) with the tokens of the CNCF registry
//! (<https://distribution.github.io/distribution/spec/auth/token/>), over plain http on the loopback interface.

mod answer;
mod listener;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use listener::Resetting;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The tags of a repository.
    Tags,
    /// One tag: the image manifest behind it.
    Manifest,
    /// The token service.
    Token,
    /// Anything else, `/v2/` among it.
    Other,
}

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 401 with a challenge, whatever the credentials.
    Unauthorized,
    /// 404 `NAME_UNKNOWN` or `MANIFEST_UNKNOWN`.
    NotFound,
    /// 429 `TOOMANYREQUESTS`, with this `Retry-After` if there is one.
    RateLimited(Option<String>),
    /// 500 without a body.
    ServerError,
    /// 200 with JSON that ends in the middle.
    TruncatedJson,
    /// 200 with JSON of another shape.
    WrongJson,
    /// The right answer, but only after this time.
    Slow(Duration),
    /// No answer: new connections are reset, old ones are cut.
    Reset,
}

/// A request as it arrived, and the status that it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `HEAD` …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What it is about.
    pub part: Part,
    /// Whether it carried `If-None-Match`.
    pub is_conditional: bool,
    /// Whether it carried `Authorization`.
    pub has_credentials: bool,
    /// Status of the answer; 0 where there was none.
    pub status: u16,
}

/// A registry on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct FakeRegistry {
    address: SocketAddr,
    shared: Shared,
    task: JoinHandle<()>,
}

#[derive(Clone, Debug)]
struct Shared(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    origin: String,
    repositories: BTreeMap<String, BTreeSet<String>>,
    page_size: usize,
    login: Option<Login>,
    faults: HashMap<Part, Fault>,
    seen: Vec<Seen>,
}

/// Who may list, and the token that proves it.
#[derive(Debug)]
struct Login {
    username: String,
    password: String,
    token: String,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeRegistry {
    /// An empty registry without a login, with 1,000 tags on a page.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Shared(Arc::new(Mutex::new(State {
            origin: format!("http://{address}"),
            repositories: BTreeMap::new(),
            page_size: 1_000,
            login: None,
            faults: HashMap::new(),
            seen: Vec::new(),
        })));
        let listener = Resetting { listener, shared: shared.clone() };
        let serving = shared.clone();
        let router = Router::new().fallback(move |request: Request| answer::answer(serving.clone(), request));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("axum serves without end") });
        Self { address, shared, task }
    }

    /// Its origin, as a grant names it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A reference to an image in it.
    pub fn image(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.address)
    }

    /// Adds tags to a repository, which is created with the first.
    pub fn push(&self, repository: &str, tags: &[&str]) {
        let mut state = self.shared.lock();
        state.repositories.entry(repository.to_owned()).or_default().extend(tags.iter().map(|tag| (*tag).to_owned()));
    }

    /// Removes a tag.
    pub fn remove(&self, repository: &str, tag: &str) {
        if let Some(tags) = self.shared.lock().repositories.get_mut(repository) {
            tags.remove(tag);
        }
    }

    /// From now on lists have at most that many tags on a page, with a `Link` to the next.
    pub fn set_page_size(&self, tags: usize) {
        self.shared.lock().page_size = tags;
    }

    /// From now on only who logs in may read.
    pub fn require_login(&self, username: &str, password: &str) {
        let token = format!("token-{:016x}", rand::random::<u64>());
        self.shared.lock().login = Some(Login { username: username.to_owned(), password: password.to_owned(), token });
    }

    /// From now on every request fails like this.
    pub fn fail(&self, fault: &Fault) {
        for part in [Part::Tags, Part::Manifest, Part::Token, Part::Other] {
            self.fail_at(part, fault.clone());
        }
    }

    /// From now on requests of this part fail like this.
    pub fn fail_at(&self, part: Part, fault: Fault) {
        self.shared.lock().faults.insert(part, fault);
    }

    /// Nothing fails any more.
    pub fn recover(&self) {
        self.shared.lock().faults.clear();
    }

    /// All requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.lock().seen.clone()
    }

    /// Number of requests of a part so far.
    pub fn count(&self, part: Part) -> usize {
        self.shared.lock().seen.iter().filter(|seen| seen.part == part).count()
    }

    /// Forgets all requests so far.
    pub fn forget(&self) {
        self.shared.lock().seen.clear();
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests;
