use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::scene::{condition, container, image, with_fake_registry};

#[tokio::test]
async fn patterns_and_precision_say_which_tags_count_and_the_status_says_what_they_refused() {
    let (stage, registry) = with_fake_registry("patterns").await;
    registry.push("web", &["1.4.2", "1.4.3", "1.4.4", "1.4.5", "1.4.6.1", "1.4.9.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.4.2"))]).await;
    let tags = json!({"include": "1\\.4\\.[0-5](\\.1)?", "exclude": ".*\\.5"});
    stage.handle("web", &json!({"frontier": 2, "tags": tags, "precision": "Same"})).await;
    image(&stage, "web", "app", &registry.image("web", "1.4.4")).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    let refused = container(&stage, "web", "app").await.unwrap().refused;
    let reason = |tag: &str| refused.iter().find(|refused| refused.tag == tag).map(|refused| refused.reason.as_str());
    assert_eq!(reason("1.4.5"), Some("Excluded"), "{refused:?}");
    assert_eq!(reason("1.4.9.1"), Some("NotIncluded"), "{refused:?}");
}

#[tokio::test]
async fn a_pattern_that_is_none_stops_its_handler_with_the_place_of_the_fault_and_nothing_else() {
    let (stage, registry) = with_fake_registry("pattern").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    for name in ["broken", "healthy"] {
        stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
    }
    stage.handle("broken", &json!({"frontier": 1, "tags": {"include": "1\\.(0|"}})).await;
    stage.handle("healthy", &json!({"frontier": 1})).await;
    let message = condition(&stage, "broken", "Ready", "False", "InvalidSpec").await;
    assert!(message.contains("spec.tags.include") && message.contains("at character"), "{message}");
    image(&stage, "healthy", "app", &registry.image("web", "1.0.1")).await;
    assert_eq!(stage.image("broken", "app").await, registry.image("web", "1.0.0"));

    let mended = json!({"spec": {"tags": {"include": "1\\.(0|1)\\.[0-9]+"}}});
    stage.handlers().patch("broken", &PatchParams::default(), &Patch::Merge(&mended)).await.unwrap();
    image(&stage, "broken", "app", &registry.image("web", "1.0.1")).await;
}

#[tokio::test]
async fn every_container_may_have_its_own_version_scheme_and_its_own_rules() {
    let (stage, registry) = with_fake_registry("schemes").await;
    for (plugin, component) in [("semver", "version-semver"), ("regex", "version-regex"), ("date", "version-date")] {
        stage.plug(plugin, component, &json!({})).await;
    }
    registry.push("semver", &["v1.2.0", "v1.9.9", "v2.0.0", "v1.10.0-rc.1", "v1.10.0"]);
    registry.push("regex", &["1.2.3-ls9", "1.2.3-ls10", "1.2.3", "9.9.9"]);
    registry.push("date", &["2024.01.15", "2024.02.01", "20240301", "2024.13.01", "9.9"]);
    registry.push("calver", &["24.04.1", "24.04.10", "24.10.0", "23.10.9"]);
    registry.push("flavor", &["1.2.3-alpine3.19", "1.2.4-alpine3.20", "1.2.5"]);
    let containers = [
        ("semver", "v1.2.0"),
        ("regex", "1.2.3-ls9"),
        ("date", "2024.01.15"),
        ("calver", "24.04.1"),
        ("flavor", "1.2.3-alpine3.19"),
    ];
    let images: Vec<(&str, String)> = containers.iter().map(|(name, tag)| (*name, registry.image(name, tag))).collect();
    let images: Vec<(&str, &str)> = images.iter().map(|(name, image)| (*name, image.as_str())).collect();
    stage.deploy("web", &images).await;
    let expression = "(?<version>[0-9.]+)-ls(?<tail>[0-9]+)";
    let parser = |plugin: &str, settings: serde_json::Value| json!({"plugin": plugin, "settings": settings});
    let spec = json!({"frontier": 0, "containers": [
        {"name": "semver", "versionParser": parser("semver", json!({"range": ">=1.2 <2"}))},
        {"name": "regex", "versionParser": parser("regex", json!({"expression": expression}))},
        {"name": "date", "versionParser": parser("date", json!({}))},
        {"name": "calver", "frontier": 2, "versionParser": parser("date", json!({"scheme": "YY.0M.MICRO"}))},
        {"name": "flavor", "tags": {"flavor": "-alpine.*"}},
    ]});
    stage.handle("web", &spec).await;
    for (name, tag) in [
        ("semver", "v1.10.0"),
        ("regex", "1.2.3-ls10"),
        ("date", "20240301"),
        ("calver", "24.04.10"),
        ("flavor", "1.2.4-alpine3.20"),
    ] {
        image(&stage, "web", name, &registry.image(name, tag)).await;
    }
    let message = condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    assert!(message.contains("calver: 24.10.0"), "{message}");
}

#[tokio::test]
async fn an_expression_that_cannot_be_or_can_never_match_is_refused_in_the_condition() {
    let (stage, registry) = with_fake_registry("expressions").await;
    stage.plug("regex", "version-regex", &json!({})).await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let table = [
        ("broken", json!({"expression": "(?<version>[0-9.]+"}), "unclosed group"),
        ("never", json!({"expression": "(?<version>[0-9.]+) "}), "the expression can never match"),
        ("groups", json!({"expression": "[0-9.]+"}), "version"),
        ("missing", json!({}), "expression"),
    ];
    for (name, settings, _) in &table {
        stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
        stage.handle(name, &json!({"versionParser": {"plugin": "regex", "settings": settings}})).await;
    }
    for (name, _, words) in &table {
        let message = condition(&stage, name, "Ready", "False", "InvalidSettings").await;
        assert!(message.contains(words), "{name}: {message}");
        assert_eq!(stage.image(name, "app").await, registry.image("web", "1.0.0"));
    }
}
