//! The shipped plugins as OCI artifacts, in the layout of the
//! [CNCF](https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/) for WebAssembly: one layer `application/wasm`, the component, and
//! a configuration `application/vnd.wasm.config.v0+json` that says what the component imports and exports. Other tools for components
//! understand that.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::{command, workspace};

/// Arguments of `cargo xtask release plugins`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The operator's program, which looks into the plugins.
    #[arg(long, value_name = "FILE")]
    pub program: PathBuf,
    /// Directory with the compressed plugins, as in the image.
    #[arg(long, value_name = "DIRECTORY")]
    pub from: PathBuf,
    /// Directory to write to.
    #[arg(long, value_name = "DIRECTORY")]
    pub to: PathBuf,
    /// When they were made, for the configuration: 2026-01-31T12:00:00Z, the time of the commit for example.
    #[arg(long, value_name = "TIME")]
    pub created: String,
}

/// Writes a component and a configuration for every plugin, and prints their names.
///
/// # Errors
/// When there is no plugin, the program finds fault with one, or a file cannot be read or written.
pub fn run(args: &Args) -> Result<()> {
    let interfaces = interface_version()?;
    fs::create_dir_all(&args.to).with_context(|| format!("cannot create {}", args.to.display()))?;
    let paths = compressed(&args.from)?;
    if paths.is_empty() {
        bail!("{} holds no .wasm.gz; `cargo xtask plugins` makes some", args.from.display());
    }
    for (name, path) in paths {
        let inspected = command::output(Command::new(&args.program).args(["plugin", "inspect", "--json"]).arg(&path))?;
        let inspected: Value =
            serde_json::from_str(&inspected).context("`k8supdater plugin inspect --json` wrote no JSON")?;
        let packed = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let component = decompressed(&packed).with_context(|| format!("cannot decompress {}", path.display()))?;
        let config = config(&inspected, &component, &interfaces, &args.created)?.to_string().into_bytes();
        for (extension, bytes) in [("wasm", component), ("json", config)] {
            let path = args.to.join(format!("{name}.{extension}"));
            fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        println!("{name}");
    }
    Ok(())
}

/// Name and path of every `NAME.wasm.gz` in `directory`, in the order of their names.
fn compressed(directory: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.with_context(|| format!("cannot read {}", directory.display()))?;
    let named = |entry: &fs::DirEntry| {
        let name = entry.file_name().to_str()?.strip_suffix(".wasm.gz")?.to_owned();
        Some((name, entry.path()))
    };
    let mut found: Vec<_> = entries.iter().filter_map(named).collect();
    found.sort();
    Ok(found)
}

/// The version of the contract that plugins are built for, from its own source: `package k8supdater:plugin@0.1.0;`.
fn interface_version() -> Result<String> {
    let path = workspace::root().join("wit/worlds.wit");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let version = text.lines().find_map(|line| line.strip_prefix("package k8supdater:plugin@")?.strip_suffix(';'));
    version.map(str::to_owned).with_context(|| format!("{} does not name its package", path.display()))
}

fn decompressed(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut component = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut component)?;
    Ok(component)
}

/// The configuration of the artifact with this `component`, of which `k8supdater plugin inspect` says what was `inspected`.
fn config(inspected: &Value, component: &[u8], interfaces: &str, created: &str) -> Result<Value> {
    let digest = format!("sha256:{}", hex(&Sha256::digest(component)));
    let kind = inspected["kind"].as_str().context("the plugin has no kind")?;
    if inspected["digest"] != json!(digest) {
        bail!("the digest of the component is {digest}, but the program says {}", inspected["digest"]);
    }
    let imports = ["functionImports", "typeImports"].map(|key| inspected[key].as_array().cloned().unwrap_or_default());
    Ok(json!({
        "created": created,
        "architecture": "wasm",
        // Of the few words that the layout allows the one for components; it does not say that anything of WASI is imported.
        "os": "wasip2",
        "layerDigests": [digest],
        "component": {"imports": imports.concat(), "exports": [format!("k8supdater:plugin/{kind}@{interfaces}")]},
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// <https://csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values>
    const DIGEST_OF_ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_configuration_says_what_goes_in_and_out_and_names_the_layer() {
        let inspected = |digest: &str| {
            let imports = ["k8supdater:plugin/exchange@0.1.0"];
            json!({"digest": digest, "kind": "version-parser", "functionImports": [], "typeImports": imports})
        };
        assert_eq!(
            config(&inspected(DIGEST_OF_ABC), b"abc", "0.1.0", "2026-01-31T12:00:00Z").unwrap(),
            json!({
                "created": "2026-01-31T12:00:00Z", "architecture": "wasm", "os": "wasip2", "layerDigests": [DIGEST_OF_ABC],
                "component": {
                    "imports": ["k8supdater:plugin/exchange@0.1.0"], "exports": ["k8supdater:plugin/version-parser@0.1.0"],
                },
            })
        );
        let err = config(&inspected("sha256:0"), b"abc", "0.1.0", "").unwrap_err().to_string();
        assert!(err.contains(DIGEST_OF_ABC) && err.contains("sha256:0"), "{err}");
    }

    #[test]
    fn compressed_plugins_are_found_and_unpacked() {
        let directory = tempfile::tempdir().unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"component").unwrap();
        let packed = gzip.finish().unwrap();
        assert_eq!(decompressed(&packed).unwrap(), b"component");
        assert!(decompressed(&packed[..packed.len() - 9]).is_err());
        for name in ["version-y.wasm.gz", "version-x.wasm.gz", "x.yaml", "kustomization.yaml"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let found = compressed(directory.path()).unwrap();
        assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["version-x", "version-y"]);
    }

    #[test]
    fn the_contract_has_a_version() {
        assert!(interface_version().unwrap().starts_with(|first: char| first.is_ascii_digit()));
    }
}
