use k8s_openapi::api::core::v1::Secret;
use k8supdater_testkit::{FakeRegistry, FakeWebhook, Stage, WebhookFault, objects};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::channels::settled;
use crate::scene::{condition, equal, prepared};

const KEY: &str = "signing-canary";

async fn hooked(name: &str, settings: &Value, slot: &str) -> (Stage, FakeRegistry, FakeWebhook) {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    let mut stage = prepared(name, &[registry.origin()]).await;
    let hook = FakeWebhook::start().await;
    let secret = objects::secret("hook", &[("token", KEY)]);
    stage.own_api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    let mut settings = settings.clone();
    settings["url"] = json!(settings["url"].as_str().unwrap().replace("{origin}", &hook.origin()));
    let spec = json!({
        "settings": settings,
        "notices": {"kinds": ["update-available"]},
        "grants": {
            "origins": [hook.origin()],
            "secrets": [{"slot": slot, "origin": hook.origin(), "secretName": "hook"}],
        },
    });
    stage.plug("webhook", "notify-webhook", &spec).await;
    stage.operator.start().await;
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    (stage, registry, hook)
}

#[tokio::test]
async fn a_document_is_posted_with_the_signature_of_its_bytes() {
    let (stage, _registry, hook) =
        hooked("hook-signed", &json!({"url": "{origin}/notices?from=k8s"}), "signature").await;
    settled(&stage, "web").await;
    stage.eventually("it has been posted", async || equal(&hook.seen().len(), &1)).await;
    let seen = hook.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/notices?from=k8s"));
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!((body["kind"].as_str(), body["to"].as_str()), (Some("update-available"), Some("2.0.0")));
    assert_eq!(body["command"], format!("k8supdater approve {}/web app=2.0.0", stage.namespace));
    let expected = k8supdater_testkit::hmac_sha256(KEY, &seen.body);
    assert_eq!(seen.header("x-k8supdater-signature"), Some(format!("sha256={expected}").as_str()));
    assert!(!seen.holds(KEY), "the key itself stays here");
    let shown = stage.operator.log() + &stage.account().await;
    assert!(!shown.contains("canary"), "no key in the log, in a status or in an Event");
}

#[tokio::test]
async fn a_secret_in_the_address_is_shown_to_nobody_whatever_the_answer() {
    let faults = [None, Some(WebhookFault::Status(404)), Some(WebhookFault::Status(500)), Some(WebhookFault::Reset)];
    for (index, fault) in faults.into_iter().enumerate() {
        let settings = json!({"url": "{origin}/services/{slot:secret}", "format": "slack"});
        let (stage, registry, hook) = hooked(&format!("hook-url-{index}"), &settings, "secret").await;
        let Some(fault) = fault else {
            settled(&stage, "web").await;
            stage.eventually("it has been posted", async || equal(&hook.seen().len(), &1)).await;
            assert_eq!(hook.seen()[0].path, format!("/services/{KEY}"));
            continue;
        };
        hook.fail(&fault);
        stage.deploy("other", &[("app", &registry.image("web", "1.0.0"))]).await;
        stage.handle("other", &json!({})).await;
        condition(&stage, "other", "Notified", "False", "NotDelivered").await;
        let shown = stage.operator.log() + &stage.account().await;
        assert!(!shown.contains("canary"), "{fault:?}: no secret in the log, in a status or in an Event");
    }
}
