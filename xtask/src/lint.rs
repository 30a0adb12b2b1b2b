//! `cargo xtask lint`: everything that can be said about the source without running it.
//!
//! clippy looks at all targets, benches and examples included, so it also shows that they compile.

mod monitoring;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::Steps;
use crate::{cache, command, crd, workspace};

/// The cargo-deny that is built where none is installed.
const CARGO_DENY: &str = "0.20.2";

/// What cargo-deny checks. Not advisories: they live in a database elsewhere, and a check must not fail because the world has changed.
const DENY_CHECKS: [&str; 3] = ["bans", "licenses", "sources"];

/// `cargo xtask lint`.
///
/// # Errors
/// When a check fails; the others have been run all the same.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    run_in(&mut steps)?;
    steps.finish()
}

/// Runs every check as a step of `steps`, cheap ones first.
///
/// # Errors
/// Only when interrupted.
pub fn run_in(steps: &mut Steps) -> Result<()> {
    for workspace in Workspace::ALL {
        steps.run(&format!("format and lock file of {workspace}"), || {
            command::run(workspace.cargo("fmt").arg("--check"))?;
            // A lock file that Cargo would have to change fails here, not in the middle of something.
            command::output(workspace.cargo("metadata").args(["--locked", "--format-version", "1"])).map(drop)
        })?;
    }
    steps.run("workflows", check_workflows)?;
    steps.run("alerts, their tests, and the dashboard", monitoring::check)?;
    for workspace in Workspace::ALL {
        steps.run(&format!("clippy on {workspace}"), || {
            let mut cargo = workspace.cargo("clippy");
            cargo.args(["--workspace", "--all-targets", "--keep-going"]).args(workspace.target());
            command::run(cargo.args(["--", "-D", "warnings"]))
        })?;
        if workspace == Workspace::Host {
            // They are left out of "all", because they do not run without a cluster.
            steps.run("clippy on the tests on the control plane", || {
                let mut cargo = workspace.cargo("clippy");
                cargo.args(["--workspace", "--test", "cluster", "--keep-going"]).args(workspace.target());
                command::run(cargo.args(["--", "-D", "warnings"]))
            })?;
        }
        steps.run(&format!("documentation of {workspace}"), || {
            let mut cargo = workspace.cargo("doc");
            cargo.args(["--workspace", "--no-deps", "--keep-going"]).args(workspace.target());
            command::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
        })?;
    }
    steps.run("generated files", || crd::run(crd::Mode::Check))?;
    steps.run("dependencies: bans, licenses, sources; not advisories, which need the network", check_dependencies)?;
    Ok(())
}

/// One of the two workspaces of the checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Workspace {
    /// The operator, its libraries and xtask.
    Host,
    /// The plugins, compiled natively here: the same code, and its tests.
    Plugins,
}

impl Workspace {
    const ALL: [Self; 2] = [Self::Host, Self::Plugins];

    fn cargo(self, subcommand: &str) -> Command {
        let mut cargo = command::cargo();
        cargo.arg(subcommand).current_dir(self.directory());
        cargo
    }

    fn directory(self) -> PathBuf {
        match self {
            Self::Host => workspace::root().to_owned(),
            Self::Plugins => workspace::plugins(),
        }
    }

    /// Arguments that lead to the target directory.
    fn target(self) -> Vec<PathBuf> {
        match self {
            Self::Host => Vec::new(),
            Self::Plugins => vec!["--target-dir".into(), workspace::plugins_native_target()],
        }
    }
}

impl std::fmt::Display for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "the host",
            Self::Plugins => "the plugins",
        })
    }
}

/// Runs actionlint, which is pinned as a Go module like the programs of the control plane.
fn check_workflows() -> Result<()> {
    let directory = workspace::root().join(".github/workflows");
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
            files.push(path);
        }
    }
    // What else is installed must not change the result.
    let arguments = ["tool", "actionlint", "-shellcheck=", "-pyflakes="];
    let tool = workspace::root().join("xtask/tools/actionlint");
    command::run(Command::new("go").args(arguments).args(files).current_dir(tool))
}

fn check_dependencies() -> Result<()> {
    let deny = find_or_install_cargo_deny()?;
    let config = workspace::root().join("deny.toml");
    for workspace in Workspace::ALL {
        let mut command = Command::new(&deny);
        command.current_dir(workspace.directory());
        command.args(["--log-level", "error", "--offline", "--locked", "--all-features", "--config"]).arg(&config);
        command::run(command.args(["check", "--hide-inclusion-graph", "--show-stats"]).args(DENY_CHECKS))?;
    }
    Ok(())
}

/// cargo-deny from the cache; built into it the first time, which takes minutes.
fn find_or_install_cargo_deny() -> Result<PathBuf> {
    let directory = cache::directory()?.join(format!("cargo-deny-{CARGO_DENY}"));
    let program = directory.join("bin/cargo-deny");
    if command::is_executable(&program) {
        return Ok(program);
    }
    let _lock = cache::lock(&directory)?;
    if !command::is_executable(&program) {
        println!("building cargo-deny {CARGO_DENY}, once per user and version");
        let mut cargo = command::cargo();
        // Unoptimised it is built in a third of the time, and a check takes a second all the same.
        cargo
            .args(["install", "--locked", "--debug", "--quiet", "cargo-deny", "--version", CARGO_DENY, "--root"])
            .arg(&directory);
        // Cargo builds in a temporary directory then, not among our own packages.
        command::run(cargo.env_remove("CARGO_TARGET_DIR"))?;
    }
    Ok(program)
}
