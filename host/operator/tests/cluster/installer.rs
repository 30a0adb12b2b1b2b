use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8supdater_testkit::{Stage, objects, rights_of_installer};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::scene;

/// The shipped plugins, by the names of their objects.
const SHIPPED: [&str; 10] =
    ["date", "dockerhub", "email", "gitlab", "oci", "pep440", "regex", "semver", "telegram", "webhook"];

fn plugins() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/plugins")
}

/// `k8supdater plugin install ARGS` into the operator's namespace.
fn command(stage: &Stage, kubeconfig: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_k8supdater"));
    command.env_clear().args(["plugin", "install"]).args(args).arg("--kubeconfig").arg(kubeconfig);
    command.args(["--namespace", &stage.own_namespace]).arg("--from").arg(plugins());
    command
}

/// Whether it was content, and what it said: on standard output line by line, and on standard error.
async fn install(stage: &Stage, kubeconfig: &Path, args: &[&str]) -> (bool, Vec<String>, String) {
    let mut command = command(stage, kubeconfig, args);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout).lines().map(str::to_owned).collect(), text(output.stderr))
}

/// As the shipped Job does it.
async fn install_as_shipped(stage: &Stage) -> (bool, Vec<String>, String) {
    let kubeconfig = stage.installer("k8supdater-installer", None).await;
    install(stage, &kubeconfig, &["--owner", "k8supdater"]).await
}

#[track_caller]
fn all_are(lines: &[String], outcome: &str) {
    assert!(lines.len() == 2 * SHIPPED.len() && lines.iter().all(|line| line.ends_with(outcome)), "{lines:#?}");
}

async fn patch_plugin(stage: &Stage, name: &str, patch: &Value) {
    let params = PatchParams { field_manager: Some("administrator".to_owned()), ..PatchParams::default() };
    stage.plugins().patch(name, &params, &Patch::Merge(patch)).await.unwrap();
}

#[tokio::test]
async fn everything_is_installed_once_and_goes_with_the_operators_account() {
    let stage = scene::bare("install").await;
    let (success, lines, stderr) = install_as_shipped(&stage).await;
    assert!(success && stderr.is_empty(), "{stderr}");
    all_are(&lines, " created");
    let (success, lines, stderr) = install_as_shipped(&stage).await;
    assert!(success && stderr.is_empty(), "{stderr}");
    all_are(&lines, " unchanged");
    let names: Vec<String> = list(&stage).await.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, SHIPPED);

    let accounts: Api<ServiceAccount> = stage.own_api();
    accounts.delete("k8supdater", &DeleteParams::background()).await.unwrap();
    stage
        .eventually("what it owned is gone", async || {
            let left = list(&stage).await.len();
            let ours = ListParams::default().labels("app.kubernetes.io/name=k8supdater");
            let config_maps: Api<ConfigMap> = stage.own_api();
            let left = left + config_maps.list(&ours).await.map_err(|err| err.to_string())?.items.len();
            if left == 0 { Ok(()) } else { Err(format!("{left} objects are left")) }
        })
        .await;
}

async fn list(stage: &Stage) -> Vec<DynamicObject> {
    stage.plugins().list(&ListParams::default()).await.unwrap().items
}

#[tokio::test]
async fn what_an_administrator_has_changed_stays_and_bytes_are_put_right() {
    let stage = scene::bare("install-changed").await;
    let kubeconfig = stage.installer("k8supdater-installer", None).await;
    let names = ["oci", "semver"];
    assert!(install(&stage, &kubeconfig, &names).await.0);
    let granted = json!(["$registry", "http://registry.example:5000"]);
    let limits = json!({"memoryMib": 64});
    let change = json!({"spec": {"grants": {"origins": granted}, "limits": limits, "settings": {"plainHttp": true}}});
    patch_plugin(&stage, "oci", &change).await;
    let config_maps: Api<ConfigMap> = stage.own_api();
    let before = config_maps.get("registry-oci").await.unwrap().binary_data;
    let garbage = json!({"binaryData": {"plugin.wasm.gz": "Z2FyYmFnZQ=="}});
    config_maps.patch("registry-oci", &PatchParams::default(), &Patch::Merge(&garbage)).await.unwrap();

    let (success, lines, stderr) = install(&stage, &kubeconfig, &names).await;
    assert!(success && stderr.is_empty(), "{stderr}");
    let expected = [
        "configmap/registry-oci updated",
        "configmap/version-semver unchanged",
        "plugin/oci unchanged, and left as set by others: .spec.grants.origins (administrator)",
        "plugin/semver unchanged",
    ];
    assert_eq!(lines, expected);
    let spec = stage.plugins().get("oci").await.unwrap().data["spec"].clone();
    assert_eq!((&spec["grants"]["origins"], &spec["settings"]["plainHttp"]), (&granted, &json!(true)));
    assert_eq!(spec["limits"], limits);
    assert_eq!(spec["grants"]["realms"].as_array().map(Vec::len), Some(2), "what is shipped is there, too: {spec}");
    assert_eq!(config_maps.get("registry-oci").await.unwrap().binary_data, before);
}

#[tokio::test]
async fn what_somebody_else_has_made_is_left_alone_and_all_else_is_installed() {
    let stage = scene::bare("install-foreign").await;
    let theirs = objects::config_map("registry-gitlab", b"theirs", objects::Packing::Plain);
    let config_maps: Api<ConfigMap> = stage.own_api();
    config_maps.create(&PostParams::default(), &theirs).await.unwrap();
    let plugin = objects::plugin("semver", &json!({"source": {"configMap": {"name": "theirs"}}}));
    stage.plugins().create(&PostParams::default(), &plugin).await.unwrap();

    let (success, lines, stderr) = install_as_shipped(&stage).await;
    assert!(!success);
    assert_eq!(lines.len(), 2 * SHIPPED.len() - 2, "{lines:?}");
    for kind_and_name in [("ConfigMap", "registry-gitlab"), ("Plugin", "semver")] {
        let (kind, name) = kind_and_name;
        let expected = format!("{kind} {}/{name} is somebody else's, for it lacks the label", stage.own_namespace);
        assert!(stderr.contains(&expected), "{stderr}");
    }
    assert!(stderr.contains("2 of 20 objects could not be installed"), "{stderr}");
    assert_eq!(config_maps.get("registry-gitlab").await.unwrap().binary_data, theirs.binary_data);
    assert_eq!(stage.plugins().get("semver").await.unwrap().data["spec"]["source"]["configMap"]["name"], "theirs");
}

#[tokio::test]
async fn each_right_of_the_installer_is_needed() {
    let stage = scene::bare("install-rights").await;
    let rights = rights_of_installer();
    assert!(rights.len() <= SHIPPED.len(), "each takes a plugin that is not installed yet: {rights:?}");
    for ((resource, verb), plugin) in rights.iter().zip(SHIPPED) {
        let account = format!("without-{verb}-{resource}");
        let kubeconfig = stage.installer(&account, Some((resource, verb))).await;
        let (success, _, stderr) = install(&stage, &kubeconfig, &["--owner", "k8supdater", plugin]).await;
        let expected = format!("cannot {verb} resource \"{resource}\"");
        assert!(!success && stderr.contains(&expected), "without {verb} on {resource} it said:\n{stderr}");
    }
}

#[tokio::test]
async fn what_is_not_there_yet_is_waited_for() {
    let stage = scene::bare("install-waits").await;
    let admin = stage.cluster.surroundings.kubeconfig.clone();
    let mut command = command(&stage, &admin, &["--owner", "late", "pep440"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    let said = tokio::task::spawn_blocking(move || BufReader::new(stderr).lines().next().unwrap().unwrap());
    assert_eq!(said.await.unwrap(), format!("waiting for ServiceAccount {}/late", stage.own_namespace));
    let account = objects::service_account("late", &[]);
    let account = stage.own_api::<ServiceAccount>().create(&PostParams::default(), &account).await.unwrap();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let owners = stage.plugins().get("pep440").await.unwrap().metadata.owner_references.unwrap_or_default();
    assert_eq!(owners.iter().map(|owner| Some(owner.uid.clone())).collect::<Vec<_>>(), [account.metadata.uid]);
}
