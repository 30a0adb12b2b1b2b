//! A component together with all that its use needs: settings, grants, credentials.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use k8supdater_core::image::ImageReference;
use k8supdater_core::origin::{Grants, Origin};
use k8supdater_egress::{BoundCredential, RealmBinding, Scope};
use k8supdater_runtime::{Component, Limits};
use serde_json::Value;

pub use k8supdater_runtime::SettingsError;

use super::grant::{self, Granted};
use crate::api::notices::NoticeOptions;
use crate::api::plugin::Plugin;
use crate::api::versioning_handler::Settings;

/// A component that serves.
#[derive(Debug)]
pub struct Serving {
    /// Name of the Plugin object.
    pub name: String,
    /// The component.
    pub component: Component,
    /// Different for every other component, grant or credential: what was learnt with one revision is not used for another.
    pub revision: u64,
    settings: Settings,
    /// All that the Plugin object grants. What of it the component may use depends on the settings with which it is used.
    granted: Grants,
    realms: Vec<RealmBinding>,
    credentials: Vec<BoundCredential>,
    /// Of a notifier: what it is told, as the Plugin object says.
    notices: NoticeOptions,
}

static REVISIONS: AtomicU64 = AtomicU64::new(1);

impl Serving {
    pub(super) fn new(
        name: String,
        component: Component,
        settings: Settings,
        granted: Granted,
        credentials: Vec<BoundCredential>,
    ) -> Self {
        let revision = REVISIONS.fetch_add(1, Ordering::Relaxed);
        Self {
            name,
            component,
            revision,
            settings,
            granted: granted.origins,
            realms: granted.realms,
            credentials,
            notices: NoticeOptions::default(),
        }
    }

    pub(super) fn told(self, notices: NoticeOptions) -> Self {
        Self { notices, ..self }
    }

    /// A component that serves a single run of a tool: nobody but whoever runs it grants anything, there is no Plugin object, and settings
    /// and credentials come with each question.
    pub fn for_one_run(name: String, component: Component, granted: Grants, realms: Vec<RealmBinding>) -> Self {
        let granted = Granted { origins: granted, secrets: Vec::new(), realms };
        Self::new(name, component, Settings::new(), granted, Vec::new())
    }

    /// Whether using `other` instead would make no difference.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.component.digest() == other.component.digest()
            && self.component.limits() == other.component.limits()
            && self.settings == other.settings
            && self.granted == other.granted
            && self.realms == other.realms
            && self.credentials == other.credentials
            && self.notices == other.notices
    }

    /// The plugin's settings with `given` laid over them, checked against the component's schema, as the JSON text that the component
    /// gets.
    ///
    /// # Errors
    /// Names every setting that the schema does not allow.
    pub fn settings(&self, given: &Settings) -> Result<String, SettingsError> {
        let mut merged: BTreeMap<&String, &serde_json::Value> = self.settings.iter().collect();
        merged.extend(given);
        let object = merged.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        self.component.settings(&serde_json::Value::Object(object))
    }

    /// The Plugin object's own settings with defaults filled in.
    pub(crate) fn own_settings(&self) -> Value {
        // They were allowed when this began to serve.
        own_settings(&self.component, &self.settings).unwrap_or_default()
    }

    /// What a conversation about `image` may reach, and with which credentials. `settings` is what [`settings`](Self::settings) returned for
    /// it: an origin that the component asks for by a setting may be called if that very origin is granted, whoever set it.
    pub fn scope(&self, image: &ImageReference, settings: &str) -> Arc<Scope> {
        let settings = serde_json::from_str(settings).unwrap_or_default();
        Arc::new(Scope {
            grants: grant::usable(self.component.manifest(), &settings, &self.granted),
            registry: Origin::registry(image.registry()).ok(),
            credentials: self.credentials.clone(),
            realms: self.realms.clone(),
            limits: k8supdater_egress::Limits::default(),
        })
    }

    /// What a conversation about no image may reach, such as a notice. `own` comes before the credentials of the Plugin object, and `settings`
    /// is what [`settings`](Self::settings) returned.
    pub fn scope_for_notices(&self, settings: &str, own: Vec<BoundCredential>) -> Arc<Scope> {
        let settings = serde_json::from_str(settings).unwrap_or_default();
        Arc::new(Scope {
            grants: grant::usable(self.component.manifest(), &settings, &self.granted),
            registry: None,
            credentials: own.into_iter().chain(self.credentials.iter().cloned()).collect(),
            realms: Vec::new(),
            limits: k8supdater_egress::Limits::default(),
        })
    }

    /// Of a notifier: which notices it is told, for handlers that do not say.
    pub fn notices(&self) -> &NoticeOptions {
        &self.notices
    }

    /// The Plugin object's credential for `slot`, if it is for `origin`.
    pub fn credential(&self, slot: &str, origin: &Origin) -> Option<&BoundCredential> {
        self.credentials.iter().find(|bound| bound.slot == slot && bound.origin == *origin)
    }

    /// Whose credential would be sent in a conversation with this `scope`, in words; none if it has none that fits.
    pub fn own_credential(&self, scope: &Scope) -> Option<String> {
        let reachable = scope.grants.reachable(scope.registry.as_ref());
        let fits = self.credentials.iter().any(|bound| reachable.contains(&bound.origin));
        fits.then(|| format!("what Plugin {} is granted", self.name))
    }
}

/// The settings of a Plugin object, checked against the component's schema, with defaults filled in. What handlers have to give may be
/// missing.
///
/// # Errors
/// Names every setting that the schema does not allow.
pub(super) fn own_settings(component: &Component, settings: &Settings) -> Result<Value, SettingsError> {
    let object = settings.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    component.part_of_settings(&Value::Object(object)).map(|text| serde_json::from_str(&text).unwrap_or_default())
}

/// The limits that `plugin` sets, with the runtime's defaults for the others.
pub(super) fn limits(plugin: &Plugin) -> Limits {
    let given = plugin.spec.limits.clone().unwrap_or_default();
    let mut limits = Limits::default();
    if let Some(deadline) = given.deadline {
        limits.deadline = deadline.into();
    }
    if let Some(memory) = given.memory_mib {
        limits.memory = u64::from(memory) * 1024 * 1024;
    }
    limits
}
