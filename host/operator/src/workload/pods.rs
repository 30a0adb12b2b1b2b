//! What the pods of a workload run, and what is the matter with them.

mod complaint;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8supdater_core::policy::moving::RunningImage;
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::core::Selector;
use kube::{Api, ResourceExt};

pub use complaint::{Complaint, complaint};

pub(super) use complaint::has_image;

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

    /// Deletes the pods of a StatefulSet that are not ready and still have one of `images`, each given with the name of its container or
    /// volume, after that was set back to another one. Returns how many.
    ///
    /// A StatefulSet replaces its pods one after the other, and waits for ever for one that never becomes ready, even if it has another
    /// template by now: somebody has to delete it
    /// (<https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback>). Controllers of other kinds need no such
    /// help. A pod that has gone by itself meanwhile, or was replaced by one of the same name, does not count.
    ///
    /// # Errors
    /// [`WorkloadError::Api`]; some may have been deleted by then.
    pub async fn delete_stuck_pods(
        &self,
        workload: &Workload,
        images: &[(&str, &str)],
    ) -> Result<usize, WorkloadError> {
        let pods = self.pods(workload).await?;
        let namespace = workload.namespace();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut deleted = 0;
        for pod in stuck(&pods, workload.metadata().uid.as_deref().unwrap_or_default(), images) {
            let preconditions = Some(Preconditions { uid: pod.uid(), resource_version: None });
            match api.delete(&pod.name_any(), &DeleteParams { preconditions, ..DeleteParams::default() }).await {
                Ok(_) => deleted += 1,
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
                Err(err) => {
                    return Err(WorkloadError::api("delete a pod of", namespace, &workload.reference(), err));
                }
            }
        }
        Ok(deleted)
    }
}

/// Those of `pods` that belong to the workload with this `uid`, are not ready, and have one of `images`. Pure.
fn stuck<'a>(pods: &'a [Pod], uid: &str, images: &[(&str, &str)]) -> impl Iterator<Item = &'a Pod> {
    pods.iter().filter(move |pod| {
        let is_own = pod.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.uid == uid);
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let is_ready = conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True");
        let has_one = |spec: &PodSpec| images.iter().any(|(container, image)| has_image(spec, container, image));
        is_own && !is_ready && pod.spec.as_ref().is_some_and(has_one)
    })
}

/// What `pods` run in `container`, each image once. Pods that do not tell are left out. Pure.
///
/// Of an image that is a volume most clusters tell nothing: its digest is in the status only with the feature gate `ImageVolumeWithDigest`
/// (<https://github.com/kubernetes/enhancements/tree/master/keps/sig-node/5365-image-volume-digest>).
pub fn running(pods: &[Pod], container: &str) -> Vec<RunningImage> {
    let statuses = pods.iter().filter_map(|pod| pod.status.as_ref()).flat_map(|status| {
        [&status.container_statuses, &status.init_container_statuses].into_iter().flatten().flatten()
    });
    let image_ids = statuses.flat_map(|status| {
        let own = (status.name == container).then_some(status.image_id.as_str());
        let mounts = status.volume_mounts.iter().flatten().filter(|mount| mount.name == container);
        let mounted = mounts.filter_map(|mount| mount.volume_status.as_ref()?.image.as_ref());
        own.into_iter().chain(mounted.map(|image| image.image_ref.as_str()))
    });
    let mut images: Vec<RunningImage> = Vec::new();
    for image in image_ids.filter_map(RunningImage::parse) {
        if !images.contains(&image) {
            images.push(image);
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{ContainerStatus, PodStatus};
    use serde_json::json;

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

    #[test]
    fn only_own_pods_that_are_not_ready_and_have_the_image_are_stuck() {
        let check = |owner: (&str, bool), image: &str, ready: &str, expected: bool| {
            let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": owner.0,
                "controller": owner.1});
            let pod: Pod = serde_json::from_value(json!({
                "metadata": {"name": "db-0", "ownerReferences": [owner]},
                "spec": {"containers": [{"name": "app", "image": image}, {"name": "side", "image": "a:1"}]},
                "status": {"conditions": [{"type": "ContainersReady", "status": "True"}, {"type": "Ready", "status": ready}]},
            }))
            .unwrap();
            let found = stuck(&[pod], "1", &[("app", "a:2"), ("side", "s:2")]).count();
            assert_eq!(found, usize::from(expected), "{owner} {image} {ready}");
        };
        check(("1", true), "a:2", "False", true);
        check(("1", true), "a:2", "Unknown", true);
        check(("1", true), "a:2", "True", false);
        check(("1", true), "a:1", "False", false);
        check(("1", true), "s:2", "False", false);
        check(("2", true), "a:2", "False", false);
        check(("1", false), "a:2", "False", false);
        let unborn: Pod = serde_json::from_value(json!({"metadata": {"name": "db-0"}})).unwrap();
        assert_eq!(stuck(&[unborn], "1", &[("app", "a:2")]).count(), 0);
    }

    #[test]
    fn image_that_is_a_volume_is_named_where_the_pod_tells_it() {
        let digest = format!("sha256:{}", "1".repeat(64));
        let mount =
            |name: &str, image: serde_json::Value| json!({"name": name, "mountPath": "/x", "volumeStatus": image});
        let pod = |mounts: serde_json::Value| -> Pod {
            let status = json!({"name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "volumeMounts": mounts});
            serde_json::from_value(json!({"status": {"containerStatuses": [status]}})).unwrap()
        };
        let image = json!({"image": {"imageRef": format!("r.example/m@{digest}")}});
        let told = pod(json!([mount("other", image.clone()), mount("model", image)]));
        assert_eq!(running(&[told], "model"), [RunningImage { digest: digest.parse().unwrap() }]);
        assert_eq!(running(&[pod(json!([mount("model", json!({}))])), pod(json!(null))], "model"), []);
    }
}
