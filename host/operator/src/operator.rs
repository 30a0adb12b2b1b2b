//! Builds the clients, the watches and the contexts, runs the two loops and the health server, and stops them all.

mod neighbours;
mod tasks;
mod workloads;

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, future};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8supdater_egress::{Client as Egress, Mailer};
use k8supdater_runtime::{Engine, EngineOptions};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, controller, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::sync::{OnceCell, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::api::plugin::Plugin;
use crate::api::versioning_handler::VersioningHandler;
use crate::bot;
use crate::config::Config;
use crate::connections::{self, ConnectError};
use crate::failure::chain;
use crate::lease;
use crate::nodes::Nodes;
use crate::notify;
use crate::plugin::{self, Plugins};
use crate::reconcile::handlers::{Guarded as GuardedHandler, HandlerKey, Handlers, Wake};
use crate::reconcile::schedule::Schedule;
use crate::reconcile::slots::Slots;
use crate::reconcile::{self, Context, Failures};
use crate::registry::Registries;
use crate::telemetry::health::page::Verdict;
use crate::telemetry::health::{self, Health, UnderWay, Watch};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::panics;
use crate::workload::Workloads;

use neighbours::{Consequences, Neighbours};
use tasks::Tasks;
use workloads::{KnownWorkloads, WatchedWorkloads};

type Guarded<K> = DeserializeGuard<K>;

/// How long reconciles that are under way may take to finish after a signal. A pod is killed 30 s after its SIGTERM by default.
const GRACE: Duration = Duration::from_secs(20);

/// Longest time for one reconcile, a check and its report together; a check is given up before.
const LONGEST_RECONCILE: Duration = Duration::from_mins(70);
/// When an object is looked at again whose reconcile was given up.
const AFTER_INTERRUPTION: Duration = Duration::from_mins(1);

/// Why the operator cannot run.
#[derive(Debug, Error)]
pub enum RunError {
    /// There is no way to the API server or to registries.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The API server does not know our kinds, or does not let us see them.
    #[error(
        "cannot list {plural}; install the CustomResourceDefinitions and RBAC with \"k8supdater manifests | kubectl apply -f -\""
    )]
    Preflight {
        /// Plural name of the kind.
        plural: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The wasm engine cannot start.
    #[error("cannot start the plugin engine")]
    Engine(#[from] k8supdater_runtime::EngineError),
    /// The health address cannot be used.
    #[error("cannot serve /livez, /readyz and /metrics on {address}; choose another with --health-address")]
    Health {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs the operator until `stop` completes, then lets what is under way finish. It counts in `metrics`, which it serves.
///
/// # Errors
/// When something is missing that no waiting will bring; see [`RunError`].
pub async fn run(config: Config, metrics: Arc<Metrics>, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    panics::report(&metrics);
    let address = config.health_address;
    let unusable = |source| RunError::Health { address, source };
    let listener = health::listen(address).await.map_err(unusable)?;
    let health = Health::new(Arc::clone(&metrics));
    // To the very end: that the operator stops is not that it is gone.
    let serving = health::serve(listener, health.clone());
    let running = run_with(config, metrics, health, stop);
    tokio::select! {
        result = running => result,
        ended = serving => Err(unusable(ended.err().unwrap_or_else(|| std::io::Error::other("the health server stopped")))),
    }
}

async fn run_with(
    config: Config,
    metrics: Arc<Metrics>,
    health: Health,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    tokio::pin!(stop);
    let client = connections::api_server(&config).await?;
    tokio::select! {
        checked = check_api_server(&client, &config) => checked?,
        // An API server that does not answer must not keep it from stopping.
        () = &mut stop => {
            info!("stopped before anything was begun");
            return Ok(());
        }
    }
    let egress = connections::registries(&config, &metrics)?;
    let mailer = connections::mailer(&config)?;
    let bots = connections::bots(&config)?;
    let engine = Engine::new(EngineOptions {
        cache_dir: config.cache_dir.clone(),
        cache_key_file: config.cache_key_file.clone(),
        ..EngineOptions::default()
    })?;
    let plugins = Arc::new(Plugins::new(config.namespace.clone()));
    let stopping = CancellationToken::new();
    let mut tasks = Tasks::new(health.clone());

    let plugin_context = Arc::new(plugin::Context {
        client: client.clone(),
        engine,
        namespace: config.namespace.clone(),
        config: config.clone(),
        plugins: Arc::clone(&plugins),
        metrics: Arc::clone(&metrics),
    });
    let known_plugins = spawn_plugin_loop(&mut tasks, plugin_context, stopping.clone());
    show_plugins(&health, &known_plugins, &plugins);
    let start = async {
        wait_for_plugins(known_plugins, &plugins).await;
        let scopes = scopes(&config);
        let (wake, woken) = Wake::new(&scopes);
        let shelves: Vec<Shelf<GuardedHandler>> = scopes.iter().map(|_| Shelf::new()).collect();
        let everything: Vec<_> = shelves.iter().map(|shelf| shelf.known.clone()).collect();
        let parts = Parts {
            handlers: Handlers::new(everything.iter().map(|known| known.store.clone())),
            everything,
            slots: Arc::new(Slots::new(config.max_rollouts, wake.clone(), Arc::clone(&metrics))),
            wake,
            registries: Arc::new(Registries::new(egress.clone())),
            nodes: Arc::new(Nodes::new(client.clone())),
            schedule: Arc::default(),
            client,
            config: config.clone(),
            plugins,
            egress,
            mailer,
            metrics,
        };
        let (handlers, schedule) = (parts.handlers.clone(), Arc::clone(&parts.schedule));
        parts.metrics.before_shown(move |metrics| reconcile::census::show(&handlers, &schedule, metrics));
        let mut known = Vec::new();
        for ((namespace, shelf), woken) in scopes.iter().zip(shelves).zip(woken) {
            known.push(watch_namespace(&mut tasks, &parts, namespace.as_deref(), shelf, woken, &stopping));
        }
        let mut known_handlers = Vec::new();
        for known in known {
            known.handlers.wait_until_listed().await;
            known.workloads.wait_until_listed().await;
            known_handlers.push(known.handlers.store);
        }
        spawn_bot(&mut tasks, bots, known_handlers, parts, stopping.clone());
        health.started();
        info!(version = env!("CARGO_PKG_VERSION"), namespace = config.namespace, "ready");
        future::pending::<()>().await;
    };
    tokio::select! {
        () = start => {}
        () = &mut stop => info!("stopping: what is under way is finished first"),
    }
    health.stopping();
    stopping.cancel();
    tasks.finish(GRACE).await;
    info!("stopped");
    Ok(())
}

/// Has `/readyz` say what becomes of plugins. One that is refused is not a fault of the operator.
fn show_plugins(health: &Health, known: &Known<Guarded<Plugin>>, plugins: &Arc<Plugins>) {
    let (known, plugins, started) = (known.clone(), Arc::clone(plugins), health.clone());
    health.add_ready("plugins".to_owned(), move |_| {
        if !*known.is_listed.borrow() {
            return Verdict::failed("waiting for the first list");
        }
        let names: Vec<String> = known.store.state().iter().map(|plugin| plugin.name_any()).collect();
        let standing = plugins.standing(&names);
        let all = |names: &[String]| names.join(", ");
        if !standing.unseen.is_empty() && !started.has_started() {
            return Verdict::failed(format!("waiting for {}, which is being loaded", all(&standing.unseen)));
        }
        let mut notes = vec![format!("{} serve", standing.serving.len())];
        if !standing.refused.is_empty() {
            notes.push(format!("refused: {}", all(&standing.refused)));
        }
        if !standing.unseen.is_empty() {
            notes.push(format!("being loaded: {}", all(&standing.unseen)));
        }
        Verdict::noted(notes.join("; "))
    });
}

/// What no waiting will bring: our kinds and the rights on them.
async fn check_api_server(client: &Client, config: &Config) -> Result<(), RunError> {
    let watched = config.watch_namespaces.first().map(String::as_str);
    preflight::<VersioningHandler>(client, watched).await?;
    preflight_workloads(client, watched).await?;
    preflight::<Plugin>(client, Some(&config.namespace)).await
}

/// What the loops over handlers share.
struct Parts {
    client: Client,
    config: Config,
    plugins: Arc<Plugins>,
    registries: Arc<Registries>,
    nodes: Arc<Nodes>,
    egress: Egress,
    mailer: Option<Mailer>,
    metrics: Arc<Metrics>,
    slots: Arc<Slots>,
    schedule: Arc<Schedule>,
    wake: Wake,
    handlers: Handlers,
    /// The watches behind `handlers`.
    everything: Vec<Known<GuardedHandler>>,
}

/// Has the handlers of a namespace looked after, or all of them: the loop that checks and updates, and the one that tells people.
fn watch_namespace(
    tasks: &mut Tasks,
    parts: &Parts,
    namespace: Option<&str>,
    shelf: Shelf<GuardedHandler>,
    woken: mpsc::UnboundedReceiver<HandlerKey>,
    stopping: &CancellationToken,
) -> KnownInScope {
    let Parts { client, config, plugins, registries, nodes, egress, mailer, metrics, .. } = parts;
    let watched = WatchedWorkloads::new(client, namespace, tasks.health());
    let context = Arc::new(Context {
        client: client.clone(),
        config: config.clone(),
        plugins: Arc::clone(plugins),
        registries: Arc::clone(registries),
        workloads: Workloads::watched(client.clone(), watched.stores()),
        nodes: Arc::clone(nodes),
        metrics: Arc::clone(metrics),
        failures: Failures::default(),
        handlers: parts.handlers.clone(),
        wake: parts.wake.clone(),
        slots: Arc::clone(&parts.slots),
        schedule: Arc::clone(&parts.schedule),
        fleets: reconcile::fleet::Looks::default(),
    });
    let (notices, ended) = notify::Context::new(
        client.clone(),
        config.clone(),
        Arc::clone(plugins),
        egress.clone(),
        mailer.clone(),
        Arc::clone(metrics),
    );
    let watch = tasks.health().watch("handlers", namespace);
    let (handlers, changed) = watched_handlers(namespace, shelf, watch, Arc::clone(&context), Arc::clone(&notices));
    let sources = Sources { handlers, workloads: watched, woken, everything: parts.everything.clone() };
    let known = spawn_handler_loop(tasks, namespace, sources, context, stopping.clone());
    let told = Told { handlers: known.handlers.clone(), changed, ended };
    spawn_notice_loop(tasks, namespace, told, notices, stopping.clone());
    known
}

/// One list request: the difference between "not installed" and watches that fail for ever in the background.
async fn preflight<K>(client: &Client, namespace: Option<&str>) -> Result<(), RunError>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + std::fmt::Debug,
{
    let api: Api<K> = scoped(client, namespace);
    let params = kube::api::ListParams::default().limit(1);
    match api.list_metadata(&params).await {
        Ok(_) => Ok(()),
        Err(source) => Err(RunError::Preflight {
            plural: format!("{}.{}", K::plural(&()), K::group(&())),
            source: Box::new(source),
        }),
    }
}

/// The rights of an older release may lack a kind.
async fn preflight_workloads(client: &Client, namespace: Option<&str>) -> Result<(), RunError> {
    preflight::<Deployment>(client, namespace).await?;
    preflight::<StatefulSet>(client, namespace).await?;
    preflight::<DaemonSet>(client, namespace).await?;
    preflight::<CronJob>(client, namespace).await
}

/// The namespaces that are watched: one watch for all, or one for each that is named.
fn scopes(config: &Config) -> Vec<Option<String>> {
    if config.watch_namespaces.is_empty() {
        vec![None]
    } else {
        config.watch_namespaces.iter().cloned().map(Some).collect()
    }
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// What a watch has brought so far.
#[derive(Clone)]
struct Known<K: Resource<DynamicType = ()> + Clone + 'static> {
    store: Store<K>,
    is_listed: watch::Receiver<bool>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Known<K> {
    /// Waits until the first list has come. Any number may wait, unlike for [`Store::wait_until_ready`]: that wakes only the one who
    /// was polled last, and each controller waits for its own store already.
    async fn wait_until_listed(&self) {
        // The sender lives as long as the loop; if it has ended, so will the operator.
        let _ = self.is_listed.clone().wait_for(|is_listed| *is_listed).await;
    }
}

/// A watch: what it has brought, and the stream that brings it, which somebody has to poll.
struct Watched<K: Resource<DynamicType = ()> + Clone + 'static> {
    known: Known<K>,
    /// Objects that were created, changed or deleted.
    touched: futures::stream::BoxStream<'static, Result<K, watcher::Error>>,
}

fn watched<K>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    watch: Watch,
) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    watched_by(events, Shelf::new(), watch, |_| {})
}

/// Where a watch puts what it brings.
struct Shelf<K: Resource<DynamicType = ()> + Clone + 'static> {
    known: Known<K>,
    writer: reflector::store::Writer<K>,
    listed: watch::Sender<bool>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Shelf<K> {
    fn new() -> Self {
        let (store, writer) = reflector::store();
        let (listed, is_listed) = watch::channel(false);
        Self { known: Known { store, is_listed }, writer, listed }
    }
}

/// The same, with somebody who is told of each event after it is known.
fn watched_by<K>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
    Shelf { known, writer, listed }: Shelf<K>,
    watch: Watch,
    mut tell: impl FnMut(&watcher::Event<K>) + Send + 'static,
) -> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let touched = noted(events.default_backoff(), watch)
        .reflect(writer)
        .inspect_ok(move |event| {
            tell(event);
            if matches!(event, watcher::Event::InitDone) {
                listed.send_replace(true);
            }
        })
        .touched_objects();
    Watched { known, touched: only_good(touched).boxed() }
}

/// The same events, of which `watch` hears.
fn noted<K>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
    watch: Watch,
) -> impl Stream<Item = watcher::Result<watcher::Event<K>>> {
    events.inspect(move |event| match event {
        Ok(watcher::Event::InitDone) => watch.listed(),
        Ok(_) => watch.lives(),
        Err(err) => watch.failed(&why(err)),
    })
}

/// Why a watch fails, in the API server's own words if it has said something.
fn why(err: &watcher::Error) -> String {
    let said = match err {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        other => return chain(other),
    };
    match said.code {
        404 => format!("the API server does not know this kind ({})", said.message),
        _ => said.message.clone(),
    }
}

/// What was touched, without the failures: its watch has noted and slowed down these, and a controller that met one would take no events of any
/// other watch for up to half a minute.
fn only_good<K>(
    touched: impl Stream<Item = Result<K, watcher::Error>>,
) -> impl Stream<Item = Result<K, watcher::Error>> {
    touched.filter_map(|touched| future::ready(touched.ok().map(Ok)))
}

/// Reconciles one object, as a piece of work that has to end.
async fn in_time<K: Resource<DynamicType = ()>, E>(
    under_way: &UnderWay,
    object: ObjectRef<K>,
    reconcile: impl Future<Output = Result<Action, E>>,
) -> Result<Action, E> {
    match under_way.watched(object.to_string(), reconcile).await {
        Ok(result) => result,
        Err(err) => {
            error!(%object, reason = err.reason(), error = chain(&err), "an object cannot be looked after");
            Ok(Action::requeue(AFTER_INTERRUPTION))
        }
    }
}

/// Pieces of work of a loop, which `/livez` shows.
fn under_way(tasks: &Tasks, name: &str, namespace: Option<&str>) -> UnderWay {
    let under_way = UnderWay::new(LONGEST_RECONCILE);
    let seen = under_way.clone();
    let namespace = namespace.map(|namespace| format!("/{namespace}")).unwrap_or_default();
    tasks.health().add_live(format!("work-{name}{namespace}"), move |now| seen.verdict(now));
    under_way
}

fn spawn_plugin_loop(
    tasks: &mut Tasks,
    context: Arc<plugin::Context>,
    stopping: CancellationToken,
) -> Known<Guarded<Plugin>> {
    let namespace = context.namespace.clone();
    let api: Api<Guarded<Plugin>> = Api::namespaced(context.client.clone(), &namespace);
    let Watched { known, touched: touched_plugins } =
        watched(watcher(api, watcher::Config::default()), tasks.health().watch("plugins", None));
    let store = known.store.clone();
    // Deleted plugins go through the loop too, which is how they are forgotten.
    let controller = Controller::for_stream(touched_plugins, store.clone());
    let (by_config_map, by_secret) = (store.clone(), store.clone());
    let config_maps: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(context.client.clone(), &namespace);
    let secrets: Api<PartialObjectMeta<Secret>> = Api::namespaced(context.client.clone(), &namespace);
    let (plugins, metrics) = (Arc::clone(&context.plugins), Arc::clone(&context.metrics));
    let existing = store;
    let under_way = under_way(tasks, "plugins", None);
    let run = controller
        // Only the metadata is watched: the bytes are read when they are needed, and not kept.
        .watches_stream(touched(config_maps, tasks.health().watch("config-maps", None)), move |changed| {
            let name = changed.name_any();
            referring(&by_config_map, move |plugin| plugin.spec.source.config_map.name == name)
        })
        .watches_stream(touched(secrets, tasks.health().watch("secrets", None)), move |changed| {
            let name = changed.name_any();
            referring(&by_secret, move |plugin| {
                let grants = plugin.spec.grants.iter().flat_map(|grants| &grants.secrets);
                grants.into_iter().any(|grant| grant.secret_name == name)
            })
        })
        .graceful_shutdown_on(stopping.cancelled_owned())
        .run(
            move |plugin, context| {
                let (under_way, object) = (under_way.clone(), ObjectRef::from_obj(&*plugin));
                async move { in_time(&under_way, object, Box::pin(plugin::reconcile(plugin, context))).await }
            },
            plugin::error_policy,
            context,
        )
        .for_each(move |result| {
            log_loop_error("plugin loop", result.map(drop));
            let names: Vec<String> = existing.state().iter().map(|plugin| plugin.name_any()).collect();
            plugins.retain(|name| names.iter().any(|known| known == name));
            plugins.show(&metrics);
            future::ready(())
        });
    tasks.spawn("plugins", None, run);
    known
}

/// Metadata of objects of a kind, whenever one is created, changed or deleted.
fn touched<K>(
    api: Api<PartialObjectMeta<K>>,
    watch: Watch,
) -> impl Stream<Item = Result<PartialObjectMeta<K>, watcher::Error>> + Send
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    only_good(noted(watcher(api, watcher::Config::default()).default_backoff(), watch).touched_objects())
}

fn referring(store: &Store<Guarded<Plugin>>, refers: impl Fn(&Plugin) -> bool) -> Vec<ObjectRef<Guarded<Plugin>>> {
    store
        .state()
        .iter()
        .filter(|plugin| plugin.0.as_ref().is_ok_and(&refers))
        .map(|plugin| ObjectRef::from_obj(&**plugin))
        .collect()
}

/// Longest time that handlers wait for plugins at the start; a plugin that takes longer joins later.
const PLUGIN_PATIENCE: Duration = Duration::from_secs(30);

/// Waits until every plugin that exists has been tried once, so that handlers do not begin by complaining about missing plugins.
async fn wait_for_plugins(known: Known<Guarded<Plugin>>, plugins: &Plugins) {
    let seen = async {
        known.wait_until_listed().await;
        let mut changes = plugins.changes();
        let names: Vec<String> = known.store.state().iter().map(|plugin| plugin.name_any()).collect();
        while !plugins.have_seen(names.iter().map(String::as_str)) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    if tokio::time::timeout(PLUGIN_PATIENCE, seen).await.is_err() {
        warn!("some plugins are still being loaded; handlers that need them wait");
    }
}

/// What must have been listed once before the operator is ready.
struct KnownInScope {
    handlers: Known<Guarded<VersioningHandler>>,
    workloads: KnownWorkloads,
}

/// The watch of handlers, and all of them as they change, for the loop that tells people. That one is gone is told at once: no loop looks
/// at it any more. What concerns other handlers has those looked at.
fn watched_handlers(
    namespace: Option<&str>,
    shelf: Shelf<GuardedHandler>,
    watch: Watch,
    context: Arc<Context>,
    notices: Arc<notify::Context>,
) -> (Watched<Guarded<VersioningHandler>>, mpsc::UnboundedReceiver<Guarded<VersioningHandler>>) {
    let api: Api<Guarded<VersioningHandler>> = scoped(&context.client, namespace);
    let (tell, changed) = mpsc::unbounded_channel();
    let mut neighbours = Neighbours::default();
    let handlers = watched_by(watcher(api, watcher::Config::default()), shelf, watch, move |event| {
        match event {
            watcher::Event::Apply(handler) | watcher::Event::InitApply(handler) => {
                // Nobody listens any more while the operator stops.
                let _ = tell.send(handler.clone());
            }
            watcher::Event::Delete(handler) => {
                if let Ok(handler) = &handler.0 {
                    notify::deleted(handler, &notices);
                    let (handler, context) = (handler.clone(), Arc::clone(&context));
                    tokio::spawn(async move { reconcile::lifecycle::deleted(handler, &context).await });
                }
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
        if let watcher::Event::InitApply(DeserializeGuard(Ok(handler))) = event {
            context.slots.restore(handler);
        }
        let Consequences { wake, gone } = neighbours.note(event);
        for handler in &gone {
            context.slots.forget(handler);
            context.fleets.forget(handler);
        }
        for handler in wake {
            context.wake.wake(handler);
        }
    });
    (handlers, changed)
}

/// What the loop that tells people runs on.
struct Told {
    handlers: Known<Guarded<VersioningHandler>>,
    /// Handlers as they change.
    changed: mpsc::UnboundedReceiver<Guarded<VersioningHandler>>,
    /// Where something has been sent.
    ended: mpsc::UnboundedReceiver<notify::Place>,
}

fn spawn_notice_loop(
    tasks: &mut Tasks,
    namespace: Option<&str>,
    Told { handlers, changed, ended }: Told,
    context: Arc<notify::Context>,
    stopping: CancellationToken,
) {
    let plugin_changes = changes(context.plugin_changes());
    let of_place = |place: notify::Place| ObjectRef::new(&place.name).within(&place.namespace);
    let for_the_end = Arc::clone(&context);
    let under_way = under_way(tasks, "notices", namespace);
    let run = Controller::for_stream(received(changed).map(Ok), handlers.store.clone())
        .reconcile_all_on(plugin_changes)
        .reconcile_on(received(ended).map(of_place))
        .graceful_shutdown_on(stopping.clone().cancelled_owned())
        .run(
            move |handler, context| {
                let (under_way, object) = (under_way.clone(), ObjectRef::from_obj(&*handler));
                async move { in_time(&under_way, object, Box::pin(notify::reconcile(handler, context))).await }
            },
            notify::error_policy,
            context,
        )
        .for_each(|result| {
            log_loop_error("notice loop", result.map(drop));
            future::ready(())
        });
    tasks.spawn("notices", namespace, async move {
        // The other loop waits for the store; of two that wait, only one is woken.
        if stopping.run_until_cancelled(handlers.wait_until_listed()).await.is_some() {
            run.await;
            notify::finish(&for_the_end).await;
        }
    });
}

/// Listens for answers in chats, as long as there are bots.
fn spawn_bot(
    tasks: &mut Tasks,
    egress: Egress,
    handlers: Vec<Store<Guarded<VersioningHandler>>>,
    Parts { client, config, plugins, metrics, .. }: Parts,
    stopping: CancellationToken,
) {
    let offers = notify::Offers::new(client.clone(), Arc::clone(&plugins), handlers);
    let (bots, known) = watch::channel(notify::bots(&plugins));
    let (held, is_held) = watch::channel(false);
    let mut changes = plugins.changes();
    let stops = stopping.clone();
    show_lease(tasks.health(), known.clone(), is_held.clone());
    tasks.spawn("bot-plugins", None, async move {
        while let Some(Ok(())) = stops.run_until_cancelled(changes.changed()).await {
            bots.send_replace(notify::bots(&plugins));
        }
    });
    let claim = lease::Claim { namespace: config.namespace, name: lease::BOT.to_owned(), identity: config.instance };
    // Whoever holds the lease next must not meet a poll of ours.
    let has_talked = CancellationToken::new();
    let holding = hold_while_there_are_bots(client, claim, known.clone(), held, has_talked.clone());
    tasks.spawn("bot-lease", None, holding);
    let context = bot::Context {
        client: egress,
        bots: known,
        is_held,
        offers: Arc::new(offers),
        metrics,
        pace: bot::Pace::default(),
    };
    tasks.spawn("bots", None, async move {
        let _ends = has_talked.drop_guard();
        bot::run(context, stopping).await;
    });
}

/// Has `/readyz` say who listens to bots. A replica that does not is as good as the one that does.
fn show_lease(health: &Health, bots: watch::Receiver<Vec<bot::Bot>>, is_held: watch::Receiver<bool>) {
    health.add_ready("bot-lease".to_owned(), move |_| {
        Verdict::noted(match (bots.borrow().is_empty(), *is_held.borrow()) {
            (true, _) => "not wanted, there is no bot",
            (false, true) => "held",
            (false, false) => "held by another replica, or not to be had yet",
        })
    });
}

/// Keeps the lease, but only as long as there are bots: a cluster without any is not written to.
async fn hold_while_there_are_bots(
    client: Client,
    claim: lease::Claim,
    mut bots: watch::Receiver<Vec<bot::Bot>>,
    held: watch::Sender<bool>,
    stopping: CancellationToken,
) {
    while stopping.run_until_cancelled(async { bots.wait_for(|bots| !bots.is_empty()).await.is_ok() }).await
        == Some(true)
    {
        let ends = stopping.child_token();
        let keep = lease::keep(client.clone(), claim.clone(), held.clone(), ends.clone());
        let watch = async {
            // The sender lives as long as the plugins do; without it the operator ends, too.
            ends.run_until_cancelled(async { bots.wait_for(Vec::is_empty).await.is_ok() }).await;
            ends.cancel();
        };
        future::join(keep, watch).await;
    }
}

/// What the loop over handlers of one scope runs on.
struct Sources {
    handlers: Watched<GuardedHandler>,
    workloads: WatchedWorkloads,
    /// Handlers that others have looked at.
    woken: mpsc::UnboundedReceiver<HandlerKey>,
    /// The handlers of all scopes.
    everything: Vec<Known<GuardedHandler>>,
}

/// Longest time that the handlers of one namespace wait for those of the others; one that cannot be listed must not keep them for ever.
const SCOPES_PATIENCE: Duration = Duration::from_secs(30);

/// Waits until all handlers are known, so that no rollout is begun before those are counted that are under way.
async fn wait_for_all(everything: &[Known<GuardedHandler>]) {
    let listed = async {
        for known in everything {
            known.wait_until_listed().await;
        }
    };
    if tokio::time::timeout(SCOPES_PATIENCE, listed).await.is_err() {
        warn!("some namespaces cannot be listed yet; rollouts that are under way there do not count");
    }
}

fn spawn_handler_loop(
    tasks: &mut Tasks,
    namespace: Option<&str>,
    Sources { handlers, workloads, woken, everything }: Sources,
    context: Arc<Context>,
    stopping: CancellationToken,
) -> KnownInScope {
    let concurrency = controller::Config::default().concurrency(context.config.concurrency);
    let known = KnownInScope { handlers: handlers.known, workloads: workloads.known() };
    let store = known.handlers.store.clone();
    let controller = Controller::for_stream(handlers.touched, store.clone()).with_config(concurrency);
    let known_workloads = known.workloads.clone();
    let plugin_changes = changes(context.plugins.changes());
    let for_cleaning = Arc::clone(&context);
    let are_all_listed = Arc::new(OnceCell::new());
    let everything: Arc<[_]> = everything.into();
    let under_way = under_way(tasks, "handlers", namespace);
    let run = workloads
        .wake(controller, &store)
        .reconcile_all_on(plugin_changes)
        .reconcile_on(received(woken))
        .graceful_shutdown_on(stopping.cancelled_owned())
        .run(
            move |handler, context| {
                let workloads = known_workloads.clone();
                let (are_all_listed, everything) = (Arc::clone(&are_all_listed), Arc::clone(&everything));
                let (under_way, object) = (under_way.clone(), ObjectRef::from_obj(&*handler));
                async move {
                    are_all_listed.get_or_init(|| wait_for_all(&everything)).await;
                    // A workload that its watch has not listed yet is not one that does not exist.
                    workloads.wait_until_listed().await;
                    in_time(&under_way, object, Box::pin(reconcile::reconcile(handler, context))).await
                }
            },
            reconcile::error_policy,
            context,
        )
        .for_each(move |result| {
            log_loop_error("handler loop", result.map(drop));
            for_cleaning.failures.retain(|handler| store.get(handler).is_some());
            future::ready(())
        });
    tasks.spawn("handlers", namespace, run);
    known
}

fn received<T: Send + 'static>(receiver: mpsc::UnboundedReceiver<T>) -> impl Stream<Item = T> + Send {
    futures::stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|item| (item, receiver)))
}

fn changes(receiver: watch::Receiver<u64>) -> impl Stream<Item = ()> + Send {
    futures::stream::unfold(receiver, async |mut receiver| receiver.changed().await.is_ok().then_some(((), receiver)))
}

/// Errors of reconciles are logged by their error policies; what is left is the machinery around them.
fn log_loop_error<R: std::error::Error>(name: &'static str, result: Result<(), controller::Error<R, watcher::Error>>) {
    match result {
        Ok(()) | Err(controller::Error::ReconcilerFailed(..) | controller::Error::ObjectNotFound(_)) => {}
        Err(controller::Error::QueueError(err)) => {
            // At its watch this was said already, once.
            debug!(name, error = chain(&err), "watch interrupted; it is taken up again");
        }
        Err(err @ controller::Error::RunnerError(_)) => debug!(name, error = %err, "loop ends"),
    }
}
