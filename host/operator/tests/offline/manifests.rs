use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{check_failure, run};
use crate::root;

/// The documents of a YAML stream.
fn parse(stream: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(stream).map(|document| Value::deserialize(document).unwrap()).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|err| panic!("cannot read {}: {err}", path.display()))
}

/// What `kubectl kustomize` makes of a directory of ours, as far as ours go.
fn kustomize(directory: &Path) -> Vec<Value> {
    let kustomization = parse(&read(&directory.join("kustomization.yaml"))).remove(0);
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut objects = Vec::new();
    for resource in texts(&kustomization["resources"]) {
        let path = directory.join(&resource);
        objects.extend(if path.is_dir() { kustomize(&path) } else { parse(&read(&path)) });
    }
    for generator in kustomization["configMapGenerator"].as_array().into_iter().flatten() {
        let mut data = serde_json::Map::new();
        for file in texts(&generator["files"]) {
            let (key, file) = file.split_once('=').unwrap();
            let bytes = fs::read(directory.join(file)).unwrap();
            data.insert(key.to_owned(), serde_json::to_value(k8s_openapi::ByteString(bytes)).unwrap());
        }
        let labels = &kustomization["generatorOptions"]["labels"];
        objects.push(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "binaryData": data,
            "metadata": {"name": generator["name"], "labels": labels},
        }));
    }
    if let Some(namespace) = kustomization.get("namespace") {
        for object in &mut objects {
            object["metadata"]["namespace"] = namespace.clone();
        }
    }
    objects
}

/// Objects by what they are called.
fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let count = objects.len();
    let name = |object: &Value| {
        format!("{} {}/{}", object["kind"], object["metadata"]["namespace"], object["metadata"]["name"])
    };
    let named: BTreeMap<_, _> = objects.into_iter().map(|object| (name(&object), object)).collect();
    assert_eq!(named.len(), count, "two objects have the same name");
    named
}

#[track_caller]
fn printed(args: &[&str]) -> Vec<Value> {
    let (success, text, stderr) = run(args, &[]);
    assert!(success && stderr.is_empty(), "{args:?} said:\n{stderr}");
    parse(&text)
}

#[track_caller]
fn check_same(args: &[&str], directory: &str) {
    let (printed, expected) = (by_name(printed(args)), by_name(kustomize(&root().join(directory))));
    assert_eq!(printed.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{args:?} and {directory}");
    for (name, object) in &expected {
        // Not assert_eq: two objects of a thousand lines side by side help nobody.
        assert!(printed[name] == *object, "{name} is not the same in {args:?} and in {directory}");
    }
}

#[test]
fn the_program_prints_what_the_kustomizations_say() {
    check_same(&["manifests"], "deploy");
    check_same(&["manifests", "plugins"], "deploy/plugins");
}

#[test]
fn install_yaml_is_what_the_program_prints() {
    let (_, printed, _) = run(&["manifests"], &[]);
    assert!(
        read(&root().join("deploy/install.yaml")) == printed,
        "deploy/install.yaml is out of date: run `cargo xtask manifests`"
    );
}

#[test]
fn the_version_is_the_same_wherever_it_is_written() {
    let version = env!("CARGO_PKG_VERSION");
    let objects = printed(&["manifests"]);
    let of_kind = |kind: &str| objects.iter().find(|object| object["kind"] == kind).unwrap();
    for kind in ["Deployment", "Job"] {
        let image = of_kind(kind)["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
        assert_eq!(image.rsplit_once(':').unwrap().1, version, "{kind}");
    }
    let job = of_kind("Job")["metadata"]["name"].as_str().unwrap();
    assert_eq!(job, format!("k8supdater-plugins-{}", version.replace('.', "-")));
}

#[test]
fn the_namespace_comes_first_and_the_kinds_before_what_needs_them() {
    let objects = printed(&["manifests"]);
    let kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["Namespace", "CustomResourceDefinition", "CustomResourceDefinition"], "{kinds:?}");
    let at = |kind: &str| kinds.iter().rposition(|&found| found == kind).unwrap();
    assert!(at("RoleBinding") < at("Job") && at("ServiceAccount") < at("Job"), "{kinds:?}");
}

#[test]
fn an_operator_for_a_few_namespaces_has_no_right_beyond_them() {
    let objects = printed(&["manifests", "--namespace", "updates", "--watch-namespaces", "team-a,team-b"]);
    let rights: Vec<&Value> =
        objects.iter().filter(|object| object["apiVersion"] == "rbac.authorization.k8s.io/v1").collect();
    let places = ["updates", "team-a", "team-b"];
    for object in &rights {
        assert!(places.iter().any(|place| object["metadata"]["namespace"] == *place), "{object:#}");
        assert!(!object["kind"].as_str().unwrap().starts_with("Cluster"), "{object:#}");
        assert!(object.get("roleRef").is_none_or(|role| role["kind"] == "Role"), "{object:#}");
        assert!(!object.to_string().contains("\"nodes\""), "{object:#}");
    }
    // What it may do there is what it may do everywhere otherwise.
    let rules = |objects: &[Value], kind: &str, namespace: Option<&str>| -> BTreeMap<String, Value> {
        let roles = objects.iter().filter(|object| object["kind"] == kind);
        let roles = roles.filter(|role| role["metadata"].get("namespace").and_then(Value::as_str) == namespace);
        roles.map(|role| (role["metadata"]["name"].as_str().unwrap().to_owned(), role["rules"].clone())).collect()
    };
    let mut everywhere = rules(&printed(&["manifests"]), "ClusterRole", None);
    assert!(everywhere.remove("k8supdater-nodes").is_some());
    for namespace in ["team-a", "team-b"] {
        assert_eq!(rules(&objects, "Role", Some(namespace)), everywhere, "{namespace}");
    }
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    assert!(env.contains(&json!({"name": "WATCH_NAMESPACES", "value": "team-a,team-b"})), "{env:?}");
}

#[test]
fn the_rights_alone_are_those_of_the_whole() {
    for flags in [
        &[][..],
        &["--namespace", "updates"],
        &["--watch-namespaces", "team-a,team-b"],
        &["-n", "updates", "--watch-namespaces", "updates,team-a"],
    ] {
        let mut whole = printed(&[&["manifests", "--without-plugins"], flags].concat());
        whole.retain(|object| {
            object["kind"] == "ServiceAccount" || object["apiVersion"] == "rbac.authorization.k8s.io/v1"
        });
        assert_eq!(printed(&[&["manifests", "rights"], flags].concat()), whole, "{flags:?}");
    }
    // The name of the account is all that becomes another.
    let without_account = |args: &[&str], account: &str| {
        let mut objects = printed(args);
        for object in &mut objects {
            if object["kind"] == "ServiceAccount" {
                assert_eq!(object["metadata"]["name"].take(), account);
            }
            for subject in object.get_mut("subjects").and_then(Value::as_array_mut).into_iter().flatten() {
                assert_eq!(subject["name"].take(), account);
            }
        }
        objects
    };
    assert_eq!(
        without_account(&["manifests", "rights", "--service-account", "updater"], "updater"),
        without_account(&["manifests", "rights"], "k8supdater")
    );
}

#[test]
fn nothing_names_the_usual_namespace_or_image_where_others_are_wanted() {
    let objects = printed(&[
        "manifests",
        "--namespace",
        "updates",
        "--image",
        "registry.example.com/a:1@sha256:0123456789012345678901234567890123456789012345678901234567890123",
    ]);
    for object in objects.iter().filter(|object| object["kind"] != "CustomResourceDefinition") {
        let text = object.to_string();
        assert!(
            !text.contains("\"namespace\":\"k8supdater\"") && !text.contains("k8supdater/k8supdater:"),
            "{object:#}"
        );
    }
    assert_eq!(objects[0]["metadata"]["name"], "updates");
}

#[test]
fn the_installer_can_be_left_out() {
    let objects = printed(&["manifests", "--without-plugins"]);
    assert!(!objects.is_empty());
    assert!(
        objects
            .iter()
            .filter(|object| object["kind"] != "NetworkPolicy")
            .all(|object| !object.to_string().contains("installer"))
    );
}

#[test]
fn wrong_flags_are_refused_with_what_is_expected() {
    check_failure(&["manifests", "--namespace", "Team A"], &[], "expected the name of a namespace");
    check_failure(&["manifests", "--watch-namespaces", "a,,b"], &[], "expected the name of a namespace");
    check_failure(&["manifests", "rights", "--namespace", "Team A"], &[], "expected the name of a namespace");
    check_failure(&["manifests", "--image", "Not An Image"], &[], "--image");
    check_failure(
        &["manifests", "plugins", "--from", "/does/not/exist"],
        &[],
        "found no YAML file with a Plugin in /does/not/exist",
    );
    let install = ["plugin", "install", "--kubeconfig", "/does/not/exist"];
    check_failure(
        &install,
        &[("POD_NAMESPACE", "Team A")],
        "POD_NAMESPACE (or --namespace) is \"Team A\", expected the name of a namespace",
    );
    check_failure(
        &install,
        &[("K8SUPDATER_PLUGINS", "/does/not/exist")],
        "found no YAML file with a Plugin in /does/not/exist",
    );
    check_failure(&[&install[..], &["nonsense"]].concat(), &[], "there is no Plugin \"nonsense\" in ");
    check_failure(&install, &[], "cannot find out how to reach the API server");
}

/// Every pod that an installation runs.
fn pods() -> Vec<(String, Value)> {
    let objects = printed(&["manifests"]);
    let pods = objects.iter().filter(|object| object["spec"]["template"]["spec"]["containers"].is_array());
    let pods: Vec<_> =
        pods.map(|it| (it["kind"].as_str().unwrap().to_owned(), it["spec"]["template"].clone())).collect();
    assert_eq!(pods.len(), 2);
    pods
}

#[test]
fn every_pod_says_who_it_is_and_asks_for_as_little_as_can_be() {
    for (kind, template) in pods() {
        let spec = &template["spec"];
        let security = &spec["securityContext"];
        assert_eq!(
            (&security["runAsNonRoot"], &security["seccompProfile"]["type"]),
            (&json!(true), &json!("RuntimeDefault")),
            "{kind}"
        );
        assert_eq!(spec["automountServiceAccountToken"], true, "{kind}");
        let container = &spec["containers"][0];
        let expected = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
        assert_eq!(container["securityContext"], expected, "{kind}");
        for quantity in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
            assert!(container["resources"].pointer(quantity).is_some(), "{kind} lacks {quantity}");
        }
    }
}

#[test]
fn no_pod_is_taken_for_another_one_and_the_policy_is_for_all() {
    let objects = printed(&["manifests"]);
    let labels: Vec<(String, Value)> = pods()
        .into_iter()
        .map(|(kind, template)| (kind, template["metadata"]["labels"]["app.kubernetes.io/name"].clone()))
        .collect();
    let selected = |object: &Value| -> Vec<&str> {
        let selector = &object["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"];
        labels.iter().filter(|(_, label)| label == selector).map(|(kind, _)| kind.as_str()).collect()
    };
    for object in &objects {
        match object["kind"].as_str().unwrap() {
            "Deployment" | "PodDisruptionBudget" => assert_eq!(selected(object), ["Deployment"], "{object:#}"),
            "NetworkPolicy" => {
                let named = object["spec"]["podSelector"]["matchExpressions"][0]["values"].as_array().unwrap();
                assert!(labels.iter().all(|(_, label)| named.contains(label)), "{named:?} {labels:?}");
            }
            _ => {}
        }
    }
}

#[test]
fn the_sources_have_no_file_in_deploy_that_nothing_applies() {
    let mut forgotten = Vec::new();
    for directory in ["deploy", "deploy/crd", "deploy/operator", "deploy/installer", "deploy/plugins"] {
        let kustomization = read(&root().join(directory).join("kustomization.yaml"));
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let is_applied =
                kustomization.contains(&name) || ["kustomization.yaml", "install.yaml"].contains(&name.as_str());
            if path.extension().is_some_and(|extension| extension == "yaml") && !is_applied {
                forgotten.push(path);
            }
        }
    }
    assert_eq!(forgotten, Vec::<PathBuf>::new());
}
