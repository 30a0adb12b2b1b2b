use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8supdater::api::VersioningHandler;
use k8supdater::api::versioning_handler::FleetStatus;
use k8supdater_testkit::{FakeRegistry, FakeWebhook, Stage, objects};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{condition, container, equal, image, prepared, status, with_fake_registry};

/// Names of the members of the fleet `shop`, in order.
async fn members(stage: &Stage) -> Vec<String> {
    let selected = ListParams::default().labels("k8supdater.dev/fleet=shop");
    let found = stage.api::<VersioningHandler>().list(&selected).await.unwrap();
    let mut names: Vec<String> = found.items.iter().map(ResourceExt::name_any).collect();
    names.sort();
    names
}

/// Waits until the fleet `shop` has these members.
async fn has_members(stage: &Stage, expected: &[&str]) {
    let what = format!("the members are {expected:?}");
    let probe = async || {
        let found = members(stage).await;
        equal(found.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), expected)
    };
    stage.eventually(&what, probe).await;
}

/// A Deployment with the label `team=web`, whose container `app` has version 1.0.0.
async fn deploy(stage: &Stage, registry: &FakeRegistry, name: &str) {
    let mut deployment = objects::deployment(name, &[("app", &registry.image("web", "1.0.0"))]);
    deployment.metadata.labels = Some([("team".to_owned(), "web".to_owned())].into());
    stage.deploy_as(&deployment).await;
}

async fn patch<K>(stage: &Stage, name: &str, patch: &Value)
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    stage.api::<K>().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
}

#[tokio::test]
async fn every_workload_that_a_selector_matches_is_looked_after_and_no_other() {
    let (stage, registry) = with_fake_registry("fleet").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let (old, new) = (registry.image("web", "1.0.0"), registry.image("web", "1.0.1"));
    stage.deploy("apart", &[("app", &old)]).await;
    deploy(&stage, &registry, "a").await;
    let selector = json!({"kinds": ["Deployment", "StatefulSet"], "matchLabels": {"team": "web"}});
    stage.handle("shop", &json!({"selector": selector})).await;
    image(&stage, "a", "app", &new).await;

    // What comes later is found as well.
    deploy(&stage, &registry, "b").await;
    let mut db = objects::stateful_set("db", &[("app", &old)], &json!({}));
    db.metadata.labels = Some([("team".to_owned(), "web".to_owned())].into());
    stage.create(&db).await;
    image(&stage, "b", "app", &new).await;
    let updated = async || equal(&*stage.image_in::<StatefulSet>("db", "app").await, &*new);
    stage.eventually("the StatefulSet is updated", updated).await;
    has_members(&stage, &["shop.deployment.a", "shop.deployment.b", "shop.statefulset.db"]).await;
    condition(&stage, "shop", "UpToDate", "True", "UpToDate").await;
    let message = condition(&stage, "shop", "Ready", "True", "Selected").await;
    assert_eq!(message, "3 workloads, each with a handler of its own");
    let found = status(&stage, "shop").await;
    let expected = FleetStatus { workloads: 3, up_to_date: 3, ..FleetStatus::default() };
    assert_eq!(found.fleet, Some(expected));
    let columns = (found.workload.as_deref(), found.current.as_deref(), found.available.as_deref());
    assert_eq!(columns, (Some("Deployment,StatefulSet/*"), Some("3 workloads"), None));
    assert_eq!(stage.lifecycle("shop").await, ["HandlerCreated"]);
    assert_eq!(stage.image("apart", "app").await, old);

    // A spec that changes is every member's, and what others have written on them stays.
    let note = json!({"metadata": {"annotations": {"their": "note"}, "labels": {"their": "label"}}});
    patch::<VersioningHandler>(&stage, "shop.deployment.a", &note).await;
    patch::<VersioningHandler>(&stage, "shop", &json!({"spec": {"hold": ["1.0.2"]}})).await;
    let changed = async || {
        let found = stage.api::<VersioningHandler>().get("shop.deployment.a").await.map_err(|err| err.to_string())?;
        equal(&found.spec.hold, &vec!["1.0.2".to_owned()]).map(|()| found)
    };
    let member = stage.eventually("the member has the new spec", changed).await;
    assert_eq!((member.annotations()["their"].as_str(), member.labels()["their"].as_str()), ("note", "label"));

    // A label that goes, and a handler that comes, take workloads away.
    patch::<Deployment>(&stage, "a", &json!({"metadata": {"labels": {"team": null}}})).await;
    has_members(&stage, &["shop.deployment.b", "shop.statefulset.db"]).await;
    stage.handle("b", &json!({})).await;
    has_members(&stage, &["shop.statefulset.db"]).await;
    condition(&stage, "b", "Ready", "True", "Checked").await;
    let left = async || equal(&status(&stage, "shop").await.fleet.unwrap_or_default().left_to_others, &1);
    stage.eventually("one workload is left to its own handler", left).await;
    stage.handlers().delete("b", &DeleteParams::default()).await.unwrap();
    has_members(&stage, &["shop.deployment.b", "shop.statefulset.db"]).await;

    stage.handlers().delete("shop", &DeleteParams::default()).await.unwrap();
    has_members(&stage, &[]).await;
    assert_eq!(stage.image("a", "app").await, new, "workloads keep what they have");
}

#[tokio::test]
async fn an_answer_to_a_fleet_reaches_every_member_that_offers_it() {
    let (stage, registry) = with_fake_registry("fleet-answer").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    for name in ["a", "b", "c"] {
        deploy(&stage, &registry, name).await;
    }
    stage.handle("shop", &json!({"selector": {}, "approval": "Required"})).await;
    let offered = async || equal(&status(&stage, "shop").await.available.as_deref(), &Some("for 3"));
    stage.eventually("all three are offered something", offered).await;
    condition(&stage, "shop", "UpToDate", "False", "UpdateAvailable").await;

    let answer = json!({"metadata": {"annotations": {
        "k8supdater.dev/approve": "app=1.0.1,app=9.9.9", "k8supdater.dev/by": "ada",
    }}});
    patch::<VersioningHandler>(&stage, "shop", &answer).await;
    for name in ["a", "b", "c"] {
        image(&stage, name, "app", &registry.image("web", "1.0.1")).await;
        let update = container(&stage, &format!("shop.deployment.{name}"), "app").await.and_then(|it| it.update);
        assert_eq!(update.and_then(|update| update.approved_by).as_deref(), Some("ada"));
    }
    condition(&stage, "shop", "UpToDate", "True", "UpToDate").await;
    let taken_up = async || {
        let found = stage.api::<VersioningHandler>().get("shop").await.map_err(|err| err.to_string())?;
        equal(&found.annotations().len(), &0)
    };
    stage.eventually("the answer is taken off the fleet", taken_up).await;
    let events = stage.events("shop").await;
    let [(reason, note)] = events.as_slice() else { panic!("one Event, not {events:?}") };
    assert_eq!(reason, "AnswerNotUnderstood");
    assert!(note.contains("app=9.9.9") && note.contains("none of its handlers offers that"), "{note}");
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_fleet_is_said_and_left_alone() {
    let (stage, registry) = with_fake_registry("fleet-ways").await;
    registry.push("web", &["1.0.0"]);
    deploy(&stage, &registry, "a").await;
    stage.handle("shop.deployment.a", &json!({"deployment": "other"})).await;
    stage.handle("shop", &json!({"selector": {"matchLabels": {"team": "web"}}})).await;
    let message = condition(&stage, "shop", "Ready", "False", "NameTaken").await;
    assert!(message.contains("shop.deployment.a"), "{message}");
    let theirs = stage.api::<VersioningHandler>().get("shop.deployment.a").await.unwrap();
    assert_eq!((theirs.spec.deployment.as_deref(), theirs.metadata.generation), (Some("other"), Some(1)));
    stage.handlers().delete("shop.deployment.a", &DeleteParams::default()).await.unwrap();
    condition(&stage, "shop", "UpToDate", "True", "UpToDate").await;

    // What stands in the way of a member shows at the fleet.
    patch::<VersioningHandler>(&stage, "shop", &json!({"spec": {"containerregistry": "none-such"}})).await;
    let message = condition(&stage, "shop", "Ready", "False", "MembersFailing").await;
    assert!(message.starts_with("1 of 1 handlers are not ready: shop.deployment.a;"), "{message}");
    let expression = json!({"key": "team", "operator": "In", "values": []});
    let wrong = json!({"spec": {"selector": {"matchExpressions": [expression]}}});
    patch::<VersioningHandler>(&stage, "shop", &wrong).await;
    let message = condition(&stage, "shop", "Ready", "False", "InvalidSpec").await;
    assert!(message.contains("the requirement on the label team is In, which takes at least one value"), "{message}");
    assert_eq!(members(&stage).await, ["shop.deployment.a"], "nothing is done about a selector that makes no sense");

    // A handler that is no fleet any more has no members.
    let single = json!({"spec": {"selector": null, "deployment": "a", "containerregistry": "oci"}});
    patch::<VersioningHandler>(&stage, "shop", &single).await;
    has_members(&stage, &[]).await;
    condition(&stage, "shop", "Ready", "True", "Checked").await;
}

#[tokio::test]
async fn people_hear_of_the_fleet_itself_once_and_of_its_members_what_happens_to_them() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let mut stage = prepared("fleet-told", &[registry.origin()]).await;
    let hook = FakeWebhook::start().await;
    let spec = json!({
        "settings": {"url": format!("{}/notices", hook.origin())},
        "notices": {"kinds": ["handler-created", "rollout-finished", "handler-deleted"]},
        "grants": {"origins": [hook.origin()]},
    });
    stage.plug("webhook", "notify-webhook", &spec).await;
    stage.operator.start().await;
    for name in ["a", "b"] {
        deploy(&stage, &registry, name).await;
    }
    let heard = async |expected: &[&str]| {
        let mut found: Vec<String> = hook.seen().iter().map(|seen| title(&seen.body)).collect();
        found.sort();
        equal(found.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), expected)
    };
    stage.handle("shop", &json!({"selector": {}})).await;
    let updated = ["handler-created shop", "rollout-finished shop.deployment.a", "rollout-finished shop.deployment.b"];
    stage.eventually("the fleet is told as new, and both updates", async || heard(&updated).await).await;
    condition(&stage, "shop", "Notified", "True", "Delivered").await;

    stage.handlers().delete("shop", &DeleteParams::default()).await.unwrap();
    has_members(&stage, &[]).await;
    let gone = [updated[0], "handler-deleted shop", updated[1], updated[2]];
    stage.eventually("the fleet is told as gone", async || heard(&gone).await).await;
    // What is told of a member that is gone would be on its way by now.
    stage.operator.terminate(std::time::Duration::from_secs(25)).await;
    assert_eq!(heard(&gone).await, Ok(()));
}

/// Kind and handler of a notice.
fn title(body: &str) -> String {
    let notice: Value = serde_json::from_str(body).unwrap();
    let word = |key: &str| notice[key].as_str().unwrap_or_default().to_owned();
    format!("{} {}", word("kind"), word("handler"))
}
