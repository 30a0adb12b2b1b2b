//! The binary: reads the command line, starts logging and traces, calls the library, prints the chain of errors.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use k8supdater::cli::{Cli, Command};
use k8supdater::failure::chain;
use k8supdater::telemetry::metrics::Metrics;
use k8supdater::{cli, operator, telemetry};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(err) => {
            // Not clap's own 2, which says of a check that there is something newer.
            let is_failure = err.use_stderr();
            let _ = err.print();
            return if is_failure { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match dispatch(cli) {
        Ok(code) => code,
        Err(err) => {
            eprintln!("k8supdater: {}", chain(&*err));
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    match cli.command {
        Some(Command::Plugin(command)) => cli::plugin::run(command)?,
        Some(Command::Crd) => cli::crd::run()?,
        Some(Command::Manifests(args)) => cli::manifests::run(args)?,
        Some(Command::Doctor(args)) => return Ok(cli::doctor::run(&args)?),
        Some(Command::Check(args)) => return Ok(cli::check::run(*args)?),
        Some(Command::Explain(args)) => cli::explain::run(&args)?,
        Some(Command::Approve(args)) => return Ok(cli::answer::approve(&args)?),
        Some(Command::Skip(args)) => return Ok(cli::answer::skip(&args)?),
        Some(Command::Snooze(args)) => return Ok(cli::answer::snooze(&args)?),
        Some(Command::Rollback(args)) => return Ok(cli::answer::rollback(&args)?),
        Some(Command::History(args)) => cli::history::run(args)?,
        Some(Command::Reference { page }) => cli::reference::run(page)?,
        None => {
            let config = cli.operator.check()?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            let metrics = Arc::new(Metrics::default());
            let traces = telemetry::start(&config, &metrics, runtime.handle())?;
            let ran = runtime.block_on(async { operator::run(config, metrics, stop()).await });
            if let Some(traces) = traces {
                traces.finish();
            }
            // What still runs on threads of its own, such as a plugin that is being compiled, is nobody's business any more.
            runtime.shutdown_background();
            ran?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Completes at SIGTERM (Kubernetes) or SIGINT (Ctrl-C). Those that come later change nothing: it is stopping already.
///
/// They are listened to from this call on, not from the first poll: the first process of a container does not get signals that it does not
/// listen to.
fn stop() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            // Without handlers the signals end the process by themselves.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
