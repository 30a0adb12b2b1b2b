//! The operator's own program: built, installed, and run as a local process with the rights that it has in a cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::control_plane::node::LABEL;
use crate::control_plane::port;
use crate::kubectl::Kubectl;
use crate::kubelet::Container;
use crate::process::Process;
use crate::{command, step, stop, workspace};

/// Namespace of the operator, and name of its ServiceAccount and Deployment, as in `deploy/operator`.
pub const NAME: &str = "k8supdater";

/// The label of the Job that installs plugins, and of its pods.
const INSTALLER: &str = "app.kubernetes.io/name=k8supdater-installer";

/// How long the operator may need to get ready. An unoptimised one compiles the plugins in 10 s, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long it may take to finish what it is doing; it gives itself 20 s.
const GRACE: Duration = Duration::from_secs(25);

/// How it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quickly.
    Debug,
    /// As it is shipped.
    Release,
}

/// Builds the package `k8supdater` and returns its program.
///
/// # Errors
/// When it does not compile.
pub fn build(profile: Profile) -> Result<PathBuf> {
    let mut cargo = command::cargo();
    cargo.args(["build", "--package", "k8supdater", "--bin", "k8supdater"]);
    let directory = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    command::run(&mut cargo)?;
    Ok(workspace::target().join(directory).join("k8supdater"))
}

/// Where pods of ours run, if they run at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// There are only simulated ones, which start no image.
    Simulated,
    /// There are real ones too, on which no pod of ours must come to run: the processes here stand in for them.
    Real,
}

/// The operator in a cluster. What its pods would run runs here, as [`kubelet`](crate::kubelet) has it.
#[derive(Clone, Debug)]
pub struct Installation {
    kubectl: Kubectl,
    namespace: String,
    directory: PathBuf,
    disk: PathBuf,
}

impl Installation {
    /// Of manifests that were applied, in `namespace`. What the processes write goes to `directory`, and what they find there from an earlier
    /// start, such as compiled plugins, they use again.
    pub fn new(kubectl: &Kubectl, namespace: &str, directory: &Path) -> Self {
        let disk = directory.join("volumes");
        Self { kubectl: kubectl.clone(), namespace: namespace.to_owned(), directory: directory.to_owned(), disk }
    }

    /// With volumes that are kept elsewhere.
    #[must_use]
    pub fn with_disk(mut self, disk: &Path) -> Self {
        disk.clone_into(&mut self.disk);
        self
    }

    /// Installs the operator from `deploy`, by one command, and has its plugins installed by `program`.
    ///
    /// # Errors
    /// When the API server refuses something, or the plugins do not get installed.
    pub fn from_deploy(kubectl: &Kubectl, program: &Path, nodes: Nodes, directory: &Path) -> Result<Self> {
        let deploy = match nodes {
            Nodes::Simulated => workspace::root().join("deploy"),
            Nodes::Real => overlay(directory)?,
        };
        command::output(kubectl.command("apply -k").arg(deploy))?;
        let installation = Self::new(kubectl, NAME, directory);
        installation.install_plugins(program, &workspace::root().join("deploy/plugins"))?;
        Ok(installation)
    }

    /// The operator's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Runs what the Job runs that installs plugins, with those in the directory `plugins` in place of those in the image, until the Job is
    /// complete. Gives what the program says.
    ///
    /// # Errors
    /// When there is no pod to run, the program fails, or the Job does not notice its success.
    pub fn install_plugins(&self, program: &Path, plugins: &Path) -> Result<String> {
        let job = self.wait_for("an unfinished Job that installs plugins", || {
            Ok(items(&self.json("get jobs -l", INSTALLER)?).into_iter().find(|job| !is_over(job)))
        })?;
        let job = name_of(&job)?;
        let pod = self.wait_for("a pod of it that was scheduled", || {
            let pods = items(&self.json("get pods -l", &format!("batch.kubernetes.io/job-name={job}"))?);
            Ok(pods.into_iter().find(|pod| pod["spec"]["nodeName"].is_string() && pod["status"]["phase"] == "Pending"))
        })?;
        let container = Container::read(&pod, &self.disk)?;
        let kubeconfig = self.directory.join("installer.kubeconfig");
        container.write_kubeconfig(&self.kubectl, &kubeconfig)?;
        let pod = name_of(&pod)?;
        self.report(&pod, &container.running())?;
        let mut process = Command::new(program);
        process.args(&container.args).envs(container.env.iter().map(|(name, value)| (name, value)));
        process.env("KUBECONFIG", &kubeconfig).env("K8SUPDATER_PLUGINS", plugins);
        let said = command::output(&mut process);
        self.report(&pod, &container.ended(said.is_ok()))?;
        let said = said?;
        self.kubectl.output(&format!("-n {} wait --for=condition=complete --timeout=60s job/{job}", self.namespace))?;
        Ok(said)
    }

    /// Writes the status of a pod, as its kubelet would.
    fn report(&self, pod: &str, status: &Value) -> Result<()> {
        let mut patch = self.kubectl.command(&format!("-n {} patch pod {pod} --subresource=status -p", self.namespace));
        command::output(patch.arg(status.to_string())).map(drop)
    }

    fn json(&self, what: &str, label: &str) -> Result<Value> {
        self.kubectl.json(&format!("-n {} {what} {label}", self.namespace))
    }

    /// Lets the shipped plugin `oci` call a registry at `address` over plain http.
    ///
    /// # Errors
    /// When there is no such plugin.
    pub fn grant_registry(&self, address: &str) -> Result<()> {
        let plugin = self.json("get plugin", "oci")?;
        let mut origins = plugin["spec"]["grants"]["origins"].as_array().cloned().unwrap_or_default();
        origins.push(json!(format!("http://{address}")));
        let patch = json!({"spec": {"grants": {"origins": origins}, "settings": {"plainHttp": true}}});
        let mut command = self.kubectl.command(&format!("-n {} patch plugin oci --type merge -p", self.namespace));
        command::output(command.arg(patch.to_string()))?;
        Ok(())
    }

    /// Starts `program` as the pod of the Deployment says, with the rights of its ServiceAccount.
    ///
    /// # Errors
    /// When the Deployment is not as it should be, the API server gives no token, or the program cannot be started.
    pub fn start(&self, program: &Path) -> Result<Operator> {
        let deployment = self.json("get deployment", NAME)?;
        let mut pod = deployment["spec"]["template"].clone();
        pod["metadata"]["namespace"] = json!(self.namespace);
        pod["metadata"]["name"] = json!(format!("{NAME}-0"));
        let container = Container::read(&pod, &self.disk)?;
        let kubeconfig = self.directory.join("operator.kubeconfig");
        container.write_kubeconfig(&self.kubectl, &kubeconfig)?;
        create_private(&self.disk)?;
        // A pod has an address of its own, and all its ports to itself.
        let [port] = port::free()?;
        let health = format!("127.0.0.1:{port}");
        let started = Instant::now();
        let process = Process::start_with(NAME, program, self.directory.join("operator.log"), |command| {
            command.args(&container.args).envs(container.env.iter().map(|(name, value)| (name, value)));
            command.env("KUBECONFIG", &kubeconfig).env("K8SUPDATER_HEALTH_ADDRESS", &health);
        })?;
        Ok(Operator { process: process.with_grace(GRACE), namespace: self.namespace.clone(), health, started })
    }

    fn wait_for<T>(&self, what: &str, look: impl Fn() -> Result<Option<T>>) -> Result<T> {
        let begun = Instant::now();
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if begun.elapsed() > PATIENCE {
                let shown = self.kubectl.output(&format!("-n {} get events,jobs,pods", self.namespace))?;
                bail!("no {what} after {}; there are\n{shown}", step::seconds(PATIENCE));
            }
            stop::sleep(Duration::from_millis(50))?;
        }
    }
}

fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().cloned().unwrap_or_default()
}

fn name_of(object: &Value) -> Result<String> {
    object["metadata"]["name"].as_str().map(str::to_owned).context("an object has a name")
}

/// Whether a Job has come to its end, good or bad.
fn is_over(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|it| (it["type"] == "Complete" || it["type"] == "Failed") && it["status"] == "True")
}

/// A kustomization of `deploy` with no pod of the operator, and with that of the Job on a simulated node.
fn overlay(directory: &Path) -> Result<PathBuf> {
    let overlay = directory.join("overlay");
    fs::create_dir_all(&overlay).with_context(|| format!("cannot create {}", overlay.display()))?;
    // kustomize takes no absolute path.
    let overlay = overlay.canonicalize().with_context(|| format!("cannot find {}", overlay.display()))?;
    let up: PathBuf = overlay.components().skip(1).map(|_| "..").collect();
    let deploy = up.join(workspace::root().join("deploy").strip_prefix("/")?);
    let key = LABEL.replace('/', "~1");
    let patch = |kind: &str, operations: Value| json!({"target": {"kind": kind}, "patch": operations.to_string()});
    let kustomization = json!({
        "resources": [deploy],
        "patches": [
            patch("Deployment", json!([{"op": "replace", "path": "/spec/replicas", "value": 0}])),
            patch("Job", json!([
                {"op": "add", "path": format!("/spec/template/spec/nodeSelector/{key}"), "value": "true"},
                {"op": "add", "path": "/spec/template/spec/tolerations", "value": [{"key": LABEL, "operator": "Exists"}]},
            ])),
        ],
    });
    let file = overlay.join("kustomization.yaml");
    // JSON is YAML.
    fs::write(&file, format!("{kustomization:#}\n")).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(overlay)
}

/// A running operator. Dropping it stops it.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    namespace: String,
    health: String,
    started: Instant,
}

impl Operator {
    /// The namespace that it is installed in.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Waits until it looks after everything there is, and returns the time since its start.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; with the end of its log.
    pub fn wait_until_ready(&mut self) -> Result<Duration> {
        let url = format!("http://{}/readyz", self.health);
        while ureq::get(&url).call().is_err() {
            self.process.check()?;
            if self.started.elapsed() > PATIENCE {
                return Err(self.process.failure(&format!("is not ready after {}", step::seconds(PATIENCE))));
            }
            stop::sleep(Duration::from_millis(5))?;
        }
        Ok(self.started.elapsed())
    }

    /// What it tells Prometheus, in the text format.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn metrics(&self) -> Result<String> {
        let url = format!("http://{}/metrics", self.health);
        let mut response = ureq::get(&url).call().with_context(|| format!("cannot read {url}"))?;
        response.body_mut().read_to_string().with_context(|| format!("cannot read {url}"))
    }

    /// Memory that it holds now, in bytes (`VmRSS`, <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>).
    ///
    /// # Errors
    /// Where there is no `/proc`, or the process has ended.
    pub fn resident(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// Most memory that it has held at any time, in bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    fn memory(&self, line: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        memory(&status, line).with_context(|| format!("{path} has no line {line}"))
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(self) -> Result<()> {
        self.process.stop().map(drop)
    }
}

fn memory(status: &str, line: &str) -> Option<u64> {
    let rest = status.lines().find_map(|found| found.strip_prefix(line))?;
    let kibibytes: u64 = rest.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// Creates a directory for its owner only, as the operator wants it for compiled code.
fn create_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let result = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    result.with_context(|| format!("cannot create {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_kibibytes() {
        let status = "VmHWM:\t  99 kB\nVmRSS:\t   54400 kB\n";
        assert_eq!(memory(status, "VmRSS:"), Some(54_400 * 1024));
        assert_eq!(memory(status, "VmHWM:"), Some(99 * 1024));
        assert_eq!(memory("Name:\tk8supdater\n", "VmRSS:"), None);
    }

    #[test]
    fn a_job_is_over_when_it_has_succeeded_or_given_up() {
        let job = |kind: &str, status: &str| json!({"status": {"conditions": [{"type": kind, "status": status}]}});
        assert!(is_over(&job("Complete", "True")) && is_over(&job("Failed", "True")));
        assert!(!is_over(&job("Complete", "False")) && !is_over(&job("Suspended", "True")) && !is_over(&json!({})));
    }
}
