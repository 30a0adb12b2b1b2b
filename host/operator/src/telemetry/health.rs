//! `/livez`, `/readyz`, `/metrics`.
//!
//! Live means that the process answers. Ready means that plugins have been looked at and that the watches of handlers and workloads
//! have brought their first lists: from then on everything that exists is being looked after.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::metrics::{Format, Metrics};

#[derive(Clone)]
struct Shown {
    metrics: Arc<Metrics>,
    ready: watch::Receiver<bool>,
}

/// Serves until `stop` completes.
///
/// # Errors
/// When the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    ready: watch::Receiver<bool>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "health server listens");
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readiness))
        .route("/metrics", get(show_metrics))
        .with_state(Shown { metrics, ready });
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn readiness(State(shown): State<Shown>) -> Response {
    if *shown.ready.borrow() {
        "ok\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting for plugins and watches\n").into_response()
    }
}

async fn show_metrics(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let format = Format::accepted(headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()));
    match shown.metrics.text(format) {
        Ok(text) => ([(header::CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(err) => (StatusCode::INTERNAL_SERVER_ERROR, err.to_string()).into_response(),
    }
}
