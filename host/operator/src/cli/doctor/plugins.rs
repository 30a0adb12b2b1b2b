//! Plugin objects: whether something of each serves, and whether there are those that handlers name. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use serde_json::json;

use super::finding::{Finding, Group};
use super::looked::Looked;
use super::whereabouts::Whereabouts;
use crate::api::conditions::{GRANTED, LOADED, READY};
use crate::api::{Plugin, VersioningHandler};

/// The parser of handlers that name none.
const DEFAULT_PARSER: &str = "pep440";
/// The plugins of an installation.
const SHIPPED: &str = "kubectl apply --server-side -k deploy/plugins";

/// What there is to say of the plugins, and of those that `handlers` name.
pub(super) fn findings(
    plugins: &Looked<Vec<Plugin>>,
    handlers: &[VersioningHandler],
    place: &Whereabouts,
) -> Vec<Finding> {
    let plugins = match plugins {
        Ok(plugins) => plugins,
        Err(why) => return vec![Group::Plugins.unknown(format!("Plugins in {}", place.namespace), why.why())],
    };
    let mut findings: Vec<Finding> = plugins.iter().map(|plugin| finding(plugin, place)).collect();
    let is_registry = |plugin: &Plugin| {
        plugin.status.as_ref().is_some_and(|status| status.kind.as_deref() == Some("registry")) && is_ready(plugin)
    };
    if !plugins.iter().any(is_registry) {
        let message = "none of kind registry is ready: no handler can look for anything";
        let finding = Group::Plugins.fault(format!("Plugins in {}", place.namespace), message);
        findings.push(finding.mended_by(if plugins.is_empty() {
            SHIPPED.to_owned()
        } else {
            format!("kubectl get plugins -n {} -o wide", place.namespace)
        }));
    }
    let names: Vec<String> = plugins.iter().map(ResourceExt::name_any).collect();
    for (plugin, named_by) in named(handlers) {
        let Some((first, others)) = named_by.split_first().filter(|_| !names.contains(&plugin)) else { continue };
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let message = format!("does not exist, and is named by VersioningHandler {first}{more}");
        let finding = Group::Plugins.fault(format!("Plugin {}/{plugin}", place.namespace), message);
        findings.push(finding.mended_by(SHIPPED));
    }
    findings
}

/// Names of plugins, each with the handlers that name it.
fn named(handlers: &[VersioningHandler]) -> BTreeMap<String, Vec<String>> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for handler in handlers {
        let spec = &handler.spec;
        let parser = spec.version_parser.as_ref().map_or(DEFAULT_PARSER, |parser| parser.plugin.as_str());
        let exceptions = spec.containers.iter().flat_map(|exception| {
            let parser = exception.version_parser.as_ref().map(|parser| parser.plugin.as_str());
            exception.containerregistry.as_deref().into_iter().chain(parser)
        });
        let notifiers = spec.notifiers.iter().flatten().map(|notifier| notifier.plugin.as_str());
        let all = [spec.containerregistry.as_str(), parser].into_iter().chain(exceptions).chain(notifiers);
        let full = format!("{}/{}", handler.namespace().unwrap_or_default(), handler.name_any());
        for plugin in all {
            let named_by = named.entry(plugin.to_owned()).or_default();
            if !named_by.contains(&full) {
                named_by.push(full.clone());
            }
        }
    }
    named
}

fn conditions(plugin: &Plugin) -> &[Condition] {
    plugin.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
}

fn condition<'a>(plugin: &'a Plugin, kind: &str) -> Option<&'a Condition> {
    conditions(plugin).iter().find(|condition| condition.type_ == kind)
}

/// Whether a component of it serves, be it an older one.
pub(super) fn is_ready(plugin: &Plugin) -> bool {
    condition(plugin, READY).is_some_and(|condition| condition.status == "True")
}

fn finding(plugin: &Plugin, place: &Whereabouts) -> Finding {
    let (namespace, name) = (&place.namespace, plugin.name_any());
    let object = format!("Plugin {namespace}/{name}");
    let describe = || format!("kubectl describe plugin -n {namespace} {name}");
    let Some(ready) = condition(plugin, READY) else {
        let message = "the operator has not looked at it yet";
        return Group::Plugins
            .fault(object, message)
            .mended_by(format!("kubectl logs -n {namespace} deploy/{}", place.deployment));
    };
    let refused = [LOADED, GRANTED].iter().filter_map(|kind| condition(plugin, kind));
    let refused = refused.into_iter().find(|condition| condition.status == "False");
    match (ready.status == "True", refused) {
        (true, None) => {
            let status = plugin.status.clone().unwrap_or_default();
            let (component, version) = (status.name.unwrap_or_default(), status.version.unwrap_or_default());
            Group::Plugins.ok(object, format!("{component} {version} serves"))
        }
        (true, Some(cause)) => {
            let message =
                format!("an older component serves; the newest was refused: {}: {}", cause.reason, cause.message);
            Group::Plugins.warning(object, message).mended_by(remedy(plugin, cause, place).unwrap_or_else(describe))
        }
        (false, cause) => {
            let cause = cause.unwrap_or(ready);
            let message = format!("{}: {}", cause.reason, cause.message);
            Group::Plugins.fault(object, message).mended_by(remedy(plugin, cause, place).unwrap_or_else(describe))
        }
    }
}

/// The command for what can be mended by one.
fn remedy(plugin: &Plugin, cause: &Condition, place: &Whereabouts) -> Option<String> {
    let (namespace, name) = (&place.namespace, plugin.name_any());
    let source = &plugin.spec.source.config_map;
    match cause.reason.as_str() {
        "ConfigMapNotFound" | "ConfigMapKeyNotFound" => {
            let key = source.key.as_deref().unwrap_or("plugin.wasm.gz");
            let create = format!("kubectl create configmap -n {namespace} {} --from-file {key}=FILE", source.name);
            Some(format!("{create} --dry-run=client -o yaml | kubectl apply --server-side --force-conflicts -f -"))
        }
        "NotGranted" => {
            let missing = missing(&cause.message);
            (!missing.is_empty()).then(|| grant(plugin, &missing, place))
        }
        "SecretNotFound" | "SecretKeysMissing" => {
            let secret = cause.message.split("Secret ").nth(1)?.split([',', ' ']).next()?;
            Some(format!(
                "kubectl create secret generic -n {namespace} {secret} --from-literal KEY=VALUE, with the keys that are named"
            ))
        }
        "InvalidSettings" | "InvalidSpec" | "InvalidGrant" | "NoSuchSlot" => {
            Some(format!("kubectl edit plugin -n {namespace} {name}"))
        }
        _ => None,
    }
}

/// Grants `origins` in addition to what is granted.
pub(super) fn grant(plugin: &Plugin, origins: &[String], place: &Whereabouts) -> String {
    let granted = plugin.spec.grants.as_ref().map(|grants| grants.origins.clone()).unwrap_or_default();
    let all: Vec<&String> = granted.iter().chain(origins.iter().filter(|origin| !granted.contains(origin))).collect();
    let patch = json!({"spec": {"grants": {"origins": all}}});
    format!("kubectl patch plugin -n {} {} --type merge -p '{patch}'", place.namespace, plugin.name_any())
}

/// The origins in the message of [`GrantError::NotCovered`](crate::plugin::GrantError::NotCovered).
fn missing(message: &str) -> Vec<String> {
    let list = message.split_once(" asks for ").and_then(|(_, rest)| rest.split_once(", which spec.grants.origins"));
    let Some((list, _)) = list else { return Vec::new() };
    list.split(", ").filter_map(|entry| entry.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::plugin::GrantError;

    fn plugin(name: &str, kind: &str, conditions: &[(&str, &str, &str, &str)]) -> Plugin {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(kind, status, reason, message)| {
                json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-01-02T03:04:05Z"})
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "Plugin", "metadata": {"name": name, "namespace": "k8supdater"},
            "spec": {"source": {"configMap": {"name": name}}, "grants": {"origins": ["$registry"]}},
            "status": {"conditions": conditions, "kind": kind, "name": format!("x-{name}"), "version": "1.0.0"},
        }))
        .unwrap()
    }

    const SERVES: (&str, &str, &str, &str) = ("Ready", "True", "Serving", "x");

    /// Level and object of each finding.
    fn check(plugins: Vec<Plugin>, handlers: &[VersioningHandler], expected: &[(Level, &str)]) -> Vec<Finding> {
        let found = findings(&Ok(plugins), handlers, &Whereabouts::usual());
        let shown: Vec<_> = found.iter().map(|finding| (finding.level, finding.object.as_str())).collect();
        assert_eq!(shown, expected, "{found:?}");
        found
    }

    #[test]
    fn each_plugin_is_told_with_its_cause_and_remedy() {
        let oci = || plugin("oci", "registry", &[SERVES]);
        check(vec![oci()], &[], &[(Level::Ok, "Plugin k8supdater/oci")]);
        let found = check(Vec::new(), &[], &[(Level::Fault, "Plugins in k8supdater")]);
        assert_eq!(found[0].remedy.as_deref(), Some("kubectl apply --server-side -k deploy/plugins"));

        let gone = plugin(
            "gitlab",
            "",
            &[("Loaded", "False", "ConfigMapNotFound", "there is none"), ("Ready", "False", "ConfigMapNotFound", "x")],
        );
        let found = check(
            vec![oci(), gone],
            &[],
            &[(Level::Ok, "Plugin k8supdater/oci"), (Level::Fault, "Plugin k8supdater/gitlab")],
        );
        assert!(found[1].message.starts_with("ConfigMapNotFound: there is none"), "{found:?}");
        assert!(
            found[1]
                .remedy
                .as_ref()
                .unwrap()
                .starts_with("kubectl create configmap -n k8supdater gitlab --from-file plugin.wasm.gz=FILE")
        );

        let kept = plugin(
            "oci",
            "registry",
            &[("Loaded", "False", "NotWasm", "noise"), ("Ready", "True", "KeptLastGood", "x")],
        );
        let found = check(vec![kept], &[], &[(Level::Warning, "Plugin k8supdater/oci")]);
        assert_eq!(found[0].remedy.as_deref(), Some("kubectl describe plugin -n k8supdater oci"));
        check(
            vec![oci(), plugin("new", "", &[])],
            &[],
            &[(Level::Ok, "Plugin k8supdater/oci"), (Level::Fault, "Plugin k8supdater/new")],
        );
    }

    #[test]
    fn what_is_not_granted_is_granted_by_a_command_that_keeps_the_rest() {
        let err = GrantError::NotCovered {
            plugin: "gitlab".to_owned(),
            missing: "https://a.example, https://b.example (by the setting baseUrl)".to_owned(),
        };
        let conditions = [("Granted", "False", "NotGranted", &*err.to_string()), ("Ready", "False", "NotGranted", "x")];
        let found = findings(&Ok(vec![plugin("gitlab", "", &conditions)]), &[], &Whereabouts::usual());
        assert_eq!(
            found[0].remedy.as_deref(),
            Some(
                r#"kubectl patch plugin -n k8supdater gitlab --type merge -p '{"spec":{"grants":{"origins":["$registry","https://a.example","https://b.example"]}}}'"#
            )
        );
    }

    #[test]
    fn plugins_that_handlers_name_have_to_exist() {
        let handler = |name: &str| -> VersioningHandler {
            serde_json::from_value(json!({
                "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "metadata": {"name": name, "namespace": "team-a"},
                "spec": {"deployment": "web", "containerregistry": "quay"},
            }))
            .unwrap()
        };
        let plugins = vec![plugin("oci", "registry", &[SERVES]), plugin("pep440", "version-parser", &[SERVES])];
        let expected = [
            (Level::Ok, "Plugin k8supdater/oci"),
            (Level::Ok, "Plugin k8supdater/pep440"),
            (Level::Fault, "Plugin k8supdater/quay"),
        ];
        let found = check(plugins, &[handler("web"), handler("db")], &expected);
        assert_eq!(found[2].message, "does not exist, and is named by VersioningHandler team-a/web and 1 more");
    }
}
