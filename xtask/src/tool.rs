//! Programs written in Rust that checks need: built once per user and version into the cache, with the Cargo at hand.

use std::path::PathBuf;

use anyhow::Result;

use crate::{cache, command};

/// A program that `cargo install` builds from the package of the same name.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Name of the package and of its program.
    pub name: &'static str,
    /// The version, pinned.
    pub version: &'static str,
    /// What `cargo install` is told besides, such as features.
    pub options: &'static [&'static str],
}

impl Tool {
    /// The program from the cache; built into it the first time, which takes minutes.
    ///
    /// # Errors
    /// When it cannot be built, or there is no place for it.
    pub fn find_or_install(&self) -> Result<PathBuf> {
        let Self { name, version, options } = self;
        let directory = cache::directory()?.join(format!("{name}-{version}"));
        let program = directory.join("bin").join(name);
        if command::is_executable(&program) {
            return Ok(program);
        }
        let _lock = cache::lock(&directory)?;
        if !command::is_executable(&program) {
            println!("building {name} {version}, once per user and version");
            let mut cargo = command::cargo();
            // Unoptimised it is built in a third of the time, and a check takes a second all the same.
            cargo.args(["install", "--locked", "--debug", "--quiet", name, "--version", version]).args(*options);
            // Cargo builds in a temporary directory then, not among our own packages.
            command::run(cargo.arg("--root").arg(&directory).env_remove("CARGO_TARGET_DIR"))?;
        }
        Ok(program)
    }
}
