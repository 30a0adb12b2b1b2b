//! The ways out of this process: to the API server, to whatever plugins call, to the mail server, to Telegram for bots, and to the collector
//! of traces.

use std::path::Path;
use std::sync::Arc;

use k8supdater_egress::{
    Client as Egress, Collector, CollectorOptions, Exchange, MailOptions, Mailer, Observer, Options, Resolver,
};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use thiserror::Error;

use crate::config::{Config, Email, Traces};
use crate::telemetry::metrics::Metrics;

/// What the operator calls itself when it talks to the API server, whose audit log shows it.
const OPERATOR: &str = concat!("k8supdater/", env!("CARGO_PKG_VERSION"));
/// What the other commands call themselves. They act for the person who gives them, and may want other rights.
const TOOL: &str = concat!("k8supdater-tool/", env!("CARGO_PKG_VERSION"));

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
    /// What sends mails cannot start.
    #[error("cannot get ready to send mails")]
    Mailer(#[source] k8supdater_egress::BuildError),
    /// Traces have no way out.
    #[error("cannot get ready to export traces")]
    Collector(#[source] k8supdater_egress::BuildError),
    /// The bundle of certificate authorities cannot be read.
    #[error("cannot read the certificate authorities in {path}")]
    Authorities {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The operator's client for the API server that `config` means. Sends nothing yet.
///
/// # Errors
/// [`ConnectError::Kubeconfig`].
pub async fn api_server(config: &Config) -> Result<Client, ConnectError> {
    Client::try_from(options_for_api_server(config.kubeconfig.as_deref(), OPERATOR).await?).map_err(unusable)
}

/// The client of other commands, for the API server of that kubeconfig, or of the usual one. Sends nothing yet.
///
/// # Errors
/// [`ConnectError::Kubeconfig`].
pub async fn api_server_of(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    Client::try_from(options_for_api_server(kubeconfig, TOOL).await?).map_err(unusable)
}

/// The same in the name of somebody else, for whoever may speak in it.
///
/// # Errors
/// [`ConnectError::Kubeconfig`].
pub async fn api_server_as(
    kubeconfig: Option<&Path>,
    user: String,
    groups: Vec<String>,
) -> Result<Client, ConnectError> {
    let mut options = options_for_api_server(kubeconfig, TOOL).await?;
    options.auth_info.impersonate = Some(user);
    options.auth_info.impersonate_groups = Some(groups);
    Client::try_from(options).map_err(unusable)
}

async fn options_for_api_server(kubeconfig: Option<&Path>, agent: &'static str) -> Result<kube::Config, ConnectError> {
    let mut options = match kubeconfig.filter(|path| !path.as_os_str().is_empty()) {
        None => kube::Config::infer().await.map_err(unusable)?,
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(unusable)?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(unusable)?
        }
    };
    options.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(agent)));
    Ok(options)
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
    let observer: Observer = Arc::new(move |exchange: &Exchange| metrics.request(exchange));
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
    Ok(Options { extra_authorities: extra_authorities(config)?, proxy: config.proxy.clone(), ..Options::default() })
}

/// What sends mails, if there is a mail server. Connects to nothing yet.
///
/// It goes to the mail server directly: the HTTP proxy is for HTTP.
///
/// # Errors
/// [`ConnectError::Authorities`] or [`ConnectError::Mailer`].
pub fn mailer(config: &Config) -> Result<Option<Mailer>, ConnectError> {
    let Some(Email { host, port, sender, recipients: _, login, tls }) = config.email.clone() else { return Ok(None) };
    let options = MailOptions {
        login,
        extra_authorities: extra_authorities(config)?,
        ..MailOptions::new(host, port, tls, sender)
    };
    Mailer::new(options).map(Some).map_err(ConnectError::Mailer)
}

/// Where `traces` go. Connects to nothing yet.
///
/// It goes to the collector directly, never by the proxy: what goes along may be a login.
///
/// # Errors
/// [`ConnectError::Authorities`] or [`ConnectError::Collector`].
pub fn collector(config: &Config, traces: &Traces) -> Result<Collector, ConnectError> {
    let mut authorities = extra_authorities(config)?.unwrap_or_default();
    if let Some(path) = &traces.authorities {
        authorities.push(b'\n');
        authorities.extend(read_authorities(path)?);
    }
    let options = CollectorOptions {
        url: traces.endpoint.clone(),
        headers: traces.headers.clone(),
        content_type: "application/x-protobuf",
        is_compressed: traces.is_compressed,
        extra_authorities: (!authorities.is_empty()).then_some(authorities),
        resolver: Resolver::system(),
    };
    Collector::new(options).map_err(ConnectError::Collector)
}

fn extra_authorities(config: &Config) -> Result<Option<Vec<u8>>, ConnectError> {
    config.ca_file.as_deref().map(read_authorities).transpose()
}

fn read_authorities(path: &Path) -> Result<Vec<u8>, ConnectError> {
    let unreadable = |source| ConnectError::Authorities { path: path.display().to_string(), source };
    std::fs::read(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EmailFlags, RawConfig};

    #[test]
    fn there_is_a_mailer_where_there_is_a_mail_server() {
        let check = |host: Option<&str>, ca_file: Option<&str>| {
            let set = |text: &str| host.is_some().then(|| text.to_owned());
            let email = EmailFlags {
                email_host: host.map(str::to_owned),
                email_sender: set("k8s@example.com"),
                email_recipient: set("ops@example.com"),
                ..EmailFlags::default()
            };
            let raw = RawConfig { email, ca_file: ca_file.map(Into::into), ..RawConfig::default() };
            mailer(&raw.check().unwrap()).map(|mailer| format!("{mailer:?}"))
        };
        assert_eq!(check(None, None).unwrap(), "None");
        assert_eq!(check(Some("mail.example"), None).unwrap(), "Some(Mailer(\"mail.example:587\"))");
        assert_eq!(check(Some("[::1]"), None).unwrap(), "Some(Mailer(\"[::1]:587\"))");
        assert!(matches!(check(Some("mail.example"), Some("/no/where")), Err(ConnectError::Authorities { .. })));
        assert!(matches!(check(Some("mail.example"), Some("Cargo.toml")), Err(ConnectError::Mailer(_))));
        let long = format!("{}.example", "a".repeat(64));
        assert!(matches!(check(Some(&long), None), Err(ConnectError::Mailer(_))));
    }
}
