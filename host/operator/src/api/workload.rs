//! Which workload a handler looks after, as its spec says it.

use std::fmt;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of workload whose images can be kept up to date.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// Of `apps/v1`: pods that are alike.
    Deployment,
    /// Of `apps/v1`: pods with names and disks of their own.
    StatefulSet,
    /// Of `apps/v1`: a pod on each node.
    DaemonSet,
    /// Of `batch/v1`: Jobs at certain times. What is updated is the next Job.
    CronJob,
}

/// A workload of the handler's own namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadRef {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name. It may not exist yet.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
}

impl WorkloadKind {
    /// As objects of the kind spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::CronJob => "CronJob",
        }
    }
}

impl fmt::Display for WorkloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl WorkloadRef {
    /// As `kubectl` takes it, but for the case of the letters: `StatefulSet/db`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// In words: `Deployment web`.
impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}
