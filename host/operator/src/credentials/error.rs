//! Why the Secret that a handler names cannot be used.

use std::sync::Arc;

use thiserror::Error;

use crate::failure::Retry;

/// Why a Secret that a handler names cannot be used. Repeats nothing of what is in it.
#[derive(Clone, Debug, Error)]
pub enum CredentialError {
    /// It does not exist.
    #[error("Secret {secret}, which {field} names, does not exist; create it, or correct the name")]
    NoSecret {
        /// The field that names it.
        field: &'static str,
        /// Namespace and name.
        secret: String,
    },
    /// It holds something else than the slot needs.
    #[error(
        "Secret {secret} cannot fill the credential slot {slot:?}: it lacks {lacks}; a Secret for {field} has the keys \
         username and password, or token, or is of type kubernetes.io/dockerconfigjson"
    )]
    Keys {
        /// The field that names it.
        field: &'static str,
        /// Namespace and name.
        secret: String,
        /// Name of the slot.
        slot: String,
        /// What is missing.
        lacks: String,
    },
    /// The plugin cannot use any.
    #[error(
        "plugin {plugin} has no credential slot, so that {field} is of no use to it; remove it, or use another plugin"
    )]
    NoSlots {
        /// The field that names the Secret.
        field: &'static str,
        /// Name of the Plugin.
        plugin: String,
    },
    /// The plugin has no slot of that name.
    #[error("plugin {plugin} has no credential slot {slot:?}, which {field} names; it has: {slots}")]
    UnknownSlot {
        /// The field that names the Secret.
        field: &'static str,
        /// Name of the Plugin.
        plugin: String,
        /// What was named.
        slot: String,
        /// What there is.
        slots: String,
    },
    /// The plugin has several.
    #[error("plugin {plugin} has several credential slots: {slots}; say in {field}.slot which one the Secret is for")]
    WhichSlot {
        /// The field that names the Secret.
        field: &'static str,
        /// Name of the Plugin.
        plugin: String,
        /// What there is.
        slots: String,
    },
    /// The API server refused or could not be reached.
    #[error(
        "cannot read Secret {secret}, which {field} names; the operator needs the verb get for Secrets in that namespace"
    )]
    Api {
        /// The field that names it.
        field: &'static str,
        /// Namespace and name.
        secret: String,
        /// What the API server said.
        source: Arc<kube::Error>,
    },
}

impl CredentialError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoSecret { .. } => "SecretNotFound",
            Self::Keys { .. } => "SecretKeysMissing",
            Self::NoSlots { .. } | Self::UnknownSlot { .. } | Self::WhichSlot { .. } => "NoSuchSlot",
            Self::Api { .. } => "ApiServerRefused",
        }
    }

    /// When trying again makes sense. Secrets of other namespaces are not watched, so they have to be looked at again.
    pub fn retry(&self) -> Retry {
        match self {
            Self::NoSecret { .. } | Self::Keys { .. } | Self::Api { .. } => Retry::BackOff,
            Self::NoSlots { .. } | Self::UnknownSlot { .. } | Self::WhichSlot { .. } => Retry::OnChange,
        }
    }
}
