//! Finds the programs of a control plane: those that are there already, else those in the cache.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::build;
use super::program::{Module, Program, read_version};
use crate::command;

/// Where each program is.
#[derive(Clone, Debug)]
pub struct Programs {
    paths: BTreeMap<Program, PathBuf>,
}

impl Programs {
    /// Looks for every program in the directory `KUBEBUILDER_ASSETS`, then on PATH, then in the cache, and builds what is missing.
    ///
    /// # Errors
    /// When a program has to be built and cannot be.
    pub fn find_or_build() -> Result<Self> {
        Self::find_or_build_of(&Module::ALL)
    }

    /// Like [`Programs::find_or_build`], for some of the programs only.
    ///
    /// # Errors
    /// As for [`Programs::find_or_build`].
    pub fn find_or_build_of(modules: &[Module]) -> Result<Self> {
        let mut paths = BTreeMap::new();
        let mut missing = Vec::new();
        for &module in modules {
            let version = module.release(&module.version()?);
            let mut is_complete = true;
            for program in module.programs() {
                match installed(program, &version) {
                    Some(path) => _ = paths.insert(program, path),
                    None => is_complete = false,
                }
            }
            if !is_complete {
                missing.push(module);
            }
        }
        for (module, directory) in build::build(&missing)? {
            for program in module.programs() {
                paths.entry(program).or_insert_with(|| directory.join(program.name()));
            }
        }
        Ok(Self { paths })
    }

    /// The executable of `program`.
    ///
    /// # Errors
    /// When the program was not among those to look for.
    pub fn path(&self, program: Program) -> Result<&Path> {
        self.paths.get(&program).map(PathBuf::as_path).with_context(|| format!("{} was not looked for", program.name()))
    }
}

/// The executable of `program`, if it is there already.
///
/// # Errors
/// When it is not known which version is wanted.
pub fn find(program: Program) -> Result<Option<PathBuf>> {
    let module = program.module();
    if let Some(path) = installed(program, &module.release(&module.version()?)) {
        return Ok(Some(path));
    }
    Ok(build::find(module)?.map(|directory| directory.join(program.name())))
}

/// An installed `program` of the same minor version as `wanted`. Others are passed over, and that is said: half a control plane of
/// another version fails in ways that are hard to read.
fn installed(program: Program, wanted: &str) -> Option<PathBuf> {
    let from_assets = std::env::var_os("KUBEBUILDER_ASSETS")
        .filter(|directory| !directory.is_empty())
        .map(|directory| PathBuf::from(directory).join(program.name()))
        .filter(|path| command::is_executable(path));
    from_assets.into_iter().chain(command::find(program.name())).find(|path| {
        let printed = command::output(Command::new(path).args(program.version_args())).unwrap_or_default();
        let is_close = is_close(&printed, wanted);
        if is_close {
            println!("using {}", path.display());
        } else {
            let first = printed.lines().next().unwrap_or("nothing about its version");
            println!("not using {}: it says {first:?}, wanted is {wanted} or another patch of it", path.display());
        }
        is_close
    })
}

/// Whether a program that `printed` its version is of the minor version of `wanted`.
fn is_close(printed: &str, wanted: &str) -> bool {
    match (read_version(printed), read_version(wanted)) {
        (Some([major, minor, _]), Some([wanted_major, wanted_minor, _])) => {
            (major, minor) == (wanted_major, wanted_minor)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_patch_will_do_but_no_other_minor() {
        assert!(is_close("Kubernetes v1.36.0", "v1.36.3"));
        assert!(!is_close("Kubernetes v1.35.3", "v1.36.3"));
        assert!(!is_close("registry github.com/docker/distribution 2.8.2+ds1", "v3.0.0"));
        assert!(!is_close("", "v3.0.0"));
    }
}
