//! `k8supdater doctor`: what is wrong with an installation, and the command that mends it. Changes nothing.
//!
//! Each room below looks at one thing, and says in a pure function what it finds; what may not be looked at is said as such. Start reading
//! at [`examine`].

mod api_server;
mod credentials;
mod definitions;
mod egress;
mod finding;
mod handlers;
mod looked;
mod plugins;
mod rights;
mod running;
mod whereabouts;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use thiserror::Error;

use crate::api::{Plugin, VersioningHandler};
use crate::cli::output::Output;
use crate::config::{Config, RawConfig};
use crate::connections;
use crate::failure::chain;
use crate::telemetry::metrics::Metrics;

use finding::{Finding, Group, Level};
use looked::{Looked, Unseen};
use rights::Asker;
use whereabouts::Whereabouts;

/// Arguments of `doctor`.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub struct DoctorArgs {
    /// How it is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,

    /// The operator's own configuration, where it cannot be read from its Deployment.
    #[command(flatten, next_help_heading = "Options of the operator")]
    pub operator: RawConfig,
}

const HELP: &str = r#"It looks with the rights of whoever runs it, and says what these do not let it see. At a terminal it finds the operator by its namespace:
  k8supdater doctor --namespace k8supdater
In the operator's pod it tries the operator's own ways out:
  kubectl exec -n k8supdater deploy/k8supdater -- k8supdater doctor

A finding is
  ok       as it should be
  unknown  not known, because whoever asks may not look
  warning  it works, though not all that it could do
  fault    it does not work
The exit code is 1 if there is a fault, else 0.

JSON:
  {"faults", "warnings", "unknown", "findings": […]}, and for each finding:
  group    api-server, definitions, rights, operator, plugins, egress, credentials or handlers
  level    ok, unknown, warning or fault
  object   what it is about
  message  what is the case, and why
  remedy   the command that mends it, or that says more, if there is one"#;

/// Why nothing could be examined.
#[derive(Debug, Error)]
pub enum DoctorError {
    /// The system gives no threads, or takes no output.
    #[error("the system refused")]
    System(#[from] std::io::Error),
}

/// Examines and prints. Fails if there is a fault.
///
/// # Errors
/// See [`DoctorError`]. What is wrong with the installation is no error.
pub fn run(args: &DoctorArgs) -> Result<ExitCode, DoctorError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut findings = runtime.block_on(examine(args));
    findings.sort_by_key(|finding| finding.group);
    let text = match args.output {
        Output::Table => finding::text(&findings),
        Output::Json => finding::json(&findings),
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads may have seen enough, as `head` has.
        Err(err) if err.kind() != std::io::ErrorKind::BrokenPipe => return Err(err.into()),
        Ok(()) | Err(_) => {}
    }
    Ok(if finding::count(&findings, Level::Fault) > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Looks at one thing after the other.
async fn examine(args: &DoctorArgs) -> Vec<Finding> {
    let namespace = args.operator.namespace.clone().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let namespace = namespace.unwrap_or_else(|| "k8supdater".to_owned());
    let client = match connections::api_server_of(args.operator.kubeconfig.as_deref()).await {
        Ok(client) => client,
        Err(err) => {
            let finding = Group::ApiServer.fault("kubeconfig", chain(&err)).mended_by("kubectl config get-contexts");
            return vec![finding];
        }
    };
    let api_server = api_server::look(&client).await;
    let mut findings = api_server::findings(&api_server);
    if !api_server.answers() {
        return findings;
    }

    let seen = running::look(&client, &namespace).await;
    let mut place = Whereabouts {
        deployment: seen.deployment().map_or_else(|| "k8supdater".to_owned(), ResourceExt::name_any),
        account: seen.deployment().and_then(running::account).unwrap_or_else(|| "k8supdater".to_owned()),
        namespace,
        is_in_pod: false,
        watched: Vec::new(),
    };
    let is_operator = api_server.user() == place.user();
    place.is_in_pod = is_operator && api_server.pod().is_some();
    let config = config(args, &seen, &place, &mut findings);
    place.watched.clone_from(&config.watch_namespaces);

    findings.extend(definitions::findings(&definitions::look(&client).await, &place));
    let askers = askers(&client, args, &place, is_operator).await;
    findings.extend(rights::findings(&rights::ask(&askers, &place).await, &place));
    findings.extend(running::findings(&seen, &place));

    let plugins = list_plugins(&client, &place.namespace).await;
    let handlers = list_handlers(&client, &place.watched).await;
    let known_plugins = plugins.clone().unwrap_or_default();
    // What the others name is nobody's business.
    let mut looked_after = handlers.clone().unwrap_or_default();
    looked_after.retain(|handler| handler.namespace().is_some_and(|namespace| place.watches(&namespace)));
    findings.extend(plugins::findings(&plugins, &looked_after, &place));
    findings.extend(egress(&config, &known_plugins, &looked_after, &place).await);
    let uses = credentials::uses(&known_plugins, &looked_after, &place.namespace);
    findings.extend(credentials::findings(&uses, &credentials::look(&client, &uses).await));
    findings.extend(handlers::findings(&handlers, &place));
    findings
}

/// The operator's configuration: of this process in its pod, else of its Deployment, else as it was given.
fn config(args: &DoctorArgs, seen: &running::Seen, place: &Whereabouts, findings: &mut Vec<Finding>) -> Config {
    let given = args.operator.clone().check();
    let running = if place.is_in_pod { None } else { seen.config(&place.namespace) };
    let mut config = match (running, given) {
        // What is wrong with it is told where the Deployment is looked at.
        (Some(Err(_)), _) => default_config(),
        (Some(Ok(config)), given) => {
            // Files of the pod are not here.
            let (ca_file, kubeconfig) = given.map(|given| (given.ca_file, given.kubeconfig)).unwrap_or_default();
            Config { kubeconfig, ca_file, ..config }
        }
        (None, Ok(given)) => given,
        (None, Err(err)) => {
            let remedy = format!("kubectl edit deploy -n {} {}", place.namespace, place.deployment);
            findings.push(Group::Operator.fault("configuration", chain(&err)).mended_by(remedy));
            default_config()
        }
    };
    config.namespace.clone_from(&place.namespace);
    config
}

fn default_config() -> Config {
    RawConfig::default().check().expect("the defaults are within their own bounds")
}

/// As whom the API server can be asked about rights, the best way first.
async fn askers(client: &Client, args: &DoctorArgs, place: &Whereabouts, is_operator: bool) -> Vec<Asker> {
    if is_operator {
        return vec![Asker::AsOperator(client.clone())];
    }
    let kubeconfig = args.operator.kubeconfig.as_deref();
    let impersonating = connections::api_server_as(kubeconfig, place.user(), place.groups()).await;
    let about = Asker::About(client.clone());
    impersonating.map(Asker::AsOperator).into_iter().chain([about]).collect()
}

async fn list_plugins(client: &Client, namespace: &str) -> Looked<Vec<Plugin>> {
    let api: Api<Plugin> = Api::namespaced(client.clone(), namespace);
    api.list(&ListParams::default()).await.map(|list| list.items).map_err(Unseen::from)
}

/// All handlers, or, for whoever may not list these, those of the namespaces that are watched.
async fn list_handlers(client: &Client, watched: &[String]) -> Looked<Vec<VersioningHandler>> {
    let all: Api<VersioningHandler> = Api::all(client.clone());
    let listed = all.list(&ListParams::default()).await.map(|list| list.items).map_err(Unseen::from);
    if watched.is_empty() || !matches!(listed, Err(Unseen::Forbidden(_))) {
        return listed;
    }
    let mut handlers = Vec::new();
    for namespace in watched {
        let api: Api<VersioningHandler> = Api::namespaced(client.clone(), namespace);
        handlers.extend(api.list(&ListParams::default()).await.map_err(Unseen::from)?.items);
    }
    Ok(handlers)
}

async fn egress(
    config: &Config,
    plugins: &[Plugin],
    handlers: &[VersioningHandler],
    place: &Whereabouts,
) -> Vec<Finding> {
    let client = match connections::registries(config, &Arc::new(Metrics::default())) {
        Ok(client) => client,
        Err(err) => {
            let remedy = format!("kubectl describe deploy -n {} {}", place.namespace, place.deployment);
            return vec![Group::Egress.fault("HTTP client", chain(&err)).mended_by(remedy)];
        }
    };
    let tried = egress::look(&client, egress::targets(plugins, handlers, config)).await;
    egress::findings(&tried, plugins, config.proxy.is_some(), place)
}
