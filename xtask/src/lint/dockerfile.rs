//! Whether BuildKit would take the Dockerfile, and what its linter finds in it. No container engine is needed, and nothing is built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::{cache, command, workspace};

/// What the image is built for; the release workflow says the same.
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// Where the checking program's source is: BuildKit's parser and linter, with a few lines around them.
const SOURCE: &str = "xtask/tools/dockerfile";

/// Checks `deploy/Dockerfile` for each platform.
///
/// # Errors
/// When there is something to correct.
pub fn check() -> Result<()> {
    let program = find_or_build()?;
    let mut command = Command::new(program);
    command::run(command.arg("deploy/Dockerfile").args(PLATFORMS).current_dir(workspace::root()))
}

/// The checking program from the cache; built into it the first time, which takes a minute.
fn find_or_build() -> Result<PathBuf> {
    let source = workspace::root().join(SOURCE);
    let program = cache::directory()?.join(format!("dockerfile-{}", fingerprint(&source)?)).join("dockerfile");
    if command::is_executable(&program) {
        return Ok(program);
    }
    let _lock = cache::lock(program.parent().context("a program has a directory")?)?;
    if !command::is_executable(&program) {
        println!("building the check of Dockerfiles with Go, once per user and version");
        let mut go = Command::new("go");
        go.args(["build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", "-s -w", "-o"]).arg(&program);
        command::run(go.arg(".").current_dir(source).env("CGO_ENABLED", "0"))?;
    }
    Ok(program)
}

/// Changes with everything that goes into the program.
fn fingerprint(source: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for name in ["go.mod", "go.sum", "main.go"] {
        let path = source.join(name);
        hash.update(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(hex(&hash.finalize()[..6]))
}
