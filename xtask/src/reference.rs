//! `cargo xtask reference`: writes the pages of the documentation that the operator's own program knows best.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::manifests::Mode;
use crate::operator::{self, Profile};
use crate::{command, workspace};

/// Pages in `docs`, and what `k8supdater reference` calls them.
const PAGES: [(&str, &str); 3] =
    [("reference.md", "fields"), ("configuration.md", "configuration"), ("commands.md", "commands")];

/// Writes or checks all of them.
///
/// # Errors
/// When the operator does not compile, a file cannot be written, or one differs and only a check was asked for.
pub fn run(mode: Mode) -> Result<()> {
    let program = operator::build(Profile::Debug)?;
    for (file, page) in PAGES {
        let text = command::output(Command::new(&program).args(["reference", page]))?;
        let path = path(file);
        let found = fs::read_to_string(&path).unwrap_or_default();
        let shown = workspace::shown(&path);
        match mode {
            _ if found == text => println!("{shown} is up to date"),
            Mode::Check => {
                bail!("{shown} differs from the types and flags in host/operator/src; run cargo xtask reference")
            }
            Mode::Write => {
                fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
                println!("{shown} is written");
            }
        }
    }
    Ok(())
}

fn path(file: &str) -> PathBuf {
    workspace::root().join("docs").join(file)
}
