//! The ways out of this process: to the API server, to registries and other services of plugins, and to Telegram for bots.

use std::sync::Arc;

use k8supdater_egress::{Client as Egress, Exchange, Observer, Options};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use thiserror::Error;

use crate::config::Config;
use crate::telemetry::metrics::Metrics;

/// Most requests of bots at a time: each has a poll under way, and answers now and then.
const MOST_POLLS: usize = 1_024;

/// Why there is no way out.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// There is no usable kubeconfig or ServiceAccount.
    #[error("cannot find out how to reach the API server; give --kubeconfig, or run in a pod with a ServiceAccount")]
    Kubeconfig(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The HTTP client cannot start.
    #[error("cannot build the HTTP client")]
    Egress(#[from] k8supdater_egress::BuildError),
    /// The bundle of certificate authorities cannot be read.
    #[error("cannot read the certificate authorities in {path}")]
    Authorities {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A client for the API server that `config` means. Sends nothing yet.
///
/// # Errors
/// [`ConnectError::Kubeconfig`].
pub async fn api_server(config: &Config) -> Result<Client, ConnectError> {
    let options = match &config.kubeconfig {
        None => kube::Config::infer().await.map_err(unusable)?,
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(unusable)?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(unusable)?
        }
    };
    Client::try_from(options).map_err(unusable)
}

fn unusable(err: impl std::error::Error + Send + Sync + 'static) -> ConnectError {
    ConnectError::Kubeconfig(Box::new(err))
}

/// The client for everything that plugins ask for; `metrics` counts its requests.
///
/// # Errors
/// [`ConnectError::Authorities`] or [`ConnectError::Egress`].
pub fn registries(config: &Config, metrics: &Arc<Metrics>) -> Result<Egress, ConnectError> {
    let metrics = Arc::clone(metrics);
    let observer: Observer = Arc::new(move |exchange: &Exchange| metrics.request(exchange.outcome()));
    Ok(Egress::new(Options { observer: Some(observer), ..options(config)? })?)
}

/// The client for bots. A poll holds its place for as long as it lasts, and all bots poll the same origin: in the other client's places
/// they would keep notices from being sent.
///
/// # Errors
/// [`ConnectError::Authorities`] or [`ConnectError::Egress`].
pub fn bots(config: &Config) -> Result<Egress, ConnectError> {
    Ok(Egress::new(Options { per_origin: MOST_POLLS, total: MOST_POLLS, ..options(config)? })?)
}

fn options(config: &Config) -> Result<Options, ConnectError> {
    let extra_authorities = match &config.ca_file {
        None => None,
        Some(path) => Some(
            std::fs::read(path)
                .map_err(|source| ConnectError::Authorities { path: path.display().to_string(), source })?,
        ),
    };
    Ok(Options { extra_authorities, proxy: config.proxy.clone(), ..Options::default() })
}
