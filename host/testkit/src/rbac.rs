//! The operator's rights as they are shipped, given to a `ServiceAccount` of each test.
//!
//! Whatever the operator needs beyond `deploy/operator/rbac.yaml` is refused, and a test fails. Two things are changed so that tests can
//! run side by side: the operator's namespace, and the rights on handlers and workloads, which are given by Roles in the watched namespaces
//! instead of the whole cluster, as `k8supdater manifests --watch-namespaces` gives them. Only what has no namespace, such as nodes, cannot
//! be given like that: a role whose name ends in `-nodes` stays one for the whole cluster, and the binding to it as well, under a name of its
//! own, which is deleted after the test.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::config::Kubeconfig;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::cluster::{self, Cluster, client, shipped};
use crate::{PATIENCE, eventually, objects};

const RBAC: &str = "deploy/operator/rbac.yaml";
/// The rights of the Job that installs plugins.
const INSTALLER: &str = "deploy/installer/rbac.yaml";

/// How the names of roles end that are about nodes.
const ABOUT_NODES: &str = "-nodes";

/// The roles that are for the whole cluster, and the same for all tests.
pub(crate) fn roles_about_nodes() -> Vec<DynamicObject> {
    shipped(RBAC).into_iter().filter(|object| kind(object) == "ClusterRole" && is_about_nodes(object)).collect()
}

/// Gives the shipped rights to a new `ServiceAccount` in `own`, and waits until they are in force.
///
/// # Panics
/// When the API server refuses, or the rights are not even enough to list handlers and plugins.
pub(crate) async fn grant(cluster: &Cluster, own: &str, watched: &[String]) -> Kubeconfig {
    let objects = adapt(shipped(RBAC), own, watched);
    let account = account(&objects);
    for object in &objects {
        cluster.apply(object).await;
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), own);
    if accounts.get_opt(&account).await.expect("ServiceAccounts can be read").is_none() {
        cluster.apply(&service_account(&account, own)).await;
    }
    let kubeconfig = cluster.kubeconfig_with_token(&token(&accounts, &account).await);
    let client = client(&kubeconfig).await;
    wait_until_in_force(client.clone(), own, watched).await;
    if objects.iter().any(|object| kind(object) == "ClusterRoleBinding") {
        let nodes: Api<Node> = Api::all(client);
        let listed = eventually(PATIENCE, async || {
            nodes.list(&ListParams::default().limit(1)).await.map_err(|err| err.to_string())
        });
        listed
            .await
            .unwrap_or_else(|last| panic!("{RBAC} has a role for nodes that does not let it list them: {last}"));
    }
    kubeconfig
}

/// Gives the shipped rights of the installer to a new `ServiceAccount` called `account` in `own`, except those to do `verb` to `resource`, and
/// waits until they are in force.
///
/// # Panics
/// When the API server refuses.
pub(crate) async fn grant_installer(
    cluster: &Cluster,
    own: &str,
    account: &str,
    less: Option<(&str, &str)>,
) -> Kubeconfig {
    for mut object in adapt(shipped(INSTALLER), own, &[]) {
        object.metadata.name = Some(account.to_owned());
        for name in ["/roleRef/name", "/subjects/0/name"] {
            if let Some(name) = object.data.pointer_mut(name) {
                *name = account.into();
            }
        }
        for rule in object.data.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
            let about = |name: &str| rule["resources"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
            let verb = less.filter(|(resource, _)| about(resource)).map(|(_, verb)| verb);
            if let Some(verbs) = rule["verbs"].as_array_mut() {
                verbs.retain(|known| verb.is_none_or(|verb| known != verb));
            }
        }
        // The API server takes no rule without a verb.
        if let Some(rules) = object.data.get_mut("rules").and_then(Value::as_array_mut) {
            rules.retain(|rule| rule["verbs"].as_array().is_some_and(|verbs| !verbs.is_empty()));
        }
        cluster.apply(&object).await;
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), own);
    let kubeconfig = cluster.kubeconfig_with_token(&token(&accounts, account).await);
    // One right that it has shows that it has them all.
    let (resource, verb) =
        if less == Some(("configmaps", "get")) { ("configmaps", "create") } else { ("configmaps", "get") };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client(&kubeconfig).await);
    let attributes = json!({"namespace": own, "resource": resource, "verb": verb});
    let question = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
        "spec": {"resourceAttributes": attributes}});
    let question: SelfSubjectAccessReview = serde_json::from_value(question).expect("this is one");
    let allowed = eventually(PATIENCE, async || {
        let answer = reviews.create(&PostParams::default(), &question).await.map_err(|err| err.to_string())?;
        answer.status.filter(|status| status.allowed).ok_or_else(|| "not allowed".to_owned())
    });
    allowed.await.unwrap_or_else(|last| panic!("the rights of {INSTALLER} do not come into force: {last}"));
    kubeconfig
}

/// What the installer may do, each as resource and verb.
///
/// # Panics
/// When its rights are not told as a list of rules.
pub fn rights_of_installer() -> Vec<(String, String)> {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().expect("resources and verbs are lists").iter();
        list.map(|text| text.as_str().expect("resources and verbs are texts").to_owned()).collect()
    };
    let mut rights = Vec::new();
    for object in shipped(INSTALLER) {
        for rule in object.data.get("rules").and_then(Value::as_array).into_iter().flatten() {
            let verbs = texts(&rule["verbs"]);
            for resource in texts(&rule["resources"]) {
                rights.extend(verbs.iter().map(|verb| (resource.clone(), verb.clone())));
            }
        }
    }
    rights
}

async fn token(accounts: &Api<ServiceAccount>, account: &str) -> String {
    let request = TokenRequest {
        spec: Some(TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() }),
        ..TokenRequest::default()
    };
    let issued = accounts.create_token_request(account, &PostParams::default(), &request).await;
    let status = issued.expect("a token can be had").status;
    status.and_then(|status| status.token).expect("an issued token is in the status")
}

/// Takes back the rights that would outlive the namespace `own`. `client` belongs to a user who may do everything.
pub(crate) async fn revoke(client: Client, own: &str) {
    let bindings: Api<ClusterRoleBinding> = Api::all(client);
    for object in adapt(shipped(RBAC), own, &[]) {
        if kind(&object) == "ClusterRoleBinding" {
            // What is left behind is removed with the control plane.
            let _ = bindings.delete(&object.name_any(), &DeleteParams::default()).await;
        }
    }
}

/// The API server learns of new bindings through a watch, which takes a moment.
async fn wait_until_in_force(client: Client, own: &str, watched: &[String]) {
    let plugins: Api<DynamicObject> = Api::namespaced_with(client.clone(), own, &objects::plugins());
    let in_own = [plugins];
    let in_watched = watched.iter().map(|namespace| {
        let handlers: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &objects::handlers());
        handlers
    });
    for api in in_own.into_iter().chain(in_watched) {
        let listed = eventually(PATIENCE, async || {
            api.list(&ListParams::default().limit(1)).await.map_err(|err| err.to_string())
        });
        listed.await.unwrap_or_else(|last| panic!("{RBAC} does not even let the operator list its objects: {last}"));
    }
}

fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| types.kind.as_str())
}

/// The shipped objects, but for another namespace, and with the rights on the whole cluster given for `watched` only.
fn adapt(shipped: Vec<DynamicObject>, own: &str, watched: &[String]) -> Vec<DynamicObject> {
    let mut adapted = Vec::new();
    for mut object in shipped {
        for subject in object.data.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
            subject["namespace"] = Value::from(own);
        }
        match kind(&object) {
            "ServiceAccount" | "Role" | "RoleBinding" => {
                object.metadata.namespace = Some(own.to_owned());
                adapted.push(object);
            }
            "ClusterRole" if is_about_nodes(&object) => {}
            "ClusterRoleBinding" if is_about_nodes(&object) => {
                object.metadata.name = Some(format!("{}-{own}", object.name_any()));
                adapted.push(object);
            }
            "ClusterRole" | "ClusterRoleBinding" => {
                if let Some(types) = &mut object.types {
                    types.kind = types.kind.replace("Cluster", "");
                }
                if let Some(role) = object.data.get_mut("roleRef") {
                    role["kind"] = Value::from("Role");
                }
                adapted.extend(watched.iter().map(|namespace| {
                    let mut object = object.clone();
                    object.metadata.namespace = Some(namespace.clone());
                    object
                }));
            }
            _ => {}
        }
    }
    adapted
}

/// Whether it is such a role, or a binding to one.
fn is_about_nodes(object: &DynamicObject) -> bool {
    let role = object.data.pointer("/roleRef/name").and_then(Value::as_str).map(str::to_owned);
    role.unwrap_or_else(|| object.name_any()).ends_with(ABOUT_NODES)
}

/// Name of the `ServiceAccount` that all bindings are for.
fn account(objects: &[DynamicObject]) -> String {
    let mut names: Vec<&str> = objects
        .iter()
        .filter_map(|object| object.data["subjects"].as_array())
        .flatten()
        .filter_map(|subject| subject["name"].as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [name] => (*name).to_owned(),
        names => panic!("the bindings of {RBAC} should be for one ServiceAccount, they are for {names:?}"),
    }
}

fn service_account(name: &str, namespace: &str) -> DynamicObject {
    let object = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace},
    });
    cluster::parse(&object.to_string()).remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_on_the_cluster_become_rights_on_the_watched_namespaces() {
        let stream = r"
apiVersion: v1
kind: ServiceAccount
metadata: {name: operator, namespace: shipped}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: workloads}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: workloads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: workloads}
subjects: [{kind: ServiceAccount, name: operator, namespace: shipped}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: operator-nodes}
rules: []
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: operator-nodes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: operator-nodes}
subjects: [{kind: ServiceAccount, name: operator, namespace: shipped}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: plugins, namespace: shipped}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: plugins}
subjects: [{kind: ServiceAccount, name: operator, namespace: shipped}]
";
        let adapted = adapt(cluster::parse(stream), "own", &["a".to_owned(), "b".to_owned()]);
        let found: Vec<_> = adapted
            .iter()
            .map(|object| (kind(object).to_owned(), object.name_any(), object.namespace().unwrap_or_default()))
            .collect();
        let expected = [
            ("ServiceAccount", "operator", "own"),
            ("Role", "workloads", "a"),
            ("Role", "workloads", "b"),
            ("RoleBinding", "workloads", "a"),
            ("RoleBinding", "workloads", "b"),
            ("ClusterRoleBinding", "operator-nodes-own", ""),
            ("RoleBinding", "plugins", "own"),
        ];
        assert_eq!(found, expected.map(|(kind, name, place)| (kind.to_owned(), name.to_owned(), place.to_owned())));
        for binding in adapted.iter().filter(|object| kind(object).ends_with("Binding")) {
            assert_eq!(binding.data["subjects"][0]["namespace"], "own");
            let role = if kind(binding) == "RoleBinding" { "Role" } else { "ClusterRole" };
            assert_eq!(binding.data["roleRef"]["kind"], role);
        }
        assert_eq!(account(&adapted), "operator");
    }
}
