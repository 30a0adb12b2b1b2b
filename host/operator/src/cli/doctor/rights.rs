//! What the operator may do, compared with what `deploy/operator/rbac.yaml` gives it.

use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::Value;

use super::finding::{Finding, Group};
use super::looked::{Looked, Unseen};
use super::whereabouts::Whereabouts;
use crate::cli::manifests::shipped_rights;

/// How many questions are under way at a time.
const AT_A_TIME: usize = 8;

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the operator's own namespace.
    Own,
    /// In all namespaces that are watched.
    Watched,
    /// It is about what belongs to no namespace.
    Cluster,
}

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Right {
    /// Name of the role that gives it.
    role: String,
    place: Place,
    group: String,
    resource: String,
    verb: String,
    /// The one object that it is for, if it is for one only.
    name: Option<String>,
}

/// A right, where it was asked for, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    right: Right,
    namespace: Option<String>,
    is_allowed: bool,
}

/// As whom the API server is asked.
#[derive(Clone)]
pub(super) enum Asker {
    /// As the operator, because whoever asks is it, or may speak in its name.
    AsOperator(Client),
    /// About the operator.
    About(Client),
}

/// All that is shipped. Pure.
fn shipped() -> Vec<Right> {
    shipped_rights().iter().flat_map(rights_of).collect()
}

fn rights_of(document: &Value) -> Vec<Right> {
    let name = document["metadata"]["name"].as_str().unwrap_or_default();
    let kind = document["kind"].as_str().unwrap_or_default();
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut rights = Vec::new();
    for rule in document["rules"].as_array().into_iter().flatten() {
        let names = texts(&rule["resourceNames"]);
        let names: Vec<Option<String>> =
            if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    let place = match (kind, resource.as_str()) {
                        ("Role", _) => Place::Own,
                        (_, "nodes") => Place::Cluster,
                        _ => Place::Watched,
                    };
                    rights.extend(names.iter().map(|name_of_object| Right {
                        role: name.to_owned(),
                        place,
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                        name: name_of_object.clone(),
                    }));
                }
            }
        }
    }
    rights
}

impl Right {
    /// What the operator does without, if it can do without.
    fn loss(&self) -> Option<&'static str> {
        match (self.place, self.resource.as_str(), self.verb.as_str()) {
            (Place::Cluster, "nodes", _) => {
                Some("the platforms of the nodes are not looked at, so an image may be chosen that they cannot run")
            }
            (Place::Watched, "secrets" | "serviceaccounts", _) => Some(
                "neither the pull secrets of workloads nor the Secrets that handlers name can be used: only what Plugins are granted, and public registries",
            ),
            (Place::Watched, "versioninghandlers", "create" | "delete") => {
                Some("handlers with spec.selector cannot look after their workloads")
            }
            (Place::Watched, "events", _) => Some("no Events are published"),
            (Place::Watched, "pods", "delete") => {
                Some("a StatefulSet whose new pods never become ready stays stuck after its rollback")
            }
            (Place::Own, "leases", _) => Some("buttons in chats are not answered"),
            _ => None,
        }
    }

    /// The role that gives it: `ClusterRole k8supdater-workloads`, or, if only some namespaces are watched, the Role in each of them.
    fn role(&self, place: &Whereabouts) -> String {
        let is_role = self.place == Place::Own || !place.watched.is_empty();
        format!("{} {}", if is_role { "Role" } else { "ClusterRole" }, self.role)
    }

    /// `patch deployments.apps`.
    fn words(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let name = self.name.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        format!("{} {}{group}{name}", self.verb, self.resource)
    }

    /// Where the API server has to be asked: namespaces, or none for the whole cluster.
    fn namespaces(&self, place: &Whereabouts) -> Vec<Option<String>> {
        match self.place {
            Place::Own => vec![Some(place.namespace.clone())],
            Place::Watched if !place.watched.is_empty() => place.watched.iter().cloned().map(Some).collect(),
            // Who is confined to some namespaces is meant to have none.
            Place::Cluster if !place.watched.is_empty() => Vec::new(),
            Place::Watched | Place::Cluster => vec![None],
        }
    }

    fn attributes(&self, namespace: Option<String>) -> ResourceAttributes {
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource.to_owned(), Some(subresource.to_owned())),
            None => (self.resource.clone(), None),
        };
        ResourceAttributes {
            group: Some(self.group.clone()),
            resource: Some(resource),
            subresource,
            verb: Some(self.verb.clone()),
            name: self.name.clone(),
            namespace,
            ..ResourceAttributes::default()
        }
    }
}

impl Asker {
    async fn is_allowed(&self, attributes: ResourceAttributes, place: &Whereabouts) -> Result<bool, kube::Error> {
        let params = PostParams::default();
        let status: Option<SubjectAccessReviewStatus> = match self {
            Self::AsOperator(client) => {
                let spec = SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(attributes),
                    ..SelfSubjectAccessReviewSpec::default()
                };
                let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
                Api::<SelfSubjectAccessReview>::all(client.clone()).create(&params, &review).await?.status
            }
            Self::About(client) => {
                let spec = SubjectAccessReviewSpec {
                    resource_attributes: Some(attributes),
                    user: Some(place.user()),
                    groups: Some(place.groups()),
                    ..SubjectAccessReviewSpec::default()
                };
                let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
                Api::<SubjectAccessReview>::all(client.clone()).create(&params, &review).await?.status
            }
        };
        Ok(status.is_some_and(|status| status.allowed))
    }
}

/// Asks about everything, by the first of `askers` that is answered.
///
/// # Errors
/// Why none of them is.
pub(super) async fn ask(askers: &[Asker], place: &Whereabouts) -> Looked<Vec<Asked>> {
    let mut last = Unseen::Absent;
    for asker in askers {
        let questions = shipped().into_iter().flat_map(|right| {
            let namespaces = right.namespaces(place);
            namespaces.into_iter().map(move |namespace| (right.clone(), namespace))
        });
        let answers = futures::stream::iter(questions).map(async |(right, namespace)| {
            let is_allowed = asker.is_allowed(right.attributes(namespace.clone()), place).await?;
            Ok::<_, kube::Error>(Asked { right, namespace, is_allowed })
        });
        let mut answers = answers.buffered(AT_A_TIME);
        let mut asked = Vec::new();
        last = loop {
            match answers.next().await {
                None => return Ok(asked),
                Some(Ok(answer)) => asked.push(answer),
                Some(Err(err)) => break err.into(),
            }
        };
    }
    Err(last)
}

/// A finding for each role that is not given as a whole. Pure.
pub(super) fn findings(asked: &Looked<Vec<Asked>>, place: &Whereabouts) -> Vec<Finding> {
    let account = format!("ServiceAccount {}/{}", place.namespace, place.account);
    let asked = match asked {
        Ok(asked) => asked,
        Err(why) => {
            let message = format!("what it may do is not known: it {}", why.why());
            return vec![Group::Rights.unknown(account, message).mended_by(place.exec("doctor"))];
        }
    };
    let mut findings: Vec<Finding> = Vec::new();
    let mut roles: Vec<(String, Option<&str>)> = Vec::new();
    let missing: Vec<&Asked> = asked.iter().filter(|asked| !asked.is_allowed).collect();
    for asked in &missing {
        let key = (asked.right.role(place), asked.right.loss());
        if !roles.contains(&key) {
            roles.push(key);
        }
    }
    for (role, loss) in roles {
        let of_role = missing.iter().filter(|asked| asked.right.role(place) == role && asked.right.loss() == loss);
        let mut words: Vec<String> = Vec::new();
        for asked in of_role {
            let namespace = asked.namespace.as_ref().map(|namespace| format!(" in {namespace}"));
            let text = format!("{}{}", asked.right.words(), namespace.unwrap_or_default());
            if !words.contains(&text) {
                words.push(text);
            }
        }
        let lacks = format!("{account} may not {}", words.join(", "));
        let finding = match loss {
            Some(loss) => Group::Rights.warning(role.as_str(), format!("{lacks}; without that, {loss}")),
            None => Group::Rights.fault(role.as_str(), lacks),
        };
        findings.push(finding.mended_by(place.apply_rights()));
    }
    if findings.is_empty() {
        let message = format!("has all {} rights that it needs", asked.len());
        findings.push(Group::Rights.ok(account, message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    /// What is found if the operator may not do what `is_missing` says.
    fn check(place: &Whereabouts, is_missing: impl Fn(&Right) -> bool, expected: &[(Level, &str, &str)]) {
        let asked = shipped().into_iter().flat_map(|right| {
            let is_allowed = !is_missing(&right);
            let namespaces = right.namespaces(place);
            namespaces.into_iter().map(move |namespace| Asked { right: right.clone(), namespace, is_allowed })
        });
        let found = findings(&Ok(asked.collect()), place);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (finding, (level, object, message)) in found.iter().zip(expected) {
            assert_eq!((finding.level, finding.object.as_str()), (*level, *object));
            assert!(finding.message.contains(message), "{finding:?}");
            if *level != Level::Ok {
                assert!(finding.remedy.as_ref().unwrap().contains("k8supdater manifests rights "), "{finding:?}");
            }
        }
    }

    #[test]
    fn what_is_missing_is_told_once_for_each_role_and_what_can_be_done_without_is_no_fault() {
        let usual = Whereabouts::usual();
        check(&usual, |_| false, &[(Level::Ok, "ServiceAccount k8supdater/k8supdater", "has all")]);
        check(
            &usual,
            |right| right.resource == "cronjobs" || right.resource == "deployments" && right.verb == "patch",
            &[(
                Level::Fault,
                "ClusterRole k8supdater-workloads",
                "may not patch deployments.apps, get cronjobs.batch, list cronjobs.batch, watch cronjobs.batch, patch cronjobs.batch",
            )],
        );
        check(
            &usual,
            |right| right.role == "k8supdater-nodes" || right.role == "k8supdater-secrets",
            &[
                (Level::Warning, "ClusterRole k8supdater-secrets", "get secrets, get serviceaccounts; without that"),
                (Level::Warning, "ClusterRole k8supdater-nodes", "list nodes; without that, the platforms"),
            ],
        );
        let two = Whereabouts { watched: vec!["a".to_owned(), "b".to_owned()], ..usual };
        check(
            &two,
            |right| ["plugins", "jobs", "nodes"].contains(&right.resource.as_str()),
            &[
                (Level::Fault, "Role k8supdater-workloads", "may not list jobs.batch in a, list jobs.batch in b"),
                (Level::Fault, "Role k8supdater", "list plugins.k8supdater.dev in k8supdater"),
            ],
        );
    }

    #[test]
    fn who_may_not_ask_is_told_who_can() {
        let found = findings(&Err(Unseen::Forbidden("no".to_owned())), &Whereabouts::usual());
        assert_eq!(found[0].level, Level::Unknown);
        assert_eq!(
            found[0].remedy.as_deref(),
            Some("kubectl exec -n k8supdater deploy/k8supdater -- k8supdater doctor")
        );
    }
}
