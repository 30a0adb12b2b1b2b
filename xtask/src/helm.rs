//! helm, as a person would use it, except that nothing of that person's is read, and nothing is written outside a temporary directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::control_plane::look_up::Programs;
use crate::control_plane::program::{Module, Program};
use crate::kubectl::Kubectl;
use crate::{command, workspace};

/// How long helm waits for what it has been told to wait for; pods that are simulated come up in a second.
const PATIENCE: &str = "60s";

/// helm, and a directory for what it writes.
#[derive(Debug)]
pub struct Helm {
    program: PathBuf,
    directory: TempDir,
}

impl Helm {
    /// helm from where [`Programs`] finds it, or built.
    ///
    /// # Errors
    /// When it has to be built and cannot be.
    pub fn find_or_build() -> Result<Self> {
        let programs = Programs::find_or_build_of(&[Module::Helm])?;
        Self::new(programs.path(Program::Helm)?)
    }

    /// This program.
    ///
    /// # Errors
    /// When there is no place for what it writes.
    pub fn new(program: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("k8supdater-helm-")
            .tempdir()
            .context("cannot create a temporary directory")?;
        Ok(Self { program: program.to_owned(), directory })
    }

    /// A command with arguments separated by blanks, to which more can be added. It knows of no cluster.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HELM_") {
                command.env_remove(&name);
            }
        }
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "KUBECACHEDIR"] {
            command.env(name, self.directory.path().join(name));
        }
        command.env("KUBECONFIG", self.directory.path().join("no-cluster"));
        command.args(args.split_whitespace());
        command
    }

    /// Has helm look at the chart with these values. A warning is an error.
    ///
    /// # Errors
    /// With what it finds.
    pub fn lint(&self, values: &Values) -> Result<()> {
        let mut command = self.command("lint --strict --quiet");
        command.arg("--kube-version").arg(kubernetes()?).arg(chart());
        command::output(command.args(values.args())).map(drop)
    }

    /// The objects of a release, as YAML.
    ///
    /// # Errors
    /// When the values are not such as the chart wants them.
    pub fn template(&self, name: &str, namespace: &str, values: &Values) -> Result<String> {
        let mut command = self.command(&format!("template {name} --namespace {namespace}"));
        command.arg("--kube-version").arg(kubernetes()?).arg(chart());
        command::output(command.args(values.args()))
    }

    /// The CustomResourceDefinitions of a chart, as YAML.
    ///
    /// # Errors
    /// When there is no such chart.
    pub fn definitions(&self, chart: &Path) -> Result<String> {
        command::output(self.command("show crds").arg(chart))
    }

    /// A release of this name on the cluster of `kubectl`, whether it is there or not.
    pub fn release<'a>(&'a self, kubectl: &'a Kubectl, name: &'a str, namespace: &'a str) -> Release<'a> {
        Release { helm: self, kubectl, name, namespace }
    }
}

/// Values that differ from those of the chart.
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Files, the later one first in force.
    pub files: Vec<PathBuf>,
    /// Single ones, as `--set` has them; they come before files.
    pub set: Vec<String>,
}

impl Values {
    /// Single values, as `--set` has them.
    pub fn set(values: &[&str]) -> Self {
        Self { files: Vec::new(), set: values.iter().map(|&value| value.to_owned()).collect() }
    }

    /// Those of a file.
    pub fn file(path: PathBuf) -> Self {
        Self { files: vec![path], set: Vec::new() }
    }

    fn args(&self) -> Vec<PathBuf> {
        let files = self.files.iter().flat_map(|file| ["--values".into(), file.clone()]);
        let set = self.set.iter().flat_map(|value| ["--set".into(), value.into()]);
        files.chain(set).collect()
    }
}

/// A release of the chart on a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Release<'a> {
    helm: &'a Helm,
    kubectl: &'a Kubectl,
    name: &'a str,
    namespace: &'a str,
}

impl Release<'_> {
    /// Installs the chart, with the namespace if it is missing, or upgrades to it, with these values and no others; then waits until the pods
    /// of its Deployments are ready. It does not wait for its Job, which is done here only when somebody does it.
    ///
    /// # Errors
    /// When helm or the API server refuses it, or it is not ready in time.
    pub fn apply(&self, chart: &Path, values: &Values) -> Result<()> {
        let mut command = self.command("upgrade --install --create-namespace --reset-values");
        command.arg(chart).args(["--wait", "--timeout", PATIENCE]).args(values.args());
        command::output(&mut command).map(drop)
    }

    /// Removes it. Its namespace and the CustomResourceDefinitions stay.
    ///
    /// # Errors
    /// When helm or the API server refuses it.
    pub fn remove(&self) -> Result<()> {
        command::output(self.command("uninstall").args(["--wait", "--timeout", PATIENCE])).map(drop)
    }

    fn command(&self, action: &str) -> Command {
        let mut command = self.helm.command(&format!("{action} {} --namespace {}", self.name, self.namespace));
        command.env("KUBECONFIG", self.kubectl.kubeconfig());
        command
    }
}

/// The chart.
pub fn chart() -> PathBuf {
    workspace::root().join("deploy/chart")
}

/// The version of Kubernetes that the tests run on. Without it helm takes a version that was new when helm was.
fn kubernetes() -> Result<String> {
    Module::Kubernetes.version()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helm_reads_and_writes_nothing_of_its_users() {
        let helm = Helm::new(Path::new("helm")).unwrap();
        let command = helm.command("version");
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "KUBECACHEDIR", "KUBECONFIG"] {
            let value = command.get_envs().find(|(found, _)| *found == name).and_then(|(_, value)| value);
            assert!(Path::new(value.unwrap()).starts_with(helm.directory.path()), "{name}");
        }
    }

    #[test]
    fn single_values_come_after_files() {
        let values = Values { files: vec!["a.yaml".into(), "b.yaml".into()], set: vec!["replicas=0".to_owned()] };
        let expected = ["--values", "a.yaml", "--values", "b.yaml", "--set", "replicas=0"].map(PathBuf::from);
        assert_eq!(values.args(), expected);
    }
}
