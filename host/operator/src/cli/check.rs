//! `k8supdater check`: the operator's own decision without a cluster, for images and for manifests in files.
//!
//! In the steps of a reconcile: [`workloads`] reads which images there are and where they are written, [`subjects`] says which rules hold for
//! each, [`ask`] asks their registries with plugins from a [`shelf`] and has the operator's rules decide, [`edit`] puts new images into the
//! text, [`report`] shows it all. Start reading at [`run`].

mod ask;
mod docker_config;
mod edit;
mod files;
mod finding;
mod logins;
mod remedy;
mod report;
mod shelf;
mod subjects;
mod workloads;
mod yaml;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{ArgGroup, Args, ValueEnum};
use k8supdater_core::origin::Grant;
use k8supdater_core::policy::{self, Platform, Policy, TagPattern};
use k8supdater_egress::Client;
use k8supdater_runtime::{Engine, EngineOptions};
use thiserror::Error;

use crate::api::versioning_handler::Settings;
use crate::cli::output::Output;
use crate::config::terminal::{Terminal, TerminalFlags};
use crate::config::{Config, ConfigError, LogFormat};
use crate::reconcile::validate::{Latest, PluginUse};
use crate::registry::Registries;
use crate::telemetry::logging;

pub use docker_config::DockerConfigError;
pub use shelf::ShelfError;

use ask::Asker;
use docker_config::DockerConfig;
use files::Unreadable;
use finding::{Finding, Row, Rules};
use report::Detail;
use shelf::Shelf;
use subjects::Sources;

/// What a check exits with if all is well but not all is new, and somebody wants to know.
const SOMETHING_NEWER: u8 = 2;

/// Arguments of `check`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_long_help = HELP, group(ArgGroup::new("what").required(true).multiple(true).args(["images", "files"])))]
pub struct CheckArgs {
    /// Images, such as nginx:1.27.1 or registry.example.com/team/web:2.0.
    #[arg(value_name = "IMAGE")]
    pub images: Vec<String>,

    /// Files or directories with manifests, whose workloads' images are checked; - for standard input. In directories, *.yaml, *.yml and
    /// *.json are read.
    #[arg(long = "file", short = 'f', value_name = "PATH", num_args = 1..)]
    pub files: Vec<PathBuf>,

    /// Writes updates into the files, each after the registry has shown its tag once more. What is left of the frontier is never written.
    #[arg(long, requires = "files")]
    pub write: bool,

    /// Files that cannot be read as YAML are told, but do not make the command fail.
    #[arg(long, requires = "files")]
    pub skip_unreadable: bool,

    /// Plugin that lists the tags: the name in its manifest, with or without "registry-".
    #[arg(long, value_name = "NAME", default_value = "oci")]
    pub registry: String,

    /// What the registry plugin is told, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = settings)]
    pub registry_settings: Option<GivenSettings>,

    /// Plugin that reads tags as versions: the name in its manifest, with or without "version-".
    #[arg(long, value_name = "NAME", default_value = "pep440")]
    pub parser: String,

    /// What the version parser is told, as a JSON object.
    #[arg(long, value_name = "JSON", value_parser = settings)]
    pub parser_settings: Option<GivenSettings>,

    /// Regular expression that a tag must match as a whole to be a candidate.
    #[arg(long, value_name = "REGEX")]
    pub include: Option<TagPattern>,

    /// Regular expression for tags that are never candidates; it wins over --include.
    #[arg(long, value_name = "REGEX")]
    pub exclude: Option<TagPattern>,

    /// Regular expression for the flavors that a candidate may have: what follows the version, such as -alpine3.20 [default: that of the
    /// current tag only].
    #[arg(long, value_name = "REGEX", allow_hyphen_values = true)]
    pub flavor: Option<TagPattern>,

    /// What a candidate must run on, such as linux/arm64; several times for several. Of several, those count on which the current image
    /// runs. Registries may count a look as a pull [default: anything].
    #[arg(long = "platform", value_name = "OS/ARCHITECTURE", value_parser = platform)]
    pub platforms: Vec<Platform>,

    /// Pre-releases are candidates, too.
    #[arg(long)]
    pub prereleases: bool,

    /// Whether a candidate must have as many levels as the current tag.
    #[arg(long, value_enum, default_value_t = Precision::Any)]
    pub precision: Precision,

    /// Lets plugins call this origin as well, where they ask for it or for the registry of the image. Needed for registries at private
    /// addresses, such as `https://10.0.0.7:5000`, and for those without TLS, such as `http://127.0.0.1:5000`, which is then spoken to in
    /// the open.
    #[arg(long = "grant", value_name = "ORIGIN")]
    pub grants: Vec<Grant>,

    /// How the result is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub output: Output,

    /// Shows every tag of the repositories, with what becomes of it and by which rule.
    #[arg(long)]
    pub all: bool,

    /// Exits with 2 if there is something newer, be it to apply or to report.
    #[arg(long)]
    pub exit_code: bool,

    /// Where things are.
    #[command(flatten)]
    pub terminal: TerminalFlags,
}

/// Settings of a plugin from the command line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenSettings(Settings);

/// How precise a candidate must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// As many levels as it likes.
    Any,
    /// As many levels as the current tag.
    Same,
}

/// Broken by hand, for terminals of 100 columns.
const HELP: &str = r#"Exit codes:
  0  everything was checked; with --exit-code: and nothing is newer
  1  an image could not be checked, a file not be read or written, or the command line is wrong
  2  with --exit-code only: all was checked, and something is newer, even if it has been written

What is recognised in files:
  The containers, init containers and volumes with an image of Pods, Deployments, StatefulSets,
  DaemonSets, ReplicaSets, Jobs and CronJobs, in Lists and in several documents, too, as YAML or
  JSON. Not: kustomizations, Helm charts and their values. Templates that are no YAML are told, and
  passed over.

  VersioningHandlers beside them: a workload that one names is judged by its spec, as in the
  cluster, with plugins of those names from --plugins and the logins below; which platforms count
  is still said by --platform. One that several name fails. Its init containers and volumes are left
  alone unless spec.containers names them. All else is judged by the flags.

  An image that is written as an alias or a block scalar, or inside of something with an anchor,
  is told, and written only where nothing else would change with it.

Images that are pinned to a digest:
  name:1.2@sha256:… is judged by its tag; an update has the new tag's digest, too, and where the
  registry does not tell it the image fails. For name:latest@sha256:… the pinned digest is compared
  with that of the tag, and --latest says what follows; so for every tag that is no version, unless
  a VersioningHandler without spec.latest rules. Without a digest, only a cluster knows what runs.

Logins:
  Those of the Docker configuration, and of the credential helpers that it names, go to the registry
  of the image. Those for Docker Hub go to its API at https://hub.docker.com, too, with
  --registry dockerhub. With --registry gitlab, GITLAB_TOKEN goes to the GitLab of GITLAB_BASE_URL.

JSON:
  {"images": […], "unreadable": [{"file", "problem"}]}, and for each image:
  image       as it was before
  place       file, line, kind, namespace, name and container, for images in files
  status      current, update, available, updateAndAvailable, moving, ignored or failed
  current     the tag
  digest      what the image is pinned to
  update      what the operator would apply: tag, digest if the image is pinned to one, image,
              written, notWritten (why --write did not)
  available   what is left of the frontier, or what a tag points at now: tag, digest if the image
              is pinned to one, why
  note        why an image is moving or ignored
  error       why it failed: reason (one word), message
  candidates  with --all: tag, version, verdict (one word), rule"#;

/// Why nothing could be checked.
#[derive(Debug, Error)]
pub enum CheckError {
    /// A flag or variable has a wrong value.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There are no plugins.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// The Docker configuration cannot be used.
    #[error(transparent)]
    DockerConfig(#[from] DockerConfigError),
    /// The wasm engine cannot start.
    #[error("cannot start the plugin engine")]
    Engine(#[from] k8supdater_runtime::EngineError),
    /// The HTTP client cannot start.
    #[error("cannot build the HTTP client")]
    Egress(#[from] k8supdater_egress::BuildError),
    /// The file with certificate authorities cannot be read.
    #[error("cannot read the certificate authorities in {path}")]
    Authorities {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Standard input is no file.
    #[error("--write cannot change standard input; name files, or leave it out")]
    WriteStandardInput,
    /// The system gives no threads, or takes no output.
    #[error("the system refused")]
    System(#[from] std::io::Error),
}

/// Checks, writes if that is wanted, and prints.
///
/// # Errors
/// See [`CheckError`]. What goes wrong with one image or file is printed instead, and makes the exit code 1.
pub fn run(args: CheckArgs) -> Result<ExitCode, CheckError> {
    let terminal = args.terminal.clone().check()?;
    if args.write && args.files.iter().any(|path| path.as_os_str() == "-") {
        return Err(CheckError::WriteStandardInput);
    }
    logging::start(&terminal.config.log, LogFormat::Text);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(check(args, terminal))
}

async fn check(args: CheckArgs, terminal: Terminal) -> Result<ExitCode, CheckError> {
    let Terminal { config, plugin_places, docker_config } = terminal;
    let flags = Arc::new(rules(&args, &config));
    let (files, unreadable) = files::read(&args.files);
    let mut sources = Sources::read(files, unreadable);
    let subjects = sources.subjects(&args.images, &flags, &config);
    let findings = if subjects.is_empty() {
        Vec::new()
    } else {
        let mut asker = asker(&args, &config, &plugin_places, &docker_config)?;
        asker.answer(&subjects, &flags).await?
    };
    let pairs = subjects.into_iter().zip(findings);
    let mut rows: Vec<Row> = pairs.map(|(subject, finding)| Row { subject, finding, written: None }).collect();
    if args.write {
        sources.write(&mut rows);
    }
    let unreadable = sources.unreadable();
    print(&args, &rows, &unreadable, sources.is_without_images())?;
    let has_failed = rows.iter().any(|row| matches!(row.finding, Finding::Failed(_)))
        || sources.has_write_failed()
        || !(unreadable.is_empty() || args.skip_unreadable);
    let has_newer = rows.iter().any(|row| row.finding.has_newer());
    Ok(match (has_failed, has_newer && args.exit_code) {
        (true, _) => ExitCode::FAILURE,
        (false, true) => ExitCode::from(SOMETHING_NEWER),
        (false, false) => ExitCode::SUCCESS,
    })
}

/// The rules that the flags make.
fn rules(args: &CheckArgs, config: &Config) -> Rules {
    let settings = |given: &Option<GivenSettings>| given.clone().unwrap_or_default().0;
    Rules {
        policy: Policy {
            allow_prereleases: args.prereleases,
            include: args.include.clone(),
            exclude: args.exclude.clone(),
            flavor: args.flavor.clone(),
            platforms: args.platforms.clone(),
            precision: match args.precision {
                Precision::Any => policy::Precision::Any,
                Precision::Same => policy::Precision::Same,
            },
            ..Policy::new(config.frontier)
        },
        registry: PluginUse { plugin: args.registry.clone(), settings: settings(&args.registry_settings) },
        parser: PluginUse { plugin: args.parser.clone(), settings: settings(&args.parser_settings) },
        latest: Latest { preference: config.latest, follows_any: true },
    }
}

fn asker(
    args: &CheckArgs,
    config: &Config,
    plugin_places: &[PathBuf],
    docker_config: &crate::config::terminal::DockerConfigFile,
) -> Result<Asker, CheckError> {
    let engine = Engine::new(EngineOptions { cache_dir: config.cache_dir.clone(), ..EngineOptions::default() })?;
    let shelf = Shelf::open(engine, plugin_places)?;
    let (docker, warnings) = DockerConfig::read(docker_config)?;
    for warning in warnings {
        warn(&warning);
    }
    let authorities = |path: &PathBuf| {
        std::fs::read(path).map_err(|source| CheckError::Authorities { path: path.display().to_string(), source })
    };
    let egress = Client::new(k8supdater_egress::Options {
        extra_authorities: config.ca_file.as_ref().map(authorities).transpose()?,
        proxy: config.proxy.clone(),
        ..k8supdater_egress::Options::default()
    })?;
    let (registries, granted) = (Registries::new(egress), args.grants.clone());
    Ok(Asker { shelf, registries, docker, config: config.clone(), granted, is_writing: args.write, warn })
}

fn print(args: &CheckArgs, rows: &[Row], unreadable: &[Unreadable], is_without: bool) -> std::io::Result<()> {
    for file in unreadable {
        warn(&format!("{}: {}", file.name, file.why));
    }
    if is_without && unreadable.is_empty() {
        warn("no workload with an image in the files");
    }
    let detail = if args.all { Detail::Candidates } else { Detail::Decisions };
    let text = match args.output {
        Output::Table => report::text(rows, detail),
        Output::Json => report::json(rows, unreadable, detail),
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever has read enough, such as `head`, may go.
        Err(err) if err.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Tells the user something without stopping.
fn warn(message: &str) {
    eprintln!("k8supdater: {}", super::table::printable(message));
}

fn platform(text: &str) -> Result<Platform, String> {
    match text.split_once('/') {
        Some((os, architecture)) if !(os.is_empty() || architecture.is_empty() || architecture.contains('/')) => {
            Ok(Platform::new(os, architecture))
        }
        _ => Err("it is no platform, expected an operating system and an architecture, such as linux/arm64".to_owned()),
    }
}

fn settings(text: &str) -> Result<GivenSettings, String> {
    match serde_json::from_str(text) {
        Ok(settings) => Ok(GivenSettings(settings)),
        Err(err) => Err(format!("it is no JSON object: {err}")),
    }
}
