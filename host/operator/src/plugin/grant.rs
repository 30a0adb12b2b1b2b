//! What a plugin may do: what it asks for and is granted, both.

use k8s_openapi::api::core::v1::Secret;
use k8supdater_core::origin::{Grant, Grants, Origin};
use k8supdater_egress::{BoundCredential, Credential, RealmBinding, Scheme};
use k8supdater_runtime::manifest::{Manifest, SlotScheme};
use kube::Api;
use thiserror::Error;

use crate::api::plugin::{Plugin, SecretGrant};
use crate::failure::Retry;

/// The grants of a Plugin object, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Granted {
    pub origins: Grants,
    pub secrets: Vec<(SecretGrant, Origin)>,
    pub realms: Vec<RealmBinding>,
}

/// Why grants cannot be used, or are not enough.
#[derive(Debug, Error)]
pub enum GrantError {
    /// A text that should be an origin is none.
    #[error("spec.grants.{field} of Plugin {plugin} is not usable: {message}")]
    Malformed {
        /// Name of the Plugin.
        plugin: String,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The component asks for more than is granted.
    #[error(
        "Plugin {plugin} asks for {missing}, which spec.grants.origins does not cover; add it there, or use another plugin"
    )]
    NotCovered {
        /// Name of the Plugin.
        plugin: String,
        /// The origins that are asked for and not granted.
        missing: String,
    },
    /// A Secret is granted for a slot that the component does not have.
    #[error(
        "spec.grants.secrets of Plugin {plugin} fills the slot {slot:?}, which the component does not have; it has: {slots}"
    )]
    NoSuchSlot {
        /// Name of the Plugin.
        plugin: String,
        /// The slot that was named.
        slot: String,
        /// The slots that there are.
        slots: String,
    },
    /// A Secret that is granted does not exist.
    #[error(
        "Secret {secret}, which Plugin {plugin} is granted for the slot {slot:?}, does not exist in the operator's namespace"
    )]
    NoSecret {
        /// Name of the Plugin.
        plugin: String,
        /// Name of the Secret.
        secret: String,
        /// The slot that it should fill.
        slot: String,
    },
    /// A Secret does not have the keys that its slot needs.
    #[error("Secret {secret}, which Plugin {plugin} is granted for the slot {slot:?}, lacks {lacks}")]
    SecretKeys {
        /// Name of the Plugin.
        plugin: String,
        /// Name of the Secret.
        secret: String,
        /// The slot that it should fill.
        slot: String,
        /// The keys that are missing.
        lacks: &'static str,
    },
    /// The API server refused or could not be reached.
    #[error("cannot read Secret {secret}, which Plugin {plugin} is granted")]
    Api {
        /// Name of the Plugin.
        plugin: String,
        /// Name of the Secret.
        secret: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
}

impl GrantError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "InvalidGrant",
            Self::NotCovered { .. } => "NotGranted",
            Self::NoSuchSlot { .. } => "NoSuchSlot",
            Self::NoSecret { .. } => "SecretNotFound",
            Self::SecretKeys { .. } => "SecretKeysMissing",
            Self::Api { .. } => "ApiServerRefused",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Api { .. } => Retry::BackOff,
            Self::Malformed { .. }
            | Self::NotCovered { .. }
            | Self::NoSuchSlot { .. }
            | Self::NoSecret { .. }
            | Self::SecretKeys { .. } => Retry::OnChange,
        }
    }
}

/// The grants of `plugin`, parsed. Pure.
///
/// # Errors
/// [`GrantError::Malformed`] for the first text that is no origin.
pub(super) fn parse(plugin: &Plugin) -> Result<Granted, GrantError> {
    let name = plugin.metadata.name.clone().unwrap_or_default();
    let malformed =
        |field: &'static str, message: String| GrantError::Malformed { plugin: name.clone(), field, message };
    let Some(grants) = &plugin.spec.grants else { return Ok(Granted::default()) };
    let origins = grants
        .origins
        .iter()
        .map(|text| text.parse::<Grant>().map_err(|err| malformed("origins", err.to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    let secrets = grants
        .secrets
        .iter()
        .map(|secret| match Origin::parse(&secret.origin) {
            Ok(origin) => Ok((secret.clone(), origin)),
            Err(err) => Err(malformed("secrets", err.to_string())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let realms = grants
        .realms
        .iter()
        .map(|realm| {
            let registry = Origin::parse(&realm.registry).map_err(|err| malformed("realms", err.to_string()))?;
            let realm = Origin::parse(&realm.realm).map_err(|err| malformed("realms", err.to_string()))?;
            Ok(RealmBinding { registry, realm })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Granted { origins: Grants::new(origins), secrets, realms })
}

/// The origins that `manifest` asks for.
pub(super) fn asked(manifest: &Manifest) -> Grants {
    Grants::new(manifest.origins.iter().map(|asked| asked.origin.clone()).collect())
}

/// Makes sure that all that the component asks for is granted, and that granted Secrets have a slot to go to. Pure.
///
/// # Errors
/// [`GrantError::NotCovered`] or [`GrantError::NoSuchSlot`].
pub(super) fn check_coverage(plugin: &str, manifest: &Manifest, granted: &Granted) -> Result<(), GrantError> {
    let missing = Grants::missing(&asked(manifest), &granted.origins);
    if !missing.is_empty() {
        let missing = missing.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(GrantError::NotCovered { plugin: plugin.to_owned(), missing });
    }
    for (secret, _) in &granted.secrets {
        if !manifest.slots.iter().any(|slot| slot.name == secret.slot) {
            let slots: Vec<&str> = manifest.slots.iter().map(|slot| slot.name.as_str()).collect();
            let slots = if slots.is_empty() { "none".to_owned() } else { slots.join(", ") };
            return Err(GrantError::NoSuchSlot { plugin: plugin.to_owned(), slot: secret.slot.clone(), slots });
        }
    }
    Ok(())
}

/// Reads the granted Secrets. Their values go into [`Credential`]s at once and nowhere else.
///
/// # Errors
/// [`GrantError::NoSecret`], [`GrantError::SecretKeys`] or [`GrantError::Api`].
pub(super) async fn read_secrets(
    api: &Api<Secret>,
    plugin: &str,
    manifest: &Manifest,
    granted: &Granted,
) -> Result<Vec<BoundCredential>, GrantError> {
    let mut credentials = Vec::new();
    for (grant, origin) in &granted.secrets {
        let Some(slot) = manifest.slots.iter().find(|slot| slot.name == grant.slot) else { continue };
        let name = || (plugin.to_owned(), grant.secret_name.clone());
        let secret = api.get_opt(&grant.secret_name).await.map_err(|err| {
            let (plugin, secret) = name();
            GrantError::Api { plugin, secret, source: Box::new(err) }
        })?;
        let Some(secret) = secret else {
            let (plugin, secret) = name();
            return Err(GrantError::NoSecret { plugin, secret, slot: grant.slot.clone() });
        };
        let credential = credential(&secret, &slot.scheme).map_err(|lacks| {
            let (plugin, secret) = name();
            GrantError::SecretKeys { plugin, secret, slot: grant.slot.clone(), lacks }
        })?;
        credentials.push(BoundCredential {
            slot: grant.slot.clone(),
            origin: origin.clone(),
            scheme: scheme(&slot.scheme),
            secret: credential,
        });
    }
    Ok(credentials)
}
