//! The Helm chart: what helm says of it, whether an API server takes what it makes, and whether that is what the other manifests have.
//!
//! Each file in `deploy/chart/ci`, and each example of values in `docs/helm.md`, is a set that has to work; [`WRONG`] are some that must not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::Reach;
use crate::control_plane::ControlPlane;
use crate::control_plane::look_up::Programs;
use crate::control_plane::program::Module;
use crate::helm::{self, Helm, Values};
use crate::kubectl::Kubectl;
use crate::operator::{self, Profile};
use crate::step::Steps;
use crate::{command, workspace};

/// A name and a namespace that are numbers to a reader of YAML who is not told otherwise.
const ODD: (&str, &str) = ("42", "1e5");

/// The page for users of the chart.
const PAGE: &str = "docs/helm.md";

/// Kinds of the Prometheus operator, which only its own API server knows.
const MONITORING: &str = "apiVersion: monitoring.coreos.com/";

/// Labels by which Helm knows its releases, and which `deploy` does without.
const LABELS: [&str; 4] =
    ["app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"];

/// Values that cannot be, and what has to stand in the message: the name of the value, and what is wrong with it.
const WRONG: [(&str, &str); 34] = [
    ("repliacs=0", "additional properties 'repliacs' not allowed"),
    ("config.intervall=5m", "'/config': additional properties 'intervall' not allowed"),
    ("resources.limit.memory=1Gi", "'/resources': additional properties 'limit' not allowed"),
    ("image.name=k8supdater", "'/image': additional properties 'name' not allowed"),
    ("replicas=2", "'/replicas': maximum: got 2, want 1"),
    ("image.repository=k8supdater:0.1.0", "'/image/repository': 'k8supdater:0.1.0' does not match"),
    ("image.tag=0.1.0@sha256:00", "'/image/tag': '0.1.0@sha256:00' does not match"),
    ("image.digest=latest", "'/image/digest': 'latest' does not match"),
    ("image.pullPolicy=Sometimes", "'/image/pullPolicy': value must be one of"),
    ("imagePullSecrets={login}", "'/imagePullSecrets/0': got string, want object"),
    ("watchNamespaces=team-a", "'/watchNamespaces': got string, want array"),
    ("watchNamespaces={team-a,team_b}", "'/watchNamespaces/1': 'team_b' does not match"),
    ("watchNamespaces={team-a,team-a}", "'/watchNamespaces': items at 0 and 1 are equal"),
    ("rbac.create=yes", "'/rbac/create': got string, want boolean"),
    ("fullnameOverride=K8supdater", "'/fullnameOverride': 'K8supdater' does not match"),
    ("config.interval=often", "'/config/interval': 'often' does not match"),
    ("config.frontier=17", "'/config/frontier': maximum: got 17, want 16"),
    ("config.latest=true", "'/config/latest': value must be one of '', 'Update', 'Notify'"),
    ("config.rollback=Always", "'/config/rollback': value must be one of '', 'OnFailure', 'Never'"),
    ("config.proxy=http://me:secret@proxy", "'/config/proxy'"),
    ("config.gitlab.token=glpat-1", "'/config/gitlab/token': got string, want object"),
    ("config.email.host=mail", "config.email.sender is not set"),
    ("config.email.username=me", "config.email.host is not set"),
    ("config.telegram.chatId=-1", "config.telegram.token.existingSecret is not set"),
    ("config.telegram.apiUrl=https://api.telegram.org/bot1:a", "'/config/telegram/apiUrl'"),
    ("config.telegram.token.existingSecret=bot", "config.telegram.chatId is not set"),
    ("config.ca.existingSecret=a,config.ca.existingConfigMap=b", "config.ca: set existingConfigMap or existingSecret"),
    ("env[0].name=GITLAB_TOKEN,env[0].value=glpat-1", "env: GITLAB_TOKEN is a secret"),
    ("env[0].name=POD_NAME,env[0].value=me", "env: POD_NAME is set by another value of the chart"),
    ("env[0].name=TZ", "'/env/0': missing property 'value'"),
    ("podLabels.app\\.kubernetes\\.io/name=web", "podLabels: the label app.kubernetes.io/name is the chart's own"),
    ("serviceMonitor.enabled=true", "serviceMonitor.enabled: there is no Service to scrape"),
    ("serviceMonitor.enabled=true,service.enabled=true,podMonitor.enabled=true", "podMonitor.enabled: "),
    ("service.port=0", "'/service/port': minimum: got 0, want 1"),
];

/// Runs every check of the chart as a step of `steps`.
///
/// # Errors
/// Only when interrupted.
pub(super) fn run_in(steps: &mut Steps, reach: Reach) -> Result<()> {
    let prepared = steps.run("chart: helm lint, wrong values", || {
        let helm = Helm::find_or_build()?;
        let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
        let cases = cases(directory.path())?;
        lint(&helm, &cases)?;
        refuse_what_is_wrong(&helm)?;
        Ok((helm, cases, directory))
    })?;
    let Some((helm, cases, _directory)) = prepared else { return Ok(()) };
    match reach {
        Reach::Everything => _ = steps.run("chart on an API server", || try_on_api_server(&helm, &cases))?,
        Reach::Offline => steps.skip("chart on an API server: --offline"),
    }
    Ok(())
}

/// The values that have to work, with what they are called. Those of the page become files in `directory`.
fn cases(directory: &Path) -> Result<BTreeMap<String, Values>> {
    let page = workspace::root().join(PAGE);
    let text = fs::read_to_string(&page).with_context(|| format!("cannot read {}", page.display()))?;
    let mut cases = BTreeMap::from([("no values".to_owned(), Values::default())]);
    for (index, example) in examples(&text).into_iter().enumerate() {
        let path = directory.join(format!("{index}.yaml"));
        fs::write(&path, example).with_context(|| format!("cannot write {}", path.display()))?;
        cases.insert(format!("{PAGE}, example {}", index + 1), Values::file(path));
    }
    let directory = helm::chart().join("ci");
    for entry in fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        cases.insert(workspace::shown(&path), Values::file(path));
    }
    Ok(cases)
}

/// What stands in fences with the words `yaml values`.
fn examples(page: &str) -> Vec<&str> {
    page.split("\n```yaml values\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

fn lint(helm: &Helm, cases: &BTreeMap<String, Values>) -> Result<()> {
    for (name, values) in cases {
        helm.lint(values).with_context(|| format!("helm lint with {name}"))?;
    }
    Ok(())
}

fn refuse_what_is_wrong(helm: &Helm) -> Result<()> {
    let mut faults = Vec::new();
    for (value, expected) in WRONG {
        match helm.template("web", "default", &Values::set(&[value])) {
            Ok(_) => faults.push(format!("{value} is accepted")),
            Err(err) if format!("{err:#}").contains(expected) => {}
            Err(err) => faults.push(format!("{value} is refused without saying {expected:?}: {err:#}")),
        }
    }
    report("the chart's messages", &faults)
}

fn try_on_api_server(helm: &Helm, cases: &BTreeMap<String, Values>) -> Result<()> {
    let program = operator::build(Profile::Debug)?;
    let programs = Programs::find_or_build_of(&Module::CONTROL_PLANE)?;
    let control_plane = ControlPlane::start(&programs)?;
    let kubectl = control_plane.kubectl();
    let definitions = helm::chart().join("crds");
    command::output(kubectl.command("apply --server-side -f").arg(&definitions))?;
    command::output(kubectl.command("wait --for=condition=Established --timeout=60s -f").arg(&definitions))?;
    for namespace in [operator::NAME, ODD.1, "shop", "shop-staging"] {
        kubectl.output(&format!("create namespace {namespace}"))?;
        // A pod that the profile forbids is a warning then, and a warning is an error here.
        kubectl.output(&format!("label namespace {namespace} pod-security.kubernetes.io/warn=restricted"))?;
    }
    for (name, values) in cases {
        for (release, namespace) in [(operator::NAME, operator::NAME), ODD] {
            let rendered = helm.template(release, namespace, values)?;
            let (unknown, known): (Vec<&str>, Vec<&str>) =
                documents(&rendered).into_iter().partition(|document| document.contains(MONITORING));
            let objects = dry_run(kubectl, &known.join("\n---\n"))
                .with_context(|| format!("{name}, as release {release} in {namespace}"))?;
            println!("{name}, as release {release}: {} objects, {} unknown ones", objects.len(), unknown.len());
        }
    }
    let deploy = format!("kustomize {}", workspace::root().join("deploy").display());
    compare(kubectl, helm, &Values::default(), &kubectl.output(&deploy)?)?;
    // For single namespaces there is nothing in deploy to compare with, but what the program makes of it, which a test compares.
    let values = Values::set(&["watchNamespaces={shop,shop-staging}"]);
    let manifests =
        command::output(Command::new(program).args(["manifests", "--watch-namespaces", "shop,shop-staging"]))?;
    compare(kubectl, helm, &values, &manifests)
}

/// The documents of a YAML text; with comments, without empty ones.
fn documents(text: &str) -> Vec<&str> {
    text.split("\n---\n")
        .map(|document| document.trim_start_matches("---\n"))
        .filter(|it| it.contains("kind:"))
        .collect()
}

/// What the API server would make of these objects.
fn dry_run(kubectl: &Kubectl, yaml: &str) -> Result<Vec<Value>> {
    let args = "apply --server-side --dry-run=server --warnings-as-errors -o json -f -";
    let objects: Value = serde_json::from_str(&kubectl.feed(args, yaml)?).context("kubectl wrote no JSON")?;
    Ok(items(objects))
}

fn items(mut objects: Value) -> Vec<Value> {
    match objects.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => vec![objects],
    }
}

/// Whether the chart makes the same objects as other manifests, but for the kinds and the namespace, which Helm makes by itself.
fn compare(kubectl: &Kubectl, helm: &Helm, values: &Values, manifests: &str) -> Result<()> {
    let ours = by_name(dry_run(kubectl, &helm.template(operator::NAME, operator::NAME, values)?)?);
    let theirs = by_name(dry_run(kubectl, manifests)?);
    let mut differences = Vec::new();
    for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
        match (ours.get(name), theirs.get(name)) {
            (Some(ours), Some(theirs)) => compare_values(name, ours, theirs, &mut differences),
            (Some(_), None) => differences.push(format!("{name} is in the chart only")),
            (None, _) => differences.push(format!("{name} is in the manifests only")),
        }
    }
    report("the chart differs from the manifests", &differences)?;
    println!("{} objects are the same in the chart and in the manifests", ours.len());
    Ok(())
}

fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let kinds = ["CustomResourceDefinition", "Namespace"].map(Value::from);
    let objects = objects.into_iter().filter(|object| !kinds.contains(&object["kind"]));
    objects
        .map(|mut object| {
            simplify(&mut object);
            let (kind, metadata) = (&object["kind"], &object["metadata"]);
            let words = [&metadata["namespace"], kind, &metadata["name"]].map(|word| word.as_str().unwrap_or_default());
            (words.join("/").trim_start_matches('/').to_owned(), object)
        })
        .collect()
}

/// Removes what is Helm's or the API server's own.
fn simplify(object: &mut Value) {
    let kept = ["name", "namespace", "labels", "annotations"];
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, _| kept.contains(&name.as_str()));
    }
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if object["kind"] == "Job" {
        // In the chart a hash of what is in it follows; and the API server chooses the pods by a number that it makes up.
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let first = name.split("-plugins-").next().unwrap_or_default().to_owned();
        object["metadata"]["name"] = format!("{first}-plugins").into();
        if let Some(spec) = object["spec"].as_object_mut() {
            spec.remove("selector");
        }
    }
    forget_labels(object);
}

fn forget_labels(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                let is_numbered =
                    name.starts_with("batch.kubernetes.io/") || name == "controller-uid" || name == "job-name";
                !LABELS.contains(&name.as_str()) && !is_numbered
            });
            fields.values_mut().for_each(forget_labels);
            fields.retain(|name, value| name != "matchLabels" || *value != Value::Object(Map::new()));
        }
        Value::Array(items) => items.iter_mut().for_each(forget_labels),
        _ => {}
    }
}

fn compare_values(path: &str, ours: &Value, theirs: &Value, differences: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
                let of = |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
                compare_values(&format!("{path}.{name}"), &of(ours), &of(theirs), differences);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (index, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare_values(&format!("{path}[{index}]"), ours, theirs, differences);
            }
        }
        _ if ours == theirs => {}
        _ => differences.push(format!("{path} is {ours} in the chart, and {theirs} in the manifests")),
    }
}

fn report(what: &str, faults: &[String]) -> Result<()> {
    if faults.is_empty() { Ok(()) } else { bail!("{what}:\n{}", faults.join("\n")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_named_by_its_place() {
        let check = |ours: Value, theirs: Value, expected: &[&str]| {
            let mut differences = Vec::new();
            compare_values("Role/a", &ours, &theirs, &mut differences);
            assert_eq!(differences, expected);
        };
        check(json!({"rules": [{"verbs": ["get"]}]}), json!({"rules": [{"verbs": ["get"]}]}), &[]);
        check(
            json!({"rules": [{"verbs": ["get"]}]}),
            json!({"rules": [{"verbs": ["list"]}], "more": 1}),
            &[
                r#"Role/a.rules[0].verbs[0] is "get" in the chart, and "list" in the manifests"#,
                "Role/a.more is null in the chart, and 1 in the manifests",
            ],
        );
        check(
            json!({"verbs": ["get"]}),
            json!({"verbs": []}),
            &[r#"Role/a.verbs is ["get"] in the chart, and [] in the manifests"#],
        );
    }

    #[test]
    fn what_is_helms_own_makes_no_difference_and_nothing_else_is_forgotten() {
        let mut object = json!({
            "kind": "NetworkPolicy",
            "metadata": {"name": "a", "uid": "1", "labels": {"app.kubernetes.io/name": "a", "helm.sh/chart": "c"}},
            "spec": {"podSelector": {"matchLabels": {"app.kubernetes.io/instance": "a"}}, "policyTypes": ["Ingress"]},
            "status": {},
        });
        simplify(&mut object);
        let expected = json!({
            "kind": "NetworkPolicy",
            "metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "a"}},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn examples_of_values_are_what_a_page_marks_as_values() {
        let page = "a\n```sh\nhelm\n```\n\n```yaml values\na: 1\n```\nb\n```yaml values\nb: 2\n```\n";
        assert_eq!(examples(page), ["a: 1\n", "b: 2\n"]);
        assert_eq!(examples("a"), Vec::<&str>::new());
    }

    #[test]
    fn a_text_is_split_into_its_documents() {
        let text = "---\n# Source: a\nkind: A\n---\n# Source: b\n---\nkind: C\n";
        assert_eq!(documents(text), ["# Source: a\nkind: A", "kind: C\n"]);
        assert_eq!(documents(""), Vec::<&str>::new());
    }
}
