//! The watches of workloads, one for each kind, and which handlers they wake.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use kube::runtime::controller::Controller;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource, ResourceExt};

use super::{Guarded, Known, Watched, scoped, watched};
use crate::api::versioning_handler::VersioningHandler;
use crate::api::workload::WorkloadRef;
use crate::fleet::owner;
use crate::fleet::selection::Selection;
use crate::telemetry::health::{Health, Watch};
use crate::workload::{Object, Stores, strip};

/// The watches of one scope. Somebody has to poll them, which is what the controller does that they [wake](Self::wake).
pub(super) struct WatchedWorkloads {
    deployments: Watched<Deployment>,
    stateful_sets: Watched<StatefulSet>,
    daemon_sets: Watched<DaemonSet>,
    cron_jobs: Watched<CronJob>,
}

/// What these watches have brought so far.
#[derive(Clone)]
pub(super) struct KnownWorkloads {
    deployments: Known<Deployment>,
    stateful_sets: Known<StatefulSet>,
    daemon_sets: Known<DaemonSet>,
    cron_jobs: Known<CronJob>,
}

impl WatchedWorkloads {
    /// The workloads of a namespace, or all of them.
    pub(super) fn new(client: &Client, namespace: Option<&str>, health: &Health) -> Self {
        Self {
            deployments: stripped(client, namespace, health.watch("deployments", namespace)),
            stateful_sets: stripped(client, namespace, health.watch("stateful-sets", namespace)),
            daemon_sets: stripped(client, namespace, health.watch("daemon-sets", namespace)),
            cron_jobs: stripped(client, namespace, health.watch("cron-jobs", namespace)),
        }
    }

    /// Where what they bring can be read.
    pub(super) fn stores(&self) -> Stores {
        Stores {
            deployments: self.deployments.known.store.clone(),
            stateful_sets: self.stateful_sets.known.store.clone(),
            daemon_sets: self.daemon_sets.known.store.clone(),
            cron_jobs: self.cron_jobs.known.store.clone(),
        }
    }

    /// What they have brought so far.
    pub(super) fn known(&self) -> KnownWorkloads {
        KnownWorkloads {
            deployments: self.deployments.known.clone(),
            stateful_sets: self.stateful_sets.known.clone(),
            daemon_sets: self.daemon_sets.known.clone(),
            cron_jobs: self.cron_jobs.known.clone(),
        }
    }

    /// Has `controller` look at a handler, out of `handlers`, whenever its workload changes.
    pub(super) fn wake(
        self,
        controller: Controller<Guarded<VersioningHandler>>,
        handlers: &Store<Guarded<VersioningHandler>>,
    ) -> Controller<Guarded<VersioningHandler>> {
        controller
            .watches_stream(self.deployments.touched, naming(handlers))
            .watches_stream(self.stateful_sets.touched, naming(handlers))
            .watches_stream(self.daemon_sets.touched, naming(handlers))
            .watches_stream(self.cron_jobs.touched, naming(handlers))
    }
}

impl KnownWorkloads {
    /// Waits until the first lists have come.
    pub(super) async fn wait_until_listed(&self) {
        self.deployments.wait_until_listed().await;
        self.stateful_sets.wait_until_listed().await;
        self.daemon_sets.wait_until_listed().await;
        self.cron_jobs.wait_until_listed().await;
    }
}

fn stripped<K: Object>(client: &Client, namespace: Option<&str>, watch: Watch) -> Watched<K> {
    watched(watcher(scoped::<K>(client, namespace), watcher::Config::default()).modify(strip), watch)
}

/// The handlers that name a workload; the fleets that select it; and those that did, which they have a member for.
fn naming<K: Object>(
    handlers: &Store<Guarded<VersioningHandler>>,
) -> impl Fn(K) -> Vec<ObjectRef<Guarded<VersioningHandler>>> + Send + Sync + 'static {
    let handlers = handlers.clone();
    move |workload| {
        let namespace = workload.namespace();
        let reference = WorkloadRef { kind: K::KIND, name: workload.name_any() };
        let is_concerned = |handler: &VersioningHandler| match &handler.spec.selector {
            Some(selector) => {
                Selection::parse(selector).is_ok_and(|selection| selection.matches(K::KIND, workload.labels()))
            }
            None => handler.spec.workload_ref().as_ref() == Some(&reference),
        };
        let concerned = handlers
            .state_filter(|handler| handler.namespace() == namespace && handler.0.as_ref().is_ok_and(is_concerned));
        let fleets = concerned.iter().filter_map(|handler| {
            let fleet = owner(handler.meta())?;
            Some(ObjectRef::new(&fleet.name).within(namespace.as_deref()?))
        });
        fleets.chain(concerned.iter().map(|handler| ObjectRef::from_obj(&**handler))).collect()
    }
}
