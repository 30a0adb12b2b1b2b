//! Where the demo happens: a control plane of its own, or a cluster that somebody has.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::control_plane::ControlPlane;
use crate::control_plane::look_up::Programs;
use crate::control_plane::node::{self, LABEL, Taint};
use crate::control_plane::program::Module;
use crate::control_plane::registry::Registry;
use crate::kubectl::Kubectl;
use crate::process::Process;
use crate::{operator, stop, workspace};

/// The namespace of the Deployment.
pub const NAMESPACE: &str = "demo";

/// The simulated nodes in somebody's cluster.
const NODES: [&str; 2] = ["k8supdater-demo-1", "k8supdater-demo-2"];

/// How long simulated nodes may take to become Ready.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cluster with simulated nodes, and a registry. Dropping it removes all that the demo has created.
#[derive(Debug)]
pub struct Cluster(Inner);

#[derive(Debug)]
enum Inner {
    Own(Box<ControlPlane>),
    Given(Box<Given>),
}

/// Somebody's cluster with what the demo adds to it.
#[derive(Debug)]
struct Given {
    kubectl: Kubectl,
    registry: Registry,
    directory: TempDir,
    is_clean: bool,
    /// Ends after the cleaning, for pods on its nodes are gone only when it says so.
    _kwok: Process,
}

impl Cluster {
    /// Starts a control plane.
    ///
    /// # Errors
    /// When it cannot be built or started.
    pub fn start() -> Result<Self> {
        Ok(Self(Inner::Own(Box::new(ControlPlane::start(&Programs::find_or_build_of(&Module::CONTROL_PLANE)?)?))))
    }

    /// Adds simulated nodes to the cluster of the current context of `kubeconfig`, and starts a registry beside it.
    ///
    /// The nodes are tainted, so that nothing but the demo's pods is scheduled to them.
    ///
    /// # Errors
    /// When something is there already that the demo would have to remove at its end, or a part cannot be started.
    pub fn join(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig: PathBuf = std::path::absolute(kubeconfig)?;
        if !kubeconfig.is_file() {
            bail!("there is no file {}", kubeconfig.display());
        }
        let kubectl = Kubectl::new(&kubeconfig)?;
        for object in [
            format!("namespace/{NAMESPACE}"),
            format!("namespace/{}", operator::NAME),
            "customresourcedefinition/versioninghandlers.k8supdater.dev".to_owned(),
            "customresourcedefinition/plugins.k8supdater.dev".to_owned(),
        ] {
            if kubectl.exists(&object)? {
                bail!("the cluster has a {object} already, and the demo removes what it uses; choose another cluster");
            }
        }
        let programs = Programs::find_or_build_of(&[Module::Registry, Module::Kwok])?;
        let directory = tempfile::Builder::new()
            .prefix("k8supdater-demo-")
            .tempdir()
            .context("cannot create a temporary directory")?;
        let mut registry = Registry::start(&programs, directory.path())?;
        registry.wait_until_ready()?;
        let mut kwok = node::start_kwok(&programs, &kubeconfig, directory.path())?;
        let started = Instant::now();
        kwok.check()?;
        // From here on there is something to clean up.
        let given = Given { kubectl, registry, directory, is_clean: false, _kwok: kwok };
        given.kubectl.apply(&node::nodes(&NODES, Taint::Simulated))?;
        while !node::all_are_schedulable(&given.kubectl)? {
            if started.elapsed() > PATIENCE {
                bail!("the simulated nodes do not become Ready");
            }
            stop::sleep(Duration::from_millis(100))?;
        }
        Ok(Self(Inner::Given(Box::new(given))))
    }

    /// kubectl for a user who may do everything.
    pub fn kubectl(&self) -> &Kubectl {
        match &self.0 {
            Inner::Own(control_plane) => control_plane.kubectl(),
            Inner::Given(given) => &given.kubectl,
        }
    }

    /// Host and port of the registry.
    pub fn registry(&self) -> &str {
        match &self.0 {
            Inner::Own(control_plane) => control_plane.registry(),
            Inner::Given(given) => given.registry.address(),
        }
    }

    /// A directory for files that belong to this run.
    pub fn directory(&self) -> &Path {
        match &self.0 {
            Inner::Own(control_plane) => control_plane.directory(),
            Inner::Given(given) => given.directory.path(),
        }
    }

    /// Where the API server writes down who asks it for what; none in somebody's cluster.
    pub fn audit_log(&self) -> Option<PathBuf> {
        match &self.0 {
            Inner::Own(control_plane) => Some(control_plane.audit_log()),
            Inner::Given(_) => None,
        }
    }

    /// Removes all that the demo has created.
    ///
    /// # Errors
    /// When the API server refuses to remove something.
    pub fn stop(self) -> Result<()> {
        match self.0 {
            Inner::Own(control_plane) => drop(control_plane),
            Inner::Given(mut given) => given.clean()?,
        }
        Ok(())
    }

    /// Creates the namespace with a Deployment of three pods that run `image`.
    ///
    /// # Errors
    /// When the API server refuses.
    pub fn create_deployment(&self, name: &str, image: &str) -> Result<()> {
        let labels = json!({"app": name});
        self.kubectl().apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))?;
        self.kubectl().apply(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "containers": [{"name": name, "image": image}],
                        // Nobody but a simulated node could start an image that holds nothing.
                        "nodeSelector": {LABEL: "true"},
                        "tolerations": [{"key": LABEL, "operator": "Exists"}],
                    },
                },
            },
        }))
    }
}

/// A handler for the Deployment `name`, in the namespace of the demo: the plugin `oci`, frontier 2.
pub fn handler(name: &str, interval: Duration) -> Value {
    json!({
        "apiVersion": "k8supdater.dev/v1",
        "kind": "VersioningHandler",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "deployment": name,
            "containerregistry": "oci",
            "frontier": 2,
            "interval": format!("{}s", interval.as_secs()),
        },
    })
}

impl Given {
    /// Removes everything, in the order in which nothing waits for something that is gone. Goes on after failures.
    fn clean(&mut self) -> Result<()> {
        if self.is_clean {
            return Ok(());
        }
        self.is_clean = true;
        println!("removing what the demo has created");
        let deploy = workspace::root().join("deploy");
        let mut failed = Vec::new();
        for args in [
            format!("delete namespace {NAMESPACE} --ignore-not-found --timeout=60s"),
            format!("delete --ignore-not-found --timeout=60s -k {}", deploy.display()),
            format!("delete node --ignore-not-found --timeout=60s {}", NODES.join(" ")),
        ] {
            // Not through `command`, which starts nothing more after Ctrl-C; and in a group of its own, or the terminal's Ctrl-C
            // would reach kubectl as well.
            let mut command = self.kubectl.command(&args);
            command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0);
            if !command.status().is_ok_and(|status| status.success()) {
                failed.push(format!("kubectl {args}"));
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            bail!("not everything could be removed; try again: {}", failed.join("; "))
        }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if let Err(err) = self.clean() {
            eprintln!("error: {err:#}");
        }
    }
}
