//! `cargo xtask lint`: everything that can be said about the source without running it.
//!
//! clippy looks at all targets, benches and examples included, so it also shows that they compile.

pub mod book;
pub mod chart;
pub mod dependencies;
pub mod dockerfile;
pub mod features;
mod monitoring;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::Steps;
use crate::{command, manifests, pages, reference, release, workspace};

/// How far checks may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As far as they want.
    Everything,
    /// Not to a control plane.
    Offline,
}

/// `cargo xtask lint`.
///
/// # Errors
/// When a check fails; the others have been run all the same.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    run_in(&mut steps, Reach::Everything)?;
    steps.finish()
}

/// Runs every check as a step of `steps`, cheap ones first.
///
/// # Errors
/// Only when interrupted.
pub fn run_in(steps: &mut Steps, reach: Reach) -> Result<()> {
    for workspace in Workspace::ALL {
        steps.run(&format!("format and lock file of {workspace}"), || {
            command::run(workspace.cargo("fmt").arg("--check"))?;
            // A lock file that Cargo would have to change fails here, not in the middle of something.
            command::output(workspace.cargo("metadata").args(["--locked", "--format-version", "1"])).map(drop)
        })?;
    }
    steps.run("workflows", check_workflows)?;
    steps.run("links", || pages::links::check(&pages::read()?))?;
    steps.run("book", book::build)?;
    steps.run("Dockerfile", dockerfile::check)?;
    steps.run("versions and changelog", || release::check(None))?;
    steps.run("features of dependencies", features::check)?;
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
    steps.run("generated files", || manifests::run(manifests::Mode::Check))?;
    steps.run("generated pages", || reference::run(manifests::Mode::Check))?;
    chart::run_in(steps, reach)?;
    dependencies::run_in(steps)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The directories below `directory` that hold a file called `name`, relative to the root.
    fn directories_with(name: &str, directory: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(workspace::root().join(directory)).unwrap() {
            let entry = entry.unwrap();
            let path = PathBuf::from(directory).join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                found.extend(directories_with(name, path.to_str().unwrap()));
            } else if entry.file_name() == name {
                found.push(PathBuf::from(directory));
            }
        }
        found
    }

    #[test]
    fn dependabot_looks_after_every_directory_with_dependencies() {
        let text = fs::read_to_string(workspace::root().join(".github/dependabot.yml")).unwrap();
        let is_there = |entry: &str| text.split([' ', ',', '[', ']', '\n']).any(|word| word == entry);
        let modules = directories_with("go.mod", "xtask");
        assert!(modules.len() > 5, "{modules:?}");
        for module in modules {
            let (own, all) = (format!("/{}", module.display()), format!("/{}/*", module.parent().unwrap().display()));
            assert!(is_there(&own) || is_there(&all), "{own} is not in .github/dependabot.yml");
        }
        for directory in directories_with("Dockerfile", "deploy") {
            let directory = format!("/{}", directory.display());
            assert!(is_there(&directory), "{directory} is not in .github/dependabot.yml");
        }
        for directory in ["/", "/plugins"] {
            assert!(is_there(directory), "{directory} is not in .github/dependabot.yml");
        }
    }
}
