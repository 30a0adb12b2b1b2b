//! Looks on until what was approved is rolled out, or what was taken back is gone.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Client, ResourceExt};
use tokio::time::sleep;

use super::{AnswerCommandError, say};
use crate::answer::{self, Answer, Choice};
use crate::api::VersioningHandler;
use crate::api::conditions::{READY, ROLLOUT_HEALTHY};
use crate::api::versioning_handler::{ContainerStatus, UpdatePhase};
use crate::cli::name::HandlerName;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// How far an approval or a rollback is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// It goes on.
    Going(&'static str),
    /// All pods run what was approved, or what was put back.
    Finished(String),
    /// It did not come to that.
    Ended(String),
}

/// An approval or a rollback that is looked at.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    /// What was approved, or is to be taken back.
    choice: Choice,
    /// When the last update before an approval began. Of an approval that somebody else gave before, nobody knows: any update will do.
    last_update: Option<Time>,
}

impl Awaited {
    /// An answer that was given when the handler was as in `before`.
    pub(super) fn new(choice: &Choice, before: &VersioningHandler) -> Self {
        let update = container(before, choice).and_then(|container| container.update.as_ref());
        Self { choice: choice.clone(), last_update: update.map(|update| update.started.clone()) }
    }

    /// An answer that was there already.
    pub(super) fn known(choice: &Choice) -> Self {
        Self { choice: choice.clone(), last_update: None }
    }
}

/// Waits for the rollout of each of these answers, and says how far they are.
pub(super) async fn wait(
    client: &Client,
    name: &HandlerName,
    answers: &[Awaited],
    patience: Duration,
) -> Result<ExitCode, AnswerCommandError> {
    let deadline = Instant::now() + patience;
    let mut said: Vec<Option<Stage>> = vec![None; answers.len()];
    loop {
        let handler = answer::read(client, &name.namespace, &name.name).await?;
        for (awaited, said) in answers.iter().zip(&mut said) {
            let (stage, choice) = (stage(&handler, awaited), &awaited.choice);
            if said.as_ref() != Some(&stage) {
                let what = match &stage {
                    Stage::Going(what) => what,
                    Stage::Finished(what) | Stage::Ended(what) => what.as_str(),
                };
                say(&format!("{}: {what}", choice.offer()))?;
                *said = Some(stage);
            }
        }
        if !said.iter().any(|said| matches!(said, Some(Stage::Going(_)))) {
            let is_good = said.iter().all(|said| matches!(said, Some(Stage::Finished(_))));
            return Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        if Instant::now() >= deadline {
            let why = message(&handler, READY, "False").map(|why| format!(": {why}")).unwrap_or_default();
            say(&format!("it is not finished after {}{why}", answer::as_duration(patience)))?;
            return Ok(ExitCode::FAILURE);
        }
        sleep(PAUSE).await;
    }
}

/// How far an approval or a rollback is.
fn stage(now: &VersioningHandler, awaited: &Awaited) -> Stage {
    let choice = &awaited.choice;
    let is_it = |given: &Choice| {
        given.answer == choice.answer && given.tag == choice.tag && given.container == choice.container
    };
    if answer::parse(now.annotations()).choices.iter().any(is_it) {
        return Stage::Going("waits for the operator");
    }
    match choice.answer {
        Answer::RollBack => rollback(now, choice),
        Answer::Approve | Answer::Skip | Answer::Snooze(_) => approval(now, awaited),
    }
}

fn approval(now: &VersioningHandler, Awaited { choice, last_update }: &Awaited) -> Stage {
    let container = self::container(now, choice);
    let approved = container.and_then(|container| container.approved.as_ref());
    if approved.is_some_and(|approved| approved.tag == choice.tag) {
        let waits = container.and_then(|container| container.waits.as_ref());
        let is_waiting = waits.is_some_and(|waits| waits.tag == choice.tag);
        return Stage::Going(if is_waiting {
            "waits for its time; \"kubectl describe\" says for which"
        } else {
            "is applied"
        });
    }
    let update = container.and_then(|container| container.update.as_ref());
    let is_new = |started: &Time| last_update.as_ref().is_none_or(|last| last != started);
    let update = update.filter(|update| update.is_to(&choice.tag) && is_new(&update.started));
    match update.map(|update| update.phase) {
        Some(UpdatePhase::Finished) => Stage::Finished("all pods run it".to_owned()),
        Some(UpdatePhase::RollingOut) => Stage::Going("is rolled out"),
        Some(UpdatePhase::RollingBack) => Stage::Going("has failed, and is taken back"),
        Some(UpdatePhase::RolledBack) => {
            let why = update.and_then(|update| update.failure.as_deref()).unwrap_or("somebody asked for that");
            Stage::Ended(format!("it was taken back: {why}"))
        }
        Some(UpdatePhase::RollbackFailed) => {
            Stage::Ended("the rollout failed, and so does that of the image before, which was put back".to_owned())
        }
        Some(UpdatePhase::Failed) => {
            let failure = update.and_then(|update| update.failure.clone());
            let why = failure.or_else(|| message(now, ROLLOUT_HEALTHY, "False"));
            Stage::Ended(format!("the rollout failed{}", why.map(|why| format!(": {why}")).unwrap_or_default()))
        }
        Some(UpdatePhase::Overtaken) => Stage::Ended("somebody else has changed the container meanwhile".to_owned()),
        Some(UpdatePhase::Announced) | None if container.is_some_and(|container| is_accepted(container, choice)) => {
            Stage::Finished("it is accepted; pods run it when they pull it next".to_owned())
        }
        Some(UpdatePhase::Announced) | None => unheard(now, "applied"),
    }
}

/// Whether it is a version that was pushed again, and that this is known to be in order.
fn is_accepted(container: &ContainerStatus, choice: &Choice) -> bool {
    let digest = choice.tag.split_once('@').map(|(_, digest)| digest);
    digest.is_some() && container.moved_to.is_none() && container.digest.as_deref() == digest
}

fn rollback(now: &VersioningHandler, choice: &Choice) -> Stage {
    let update = self::container(now, choice).and_then(|container| container.update.as_ref());
    let Some(update) = update.filter(|update| update.is_to(&choice.tag)) else { return unheard(now, "taken back") };
    match update.phase {
        UpdatePhase::RollingBack => Stage::Going("is taken back"),
        UpdatePhase::RolledBack => Stage::Finished(format!("was taken back, and all pods run {} again", update.from)),
        UpdatePhase::RollbackFailed => {
            let why = message(now, ROLLOUT_HEALTHY, "False").map(|why| format!(": {why}")).unwrap_or_default();
            Stage::Ended(format!("{} was put back, but its rollout does not finish{why}", update.from))
        }
        UpdatePhase::Overtaken => Stage::Ended("somebody else has changed the container meanwhile".to_owned()),
        UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::Finished | UpdatePhase::Failed => {
            unheard(now, "taken back")
        }
    }
}

/// The operator has taken the answer up, and nothing has come of it.
fn unheard(handler: &VersioningHandler, participle: &str) -> Stage {
    let name = handler.name_any();
    Stage::Ended(format!("it was not {participle}; \"kubectl events --for versioninghandler/{name}\" says why"))
}

fn container<'a>(handler: &'a VersioningHandler, choice: &Choice) -> Option<&'a ContainerStatus> {
    let containers = handler.status.as_ref()?.containers.iter();
    containers.into_iter().find(|container| choice.container.as_ref().is_none_or(|name| *name == container.name))
}

/// The message of a condition, if it has this status.
fn message(handler: &VersioningHandler, kind: &str, status: &str) -> Option<String> {
    let conditions = &handler.status.as_ref()?.conditions;
    let found = conditions.iter().find(|condition| condition.type_ == kind && condition.status == status);
    found.map(|condition| condition.message.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn handler(annotations: &Value, more: &Value) -> VersioningHandler {
        let mut container = json!({"name": "app", "image": "app:1.0", "decision": "None"});
        container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
            "metadata": {"name": "web", "namespace": "team-a", "annotations": annotations},
            "spec": {"deployment": "web", "containerregistry": "oci"},
            "status": {"containers": [container]},
        }))
        .unwrap()
    }

    #[test]
    fn an_approval_is_followed_to_its_end() {
        let update = |phase: &str, started: u32| {
            let started = format!("1970-01-01T00:00:{started:02}Z");
            json!({"update": {"from": "app:1.0", "to": "app:2.0", "phase": phase, "started": started}})
        };
        let (none, approved) =
            (json!({}), json!({"approved": {"tag": "2.0", "by": "ada", "at": "1970-01-01T00:00:00Z"}}));
        let check = |annotations: &Value, before: &Value, now: &Value, expected: &str| {
            let choice = Choice::new("app=2.0", Answer::Approve).unwrap();
            let awaited = Awaited::new(&choice, &handler(&none, before));
            let found = match stage(&handler(annotations, now), &awaited) {
                Stage::Going(what) => what.to_owned(),
                Stage::Finished(what) | Stage::Ended(what) => what,
            };
            assert!(found.contains(expected), "{found} instead of {expected}: {annotations} {now}");
        };
        check(&json!({"k8supdater.dev/approve": "app=2.0"}), &none, &none, "waits for the operator");
        check(&none, &none, &approved, "is applied");
        check(&none, &none, &update("RollingOut", 1), "is rolled out");
        check(&none, &none, &update("Finished", 1), "all pods run it");
        check(&none, &none, &update("Failed", 1), "the rollout failed");
        check(&none, &none, &update("Overtaken", 1), "somebody else");
        check(&none, &none, &none, "it was not applied");
        // What stood there before is another story.
        check(&none, &update("Finished", 1), &update("Finished", 1), "it was not applied");
        check(&none, &update("Finished", 1), &update("RollingOut", 2), "is rolled out");
        let known = Awaited::known(&Choice::new("app=2.0", Answer::Approve).unwrap());
        assert_eq!(
            stage(&handler(&none, &update("Finished", 1)), &known),
            Stage::Finished("all pods run it".to_owned()),
            "approved by somebody else"
        );
        let mut both = update("Finished", 1);
        both.as_object_mut().unwrap().extend(approved.as_object().unwrap().clone());
        check(&none, &update("Finished", 1), &both, "is applied");
    }
    #[test]
    fn a_rollback_is_followed_to_its_end() {
        let update = |phase: &str| json!({"update": {"from": "app:1.0", "to": "app:2.0", "phase": phase, "started": "1970-01-01T00:00:00Z"}});
        let check = |annotations: &Value, now: &Value, expected: &str, is_over: bool| {
            let choice = Choice::new("app=2.0", Answer::RollBack).unwrap();
            let stage =
                stage(&handler(annotations, now), &Awaited::new(&choice, &handler(&json!({}), &update("Finished"))));
            assert_eq!(!matches!(stage, Stage::Going(_)), is_over, "{stage:?}");
            let (Stage::Finished(found) | Stage::Ended(found)) = stage else { return };
            assert!(found.contains(expected), "{found} instead of {expected}: {now}");
        };
        let none = json!({});
        check(&json!({"k8supdater.dev/rollback": "app=2.0"}), &update("Finished"), "", false);
        check(&none, &update("RollingBack"), "", false);
        check(&none, &update("RolledBack"), "all pods run app:1.0 again", true);
        check(&none, &update("RollbackFailed"), "app:1.0 was put back, but its rollout does not finish", true);
        check(&none, &update("Overtaken"), "somebody else", true);
        for phase in ["Finished", "Failed", "RollingOut"] {
            check(&none, &update(phase), "it was not taken back", true);
        }
        check(&none, &none, "it was not taken back", true);
    }
}
