//! `cargo xtask demo`: shows the main job, from a pushed tag to a finished rollout.
//!
//! Everything is real except nodes and pods: the API server, the registry, the plugins, and the operator, which runs as a local
//! process with the rights of the ServiceAccount that `deploy` gives it. [`cluster`] is where it happens, [`story`] what happens, and
//! [`metrics`] what the operator tells about it.

pub mod cluster;
pub mod metrics;
pub mod story;

use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::operator::{self, Installation, Nodes, Profile};
use crate::{plugins, step};
use cluster::Cluster;
use story::Story;

/// Tells what happens, with the time since the beginning.
#[derive(Debug)]
pub struct Narrator {
    started: Instant,
    is_brief: bool,
}

impl Narrator {
    /// One who shows no tables.
    pub fn brief() -> Self {
        Self { started: Instant::now(), is_brief: true }
    }

    /// Says one sentence.
    pub fn say(&self, sentence: &str) {
        println!("[{:>7}] {sentence}", step::seconds(self.started.elapsed()));
    }

    /// Announces what a command will print.
    fn show(&self, what: &str) {
        println!();
        self.say(what);
    }
}

/// `cargo xtask demo`.
///
/// # Errors
/// When something cannot be built or started, or something expected does not happen in time.
pub fn run(kubeconfig: Option<&Path>) -> Result<()> {
    let narrator = Narrator { started: Instant::now(), is_brief: false };
    narrator.say("Building the plugins and the operator.");
    plugins::run()?;
    let program = operator::build(Profile::Debug)?;
    println!();
    let cluster = match kubeconfig {
        None => {
            narrator.say("Starting a Kubernetes control plane and a registry; simulated nodes stand in for kubelets.");
            Cluster::start()?
        }
        Some(path) => {
            narrator.say(&format!("Starting a registry and simulated nodes for the cluster of {}.", path.display()));
            Cluster::join(path)?
        }
    };
    narrator.say(
        "Installing by `kubectl apply -k deploy`: kinds, rights, the operator, and a Job that installs the plugins.",
    );
    let nodes = if kubeconfig.is_none() { Nodes::Simulated } else { Nodes::Real };
    let installation = Installation::from_deploy(cluster.kubectl(), &program, nodes, cluster.directory())?;
    narrator.say(&format!("Granting the plugin oci the origin http://{}, the local registry.", cluster.registry()));
    installation.grant_registry(cluster.registry())?;
    let mut operator = installation.start(&program)?;
    let took = operator.wait_until_ready()?;
    narrator
        .say(&format!("The operator runs with the rights of its ServiceAccount; ready after {}.", step::seconds(took)));
    let summary = Story { narrator: &narrator, cluster: &cluster, operator: &mut operator }.tell()?;
    operator.stop()?;
    // A cluster that is not ours is cleaned up now, while failures can still be told.
    cluster.stop()?;
    println!();
    narrator.say(&summary);
    Ok(())
}
