//! When and in which order updates are made, as a spec says it.

use kube::KubeSchema;
use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::workload::WorkloadKind;

/// What the operator does about a workload.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[schemars(transform = super::without_description)]
pub enum Mode {
    /// Updates right of the frontier are made, the others reported.
    Update,
    /// Everything newer is reported, and the workload is never changed.
    Notify,
    /// Nothing is made and nobody is told: the status says what would be done now.
    Preview,
}

/// What happens when the rollout of an update fails.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[schemars(transform = super::without_description)]
pub enum Rollback {
    /// The image before goes back, and the version is held until there is a better one.
    OnFailure,
    /// The workload keeps the image that it was given.
    Never,
}

/// When a workload may be disturbed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowOptions {
    /// When it opens: five fields of a cron expression, minute to day of the week, such as `0 2 * * MON-FRI`, or a shorthand such as
    /// `@daily`.
    #[schemars(length(min = 1, max = 256))]
    pub start: String,
    /// For how long it stays open, such as `4h`; from 1m to 168h. It is time that passes, in the night of a change of clocks too.
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('168h')").message("the duration of a window must be between 1m and 168h, such as 4h"))]
    #[schemars(length(min = 2, max = 32))]
    pub duration: Duration,
    /// IANA name of the time zone of `start`, such as `Europe/Berlin`. Defaults to `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
}

/// A handler whose workload goes first.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predecessor {
    /// Name of the VersioningHandler.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub handler: String,
    /// Its namespace; that of this object if there is none. The handler of another namespace has to name this one in `followers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// How long its workload must have run an image, with its rollout finished, before this one gets it, such as `24h`; up to 8760h.
    /// Defaults to `0s`: as soon as the rollout is finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('8760h')").message("soak must be a duration between 0s and 8760h, such as 24h"))]
    #[schemars(length(min = 2, max = 32))]
    pub soak: Option<Duration>,
}

/// Several workloads of the handler's own namespace. Without labels and expressions it is every one of the kinds.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadSelector {
    /// Which kinds of workloads; Deployments alone if there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    pub kinds: Vec<WorkloadKind>,
    /// Labels that the workloads must have.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub match_labels: std::collections::BTreeMap<String, String>,
    /// Further requirements on their labels, as in any label selector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// A requirement on a label.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelRequirement {
    /// Name of the label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// What must be so.
    pub operator: LabelOperator,
    /// The values that the operator is about; none for `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub values: Vec<String>,
}

/// What must be so of a label.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LabelOperator {
    /// Its value is one of those given.
    In,
    /// Its value is none of those given, or there is no such label.
    NotIn,
    /// There is one.
    Exists,
    /// There is none.
    DoesNotExist,
}
