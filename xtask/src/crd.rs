//! `cargo xtask crd`: writes the CustomResourceDefinitions that the Rust types say.

use std::fs;
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

/// Where they are: for kubectl, and once more in the chart, because Helm reads nothing outside of it.
const FILES: [&str; 2] = ["deploy/crd/k8supdater.dev.yaml", "deploy/chart/crds/k8supdater.dev.yaml"];

/// Writes or checks them.
///
/// # Errors
/// When the operator does not compile, the file cannot be written, or it differs and only a check was asked for.
pub fn run(mode: Mode) -> Result<()> {
    let program = operator::build(Profile::Debug)?;
    let definitions = command::output(Command::new(program).arg("crd"))?;
    for shown in FILES {
        let path = workspace::root().join(shown);
        let found = fs::read_to_string(&path).unwrap_or_default();
        match mode {
            _ if found == definitions => println!("{shown} is up to date"),
            Mode::Check => bail!("{shown} differs from the types in host/operator/src/api; run cargo xtask crd"),
            Mode::Write => {
                fs::write(&path, &definitions).with_context(|| format!("cannot write {}", path.display()))?;
                println!("{shown} is written");
            }
        }
    }
    Ok(())
}
