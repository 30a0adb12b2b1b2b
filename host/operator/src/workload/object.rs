//! A workload as it was read, whatever its kind. Pure.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, CronJobStatus};
use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::NamespaceResourceScope;
use serde::de::DeserializeOwned;

use super::owner;
use crate::api::workload::{WorkloadKind, WorkloadRef};

/// What the names of this operator's annotations begin with.
const OWN_PREFIX: &str = "k8supdater.dev/";

/// A workload.
#[derive(Clone, Debug)]
pub enum Workload {
    /// Keeps a number of pods that are alike.
    Deployment(Arc<Deployment>),
    /// Keeps a number of pods that have names and disks of their own.
    StatefulSet(Arc<StatefulSet>),
    /// Keeps a pod on each node.
    DaemonSet(Arc<DaemonSet>),
    /// Starts Jobs at certain times.
    CronJob(Arc<CronJob>),
}

/// A kind of objects that are workloads.
pub trait Object:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + std::fmt::Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Which kind that is.
    const KIND: WorkloadKind;

    /// The object as a workload of any kind.
    fn into_workload(object: Arc<Self>) -> Workload;

    /// Its pod template, if it has one.
    fn template_mut(&mut self) -> Option<&mut PodTemplateSpec>;

    /// Drops what else of the kind the operator never looks at.
    fn strip_more(&mut self) {}
}

impl Object for Deployment {
    const KIND: WorkloadKind = WorkloadKind::Deployment;

    fn into_workload(object: Arc<Self>) -> Workload {
        Workload::Deployment(object)
    }

    fn template_mut(&mut self) -> Option<&mut PodTemplateSpec> {
        self.spec.as_mut().map(|spec| &mut spec.template)
    }
}

impl Object for StatefulSet {
    const KIND: WorkloadKind = WorkloadKind::StatefulSet;

    fn into_workload(object: Arc<Self>) -> Workload {
        Workload::StatefulSet(object)
    }

    fn template_mut(&mut self) -> Option<&mut PodTemplateSpec> {
        self.spec.as_mut().map(|spec| &mut spec.template)
    }

    fn strip_more(&mut self) {
        if let Some(spec) = &mut self.spec {
            spec.volume_claim_templates = None;
        }
    }
}

impl Object for DaemonSet {
    const KIND: WorkloadKind = WorkloadKind::DaemonSet;

    fn into_workload(object: Arc<Self>) -> Workload {
        Workload::DaemonSet(object)
    }

    fn template_mut(&mut self) -> Option<&mut PodTemplateSpec> {
        self.spec.as_mut().map(|spec| &mut spec.template)
    }
}

impl Object for CronJob {
    const KIND: WorkloadKind = WorkloadKind::CronJob;

    fn into_workload(object: Arc<Self>) -> Workload {
        Workload::CronJob(object)
    }

    fn template_mut(&mut self) -> Option<&mut PodTemplateSpec> {
        self.spec.job_template.spec.as_mut().map(|job| &mut job.template)
    }

    fn strip_more(&mut self) {
        self.status = self.status.take().map(|status| CronJobStatus {
            last_schedule_time: status.last_schedule_time,
            last_successful_time: status.last_successful_time,
            active: None,
        });
        self.spec.job_template.metadata = None;
    }
}

impl Workload {
    /// Its kind.
    pub fn kind(&self) -> WorkloadKind {
        match self {
            Self::Deployment(_) => WorkloadKind::Deployment,
            Self::StatefulSet(_) => WorkloadKind::StatefulSet,
            Self::DaemonSet(_) => WorkloadKind::DaemonSet,
            Self::CronJob(_) => WorkloadKind::CronJob,
        }
    }

    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Deployment(object) => &object.metadata,
            Self::StatefulSet(object) => &object.metadata,
            Self::DaemonSet(object) => &object.metadata,
            Self::CronJob(object) => &object.metadata,
        }
    }

    /// Its namespace; empty if it does not say.
    pub fn namespace(&self) -> &str {
        self.metadata().namespace.as_deref().unwrap_or_default()
    }

    /// Its kind and name.
    pub fn reference(&self) -> WorkloadRef {
        WorkloadRef { kind: self.kind(), name: self.metadata().name.clone().unwrap_or_default() }
    }

    /// An annotation of its own, not of its pods. Of a workload that is watched those are left that the operator looks at: its own, and
    /// those by which [`owner`](super::owner::owner) knows who else there is.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata().annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// A label of its own, not of its pods.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.metadata().labels.as_ref()?.get(name).map(String::as_str)
    }

    /// What its pods are made from.
    pub fn template(&self) -> Option<&PodTemplateSpec> {
        match self {
            Self::Deployment(object) => object.spec.as_ref().map(|spec| &spec.template),
            Self::StatefulSet(object) => object.spec.as_ref().map(|spec| &spec.template),
            Self::DaemonSet(object) => object.spec.as_ref().map(|spec| &spec.template),
            Self::CronJob(object) => object.spec.job_template.spec.as_ref().map(|job| &job.template),
        }
    }

    /// What its pods are made from, as far as it is about containers.
    pub fn pod(&self) -> Option<&PodSpec> {
        self.template().and_then(|template| template.spec.as_ref())
    }

    /// Which pods are its own; none for a CronJob, whose pods belong to its Jobs, and go with them.
    pub fn selector(&self) -> Option<&LabelSelector> {
        match self {
            Self::Deployment(object) => object.spec.as_ref().map(|spec| &spec.selector),
            Self::StatefulSet(object) => object.spec.as_ref().map(|spec| &spec.selector),
            Self::DaemonSet(object) => object.spec.as_ref().map(|spec| &spec.selector),
            Self::CronJob(_) => None,
        }
    }
}

/// Drops what the operator never looks at, so that the watch of a large cluster stays small in memory.
pub fn strip(object: &mut impl Object) {
    object.meta_mut().managed_fields = None;
    if let Some(annotations) = &mut object.meta_mut().annotations {
        annotations.retain(|name, _| name.starts_with(OWN_PREFIX) || owner::ANNOTATIONS.contains(&name.as_str()));
    }
    object.strip_more();
    let Some(pod) = object.template_mut().and_then(|template| template.spec.as_mut()) else { return };
    let containers = std::mem::take(&mut pod.containers);
    let init_containers = pod.init_containers.take();
    *pod = PodSpec {
        init_containers: init_containers.map(|containers| containers.into_iter().map(stripped).collect()),
        containers: containers.into_iter().map(stripped).collect(),
        volumes: pod.volumes.take().and_then(stripped_volumes),
        image_pull_secrets: pod.image_pull_secrets.take(),
        service_account_name: pod.service_account_name.take(),
        node_selector: pod.node_selector.take(),
        ..PodSpec::default()
    };
}

fn stripped(container: Container) -> Container {
    Container {
        name: container.name,
        image: container.image,
        image_pull_policy: container.image_pull_policy,
        ..Container::default()
    }
}

/// None if none of them is an image; else as many as before, so that each is where it was.
fn stripped_volumes(volumes: Vec<Volume>) -> Option<Vec<Volume>> {
    let has_images = volumes.iter().any(|volume| volume.image.is_some());
    let stripped = |volume: Volume| Volume { name: volume.name, image: volume.image, ..Volume::default() };
    has_images.then(|| volumes.into_iter().map(stripped).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_annotations_that_are_looked_at_are_kept() {
        let annotations = json!({
            "kubectl.kubernetes.io/last-applied-configuration": "{}", "deployment.kubernetes.io/revision": "3",
            "k8supdater.dev/rolled-back": "app=1", "meta.helm.sh/release-name": "web",
        });
        let mut object: Deployment = serde_json::from_value(json!({"metadata": {"annotations": annotations}})).unwrap();
        strip(&mut object);
        let workload = Deployment::into_workload(Arc::new(object));
        assert_eq!(workload.metadata().annotations.as_ref().map(std::collections::BTreeMap::len), Some(2));
        assert_eq!(workload.annotation("k8supdater.dev/rolled-back"), Some("app=1"));
        assert_eq!(workload.annotation("meta.helm.sh/release-name"), Some("web"));
        assert_eq!(workload.annotation("deployment.kubernetes.io/revision"), None);
    }

    #[test]
    fn only_the_times_in_the_status_of_a_cron_job_are_kept() {
        let times = json!({"lastScheduleTime": "2026-01-01T03:00:00Z", "lastSuccessfulTime": "2026-01-01T03:01:00Z"});
        let mut status = times.clone();
        status["active"] = json!([{"name": "report-1"}]);
        let spec = json!({"schedule": "0 3 * * *", "jobTemplate": {}});
        let mut object: CronJob = serde_json::from_value(json!({"spec": spec, "status": status})).unwrap();
        strip(&mut object);
        assert_eq!(serde_json::to_value(object.status).unwrap(), times);
    }

    #[test]
    fn volumes_are_kept_only_where_one_is_an_image() {
        let kept = |volumes: serde_json::Value| {
            let template = json!({"spec": {"containers": [], "volumes": volumes}});
            let object = json!({"spec": {"selector": {}, "template": template}});
            let mut object: DaemonSet = serde_json::from_value(object).unwrap();
            strip(&mut object);
            serde_json::to_value(object.spec.unwrap().template.spec.unwrap().volumes).unwrap()
        };
        let (scratch, image) = (json!({"name": "scratch", "emptyDir": {}}), json!({"reference": "m:1"}));
        assert_eq!(kept(json!([scratch])), json!(null));
        let model = json!({"name": "model", "image": image});
        assert_eq!(kept(json!([scratch, model])), json!([{"name": "scratch"}, model]));
    }
}
