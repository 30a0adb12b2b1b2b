//! Step three: what is to be done and said. Needs no client and cannot fail; [`k8supdater_core::policy::decide`] judges the tags of one
//! container, this module puts the containers together and compares with what is known to be done and said already.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8supdater_core::image::ImageReference;
use k8supdater_core::policy::{self, Policy, Tagged, Verdict};

use super::observe::{Choice, Observed, Problem};
use super::progress::{self, Milestone};
use super::validate::Target;
use crate::api::conditions::shorten;
use crate::api::versioning_handler::{ContainerStatus, RefusedTag, UpdatePhase};
use crate::failure::{Retry, chain};
use crate::plugin::Serving;
use crate::workload::containers::Container;
use crate::workload::patch::ImageChange;
use crate::workload::rollout::Rollout;

/// Most refused tags that are listed for a container: the newest, which are those that people ask about.
const MOST_REFUSED: usize = 5;

/// What is to be done and said.
#[derive(Debug)]
pub struct Decision {
    /// What it was decided for.
    pub target: Target,
    /// How far the workload's rollout is.
    pub rollout: Rollout,
    /// One status per container, as it is without the updates.
    pub containers: Vec<ContainerStatus>,
    /// The updates that are to be made now, all in one patch.
    pub updates: Vec<Update>,
    /// What people should hear of.
    pub news: Vec<News>,
    /// What stands in the way, with the container's name.
    pub problems: Vec<ContainerProblem>,
    /// Asked for the digest of a tag before it is applied.
    pub registry: Option<Arc<Serving>>,
}

/// Another image for one container.
#[derive(Clone, Debug)]
pub struct Update {
    /// The change to the workload.
    pub change: ImageChange,
    /// The image reference as it will be.
    pub image: ImageReference,
    /// The tag that is applied.
    pub tag: String,
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
    /// There is a newer version left of the frontier.
    Available {
        /// Tag in the spec.
        from: String,
        /// Tag that is newer.
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
        /// Image after.
        to: String,
        /// When the update was announced.
        started: Timestamp,
        /// How far.
        milestone: Milestone,
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
    /// Whether the registry, rather than the spec, stands in the way.
    pub is_about_the_registry: bool,
    /// When trying again makes sense.
    pub retry: Retry,
}

/// Decides about every container of `observed`.
pub fn decide(observed: Observed, now: Timestamp) -> Decision {
    let Observed { target, rollout, containers, registry } = observed;
    let mut decision = Decision {
        containers: Vec::with_capacity(containers.len()),
        updates: Vec::new(),
        news: Vec::new(),
        problems: Vec::new(),
        registry,
        rollout,
        target,
    };
    for observed in containers {
        let before = decision.target.before.containers.iter().find(|before| before.name == observed.container.name);
        let mut status = ContainerStatus {
            name: observed.container.name.clone(),
            image: observed.container.image.clone(),
            decision: "None".to_owned(),
            reported: before.and_then(|before| before.reported.clone()),
            ..ContainerStatus::default()
        };
        if let Some(update) = before.and_then(|before| before.update.as_ref()) {
            let (update, milestone) = progress::advance(update, &observed.container.image, &decision.rollout, now);
            if let Some(milestone) = milestone {
                let (from, to) = (update.from.clone(), update.to.clone());
                let what = Happening::Reached { from, to, started: update.started.0, milestone };
                decision.news.push(News { container: status.name.clone(), what });
            }
            status.update = Some(update);
        }
        match observed.state {
            Err(problem) => {
                "Failed".clone_into(&mut status.decision);
                status.problem = Some(shorten(chain(&problem), 1024));
                keep_what_was_known(&mut status, before);
                decision.problems.push(ContainerProblem::new(&status.name, &problem));
            }
            Ok(Choice::Ignored) => "Ignored".clone_into(&mut status.decision),
            Ok(Choice::Tags { image, policy, current, candidates }) => {
                choose(&mut decision, &mut status, &observed.container, &image, &policy, &current, &candidates);
            }
        }
        decision.containers.push(status);
    }
    decision
}

/// While a check fails, the last answers are still the best there are, as long as they speak of the same image.
fn keep_what_was_known(status: &mut ContainerStatus, before: Option<&ContainerStatus>) {
    if let Some(before) = before.filter(|before| before.image == status.image) {
        status.newest.clone_from(&before.newest);
        status.newest_applicable.clone_from(&before.newest_applicable);
        status.refused.clone_from(&before.refused);
    }
}

fn choose(
    decision: &mut Decision,
    status: &mut ContainerStatus,
    container: &Container,
    image: &ImageReference,
    policy: &Policy,
    current: &Tagged,
    candidates: &[Tagged],
) {
    let ruling = policy::decide(policy, current, candidates);
    let chosen = |index: Option<usize>| index.and_then(|index| candidates.get(index));
    let (update, notify) = (chosen(ruling.update), chosen(ruling.notify));

    let applicable = update.map_or(&current.tag, |update| &update.tag);
    status.newest_applicable = Some(applicable.clone());
    status.newest = Some(notify.map_or(applicable, |notify| &notify.tag).clone());
    status.refused = refused(policy, current, candidates, &ruling.verdicts);
    let decided = match (update, notify) {
        (None, None) => "None",
        (Some(_), None) => "Update",
        (None, Some(_)) => "Notify",
        (Some(_), Some(_)) => "UpdateAndNotify",
    };
    decided.clone_into(&mut status.decision);

    if let Some(update) = update {
        // The tag comes from a registry, which may spell what no image reference can hold; a verdict has sorted those out.
        if let Ok(tagged) = image.with_tag(&update.tag) {
            let change = ImageChange {
                index: container.index,
                container: container.name.clone(),
                from: container.image.clone(),
                to: tagged.to_string(),
            };
            decision.updates.push(Update { change, image: tagged, tag: update.tag.clone() });
        }
    }
    match (notify, ruling.notify) {
        (Some(notify), Some(index)) if status.reported.as_ref() != Some(&notify.tag) => {
            let verdict = ruling.verdicts.get(index);
            let why = verdict.map(|verdict| verdict.explain(policy, current, notify)).unwrap_or_default();
            let (from, to) = (current.tag.clone(), notify.tag.clone());
            let what = Happening::Available { from, to, reported: status.reported.clone(), why };
            decision.news.push(News { container: status.name.clone(), what });
            status.reported = Some(notify.tag.clone());
        }
        (Some(_), _) => {}
        // Nothing to report any more; should it come back, it is news again.
        (None, _) => status.reported = None,
    }
}

/// The newest tags that are newer than the current one and were refused, each with the rule that refused it.
fn refused(policy: &Policy, current: &Tagged, candidates: &[Tagged], verdicts: &[Verdict]) -> Vec<RefusedTag> {
    let mut refused: Vec<(&Tagged, &Verdict)> =
        candidates.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_near_miss()).collect();
    let newest_first =
        |(one, _): &(&Tagged, &Verdict), (two, _): &(&Tagged, &Verdict)| match (&one.version, &two.version) {
            (Some(one_version), Some(two_version)) => {
                two_version.order(one_version).then_with(|| one.tag.cmp(&two.tag))
            }
            _ => one.tag.cmp(&two.tag),
        };
    // A repository may have thousands of near misses, and only a handful is shown: they alone are worth sorting.
    if refused.len() > MOST_REFUSED {
        refused.select_nth_unstable_by(MOST_REFUSED, newest_first);
        refused.truncate(MOST_REFUSED);
    }
    refused.sort_unstable_by(newest_first);
    refused
        .into_iter()
        .map(|(tagged, verdict)| RefusedTag {
            tag: tagged.tag.clone(),
            reason: verdict.reason().to_owned(),
            message: verdict.explain(policy, current, tagged),
        })
        .collect()
}

impl ContainerProblem {
    fn new(container: &str, problem: &Problem) -> Self {
        Self {
            container: container.to_owned(),
            reason: problem.reason(),
            message: chain(problem),
            is_about_the_registry: problem.is_about_the_registry(),
            retry: problem.retry(),
        }
    }
}

impl Decision {
    /// Time until a check makes sense again: the interval, or sooner where a failure says so, or later where it asks for that.
    pub fn next_check(&self) -> Duration {
        let wait = |problem: &ContainerProblem| match problem.retry {
            // A plugin or the spec has to change; the interval is for changes that nobody sees, such as of a registry.
            Retry::OnChange => self.target.interval,
            Retry::Soon => Duration::from_millis(200),
            Retry::BackOff => self.target.interval.min(Duration::from_mins(1)),
            Retry::After(wait) => wait,
        };
        self.problems.iter().map(wait).min().unwrap_or(self.target.interval)
    }

    /// Whether an update of this handler is on its way.
    pub fn is_updating(&self) -> bool {
        !self.updates.is_empty()
            || self.containers.iter().any(|container| {
                container.update.as_ref().is_some_and(|update| update.phase == UpdatePhase::RollingOut)
            })
    }
}
