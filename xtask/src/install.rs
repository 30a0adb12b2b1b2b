//! Installing as people do, each way on an API server that has never seen us: one command, the whole demo with exactly the rights that this
//! gives, an upgrade, a downgrade, and the removal, after which nothing of ours is left.
//!
//! [`WAYS`] are the ways; another one is another entry. [`Release`] is what they install: what the sources hold, and a later one made of it.

mod release;
mod remains;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::demo::Narrator;
use crate::demo::cluster::{Cluster, NAMESPACE};
use crate::demo::story::{Story, status_of};
use crate::helm::{Helm, Values};
use crate::kubectl::Kubectl;
use crate::operator::{Installation, NAME, Operator};
use crate::step::{self, Steps};
use crate::{command, rights, stop};
use release::Release;
use remains::{Remains, everything};

/// How long each expected thing may take to happen.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// The plugin whose component changes with the later release, and the one whose Plugin object does.
const NEW_COMPONENT: &str = "semver";
const NEW_OBJECT: &str = "oci";

/// A way to install.
struct Way {
    /// For headings.
    name: &'static str,
    /// The operator's namespace.
    namespace: &'static str,
    /// Installs a release, or changes to it from another one.
    apply: fn(&Setting, &Release) -> Result<()>,
    /// Removes everything.
    remove: fn(&Setting, &Release) -> Result<()>,
}

/// Every way that docs/install.md and docs/helm.md name.
const WAYS: [Way; 5] = [
    Way {
        name: "kubectl apply -k deploy",
        namespace: NAME,
        apply: |it, release| it.kubectl_on("apply -k", &release.deploy()),
        remove: |it, release| it.kubectl_on("delete --ignore-not-found --timeout=60s -k", &release.deploy()),
    },
    Way {
        name: "kubectl apply -f install.yaml",
        namespace: NAME,
        apply: |it, release| it.kubectl_on("apply -f", &release.deploy().join("install.yaml")),
        remove: |it, release| {
            it.kubectl_on("delete --ignore-not-found --timeout=60s -f", &release.deploy().join("install.yaml"))
        },
    },
    Way {
        name: "k8supdater manifests, for one namespace",
        namespace: "updates",
        apply: |it, release| it.kubectl_on("apply --server-side -f", &it.print_manifests(release)?),
        remove: |it, release| {
            it.kubectl_on("delete --ignore-not-found --timeout=60s -f", &it.print_manifests(release)?)
        },
    },
    Way {
        name: "helm",
        namespace: NAME,
        apply: |it, release| it.apply_chart(release, &Values::default()),
        remove: Setting::remove_chart,
    },
    Way {
        name: "helm, for one namespace",
        namespace: "updates",
        apply: |it, release| it.apply_chart(release, &Values::set(&[&format!("watchNamespaces={{{NAMESPACE}}}")])),
        remove: Setting::remove_chart,
    },
];

/// Tries every way, each as a step of `steps`.
///
/// # Errors
/// Only when interrupted.
pub fn run_in(steps: &mut Steps, program: &Path) -> Result<()> {
    let directory = tempfile::Builder::new().prefix("k8supdater-install-").tempdir();
    let directory = directory.context("cannot create a temporary directory")?;
    let Some(later) = steps.run("a later release to upgrade to", || release::later(program, directory.path()))? else {
        return Ok(());
    };
    for way in &WAYS {
        steps.run(&format!("installation: {}", way.name), || {
            let cluster = Cluster::start()?;
            // Compiled plugins are kept from one way to the next.
            let disk = directory.path().join("volumes");
            let setting = Setting { way, cluster, program: program.to_owned(), disk };
            setting.play(&Release::current(), &later)?;
            setting.cluster.stop()
        })?;
    }
    Ok(())
}

/// Where one way is tried.
struct Setting {
    way: &'static Way,
    cluster: Cluster,
    program: PathBuf,
    disk: PathBuf,
}

impl Setting {
    fn play(&self, current: &Release, later: &Release) -> Result<()> {
        let narrator = Narrator::brief();
        // A namespace that an installation for this namespace alone needs beforehand.
        self.kubectl().apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))?;
        let before = everything(self.kubectl())?;
        (self.way.apply)(self, current)?;
        let said = self.installation().install_plugins(&self.program, &current.plugins())?;
        ensure!(said.lines().count() > 10 && said.lines().all(|line| line.ends_with(" created")), "not new:\n{said}");
        // That its pod is there shows that it may be, under the rules for pods of its namespace.
        self.kubectl().output(&format!("-n {} rollout status --timeout=60s deployment/{NAME}", self.way.namespace))?;
        narrator.say("Installed by one command; the Job has brought the plugins.");
        self.installation().grant_registry(self.cluster.registry())?;
        let mut operator = self.installation().start(&self.program)?;
        operator.wait_until_ready()?;
        let summary = Story { narrator: &narrator, cluster: &self.cluster, operator: &mut operator }.tell()?;
        narrator.say(&summary);
        self.upgrade(&mut operator, current, later)?;
        narrator.say("Upgraded: new bytes were loaded, and what the administrator had granted is still granted.");
        self.downgrade(current)?;
        narrator.say("Downgraded, after the finished Job was deleted.");
        operator.stop()?;
        let log = self.cluster.audit_log().context("this API server keeps an audit log")?;
        rights::check_missing(self.kubectl(), &log)?;
        self.remove(current, &before)?;
        narrator.say("Removed; nothing is left.");
        Ok(())
    }

    /// The operator that runs gets new plugins. That Kubernetes would replace its pod is the Deployment's business.
    fn upgrade(&self, operator: &mut Operator, current: &Release, later: &Release) -> Result<()> {
        let old = self.plugin(NEW_COMPONENT)?["status"]["digest"].clone();
        ensure!(old.is_string(), "the Plugin {NEW_COMPONENT} has no digest in its status");
        (self.way.apply)(self, later)?;
        let said = self.installation().install_plugins(&self.program, &later.plugins())?;
        for expected in [
            // Nothing else has changed.
            "configmap/version-pep440 unchanged".to_owned(),
            "configmap/version-semver updated".to_owned(),
            format!("plugin/{NEW_OBJECT} updated, and left as set by others: .spec.grants.origins (kubectl-patch)"),
        ] {
            ensure!(said.lines().any(|line| line == expected), "no {expected:?} in:\n{said}");
        }
        self.expect("new bytes are loaded without a restart", || {
            operator.process().check()?;
            let plugin = self.plugin(NEW_COMPONENT)?;
            Ok(plugin["status"]["digest"] != old && status_of(&plugin, "Ready") == "True")
        })?;
        let grants = self.plugin(NEW_OBJECT)?["spec"]["grants"].clone();
        let granted = format!("http://{}", self.cluster.registry());
        let has_origin = grants["origins"].as_array().is_some_and(|origins| origins.contains(&json!(granted)));
        ensure!(has_origin, "what the administrator has granted is gone: {grants}");
        ensure!(grants["realms"][0]["realm"] == release::NEW_REALM, "what the release adds is not there: {grants}");
        let image = |release: &Release| json!(format!("ghcr.io/k8supdater/k8supdater:{}", release.version()));
        let deployment = self.kubectl().json(&format!("-n {} get deployment {NAME}", self.way.namespace))?;
        let found = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        ensure!(*found == image(later) && *found != image(current), "the Deployment has the image {found}");
        Ok(())
    }

    /// As docs/install.md says: the Job of that release is there still, so it goes first.
    fn downgrade(&self, current: &Release) -> Result<()> {
        let new = self.plugin(NEW_COMPONENT)?["status"]["digest"].clone();
        self.delete_jobs()?;
        (self.way.apply)(self, current)?;
        self.installation().install_plugins(&self.program, &current.plugins())?;
        self.expect("the bytes before are loaded", || {
            let plugin = self.plugin(NEW_COMPONENT)?;
            Ok(plugin["status"]["digest"] != new && status_of(&plugin, "Ready") == "True")
        })?;
        let grants = self.plugin(NEW_OBJECT)?["spec"]["grants"].clone();
        ensure!(!grants["realms"].to_string().contains(release::NEW_REALM), "the later release is still in {grants}");
        Ok(())
    }

    fn remove(&self, current: &Release, before: &Remains) -> Result<()> {
        // As Kubernetes does after a day.
        self.delete_jobs()?;
        (self.way.remove)(self, current)?;
        // What the demo has made, and what is removed because its kind is.
        self.kubectl().output(&format!("-n {NAMESPACE} delete deployment --all --timeout=60s"))?;
        let mut left = String::new();
        let result = self.expect("nothing is left", || {
            // A kind that is just being removed may be listed and not be there any more.
            left =
                everything(self.kubectl()).map_or_else(|err| format!("{err:#}"), |now| now.beyond(before).to_string());
            Ok(left.is_empty())
        });
        result.with_context(|| format!("there is still: {left}"))
    }

    fn delete_jobs(&self) -> Result<()> {
        let namespace = self.way.namespace;
        let label = "app.kubernetes.io/name=k8supdater-installer";
        self.kubectl().output(&format!("-n {namespace} delete jobs --timeout=60s -l {label}")).map(drop)
    }

    fn kubectl(&self) -> &Kubectl {
        self.cluster.kubectl()
    }

    fn installation(&self) -> Installation {
        Installation::new(self.kubectl(), self.way.namespace, self.cluster.directory()).with_disk(&self.disk)
    }

    fn kubectl_on(&self, args: &str, path: &Path) -> Result<()> {
        command::output(self.kubectl().command(args).arg(path)).map(drop)
    }

    /// Writes what the program prints, for the namespace of the demo, as a release prints it.
    fn print_manifests(&self, release: &Release) -> Result<PathBuf> {
        let mut process = std::process::Command::new(&self.program);
        process.args(["manifests", "--namespace", self.way.namespace, "--watch-namespaces", NAMESPACE]);
        let path = self.cluster.directory().join("manifests.yaml");
        std::fs::write(&path, release.rewrite(&command::output(&mut process)?))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// As docs/helm.md says: Helm leaves kinds that are there as they are, so these come first.
    fn apply_chart(&self, release: &Release, values: &Values) -> Result<()> {
        let (helm, chart) = (Helm::find_or_build()?, release.deploy().join("chart"));
        if self.kubectl().exists("crd/plugins.k8supdater.dev")? {
            self.kubectl().feed("apply --server-side --force-conflicts -f -", &helm.definitions(&chart)?)?;
        }
        helm.release(self.kubectl(), NAME, self.way.namespace).apply(&chart, values)
    }

    fn remove_chart(&self, release: &Release) -> Result<()> {
        let (helm, chart) = (Helm::find_or_build()?, release.deploy().join("chart"));
        helm.release(self.kubectl(), NAME, self.way.namespace).remove()?;
        self.kubectl().feed("delete --timeout=60s -f -", &helm.definitions(&chart)?)?;
        self.kubectl().output(&format!("delete --timeout=60s namespace {}", self.way.namespace)).map(drop)
    }

    fn plugin(&self, name: &str) -> Result<Value> {
        self.kubectl().json(&format!("-n {} get plugin {name}", self.way.namespace))
    }

    fn expect(&self, what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !is_so()? {
            if begun.elapsed() > PATIENCE {
                let plugins = self.kubectl().output("get plugins -A -o wide").unwrap_or_default();
                bail!("not so after {}: {what}\n{plugins}", step::seconds(PATIENCE));
            }
            stop::sleep(std::time::Duration::from_millis(100))?;
        }
        Ok(())
    }
}
