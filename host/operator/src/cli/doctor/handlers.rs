//! `VersioningHandlers`: how many there are, and what keeps some of them from being looked after. Pure.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::finding::{Finding, Group, Level};
use super::looked::Looked;
use super::whereabouts::Whereabouts;
use crate::api::VersioningHandler;
use crate::api::conditions::READY;

/// Reasons that are about credentials.
const ABOUT_CREDENTIALS: [&str; 5] =
    ["CredentialsMissing", "CredentialsRefused", "CredentialsExpired", "SecretNotFound", "SecretKeysMissing"];
/// Reasons that pass by themselves, or that somebody else has to do something about.
const PASSING: [&str; 7] = [
    "RateLimited",
    "RegistryUnavailable",
    "TagNotUsable",
    "TagMovedMeanwhile",
    "WorkloadChangedMeanwhile",
    "CallTimedOut",
    "Busy",
];
/// Somebody wants it so.
const SUSPENDED: &str = "Suspended";

/// Handlers with the same trouble.
#[derive(Default)]
struct Fold {
    count: usize,
    first: (String, String),
    message: String,
}

impl Fold {
    fn add(&mut self, handler: &VersioningHandler, message: &str) {
        if self.count == 0 {
            self.first = (handler.namespace().unwrap_or_default(), handler.name_any());
            message.clone_into(&mut self.message);
        }
        self.count = self.count.saturating_add(1);
    }

    fn object(&self) -> String {
        let (namespace, name) = &self.first;
        let more = match self.count.saturating_sub(1) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("VersioningHandler {namespace}/{name}{more}")
    }

    fn describe(&self) -> String {
        let (namespace, name) = &self.first;
        format!("kubectl describe vh -n {namespace} {name}")
    }
}

/// How the handlers are, those with the same trouble in one line.
pub(super) fn findings(handlers: &Looked<Vec<VersioningHandler>>, place: &Whereabouts) -> Vec<Finding> {
    let handlers = match handlers {
        Ok(handlers) => handlers,
        Err(why) => return vec![Group::Handlers.unknown("VersioningHandlers", why.why())],
    };
    let (mut ready, mut suspended) = (0_usize, 0_usize);
    let (mut unwatched, mut unseen) = (BTreeMap::<String, Fold>::new(), Fold::default());
    let (mut claimed, mut failing) = (Fold::default(), BTreeMap::<String, Fold>::new());
    for handler in handlers {
        let namespace = handler.namespace().unwrap_or_default();
        if !place.watches(&namespace) {
            unwatched.entry(namespace).or_default().add(handler, "");
            continue;
        }
        let status = handler.status.clone().unwrap_or_default();
        let claims = |problem: &Option<String>| problem.as_deref() == Some("ClaimedByOther");
        let Some(condition) = status.conditions.iter().find(|condition| condition.type_ == READY) else {
            unseen.add(handler, "");
            continue;
        };
        if let Some(container) = status.containers.iter().find(|container| claims(&container.problem_reason)) {
            claimed.add(handler, container.problem.as_deref().unwrap_or_default());
        } else if condition.reason == SUSPENDED {
            suspended = suspended.saturating_add(1);
        } else if condition.status == "True" {
            ready = ready.saturating_add(1);
        } else {
            failing.entry(condition.reason.clone()).or_default().add(handler, &condition.message);
        }
    }
    let counted = format!("{} there are, {ready} ready, {suspended} suspended", handlers.len());
    let mut findings = vec![Group::Handlers.ok("VersioningHandlers", counted)];
    findings.extend(failing.iter().map(|(reason, fold)| failure(reason, fold)));
    if claimed.count > 0 {
        let message = format!("another handler looks after the same container: {}", claimed.message);
        findings.push(Group::Handlers.fault(claimed.object(), message).mended_by(claimed.describe()));
    }
    if unseen.count > 0 {
        let log = format!("kubectl logs -n {} deploy/{}", place.namespace, place.deployment);
        let message = "the operator has never looked at it";
        findings.push(Group::Handlers.fault(unseen.object(), message).mended_by(log));
    }
    for (namespace, fold) in &unwatched {
        let all: Vec<&str> = place.watched.iter().map(String::as_str).chain([namespace.as_str()]).collect();
        let message =
            format!("namespace {namespace} is not among those that the operator watches: {}", place.watched.join(", "));
        let finding = Group::Handlers.warning(fold.object(), message);
        findings.push(finding.mended_by(place.set_env("WATCH_NAMESPACES", &all.join(","))));
    }
    findings
}

fn failure(reason: &str, fold: &Fold) -> Finding {
    let group = if ABOUT_CREDENTIALS.contains(&reason) { Group::Credentials } else { Group::Handlers };
    let level = if PASSING.contains(&reason) { Level::Warning } else { Level::Fault };
    let message = format!("{reason}: {}", fold.message);
    let finding = Finding { level, ..group.fault(fold.object(), message) };
    finding.mended_by(fold.describe())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn handler(namespace: &str, name: &str, status: &str, reason: &str) -> VersioningHandler {
        let conditions = json!([{"type": "Ready", "status": status, "reason": reason, "message": format!("about {name}"),
            "lastTransitionTime": "2026-01-02T03:04:05Z"}]);
        let conditions = if status.is_empty() { json!([]) } else { conditions };
        let problem = if reason == "ClaimedByOther" { json!(reason) } else { Value::Null };
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "metadata": {"name": name, "namespace": namespace},
            "spec": {"deployment": name, "containerregistry": "oci"},
            "status": {"conditions": conditions,
                "containers": [{"name": "app", "image": "a:1", "decision": "None", "problemReason": problem, "problem": problem}]},
        }))
        .unwrap()
    }

    fn check(handlers: Vec<VersioningHandler>, watched: &[&str], expected: &[(Level, &str, &str)]) -> Vec<Finding> {
        let watched = watched.iter().map(|&name| name.to_owned()).collect();
        let found = findings(&Ok(handlers), &Whereabouts { watched, ..Whereabouts::usual() });
        let shown: Vec<_> = found.iter().map(|it| (it.level, it.object.as_str(), it.message.as_str())).collect();
        assert_eq!(shown, expected);
        found
    }

    #[test]
    fn handlers_with_the_same_trouble_are_told_in_one_line() {
        let found = check(
            vec![
                handler("a", "web", "True", "Checked"),
                handler("a", "off", "True", "Suspended"),
                handler("a", "db", "False", "WorkloadNotFound"),
                handler("b", "db", "False", "WorkloadNotFound"),
                handler("b", "slow", "False", "RateLimited"),
                handler("b", "private", "False", "CredentialsRefused"),
                handler("b", "new", "", ""),
                handler("b", "twin", "False", "ClaimedByOther"),
            ],
            &[],
            &[
                (Level::Ok, "VersioningHandlers", "8 there are, 1 ready, 1 suspended"),
                (Level::Fault, "VersioningHandler b/private", "CredentialsRefused: about private"),
                (Level::Warning, "VersioningHandler b/slow", "RateLimited: about slow"),
                (Level::Fault, "VersioningHandler a/db and 1 more", "WorkloadNotFound: about db"),
                (
                    Level::Fault,
                    "VersioningHandler b/twin",
                    "another handler looks after the same container: ClaimedByOther",
                ),
                (Level::Fault, "VersioningHandler b/new", "the operator has never looked at it"),
            ],
        );
        assert_eq!((found[1].group, found[3].group), (Group::Credentials, Group::Handlers));
        assert_eq!(found[3].remedy.as_deref(), Some("kubectl describe vh -n a db"));
    }

    #[test]
    fn handlers_where_nobody_looks_are_told_with_the_namespace() {
        let found = check(
            vec![handler("a", "web", "True", "Checked"), handler("c", "web", "", ""), handler("c", "db", "", "")],
            &["a", "b"],
            &[
                (Level::Ok, "VersioningHandlers", "3 there are, 1 ready, 0 suspended"),
                (
                    Level::Warning,
                    "VersioningHandler c/web and 1 more",
                    "namespace c is not among those that the operator watches: a, b",
                ),
            ],
        );
        let set = "kubectl set env -n k8supdater deploy/k8supdater WATCH_NAMESPACES=a,b,c";
        assert_eq!(found[1].remedy.as_deref(), Some(set));
    }
}
