//! The registry as a process.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::{PATIENCE, Surroundings, eventually, http_client};

/// How often the start is tried when somebody else took the port in the moment between choosing and using it.
const ATTEMPTS: usize = 3;

/// A registry that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Process {
    /// Starts one with everything that it writes below `directory`, and waits until it answers. `auth` is that section of its
    /// configuration (<https://distribution.github.io/distribution/about/configuration/#auth>).
    ///
    /// # Panics
    /// When it ends or does not answer; the message shows its log.
    pub(super) async fn start(directory: &Path, auth: &Value) -> Self {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let mut process = Self::spawn(directory, auth);
            match process.wait_until_ready().await {
                Ok(()) => return process,
                Err(why) => last = format!("{why}:\n{}", process.log()),
            }
            if !last.contains("address already in use") {
                break;
            }
        }
        panic!("the registry does not start: {last}");
    }

    fn spawn(directory: &Path, auth: &Value) -> Self {
        let address = free_address();
        // JSON is YAML. The fields: https://distribution.github.io/distribution/about/configuration/
        let config = json!({
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": directory.join("registry")}, "delete": {"enabled": true}},
            "http": {"addr": address, "secret": "of no use with a single replica"},
            "auth": auth,
        });
        let path = directory.join("registry.yml");
        fs::write(&path, config.to_string()).expect("a file can be written");
        let log = directory.join("registry.log");
        let file = File::create(&log).expect("a file can be written");
        let copy = file.try_clone().expect("a file can be written from two sides");
        let program = Surroundings::registry_program();
        let child = Command::new(&program)
            // Variables whose names begin with REGISTRY_ would be laid over the configuration.
            .env_clear()
            // Else it tries to send traces to a collector, and logs that there is none.
            .env("OTEL_TRACES_EXPORTER", "none")
            .arg("serve")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(copy)
            .spawn()
            .unwrap_or_else(|err| panic!("cannot start {}: {err}", program.display()));
        Self { child, address, log }
    }

    async fn wait_until_ready(&mut self) -> Result<(), String> {
        let (http, url) = (http_client(), format!("http://{}/v2/", self.address));
        let answered = eventually(PATIENCE, async || {
            match self.child.try_wait() {
                // It has to be said at once, not after half a minute.
                Ok(Some(status)) => return Ok(Err(format!("it ended by itself ({status})"))),
                Ok(None) => {}
                Err(err) => return Err(err.to_string()),
            }
            http.get(&url).send().await.map(|_| Ok(())).map_err(|err| err.to_string())
        });
        answered.await.map_err(|last| format!("it does not answer after {PATIENCE:?}, {last}"))?
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn log(&self) -> String {
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

/// An address at which nobody listened a moment ago.
fn free_address() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.local_addr().expect("a bound listener has an address").to_string()
}
