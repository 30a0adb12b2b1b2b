//! Plugins: from a `Plugin` object and a ConfigMap to a component that serves.
//!
//! The second loop of the operator, in the same steps as the first: validate (what the spec grants), observe (the ConfigMap's bytes,
//! the Secrets), decide (serve the new component, keep the last good one, or serve nothing), act (swap), report. Whatever goes wrong
//! with new bytes, the last good component keeps serving until better ones come.
//!
//! Others meet this room through [`Plugins`]: [`Plugins::serving`] gives the component of a name, or says why there is none.

mod defaults;
mod grant;
mod serving;
mod source;
mod status;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8supdater_runtime::manifest::Kind;
use k8supdater_runtime::{Component, Engine};
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Api, Client, ResourceExt};
use thiserror::Error;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::api::conditions::shorten;
use crate::api::plugin::Plugin;
use crate::config::Config;
use crate::failure::{Retry, chain};
use crate::telemetry::metrics::Metrics;

pub(crate) use defaults::Defaults;
pub use grant::GrantError;
pub use serving::{Serving, SettingsError};
pub use source::SourceError;

/// What the plugin loop works with.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Where components are loaded.
    pub engine: Engine,
    /// The operator's own namespace.
    pub namespace: String,
    /// The operator's configuration, for what a Plugin does not say.
    pub config: Config,
    /// What serves.
    pub plugins: Arc<Plugins>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// Why a plugin, or its newest bytes, cannot serve.
#[derive(Debug, Error)]
pub enum PluginError {
    /// The object itself is not readable.
    #[error("Plugin {name} is not valid: {message}")]
    Malformed {
        /// Its name.
        name: String,
        /// What the parser said.
        message: String,
    },
    /// The bytes could not be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The bytes are not a component that may run here.
    #[error("{origin} cannot be loaded")]
    Load {
        /// ConfigMap and key.
        origin: String,
        /// What is wrong with it.
        #[source]
        cause: k8supdater_runtime::LoadError,
    },
    /// The settings are not what the component's schema allows.
    #[error("spec.settings of Plugin {name} are refused")]
    Settings {
        /// Its name.
        name: String,
        /// Which one and why.
        #[source]
        cause: SettingsError,
    },
    /// The grants are malformed or do not cover what the component asks for.
    #[error(transparent)]
    Grant(#[from] GrantError),
}

impl PluginError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "InvalidSpec",
            Self::Source(err) => err.reason(),
            Self::Load { cause, .. } => cause.reason(),
            Self::Settings { .. } => "InvalidSettings",
            Self::Grant(err) => err.reason(),
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Source(err) => err.retry(),
            Self::Grant(err) => err.retry(),
            Self::Malformed { .. } | Self::Load { .. } | Self::Settings { .. } => Retry::OnChange,
        }
    }
}

/// The status of a Plugin could not be written.
#[derive(Debug, Error)]
#[error("cannot write the status of Plugin {name}")]
pub struct ReportError {
    name: String,
    #[source]
    source: kube::Error,
}

/// Why a handler gets no component.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotServing {
    /// No Plugin object has that name.
    #[error("there is no Plugin {name:?} in namespace {namespace}; {}", listed(.known))]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The operator's own namespace.
        namespace: String,
        /// Names of the plugins that serve as that kind.
        known: Vec<String>,
    },
    /// There is one, but nothing of it serves yet.
    #[error("Plugin {name} is not ready: {message}")]
    NotReady {
        /// Its name.
        name: String,
        /// Why.
        message: String,
    },
    /// It does something else.
    #[error("Plugin {name} is a {found} plugin, and a {wanted} plugin is needed here")]
    WrongKind {
        /// Its name.
        name: String,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none of that kind is ready".to_owned() } else { format!("ready are: {}", names.join(", ")) }
}

impl NotServing {
    /// The name that was asked for.
    pub fn plugin(&self) -> &str {
        match self {
            Self::Unknown { name, .. } | Self::NotReady { name, .. } | Self::WrongKind { name, .. } => name,
        }
    }

    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "PluginNotFound",
            Self::NotReady { .. } => "PluginNotReady",
            Self::WrongKind { .. } => "PluginOfWrongKind",
        }
    }
}

/// What serves under which name.
pub struct Plugins {
    namespace: String,
    entries: Mutex<BTreeMap<String, Entry>>,
    /// Counts changes of what serves; handlers are reconciled again on each.
    changes: watch::Sender<u64>,
}

/// How the plugins of a list stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Those of which a component serves, be it an older one.
    pub serving: Vec<String>,
    /// Those of which none does.
    pub refused: Vec<String>,
    /// Those that were not looked at yet.
    pub unseen: Vec<String>,
}

#[derive(Default)]
struct Entry {
    serving: Option<Arc<Serving>>,
    /// Why the newest bytes do not serve.
    failure: Option<String>,
}

impl Plugins {
    /// Nothing serves yet.
    pub fn new(namespace: String) -> Self {
        Self { namespace, entries: Mutex::default(), changes: watch::channel(0).0 }
    }

    /// The component that serves as `name`, which must be of `kind`.
    ///
    /// # Errors
    /// See [`NotServing`].
    pub fn serving(&self, name: &str, kind: Kind) -> Result<Arc<Serving>, NotServing> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.get(name) else {
            let of_kind =
                |entry: &Entry| entry.serving.as_ref().is_some_and(|serving| serving.component.kind() == kind);
            let known = entries.iter().filter(|(_, entry)| of_kind(entry)).map(|(name, _)| name.clone()).collect();
            return Err(NotServing::Unknown { name: name.to_owned(), namespace: self.namespace.clone(), known });
        };
        let Some(serving) = &entry.serving else {
            let message = entry.failure.clone().unwrap_or_else(|| "it is being loaded".to_owned());
            return Err(NotServing::NotReady { name: name.to_owned(), message });
        };
        let found = serving.component.kind();
        if found != kind {
            return Err(NotServing::WrongKind {
                name: name.to_owned(),
                found: found.to_string(),
                wanted: kind.to_string(),
            });
        }
        Ok(Arc::clone(serving))
    }

    /// The notifiers that serve, in the order of their names.
    pub fn notifiers(&self) -> Vec<Arc<Serving>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let serving = entries.values().filter_map(|entry| entry.serving.as_ref());
        serving.filter(|serving| serving.component.kind() == Kind::Notifier).cloned().collect()
    }

    /// Changes whenever what serves does.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether every plugin of `names` has been looked at once, with whatever result.
    pub fn have_seen<'a>(&self, mut names: impl Iterator<Item = &'a str>) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        names.all(|name| entries.contains_key(name))
    }

    /// How the plugins of these names stand.
    pub fn standing(&self, names: &[String]) -> Standing {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut standing = Standing::default();
        for name in names {
            let place = match entries.get(name) {
                None => &mut standing.unseen,
                Some(Entry { serving: Some(_), .. }) => &mut standing.serving,
                Some(Entry { serving: None, .. }) => &mut standing.refused,
            };
            place.push(name.clone());
        }
        standing
    }

    fn current(&self, name: &str) -> Option<Arc<Serving>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(name).and_then(|entry| entry.serving.clone())
    }

    fn serve(&self, name: &str, serving: Arc<Serving>) {
        self.update(name, |entry| *entry = Entry { serving: Some(serving), failure: None });
    }

    fn fail(&self, name: &str, message: String) {
        self.update(name, |entry| entry.failure = Some(message));
    }

    fn update(&self, name: &str, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.entry(name.to_owned()).or_default();
        let before = (entry.serving.as_ref().map(|serving| serving.revision), entry.failure.clone());
        change(entry);
        if before != (entry.serving.as_ref().map(|serving| serving.revision), entry.failure.clone()) {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Shows how many there are in which state.
    pub fn show(&self, metrics: &Metrics) {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |is_serving: bool, has_failed: bool| {
            let is_it = |entry: &&Entry| (entry.serving.is_some(), entry.failure.is_some()) == (is_serving, has_failed);
            entries.values().filter(is_it).count()
        };
        metrics.plugins(count(true, false), count(true, true), count(false, true) + count(false, false));
    }

    /// Forgets plugins that no longer exist.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let before = entries.len();
        entries.retain(|name, _| exists(name));
        if entries.len() != before {
            self.changes.send_modify(|count| *count += 1);
        }
    }
}

/// Brings what serves in line with one Plugin object, and says in its status what came of it.
///
/// # Errors
/// Only when the status could not be written: everything else is shown there.
pub async fn reconcile(object: Arc<DeserializeGuard<Plugin>>, ctx: Arc<Context>) -> Result<Action, ReportError> {
    let name = object.name_any();
    let outcome = match &object.0 {
        Ok(plugin) => attempt(plugin, &ctx).await,
        Err(invalid) => Err(PluginError::Malformed { name: name.clone(), message: invalid.error.clone() }),
    };
    match &outcome {
        Ok(serving) => ctx.plugins.serve(&name, Arc::clone(serving)),
        Err(err) => {
            let message = shorten(chain(err), 1024);
            warn!(plugin = %name, reason = err.reason(), message, "plugin refused");
            ctx.metrics.plugin_refused(err.reason());
            ctx.plugins.fail(&name, message);
        }
    }
    ctx.plugins.show(&ctx.metrics);
    let retry = outcome.as_ref().err().map(PluginError::retry);
    if let Ok(plugin) = &object.0 {
        let api: Api<Plugin> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
        let kept = ctx.plugins.current(&name);
        status::write(&api, plugin, &outcome, kept.as_deref(), &Defaults::of(&name, &ctx.config))
            .await
            .map_err(|source| ReportError { name: name.clone(), source })?;
    }
    Ok(match retry {
        // Watches tell of changes to the object, its ConfigMap and its Secrets. The long requeue is for a watch event that was lost.
        None | Some(Retry::OnChange) => Action::requeue(Duration::from_mins(10)),
        Some(Retry::Soon) => Action::requeue(Duration::from_millis(200)),
        Some(Retry::BackOff) => Action::requeue(Duration::from_secs(10)),
        Some(Retry::After(wait)) => Action::requeue(wait),
    })
}

/// Loads one plugin by its name, for a single look: as [`reconcile`] does, but writes nothing.
///
/// # Errors
/// When the API server cannot be asked. What is wrong with the plugin is what [`Plugins::serving`] then says.
pub async fn load_once(name: &str, ctx: &Context) -> Result<(), kube::Error> {
    let api: Api<Plugin> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    // By a list, because the operator's own rights, which whoever looks may be using, are those of a watch.
    let found = api.list(&ListParams::default().fields(&format!("metadata.name={name}"))).await?;
    let Some(plugin) = found.items.first() else { return Ok(()) };
    match attempt(plugin, ctx).await {
        Ok(serving) => ctx.plugins.serve(name, serving),
        Err(err) => ctx.plugins.fail(name, shorten(chain(&err), 1024)),
    }
    Ok(())
}

/// What to do when a status could not be written.
#[allow(clippy::needless_pass_by_value, reason = "the controller prescribes the signature")]
pub fn error_policy(object: Arc<DeserializeGuard<Plugin>>, err: &ReportError, _: Arc<Context>) -> Action {
    warn!(plugin = %object.name_any(), error = chain(err), "plugin status not written");
    Action::requeue(Duration::from_secs(2))
}

/// Steps one to three: what should serve now.
async fn attempt(plugin: &Plugin, ctx: &Context) -> Result<Arc<Serving>, PluginError> {
    let name = plugin.name_any();
    let defaults = Defaults::of(&name, &ctx.config);
    let granted = grant::parse(plugin, defaults.origin.as_ref())?;
    let limits = serving::limits(plugin);

    let config_maps: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    let bytes = source::read(&config_maps, &plugin.spec.source.config_map).await?;
    let component = load(ctx, &bytes, limits).await?.observed_by(ctx.metrics.calls_of(&name));
    let mut own = defaults.settings.clone();
    own.extend(plugin.spec.settings.clone());
    let settings = serving::own_settings(&component, &own);
    let settings = settings.map_err(|cause| PluginError::Settings { name: name.clone(), cause })?;
    grant::check_coverage(&name, component.manifest(), &settings, &granted)?;

    let secrets: Api<Secret> = Api::namespaced(ctx.client.clone(), &ctx.namespace);
    let mut credentials = grant::read_secrets(&secrets, &name, component.manifest(), &granted).await?;

    credentials.extend(defaults.credential(component.manifest()));
    let notices = plugin.spec.notices.clone().unwrap_or_default();
    let serving = Serving::new(name.clone(), component, own, granted, credentials).told(notices);
    if let Some(current) = ctx.plugins.current(&name)
        && current.is_same_as(&serving)
    {
        return Ok(current);
    }
    info!(
        plugin = %name,
        component = %serving.component.manifest().name,
        version = %serving.component.manifest().version,
        digest = %serving.component.digest(),
        "plugin serves"
    );
    ctx.metrics.plugin_loaded();
    Ok(Arc::new(serving))
}

async fn load(
    ctx: &Context,
    source: &source::Bytes,
    limits: k8supdater_runtime::Limits,
) -> Result<Component, PluginError> {
    ctx.engine
        .load(Arc::clone(&source.bytes), limits)
        .await
        .map_err(|cause| PluginError::Load { origin: source.origin.clone(), cause })
}
