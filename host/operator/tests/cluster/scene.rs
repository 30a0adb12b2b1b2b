use std::path::Path;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8supdater::api::versioning_handler::{ContainerStatus, VersioningHandlerStatus};
use k8supdater::api::{Plugin, PluginStatus, VersioningHandler};
use k8supdater_testkit::{FakeRegistry, Registry, Stage};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

/// A stage whose operator has no plugins and is not started.
pub(crate) async fn bare(name: &str) -> Stage {
    Stage::new(env!("CARGO_BIN_EXE_k8supdater"), Path::new(env!("CARGO_TARGET_TMPDIR")), name).await
}

/// A stage with the plugins `oci`, which may call these registries without TLS, and `pep440`. Its operator is not started.
pub(crate) async fn prepared(name: &str, origins: &[String]) -> Stage {
    let stage = bare(name).await;
    let mut granted = vec!["$registry".to_owned()];
    granted.extend_from_slice(origins);
    let spec = json!({"settings": {"plainHttp": true}, "grants": {"origins": granted}});
    stage.plug("oci", "registry-oci", &spec).await;
    stage.plug("pep440", "version-pep440", &json!({})).await;
    stage
}

/// A stage with a running operator and the real registry, in which the repository that is given is this test's own.
pub(crate) async fn with_registry(name: &str) -> (Stage, Registry, String) {
    let registry = Registry::new(&k8supdater_testkit::Surroundings::find().registry);
    let mut stage = prepared(name, &[registry.origin()]).await;
    stage.operator.start().await;
    let repository = format!("{}/web", stage.namespace);
    (stage, registry, repository)
}

/// A stage with a running operator and a registry that can fail.
pub(crate) async fn with_fake_registry(name: &str) -> (Stage, FakeRegistry) {
    let registry = FakeRegistry::start().await;
    let mut stage = prepared(name, &[registry.origin()]).await;
    stage.operator.start().await;
    (stage, registry)
}

/// The status of a handler; empty if there is none yet.
pub(crate) async fn status(stage: &Stage, handler: &str) -> VersioningHandlerStatus {
    let api: Api<VersioningHandler> = stage.api();
    api.get(handler).await.unwrap().status.unwrap_or_default()
}

/// What a handler's status says of a container.
pub(crate) async fn container(stage: &Stage, handler: &str, name: &str) -> Option<ContainerStatus> {
    status(stage, handler).await.containers.into_iter().find(|container| container.name == name)
}

/// The status of a plugin; empty if there is none yet.
pub(crate) async fn plugin_status(stage: &Stage, plugin: &str) -> PluginStatus {
    let api: Api<Plugin> = stage.own_api();
    api.get(plugin).await.unwrap().status.unwrap_or_default()
}

/// The condition of that type, if it has this status (`True`, `False`, `Unknown`) and reason.
pub(crate) fn find(conditions: &[Condition], kind: &str, status: &str, reason: &str) -> Result<Condition, String> {
    let Some(condition) = conditions.iter().find(|condition| condition.type_ == kind) else {
        return Err(format!("there is no condition {kind}"));
    };
    if condition.status == status && condition.reason == reason {
        return Ok(condition.clone());
    }
    Err(format!("{kind} is {} {}: {}", condition.status, condition.reason, condition.message))
}

/// Waits until a handler has this condition, and gives its message.
pub(crate) async fn condition(stage: &Stage, handler: &str, kind: &str, status: &str, reason: &str) -> String {
    let what = format!("the handler {handler} has the condition {kind} {status} {reason}");
    let probe = async || find(&self::status(stage, handler).await.conditions, kind, status, reason);
    stage.eventually(&what, probe).await.message
}

/// Waits until a plugin has this condition, and gives its message.
pub(crate) async fn plugin_condition(stage: &Stage, plugin: &str, kind: &str, status: &str, reason: &str) -> String {
    let what = format!("the plugin {plugin} has the condition {kind} {status} {reason}");
    let probe = async || find(&plugin_status(stage, plugin).await.conditions, kind, status, reason);
    stage.eventually(&what, probe).await.message
}

/// Waits until a container of a Deployment has that image.
pub(crate) async fn image(stage: &Stage, deployment: &str, container: &str, expected: &str) {
    let what = format!("the container {container} of {deployment} has the image {expected}");
    stage.eventually(&what, async || equal(&*stage.image(deployment, container).await, expected)).await;
}

/// Waits until the operator has made this many more checks, of whatever handlers and with whatever result.
pub(crate) async fn more_checks(stage: &mut Stage, count: u64) {
    let until = stage.operator.metric("k8supdater_checks_total").await + count;
    for _ in 0..600 {
        if stage.operator.metric("k8supdater_checks_total").await >= until {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the operator made no {count} checks in 30 s\n{}", stage.account().await);
}

/// Answers as a human does with `kubectl annotate`.
pub(crate) async fn annotate(stage: &Stage, handler: &str, annotations: &[(&str, &str)]) {
    let annotations: serde_json::Map<_, _> =
        annotations.iter().map(|(name, value)| (format!("k8supdater.dev/{name}"), json!(value))).collect();
    let patch = json!({"metadata": {"annotations": annotations}});
    stage.handlers().patch(handler, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

/// For probes: content if both are the same.
pub(crate) fn equal<T: PartialEq + std::fmt::Debug + ?Sized>(found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found:?} instead of {expected:?}")) }
}
