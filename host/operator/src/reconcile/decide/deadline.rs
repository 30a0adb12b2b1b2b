//! When a rollout counts as failed although no controller says so. Pure.
//!
//! The Deployment controller has a deadline of its own, those of StatefulSets and DaemonSets wait for ever. What counts is the time since the
//! last of our own updates that the workload still has was announced: what others roll out is not ours to judge.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::versioning_handler::{UpdatePhase, UpdateStatus, VersioningHandlerStatus};
use crate::reconcile::observe::ObservedContainer;
use crate::workload::rollout::Rollout;

/// Until when a rollout should be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadline {
    at: Timestamp,
    timeout: Duration,
}

impl Deadline {
    /// The deadline of the update that `containers` have, by what is `known` of it; none if nothing of ours is being rolled out, or the
    /// `timeout` leads out of the calendar.
    pub(super) fn of(
        containers: &[ObservedContainer],
        known: &VersioningHandlerStatus,
        timeout: Option<Duration>,
    ) -> Option<Self> {
        let timeout = timeout?;
        let is_under_way = |update: &&UpdateStatus| match update.phase {
            UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::Failed => true,
            UpdatePhase::Finished
            | UpdatePhase::Overtaken
            | UpdatePhase::RollingBack
            | UpdatePhase::RolledBack
            | UpdatePhase::RollbackFailed => false,
        };
        let updates = containers.iter().filter_map(|observed| {
            let update = known.container(&observed.container.name)?.update.as_ref()?;
            (update.to == observed.container.image).then_some(update)
        });
        let started = updates.filter(is_under_way).map(|update| update.started.0).max()?;
        Some(Self { at: started.checked_add(timeout).ok()?, timeout })
    }

    /// `rollout`, or that it has failed.
    pub(super) fn judge(self, rollout: Rollout, now: Timestamp) -> Rollout {
        match rollout {
            Rollout::Progressing { waits_for } if self.at <= now => {
                let timeout = kube::core::Duration::from(self.timeout);
                Rollout::Failed {
                    message: format!("it is not finished after {timeout}: it still waits for {waits_for}"),
                }
            }
            other => other,
        }
    }

    /// Time until `rollout` has to be looked at again; none if its end is not awaited.
    pub(super) fn left(self, rollout: &Rollout, now: Timestamp) -> Option<Duration> {
        let left = Duration::try_from(self.at.duration_since(now)).unwrap_or_default();
        matches!(rollout, Rollout::Progressing { .. }).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8supdater_core::policy::moving::PullPolicy;

    use super::*;
    use crate::api::versioning_handler::ContainerStatus;
    use crate::reconcile::observe::Choice;
    use crate::workload::containers::{Container, List};

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The deadline, in seconds, of an update to `app:2` that was announced at second 100 and may take a minute.
    fn deadline(image: &str, phase: UpdatePhase) -> Option<Deadline> {
        let container = Container {
            list: List::Containers,
            index: 0,
            name: "app".to_owned(),
            image: image.to_owned(),
            pull_policy: PullPolicy::Always,
            restarted_for: None,
            rolled_back: None,
        };
        let observed =
            ObservedContainer { container, answers: Vec::new(), state: Ok(Choice::Ignored), link_facts: None };
        let update = UpdateStatus { phase, ..UpdateStatus::announced("app:1", "app:2", Time(second(100))) };
        let status = ContainerStatus { name: "app".to_owned(), update: Some(update), ..ContainerStatus::default() };
        let known = VersioningHandlerStatus { containers: vec![status], ..VersioningHandlerStatus::default() };
        Deadline::of(&[observed], &known, Some(Duration::from_mins(1)))
    }

    #[test]
    fn only_an_update_of_ours_that_is_under_way_has_a_deadline() {
        let check = |image: &str, phase: UpdatePhase, expected: bool| {
            assert_eq!(deadline(image, phase).is_some(), expected, "{image} {phase:?}");
        };
        check("app:2", UpdatePhase::RollingOut, true);
        check("app:2", UpdatePhase::Announced, true);
        check("app:2", UpdatePhase::Failed, true);
        check("app:2", UpdatePhase::Finished, false);
        check("app:1", UpdatePhase::Announced, false);
        check("app:3", UpdatePhase::RollingOut, false);
    }

    #[test]
    fn a_rollout_that_is_not_finished_in_time_has_failed() {
        let deadline = deadline("app:2", UpdatePhase::RollingOut).unwrap();
        let progressing = || Rollout::Progressing { waits_for: "pods".to_owned() };
        assert_eq!(deadline.judge(progressing(), second(159)), progressing());
        let failed = Rollout::Failed { message: "it is not finished after 60s: it still waits for pods".to_owned() };
        assert_eq!(deadline.judge(progressing(), second(160)), failed);
        assert_eq!(deadline.judge(Rollout::Finished, second(160)), Rollout::Finished);
        assert_eq!(deadline.left(&progressing(), second(120)), Some(Duration::from_secs(40)));
        assert_eq!(deadline.left(&progressing(), second(200)), Some(Duration::ZERO));
        assert_eq!(deadline.left(&Rollout::Finished, second(120)), None);
    }
}
