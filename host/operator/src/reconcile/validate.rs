//! Step one: the spec, checked and completed. Needs no client; fails only on what the user must mend. How single containers are looked
//! after is read in [`plan`], when and how far apart in [`pace`].

mod invalid;
mod pace;
mod plan;

use std::collections::BTreeMap;
use std::time::Duration;

use k8supdater_core::policy::pace::Patience;
use kube::{Resource, ResourceExt};

pub use invalid::Invalid;
pub use pace::Predecessor;
pub use plan::{Exception, Latest, Plan, PluginUse};

use crate::answer::{self, Answers};
use crate::api::pace::{Mode, Rollback};
use crate::api::versioning_handler::{VersioningHandler, VersioningHandlerStatus};
use crate::api::workload::{WorkloadKind, WorkloadRef};
use crate::config::Config;
use crate::workload::containers::List;

/// What is to be looked after, and how. Later steps do not look at the spec again.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who wants it.
    pub handler: HandlerRef,
    /// The workload, in the handler's namespace.
    pub workload: WorkloadRef,
    /// How containers without an exception are looked after.
    pub plan: Plan,
    /// Exceptions by container.
    pub exceptions: BTreeMap<String, Exception>,
    /// Time between two checks.
    pub interval: Duration,
    /// How patient updates are. The rest of the policy judges single tags; this is for all containers together.
    pub patience: Patience,
    /// The handlers whose workloads go first.
    pub after: Vec<Predecessor>,
    /// What is done about the workload; none for what suits whoever else looks after it.
    pub mode: Option<Mode>,
    /// What happens when the rollout of an update fails.
    pub rollback: Rollback,
    /// Time that a rollout may take, over and above the controller's own deadline; none if there is only that.
    pub rollout_timeout: Option<Duration>,
    /// How long all pods must stay available after a rollout before the update counts as finished.
    pub stable_for: Duration,
    /// Nothing is to be done.
    pub is_suspended: bool,
    /// What people say to what is offered, as far as it is not taken up yet.
    pub answers: Answers,
    /// What was known before.
    pub before: VersioningHandlerStatus,
}

/// Which object speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerRef {
    /// Its namespace, which is the workload's too.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Different for every object that ever had this name.
    pub uid: String,
    /// State of the object that was looked at.
    pub resource_version: String,
}

/// Completes the spec of `handler` with the operator's defaults.
///
/// # Errors
/// [`Invalid::Workload`], or [`Invalid::OutOfBounds`], [`Invalid::Pattern`], [`Invalid::Window`] or [`Invalid::AfterItself`] for the first
/// field that is wrong.
pub fn validate(handler: &VersioningHandler, config: &Config) -> Result<Target, Invalid> {
    let meta = handler.meta();
    let reference = HandlerRef {
        namespace: handler.namespace().unwrap_or_default(),
        name: handler.name_any(),
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
    };
    let spec = &handler.spec;
    let workload = spec
        .workload_ref()
        .ok_or_else(|| Invalid::Workload { namespace: reference.namespace.clone(), name: reference.name.clone() })?;
    let plan = plan::plan(&reference, spec, config)?;
    let exceptions = plan::exceptions(&reference, &plan, &spec.containers)?;
    let interval = pace::duration(&reference, "interval", spec.interval, &pace::INTERVAL)?;
    let rollout = spec.rollout.clone().unwrap_or_default();
    let timeout = pace::duration(&reference, "rollout.timeout", rollout.timeout, &pace::TIMEOUT)?;
    let stable_for = pace::duration(&reference, "rollout.stableFor", rollout.stable_for, &pace::STABLE_FOR)?;
    Ok(Target {
        plan,
        exceptions,
        interval: interval.unwrap_or(config.interval),
        patience: pace::patience(&reference, spec, config)?,
        after: pace::after(&reference, &spec.after)?,
        mode: spec.mode,
        rollback: spec.rollback.unwrap_or(config.rollback),
        rollout_timeout: timeout.or_else(|| default_timeout(workload.kind)),
        stable_for: stable_for.unwrap_or_default(),
        workload,
        is_suspended: spec.suspend,
        answers: answer::parse(handler.annotations()),
        before: handler.status.clone().unwrap_or_default(),
        handler: reference,
    })
}

impl Target {
    /// Whether the container is any business of the handler's, which it may still leave alone: an init container or a volume is only if it is
    /// named.
    pub fn is_meant(&self, list: List, container: &str) -> bool {
        match list {
            List::Containers => true,
            List::InitContainers | List::Volumes => self.exceptions.contains_key(container),
        }
    }

    /// How the container is looked after; none if it is left alone.
    pub fn plan_of(&self, container: &str) -> Option<&Plan> {
        match self.exceptions.get(container) {
            Some(Exception::Ignore) => None,
            Some(Exception::Plan(plan)) => Some(plan),
            None => Some(&self.plan),
        }
    }
}

/// As long as a Deployment has by default, where the controller knows no deadline
/// (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds>).
fn default_timeout(kind: WorkloadKind) -> Option<Duration> {
    match kind {
        WorkloadKind::Deployment | WorkloadKind::CronJob => None,
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => Some(Duration::from_mins(10)),
    }
}

#[cfg(test)]
mod tests;
