//! How a fleet stands, from how its members do. Pure.

use kube::ResourceExt;

use super::members::Plan;
use crate::api::conditions::{Finding, READY, State, UP_TO_DATE};
use crate::api::versioning_handler::{FleetStatus, UpdatePhase, VersioningHandler, VersioningHandlerStatus};

/// Most names that a message lists.
const MOST_NAMES: usize = 5;

/// How many members stand how. Each counts once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many workloads have a member.
    pub workloads: usize,
    /// How many match and have another handler.
    pub left_to_others: usize,
    /// How many have nothing to do.
    pub up_to_date: usize,
    /// How many are being updated.
    pub updating: usize,
    /// How many could be updated, and wait for a time or for a human.
    pub waiting: usize,
    /// To how many something is offered; they wait, too.
    pub offers: usize,
    /// Names of those that are not ready.
    pub failing: Vec<String>,
    /// Whether nothing is to be done.
    pub is_suspended: bool,
}

/// Where a member stands.
enum Place {
    Failing,
    Updating,
    Waiting,
    UpToDate,
    Unknown,
}

impl Counts {
    /// For `fleet` with the members of `plan`.
    pub fn of(fleet: &VersioningHandler, plan: &Plan) -> Self {
        let (workloads, left_to_others) = (plan.workloads(), plan.left_to_others);
        let mut counts = Self { workloads, left_to_others, is_suspended: fleet.spec.suspend, ..Self::default() };
        for member in &plan.members {
            let Ok(member) = &member.0 else {
                counts.failing.extend(member.0.as_ref().err().and_then(|invalid| invalid.metadata.name.clone()));
                continue;
            };
            let Some(status) = &member.status else { continue };
            counts.offers += usize::from(status.containers.iter().any(|container| container.reported.is_some()));
            match place(status) {
                Place::Failing => counts.failing.push(member.name_any()),
                Place::Updating => counts.updating += 1,
                Place::Waiting => counts.waiting += 1,
                Place::UpToDate => counts.up_to_date += 1,
                Place::Unknown => {}
            }
        }
        counts.failing.sort();
        counts
    }

    /// As the status shows it.
    pub fn status(&self) -> FleetStatus {
        let shown = |count: usize| count.try_into().unwrap_or(i32::MAX);
        FleetStatus {
            workloads: shown(self.workloads),
            up_to_date: shown(self.up_to_date),
            updating: shown(self.updating),
            waiting: shown(self.waiting),
            failing: shown(self.failing.len()),
            left_to_others: shown(self.left_to_others),
        }
    }

    /// The column `CURRENT`.
    pub fn current(&self) -> String {
        workloads(self.workloads)
    }

    /// The column `AVAILABLE`.
    pub fn available(&self) -> Option<String> {
        (self.offers > 0).then(|| format!("for {}", self.offers))
    }

    /// Whether the fleet is ready. `taken` are names that members should have and other objects do.
    pub fn ready(&self, taken: &[String]) -> Finding {
        let finding = |state, reason, message| Finding { kind: READY, state, reason, message };
        if !taken.is_empty() {
            let message = format!(
                "{} of its workloads cannot be looked after, because there is another VersioningHandler of the name that its handler would \
                 have: {}; delete it, or rename it",
                taken.len(),
                names(taken)
            );
            return finding(State::False, "NameTaken", message);
        }
        if self.is_suspended {
            let message = "spec.suspend is set: nothing is checked or updated".to_owned();
            return finding(State::Unknown, "Suspended", message);
        }
        if !self.failing.is_empty() {
            let message = format!(
                "{} of {} handlers are not ready: {}; \"kubectl describe vh\" says why",
                self.failing.len(),
                self.workloads,
                names(&self.failing)
            );
            return finding(State::False, "MembersFailing", message);
        }
        let left = match self.left_to_others {
            0 => String::new(),
            left => format!(
                "; {} left to other handlers",
                if left == 1 { "1 is".to_owned() } else { format!("{left} are") }
            ),
        };
        let message = match self.workloads {
            0 => format!("spec.selector matches no workload of this namespace at present{left}"),
            count => format!("{}, each with a handler of its own{left}", workloads(count)),
        };
        finding(State::True, "Selected", message)
    }

    /// Whether all workloads are up to date.
    pub fn up_to_date(&self) -> Finding {
        let parts = [
            (self.updating, "being updated"),
            (self.waiting, "waiting"),
            (self.failing.len(), "not ready"),
            (self.up_to_date, "up to date"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let message = std::iter::once(workloads(self.workloads)).chain(parts).collect::<Vec<_>>().join(", ");
        let (state, reason) = if self.updating > 0 {
            (State::False, "Updating")
        } else if self.waiting > 0 {
            (State::False, if self.offers > 0 { "UpdateAvailable" } else { "Waiting" })
        } else if self.up_to_date == self.workloads {
            (State::True, "UpToDate")
        } else {
            (State::Unknown, "NotKnown")
        };
        Finding { kind: UP_TO_DATE, state, reason, message }
    }
}

fn place(status: &VersioningHandlerStatus) -> Place {
    let is = |kind: &str, expected: &str| {
        status.conditions.iter().any(|condition| condition.type_ == kind && condition.status == expected)
    };
    let is_updating = status
        .containers
        .iter()
        .filter_map(|container| container.update.as_ref())
        .any(|update| matches!(update.phase, UpdatePhase::RollingOut | UpdatePhase::RollingBack));
    if is(READY, "False") {
        Place::Failing
    } else if is_updating {
        Place::Updating
    } else if is(UP_TO_DATE, "False") || status.containers.iter().any(|container| container.waits.is_some()) {
        Place::Waiting
    } else if is(UP_TO_DATE, "True") {
        Place::UpToDate
    } else {
        Place::Unknown
    }
}

fn workloads(count: usize) -> String {
    if count == 1 { "1 workload".to_owned() } else { format!("{count} workloads") }
}

/// The first of `names`, and how many more there are.
fn names(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests;
