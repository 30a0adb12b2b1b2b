//! Tests without a cluster and without a network: the shipped components on the real runtime, the command line, and the shape of the code.
//!
//! They need the packed plugins, in the directory that `K8SUPDATER_TEST_PLUGINS` names, else in `target/plugins`; `cargo xtask plugins`
//! builds them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]

/// The conversation in a chat, with a Bot API that follows the wire format: who may answer, once only, and all that can go wrong.
mod bot;
/// The Helm chart, as far as it can be read without helm: version, kinds, and that each value is described and reaches the operator.
mod chart;
/// `k8supdater check` on a registry that speaks the wire format, with the shipped components.
mod check;
/// Which tag is chosen from realistic lists, by the real parsers and the real rules.
mod choosing;
/// The command line as its users meet it.
mod cli;
/// The shipped components: what they import, how big they are, what they answer.
mod components;
/// What people read: handlers can be read, and the tests that are named exist.
mod docs;
/// Files that are generated from the code are what the code says.
mod generated;
/// Conversations of the component for Docker Hub with a Hub that follows the wire format, logins included.
mod hub;
/// Conversations of the registry component with a registry that follows the wire format, faults included.
mod listing;
/// What an installation applies: printed by the program, written in `deploy`, and the same.
mod manifests;
/// The page about metrics, the alerts and the dashboard: what they speak of is what the operator shows.
mod metrics;
/// The borders between the rooms, read from the source.
mod tidy;

use std::path::{Path, PathBuf};

use k8supdater_core::version::Version;

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// The packed component of that name.
fn plugin(name: &str) -> PathBuf {
    let directory =
        std::env::var_os("K8SUPDATER_TEST_PLUGINS").map_or_else(|| root().join("target/plugins"), PathBuf::from);
    let path = directory.join(format!("{name}.wasm"));
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask plugins`, or `cargo xtask test` for everything",
        path.display()
    );
    path
}

/// A version as the SDK has it, as the host has it.
fn to_host(version: k8supdater_plugin::Version) -> Version {
    Version {
        epoch: version.epoch,
        levels: version.levels,
        tail: version.tail,
        prerelease: version.prerelease,
        flavor: version.flavor,
    }
}
