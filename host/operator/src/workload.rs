//! Workloads: one face for all kinds, read from shared watches and changed with guarded patches.
//!
//! Owns the caches of workloads and the only function that changes one. Pure parts, tested as tables: [`kind`] and [`object`], which
//! know how the kinds differ, [`containers`], [`owner`], [`rollout`], [`restart`], [`rolled_back`] and the
//! building of the patch in [`patch`].

pub mod containers;
pub mod jobs;
pub mod kind;
pub mod object;
pub mod owner;
pub mod patch;
pub mod pods;
pub mod restart;
pub mod rolled_back;
pub mod rollout;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use kube::api::ObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client};
use thiserror::Error;

use crate::api::workload::{WorkloadKind, WorkloadRef};
use crate::failure::Retry;

pub use object::{Object, Workload, strip};

/// All workloads that the operator may see.
#[derive(Clone)]
pub struct Workloads {
    client: Client,
    /// As of their watches; none for a single look, which does not pay for any.
    stores: Option<Stores>,
}

/// What the watches of workloads have brought.
#[derive(Clone)]
pub struct Stores {
    /// All Deployments.
    pub deployments: Store<Deployment>,
    /// All StatefulSets.
    pub stateful_sets: Store<StatefulSet>,
    /// All DaemonSets.
    pub daemon_sets: Store<DaemonSet>,
    /// All CronJobs.
    pub cron_jobs: Store<CronJob>,
}

/// Why a workload could not be read or changed.
#[derive(Debug, Error)]
pub enum WorkloadError {
    /// There is none of that kind and name.
    #[error(
        "{kind} {namespace}/{name} does not exist; create it, or correct {fields} (the operator notices either by itself)",
        fields = kind.fields()
    )]
    NotFound {
        /// Its kind.
        kind: WorkloadKind,
        /// Where it was looked for.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The image or the order of the containers is not what the decision was made on: somebody else changed the workload.
    #[error(
        "{kind} {namespace}/{name} was changed by somebody else at the same time; their change is left alone and looked at again"
    )]
    Overtaken {
        /// Its kind.
        kind: WorkloadKind,
        /// Where it is.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("cannot {verb} {kind} {namespace}/{name}")]
    Api {
        /// `read`, `patch`, `list the pods of`, `delete a pod of` or `list the Jobs of`.
        verb: &'static str,
        /// Its kind.
        kind: WorkloadKind,
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
    /// A view on `stores`, which the caller keeps filled.
    pub fn watched(client: Client, stores: Stores) -> Self {
        Self { client, stores: Some(stores) }
    }

    /// Asks the API server each time.
    pub fn unwatched(client: Client) -> Self {
        Self { client, stores: None }
    }

    /// Reads a workload that has reached at least `generation`: from its watch, or, where the watch lags behind a change that the operator
    /// itself has made, from the API server.
    ///
    /// # Errors
    /// [`WorkloadError::NotFound`] or [`WorkloadError::Api`].
    pub async fn read(
        &self,
        namespace: &str,
        workload: &WorkloadRef,
        generation: Option<i64>,
    ) -> Result<Workload, WorkloadError> {
        let stores = self.stores.as_ref();
        match workload.kind {
            WorkloadKind::Deployment => {
                self.look(stores.map(|stores| &stores.deployments), namespace, workload, generation).await
            }
            WorkloadKind::StatefulSet => {
                self.look(stores.map(|stores| &stores.stateful_sets), namespace, workload, generation).await
            }
            WorkloadKind::DaemonSet => {
                self.look(stores.map(|stores| &stores.daemon_sets), namespace, workload, generation).await
            }
            WorkloadKind::CronJob => {
                self.look(stores.map(|stores| &stores.cron_jobs), namespace, workload, generation).await
            }
        }
    }

    /// The workloads of a namespace that are `meant`, as of their watches, by kind and name; none without watches.
    pub fn select(
        &self,
        namespace: &str,
        meant: impl Fn(WorkloadKind, &BTreeMap<String, String>) -> bool,
    ) -> Vec<WorkloadRef> {
        fn add<K: Object>(
            found: &mut Vec<WorkloadRef>,
            store: &Store<K>,
            is_meant: &impl Fn(WorkloadKind, &ObjectMeta) -> bool,
        ) {
            let meant = store.state_filter(|workload| is_meant(K::KIND, workload.meta()));
            let names = meant.iter().filter_map(|workload| workload.meta().name.clone());
            found.extend(names.map(|name| WorkloadRef { kind: K::KIND, name }));
        }
        let none = BTreeMap::new();
        let is_meant = |kind, metadata: &ObjectMeta| {
            let labels = metadata.labels.as_ref().unwrap_or(&none);
            metadata.namespace.as_deref() == Some(namespace) && meant(kind, labels)
        };
        let mut found = Vec::new();
        if let Some(stores) = &self.stores {
            add(&mut found, &stores.deployments, &is_meant);
            add(&mut found, &stores.stateful_sets, &is_meant);
            add(&mut found, &stores.daemon_sets, &is_meant);
            add(&mut found, &stores.cron_jobs, &is_meant);
        }
        found.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        found
    }

    async fn look<K: Object>(
        &self,
        store: Option<&Store<K>>,
        namespace: &str,
        workload: &WorkloadRef,
        generation: Option<i64>,
    ) -> Result<Workload, WorkloadError> {
        let now = async || {
            let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
            let read = api.get(&workload.name).await;
            read.map(Arc::new).map_err(|err| WorkloadError::api("read", namespace, workload, err))
        };
        let known = store.map(|store| store.get(&ObjectRef::new(&workload.name).within(namespace)));
        let found = match (known, generation) {
            (None, _) => now().await,
            (Some(None), _) => Err(WorkloadError::not_found(namespace, workload)),
            (Some(Some(known)), Some(generation)) if known.meta().generation < Some(generation) => now().await,
            (Some(Some(known)), _) => Ok(known),
        };
        found.map(K::into_workload)
    }
}

impl WorkloadError {
    fn not_found(namespace: &str, workload: &WorkloadRef) -> Self {
        Self::NotFound { kind: workload.kind, namespace: namespace.to_owned(), name: workload.name.clone() }
    }

    fn api(verb: &'static str, namespace: &str, workload: &WorkloadRef, err: kube::Error) -> Self {
        match err {
            kube::Error::Api(status) if status.code == 404 => Self::not_found(namespace, workload),
            err => Self::Api {
                verb,
                kind: workload.kind,
                namespace: namespace.to_owned(),
                name: workload.name.clone(),
                source: Box::new(err),
            },
        }
    }
}
