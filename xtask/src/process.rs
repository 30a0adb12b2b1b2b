//! Programs that are kept running in the background, and that never outlive us.
//!
//! A [`Process`] is stopped when it is dropped. For the case that nobody is left to drop it (a crash, `kill -9`), programs are started
//! through our own binary: `xtask with-parent` asks the kernel to be killed together with its parent and then becomes the program.
//! That request belongs to the thread that starts the program, so start processes from a thread that lasts, such as the main one.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How many lines of a log are shown when its program fails.
const TAIL: usize = 25;

/// A program in the background.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    grace: Duration,
}

impl Process {
    /// Starts `program`, with standard output and error in the file `log`. [`Process::stop`] and dropping kill it without further ado.
    ///
    /// # Errors
    /// When the log cannot be written or the program cannot be started.
    pub fn start<I, A>(name: &str, program: &Path, args: I, log: PathBuf) -> Result<Self>
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        Self::start_with(name, program, log, |command| {
            command.args(args);
        })
    }

    /// Like [`Process::start`], with the chance to change the command.
    ///
    /// # Errors
    /// As for [`Process::start`].
    pub fn start_with(name: &str, program: &Path, log: PathBuf, change: impl FnOnce(&mut Command)) -> Result<Self> {
        let file = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let copy = file.try_clone().with_context(|| format!("cannot write {} from two sides", log.display()))?;
        let mut command = with_parent(program)?;
        change(&mut command);
        command.stdin(Stdio::null()).stdout(file).stderr(copy).process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {name} ({})", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log, grace: Duration::ZERO })
    }

    /// Lets the program end by itself for up to `grace` after SIGTERM, before it is killed.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails if the program has ended.
    ///
    /// # Errors
    /// With the end of the log.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.failure(&format!("ended by itself ({status})"))),
            Err(err) => Err(err).with_context(|| format!("cannot ask after {}", self.name)),
        }
    }

    /// An error that says what `happened` to the program and shows the end of its log.
    pub fn failure(&self, happened: &str) -> anyhow::Error {
        let log = fs::read(&self.log).unwrap_or_default();
        anyhow!("{} {happened}; its last lines:\n{}", self.name, tail(&String::from_utf8_lossy(&log), TAIL))
    }

    /// Stops the program and all that it has started, and waits until it is gone.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(mut self) -> Result<Option<ExitStatus>> {
        self.end().with_context(|| format!("cannot stop {}", self.name))
    }

    fn end(&mut self) -> std::io::Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status));
        }
        let group = Pid::from_child(&self.child);
        if !self.grace.is_zero() {
            let _ = kill_process_group(group, Signal::TERM);
            let end = Instant::now() + self.grace;
            while Instant::now() < end {
                if let Some(status) = self.child.try_wait()? {
                    return Ok(Some(status));
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // The group may hold children of the program too; that it is gone already is no error.
        let _ = kill_process_group(group, Signal::KILL);
        self.child.wait().map(Some)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = self.end();
    }
}

/// The last `lines` lines of `text`.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let last = all.get(all.len().saturating_sub(lines)..).unwrap_or_default();
    if last.is_empty() { "(nothing)".to_owned() } else { last.join("\n") }
}

/// A command that becomes `program` and dies with the thread that starts it.
fn with_parent(program: &Path) -> Result<Command> {
    // Cargo may have replaced our file since we were started (`cargo xtask test` builds xtask as well); this link still leads to it.
    let own = if cfg!(target_os = "linux") { PathBuf::from("/proc/self/exe") } else { std::env::current_exe()? };
    let mut command = Command::new(own);
    command.arg("with-parent").arg(std::process::id().to_string()).arg(program);
    Ok(command)
}

/// What `xtask with-parent` does; returns only if it fails.
///
/// # Errors
/// When `parent` is gone already, or the program cannot be run.
pub fn become_program(parent: u32, program: &OsStr, args: &[std::ffi::OsString]) -> Result<std::convert::Infallible> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .context("cannot bind to the parent process")?;
    // The parent may have died before the kernel knew of the wish.
    if std::os::unix::process::parent_id() != parent {
        bail!("the process that started this is gone");
    }
    Err(Command::new(program).args(args).exec()).with_context(|| format!("cannot run {}", program.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 2), "a");
        assert_eq!(tail("", 2), "(nothing)");
    }
}
