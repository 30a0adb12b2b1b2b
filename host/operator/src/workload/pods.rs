//! What the pods of a workload run, and what is the matter with them.

mod complaint;

use k8s_openapi::api::core::v1::Pod;
use k8supdater_core::policy::moving::RunningImage;
use kube::Api;
use kube::api::ListParams;
use kube::core::Selector;

pub use complaint::{Complaint, complaint};

use super::{Workload, WorkloadError, Workloads};

impl Workloads {
    /// The pods of `workload` that are not about to end. Asked for now: they are not watched, because only tags that move and rollouts
    /// that do not get on make them interesting.
    ///
    /// # Errors
    /// [`WorkloadError::Api`].
    pub async fn pods(&self, workload: &Workload) -> Result<Vec<Pod>, WorkloadError> {
        // An API server takes no workload whose selector cannot be read; one that could would select every pod there is.
        let selector = workload.selector().cloned().unwrap_or_default();
        let Ok(selector) = Selector::try_from(selector) else { return Ok(Vec::new()) };
        if selector.selects_all() {
            return Ok(Vec::new());
        }
        let namespace = workload.namespace();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let listed = api.list(&ListParams::default().labels_from(&selector)).await;
        let failed = |err| WorkloadError::api("list the pods of", namespace, &workload.reference(), err);
        let pods = listed.map_err(failed)?;
        Ok(pods.items.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect())
    }
}

impl Workloads {
    /// stub
    pub async fn delete_stuck_pods(
        &self,
        _: &str,
        _: &crate::api::workload::WorkloadRef,
        _: &[(String, String)],
    ) -> Result<usize, WorkloadError> {
        Ok(0)
    }
}

/// What `pods` run in `container`, each image once. Pods that do not tell are left out. Pure.
pub fn running(pods: &[Pod], container: &str) -> Vec<RunningImage> {
    let statuses = pods.iter().filter_map(|pod| pod.status.as_ref()).flat_map(|status| {
        [&status.container_statuses, &status.init_container_statuses].into_iter().flatten().flatten()
    });
    let mut images: Vec<RunningImage> = Vec::new();
    for image in
        statuses.filter(|status| status.name == container).filter_map(|status| RunningImage::parse(&status.image_id))
    {
        if !images.contains(&image) {
            images.push(image);
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ContainerStatus, PodStatus};

    use super::*;

    #[test]
    fn each_image_that_runs_is_named_once() {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let pod = |images: &[(&str, String)]| {
            let status = |(name, image_id): &(&str, String)| ContainerStatus {
                name: (*name).to_owned(),
                image_id: image_id.clone(),
                ..ContainerStatus::default()
            };
            let container_statuses = Some(images.iter().map(status).collect());
            Pod { status: Some(PodStatus { container_statuses, ..PodStatus::default() }), ..Pod::default() }
        };
        let (one, two) = (format!("ghcr.io/a@{}", digest("1")), format!("ghcr.io/a@{}", digest("2")));
        let pods = [
            pod(&[("app", one.clone()), ("db", two.clone())]),
            pod(&[("app", one)]),
            pod(&[("app", String::new())]),
            pod(&[("app", two)]),
            Pod::default(),
        ];
        let init =
            ContainerStatus { name: "init".to_owned(), image_id: format!("a@{}", digest("3")), ..Default::default() };
        let status = PodStatus { init_container_statuses: Some(vec![init]), ..PodStatus::default() };
        let started = Pod { status: Some(status), ..Pod::default() };
        assert_eq!(running(&[started], "init")[0].digest.to_string(), digest("3"));
        let found: Vec<String> = running(&pods, "app").iter().map(|image| image.digest.to_string()).collect();
        assert_eq!(found, [digest("1"), digest("2")]);
    }
}
