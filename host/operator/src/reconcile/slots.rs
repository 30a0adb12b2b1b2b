//! How many rollouts may be under way at the same time, over all handlers, and whose turn it is.
//!
//! In memory only. What a start finds in the statuses of handlers takes its slot whatever the limit is ([`Slots::restore`]), so that none is
//! begun that would be too many; from there on every reconcile says what it leaves behind ([`Slots::settle`]). A slot that becomes free is
//! handed to whoever waits the longest.

mod places;

use std::sync::{Arc, Mutex, PoisonError};

use kube::Resource;
use kube::runtime::reflector::ObjectRef;

use super::Error;
use super::act::{Checked, Outcome, UpdateFailure};
use super::handlers::{Guarded, HandlerKey, Wake};
use crate::api::versioning_handler::{UpdatePhase, VersioningHandler, VersioningHandlerStatus};
use crate::api::workload::WorkloadKind;
use crate::telemetry::metrics::Metrics;
use crate::workload::WorkloadError;

use places::Places;
pub use places::{Standing, Version};

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
        if is_followed && handler.status.as_ref().is_some_and(may_be_rolling_out) {
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

/// Whether `status` says that a rollout is under way, or that one is about to begin.
fn may_be_rolling_out(status: &VersioningHandlerStatus) -> bool {
    is_any(status, |phase| matches!(phase, UpdatePhase::Announced) || is_rolling_out(phase))
}

fn is_any(status: &VersioningHandlerStatus, is_it: impl Fn(UpdatePhase) -> bool) -> bool {
    status.containers.iter().filter_map(|container| container.update.as_ref()).any(|update| is_it(update.phase))
}

/// Whether pods are being replaced.
pub(crate) fn is_rolling_out(phase: UpdatePhase) -> bool {
    matches!(phase, UpdatePhase::RollingOut | UpdatePhase::RollingBack)
}

impl Standing {
    /// What `attempt` leaves behind for the handler that it was made for. Pure.
    pub(super) fn of(object: &Guarded, attempt: &Result<Outcome, Error>) -> Self {
        match attempt {
            Ok(Outcome::Checked(checked)) => Self::checked(checked),
            Ok(Outcome::Suspended(_)) | Err(Error::Invalid(_) | Error::Workload(WorkloadError::NotFound { .. })) => {
                Self::Idle
            }
            Err(Error::Workload(_) | Error::Status(_) | Error::Fleet(_)) => Self::failed(object),
        }
    }

    /// What a reconcile leaves behind that failed as a whole: what the one before has left.
    pub(super) fn failed(object: &Guarded) -> Self {
        let status = object.0.as_ref().ok().and_then(|handler| handler.status.as_ref());
        if status.is_some_and(may_be_rolling_out) { Self::Unclear } else { Self::Idle }
    }

    fn checked(checked: &Checked) -> Self {
        let decision = &checked.decision;
        let phases = || decision.containers.iter().filter_map(|container| container.update.as_ref());
        match &checked.failure {
            // Its pods get the new image whenever it starts the next Job.
            _ if decision.target.workload.kind == WorkloadKind::CronJob => Self::Idle,
            _ if phases().any(|update| is_rolling_out(update.phase)) => {
                Self::RollingOut { as_of: version(&checked.handler) }
            }
            Some(UpdateFailure::Workload(_)) => Self::Unclear,
            None if decision.is_withheld() => Self::Waiting,
            Some(UpdateFailure::Tag(_) | UpdateFailure::Moved { .. }) | None => Self::Idle,
        }
    }
}
