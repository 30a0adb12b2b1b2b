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

    /// A table for people, with `wide` also why each update was made; or JSON as it stands in the status.
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
    /// For people with wide terminals: also why it was made.
    Wide,
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
    let client = connections::api_server_of(config.kubeconfig.as_deref()).await?;
    let HandlerName { namespace, name } = &args.handler;
    let handler = answer::read(&client, namespace, name).await?;
    let history = handler.status.map(|status| status.history).unwrap_or_default();
    match args.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&history)?)?,
        Output::Table | Output::Wide if history.is_empty() => {
            writeln!(out, "VersioningHandler {} has updated nothing yet", args.handler)?;
        }
        Output::Table => write!(out, "{}", table(&history, false))?,
        Output::Wide => write!(out, "{}", table(&history, true))?,
    }
    Ok(())
}

/// The table for people, which may be wide. Pure.
fn table(history: &[HistoryEntry], is_wide: bool) -> Table {
    let columns = ["STARTED", "TOOK", "CONTAINER", "FROM", "TO", "BY"];
    let mut table = if is_wide {
        Table::new(&[&columns[..], &["WHY", "RESULT"]].concat())
    } else {
        Table::new(&[&columns[..], &["RESULT"]].concat())
    };
    for entry in history {
        let (from, to) = change(entry);
        let took = entry.finished.as_ref().map(|finished| took(&entry.started, finished)).unwrap_or_default();
        let by = entry.approved_by.clone().unwrap_or_else(|| "k8supdater".to_owned());
        let why = is_wide.then(|| entry.reason.clone().unwrap_or_default());
        let cells = [entry.started.0.to_string(), took, entry.container.clone(), from, to, by];
        table.push(cells.into_iter().chain(why).chain([result(entry)]));
    }
    table
}

/// What came of it, and of a rollback who wanted it.
fn result(entry: &HistoryEntry) -> String {
    let by = entry.rolled_back_by.as_ref().map(|by| format!(" for {by}")).unwrap_or_default();
    let result = match entry.result {
        UpdatePhase::Finished => "finished".to_owned(),
        UpdatePhase::Failed => "failed".to_owned(),
        UpdatePhase::Overtaken => "overtaken by somebody else's change".to_owned(),
        UpdatePhase::Announced => "announced".to_owned(),
        UpdatePhase::RollingOut => "rolling out".to_owned(),
        UpdatePhase::RollingBack => format!("goes back{by}"),
        UpdatePhase::RolledBack => format!("taken back{by}"),
        UpdatePhase::RollbackFailed => format!("taken back{by}, but the image before does not run either"),
    };
    match &entry.message {
        Some(message) => format!("{result}: {message}"),
        None => result,
    }
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
            {"container": "app", "from": "r:5000/app:0.9", "to": "r:5000/app:1.0", "result": "Finished", "reason": "greater than 0.9",
             "started": "2026-01-01T03:04:05Z", "finished": "2026-01-01T03:04:07Z"},
            {"container": "app", "from": "r:5000/app:0.9", "to": "r:5000/app:0.9.1", "result": "RolledBack", "rolledBackBy": "ada",
             "started": "2026-01-01T02:00:00Z", "finished": "2026-01-01T02:01:00Z"},
            {"container": "app", "from": "r:5000/app:0.8", "to": "r:5000/app:0.9", "result": "RolledBack",
             "started": "2026-01-01T01:00:00Z", "finished": "2026-01-01T01:01:00Z", "message": "it crashes"},
            {"container": "db", "from": "redis", "to": "redis", "digest": "sha256:0123456789abcdef", "result": "Overtaken",
             "started": "2026-01-01T00:00:00Z"},
        ]))
        .unwrap();
        let expected = "\
STARTED               TOOK  CONTAINER  FROM    TO                   BY          RESULT
2026-01-02T03:04:05Z  2m5s  app        1.0     2.0                  ada         failed: no pod is ready
2026-01-01T03:04:05Z  2s    app        0.9     1.0                  k8supdater  finished
2026-01-01T02:00:00Z  1m0s  app        0.9     0.9.1                k8supdater  taken back for ada
2026-01-01T01:00:00Z  1m0s  app        0.8     0.9                  k8supdater  taken back: it crashes
2026-01-01T00:00:00Z  -     db         latest  sha256:0123456789ab  k8supdater  overtaken by somebody else's change
";
        assert_eq!(table(&history, false).to_string(), expected);
        let wide = "\
STARTED               TOOK  CONTAINER  FROM  TO   BY          WHY               RESULT
2026-01-02T03:04:05Z  2m5s  app        1.0   2.0  ada         -                 failed: no pod is ready
2026-01-01T03:04:05Z  2s    app        0.9   1.0  k8supdater  greater than 0.9  finished
";
        assert_eq!(table(&history[..2], true).to_string(), wide);
    }
}
