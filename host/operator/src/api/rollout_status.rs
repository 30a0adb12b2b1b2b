//! What the status of a container remembers of versions and rollouts from one check to the next.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An update that could be made, and waits.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitStatus {
    /// The tag that waits; with its digest if it is one that has moved.
    pub tag: String,
    /// When it may be applied, if nothing happens until then; none if that depends on something without a date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// What it waits for: `MinimumAge`, `DelayBetweenUpdates`, `Cooldown`, `OutsideWindow`, `Rollout`, `RolloutLimit` or `Predecessor`.
    pub reason: String,
    /// The same in words.
    pub message: String,
}

/// A tag, and when it was seen first.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenTag {
    /// The tag as the registry spells it.
    pub tag: String,
    /// When a check saw it for the first time.
    pub at: Time,
}

/// A version that is not applied by itself any more, and neither is any that is not newer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldTag {
    /// The tag; with its digest if it is one that has moved.
    pub tag: String,
    /// Why it is held.
    pub reason: HoldReason,
    /// What happened, in words: of a rollout that failed what its pods say.
    pub message: String,
    /// Who took it back; none if it was the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when.
    pub at: Time,
}

/// Why a version is held.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldReason {
    /// Its rollout failed.
    RolloutFailed,
    /// Somebody asked for the version before, with `k8supdater rollback`.
    RolledBack,
    /// Somebody has set the image back by other means.
    SetBack,
}

/// An image that all pods of the workload have run without trouble.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvenImage {
    /// The image in the workload's spec.
    pub image: String,
    /// What its tag pointed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Since when, without another one or a failure in between.
    pub since: Time,
    /// Until when; none if it still is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// An update that is taken back.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollbackStatus {
    /// When that was decided.
    pub started: Time,
    /// Who asked for it; none if the operator did it because the rollout failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}
