//! Lists tags through the API of OCI registries, which Docker Hub and nearly all others speak
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>).
//!
//! [`conversation`] is the plugin: what to ask, and what the answers mean. [`request`] spells the requests, [`manifest`] finds the
//! digest of a tag, its images and their source, and [`refusal`] says what an answer other than 200 means. Where answers point at is the SDK's to read
//! ([`k8supdater_plugin::link`]).

mod conversation;
mod manifest;
mod refusal;
mod request;
mod settings;

pub use conversation::{Oci, State};
pub use settings::Settings;

k8supdater_plugin::export!(registry: Oci, manifest: "plugin.json");

#[cfg(test)]
mod tests;
