//! `k8supdater history`: the last updates of a handler, at a terminal. Reads, and changes nothing.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use thiserror::Error;

use super::name::{HandlerName, handler_name};
use super::table::Table;
use crate::answer::{self, AnswerError};
use crate::api::versioning_handler::{HistoryEntry, UpdatePhase};
use crate::config::{ConfigError, RawConfig};
use crate::connections::{self, ConnectError};

/// Arguments of `history`.
#[derive(Args, Debug)]
pub struct HistoryArgs {
    /// The VersioningHandler, as NAMESPACE/NAME.
    #[arg(value_name = "NAMESPACE/HANDLER", value_parser = handler_name)]
    pub handler: HandlerName,

    /// A table for people, or JSON as it stands in the status.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    pub output: Output,

    /// Kubeconfig file. Without it the file that KUBECONFIG names, ~/.kube/config, or the pod's own ServiceAccount is used.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// How it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Why it cannot be shown.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no way to the API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The handler cannot be read.
    #[error(transparent)]
    Read(#[from] AnswerError),
    /// It cannot be printed.
    #[error("cannot print the history")]
    Print(#[from] std::io::Error),
    /// It has no JSON form.
    #[error("cannot print the history as JSON")]
    Json(#[from] serde_json::Error),
}

/// Prints the last updates of a handler, the newest first.
///
/// # Errors
/// See [`HistoryError`].
pub fn run(args: HistoryArgs) -> Result<(), HistoryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(HistoryError::Print)?;
    runtime.block_on(history(args, &mut std::io::stdout().lock()))
}

async fn history(args: HistoryArgs, out: &mut impl Write) -> Result<(), HistoryError> {
    let config = RawConfig { kubeconfig: args.kubeconfig, ..RawConfig::default() }.check()?;
    let client = connections::api_server(&config).await?;
    let HandlerName { namespace, name } = &args.handler;
    let handler = answer::read(&client, namespace, name).await?;
    let history = handler.status.map(|status| status.history).unwrap_or_default();
    match args.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&history)?)?,
        Output::Table if history.is_empty() => {
            writeln!(out, "VersioningHandler {} has updated nothing yet", args.handler)?;
        }
        Output::Table => write!(out, "{}", table(&history))?,
    }
    Ok(())
}

/// The table for people. Pure.
fn table(history: &[HistoryEntry]) -> Table {
    let mut table = Table::new(&["STARTED", "TOOK", "CONTAINER", "FROM", "TO", "BY", "RESULT"]);
    for entry in history {
        let (from, to) = change(entry);
        let took = entry.finished.as_ref().map(|finished| took(&entry.started, finished)).unwrap_or_default();
        let result = match entry.result {
            UpdatePhase::Finished => "finished",
            UpdatePhase::Failed => "failed",
            UpdatePhase::Overtaken => "overtaken by somebody else's change",
            UpdatePhase::Announced => "announced",
            UpdatePhase::RollingOut => "rolling out",
            UpdatePhase::RollingBack => "rolling back",
            UpdatePhase::RolledBack => "rolled back",
            UpdatePhase::RollbackFailed => "rolled back in vain",
        };
        let result = match &entry.message {
            Some(message) => format!("{result}: {message}"),
            None => result.to_owned(),
        };
        let by = entry.approved_by.clone().unwrap_or_else(|| "k8supdater".to_owned());
        table.push([entry.started.0.to_string(), took, entry.container.clone(), from, to, by, result]);
    }
    table
}

fn took(started: &Time, finished: &Time) -> String {
    let seconds = finished.0.duration_since(started.0).as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

/// The two tags, and the repository only where it differs; of a restart the digest.
fn change(entry: &HistoryEntry) -> (String, String) {
    let split = |image: &str| {
        let image = image.split_once('@').map_or(image, |(image, _)| image).to_owned();
        match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
            _ => (image, "latest".to_owned()),
        }
    };
    let ((from_name, from), (to_name, to)) = (split(&entry.from), split(&entry.to));
    match &entry.digest {
        Some(digest) if from == to => (from, digest.chars().take("sha256:".len() + 12).collect()),
        _ if from_name == to_name => (from, to),
        _ => (entry.from.clone(), entry.to.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_what_was_done_by_whom_and_what_came_of_it() {
        let history: Vec<HistoryEntry> = serde_json::from_value(json!([
            {"container": "app", "from": "r:5000/app:1.0", "to": "r:5000/app:2.0", "approvedBy": "ada", "result": "Failed",
             "started": "2026-01-02T03:04:05Z", "finished": "2026-01-02T03:06:10Z", "message": "no pod is ready"},
            {"container": "app", "from": "r:5000/app:0.9", "to": "r:5000/app:1.0", "result": "Finished",
             "started": "2026-01-01T03:04:05Z", "finished": "2026-01-01T03:04:07Z"},
            {"container": "db", "from": "redis", "to": "redis", "digest": "sha256:0123456789abcdef", "result": "Overtaken",
             "started": "2026-01-01T00:00:00Z"},
        ]))
        .unwrap();
        let expected = "\
STARTED               TOOK  CONTAINER  FROM    TO                   BY          RESULT
2026-01-02T03:04:05Z  2m5s  app        1.0     2.0                  ada         failed: no pod is ready
2026-01-01T03:04:05Z  2s    app        0.9     1.0                  k8supdater  finished
2026-01-01T00:00:00Z  -     db         latest  sha256:0123456789ab  k8supdater  overtaken by somebody else's change
";
        assert_eq!(table(&history).to_string(), expected);
    }
}
