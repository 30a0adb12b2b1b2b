use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Secret;
use k8supdater_testkit::{FakeHub, HubFault, HubPart, Stage, objects};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::sleep;

use crate::scene::{bare, condition, equal, image, more_checks};

/// A stage with the plugins `dockerhub`, which may call that Hub, and `pep440`. Its operator is not started.
async fn with_hub(name: &str, hub: &FakeHub) -> Stage {
    let stage = bare(name).await;
    let spec = json!({"settings": {"baseUrl": hub.origin()}, "grants": {"origins": [hub.origin()]}});
    stage.plug("dockerhub", "registry-dockerhub", &spec).await;
    stage.plug("pep440", "version-pep440", &json!({})).await;
    stage
}

#[tokio::test]
async fn a_repository_of_five_thousand_tags_costs_one_request_while_nothing_changes() {
    let hub = FakeHub::start().await;
    hub.fill("library/nginx", 4_999);
    hub.push("library/nginx", &["1.25.2"]);
    let mut stage = with_hub("hub", &hub).await;
    stage.operator.start().await;
    stage.deploy("web", &[("app", "nginx:1.25.2")]).await;
    let spec = json!({"containerregistry": "dockerhub", "interval": "1h", "tags": {"include": "1\\.25\\..*"}});
    stage.handle("web", &spec).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
    let pages = |hub: &FakeHub| hub.count(HubPart::Tags);
    assert_eq!(pages(&hub), 50, "the first listing reads every page");

    let often = json!({"spec": {"interval": "1s"}});
    stage.handlers().patch("web", &PatchParams::default(), &Patch::Merge(&often)).await.unwrap();
    more_checks(&mut stage, 1).await;
    hub.forget();
    let before = stage.operator.metric("k8supdater_checks_total").await;
    more_checks(&mut stage, 5).await;
    let checks = stage.operator.metric("k8supdater_checks_total").await - before;
    let asked = u64::try_from(pages(&hub)).unwrap();
    assert!((1..=checks + 1).contains(&asked), "{asked} requests in {checks} checks");

    hub.forget();
    hub.push("library/nginx", &["1.25.3"]);
    image(&stage, "web", "app", "nginx:1.25.3").await;
    assert!(pages(&hub) < 10, "what is new is on the first page: {} requests", pages(&hub));
}

#[tokio::test]
async fn a_tag_that_was_deleted_after_it_was_listed_is_not_applied() {
    let hub = FakeHub::start().await;
    hub.push("library/nginx", &["1.25.1", "1.25.2"]);
    let mut stage = with_hub("hub-deleted", &hub).await;
    stage.operator.start().await;
    stage.deploy("web", &[("app", "nginx:1.25.1")]).await;
    // Left of the frontier, so that it is known and not applied.
    stage.handle("web", &json!({"containerregistry": "dockerhub", "frontier": 3})).await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    hub.remove("library/nginx", "1.25.2");
    hub.push("library/nginx", &["latest"]);
    more_checks(&mut stage, 2).await;
    let apply = json!({"spec": {"frontier": 2}});
    stage.handlers().patch("web", &PatchParams::default(), &Patch::Merge(&apply)).await.unwrap();
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    assert_eq!(stage.image("web", "app").await, "nginx:1.25.1");
}

#[tokio::test]
async fn killed_in_the_middle_of_a_listing_it_loses_nothing_and_applies_nothing_twice() {
    let hub = FakeHub::start().await;
    hub.push("library/nginx", &["1.25.1", "1.25.2", "2.0.0"]);
    hub.fill("library/nginx", 900);
    hub.fail_at(HubPart::Tags, HubFault::Slow(Duration::from_millis(60)));
    let mut stage = with_hub("hub-killed", &hub).await;
    stage.deploy("web", &[("app", "nginx:1.25.1")]).await;
    let spec = json!({"containerregistry": "dockerhub", "tags": {"include": "(1\\.25|2\\.0)\\..*"}});
    stage.handle("web", &spec).await;
    // The listing takes ten pages, more than half a second: each of these ends somewhere in it.
    for moment in [50, 150, 250, 350, 450, 550, 650] {
        stage.operator.start().await;
        sleep(Duration::from_millis(moment)).await;
        stage.operator.kill();
    }
    stage.operator.start().await;
    image(&stage, "web", "app", "nginx:1.25.2").await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    stage.eventually("the update is reported", async || equal(&stage.count_events("web", "Updated").await, &1)).await;
    assert_eq!((stage.count_rollouts("web").await, stage.count_events("web", "UpdateAvailable").await), (2, 1));
}

#[tokio::test]
async fn a_login_opens_private_repositories_and_its_password_is_seen_by_the_login_alone() {
    let hub = FakeHub::start().await;
    hub.push("team/app", &["1.0.0", "1.0.1"]);
    hub.require_login("robot", "dckr_pat_canary");
    let mut stage = with_hub("hub-login", &hub).await;
    stage.operator.start().await;
    stage.deploy("web", &[("app", "team/app:1.0.0")]).await;
    stage.handle("web", &json!({"containerregistry": "dockerhub", "registry": {"secretRef": {"name": "hub"}}})).await;
    condition(&stage, "web", "Ready", "False", "SecretNotFound").await;
    let secret = |password: &str| objects::secret("hub", &[("username", "robot"), ("password", password)]);
    let secrets = stage.api::<Secret>();
    secrets.create(&PostParams::default(), &secret("wrong-canary")).await.unwrap();
    condition(&stage, "web", "Ready", "False", "CredentialsRefused").await;
    secrets.replace("hub", &PostParams::default(), &secret("dckr_pat_canary")).await.unwrap();
    image(&stage, "web", "app", "team/app:1.0.1").await;
    let is_login = |part: HubPart| part == HubPart::Login;
    assert!(hub.seen().iter().all(|seen| is_login(seen.part) || !seen.holds("canary")), "{:?}", hub.seen());
    assert!(!(stage.operator.log() + &stage.account().await).contains("canary"));
}

#[tokio::test]
async fn both_ways_of_the_hub_to_limit_requests_are_waited_out() {
    let hub = FakeHub::start().await;
    hub.push("library/nginx", &["1.25.1", "1.25.2"]);
    let mut stage = with_hub("hub-limits", &hub).await;
    stage.operator.start().await;
    // The Hub gives the time at which to come back, not how long to wait.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    hub.fail(&HubFault::RateLimited { until: i64::try_from(now).unwrap() + 4 });
    stage.deploy("web", &[("app", "nginx:1.25.1")]).await;
    stage.handle("web", &json!({"containerregistry": "dockerhub"})).await;
    let message = condition(&stage, "web", "Ready", "False", "RateLimited").await;
    assert!(message.contains("asks to wait"), "{message}");
    hub.fail(&HubFault::AbuseLimited);
    stage
        .eventually("the other limit is met too", async || {
            equal(&(hub.seen().iter().filter(|seen| seen.status == 429).count() >= 2), &true)
        })
        .await;
    condition(&stage, "web", "Ready", "False", "RateLimited").await;
    hub.recover();
    image(&stage, "web", "app", "nginx:1.25.2").await;
}
