//! `cargo xtask crd`: writes the CustomResourceDefinitions that the Rust types say.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::operator::{self, Profile};
use crate::{command, workspace};

/// What to do with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Write it.
    Write,
    /// Fail when it differs.
    Check,
}

/// Writes or checks `deploy/crd/k8supdater.dev.yaml`.
///
/// # Errors
/// When the operator does not compile, the file cannot be written, or it differs and only a check was asked for.
pub fn run(mode: Mode) -> Result<()> {
    let program = operator::build(Profile::Debug)?;
    let definitions = command::output(Command::new(program).arg("crd"))?;
    let path = path();
    let found = fs::read_to_string(&path).unwrap_or_default();
    let shown = workspace::shown(&path);
    match mode {
        _ if found == definitions => println!("{shown} is up to date"),
        Mode::Check => bail!("{shown} differs from the types in host/operator/src/api; run cargo xtask crd"),
        Mode::Write => {
            fs::write(&path, definitions).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{shown} is written");
        }
    }
    Ok(())
}

fn path() -> PathBuf {
    workspace::root().join("deploy/crd/k8supdater.dev.yaml")
}
