//! `/livez`, `/readyz`, `/metrics`, and what stands behind the first two.
//!
//! *Live* is what a restart can mend: a [task](Task) that has ended or does not move any more, or a [piece of work](UnderWay) that ought
//! to have been given up long ago. It never depends on the API server or on a registry: a restart would bring neither back, and every
//! replica would restart.
//!
//! *Ready* is what the operator waits for: the first list of every [watch](Watch), a look at every plugin, and that no watch has been
//! failing since. Nobody sends requests to the operator, so this serves those who roll it out, and those who look at its Deployment.
//!
//! Both pages have a line for each part, as those of the API server have. Start reading at [`Health`]; what a page says is decided in
//! [`page`], what a watch is in [`watch`], what a task is in [`task`].

pub mod page;
pub mod task;
pub mod under_way;
pub mod watch;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::metrics::{Format, Metrics};
use page::{Line, Verdict};

pub use task::Task;
pub use under_way::UnderWay;
pub use watch::Watch;

/// All parts of the operator that are live or ready, or are not. Cheap to clone.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    live: Mutex<Vec<Part>>,
    ready: Mutex<Vec<Part>>,
    has_started: AtomicBool,
    is_stopping: AtomicBool,
    metrics: Arc<Metrics>,
}

/// A line of a page, as it is now.
struct Part {
    name: String,
    look: Box<dyn Fn(Instant) -> Verdict + Send>,
}

impl Health {
    /// Live, and not ready.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let (live, ready) = (Mutex::default(), Mutex::default());
        let (has_started, is_stopping) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Inner { live, ready, has_started, is_stopping, metrics }))
    }

    /// Adds a part to `/livez`.
    pub fn add_live(&self, name: String, look: impl Fn(Instant) -> Verdict + Send + 'static) {
        lock(&self.0.live).push(Part { name, look: Box::new(look) });
    }

    /// Adds a part to `/readyz`.
    pub fn add_ready(&self, name: String, look: impl Fn(Instant) -> Verdict + Send + 'static) {
        lock(&self.0.ready).push(Part { name, look: Box::new(look) });
    }

    /// A watch of these objects, a fixed word such as `handlers`, in one namespace or in all.
    pub fn watch(&self, objects: &'static str, namespace: Option<&str>) -> Watch {
        let watch = Watch::new(objects, namespace, Arc::clone(&self.0.metrics));
        let seen = watch.clone();
        self.add_ready(named("watch", objects, namespace), move |now| seen.verdict(now));
        watch
    }

    /// A task that runs until the operator stops.
    pub fn task(&self, name: &'static str, namespace: Option<&str>) -> Task {
        let task = Task::new(Instant::now());
        let (seen, health) = (task.clone(), self.clone());
        self.add_live(named("loop", name, namespace), move |now| seen.verdict(health.is_stopping(), now));
        task
    }

    /// Everything has begun that has to be there once.
    pub fn started(&self) {
        self.0.has_started.store(true, Ordering::Relaxed);
    }

    /// Whether [`started`](Self::started) was called.
    pub fn has_started(&self) -> bool {
        self.0.has_started.load(Ordering::Relaxed)
    }

    /// What is under way is finished, and nothing is begun any more.
    pub fn stopping(&self) {
        self.0.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Whether [`stopping`](Self::stopping) was called.
    pub fn is_stopping(&self) -> bool {
        self.0.is_stopping.load(Ordering::Relaxed)
    }

    /// The lines of `/livez`.
    pub fn live(&self, now: Instant) -> Vec<Line> {
        let ping = Line { name: "ping".to_owned(), verdict: Verdict::ok() };
        std::iter::once(ping).chain(look(&self.0.live, now)).collect()
    }

    /// The lines of `/readyz`.
    pub fn ready(&self, now: Instant) -> Vec<Line> {
        let shutdown = if self.is_stopping() {
            Verdict::failed("stopping: what is under way is finished, and nothing is begun any more")
        } else {
            Verdict::ok()
        };
        let start = if self.has_started() {
            Verdict::ok()
        } else {
            Verdict::failed("starting: first plugins are looked at, then handlers and workloads are listed")
        };
        let own = [("shutdown", shutdown), ("start", start)];
        let own = own.into_iter().map(|(name, verdict)| Line { name: name.to_owned(), verdict });
        own.chain(look(&self.0.ready, now)).collect()
    }
}

/// `watch-handlers`, or `watch-handlers/team-a`.
fn named(kind: &str, name: &str, namespace: Option<&str>) -> String {
    let namespace = namespace.map(|namespace| format!("/{namespace}")).unwrap_or_default();
    format!("{kind}-{name}{namespace}")
}

fn look(parts: &Mutex<Vec<Part>>, now: Instant) -> Vec<Line> {
    lock(parts).iter().map(|part| Line { name: part.name.clone(), verdict: (part.look)(now) }).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the address.
///
/// # Errors
/// When it cannot be had.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "health server listens");
    Ok(listener)
}

/// Serves for ever: what is asked while the operator stops is answered, too.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, health: Health) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(liveness))
        .route("/readyz", get(readiness))
        .route("/metrics", get(show_metrics))
        .with_state(health);
    axum::serve(listener, router).await
}

async fn liveness(State(health): State<Health>, RawQuery(query): RawQuery) -> Response {
    respond("livez", &health.live(Instant::now()), query.as_deref())
}

async fn readiness(State(health): State<Health>, RawQuery(query): RawQuery) -> Response {
    respond("readyz", &health.ready(Instant::now()), query.as_deref())
}

fn respond(probe: &str, lines: &[Line], query: Option<&str>) -> Response {
    let has_passed = lines.iter().all(|line| line.verdict.has_passed());
    let status = if has_passed { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, page::text(probe, lines, page::is_verbose(query))).into_response()
}

async fn show_metrics(State(health): State<Health>, headers: HeaderMap) -> Response {
    let format = Format::accepted(headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()));
    match health.0.metrics.text(format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, err.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(lines: &[Line]) -> Vec<&str> {
        lines.iter().filter(|line| !line.verdict.has_passed()).map(|line| line.name.as_str()).collect()
    }

    #[test]
    fn it_is_ready_once_everything_is_there_and_live_until_the_end() {
        let health = Health::new(Arc::default());
        let (now, team) = (Instant::now(), Some("team-a"));
        let watches = [health.watch("plugins", None), health.watch("handlers", team)];
        let task = health.task("handlers", team);
        assert_eq!(failed(&health.ready(now)), ["start", "watch-plugins", "watch-handlers/team-a"]);
        for watch in &watches {
            watch.listed();
        }
        assert_eq!(failed(&health.ready(now)), ["start"]);
        health.started();
        assert!(failed(&health.ready(now)).is_empty() && failed(&health.live(now)).is_empty());
        health.stopping();
        task.ended();
        assert_eq!(failed(&health.ready(now)), ["shutdown"]);
        assert!(failed(&health.live(now)).is_empty(), "what ends now was asked to");
    }

    #[test]
    fn a_task_that_ends_by_itself_is_named() {
        let health = Health::new(Arc::default());
        let task = health.task("handlers", None);
        health.task("plugins", None);
        task.ended();
        assert_eq!(failed(&health.live(Instant::now())), ["loop-handlers"]);
    }
}
