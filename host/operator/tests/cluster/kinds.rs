use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::events::v1::Event;
use k8supdater::api::versioning_handler::{UpdatePhase, UpdateStatus};
use k8supdater::api::workload::{WorkloadKind, WorkloadRef};
use k8supdater::workload::containers::{List, containers};
use k8supdater::workload::patch::{Change, Template};
use k8supdater::workload::pods::complaint;
use k8supdater::workload::restart::RESTARTED_FOR;
use k8supdater::workload::rolled_back::ROLLED_BACK;
use k8supdater::workload::rollout::Rollout;
use k8supdater::workload::{Workload, WorkloadError, Workloads};
use k8supdater_testkit::{FakeRegistry, Stage, objects};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{bare, condition, container, equal, more_checks, prepared, status, with_fake_registry};

/// Waits until the last update of the container `app` has come that far.
async fn phase(stage: &Stage, handler: &str, expected: UpdatePhase) -> UpdateStatus {
    let what = format!("the update of {handler} is {expected:?}");
    let probe = async || {
        let update = container(stage, handler, "app").await.and_then(|container| container.update);
        equal(&update.as_ref().map(|update| update.phase), &Some(expected)).map(|()| update)
    };
    stage.eventually(&what, probe).await.unwrap()
}

/// A handler for the workload of its own name.
async fn handle(stage: &Stage, kind: &str, name: &str, spec: Value) {
    let mut full = json!({"workload": {"kind": kind, "name": name}});
    full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    stage.handle(name, &full).await;
}

/// Waits until a workload has at least that many pods, and all that it has are ready.
async fn pods_run(stage: &Stage, workload: &str, count: usize) {
    let of_workload = ListParams::default().labels(&format!("app={workload}"));
    let is_ready = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    stage
        .eventually(&format!("{count} pods of {workload} are ready"), async || {
            let pods = stage.api::<Pod>().list(&of_workload).await.map_err(|err| err.to_string())?.items;
            let ready = pods.iter().filter(|pod| is_ready(pod)).count();
            (ready >= count && ready == pods.len()).then_some(()).ok_or_else(|| format!("{ready} of {}", pods.len()))
        })
        .await;
}

/// The images that the pods of a workload have in their spec, each once.
async fn pod_images(stage: &Stage, workload: &str) -> Vec<String> {
    let pods = stage.api::<Pod>().list(&ListParams::default().labels(&format!("app={workload}"))).await.unwrap();
    let containers = pods.items.into_iter().filter_map(|pod| pod.spec).flat_map(|pod| pod.containers);
    let mut images: Vec<String> = containers.filter_map(|container| container.image).collect();
    images.sort();
    images.dedup();
    images
}

/// Kind and name of what the Events about a handler are related to, each once.
async fn related(stage: &Stage, handler: &str) -> Vec<String> {
    let events = stage.api::<Event>().list(&ListParams::default()).await.unwrap().items;
    let about = |event: &Event| event.regarding.as_ref().and_then(|it| it.name.as_deref()) == Some(handler);
    let related = events.into_iter().filter(about).filter_map(|event| event.related);
    let mut related: Vec<String> =
        related.map(|it| [it.api_version, it.kind, it.name].map(Option::unwrap_or_default).join(" ")).collect();
    related.sort();
    related.dedup();
    related
}

#[tokio::test]
async fn stateful_set_is_updated_and_followed_until_all_pods_run_it() {
    let (stage, registry) = with_fake_registry("stateful").await;
    registry.push("db", &["1.0.0", "1.0.1"]);
    let (old, new) = (registry.image("db", "1.0.0"), registry.image("db", "1.0.1"));
    stage.create(&objects::stateful_set("db", &[("app", &old)], &json!({"replicas": 2}))).await;
    pods_run(&stage, "db", 2).await;
    handle(&stage, "StatefulSet", "db", json!({})).await;
    let update = phase(&stage, "db", UpdatePhase::Finished).await;

    assert_eq!((update.to.as_str(), update.hint), (new.as_str(), None));
    assert_eq!(stage.image_in::<StatefulSet>("db", "app").await, new);
    assert_eq!(pod_images(&stage, "db").await, [new]);
    let message = condition(&stage, "db", "Ready", "True", "Checked").await;
    assert_eq!(message, "1 container(s) of the StatefulSet were checked");
    condition(&stage, "db", "RolloutHealthy", "True", "RolloutFinished").await;
    assert_eq!(status(&stage, "db").await.workload.as_deref(), Some("StatefulSet/db"));
    let reasons: Vec<String> = stage.events("db").await.into_iter().map(|(reason, _)| reason).collect();
    assert_eq!(reasons, ["Updating", "Updated"]);
    assert_eq!(related(&stage, "db").await, ["apps/v1 StatefulSet db"]);
}

#[tokio::test]
async fn daemon_set_is_updated_on_every_node() {
    let (stage, registry) = with_fake_registry("daemon").await;
    registry.push("agent", &["1.0.0", "1.0.1"]);
    let (old, new) = (registry.image("agent", "1.0.0"), registry.image("agent", "1.0.1"));
    stage.create(&objects::daemon_set("agent", &[("app", &old)], &json!({}))).await;
    pods_run(&stage, "agent", 1).await;
    handle(&stage, "DaemonSet", "agent", json!({})).await;
    phase(&stage, "agent", UpdatePhase::Finished).await;
    assert_eq!(stage.image_in::<DaemonSet>("agent", "app").await, new);
    stage.eventually("all pods are new", async || equal(&pod_images(&stage, "agent").await, &vec![new.clone()])).await;
    assert_eq!(related(&stage, "agent").await, ["apps/v1 DaemonSet agent"]);
}

#[tokio::test]
async fn rollout_of_a_stateful_set_that_never_ends_is_reported_as_failed() {
    let (stage, registry) = with_fake_registry("stuck").await;
    // Pods with such a tag never become ready, in this control plane.
    registry.push("db", &["1.0.0", "1.0.1-crash", "1.0.2"]);
    let (old, bad) = (registry.image("db", "1.0.0"), registry.image("db", "1.0.1-crash"));
    stage.create(&objects::stateful_set("db", &[("app", &old)], &json!({"replicas": 2}))).await;
    pods_run(&stage, "db", 2).await;
    // So long an interval that the time of the rollout must be what is looked at.
    let spec = json!({"interval": "1h", "tags": {"include": ".*-crash", "flavor": ".*"}, "rollout": {"timeout": "2s"}});
    handle(&stage, "StatefulSet", "db", spec).await;
    phase(&stage, "db", UpdatePhase::Failed).await;
    let message = condition(&stage, "db", "RolloutHealthy", "False", "RolloutFailed").await;
    assert!(message.contains("not finished after 2s") && message.contains("1 of 2 pods to be replaced"), "{message}");
    assert_eq!(stage.image_in::<StatefulSet>("db", "app").await, bad, "nothing is rolled back by itself");
    let (reason, note) = stage.events("db").await.pop().unwrap();
    assert!(reason == "RolloutFailed" && note.contains(&message), "{reason}: {note}");
}

#[tokio::test]
async fn stateful_set_that_is_updated_on_delete_says_who_has_to_do_what() {
    let (stage, registry) = with_fake_registry("on-delete").await;
    registry.push("db", &["1.0.0", "1.0.1"]);
    let (old, new) = (registry.image("db", "1.0.0"), registry.image("db", "1.0.1"));
    let spec = json!({"updateStrategy": {"type": "OnDelete"}});
    stage.create(&objects::stateful_set("db", &[("app", &old)], &spec)).await;
    pods_run(&stage, "db", 1).await;
    handle(&stage, "StatefulSet", "db", json!({})).await;
    let update = phase(&stage, "db", UpdatePhase::Finished).await;
    let hint = update.hint.unwrap();
    assert!(hint.contains("0 of 1 pods have the current template") && hint.contains("OnDelete"), "{hint}");
    assert_eq!(condition(&stage, "db", "RolloutHealthy", "True", "Applied").await, hint);
    let events = stage.events("db").await;
    assert!(events.iter().any(|(reason, note)| reason == "Updated" && note.ends_with(&hint)), "{events:?}");
    assert_eq!(pod_images(&stage, "db").await, [old]);

    stage.api::<Pod>().delete("db-0", &DeleteParams::default()).await.unwrap();
    condition(&stage, "db", "RolloutHealthy", "True", "RolloutFinished").await;
    assert_eq!(pod_images(&stage, "db").await, [new]);
    assert_eq!(phase(&stage, "db", UpdatePhase::Finished).await.hint, None);
    assert_eq!(stage.count_events("db", "Updated").await, 1);
}

#[tokio::test]
async fn cron_job_gets_the_image_for_its_next_job_and_keeps_those_that_it_had() {
    let (stage, registry) = with_fake_registry("cron").await;
    registry.push("report", &["1.0.0", "1.0.1"]);
    let (old, new) = (registry.image("report", "1.0.0"), registry.image("report", "1.0.1"));
    stage.create(&objects::cron_job("report", &[("app", &old)], &json!({"successfulJobsHistoryLimit": 2}))).await;
    let api: Api<CronJob> = stage.api();
    let before = api.get("report").await.unwrap();
    stage.create(&objects::job_of(&before, "yesterday")).await;
    let jobs: Api<Job> = stage.api();
    stage
        .eventually("the Job of yesterday is done", async || {
            let status = jobs.get("yesterday").await.map_err(|err| err.to_string())?.status.unwrap_or_default();
            equal(&status.succeeded, &Some(1))
        })
        .await;

    handle(&stage, "CronJob", "report", json!({})).await;
    phase(&stage, "report", UpdatePhase::RollingOut).await;
    let message = condition(&stage, "report", "RolloutHealthy", "Unknown", "RollingOut").await;
    assert_eq!(message, "the rollout waits for the next Job");
    let after = api.get("report").await.unwrap();
    let mut expected = before.spec.clone();
    expected.job_template.spec.as_mut().unwrap().template.spec.as_mut().unwrap().containers[0].image =
        Some(new.clone());
    assert_eq!(after.spec, expected, "the CronJob as it was, but for its image");
    assert_eq!(stage.image_in::<Job>("yesterday", "app").await, old);
    assert_eq!(related(&stage, "report").await, ["batch/v1 CronJob report"]);

    // What becomes of the next Job is what counts.
    stage.create(&objects::job_of(&after, "today")).await;
    phase(&stage, "report", UpdatePhase::Finished).await;
    condition(&stage, "report", "UpToDate", "True", "UpToDate").await;
    condition(&stage, "report", "RolloutHealthy", "True", "Applied").await;
}

#[tokio::test]
async fn init_container_is_updated_where_the_handler_names_it() {
    let (stage, registry) = with_fake_registry("init").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let (old, new) = (registry.image("web", "1.0.0"), registry.image("web", "1.0.1"));
    let init = json!([{"name": "other", "image": old}, {"name": "migrate", "image": old}]);
    let deployment = objects::deployment("web", &[("app", &old)]);
    stage.deploy_as(&objects::with_pod(&deployment, &json!({"initContainers": init}))).await;
    stage.handle("web", &json!({"containers": [{"name": "migrate"}]})).await;
    phase(&stage, "web", UpdatePhase::Finished).await;
    assert_eq!(stage.image("web", "app").await, new);
    assert_eq!(stage.image_in::<Deployment>("web", "migrate").await, new);
    assert_eq!(stage.image_in::<Deployment>("web", "other").await, old);
    let names: Vec<String> = status(&stage, "web").await.containers.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["app", "migrate"]);
    assert_eq!(stage.count_rollouts("web").await, 2, "both in one rollout");
}

#[tokio::test]
async fn moved_tag_of_a_stateful_set_restarts_it_and_that_of_a_cron_job_is_left_to_the_next_job() {
    let (mut stage, registry) = with_fake_registry("moved").await;
    registry.push("db", &["latest"]);
    let latest = registry.image("db", "latest");
    let image_id = |digest: &str| format!("{}@{digest}", latest.trim_end_matches(":latest"));
    stage.create(&objects::stateful_set("db", &[("app", &latest)], &json!({}))).await;
    pods_run(&stage, "db", 1).await;
    stage.pods_run("db", "app", &image_id(&registry.digest("db", "latest"))).await;
    stage.create(&objects::cron_job("report", &[("app", &latest)], &json!({}))).await;
    handle(&stage, "StatefulSet", "db", json!({"latest": "Update"})).await;
    handle(&stage, "CronJob", "report", json!({"latest": "Update"})).await;
    for handler in ["db", "report"] {
        condition(&stage, handler, "UpToDate", "True", "UpToDate").await;
    }

    let digest = registry.repush("db", "latest");
    phase(&stage, "db", UpdatePhase::Finished).await;
    let api: Api<StatefulSet> = stage.api();
    let template = api.get("db").await.unwrap().spec.unwrap().template;
    let annotations = template.metadata.unwrap().annotations.unwrap();
    assert_eq!(annotations.get(RESTARTED_FOR), Some(&format!("app={digest}")));
    stage
        .eventually("the tag is left to the next Job", async || {
            let refused = container(&stage, "report", "app").await.unwrap_or_default().refused;
            let found = refused.into_iter().map(|refused| (refused.tag, refused.reason)).collect::<Vec<_>>();
            equal(&found, &vec![(format!("latest@{digest}"), "PulledByNextJob".to_owned())])
        })
        .await;
    more_checks(&mut stage, 2).await;
    let cron_jobs: Api<CronJob> = stage.api();
    assert_eq!(cron_jobs.get("report").await.unwrap().metadata.generation, Some(1));
}

#[tokio::test]
async fn a_handler_looks_at_its_kind_only_and_begins_when_the_workload_appears() {
    let (stage, registry) = with_fake_registry("namesake").await;
    registry.push("db", &["1.0.0", "1.0.1"]);
    let (old, new) = (registry.image("db", "1.0.0"), registry.image("db", "1.0.1"));
    stage.deploy("db", &[("app", &old)]).await;
    // So long an interval that only the appearance of the StatefulSet can be what is noticed.
    handle(&stage, "StatefulSet", "db", json!({"interval": "1h"})).await;
    let message = condition(&stage, "db", "Ready", "False", "WorkloadNotFound").await;
    assert!(message.contains(&format!("StatefulSet {}/db does not exist", stage.namespace)), "{message}");
    assert!(message.contains("correct spec.workload"), "{message}");
    stage.create(&objects::stateful_set("db", &[("app", &old)], &json!({"replicas": 0}))).await;
    phase(&stage, "db", UpdatePhase::Finished).await;
    assert_eq!(stage.image_in::<StatefulSet>("db", "app").await, new);
    assert_eq!(stage.image("db", "app").await, old, "the Deployment of the same name is somebody else's");
}

/// Sets the image of `app`, as the operator does; `rolls_back` says of which update that is the end.
async fn set_image(
    workloads: &Workloads,
    workload: &Workload,
    image: &str,
    rolls_back: Option<i64>,
) -> Result<Workload, WorkloadError> {
    let app = containers(workload).into_iter().find(|container| container.name == "app").unwrap();
    let change = Change {
        list: List::Containers,
        index: app.index,
        container: app.name,
        from: app.image,
        to: image.to_owned(),
        restart_for: None,
        rolls_back,
        is_for_once: false,
    };
    let (namespace, reference) = (workload.namespace(), workload.reference());
    let template = Template::of(workload);
    let generation = workloads.patch(namespace, &reference, &[change], &template, Timestamp::now()).await?;
    workloads.read(namespace, &reference, generation).await
}

#[tokio::test]
async fn stateful_set_that_was_set_back_replaces_a_pod_that_never_became_ready_once_that_is_deleted() {
    let stage = bare("set-back").await;
    let (old, bad) = ("r.example/db:1.0.0", "r.example/db:1.0.1-crash");
    stage.create(&objects::stateful_set("db", &[("app", old)], &json!({"replicas": 2}))).await;
    pods_run(&stage, "db", 2).await;
    let workloads = Workloads::unwatched(stage.operator_client().await);
    let reference = WorkloadRef { kind: WorkloadKind::StatefulSet, name: "db".to_owned() };
    let workload = workloads.read(&stage.namespace, &reference, None).await.unwrap();
    let pods = workloads.pods(&workload).await.unwrap();
    assert_eq!(complaint(&pods, &[("app", old)]), None);
    let workload = set_image(&workloads, &workload, bad, None).await.unwrap();
    let complaint = stage
        .eventually("the new pod complains", async || {
            let pods = workloads.pods(&workload).await.map_err(|err| err.to_string())?;
            complaint(&pods, &[("app", bad)]).ok_or_else(|| "all is well".to_owned())
        })
        .await;
    assert_eq!((complaint.is_crash, complaint.container.as_deref()), (true, Some("app")));
    let expected = "pod db-1: container app: CrashLoopBackOff; it ended with exit code 1 (Error)";
    assert_eq!(complaint.text, expected);

    let workload = set_image(&workloads, &workload, old, Some(7)).await.unwrap();
    assert_eq!(containers(&workload)[0].rolled_back, Some(7));
    assert_eq!(workloads.delete_stuck_pods(&workload, &[("app", old)]).await.unwrap(), 0);
    assert_eq!(workloads.delete_stuck_pods(&workload, &[("app", bad)]).await.unwrap(), 1);
    pods_run(&stage, "db", 2).await;
    assert_eq!(pod_images(&stage, "db").await, [old]);
    assert_eq!(workloads.delete_stuck_pods(&workload, &[("app", bad)]).await.unwrap(), 0);
}

#[tokio::test]
async fn rollback_is_made_once_and_never_over_what_was_written_meanwhile() {
    let stage = bare("rollback-guard").await;
    let (old, new) = ("r.example/db:1.0.0", "r.example/db:1.0.1");
    stage.create(&objects::stateful_set("db", &[("app", new)], &json!({"replicas": 0}))).await;
    let workloads = Workloads::unwatched(stage.operator_client().await);
    let reference = WorkloadRef { kind: WorkloadKind::StatefulSet, name: "db".to_owned() };
    let read = async || workloads.read(&stage.namespace, &reference, None).await.unwrap();
    let annotate = async |name: &str, value: &str| {
        let patch = json!({"metadata": {"annotations": {name: value}}});
        stage.api::<StatefulSet>().patch("db", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    };

    // Annotations of somebody else's have come meanwhile, and the patch would write over all of them.
    let seen = read().await;
    assert_eq!(seen.metadata().annotations, None);
    annotate("team", "a").await;
    let refused = set_image(&workloads, &seen, old, Some(7)).await.unwrap_err();
    assert!(matches!(refused, WorkloadError::Overtaken { .. }), "{refused}");

    let workload = set_image(&workloads, &read().await, old, Some(7)).await.unwrap();
    assert_eq!(workload.annotation(ROLLED_BACK), Some("app=7"));
    let kept = stage.api::<StatefulSet>().get("db").await.unwrap().metadata.annotations.unwrap();
    assert_eq!(kept.get("team").map(String::as_str), Some("a"));

    // A process that was held up since then, while somebody has set the new image again: all that it knows of is as it was.
    set_image(&workloads, &workload, new, None).await.unwrap();
    let mut held_up = read().await.metadata().clone();
    held_up.annotations.as_mut().unwrap().remove(ROLLED_BACK);
    let spec = stage.api::<StatefulSet>().get("db").await.unwrap().spec;
    let held_up = Workload::StatefulSet(Arc::new(StatefulSet { metadata: held_up, spec, status: None }));
    let refused = set_image(&workloads, &held_up, old, Some(7)).await.unwrap_err();
    assert!(matches!(refused, WorkloadError::Overtaken { .. }), "{refused}");
    assert_eq!(stage.image_in::<StatefulSet>("db", "app").await, new);

    let workload = set_image(&workloads, &read().await, old, Some(8)).await.unwrap();
    assert_eq!(workload.annotation(ROLLED_BACK), Some("app=8"));
}

#[tokio::test]
async fn first_job_with_the_new_image_shows_what_became_of_the_update_of_a_cron_job() {
    let stage = bare("next-job").await;
    let (old, new, bad) = ("r.example/report:1.0.0", "r.example/report:1.0.1", "r.example/report:1.0.2-crash");
    stage.create(&objects::cron_job("report", &[("app", new)], &json!({"suspend": true}))).await;
    let cron_job = stage.api::<CronJob>().get("report").await.unwrap();
    let create = async |name: &str, image: &str| {
        let mut job = objects::job_of(&cron_job, name);
        let spec = job.spec.as_mut().unwrap();
        spec.template.spec.as_mut().unwrap().containers[0].image = Some(image.to_owned());
        spec.backoff_limit = Some(0);
        stage.create(&job).await;
    };
    let workloads = Workloads::unwatched(stage.operator_client().await);
    let reference = WorkloadRef { kind: WorkloadKind::CronJob, name: "report".to_owned() };
    let workload = workloads.read(&stage.namespace, &reference, None).await.unwrap();
    let since = Timestamp::now();
    let becomes = async |image: &str, expected: Rollout| {
        stage
            .eventually(&format!("the update to {image} is {expected:?}"), async || {
                let found = workloads.next_job(&workload, &[("app", image)], since).await;
                equal(&found.map_err(|err| err.to_string())?.rollout, &expected)
            })
            .await;
    };
    let waits_for = "the next Job; the CronJob is suspended".to_owned();

    create("yesterday", old).await;
    becomes(old, Rollout::Finished).await;
    becomes(new, Rollout::Progressing { waits_for }).await;
    create("today", new).await;
    becomes(new, Rollout::Finished).await;
    create("broken", bad).await;
    let message = stage
        .eventually("the Job has failed", async || {
            let found = workloads.next_job(&workload, &[("app", bad)], since).await.map_err(|err| err.to_string())?;
            match found.rollout {
                Rollout::Failed { message } => Ok(message),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    assert!(message.starts_with("the Job broken failed: BackoffLimitExceeded"), "{message}");
    assert!(message.ends_with("container app ended with exit code 1 (Error)"), "{message}");
}

#[tokio::test]
async fn update_is_followed_although_the_watches_of_workloads_lag_behind() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0"]);
    let (old, new) = (registry.image("web", "1.0.0"), registry.image("web", "1.0.1"));
    let mut stage = prepared("lagging", &[registry.origin()]).await;
    let proxy = stage.through_proxy().await;
    stage.operator.start().await;
    let containers = [("app", old.as_str())];
    stage.deploy("deployment", &containers).await;
    stage.create(&objects::stateful_set("statefulset", &containers, &json!({}))).await;
    stage.create(&objects::daemon_set("daemonset", &containers, &json!({}))).await;
    stage.create(&objects::cron_job("cronjob", &containers, &json!({}))).await;
    pods_run(&stage, "statefulset", 1).await;
    pods_run(&stage, "daemonset", 1).await;
    let kinds = ["Deployment", "StatefulSet", "DaemonSet", "CronJob"];
    for kind in kinds {
        handle(&stage, kind, &kind.to_lowercase(), json!({})).await;
        condition(&stage, &kind.to_lowercase(), "UpToDate", "True", "UpToDate").await;
    }

    proxy.hold_watches(&["/apis/apps/", "/apis/batch/"]);
    registry.push("web", &["1.0.1"]);
    for kind in kinds {
        // The next Job would show it, and none is due.
        let expected = if kind == "CronJob" { UpdatePhase::RollingOut } else { UpdatePhase::Finished };
        let update = phase(&stage, &kind.to_lowercase(), expected).await;
        assert_eq!(update.to, new, "{kind}");
    }
    proxy.release_watches();
    for kind in kinds {
        let (is_up_to_date, reason) = if kind == "CronJob" { ("False", "Updating") } else { ("True", "UpToDate") };
        condition(&stage, &kind.to_lowercase(), "UpToDate", is_up_to_date, reason).await;
    }
}
