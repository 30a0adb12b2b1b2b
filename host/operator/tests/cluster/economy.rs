use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8supdater::api::VersioningHandler;
use k8supdater_testkit::{Part, objects};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use tokio::time::sleep;

use crate::scene::{condition, image, more_checks, with_fake_registry};

/// Longer than two checks at the shortest interval.
const TWO_CHECKS: Duration = Duration::from_millis(2_500);

#[tokio::test]
async fn unchanged_handler_writes_nothing_and_asks_conditionally() {
    let (mut stage, registry) = with_fake_registry("unchanged").await;
    let tags: Vec<String> = (0..25).map(|patch| format!("1.0.{patch}")).chain(["2.0.0".to_owned()]).collect();
    registry.push("web", &tags.iter().map(String::as_str).collect::<Vec<_>>());
    registry.set_page_size(10);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.24"))]).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    more_checks(&mut stage, 1).await;

    let api: Api<VersioningHandler> = stage.api();
    let version = async || api.get("web").await.unwrap().metadata.resource_version;
    let before = (version().await, stage.operator.metric("k8supdater_status_writes_total").await);
    registry.forget();
    more_checks(&mut stage, 4).await;
    assert_eq!((version().await, stage.operator.metric("k8supdater_status_writes_total").await), before);
    let seen = registry.seen();
    assert!(seen.len() >= 3 * 3, "three pages a check: {seen:?}");
    for request in &seen {
        let what = (request.part, request.is_conditional, request.status);
        assert_eq!(what, (Part::Tags, true, 304), "{request:?}");
    }
    assert_eq!(stage.events("web").await.len(), 1, "what was said is not said again");
}

#[tokio::test]
async fn ten_handlers_on_one_repository_make_one_listing_an_interval() {
    let (mut stage, registry) = with_fake_registry("ten").await;
    registry.push("web", &["1.0.0"]);
    let names: Vec<String> = (0..10).map(|number| format!("web-{number}")).collect();
    for name in &names {
        let containers = [("app", registry.image("web", "1.0.0"))];
        let containers = [(containers[0].0, containers[0].1.as_str())];
        stage.deploy_as(&objects::deployment_with(name, &containers, &json!({"replicas": 0}))).await;
        stage.handle(name, &json!({"interval": "2s"})).await;
    }
    for name in &names {
        condition(&stage, name, "Ready", "True", "Checked").await;
    }
    registry.forget();
    let started = Instant::now();
    more_checks(&mut stage, 40).await;
    let intervals = started.elapsed().as_secs() / 2 + 1;
    let listings = u64::try_from(registry.count(Part::Tags)).unwrap();
    assert!((1..=intervals).contains(&listings), "{listings} listings in {intervals} intervals");
}

#[tokio::test]
async fn suspended_handler_does_nothing_until_it_is_resumed() {
    let (stage, registry) = with_fake_registry("suspended").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let old = registry.image("web", "1.0.0");
    stage.deploy("web", &[("app", &old)]).await;
    stage.handle("web", &json!({"suspend": true})).await;
    condition(&stage, "web", "Ready", "Unknown", "Suspended").await;
    sleep(TWO_CHECKS).await;
    assert_eq!((registry.seen(), stage.image("web", "app").await), (vec![], old));
    let resume = json!({"spec": {"suspend": null}});
    stage.handlers().patch("web", &PatchParams::default(), &Patch::Merge(&resume)).await.unwrap();
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
}

#[tokio::test]
async fn deleted_handler_leaves_nothing_behind() {
    let (stage, registry) = with_fake_registry("deleted").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    let api: Api<Deployment> = stage.api();
    let before = api.get("web").await.unwrap();
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;

    stage.handlers().delete("web", &DeleteParams::default()).await.unwrap();
    assert_eq!(stage.handlers().get_opt("web").await.unwrap(), None, "no finalizer holds it up");
    // A check may have been under way.
    sleep(Duration::from_millis(300)).await;
    registry.forget();
    registry.push("web", &["1.0.2"]);
    sleep(TWO_CHECKS).await;
    assert_eq!(registry.seen(), []);
    let after = api.get("web").await.unwrap();
    let marks = |deployment: &Deployment| (deployment.metadata.labels.clone(), deployment.metadata.finalizers.clone());
    assert_eq!(marks(&after), marks(&before));
    let mut expected = before.spec.unwrap();
    expected.template.spec.as_mut().unwrap().containers[0].image = Some(registry.image("web", "1.0.1"));
    assert_eq!(after.spec, Some(expected), "the Deployment as it was, but for its image");
}
