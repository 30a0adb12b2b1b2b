//! What sets the kinds of workloads apart: where they live in the API, and where in them the pod template is. Pure.

use kube::core::{ApiResource, GroupVersionKind};

use crate::api::workload::WorkloadKind;

impl WorkloadKind {
    /// Group and version, as in `apiVersion`.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => "apps/v1",
            Self::CronJob => "batch/v1",
        }
    }

    /// The fields of a handler's spec that can name one.
    pub(super) const fn fields(self) -> &'static str {
        match self {
            Self::Deployment => "spec.deployment or spec.workload",
            Self::StatefulSet | Self::DaemonSet | Self::CronJob => "spec.workload",
        }
    }

    /// The kind as the API server serves it.
    pub(super) fn resource(self) -> ApiResource {
        let (group, version) = self.api_version().split_once('/').expect("every api_version has a group");
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, self.as_str()))
    }

    /// The way from the object to its pod template.
    pub(crate) const fn template_path(self) -> &'static [&'static str] {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => &["spec", "template"],
            Self::CronJob => &["spec", "jobTemplate", "spec", "template"],
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
    use k8s_openapi::api::batch::v1::CronJob;

    use super::super::Object;

    #[test]
    fn every_kind_is_where_the_api_server_has_it() {
        fn check<K: Object>() {
            let resource = K::KIND.resource();
            assert_eq!(resource.plural, K::plural(&()), "{}", K::KIND);
            assert_eq!(K::KIND.api_version(), K::api_version(&()), "{}", K::KIND);
            assert_eq!(K::KIND.as_str(), K::kind(&()));
        }
        check::<Deployment>();
        check::<StatefulSet>();
        check::<DaemonSet>();
        check::<CronJob>();
    }
}
