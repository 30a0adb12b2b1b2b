//! The operator's own program: built, and run as a local process with the rights that it has in a cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::control_plane::credentials::write_secret;
use crate::control_plane::port;
use crate::kubectl::Kubectl;
use crate::process::Process;
use crate::{command, step, stop, workspace};

/// Namespace of the operator, and name of its ServiceAccount and Deployment, as in `deploy/operator`.
pub const NAME: &str = "k8supdater";

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

/// Installs the operator from `deploy`, except that no pod of it runs: it is to run here.
///
/// # Errors
/// When the API server refuses something.
pub fn install(kubectl: &Kubectl) -> Result<()> {
    install_definitions(kubectl)?;
    let mut apply = kubectl.command("apply --server-side -k");
    command::output(apply.arg(workspace::root().join("deploy")))?;
    kubectl.output(&format!("-n {NAME} scale deployment/{NAME} --replicas=0"))?;
    Ok(())
}

/// Installs the CustomResourceDefinitions, and waits until the API server serves them.
///
/// # Errors
/// When it does not.
pub fn install_definitions(kubectl: &Kubectl) -> Result<()> {
    let definitions = workspace::root().join("deploy/crd");
    command::output(kubectl.command("apply --server-side -k").arg(&definitions))?;
    let mut wait = kubectl.command("wait --for=condition=Established --timeout=60s -f");
    command::output(wait.arg(definitions.join("k8supdater.dev.yaml")))?;
    Ok(())
}

/// Lets the shipped plugin `oci` call a registry at `address` over plain http.
///
/// # Errors
/// When there is no such plugin.
pub fn grant_registry(kubectl: &Kubectl, address: &str) -> Result<()> {
    let plugin = kubectl.json(&format!("-n {NAME} get plugin oci"))?;
    let mut origins = plugin["spec"]["grants"]["origins"].as_array().cloned().unwrap_or_default();
    origins.push(json!(format!("http://{address}")));
    let patch = json!({"spec": {"grants": {"origins": origins}, "settings": {"plainHttp": true}}});
    let mut command = kubectl.command(&format!("-n {NAME} patch plugin oci --type merge -p"));
    command::output(command.arg(patch.to_string()))?;
    Ok(())
}

/// A running operator. Dropping it stops it.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    health: String,
    started: Instant,
}

impl Operator {
    /// Starts `program` with the rights of the ServiceAccount that [`install`] has created. Everything it writes goes to `directory`;
    /// compiled plugins that it finds there from an earlier start are used again.
    ///
    /// # Errors
    /// When the API server gives no token, or the program cannot be started.
    pub fn start(program: &Path, kubectl: &Kubectl, directory: &Path) -> Result<Self> {
        let kubeconfig = directory.join("operator.kubeconfig");
        write_kubeconfig(kubectl, &kubeconfig)?;
        let cache = directory.join("operator-cache");
        create_private(&cache)?;
        let [port] = port::free()?;
        let health = format!("127.0.0.1:{port}");
        let started = Instant::now();
        let process = Process::start_with("k8supdater", program, directory.join("operator.log"), |command| {
            command.arg("--kubeconfig").arg(&kubeconfig).arg("--cache-dir").arg(&cache);
            command.args(["--namespace", NAME, "--health-address", &health]);
        })?;
        Ok(Self { process: process.with_grace(GRACE), health, started })
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

/// Writes a kubeconfig with the rights of the operator's ServiceAccount, and no others.
fn write_kubeconfig(kubectl: &Kubectl, path: &Path) -> Result<()> {
    let config = kubectl.json("config view --minify --flatten --raw")?;
    let token = kubectl.output(&format!("-n {NAME} create token {NAME}"))?;
    write_secret(path, &format!("{:#}\n", with_token(&config, token.trim())))
}

/// The cluster of `config`, for the bearer of `token`.
fn with_token(config: &Value, token: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": config["clusters"][0]["cluster"]}],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    })
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
    fn nothing_of_the_administrators_rights_gets_into_the_operators_kubeconfig() {
        let config = json!({
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority-data": "QQ=="}}],
            "users": [{"name": "admin", "user": {"token": "secret-of-admin"}}],
        });
        let text = with_token(&config, "t").to_string();
        assert!(text.contains("https://127.0.0.1:1") && text.contains("QQ=="), "{text}");
        assert!(!text.contains("admin"), "{text}");
    }
}
