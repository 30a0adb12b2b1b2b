//! The kind `VersioningHandler`: which workload is kept up to date, how far, and how often.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::notices::{NoticesStatus, NotifierOptions};
use super::pace::{Mode, Predecessor, Rollback, WindowOptions, WorkloadSelector};
use super::rollout_status::{HeldTag, ProvenImage, RollbackStatus, SeenTag, WaitStatus};
use super::workload::{WorkloadKind, WorkloadRef};

/// Settings for a plugin: any JSON object. The plugin's own schema says what it may hold.
pub type Settings = BTreeMap<String, serde_json::Value>;

/// Keeps the container images of one workload of its own namespace up to date.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "k8supdater.dev",
    version = "v1",
    kind = "VersioningHandler",
    plural = "versioninghandlers",
    singular = "versioninghandler",
    shortname = "vh",
    category = "k8supdater",
    namespaced,
    status = "VersioningHandlerStatus",
    derive = "PartialEq",
    doc = "Keeps the container images of one workload up to date: a newer version that differs only to the right of the frontier is applied, one that differs to the left of it is reported and left to a human.",
    printcolumn(
        name = "Workload",
        type_ = "string",
        json_path = ".status.workload",
        description = "The workload that is kept up to date"
    ),
    printcolumn(
        name = "Current",
        type_ = "string",
        json_path = ".status.current",
        description = "Tags in the workload's spec now, or how many workloads the handler's selector matches"
    ),
    printcolumn(
        name = "Available",
        type_ = "string",
        json_path = ".status.available",
        description = "What is offered, and left to a human: tags left of the frontier or awaiting approval, and tags that moved"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "UpToDate", type_ = "string", json_path = ".status.conditions[?(@.type==\"UpToDate\")].reason"),
    printcolumn(
        name = "Checked",
        type_ = "date",
        json_path = ".status.lastCheck",
        description = "Age of the last check; refreshed at least every ten minutes"
    ),
    printcolumn(
        name = "Notified",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Notified\")].status",
        description = "Whether everything that people have to be told was delivered",
        priority = 1
    ),
    printcolumn(
        name = "Details",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"UpToDate\")].message",
        description = "What is offered, what waits and until when, what is held and why",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(has(self.deployment) ? 1 : 0) + (has(self.workload) ? 1 : 0) + (has(self.selector) ? 1 : 0) == 1").message("say once which workload is meant: either spec.deployment with the name of a Deployment, or spec.workload with kind and name, as in {kind: StatefulSet, name: db}, or spec.selector for several, as in {matchLabels: {team: web}}"))]
pub struct VersioningHandlerSpec {
    /// Name of the Deployment, in this object's namespace. It may not exist yet. Short for a `workload` of kind `Deployment`: there is
    /// either one or the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub deployment: Option<String>,

    /// The workload, in this object's namespace. It may not exist yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadRef>,

    /// Several workloads, in this object's namespace: the operator makes a handler like this one for each of them, and removes it again
    /// when there is no such workload any more. A workload that another handler names is left to that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<WorkloadSelector>,

    /// Name of the Plugin of kind `registry` that lists the tags, for example `oci`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub containerregistry: String,

    /// What the registry plugin is told for this workload, over and above the Plugin's own settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryOptions>,

    /// Which plugin reads tags as versions. Defaults to the plugin `pep440`, which finds the version inside a tag and keeps its flavor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_parser: Option<VersionParserOptions>,

    /// How many levels, counted from the left, must stay as they are. With 2, 1.4.2 goes to 1.4.3 by itself, while 1.5.0 and 2.0.0
    /// are reported and left to a human. 0 applies everything; 16 reports everything. Defaults to the operator's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 16), extend("format" = "int32"))]
    pub frontier: Option<u32>,

    /// What happens when a tag that says nothing about versions, such as `latest`, points at another image than the pods run: `Update`
    /// restarts the workload, so that its pods pull the new one; `Notify` reports it. Defaults to the operator's own setting. Where it
    /// is set, it holds for every tag that is no version, such as `stable`; else for `latest` alone, and another one is a problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Latest>,

    /// Whether updates right of the frontier wait for a human as well: with `Required` they are offered like those left of it, and made
    /// once somebody has approved them, with `k8supdater approve` or the annotation `k8supdater.dev/approve`. `NotRequired`, the default,
    /// makes them by itself.
    #[serde(default, skip_serializing_if = "Approval::is_not_required")]
    pub approval: Approval,

    /// Whether a tag of another precision may follow: with `Any`, the default, 5.3 may go to 5.3.1; with `Same` only to 5.4.
    #[serde(default, skip_serializing_if = "Precision::is_any")]
    pub precision: Precision,

    /// Time between two checks of the registry, such as `30s`, `10m` or `1h30m`; from 1s to 720h. Up to a tenth is added at random, so
    /// that many handlers do not ask at once. Defaults to the operator's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('720h')").message("interval must be a duration between 1s and 720h, such as 30s, 10m or 1h30m"))]
    #[schemars(length(min = 2, max = 32))]
    pub interval: Option<Duration>,

    /// What is done about the workload: `Update` makes updates right of the frontier, `Notify` only reports what is newer, `Preview` says
    /// in the status what would be done and does nothing. Defaults to `Update`, and to `Notify` for a workload that Argo CD, Flux or Helm
    /// would set back; `Update` insists on it there, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,

    /// How old a version must be before it is applied by itself, such as `72h`; up to 8760h. Its age counts from when it was pushed, where
    /// the registry tells, else from when a check saw it first. Younger ones are passed over for the newest that is old enough. Defaults to
    /// the operator's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('8760h')").message("minimumAge must be a duration between 0s and 8760h, such as 72h"))]
    #[schemars(length(min = 2, max = 32))]
    pub minimum_age: Option<Duration>,

    /// The least time from one update of this workload to the next, such as `24h`; up to 8760h. Defaults to the operator's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('8760h')").message("delayBetweenUpdates must be a duration between 0s and 8760h, such as 24h"))]
    #[schemars(length(min = 2, max = 32))]
    pub delay_between_updates: Option<Duration>,

    /// The least time from a rollout that failed to the next update, such as `1h`, so that somebody can look; up to 8760h. Defaults to `0s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('8760h')").message("cooldown must be a duration between 0s and 8760h, such as 1h"))]
    #[schemars(length(min = 2, max = 32))]
    pub cooldown: Option<Duration>,

    /// When the workload may be disturbed. What is found outside of all windows waits for the next one, approved updates too; a rollback
    /// does not. Without any it may be at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub windows: Vec<WindowOptions>,

    /// Tags that are neither applied nor offered, other names of the same versions included. What a whole pattern is to be left out of
    /// belongs into `tags.exclude`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 200)))]
    pub hold: Vec<String>,

    /// What happens when the rollout of an update fails: `OnFailure` puts the image before back and holds the version until there is a
    /// better one; `Never` leaves the workload as it is. Defaults to the operator's own setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,

    /// Handlers whose workloads go first: a version is applied here only once each of them has run it, with the very digest that it had
    /// there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub after: Vec<Predecessor>,

    /// Namespaces whose handlers may name this one in `after`, and so learn what runs here; `*` for all. This namespace always may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    pub followers: Vec<String>,

    /// How rollouts are followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutOptions>,

    /// Which tags are candidates at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagOptions>,

    /// Exceptions for single containers. A container that is not listed here is handled as the rest of the spec says, and an init container
    /// or a volume with an image that is not is left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub containers: Vec<ContainerOptions>,

    /// Who is told of what happens, by which plugins. Without it every notifier plugin is told whose Plugin object has all the settings that
    /// it needs; with an empty list nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub notifiers: Option<Vec<NotifierOptions>>,

    /// Stops all checks and updates until it is removed. A rollout that has begun is not undone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

impl VersioningHandler {
    /// By what the oldest of several is found: when it was created, and, because times have whole seconds only, its name. One without a time
    /// has not been created yet.
    pub fn seniority(&self) -> (Timestamp, &str) {
        let created = self.metadata.creation_timestamp.as_ref().map_or(Timestamp::MAX, |time| time.0);
        (created, self.metadata.name.as_deref().unwrap_or_default())
    }
}

impl VersioningHandlerSpec {
    /// Which workload is looked after; none if it does not say clearly, which the API server refuses.
    pub fn workload_ref(&self) -> Option<WorkloadRef> {
        match (&self.deployment, &self.workload) {
            (Some(name), None) => Some(WorkloadRef { kind: WorkloadKind::Deployment, name: name.clone() }),
            (None, Some(workload)) => Some(workload.clone()),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }
}

/// What the registry plugin is told.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryOptions {
    /// Settings of the plugin; keys given here replace those of the Plugin object. `kubectl describe plugin` and the plugin's README
    /// say what there is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "settings")]
    pub settings: Settings,
    /// A Secret of this namespace with the login or token that the registry wants. The plugin never sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
}

/// How the rollout of an update is followed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutOptions {
    /// Time after which an update that not all pods run counts as failed, such as `5m`; from 1s to 24h. StatefulSets and DaemonSets have 10m
    /// by default. Deployments have `progressDeadlineSeconds`, and without this only that. Of a CronJob the next Job is waited for, however long that takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("timeout must be a duration between 1s and 24h, such as 5m"))]
    #[schemars(length(min = 2, max = 32))]
    pub timeout: Option<Duration>,
    /// How long all pods must stay available after a rollout before the update counts as finished, such as `5m`; up to 24h. Pods that crash
    /// in that time make it fail. Defaults to `0s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) <= duration('24h')").message("stableFor must be a duration between 0s and 24h, such as 5m"))]
    #[schemars(length(min = 2, max = 32))]
    pub stable_for: Option<Duration>,
}

/// A Secret, and what it is for.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretReference {
    /// Name of the Secret, in the namespace of this object. It has the keys `username` and `password`, or `token`, or it is of type
    /// `kubernetes.io/dockerconfigjson`, as `kubectl create secret docker-registry` makes them.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// The plugin's credential slot that it fills. Needed only where the plugin has several; `kubectl describe plugin` lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub slot: Option<String>,
}

/// What to do when a tag that moves has moved.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[schemars(transform = super::without_description)]
pub enum Latest {
    /// Restart the workload.
    Update,
    /// Report it.
    Notify,
}

/// Which plugin reads tags as versions, and how.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionParserOptions {
    /// Name of a Plugin of kind `version-parser`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub plugin: String,
    /// Settings of the plugin; keys given here replace those of the Plugin object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "settings")]
    pub settings: Settings,
}

/// Which tags are candidates.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TagOptions {
    /// A regular expression that a tag must match as a whole to be a candidate, such as `[0-9.]+-alpine`. At most 1,000 characters;
    /// the syntax is that of <https://docs.rs/regex>, without look-around and back-references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub include: Option<String>,
    /// A regular expression for tags that are never candidates, such as `.*-nightly.*`; it wins over `include`. It must match a tag as a
    /// whole, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub exclude: Option<String>,
    /// A regular expression for the flavor, that is, for what stands around the version in a tag: with `-alpine.*`, 3.2.1-alpine3.19 may go
    /// to 3.2.2-alpine3.20, and with `()` to a tag without any. It must match the flavor as a whole. Without it a candidate must have the
    /// very flavor of the current tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub flavor: Option<String>,
    /// Whether pre-releases (alpha, beta, release candidate, development build) are candidates. They always are when the running
    /// version is one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prereleases: bool,
}

/// Whether updates that could be made by themselves wait for a human.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[schemars(transform = super::without_description)]
pub enum Approval {
    /// They are offered, and made once somebody has approved them.
    Required,
    /// They are made.
    #[default]
    NotRequired,
}

impl Approval {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde prescribes the signature")]
    fn is_not_required(&self) -> bool {
        *self == Self::NotRequired
    }
}

/// How precise a candidate must be.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[schemars(transform = super::without_description)]
pub enum Precision {
    /// Any number of levels.
    #[default]
    Any,
    /// As many levels as the current version.
    Same,
}

impl Precision {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde prescribes the signature")]
    fn is_any(&self) -> bool {
        *self == Self::Any
    }
}

/// An exception for one container.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!(has(self.ignore) && self.ignore && (has(self.frontier) || has(self.containerregistry) || has(self.registry) || has(self.versionParser) || has(self.latest) || has(self.tags) || has(self.precision) || has(self.approval) || has(self.hold)))").message("a container that is ignored has no other options: remove ignore, or the others"))]
pub struct ContainerOptions {
    /// Name of the container in the pod template, or of a volume with an image. Init containers and volumes are looked after only if they
    /// are named here; a volume with the name of a container cannot be.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Leaves this container alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore: bool,
    /// The frontier for this container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 16), extend("format" = "int32"))]
    pub frontier: Option<u32>,
    /// The registry plugin for this container, where its image comes from elsewhere. The handler's `registry` is not used with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub containerregistry: Option<String>,
    /// What the registry plugin is told for this container, in place of the handler's `registry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryOptions>,
    /// Which plugin reads this container's tags as versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_parser: Option<VersionParserOptions>,
    /// What to do about a tag such as `latest` in this container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<Latest>,
    /// Which tags are candidates for this container, in place of the handler's `tags`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagOptions>,
    /// Whether updates of this container wait for a human.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// Tags that are neither applied nor offered in this container, in place of the handler's `hold`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 200)))]
    pub hold: Option<Vec<String>>,
    /// Whether a tag of another precision may follow in this container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
}

/// What the operator found and did.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersioningHandlerStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `RegistryReachable`, `UpToDate`, `RolloutHealthy`; where somebody is told of what happens, `Notified`; where Argo CD, Flux or
    /// Helm sets the images, too, `OwnedElsewhere`; where a version was pushed again, `TagMoved`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Kind and name of the workload, such as `StatefulSet/db`; of a handler with `selector` the kinds, such as `Deployment/*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Tags in the workload's spec; with the containers' names where there are several. Of a handler with `selector` how many workloads it
    /// looks after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// What is offered, and left to a human; with the containers' names where there are several. Of a handler with `selector` to how many
    /// workloads something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<String>,
    /// What is done about the workload: `spec.mode`, or what follows from who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// How many workloads a handler with `selector` looks after, and how they stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<FleetStatus>,
    /// One entry for each container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub containers: Vec<ContainerStatus>,
    /// The last updates, the newest first; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// When the registry was last asked. To spare the API server it is written together with other changes, else every ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_check: Option<Time>,
    /// When the registry will be asked next, as of `lastCheck`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check: Option<Time>,
    /// What people were told, and what they still have to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notices: Option<NoticesStatus>,
}

impl VersioningHandlerStatus {
    /// What it says of the container.
    pub fn container(&self, name: &str) -> Option<&ContainerStatus> {
        self.containers.iter().find(|container| container.name == name)
    }
}

/// The workloads of a handler with `selector`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FleetStatus {
    /// How many workloads it looks after; each by a handler of its own, with the label `k8supdater.dev/fleet`.
    pub workloads: i32,
    /// How many of them are up to date.
    pub up_to_date: i32,
    /// How many are being updated.
    pub updating: i32,
    /// How many have something that waits, for a time or for a human.
    pub waiting: i32,
    /// How many have a handler that is not ready.
    pub failing: i32,
    /// How many match, but have another handler.
    pub left_to_others: i32,
}

/// One container of the workload.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Name of the container in the pod template.
    pub name: String,
    /// The image in the workload's spec.
    pub image: String,
    /// Greatest tag right of the frontier; the current one if there is no greater.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_applicable: Option<String>,
    /// Greatest tag of all that could be meant, on either side of the frontier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// `Update`, `Notify`, `UpdateAndNotify`, `AwaitingApproval`, `Wait`, `WaitAndNotify`, `Restart`, `RollBack`, `None`, `Ignored`,
    /// `Unknown` or `Failed`.
    pub decision: String,
    /// An update that could be made, and waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<WaitStatus>,
    /// With `mode: Preview`, what would be done now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// Why this container could not be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The same as a fixed CamelCase word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem_reason: Option<String>,
    /// Name of the plugin that the problem is about, if it is about one that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_plugin: Option<String>,
    /// The newest tags that were refused, with the rule that refused each; at most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedTag>,
    /// What is offered at present, for a human to decide: a tag left of the frontier, one that waits for approval, or a tag that has moved
    /// with its new digest, `latest@sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<String>,
    /// The tag in the workload's spec when that was first reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_from: Option<String>,
    /// Why it is left to a human.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_why: Option<String>,
    /// Where to read about the tag that is reported, or else about that of the last update: an https URL, at most 2048 bytes. For Docker Hub
    /// and gitlab.com it is a page of theirs, elsewhere what the image names as its source, which whoever built the image has chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub link: Option<String>,
    /// What somebody has approved, until it is applied, or given up because it cannot be applied any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<ApprovedTag>,
    /// What somebody has skipped: it is neither applied nor offered any more. At most 32; the oldest are forgotten first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedTag>,
    /// Versions that failed or were taken back; at most 8. One ends when the container has a better version, or when somebody approves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldTag>,
    /// With `minimumAge`, when tags that could be applied were seen first, where the registry has no date; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub first_seen: Vec<SeenTag>,
    /// What the tag of the container points at, as of when the container got it or this handler first looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What that tag points at now, if it is something else although the tag is a version: somebody has pushed it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// What the workload has run without trouble, the newest first; at most 4. Handlers that name this one in `after` follow it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proven: Vec<ProvenImage>,
    /// What somebody wants to hear of later. It ends with its time, or when something else is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snoozed: Option<SnoozedTag>,
    /// The last update of this container by this handler. Written before the workload is changed, so that a restart of the operator
    /// neither forgets nor repeats it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<UpdateStatus>,
}

impl ContainerStatus {
    /// Whether the image before is being put back.
    pub fn is_rolling_back(&self) -> bool {
        self.update.as_ref().is_some_and(|update| update.phase == UpdatePhase::RollingBack)
    }

    /// Takes over what `known` says was reported last; nothing was if there is none.
    pub fn keep_report(&mut self, known: Option<&Self>) {
        self.reported = known.and_then(|known| known.reported.clone());
        self.reported_from = known.and_then(|known| known.reported_from.clone());
        self.reported_why = known.and_then(|known| known.reported_why.clone());
    }
}

/// A tag that somebody has approved.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovedTag {
    /// The tag; with its digest if it is one that has moved.
    pub tag: String,
    /// Who approved it.
    pub by: String,
    /// When the operator took note of that.
    pub at: Time,
    /// `metadata.generation` that the workload had when the operator was about to change it for this approval. An operator that was
    /// killed in that moment can tell by it whether the change was made, even if somebody has taken it back since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// A tag that somebody has skipped.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SkippedTag {
    /// The tag; with its digest if it is one that has moved.
    pub tag: String,
    /// Who skipped it.
    pub by: String,
    /// When the operator took note of that.
    pub at: Time,
}

/// A tag of which somebody wants to hear later.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnoozedTag {
    /// The tag; with its digest if it is one that has moved.
    pub tag: String,
    /// Until when nobody is reminded of it.
    pub until: Time,
    /// Who wants that.
    pub by: String,
}

/// A tag that was not chosen.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedTag {
    /// The tag as the registry spells it.
    pub tag: String,
    /// The rule that refused it: `BeyondFrontier`, `OtherFlavor`, `Prerelease` …
    pub reason: String,
    /// The same in words.
    pub message: String,
}

/// An update from announcement to finished rollout.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpdateStatus {
    /// Image before.
    pub from: String,
    /// Image after; the same as before where the workload is restarted because its tag has moved.
    pub to: String,
    /// How far it is.
    pub phase: UpdatePhase,
    /// Digest that the registry gave for the new tag just before the workload was changed, or for which it is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Digest of the image before, if it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_digest: Option<String>,
    /// Why it was made, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `metadata.generation` that the workload had after the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Who approved it; none if nobody had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When a check saw the tag first, if that is known. Not of what was there already when the operator started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Time>,
    /// When it was announced.
    pub started: Time,
    /// The trace that it belongs to, if traces are exported: the check that announced it, or that began to take it back, as a W3C
    /// `traceparent`. The second part is the trace's ID; it was exported if the last part is 01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub trace: Option<String>,
    /// Since when all pods have been available, while `rollout.stableFor` lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_since: Option<Time>,
    /// Why its rollout failed, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How it is taken back, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackStatus>,
    /// When it was finished, failed or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    /// When pods get the new image, if they have not got it although the update is finished: those of a CronJob with the next Job, those of
    /// the update strategy `OnDelete` when somebody deletes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// An update that has ended.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Name of the container.
    pub container: String,
    /// Image before.
    pub from: String,
    /// Image after; the same as before where the workload was restarted.
    pub to: String,
    /// Digest of the image before, if it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_digest: Option<String>,
    /// Digest of the image after, if the registry told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why it was made, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who asked for it to be taken back, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_by: Option<String>,
    /// Who approved it, if somebody had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When it began.
    pub started: Time,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    /// `Finished`, `Failed`, `Overtaken`, `RolledBack` or `RollbackFailed`.
    pub result: UpdatePhase,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl UpdateStatus {
    /// An update that is announced.
    pub fn announced(from: &str, to: &str, started: Time) -> Self {
        Self {
            from: from.to_owned(),
            to: to.to_owned(),
            phase: UpdatePhase::Announced,
            digest: None,
            from_digest: None,
            reason: None,
            generation: None,
            approved_by: None,
            seen: None,
            started,
            trace: None,
            available_since: None,
            failure: None,
            rollback: None,
            finished: None,
            hint: None,
        }
    }

    /// Whether its end is awaited.
    pub fn is_under_way(&self) -> bool {
        match self.phase {
            UpdatePhase::RollingOut | UpdatePhase::RollingBack => true,
            UpdatePhase::Announced
            | UpdatePhase::Finished
            | UpdatePhase::Failed
            | UpdatePhase::Overtaken
            | UpdatePhase::RolledBack
            | UpdatePhase::RollbackFailed => false,
        }
    }

    /// Whether it is taken back, or was.
    pub fn is_rolled_back(&self) -> bool {
        match self.phase {
            UpdatePhase::RollingBack | UpdatePhase::RolledBack | UpdatePhase::RollbackFailed => true,
            UpdatePhase::Announced
            | UpdatePhase::RollingOut
            | UpdatePhase::Finished
            | UpdatePhase::Failed
            | UpdatePhase::Overtaken => false,
        }
    }

    /// Whether the workload is restarted rather than given another image.
    pub fn is_restart(&self) -> bool {
        self.from == self.to
    }
}

/// How far an update is.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdatePhase {
    /// Written down, but the workload is not changed yet.
    Announced,
    /// The workload is changed, and its controller replaces the pods.
    RollingOut,
    /// All pods run the new image, or will by themselves; see `hint`.
    Finished,
    /// The rollout did not finish in time, or its pods crashed.
    Failed,
    /// Somebody else changed the image first; their change was left alone.
    Overtaken,
    /// The image before goes back.
    RollingBack,
    /// All pods run the image before again.
    RolledBack,
    /// The image before is back, and its rollout fails too.
    RollbackFailed,
}

/// Schema of plugin settings: an object whose keys only the plugin knows.
pub(crate) fn settings(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
