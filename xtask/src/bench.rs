//! `cargo xtask bench`: how fast the parts are, and then the whole.

use std::ffi::OsString;

use anyhow::Result;

use crate::{command, plugins, workspace};

/// `cargo xtask bench`, with arguments for criterion.
///
/// # Errors
/// When something does not compile or a bench fails.
pub fn run(args: &[OsString]) -> Result<()> {
    plugins::run()?;
    for package in ["k8supdater-runtime", "k8supdater"] {
        let mut cargo = command::cargo();
        cargo
            .args(["bench", "--package", package, "--benches"])
            .env("K8SUPDATER_TEST_PLUGINS", workspace::packed_plugins());
        command::run(cargo.arg("--").args(args))?;
    }
    Ok(())
}
