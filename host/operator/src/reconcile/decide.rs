//! Step three: what is to be done and said. Needs no client and cannot fail; [`k8supdater_core::policy::decide`] judges the tags of one
//! container and [`k8supdater_core::policy::moving::decide_moving`] a tag that moves; this module puts the containers together and compares
//! with what is known to be done and said already.

mod answers;
mod deadline;
mod gate;
mod held;
mod mode;
mod moved;
mod proven;
mod queue;
mod refused;
mod rollback;
mod tripwire;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8supdater_core::image::{Digest, ImageReference};
use k8supdater_core::policy;

use super::answered::Answered;
use super::observe::{Choice, Observed, ObservedContainer, Problem, Tags};
use super::offer;
use super::progress::{self, Milestone, Seen, Watch};
use super::validate::Target;
use crate::api::conditions::shorten;
use crate::api::pace::Mode;
use crate::api::versioning_handler::{ContainerStatus, UpdatePhase, UpdateStatus};
use crate::failure::{Retry, chain};
use crate::registry::Inquiry;
use crate::workload::containers::Container;
use crate::workload::owner::Owner;
use crate::workload::patch::{Change, Template};
use crate::workload::pods::Complaint;
use crate::workload::rollout::Rollout;

use deadline::Deadline;

/// The word in the status for a container that could be updated and waits for a human.
pub(super) const AWAITING_APPROVAL: &str = "AwaitingApproval";

/// How long it may take for the image before to be back, where a handler sets no time for rollouts: as long as a Deployment has by
/// default (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#progress-deadline-seconds>).
const ROLLBACK_TIMEOUT: Duration = Duration::from_mins(10);

/// What is to be done and said.
#[derive(Debug)]
pub struct Decision {
    /// What it was decided for.
    pub target: Target,
    /// What is done about the workload: what the spec says, or what follows from who owns it.
    pub mode: Mode,
    /// Who else sets its images.
    pub owner: Option<Owner>,
    /// How far the workload's rollout is.
    pub rollout: Rollout,
    /// When something has to be looked at again although nothing happens: the end of a deadline, or of a wait.
    pub look_again: Option<Timestamp>,
    /// When it was decided.
    pub now: Timestamp,
    /// What else a change has to know of the workload.
    pub template: Template,
    /// One status per container, as it is without the updates.
    pub containers: Vec<ContainerStatus>,
    /// The updates that are to be made now, all in one patch.
    pub updates: Vec<Update>,
    /// Containers of a StatefulSet with images that were taken back, of which pods that never became ready are in the way.
    pub stuck: Vec<(String, String)>,
    /// What people should hear of.
    pub news: Vec<News>,
    /// What stands in the way, with the container's name.
    pub problems: Vec<ContainerProblem>,
    /// Whom to ask about a tag once more before it is applied, by container.
    pub inquiries: BTreeMap<String, Inquiry>,
    /// How many tags got which verdict, over all containers.
    pub verdicts: BTreeMap<&'static str, usize>,
}

/// Another image for one container, or a restart for it.
#[derive(Clone, Debug)]
pub struct Update {
    /// The change to the workload.
    pub change: Change,
    /// The tag that is applied.
    pub tag: String,
    /// The digest that the tag must still have when it is applied; none if any will do.
    pub digest: Option<Digest>,
    /// Who approved it; none if nobody had to.
    pub approved_by: Option<String>,
    /// Why it is made, in words.
    pub why: String,
    /// When a check saw the tag first, if that is known.
    pub seen: Option<Timestamp>,
}

/// Something that people should hear of, about one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Name of the container.
    pub container: String,
    /// What happened.
    pub what: Happening,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// There is something newer that is not applied.
    Available {
        /// Tag in the spec.
        from: String,
        /// Tag that is newer, or what the tag points at now.
        to: String,
        /// The tag that was reported before, if there was one.
        reported: Option<String>,
        /// Why it was not applied.
        why: String,
    },
    /// An update went on.
    Reached {
        /// Image before.
        from: String,
        /// Image after; the same for a restart.
        to: String,
        /// The digest for which the workload is restarted.
        restart_for: Option<String>,
        /// Who approved it.
        approved_by: Option<String>,
        /// When a check saw the tag first, if that is known.
        seen: Option<Timestamp>,
        /// When the update was announced.
        started: Timestamp,
        /// How far.
        milestone: Milestone,
    },
    /// Somebody has said something to what is offered.
    Answered(Answered),
    /// A tag that is a version points at another image than before.
    TagMoved {
        /// The tag.
        tag: String,
        /// Digest before.
        from: String,
        /// Digest now.
        to: String,
    },
}

/// What stands in the way of judging one container.
#[derive(Debug)]
pub struct ContainerProblem {
    /// Name of the container.
    pub container: String,
    /// A fixed CamelCase word.
    pub reason: &'static str,
    /// A sentence for people.
    pub message: String,
    /// What the problem says about the registry: that it can be reached or not; none if it was not asked.
    pub is_registry_reached: Option<bool>,
    /// When trying again makes sense.
    pub retry: Retry,
}

/// Decides about every container of `observed`.
///
/// First how each update goes on, and which has to be taken back; then, knowing that, what else there is to do.
pub fn decide(observed: Observed, now: Timestamp) -> Decision {
    let Observed { target, owner, rollout, template, containers, complaint, inquiries } = observed;
    let known = target.before.clone();
    let deadline = Deadline::of(&containers, &known, target.rollout_timeout);
    let rollout = deadline.map_or(rollout.clone(), |deadline| deadline.judge(rollout, now));
    let mut decision = Decision {
        containers: Vec::with_capacity(containers.len()),
        updates: Vec::new(),
        stuck: Vec::new(),
        news: Vec::new(),
        problems: Vec::new(),
        inquiries,
        verdicts: BTreeMap::new(),
        look_again: deadline.and_then(|deadline| deadline.end(&rollout)),
        mode: mode::of(target.mode, owner.as_ref()),
        owner,
        rollout,
        template,
        target,
        now,
    };
    let mut statuses = Vec::with_capacity(containers.len());
    for observed in &containers {
        let before = known.container(&observed.container.name);
        let mut status = ContainerStatus {
            name: observed.container.name.clone(),
            image: observed.container.image.clone(),
            decision: "None".to_owned(),
            ..ContainerStatus::default()
        };
        status.keep_report(before);
        held::keep(&mut status, before);
        decision.go_on(&mut status, before, observed, complaint.as_ref());
        answers::take_up(&mut decision, &mut status, before, observed, now);
        rollback::roll_back(&mut decision, &mut status, &observed.container, complaint.as_ref());
        proven::note(&mut status, before, &decision.rollout, now);
        statuses.push(status);
    }
    let gate = gate::Gate::of(&decision, &statuses, &known);
    let mut matched = Vec::new();
    for (observed, mut status) in containers.into_iter().zip(statuses) {
        let before = known.container(&observed.container.name);
        match observed.state {
            Err(problem) => {
                "Failed".clone_into(&mut status.decision);
                status.problem = Some(shorten(chain(&problem), 1024));
                status.problem_reason = Some(problem.reason().to_owned());
                status.failing_plugin = problem.failing_plugin().map(str::to_owned);
                keep_what_was_known(&mut status, before);
                decision.problems.push(ContainerProblem::new(&status.name, &problem));
            }
            Ok(Choice::Ignored) => {
                "Ignored".clone_into(&mut status.decision);
                status.keep_report(None);
                decision.give_up(&mut status, "the container is ignored".to_owned());
            }
            // What is being put back is not judged at the same time.
            Ok(_) if status.is_rolling_back() => {
                "RollBack".clone_into(&mut status.decision);
                keep_what_was_known(&mut status, before);
            }
            Ok(Choice::Tags(tags)) => choose(&mut decision, &mut status, &observed.container, &tags, &gate, before),
            // While pods are replaced, old and new run side by side, which says nothing about the tag.
            Ok(Choice::Moving(_)) if matches!(decision.rollout, Rollout::Progressing { .. }) => {
                keep_what_was_known(&mut status, before);
            }
            Ok(Choice::Moving(moving)) => {
                moved::follow(&mut decision, &mut status, &observed.container, *moving, &gate);
            }
        }
        let update = decision.updates.iter().find(|update| update.change.container == status.name);
        let change = update.filter(|update| !update.is_rollback()).map(|update| &update.change);
        status.link = offer::link(&status, change, observed.link_facts.as_ref(), before);
        answers::snooze(&mut decision, &mut status, &observed.answers, now);
        matched.extend(observed.answers);
        decision.containers.push(status);
    }
    answers::unmatched(&mut decision, &matched);
    if decision.mode == Mode::Preview {
        mode::preview(&mut decision, &known);
    }
    decision
}

/// While a check fails, the last answers are still the best there are, as long as they speak of the same image.
fn keep_what_was_known(status: &mut ContainerStatus, before: Option<&ContainerStatus>) {
    if let Some(before) = before.filter(|before| before.image == status.image) {
        status.newest.clone_from(&before.newest);
        status.newest_applicable.clone_from(&before.newest_applicable);
        status.refused.clone_from(&before.refused);
        status.digest.clone_from(&before.digest);
        status.moved_to.clone_from(&before.moved_to);
    }
}

/// A container whose tag is a version.
///
/// What is approved is applied, on whichever side of the frontier it is, and whatever is newer. Without that it is what is right of the
/// frontier, or that is offered, where the owner wants to approve it. What is left of the frontier is offered after that. What is to be
/// applied may still have to wait for a time.
fn choose(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    container: &Container,
    tags: &Tags,
    gate: &gate::Gate,
    before: Option<&ContainerStatus>,
) {
    let Tags { image, current, candidates, .. } = tags;
    tripwire::watch(decision, status, before, tags);
    held::note_set_back(status, tags, decision.now);
    held::release(status, current, candidates);
    let mut policy = held::policy(status, &tags.policy);
    let mut ruling = policy::decide(&policy, current, candidates);
    while let Some(again) = ruling.update.and_then(|update| candidates.get(update))
        && held::hold_again(status, again, tags, decision)
    {
        policy = held::policy(status, &tags.policy);
        ruling = policy::decide(&policy, current, candidates);
    }
    // Neighbours in the alphabet mostly share their fate.
    for same in ruling.verdicts.chunk_by(PartialEq::eq) {
        if let Some(verdict) = same.first() {
            *decision.verdicts.entry(verdict.reason()).or_default() += same.len();
        }
    }
    let chosen = |index: Option<usize>| index.and_then(|index| candidates.get(index));

    let applicable = chosen(ruling.update).map_or(&current.tag, |update| &update.tag);
    status.newest_applicable = Some(applicable.clone());
    status.newest = Some(chosen(ruling.notify).map_or(applicable, |notify| &notify.tag).clone());
    status.refused = refused::refused(&policy, current, candidates, &ruling.verdicts);
    status.first_seen.clone_from(&tags.first_seen);

    let next_of_age = policy::next_of_age(&policy, current, candidates, &ruling);
    decision.look_again_at(next_of_age.map(|(_, end)| end));
    let approved = answers::approved_candidate(decision, status, tags, &policy, &ruling);
    let needs_approval = decision.target.plan_of(&container.name).is_some_and(|plan| plan.needs_approval);
    let is_left_to_a_human = needs_approval || decision.mode == Mode::Notify;
    let wanted = approved.or(ruling.update.filter(|_| !is_left_to_a_human));
    let waiting = ruling.update.filter(|_| wanted.is_none());
    let is_beyond = |index: &usize| wanted.is_none_or(|wanted| policy::is_newer(candidates, *index, wanted));
    let offered = waiting.or(ruling.notify.filter(is_beyond));
    status.waits = match chosen(wanted) {
        Some(wanted) => gate.wait(&wanted.tag, approved.is_some()),
        None if is_left_to_a_human => None,
        None => gate.wait_for_age(&policy, current, candidates, &ruling).or_else(|| gate.wait_for_proof(tags, &ruling)),
    };
    let applied = wanted.filter(|_| status.waits.is_none());
    let waits = status.waits.is_some();
    let decided = match (applied, waiting, offered) {
        (_, Some(_), _) if needs_approval && decision.mode != Mode::Notify => AWAITING_APPROVAL,
        (_, Some(_), _) | (None, None, Some(_)) if !waits => "Notify",
        (_, _, Some(_)) if waits => "WaitAndNotify",
        (_, _, None) if waits => "Wait",
        (Some(_), None, Some(_)) => "UpdateAndNotify",
        (Some(_), None, None) => "Update",
        _ => "None",
    };
    decided.clone_into(&mut status.decision);

    if let Some((update, index)) = chosen(applied).zip(applied) {
        let digest = update.digest.as_ref().filter(|_| image.digest().is_some());
        if image.digest().is_some() && digest.is_none() {
            let message = digest_unknown(&container.image, &update.tag);
            decision.problems.push(ContainerProblem::of_user(&status.name, "DigestUnknown", message));
        } else {
            let why = ruling.verdicts.get(index).map(|verdict| verdict.explain(&policy, current, update));
            let proven = policy.proven.as_ref().and_then(|proven| proven.digest(&update.tag));
            let update = Update::to(container, image, &update.tag, digest, why.unwrap_or_default());
            let update = update.map(|update| Update { digest: update.digest.or(proven.cloned()), ..update });
            decision.make(status, update, approved.is_some());
        }
    }
    match chosen(offered).zip(offered) {
        Some((newer, index)) => {
            let verdict = ruling.verdicts.get(index);
            let why = verdict.map(|verdict| verdict.explain(&policy, current, newer)).unwrap_or_default();
            let why = match decision.mode {
                Mode::Notify => format!("{why}, and {}", mode::why_notify(decision.owner.as_ref())),
                Mode::Update | Mode::Preview if waiting.is_some() => format!("{why}, and approval is Required"),
                Mode::Update | Mode::Preview => why,
            };
            if status.reported.as_ref() == Some(&newer.tag) {
                status.reported_why = Some(shorten(why, 1024));
            } else {
                decision.tell(status, current.tag.clone(), newer.tag.clone(), why);
            }
        }
        // Nothing to report any more; should it come back, it is news again.
        None => status.keep_report(None),
    }
}

/// Why an image that is pinned to a digest cannot be updated to a tag without one.
pub(crate) fn digest_unknown(image: &str, tag: &str) -> String {
    format!(
        "the image {image} is pinned to a digest, and the registry does not tell the digest of {tag}; use another registry plugin, or \
         take the digest out of the image"
    )
}

impl Happening {
    /// An update went on.
    pub(super) fn reached(update: &UpdateStatus, milestone: Milestone) -> Self {
        Self::Reached {
            from: update.from.clone(),
            to: update.to.clone(),
            restart_for: update.digest.clone().filter(|_| update.is_restart()),
            approved_by: update.approved_by.clone(),
            seen: update.seen.as_ref().map(|seen| seen.0),
            started: update.started.0,
            milestone,
        }
    }
}

impl ContainerProblem {
    fn new(container: &str, problem: &Problem) -> Self {
        Self {
            container: container.to_owned(),
            reason: problem.reason(),
            message: chain(problem),
            is_registry_reached: problem.is_about_the_registry().then_some(false),
            retry: problem.retry(),
        }
    }

    /// Something that only a human can mend, although the registry has answered.
    fn of_user(container: &str, reason: &'static str, message: String) -> Self {
        let container = container.to_owned();
        Self { container, reason, message, is_registry_reached: Some(true), retry: Retry::OnChange }
    }
}

impl Update {
    /// The image of `container` set to that tag, and to that digest if there is one; none if no image reference can hold the tag. It comes
    /// from a registry, which may spell what it likes, but a verdict has sorted those out.
    fn to(
        container: &Container,
        image: &ImageReference,
        tag: &str,
        digest: Option<&Digest>,
        why: String,
    ) -> Option<Self> {
        let tagged = match digest {
            Some(digest) => image.with_tag_and_digest(tag, digest.clone()),
            None => image.with_tag(tag),
        };
        let change = Change {
            list: container.list,
            index: container.index,
            container: container.name.clone(),
            from: container.image.clone(),
            to: tagged.ok()?.to_string(),
            restart_for: None,
            rolls_back: None,
            is_for_once: false,
        };
        Some(Self { change, tag: tag.to_owned(), digest: digest.cloned(), approved_by: None, why, seen: None })
    }

    /// Whether it puts back what was there before the last one.
    pub fn is_rollback(&self) -> bool {
        self.change.rolls_back.is_some()
    }
}

impl Decision {
    /// Has the last update of a container go on.
    fn go_on(
        &mut self,
        status: &mut ContainerStatus,
        before: Option<&ContainerStatus>,
        observed: &ObservedContainer,
        complaint: Option<&Complaint>,
    ) {
        let Some(update) = before.and_then(|before| before.update.as_ref()) else { return };
        let container = &observed.container;
        let restarted_for = container.restarted_for.as_ref().map(ToString::to_string);
        let seen = Seen {
            image: &container.image,
            restarted_for: restarted_for.as_deref(),
            rolled_back: container.rolled_back,
            rollout: &self.rollout,
            complaint,
        };
        let watch = Watch {
            stable_for: self.target.stable_for,
            rollback_timeout: self.target.rollout_timeout.unwrap_or(ROLLBACK_TIMEOUT),
        };
        let (update, milestone) = progress::advance(update, seen, watch, self.now);
        if let Some(milestone) = milestone {
            let what = Happening::reached(&update, milestone);
            self.news.push(News { container: status.name.clone(), what });
        }
        self.look_again_at(watch.next_look(&update, self.now));
        status.update = Some(update);
    }

    /// Has the handler looked at again then, if not sooner. A time that has passed is none: that nothing came of it will not be otherwise in a
    /// moment, unless something happens.
    fn look_again_at(&mut self, time: Option<Timestamp>) {
        let time = time.filter(|time| *time > self.now);
        self.look_again = self.look_again.into_iter().chain(time).min();
    }

    /// Has `update` made, if there is one; for the approval in `status`, if it `is_approved`.
    fn make(&mut self, status: &mut ContainerStatus, update: Option<Update>, is_approved: bool) {
        let Some(mut update) = update else { return };
        if let Some(approved) = status.approved.as_mut().filter(|_| is_approved) {
            approved.generation = self.template.generation;
            update.approved_by = Some(approved.by.clone());
            update.change.is_for_once = true;
        }
        self.updates.push(update);
    }

    /// Has people told that `to` is available, and remembers that in `status`.
    fn tell(&mut self, status: &mut ContainerStatus, from: String, to: String, why: String) {
        let reported = status.reported.replace(to.clone());
        status.reported_from = Some(from.clone());
        status.reported_why = Some(shorten(why.clone(), 1024));
        let what = Happening::Available { from, to, reported, why };
        self.news.push(News { container: status.name.clone(), what });
    }

    /// Time until a check makes sense again: the interval, or sooner where a failure says so or the time for a rollout ends, or later where
    /// a failure asks for that.
    pub fn next_check(&self) -> Duration {
        let wait = |problem: &ContainerProblem| match problem.retry {
            // A plugin or the spec has to change; the interval is for changes that nobody sees, such as of a registry.
            Retry::OnChange => self.target.interval,
            Retry::Soon => Duration::from_millis(200),
            Retry::BackOff => self.target.interval.min(Duration::from_mins(1)),
            Retry::After(wait) => wait,
        };
        let wait = self.problems.iter().map(wait).min().unwrap_or(self.target.interval);
        let wait = if self.is_withheld() { wait.min(queue::LONGEST) } else { wait };
        let waits = self.containers.iter().filter_map(|status| Some(status.waits.as_ref()?.until.as_ref()?.0));
        let left = |time: Timestamp| Duration::try_from(time.duration_since(self.now)).unwrap_or_default();
        waits.chain(self.look_again).map(left).min().map_or(wait, |left| wait.min(left))
    }

    /// Whether an update of this handler is on its way.
    pub fn is_updating(&self) -> bool {
        !self.updates.is_empty()
            || self.containers.iter().any(|container| {
                let phase = container.update.as_ref().map(|update| update.phase);
                matches!(phase, Some(UpdatePhase::RollingOut | UpdatePhase::RollingBack))
            })
    }
}

#[cfg(test)]
mod tests;
