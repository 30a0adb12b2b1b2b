//! `k8supdater rights`: prints what the operator has to be allowed to do, for whichever namespace it runs in.
//!
//! The one source is `deploy/operator/rbac.yaml`, which is compiled in; see [`documents`].

use std::io::Write;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

/// What is shipped.
const SHIPPED: &str = include_str!("../../../../deploy/operator/rbac.yaml");
/// Name of the shipped `ServiceAccount`.
const ACCOUNT: &str = "k8supdater";
/// How the names of roles end that are about what belongs to no namespace.
const ABOUT_NODES: &str = "-nodes";

/// Arguments of `rights`.
#[derive(Args, Debug)]
pub struct RightsArgs {
    /// Namespace of the operator.
    #[arg(long, value_name = "NAME", default_value = "k8supdater")]
    pub namespace: String,

    /// Name of its `ServiceAccount`.
    #[arg(long, value_name = "NAME", default_value = ACCOUNT)]
    pub service_account: String,

    /// Namespaces that the operator looks after, separated by commas, as in `WATCH_NAMESPACES`: the rights are given in these only [default:
    /// all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
}

/// Prints the objects as a YAML stream.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &RightsArgs) -> Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    for object in adapted(&args.namespace, &args.service_account, &args.watch_namespaces) {
        text.push_str("---\n");
        text.push_str(&serde_yaml_ng::to_string(&object)?);
    }
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// The shipped objects.
pub(super) fn documents() -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(SHIPPED)
        .map(|document| Value::deserialize(document).expect("a test has read what is compiled in"))
        .collect()
}

/// The shipped objects for an operator in `namespace` that watches these namespaces, or all of them. Pure.
fn adapted(namespace: &str, account: &str, watched: &[String]) -> Vec<Value> {
    let mut adapted = Vec::new();
    for mut object in documents() {
        for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            subject["namespace"] = json!(namespace);
            subject["name"] = json!(account);
        }
        let is_about_nodes = object["roleRef"]["name"].as_str().is_some_and(|role| role.ends_with(ABOUT_NODES));
        match object["kind"].as_str() {
            Some("ServiceAccount") => {
                object["metadata"]["name"] = json!(account);
                object["metadata"]["namespace"] = json!(namespace);
                adapted.push(object);
            }
            Some("Role" | "RoleBinding") => {
                object["metadata"]["namespace"] = json!(namespace);
                adapted.push(object);
            }
            Some("ClusterRoleBinding") if !watched.is_empty() && !is_about_nodes => {
                adapted.extend(watched.iter().map(|watched| {
                    let mut binding = object.clone();
                    binding["kind"] = json!("RoleBinding");
                    binding["metadata"]["namespace"] = json!(watched);
                    binding
                }));
            }
            Some("ClusterRoleBinding") if namespace != ACCOUNT => {
                // Another operator may have the usual name.
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                object["metadata"]["name"] = json!(format!("{name}-{namespace}"));
                adapted.push(object);
            }
            _ => adapted.push(object),
        }
    }
    adapted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind, namespace and name of each object.
    #[track_caller]
    fn check(namespace: &str, watched: &[&str], expected: &[&str]) {
        let watched: Vec<String> = watched.iter().map(|&name| name.to_owned()).collect();
        let found: Vec<String> = adapted(namespace, "me", &watched)
            .iter()
            .map(|object| {
                let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
                assert!(!object.as_object().unwrap().values().any(Value::is_null), "{object}");
                let (metadata, subjects) = (&object["metadata"], object["subjects"].as_array());
                for subject in subjects.into_iter().flatten() {
                    assert_eq!((&subject["name"], &subject["namespace"]), (&json!("me"), &json!(namespace)));
                }
                format!("{} {} {}", text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
            })
            .filter(|line| !line.starts_with("ClusterRole -"))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn rights_are_given_where_the_operator_is_and_where_it_looks() {
        check(
            "k8supdater",
            &[],
            &[
                "ServiceAccount k8supdater me",
                "ClusterRoleBinding - k8supdater",
                "ClusterRoleBinding - k8supdater-secrets",
                "ClusterRoleBinding - k8supdater-nodes",
                "Role k8supdater k8supdater",
                "RoleBinding k8supdater k8supdater",
            ],
        );
        check(
            "ops",
            &["a", "b"],
            &[
                "ServiceAccount ops me",
                "RoleBinding a k8supdater",
                "RoleBinding b k8supdater",
                "RoleBinding a k8supdater-secrets",
                "RoleBinding b k8supdater-secrets",
                "ClusterRoleBinding - k8supdater-nodes-ops",
                "Role ops k8supdater",
                "RoleBinding ops k8supdater",
            ],
        );
    }
}
