//! Programs that tests start beside the operator.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{PATIENCE, eventually, http_client};

/// How often a start is tried when somebody else took a port in the moment between choosing and using it.
pub(crate) const ATTEMPTS: usize = 3;

/// A program that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program`, with nothing of the environment but what `configure` puts in; what it says goes to the file `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub(crate) fn start(program: &Path, log: PathBuf, configure: impl FnOnce(&mut Command)) -> Self {
        let file = File::create(&log).expect("a file can be written");
        let copy = file.try_clone().expect("a file can be written from two sides");
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null()).stdout(file).stderr(copy);
        configure(&mut command);
        let child = command.spawn().unwrap_or_else(|err| panic!("cannot start {}: {err}", program.display()));
        Self { child, log }
    }

    /// Waits until something answers at `url`, whatever it says.
    ///
    /// # Errors
    /// When the program ends or nothing answers; the text shows its log.
    pub(crate) async fn wait_until_ready(&mut self, url: &str) -> Result<(), String> {
        let http = http_client();
        let answered = eventually(PATIENCE, async || {
            match self.child.try_wait() {
                // It has to be said at once, not after half a minute.
                Ok(Some(status)) => return Ok(Err(format!("it ended by itself ({status})"))),
                Ok(None) => {}
                Err(err) => return Err(err.to_string()),
            }
            http.get(url).send().await.map(|_| Ok(())).map_err(|err| err.to_string())
        });
        let ready = answered.await.map_err(|last| format!("it does not answer after {PATIENCE:?}, {last}"));
        ready.and_then(|ended| ended).map_err(|why| format!("{why}:\n{}", self.log()))
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended meanwhile; waiting settles both cases.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a start failed only because a port was taken.
pub(crate) fn is_port_taken(why: &str) -> bool {
    why.contains("address already in use")
}

/// A port at which nobody listened on the loopback interface a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}
