//! A real Kubernetes control plane and a real registry, on this machine, without containers.
//!
//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler are the released programs; [kwok](https://kwok.sigs.k8s.io)
//! simulates nodes and the pods on them, so Deployments roll out in a second and need no image. The registry is the one of the CNCF
//! distribution project. [`look_up`] finds the programs or has [`build`](build::build) make them; [`ControlPlane::start`] starts
//! them on free ports, with everything they write in one temporary directory. Nothing outlives the [`ControlPlane`].

pub mod build;
pub mod credentials;
pub mod look_up;
pub mod node;
pub mod port;
pub mod program;
pub mod registry;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::kubectl::Kubectl;
use crate::process::Process;
use crate::{rights, step, stop};
use credentials::User;
use look_up::Programs;
use program::Program;
use registry::Registry;

/// How long one part may take to get ready; on a busy two-core machine the API server has been seen to need 20 s.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often the start is tried when another program took one of our ports in the moment between choosing and using it.
const ATTEMPTS: usize = 3;

/// A log that has grown too long is put aside under a name that begins like this one, as that of no other file of the directory does.
const AUDIT_LOG: &str = "audit.log";

/// A running control plane. Dropping it stops every program and removes what they wrote.
#[derive(Debug)]
pub struct ControlPlane {
    // Fields are dropped in this order: first the clients of the API server, then it, then etcd, at last the directory.
    processes: Vec<Process>,
    registry: Registry,
    kubectl: Kubectl,
    directory: TempDir,
}

impl ControlPlane {
    /// Starts everything and waits until pods can be scheduled.
    ///
    /// # Errors
    /// When a program ends or is not ready in time; the error shows the end of its log.
    pub fn start(programs: &Programs) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::try_start(programs) {
                Err(err) if attempt < ATTEMPTS && format!("{err:#}").contains("address already in use") => attempt += 1,
                result => return result,
            }
        }
    }

    fn try_start(programs: &Programs) -> Result<Self> {
        let started = Instant::now();
        let directory = tempfile::Builder::new()
            .prefix("k8supdater-control-plane-")
            .tempdir()
            .context("cannot create a temporary directory")?;
        let cluster = Cluster::prepare(directory.path())?;
        let mut etcd = cluster.start_etcd(programs)?;
        let mut api_server = cluster.start_api_server(programs)?;
        let mut registry = Registry::start(programs, directory.path())?;
        let kubectl = Kubectl::new(&cluster.kubeconfig("admin"))?;
        wait_until("kube-apiserver", &mut [&mut etcd, &mut api_server], || {
            // kubectl cannot even begin before the API server has written its certificate.
            cluster.authority().exists() && kubectl.output("get --raw /readyz").is_ok()
        })?;
        let mut controller_manager = cluster.start_controller_manager(programs)?;
        let mut scheduler = cluster.start_scheduler(programs)?;
        let mut kwok = node::start_kwok(programs, kubectl.kubeconfig(), directory.path())?;
        kubectl.apply(&node::nodes(&["node-1", "node-2", "node-3"], node::Taint::None))?;
        let mut parts = [&mut etcd, &mut api_server, &mut controller_manager, &mut scheduler, &mut kwok];
        wait_until("a schedulable node", &mut parts, || node::all_are_schedulable(&kubectl).unwrap_or(false))?;
        registry.wait_until_ready()?;
        println!("control plane ready after {}", step::seconds(started.elapsed()));
        let processes = vec![kwok, scheduler, controller_manager, api_server, etcd];
        Ok(Self { processes, registry, kubectl, directory })
    }

    /// kubectl for a user who may do everything.
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// The kubeconfig of a user who may do everything.
    pub fn kubeconfig(&self) -> &Path {
        self.kubectl.kubeconfig()
    }

    /// Host and port of the registry, which speaks plain http: `127.0.0.1:40123`.
    pub fn registry(&self) -> &str {
        self.registry.address()
    }

    /// The program of the registry, for whoever wants one with another configuration.
    pub fn registry_program(&self) -> &Path {
        self.registry.program()
    }

    /// What the API server has written down about requests of `ServiceAccounts`, as [`rights::POLICY`] says.
    pub fn audit_log(&self) -> PathBuf {
        self.directory().join(AUDIT_LOG)
    }

    /// A directory for files that belong to this run; removed with it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Fails if a program has ended.
    ///
    /// # Errors
    /// With the end of the program's log.
    pub fn check(&mut self) -> Result<()> {
        self.processes.iter_mut().try_for_each(Process::check)
    }
}

/// `cargo xtask control-plane`: starts everything, says how to use it, and runs until Ctrl-C.
///
/// # Errors
/// When it cannot be started, or a program ends by itself.
pub fn run() -> Result<()> {
    let programs = Programs::find_or_build()?;
    let mut control_plane = ControlPlane::start(&programs)?;
    println!("\nexport KUBECONFIG={}", control_plane.kubeconfig().display());
    println!("export K8SUPDATER_TEST_KUBECONFIG={}", control_plane.kubeconfig().display());
    println!("export K8SUPDATER_TEST_REGISTRY={}", control_plane.registry());
    println!("export K8SUPDATER_TEST_REGISTRY_PROGRAM={}", control_plane.registry_program().display());
    println!("export K8SUPDATER_TEST_MAIL_PROGRAM={}", programs.path(Program::Mailpit)?.display());
    println!("export K8SUPDATER_TEST_PROMTOOL={}", programs.path(Program::Promtool)?.display());
    println!("\nlogs are in {}; Ctrl-C stops everything", control_plane.directory().display());
    loop {
        stop::sleep(Duration::from_secs(1))?;
        control_plane.check()?;
    }
}

/// Addresses and files of one cluster.
#[derive(Debug)]
struct Cluster {
    directory: PathBuf,
    etcd: u16,
    etcd_peer: u16,
    api_server: u16,
}

impl Cluster {
    /// Chooses ports and writes keys, tokens and kubeconfigs.
    fn prepare(directory: &Path) -> Result<Self> {
        let [etcd, etcd_peer, api_server] = port::free()?;
        let cluster = Self { directory: directory.to_owned(), etcd, etcd_peer, api_server };
        let admin = User::admin()?;
        let controller_manager = User::component("system:kube-controller-manager")?;
        let scheduler = User::component("system:kube-scheduler")?;
        credentials::write_tokens(&cluster.file("tokens.csv"), &[&admin, &controller_manager, &scheduler])?;
        credentials::write_service_account_key(&cluster.file("service-account.pem"))?;
        let policy = cluster.file("policy.json");
        fs::write(&policy, rights::POLICY).with_context(|| format!("cannot write {}", policy.display()))?;
        for (name, user) in
            [("admin", &admin), ("kube-controller-manager", &controller_manager), ("kube-scheduler", &scheduler)]
        {
            user.write_kubeconfig(&cluster.kubeconfig(name), &cluster.server(), &cluster.authority())?;
        }
        Ok(cluster)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn kubeconfig(&self, user: &str) -> PathBuf {
        self.file(&format!("{user}.kubeconfig"))
    }

    fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_server)
    }

    /// The certificate that the API server makes for itself, followed by the authority that signed it.
    fn authority(&self) -> PathBuf {
        self.file("certificates/apiserver.crt")
    }

    fn start(&self, programs: &Programs, program: Program, flags: &[String]) -> Result<Process> {
        let log = self.file(&format!("{}.log", program.name()));
        Process::start(program.name(), programs.path(program)?, flags, log)
    }

    fn start_etcd(&self, programs: &Programs) -> Result<Process> {
        let (client, peer) =
            (format!("http://127.0.0.1:{}", self.etcd), format!("http://127.0.0.1:{}", self.etcd_peer));
        let flags = [
            flag("data-dir", self.file("etcd").display()),
            flag("listen-client-urls", &client),
            flag("advertise-client-urls", &client),
            flag("listen-peer-urls", &peer),
            flag("initial-advertise-peer-urls", &peer),
            flag("initial-cluster", format_args!("default={peer}")),
            // What is lost in a power failure would be thrown away anyway.
            flag("unsafe-no-fsync", true),
            flag("log-level", "warn"),
        ];
        self.start(programs, Program::Etcd, &flags)
    }

    fn start_api_server(&self, programs: &Programs) -> Result<Process> {
        let key = self.file("service-account.pem");
        let flags = [
            flag("etcd-servers", format_args!("http://127.0.0.1:{}", self.etcd)),
            flag("bind-address", "127.0.0.1"),
            flag("advertise-address", "127.0.0.1"),
            flag("secure-port", self.api_server),
            flag("cert-dir", self.file("certificates").display()),
            flag("authorization-mode", "RBAC"),
            flag("token-auth-file", self.file("tokens.csv").display()),
            flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local"),
            flag("service-account-key-file", key.display()),
            flag("service-account-signing-key-file", key.display()),
            flag("service-cluster-ip-range", "10.0.0.0/24"),
            flag("audit-policy-file", self.file("policy.json").display()),
            flag("audit-log-path", self.file(AUDIT_LOG).display()),
            // There is no network in which an endpoint of the API server would mean anything.
            flag("endpoint-reconciler-type", "none"),
            flag("profiling", false),
        ];
        self.start(programs, Program::KubeApiserver, &flags)
    }

    fn start_controller_manager(&self, programs: &Programs) -> Result<Process> {
        let flags = [
            flag("kubeconfig", self.kubeconfig("kube-controller-manager").display()),
            flag("service-account-private-key-file", self.file("service-account.pem").display()),
            flag("root-ca-file", self.authority().display()),
            // Each controller acts with the rights of its own ServiceAccount, as in a real cluster.
            flag("use-service-account-credentials", true),
            // By default each controller makes 20 requests a second, and a test with hundreds of workloads would wait for nothing else.
            flag("kube-api-qps", 500),
            flag("kube-api-burst", 1000),
            flag("leader-elect", false),
            flag("secure-port", 0),
            flag("profiling", false),
        ];
        self.start(programs, Program::KubeControllerManager, &flags)
    }

    fn start_scheduler(&self, programs: &Programs) -> Result<Process> {
        let flags = [
            flag("kubeconfig", self.kubeconfig("kube-scheduler").display()),
            flag("leader-elect", false),
            flag("secure-port", 0),
            flag("profiling", false),
        ];
        self.start(programs, Program::KubeScheduler, &flags)
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// Waits until `is_ready`, and fails early if one of `parts` ends.
fn wait_until(what: &str, parts: &mut [&mut Process], mut is_ready: impl FnMut() -> bool) -> Result<()> {
    let started = Instant::now();
    while !is_ready() {
        stop::sleep(Duration::from_millis(100))?;
        parts.iter_mut().try_for_each(|part| part.check())?;
        if started.elapsed() > PATIENCE {
            let logs: Vec<String> = parts
                .iter()
                .map(|part| part.failure("is running, but the control plane is not ready").to_string())
                .collect();
            bail!("no {what} after {}:\n{}", step::seconds(PATIENCE), logs.join("\n\n"));
        }
    }
    Ok(())
}
