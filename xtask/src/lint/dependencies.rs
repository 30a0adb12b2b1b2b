//! What [cargo-deny](https://embarkstudios.github.io/cargo-deny/) says about the crates of both workspaces; `deny.toml` has the rules.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Workspace;
use crate::step::{Feasible, Steps};
use crate::tool::Tool;
use crate::{command, workspace};

/// The cargo-deny that is built where none is installed.
const CARGO_DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", options: &[] };

/// What can be said without a network.
const OFFLINE_CHECKS: [&str; 3] = ["bans", "licenses", "sources"];

/// What needs the RustSec database, which is a git repository elsewhere.
const ADVISORIES: &str = "advisories";

/// How long fetching the database may take; it has 10 MB.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs all checks as steps.
///
/// # Errors
/// Only when interrupted.
pub fn run_in(steps: &mut Steps) -> Result<()> {
    steps.run("dependencies: bans, licenses, sources", || {
        let deny = CARGO_DENY.find_or_install()?;
        for workspace in Workspace::ALL {
            command::run(check(&deny, workspace).args(OFFLINE_CHECKS))?;
        }
        Ok(())
    })?;
    steps.run_if_feasible("dependencies: advisories", || {
        let deny = CARGO_DENY.find_or_install()?;
        let is_fetched = fetch(&deny)?;
        for workspace in Workspace::ALL {
            let output = check_advisories(&deny, workspace)?;
            match verdict(&output) {
                Verdict::Good => {}
                Verdict::Bad => bail!("there are advisories about dependencies of {workspace}"),
                // A database that has come just now can be read; if not, somebody should know.
                Verdict::None if is_fetched => bail!("cargo-deny could not check {workspace}"),
                Verdict::None => {
                    let why = "the advisory database cannot be reached, and there is no copy of the last weeks";
                    return Ok(Feasible::No(why.to_owned()));
                }
            }
        }
        Ok(Feasible::Yes)
    })
}

/// `cargo xtask advisories`: the same check of advisories, for those who rely on it.
///
/// # Errors
/// When there are advisories, or the database cannot be fetched.
pub fn run_advisories() -> Result<()> {
    let deny = CARGO_DENY.find_or_install()?;
    if !fetch(&deny)? {
        bail!("the advisory database cannot be reached");
    }
    for workspace in Workspace::ALL {
        if verdict(&check_advisories(&deny, workspace)?) != Verdict::Good {
            bail!("there are advisories about dependencies of {workspace}, or cargo-deny could not check them");
        }
    }
    Ok(())
}

/// What cargo-deny found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    /// It did not come to a check.
    None,
}

/// By the line that `--show-stats` ends with; the exit code does not tell a finding from a missing database.
fn verdict(output: &Output) -> Verdict {
    let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said).into_owned()).concat();
    if output.status.success() {
        Verdict::Good
    } else if said.lines().any(|line| line.trim_start().starts_with("advisories FAILED")) {
        Verdict::Bad
    } else {
        Verdict::None
    }
}

/// Fetches the advisory database; `false` when it cannot be reached.
fn fetch(deny: &Path) -> Result<bool> {
    let mut command = Command::new(deny);
    command.current_dir(workspace::root()).args(["--log-level", "off", "--config"]).arg(config());
    // Nobody is there to answer.
    command.args(["fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
    command::succeeds_within(&mut command, PATIENCE)
}

/// Runs the check, shows what it says, and returns it.
fn check_advisories(deny: &Path, workspace: Workspace) -> Result<Output> {
    let mut command = check(deny, workspace);
    let output = command.arg(ADVISORIES).output().with_context(|| format!("cannot run {}", deny.display()))?;
    std::io::stdout().write_all(&output.stdout).context("cannot write to standard output")?;
    std::io::stderr().write_all(&output.stderr).context("cannot write to standard error")?;
    crate::stop::check()?;
    Ok(output)
}

/// `cargo-deny check`, to which the names of checks are to be added. What it needs from a network has been fetched, or is not there.
fn check(deny: &Path, workspace: Workspace) -> Command {
    let mut command = Command::new(deny);
    command.current_dir(workspace.directory());
    command.args(["--log-level", "error", "--offline", "--locked", "--all-features", "--config"]).arg(config());
    command.args(["check", "--hide-inclusion-graph", "--show-stats"]);
    command
}

fn config() -> PathBuf {
    workspace::root().join("deny.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_told_from_a_database_that_is_not_there() {
        let check = |script: &str, expected: Verdict| {
            let output = Command::new("sh").args(["-c", script]).output().unwrap();
            assert_eq!(verdict(&output), expected, "{script}");
        };
        check("echo ' advisories ok: 0 errors, 0 warnings, 0 notes'", Verdict::Good);
        check("echo ' advisories FAILED: 1 errors, 0 warnings, 0 notes' >&2; exit 1", Verdict::Bad);
        check("echo ' advisories FAILED: 1 errors, 0 warnings, 0 notes'; exit 1", Verdict::Bad);
        check("echo '[ERROR] failed to open advisory database' >&2; exit 1", Verdict::None);
        check("echo '[ERROR] repository is stale' >&2; exit 1", Verdict::None);
    }
}
