//! The containers of a pod template, as far as images go. Pure.

use k8s_openapi::api::apps::v1::Deployment;

/// One container of a pod template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Place in `spec.template.spec.containers`, from 0.
    pub index: usize,
    /// Its name, unique in the pod.
    pub name: String,
    /// Its image as written; empty if there is none.
    pub image: String,
}

/// The containers of `deployment`, in the order of the pod template.
pub fn containers(deployment: &Deployment) -> Vec<Container> {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    pod.map(|pod| pod.containers.as_slice())
        .unwrap_or_default()
        .iter()
        .enumerate()
        .map(|(index, container)| Container {
            index,
            name: container.name.clone(),
            image: container.image.clone().unwrap_or_default(),
        })
        .collect()
}
