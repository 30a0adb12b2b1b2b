//! What a kubelet does with a pod of ours: reads in it how its container is started, and says in its status what became of it.
//!
//! There is no kubelet on a control plane without containers, and simulated nodes only pretend. The operator and the installer of its plugins
//! really run, as processes here, but with the arguments, the environment and the account that their pods say, so that a mistake there shows.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::control_plane::credentials::write_secret;
use crate::kubectl::Kubectl;

/// Where the token of a pod's `ServiceAccount` is mounted
/// (<https://kubernetes.io/docs/concepts/security/service-accounts/#assign-to-pod>).
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The only container of a pod, as far as it can be had here: what its image would bring along comes from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    name: String,
    image: String,
    namespace: String,
    account: String,
    /// Arguments of the image's program.
    pub args: Vec<String>,
    /// All of its environment that the pod says.
    pub env: Vec<(String, String)>,
}

impl Container {
    /// Reads a pod, or the template of one that was given a name and a namespace. Its empty volumes are directories below `disk`.
    ///
    /// # Errors
    /// When it has what cannot be had here, or gets no token.
    pub fn read(pod: &Value, disk: &Path) -> Result<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (metadata, spec) = (&pod["metadata"], &pod["spec"]);
        let containers = list(&spec["containers"]);
        let [container] = containers.as_slice() else { bail!("{} containers instead of one", containers.len()) };
        if !container["command"].is_null() || !container["envFrom"].is_null() {
            bail!("the container has a command or envFrom, which nobody reads here");
        }
        // Pods that leave it to their account have to look there whether they get one.
        if spec["automountServiceAccountToken"] != true {
            bail!("the pod does not ask for the token of its ServiceAccount");
        }
        let mounts = mounts(spec, container, disk)?;
        let mut env = Vec::new();
        for variable in list(&container["env"]) {
            let name = text(&variable["name"]).context("a variable has a name")?;
            let value = match (text(&variable["value"]), &variable["valueFrom"]["fieldRef"]["fieldPath"]) {
                (Some(value), _) => value,
                (None, path) if path == "metadata.namespace" => text(&metadata["namespace"]).context("no namespace")?,
                (None, path) if path == "metadata.name" => text(&metadata["name"]).context("no name")?,
                _ => bail!("the variable {name} comes from where nobody looks here: {variable}"),
            };
            env.push((name, on_disk(&value, &mounts)));
        }
        Ok(Self {
            name: text(&container["name"]).context("a container has a name")?,
            image: text(&container["image"]).context("a container has an image")?,
            namespace: text(&metadata["namespace"]).context("no namespace")?,
            account: text(&spec["serviceAccountName"]).context("the pod names no ServiceAccount")?,
            args: list(&container["args"]).iter().filter_map(text).collect(),
            env,
        })
    }

    /// Writes a kubeconfig with the rights of the pod's `ServiceAccount`, and no others.
    ///
    /// # Errors
    /// When the API server gives no token, or the file cannot be written.
    pub fn write_kubeconfig(&self, kubectl: &Kubectl, path: &Path) -> Result<()> {
        let config = kubectl.json("config view --minify --flatten --raw")?;
        let token = kubectl.output(&format!("-n {} create token {}", self.namespace, self.account))?;
        write_secret(path, &format!("{:#}\n", with_token(&config, token.trim())))
    }

    /// Status of a pod whose container has ended.
    pub fn ended(&self, has_succeeded: bool) -> Value {
        let (phase, reason, code) = if has_succeeded { ("Succeeded", "Completed", 0) } else { ("Failed", "Error", 1) };
        self.status(phase, &json!({"terminated": {"exitCode": code, "reason": reason}}))
    }

    /// Status of a pod whose container runs.
    pub fn running(&self) -> Value {
        self.status("Running", &json!({"running": {}}))
    }

    fn status(&self, phase: &str, state: &Value) -> Value {
        let container = json!({
            "name": self.name, "image": self.image, "imageID": "", "ready": false, "restartCount": 0, "state": state,
        });
        json!({"status": {"phase": phase, "containerStatuses": [container]}})
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Where in the container, and where here.
fn mounts(spec: &Value, container: &Value, disk: &Path) -> Result<Vec<(String, PathBuf)>> {
    let volumes = list(&spec["volumes"]);
    let mut mounts = Vec::new();
    for mount in list(&container["volumeMounts"]) {
        let path = mount["mountPath"].as_str().context("a mount has a path")?;
        if path == TOKEN {
            continue;
        }
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]);
        let name = volume.filter(|volume| volume["emptyDir"].is_object()).and_then(|volume| volume["name"].as_str());
        let name = name.with_context(|| format!("{path} is no volume that is empty at first"))?;
        mounts.push((path.to_owned(), disk.join(name)));
    }
    Ok(mounts)
}

/// `value`, or what it is here if it is a path on one of `mounts`.
fn on_disk(value: &str, mounts: &[(String, PathBuf)]) -> String {
    let found = mounts.iter().find_map(|(path, here)| {
        let rest = Path::new(value).strip_prefix(path).ok()?;
        Some(here.join(rest).display().to_string())
    });
    found.unwrap_or_else(|| value.to_owned())
}

/// The cluster of `config`, for the bearer of `token`.
fn with_token(config: &Value, token: &str) -> Value {
    let name = "pod";
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": config["clusters"][0]["cluster"]}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Value {
        json!({
            "metadata": {"name": "p", "namespace": "ns"},
            "spec": {
                "serviceAccountName": "account",
                "automountServiceAccountToken": true,
                "containers": [{
                    "name": "c", "image": "i", "args": ["a", "--b"],
                    "env": [
                        {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                        {"name": "CACHE", "value": "/var/cache/x"},
                        {"name": "PLAIN", "value": "/var/cachet"},
                    ],
                    "volumeMounts": [{"name": "cache", "mountPath": "/var/cache"}, {"name": "token", "mountPath": TOKEN}],
                }],
                "volumes": [{"name": "cache", "emptyDir": {}}, {"name": "token", "projected": {}}],
            },
        })
    }

    #[test]
    fn a_container_is_started_as_its_pod_says() {
        let container = Container::read(&pod(), Path::new("/disk")).unwrap();
        assert_eq!(container.args, ["a", "--b"]);
        let env = [("NAMESPACE", "ns"), ("NAME", "p"), ("CACHE", "/disk/cache/x"), ("PLAIN", "/var/cachet")];
        assert_eq!(container.env, env.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!((container.account.as_str(), container.namespace.as_str()), ("account", "ns"));
        assert_eq!(container.ended(false)["status"]["phase"], "Failed");
    }

    #[test]
    fn what_cannot_be_had_here_is_not_passed_over() {
        let check = |pointer: &str, value: Value, expected: &str| {
            let mut pod = pod();
            *pod.pointer_mut(pointer).unwrap() = value;
            let message = Container::read(&pod, Path::new("/disk")).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        check("/spec/containers", json!([]), "0 containers");
        check("/spec/containers/0/env/0/valueFrom", json!({"secretKeyRef": {}}), "NAMESPACE comes from where");
        check("/spec/volumes/0", json!({"name": "cache", "hostPath": {}}), "/var/cache is no volume");
        check("/spec/automountServiceAccountToken", json!(null), "does not ask for the token");
        check("/spec/serviceAccountName", json!(null), "names no ServiceAccount");
    }

    #[test]
    fn nothing_of_the_administrators_rights_gets_into_a_pods_kubeconfig() {
        let config = json!({
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority-data": "QQ=="}}],
            "users": [{"name": "admin", "user": {"token": "secret-of-admin"}}],
        });
        let text = with_token(&config, "t").to_string();
        assert!(text.contains("https://127.0.0.1:1") && text.contains("QQ=="), "{text}");
        assert!(!text.contains("admin"), "{text}");
    }
}
