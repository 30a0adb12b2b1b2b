//! Removes what was taken up.

use std::collections::BTreeMap;

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation, RemoveOperation, TestOperation};
use kube::api::PatchParams;
use kube::{Api, Client};
use thiserror::Error;

use crate::api::VersioningHandler;
use crate::failure::Retry;

/// Why annotations were not removed.
#[derive(Debug, Error)]
pub enum RemoveError {
    /// They do not say any more what was taken up; a newer event is on its way.
    #[error("the answers on VersioningHandler {namespace}/{name} were changed at the same time")]
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

/// Removes these annotations from a handler, if all of them still have these values, and gives the handler without them; none if it
/// does not exist any more.
///
/// # Errors
/// [`RemoveError::Changed`] if one has another value: then all are still there.
pub async fn remove(
    client: &Client,
    namespace: &str,
    name: &str,
    annotations: &BTreeMap<String, String>,
) -> Result<Option<VersioningHandler>, RemoveError> {
    let api: Api<VersioningHandler> = Api::namespaced(client.clone(), namespace);
    let params = PatchParams { field_manager: Some("k8supdater".to_owned()), ..PatchParams::default() };
    let owned = || (namespace.to_owned(), name.to_owned());
    match api.patch(name, &params, &kube::api::Patch::<VersioningHandler>::Json(patch(annotations))).await {
        Ok(handler) => Ok(Some(handler)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        // A failing test is answered with 422, and a path that is gone as well.
        Err(kube::Error::Api(status)) if matches!(status.code, 409 | 422) => {
            let (namespace, name) = owned();
            Err(RemoveError::Changed { namespace, name })
        }
        Err(source) => {
            let (namespace, name) = owned();
            Err(RemoveError::Api { namespace, name, source: Box::new(source) })
        }
    }
}

/// All tests first, then the removals.
fn patch(annotations: &BTreeMap<String, String>) -> Patch {
    let path = |name: &str| PointerBuf::from_tokens(["metadata", "annotations", name]);
    let tests = annotations
        .iter()
        .map(|(name, value)| PatchOperation::Test(TestOperation { path: path(name), value: value.as_str().into() }));
    let removals = annotations.keys().map(|name| PatchOperation::Remove(RemoveOperation { path: path(name) }));
    Patch(tests.chain(removals).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_removed_unless_everything_is_as_it_was_read() {
        let annotations = [("k8supdater.dev/skip", "2.0.0"), ("k8supdater.dev/by", "ada")];
        let annotations = annotations.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (by, skip) = ("/metadata/annotations/k8supdater.dev~1by", "/metadata/annotations/k8supdater.dev~1skip");
        assert_eq!(
            serde_json::to_value(patch(&annotations)).unwrap(),
            json!([
                {"op": "test", "path": by, "value": "ada"},
                {"op": "test", "path": skip, "value": "2.0.0"},
                {"op": "remove", "path": by},
                {"op": "remove", "path": skip},
            ])
        );
    }
}
