//! Step three's input: the workload, the tags, their versions, the rollout. Reads, and changes nothing.
//!
//! Needs the client (through the watch of Deployments) and the registries. Fails only if there is no workload; what goes wrong with one
//! container is a [`Problem`] of that container, and the others go on.

use std::sync::Arc;

use futures::future::join_all;
use k8supdater_core::image::ImageReference;
use k8supdater_core::policy::{Policy, Tagged};
use k8supdater_runtime::manifest::Kind;
use thiserror::Error;

use super::Context;
use super::validate::{Exception, PluginUse, Target};
use crate::failure::Retry;
use crate::plugin::{NotServing, Serving, SettingsError};
use crate::registry::{ListError, ParseError, parse};
use crate::workload::WorkloadError;
use crate::workload::containers::{Container, containers};
use crate::workload::rollout::{Rollout, rollout};

/// What is, as far as it can be known.
#[derive(Debug)]
pub struct Observed {
    /// What is to be looked after.
    pub target: Target,
    /// How far the workload's rollout is.
    pub rollout: Rollout,
    /// Its containers, in the order of the pod template.
    pub containers: Vec<ObservedContainer>,
    /// Kept so that the step that acts uses the plugin that was asked here.
    pub registry: Option<Arc<Serving>>,
}

/// One container.
#[derive(Debug)]
pub struct ObservedContainer {
    /// Where it is in the pod template, and its image.
    pub container: Container,
    /// What there is to choose from.
    pub state: Result<Choice, Problem>,
}

/// What a container's policy can choose from.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one per container, and nearly all of them are the large one")]
pub enum Choice {
    /// The user wants it left alone.
    Ignored,
    /// These tags.
    Tags {
        /// The image reference in the spec.
        image: ImageReference,
        /// Which rules hold.
        policy: Policy,
        /// The tag in the spec, which is a version.
        current: Tagged,
        /// All tags of the repository, as far as they are known.
        candidates: Arc<[Tagged]>,
    },
}

/// Why a container cannot be judged now.
#[derive(Debug, Error)]
pub enum Problem {
    /// Its image is not an image reference.
    #[error("the image {image:?} is no image reference")]
    Image {
        /// As in the spec.
        image: String,
        /// What is wrong with it.
        #[source]
        cause: k8supdater_core::image::ParseError,
    },
    /// Its image has no tag that could be compared.
    #[error(
        "the image {image} {why}; give it a tag that is a version, such as 1.2.3, or ignore the container in spec.containers"
    )]
    NoVersion {
        /// As in the spec.
        image: String,
        /// What it has instead.
        why: String,
    },
    /// A plugin that is needed does not serve.
    #[error(transparent)]
    Plugin(#[from] NotServing),
    /// The registry's tags are not known.
    #[error(transparent)]
    List(#[from] ListError),
    /// The version parser failed.
    #[error("cannot read tags as versions with plugin {plugin}")]
    Parse {
        /// Its name.
        plugin: String,
        /// Why.
        #[source]
        cause: ParseError,
    },
    /// The version parser's settings are not what its schema allows.
    #[error("the settings for plugin {plugin} are refused")]
    Settings {
        /// Its name.
        plugin: String,
        /// Which one and why.
        #[source]
        cause: SettingsError,
    },
}

impl Problem {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Image { .. } => "InvalidImage",
            Self::NoVersion { .. } => "NoVersion",
            Self::Plugin(err) => err.reason(),
            Self::List(err) => err.reason(),
            Self::Parse { cause: ParseError::Call(err), .. } => err.reason(),
            Self::Parse { cause: ParseError::Settings(_), .. } | Self::Settings { .. } => "InvalidSettings",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::List(err) => err.retry(),
            Self::Parse { cause: ParseError::Call(_), .. } => Retry::BackOff,
            Self::Image { .. }
            | Self::NoVersion { .. }
            | Self::Plugin(_)
            | Self::Parse { cause: ParseError::Settings(_), .. }
            | Self::Settings { .. } => Retry::OnChange,
        }
    }

    /// Whether the registry, rather than the user or a version parser, stands in the way.
    pub fn is_about_the_registry(&self) -> bool {
        matches!(self, Self::List(_))
    }
}

/// Reads all that a decision needs.
///
/// # Errors
/// [`WorkloadError`] if the workload cannot be read.
pub async fn observe(ctx: &Context, target: Target) -> Result<Observed, WorkloadError> {
    // A watch may lag behind what this operator wrote itself; what it wrote is in the status.
    let written = target.before.containers.iter().filter_map(|container| container.update.as_ref()?.generation).max();
    let deployment = ctx.workloads.read(&target.handler.namespace, &target.deployment, written).await?;
    let rollout = rollout(&deployment);
    let registry = ctx.plugins.serving(&target.registry.plugin, Kind::Registry);
    let parser = ctx.plugins.serving(&target.parser.plugin, Kind::VersionParser);
    let observing = containers(&deployment).into_iter().map(|container| async {
        let state = observe_container(ctx, &target, &container, registry.as_ref(), parser.as_ref()).await;
        ObservedContainer { container, state }
    });
    let containers = join_all(observing).await;
    Ok(Observed { rollout, containers, registry: registry.ok(), target })
}

async fn observe_container(
    ctx: &Context,
    target: &Target,
    container: &Container,
    registry: Result<&Arc<Serving>, &NotServing>,
    parser: Result<&Arc<Serving>, &NotServing>,
) -> Result<Choice, Problem> {
    let policy = match target.exceptions.get(&container.name) {
        Some(Exception::Ignore) => return Ok(Choice::Ignored),
        Some(Exception::Policy(policy)) => policy.clone(),
        None => target.policy.clone(),
    };
    let image: ImageReference = match container.image.parse() {
        Ok(image) => image,
        Err(cause) => return Err(Problem::Image { image: container.image.clone(), cause }),
    };
    let no_version = |why: String| Problem::NoVersion { image: container.image.clone(), why };
    if image.digest().is_some() {
        return Err(no_version("is pinned to a digest".to_owned()));
    }
    let Some(tag) = image.tag() else {
        return Err(no_version("has no tag, which means latest".to_owned()));
    };
    let (registry, parser) = (registry.map_err(Clone::clone)?, parser.map_err(Clone::clone)?);
    let PluginUse { plugin, settings } = &target.parser;
    let settings = parser.settings(settings).map_err(|cause| Problem::Settings { plugin: plugin.clone(), cause })?;
    let parse_failed = |cause: ParseError| Problem::Parse { plugin: plugin.clone(), cause };

    // The current tag need not be in the registry any more, so it is read by itself.
    let current = parse(&parser.component, vec![tag.to_string()], &settings).await.map_err(parse_failed)?;
    let mut current = match current.first() {
        Some(current) if current.version.is_some() => current.clone(),
        _ => return Err(no_version(format!("has the tag {tag}, which plugin {plugin} does not read as a version"))),
    };
    let listing = ctx.registries.list_tags(registry, &image, &target.registry.settings, target.interval).await?;
    let candidates = listing.versions(&parser.component, &settings).await.map_err(parse_failed)?;
    current.digest =
        candidates.iter().find(|listed| listed.tag == current.tag).and_then(|listed| listed.digest.clone());
    Ok(Choice::Tags { image, policy, current, candidates })
}
