//! The containers of a pod template, as far as images go. Pure.
//!
//! A volume whose content is an image (<https://kubernetes.io/docs/concepts/storage/volumes/#image>) is a container here, too: it has a
//! name, an image, and rules for pulling it.

use std::collections::BTreeMap;

use k8supdater_core::image::Digest;
use k8supdater_core::policy::moving::PullPolicy;

use super::{Workload, restart, rolled_back};

/// Which of a pod's lists a container or a volume is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum List {
    /// Those that make up the pod.
    #[default]
    Containers,
    /// Those that have to end, or to be ready, before the others start.
    InitContainers,
    /// Volumes, some of which are images.
    Volumes,
}

impl List {
    /// The field of the pod's spec.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Containers => "containers",
            Self::InitContainers => "initContainers",
            Self::Volumes => "volumes",
        }
    }

    /// The way from an entry of the list to its image.
    pub const fn image(self) -> &'static [&'static str] {
        match self {
            Self::Containers | Self::InitContainers => &["image"],
            Self::Volumes => &["image", "reference"],
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
    /// Its name, unique among those that are looked at.
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

/// The containers of `workload` in the order of the pod template, then its init containers, then volumes with an image.
///
/// What is known of a container is known by its name, which no two containers of a pod share. A volume may have the name of a container:
/// that one is left out.
pub fn containers(workload: &Workload) -> Vec<Container> {
    let (restarts, rollbacks) = (restart::restarts(workload), rolled_back::rollbacks(workload));
    let pod = workload.pod();
    let found = |list, index, name: &str, image: Option<&String>, pull_policy: Option<&String>| Container {
        list,
        index,
        name: name.to_owned(),
        image: image.cloned().unwrap_or_default(),
        pull_policy: self::pull_policy(pull_policy.map(String::as_str)),
        restarted_for: restarts.get(name).cloned(),
        rolled_back: rollbacks.get(name).copied(),
    };
    let lists = [
        (List::Containers, pod.map(|pod| pod.containers.as_slice())),
        (List::InitContainers, pod.and_then(|pod| pod.init_containers.as_deref())),
    ];
    let containers = lists.into_iter().flat_map(|(list, containers)| {
        containers.unwrap_or_default().iter().enumerate().map(move |(index, container)| (list, index, container))
    });
    let mut all: Vec<Container> = containers
        .map(|(list, index, it)| found(list, index, &it.name, it.image.as_ref(), it.image_pull_policy.as_ref()))
        .collect();
    let volumes = pod.and_then(|pod| pod.volumes.as_deref()).unwrap_or_default();
    let volumes = volumes.iter().enumerate().filter_map(|(index, volume)| {
        let image = volume.image.as_ref().filter(|_| all.iter().all(|container| container.name != volume.name))?;
        Some(found(List::Volumes, index, &volume.name, image.reference.as_ref(), image.pull_policy.as_ref()))
    });
    let volumes: Vec<Container> = volumes.collect();
    all.extend(volumes);
    all
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::apps::v1::Deployment;
    use serde_json::json;

    use super::super::{Object, strip};
    use super::*;

    #[test]
    fn every_image_is_found_where_it_is_unless_a_container_has_the_name_of_its_volume() {
        let pod = json!({
            "containers": [{"name": "app", "image": "a:1", "imagePullPolicy": "Always"}, {"name": "side"}],
            "initContainers": [{"name": "init", "image": "i:1"}],
            "volumes": [
                {"name": "scratch", "emptyDir": {}},
                {"name": "model", "image": {"reference": "m:1", "pullPolicy": "Never"}},
                {"name": "app", "image": {"reference": "x:1"}},
                {"name": "init", "image": {"reference": "x:1"}},
                {"name": "blank", "image": {}},
            ],
        });
        let annotations = json!({"k8supdater.dev/rolled-back": "app=1,model=2"});
        let object =
            json!({"metadata": {"annotations": annotations}, "spec": {"selector": {}, "template": {"spec": pod}}});
        let mut object: Deployment = serde_json::from_value(object).unwrap();
        let found = |object: &Deployment| -> Vec<String> {
            let all = containers(&Deployment::into_workload(Arc::new(object.clone())));
            let line = |it: Container| {
                let Container { list, index, name, image, pull_policy, rolled_back, .. } = it;
                let rolled_back = rolled_back.map(|seconds| seconds.to_string()).unwrap_or_default();
                format!("{} {index} {name} {image} {pull_policy:?} {rolled_back}", list.field())
            };
            all.into_iter().map(line).collect()
        };
        let expected = [
            "containers 0 app a:1 Always 1",
            "containers 1 side  IfNotPresent ",
            "initContainers 0 init i:1 IfNotPresent ",
            "volumes 1 model m:1 Never 2",
            "volumes 4 blank  IfNotPresent ",
        ];
        assert_eq!(found(&object), expected);
        // What the watch keeps is enough, and in the same places.
        strip(&mut object);
        assert_eq!(found(&object), expected);
    }
}
