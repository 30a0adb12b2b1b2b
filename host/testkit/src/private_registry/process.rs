//! The registry as a process.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::Surroundings;
use crate::process::{ATTEMPTS, Process, free_port, is_port_taken};

/// A registry that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    address: String,
}

impl Running {
    /// Starts one with everything that it writes below `directory`, and waits until it answers. `auth` is that section of its
    /// configuration (<https://distribution.github.io/distribution/about/configuration/#auth>).
    ///
    /// # Panics
    /// When it ends or does not answer; the message shows its log.
    pub(super) async fn start(directory: &Path, auth: &Value) -> Self {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let mut running = Self::spawn(directory, auth);
            match running.process.wait_until_ready(&format!("http://{}/v2/", running.address)).await {
                Ok(()) => return running,
                Err(why) => last = why,
            }
            if !is_port_taken(&last) {
                break;
            }
        }
        panic!("the registry does not start: {last}");
    }

    fn spawn(directory: &Path, auth: &Value) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
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
        let program = Surroundings::registry_program();
        let process = Process::start(&program, directory.join("registry.log"), |command| {
            // Else it tries to send traces to a collector, and logs that there is none. Variables whose names begin with REGISTRY_ would be
            // laid over the configuration.
            command.env("OTEL_TRACES_EXPORTER", "none").arg("serve").arg(&path);
        });
        Self { process, address }
    }

    /// Host and port.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn log(&self) -> String {
        self.process.log()
    }
}
