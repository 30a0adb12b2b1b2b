use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8supdater::api::VersioningHandler;
use k8supdater::api::versioning_handler::UpdatePhase;
use k8supdater_testkit::{FakeRegistry, Part, Stage, objects};
use kube::api::{Api, ListParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::scene::{condition, container, equal, image, prepared, status};

/// Counts, at every moment of a watch's history, the objects of which `is_it` is true; keeps the greatest number.
fn most<K>(api: Api<K>, is_it: impl Fn(&K) -> bool + Send + 'static) -> (Arc<Mutex<usize>>, JoinHandle<()>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let most = Arc::new(Mutex::new(0));
    let shared = Arc::clone(&most);
    let task = tokio::spawn(async move {
        let mut present = HashSet::new();
        let mut events = Box::pin(watcher(api, watcher::Config::default()));
        while let Some(event) = events.next().await {
            match event.expect("the watch goes on") {
                Event::Apply(object) | Event::InitApply(object) if is_it(&object) => {
                    present.insert(object.name_any());
                }
                Event::Apply(object) | Event::InitApply(object) | Event::Delete(object) => {
                    present.remove(&object.name_any());
                }
                Event::Init | Event::InitDone => {}
            }
            let mut most = shared.lock().unwrap();
            *most = present.len().max(*most);
        }
    });
    (most, task)
}

fn is_rolling_out(handler: &VersioningHandler) -> bool {
    let containers = handler.status.iter().flat_map(|status| &status.containers);
    containers
        .filter_map(|container| container.update.as_ref())
        .any(|update| matches!(update.phase, UpdatePhase::RollingOut | UpdatePhase::RollingBack))
}

/// Whether not every pod of a Deployment is made from its template.
fn is_in_between(deployment: &Deployment) -> bool {
    let status = deployment.status.clone().unwrap_or_default();
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let counts = [status.replicas, status.updated_replicas, status.available_replicas];
    status.observed_generation != deployment.metadata.generation || counts.iter().any(|count| *count != wanted)
}

/// A stage with a running operator that lets so many rollouts be under way.
async fn with_limit(name: &str, limit: usize) -> (Stage, FakeRegistry) {
    let registry = FakeRegistry::start().await;
    let mut stage = prepared(name, &[registry.origin()]).await;
    stage.operator.arg(format!("--max-rollouts={limit}"));
    stage.operator.start().await;
    (stage, registry)
}

#[tokio::test]
async fn two_hundred_deployments_behind_one_selector_are_updated_ten_at_a_time() {
    const COUNT: usize = 200;
    let (mut stage, registry) = with_limit("slots", 10).await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let (old, new) = (registry.image("web", "1.0.0"), registry.image("web", "1.0.1"));
    let deployments: Api<Deployment> = stage.api();
    let names: Vec<String> = (0..COUNT).map(|number| format!("web-{number}")).collect();
    let creating = names.iter().map(|name| {
        let (api, deployment) = (deployments.clone(), objects::deployment(name, &[("app", &old)]));
        async move { api.create(&PostParams::default(), &deployment).await.unwrap() }
    });
    futures::stream::iter(creating).buffer_unordered(16).collect::<Vec<_>>().await;
    // Half a minute on two idle cores; where other tests run beside this one, it takes as long as they leave it.
    let patience = Duration::from_mins(5);
    let all_run = async || {
        let list = deployments.list(&ListParams::default()).await.map_err(|err| err.to_string())?;
        equal(&list.items.iter().filter(|deployment| !is_in_between(deployment)).count(), &COUNT)
    };
    stage.within(patience, "all pods run", all_run).await;

    let (most_handlers, handlers_watch) = most(stage.api::<VersioningHandler>(), is_rolling_out);
    let (most_deployments, deployments_watch) = most(stage.api::<Deployment>(), is_in_between);
    stage.handle("all", &json!({"selector": {}, "interval": "1h"})).await;
    let all_are_done = async || {
        let fleet = status(&stage, "all").await.fleet.unwrap_or_default();
        equal(&fleet.up_to_date, &i32::try_from(COUNT).unwrap()).map_err(|_| format!("{fleet:?}"))
    };
    stage.within(patience, "all workloads are up to date", all_are_done).await;

    let list = deployments.list(&ListParams::default()).await.unwrap();
    let images: HashMap<String, usize> = list.items.iter().fold(HashMap::new(), |mut images, deployment| {
        let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).unwrap();
        *images.entry(pod.containers[0].image.clone().unwrap()).or_default() += 1;
        images
    });
    assert_eq!(images, HashMap::from([(new, COUNT)]));
    assert!(!handlers_watch.is_finished() && !deployments_watch.is_finished(), "they have seen everything");
    let most = (*most_handlers.lock().unwrap(), *most_deployments.lock().unwrap());
    assert!((2..=10).contains(&most.0) && (2..=10).contains(&most.1), "handlers and Deployments: {most:?}");
    assert_eq!(registry.count(Part::Tags), 1, "all of them are one repository");
    for metric in ["k8supdater_rollouts_under_way", "k8supdater_rollouts_waiting"] {
        assert_eq!(stage.operator.metric(metric).await, 0, "{metric}");
    }
    for outcome in ["applied", "finished"] {
        let metric = format!("k8supdater_updates_total{{outcome=\"{outcome}\"}}");
        assert_eq!(stage.operator.metric(&metric).await, u64::try_from(COUNT).unwrap(), "{outcome}");
    }
}

#[tokio::test]
async fn a_rollout_that_was_under_way_before_a_restart_counts() {
    let (mut stage, registry) = with_limit("slots-restart", 1).await;
    // Pods with such a tag never become ready, in this control plane.
    registry.push("slow", &["1.0.0-crash", "1.0.1-crash", "1.0.1"]);
    registry.push("web", &["1.0.0"]);
    stage.create(&objects::deployment("slow", &[("app", &registry.image("slow", "1.0.0-crash"))])).await;
    stage.handle("slow", &json!({})).await;
    let rolls_out = async || {
        let update = container(&stage, "slow", "app").await.and_then(|container| container.update);
        equal(&update.map(|update| update.phase), &Some(UpdatePhase::RollingOut))
    };
    stage.eventually("a rollout is under way", rolls_out).await;
    let old = registry.image("web", "1.0.0");
    stage.deploy("web", &[("app", &old)]).await;
    stage.handle("web", &json!({"interval": "1h"})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    stage.operator.kill();

    registry.push("web", &["1.0.1"]);
    stage.operator.start().await;
    let waits = async || {
        let waits = container(&stage, "web", "app").await.and_then(|container| container.waits);
        let waits = waits.ok_or("it does not wait")?;
        equal(&(waits.tag.as_str(), waits.reason.as_str()), &("1.0.1", "RolloutLimit")).map(|()| waits)
    };
    let waits = stage.eventually("the other update waits", waits).await;
    assert!(waits.message.starts_with("another rollout is under way"), "{waits:?}");
    assert_eq!(stage.image("web", "app").await, old);
    for metric in ["k8supdater_rollouts_under_way", "k8supdater_rollouts_waiting"] {
        assert_eq!(stage.operator.metric(metric).await, 1, "{metric}");
    }

    // A human takes the first one over, which ends it for the operator; the other one is woken.
    stage.set_image("slow", "app", &registry.image("slow", "1.0.1")).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    let waits = container(&stage, "web", "app").await.and_then(|container| container.waits);
    assert_eq!(waits, None);
}
