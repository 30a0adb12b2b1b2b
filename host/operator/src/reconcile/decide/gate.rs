//! When an update may be made: not while the last one of the same workload is still being rolled out, and not before
//! [`k8supdater_core::policy::pace`] lets it. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8supdater_core::policy::pace::{Facts, Pace, Patience, decide_pace};
use k8supdater_core::policy::{Policy, Proven, Ruling, Tagged, Verdict, next_of_age};

use super::Decision;
use crate::api::rollout_status::WaitStatus;
use crate::api::versioning_handler::{ContainerStatus, UpdatePhase, UpdateStatus, VersioningHandlerStatus};
use crate::api::workload::WorkloadKind;
use crate::reconcile::observe::{After, Tags};

/// What holds for all containers of a workload.
pub(super) struct Gate {
    patience: Patience,
    facts: Facts,
    /// What is being rolled out or back, in words.
    under_way: Option<String>,
    now: Timestamp,
}

impl Gate {
    /// The gate for what is decided now, where the updates of the containers have come as far as in `statuses`, and the others stand in
    /// the history that is `known`.
    pub(super) fn of(decision: &Decision, statuses: &[ContainerStatus], known: &VersioningHandlerStatus) -> Self {
        let updates = || statuses.iter().filter_map(|status| status.update.as_ref());
        // One that is announced has not been made, or its rollout would go on by now.
        let made = updates().filter(|update| update.phase != UpdatePhase::Announced).map(|update| update.started.0);
        let failed =
            updates().filter(|update| has_failed(update.phase)).filter_map(|update| Some(update.finished.as_ref()?.0));
        let earlier = known.history.iter().filter(|entry| has_failed(entry.result));
        let earlier = earlier.filter_map(|entry| Some(entry.finished.as_ref()?.0));
        let facts = Facts {
            last_update: made.chain(known.history.iter().map(|entry| entry.started.0)).max(),
            last_failure: failed.chain(earlier).max(),
            ..Facts::default()
        };
        // Nothing runs that would have to be waited for: the next Job may as well run something newer.
        let has_pods = decision.target.workload.kind != WorkloadKind::CronJob;
        let under_way = updates().find_map(under_way).filter(|_| has_pods);
        Self { patience: decision.target.patience.clone(), facts, under_way, now: decision.now }
    }

    /// What the update to `tag`, which is old enough, has to wait for, if anything.
    ///
    /// Who approves does not wait for a rollout, which may be the very one that has to be mended.
    pub(super) fn wait(&self, tag: &str, is_approved: bool) -> Option<WaitStatus> {
        let patience = Patience { minimum_age: Duration::ZERO, ..self.patience.clone() };
        let facts = Facts { is_approved, ..self.facts };
        self.rollout(tag, is_approved).or_else(|| self.pace(tag, &patience, &facts))
    }

    /// The same for what has no registry's date, and was first seen then.
    pub(super) fn wait_since(&self, tag: &str, first_seen: Timestamp, is_approved: bool) -> Option<WaitStatus> {
        let facts = Facts { is_approved, first_seen: Some(first_seen), ..self.facts };
        self.rollout(tag, is_approved).or_else(|| self.pace(tag, &self.patience, &facts))
    }

    /// The end of the rollout that is under way.
    fn rollout(&self, tag: &str, is_approved: bool) -> Option<WaitStatus> {
        let under_way = self.under_way.as_ref().filter(|_| !is_approved)?;
        let (tag, reason) = (tag.to_owned(), "Rollout".to_owned());
        let message = format!("it waits for the end of a rollout: {under_way}");
        Some(WaitStatus { tag, until: None, reason, message })
    }

    /// How long at least a version must be known.
    pub(super) fn minimum_age(&self) -> Duration {
        self.patience.minimum_age
    }

    /// What the first of the candidates that are too young has to wait for, if there are any.
    pub(super) fn wait_for_age(
        &self,
        policy: &Policy,
        current: &Tagged,
        candidates: &[Tagged],
        ruling: &Ruling,
    ) -> Option<WaitStatus> {
        let (first, _) = next_of_age(policy, current, candidates, ruling)?;
        let first = candidates.get(first)?;
        self.pace(&first.tag, &self.patience, &Facts { first_seen: first.since, ..self.facts })
    }

    /// What the greatest of the candidates has to wait for that the workloads that go first have not proved, if there are any.
    pub(super) fn wait_for_proof(&self, tags: &Tags, ruling: &Ruling) -> Option<WaitStatus> {
        let after = tags.after.as_ref()?;
        let judged = tags.candidates.iter().zip(&ruling.verdicts);
        let unproven = judged.filter(|(_, verdict)| **verdict == Verdict::NotProven).map(|(candidate, _)| candidate);
        let greatest = unproven.reduce(|one, other| match (&one.version, &other.version) {
            (Some(version), Some(others)) if others.order(version).is_gt() => other,
            _ => one,
        })?;
        Some(self.proof(greatest.tag.clone(), after))
    }

    /// That `tag` waits for its proof.
    pub(super) fn proof(&self, tag: String, after: &After) -> WaitStatus {
        let until = after.proofs.next(self.now).map(Time);
        WaitStatus { tag, until, reason: "Predecessor".to_owned(), message: after.explain(self.now) }
    }

    /// What the workloads that go first have proved by now.
    pub(super) fn proven(&self, after: &After) -> Proven {
        after.proofs.proven(self.now)
    }

    fn pace(&self, tag: &str, patience: &Patience, facts: &Facts) -> Option<WaitStatus> {
        match decide_pace(patience, facts, self.now) {
            Pace::Now => None,
            Pace::Wait { until, why } => Some(WaitStatus {
                tag: tag.to_owned(),
                until: until.map(Time),
                reason: why.reason().to_owned(),
                message: why.explain(),
            }),
        }
    }
}

fn has_failed(phase: UpdatePhase) -> bool {
    match phase {
        UpdatePhase::Failed | UpdatePhase::RolledBack | UpdatePhase::RollbackFailed => true,
        UpdatePhase::Announced
        | UpdatePhase::RollingOut
        | UpdatePhase::Finished
        | UpdatePhase::Overtaken
        | UpdatePhase::RollingBack => false,
    }
}

fn under_way(update: &UpdateStatus) -> Option<String> {
    match update.phase {
        UpdatePhase::RollingOut => Some(format!("{} is being rolled out", update.to)),
        UpdatePhase::RollingBack => Some(format!("{} is being put back", update.from)),
        UpdatePhase::Announced
        | UpdatePhase::Finished
        | UpdatePhase::Failed
        | UpdatePhase::Overtaken
        | UpdatePhase::RolledBack
        | UpdatePhase::RollbackFailed => None,
    }
}
