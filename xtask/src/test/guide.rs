//! Whether the plugin that the guide has people write can be written like that.
//!
//! The files are those of the page, the commands are those that it names, or what they come to for a single plugin.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::operator::{self, Profile};
use crate::pages::markdown::Page;
use crate::wasm_toolchain::{TARGET, WasmToolchain};
use crate::{command, workspace};

/// The page.
const GUIDE: &str = "docs/writing-a-plugin.md";

/// The plugin that it makes.
const NAME: &str = "version-dated";

/// Its files, and the words of the fences in which they are.
const FILES: [(&str, &str); 3] = [("Cargo.toml", "toml"), ("src/lib.rs", "rust"), ("plugin.json", "json")];

/// Writes the plugin, tests it, builds it, and packs it with its ConfigMap.
///
/// # Errors
/// When anything fails that the page says works.
pub fn follow() -> Result<()> {
    let directory = workspace::target().join("guide");
    write(&directory)?;
    let mut test = command::cargo();
    test.args(["test", "--package", NAME, "--target-dir"]).arg(workspace::plugins_native_target());
    command::run(test.current_dir(&directory))?;
    let target = workspace::target().join("plugins-wasm");
    let mut build = WasmToolchain::find_or_install()?.cargo("build");
    build.args(["--release", "--package", NAME, "--target-dir"]).arg(&target).current_dir(&directory);
    command::run(&mut build)?;
    let program = operator::build(Profile::Debug)?;
    let module = target.join(TARGET).join("release").join(NAME.replace('-', "_")).with_extension("wasm");
    let packed = directory.join(format!("{NAME}.wasm.gz"));
    let mut pack = Command::new(&program);
    pack.args(["plugin", "pack"]).arg(&module).arg("-o").arg(&packed);
    command::run(pack.arg("--config-map").arg(directory.join(format!("{NAME}.yaml"))))?;
    let shown = command::output(Command::new(&program).args(["plugin", "inspect"]).arg(&packed))?;
    print!("{shown}");
    ensure!(shown.contains(NAME), "`plugin inspect` does not name {NAME}");
    Ok(())
}

/// Makes a workspace like that of the plugins, with the one of the page as its only member.
fn write(directory: &Path) -> Result<()> {
    let read = |path: PathBuf| fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()));
    let page = Page::read(&read(workspace::root().join(GUIDE))?);
    for (file, word) in FILES {
        let fence = page.fences.iter().find(|fence| fence.words == [word]);
        let fence = fence.with_context(|| format!("{GUIDE} has no fence `{word}`"))?;
        put(&directory.join(NAME).join(file), &fence.text)?;
    }
    let manifest = alone(&read(workspace::plugins().join("Cargo.toml"))?, &workspace::plugins())?;
    put(&directory.join("Cargo.toml"), &manifest)?;
    put(&directory.join("Cargo.lock"), &read(workspace::plugins().join("Cargo.lock"))?)
}

/// The manifest of the plugins' workspace with the plugin of the page as its only member, to be used elsewhere.
fn alone(manifest: &str, plugins: &Path) -> Result<String> {
    let members =
        manifest.lines().find(|line| line.starts_with("members = ")).context("the workspace has no members")?;
    let sdk = format!("path = \"{}\"", plugins.join("sdk").display());
    Ok(manifest.replace(members, &format!("members = [\"{NAME}\"]")).replace("path = \"sdk\"", &sdk))
}

/// Writes a file unless it is like that already, so that Cargo has nothing to do.
fn put(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|found| found == text) {
        return Ok(());
    }
    let parent = path.parent().context("a file has a directory")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_and_the_place_of_the_sdk_change() {
        let manifest = "[workspace]\nmembers = [\"sdk\", \"a\"]\n[workspace.dependencies]\nk = { path = \"sdk\" }\n";
        let expected =
            "[workspace]\nmembers = [\"version-dated\"]\n[workspace.dependencies]\nk = { path = \"/p/sdk\" }\n";
        assert_eq!(alone(manifest, Path::new("/p")).unwrap(), expected);
    }
}
