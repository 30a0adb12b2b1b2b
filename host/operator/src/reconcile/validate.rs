//! Step one: the spec, checked and completed. Needs no client; fails only on what the user must mend.

use std::collections::BTreeMap;
use std::time::Duration;

use k8supdater_core::policy::moving::LatestPreference;
use k8supdater_core::policy::{Frontier, PatternError, Policy, Precision, TagPattern};
use kube::core::error_boundary::InvalidObject;
use kube::{Resource, ResourceExt};
use thiserror::Error;

use crate::answer::{self, Answers};
use crate::api::versioning_handler as api;
use crate::api::versioning_handler::{
    Approval, ContainerOptions, RegistryOptions, SecretReference, Settings, TagOptions, VersionParserOptions,
    VersioningHandler, VersioningHandlerStatus,
};
use crate::api::workload::{WorkloadKind, WorkloadRef};
use crate::config::{Config, LONGEST_INTERVAL, SHORTEST_INTERVAL};
use crate::workload::containers::List;

/// The plugin that reads versions where a handler names none.
const DEFAULT_PARSER: &str = "pep440";

/// The bounds of `rollout.timeout`.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

/// What is to be looked after, and how. Later steps do not look at the spec again.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who wants it.
    pub handler: HandlerRef,
    /// The workload, in the handler's namespace.
    pub workload: WorkloadRef,
    /// How containers without an exception are looked after.
    pub plan: Plan,
    /// Exceptions by container.
    pub exceptions: BTreeMap<String, Exception>,
    /// Time between two checks.
    pub interval: Duration,
    /// Time that a rollout may take, over and above the controller's own deadline; none if there is only that.
    pub rollout_timeout: Option<Duration>,
    /// Nothing is to be done.
    pub is_suspended: bool,
    /// What people say to what is offered, as far as it is not taken up yet.
    pub answers: Answers,
    /// What was known before.
    pub before: VersioningHandlerStatus,
}

/// How a container is looked after.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which tags are applied and reported.
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

/// Which object speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerRef {
    /// Its namespace, which is the workload's too.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Different for every object that ever had this name.
    pub uid: String,
    /// State of the object that was looked at.
    pub resource_version: String,
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

/// A spec that cannot be followed. The API server refuses most of these; an object may be older than its schema.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Invalid {
    /// The object is not what the schema says.
    #[error("VersioningHandler {namespace}/{name} is not valid: {message}")]
    Malformed {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the parser said.
        message: String,
    },
    /// A field is out of its bounds.
    #[error("spec.{field} of VersioningHandler {namespace}/{name} is {value}, expected {expected}")]
    OutOfBounds {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The field.
        field: String,
        /// What it holds.
        value: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// No workload is named, or two.
    #[error(
        "VersioningHandler {namespace}/{name} names no workload, or two; expected either spec.deployment or spec.workload"
    )]
    Workload {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A field should be a regular expression.
    #[error("spec.{field} of VersioningHandler {namespace}/{name} is no usable regular expression")]
    Pattern {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The field.
        field: String,
        /// What is wrong with it.
        source: Box<PatternError>,
    },
}

impl Invalid {
    /// For an object that could not be read at all.
    pub fn malformed(invalid: &InvalidObject) -> Self {
        Self::Malformed {
            namespace: invalid.metadata.namespace.clone().unwrap_or_default(),
            name: invalid.metadata.name.clone().unwrap_or_default(),
            message: invalid.error.clone(),
        }
    }

    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        "InvalidSpec"
    }
}

/// Completes the spec of `handler` with the operator's defaults.
///
/// # Errors
/// [`Invalid::Workload`], or [`Invalid::OutOfBounds`] or [`Invalid::Pattern`] for the first field that is wrong.
pub fn validate(handler: &VersioningHandler, config: &Config) -> Result<Target, Invalid> {
    let meta = handler.meta();
    let reference = HandlerRef {
        namespace: handler.namespace().unwrap_or_default(),
        name: handler.name_any(),
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
    };
    let refuse = |field: String, value: String, expected: &'static str| Invalid::OutOfBounds {
        namespace: reference.namespace.clone(),
        name: reference.name.clone(),
        field,
        value,
        expected,
    };
    let spec = &handler.spec;
    let workload = spec
        .workload_ref()
        .ok_or_else(|| Invalid::Workload { namespace: reference.namespace.clone(), name: reference.name.clone() })?;
    let frontier = |given: Option<u32>, field: &str| match given {
        None => Ok(None),
        Some(levels) => match Frontier::new(levels) {
            Some(frontier) => Ok(Some(frontier)),
            None => Err(refuse(field.to_owned(), levels.to_string(), "a number from 0 to 16")),
        },
    };
    let levels = frontier(spec.frontier, "frontier")?.unwrap_or(config.frontier);
    let tags = spec.tags.clone().unwrap_or_default();
    let policy = Policy { precision: precision(spec.precision), ..rules(&reference, "", &tags, levels)? };
    let plan = Plan {
        policy,
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
    };
    let mut exceptions = BTreeMap::new();
    for container in &spec.containers {
        let field = format!("containers[{}].frontier", container.name);
        let frontier = frontier(container.frontier, &field)?;
        let place = format!("containers[{}].", container.name);
        let tags = container.tags.as_ref().map(|tags| rules(&reference, &place, tags, levels)).transpose()?;
        let plan = plan.but(container, frontier, tags);
        let exception = if container.ignore { Exception::Ignore } else { Exception::Plan(Box::new(plan)) };
        exceptions.insert(container.name.clone(), exception);
    }
    let interval = match spec.interval {
        None => config.interval,
        Some(given) => {
            let interval = Duration::from(given);
            if given.is_negative() || !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval) {
                return Err(refuse("interval".to_owned(), given.to_string(), "a duration from 1s to 720h"));
            }
            interval
        }
    };
    let rollout_timeout = match spec.rollout.as_ref().and_then(|rollout| rollout.timeout) {
        None => default_timeout(workload.kind),
        Some(given) => {
            let timeout = Duration::from(given);
            if given.is_negative() || !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&timeout) {
                let expected = "a duration from 1s to 24h";
                return Err(refuse("rollout.timeout".to_owned(), given.to_string(), expected));
            }
            Some(timeout)
        }
    };
    Ok(Target {
        workload,
        plan,
        exceptions,
        interval,
        rollout_timeout,
        is_suspended: spec.suspend,
        answers: answer::parse(handler.annotations()),
        before: handler.status.clone().unwrap_or_default(),
        handler: reference,
    })
}

impl Target {
    /// Whether the container is any business of the handler's, which it may still leave alone: an init container or a volume is only if it is
    /// named.
    pub fn is_meant(&self, list: List, container: &str) -> bool {
        match list {
            List::Containers => true,
            List::InitContainers | List::Volumes => self.exceptions.contains_key(container),
        }
    }

    /// How the container is looked after; none if it is left alone.
    pub fn plan_of(&self, container: &str) -> Option<&Plan> {
        match self.exceptions.get(container) {
            Some(Exception::Ignore) => None,
            Some(Exception::Plan(plan)) => Some(plan),
            None => Some(&self.plan),
        }
    }
}

impl Plan {
    /// This plan with what is different for `container`.
    ///
    /// Settings and Secret of a registry belong together, and to one plugin: a container that names either brings both.
    fn but(&self, container: &ContainerOptions, frontier: Option<Frontier>, tags: Option<Policy>) -> Self {
        let mut plan = self.clone();
        if let Some(tags) = tags {
            let Policy { frontier, precision, .. } = plan.policy;
            plan.policy = Policy { frontier, precision, ..tags };
        }
        if let Some(given) = container.precision {
            plan.policy.precision = precision(given);
        }
        if let Some(frontier) = frontier {
            plan.policy.frontier = frontier;
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

/// As long as a Deployment has by default, where the controller knows no deadline
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds>).
fn default_timeout(kind: WorkloadKind) -> Option<Duration> {
    match kind {
        WorkloadKind::Deployment | WorkloadKind::CronJob => None,
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => Some(Duration::from_mins(10)),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RawConfig;
    use serde_json::json;

    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn check(spec: serde_json::Value) -> Result<Target, String> {
        let mut object = json!({"deployment": "web", "containerregistry": "oci"});
        object.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let handler: VersioningHandler = serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
            "metadata": {"namespace": "team-a", "name": "web"}, "spec": object,
        }))
        .unwrap();
        let config = RawConfig { frontier: Some("3".into()), interval: Some("60".into()), ..RawConfig::default() };
        validate(&handler, &config.check().unwrap()).map_err(|err| err.to_string())
    }

    #[test]
    fn what_the_spec_does_not_say_comes_from_the_operator() {
        let target = check(json!({})).unwrap();
        let plan = &target.plan;
        assert_eq!(plan.policy.frontier, Frontier::new(3).unwrap());
        assert_eq!(target.interval, Duration::from_mins(1));
        assert_eq!((plan.parser.plugin.as_str(), plan.registry.plugin.as_str()), ("pep440", "oci"));
        assert_eq!(plan.latest, Latest { preference: LatestPreference::Notify, follows_any: false });
        assert!(!plan.policy.allow_prereleases && !target.is_suspended && target.exceptions.is_empty());
        assert!(!plan.needs_approval && target.answers == Answers::default());
        assert_eq!((&plan.secret, target.plan_of("any")), (&None, Some(plan)));
    }

    #[test]
    fn what_the_spec_says_wins() {
        let target = check(json!({
            "frontier": 2, "interval": "90s", "suspend": true, "precision": "Same",
            "tags": {"include": "[0-9.]+", "exclude": "9\\..*", "flavor": "-alpine.*", "prereleases": true},
            "versionParser": {"plugin": "semver", "settings": {"range": ">=1"}},
            "registry": {"settings": {"pageSize": 5}, "secretRef": {"name": "login", "slot": "registry"}},
            "latest": "Update", "approval": "Required",
        }))
        .unwrap();
        let Plan { policy, registry, secret, parser, latest, needs_approval } = &target.plan;
        assert_eq!((policy.frontier, target.interval), (Frontier::new(2).unwrap(), Duration::from_secs(90)));
        assert!(target.is_suspended && policy.allow_prereleases && policy.precision == Precision::Same);
        assert_eq!((parser.plugin.as_str(), registry.settings.len()), ("semver", 1));
        assert_eq!(*secret, Some(SecretReference { name: "login".to_owned(), slot: Some("registry".to_owned()) }));
        assert_eq!(*latest, Latest { preference: LatestPreference::Update, follows_any: true });
        assert!(needs_approval);
        let matches = |pattern: &Option<TagPattern>, text: &str| pattern.as_ref().unwrap().matches(text);
        assert!(matches(&policy.include, "1.2") && !matches(&policy.include, "v1.2"));
        assert!(matches(&policy.exclude, "9.1") && matches(&policy.flavor, "-alpine3.19"));
    }

    #[test]
    fn a_rollout_without_a_deadline_of_its_controller_has_one_of_ours() {
        let check = |kind: &str, rollout: serde_json::Value, expected: Option<u64>| {
            let workload = json!({"kind": kind, "name": "db"});
            let target = check(json!({"deployment": null, "workload": workload, "rollout": rollout})).unwrap();
            assert_eq!(target.rollout_timeout, expected.map(Duration::from_mins), "{kind} {rollout}");
            assert_eq!(target.workload.path(), format!("{kind}/db"));
        };
        check("Deployment", json!({}), None);
        check("Deployment", json!({"timeout": "1h"}), Some(60));
        check("StatefulSet", json!(null), Some(10));
        check("StatefulSet", json!({"timeout": "5m"}), Some(5));
        check("DaemonSet", json!({}), Some(10));
        check("CronJob", json!({}), None);
    }

    #[test]
    fn containers_differ_in_what_they_name_only() {
        let target = check(json!({
            "registry": {"settings": {"pageSize": 5}, "secretRef": {"name": "login"}}, "tags": {"include": "1.*"}, "frontier": 2,
            "containers": [
                {"name": "proxy", "ignore": true},
                {"name": "db", "frontier": 1},
                {"name": "app", "containerregistry": "gitlab", "latest": "Notify", "versionParser": {"plugin": "date"}},
                {"name": "job", "registry": {"settings": {"pageSize": 7}}, "precision": "Same", "tags": {"exclude": ".*-rc"}},
                {"name": "web"},
                {"name": "key", "approval": "Required"},
            ],
        }))
        .unwrap();
        let plan = |container: &str| target.plan_of(container).unwrap();
        assert_eq!(target.plan_of("proxy"), None);
        assert_eq!(plan("web"), &target.plan);
        let db = Policy { frontier: Frontier::new(1).unwrap(), ..target.plan.policy.clone() };
        assert_eq!(plan("db"), &Plan { policy: db, ..target.plan.clone() });
        assert_eq!(plan("key"), &Plan { needs_approval: true, ..target.plan.clone() });
        let app = plan("app");
        assert_eq!((app.registry.plugin.as_str(), app.parser.plugin.as_str()), ("gitlab", "date"));
        assert!(app.registry.settings.is_empty() && app.secret.is_none(), "they are for the plugin oci");
        assert_eq!(app.latest, Latest { preference: LatestPreference::Notify, follows_any: true });
        let job = plan("job");
        assert_eq!((job.registry.plugin.as_str(), &job.registry.settings["pageSize"]), ("oci", &json!(7)));
        assert_eq!(job.secret, None);
        let exclude = job.policy.exclude.as_ref().map(TagPattern::as_str);
        assert_eq!(
            (exclude, job.policy.include.as_ref(), job.policy.precision),
            (Some(".*-rc"), None, Precision::Same)
        );
        assert_eq!(job.policy.frontier, target.plan.policy.frontier);
    }

    #[test]
    fn a_pattern_that_is_none_is_named_with_its_fault() {
        let handler = json!({"tags": {"exclude": "1.("}});
        assert_eq!(
            check(handler).unwrap_err(),
            "spec.tags.exclude of VersioningHandler team-a/web is no usable regular expression"
        );
        let of_container = json!({"containers": [{"name": "db", "tags": {"flavor": "["}}]});
        assert_eq!(
            check(of_container).unwrap_err(),
            "spec.containers[db].tags.flavor of VersioningHandler team-a/web is no usable regular expression"
        );
    }

    #[test]
    fn out_of_bounds_fields_are_named() {
        for (spec, expected) in [
            (
                json!({"frontier": 17}),
                "spec.frontier of VersioningHandler team-a/web is 17, expected a number from 0 to 16",
            ),
            (
                json!({"containers": [{"name": "db", "frontier": 99}]}),
                "spec.containers[db].frontier of VersioningHandler team-a/web is 99, expected a number from 0 to 16",
            ),
            (
                json!({"interval": "500ms"}),
                "spec.interval of VersioningHandler team-a/web is 500ms, expected a duration from 1s to 720h",
            ),
            (
                json!({"rollout": {"timeout": "25h"}}),
                "spec.rollout.timeout of VersioningHandler team-a/web is 90000s, expected a duration from 1s to 24h",
            ),
            (
                json!({"workload": {"kind": "StatefulSet", "name": "db"}}),
                "VersioningHandler team-a/web names no workload, or two; expected either spec.deployment or spec.workload",
            ),
            (
                json!({"deployment": null}),
                "VersioningHandler team-a/web names no workload, or two; expected either spec.deployment or spec.workload",
            ),
        ] {
            assert_eq!(check(spec).unwrap_err(), expected);
        }
    }
}
