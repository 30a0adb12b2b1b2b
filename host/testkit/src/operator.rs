//! The operator as users run it: its binary, as a process.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::metrics::{self, Sample};
use crate::{PATIENCE, eventually, http_client};

/// Most lines of the log that a failing test shows.
const SHOWN_LINES: usize = 80;

/// A process that runs the operator, or will, or did. It is killed when this is dropped; a test that fails shows the end of its log.
#[derive(Debug)]
pub struct Operator {
    program: PathBuf,
    args: Vec<OsString>,
    /// All of its environment, but for what every process has.
    env: Vec<(String, OsString)>,
    log: PathBuf,
    /// Length of the log when the process that runs now was started.
    log_start: usize,
    child: Option<Child>,
    address: Option<SocketAddr>,
    http: reqwest::Client,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code or signal.
    pub status: ExitStatus,
    /// Time from the signal to the end.
    pub took: Duration,
}

impl Operator {
    /// Not started yet. The log of all its processes goes to the file `log`.
    pub fn new(program: impl Into<PathBuf>, args: Vec<OsString>, log: PathBuf) -> Self {
        Self {
            program: program.into(),
            args,
            env: Vec::new(),
            log,
            log_start: 0,
            child: None,
            address: None,
            http: http_client(),
        }
    }

    /// Adds a flag for the next start.
    pub fn arg(&mut self, arg: impl Into<OsString>) {
        self.args.push(arg.into());
    }

    /// Sets a flag, `--name`, for the next start, in place of what it was.
    pub fn set_flag(&mut self, name: &str, value: &str) {
        let prefix = format!("{name}=");
        self.args.retain(|arg| !arg.to_string_lossy().starts_with(&prefix));
        self.args.push(format!("{prefix}{value}").into());
    }

    /// Sets a variable of the environment for the next start.
    pub fn env(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.into()));
    }

    /// Starts a process and waits until it is ready.
    ///
    /// # Panics
    /// When it ends, or is not ready in time.
    pub async fn start(&mut self) {
        self.spawn();
        let ready = eventually(PATIENCE, async || {
            self.check();
            match self.get("/readyz").await {
                Some((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        if let Err(last) = ready.await {
            panic!("the operator is not ready after {PATIENCE:?}: /readyz says {last}");
        }
    }

    /// Starts a process and waits for nothing.
    ///
    /// # Panics
    /// When there is one already, or it cannot be started.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "the operator runs already");
        self.log_start = self.log().len();
        self.address = None;
        let log = || -> std::io::Result<File> { OpenOptions::new().create(true).append(true).open(&self.log) };
        let (out, err) = (log().expect("the log can be written"), log().expect("the log can be written"));
        let child = Command::new(&self.program)
            .args(&self.args)
            // Nothing of the machine that tests run on, such as a proxy, may decide what the operator does.
            .env_clear()
            .env("RUST_BACKTRACE", "1")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|err| panic!("cannot start {}: {err}", self.program.display()));
        self.child = Some(child);
    }

    /// Fails if the process has ended by itself.
    fn check(&mut self) {
        let child = self.child.as_mut().expect("the operator was started");
        if let Some(status) = child.try_wait().expect("a child can be asked") {
            self.child = None;
            panic!("the operator ended by itself: {status}");
        }
    }

    /// Ends the process at once, without letting it finish anything (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended meanwhile; waiting settles both cases.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks the process to end (SIGTERM), as Kubernetes does, and waits for nothing.
    ///
    /// # Panics
    /// When it does not run.
    pub fn ask_to_end(&self) {
        let child = self.child.as_ref().expect("the operator was started");
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a child has an id");
        kill_process(id, Signal::TERM).expect("a child can be signalled");
    }

    /// Asks the process to end, be it once more, and waits for that.
    ///
    /// # Panics
    /// When it has not ended after `patience`.
    pub async fn terminate(&mut self, patience: Duration) -> Exit {
        self.ask_to_end();
        let started = Instant::now();
        let mut child = self.child.take().expect("the operator was started");
        loop {
            if let Some(status) = child.try_wait().expect("a child can be asked") {
                return Exit { status, took: started.elapsed() };
            }
            if started.elapsed() > patience {
                self.child = Some(child);
                panic!("the operator still runs {patience:?} after SIGTERM");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Status and body of a page of its health server; none if that does not answer.
    pub async fn get(&mut self, path: &str) -> Option<(u16, String)> {
        if self.address.is_none() {
            self.address = address(self.log().get(self.log_start..)?);
        }
        let response = self.http.get(format!("http://{}{path}", self.address?)).send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.text().await.ok()?))
    }

    /// All its metrics, as Prometheus sees them.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn metrics(&mut self) -> String {
        let (status, text) = self.get("/metrics").await.expect("a running operator shows its metrics");
        assert_eq!(status, 200, "{text}");
        text
    }

    /// The same in the format that the header `Accept` asks for, with the format that they are in.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn metrics_in(&mut self, accept: &str) -> (String, String) {
        let address = self.address.expect("the operator has shown something");
        let request = self.http.get(format!("http://{address}/metrics")).header("accept", accept);
        let response = request.send().await.expect("a running operator shows its metrics");
        let format = response.headers()["content-type"].to_str().expect("a format is ASCII").to_owned();
        (format, response.text().await.expect("metrics are text"))
    }

    /// Sum of the samples of a metric, by full name (`k8supdater_updates_total`), or of those that have these labels, and perhaps others
    /// (`…{reason="NotFound"}`).
    ///
    /// # Panics
    /// When the metrics cannot be read.
    pub async fn metric(&mut self, name: &str) -> u64 {
        sum(&self.metrics().await, name)
    }

    /// Most memory that the running process has held at any time, in bytes (`VmHWM` of proc(5), so on Linux only).
    ///
    /// # Panics
    /// When it does not run.
    pub fn peak_memory(&self) -> u64 {
        let id = self.child.as_ref().expect("the operator was started").id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes =
            line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.parse::<u64>().ok());
        kibibytes.expect("proc tells in kB") * 1024
    }

    /// Everything that its processes have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
            eprintln!("--- the operator's log, last {} of {} lines\n{}", shown.len(), lines.len(), shown.join("\n"));
        }
    }
}

/// The address in the log line of the health server.
fn address(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains("health server listens"))?;
    line.split("address=").nth(1)?.split_whitespace().next()?.parse().ok()
}

fn sum(text: &str, query: &str) -> u64 {
    let wanted = metrics::sample(&format!("{query} 0")).expect("a name, perhaps with labels");
    let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(metrics::sample);
    let is_wanted = |sample: &Sample| {
        sample.name == wanted.name && wanted.labels.iter().all(|(label, value)| sample.labels.get(label) == Some(value))
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what tests count are small whole numbers"
    )]
    let sum = samples.filter(is_wanted).map(|sample| sample.value).sum::<f64>() as u64;
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_the_log() {
        let log = "2024-01-15T10:00:00Z  INFO k8supdater: health server listens address=127.0.0.1:41234\n";
        assert_eq!(address(log), Some(SocketAddr::from(([127, 0, 0, 1], 41_234))));
        assert_eq!(address("nothing yet\n"), None);
    }

    #[test]
    fn samples_are_summed_over_labels_and_not_over_other_metrics() {
        let text = "# TYPE a_total counter\na_total{p=\"1\",reason=\"x\"} 2\na_total{p=\"1\",reason=\"y\"} 3\na_total_other 7\nb_total 5\n";
        assert_eq!((sum(text, "a_total"), sum(text, "b_total"), sum(text, "c_total")), (5, 5, 0));
        assert_eq!(sum(text, "a_total{reason=\"y\"}"), 3);
    }

    #[tokio::test]
    async fn a_process_is_terminated_and_one_that_ends_by_itself_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let mut operator = Operator::new("/bin/sleep", vec!["60".into()], directory.path().join("log"));
        operator.spawn();
        let exit = operator.terminate(Duration::from_secs(5)).await;
        assert!(!exit.status.success() && exit.took < Duration::from_secs(5));
        operator.spawn();
        operator.check();
        assert!((1..1 << 30).contains(&operator.peak_memory()));
        operator.kill();
        assert!(operator.child.is_none());
    }
}
