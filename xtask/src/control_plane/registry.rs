//! The registry of the CNCF distribution project, with its data in a temporary directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::json;

use super::look_up::Programs;
use super::program::Program;
use super::{PATIENCE, port};
use crate::process::Process;
use crate::stop;

/// A running registry that speaks plain http, without authentication.
#[derive(Debug)]
pub struct Registry {
    process: Process,
    address: String,
    program: PathBuf,
}

impl Registry {
    /// Starts it, with everything it writes below `directory`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(programs: &Programs, directory: &Path) -> Result<Self> {
        let [port] = port::free()?;
        let address = format!("127.0.0.1:{port}");
        // JSON is YAML. The fields: https://distribution.github.io/distribution/about/configuration/
        let config = json!({
            "version": 0.1,
            "log": {"level": "warn", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": directory.join("registry")}, "delete": {"enabled": true}},
            "http": {"addr": address, "secret": "of no use with a single replica"},
        });
        let path = directory.join("registry.yml");
        fs::write(&path, config.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
        let program = programs.path(Program::Registry)?;
        let process = Process::start_with("registry", program, directory.join("registry.log"), |command| {
            // Else it tries to send traces to a collector, and logs that there is none.
            command.env("OTEL_TRACES_EXPORTER", "none").arg("serve").arg(&path);
        })?;
        Ok(Self { process, address, program: program.to_owned() })
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The program that runs.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it has ended, or does not answer in time.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        let url = format!("http://{}/v2/", self.address);
        while ureq::get(&url).call().is_err() {
            self.process.check()?;
            if started.elapsed() > PATIENCE {
                return Err(self.process.failure("does not answer"));
            }
            stop::sleep(Duration::from_millis(50))?;
        }
        Ok(())
    }
}
