//! The command line.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::control_plane::look_up::Programs;
use crate::{bench, control_plane, demo, lint, manifests, plugins, process, reference, release, test};

/// Builds, tests and shows k8supdater.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `cargo xtask` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Builds the plugins for WebAssembly and packs them, with a table of their sizes.
    Plugins,
    /// Starts a Kubernetes control plane and a registry on this machine, without containers, and runs them until Ctrl-C.
    ControlPlane {
        /// Only builds what is missing.
        #[arg(long)]
        build_only: bool,
    },
    /// Runs every check and every test.
    Test(test::Args),
    /// Checks format, clippy, documentation, links, the book, dependencies and generated files.
    Lint,
    /// Checks dependencies against the database of known vulnerabilities, which is fetched.
    Advisories,
    /// Checks and prepares a release.
    #[command(subcommand)]
    Release(release::Release),
    /// Writes deploy/crd and deploy/install.yaml, as the program prints them.
    Manifests {
        /// Writes nothing, and fails when the files differ.
        #[arg(long)]
        check: bool,
    },
    /// Writes the pages of docs that are generated: reference, configuration, commands.
    Reference {
        /// Writes nothing, and fails when the files differ.
        #[arg(long)]
        check: bool,
    },
    /// Shows the main job: a tag is pushed, and a Deployment is updated.
    Demo {
        /// Uses the current context of this file instead of a control plane of its own. Everything that is created is removed again.
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<PathBuf>,
    },
    /// Runs the benches.
    Bench {
        /// Leaves out the benches of the parts, which take longer to compile, and measures the operator as it is shipped.
        #[arg(long, conflicts_with = "args")]
        whole: bool,
        /// Arguments for criterion, such as the name of a bench.
        #[arg(last = true)]
        args: Vec<OsString>,
    },
    /// Becomes another program that dies together with its parent.
    #[command(hide = true)]
    WithParent {
        /// The parent.
        parent: u32,
        /// The program.
        program: OsString,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

/// Runs one command.
///
/// # Errors
/// When the command fails, or is interrupted.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Plugins => plugins::run(),
        Command::ControlPlane { build_only: true } => Programs::find_or_build().map(drop),
        Command::ControlPlane { build_only: false } => control_plane::run(),
        Command::Test(args) => test::run(&args),
        Command::Lint => lint::run(),
        Command::Advisories => lint::dependencies::run_advisories(),
        Command::Release(part) => release::run(&part),
        Command::Manifests { check } => manifests::run(mode(check)),
        Command::Reference { check } => reference::run(mode(check)),
        Command::Demo { kubeconfig } => demo::run(kubeconfig.as_deref()),
        Command::Bench { whole: true, .. } => bench::run_whole(),
        Command::Bench { whole: false, args } => bench::run(&args),
        Command::WithParent { parent, program, args } => {
            let never: Infallible = process::become_program(parent, &program, &args)?;
            match never {}
        }
    }
}

fn mode(check: bool) -> manifests::Mode {
    if check { manifests::Mode::Check } else { manifests::Mode::Write }
}
