//! The containers of a pod template, as far as images go. Pure.

use std::collections::BTreeMap;

use k8supdater_core::image::Digest;
use k8supdater_core::policy::moving::PullPolicy;

use super::{Workload, restart, rolled_back};

/// Which of a pod's lists a container is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum List {
    /// Those that make up the pod.
    #[default]
    Containers,
    /// Those that have to end, or to be ready, before the others start.
    InitContainers,
}

impl List {
    /// The field of the pod's spec.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Containers => "containers",
            Self::InitContainers => "initContainers",
        }
    }
}

/// One container of a pod template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The list that it is in.
    pub list: List,
    /// Place in that list, from 0.
    pub index: usize,
    /// Its name, unique in the pod.
    pub name: String,
    /// Its image as written; empty if there is none.
    pub image: String,
    /// When nodes pull it.
    pub pull_policy: PullPolicy,
    /// The digest for which the workload was last restarted by this operator.
    pub restarted_for: Option<Digest>,
    /// When the update of it was announced that this operator has taken back last, in seconds since the epoch.
    pub rolled_back: Option<i64>,
}

/// Where the pods of a workload get the logins for their registries from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullSecrets {
    /// Names in the pod template, in its order.
    pub names: Vec<String>,
    /// The `ServiceAccount` whose pull secrets count where the pod template names none
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#serviceaccount-admission-controller>).
    pub service_account: String,
}

/// The containers of `workload` in the order of the pod template, init containers last.
pub fn containers(workload: &Workload) -> Vec<Container> {
    let (restarts, rollbacks) = (restart::restarts(workload), rolled_back::rollbacks(workload));
    let pod = workload.pod();
    let lists = [
        (List::Containers, pod.map(|pod| pod.containers.as_slice())),
        (List::InitContainers, pod.and_then(|pod| pod.init_containers.as_deref())),
    ];
    let containers = lists.into_iter().flat_map(|(list, containers)| {
        containers.unwrap_or_default().iter().enumerate().map(move |(index, container)| (list, index, container))
    });
    containers
        .map(|(list, index, container)| Container {
            list,
            index,
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
            pull_policy: pull_policy(container.image_pull_policy.as_deref()),
            restarted_for: restarts.get(&container.name).cloned(),
            rolled_back: rollbacks.get(&container.name).copied(),
        })
        .collect()
}

/// The pull secrets of `workload`.
pub fn pull_secrets(workload: &Workload) -> PullSecrets {
    let pod = workload.pod();
    let named = pod.and_then(|pod| pod.image_pull_secrets.as_deref()).unwrap_or_default();
    let account = pod.and_then(|pod| pod.service_account_name.clone()).filter(|name| !name.is_empty());
    PullSecrets {
        names: named.iter().map(|reference| reference.name.clone()).collect(),
        service_account: account.unwrap_or_else(|| "default".to_owned()),
    }
}

/// The labels that a node must have to run the pods of `workload`.
pub fn node_selector(workload: &Workload) -> BTreeMap<String, String> {
    workload.pod().and_then(|pod| pod.node_selector.clone()).unwrap_or_default()
}

/// The API server fills in what is missing, so another value than these three is one that does not exist yet: the careful reading is that
/// a restart may not pull.
fn pull_policy(policy: Option<&str>) -> PullPolicy {
    match policy {
        Some("Always") => PullPolicy::Always,
        Some("Never") => PullPolicy::Never,
        _ => PullPolicy::IfNotPresent,
    }
}
