//! How an update goes on, seen from one check to the next. Pure: what was written down, what is, and the time.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::versioning_handler::{UpdatePhase, UpdateStatus};
use crate::workload::rollout::Rollout;

/// Something that people should hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Milestone {
    /// The workload is changed, which an operator that was killed right after the change could not say any more.
    Began,
    /// All pods run the new image.
    Finished,
    /// The rollout is stuck.
    Failed {
        /// The Deployment controller's words.
        message: String,
    },
    /// The image is neither the old nor the new one any more.
    Overtaken,
}

/// The state of `update` now that the spec says `image` and the rollout is where it is.
///
/// An announced update whose image is still the old one stays announced: the operator was stopped before it acted, and the decision
/// that follows acts again or announces something better. A failed rollout that recovers counts as finished.
pub fn advance(
    update: &UpdateStatus,
    image: &str,
    rollout: &Rollout,
    now: Timestamp,
) -> (UpdateStatus, Option<Milestone>) {
    let ended =
        |phase, milestone| (UpdateStatus { phase, finished: Some(Time(now)), ..update.clone() }, Some(milestone));
    let going_on = |milestone| (UpdateStatus { phase: UpdatePhase::RollingOut, ..update.clone() }, milestone);
    match update.phase {
        UpdatePhase::Finished | UpdatePhase::Overtaken => (update.clone(), None),
        UpdatePhase::Announced if image == update.from => (update.clone(), None),
        UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::Failed if image != update.to => {
            ended(UpdatePhase::Overtaken, Milestone::Overtaken)
        }
        UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::Failed => match rollout {
            Rollout::Finished => ended(UpdatePhase::Finished, Milestone::Finished),
            Rollout::Failed { message } if update.phase != UpdatePhase::Failed => {
                ended(UpdatePhase::Failed, Milestone::Failed { message: message.clone() })
            }
            Rollout::Failed { .. } => (update.clone(), None),
            Rollout::Progressing { .. } if update.phase == UpdatePhase::Failed => (update.clone(), None),
            Rollout::Progressing { .. } if update.phase == UpdatePhase::Announced => going_on(Some(Milestone::Began)),
            Rollout::Progressing { .. } => going_on(None),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use UpdatePhase::{Announced, Failed, Finished, Overtaken, RollingOut};

    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn check(phase: UpdatePhase, image: &str, rollout: &Rollout, expected: (UpdatePhase, Option<Milestone>)) {
        let start = Timestamp::from_second(100).unwrap();
        let now = Timestamp::from_second(200).unwrap();
        let update = UpdateStatus {
            from: "app:1".to_owned(),
            to: "app:2".to_owned(),
            phase,
            digest: None,
            generation: Some(2),
            started: Time(start),
            finished: None,
        };
        let (next, milestone) = advance(&update, image, rollout, now);
        assert_eq!((next.phase, milestone.clone()), expected, "{phase:?} {image} {rollout:?}");
        assert_eq!(next.finished.is_some(), milestone.is_some_and(|milestone| milestone != Milestone::Began));
        // Looking again at the same state is silent.
        assert_eq!(advance(&next, image, rollout, now), (next.clone(), None));
    }

    #[test]
    fn an_update_ends_once_and_says_so_once() {
        let going = Rollout::Progressing { waits_for: "pods".to_owned() };
        let stuck = Rollout::Failed { message: "stuck".to_owned() };
        let failed = || Some(Milestone::Failed { message: "stuck".to_owned() });
        check(Announced, "app:1", &Rollout::Finished, (Announced, None));
        check(Announced, "app:2", &going, (RollingOut, Some(Milestone::Began)));
        check(RollingOut, "app:2", &going, (RollingOut, None));
        check(Announced, "app:2", &Rollout::Finished, (Finished, Some(Milestone::Finished)));
        check(Announced, "app:9", &Rollout::Finished, (Overtaken, Some(Milestone::Overtaken)));
        check(RollingOut, "app:2", &stuck, (Failed, failed()));
        check(RollingOut, "app:2", &Rollout::Finished, (Finished, Some(Milestone::Finished)));
        check(RollingOut, "app:1", &Rollout::Finished, (Overtaken, Some(Milestone::Overtaken)));
        check(Failed, "app:2", &stuck, (Failed, None));
        check(Failed, "app:2", &going, (Failed, None));
        check(Failed, "app:2", &Rollout::Finished, (Finished, Some(Milestone::Finished)));
        check(Failed, "app:1", &Rollout::Finished, (Overtaken, Some(Milestone::Overtaken)));
        check(Finished, "app:1", &stuck, (Finished, None));
        check(Overtaken, "app:2", &stuck, (Overtaken, None));
    }
}
