//! `k8supdater manifests`: prints all that an installation takes, the same as `kubectl kustomize deploy`, from the program alone.
//!
//! The files of `deploy` are compiled in; the CustomResourceDefinitions come from the types. [`adapt()`] fits them to the flags.

pub mod adapt;

use std::fmt::Write as _;
use std::io::Write;

use clap::{Args, Subcommand};
use k8supdater_core::image::ImageReference;
use serde::de::DeserializeOwned;
use thiserror::Error;

use adapt::{Adaptation, adapt};

use super::plugin::shipped::{Shipped, ShippedError};
use crate::api;
use crate::config::shipped::ShippedFlags;
use crate::config::{self, ConfigError};

/// What the operator may do.
const RIGHTS: &str = include_str!("../../../../deploy/operator/rbac.yaml");

/// `deploy/operator`, in the order in which it is applied.
const OPERATOR: [&str; 5] = [
    include_str!("../../../../deploy/operator/namespace.yaml"),
    RIGHTS,
    include_str!("../../../../deploy/operator/network.yaml"),
    include_str!("../../../../deploy/operator/disruption.yaml"),
    include_str!("../../../../deploy/operator/deployment.yaml"),
];

/// `deploy/installer`, in the order in which it is applied.
const INSTALLER: [&str; 2] =
    [include_str!("../../../../deploy/installer/rbac.yaml"), include_str!("../../../../deploy/installer/job.yaml")];

/// Arguments of `manifests`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_long_help = HELP)]
pub struct ManifestsArgs {
    /// Something else than the whole.
    #[command(subcommand)]
    pub part: Option<Part>,

    /// How the whole is to be.
    #[command(flatten)]
    pub whole: WholeArgs,
}

/// What else can be printed.
#[derive(Debug, Subcommand)]
pub enum Part {
    /// Prints the shipped plugins: ConfigMaps with their bytes, and Plugins. For `kubectl apply --server-side -f -`: without --server-side
    /// kubectl copies each object into an annotation, where the bytes do not fit.
    Plugins(ShippedFlags),
    /// Prints what the operator may do: its ServiceAccount, the roles and the bindings, the same as in the whole.
    Rights(RightsArgs),
}

/// Arguments of `manifests rights`.
#[derive(Args, Debug)]
pub struct RightsArgs {
    /// Namespace of the operator.
    #[arg(long, short, value_name = "NAME", default_value = "k8supdater", value_parser = namespace)]
    pub namespace: String,

    /// Name of its ServiceAccount.
    #[arg(long, value_name = "NAME", default_value = "k8supdater")]
    pub service_account: String,

    /// Namespaces whose VersioningHandlers are looked after, separated by commas, as in `WATCH_NAMESPACES`: the rights are given in them and in
    /// the operator's own namespace only, and none on nodes [default: all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = namespace)]
    pub watch_namespaces: Vec<String>,
}

/// Arguments of `manifests` without a subcommand.
#[derive(Args, Debug)]
pub struct WholeArgs {
    /// Namespace of the operator, which is created as well.
    #[arg(long, short, value_name = "NAME", default_value = "k8supdater", value_parser = namespace)]
    pub namespace: String,

    /// The operator's image, such as one in a registry of your own [default: that of this version].
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub image: Option<String>,

    /// Namespaces whose VersioningHandlers are looked after, separated by commas [default: all]. They have to be there already. The operator
    /// then gets rights in them and in its own namespace only. It gets none on nodes, so it does not look at platforms.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = namespace)]
    pub watch_namespaces: Vec<String>,

    /// Leaves out the Job that installs the shipped plugins, and its rights; see `manifests plugins`.
    #[arg(long)]
    pub without_plugins: bool,
}

const HELP: &str = "\
Examples:
  # Install, and later upgrade by the same command with a newer program.
  k8supdater manifests | kubectl apply -f -
  # Look after two namespaces, with an image from a registry of your own.
  k8supdater manifests --watch-namespaces team-a,team-b --image registry.example.com/k8supdater:0.1.0 | kubectl apply -f -
  # Declare every byte, for a repository that Argo CD or Flux follows.
  k8supdater manifests --without-plugins > operator.yaml
  k8supdater manifests plugins > plugins.yaml
  # Give the operator back what somebody has taken from its roles.
  k8supdater manifests rights | kubectl apply --server-side --force-conflicts -f -
  # Remove everything, with all VersioningHandlers.
  k8supdater manifests | kubectl delete --ignore-not-found -f -";

/// Why nothing is printed.
#[derive(Debug, Error)]
pub enum ManifestsError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There are no plugins to print.
    #[error(transparent)]
    Shipped(#[from] ShippedError),
    /// The YAML could not be read or made, which a test excludes for what is compiled in.
    #[error("cannot write YAML")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// It cannot be printed.
    #[error("cannot print the manifests")]
    Print(#[from] std::io::Error),
}

/// Prints them.
///
/// # Errors
/// See [`ManifestsError`].
pub fn run(args: ManifestsArgs) -> Result<(), ManifestsError> {
    let text = match args.part {
        None => whole(&args.whole)?,
        Some(Part::Plugins(flags)) => plugins(flags)?,
        Some(Part::Rights(args)) => rights(&args)?,
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// All but the plugins, as a YAML stream.
///
/// # Errors
/// [`ManifestsError::Yaml`].
pub fn whole(args: &WholeArgs) -> Result<String, ManifestsError> {
    let adaptation = Adaptation {
        namespace: &args.namespace,
        account: None,
        image: args.image.as_deref(),
        watch_namespaces: &args.watch_namespaces,
    };
    let mut operator = adapt(parse(&OPERATOR)?, &adaptation);
    if !args.without_plugins {
        operator.extend(adapt(parse(&INSTALLER)?, &adaptation));
    }
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "# k8supdater {version}, printed by `k8supdater manifests`, for `kubectl apply -f`. Why each right and each setting is there is said in\n\
         # deploy/operator and deploy/installer of the sources.\n"
    );
    // The namespace comes first, and the kinds before what runs.
    let rest = operator.split_off(1);
    write_all(&mut text, &operator)?;
    text.push_str(&api::definitions()?);
    write_all(&mut text, &rest)?;
    Ok(text)
}

fn plugins(flags: ShippedFlags) -> Result<String, ManifestsError> {
    let place = flags.check()?;
    let shipped = Shipped::read(&place.places, &[], &place.namespace)?;
    let mut text = String::new();
    write_all(&mut text, &shipped.config_maps)?;
    write_all(&mut text, &shipped.plugins)?;
    Ok(text)
}

fn rights(args: &RightsArgs) -> Result<String, ManifestsError> {
    let adaptation = Adaptation {
        namespace: &args.namespace,
        account: Some(&args.service_account),
        image: None,
        watch_namespaces: &args.watch_namespaces,
    };
    let mut text = String::new();
    write_all(&mut text, &adapt(parse(&[RIGHTS])?, &adaptation))?;
    Ok(text)
}

/// What the operator may do, as it is shipped.
pub(super) fn shipped_rights() -> Vec<serde_json::Value> {
    parse(&[RIGHTS]).expect("tests have read what is compiled in")
}

fn parse<T: DeserializeOwned>(files: &[&str]) -> Result<Vec<T>, serde_yaml_ng::Error> {
    files.iter().flat_map(|file| serde_yaml_ng::Deserializer::from_str(file).map(T::deserialize)).collect()
}

fn write_all<T: serde::Serialize>(text: &mut String, objects: &[T]) -> Result<(), serde_yaml_ng::Error> {
    for object in objects {
        write!(text, "---\n{}", serde_yaml_ng::to_string(object)?).expect("a String takes everything");
    }
    Ok(())
}

fn namespace(text: &str) -> Result<String, &'static str> {
    if config::is_dns_label(text) { Ok(text.to_owned()) } else { Err("expected the name of a namespace") }
}

fn image(text: &str) -> Result<String, String> {
    // As it was written: a workload gets its owner's spelling.
    text.parse::<ImageReference>().map(|_| text.to_owned()).map_err(|err| err.to_string())
}
