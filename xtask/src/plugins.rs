//! `cargo xtask plugins`: from the plugins' Rust source to components that the operator loads.
//!
//! The workspace `plugins` is built for WebAssembly; every cdylib in it is packed with the operator's own `plugin pack`, like anyone
//! else's plugin. `target/plugins` gets all of them, for tests; `deploy/plugins` gets those that are shipped, compressed, for
//! kustomize to make ConfigMaps of.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::operator::{self, Profile};
use crate::wasm_toolchain::{TARGET, WasmToolchain};
use crate::{command, workspace};

/// Most bytes of all values of a ConfigMap together (<https://kubernetes.io/docs/concepts/configuration/configmap/#motivation>).
const LARGEST_CONFIG_MAP: u64 = 1024 * 1024;

/// `cargo xtask plugins`: builds, packs, and prints a table.
///
/// # Errors
/// When there is no toolchain, a plugin does not build, the packer refuses one, or a shipped one is too large for a ConfigMap.
pub fn run() -> Result<()> {
    let modules = build()?;
    let program = operator::build(Profile::Debug)?;
    let plugins = modules.iter().map(|module| pack(&program, module)).collect::<Result<Vec<_>>>()?;
    print!("{}", table(&plugins));
    plugins.iter().try_for_each(check)
}

/// What the compiler made of one package.
#[derive(Debug, PartialEq, Eq)]
struct Module {
    /// Name of the package's directory: `registry-oci`.
    name: String,
    path: PathBuf,
    is_shipped: bool,
}

/// A packed plugin, as the packer sees it.
#[derive(Debug)]
struct Plugin {
    name: String,
    is_shipped: bool,
    size: u64,
    compressed: u64,
    digest: String,
    imports: usize,
}

/// Builds the whole workspace. That nothing is compiled twice is Cargo's business.
fn build() -> Result<Vec<Module>> {
    let target = workspace::target().join("plugins-wasm");
    let toolchain = WasmToolchain::find_or_install()?;
    let mut cargo = toolchain.cargo("build");
    cargo.args(["--release", "--workspace", "--target-dir"]).arg(&target).current_dir(workspace::plugins());
    command::run(&mut cargo)?;
    let mut metadata = command::cargo();
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(workspace::plugins());
    let metadata = serde_json::from_str(&command::output(&mut metadata)?).context("`cargo metadata` wrote no JSON")?;
    let path = deploy().join("kustomization.yaml");
    let kustomization = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    modules(&metadata, &target.join(TARGET).join("release"), &shipped(&kustomization))
}

/// Where the plugins are that every installation has.
fn deploy() -> PathBuf {
    workspace::root().join("deploy/plugins")
}

/// The plugins of whose files a kustomization makes ConfigMaps, by their directories: `plugin.wasm.gz=registry-oci.wasm.gz`.
fn shipped(kustomization: &str) -> Vec<&str> {
    let files = kustomization.lines().filter_map(|line| line.trim().strip_prefix("- plugin.wasm.gz="));
    files.filter_map(|file| file.strip_suffix(".wasm.gz")).collect()
}

/// The libraries among the packages of `cargo metadata` that are linked into modules, in the order of their names.
fn modules(metadata: &Value, output: &Path, shipped: &[&str]) -> Result<Vec<Module>> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut modules = Vec::new();
    for package in array(&metadata["packages"]) {
        let directory = Path::new(package["manifest_path"].as_str().unwrap_or_default()).parent();
        let Some(name) = directory.and_then(Path::file_name) else { continue };
        for target in array(&package["targets"]) {
            if array(&target["crate_types"]).iter().any(|kind| kind == "cdylib") {
                let file = format!("{}.wasm", target["name"].as_str().unwrap_or_default().replace('-', "_"));
                let name = name.to_string_lossy().into_owned();
                modules.push(Module { is_shipped: shipped.contains(&name.as_str()), name, path: output.join(file) });
            }
        }
    }
    modules.sort_by(|a, b| a.name.cmp(&b.name));
    match shipped.iter().find(|name| !modules.iter().any(|module| module.name == **name)) {
        None => Ok(modules),
        Some(name) => {
            bail!("deploy/plugins/kustomization.yaml names {name}, but no package in plugins/{name} builds a cdylib")
        }
    }
}

/// Packs `module` unless that has been done, and looks at the result.
fn pack(program: &Path, module: &Module) -> Result<Plugin> {
    let packed = workspace::packed_plugins().join(format!("{}.wasm", module.name));
    let mut outputs = vec![packed.clone()];
    if module.is_shipped {
        outputs.push(deploy().join(format!("{}.wasm.gz", module.name)));
    }
    for output in outputs {
        if !is_newer(&output, &[program, &module.path])? {
            let parent = output.parent().context("a file has a directory")?;
            fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
            let mut command = Command::new(program);
            command.args(["plugin", "pack"]).arg(&module.path).arg("-o").arg(&output);
            command::output(&mut command).with_context(|| format!("cannot pack {}", module.name))?;
        }
    }
    let shown = command::output(Command::new(program).args(["plugin", "inspect", "--json"]).arg(&packed))?;
    let shown: Value = serde_json::from_str(&shown).context("`k8supdater plugin inspect --json` wrote no JSON")?;
    Ok(Plugin {
        name: module.name.clone(),
        is_shipped: module.is_shipped,
        size: shown["bytes"].as_u64().context("no size")?,
        compressed: shown["bytesCompressed"].as_u64().context("no compressed size")?,
        digest: shown["digest"].as_str().context("no digest")?.to_owned(),
        imports: shown["functionImports"].as_array().context("no list of imports")?.len(),
    })
}

/// Whether `output` exists and is newer than each of `inputs`. A new packer counts as well: it may pack in another way.
fn is_newer(output: &Path, inputs: &[&Path]) -> Result<bool> {
    let written = |path: &Path| -> Result<SystemTime> {
        path.metadata()
            .and_then(|metadata| metadata.modified())
            .with_context(|| format!("cannot read the time of {}", path.display()))
    };
    let Ok(output) = written(output) else { return Ok(false) };
    for input in inputs {
        if written(input)? >= output {
            return Ok(false);
        }
    }
    Ok(true)
}

fn table(plugins: &[Plugin]) -> String {
    let mut text = format!("\n{:<20} {:>10} {:>10}  {:<8} digest\n", "plugin", "bytes", "gzipped", "shipped");
    for plugin in plugins {
        let Plugin { name, size, compressed, digest, .. } = plugin;
        let shipped = if plugin.is_shipped { "yes" } else { "no" };
        writeln!(text, "{name:<20} {size:>10} {compressed:>10}  {shipped:<8} {digest}")
            .expect("a String takes everything");
    }
    text
}

fn check(plugin: &Plugin) -> Result<()> {
    let Plugin { name, compressed, imports, .. } = plugin;
    if plugin.is_shipped && *compressed > LARGEST_CONFIG_MAP {
        bail!("{name} has {compressed} bytes, gzipped; a ConfigMap holds {LARGEST_CONFIG_MAP}");
    }
    if plugin.is_shipped && *imports > 0 {
        bail!("{name} imports {imports} functions; a plugin imports none");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_cdylib_is_a_plugin_named_after_its_directory() {
        let metadata = json!({"packages": [
            {"manifest_path": "/p/version-x/Cargo.toml", "targets": [
                {"name": "version_x", "crate_types": ["cdylib", "rlib"]},
                {"name": "law", "crate_types": ["bin"]},
            ]},
            {"manifest_path": "/p/sdk/Cargo.toml", "targets": [{"name": "k8supdater_plugin", "crate_types": ["lib"]}]},
            {"manifest_path": "/p/registry-y/Cargo.toml", "targets": [{"name": "registry-y", "crate_types": ["cdylib"]}]},
        ]});
        let module =
            |name: &str, path: &str, is_shipped| Module { name: name.to_owned(), path: path.into(), is_shipped };
        assert_eq!(
            modules(&metadata, Path::new("/out"), &["version-x"]).unwrap(),
            [module("registry-y", "/out/registry_y.wasm", false), module("version-x", "/out/version_x.wasm", true)]
        );
        let err = modules(&metadata, Path::new("/out"), &["version-z"]).unwrap_err().to_string();
        assert!(err.contains("plugins/version-z"), "{err}");
    }

    #[test]
    fn the_kustomization_says_what_is_shipped() {
        let text = fs::read_to_string(deploy().join("kustomization.yaml")).unwrap();
        assert!(shipped(&text).contains(&"registry-oci"), "{text}");
        assert_eq!(shipped("files:\n  - plugin.wasm.gz=a-b.wasm.gz\n  - other=c.wasm.gz\n"), ["a-b"]);
    }

    fn plugin(is_shipped: bool, compressed: u64, imports: usize) -> Plugin {
        Plugin {
            name: "p".to_owned(),
            is_shipped,
            size: 2 * compressed,
            compressed,
            digest: "sha256:0".to_owned(),
            imports,
        }
    }

    #[test]
    fn what_is_shipped_fits_into_a_config_map_and_imports_nothing() {
        for (plugin, expected) in [
            (plugin(true, LARGEST_CONFIG_MAP, 0), true),
            (plugin(true, LARGEST_CONFIG_MAP + 1, 0), false),
            (plugin(true, 1, 1), false),
            (plugin(false, LARGEST_CONFIG_MAP + 1, 0), true),
        ] {
            assert_eq!(check(&plugin).is_ok(), expected, "{plugin:?}");
        }
    }

    #[test]
    fn a_packed_plugin_is_kept_until_module_or_packer_change() {
        let directory = tempfile::tempdir().unwrap();
        let [input, output] = ["in", "out"].map(|name| directory.path().join(name));
        fs::write(&input, "").unwrap();
        assert!(!is_newer(&output, &[&input]).unwrap(), "not there yet");
        fs::write(&output, "").unwrap();
        let set_age = |path: &Path, seconds| {
            let time = SystemTime::now() - std::time::Duration::from_secs(seconds);
            fs::File::open(path).unwrap().set_modified(time).unwrap();
        };
        set_age(&input, 10);
        set_age(&output, 5);
        assert!(is_newer(&output, &[&input]).unwrap());
        set_age(&input, 5);
        set_age(&output, 10);
        assert!(!is_newer(&output, &[&input]).unwrap());
        assert!(is_newer(&output, &[&directory.path().join("missing")]).is_err());
    }
}
