//! Fits the objects of `deploy` to another namespace, another `ServiceAccount`, another image, or a few namespaces instead of all. Pure.

use serde_yaml_ng::{Mapping, Value};

/// The `ClusterRole` on objects that belong to no namespace, which no Role can give.
const NODES: &str = "k8supdater-nodes";
/// The variable in which the operator is told the namespaces.
const WATCH_NAMESPACES: &str = "WATCH_NAMESPACES";

/// What is to be another way than in `deploy`.
#[derive(Clone, Copy, Debug)]
pub struct Adaptation<'a> {
    /// Namespace of the operator.
    pub namespace: &'a str,
    /// Name of the one `ServiceAccount` that all the objects are about, if another one.
    pub account: Option<&'a str>,
    /// Image of the operator and of the Job, if another one.
    pub image: Option<&'a str>,
    /// The namespaces to look after; all if there are none.
    pub watch_namespaces: &'a [String],
}

/// The same objects, adapted. Rights on the whole cluster become the same rights in each of the namespaces to look after, if any are named.
pub fn adapt(objects: Vec<Value>, to: &Adaptation) -> Vec<Value> {
    objects.into_iter().flat_map(|object| confine(place(object, to), to.watch_namespaces)).collect()
}

/// Puts an object into the operator's namespace, with its image.
fn place(mut object: Value, to: &Adaptation) -> Value {
    match kind(&object) {
        "Namespace" => object["metadata"]["name"] = to.namespace.into(),
        "ServiceAccount" => rename(&mut object["metadata"], to.account),
        "Deployment" | "Job" => set_up_pod(&mut object, to),
        _ => {}
    }
    if object["metadata"].get("namespace").is_some() {
        object["metadata"]["namespace"] = to.namespace.into();
    }
    for subject in object.get_mut("subjects").and_then(Value::as_sequence_mut).into_iter().flatten() {
        subject["namespace"] = to.namespace.into();
        rename(subject, to.account);
    }
    object
}

fn rename(object: &mut Value, name: Option<&str>) {
    if let Some(name) = name {
        object["name"] = name.into();
    }
}

fn set_up_pod(workload: &mut Value, to: &Adaptation) {
    let is_operator = kind(workload) == "Deployment";
    let containers = workload["spec"]["template"]["spec"]["containers"].as_sequence_mut();
    for container in containers.into_iter().flatten() {
        if let Some(image) = to.image {
            container["image"] = image.into();
        }
        let env = container.get_mut("env").and_then(Value::as_sequence_mut);
        if let Some(env) = env.filter(|_| is_operator && !to.watch_namespaces.is_empty()) {
            let mut variable = Mapping::new();
            variable.insert("name".into(), WATCH_NAMESPACES.into());
            variable.insert("value".into(), to.watch_namespaces.join(",").into());
            env.push(variable.into());
        }
    }
}

/// What becomes of an object if the operator is to have rights in `namespaces` only: of one for the whole cluster, one for each of them.
fn confine(object: Value, namespaces: &[String]) -> Vec<Value> {
    let narrower = match kind(&object) {
        _ if namespaces.is_empty() => None,
        "ClusterRole" => Some("Role"),
        "ClusterRoleBinding" => Some("RoleBinding"),
        _ => None,
    };
    let Some(narrower) = narrower else { return vec![object] };
    if object["metadata"]["name"] == NODES {
        return Vec::new();
    }
    let confined = |namespace: &String| {
        let mut object = object.clone();
        object["kind"] = narrower.into();
        if object.get("roleRef").is_some() {
            object["roleRef"]["kind"] = "Role".into();
        }
        let mut metadata = Mapping::new();
        for (key, value) in object["metadata"].as_mapping().into_iter().flatten() {
            metadata.insert(key.clone(), value.clone());
            if key == "name" {
                metadata.insert("namespace".into(), namespace.as_str().into());
            }
        }
        object["metadata"] = metadata.into();
        object
    };
    namespaces.iter().map(confined).collect()
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = "
kind: Namespace
metadata: {name: k8supdater}
---
kind: ServiceAccount
metadata: {name: me, namespace: k8supdater}
---
kind: ClusterRole
metadata: {name: k8supdater-secrets, labels: {a: b}}
rules: [{resources: [secrets], verbs: [get]}]
---
kind: ClusterRoleBinding
metadata: {name: k8supdater-secrets}
roleRef: {kind: ClusterRole, name: k8supdater-secrets}
subjects: [{kind: ServiceAccount, name: me, namespace: k8supdater}]
---
kind: ClusterRole
metadata: {name: k8supdater-nodes}
---
kind: ClusterRoleBinding
metadata: {name: k8supdater-nodes}
---
kind: Role
metadata: {name: k8supdater, namespace: k8supdater}
---
kind: Deployment
metadata: {name: k8supdater, namespace: k8supdater}
spec: {template: {spec: {containers: [{image: shipped, env: [{name: A, value: b}]}]}}}
---
kind: Job
metadata: {name: job, namespace: k8supdater}
spec: {template: {spec: {containers: [{image: shipped, env: []}]}}}
";

    const USUAL: Adaptation = Adaptation { namespace: "k8supdater", account: None, image: None, watch_namespaces: &[] };

    fn parse(stream: &str) -> Vec<Value> {
        super::super::parse(&[stream]).unwrap()
    }

    #[track_caller]
    fn check(to: &Adaptation, expected: &str) {
        assert_eq!(
            serde_yaml_ng::to_string(&adapt(parse(SHIPPED), to)).unwrap(),
            serde_yaml_ng::to_string(&parse(expected)).unwrap()
        );
    }

    #[test]
    fn without_wishes_everything_stays_as_it_is() {
        check(&USUAL, SHIPPED);
    }

    #[test]
    fn namespace_and_image_are_replaced_everywhere() {
        let expected = SHIPPED.replace("namespace: k8supdater", "namespace: updates").replace("shipped", "mine:1");
        let expected = expected.replacen("name: k8supdater}", "name: updates}", 1);
        check(&Adaptation { namespace: "updates", image: Some("mine:1"), ..USUAL }, &expected);
    }

    #[test]
    fn the_account_is_replaced_in_itself_and_in_what_is_given_to_it() {
        let to = Adaptation { account: Some("updater"), ..USUAL };
        check(&to, &SHIPPED.replace("name: me,", "name: updater,"));
    }

    #[test]
    fn rights_on_the_cluster_become_rights_in_the_namespaces_and_those_on_nodes_go() {
        let watch_namespaces = ["a".to_owned(), "b".to_owned()];
        let expected = "
kind: Namespace
metadata: {name: k8supdater}
---
kind: ServiceAccount
metadata: {name: me, namespace: k8supdater}
---
kind: Role
metadata: {name: k8supdater-secrets, namespace: a, labels: {a: b}}
rules: [{resources: [secrets], verbs: [get]}]
---
kind: Role
metadata: {name: k8supdater-secrets, namespace: b, labels: {a: b}}
rules: [{resources: [secrets], verbs: [get]}]
---
kind: RoleBinding
metadata: {name: k8supdater-secrets, namespace: a}
roleRef: {kind: Role, name: k8supdater-secrets}
subjects: [{kind: ServiceAccount, name: me, namespace: k8supdater}]
---
kind: RoleBinding
metadata: {name: k8supdater-secrets, namespace: b}
roleRef: {kind: Role, name: k8supdater-secrets}
subjects: [{kind: ServiceAccount, name: me, namespace: k8supdater}]
---
kind: Role
metadata: {name: k8supdater, namespace: k8supdater}
---
kind: Deployment
metadata: {name: k8supdater, namespace: k8supdater}
spec: {template: {spec: {containers: [{image: shipped, env: [{name: A, value: b}, {name: WATCH_NAMESPACES, value: 'a,b'}]}]}}}
---
kind: Job
metadata: {name: job, namespace: k8supdater}
spec: {template: {spec: {containers: [{image: shipped, env: []}]}}}
";
        check(&Adaptation { watch_namespaces: &watch_namespaces, ..USUAL }, expected);
    }
}
