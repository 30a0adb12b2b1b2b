//! Whether the operator's rights are just what it uses.
//!
//! The API server writes down who asked it for what, and by which role that was allowed. After a run of all tests each verb in
//! `deploy/operator/rbac.yaml` must have been used, and nothing may have been refused that is not there. What tests ask for in the operator's
//! name does not count: only the operator calls itself [`AGENT`]. A role counts by its name: the tests give as Roles in some namespaces, as
//! `k8supdater manifests --watch-namespaces` does, what is shipped as `ClusterRoles`. No two roles that are shipped have the same name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::kubectl::Kubectl;
use crate::{command, workspace};

/// How the operator's name in its requests begins (`User-Agent`). Other commands of the program have another one.
const AGENT: &str = "k8supdater/";

/// Name of the operator's `ServiceAccount`. That of the Job that installs plugins has rights of its own.
const NAME: &str = "k8supdater";

/// What the name of a user begins with who is a `ServiceAccount`
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens>).
const ACCOUNT: &str = "system:serviceaccount:";

/// What the API server is to write down: one line for each request of a `ServiceAccount`, without its content, and nothing about those of
/// Kubernetes itself (<https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>).
pub const POLICY: &str = r#"{
  "apiVersion": "audit.k8s.io/v1",
  "kind": "Policy",
  "omitStages": ["RequestReceived"],
  "rules": [
    {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
    {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
    {"level": "None"}
  ]
}
"#;

/// Where a right holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    /// In the namespace of the one who has it.
    Own,
    /// In the namespaces that are looked after, or all.
    Watched,
}

/// A verb on a resource, as a role gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    /// Name of the role.
    role: String,
    scope: Scope,
    verb: String,
    group: String,
    /// With the subresource: `plugins/status`.
    resource: String,
    /// Empty for all.
    names: Vec<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.verb, dotted(&self.resource, &self.group))?;
        if !self.names.is_empty() {
            write!(f, " named {}", self.names.join(", "))?;
        }
        write!(f, " ({})", self.role)
    }
}

/// A request of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    is_allowed: bool,
    /// Why it was allowed, which names the role.
    reason: String,
    /// Namespace of the one who asked.
    own: String,
    verb: String,
    group: String,
    resource: String,
    namespace: String,
    name: String,
}

impl Request {
    fn is_for(&self, right: &Right) -> bool {
        let is_there = right.scope == Scope::Watched || self.namespace == self.own;
        is_there
            && (&self.verb, &self.group, &self.resource) == (&right.verb, &right.group, &right.resource)
            && (right.names.is_empty() || right.names.contains(&self.name))
    }
}

fn dotted(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

/// Compares the shipped rights with what was asked of the API server that has written `log`.
///
/// # Errors
/// When a verb was not used, or one was refused that is not shipped; the error names each.
pub fn check(kubectl: &Kubectl, log: &Path) -> Result<()> {
    let (rights, requests) = (shipped(kubectl)?, requests(log)?);
    if requests.is_empty() {
        bail!("{} has no request of the operator", log.display());
    }
    let findings = findings(&rights, &requests);
    if !findings.is_empty() {
        bail!("deploy/operator/rbac.yaml does not fit what the operator does:\n{}", findings.join("\n"));
    }
    println!("each of {} rights was used in {} requests, and none was missing", rights.len(), requests.len());
    Ok(())
}

/// Only looks for what was refused, where not everything has been done that the operator can do.
///
/// # Errors
/// When something was refused that is not shipped.
pub fn check_missing(kubectl: &Kubectl, log: &Path) -> Result<()> {
    let requests = requests(log)?;
    if requests.is_empty() {
        bail!("{} has no request of the operator", log.display());
    }
    let missing = missing(&shipped(kubectl)?, &requests);
    if !missing.is_empty() {
        bail!("deploy/operator/rbac.yaml lacks what the operator needs:\n{}", missing.join("\n"));
    }
    Ok(())
}

fn findings(rights: &[Right], requests: &[Request]) -> Vec<String> {
    let is_used = |right: &Right| {
        // The end of `ClusterRole "x"` as well. With both quotes, so that no role is taken for one whose name begins like its own.
        let by_role = format!("Role \"{}\" to ", right.role);
        requests.iter().any(|request| request.is_allowed && request.reason.contains(&by_role) && request.is_for(right))
    };
    let unused = rights.iter().filter(|right| !is_used(right));
    let unused = unused.map(|right| format!("granted but not used: {right}; take it out, or test what needs it"));
    unused.chain(missing(rights, requests)).collect()
}

/// What was refused although the operator needs it. What is shipped and was refused all the same, a test has taken away.
fn missing(rights: &[Right], requests: &[Request]) -> Vec<String> {
    let mut missing: BTreeMap<String, usize> = BTreeMap::new();
    for request in requests.iter().filter(|request| !request.is_allowed) {
        if !rights.iter().any(|right| request.is_for(right)) {
            let place = if request.namespace == request.own { "its own namespace" } else { "other namespaces" };
            let what = format!("{} on {} in {place}", request.verb, dotted(&request.resource, &request.group));
            *missing.entry(what).or_default() += 1;
        }
    }
    missing.iter().map(|(what, count)| format!("needed but not granted: {what}; refused {count} times")).collect()
}

/// What `deploy/operator/rbac.yaml` gives, verb by verb.
fn shipped(kubectl: &Kubectl) -> Result<Vec<Right>> {
    let path = workspace::root().join("deploy/operator/rbac.yaml");
    // kubectl reads YAML, and we read JSON.
    let mut convert = kubectl.command("create --dry-run=client -o json -f");
    let text = command::output(convert.arg(&path))?;
    let mut rights = BTreeSet::new();
    for object in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
        rights.extend(rights_of(&object.context("kubectl wrote no JSON")?)?);
    }
    Ok(rights.into_iter().collect())
}

fn rights_of(object: &Value) -> Result<Vec<Right>> {
    if object["kind"] == "List" {
        let items = object["items"].as_array().context("a list has items")?;
        return Ok(items.iter().map(rights_of).collect::<Result<Vec<_>>>()?.concat());
    }
    let kind = object["kind"].as_str().context("an object has a kind")?;
    let scope = match kind {
        "Role" => Scope::Own,
        "ClusterRole" => Scope::Watched,
        _ => return Ok(Vec::new()),
    };
    let role = object["metadata"]["name"].as_str().context("a role has a name")?;
    let mut rights = Vec::new();
    for rule in object["rules"].as_array().context("a role has rules")? {
        let names = words(&rule["resourceNames"]);
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    let (role, group, resource, names) =
                        (role.to_owned(), group.clone(), resource.clone(), names.clone());
                    rights.push(Right { role, scope, verb, group, resource, names });
                }
            }
        }
    }
    Ok(rights)
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The operator's requests in an audit log, and in what the API server has put aside of it because it grew too long.
fn requests(log: &Path) -> Result<Vec<Request>> {
    let directory = log.parent().context("an audit log is in a directory")?;
    let stem = log.file_stem().context("an audit log has a name")?.to_string_lossy();
    let mut requests = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&*stem)) {
            continue;
        }
        let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for line in BufReader::new(file).lines() {
            let line = line.with_context(|| format!("cannot read {}", path.display()))?;
            // The last line may be half written. An event that is no JSON says nothing about rights.
            requests.extend(serde_json::from_str(&line).ok().as_ref().and_then(request));
        }
    }
    Ok(requests)
}

/// The request that an audit event tells of, if it is one of the operator's about an object.
fn request(event: &Value) -> Option<Request> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if !event["userAgent"].as_str()?.starts_with(AGENT) {
        return None;
    }
    let account = event["user"]["username"].as_str()?.strip_prefix(ACCOUNT)?;
    let (own, _) = account.split_once(':').filter(|(_, name)| *name == NAME)?;
    let object = event.get("objectRef")?;
    let resource = match object["subresource"].as_str() {
        Some(subresource) => format!("{}/{subresource}", text(&object["resource"])),
        None => text(&object["resource"]),
    };
    Some(Request {
        is_allowed: event["annotations"]["authorization.k8s.io/decision"] == "allow",
        reason: text(&event["annotations"]["authorization.k8s.io/reason"]),
        own: own.to_owned(),
        verb: text(&event["verb"]),
        group: text(&object["apiGroup"]),
        resource,
        namespace: text(&object["namespace"]),
        name: text(&object["name"]),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(allowed_by: Option<&str>, verb: &str, object: &Value) -> Value {
        json!({
            "verb": verb,
            "user": {"username": "system:serviceaccount:own:k8supdater"},
            "userAgent": "k8supdater/0.1.0",
            "objectRef": object,
            "annotations": {
                "authorization.k8s.io/decision": if allowed_by.is_some() { "allow" } else { "forbid" },
                "authorization.k8s.io/reason":
                    allowed_by.map(|role| format!("RBAC: allowed by RoleBinding \"b/own\" of {role} to ServiceAccount \"k8supdater/own\"")),
            },
        })
    }

    fn rights() -> Vec<Right> {
        let roles = json!({"kind": "List", "items": [
            {"kind": "ServiceAccount", "metadata": {"name": "k8supdater"}},
            {"kind": "ClusterRole", "metadata": {"name": "k8supdater-workloads"}, "rules": [
                {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "patch"]},
            ]},
            {"kind": "Role", "metadata": {"name": "k8supdater"}, "rules": [
                {"apiGroups": ["k8supdater.dev"], "resources": ["plugins/status"], "verbs": ["update"]},
                {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": ["bot"], "verbs": ["get"]},
            ]},
        ]});
        rights_of(&roles).unwrap()
    }

    /// All that [`rights`] gives, used.
    fn everything() -> Vec<Value> {
        let (cluster, own) = (Some("ClusterRole \"k8supdater-workloads\""), Some("Role \"k8supdater\""));
        let deployments = json!({"apiGroup": "apps", "resource": "deployments", "namespace": "team"});
        let status =
            json!({"apiGroup": "k8supdater.dev", "resource": "plugins", "subresource": "status", "namespace": "own"});
        let lease = json!({"apiGroup": "coordination.k8s.io", "resource": "leases", "namespace": "own", "name": "bot"});
        vec![
            event(cluster, "list", &deployments),
            event(cluster, "patch", &deployments),
            event(own, "update", &status),
            event(own, "get", &lease),
        ]
    }

    fn check(events: &[Value], expected: &[&str]) {
        let requests: Vec<Request> = events.iter().filter_map(request).collect();
        let findings = findings(&rights(), &requests);
        assert_eq!(findings.len(), expected.len(), "{findings:?}");
        for (finding, expected) in findings.iter().zip(expected) {
            assert!(finding.contains(expected), "{finding}");
        }
    }

    #[test]
    fn what_is_used_and_granted_is_in_order() {
        check(&everything(), &[]);
    }

    #[test]
    fn a_verb_that_nobody_uses_is_named_with_its_role() {
        for (index, expected) in [
            "list on deployments.apps (k8supdater-workloads)",
            "patch on deployments.apps (k8supdater-workloads)",
            "update on plugins/status.k8supdater.dev (k8supdater)",
            "get on leases.coordination.k8s.io named bot (k8supdater)",
        ]
        .into_iter()
        .enumerate()
        {
            let mut events = everything();
            let missing = events.remove(index);
            check(&events, &[expected]);
            // Nor is it used by somebody else in the operator's name, or by ours with another one, ...
            let (mut others, mut installer) = (missing.clone(), missing.clone());
            others["userAgent"] = json!("kubectl/v1.36.3");
            installer["user"]["username"] = json!("system:serviceaccount:own:k8supdater-installer");
            events.extend([others, installer]);
            check(&events, &[expected]);
            // ... by what was refused, or by another role.
            let by = |role: &str| {
                format!("RBAC: allowed by RoleBinding \"b/own\" of {role} \"k8supdater-nodes\" to ServiceAccount")
            };
            for (name, value) in
                [("decision", "forbid".to_owned()), ("reason", by("ClusterRole")), ("reason", by("Role"))]
            {
                let mut other = missing.clone();
                other["annotations"][format!("authorization.k8s.io/{name}")] = json!(value);
                events.push(other);
                check(&events, &[expected]);
            }
        }
    }

    #[test]
    fn a_role_counts_by_its_whole_name_whatever_its_kind() {
        let with = |from: &str, to: &str| {
            let mut events = everything();
            for event in &mut events {
                let reason = &mut event["annotations"]["authorization.k8s.io/reason"];
                *reason = json!(reason.as_str().unwrap().replace(from, to));
            }
            events
        };
        check(&with("of ClusterRole", "of Role"), &[]);
        check(&with("of Role", "of ClusterRole"), &[]);
        let workloads = ["list on deployments", "patch on deployments"];
        check(&with("Role \"k8supdater-workloads\"", "Role \"k8supdater\""), &workloads);
        check(&with("Role \"k8supdater-workloads\"", "Role \"k8supdater-workloads-2\""), &workloads);
        check(
            &with("Role \"k8supdater\"", "Role \"k8supdater-workloads\""),
            &["update on plugins/status", "get on leases"],
        );
        check(&with("Role \"k8supdater\"", "Role \"my-k8supdater\""), &["update on plugins/status", "get on leases"]);
    }

    #[test]
    fn what_was_refused_is_missing_unless_it_is_shipped() {
        let mut events = everything();
        // A test has taken this away.
        events.push(event(None, "patch", &json!({"apiGroup": "apps", "resource": "deployments", "namespace": "team"})));
        check(&events, &[]);
        let nodes = event(None, "list", &json!({"resource": "nodes"}));
        events.extend([nodes.clone(), nodes]);
        check(&events, &["needed but not granted: list on nodes in other namespaces; refused 2 times"]);
    }

    #[test]
    fn a_role_of_the_own_namespace_says_nothing_about_others() {
        let mut events = everything();
        let object =
            json!({"apiGroup": "coordination.k8s.io", "resource": "leases", "namespace": "team", "name": "bot"});
        events.push(event(None, "get", &object));
        check(&events, &["get on leases.coordination.k8s.io in other namespaces"]);
    }

    #[test]
    fn a_log_that_was_put_aside_counts_too() {
        let directory = tempfile::tempdir().unwrap();
        let events = everything();
        let lines = |events: &[Value]| events.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n";
        fs::write(directory.path().join("audit-2026-11-26T00-00-00.000.log"), lines(&events[..2])).unwrap();
        fs::write(directory.path().join("audit.log"), format!("{}{{\"verb", lines(&events[2..]))).unwrap();
        fs::write(directory.path().join("other.log"), lines(&events)).unwrap();
        assert_eq!(requests(&directory.path().join("audit.log")).unwrap().len(), 4);
    }
}
