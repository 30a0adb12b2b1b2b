//! `k8supdater plugin`: what a plugin's author and a suspicious administrator need, and [`install`], which an installation runs by itself.

pub mod install;
pub mod shipped;

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use k8supdater_runtime::inspect::{Inspection, inspect};
use k8supdater_runtime::manifest::{Asked, Manifest, Wanted};
use k8supdater_runtime::pack::{self, Packed};
use serde_json::{Value, json};
use thiserror::Error;

/// Subcommands of `plugin`.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Makes a plugin from what a compiler wrote: turns a core module into a component, embeds the plugin manifest, runs the checks that
    /// the operator runs before it compiles anything.
    Pack(PackArgs),
    /// Shows what a plugin is and what it asks for, and that it imports nothing.
    Inspect(InspectArgs),
    /// Installs the shipped plugins in the cluster: their ConfigMaps and Plugin objects, in the operator's namespace. What is there is brought
    /// up to date, and what somebody else has made or changed is left alone.
    Install(install::InstallArgs),
}

/// Arguments of `plugin pack`.
#[derive(Args, Debug)]
pub struct PackArgs {
    /// Core module or component.
    #[arg(value_name = "FILE")]
    pub input: PathBuf,
    /// Plugin manifest (JSON); not needed where the module carries it already, as with the Rust SDK.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Where the component goes; compressed if the name ends in .gz.
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    /// Also writes a ConfigMap with the component and a Plugin object that refers to it, ready for `kubectl apply --server-side`.
    #[arg(long, value_name = "FILE")]
    pub config_map: Option<PathBuf>,
    /// Name of the ConfigMap and the Plugin object [default: the name in the plugin manifest].
    #[arg(long, value_name = "NAME", requires = "config_map")]
    pub name: Option<String>,
    /// Namespace of both.
    #[arg(long, value_name = "NAME", default_value = "k8supdater", requires = "config_map")]
    pub namespace: String,
    /// Packs even what the operator would refuse; for tests of exactly that.
    #[arg(long, hide = true)]
    pub no_check: bool,
}

/// Arguments of `plugin inspect`.
#[derive(Args, Debug)]
pub struct InspectArgs {
    /// Component, compressed or not.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Prints JSON.
    #[arg(long)]
    pub json: bool,
    /// Prints the component's WIT, as `wasm-tools component wit` does.
    #[arg(long, conflicts_with = "json")]
    pub wit: bool,
}

/// Why a plugin could not be packed or shown.
#[derive(Debug, Error)]
pub enum PluginError {
    /// A file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The module cannot become a plugin.
    #[error("cannot pack {path}")]
    Pack {
        /// The file.
        path: String,
        /// Why.
        source: pack::PackError,
    },
    /// The component is none, or none of ours.
    #[error("cannot inspect {path}")]
    Inspect {
        /// The file.
        path: String,
        /// Why.
        source: k8supdater_runtime::LoadError,
    },
    /// A ConfigMap holds at most 1 MiB.
    #[error("{size} bytes, compressed, do not fit into a ConfigMap, which holds at most {LARGEST_CONFIG_MAP}")]
    TooLarge {
        /// Size after compression, in bytes.
        size: usize,
    },
    /// The YAML could not be made.
    #[error("cannot write YAML")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// Not all is installed.
    #[error(transparent)]
    Install(#[from] install::InstallError),
}

/// Most bytes of all values of a ConfigMap together
/// (<https://kubernetes.io/docs/concepts/configuration/configmap/#motivation>).
const LARGEST_CONFIG_MAP: usize = 1024 * 1024;

/// Runs a subcommand of `plugin`.
///
/// # Errors
/// See [`PluginError`].
pub fn run(command: PluginCommand) -> Result<(), PluginError> {
    match command {
        PluginCommand::Pack(args) => pack(&args),
        PluginCommand::Inspect(args) => show(&args),
        PluginCommand::Install(args) => Ok(install::run(args)?),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PluginError> {
    fs::read(path).map_err(|source| PluginError::Read { path: path.display().to_string(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), PluginError> {
    fs::write(path, bytes).map_err(|source| PluginError::Write { path: path.display().to_string(), source })
}

fn has_gz_suffix(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

fn pack(args: &PackArgs) -> Result<(), PluginError> {
    let manifest = args.manifest.as_deref().map(read).transpose()?;
    let check = if args.no_check { pack::Check::Nothing } else { pack::Check::AsTheOperator };
    let packed = pack::pack(&read(&args.input)?, manifest.as_deref(), check)
        .map_err(|source| PluginError::Pack { path: args.input.display().to_string(), source })?;
    let compressed = pack::compress(&packed.component);
    write(&args.output, if has_gz_suffix(&args.output) { &compressed } else { &packed.component })?;
    println!(
        "{}: {} bytes, {} compressed, {}",
        args.output.display(),
        packed.component.len(),
        compressed.len(),
        packed.digest
    );
    if let Some(path) = &args.config_map {
        if compressed.len() > LARGEST_CONFIG_MAP {
            return Err(PluginError::TooLarge { size: compressed.len() });
        }
        write(path, objects(args, &packed, compressed)?.as_bytes())?;
        println!("{}: apply it with \"kubectl apply --server-side -f {0}\"", path.display());
    }
    Ok(())
}

/// A ConfigMap and a Plugin that grants what the component asks for, for the administrator to read and change.
fn objects(args: &PackArgs, packed: &Packed, compressed: Vec<u8>) -> Result<String, PluginError> {
    let manifest = packed.manifest.as_ref();
    let name = args.name.clone().or_else(|| manifest.map(|manifest| manifest.name.clone()));
    let name = name.unwrap_or_else(|| "plugin".to_owned());
    let origins: Vec<String> = manifest.map(origins_to_grant).unwrap_or_default();
    let config_map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": format!("plugin-{name}"), "namespace": args.namespace},
        "binaryData": {"plugin.wasm.gz": k8s_openapi::ByteString(compressed)},
    });
    let mut spec = json!({"source": {"configMap": {"name": format!("plugin-{name}")}}});
    if !origins.is_empty() {
        spec["grants"] = json!({ "origins": origins });
    }
    let plugin = json!({
        "apiVersion": "k8supdater.dev/v1",
        "kind": "Plugin",
        "metadata": {"name": name, "namespace": args.namespace},
        "spec": spec,
    });
    Ok(format!("---\n{}---\n{}", serde_yaml_ng::to_string(&config_map)?, serde_yaml_ng::to_string(&plugin)?))
}

/// What has to be granted before the plugin serves without any settings.
fn origins_to_grant(manifest: &Manifest) -> Vec<String> {
    let settings = manifest.default_settings();
    let grants = manifest.origins.iter().filter_map(|asked| asked.origin.with_settings(&settings));
    grants.map(|grant| grant.to_string()).collect()
}

fn show(args: &InspectArgs) -> Result<(), PluginError> {
    let failed = |source| PluginError::Inspect { path: args.file.display().to_string(), source };
    let mut bytes = read(&args.file)?;
    if has_gz_suffix(&args.file) {
        bytes = pack::decompress(&bytes).map_err(failed)?;
    }
    let inspection = inspect(&bytes).map_err(failed)?;
    if args.wit {
        print!("{}", inspection.wit);
    } else if args.json {
        println!("{:#}", as_json(&inspection));
    } else {
        print!("{}", as_text(&inspection));
    }
    Ok(())
}

/// An origin that is asked for; `origin` is null where a setting without a default decides.
fn origin_as_json(asked: &Asked, settings: &Value) -> Value {
    let origin = asked.origin.with_settings(settings).map(|grant| grant.to_string());
    match &asked.origin {
        Wanted::Grant(_) => json!({"origin": origin, "reason": asked.reason}),
        Wanted::OriginOfSetting(name) => json!({"setting": name, "origin": origin, "reason": asked.reason}),
    }
}

fn as_json(inspection: &Inspection) -> Value {
    let manifest = &inspection.manifest;
    let settings = manifest.default_settings();
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "kind": inspection.kind.to_string(),
        "description": manifest.description,
        "license": manifest.license,
        "digest": inspection.digest.to_string(),
        "bytes": inspection.raw_size,
        "bytesCompressed": inspection.gz_size,
        "functionImports": [],
        "typeImports": inspection.type_imports,
        "origins": manifest.origins.iter().map(|asked| origin_as_json(asked, &settings)).collect::<Vec<_>>(),
        "slots": manifest.slots.iter().map(|slot| json!({"name": slot.name, "scheme": slot.scheme.to_string()})).collect::<Vec<_>>(),
        "settings": manifest.settings,
        "examples": manifest.examples.len(),
    })
}

fn as_text(inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    let mut lines = vec![
        format!("{} {} ({})", manifest.name, manifest.version, inspection.kind),
        format!("  {}", manifest.description),
        format!("licence    {}", manifest.license),
        format!("digest     {}", inspection.digest),
        format!("size       {} bytes, {} compressed", inspection.raw_size, inspection.gz_size),
        // A component with one would not have come this far.
        "imports    no function".to_owned(),
    ];
    lines.extend(inspection.type_imports.iter().map(|name| format!("           {name} (types only, no code)")));
    if manifest.origins.is_empty() {
        lines.push("asks for   nothing".to_owned());
    }
    let settings = manifest.default_settings();
    let asks = |asked: &Asked| format!("asks for   {}: {}", asked.origin.describe(&settings), asked.reason);
    lines.extend(manifest.origins.iter().map(asks));
    lines.extend(manifest.slots.iter().map(|slot| format!("credential {} ({})", slot.name, slot.scheme)));
    lines.push(format!("examples   {}, run by the operator before the plugin serves", manifest.examples.len()));
    lines.join("\n") + "\n"
}
