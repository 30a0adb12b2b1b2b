use std::time::{Duration, Instant};

use k8supdater_testkit::{FakeRegistry, Fault, Part, objects};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::sleep;

use crate::scene::{condition, image, prepared, with_fake_registry};

#[tokio::test]
async fn each_fault_has_its_own_words_and_passes_when_the_registry_recovers() {
    let table = [
        ("reset", Fault::Reset, "RegistryUnavailable", "no connection"),
        (
            "unauthorized",
            Fault::Unauthorized,
            "CredentialsMissing",
            "the registry wants credentials, and there are none",
        ),
        ("unknown", Fault::NotFound, "RepositoryNotFound", "the repository does not exist"),
        ("limited", Fault::RateLimited(None), "RateLimited", "too many requests"),
        ("broken", Fault::ServerError, "RegistryUnavailable", "status 500"),
        ("truncated", Fault::TruncatedJson, "InvalidReply", "expected JSON"),
        ("strange", Fault::WrongJson, "InvalidReply", "expected JSON"),
    ];
    let mut registries = Vec::new();
    for _ in &table {
        registries.push(FakeRegistry::start().await);
    }
    let origins: Vec<String> = registries.iter().map(FakeRegistry::origin).collect();
    let mut stage = prepared("faults", &origins).await;
    stage.operator.start().await;
    for ((name, fault, ..), registry) in table.iter().zip(&registries) {
        registry.push("web", &["1.0.0", "1.0.1"]);
        registry.fail(fault);
        stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
        stage.handle(name, &json!({})).await;
    }
    for ((name, _, reason, words), registry) in table.iter().zip(&registries) {
        let message = condition(&stage, name, "Ready", "False", reason).await;
        let repository = registry.image("web", "").trim_end_matches(':').to_owned();
        for part in [*words, "container app", &format!("cannot list the tags of {repository} with plugin oci")] {
            assert!(message.contains(part), "{name}: {part:?} in {message}");
        }
        condition(&stage, name, "RegistryReachable", "False", reason).await;
        condition(&stage, name, "UpToDate", "Unknown", "CheckFailed").await;
        assert_eq!(stage.image(name, "app").await, registry.image("web", "1.0.0"));
        registry.recover();
    }
    for ((name, ..), registry) in table.iter().zip(&registries) {
        image(&stage, name, "app", &registry.image("web", "1.0.1")).await;
        condition(&stage, name, "Ready", "True", "Checked").await;
        condition(&stage, name, "RegistryReachable", "True", "Listed").await;
        assert_eq!(stage.count_events(name, "CheckFailed").await, 1, "{name}");
        assert_eq!(stage.count_events(name, "CheckRecovered").await, 1, "{name}");
    }
}

#[tokio::test]
async fn registry_that_asks_to_wait_is_not_asked_before() {
    let (stage, registry) = with_fake_registry("wait").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.fail_at(Part::Tags, Fault::RateLimited(Some("6".to_owned())));
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    let message = condition(&stage, "web", "Ready", "False", "RateLimited").await;
    assert!(message.contains("asks to wait 6 s"), "{message}");
    let limited = Instant::now();
    registry.recover();
    // Neither the interval nor a change of the Deployment nor another handler is a reason to ask earlier.
    stage.set_image("web", "app", &registry.image("web", "0.9.0")).await;
    stage.deploy("other", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("other", &json!({})).await;
    condition(&stage, "other", "Ready", "False", "RateLimited").await;
    sleep(Duration::from_secs(5).saturating_sub(limited.elapsed())).await;
    assert_eq!(registry.count(Part::Tags), 1, "{:?}", registry.seen());
    condition(&stage, "other", "Ready", "True", "Checked").await;
    assert_eq!(stage.image("other", "app").await, registry.image("web", "1.0.1"));
}

#[tokio::test]
async fn secret_that_is_granted_opens_a_private_repository() {
    let (stage, registry) = with_fake_registry("private").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.require_login("robot", "hunter2-hunter2");
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    let message = condition(&stage, "web", "Ready", "False", "CredentialsMissing").await;
    assert!(message.contains("spec.grants.secrets"), "{message}");

    let grant = json!([{"slot": "registry", "origin": registry.origin(), "secretName": "login"}]);
    let patch = json!({"spec": {"grants": {"secrets": grant}}});
    stage.plugins().patch("oci", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    let message = crate::scene::plugin_condition(&stage, "oci", "Granted", "False", "SecretNotFound").await;
    assert!(message.contains("Secret login"), "{message}");
    let secret = objects::secret("login", &[("username", "robot"), ("password", "hunter2-hunter2")]);
    stage.own_api().create(&PostParams::default(), &secret).await.unwrap();
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
    let shown = stage.operator.log() + &stage.account().await;
    assert!(!shown.contains("hunter2"), "no secret in the log, in a status or in an Event: {shown}");
}
