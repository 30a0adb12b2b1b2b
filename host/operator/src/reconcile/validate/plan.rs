//! How single containers are looked after, as a spec says it.

use std::collections::{BTreeMap, BTreeSet};

use k8supdater_core::policy::moving::LatestPreference;
use k8supdater_core::policy::{Frontier, Policy, Precision, TagPattern};

use super::{HandlerRef, Invalid};
use crate::api::VersioningHandlerSpec;
use crate::api::versioning_handler as api;
use crate::api::versioning_handler::{
    Approval, ContainerOptions, RegistryOptions, SecretReference, Settings, TagOptions, VersionParserOptions,
};
use crate::config::Config;

/// The plugin that reads versions where a handler names none.
const DEFAULT_PARSER: &str = "pep440";

/// How a container is looked after.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which tags are applied and reported. What `spec.hold` lists is held; what else is, and all that depends on what was observed or on
    /// the time, is not in it yet.
    pub policy: Policy,
    /// Who lists the tags.
    pub registry: PluginUse,
    /// The Secret for the registry that the handler brings.
    pub secret: Option<SecretReference>,
    /// Who reads the tags as versions.
    pub parser: PluginUse,
    /// What to do about tags that move.
    pub latest: Latest,
    /// Whether updates that could be made by themselves wait for a human.
    pub needs_approval: bool,
}

/// What to do about tags that move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latest {
    /// When one has moved.
    pub preference: LatestPreference,
    /// Whether every tag that is no version is one that moves, rather than `latest` alone: whoever says what to do about such tags has
    /// one.
    pub follows_any: bool,
}

/// A plugin and what it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginUse {
    /// Name of the Plugin object.
    pub plugin: String,
    /// Laid over the Plugin's own settings.
    pub settings: Settings,
}

/// What is different for one container.
#[derive(Clone, Debug, PartialEq)]
pub enum Exception {
    /// It is left alone.
    Ignore,
    /// It is looked after in its own way.
    Plan(Box<Plan>),
}

/// How containers without an exception are looked after, with the operator's defaults.
pub(super) fn plan(handler: &HandlerRef, spec: &VersioningHandlerSpec, config: &Config) -> Result<Plan, Invalid> {
    let levels = frontier(handler, "frontier", spec.frontier)?.unwrap_or(config.frontier);
    let tags = spec.tags.clone().unwrap_or_default();
    Ok(Plan {
        policy: Policy {
            precision: precision(spec.precision),
            held: tags_on_hold(&spec.hold),
            ..rules(handler, "", &tags, levels)?
        },
        registry: registry_use(spec.containerregistry.clone(), spec.registry.as_ref()),
        secret: spec.registry.as_ref().and_then(|registry| registry.secret_ref.clone()),
        parser: match &spec.version_parser {
            Some(parser) => parser_use(parser),
            None => PluginUse { plugin: DEFAULT_PARSER.to_owned(), settings: Settings::new() },
        },
        latest: Latest {
            preference: spec.latest.map_or(config.latest, preference),
            follows_any: spec.latest.is_some(),
        },
        needs_approval: spec.approval == Approval::Required,
    })
}

/// What is different for each of `containers`, where all others are looked after by `plan`.
pub(super) fn exceptions(
    handler: &HandlerRef,
    plan: &Plan,
    containers: &[ContainerOptions],
) -> Result<BTreeMap<String, Exception>, Invalid> {
    let read = |container: &ContainerOptions| {
        let place = format!("containers[{}].", container.name);
        let frontier = frontier(handler, &format!("{place}frontier"), container.frontier)?;
        let rules = |tags| rules(handler, &place, tags, plan.policy.frontier);
        let tags = container.tags.as_ref().map(rules).transpose()?;
        let plan = plan.but(container, frontier, tags);
        let exception = if container.ignore { Exception::Ignore } else { Exception::Plan(Box::new(plan)) };
        Ok((container.name.clone(), exception))
    };
    containers.iter().map(read).collect()
}

impl Plan {
    /// This plan with what is different for `container`.
    ///
    /// Settings and Secret of a registry belong together, and to one plugin: a container that names either brings both.
    fn but(&self, container: &ContainerOptions, frontier: Option<Frontier>, tags: Option<Policy>) -> Self {
        let mut plan = self.clone();
        if let Some(tags) = tags {
            let Policy { frontier, precision, held, .. } = plan.policy;
            plan.policy = Policy { frontier, precision, held, ..tags };
        }
        if let Some(given) = container.precision {
            plan.policy.precision = precision(given);
        }
        if let Some(frontier) = frontier {
            plan.policy.frontier = frontier;
        }
        if let Some(hold) = &container.hold {
            plan.policy.held = tags_on_hold(hold);
        }
        if container.containerregistry.is_some() || container.registry.is_some() {
            let plugin = container.containerregistry.clone().unwrap_or_else(|| plan.registry.plugin.clone());
            plan.registry = registry_use(plugin, container.registry.as_ref());
            plan.secret = container.registry.as_ref().and_then(|registry| registry.secret_ref.clone());
        }
        if let Some(parser) = &container.version_parser {
            plan.parser = parser_use(parser);
        }
        if let Some(latest) = container.latest {
            plan.latest = Latest { preference: preference(latest), follows_any: true };
        }
        if let Some(approval) = container.approval {
            plan.needs_approval = approval == Approval::Required;
        }
        plan
    }
}

/// A policy with this frontier and the rules that `tags` make. `place` is what stands before the field's name. Which nodes there are, and
/// so which platforms are needed, is observed and not specified.
fn rules(handler: &HandlerRef, place: &str, tags: &TagOptions, frontier: Frontier) -> Result<Policy, Invalid> {
    let pattern = |given: &Option<String>, field: &str| match given {
        None => Ok(None),
        Some(text) => text.parse::<TagPattern>().map(Some).map_err(|source| Invalid::Pattern {
            namespace: handler.namespace.clone(),
            name: handler.name.clone(),
            field: format!("{place}tags.{field}"),
            source: Box::new(source),
        }),
    };
    Ok(Policy {
        allow_prereleases: tags.prereleases,
        include: pattern(&tags.include, "include")?,
        exclude: pattern(&tags.exclude, "exclude")?,
        flavor: pattern(&tags.flavor, "flavor")?,
        ..Policy::new(frontier)
    })
}

fn frontier(handler: &HandlerRef, field: &str, given: Option<u32>) -> Result<Option<Frontier>, Invalid> {
    let Some(levels) = given else { return Ok(None) };
    let frontier = Frontier::new(levels);
    frontier.map(Some).ok_or_else(|| Invalid::out_of_bounds(handler, field, &levels, "a number from 0 to 16"))
}

fn tags_on_hold(given: &[String]) -> BTreeSet<String> {
    given.iter().cloned().collect()
}

fn precision(given: api::Precision) -> Precision {
    match given {
        api::Precision::Any => Precision::Any,
        api::Precision::Same => Precision::Same,
    }
}

fn registry_use(plugin: String, options: Option<&RegistryOptions>) -> PluginUse {
    PluginUse { plugin, settings: options.map(|options| options.settings.clone()).unwrap_or_default() }
}

fn parser_use(options: &VersionParserOptions) -> PluginUse {
    PluginUse { plugin: options.plugin.clone(), settings: options.settings.clone() }
}

fn preference(latest: api::Latest) -> LatestPreference {
    match latest {
        api::Latest::Update => LatestPreference::Update,
        api::Latest::Notify => LatestPreference::Notify,
    }
}
