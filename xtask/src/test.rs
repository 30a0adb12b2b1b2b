//! `cargo xtask test`: every check and every test, in steps that go on after a failure.
//!
//! What needs no cluster comes first. The cluster is a real control plane that is started here; the tests learn where it is from
//! `K8SUPDATER_TEST_KUBECONFIG` and `K8SUPDATER_TEST_REGISTRY`, and find the packed plugins by `K8SUPDATER_TEST_PLUGINS`. Tests that want a
//! registry with a login start one themselves, from the program that `K8SUPDATER_TEST_REGISTRY_PROGRAM` names; the same with mail servers and
//! `K8SUPDATER_TEST_MAIL_PROGRAM`, and with promtool and `K8SUPDATER_TEST_PROMTOOL`.

pub mod guide;
pub mod pages;

use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use crate::control_plane::ControlPlane;
use crate::control_plane::look_up::Programs;
use crate::control_plane::program::Program;
use crate::lint::Reach;
use crate::operator::{self, Profile};
use crate::step::Steps;
use crate::{command, install, lint, plugins, rights, workspace};

/// What to test.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Leaves out what needs a control plane.
    #[arg(long)]
    pub offline: bool,
    /// Runs only this part, and what it needs; may be given more than once.
    #[arg(long, value_name = "PART")]
    pub only: Vec<Part>,
    /// Arguments for the tests on the control plane, such as a part of their names.
    #[arg(last = true, value_name = "FILTER")]
    pub filter: Vec<String>,
}

/// A part of `cargo xtask test`, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Part {
    /// Format, clippy, documentation, links, the book, dependencies, generated files.
    Lint,
    /// The plugins' own tests, natively, and whether the guide's plugin can be written as it says.
    Plugins,
    /// Everything of the host that needs no cluster, with the compiled plugins.
    Host,
    /// Installing, upgrading and removing, in each way, with the whole demo in between.
    Install,
    /// Whether an API server takes what is in examples and on pages.
    Pages,
    /// The operator on the control plane.
    Cluster,
}

impl Part {
    fn needs_compiled_plugins(self) -> bool {
        match self {
            Self::Lint | Self::Plugins | Self::Pages => false,
            // What is installed includes the compiled plugins.
            Self::Host | Self::Install | Self::Cluster => true,
        }
    }

    fn needs_control_plane(self) -> bool {
        match self {
            Self::Lint | Self::Plugins | Self::Host => false,
            Self::Install | Self::Pages | Self::Cluster => true,
        }
    }
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        (self.only.is_empty() || self.only.contains(&part)) && !(self.offline && part.needs_control_plane())
    }

    fn wants_any(&self, is_meant: impl Fn(Part) -> bool) -> bool {
        Part::value_variants().iter().any(|&part| self.wants(part) && is_meant(part))
    }
}

/// `cargo xtask test`.
///
/// # Errors
/// When a step fails.
pub fn run(args: &Args) -> Result<()> {
    let mut steps = Steps::default();
    if args.wants(Part::Lint) {
        lint::run_in(&mut steps, if args.offline { Reach::Offline } else { Reach::Everything })?;
    }
    if args.wants(Part::Plugins) {
        steps.run("tests of the plugins", || {
            let mut cargo = command::cargo();
            cargo.args(["test", "--workspace", "--target-dir"]).arg(workspace::plugins_native_target());
            command::run(cargo.current_dir(workspace::plugins()))
        })?;
        steps.run("the plugin of the guide", guide::follow)?;
    }
    if args.wants_any(Part::needs_compiled_plugins) {
        steps.run("plugins for WebAssembly", plugins::run)?;
    }
    if args.wants(Part::Host) {
        // The tests that need a cluster are declared with `test = false`, so they run only when they are named.
        steps.run("tests of the host", || command::run(&mut test(&["--workspace"])))?;
    }
    if args.wants(Part::Install)
        && let Some(program) = steps.run("program to install", || operator::build(Profile::Debug))?
    {
        install::run_in(&mut steps, &program)?;
    }
    if args.wants(Part::Pages) || args.wants(Part::Cluster) {
        run_on_control_plane(args, &mut steps)?;
    } else if args.offline && args.only.is_empty() {
        steps.skip("what needs a control plane: --offline");
    }
    steps.finish()
}

fn run_on_control_plane(args: &Args, steps: &mut Steps) -> Result<()> {
    let started = steps.run("control plane", || {
        let programs = Programs::find_or_build()?;
        Ok((ControlPlane::start(&programs)?, programs))
    })?;
    let Some((control_plane, programs)) = started else { return Ok(()) };
    if args.wants(Part::Pages) {
        steps.run("YAML of pages and examples on the API server", || pages::try_all(control_plane.kubectl()))?;
    }
    if !args.wants(Part::Cluster) {
        return Ok(());
    }
    steps.run("tests on the control plane", || {
        // Of the whole workspace, or Cargo would choose other features for shared packages and build them again.
        let mut cargo = test(&["--workspace", "--test", "cluster"]);
        cargo.env("K8SUPDATER_TEST_KUBECONFIG", control_plane.kubeconfig());
        cargo.env("K8SUPDATER_TEST_REGISTRY", control_plane.registry());
        cargo.env("K8SUPDATER_TEST_REGISTRY_PROGRAM", control_plane.registry_program());
        cargo.env("K8SUPDATER_TEST_MAIL_PROGRAM", programs.path(Program::Mailpit)?);
        cargo.env("K8SUPDATER_TEST_PROMTOOL", programs.path(Program::Promtool)?);
        if !args.filter.is_empty() {
            cargo.arg("--").args(&args.filter);
        }
        command::run(&mut cargo)
    })?;
    if args.filter.is_empty() {
        let log = control_plane.audit_log();
        steps
            .run("rights of the operator: each used, none missing", || rights::check(control_plane.kubectl(), &log))?;
    }
    Ok(())
}

/// `cargo test` that finds the compiled plugins.
fn test(args: &[&str]) -> Command {
    let mut cargo = command::cargo();
    cargo.arg("test").args(args).env("K8SUPDATER_TEST_PLUGINS", workspace::packed_plugins());
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offline: bool, only: &[Part], expected: &[Part]) {
        let args = Args { offline, only: only.to_vec(), filter: Vec::new() };
        let wanted: Vec<Part> = Part::value_variants().iter().copied().filter(|&part| args.wants(part)).collect();
        assert_eq!(wanted, expected, "offline {offline}, only {only:?}");
    }

    #[test]
    fn everything_runs_unless_something_is_chosen_or_no_control_plane_is_wanted() {
        use Part::{Cluster, Host, Install, Lint, Pages, Plugins};
        check(false, &[], &[Lint, Plugins, Host, Install, Pages, Cluster]);
        check(true, &[], &[Lint, Plugins, Host]);
        check(false, &[Cluster, Lint], &[Lint, Cluster]);
        check(true, &[Cluster], &[]);
    }
}
