//! What is installed: the release that the sources hold, and a later one, which differs in what an upgrade has to cope with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{command, workspace};

/// The version of the sources, and that of the later release.
const CURRENT: &str = env!("CARGO_PKG_VERSION");
const LATER: &str = "99.0.0";

/// What the Plugin `oci` grants in the later release beside what it grants now.
pub(super) const NEW_REALM: &str = "https://auth.example.com";

/// The component that has other bytes in the later release.
const NEW_BYTES: &str = "version-semver";

/// A custom section called `next`, as the later release appends it: other bytes, and the same plugin
/// (<https://webassembly.github.io/spec/core/binary/modules.html#custom-section>).
const SECTION: [u8; 7] = [0, 5, 4, b'n', b'e', b'x', b't'];

/// A release, in a directory laid out like `deploy`.
#[derive(Clone, Debug)]
pub(super) struct Release {
    version: &'static str,
    deploy: PathBuf,
}

impl Release {
    /// What the sources hold.
    pub(super) fn current() -> Self {
        Self { version: CURRENT, deploy: workspace::root().join("deploy") }
    }

    /// Its version.
    pub(super) fn version(&self) -> &str {
        self.version
    }

    /// Its directory `deploy`.
    pub(super) fn deploy(&self) -> PathBuf {
        self.deploy.clone()
    }

    /// The plugins that its image holds.
    pub(super) fn plugins(&self) -> PathBuf {
        self.deploy.join("plugins")
    }

    /// A text of the current release as this one has it.
    pub(super) fn rewrite(&self, text: &str) -> String {
        let in_name = |version: &str| format!("-{}", version.replace('.', "-"));
        let in_chart = |field: &str, version: &str| format!("{field}: {version}\n");
        let mut text = text.replace(&format!(":{CURRENT}"), &format!(":{}", self.version));
        for field in ["version", "appVersion"] {
            text = text.replace(&in_chart(field, CURRENT), &in_chart(field, self.version));
        }
        text.replace(&in_name(CURRENT), &in_name(self.version))
    }
}

/// Makes the later release below `directory`.
///
/// # Errors
/// When a file cannot be copied, or the sources have none of the places that are to differ.
pub(super) fn later(program: &Path, directory: &Path) -> Result<Release> {
    let later = Release { version: LATER, deploy: directory.join("deploy") };
    copy(&workspace::root().join("deploy"), &later.deploy, &later)?;
    let module = directory.join("component.wasm");
    let packed = workspace::packed_plugins().join(format!("{NEW_BYTES}.wasm"));
    let mut bytes = fs::read(&packed).with_context(|| format!("cannot read {}", packed.display()))?;
    bytes.extend(SECTION);
    fs::write(&module, bytes).with_context(|| format!("cannot write {}", module.display()))?;
    let output = later.plugins().join(format!("{NEW_BYTES}.wasm.gz"));
    command::output(Command::new(program).args(["plugin", "pack"]).arg(module).arg("-o").arg(output))?;
    let object = later.plugins().join("oci.yaml");
    let text = fs::read_to_string(&object).with_context(|| format!("cannot read {}", object.display()))?;
    let realms = "    realms:\n";
    let more = format!("{realms}      - registry: https://registry.example.com\n        realm: {NEW_REALM}\n");
    ensure!(text.contains(realms), "{} has no realms", object.display());
    fs::write(&object, text.replace(realms, &more)).with_context(|| format!("cannot write {}", object.display()))?;
    Ok(later)
}

/// Copies a directory. Texts become those of `release`.
fn copy(from: &Path, to: &Path, release: &Release) -> Result<()> {
    let shown = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(shown)?;
    for entry in fs::read_dir(from).with_context(shown)? {
        let path = entry.with_context(shown)?.path();
        let copied = to.join(path.file_name().context("a file has a name")?);
        if path.is_dir() {
            copy(&path, &copied, release)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).with_context(shown)?;
            fs::write(&copied, release.rewrite(&text)).with_context(shown)?;
        } else {
            fs::copy(&path, &copied).with_context(shown)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_release_has_another_image_and_another_job() {
        let later = Release { version: LATER, deploy: PathBuf::new() };
        let text = format!("name: k8supdater-plugins-{}\nimage: a/b:{CURRENT}\n", CURRENT.replace('.', "-"));
        assert_eq!(later.rewrite(&text), "name: k8supdater-plugins-99-0-0\nimage: a/b:99.0.0\n");
        assert_eq!(Release::current().rewrite(&text), text);
        let chart = format!("version: {CURRENT}\nappVersion: {CURRENT}\n");
        assert_eq!(later.rewrite(&chart), "version: 99.0.0\nappVersion: 99.0.0\n");
    }
}
