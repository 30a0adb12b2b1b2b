//! `k8supdater explain`: what a handler would do now, and what became of every tag, by which rule.
//!
//! Walks the first three steps of a reconcile, [`validate`], [`observe`] and [`decide`], with the rights of whoever asks, and prints what the fourth would act on. Changes nothing.

mod report;

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use k8supdater_runtime::{Engine, EngineOptions};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use thiserror::Error;

use crate::api::VersioningHandler;
use crate::api::workload::WorkloadKind;
use crate::cli::name::{HandlerName, handler_name};
use crate::cli::output::Output;
use crate::config::{Config, ConfigError, RawConfig};
use crate::connections::{self, ConnectError};
use crate::fleet;
use crate::nodes::Nodes;
use crate::plugin::{self, Plugins};
use crate::reconcile::fleet::Looks;
use crate::reconcile::handlers::{Handlers, Wake};
use crate::reconcile::slots::Slots;
use crate::reconcile::validate::{Exception, Target};
use crate::reconcile::{Context, Failures, decide, observe, validate};
use crate::registry::Registries;
use crate::telemetry::logging;
use crate::telemetry::metrics::Metrics;
use crate::workload::{WorkloadError, Workloads};

use report::Explanation;

/// Arguments of `explain`.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub struct ExplainArgs {
    /// The VersioningHandler, as NAMESPACE/NAME.
    #[arg(value_name = "NAMESPACE/HANDLER", value_parser = handler_name)]
    pub handler: HandlerName,

    /// Only this container.
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,

    /// How it is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,

    /// The operator's own configuration, for what the handler does not say.
    #[command(flatten, next_help_heading = "Options of the operator")]
    pub operator: RawConfig,
}

const HELP: &str = r#"It needs the rights of the operator: to read the handler, its workload, pods and Secrets, and Plugins with their ConfigMaps and Secrets.
Who has fewer lets the operator look, with its own configuration:
  kubectl exec -n k8supdater deploy/k8supdater -- k8supdater explain team-a/web

JSON:
  {"handler", "workload", "rollout", "mode", "owner", "containers": […]}, and for each container:
  name, image
  decision   Update, Notify, UpdateAndNotify, AwaitingApproval, Wait, WaitAndNotify, Restart, RollBack, None, Ignored, Unknown or Failed
  update     what would be applied: image, and for a restart restartFor, a digest
  available  what would be reported
  approved   tag; by and at, who approved it and when
  waits      tag; until, a time if there is one; reason (one word), message
  firstSeen  tag, at: with minimumAge, since when tags are known that could be applied
  held       tag; reason (one word), message; by, who took it back; at: versions that failed or were taken back
  movedTo    digest that the tag points at although it is a version and pointed at another one
  preview    with the mode Preview, what would be done
  problem    why it cannot be judged
  policy     frontier; registry and parser, the plugins; approval, Required or not; needs, the platforms
  moving     for a tag that moves: registry (digest), images (digests behind an index), running (digests)
  candidates tag, version, verdict (one word), rule"#;

/// Why nothing can be explained.
#[derive(Debug, Error)]
pub enum ExplainError {
    /// A flag or variable has a wrong value.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no way to the API server or to registries.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The wasm engine cannot start.
    #[error("cannot start the plugin engine")]
    Engine(#[from] k8supdater_runtime::EngineError),
    /// The API server refused or could not be reached.
    #[error("cannot read {what}")]
    Api {
        /// What was to be read.
        what: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// There is no such handler.
    #[error(
        "there is no VersioningHandler {namespace}/{name}; \"kubectl get versioninghandlers -A\" lists those that there are"
    )]
    NotFound {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It looks after no workload itself.
    #[error(
        "VersioningHandler {namespace}/{name} has a handler made for each workload that it selects; explain one of these: \
         \"kubectl get versioninghandlers -n {namespace} -l {}={}\" lists them",
        fleet::LABEL,
        fleet::members::label(name)
    )]
    Fleet {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The spec cannot be followed.
    #[error(transparent)]
    Invalid(#[from] validate::Invalid),
    /// The workload cannot be read.
    #[error(transparent)]
    Workload(#[from] WorkloadError),
    /// There is no such container.
    #[error("the {kind} has no container {name:?}, expected one of: {known}")]
    NoContainer {
        /// Kind of the workload.
        kind: WorkloadKind,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The system gives no threads, or takes no output.
    #[error("the system refused")]
    System(#[from] std::io::Error),
}

/// Looks, decides and prints.
///
/// # Errors
/// See [`ExplainError`]. What is wrong with one container is printed.
pub fn run(args: &ExplainArgs) -> Result<(), ExplainError> {
    let config = args.operator.clone().check()?;
    // The answer goes to standard output; what the operator would log is of interest only if somebody asked for it.
    if args.operator.log.is_some() {
        logging::start(&config.log, config.log_format);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let text = runtime.block_on(explain(args, config))?;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads may have seen enough, as `head` has.
        Err(err) if err.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

async fn explain(args: &ExplainArgs, config: Config) -> Result<String, ExplainError> {
    let client = connections::api_server_of(config.kubeconfig.as_deref()).await?;
    let (handler, all) = handler(&client, &args.handler).await?;
    if handler.spec.selector.is_some() {
        let HandlerName { namespace, name } = args.handler.clone();
        return Err(ExplainError::Fleet { namespace, name });
    }
    let target = validate::validate(&handler, &config)?;
    let kind = target.workload.kind;
    let ctx = context(client, config, &target, all).await?;
    let now = Timestamp::now();
    let observed = observe::observe(&ctx, target, now).await?;
    let mut explanation = Explanation::of(&observed);
    explanation.decided(&decide::decide(observed, now));
    if let Some(name) = &args.container {
        let known = explanation.keep(name);
        if !known.is_empty() {
            return Err(ExplainError::NoContainer { kind, name: name.clone(), known: known.join(", ") });
        }
    }
    Ok(match args.output {
        Output::Table => explanation.text(),
        Output::Json => explanation.json(),
    })
}

/// The handler of that name, and all handlers of its namespace.
async fn handler(
    client: &Client,
    name: &HandlerName,
) -> Result<(VersioningHandler, Vec<VersioningHandler>), ExplainError> {
    let HandlerName { namespace, name } = name;
    let api: Api<VersioningHandler> = Api::namespaced(client.clone(), namespace);
    let found = api.list(&ListParams::default()).await;
    let found = found.map_err(|source| ExplainError::Api {
        what: format!("VersioningHandler {namespace}/{name}"),
        source: Box::new(source),
    })?;
    let missing = || ExplainError::NotFound { namespace: namespace.clone(), name: name.clone() };
    let handler = found.items.iter().find(|handler| handler.name_any() == *name).cloned().ok_or_else(missing)?;
    Ok((handler, found.items))
}

/// What a reconcile works with, for one look: nothing is watched, and only the plugins of `target` are loaded.
async fn context(
    client: Client,
    config: Config,
    target: &Target,
    handlers: Vec<VersioningHandler>,
) -> Result<Context, ExplainError> {
    let metrics = Arc::new(Metrics::default());
    let egress = connections::registries(&config, &metrics)?;
    let plugins = Arc::new(Plugins::new(config.namespace.clone()));
    let loading = plugin::Context {
        client: client.clone(),
        // Without the cache of a running operator, which belongs to that.
        engine: Engine::new(EngineOptions::default())?,
        namespace: config.namespace.clone(),
        config: config.clone(),
        plugins: Arc::clone(&plugins),
        metrics: Arc::clone(&metrics),
    };
    for name in plugins_of(target) {
        plugin::load_once(name, &loading).await.map_err(|source| ExplainError::Api {
            what: format!("Plugin {}/{name}", config.namespace),
            source: Box::new(source),
        })?;
    }
    Ok(Context {
        workloads: Workloads::unwatched(client.clone()),
        nodes: Arc::new(Nodes::new(client.clone())),
        registries: Arc::new(Registries::new(egress)),
        failures: Failures::default(),
        handlers: Handlers::listed(handlers),
        wake: Wake::default(),
        slots: Arc::new(Slots::new(config.max_rollouts, Wake::default(), Arc::clone(&metrics))),
        fleets: Looks::default(),
        schedule: Arc::default(),
        client,
        config,
        plugins,
        metrics,
    })
}

/// The plugins that `target` uses, each once.
fn plugins_of(target: &Target) -> Vec<&str> {
    let exceptions = target.exceptions.values().filter_map(|exception| match exception {
        Exception::Ignore => None,
        Exception::Plan(plan) => Some(&**plan),
    });
    let mut names: Vec<&str> = std::iter::once(&target.plan)
        .chain(exceptions)
        .flat_map(|plan| [plan.registry.plugin.as_str(), plan.parser.plugin.as_str()])
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}
