//! The directory for what is expensive to make and the same for every checkout: one per user, and spared by `cargo clean`.

use std::env::var_os;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// `$K8SUPDATER_CACHE`, else `$XDG_CACHE_HOME/k8supdater`, else `~/.cache/k8supdater`.
///
/// # Errors
/// When none of the variables is set.
pub fn directory() -> Result<PathBuf> {
    directory_from(var_os("K8SUPDATER_CACHE"), var_os("XDG_CACHE_HOME"), var_os("HOME"))
}

fn directory_from(ours: Option<OsString>, xdg: Option<OsString>, home: Option<OsString>) -> Result<PathBuf> {
    let set = |value: Option<OsString>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
    // A relative XDG_CACHE_HOME is to be ignored (XDG Base Directory Specification, "Environment variables").
    let directory = set(ours)
        .or_else(|| Some(set(xdg).filter(|path| path.is_absolute())?.join("k8supdater")))
        .or_else(|| Some(set(home)?.join(".cache/k8supdater")));
    match directory {
        Some(directory) => Ok(directory),
        None => bail!("no place for the cache: set K8SUPDATER_CACHE to a directory, or HOME"),
    }
}

/// Held by the one process that fills a directory of the cache; let go when dropped, or when the process ends in any way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Waits until no other process fills `directory`, which need not exist yet. The lock file lies beside it.
///
/// # Errors
/// When the lock file cannot be written.
pub fn lock(directory: &Path) -> Result<Lock> {
    let path = directory.with_extension("lock");
    let parent = path.parent().context("a directory of the cache has a parent")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        println!("waiting for another process that fills {}", directory.display());
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(Lock { _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ours: &str, xdg: &str, home: &str, expected: Option<&str>) {
        let found = directory_from(Some(ours.into()), Some(xdg.into()), Some(home.into())).ok();
        assert_eq!(found.as_deref(), expected.map(Path::new));
    }

    #[test]
    fn the_first_variable_that_is_set_decides() {
        check("/own", "/xdg", "/home/me", Some("/own"));
        check("", "/xdg", "/home/me", Some("/xdg/k8supdater"));
        check("", "relative", "/home/me", Some("/home/me/.cache/k8supdater"));
        check("", "", "/home/me", Some("/home/me/.cache/k8supdater"));
        check("", "", "", None);
    }
}
