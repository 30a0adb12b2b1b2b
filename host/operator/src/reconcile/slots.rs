//! How many rollouts may be under way at the same time, over all handlers, and whose turn it is.
//!
//! In memory only. What a start finds in the statuses of handlers takes its slot whatever the limit is ([`Slots::restore`]), so that none is
//! begun that would be too many; from there on every reconcile says what it leaves behind ([`Slots::settle`]). A slot that becomes free is
//! handed to whoever waits the longest.

mod places;

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use kube::Resource;
use kube::runtime::reflector::ObjectRef;

use super::Error;
use super::act::{Checked, Outcome, UpdateFailure};
use super::handlers::{Guarded, HandlerKey, Wake};
use crate::api::versioning_handler::{UpdatePhase, UpdateStatus, VersioningHandler, VersioningHandlerStatus};
use crate::api::workload::WorkloadKind;
use crate::telemetry::metrics::Metrics;
use crate::workload::WorkloadError;

use places::Places;
pub use places::{Standing, Version};

/// How long a rollout counts. One that goes on for longer will hardly end by itself soon, such as that of a Deployment that is paused, and must
/// not keep all other handlers from theirs.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// The slots for rollouts.
pub struct Slots {
    places: Mutex<Places>,
    wake: Wake,
    metrics: Arc<Metrics>,
}

impl Slots {
    /// So many slots. Whose turn it is, is woken.
    pub fn new(most: usize, wake: Wake, metrics: Arc<Metrics>) -> Self {
        Self { places: Mutex::new(Places::new(most)), wake, metrics }
    }

    /// Whether `handler` may begin a rollout now: it has a slot, or gets one. If not, it waits, and is woken when it is its turn.
    pub fn occupy(&self, handler: &HandlerKey) -> bool {
        let mut has_slot = false;
        self.change(|places| has_slot = places.occupy(handler));
        has_slot
    }

    /// For a handler that a watch has listed: if a rollout of it may be under way, it has a slot.
    pub fn restore(&self, handler: &VersioningHandler) {
        let is_followed = handler.spec.workload_ref().is_some_and(|workload| workload.kind != WorkloadKind::CronJob);
        let is_rolling_out = |status| may_be_rolling_out(status, Timestamp::now());
        if is_followed && handler.status.as_ref().is_some_and(is_rolling_out) {
            self.change(|places| places.restore(&guarded(handler)));
        }
    }

    /// Notes what a reconcile of `handler` leaves behind. `seen` is the state of the handler that it was made for: one from before a rollout
    /// began knows nothing of that.
    pub fn settle(&self, handler: &HandlerKey, seen: Version, standing: Standing) {
        self.change(|places| places.settle(handler, seen, standing));
    }

    /// Forgets a handler that does not exist any more.
    pub fn forget(&self, handler: &HandlerKey) {
        self.change(|places| places.forget(handler));
    }

    fn change(&self, change: impl FnOnce(&mut Places)) {
        let turn = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut places);
            let turn = places.hand_on();
            self.metrics.rollouts(places.held(), places.waiting());
            turn
        };
        for handler in turn {
            self.wake.wake(handler);
        }
    }
}

/// Which state of a handler that is.
pub fn version(handler: &impl Resource) -> Version {
    handler.meta().resource_version.as_ref().and_then(|version| version.parse().ok())
}

fn guarded(handler: &VersioningHandler) -> HandlerKey {
    let key: ObjectRef<VersioningHandler> = ObjectRef::from_obj(handler);
    HandlerKey::new(&key.name).within(key.namespace.as_deref().unwrap_or_default())
}

/// Whether `status` says that a rollout is under way that counts at `now`, or that one is about to begin.
fn may_be_rolling_out(status: &VersioningHandlerStatus, now: Timestamp) -> bool {
    let updates = status.containers.iter().filter_map(|container| container.update.as_ref());
    let mut recent = updates.filter(|update| is_recent(update, now));
    recent.any(|update| update.phase == UpdatePhase::Announced || update.is_under_way())
}

/// Whether an update began so short a time ago that it counts.
fn is_recent(update: &UpdateStatus, now: Timestamp) -> bool {
    let began = update.rollback.as_ref().map_or(update.started.0, |rollback| rollback.started.0);
    now.duration_since(began) < LONGEST
}

impl Standing {
    /// What `attempt` leaves behind for the handler that it was made for. Pure.
    pub(super) fn of(object: &Guarded, attempt: &Result<Outcome, Error>, now: Timestamp) -> Self {
        match attempt {
            Ok(Outcome::Checked(checked)) => Self::checked(checked),
            Ok(Outcome::Suspended(_)) | Err(Error::Invalid(_) | Error::Workload(WorkloadError::NotFound { .. })) => {
                Self::Idle
            }
            Err(Error::Workload(_) | Error::Status(_) | Error::Fleet(_) | Error::Interrupted(_)) => {
                Self::failed(object, now)
            }
        }
    }

    /// What a reconcile leaves behind that failed as a whole: what the one before has left.
    pub(super) fn failed(object: &Guarded, now: Timestamp) -> Self {
        let status = object.0.as_ref().ok().and_then(|handler| handler.status.as_ref());
        if status.is_some_and(|status| may_be_rolling_out(status, now)) { Self::Unclear } else { Self::Idle }
    }

    fn checked(checked: &Checked) -> Self {
        let decision = &checked.decision;
        let updates = || decision.containers.iter().filter_map(|container| container.update.as_ref());
        match &checked.failure {
            // Its pods get the new image whenever it starts the next Job.
            _ if decision.target.workload.kind == WorkloadKind::CronJob => Self::Idle,
            _ if updates().any(|update| update.is_under_way() && is_recent(update, decision.now)) => {
                Self::RollingOut { as_of: version(&checked.handler) }
            }
            Some(UpdateFailure::Workload(_)) => Self::Unclear,
            None if decision.is_withheld() => Self::Waiting,
            Some(UpdateFailure::Tag(_) | UpdateFailure::Moved { .. }) | None => Self::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::rollout_status::RollbackStatus;
    use crate::api::versioning_handler::ContainerStatus;
    use UpdatePhase::{Announced, Finished, RollingBack, RollingOut};

    #[test]
    fn a_rollout_counts_for_an_hour() {
        let at = |minute: i64| Time(Timestamp::from_second(minute * 60).unwrap());
        let check = |phase: UpdatePhase, back: Option<i64>, now: i64, expected: bool| {
            let rollback = back.map(|started| RollbackStatus { started: at(started), by: None });
            let update = UpdateStatus { phase, rollback, ..UpdateStatus::announced("app:1", "app:2", at(100)) };
            let container = ContainerStatus { update: Some(update), ..ContainerStatus::default() };
            let status = VersioningHandlerStatus { containers: vec![container], ..VersioningHandlerStatus::default() };
            assert_eq!(may_be_rolling_out(&status, at(now).0), expected, "{phase:?} {back:?} {now}");
        };
        check(RollingOut, None, 159, true);
        check(RollingOut, None, 160, false);
        check(Announced, None, 159, true);
        check(Announced, None, 160, false);
        check(Finished, None, 101, false);
        check(RollingBack, Some(150), 209, true);
        check(RollingBack, Some(150), 210, false);
    }
}
