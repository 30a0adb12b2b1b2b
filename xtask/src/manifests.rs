//! `cargo xtask manifests`: writes the files in `deploy` that the program prints: the CustomResourceDefinitions, which the Rust types say, once
//! more for the chart, because Helm reads nothing outside of it, and everything in one file, for those who install without a checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::operator::{self, Profile};
use crate::{command, workspace};

/// What to do with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Write them.
    Write,
    /// Fail when one differs.
    Check,
}

/// Writes or checks `deploy/crd/k8supdater.dev.yaml`, the same in `deploy/chart/crds`, and `deploy/install.yaml`.
///
/// # Errors
/// When the operator does not compile, a file cannot be written, or one differs and only a check was asked for.
pub fn run(mode: Mode) -> Result<()> {
    let program = operator::build(Profile::Debug)?;
    let definitions = |directory: &str| workspace::root().join(directory).join("k8supdater.dev.yaml");
    let files = [
        ("crd", definitions("deploy/crd")),
        ("crd", definitions("deploy/chart/crds")),
        ("manifests", install_yaml()),
    ];
    for (subcommand, path) in files {
        let text = command::output(Command::new(&program).arg(subcommand))?;
        bring_up_to_date(mode, &path, &text)?;
    }
    Ok(())
}

/// Everything in one file.
pub fn install_yaml() -> PathBuf {
    workspace::root().join("deploy/install.yaml")
}

fn bring_up_to_date(mode: Mode, path: &Path, text: &str) -> Result<()> {
    let found = fs::read_to_string(path).unwrap_or_default();
    let shown = workspace::shown(path);
    match mode {
        _ if found == text => println!("{shown} is up to date"),
        Mode::Check => bail!("{shown} is not what the program prints; run cargo xtask manifests"),
        Mode::Write => {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{shown} is written");
        }
    }
    Ok(())
}
