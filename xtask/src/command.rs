//! Programs that are run to their end.
//!
//! Each runs in a process group of its own, so that a signal ends it together with all that it has started, and without standard
//! input: nothing here asks questions.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::stop::{self, Awaited};
use crate::workspace;

/// Cargo, the same one that runs us, in the root of the checkout.
pub fn cargo() -> Command {
    cargo_of(Path::new(&std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())))
}

/// Another Cargo, in the root of the checkout.
pub fn cargo_of(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    // What `cargo run` tells us about our own package is nothing that the packages below should see, or be rebuilt for.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO_PRIMARY_PACKAGE" {
            command.env_remove(&*name);
        }
    }
    command
}

/// The compiler that Cargo uses.
pub fn rustc() -> Command {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(workspace::root());
    command
}

/// `command` as one would type it.
pub fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Starts `command` as the leader of a process group, without standard input.
///
/// # Errors
/// When the program is missing or may not be run.
pub fn spawn(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).process_group(0);
    match command.spawn() {
        Ok(child) => Ok(child),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
            bail!("cannot run {}: there is no such program on PATH", command.get_program().to_string_lossy())
        }
        Err(err) => Err(err).with_context(|| format!("cannot run `{}`", shown(command))),
    }
}

/// Runs `command` with our own standard output and error.
///
/// # Errors
/// When it cannot be started or does not exit with success.
pub fn run(command: &mut Command) -> Result<()> {
    let mut child = spawn(command)?;
    let status = {
        let awaited = Awaited::new(child.id());
        let status = child.wait();
        drop(awaited);
        status.with_context(|| format!("cannot wait for `{}`", shown(command)))?
    };
    succeed(command, status)
}

/// Runs `command` and returns what it wrote to standard output; what it wrote to standard error becomes part of the error.
///
/// # Errors
/// As for [`run`].
pub fn output(command: &mut Command) -> Result<String> {
    let output = finish(command)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs `command` and returns what it wrote to standard error, where programs say what they are not content with.
///
/// # Errors
/// As for [`output`].
pub fn complaints(command: &mut Command) -> Result<String> {
    let output = finish(command)?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn finish(command: &mut Command) -> Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = spawn(command)?;
    let output = {
        let awaited = Awaited::new(child.id());
        let output = child.wait_with_output();
        drop(awaited);
        output.with_context(|| format!("cannot wait for `{}`", shown(command)))?
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stderr = stderr.trim();
    succeed(command, output.status)
        .map_err(|err| if stderr.is_empty() { err } else { err.context(stderr.to_owned()) })?;
    Ok(output)
}

/// Whether `command` ends with success within `patience`, with our own standard output and error. One that takes longer is ended.
///
/// # Errors
/// When it cannot be started or waited for.
pub fn succeeds_within(command: &mut Command, patience: Duration) -> Result<bool> {
    let mut child = spawn(command)?;
    let started = Instant::now();
    let is_good = {
        let _awaited = Awaited::new(child.id())?;
        loop {
            if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for `{}`", shown(command)))? {
                break status.success();
            }
            if started.elapsed() > patience {
                // With all that it has started; that the group is gone already is no error.
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                child.wait().with_context(|| format!("cannot wait for `{}`", shown(command)))?;
                break false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    stop::check()?;
    Ok(is_good)
}

fn succeed(command: &Command, status: ExitStatus) -> Result<()> {
    stop::check()?;
    if status.success() { Ok(()) } else { bail!("`{}` failed: {status}", shown(command)) }
}

/// Where `program` is on PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| is_executable(candidate))
}

/// Whether `path` is a file that somebody may execute.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_named_with_what_it_said() {
        let err = output(Command::new("sh").args(["-c", "echo no space left >&2; exit 3"])).unwrap_err();
        assert_eq!(format!("{err:#}"), "no space left: `sh -c echo no space left >&2; exit 3` failed: exit status: 3");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let run = |script: &str, patience| {
            succeeds_within(Command::new("sh").args(["-c", script]), Duration::from_millis(patience)).unwrap()
        };
        assert!(run("exit 0", 60_000));
        assert!(!run("exit 1", 60_000));
        let started = Instant::now();
        assert!(!run("sleep 60", 1));
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_missing_program_is_named() {
        let err = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert_eq!(err.to_string(), "cannot run no-such-program-here: there is no such program on PATH");
    }
}
