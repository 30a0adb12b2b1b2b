//! The operator itself: its Deployment, its pods, and the configuration that it is started with.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Container, ContainerState, EnvVar, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

use super::finding::{Finding, Group};
use super::looked::{Looked, Unseen};
use super::whereabouts::Whereabouts;
use crate::config::{Config, ConfigError, RawConfig};

/// By what the operator's objects are found, whatever their names.
const LABEL: &str = "app.kubernetes.io/name=k8supdater";
/// What stands for a value that is not read. It is a password as good as any, and a token of Telegram, too.
const PLACEHOLDER: &str = "1:not-read";
/// How our variables begin.
const PREFIX: &str = "K8SUPDATER_";

/// What there is of the operator.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) deployments: Looked<Vec<Deployment>>,
    pods: Looked<Vec<Pod>>,
    /// `ConfigMaps` that variables come from.
    config_maps: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a process is started with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Start {
    variables: Vec<(String, String)>,
    /// Variables whose values are not read: they come from Secrets, or from what may not be looked at.
    unread: Vec<String>,
    args: Vec<String>,
}

/// Reads it.
pub(super) async fn look(client: &Client, namespace: &str) -> Seen {
    let params = ListParams::default().labels(LABEL);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployments = deployments.list(&params).await.map(|list| list.items).map_err(Unseen::from);
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = pods.list(&params).await.map(|list| list.items).map_err(Unseen::from);
    let mut seen = Seen { deployments, pods, config_maps: BTreeMap::new() };
    let names = seen.deployment().and_then(container).map(config_maps_of).unwrap_or_default();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    for name in names {
        if let Ok(Some(found)) = api.get_opt(&name).await {
            seen.config_maps.insert(name, found.data.unwrap_or_default());
        }
    }
    seen
}

fn config_maps_of(container: &Container) -> Vec<String> {
    let single =
        container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()?.config_map_key_ref.as_ref());
    let whole = container.env_from.iter().flatten().filter_map(|source| source.config_map_ref.as_ref());
    single.map(|reference| reference.name.clone()).chain(whole.map(|reference| reference.name.clone())).collect()
}

impl Seen {
    /// The Deployment, if it may be looked at and there is one; of several the first.
    pub(super) fn deployment(&self) -> Option<&Deployment> {
        self.deployments.as_ref().ok()?.first()
    }

    /// The configuration of the Deployment, as far as it can be read; none without a Deployment.
    pub(super) fn config(&self, namespace: &str) -> Option<Result<Config, ConfigProblem>> {
        let start = self.start(namespace)?;
        let read = RawConfig::of_process(&start.variables, &start.args).map_err(ConfigProblem::Args);
        Some(read.and_then(|raw| raw.check().map_err(|err| ConfigProblem::of(&err, &start.unread))))
    }

    fn start(&self, namespace: &str) -> Option<Start> {
        let container = container(self.deployment()?)?;
        let mut start = Start { args: container.args.clone().unwrap_or_default(), ..Start::default() };
        for source in container.env_from.iter().flatten() {
            let prefix = source.prefix.clone().unwrap_or_default();
            let data = source.config_map_ref.as_ref().and_then(|reference| self.config_maps.get(&reference.name));
            for (key, value) in data.into_iter().flatten() {
                start.set(format!("{prefix}{key}"), Some(value.clone()));
            }
        }
        for variable in container.env.iter().flatten() {
            start.set(variable.name.clone(), self.value(variable, namespace));
        }
        Some(start)
    }

    fn value(&self, variable: &EnvVar, namespace: &str) -> Option<String> {
        let Some(source) = &variable.value_from else { return Some(variable.value.clone().unwrap_or_default()) };
        if let Some(field) = &source.field_ref {
            return Some(if field.field_path == "metadata.namespace" {
                namespace.to_owned()
            } else {
                "pod".to_owned()
            });
        }
        let reference = source.config_map_key_ref.as_ref()?;
        self.config_maps.get(&reference.name)?.get(&reference.key).cloned()
    }
}

impl Start {
    fn set(&mut self, name: String, value: Option<String>) {
        self.variables.retain(|(known, _)| *known != name);
        self.unread.retain(|known| *known != name);
        if value.is_none() {
            self.unread.push(name.clone());
        }
        self.variables.push((name, value.unwrap_or_else(|| PLACEHOLDER.to_owned())));
    }
}

/// Why a configuration cannot be used, or cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConfigProblem {
    /// An argument is none.
    Args(String),
    /// A value is wrong; and which variable has it, if it is a single one.
    Wrong(String, Option<&'static str>),
    /// A value that matters was not read.
    Unread(&'static str),
}

impl ConfigProblem {
    fn of(err: &ConfigError, unread: &[String]) -> Self {
        let variable = match err {
            ConfigError::Value { variable, .. } | ConfigError::Hidden { variable, .. } => Some(*variable),
            ConfigError::Incomplete { .. } => None,
        };
        match variable {
            Some(variable) if unread.iter().any(|name| name == variable) => Self::Unread(variable),
            variable => Self::Wrong(err.to_string(), variable),
        }
    }
}

/// The operator's container.
fn container(deployment: &Deployment) -> Option<&Container> {
    let containers = &deployment.spec.as_ref()?.template.spec.as_ref()?.containers;
    containers.iter().find(|container| container.name == "k8supdater").or(containers.first())
}

/// Name of the `ServiceAccount` that a Deployment's pods run as.
pub(super) fn account(deployment: &Deployment) -> Option<String> {
    deployment.spec.as_ref()?.template.spec.as_ref()?.service_account_name.clone()
}

/// Whether it runs, as what, and with which configuration. Pure.
pub(super) fn findings(seen: &Seen, place: &Whereabouts) -> Vec<Finding> {
    let namespace = &place.namespace;
    let deployments = match &seen.deployments {
        Ok(deployments) => deployments,
        Err(why) => return vec![Group::Operator.unknown(format!("Deployments in {namespace}"), why.why())],
    };
    let Some(deployment) = deployments.first() else {
        let message = format!("there is none with the label {LABEL}: the operator is not installed in this namespace");
        let finding = Group::Operator.fault(format!("Deployment in {namespace}"), message);
        return vec![finding.mended_by("kubectl apply --server-side -k deploy, or say where it is with --namespace")];
    };
    let mut findings: Vec<Finding> = deployments.iter().map(|deployment| running(deployment, place)).collect();
    if deployments.len() > 1 {
        let message =
            format!("there are {} operators in this namespace, and they do everything twice", deployments.len());
        let list = format!("kubectl get deploy -n {namespace} -l {LABEL}");
        findings.push(Group::Operator.fault(format!("Deployments in {namespace}"), message).mended_by(list));
    }
    findings.extend(image(deployment, place));
    match &seen.pods {
        Ok(pods) => findings.extend(pods.iter().filter_map(|pod| crash(pod, place))),
        Err(why) => findings.push(Group::Operator.unknown(format!("Pods in {namespace}"), why.why())),
    }
    findings.extend(configuration(seen, place));
    findings
}

fn name(deployment: &Deployment, place: &Whereabouts) -> String {
    format!("Deployment {}/{}", place.namespace, deployment.name_any())
}

fn running(deployment: &Deployment, place: &Whereabouts) -> Finding {
    let (object, name) = (name(deployment, place), deployment.name_any());
    let namespace = &place.namespace;
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    let ready = status.ready_replicas.unwrap_or(0);
    let condition = status.conditions.iter().flatten().find(|condition| condition.type_ == "Available");
    let since = condition.and_then(|condition| condition.last_transition_time.as_ref());
    let since = since.map(|time| format!(" since {}", time.0)).unwrap_or_default();
    if wanted == 0 {
        let start = format!("kubectl scale -n {namespace} deploy/{name} --replicas 1");
        return Group::Operator.fault(object, "is scaled to 0: nobody looks after anything").mended_by(start);
    }
    if ready == 0 {
        let message = format!("no pod is ready{since}: nobody looks after anything");
        let look = format!("kubectl describe pods -n {namespace} -l {LABEL}");
        return Group::Operator.fault(object, message).mended_by(look);
    }
    if wanted > 1 {
        let message =
            format!("runs {wanted} replicas, which do not share the work: registries are asked {wanted} times");
        let one = format!("kubectl scale -n {namespace} deploy/{name} --replicas 1");
        return Group::Operator.warning(object, message).mended_by(one);
    }
    Group::Operator.ok(object, format!("is ready{since}"))
}

/// Whether the cluster runs the version that this program is.
fn image(deployment: &Deployment, place: &Whereabouts) -> Option<Finding> {
    if place.is_in_pod {
        return None;
    }
    let image = container(deployment)?.image.clone()?;
    let version = env!("CARGO_PKG_VERSION");
    let tag =
        image.split('@').next()?.rsplit_once(':').map(|(_, tag)| tag.to_owned()).filter(|tag| !tag.contains('/'))?;
    let is_same = tag.trim_start_matches('v').split(['-', '+']).next() == Some(version);
    (!is_same).then(|| {
        let message =
            format!("runs {image}, and this program is version {version}: what it expects of the cluster may differ");
        Group::Operator.warning(name(deployment, place), message).mended_by(place.exec("doctor"))
    })
}

/// What the last container of a pod that does not run has said.
fn crash(pod: &Pod, place: &Whereabouts) -> Option<Finding> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let (namespace, name) = (&place.namespace, pod.name_any());
    statuses.iter().find_map(|status| {
        let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
        let reason = waiting.and_then(|waiting| waiting.reason.clone()).filter(|reason| reason != "ContainerCreating");
        let ended = |state: &Option<ContainerState>| state.as_ref().and_then(|state| state.terminated.clone());
        let ended = ended(&status.state).or_else(|| ended(&status.last_state));
        if status.ready || (reason.is_none() && ended.is_none()) {
            return None;
        }
        let mut parts = vec![reason.unwrap_or_else(|| "does not run".to_owned())];
        if let Some(ended) = ended {
            let (restarts, code) = (status.restart_count, ended.exit_code);
            parts.push(format!("; it has been restarted {restarts} times and ended last with exit code {code}"));
            let said = ended.message.unwrap_or_default();
            let last = said.lines().rev().map(str::trim).find(|line| !line.is_empty());
            parts.extend(last.map(|last| format!(": {last}")));
        } else if let Some(said) = waiting.and_then(|waiting| waiting.message.clone()) {
            parts.push(format!(": {said}"));
        }
        let message = parts.concat();
        let log = if status.restart_count > 0 { " --previous" } else { "" };
        let look = format!("kubectl logs -n {namespace} {name}{log}");
        Some(Group::Operator.fault(format!("Pod {namespace}/{name}"), message).mended_by(look))
    })
}

fn configuration(seen: &Seen, place: &Whereabouts) -> Vec<Finding> {
    let Some(deployment) = seen.deployment() else { return Vec::new() };
    let object = format!("configuration of {}", name(deployment, place));
    let edit = format!("kubectl edit deploy -n {} {}", place.namespace, deployment.name_any());
    let start = seen.start(&place.namespace).unwrap_or_default();
    let known = RawConfig::variables();
    let unknown =
        start.variables.iter().map(|(name, _)| name).filter(|name| name.starts_with(PREFIX) && !known.contains(name));
    let mut findings: Vec<Finding> = unknown
        .map(|name| {
            let message = format!("{name} is no variable that this program knows; \"k8supdater --help\" lists them");
            let remove = format!("kubectl set env -n {} deploy/{} {name}-", place.namespace, deployment.name_any());
            Group::Operator.warning(object.clone(), message).mended_by(remove)
        })
        .collect();
    findings.extend(match seen.config(&place.namespace) {
        None => None,
        Some(Ok(_)) => {
            let unread = if start.unread.is_empty() {
                String::new()
            } else {
                format!("; not read: {}", start.unread.join(", "))
            };
            Some(Group::Operator.ok(object, format!("can be used{unread}")))
        }
        Some(Err(ConfigProblem::Unread(variable))) => {
            Some(Group::Operator.unknown(object, format!("cannot be judged without {variable}, which is not read")))
        }
        Some(Err(ConfigProblem::Args(message))) => Some(Group::Operator.fault(object, message).mended_by(edit)),
        Some(Err(ConfigProblem::Wrong(message, variable))) => {
            let remedy = variable.map_or(edit, |variable| {
                format!("kubectl set env -n {} deploy/{} {variable}-", place.namespace, deployment.name_any())
            });
            Some(Group::Operator.fault(object, message).mended_by(remedy))
        }
    });
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::doctor::finding::Level;

    fn seen(replicas: i32, ready: i32, container: &Value) -> Seen {
        let mut full = json!({"name": "k8supdater", "image": concat!("k8supdater:", env!("CARGO_PKG_VERSION"))});
        full.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
        let deployment = json!({
            "metadata": {"name": "k8supdater"},
            "spec": {"replicas": replicas, "selector": {}, "template": {"spec": {"containers": [full]}}},
            "status": {"readyReplicas": ready},
        });
        let deployments = Ok(vec![serde_json::from_value(deployment).unwrap()]);
        let data = [("host".to_owned(), "mail.example".to_owned())].into();
        Seen { deployments, pods: Ok(Vec::new()), config_maps: [("mail".to_owned(), data)].into() }
    }

    fn worst(seen: &Seen) -> Finding {
        let mut found = findings(seen, &Whereabouts::usual());
        found.sort_by_key(|finding| finding.level);
        found.pop().unwrap()
    }

    #[track_caller]
    fn check(seen: &Seen, level: Level, message: &str, remedy: Option<&str>) {
        let worst = worst(seen);
        assert_eq!(worst.level, level, "{worst:?}");
        assert!(worst.message.contains(message), "{worst:?}");
        assert!(remedy.is_none_or(|remedy| worst.remedy.as_deref() == Some(remedy)), "{worst:?}");
    }

    #[test]
    fn one_replica_of_this_version_is_ready() {
        check(&seen(1, 1, &json!({})), Level::Ok, "", None);
        let scale = "kubectl scale -n k8supdater deploy/k8supdater --replicas 1";
        check(&seen(0, 0, &json!({})), Level::Fault, "scaled to 0", Some(scale));
        check(&seen(2, 2, &json!({})), Level::Warning, "2 replicas", Some(scale));
        check(&seen(1, 0, &json!({})), Level::Fault, "no pod is ready", None);
        check(
            &seen(1, 1, &json!({"image": "r:5000/k8supdater:0.0.9"})),
            Level::Warning,
            "runs r:5000/k8supdater:0.0.9",
            None,
        );
        check(&seen(1, 1, &json!({"image": "k8supdater@sha256:00"})), Level::Ok, "", None);
        let none = Seen { deployments: Ok(Vec::new()), ..seen(1, 1, &json!({})) };
        check(&none, Level::Fault, "not installed in this namespace", None);
        let hidden = Seen { deployments: Err(Unseen::Forbidden("no".to_owned())), ..none };
        check(&hidden, Level::Unknown, "may not be looked at", None);
    }

    #[test]
    fn a_crash_loop_is_told_with_its_last_words() {
        let pod = json!({"metadata": {"name": "k8supdater-x"}, "status": {"containerStatuses": [{
            "name": "k8supdater", "image": "", "imageID": "", "ready": false, "restartCount": 7,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            "lastState": {"terminated": {"exitCode": 1, "message": "k8supdater: VERSIONS_FRONTIER is \"two\"\n"}},
        }]}});
        let seen = Seen { pods: Ok(vec![serde_json::from_value(pod).unwrap()]), ..seen(1, 0, &json!({})) };
        let found = findings(&seen, &Whereabouts::usual());
        let crash = found.iter().find(|finding| finding.object == "Pod k8supdater/k8supdater-x").unwrap();
        assert_eq!(
            crash.message,
            "CrashLoopBackOff; it has been restarted 7 times and ended last with exit code 1: k8supdater: VERSIONS_FRONTIER is \"two\""
        );
        assert_eq!(crash.remedy.as_deref(), Some("kubectl logs -n k8supdater k8supdater-x --previous"));
    }

    #[test]
    fn the_configuration_is_judged_without_reading_secrets() {
        let with = |env: Value| seen(1, 1, &json!({"env": env}));
        let wrong = with(json!([{"name": "VERSIONS_FRONTIER", "value": "two"}]));
        let unset = "kubectl set env -n k8supdater deploy/k8supdater VERSIONS_FRONTIER-";
        check(
            &wrong,
            Level::Fault,
            "VERSIONS_FRONTIER (or --frontier) is \"two\", expected a whole number",
            Some(unset),
        );
        let reference = |name: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
        let chat = json!({"name": "TELEGRAM_CHAT_ID", "value": "42"});
        check(&with(json!([chat, reference("TELEGRAM_TOKEN")])), Level::Ok, "not read: TELEGRAM_TOKEN", None);
        check(&with(json!([reference("TELEGRAM_TOKEN")])), Level::Fault, "but TELEGRAM_CHAT_ID is not", None);
        check(
            &with(json!([reference("EMAIL_PORT"), {"name": "EMAIL_HOST", "value": "m"},
            {"name": "EMAIL_SENDER", "value": "a@b.c"}, {"name": "EMAIL_RECIPIENT", "value": "a@b.c"}])),
            Level::Unknown,
            "without EMAIL_PORT",
            None,
        );
        let host = json!({"name": "EMAIL_HOST", "valueFrom": {"configMapKeyRef": {"name": "mail", "key": "host"}}});
        check(
            &with(json!([host])),
            Level::Fault,
            "EMAIL_HOST is set, but EMAIL_SENDER and EMAIL_RECIPIENT are not",
            None,
        );
        check(&with(json!([{"name": "K8SUPDATER_MINIMUMAGE", "value": "1h"}])), Level::Warning, "is no variable", None);
        check(&seen(1, 1, &json!({"args": ["--nonsense"]})), Level::Fault, "--nonsense", None);
        let watched = seen(1, 1, &json!({"args": ["--watch-namespaces=a,b"]}));
        assert_eq!(watched.config("k8supdater").unwrap().unwrap().watch_namespaces, ["a", "b"]);
    }
}
