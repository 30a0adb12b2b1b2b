//! Simulated nodes.
//!
//! kwok looks after the nodes that carry the label [`LABEL`] and the pods on them, and after nothing else, so it can also serve a
//! cluster with real nodes. How nodes and pods behave is told by the Stage objects in `xtask/control-plane/kwok/stages`; the README there
//! lists the image tags with which a test has a pod crash, die, or never become ready.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::look_up::Programs;
use super::program::Program;
use crate::kubectl::Kubectl;
use crate::process::Process;
use crate::workspace;

/// The label of simulated nodes; also the key of the taint that keeps the pods of others away from them.
pub const LABEL: &str = "k8supdater.dev/simulated";

/// Whether only pods that tolerate it may run on a simulated node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taint {
    /// For a cluster that has no other nodes.
    None,
    /// For a cluster with real nodes, whose pods would only pretend to run here.
    Simulated,
}

/// Starts kwok, which acts with the rights of `kubeconfig`. Its log goes to `directory`.
///
/// # Errors
/// When it cannot be started.
pub fn start_kwok(programs: &Programs, kubeconfig: &Path, directory: &Path) -> Result<Process> {
    let mut flags = vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--manage-nodes-with-label-selector={LABEL}=true"),
        // As long as the kubelet's (`nodeLeaseDurationSeconds`); renewed at a quarter of it.
        "--node-lease-duration-seconds=40".to_owned(),
    ];
    flags.extend(stages()?.into_iter().map(|path| format!("--config={}", path.display())));
    Process::start("kwok", programs.path(Program::Kwok)?, flags, directory.join("kwok.log"))
}

/// The files with Stage objects.
fn stages() -> Result<Vec<PathBuf>> {
    let directory = workspace::root().join("xtask/control-plane/kwok/stages");
    let shown = || format!("cannot read {}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory).with_context(shown)? {
        let path = entry.with_context(shown)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("{} holds no Stage objects", directory.display());
    }
    Ok(files)
}

/// A list of Node objects for kwok to bring to life.
pub fn nodes(names: &[&str], taint: Taint) -> Value {
    let nodes: Vec<Value> = names.iter().map(|name| node(name, taint)).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": nodes})
}

fn node(name: &str, taint: Taint) -> Value {
    let taints = match taint {
        Taint::None => json!([]),
        Taint::Simulated => json!([{"key": LABEL, "value": "true", "effect": "NoSchedule"}]),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {LABEL: "true", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
        },
        "spec": {"taints": taints},
    })
}

/// Whether every simulated node is Ready and has none of the taints that the control plane gives to nodes that are not.
///
/// # Errors
/// When the API server cannot be asked.
pub fn all_are_schedulable(kubectl: &Kubectl) -> Result<bool> {
    let list = kubectl.json(&format!("get nodes -l {LABEL}=true"))?;
    let nodes = list["items"].as_array().context("a list of nodes has items")?;
    Ok(!nodes.is_empty() && nodes.iter().all(is_schedulable))
}

fn is_schedulable(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let taints = node["spec"]["taints"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        && taints.iter().all(|taint| taint["key"] == LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(taints: &Value, ready: &str, expected: bool) {
        let node = json!({"spec": {"taints": taints}, "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        assert_eq!(is_schedulable(&node), expected, "{node}");
    }

    #[test]
    fn a_node_is_schedulable_when_it_is_ready_and_only_our_taint_is_left() {
        check(&json!([]), "True", true);
        check(&json!([{"key": LABEL}]), "True", true);
        check(&json!([{"key": "node.kubernetes.io/not-ready"}]), "True", false);
        check(&json!([]), "False", false);
        assert!(!is_schedulable(&json!({})));
    }

    #[test]
    fn every_stage_file_is_found() {
        let names: Vec<String> =
            stages().unwrap().iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
        assert_eq!(
            names,
            [
                "node-heartbeat",
                "node-initialize",
                "pod-complete",
                "pod-crash",
                "pod-delete",
                "pod-dies",
                "pod-fail",
                "pod-never",
                "pod-nopull",
                "pod-ready"
            ]
        );
    }
}
