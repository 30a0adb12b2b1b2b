//! kubectl, as a person would use it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command;

/// kubectl with one kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// kubectl from PATH, for the current context of `kubeconfig`.
    ///
    /// # Errors
    /// When there is no kubectl.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        let Some(program) = command::find("kubectl") else {
            bail!("kubectl is not on PATH; install it: https://kubernetes.io/docs/tasks/tools/#kubectl");
        };
        Ok(Self { program, kubeconfig: kubeconfig.to_owned() })
    }

    /// The kubeconfig in use.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A command with arguments separated by blanks, to which more can be added.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.env("KUBECONFIG", &self.kubeconfig).args(args.split_whitespace());
        command
    }

    /// Runs kubectl silently and returns what it wrote.
    ///
    /// # Errors
    /// With what kubectl wrote to standard error.
    pub fn output(&self, args: &str) -> Result<String> {
        command::output(&mut self.command(args))
    }

    /// Runs kubectl with our own standard output.
    ///
    /// # Errors
    /// When it fails.
    pub fn show(&self, args: &str) -> Result<()> {
        command::run(&mut self.command(args))
    }

    /// Runs `kubectl ... -o json`.
    ///
    /// # Errors
    /// When it fails or does not write JSON.
    pub fn json(&self, args: &str) -> Result<Value> {
        let text = self.output(&format!("{args} -o json"))?;
        serde_json::from_str(&text).with_context(|| format!("`kubectl {args}` wrote no JSON"))
    }

    /// Whether there is an object: `namespace/demo`, `-n demo deployment/web`.
    ///
    /// # Errors
    /// When the API server cannot be asked.
    pub fn exists(&self, object: &str) -> Result<bool> {
        Ok(!self.output(&format!("get --ignore-not-found -o name {object}"))?.trim().is_empty())
    }

    /// Applies one object, or a `List` of several, on the server's side.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub fn apply(&self, object: &Value) -> Result<()> {
        self.feed("apply --server-side --force-conflicts -f -", &object.to_string()).map(drop)
    }

    /// Has the API server say whether it would take an object, or a `List` of several, unknown fields not included.
    ///
    /// # Errors
    /// When it would not.
    pub fn try_to_apply(&self, object: &Value) -> Result<()> {
        let args = "apply --server-side --force-conflicts --dry-run=server --validate=strict -f -";
        self.feed(args, &object.to_string()).map(drop)
    }

    /// Runs kubectl with `input` for its standard input, silently, and returns what it wrote.
    ///
    /// # Errors
    /// With what kubectl wrote to standard error.
    pub fn feed(&self, args: &str, input: &str) -> Result<String> {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has no standard input")?;
        stdin.write_all(input.as_bytes()).context("cannot talk to kubectl")?;
        drop(stdin);
        let output = child.wait_with_output().context("cannot wait for kubectl")?;
        if !output.status.success() {
            bail!("`kubectl {args}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
