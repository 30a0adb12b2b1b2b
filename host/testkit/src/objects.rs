//! Objects as users write them.
//!
//! Handlers and plugins are built as JSON, because tests also write ones that the operator's own types could not hold; see
//! [`DynamicObject`].

use std::collections::BTreeMap;
use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, LocalObjectReference, Secret, ServiceAccount};
use kube::Resource;
use kube::api::{ApiResource, DynamicObject};
use kube::core::{GroupVersionKind, ObjectMeta};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A Deployment with one pod, and one container for each name and image.
pub fn deployment(name: &str, containers: &[(&str, &str)]) -> Deployment {
    deployment_with(name, containers, &json!({}))
}

/// The same with further fields of its spec, such as `replicas` or `progressDeadlineSeconds`.
///
/// # Panics
/// When `spec` does not fit.
pub fn deployment_with(name: &str, containers: &[(&str, &str)], spec: &Value) -> Deployment {
    workload(name, containers, &json!({"replicas": 1}), spec)
}

/// A StatefulSet with one pod, one container for each name and image, and further fields of its spec, such as `updateStrategy`.
///
/// # Panics
/// When `spec` does not fit.
pub fn stateful_set(name: &str, containers: &[(&str, &str)], spec: &Value) -> StatefulSet {
    workload(name, containers, &json!({"replicas": 1, "serviceName": name}), spec)
}

/// A DaemonSet with one container for each name and image, and further fields of its spec.
///
/// # Panics
/// When `spec` does not fit.
pub fn daemon_set(name: &str, containers: &[(&str, &str)], spec: &Value) -> DaemonSet {
    workload(name, containers, &json!({}), spec)
}

/// A CronJob with one container for each name and image, and further fields of its spec. It starts nothing by itself before the next year.
///
/// # Panics
/// When `spec` does not fit.
pub fn cron_job(name: &str, containers: &[(&str, &str)], spec: &Value) -> CronJob {
    let pod = json!({"containers": described(containers), "restartPolicy": "Never"});
    let job = json!({"spec": {"template": {"metadata": {"labels": {"app": name}}, "spec": pod}}});
    let mut object = json!({"metadata": {"name": name}, "spec": {"schedule": "0 0 1 1 *", "jobTemplate": job}});
    merge(&mut object["spec"], spec);
    serde_json::from_value(object).expect("the fields of spec are those of a CronJob")
}

/// A Job of this CronJob, as `kubectl create job NAME --from=cronjob/…` makes it.
///
/// # Panics
/// When the CronJob has not been created, and so has no uid.
pub fn job_of(cron_job: &CronJob, name: &str) -> Job {
    Job {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            owner_references: Some(vec![cron_job.controller_owner_ref(&()).expect("the CronJob has a name and a uid")]),
            ..ObjectMeta::default()
        },
        spec: cron_job.spec.job_template.spec.clone(),
        ..Job::default()
    }
}

fn workload<K: DeserializeOwned>(name: &str, containers: &[(&str, &str)], usual: &Value, spec: &Value) -> K {
    let labels = json!({"app": name});
    let mut object = json!({"metadata": {"name": name}, "spec": usual});
    let pods = json!({
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": described(containers)}},
    });
    merge(&mut object["spec"], &pods);
    merge(&mut object["spec"], spec);
    serde_json::from_value(object).expect("the fields of spec are those of the kind")
}

fn described(containers: &[(&str, &str)]) -> Vec<Value> {
    containers.iter().map(|(name, image)| json!({"name": name, "image": image})).collect()
}

/// The Deployment with these fields laid over those of its pods: `imagePullSecrets`, `serviceAccountName`, `nodeSelector` …
///
/// # Panics
/// When `fields` do not fit.
#[must_use]
pub fn with_pod(deployment: &Deployment, fields: &Value) -> Deployment {
    change(deployment, |object| merge(&mut object["spec"]["template"]["spec"], fields))
}

/// The Deployment with these fields laid over those of one container: `imagePullPolicy` …
///
/// # Panics
/// When `fields` do not fit, or there is no such container.
#[must_use]
pub fn with_container(deployment: &Deployment, container: &str, fields: &Value) -> Deployment {
    change(deployment, |object| {
        let containers = object["spec"]["template"]["spec"]["containers"].as_array_mut();
        let found = containers.into_iter().flatten().find(|found| found["name"] == container);
        merge(found.unwrap_or_else(|| panic!("there is no container {container}")), fields);
    })
}

/// The Deployment with pods that pull their images with these Secrets; see [`pull_secret`].
#[must_use]
pub fn with_pull_secrets(deployment: &Deployment, secrets: &[&str]) -> Deployment {
    with_pod(deployment, &json!({"imagePullSecrets": references(secrets)}))
}

/// A `VersioningHandler` that looks after the Deployment of the same name with the plugin `oci` every second, and the frontier at 2.
/// `spec` says what is different; if it has a `workload` or a `selector`, that takes the place of the Deployment.
pub fn handler(name: &str, spec: &Value) -> DynamicObject {
    let mut object = json!({"deployment": name, "containerregistry": "oci", "frontier": 2, "interval": "1s"});
    if spec.get("workload").or(spec.get("selector")).is_some() {
        merge(&mut object, &json!({"deployment": null}));
    }
    merge(&mut object, spec);
    DynamicObject::new(name, &handlers()).data(json!({"spec": object}))
}

/// A Plugin whose bytes are in the ConfigMap of the same name. `spec` adds grants, settings and limits.
///
/// It may take its time: the deadline of a call is time that passes, and on a machine that runs several tests at once much of it passes without
/// the plugin. `"limits": null` in `spec` gives it the usual one.
pub fn plugin(name: &str, spec: &Value) -> DynamicObject {
    let mut object = json!({"source": {"configMap": {"name": name}}, "limits": {"deadline": "2s"}});
    merge(&mut object, spec);
    DynamicObject::new(name, &plugins()).data(json!({"spec": object}))
}

/// How the bytes of a component lie in a ConfigMap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As they are, under `plugin.wasm`.
    Plain,
    /// Compressed, under `plugin.wasm.gz`.
    Gzip,
}

/// A ConfigMap with the bytes of a component.
pub fn config_map(name: &str, bytes: &[u8], packing: Packing) -> ConfigMap {
    let (key, bytes) = match packing {
        Packing::Plain => ("plugin.wasm", bytes.to_vec()),
        Packing::Gzip => ("plugin.wasm.gz", gzip(bytes)),
    };
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        binary_data: Some(BTreeMap::from([(key.to_owned(), ByteString(bytes))])),
        ..ConfigMap::default()
    }
}

/// A Secret with these keys.
pub fn secret(name: &str, values: &[(&str, &str)]) -> Secret {
    Secret {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        string_data: Some(values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()),
        ..Secret::default()
    }
}

/// A Secret of the type `kubernetes.io/dockerconfigjson`, as `kubectl create secret docker-registry` makes it: a user name and a password
/// for each registry, which is a host with a port if it has one, or a URL
/// (<https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/>).
pub fn pull_secret(name: &str, logins: &[(&str, &str, &str)]) -> Secret {
    let entry = |(registry, username, password): &(&str, &str, &str)| {
        let auth = BASE64_STANDARD.encode(format!("{username}:{password}"));
        ((*registry).to_owned(), json!({"username": username, "password": password, "auth": auth}))
    };
    let config = json!({"auths": logins.iter().map(entry).collect::<serde_json::Map<_, _>>()}).to_string();
    Secret {
        type_: Some("kubernetes.io/dockerconfigjson".to_owned()),
        ..secret(name, &[(".dockerconfigjson", &config)])
    }
}

/// A `ServiceAccount` whose pods pull their images with these Secrets.
pub fn service_account(name: &str, pull_secrets: &[&str]) -> ServiceAccount {
    ServiceAccount {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        image_pull_secrets: Some(references(pull_secrets)),
        ..ServiceAccount::default()
    }
}

/// The kind `VersioningHandler`, for clients that have no type for it.
pub fn handlers() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("k8supdater.dev", "v1", "VersioningHandler"))
}

/// The kind `Plugin`, for clients that have no type for it.
pub fn plugins() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("k8supdater.dev", "v1", "Plugin"))
}

fn references(names: &[&str]) -> Vec<LocalObjectReference> {
    names.iter().map(|name| LocalObjectReference { name: (*name).to_owned() }).collect()
}

/// Changes a Deployment as JSON.
fn change(deployment: &Deployment, change: impl FnOnce(&mut Value)) -> Deployment {
    let mut object = serde_json::to_value(deployment).expect("a Deployment can be written as JSON");
    change(&mut object);
    serde_json::from_value(object).expect("the fields are those of a Deployment")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing into memory cannot fail")
}

/// Lays the keys of `over` over those of `object`; null removes one.
fn merge(object: &mut Value, over: &Value) {
    let (Some(object), Some(over)) = (object.as_object_mut(), over.as_object()) else { panic!("{over} is no object") };
    for (key, value) in over {
        if value.is_null() {
            object.remove(key);
        } else {
            object.insert(key.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_says_is_laid_over_what_is_usual() {
        let built = handler("web", &json!({"frontier": null, "interval": "5s", "suspend": true}));
        let expected = json!({"deployment": "web", "containerregistry": "oci", "interval": "5s", "suspend": true});
        assert_eq!(built.data["spec"], expected);
        let other = handler("db", &json!({"workload": {"kind": "StatefulSet", "name": "db"}}));
        assert_eq!(other.data["spec"].get("deployment"), None);
        assert_eq!((handlers().plural.as_str(), plugins().plural.as_str()), ("versioninghandlers", "plugins"));
    }

    #[test]
    fn pods_and_containers_are_told_how_to_pull() {
        let plain = deployment("web", &[("app", "r/a:1"), ("side", "r/b:1")]);
        let built = with_container(&plain, "side", &json!({"imagePullPolicy": "Never"}));
        let built = with_pull_secrets(&built, &["one", "two"]);
        let built = with_pod(&built, &json!({"serviceAccountName": "robot", "nodeSelector": {"disk": "ssd"}}));
        let pod =
            |deployment: &Deployment| serde_json::to_value(deployment).unwrap()["spec"]["template"]["spec"].clone();
        let mut expected = pod(&plain);
        expected["containers"][1]["imagePullPolicy"] = json!("Never");
        expected["imagePullSecrets"] = json!([{"name": "one"}, {"name": "two"}]);
        expected["serviceAccountName"] = json!("robot");
        expected["nodeSelector"] = json!({"disk": "ssd"});
        assert_eq!(pod(&built), expected);
    }

    #[test]
    fn a_pull_secret_is_what_kubectl_makes() {
        let secret = pull_secret("pull", &[("127.0.0.1:5000", "robot", "s3cret"), ("r.example", "a", "b")]);
        assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/dockerconfigjson"));
        let found: Value = serde_json::from_str(&secret.string_data.unwrap()[".dockerconfigjson"]).unwrap();
        let expected = json!({"auths": {
            "127.0.0.1:5000": {"username": "robot", "password": "s3cret", "auth": "cm9ib3Q6czNjcmV0"},
            "r.example": {"username": "a", "password": "b", "auth": "YTpi"},
        }});
        assert_eq!(found, expected);
        let account = serde_json::to_value(service_account("robot", &["pull"])).unwrap();
        assert_eq!(account["imagePullSecrets"], json!([{"name": "pull"}]));
    }

    #[test]
    fn a_compressed_component_is_smaller_and_named_so() {
        let map = config_map("oci", &[0; 10_000], Packing::Gzip).binary_data.unwrap();
        assert!(map["plugin.wasm.gz"].0.len() < 1_000);
    }
}
