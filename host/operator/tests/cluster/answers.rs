use std::process::{Command, Output};
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8supdater::answer::{self, Answer, Choice, Written};
use k8supdater::api::versioning_handler::UpdatePhase;
use k8supdater_testkit::{FakeRegistry, Fault, Part, Stage};
use kube::ResourceExt;
use serde_json::json;
use tokio::time::sleep;

use crate::scene::{annotate, condition, container, equal, image, more_checks, prepared, status, with_fake_registry};

/// Runs `k8supdater approve`, `skip`, `snooze` or `rollback` for a handler: whether it succeeded, and all that it printed.
pub(crate) async fn run(stage: &Stage, verb: &str, handler: &str, args: &[&str]) -> (bool, String) {
    let kubeconfig = format!("--kubeconfig={}", stage.directory().join("kubeconfig").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_k8supdater"));
    command.env_clear().args([verb, &format!("{}/{handler}", stage.namespace), &kubeconfig]).args(args);
    // The registry of the test answers on this thread.
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// Waits until the only container of a handler is offered that.
async fn offered(stage: &Stage, handler: &str, expected: Option<&str>) {
    let what = format!("{handler} offers {expected:?}");
    let probe = async || {
        let found = container(stage, handler, "app").await.and_then(|container| container.reported);
        equal(&found.as_deref(), &expected)
    };
    stage.eventually(&what, probe).await;
}

/// Waits until all answers are taken up.
async fn taken_up(stage: &Stage, handler: &str) {
    let probe = async || {
        let found = stage.handlers().get(handler).await.map_err(|err| err.to_string())?;
        let left: Vec<&String> =
            found.annotations().keys().filter(|name| name.starts_with("k8supdater.dev/")).collect();
        equal(left.as_slice(), &[])
    };
    stage.eventually(&format!("the answers on {handler} are taken up"), probe).await;
}

/// Waits for an Event, and gives its note.
pub(crate) async fn event(stage: &Stage, handler: &str, reason: &str) -> String {
    let probe = async || {
        let events = stage.events(handler).await;
        let found = events.iter().find(|(found, _)| found == reason).map(|(_, note)| note.clone());
        found.ok_or_else(|| format!("there are {events:?}"))
    };
    stage.eventually(&format!("there is an Event {reason} about {handler}"), probe).await
}

/// Waits until the last update of the only container is finished, and gives who approved it.
async fn finished(stage: &Stage, handler: &str) -> Option<String> {
    let probe = async || {
        let update = container(stage, handler, "app").await.and_then(|container| container.update);
        let update = update.ok_or("there is no update")?;
        equal(&update.phase, &UpdatePhase::Finished).map(|()| update.approved_by)
    };
    stage.eventually(&format!("the update of {handler} is finished"), probe).await
}

async fn generation(stage: &Stage, deployment: &str) -> i64 {
    stage.api::<Deployment>().get(deployment).await.unwrap().metadata.generation.unwrap()
}

#[tokio::test]
async fn what_needs_approval_waits_for_it_and_is_then_rolled_out() {
    let (mut stage, registry) = with_fake_registry("approval").await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({"approval": "Required"})).await;
    let message = condition(&stage, "web", "UpToDate", "False", "AwaitingApproval").await;
    let command = format!("k8supdater approve {}/web app=1.0.1", stage.namespace);
    assert!(message.contains("waits for approval: app: 1.0.1") && message.ends_with(&command), "{message}");
    more_checks(&mut stage, 3).await;
    let found = container(&stage, "web", "app").await.unwrap();
    assert_eq!((found.decision.as_str(), found.newest.as_deref()), ("AwaitingApproval", Some("2.0.0")));
    assert_eq!((generation(&stage, "web").await, stage.count_events("web", "UpdateAvailable").await), (1, 1));

    annotate(&stage, "web", &[("approve", "app=1.0.1"), ("by", "Ada\n <ada>")]).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    taken_up(&stage, "web").await;
    assert_eq!(finished(&stage, "web").await.as_deref(), Some("Ada <ada>"));
    offered(&stage, "web", Some("2.0.0")).await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    more_checks(&mut stage, 2).await;
    assert_eq!(container(&stage, "web", "app").await.unwrap().approved, None);
    assert_eq!(generation(&stage, "web").await, 2);
    for reason in ["Approved", "Updating", "Updated"] {
        assert!(event(&stage, "web", reason).await.contains("approved by Ada <ada>"), "{reason}");
        assert_eq!(stage.count_events("web", reason).await, 1, "{reason}: {:?}", stage.events("web").await);
    }
}

#[tokio::test]
async fn what_is_left_of_the_frontier_can_be_approved_at_a_terminal() {
    let (stage, registry) = with_fake_registry("terminal").await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    offered(&stage, "web", Some("2.0.0")).await;
    let (success, text) = run(&stage, "approve", "web", &["app=1.0.5"]).await;
    assert!(!success && text.contains("app=1.0.5 is not offered by") && text.contains("app=2.0.0 is"), "{text}");
    // Something newer comes while the human makes up their mind.
    registry.push("web", &["2.1.0"]);
    let (success, text) = run(&stage, "approve", "web", &["app=2.0.0", "--wait"]).await;
    if !success {
        // The operator was faster: the human is told, and approves what is offered now.
        assert!(text.contains("app=2.1.0 is"), "{text}");
    }
    offered(&stage, "web", Some("2.1.0")).await;
    let (success, text) = run(&stage, "approve", "web", &["--wait", "--by", "ada"]).await;
    assert!(success && text.contains("app=2.1.0 is approved by ada"), "{text}");
    assert!(text.trim_end().ends_with("app=2.1.0: all pods run it"), "{text}");
    assert_eq!(stage.image("web", "app").await, registry.image("web", "2.1.0"));
    offered(&stage, "web", None).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;

    let (success, text) = run(&stage, "approve", "web", &["app=2.1.0"]).await;
    assert!(success && text.contains("app=2.1.0 was approved by ada already"), "{text}");
    let (success, text) = run(&stage, "skip", "web", &["app=2.1.0"]).await;
    assert!(!success && text.contains("app=2.1.0 was approved by ada already"), "{text}");
    let (success, text) = run(&stage, "approve", "web", &[]).await;
    assert!(!success && text.contains("offers nothing to approve"), "{text}");
    let (success, text) = run(&stage, "approve", "gone", &[]).await;
    assert!(!success && text.contains("there is no VersioningHandler"), "{text}");
}

#[tokio::test]
async fn what_is_skipped_is_not_offered_again_and_something_newer_is() {
    let (mut stage, registry) = with_fake_registry("skip").await;
    registry.push("web", &["1.0.0", "2.0.0", "2.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    offered(&stage, "web", Some("2.0.0")).await;
    let (success, text) = run(&stage, "skip", "web", &[]).await;
    assert!(success && text.contains("app=2.0.0 is skipped by system:serviceaccount:"), "{text}");
    offered(&stage, "web", None).await;
    taken_up(&stage, "web").await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    assert!(event(&stage, "web", "Skipped").await.contains("2.0.0 was skipped by system:serviceaccount:"));
    let found = container(&stage, "web", "app").await.unwrap();
    let refused: Vec<_> = found.refused.iter().map(|refused| (refused.tag.as_str(), refused.reason.as_str())).collect();
    assert_eq!(refused, [("2.0", "Held"), ("2.0.0", "Held")]);
    assert_eq!(found.skipped[0].tag, "2.0.0");
    let (success, text) = run(&stage, "approve", "web", &["app=2.0.0"]).await;
    assert!(!success && text.contains("was skipped by"), "{text}");

    registry.push("web", &["2.0.1"]);
    offered(&stage, "web", Some("2.0.1")).await;
    // What could be applied by itself can be skipped before it is there.
    annotate(&stage, "web", &[("skip", "app=1.0.1")]).await;
    taken_up(&stage, "web").await;
    registry.push("web", &["1.0.1"]);
    more_checks(&mut stage, 3).await;
    assert_eq!(generation(&stage, "web").await, 1);
    registry.push("web", &["1.0.2"]);
    image(&stage, "web", "app", &registry.image("web", "1.0.2")).await;
}

#[tokio::test]
async fn what_is_snoozed_stays_offered_and_something_newer_ends_it() {
    let (stage, registry) = with_fake_registry("snooze").await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    registry.push("db", &["1.0.0", "3.0.0"]);
    let images = [registry.image("web", "1.0.0"), registry.image("db", "1.0.0")];
    stage.deploy("web", &[("app", &images[0]), ("db", &images[1])]).await;
    stage.handle("web", &json!({})).await;
    offered(&stage, "web", Some("2.0.0")).await;
    let (success, text) = run(&stage, "snooze", "web", &[]).await;
    assert!(!success, "{text}");
    for command in ["app=2.0.0", "db=3.0.0"] {
        assert!(text.contains(&format!("k8supdater snooze {}/web {command}", stage.namespace)), "{text}");
    }
    let (success, text) = run(&stage, "snooze", "web", &["2.0.0", "--for", "3d", "--by", "ada"]).await;
    assert!(success && text.contains("app=2.0.0 is snoozed by ada"), "{text}");
    taken_up(&stage, "web").await;
    let found = container(&stage, "web", "app").await.unwrap();
    let snoozed = found.snoozed.unwrap();
    let left = snoozed.until.0.duration_since(jiff::Timestamp::now()).as_hours();
    assert_eq!((snoozed.tag.as_str(), snoozed.by.as_str(), left), ("2.0.0", "ada", 71));
    assert_eq!(found.reported.as_deref(), Some("2.0.0"));
    assert_eq!(container(&stage, "web", "db").await.unwrap().snoozed, None);
    assert!(event(&stage, "web", "Snoozed").await.ends_with("2.0.0 was snoozed by ada for 3d"));
    let (success, text) = run(&stage, "snooze", "web", &["app=2.0.0"]).await;
    assert!(success && text.contains("was snoozed by ada already"), "{text}");

    registry.push("web", &["2.1.0"]);
    offered(&stage, "web", Some("2.1.0")).await;
    assert_eq!(container(&stage, "web", "app").await.unwrap().snoozed, None);
    assert_eq!(stage.count_events("web", "Snoozed").await, 1);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_removed_with_the_remedy() {
    let (mut stage, registry) = with_fake_registry("nonsense").await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    offered(&stage, "web", Some("2.0.0")).await;
    annotate(&stage, "web", &[("snooze", "app=2.0.0 for ever"), ("approve", "app=3.0.0"), ("by", "ada")]).await;
    taken_up(&stage, "web").await;
    let note = event(&stage, "web", "AnswerNotUnderstood").await;
    for expected in ["\"app=2.0.0 for ever\"", "k8supdater.dev/snooze", "expected one from 1s to 365d"] {
        assert!(note.contains(expected), "{note}");
    }
    let note = event(&stage, "web", "ApprovalNotApplied").await;
    assert!(note.contains("3.0.0") && note.contains("by ada") && note.contains("does not list it"), "{note}");
    more_checks(&mut stage, 2).await;
    let found = container(&stage, "web", "app").await.unwrap();
    assert_eq!((found.approved, found.snoozed, found.reported.as_deref()), (None, None, Some("2.0.0")));
    assert_eq!(generation(&stage, "web").await, 1);
}

#[tokio::test]
async fn an_approval_waits_while_the_registry_is_down() {
    let (mut stage, registry) = with_fake_registry("waits").await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    offered(&stage, "web", Some("2.0.0")).await;
    registry.fail(&Fault::NotFound);
    condition(&stage, "web", "Ready", "False", "RepositoryNotFound").await;
    annotate(&stage, "web", &[("approve", "2.0.0"), ("by", "ada")]).await;
    taken_up(&stage, "web").await;
    let approved = container(&stage, "web", "app").await.unwrap().approved.unwrap();
    assert_eq!((approved.tag.as_str(), approved.by.as_str()), ("2.0.0", "ada"));
    stage.operator.kill();
    registry.recover();
    stage.operator.start().await;
    image(&stage, "web", "app", &registry.image("web", "2.0.0")).await;
    assert_eq!(finished(&stage, "web").await.as_deref(), Some("ada"));
    assert_eq!(stage.count_events("web", "Approved").await, 1);
}

#[tokio::test]
async fn killed_at_any_moment_it_follows_an_approval_once() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    let mut stage = prepared("answer-killed", &[registry.origin()]).await;
    let moments = [0, 10, 20, 30, 40, 60, 80, 100, 120, 150, 200, 300, 500];
    stage.operator.start().await;
    for moment in moments {
        let name = format!("web-{moment}");
        stage.deploy(&name, &[("app", &registry.image("web", "1.0.0"))]).await;
        stage.handle(&name, &json!({"approval": "Required"})).await;
    }
    for moment in moments {
        offered(&stage, &format!("web-{moment}"), Some("1.0.1")).await;
    }
    // So that there is some time between the announcement and the patch.
    registry.fail_at(Part::Manifest, Fault::Slow(Duration::from_millis(50)));
    for moment in moments {
        annotate(&stage, &format!("web-{moment}"), &[("approve", "app=1.0.1"), ("by", "ada")]).await;
        sleep(Duration::from_millis(moment)).await;
        stage.operator.kill();
        stage.operator.start().await;
    }
    for moment in moments {
        let name = format!("web-{moment}");
        assert_eq!(finished(&stage, &name).await.as_deref(), Some("ada"), "{name}");
        offered(&stage, &name, Some("2.0.0")).await;
        taken_up(&stage, &name).await;
        assert_eq!(stage.image(&name, "app").await, registry.image("web", "1.0.1"), "{name}");
        assert_eq!(generation(&stage, &name).await, 2, "{name}");
        assert_eq!(container(&stage, &name, "app").await.unwrap().approved, None, "{name}");
        for reason in ["Approved", "Updated"] {
            assert_eq!(stage.count_events(&name, reason).await, 1, "{name} {reason}: {:?}", stage.events(&name).await);
        }
        assert_eq!(stage.count_events(&name, "ApprovalNotApplied").await, 0, "{name}: {:?}", stage.events(&name).await);
    }
}

#[tokio::test]
async fn an_image_that_a_human_sets_back_stays_set_back() {
    let (mut stage, registry) = with_fake_registry("back").await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    let (old, new) = (registry.image("web", "1.0.0"), registry.image("web", "2.0.0"));
    for name in ["web", "hurry"] {
        stage.deploy(name, &[("app", &old)]).await;
        stage.handle(name, &json!({})).await;
        offered(&stage, name, Some("2.0.0")).await;
    }
    annotate(&stage, "web", &[("approve", "app=2.0.0")]).await;
    assert_eq!(finished(&stage, "web").await.as_deref(), Some("an annotation"));
    stage.set_image("web", "app", &old).await;
    // Whoever sets it back does not want it, and is not asked again.
    condition(&stage, "web", "UpToDate", "False", "Held").await;
    offered(&stage, "web", None).await;

    // Killed as soon as the new image is to be seen, most likely before it has written down that it was set.
    annotate(&stage, "hurry", &[("approve", "app=2.0.0")]).await;
    while stage.image("hurry", "app").await != new {
        sleep(Duration::from_millis(1)).await;
    }
    stage.operator.kill();
    stage.set_image("hurry", "app", &old).await;
    stage.operator.start().await;
    more_checks(&mut stage, 4).await;
    for name in ["web", "hurry"] {
        assert_eq!(stage.image(name, "app").await, old, "{name}");
        assert_eq!(generation(&stage, name).await, 3, "{name}: made, approved, and set back");
        assert_eq!(container(&stage, name, "app").await.unwrap().approved, None, "{name}");
    }
    // The same tag can be approved again.
    let (success, text) = run(&stage, "approve", "web", &["app=2.0.0", "--wait"]).await;
    assert!(success, "{text}");
    assert_eq!(stage.image("web", "app").await, new);
    assert_eq!(stage.count_events("web", "Approved").await, 2);
}

#[tokio::test]
async fn a_tag_that_moved_is_restarted_for_once_it_is_approved() {
    let (mut stage, registry) = with_fake_registry("answer-latest").await;
    registry.push("web", &["latest"]);
    let image_id = |digest: &str| registry.image("web", "").trim_end_matches(':').to_owned() + "@" + digest;
    let old = registry.digest("web", "latest");
    for name in ["notify", "required"] {
        stage.deploy(name, &[("app", &registry.image("web", "latest"))]).await;
        stage.pods_run(name, "app", &image_id(&old)).await;
    }
    stage.handle("notify", &json!({"latest": "Notify"})).await;
    stage.handle("required", &json!({"latest": "Update", "approval": "Required"})).await;
    condition(&stage, "required", "UpToDate", "True", "UpToDate").await;
    let new = registry.repush("web", "latest");
    let offer = format!("latest@{new}");
    condition(&stage, "required", "UpToDate", "False", "AwaitingApproval").await;
    for name in ["notify", "required"] {
        offered(&stage, name, Some(&offer)).await;
        assert_eq!(generation(&stage, name).await, 1, "{name}");
    }
    // Of another image than the one that is offered.
    annotate(&stage, "notify", &[("approve", &format!("latest@{old}"))]).await;
    let note = event(&stage, "notify", "ApprovalNotApplied").await;
    assert!(note.contains("points at another image by now"), "{note}");
    for name in ["notify", "required"] {
        let (success, text) = run(&stage, "approve", name, &[&format!("app={offer}"), "--by=ada"]).await;
        assert!(success, "{text}");
        stage.eventually("it is restarted", async || equal(&generation(&stage, name).await, &2)).await;
        finished(&stage, name).await;
        stage.pods_run(name, "app", &image_id(&new)).await;
        condition(&stage, name, "UpToDate", "True", "UpToDate").await;
    }
    more_checks(&mut stage, 3).await;
    for name in ["notify", "required"] {
        assert_eq!(generation(&stage, name).await, 2, "{name}");
        assert!(event(&stage, name, "Updated").await.contains("approved by ada"));
    }
}

#[tokio::test]
async fn of_two_who_answer_at_once_one_is_told_that_the_other_has() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "2.0.0"]);
    let mut stage = prepared("two", &[registry.origin()]).await;
    stage.operator.start().await;
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    offered(&stage, "web", Some("2.0.0")).await;
    stage.operator.kill();
    let (client, namespace) = (&stage.cluster.client, &stage.namespace);
    let write = async |offer: &str, answer: Answer, by: &str| {
        let choice = Choice::new(offer, answer).unwrap();
        answer::write(client, namespace, "web", &choice, by).await
    };
    let (one, other) = tokio::join!(write("app=2.0.0", Answer::Approve, "ada"), write("2.0.0", Answer::Skip, "bob"));
    let told = match (one.unwrap(), other.unwrap()) {
        (Written::New, Written::Already { by, answer }) | (Written::Already { by, answer }, Written::New) => {
            (by, answer)
        }
        other => panic!("one writes, and the other is told: {other:?}"),
    };
    assert!([("ada".to_owned(), Answer::Approve), ("bob".to_owned(), Answer::Skip)].contains(&told), "{told:?}");
    // What nobody takes up keeps the answers of others from being mistaken for theirs.
    let refused = write("app=2.0.0", Answer::Snooze(answer::SNOOZE_TIME), "eve").await;
    assert!(matches!(refused, Ok(Written::Already { .. })), "{refused:?}");
    stage.operator.start().await;
    taken_up(&stage, "web").await;
    let known = status(&stage, "web").await.containers.remove(0);
    assert_eq!(known.skipped.is_empty(), told.1 == Answer::Approve);
}
