//! What sets the kinds of workloads apart: where they live in the API, and where in them the pod template is. Pure.

use kube::core::{ApiResource, GroupVersionKind};

use crate::api::workload::WorkloadKind;

impl WorkloadKind {
    /// Group and version, as in `apiVersion`.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Deployment => "apps/v1",
        }
    }

    /// The kind as the API server serves it.
    pub(super) fn resource(self) -> ApiResource {
        let (group, version) = self.api_version().split_once('/').expect("every api_version has a group");
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, self.as_str()))
    }

    /// The way from the object to its pod template.
    pub(super) const fn template_path(self) -> &'static [&'static str] {
        match self {
            Self::Deployment => &["spec", "template"],
        }
    }
}
