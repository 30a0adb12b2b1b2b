//! How commands print what they have found.

use clap::ValueEnum;

/// For whom it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs; see below.
    Json,
}
