//! The command line: the operator itself without a subcommand, and tools for people who write plugins, install the operator, or want its
//! opinion at a terminal.

pub mod answer;
pub mod check;
pub mod crd;
pub mod doctor;
pub mod explain;
pub mod history;
pub mod manifests;
pub mod plugin;
pub mod reference;

pub mod name;
pub mod output;
pub mod table;
pub mod verdicts;

use clap::{Parser, Subcommand};

use crate::config::RawConfig;

/// Keeps the container images of Kubernetes workloads up to date. Without a subcommand the operator runs.
#[derive(Debug, Parser)]
#[command(name = "k8supdater", version, args_conflicts_with_subcommands = true, max_term_width = 110)]
pub struct Cli {
    /// What to do instead of running the operator.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How the operator runs.
    #[command(flatten)]
    pub operator: RawConfig,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Packs, checks and shows plugins, which needs no cluster, and installs those that are shipped.
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Prints the CustomResourceDefinitions as YAML.
    Crd,
    /// Prints all that an installation takes as YAML, for `kubectl apply -f -`.
    Manifests(manifests::ManifestsArgs),
    /// Says what is wrong with an installation, and which command mends it; changes nothing.
    Doctor(Box<doctor::DoctorArgs>),
    /// Says which newer tags there are for images, as the operator would decide, and writes them into manifests; needs no cluster.
    Check(Box<check::CheckArgs>),
    /// Says what a handler would do now, and what became of every tag, by which rule; changes nothing.
    Explain(Box<explain::ExplainArgs>),
    /// Approves what a handler offers, so that the operator applies it.
    Approve(answer::ApproveArgs),
    /// Skips what a handler offers: it is neither applied nor offered again.
    Skip(answer::SkipArgs),
    /// Has nobody reminded of what a handler offers for a while.
    Snooze(answer::SnoozeArgs),
    /// Takes the last update of a container back: the image before runs again, and what was taken back is held until there is a better version.
    Rollback(answer::RollbackArgs),
    /// Lists the last updates of a handler: what, when, by whom, and what came of it.
    History(history::HistoryArgs),
    /// Prints a page of the documentation that is generated from the code.
    #[command(hide = true)]
    Reference {
        /// Which one.
        page: reference::Page,
    },
}
