use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::Role;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8supdater_testkit::{FakeRegistry, Stage, objects};
use kube::Api;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::scene::{condition, plugin_condition, prepared};

const PROGRAM: &str = env!("CARGO_BIN_EXE_k8supdater");
const PLUGINS_READY: [&str; 2] = ["oci", "pep440"];

/// What the doctor has said.
struct Examined {
    exit_code: Option<i32>,
    findings: Vec<Value>,
}

impl Examined {
    /// The findings of that level, but for those about what other tests do in this cluster.
    fn of_level(&self, level: &str) -> Vec<&Value> {
        let is_ours =
            |finding: &Value| !finding["message"].to_string().contains("is not among those that the operator");
        self.findings.iter().filter(|finding| finding["level"] == level && is_ours(finding)).collect()
    }

    /// The finding of that level about an object, whose message has these words.
    #[track_caller]
    fn find(&self, level: &str, object: &str, words: &str) -> &Value {
        let is_meant = |finding: &&Value| {
            finding["level"] == level
                && finding["object"].as_str().is_some_and(|found| found.contains(object))
                && finding["message"].as_str().is_some_and(|found| found.contains(words))
        };
        let found = self.findings.iter().find(is_meant);
        found.unwrap_or_else(|| panic!("no {level} about {object} with {words:?} in {:#?}", self.findings))
    }

    /// The command that mends it.
    #[track_caller]
    fn remedy(&self, level: &str, object: &str, words: &str) -> String {
        let finding = self.find(level, object, words);
        finding["remedy"].as_str().unwrap_or_else(|| panic!("no remedy in {finding}")).to_owned()
    }

    fn is_well(&self) -> Result<(), String> {
        let ill = [self.of_level("fault"), self.of_level("warning")].concat();
        (ill.is_empty()).then_some(()).ok_or_else(|| format!("{ill:#?}"))
    }
}

/// Runs a command as somebody at a terminal does who has this program on the path.
async fn run(stage: &Stage, kubeconfig: &Path, program: &str, args: &[String]) -> Output {
    let directory = Path::new(PROGRAM).parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command.args(args).env_clear().env("KUBECONFIG", kubeconfig).env("HOME", stage.directory());
    command.env("PATH", format!("{}:{path}", directory.display()));
    // The registry of the test answers on this thread.
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

async fn examine_as(stage: &Stage, kubeconfig: &Path) -> Examined {
    let args = ["doctor", "-o", "json", "--namespace", &stage.own_namespace].map(str::to_owned);
    let output = run(stage, kubeconfig, PROGRAM, &args).await;
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|err| panic!("{err}: {}", String::from_utf8_lossy(&output.stderr)));
    let findings = report["findings"].as_array().unwrap().clone();
    assert!(!report.to_string().contains("canary"), "no secret in {report:#}");
    Examined { exit_code: output.status.code(), findings }
}

/// What an administrator is told.
async fn examine(stage: &Stage) -> Examined {
    let kubeconfig = stage.cluster.surroundings.kubeconfig.clone();
    examine_as(stage, &kubeconfig).await
}

/// Runs the command that the doctor has named, and waits until it finds nothing to complain about.
async fn mend(stage: &Stage, remedy: &str) {
    let kubeconfig = stage.cluster.surroundings.kubeconfig.clone();
    let args = ["-o".to_owned(), "pipefail".to_owned(), "-c".to_owned(), remedy.to_owned()];
    let output = run(stage, &kubeconfig, "bash", &args).await;
    assert!(output.status.success(), "{remedy}: {}", String::from_utf8_lossy(&output.stderr));
    let probe = async || examine(stage).await.is_well();
    // A handler that has found a Secret wanting looks at it again within a minute.
    stage.within(Duration::from_secs(90), &format!("the doctor is content after {remedy}"), probe).await;
    assert_eq!(examine(stage).await.exit_code, Some(0));
}

/// The operator, with a Deployment in place of which a process of the test runs, and a handler that is content.
async fn installed(name: &str) -> (Stage, FakeRegistry) {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0"]);
    let mut stage = prepared(name, &[registry.origin()]).await;
    stage.operator.start().await;
    let labels = json!({"app.kubernetes.io/name": "k8supdater"});
    let container = json!({
        "name": "k8supdater", "image": concat!("k8supdater/k8supdater:", env!("CARGO_PKG_VERSION")),
        "env": [
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "WATCH_NAMESPACES", "value": stage.namespace},
        ],
    });
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "k8supdater", "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels}, "spec": {"serviceAccountName": "k8supdater", "containers": [container]},
        }},
    }))
    .unwrap();
    let deployments: Api<Deployment> = stage.own_api();
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
    for plugin in PLUGINS_READY {
        plugin_condition(&stage, plugin, "Ready", "True", "Serving").await;
    }
    stage.eventually("the doctor is content", async || examine(&stage).await.is_well()).await;
    (stage, registry)
}

async fn patch_deployment(stage: &Stage, patch: Value) {
    let deployments: Api<Deployment> = stage.own_api();
    deployments.patch("k8supdater", &PatchParams::default(), &Patch::Strategic(&patch)).await.unwrap();
}

/// A kubeconfig with the token that a pod of the operator has.
async fn kubeconfig_of_pod(stage: &Stage) -> PathBuf {
    let pods: Api<Pod> = stage.own_api();
    let pod = pods.list(&ListParams::default()).await.unwrap().items.remove(0);
    let bound = BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(pod.name_any()),
        uid: pod.uid(),
    };
    let spec = TokenRequestSpec { bound_object_ref: Some(bound), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let accounts: Api<ServiceAccount> = stage.own_api();
    let issued = accounts.create_token_request("k8supdater", &PostParams::default(), &request).await.unwrap();
    let token = issued.status.and_then(|status| status.token).unwrap();
    let text = std::fs::read_to_string(stage.directory().join("kubeconfig")).unwrap();
    let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
    for user in kubeconfig["users"].as_array_mut().unwrap() {
        user["user"] = json!({"token": token});
    }
    let path = stage.directory().join("kubeconfig-of-pod");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

#[tokio::test]
async fn a_healthy_installation_is_told_so_to_an_administrator_and_in_the_pod() {
    let (stage, _registry) = installed("doctor-well").await;
    let examined = examine(&stage).await;
    assert_eq!(examined.exit_code, Some(0));
    assert!(examined.of_level("unknown").is_empty(), "{:#?}", examined.findings);
    examined.find("ok", "API server", "v1.");
    examined.find("ok", "CustomResourceDefinition versioninghandlers.k8supdater.dev", "is that of this program");
    examined.find("ok", "CustomResourceDefinition plugins.k8supdater.dev", "is that of this program");
    examined.find("ok", "ServiceAccount", "rights that it needs");
    examined.find("ok", "Deployment", "is ready");
    examined.find("ok", "configuration of Deployment", "can be used");
    examined.find("ok", "Plugin", "registry-oci");
    examined.find("ok", "http://127.0.0.1:", "answers from this machine");
    examined.find("ok", "Secrets", "none is named");
    examined.find("ok", "VersioningHandlers", "1 ready");

    let pod = kubeconfig_of_pod(&stage).await;
    let args = [
        "doctor".to_owned(),
        format!("--namespace={}", stage.own_namespace),
        format!("--watch-namespaces={}", stage.namespace),
    ];
    let output = run(&stage, &pod, PROGRAM, &args).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for expected in
        ["in pod k8supdater-", "is that of this program", "answers from the operator's pod", "1 there are, 1 ready"]
    {
        assert!(text.contains(expected), "no {expected:?} in\n{text}");
    }
    // Its own Deployment may not be looked at with these rights.
    assert!(text.contains("unknown  Deployments in"), "{text}");
}

#[tokio::test]
async fn definitions_that_are_missing_or_older_are_told_and_mended() {
    let (mut stage, _registry) = installed("doctor-crd").await;
    let proxy = stage.through_proxy().await;
    // All tests share the definitions, so these are only shown.
    let path = |name: &str| format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}.k8supdater.dev");
    let definitions: Api<CustomResourceDefinition> = Api::all(stage.cluster.client.clone());
    let found = definitions.get("versioninghandlers.k8supdater.dev").await.unwrap();
    let mut older = serde_json::to_value(&found).unwrap();
    let schema = &mut older["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"]["properties"].as_object_mut().unwrap().remove("cooldown").unwrap();
    proxy.replace(&path("versioninghandlers"), 200, older.to_string());
    let absent = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound", "message": "x"});
    proxy.replace(&path("plugins"), 404, absent.to_string());

    let text = std::fs::read_to_string(&stage.cluster.surroundings.kubeconfig).unwrap();
    let mut kubeconfig: Value = serde_yaml_ng::from_str(&text).unwrap();
    for cluster in kubeconfig["clusters"].as_array_mut().unwrap() {
        cluster["cluster"] = json!({"server": proxy.origin()});
    }
    let through = stage.directory().join("kubeconfig-of-admin-by-proxy");
    std::fs::write(&through, kubeconfig.to_string()).unwrap();
    let examined = examine_as(&stage, &through).await;
    assert_eq!(examined.exit_code, Some(1), "{:#?}", examined.findings);
    examined.find("fault", "versioninghandlers.k8supdater.dev", "is older than this program");
    let remedy = examined.remedy("fault", "versioninghandlers.k8supdater.dev", "it lacks spec.cooldown");
    assert_eq!(remedy, "k8supdater crd | kubectl apply --server-side --force-conflicts -f -");
    assert_eq!(examined.remedy("fault", "plugins.k8supdater.dev", "is not installed"), remedy);
    mend(&stage, &remedy).await;
}

#[tokio::test]
async fn a_verb_that_was_taken_from_a_role_is_told_and_given_back() {
    let (stage, _registry) = installed("doctor-verb").await;
    let roles: Api<Role> = stage.own_api();
    let mut role = roles.get("k8supdater").await.unwrap();
    for rule in role.rules.iter_mut().flatten() {
        if rule.resources.iter().flatten().any(|resource| resource == "configmaps") {
            rule.verbs.retain(|verb| verb != "watch");
        }
        if rule.resources.iter().flatten().any(|resource| resource == "leases") {
            rule.verbs.retain(|verb| verb != "create");
        }
    }
    role.rules.iter_mut().for_each(|rules| rules.retain(|rule| !rule.verbs.is_empty()));
    roles.replace("k8supdater", &PostParams::default(), &role).await.unwrap();
    // And in the namespace that is watched.
    let roles: Api<Role> = stage.api();
    let mut role = roles.get("k8supdater-workloads").await.unwrap();
    for rule in role.rules.iter_mut().flatten() {
        if rule.resources.iter().flatten().any(|resource| resource == "cronjobs") {
            rule.verbs.retain(|verb| verb != "patch");
        }
    }
    roles.replace("k8supdater-workloads", &PostParams::default(), &role).await.unwrap();
    let told = async || {
        let examined = examine(&stage).await;
        let faults = examined.of_level("fault").len();
        (faults == 2).then_some(examined).ok_or_else(|| format!("{faults} faults"))
    };
    let examined = stage.eventually("the doctor misses a verb in either role", told).await;
    assert_eq!(examined.exit_code, Some(1));
    examined.find("warning", "Role k8supdater", "create leases.coordination.k8s.io");
    let remedy = examined.remedy("fault", "Role k8supdater", "may not watch configmaps in ");
    let flags = format!("--namespace {} --watch-namespaces {}", stage.own_namespace, stage.namespace);
    assert!(remedy.starts_with(&format!("k8supdater manifests rights {flags} | ")), "{remedy}");
    assert_eq!(examined.remedy("fault", "Role k8supdater-workloads", "may not patch cronjobs.batch in "), remedy);
    mend(&stage, &remedy).await;
}

#[tokio::test]
async fn a_plugin_without_its_bytes_is_told_and_gets_them() {
    let (stage, _registry) = installed("doctor-bytes").await;
    let plugins = stage.plugins();
    plugins.create(&PostParams::default(), &objects::plugin("semver", &json!({}))).await.unwrap();
    plugin_condition(&stage, "semver", "Ready", "False", "ConfigMapNotFound").await;
    let examined = examine(&stage).await;
    assert_eq!(examined.exit_code, Some(1));
    let remedy = examined.remedy("fault", "/semver", "ConfigMapNotFound: ");
    let file = stage.cluster.surroundings.plugins.join("version-semver.wasm");
    assert!(remedy.contains("--from-file plugin.wasm.gz=FILE"), "{remedy}");
    mend(&stage, &remedy.replace("plugin.wasm.gz=FILE", &format!("plugin.wasm={}", file.display()))).await;
}

#[tokio::test]
async fn an_origin_that_is_not_granted_is_told_and_granted() {
    let (stage, registry) = installed("doctor-grant").await;
    let spec = json!({"settings": {"baseUrl": registry.origin()}, "grants": {"origins": ["$registry"]}});
    stage.plug("lab", "registry-gitlab", &spec).await;
    plugin_condition(&stage, "lab", "Ready", "False", "NotGranted").await;
    let examined = examine(&stage).await;
    assert_eq!(examined.exit_code, Some(1));
    let remedy = examined.remedy("fault", "/lab", "NotGranted: ");
    assert!(remedy.contains(&format!(r#"["$registry","{}"]"#, registry.origin())), "{remedy}");
    mend(&stage, &remedy).await;
}

#[tokio::test]
async fn registries_that_cannot_be_reached_or_trusted_are_told() {
    let (stage, registry) = installed("doctor-egress").await;
    // Nobody listens there, and nobody knows the authority of the API server.
    let text = std::fs::read_to_string(&stage.cluster.surroundings.kubeconfig).unwrap();
    let kubeconfig: Value = serde_yaml_ng::from_str(&text).unwrap();
    let untrusted = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
    let origins = json!(["$registry", registry.origin(), "http://127.0.0.1:1", untrusted, "https://nobody.invalid"]);
    let patch = json!({"spec": {"grants": {"origins": origins}}});
    stage.plugins().patch("oci", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    stage.deploy("gone", &[("app", "127.0.0.1:1/web:1.0.0")]).await;
    stage.handle("gone", &json!({})).await;
    condition(&stage, "gone", "Ready", "False", "RegistryUnavailable").await;

    let examined = examine(&stage).await;
    let gone = examined.find("warning", "http://127.0.0.1:1", "no connection: ");
    assert!(gone["message"].as_str().unwrap().contains("tried from this machine"), "{gone}");
    examined.find("warning", &untrusted, "no trust: ");
    assert!(examined.remedy("warning", &untrusted, "unknown authority").contains("K8SUPDATER_CA_FILE"));
    assert!(
        examined.remedy("warning", "https://nobody.invalid", "name not found: ").contains("nslookup nobody.invalid")
    );
    examined.find("warning", "VersioningHandler", "RegistryUnavailable: ");
    examined.find("ok", &registry.origin(), "answers");
    // What fails here need not fail there; but there it does.
    assert_eq!(examined.exit_code, Some(0));
    let pod = kubeconfig_of_pod(&stage).await;
    let examined = examine_as(&stage, &pod).await;
    assert_eq!(examined.exit_code, Some(1), "{:#?}", examined.findings);
    examined.find("fault", &untrusted, "no trust: ");
}

#[tokio::test]
async fn a_secret_that_lacks_a_key_is_told_and_completed() {
    let (stage, registry) = installed("doctor-secret").await;
    registry.require_login("USER", "PASSWORD");
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = stage.api();
    let secret = objects::secret("login", &[("username", "USER"), ("passwort", "canary")]);
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    let patch = json!({"spec": {"registry": {"secretRef": {"name": "login"}}}});
    stage.handlers().patch("web", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    condition(&stage, "web", "Ready", "False", "SecretKeysMissing").await;
    let examined = examine(&stage).await;
    assert_eq!(examined.exit_code, Some(1));
    examined.find("fault", "VersioningHandler", "SecretKeysMissing: ");
    let object = format!("Secret {}/login", stage.namespace);
    let remedy = examined.remedy("fault", &object, "lacks the key password, which VersioningHandler");
    mend(&stage, &remedy).await;
}

#[tokio::test]
async fn an_operator_that_does_not_run_is_told_and_started() {
    let (stage, _registry) = installed("doctor-scale").await;
    patch_deployment(&stage, json!({"spec": {"replicas": 0}})).await;
    let examined = examine(&stage).await;
    assert_eq!(examined.exit_code, Some(1));
    let remedy = examined.remedy("fault", "Deployment", "is scaled to 0");
    mend(&stage, &remedy).await;
    let deployments: Api<Deployment> = stage.own_api();
    deployments.delete("k8supdater", &kube::api::DeleteParams::default()).await.unwrap();
    let examined = examine(&stage).await;
    assert_eq!(examined.exit_code, Some(1));
    examined.find("fault", "Deployment in", "the operator is not installed in this namespace");
}

#[tokio::test]
async fn a_wrong_variable_is_told_and_removed() {
    let (stage, _registry) = installed("doctor-env").await;
    let env = json!([{"name": "VERSIONS_FRONTIER", "value": "two"}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "k8supdater", "env": env}]}}}});
    patch_deployment(&stage, patch).await;
    let examined = examine(&stage).await;
    assert_eq!(examined.exit_code, Some(1));
    let object = format!("configuration of Deployment {}/k8supdater", stage.own_namespace);
    let remedy =
        examined.remedy("fault", &object, "VERSIONS_FRONTIER (or --frontier) is \"two\", expected a whole number");
    mend(&stage, &remedy).await;
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_is_told() {
    let stage = crate::scene::bare("doctor-gone").await;
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let path = stage.directory().join("kubeconfig-of-nobody");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    let examined = tokio::time::timeout(Duration::from_mins(1), examine_as(&stage, &path)).await.unwrap();
    assert_eq!(examined.exit_code, Some(1));
    examined.find("fault", "API server", "does not answer");
}
