//! Removes what was taken up.

use std::collections::BTreeSet;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::api::VersioningHandler;
use crate::failure::Retry;

/// Why annotations were not removed.
#[derive(Debug, Error)]
pub enum RemoveError {
    /// The handler has changed, perhaps its answers; a newer event is on its way.
    #[error("VersioningHandler {namespace}/{name} was changed at the same time")]
    Changed {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("cannot remove the answers from VersioningHandler {namespace}/{name}")]
    Api {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
}

impl RemoveError {
    /// A fixed CamelCase word for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Changed { .. } => "HandlerChangedMeanwhile",
            Self::Api { .. } => "ApiServerRefused",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Changed { .. } => Retry::Soon,
            Self::Api { .. } => Retry::BackOff,
        }
    }
}

/// Removes these annotations from `handler`, if nothing about it has changed since it was so, and gives it without them; none if it does
/// not exist any more.
///
/// A JSON Patch that tests their values would let other changes pass, but the API server (1.36) compares texts as they are spelt in JSON, and
/// `<` is not spelt alike everywhere: it would never find that `Ada <ada>` still stands there.
///
/// # Errors
/// [`RemoveError::Changed`] if it has changed: then all are still there.
pub async fn remove(
    client: &Client,
    handler: &VersioningHandler,
    annotations: &BTreeSet<&'static str>,
) -> Result<Option<VersioningHandler>, RemoveError> {
    let (namespace, name) = (handler.namespace().unwrap_or_default(), handler.name_any());
    let api: Api<VersioningHandler> = Api::namespaced(client.clone(), &namespace);
    let removed: Map<String, Value> = annotations.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
    // With the version in it the API server refuses what was made for another state of the object.
    let patch = json!({"metadata": {"resourceVersion": handler.resource_version(), "annotations": removed}});
    let params = PatchParams { field_manager: Some("k8supdater".to_owned()), ..PatchParams::default() };
    match api.patch(&name, &params, &Patch::Merge(&patch)).await {
        Ok(handler) => Ok(Some(handler)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 409 => Err(RemoveError::Changed { namespace, name }),
        Err(source) => Err(RemoveError::Api { namespace, name, source: Box::new(source) }),
    }
}
