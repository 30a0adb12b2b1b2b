//! Builds the programs of a control plane with Go, once per user and version.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::program::{Module, Program};
use crate::hex::hex;
use crate::stop::{self, Awaited};
use crate::{cache, command, process, step};

/// Between two lines about the same build.
const REPORT_EVERY: Duration = Duration::from_secs(15);

/// The directory of each of `modules` in the cache, filled.
///
/// # Errors
/// When Go is missing or too old, or a build fails.
pub fn build(modules: &[Module]) -> Result<Vec<(Module, PathBuf)>> {
    let mut built = Vec::new();
    let mut to_build = Vec::new();
    for &module in modules {
        let directory = directory(module)?;
        if is_complete(module, &directory) {
            built.push((module, directory));
        } else {
            to_build.push((module, directory));
        }
    }
    let total = to_build.len();
    if total > 0 {
        println!(
            "building the control plane with Go, once per user and version; on two cores it takes about ten minutes in all"
        );
    }
    for (index, (module, directory)) in to_build.into_iter().enumerate() {
        build_one(module, &directory, &format!("{} of {total}", index + 1))?;
        built.push((module, directory));
    }
    Ok(built)
}

/// The directory of `module` in the cache, if it is filled.
///
/// # Errors
/// When it is not known what belongs into it.
pub fn find(module: Module) -> Result<Option<PathBuf>> {
    let directory = directory(module)?;
    Ok(is_complete(module, &directory).then_some(directory))
}

/// Where the programs of `module` are in the cache. The name changes with everything that goes into them.
fn directory(module: Module) -> Result<PathBuf> {
    let version = module.version()?;
    let mut hash = Sha256::new();
    for name in ["go.mod", "go.sum"] {
        let path = module.directory().join(name);
        hash.update(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    hash.update(module.linker_flags(&version));
    hash.update(module.tags());
    let fingerprint = hex(&hash.finalize()[..6]);
    Ok(cache::directory()?.join("control-plane").join(format!("{}-{version}-{fingerprint}", module.name())))
}

fn is_complete(module: Module, directory: &Path) -> bool {
    module.programs().all(|program| command::is_executable(&directory.join(program.name())))
}

/// Builds into a directory with another name and renames it, so that a build that was killed leaves nothing that looks finished.
fn build_one(module: Module, directory: &Path, position: &str) -> Result<()> {
    let _lock = cache::lock(directory)?;
    if is_complete(module, directory) {
        return Ok(()); // another process was quicker
    }
    check_go(module)?;
    let version = module.version()?;
    let unfinished = directory.with_extension("unfinished");
    for leftover in [&unfinished, directory] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).with_context(|| format!("cannot remove {}", leftover.display()))?;
        }
    }
    fs::create_dir_all(&unfinished).with_context(|| format!("cannot create {}", unfinished.display()))?;
    let names: Vec<&str> = module.programs().map(Program::name).collect();
    let title = format!("control plane {position}: {} {version}", names.join(", "));
    go_build(module, &version, &unfinished, &title)?;
    for program in module.programs() {
        let (from, to) = (unfinished.join(program.go_name()), unfinished.join(program.name()));
        fs::rename(&from, &to).with_context(|| format!("go build did not write {}", from.display()))?;
    }
    fs::rename(&unfinished, directory).with_context(|| format!("cannot rename {}", unfinished.display()))
}

/// Says what to do where Go is missing or older than `go.mod` wants.
fn check_go(module: Module) -> Result<()> {
    const REMEDY: &str = "install Go 1.26 or newer from https://go.dev/dl/, or set KUBEBUILDER_ASSETS to a directory with etcd, \
        kube-apiserver, kube-controller-manager, kube-scheduler, kwok and registry, and for tests mailpit, helm and promtool";
    if command::find("go").is_none() {
        bail!("Go is needed to build the control plane, and go is not on PATH; {REMEDY}");
    }
    // In the module's directory an older Go fetches the toolchain that `go.mod` names, unless GOTOOLCHAIN forbids it.
    match command::output(Command::new("go").args(["env", "GOVERSION"]).current_dir(module.directory())) {
        Ok(_) => Ok(()),
        Err(err) => Err(err.context(format!("this Go cannot build {}; {REMEDY}", module.name()))),
    }
}

fn go_build(module: Module, version: &str, output: &Path, title: &str) -> Result<()> {
    let started = Instant::now();
    println!("{title}");
    let mut command = Command::new("go");
    command
        .args([
            "build",
            "-v",
            "-trimpath",
            "-buildvcs=false",
            "-mod=readonly",
            "-tags",
            module.tags(),
            "-ldflags",
            &module.linker_flags(version),
            "-o",
        ])
        .arg(output.join("")) // with the slash at the end, for go takes a name without one for a file
        .args(module.programs().map(Program::package))
        .current_dir(module.directory())
        // A static program starts everywhere, and needs no C compiler.
        .env("CGO_ENABLED", "0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command::spawn(&mut command)?;
    let awaited = Awaited::new(child.id())?;
    let told = Arc::new(Told::default());
    let stderr = child.stderr.take().context("go build has no standard error")?;
    let reader = thread::spawn({
        let told = Arc::clone(&told);
        move || BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| told.take(&line))
    });
    let mut reported = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for go build")? {
            break status;
        }
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            println!("{title}: {}, {}", told.progress(), step::seconds(started.elapsed()));
        }
        thread::sleep(Duration::from_millis(50));
    };
    drop(awaited);
    // It ends by itself when the last writer of the pipe is gone, whatever it read.
    let _ = reader.join();
    stop::check()?;
    if !status.success() {
        bail!("{title}: go build failed ({status})\n{}", process::tail(&told.rest(), 40));
    }
    println!("{title}: built in {}", step::seconds(started.elapsed()));
    Ok(())
}

/// What `go build -v` has told so far.
#[derive(Debug, Default)]
struct Told {
    downloaded: AtomicUsize,
    compiled: AtomicUsize,
    rest: Mutex<String>,
}

impl Told {
    fn take(&self, line: &str) {
        if line.starts_with("go: downloading ") {
            self.downloaded.fetch_add(1, Ordering::Relaxed);
        } else if !line.is_empty() && !line.contains([' ', ':', '\t', '#']) {
            // With -v every package is named when it is compiled, alone on its line.
            self.compiled.fetch_add(1, Ordering::Relaxed);
        } else {
            let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
            rest.push_str(line);
            rest.push('\n');
        }
    }

    fn progress(&self) -> String {
        let (downloaded, compiled) = (self.downloaded.load(Ordering::Relaxed), self.compiled.load(Ordering::Relaxed));
        if compiled == 0 { format!("{downloaded} modules downloaded") } else { format!("{compiled} packages compiled") }
    }

    fn rest(&self) -> String {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_packages_and_keeps_errors() {
        let told = Told::default();
        told.take("go: downloading k8s.io/api v0.36.3");
        assert_eq!(told.progress(), "1 modules downloaded");
        for line in ["k8s.io/api/core/v1", "vendor/golang.org/x/net", "# k8s.io/api", "a.go:1:2: undefined: x"] {
            told.take(line);
        }
        assert_eq!(told.progress(), "2 packages compiled");
        assert_eq!(told.rest(), "# k8s.io/api\na.go:1:2: undefined: x\n");
    }

    #[test]
    fn a_directory_without_every_program_is_not_complete() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!is_complete(Module::Etcd, directory.path()));
        let path = directory.path().join("etcd");
        fs::write(&path, "").unwrap();
        assert!(!is_complete(Module::Etcd, directory.path()), "not executable");
        fs::copy("/bin/sh", &path).unwrap();
        assert!(is_complete(Module::Etcd, directory.path()));
    }
}
