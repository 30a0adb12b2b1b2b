//! `cargo xtask manifests`: writes the files in `deploy` that the program prints: the CustomResourceDefinitions, which the Rust types say, and
//! everything in one file, for those who install without a checkout. The chart has copies of some, because Helm reads nothing outside of it.

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

/// Files that the chart has a copy of, and where.
const COPIES: [(&str, &str); 2] = [
    ("deploy/monitoring/rules.yaml", "deploy/chart/files/rules.yaml"),
    ("deploy/monitoring/dashboard.json", "deploy/chart/files/dashboard.json"),
];

/// Writes or checks `deploy/crd/k8supdater.dev.yaml`, the same in `deploy/chart/crds`, and `deploy/install.yaml`.
///
/// # Errors
/// When the operator does not compile, a file cannot be written, or one differs and only a check was asked for.
pub fn run(mode: Mode) -> Result<()> {
    let program = operator::build(Profile::Debug)?;
    let definitions = |directory: &str| workspace::root().join(directory).join("k8supdater.dev.yaml");
    let files =
        [("crd", definitions("deploy/crd")), ("crd", definitions("deploy/chart/crds")), ("manifests", install_yaml())];
    for (subcommand, path) in files {
        let text = command::output(Command::new(&program).arg(subcommand))?;
        bring_up_to_date(mode, &path, &text)?;
    }
    for (from, to) in COPIES.map(|(from, to)| (workspace::root().join(from), workspace::root().join(to))) {
        if from.exists() {
            let text = fs::read_to_string(&from).with_context(|| format!("cannot read {}", from.display()))?;
            bring_up_to_date(mode, &to, &text)?;
        }
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
        Mode::Check => bail!("{shown} is out of date; run cargo xtask manifests"),
        Mode::Write => {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
            }
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{shown} is written");
        }
    }
    Ok(())
}
