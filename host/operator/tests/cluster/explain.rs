use std::process::{Command, Output};

use k8supdater_testkit::Stage;
use serde_json::{Value, json};

use crate::scene::{condition, with_fake_registry};

/// Runs `k8supdater explain` with exactly the operator's rights, which is what whoever uses `kubectl exec` has.
async fn explain(stage: &Stage, args: &[&str]) -> Output {
    let kubeconfig = format!("--kubeconfig={}", stage.directory().join("kubeconfig").display());
    let namespace = format!("--namespace={}", stage.own_namespace);
    let mut command = Command::new(env!("CARGO_BIN_EXE_k8supdater"));
    command.env_clear().arg("explain").args(args).args([kubeconfig, namespace]);
    // The registry of the test answers on this thread.
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test]
async fn every_tag_is_explained_and_nothing_is_changed() {
    let (mut stage, registry) = with_fake_registry("explain").await;
    registry.push("web", &["1.4.1", "1.4.2", "1.5.0", "2.0.0", "2.0.0-alpine", "main", "sha256-0.sig"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.4.2")), ("old", "app@sha256:0")]).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "UpToDate", "Unknown", "CheckFailed").await;
    stage.operator.kill();
    registry.push("web", &["1.4.3"]);
    let handler = format!("{}/web", stage.namespace);

    let shown = text(&explain(&stage, &[&handler]).await);
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    for expected in [
        vec!["decision", "UpdateAndNotify"],
        vec!["update", &registry.image("web", "1.4.3")],
        vec!["available", "2.0.0"],
        vec!["decision", "Failed"],
    ] {
        assert!(rows.contains(&expected), "{expected:?} in {shown}");
    }
    let verdict = |tag: &str| {
        let row = rows.iter().find(|row| row.first() == Some(&tag)).unwrap_or_else(|| panic!("{tag} in {shown}"));
        (row[1].to_owned(), row[2].to_owned())
    };
    for (tag, version, expected) in [
        ("2.0.0", "2.0.0", "BeyondFrontier"),
        ("2.0.0-alpine", "2.0.0", "OtherFlavor"),
        ("1.5.0", "1.5.0", "BeyondFrontier"),
        ("1.4.3", "1.4.3", "Update"),
        ("1.4.2", "1.4.2", "NotNewer"),
        ("1.4.1", "1.4.1", "NotNewer"),
        ("main", "-", "NoVersion"),
        ("sha256-0.sig", "0", "Artifact"),
    ] {
        assert_eq!(verdict(tag), (version.to_owned(), expected.to_owned()), "{tag} in {shown}");
    }
    assert!(shown.contains("is no image reference"), "{shown}");

    let report = explain(&stage, &[&handler, "--container=app", "-o", "json"]).await;
    let report: Value = serde_json::from_str(&text(&report)).unwrap();
    assert_eq!(report["containers"].as_array().unwrap().len(), 1);
    let app = &report["containers"][0];
    assert_eq!(app["update"], json!({"image": registry.image("web", "1.4.3")}));
    assert_eq!(app["candidates"].as_array().unwrap().len(), 8);
    assert_eq!(app["policy"]["frontier"], "2");
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.4.2"));
}

#[tokio::test]
async fn what_cannot_be_explained_is_said_with_the_remedy() {
    let (stage, registry) = with_fake_registry("explain-not").await;
    registry.push("web", &["1.0.0"]);
    let check = async |args: &[&str], expected: &str| {
        let output = explain(&stage, args).await;
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && message.contains(expected), "{args:?}: {message}");
    };
    let handler = |name: &str| format!("{}/{name}", stage.namespace);
    check(&["web"], "expected NAMESPACE/HANDLER").await;
    check(&[&handler("web")], "there is no VersioningHandler").await;
    stage.handle("web", &json!({})).await;
    check(&[&handler("web")], "does not exist; create it, or correct spec.deployment").await;
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    check(&[&handler("web"), "--container=db"], "has no container \"db\", expected one of: app").await;
    stage.handle("web-too", &json!({"deployment": "web"})).await;
    let shown = text(&explain(&stage, &[&handler("web-too")]).await);
    assert!(shown.contains("is looked after by the older VersioningHandler"), "{shown}");
    stage.deploy("other", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("other", &json!({"containerregistry": "gone"})).await;
    let shown = text(&explain(&stage, &[&handler("other")]).await);
    assert!(shown.contains("there is no Plugin \"gone\""), "{shown}");
    stage.handle("many", &json!({"selector": {"matchLabels": {"team": "none"}}})).await;
    check(&[&handler("many")], "has a handler made for each workload that it selects; explain one of these").await;
}
