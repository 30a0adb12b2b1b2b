use k8supdater::api::versioning_handler::UpdatePhase;
use k8supdater_testkit::{ApiProxy, CrashPoint, FakeRegistry, Stage, objects};
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::scene::{container, equal, find, prepared, status};

/// Something that takes the operator several writes, and has to come to the same end whichever of them is its last.
trait Story {
    /// Creates what there is before the handler of that name.
    async fn prepare(&self, stage: &Stage, name: &str);
    /// The spec of the handler, which sets it going; an interval of an hour keeps it silent afterwards.
    fn spec(&self) -> Value;
    /// Whether the operator has written all that it has to write.
    async fn has_ended(&self, stage: &Stage, name: &str) -> Result<(), String>;
    /// Holds the end against what it has to be. `when` says where the operator was killed.
    async fn check(&self, stage: &Stage, name: &str, when: &str);
}

/// Plays the story once for each write in it and each side of that write, kills the operator there, and lets the next process end it.
/// Gives the writes of a whole story.
async fn kill_at_every_write(stage: &mut Stage, proxy: &ApiProxy, story: &impl Story) -> Vec<String> {
    stage.operator.start().await;
    for number in 1.. {
        for point in [CrashPoint::Before(number), CrashPoint::After(number)] {
            let name = format!("{point}").replace(' ', "-");
            story.prepare(stage, &name).await;
            proxy.arm(point);
            stage.handle(&name, &story.spec()).await;
            let what = format!("the story has ended that the operator was to lose {point}");
            tokio::select! {
                () = proxy.has_cut() => {}
                () = stage.eventually(&what, async || story.has_ended(stage, &name).await) => {}
            }
            let writes: Vec<String> = proxy.writes().iter().map(ToString::to_string).collect();
            let is_lost = writes.len() == number;
            if is_lost {
                // The end that is written last is seen before the answer to that is lost.
                proxy.has_cut().await;
                stage.operator.kill();
                proxy.heal().await;
                stage.operator.start().await;
                let what = format!("the story has ended that the operator lost {point}, {:?}", writes.last());
                stage.eventually(&what, async || story.has_ended(stage, &name).await).await;
            }
            story.check(stage, &name, &format!("{point} of {writes:#?}")).await;
            if !is_lost {
                return writes;
            }
            forget(stage, &name).await;
        }
    }
    unreachable!("every story has an end")
}

/// Deletes a handler and waits for the last that the operator has to write about it, so that it does not count for the next one.
async fn forget(stage: &Stage, handler: &str) {
    stage.handlers().delete(handler, &DeleteParams::default()).await.unwrap();
    stage
        .eventually("the operator has said that the handler is gone", async || {
            let lifecycle = stage.lifecycle(handler).await;
            equal(&lifecycle, &vec!["HandlerCreated".to_owned(), "HandlerDeleted".to_owned()])
        })
        .await;
}

/// 1.0.0 becomes 1.0.1, and 2.0.0 is reported.
struct Update {
    registry: FakeRegistry,
}

impl Story for Update {
    async fn prepare(&self, stage: &Stage, name: &str) {
        stage.deploy(name, &[("app", &self.registry.image("web", "1.0.0"))]).await;
    }

    fn spec(&self) -> Value {
        json!({"interval": "1h"})
    }

    async fn has_ended(&self, stage: &Stage, name: &str) -> Result<(), String> {
        let update = container(stage, name, "app").await.and_then(|container| container.update);
        equal(&update.map(|update| update.phase), &Some(UpdatePhase::Finished))?;
        let conditions = status(stage, name).await.conditions;
        find(&conditions, "RolloutHealthy", "True", "RolloutFinished")?;
        find(&conditions, "UpToDate", "False", "UpdateAvailable").map(drop)
    }

    async fn check(&self, stage: &Stage, name: &str, when: &str) {
        assert_eq!(stage.image(name, "app").await, self.registry.image("web", "1.0.1"), "{when}");
        assert_eq!(stage.count_rollouts(name).await, 2, "{when}");
        let events = stage.events(name).await;
        let count = |reason: &str| events.iter().filter(|(found, _)| found == reason).count();
        assert_eq!((count("UpdateAvailable"), count("Updated")), (1, 1), "{when}: {events:#?}");
        // Who is killed before saying that an update begins may find it finished, and then says just that.
        assert!(count("Updating") <= 1, "{when}: {events:#?}");
        assert_eq!(stage.lifecycle(name).await, ["HandlerCreated"], "{when}");
    }
}

#[tokio::test]
async fn update_that_loses_the_operator_at_any_write_is_finished_once() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    let mut stage = prepared("crash-points", &[registry.origin()]).await;
    let proxy = stage.through_proxy().await;
    let writes = kill_at_every_write(&mut stage, &proxy, &Update { registry }).await;
    for part in ["/deployments/", "/versioninghandlers/", "/events"] {
        assert!(writes.iter().any(|write| write.contains(part)), "{part} is not among {writes:#?}");
    }
}

/// 1.0.0 becomes 1.0.1-crash, whose pods crash, and 1.0.0 again.
struct Rollback {
    registry: FakeRegistry,
}

impl Story for Rollback {
    async fn prepare(&self, stage: &Stage, name: &str) {
        let first = self.registry.image("web", "1.0.0");
        let spec = json!({"progressDeadlineSeconds": 1});
        stage.deploy_as(&objects::deployment_with(name, &[("app", &first)], &spec)).await;
    }

    fn spec(&self) -> Value {
        json!({"interval": "1h", "rollback": "OnFailure", "tags": {"flavor": ".*"}})
    }

    async fn has_ended(&self, stage: &Stage, name: &str) -> Result<(), String> {
        let update = container(stage, name, "app").await.and_then(|container| container.update);
        equal(&update.map(|update| update.phase), &Some(UpdatePhase::RolledBack))?;
        let conditions = status(stage, name).await.conditions;
        find(&conditions, "RolloutHealthy", "True", "RolloutFinished")?;
        find(&conditions, "UpToDate", "False", "Held").map(drop)
    }

    async fn check(&self, stage: &Stage, name: &str, when: &str) {
        assert_eq!(stage.image(name, "app").await, self.registry.image("web", "1.0.0"), "{when}");
        assert_eq!(stage.count_rollouts(name).await, 2, "{when}");
        let status = status(stage, name).await;
        let held: Vec<&str> = status.containers[0].held.iter().map(|held| held.tag.as_str()).collect();
        assert_eq!(held, ["1.0.1-crash"], "{when}");
        let history: Vec<UpdatePhase> = status.history.iter().map(|entry| entry.result).collect();
        assert_eq!(history, [UpdatePhase::RolledBack], "{when}");
        let events = stage.events(name).await;
        let count = |reason: &str| events.iter().filter(|(found, _)| found == reason).count();
        // Who is killed before saying so may find the next step taken, and then says just that.
        for reason in ["Updating", "RolloutFailed", "RollingBack"] {
            assert!(count(reason) <= 1, "{when}: {reason} in {events:#?}");
        }
        assert_eq!((count("RolledBack"), count("Updated"), count("Overtaken")), (1, 0, 0), "{when}: {events:#?}");
    }
}

#[tokio::test]
async fn rollback_that_loses_the_operator_at_any_write_is_finished_once() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "1.0.1-crash"]);
    let mut stage = prepared("crash-back", &[registry.origin()]).await;
    let proxy = stage.through_proxy().await;
    let writes = kill_at_every_write(&mut stage, &proxy, &Rollback { registry }).await;
    let patches = writes.iter().filter(|write| write.contains("PATCH") && write.contains("/deployments/")).count();
    assert_eq!(patches, 2, "there and back in {writes:#?}");
}
