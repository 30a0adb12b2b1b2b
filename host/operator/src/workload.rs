//! Workloads: read from a shared watch, changed with guarded patches.
//!
//! Owns the cache of Deployments and the only function that changes one. Pure parts, tested as tables: [`containers`], [`rollout`],
//! [`restart`] and the building of the patch in [`patch`].

pub mod containers;
pub mod patch;
pub mod pods;
pub mod restart;
pub mod rollout;

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client};
use thiserror::Error;

use crate::failure::Retry;

/// All Deployments that the operator may see.
#[derive(Clone)]
pub struct Workloads {
    client: Client,
    /// As of their watch; none for a single look, which does not pay for one.
    store: Option<Store<Deployment>>,
}

/// Why a workload could not be read or changed.
#[derive(Debug, Error)]
pub enum WorkloadError {
    /// There is none of that name.
    #[error(
        "Deployment {namespace}/{name} does not exist; create it, or correct spec.deployment (the operator notices either by itself)"
    )]
    NotFound {
        /// Where it was looked for.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The image or the order of the containers is not what the decision was made on: somebody else changed the workload.
    #[error(
        "Deployment {namespace}/{name} was changed by somebody else at the same time; their change is left alone and looked at again"
    )]
    Overtaken {
        /// Where it is.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("cannot {verb} Deployment {namespace}/{name}")]
    Api {
        /// `read`, `patch` or `list the pods of`.
        verb: &'static str,
        /// Where it is.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
}

impl WorkloadError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "WorkloadNotFound",
            Self::Overtaken { .. } => "WorkloadChangedMeanwhile",
            Self::Api { .. } => "ApiServerRefused",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::NotFound { .. } => Retry::OnChange,
            Self::Overtaken { .. } => Retry::Soon,
            Self::Api { .. } => Retry::BackOff,
        }
    }
}

impl Workloads {
    /// A view on `store`, which the caller keeps filled.
    pub fn watched(client: Client, store: Store<Deployment>) -> Self {
        Self { client, store: Some(store) }
    }

    /// Asks the API server each time.
    pub fn unwatched(client: Client) -> Self {
        Self { client, store: None }
    }

    /// Reads a Deployment that has reached at least `generation`: from the watch, or, where the watch lags behind a change that
    /// the operator itself has made, from the API server.
    ///
    /// # Errors
    /// [`WorkloadError::NotFound`] or [`WorkloadError::Api`].
    pub async fn read(
        &self,
        namespace: &str,
        name: &str,
        generation: Option<i64>,
    ) -> Result<Arc<Deployment>, WorkloadError> {
        let now = async || {
            let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
            api.get(name).await.map(Arc::new).map_err(|err| WorkloadError::api("read", namespace, name, err))
        };
        let Some(store) = &self.store else { return now().await };
        let known = store.get(&ObjectRef::new(name).within(namespace));
        match (known, generation) {
            (Some(known), Some(generation)) if known.metadata.generation < Some(generation) => now().await,
            (Some(known), _) => Ok(known),
            (None, _) => Err(WorkloadError::NotFound { namespace: namespace.to_owned(), name: name.to_owned() }),
        }
    }
}

impl WorkloadError {
    fn api(verb: &'static str, namespace: &str, name: &str, err: kube::Error) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        match err {
            kube::Error::Api(status) if status.code == 404 => Self::NotFound { namespace, name },
            err => Self::Api { verb, namespace, name, source: Box::new(err) },
        }
    }
}

/// Drops what the operator never looks at, so that the watch of a large cluster stays small in memory.
pub fn strip(deployment: &mut Deployment) {
    deployment.metadata.managed_fields = None;
    deployment.metadata.annotations = None;
    let Some(pod) = deployment.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()) else { return };
    let containers = std::mem::take(&mut pod.containers);
    *pod = k8s_openapi::api::core::v1::PodSpec {
        containers: containers
            .into_iter()
            .map(|container| k8s_openapi::api::core::v1::Container {
                name: container.name,
                image: container.image,
                image_pull_policy: container.image_pull_policy,
                ..Default::default()
            })
            .collect(),
        image_pull_secrets: pod.image_pull_secrets.take(),
        service_account_name: pod.service_account_name.take(),
        node_selector: pod.node_selector.take(),
        ..Default::default()
    };
}
