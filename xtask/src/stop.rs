//! Ctrl-C and SIGTERM: the work in hand is ended, and the way out leads through every destructor.
//!
//! The first signal sets a flag and ends the programs that [`crate::command`] waits for, so that whoever waits goes on, meets
//! [`check`] and returns [`Interrupted`] all the way up; on the way everything that was started is stopped and temporary directories
//! are removed. A second signal ends the process at once; even then the kernel ends its children (see [`crate::process`]).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Exit code after a signal, as shells give it for Ctrl-C.
pub const EXIT_CODE: u8 = 130;

static IS_REQUESTED: AtomicBool = AtomicBool::new(false);
static AWAITED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Someone pressed Ctrl-C, or the process was asked to end.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Begins to listen for signals, in a thread that lasts as long as the process.
///
/// # Errors
/// When the system refuses the handlers.
pub fn watch() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if IS_REQUESTED.swap(true, Ordering::SeqCst) {
                end_awaited(Signal::KILL);
                std::process::exit(i32::from(EXIT_CODE));
            }
            eprintln!("\nstopping …");
            end_awaited(Signal::TERM);
        }
    });
    Ok(())
}

fn awaited() -> MutexGuard<'static, BTreeSet<i32>> {
    AWAITED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_awaited(signal: Signal) {
    for &group in awaited().iter() {
        if let Some(group) = Pid::from_raw(group) {
            // It may have ended by itself in this moment.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Fails when a signal has arrived.
///
/// # Errors
/// [`Interrupted`].
pub fn check() -> Result<(), Interrupted> {
    if IS_REQUESTED.load(Ordering::SeqCst) { Err(Interrupted) } else { Ok(()) }
}

/// Sleeps, but not on after a signal.
///
/// # Errors
/// [`Interrupted`].
pub fn sleep(duration: Duration) -> Result<(), Interrupted> {
    let end = Instant::now() + duration;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// A process group that ends on the first signal, for as long as this lives.
#[derive(Debug)]
pub struct Awaited {
    group: i32,
}

impl Awaited {
    /// Adds the group of a child that leads one.
    ///
    /// # Errors
    /// [`Interrupted`] when a signal came first; the group has been ended then.
    pub fn new(leader: u32) -> Result<Self, Interrupted> {
        let group = i32::try_from(leader).expect("process ids fit into pid_t");
        awaited().insert(group);
        let this = Self { group };
        if check().is_err() {
            end_awaited(Signal::TERM);
            return Err(Interrupted);
        }
        Ok(this)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        awaited().remove(&self.group);
    }
}
