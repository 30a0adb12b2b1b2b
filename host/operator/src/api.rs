//! The Kubernetes API of the operator: group `k8supdater.dev`, version `v1`.
//!
//! Types only. Their doc comments are what `kubectl explain` prints, so they speak to users; their attributes are the schema that
//! the API server enforces. `cargo xtask manifests` writes the YAML of `deploy/crd` from here, and a test fails when the two differ.

pub mod conditions;
#[allow(unreachable_pub, reason = "KubeSchema puts a copy of each type where nobody can reach it")]
pub mod notices;
#[allow(unreachable_pub, reason = "KubeSchema puts a copy of each type where nobody can reach it")]
pub mod pace;
#[allow(
    unreachable_pub,
    clippy::duplicated_attributes,
    reason = "KubeSchema puts a copy of each type where nobody can reach it, and kube has an attribute for each printer column"
)]
pub mod plugin;
#[allow(unreachable_pub, reason = "KubeSchema puts a copy of each type where nobody can reach it")]
pub mod rollout_status;
#[allow(
    unreachable_pub,
    clippy::duplicated_attributes,
    reason = "KubeSchema puts a copy of each type where nobody can reach it, and kube has an attribute for each printer column"
)]
pub mod versioning_handler;
#[allow(unreachable_pub, reason = "KubeSchema puts a copy of each type where nobody can reach it")]
pub mod workload;

use kube::CustomResourceExt;

pub use plugin::{Plugin, PluginSpec, PluginStatus};
pub use versioning_handler::{VersioningHandler, VersioningHandlerSpec, VersioningHandlerStatus};

/// The API group of everything that is ours: kinds, annotations, the reporting controller of Events.
pub const GROUP: &str = "k8supdater.dev";

/// Takes its description away from the schema of a type.
///
/// For closed sets: kube puts the description of the type in place of that of an optional field, which says more, defaults included.
pub(crate) fn without_description(schema: &mut schemars::Schema) {
    schema.remove("description");
}

/// Both CustomResourceDefinitions as a YAML stream, in the order in which they should be applied.
///
/// # Errors
/// When a schema cannot be written as YAML, which a test excludes for the schemas of this crate.
pub fn definitions() -> Result<String, serde_yaml_ng::Error> {
    let mut stream = String::new();
    for definition in [VersioningHandler::crd(), Plugin::crd()] {
        stream.push_str("---\n");
        stream.push_str(&serde_yaml_ng::to_string(&definition)?);
    }
    Ok(stream)
}
