use k8s_openapi::api::core::v1::ConfigMap;
use k8supdater::api::Plugin;
use k8supdater_testkit::Stage;
use k8supdater_testkit::objects::Packing;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{condition, image, plugin_condition, plugin_status, prepared, with_fake_registry};

async fn change(stage: &Stage, plugin: &str, spec: &Value) {
    let patch = json!({"spec": spec});
    stage.plugins().patch(plugin, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
}

#[tokio::test]
async fn component_that_is_replaced_serves_without_a_restart() {
    let (stage, registry) = with_fake_registry("reload").await;
    registry.push("web", &["1.0.0", "1.0.0.post1"]);
    stage.plug("parser", "version-number", &json!({})).await;
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"versionParser": {"plugin": "parser"}, "interval": "1h"})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    plugin_condition(&stage, "parser", "Ready", "True", "Serving").await;
    let before = plugin_status(&stage, "parser").await;
    assert_eq!(before.name.as_deref(), Some("version-number"));
    assert_eq!(before.kind.as_deref(), Some("version-parser"));

    // To the other parser the second tag is a version, and a newer one. The registry is not asked again for that.
    let listings = registry.count(k8supdater_testkit::Part::Tags);
    let bytes = stage.cluster.surroundings.component("version-pep440");
    stage.replace_component("parser", &bytes, Packing::Plain).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.0.post1")).await;
    let after = plugin_status(&stage, "parser").await;
    assert_eq!(after.name.as_deref(), Some("version-pep440"));
    assert_ne!(after.digest, before.digest);
    assert_eq!(registry.count(k8supdater_testkit::Part::Tags), listings);
}

#[tokio::test]
async fn broken_bytes_do_not_replace_what_serves_and_are_described() {
    let (stage, registry) = with_fake_registry("broken").await;
    registry.push("web", &["1.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
    let good = stage.cluster.surroundings.component("version-pep440");
    let digest = plugin_status(&stage, "pep440").await.digest;
    let wat = |text: &str| wat::parse_str(text).unwrap();
    let manifest = json!({
        "name": "importing", "version": "0.1.0", "kind": "version-parser", "description": "x", "license": "Apache-2.0",
        "settings": {"type": "object"}, "origins": [], "slots": [], "examples": [],
    });
    let manifest = manifest.to_string().replace('"', "\\\"");
    let section = format!("(@custom \"k8supdater:manifest\" \"{manifest}\")");
    let importing = format!("(component (import \"ask-the-host\" (func)) {section})");
    let table = [
        (b"once upon a time".to_vec(), "NotWasm", "it is not WebAssembly"),
        (wat("(module)"), "CoreModule", "it is a core module, not a component"),
        (good[..good.len() / 2].to_vec(), "InvalidComponent", "it is not a valid component"),
        (wat(&importing), "ImportsRefused", "ask-the-host"),
        (wat("(component)"), "NoManifest", "it has no plugin manifest"),
    ];
    for (number, (bytes, reason, words)) in table.iter().enumerate() {
        stage.replace_component("pep440", bytes, Packing::Plain).await;
        let message = plugin_condition(&stage, "pep440", "Loaded", "False", reason).await;
        assert!(message.contains(words) && message.contains("ConfigMap pep440"), "{words:?} in {message}");
        let message = plugin_condition(&stage, "pep440", "Ready", "True", "KeptLastGood").await;
        assert!(message.contains("keeps serving") && message.contains(words), "{words:?} in {message}");
        assert_eq!(plugin_status(&stage, "pep440").await.digest, digest);
        let tag = format!("1.0.{}", number + 1);
        registry.push("web", &[&tag]);
        image(&stage, "web", "app", &registry.image("web", &tag)).await;
    }
    let api: Api<ConfigMap> = stage.own_api();
    api.delete("pep440", &DeleteParams::default()).await.unwrap();
    plugin_condition(&stage, "pep440", "Loaded", "False", "ConfigMapNotFound").await;
    plugin_condition(&stage, "pep440", "Ready", "True", "KeptLastGood").await;
    let map = k8supdater_testkit::objects::config_map("pep440", &good, Packing::Gzip);
    api.create(&kube::api::PostParams::default(), &map).await.unwrap();
    plugin_condition(&stage, "pep440", "Ready", "True", "Serving").await;
}

#[tokio::test]
async fn missing_grant_is_named_and_granting_it_is_enough() {
    let registry = k8supdater_testkit::FakeRegistry::start().await;
    let mut stage = prepared("grants", &[registry.origin()]).await;
    change(&stage, "oci", &json!({"grants": {"origins": [registry.origin()]}})).await;
    stage.operator.start().await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"interval": "1h"})).await;
    let message = plugin_condition(&stage, "oci", "Granted", "False", "NotGranted").await;
    assert!(message.contains("asks for $registry") && message.contains("spec.grants.origins"), "{message}");
    plugin_condition(&stage, "oci", "Loaded", "True", "Loaded").await;
    plugin_condition(&stage, "oci", "Ready", "False", "NotGranted").await;
    let message = condition(&stage, "web", "Ready", "False", "PluginNotReady").await;
    assert!(message.contains("Plugin oci is not ready") && message.contains("$registry"), "{message}");

    change(&stage, "oci", &json!({"grants": {"origins": ["$registry"]}})).await;
    plugin_condition(&stage, "oci", "Ready", "True", "Serving").await;
    let message = condition(&stage, "web", "Ready", "False", "RegistryFailed").await;
    assert!(message.contains("http"), "plain http has to be granted by name: {message}");

    change(&stage, "oci", &json!({"grants": {"origins": ["$registry", registry.origin()]}})).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
}

#[tokio::test]
async fn handlers_hear_what_is_wrong_with_the_plugins_that_they_name() {
    let (stage, registry) = with_fake_registry("named").await;
    registry.push("web", &["1.0.0"]);
    let table = [
        ("absent", json!({"containerregistry": "dockerhub"}), "PluginNotFound", "ready are: oci"),
        ("wrong-kind", json!({"containerregistry": "pep440"}), "PluginOfWrongKind", "a version-parser plugin"),
        ("no-parser", json!({"versionParser": {"plugin": "semver"}}), "PluginNotFound", "ready are: pep440"),
        ("setting", json!({"registry": {"settings": {"pageSize": 0}}}), "InvalidSettings", "pageSize"),
        ("unknown", json!({"registry": {"settings": {"pagesize": 9}}}), "InvalidSettings", "pagesize"),
        (
            "parser",
            json!({"versionParser": {"plugin": "pep440", "settings": {"x": 1}}}),
            "InvalidSettings",
            "unexpected: 'x'",
        ),
    ];
    for (name, spec, ..) in &table {
        stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
        stage.handle(name, spec).await;
    }
    for (name, _, reason, words) in &table {
        let message = condition(&stage, name, "Ready", "False", reason).await;
        assert!(message.contains(words), "{name}: {words:?} in {message}");
    }
    stage
        .plug(
            "dockerhub",
            "registry-oci",
            &json!({
                "settings": {"plainHttp": true}, "grants": {"origins": ["$registry", registry.origin()]},
            }),
        )
        .await;
    condition(&stage, "absent", "Ready", "True", "Checked").await;

    let api: Api<Plugin> = stage.own_api();
    api.delete("dockerhub", &DeleteParams::default()).await.unwrap();
    condition(&stage, "absent", "Ready", "False", "PluginNotFound").await;
}
