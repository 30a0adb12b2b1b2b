//! Which credentials there are for a repository.
//!
//! In the order in which they are tried: the pull secrets of the workload, or, where its pod template names none, of its
//! `ServiceAccount`, which is how the kubelet finds them; the Secret that the handler names; what the plugin is granted, which
//! [`Inquiry`](crate::registry::Inquiry) adds. Each is bound to origins before it leaves this room, and Secrets are read anew for each
//! check, so that a rotated one is used without a restart. Start reading at [`Wallet::credentials`].

mod error;
mod fill;

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8supdater_core::image::ImageReference;
use k8supdater_core::pull_secret::Entry;
use k8supdater_egress::{BoundCredential, Scope};
use k8supdater_runtime::manifest::SlotScheme;
use kube::{Api, Client};
use tokio::sync::Mutex;

pub use error::CredentialError;
pub(crate) use fill::{credential, scheme};

use crate::api::versioning_handler::SecretReference;
use crate::failure::chain;
use crate::login::{Logins, Unfit};
use crate::plugin::Serving;
use crate::workload::containers::PullSecrets;

/// The field in which a handler names a Secret for its registry.
const REGISTRY: &str = "spec.registry.secretRef";
/// The field in which a handler names a Secret for one of its channels.
const CHANNEL: &str = "spec.notifiers.secretRef";

/// The credentials of a workload and its handler, for one repository.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// In the order in which they are tried.
    pub logins: Vec<Login>,
    /// Sentences for people about credentials that cannot be used, for when those that can are refused.
    pub notes: Vec<String>,
}

/// Secrets that belong together.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where it comes from, in words; nothing secret.
    pub source: String,
    /// The same secret, bound to every slot and origin that it is for.
    pub credentials: Vec<BoundCredential>,
}

/// Reads the Secrets of one namespace, each at most once in a check.
pub struct Wallet {
    namespace: String,
    secrets: Api<Secret>,
    accounts: Api<ServiceAccount>,
    read: Mutex<HashMap<String, ReadSecret>>,
    pull_secrets: Mutex<Option<PullSecretEntries>>,
}

/// What came of reading a Secret, kept for the next container that names it.
type ReadSecret = Result<Option<Arc<Secret>>, Arc<kube::Error>>;

/// What the pull secrets hold.
#[derive(Clone, Debug, Default)]
struct PullSecretEntries {
    names: Vec<String>,
    entries: Vec<Entry>,
    notes: Vec<String>,
}

impl Wallet {
    /// For a check of a handler in `namespace`. Reads nothing yet.
    pub fn new(client: &Client, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            secrets: Api::namespaced(client.clone(), namespace),
            accounts: Api::namespaced(client.clone(), namespace),
            read: Mutex::default(),
            pull_secrets: Mutex::default(),
        }
    }

    /// The credentials for the repository of `image`: from the pull secrets, if the plugin can use any, then from the Secret that the handler
    /// names.
    ///
    /// A pull secret that is missing or unreadable is a note, because the kubelet passes over it too. `settings` are what the plugin is
    /// given.
    ///
    /// # Errors
    /// [`CredentialError`], about the Secret that the handler names.
    pub async fn credentials(
        &self,
        pull_secrets: &PullSecrets,
        secret: Option<&SecretReference>,
        plugin: &Serving,
        image: &ImageReference,
        settings: &str,
    ) -> Result<Credentials, CredentialError> {
        let slots = &plugin.component.manifest().slots;
        let scope = plugin.scope(image, settings);
        let mut credentials = Credentials::default();
        // The kubelet's logins are for registries; a plugin that talks to something else has no use for them.
        let takes_logins = slots.iter().any(|slot| matches!(slot.scheme, SlotScheme::OciToken | SlotScheme::Basic));
        if takes_logins && may_call_registry(&scope) {
            let PullSecretEntries { names, entries, notes } = self.pull_secrets(pull_secrets).await;
            let logins = Logins::of(&entries, image, slots, &scope.grants);
            let listed = names.join(", ");
            credentials.logins.extend(logins.attempts.into_iter().map(|attempt| Login {
                source: format!("the entry {} of the pull secrets ({listed})", attempt.pattern),
                credentials: attempt.credentials,
            }));
            credentials.notes.extend(notes);
            credentials.notes.extend(logins.unusable.into_iter().map(|unusable| {
                format!(
                    "the entry {} of the pull secrets ({listed}) cannot be used: {}",
                    unusable.pattern,
                    unfit(unusable.why)
                )
            }));
        }
        if let Some(reference) = secret {
            credentials.logins.extend(self.named(reference, plugin, image, &scope).await?);
        }
        Ok(credentials)
    }

    /// What the Secret holds that the handler names.
    async fn named(
        &self,
        reference: &SecretReference,
        plugin: &Serving,
        image: &ImageReference,
        scope: &Scope,
    ) -> Result<Vec<Login>, CredentialError> {
        let manifest = plugin.component.manifest();
        let slot = fill::slot(REGISTRY, &plugin.name, manifest, reference.slot.as_deref())?;
        let name = format!("{}/{}", self.namespace, reference.name);
        let secret = match self.secret(&reference.name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Err(CredentialError::NoSecret { field: REGISTRY, secret: name }),
            Err(source) => return Err(CredentialError::Api { field: REGISTRY, secret: name, source }),
        };
        fill::logins(&name, &secret, slot, image, scope)
    }

    async fn secret(&self, name: &str) -> ReadSecret {
        let mut read = self.read.lock().await;
        if let Some(known) = read.get(name) {
            return known.clone();
        }
        let found = self.secrets.get_opt(name).await.map(|secret| secret.map(Arc::new)).map_err(Arc::new);
        read.insert(name.to_owned(), found.clone());
        found
    }

    async fn pull_secrets(&self, given: &PullSecrets) -> PullSecretEntries {
        let mut kept = self.pull_secrets.lock().await;
        if let Some(kept) = &*kept {
            return kept.clone();
        }
        let mut found = PullSecretEntries::default();
        found.names = if given.names.is_empty() {
            self.of_service_account(&given.service_account, &mut found.notes).await
        } else {
            given.names.clone()
        };
        for name in &found.names {
            let full = format!("{}/{name}", self.namespace);
            match self.secret(name).await {
                Ok(Some(secret)) => match fill::entries(&secret) {
                    Ok(contents) => {
                        let problems = contents.problems.iter().map(|problem| format!("pull secret {full}: {problem}"));
                        found.notes.extend(problems);
                        found.entries.extend(contents.entries);
                    }
                    Err(why) => found.notes.push(format!("pull secret {full} cannot be used: {why}")),
                },
                Ok(None) => found.notes.push(format!("pull secret {full} does not exist")),
                Err(err) => found.notes.push(format!("pull secret {full} cannot be read: {}", chain(&*err))),
            }
        }
        *kept = Some(found.clone());
        found
    }

    /// Names of the pull secrets that pods get from their account when they have none of their own.
    async fn of_service_account(&self, account: &str, notes: &mut Vec<String>) -> Vec<String> {
        match self.accounts.get_opt(account).await {
            Ok(found) => {
                let named = found.and_then(|account| account.image_pull_secrets).unwrap_or_default();
                named.into_iter().map(|reference| reference.name).collect()
            }
            Err(err) => {
                let full = format!("{}/{account}", self.namespace);
                notes.push(format!("the pull secrets of ServiceAccount {full} cannot be read: {}", chain(&err)));
                Vec::new()
            }
        }
    }
}

/// The Secret of `namespace` that a handler names for one of its channels, bound to what its `plugin` may call in this `scope`.
///
/// # Errors
/// [`CredentialError`].
pub async fn of_channel(
    client: &Client,
    namespace: &str,
    reference: &SecretReference,
    plugin: &Serving,
    scope: &Scope,
) -> Result<Vec<BoundCredential>, CredentialError> {
    let slot = fill::slot(CHANNEL, &plugin.name, plugin.component.manifest(), reference.slot.as_deref())?;
    let name = format!("{namespace}/{}", reference.name);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    match secrets.get_opt(&reference.name).await {
        Ok(Some(secret)) => fill::bound(CHANNEL, &name, &secret, slot, scope),
        Ok(None) => Err(CredentialError::NoSecret { field: CHANNEL, secret: name }),
        Err(source) => Err(CredentialError::Api { field: CHANNEL, secret: name, source: Arc::new(source) }),
    }
}

fn unfit(why: Unfit) -> &'static str {
    match why {
        Unfit::IdentityToken => {
            "it is an identity token; create the Secret with a user name and an access token instead"
        }
        Unfit::NoSlot => "the plugin has no credential slot for such a login",
    }
}

fn may_call_registry(scope: &Scope) -> bool {
    let Some(registry) = &scope.registry else { return false };
    scope.grants.reachable(Some(registry)).iter().any(|origin| origin.has_same_authority(registry))
}
