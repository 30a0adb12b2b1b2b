//! How an update goes on, seen from one check to the next. Pure: what was written down, what is, and the time.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::shorten;
use crate::api::versioning_handler::{UpdatePhase, UpdateStatus};
use crate::workload::pods::Complaint;
use crate::workload::rollout::Rollout;

/// Longest reason for a failure that the status keeps, in bytes.
const LONGEST_FAILURE: usize = 1024;

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
    /// The rollout is stuck, or its pods have crashed.
    Failed {
        /// The words of the workload's controller, and of its pods.
        message: String,
    },
    /// The image is neither the old nor the new one any more, or a rollback was undone.
    Overtaken,
    /// The image before goes back.
    RollingBack {
        /// Why, or who wants it.
        why: String,
    },
    /// All pods run the image before again.
    RolledBack,
    /// The image before is back, and its rollout does not finish either.
    RollbackFailed {
        /// What it waits for, or the words of the workload's controller.
        message: String,
    },
}

/// What is to be seen of a container.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The image in the spec.
    pub image: &'a str,
    /// The digest for which the workload was restarted.
    pub restarted_for: Option<&'a str>,
    /// Which update of the container was taken back, by the second in which it began.
    pub rolled_back: Option<i64>,
    /// How far the workload's rollout is.
    pub rollout: &'a Rollout,
    /// What its pods say, if they were asked.
    pub complaint: Option<&'a Complaint>,
}

/// How long an update is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// How long all pods must stay available before it counts as finished.
    pub stable_for: Duration,
    /// How long it may take for the image before to be back.
    pub rollback_timeout: Duration,
}

impl Watch {
    /// How long after all pods were available for the first time they may be unavailable, although none has crashed.
    fn longest_unstable(self) -> Duration {
        self.stable_for.saturating_add(self.rollback_timeout)
    }

    /// When `update` has to be looked at again although nothing happens.
    pub fn next_look(self, update: &UpdateStatus, now: Timestamp) -> Option<Timestamp> {
        let end = |since: &Time, time: Duration| since.0.checked_add(time).ok();
        match update.phase {
            UpdatePhase::RollingOut => {
                let since = update.available_since.as_ref()?;
                end(since, self.stable_for).filter(|end| *end > now).or_else(|| end(since, self.longest_unstable()))
            }
            UpdatePhase::RollingBack => end(&update.rollback.as_ref()?.started, self.rollback_timeout),
            UpdatePhase::Announced
            | UpdatePhase::Finished
            | UpdatePhase::Failed
            | UpdatePhase::Overtaken
            | UpdatePhase::RolledBack
            | UpdatePhase::RollbackFailed => None,
        }
    }
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
/// acts again or announces something better. The same goes for a rollback. A failed rollout that recovers counts as finished.
pub fn advance(
    update: &UpdateStatus,
    seen: Seen<'_>,
    watch: Watch,
    now: Timestamp,
) -> (UpdateStatus, Option<Milestone>) {
    let same = || (update.clone(), None);
    let place = place(update, seen);
    match update.phase {
        // By now the pods have got it, too, or at least more of them.
        UpdatePhase::Finished if update.hint.is_some() && place == Place::After => {
            let hint = if let Rollout::Applied { hint } = seen.rollout { Some(hint.clone()) } else { None };
            (UpdateStatus { hint, ..update.clone() }, None)
        }
        UpdatePhase::Finished | UpdatePhase::Overtaken | UpdatePhase::RolledBack => same(),
        UpdatePhase::Announced if place == Place::Before => same(),
        UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::Failed if place == Place::After => {
            go_on(update, seen, watch, now)
        }
        UpdatePhase::RollingBack if place == Place::After && !is_rolled_back(update, seen) => same(),
        UpdatePhase::RollingBack | UpdatePhase::RollbackFailed if place == Place::Before => {
            go_back(update, seen.rollout, watch, now)
        }
        UpdatePhase::Announced
        | UpdatePhase::RollingOut
        | UpdatePhase::Failed
        | UpdatePhase::RollingBack
        | UpdatePhase::RollbackFailed => ended(update, UpdatePhase::Overtaken, Milestone::Overtaken, now),
    }
}

/// The workload has the new image.
fn go_on(update: &UpdateStatus, seen: Seen<'_>, watch: Watch, now: Timestamp) -> (UpdateStatus, Option<Milestone>) {
    let began = (update.phase == UpdatePhase::Announced).then_some(Milestone::Began);
    let crash = seen.complaint.filter(|complaint| complaint.is_crash);
    match seen.rollout {
        Rollout::Applied { hint } => {
            let (update, milestone) =
                ended(update, UpdatePhase::Finished, Milestone::Applied { hint: hint.clone() }, now);
            (UpdateStatus { hint: Some(hint.clone()), ..update }, milestone)
        }
        Rollout::Failed { .. } | Rollout::Progressing { .. } if update.phase == UpdatePhase::Failed => {
            (update.clone(), None)
        }
        Rollout::Failed { message } => {
            let says = seen.complaint.map(|complaint| format!("; {}", complaint.text)).unwrap_or_default();
            failed(update, format!("{}{says}", message.trim_end_matches('.')), now)
        }
        Rollout::Finished if watch.stable_for.is_zero() || update.phase == UpdatePhase::Failed => {
            ended(update, UpdatePhase::Finished, Milestone::Finished, now)
        }
        Rollout::Finished | Rollout::Progressing { .. } if update.available_since.is_some() && crash.is_some() => {
            let says = crash.map(|complaint| complaint.text.clone()).unwrap_or_default();
            failed(update, format!("it was finished, but did not stay so: {says}"), now)
        }
        Rollout::Finished => {
            let since = update.available_since.as_ref().map_or(now, |since| since.0);
            if has_passed(since, watch.stable_for, now) {
                return ended(update, UpdatePhase::Finished, Milestone::Finished, now);
            }
            let available_since = Some(Time(since));
            (UpdateStatus { phase: UpdatePhase::RollingOut, available_since, ..update.clone() }, began)
        }
        Rollout::Progressing { waits_for }
            if update.available_since.as_ref().is_some_and(|it| has_passed(it.0, watch.longest_unstable(), now)) =>
        {
            failed(update, format!("it was finished, but did not stay so: it waits for {waits_for}"), now)
        }
        Rollout::Progressing { .. } => (UpdateStatus { phase: UpdatePhase::RollingOut, ..update.clone() }, began),
    }
}

/// The workload has the image before again.
///
/// That a controller says the rollout has failed counts no more than that it goes on: its word may still be about the rollout before.
fn go_back(
    update: &UpdateStatus,
    rollout: &Rollout,
    watch: Watch,
    now: Timestamp,
) -> (UpdateStatus, Option<Milestone>) {
    let started = update.rollback.as_ref().map_or(update.started.0, |rollback| rollback.started.0);
    match rollout {
        Rollout::Finished | Rollout::Applied { .. } => {
            ended(update, UpdatePhase::RolledBack, Milestone::RolledBack, now)
        }
        Rollout::Progressing { .. } | Rollout::Failed { .. }
            if update.phase == UpdatePhase::RollbackFailed || !has_passed(started, watch.rollback_timeout, now) =>
        {
            (update.clone(), None)
        }
        Rollout::Progressing { waits_for: message } | Rollout::Failed { message } => {
            let message = message.clone();
            ended(update, UpdatePhase::RollbackFailed, Milestone::RollbackFailed { message }, now)
        }
    }
}

fn ended(
    update: &UpdateStatus,
    phase: UpdatePhase,
    milestone: Milestone,
    now: Timestamp,
) -> (UpdateStatus, Option<Milestone>) {
    (UpdateStatus { phase, finished: Some(Time(now)), available_since: None, ..update.clone() }, Some(milestone))
}

fn failed(update: &UpdateStatus, message: String, now: Timestamp) -> (UpdateStatus, Option<Milestone>) {
    let message = shorten(message, LONGEST_FAILURE);
    let (update, milestone) = ended(update, UpdatePhase::Failed, Milestone::Failed { message: message.clone() }, now);
    (UpdateStatus { failure: Some(message), ..update }, milestone)
}

/// Whether that much time has passed since then. On a clock that was set back it has not.
fn has_passed(since: Timestamp, time: Duration, now: Timestamp) -> bool {
    since.checked_add(time).is_ok_and(|end| end <= now)
}

/// Whether `update` was taken back in the workload itself, which the status may not know yet.
fn is_rolled_back(update: &UpdateStatus, seen: Seen<'_>) -> bool {
    seen.rolled_back == Some(update.started.0.as_second())
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
    use crate::api::rollout_status::RollbackStatus;
    use UpdatePhase::{Announced, Failed, Finished, Overtaken, RollbackFailed, RolledBack, RollingBack, RollingOut};

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// An update that began at second 100, and whose rollback, if it is one, at second 150.
    fn update(phase: UpdatePhase) -> UpdateStatus {
        let is_back = matches!(phase, RollingBack | RolledBack | RollbackFailed);
        UpdateStatus {
            phase,
            generation: Some(2),
            rollback: is_back.then(|| RollbackStatus { started: Time(second(150)), by: None }),
            ..UpdateStatus::announced("app:1", "app:2", Time(second(100)))
        }
    }

    fn seen<'a>(image: &'a str, rollout: &'a Rollout) -> Seen<'a> {
        Seen { image, restarted_for: None, rolled_back: None, rollout, complaint: None }
    }

    const WATCH: Watch = Watch { stable_for: Duration::ZERO, rollback_timeout: Duration::from_mins(1) };

    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn check(phase: UpdatePhase, image: &str, rollout: &Rollout, expected: (UpdatePhase, Option<Milestone>)) {
        let now = second(200);
        let seen = seen(image, rollout);
        let (next, milestone) = advance(&update(phase), seen, WATCH, now);
        assert_eq!((next.phase, milestone.clone()), expected, "{phase:?} {image} {rollout:?}");
        assert_eq!(next.finished.is_some(), milestone.is_some_and(|milestone| milestone != Milestone::Began));
        // Looking again at the same state is silent.
        assert_eq!(advance(&next, seen, WATCH, now), (next.clone(), None));
    }

    #[test]
    fn a_restart_is_seen_by_its_annotation() {
        let now = second(200);
        let check = |phase: UpdatePhase, image: &str, restarted_for: Option<&str>, expected: UpdatePhase| {
            let update = UpdateStatus {
                phase,
                digest: Some("new".to_owned()),
                ..UpdateStatus::announced("app:latest", "app:latest", Time(now))
            };
            let (next, _) = advance(&update, Seen { restarted_for, ..seen(image, &Rollout::Finished) }, WATCH, now);
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

    #[test]
    fn a_rollback_ends_when_the_image_before_runs_again() {
        let going = Rollout::Progressing { waits_for: "pods".to_owned() };
        let stuck = Rollout::Failed { message: "stuck".to_owned() };
        check(RollingBack, "app:2", &stuck, (RollingBack, None));
        check(RollingBack, "app:1", &going, (RollingBack, None));
        // The word of the controller may still be about the rollout before.
        check(RollingBack, "app:1", &stuck, (RollingBack, None));
        check(RollingBack, "app:1", &Rollout::Finished, (RolledBack, Some(Milestone::RolledBack)));
        let applied = Rollout::Applied { hint: "later".to_owned() };
        check(RollingBack, "app:1", &applied, (RolledBack, Some(Milestone::RolledBack)));
        check(RollingBack, "app:9", &going, (Overtaken, Some(Milestone::Overtaken)));
        check(RollbackFailed, "app:1", &stuck, (RollbackFailed, None));
        check(RollbackFailed, "app:1", &Rollout::Finished, (RolledBack, Some(Milestone::RolledBack)));
        check(RollbackFailed, "app:2", &going, (Overtaken, Some(Milestone::Overtaken)));
        check(RolledBack, "app:2", &stuck, (RolledBack, None));
    }

    #[test]
    fn a_rollback_that_does_not_end_in_time_has_failed() {
        let check = |rollout: &Rollout, at: i64, expected: UpdatePhase| {
            let (next, _) = advance(&update(RollingBack), seen("app:1", rollout), WATCH, second(at));
            assert_eq!(next.phase, expected, "{rollout:?} {at}");
        };
        let going = Rollout::Progressing { waits_for: "pods".to_owned() };
        let stuck = Rollout::Failed { message: "stuck".to_owned() };
        check(&going, 209, RollingBack);
        check(&going, 210, RollbackFailed);
        check(&stuck, 209, RollingBack);
        check(&stuck, 210, RollbackFailed);
        check(&Rollout::Finished, 999, RolledBack);
    }

    #[test]
    fn somebody_who_puts_the_new_image_back_after_a_rollback_is_not_overruled() {
        let check = |rolled_back: Option<i64>, expected: UpdatePhase| {
            let (going, seen) =
                (Rollout::Progressing { waits_for: "pods".to_owned() }, seen("app:2", &Rollout::Finished));
            let seen = Seen { rolled_back, rollout: &going, ..seen };
            assert_eq!(advance(&update(RollingBack), seen, WATCH, second(200)).0.phase, expected, "{rolled_back:?}");
        };
        check(None, RollingBack);
        // Another update of long ago.
        check(Some(7), RollingBack);
        check(Some(100), Overtaken);
    }

    #[test]
    fn an_update_that_must_stay_available_is_finished_when_it_has() {
        let watch = Watch { stable_for: Duration::from_secs(30), ..WATCH };
        let going = Rollout::Progressing { waits_for: "1 of 2 pods".to_owned() };
        let crash = Complaint { container: Some("app".to_owned()), is_crash: true, text: "exit code 137".to_owned() };
        let unready = Complaint { is_crash: false, ..crash.clone() };
        let check = |since: Option<i64>, rollout: &Rollout, complaint: Option<&Complaint>, expected: UpdatePhase| {
            let available_since = since.map(|since| Time(second(since)));
            let known = UpdateStatus { available_since, ..update(RollingOut) };
            let seen = Seen { complaint, ..seen("app:2", rollout) };
            let (next, milestone) = advance(&known, seen, watch, second(200));
            assert_eq!(next.phase, expected, "{since:?} {rollout:?} {complaint:?}");
            assert_eq!(milestone.is_some(), expected != RollingOut);
            next
        };
        let first = check(None, &Rollout::Finished, None, RollingOut);
        assert_eq!(first.available_since, Some(Time(second(200))));
        let later = check(Some(180), &Rollout::Finished, None, RollingOut);
        assert_eq!(later.available_since, Some(Time(second(180))));
        check(Some(170), &Rollout::Finished, None, Finished);
        check(Some(171), &Rollout::Finished, None, RollingOut);
        // Crashes before all pods were available are for the rollout's own deadline.
        check(None, &going, Some(&crash), RollingOut);
        check(Some(190), &going, Some(&unready), RollingOut);
        // Half a minute to stay available, and a minute's patience with those that are not.
        check(Some(111), &going, None, RollingOut);
        let lost = check(Some(110), &going, None, Failed);
        assert_eq!(lost.failure.as_deref(), Some("it was finished, but did not stay so: it waits for 1 of 2 pods"));
        let crashed = check(Some(190), &going, Some(&crash), Failed);
        assert_eq!(crashed.failure.as_deref(), Some("it was finished, but did not stay so: exit code 137"));
        // A container that crashed and came back has crashed.
        check(Some(170), &Rollout::Finished, Some(&crash), Failed);
    }

    #[test]
    fn a_failure_says_what_the_pods_say() {
        let complaint =
            Complaint { container: Some("app".to_owned()), is_crash: true, text: "pod web-1: exit code 1".to_owned() };
        let stuck = Rollout::Failed { message: "stuck".to_owned() };
        let seen = Seen { complaint: Some(&complaint), ..seen("app:2", &stuck) };
        let (next, _) = advance(&update(RollingOut), seen, WATCH, second(200));
        assert_eq!((next.phase, next.failure.as_deref()), (Failed, Some("stuck; pod web-1: exit code 1")));
    }
}
