//! The binary behind `cargo xtask`; see the library for the map.

use std::process::ExitCode;

use clap::Parser;
use xtask::cli::{Cli, Command};
use xtask::stop::{self, Interrupted};

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    // A program that takes our place must not inherit our handling of signals.
    let result = match command {
        Command::WithParent { .. } => xtask::cli::run(command),
        _ => stop::watch().and_then(|()| xtask::cli::run(command)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) if err.is::<Interrupted>() => ExitCode::from(stop::EXIT_CODE),
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::FAILURE
        }
    }
}
