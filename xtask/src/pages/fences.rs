//! The YAML on a page, made whole. Pure.
//!
//! A fence whose word is `yaml` holds objects that an API server takes as they are, or parts that are completed here: a `spec` becomes that of a
//! VersioningHandler or a Plugin, a list of variables that of a Deployment. YAML that is neither says so with a second word, [`OTHERS`], and may
//! hold nothing of ours then: so nothing of ours escapes the API server.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_yaml_ng as yaml;

use super::markdown::Fence;

/// Second words for YAML that an API server cannot be asked about, because it is for another program.
pub const OTHERS: [&str; 5] = ["values", "kustomization", "prometheus", "flux", "argocd"];

/// Our API group.
const GROUP: &str = "k8supdater.dev/";

/// What shows that a `spec` is that of a Plugin.
const PLUGIN_FIELDS: [&str; 4] = ["source", "grants", "limits", "notices"];

/// The objects of a fence; none if it holds no YAML, or that of another program.
///
/// # Errors
/// When it is no YAML, cannot be completed to an object, or hides one of ours.
pub fn objects(fence: &Fence) -> Result<Vec<Value>> {
    let words: Vec<&str> = fence.words.iter().map(String::as_str).collect();
    let is_other = match words.as_slice() {
        ["yaml"] => false,
        ["yaml", other] if OTHERS.contains(other) => true,
        ["yaml" | "yml", ..] => {
            bail!(
                "`{}` is no word for YAML; there are `yaml`, and `yaml` with one of {}",
                words.join(" "),
                OTHERS.join(", ")
            )
        }
        _ => return Ok(Vec::new()),
    };
    let mut objects = Vec::new();
    for document in yaml::Deserializer::from_str(&fence.text) {
        let document = Value::deserialize(document).context("it is no YAML")?;
        match is_other {
            false => objects.push(complete(document)?),
            true if is_ours(&document) => {
                bail!("something of ours is hidden from the API server: leave out the second word")
            }
            true => {}
        }
    }
    Ok(objects)
}

fn is_ours(document: &Value) -> bool {
    let version = document["apiVersion"].as_str().unwrap_or_default();
    let is_handler = document["spec"].get("containerregistry").is_some();
    version.starts_with(GROUP) || is_handler
}

/// A document as an object that can be applied.
fn complete(mut document: Value) -> Result<Value> {
    if document.get("apiVersion").is_some() && document.get("kind").is_some() {
        without_ellipsis(&mut document);
        return Ok(document);
    }
    let is_variable =
        |it: &Value| it.get("name").is_some() && (it.get("value").is_some() || it.get("valueFrom").is_some());
    let is_env = document.as_object().is_some_and(|fields| fields.len() == 1);
    let variables = if is_env { &document["env"] } else { &document };
    if variables.as_array().is_some_and(|variables| variables.iter().all(is_variable)) {
        return Ok(deployment(variables));
    }
    let fields = document.as_object_mut().context("it is no object, and no part of one")?;
    let is_part = fields.keys().all(|key| matches!(key.as_str(), "spec" | "metadata"));
    let Some(spec) = fields.get_mut("spec").filter(|_| is_part).and_then(Value::as_object_mut) else {
        bail!(
            "it is neither an object, nor a `spec` of ours, nor variables; if it is for another program, say which: {}",
            OTHERS.join(", ")
        );
    };
    let is_plugin = spec.keys().any(|field| PLUGIN_FIELDS.contains(&field.as_str()));
    let kind = if is_plugin {
        spec.entry("source").or_insert(json!({"configMap": {"name": "plugin"}}));
        "Plugin"
    } else {
        if !["deployment", "workload", "selector"].iter().any(|workload| spec.contains_key(*workload)) {
            spec.insert("deployment".to_owned(), "web".into());
        }
        spec.entry("containerregistry").or_insert("oci".into());
        "VersioningHandler"
    };
    let mut metadata = json!({"name": "web"});
    for (key, value) in fields.get("metadata").and_then(Value::as_object).into_iter().flatten() {
        metadata[key] = value.clone();
    }
    Ok(json!({"apiVersion": format!("{GROUP}v1"), "kind": kind, "metadata": metadata, "spec": fields["spec"]}))
}

/// A Deployment whose only container has these variables.
fn deployment(variables: &Value) -> Value {
    let labels = json!({"app": "web"});
    let container = json!({"name": "app", "image": "app:1.0.0", "env": variables});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    })
}

/// Takes the `…` away that stands on pages for the rest of some bytes.
fn without_ellipsis(object: &mut Value) {
    for value in
        object.get_mut("binaryData").and_then(Value::as_object_mut).into_iter().flat_map(|data| data.values_mut())
    {
        if let Some(begun) = value.as_str().and_then(|text| text.strip_suffix('…')) {
            *value = begun.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str, text: &str) -> Result<Vec<Value>> {
        let words = words.split(' ').map(str::to_owned).collect();
        objects(&Fence { line: 1, words, text: text.to_owned() })
    }

    fn check(words: &str, text: &str, expected: &[Value]) {
        assert_eq!(read(words, text).unwrap(), expected, "{words}: {text}");
    }

    #[track_caller]
    fn check_refused(words: &str, text: &str, expected: &str) {
        let err = format!("{:#}", read(words, text).unwrap_err());
        assert!(err.contains(expected), "{words}: {text}: {err}");
    }

    #[test]
    fn parts_of_our_kinds_are_completed_and_whole_objects_are_not() {
        check(
            "yaml",
            "spec:\n  frontier: 2\n---\nspec: {workload: {kind: CronJob, name: x}, containerregistry: gitlab}\n",
            &[
                json!({"apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "metadata": {"name": "web"},
                    "spec": {"frontier": 2, "deployment": "web", "containerregistry": "oci"}}),
                json!({"apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "metadata": {"name": "web"},
                    "spec": {"workload": {"kind": "CronJob", "name": "x"}, "containerregistry": "gitlab"}}),
            ],
        );
        check(
            "yaml",
            "spec: {grants: {origins: [$registry]}}",
            &[json!({"apiVersion": "k8supdater.dev/v1", "kind": "Plugin", "metadata": {"name": "web"},
                "spec": {"grants": {"origins": ["$registry"]}, "source": {"configMap": {"name": "plugin"}}}})],
        );
        check(
            "yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nbinaryData: {x: H4sI…}\n",
            &[json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "binaryData": {"x": "H4sI"}})],
        );
    }

    #[test]
    fn variables_are_those_of_a_container_however_they_are_shown() {
        let list = "- {name: A, value: b}\n- {name: C, valueFrom: {secretKeyRef: {name: d, key: e}}}\n";
        let variables = read("yaml", list).unwrap();
        let container = &variables[0]["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["env"][1]["valueFrom"]["secretKeyRef"]["name"], "d");
        assert_eq!(
            read("yaml", "env:\n- {name: A, value: b}\n").unwrap(),
            read("yaml", "- {name: A, value: b}").unwrap()
        );
        check_refused("yaml", "env: [A]", "say which: values");
    }

    #[test]
    fn yaml_of_other_programs_says_so_and_hides_nothing() {
        check("yaml values", "replicas: 2", &[]);
        check("sh", "kubectl: [", &[]);
        check_refused("yaml", "replicas: 2", "say which: values");
        check_refused("yaml ignored", "a: 1", "`yaml ignored` is no word for YAML");
        check_refused("yaml", "a: [", "it is no YAML");
        check_refused("yaml values", "apiVersion: k8supdater.dev/v1\nkind: Plugin", "hidden from the API server");
        check_refused("yaml values", "spec: {containerregistry: oci}", "hidden from the API server");
    }
}
