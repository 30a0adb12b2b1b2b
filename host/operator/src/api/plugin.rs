//! The kind `Plugin`: where a component comes from and what it may do.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Duration;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::notices::NoticeOptions;
use super::versioning_handler::{Settings, settings};

/// A WebAssembly component that lists tags, reads versions or delivers notices. Only Plugins in the operator's own namespace count.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "k8supdater.dev",
    version = "v1",
    kind = "Plugin",
    plural = "plugins",
    singular = "plugin",
    shortname = "plug",
    category = "k8supdater",
    namespaced,
    status = "PluginStatus",
    derive = "PartialEq",
    doc = "A WebAssembly component that lists tags, reads versions or delivers notices. It imports nothing; what it may ask the operator to do is granted here. Only Plugins in the operator's own namespace count.",
    printcolumn(
        name = "Kind",
        type_ = "string",
        json_path = ".status.kind",
        description = "registry, version-parser or notifier"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.version",
        description = "Version that is serving"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginSpec {
    /// Where the component's bytes are.
    pub source: Source,
    /// What the component may ask for. What it gets is what it asks for *and* is granted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grants: Option<GrantOptions>,
    /// Settings for every use of this plugin; handlers may replace single keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "settings")]
    pub settings: Settings,
    /// Of a notifier: which notices it is told, and when, for handlers that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notices: Option<NoticeOptions>,
    /// How much a single call may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitOptions>,
}

/// Where the component's bytes are.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// A ConfigMap in the same namespace. Changing it takes effect without a restart.
    pub config_map: ConfigMapSource,
}

/// A key of a ConfigMap's `binaryData`.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigMapSource {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))]
    pub name: String,
    /// Key under `binaryData`. Without it `plugin.wasm` or `plugin.wasm.gz` is used, whichever there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,
}

/// What the component may ask for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GrantOptions {
    /// Origins (scheme, host and port) that may be called: `https://api.example.com`, or `$registry` for the registry of the image in
    /// question. Private and loopback addresses and plain http need the origin spelt out. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 300)))]
    #[x_kube(validation = Rule::new("self.all(origin, origin == '$registry' || origin.matches('^https?://[^/?#@*\\\\s]+$'))").message("an origin is $registry or scheme://host[:port] with scheme http or https, without path, user or wildcard"))]
    pub origins: Vec<String>,
    /// Secrets of this namespace that fill the component's credential slots. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub secrets: Vec<SecretGrant>,
    /// Hosts that may hand out tokens for a registry, where that is not the registry's own host. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub realms: Vec<RealmGrant>,
}

/// A Secret for one slot and one origin. The component never sees it: the operator attaches it to requests to that origin.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretGrant {
    /// The component's credential slot, such as `registry`.
    #[schemars(length(min = 1, max = 63))]
    pub slot: String,
    /// The one origin that gets the secret, such as `https://ghcr.io`.
    #[schemars(length(min = 1, max = 300))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/?#@*\\\\s]+$')").message("origin is scheme://host[:port] with scheme http or https, without path, user or wildcard"))]
    pub origin: String,
    /// Name of a Secret in this namespace, with the keys `username` and `password`, or `token`.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// A token server that a registry may point at.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RealmGrant {
    /// Origin of the registry: `https://registry.example.com`.
    #[schemars(length(min = 1, max = 300))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/?#@*\\\\s]+$')").message("registry is scheme://host[:port] with scheme http or https, without path, user or wildcard"))]
    pub registry: String,
    /// Origin of its token server: `https://auth.example.com`.
    #[schemars(length(min = 1, max = 300))]
    #[x_kube(validation = Rule::new("self.matches('^https?://[^/?#@*\\\\s]+$')").message("realm is scheme://host[:port] with scheme http or https, without path, user or wildcard"))]
    pub realm: String,
}

/// How much a single call of the component may use.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitOptions {
    /// Time on the CPU, from 1ms to 5s. Defaults to 50ms; components in Python or JavaScript may need more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s))+$') && duration(self) >= duration('1ms') && duration(self) <= duration('5s')").message("deadline must be a duration between 1ms and 5s, such as 200ms"))]
    #[schemars(length(min = 2, max = 32))]
    pub deadline: Option<Duration>,
    /// Memory in MiB, from 1 to 256. Defaults to 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256), extend("format" = "int32"))]
    pub memory_mib: Option<u32>,
}

/// What became of the plugin.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Loaded`, `Granted`, `Ready`. `Ready` stays true while an older version keeps serving; `Loaded` then says what is wrong with the new one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Kind of the serving component: `registry`, `version-parser` or `notifier`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the serving component, from its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version of the serving component, from its manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `sha256:` digest of the serving component's bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What the component asks for, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Asks>,
}

/// What a component asks for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asks {
    /// Origins, each with the component's reason and whether it is granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<AskedOrigin>,
    /// Credential slots: `registry (oci-token)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<String>,
}

/// One origin that a component asks for.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AskedOrigin {
    /// `$registry`, or scheme, host and port; or of which setting it is the origin, and what that comes to with the Plugin's own settings.
    pub origin: String,
    /// The component's own words.
    pub reason: String,
    /// Whether `spec.grants.origins` covers it, with the Plugin's own settings.
    pub granted: bool,
}
