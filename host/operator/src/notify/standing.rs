//! How things stand with a handler, as notices; and how a channel's outbox takes them in. Pure.
//!
//! Notices are not handed over when something happens: they are read from the status that says so, as often as somebody looks. So none is
//! lost if the operator is killed between the two, and it takes no more than a look at the status to know what people should have heard.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8supdater_core::image::ImageReference;
use k8supdater_core::notice::outbox::{Outbox, Pending, Sent};
use k8supdater_core::notice::{Filter, Handler, Kind, Level, Link, Notice, Workload};
use kube::ResourceExt;

use crate::api::conditions::{READY, ROLLOUT_HEALTHY, shorten};
use crate::api::pace::Mode;
use crate::api::versioning_handler::{
    ContainerStatus, UpdatePhase, UpdateStatus, VersioningHandler, VersioningHandlerStatus,
};
use crate::api::workload::WorkloadRef;
use crate::fleet;

/// How young a handler must be to be told as new where nothing of it was told before. Older ones were there before their channels.
const NEW: Duration = Duration::from_hours(1);

/// Most bytes of each failure that a notice tells; an outbox keeps no more than [two of them](k8supdater_core::notice::outbox::LONGEST_WORD).
const LONGEST_FAILURE: usize = 224;

/// How things stand with one handler.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standing {
    /// Which handler.
    pub(super) handler: Handler,
    workload: Option<Workload>,
    /// Whether the handler is new, and nobody knows of it.
    is_new: bool,
    /// What became of the handler itself since people were told last. Of a member of a fleet nothing: its fleet says it for all.
    lifecycle: Option<Notice>,
    /// The last step of each container's update.
    rollouts: Vec<Notice>,
    /// What waits for a human, one for each container at most.
    offers: Vec<Notice>,
    /// Tags that are versions and were pushed again, one for each container at most.
    moved: Vec<Notice>,
    /// Containers whose update is none of ours any more.
    overtaken: BTreeSet<String>,
    /// Whether checks work.
    check: Check,
    /// Nothing is looked at, so that nothing is known of it.
    is_suspended: bool,
    /// Nobody is to be told anything.
    is_preview: bool,
    /// When it stands otherwise although nothing happens.
    pub(super) changes_at: Option<Timestamp>,
}

/// Whether checks work.
#[derive(Clone, Debug, PartialEq)]
enum Check {
    /// It is not known, or it is too early to say.
    Unknown,
    Works,
    Fails(Vec<Notice>),
}

impl Standing {
    /// How things stand with `handler`, of which people know the `told` state. Checks count as failing when they have failed for
    /// `failing_after`.
    pub(super) fn of(handler: &VersioningHandler, failing_after: Duration, now: Timestamp) -> Self {
        let reference = reference(handler);
        let look = Look { handler, reference: &reference, now };
        let status = handler.status.clone().unwrap_or_default();
        // What is wrong with members is told of each of them.
        let is_fleet = handler.spec.selector.is_some();
        let (check, failing_at) = if is_fleet { (Check::Unknown, None) } else { look.check(&status, failing_after) };
        let is_preview = handler.spec.mode == Some(Mode::Preview);
        let lifecycle = look.lifecycle();
        let awake = status.containers.iter().filter(|container| snoozed_until(container, now).is_none());
        let woken_at = status.containers.iter().filter_map(|container| snoozed_until(container, now));
        Self {
            is_new: !is_preview && lifecycle.as_ref().is_some_and(|notice| notice.kind == Kind::HandlerCreated),
            lifecycle: lifecycle.filter(|_| fleet::owner(&handler.metadata).is_none() && !is_preview),
            rollouts: status.containers.iter().filter_map(|container| look.rollout(&status, container)).collect(),
            offers: awake.filter_map(|container| look.offer(&status, container)).collect(),
            moved: status.containers.iter().filter_map(|container| look.moved(container)).collect(),
            overtaken: status.containers.iter().filter(|it| is_overtaken(it)).map(|it| it.name.clone()).collect(),
            check,
            is_suspended: handler.spec.suspend,
            is_preview,
            changes_at: woken_at.chain(failing_at).min(),
            workload: look.workload(),
            handler: reference,
        }
    }

    /// Whether the handler is new, and nobody knows of it.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// That the handler is gone; none if nobody is to be told anything.
    pub(super) fn deleted(&self, now: Timestamp) -> Option<Notice> {
        let workload = self.workload.clone();
        let deleted = Notice { workload, ..Notice::new(Kind::HandlerDeleted, self.handler.clone(), now) };
        (!self.is_preview).then_some(deleted)
    }

    /// Whether people may be reminded of what they were told. Nobody looks after a suspended handler, so that nobody needs to be reminded of
    /// what it offered.
    pub(super) fn reminds(&self) -> bool {
        !self.is_suspended && !self.is_preview
    }

    /// Has `outbox` take in how things stand. What happened before `since` is no news to the channel.
    pub(super) fn enter(&self, outbox: &mut Outbox, filter: &Filter, since: Timestamp, now: Timestamp) {
        outbox.enqueue(self.lifecycle.clone(), filter, now);
        if self.is_preview {
            // Should it stand afterwards, it is news again.
            outbox.forget(|known| known.kind.is_standing());
            return;
        }
        if self.is_suspended {
            return;
        }
        let is_among =
            |stand: &[Notice], known: &Notice| stand.iter().any(|notice| notice.container == known.container);
        outbox.forget(|known| known.kind == Kind::UpdateAvailable && !is_among(&self.offers, known));
        outbox.forget(|known| known.kind == Kind::TagMoved && !is_among(&self.moved, known));
        outbox.forget(|known| {
            is_about_a_rollout(known.kind) && known.container.as_ref().is_some_and(|it| self.overtaken.contains(it))
        });
        let news = self.rollouts.iter().filter(|rollout| rollout.time.as_second() >= since.as_second());
        outbox.enqueue(news.chain(&self.offers).chain(&self.moved).cloned(), filter, now);
        self.enter_check(outbox, filter, now);
    }

    fn enter_check(&self, outbox: &mut Outbox, filter: &Filter, now: Timestamp) {
        match &self.check {
            Check::Unknown => {}
            Check::Fails(failing) => {
                let fails = |known: &Notice| {
                    failing.iter().any(|failing| failing.kind == known.kind && failing.plugin == known.plugin)
                };
                // A plugin's recovery is told as the check's, so that one which was told before must be news again.
                outbox.forget(|known| known.kind == Kind::CheckRecovered || is_failure(known.kind) && !fails(known));
                outbox.enqueue(failing.iter().cloned(), filter, now);
            }
            Check::Works => {
                let may_be_known = outbox.sent.iter().any(|Sent { notice, .. }| is_failure(notice.kind))
                    || outbox
                        .pending
                        .iter()
                        .any(|Pending { notice, is_begun, .. }| *is_begun && is_failure(notice.kind));
                if may_be_known {
                    let failed =
                        |known: &Notice| known.kind == Kind::PluginFailing || known.kind == Kind::CheckRecovered;
                    outbox.forget(failed);
                    let workload = self.workload.clone();
                    let recovered = Notice { workload, ..Notice::new(Kind::CheckRecovered, self.handler.clone(), now) };
                    outbox.enqueue([recovered], filter, now);
                } else {
                    outbox.forget(|known| is_failure(known.kind));
                }
            }
        }
    }
}

/// What `handler` offers at present and makes once somebody approves, whoever wants to hear of it, with the container and the tag.
pub(super) fn offers(handler: &VersioningHandler, now: Timestamp) -> Vec<(Notice, String, String)> {
    let reference = reference(handler);
    let look = Look { handler, reference: &reference, now };
    let containers = handler.status.iter().flat_map(|status| status.containers.iter().map(move |it| (status, it)));
    let offer = |(status, container): (&VersioningHandlerStatus, &ContainerStatus)| {
        let notice = look.offer(status, container).filter(|notice| notice.is_approvable)?;
        Some((notice, container.name.clone(), container.reported.clone()?))
    };
    containers.filter_map(offer).collect()
}

fn reference(handler: &VersioningHandler) -> Handler {
    Handler {
        namespace: handler.namespace().unwrap_or_default(),
        name: handler.name_any(),
        uid: handler.uid().unwrap_or_default(),
    }
}

/// Whether it says that a check does not work, whoever is to blame.
fn is_failure(kind: Kind) -> bool {
    matches!(kind, Kind::CheckFailing | Kind::PluginFailing)
}

fn is_about_a_rollout(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Updated
            | Kind::Restarted
            | Kind::RolloutFinished
            | Kind::RolloutFailed
            | Kind::RolledBack
            | Kind::RollbackFailed
    )
}

fn is_overtaken(container: &ContainerStatus) -> bool {
    container.update.as_ref().is_some_and(|update| update.phase == UpdatePhase::Overtaken)
}

/// One look at a handler.
struct Look<'a> {
    handler: &'a VersioningHandler,
    reference: &'a Handler,
    now: Timestamp,
}

impl Look<'_> {
    fn notice(&self, kind: Kind, time: Timestamp) -> Notice {
        Notice { workload: self.workload(), ..Notice::new(kind, self.reference.clone(), time) }
    }

    fn workload(&self) -> Option<Workload> {
        let WorkloadRef { kind, name } = self.handler.spec.workload_ref()?;
        Some(Workload { kind: kind.as_str().to_owned(), name })
    }

    /// What became of the spec since people were told last.
    fn lifecycle(&self) -> Option<Notice> {
        let generation = self.handler.metadata.generation.unwrap_or_default();
        let Some(told) = self.handler.status.as_ref().and_then(|status| status.notices.as_ref()) else {
            let created = self.handler.metadata.creation_timestamp.as_ref()?.0;
            let age = Duration::try_from(self.now.duration_since(created)).unwrap_or_default();
            return (age < NEW).then(|| self.notice(Kind::HandlerCreated, created));
        };
        if told.generation == generation {
            return None;
        }
        let is_resumed = told.suspended && !self.handler.spec.suspend;
        let kind = if is_resumed { Kind::HandlerResumed } else { Kind::HandlerChanged };
        let detail =
            self.handler.spec.suspend.then(|| "it is suspended, so that nothing is checked or updated".to_owned());
        let (from, to) = (Some(told.generation.to_string()), Some(generation.to_string()));
        Some(Notice { from, to, detail, ..self.notice(kind, self.now) })
    }

    /// The last step of a container's update.
    ///
    /// That an update is taken back is told when that has come to its end: at first only that its rollout has failed, if it has.
    fn rollout(&self, status: &VersioningHandlerStatus, container: &ContainerStatus) -> Option<Notice> {
        let update = container.update.as_ref()?;
        let asked_by = update.rollback.as_ref().and_then(|rollback| rollback.by.as_ref());
        let started = update.started.0;
        let ended = update.finished.as_ref().map_or(started, |time| time.0);
        let (kind, time) = match update.phase {
            UpdatePhase::RollingOut if update.is_restart() => (Kind::Restarted, started),
            UpdatePhase::RollingOut => (Kind::Updated, started),
            UpdatePhase::Finished => (Kind::RolloutFinished, ended),
            UpdatePhase::Failed => (Kind::RolloutFailed, ended),
            UpdatePhase::RollingBack if asked_by.is_none() => {
                (Kind::RolloutFailed, update.rollback.as_ref().map_or(started, |rollback| rollback.started.0))
            }
            UpdatePhase::RolledBack => (Kind::RolledBack, ended),
            UpdatePhase::RollbackFailed => (Kind::RollbackFailed, ended),
            UpdatePhase::Announced | UpdatePhase::Overtaken | UpdatePhase::RollingBack => return None,
        };
        let unhealthy = || {
            let healthy = status.conditions.iter().find(|it| it.type_ == ROLLOUT_HEALTHY && it.status != "True");
            healthy.map(|condition| shorten(condition.message.clone(), LONGEST_FAILURE))
        };
        let failure = || update.failure.clone().map(|failure| shorten(failure, LONGEST_FAILURE));
        let asked = || asked_by.map(|by| format!("{by} has asked for that"));
        let detail = match kind {
            Kind::RolloutFailed if update.phase == UpdatePhase::RollingBack => {
                let failure = failure().unwrap_or_else(|| "its rollout failed".to_owned());
                Some(format!("{failure}; the image before is put back"))
            }
            Kind::RolloutFailed => failure().or_else(unhealthy),
            Kind::RolledBack => asked().or_else(failure),
            Kind::RollbackFailed => {
                let why: Vec<String> = asked().or_else(failure).into_iter().chain(unhealthy()).collect();
                Some(why.join("; ")).filter(|why| !why.is_empty())
            }
            Kind::RolloutFinished if update.hint.is_some() => update.hint.clone(),
            _ => update.approved_by.as_ref().map(|by| format!("approved by {by}")),
        };
        let is_back = matches!(kind, Kind::RolledBack | Kind::RollbackFailed);
        let (from, to) = if is_back { change_back(update)? } else { change(update)? };
        let notice = self.notice(kind, time);
        Some(Notice {
            level: if kind == Kind::RolledBack && asked_by.is_none() { Level::Error } else { notice.level },
            container: Some(container.name.clone()),
            image: name(&update.to),
            from: Some(from),
            to: Some(to),
            // Where something is offered, the link is about that.
            link: container.link.as_deref().filter(|_| container.reported.is_none()).and_then(Link::parse),
            detail,
            is_for_later: kind == Kind::RolloutFinished && update.hint.is_some(),
            ..notice
        })
    }

    /// That the tag of a container is a version and was pushed again.
    fn moved(&self, container: &ContainerStatus) -> Option<Notice> {
        let (tag, moved_to) = (tag(&container.image)?, container.moved_to.as_ref()?);
        let from = container.digest.as_ref().map_or_else(|| tag.clone(), |digest| format!("{tag}@{digest}"));
        Some(Notice {
            container: Some(container.name.clone()),
            image: name(&container.image),
            from: Some(from),
            to: Some(format!("{tag}@{moved_to}")),
            ..self.notice(Kind::TagMoved, self.now)
        })
    }

    /// What waits for a human to decide about a container; with `mode: Notify` it is for others to do.
    fn offer(&self, status: &VersioningHandlerStatus, container: &ContainerStatus) -> Option<Notice> {
        let to = container.reported.clone()?;
        Some(Notice {
            container: Some(container.name.clone()),
            image: name(&container.image),
            from: container.reported_from.clone().or_else(|| tag(&container.image)),
            to: Some(to),
            newest: container.newest.clone(),
            detail: container.reported_why.clone(),
            link: container.link.as_deref().and_then(Link::parse),
            is_approvable: status.mode != Some(Mode::Notify),
            ..self.notice(Kind::UpdateAvailable, self.now)
        })
    }

    /// Whether checks work, and when that has to be looked at again.
    fn check(&self, status: &VersioningHandlerStatus, failing_after: Duration) -> (Check, Option<Timestamp>) {
        let Some(ready) = status.conditions.iter().find(|condition| condition.type_ == READY) else {
            return (Check::Unknown, None);
        };
        let since = ready.last_transition_time.0;
        let counts_from = since.checked_add(failing_after).unwrap_or(Timestamp::MAX);
        match ready.status.as_str() {
            "True" => (Check::Works, None),
            "False" if counts_from <= self.now => {
                (Check::Fails(self.failures(status, &ready.reason, &ready.message)), None)
            }
            "False" => (Check::Unknown, Some(counts_from)),
            _ => (Check::Unknown, None),
        }
    }

    /// What does not work: each plugin that fails, and all else as one.
    fn failures(&self, status: &VersioningHandlerStatus, reason: &str, message: &str) -> Vec<Notice> {
        let mut failures: Vec<Notice> = Vec::new();
        for container in &status.containers {
            let Some(plugin) = &container.failing_plugin else { continue };
            if failures.iter().all(|known| known.plugin.as_ref() != Some(plugin)) {
                failures.push(Notice {
                    plugin: Some(plugin.clone()),
                    error_class: container.problem_reason.clone(),
                    detail: container.problem.clone(),
                    ..self.notice(Kind::PluginFailing, self.now)
                });
            }
        }
        let other = status.containers.iter().find(|it| it.problem_reason.is_some() && it.failing_plugin.is_none());
        if failures.is_empty() || other.is_some() {
            let class = other.and_then(|container| container.problem_reason.clone());
            failures.push(Notice {
                error_class: Some(class.unwrap_or_else(|| reason.to_owned())),
                detail: Some(message.to_owned()),
                ..self.notice(Kind::CheckFailing, self.now)
            });
        }
        failures
    }
}

/// Until when nobody wants to hear of what is offered.
fn snoozed_until(container: &ContainerStatus, now: Timestamp) -> Option<Timestamp> {
    let snoozed = container.snoozed.as_ref().filter(|snoozed| container.reported.as_ref() == Some(&snoozed.tag))?;
    (now < snoozed.until.0).then_some(snoozed.until.0)
}

/// From which tag to which an update leads; a tag that stays the same has its digest behind it.
fn change(update: &UpdateStatus) -> Option<(String, String)> {
    let (from, to) = (tag(&update.from)?, tag(&update.to)?);
    match &update.digest {
        Some(digest) if from == to => Some((from, format!("{to}@{digest}"))),
        _ => Some((from, to)),
    }
}

/// From which tag back to which; with their digests where the tag is the same.
fn change_back(update: &UpdateStatus) -> Option<(String, String)> {
    let (to, from) = change(update)?;
    match &update.from_digest {
        Some(digest) if from.contains('@') => Some((from, format!("{to}@{digest}"))),
        _ => Some((from, to)),
    }
}

/// The tag of an image, as Kubernetes understands it.
fn tag(image: &str) -> Option<String> {
    let image: ImageReference = image.parse().ok()?;
    Some(image.tag().unwrap_or("latest").to_owned())
}

/// Registry and repository of an image.
fn name(image: &str) -> Option<String> {
    let image: ImageReference = image.parse().ok()?;
    Some(image.name())
}

#[cfg(test)]
pub(super) mod tests;
