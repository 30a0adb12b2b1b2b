//! The binary: reads the command line, starts logging, calls the library, prints the chain of errors.

use std::process::ExitCode;

use clap::Parser;
use k8supdater::cli::{Cli, Command};
use k8supdater::failure::chain;
use k8supdater::{cli, operator, telemetry};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("k8supdater: {}", chain(&*err));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Box<dyn std::error::Error>> {
    match cli.command {
        Some(Command::Plugin(command)) => Ok(cli::plugin::run(command)?),
        Some(Command::Crd) => Ok(cli::crd::run()?),
        None => {
            let config = cli.operator.check()?;
            telemetry::logging::start(&config.log, config.log_format);
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            Ok(runtime.block_on(operator::run(config, stop()))?)
        }
    }
}

/// Completes at SIGTERM (Kubernetes) or SIGINT (Ctrl-C).
async fn stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
