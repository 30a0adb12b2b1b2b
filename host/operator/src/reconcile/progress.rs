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
    /// The workload has the new image, and its pods get it at another time.
    Applied {
        /// When, in words.
        hint: String,
    },
    /// The rollout is stuck.
    Failed {
        /// The words of the workload's controller.
        message: String,
    },
    /// The image is neither the old nor the new one any more.
    Overtaken,
}

/// What is to be seen of a container.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The image in the spec.
    pub image: &'a str,
    /// The digest for which the workload was restarted.
    pub restarted_for: Option<&'a str>,
    /// How far the workload's rollout is.
    pub rollout: &'a Rollout,
}

/// Where the spec is on the way of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    After,
    Elsewhere,
}

/// The state of `update` now that the container looks like `seen`.
///
/// An announced update that is not to be seen stays announced: the operator was stopped before it acted, and the decision that follows
/// acts again or announces something better. A failed rollout that recovers counts as finished.
pub fn advance(update: &UpdateStatus, seen: Seen<'_>, now: Timestamp) -> (UpdateStatus, Option<Milestone>) {
    let ended =
        |phase, milestone| (UpdateStatus { phase, finished: Some(Time(now)), ..update.clone() }, Some(milestone));
    let going_on = |milestone| (UpdateStatus { phase: UpdatePhase::RollingOut, ..update.clone() }, milestone);
    let place = place(update, seen);
    let rollout = seen.rollout;
    match update.phase {
        // By now the pods have got it, too, or at least more of them.
        UpdatePhase::Finished if update.hint.is_some() && place == Place::After => {
            let hint = if let Rollout::Applied { hint } = rollout { Some(hint.clone()) } else { None };
            (UpdateStatus { hint, ..update.clone() }, None)
        }
        UpdatePhase::Finished
        | UpdatePhase::Overtaken
        | UpdatePhase::RollingBack
        | UpdatePhase::RolledBack
        | UpdatePhase::RollbackFailed => (update.clone(), None),
        UpdatePhase::Announced if place == Place::Before => (update.clone(), None),
        UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::Failed if place != Place::After => {
            ended(UpdatePhase::Overtaken, Milestone::Overtaken)
        }
        UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::Failed => match rollout {
            Rollout::Finished => ended(UpdatePhase::Finished, Milestone::Finished),
            Rollout::Applied { hint } => {
                let (update, milestone) = ended(UpdatePhase::Finished, Milestone::Applied { hint: hint.clone() });
                (UpdateStatus { hint: Some(hint.clone()), ..update }, milestone)
            }
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

fn place(update: &UpdateStatus, seen: Seen<'_>) -> Place {
    // A restart leaves the image as it is; the annotation tells that it was made.
    let is_made = !update.is_restart() || update.digest.as_deref() == seen.restarted_for;
    if seen.image == update.to && is_made {
        Place::After
    } else if seen.image == update.from {
        Place::Before
    } else {
        Place::Elsewhere
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
        let update =
            UpdateStatus { phase, generation: Some(2), ..UpdateStatus::announced("app:1", "app:2", Time(start)) };
        let seen = Seen { image, restarted_for: None, rollout };
        let (next, milestone) = advance(&update, seen, now);
        assert_eq!((next.phase, milestone.clone()), expected, "{phase:?} {image} {rollout:?}");
        assert_eq!(next.finished.is_some(), milestone.is_some_and(|milestone| milestone != Milestone::Began));
        // Looking again at the same state is silent.
        assert_eq!(advance(&next, seen, now), (next.clone(), None));
    }

    #[test]
    fn a_restart_is_seen_by_its_annotation() {
        let now = Timestamp::from_second(200).unwrap();
        let check = |phase: UpdatePhase, image: &str, restarted_for: Option<&str>, expected: UpdatePhase| {
            let update = UpdateStatus {
                phase,
                digest: Some("new".to_owned()),
                ..UpdateStatus::announced("app:latest", "app:latest", Time(now))
            };
            let (next, _) = advance(&update, Seen { image, restarted_for, rollout: &Rollout::Finished }, now);
            assert_eq!(next.phase, expected, "{phase:?} {image} {restarted_for:?}");
        };
        check(Announced, "app:latest", None, Announced);
        check(Announced, "app:latest", Some("old"), Announced);
        check(Announced, "app:latest", Some("new"), Finished);
        check(Announced, "app:1", Some("old"), Overtaken);
        check(RollingOut, "app:latest", Some("new"), Finished);
        // Somebody has set the pod template back, annotations and all.
        check(RollingOut, "app:latest", Some("old"), Overtaken);
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
        let applied = Rollout::Applied { hint: "later".to_owned() };
        check(RollingOut, "app:2", &applied, (Finished, Some(Milestone::Applied { hint: "later".to_owned() })));
        check(Failed, "app:2", &applied, (Finished, Some(Milestone::Applied { hint: "later".to_owned() })));
        check(RollingOut, "app:1", &applied, (Overtaken, Some(Milestone::Overtaken)));
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
