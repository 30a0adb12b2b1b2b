//! Step six: shows what came of a check, in conditions and Events.
//!
//! Runs on success and failure alike. Events come before the status, so that news is lost in no crash; see [`super::event`] for
//! why it is not repeated either. A status that would say what it says already is not written.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8supdater_core::backoff;
use kube::ResourceExt;
use kube::core::DeserializeGuard;
use tracing::{info, warn};

use super::act::{Checked, Outcome};
use super::decide::{AWAITING_APPROVAL, Decision, Happening, News};
use super::event::{self, Saying};
use super::history::history;
use super::lifecycle;
use super::progress::Milestone;
use super::schedule::Next;
use super::status::{StatusError, remove_answers, write_if_changed};
use super::validate::HandlerRef;
use super::{Context, Error};
use crate::api::conditions::{self, Finding, OWNED_ELSEWHERE, READY, REGISTRY_REACHABLE, ROLLOUT_HEALTHY};
use crate::api::conditions::{State, TAG_MOVED, UP_TO_DATE};
use crate::api::pace::Mode;
use crate::api::rollout_status::{HeldTag, ProvenImage, WaitStatus};
use crate::api::versioning_handler::{ContainerStatus, UpdatePhase, VersioningHandler, VersioningHandlerStatus};
use crate::api::workload::WorkloadRef;
use crate::failure::{Retry, chain};
use crate::telemetry::metrics::Metrics;
use crate::workload::rollout::Rollout;

/// Shows what came of the attempt, and says when to come back.
///
/// # Errors
/// When nothing could be shown; the caller's error policy then decides when to try again.
pub(super) async fn report(
    ctx: &Context,
    object: &DeserializeGuard<VersioningHandler>,
    attempt: Result<Outcome, Error>,
    now: Timestamp,
) -> Result<Next, Error> {
    let is_status_broken = matches!(attempt, Err(Error::Status(_)));
    if let Some((handler, saying)) = object.0.as_ref().ok().and_then(|it| Some((it, lifecycle::saying(it)?)))
        && !is_status_broken
    {
        let (namespace, name) = (handler.namespace().unwrap_or_default(), handler.name_any());
        info!(namespace, handler = name, reason = saying.reason, note = saying.note, "notice");
        say(ctx, handler, handler.spec.workload_ref().as_ref(), &saying, now).await?;
    }
    match attempt {
        Ok(Outcome::Checked(checked)) => Ok(report_check(ctx, *checked, now).await?),
        Ok(Outcome::Suspended(target)) => {
            if let Ok(handler) = &object.0 {
                write_if_changed(ctx, handler, status_suspended(&target.before, handler, now), now).await?;
            }
            Ok(Next::OnChange)
        }
        // What could not be written before can hardly be written now.
        Err(Error::Status(err)) => Err(err.into()),
        Err(err) => {
            match &object.0 {
                Ok(handler) => report_failure(ctx, handler, &err, now).await?,
                Err(_) => report_malformed(ctx, object, &err, now).await?,
            }
            match err.retry() {
                Retry::OnChange => {
                    ctx.metrics.obstructed(err.reason());
                    Ok(Next::After(Duration::from_mins(10)))
                }
                Retry::Soon | Retry::BackOff | Retry::After(_) => Err(err),
            }
        }
    }
}

async fn report_check(ctx: &Context, mut checked: Checked, now: Timestamp) -> Result<Next, StatusError> {
    let wait = backoff::jittered(checked.next_check(), rand::random());
    let problems = checked.problems();
    for (container, reason, message) in &problems {
        ctx.metrics.obstructed(reason);
        let HandlerRef { namespace, name, .. } = &checked.decision.target.handler;
        warn!(namespace, handler = name, container, reason, message, "check failed");
    }
    let findings = findings(&checked, &problems);
    let handler = &checked.handler;
    let before = handler.status.clone().unwrap_or_default();
    publish(ctx, &checked, &before.conditions, &findings, now).await?;
    let status = status_after(&mut checked, findings, wait, now);
    let proves = proves(&before.containers, &status.containers);
    let decisions: Vec<String> = status.containers.iter().map(|container| container.decision.clone()).collect();
    let handler = write_if_changed(ctx, &checked.handler, status, now).await?;
    // Not before it is written down: otherwise it is met, and counted, once more.
    for decision in &decisions {
        ctx.metrics.decided(decision);
    }
    for news in &checked.decision.news {
        count(&ctx.metrics, &news.what, now);
    }
    if proves {
        ctx.handlers.followers(&handler).into_iter().for_each(|follower| ctx.wake.wake(follower));
    }
    remove_answers(ctx, handler, &mut checked.decision.target).await?;
    Ok(Next::After(wait))
}

/// Counts how far updates and rollbacks have come.
fn count(metrics: &Metrics, what: &Happening, now: Timestamp) {
    let Happening::Reached { milestone, started, seen, .. } = what else { return };
    match milestone {
        // Counted when the workload was changed.
        Milestone::Began | Milestone::RollingBack { .. } => {}
        Milestone::Finished => {
            let since = |time: Timestamp| now.duration_since(time);
            metrics.update_rolled_out(since(*started), seen.map(since));
        }
        Milestone::Applied { .. } => metrics.update_finished(),
        Milestone::Failed { .. } => metrics.update_failed(),
        Milestone::Overtaken => metrics.update_overtaken(),
        Milestone::RolledBack => metrics.rollback_finished(),
        Milestone::RollbackFailed { .. } => metrics.rollback_failed(),
    }
}

/// The status after a check that found that, where the next one is made after `wait`. Takes the containers out of the decision. Pure.
pub(super) fn status_after(
    checked: &mut Checked,
    findings: Vec<Finding>,
    wait: Duration,
    now: Timestamp,
) -> VersioningHandlerStatus {
    let before = checked.handler.status.clone().unwrap_or_default();
    let generation = checked.handler.metadata.generation;
    let containers = std::mem::take(&mut checked.decision.containers);
    VersioningHandlerStatus {
        observed_generation: generation,
        conditions: conditions::merge(&before.conditions, findings, generation, now),
        workload: before.workload,
        current: summary(&containers, |container| tag_of(&container.image)),
        available: summary(&containers, |container| container.reported.as_deref().map(short)),
        history: history(&before.history, &containers),
        mode: Some(checked.decision.mode),
        fleet: None,
        containers,
        last_check: Some(Time(now)),
        next_check: now.checked_add(wait).ok().map(Time),
        notices: None,
    }
}

/// The status of a handler with `spec.suspend`. Pure.
pub(super) fn status_suspended(
    before: &VersioningHandlerStatus,
    handler: &VersioningHandler,
    now: Timestamp,
) -> VersioningHandlerStatus {
    let message = "spec.suspend is set: nothing is checked or updated".to_owned();
    let finding = Finding { kind: READY, state: State::Unknown, reason: lifecycle::SUSPENDED, message };
    VersioningHandlerStatus {
        observed_generation: handler.metadata.generation,
        conditions: with_ready(&before.conditions, &finding, handler, now),
        next_check: None,
        ..before.clone()
    }
}

/// Whether there is something new for those that follow.
fn proves(before: &[ContainerStatus], now: &[ContainerStatus]) -> bool {
    let proven = |containers: &[ContainerStatus]| -> Vec<ProvenImage> {
        containers.iter().flat_map(|container| container.proven.clone()).collect()
    };
    proven(before) != proven(now)
}

/// Shows a failure that kept the operator from looking at the containers at all.
async fn report_failure(
    ctx: &Context,
    handler: &VersioningHandler,
    err: &Error,
    now: Timestamp,
) -> Result<(), StatusError> {
    let before = handler.status.clone().unwrap_or_default();
    let (reason, message) = (err.reason(), chain(err));
    let finding = Finding { kind: READY, state: State::False, reason, message: message.clone() };
    if is_news(&before.conditions, &finding) {
        let (namespace, name) = (handler.namespace().unwrap_or_default(), handler.name_any());
        warn!(namespace, handler = name, reason, message, "check failed");
        let occasion = format!("{reason} after {}", standing(&before.conditions, READY));
        let saying = Saying { is_warning: true, reason: "CheckFailed", action: "Check", occasion, note: message };
        say(ctx, handler, handler.spec.workload_ref().as_ref(), &saying, now).await?;
    }
    let conditions = with_ready(&before.conditions, &finding, handler, now);
    let status = VersioningHandlerStatus {
        observed_generation: handler.metadata.generation,
        conditions,
        last_check: Some(Time(now)),
        next_check: None,
        ..before
    };
    write_if_changed(ctx, handler, status, now).await.map(drop)
}

/// Shows that an object cannot be read. Its status cannot be written without knowing the rest of it, so that an Event has to do.
async fn report_malformed(
    ctx: &Context,
    object: &DeserializeGuard<VersioningHandler>,
    err: &Error,
    now: Timestamp,
) -> Result<(), StatusError> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let (reason, message) = (err.reason(), chain(err));
    warn!(namespace, handler = name, reason, message, "check failed");
    let occasion = format!("{reason}: {message}");
    let saying = Saying { is_warning: true, reason: "CheckFailed", action: "Check", occasion, note: message };
    say(ctx, object, None, &saying, now).await
}

/// `before` with another `Ready`; the other conditions are not known any more.
fn with_ready(before: &[Condition], ready: &Finding, handler: &VersioningHandler, now: Timestamp) -> Vec<Condition> {
    let unknown = |kind| Finding {
        kind,
        state: State::Unknown,
        reason: ready.reason,
        message: "not looked at; see the condition Ready".to_owned(),
    };
    let findings = vec![ready.clone(), unknown(REGISTRY_REACHABLE), unknown(UP_TO_DATE), unknown(ROLLOUT_HEALTHY)];
    conditions::merge(before, findings, handler.metadata.generation, now)
}

/// The four conditions of a check. Pure.
pub(super) fn findings(checked: &Checked, problems: &[(&str, &'static str, String)]) -> Vec<Finding> {
    let finding = |kind, state, reason, message: String| Finding { kind, state, reason, message };
    let decision = &checked.decision;
    let all = |problems: &[(&str, &'static str, String)]| {
        problems.iter().map(|(_, _, message)| message.clone()).collect::<Vec<_>>().join("; ")
    };
    let ready = match problems.first() {
        Some((_, reason, _)) => finding(READY, State::False, reason, all(problems)),
        None => {
            let count = decision.containers.len();
            finding(
                READY,
                State::True,
                "Checked",
                format!("{count} container(s) of the {} were checked", decision.target.workload.kind),
            )
        }
    };
    let unreachable = decision.problems.iter().find(|problem| problem.is_registry_reached == Some(false));
    let registry = match unreachable {
        Some(problem) => finding(REGISTRY_REACHABLE, State::False, problem.reason, problem.message.clone()),
        None if decision.problems.iter().all(|problem| problem.is_registry_reached.is_some()) => {
            finding(REGISTRY_REACHABLE, State::True, "Listed", "all repositories were listed".to_owned())
        }
        None => finding(REGISTRY_REACHABLE, State::Unknown, "NotAsked", "not every repository was asked".to_owned()),
    };
    let mut findings = vec![ready, registry, up_to_date(checked, problems), healthy(&decision.rollout)];
    findings.extend(owned(decision));
    findings.extend(moved(decision));
    findings
}

/// That something else sets the images of the workload.
fn owned(decision: &Decision) -> Option<Finding> {
    let owner = decision.owner.as_ref()?;
    let workload = &decision.target.workload;
    let then = match decision.mode {
        Mode::Update => "spec.mode is Update: the image is changed here, and may be changed back there".to_owned(),
        Mode::Notify => {
            "what is newer is reported, and changed there; set spec.mode to Update to have it changed here \
                         all the same"
                .to_owned()
        }
        Mode::Preview => "spec.mode is Preview: nothing is changed".to_owned(),
    };
    let message = format!("{workload} belongs to {owner}; {then}");
    Some(Finding { kind: OWNED_ELSEWHERE, state: State::True, reason: owner.tool.reason(), message })
}

/// That tags which are versions were pushed again.
fn moved(decision: &Decision) -> Option<Finding> {
    let HandlerRef { namespace, name, .. } = &decision.target.handler;
    let moved = decision.containers.iter().filter_map(|container| {
        let (tag, now) = (tag_of(&container.image)?, container.moved_to.as_ref()?);
        let was = container.digest.as_deref().map(short).unwrap_or_default();
        Some(format!(
            "container {}: the tag {tag} pointed at {was} and points at {} now, although it is a version; whoever pulls it gets another \
             image; find out who has pushed it, or, if that is in order, run: k8supdater approve {namespace}/{name} {}={tag}@{now}",
            container.name,
            short(now),
            container.name
        ))
    });
    let message = moved.collect::<Vec<_>>().join("; ");
    let (kind, state, reason) = (TAG_MOVED, State::True, "PushedAgain");
    (!message.is_empty()).then_some(Finding { kind, state, reason, message })
}

fn up_to_date(checked: &Checked, problems: &[(&str, &'static str, String)]) -> Finding {
    let decision = &checked.decision;
    let finding = |state, reason, message: String| Finding { kind: UP_TO_DATE, state, reason, message };
    let unknown: Vec<&str> = decision
        .containers
        .iter()
        .filter(|container| container.decision == "Unknown")
        .filter_map(|container| container.problem.as_deref())
        .collect();
    if checked.failure.is_none() && decision.is_updating() {
        let updates: Vec<String> = decision
            .containers
            .iter()
            .filter_map(|container| container.update.as_ref())
            .filter(|update| {
                matches!(update.phase, UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::RollingBack)
            })
            .map(|update| match &update.digest {
                _ if update.phase == UpdatePhase::RollingBack => {
                    format!("{} goes back, in place of {}", update.from, update.to)
                }
                Some(digest) if update.is_restart() => format!("restart of {} for {}", update.from, short(digest)),
                _ => format!("{} → {}", update.from, update.to),
            })
            .collect();
        finding(State::False, "Updating", updates.join("; "))
    } else if !problems.is_empty() {
        finding(State::Unknown, "CheckFailed", "see the condition Ready".to_owned())
    } else if let Some(message) = of_containers(decision, |container| container.preview.clone()) {
        finding(State::Unknown, "Preview", message)
    } else if let Some((reason, message)) = offers(decision) {
        finding(State::False, reason, message)
    } else if let Some(message) = what_waits(decision) {
        finding(State::False, "Waiting", message)
    } else if let Some(message) = what_is_held(decision) {
        finding(State::False, "Held", message)
    } else if !unknown.is_empty() {
        finding(State::Unknown, "NotKnown", unknown.join("; "))
    } else {
        finding(State::True, "UpToDate", "no newer version is available".to_owned())
    }
}

/// What is to be said of each container, with its name; none if there is nothing.
fn of_containers(decision: &Decision, say: impl Fn(&ContainerStatus) -> Option<String>) -> Option<String> {
    let said =
        decision.containers.iter().filter_map(|container| Some(format!("{}: {}", container.name, say(container)?)));
    let said = said.collect::<Vec<_>>().join("; ");
    (!said.is_empty()).then_some(said)
}

/// What waits for its time.
fn what_waits(decision: &Decision) -> Option<String> {
    of_containers(decision, |container| {
        let WaitStatus { tag, message, .. } = container.waits.as_ref()?;
        Some(format!("{} waits: {message}", short(tag)))
    })
}

/// What is held, as far as nothing better is there.
fn what_is_held(decision: &Decision) -> Option<String> {
    let HandlerRef { namespace, name, .. } = &decision.target.handler;
    of_containers(decision, |container| {
        let HeldTag { tag, message, .. } = container.held.last()?;
        Some(format!(
            "{} is held, because {message}; a newer version is applied by itself, and this one again after: k8supdater approve \
             {namespace}/{name} {}={tag}",
            short(tag),
            container.name
        ))
    })
}

/// The reason and the words for what is offered, and how to take it; none if nothing is.
fn offers(decision: &Decision) -> Option<(&'static str, String)> {
    let offered = decision.containers.iter().filter_map(|container| Some((container, container.reported.as_deref()?)));
    let offered: Vec<(&ContainerStatus, &str)> = offered.collect();
    let waits = |container: &ContainerStatus| container.decision == AWAITING_APPROVAL;
    // What is offered of a tag that moved has its digest.
    let beyond = match decision.mode {
        Mode::Update | Mode::Preview => "left of the frontier, and therefore for a human to decide",
        // On whichever side of the frontier.
        Mode::Notify => "newer, and not applied here",
    };
    let kinds = [
        ("waits for approval", offered.iter().filter(|(container, _)| waits(container)).collect::<Vec<_>>()),
        (beyond, offered.iter().filter(|(container, tag)| !waits(container) && !tag.contains('@')).collect()),
        (
            "moved, and therefore for a human to decide",
            offered.iter().filter(|(container, tag)| !waits(container) && tag.contains('@')).collect(),
        ),
    ];
    let parts = kinds.iter().filter(|(_, offers)| !offers.is_empty()).map(|(what, offers)| {
        let tags: Vec<String> =
            offers.iter().map(|(container, tag)| format!("{}: {}", container.name, short(tag))).collect();
        format!("{what}: {}", tags.join(", "))
    });
    let mut parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return None;
    }
    parts.extend(what_waits(decision));
    if let Some(unchangeable) = decision.why_unchangeable() {
        parts.push(unchangeable);
        return Some(("UpdateAvailable", parts.join("; ")));
    }
    let HandlerRef { namespace, name, .. } = &decision.target.handler;
    let arguments: Vec<String> = offered.iter().map(|(container, tag)| format!("{}={tag}", container.name)).collect();
    parts.push(format!("to take it, run: k8supdater approve {namespace}/{name} {}", arguments.join(" ")));
    let is_waiting = offered.iter().any(|(container, _)| waits(container));
    Some((if is_waiting { AWAITING_APPROVAL } else { "UpdateAvailable" }, parts.join("; ")))
}

fn healthy(rollout: &Rollout) -> Finding {
    let finding = |state, reason, message: String| Finding { kind: ROLLOUT_HEALTHY, state, reason, message };
    match rollout {
        Rollout::Finished => {
            finding(State::True, "RolloutFinished", "all pods run the current pod template".to_owned())
        }
        Rollout::Applied { hint } => finding(State::True, "Applied", hint.clone()),
        Rollout::Progressing { waits_for } => {
            finding(State::Unknown, "RollingOut", format!("the rollout waits for {waits_for}"))
        }
        Rollout::Failed { message } => finding(State::False, "RolloutFailed", message.clone()),
    }
}

/// Publishes what is new: the news of the decision, updates that were made, and a check that began to fail or recovered.
async fn publish(
    ctx: &Context,
    checked: &Checked,
    before: &[Condition],
    findings: &[Finding],
    now: Timestamp,
) -> Result<(), StatusError> {
    let decision = &checked.decision;
    let mut sayings: Vec<Saying> = decision.news.iter().map(|news| say_news(news, before)).collect();
    if checked.failure.is_none() {
        // That a rollback begins is news of the decision.
        let began = decision.updates.iter().filter(|update| !update.is_rollback()).filter_map(|update| {
            let status = decision.containers.iter().find(|status| status.name == update.change.container)?;
            let record = status.update.as_ref()?;
            let what = Happening::reached(record, Milestone::Began);
            Some(say_news(&News { container: status.name.clone(), what }, before))
        });
        sayings.extend(began);
    }
    if let Some(ready) = findings.iter().find(|finding| finding.kind == READY && is_news(before, finding)) {
        let occasion = format!("{} after {}", ready.reason, standing(before, READY));
        match ready.state {
            State::False => sayings.push(Saying {
                is_warning: true,
                reason: "CheckFailed",
                action: "Check",
                occasion,
                note: format!("{}: {}", ready.reason, ready.message),
            }),
            State::True if before.iter().any(|condition| condition.type_ == READY && condition.status == "False") => {
                sayings.push(Saying {
                    is_warning: false,
                    reason: "CheckRecovered",
                    action: "Check",
                    occasion,
                    note: ready.message.clone(),
                });
            }
            State::True | State::Unknown => {}
        }
    }
    for saying in &sayings {
        let HandlerRef { namespace, name, .. } = &decision.target.handler;
        info!(namespace, handler = name, reason = saying.reason, note = saying.note, "notice");
        say(ctx, &checked.handler, Some(&decision.target.workload), saying, now).await?;
    }
    Ok(())
}

/// Whether `finding` differs from what is known in more than words.
fn is_news(before: &[Condition], finding: &Finding) -> bool {
    !before.iter().any(|condition| {
        condition.type_ == finding.kind
            && condition.status == finding.state.as_str()
            && (condition.reason == finding.reason || finding.state == State::True)
    })
}

/// What a condition is, and since when, in a form that tells one occasion from another.
fn standing(conditions: &[Condition], kind: &str) -> String {
    let condition = conditions.iter().find(|condition| condition.type_ == kind);
    condition.map_or_else(String::new, |condition| {
        let since = condition.last_transition_time.0.as_second();
        format!("{} {} since {since}", condition.status, condition.reason)
    })
}

/// `before` are the conditions that stand in the status.
fn say_news(news: &News, before: &[Condition]) -> Saying {
    let container = &news.container;
    let occasion = match &news.what {
        // A tag that is no longer available and then is again has changed the condition in between.
        Happening::Available { to, reported, .. } => {
            format!("{container} {to} after {reported:?} {}", standing(before, UP_TO_DATE))
        }
        Happening::Answered(answered) => return answered.saying(container),
        Happening::TagMoved { tag, from, to } => format!("{container} {tag} {from} {to}"),
        // The status keeps whole seconds.
        Happening::Reached { from, to, restart_for, started, .. } => {
            format!("{container} {from} {to} {restart_for:?} {}", started.as_second())
        }
    };
    let (is_warning, reason, action, note) = match &news.what {
        Happening::Answered(answered) => return answered.saying(container),
        Happening::TagMoved { tag, from, to } => {
            let (from, to) = (short(from), short(to));
            let note = format!(
                "container {container}: the tag {tag} pointed at {from} and points at {to} now, although it is a version; nothing is done \
                 about it, but whoever pulls it gets another image"
            );
            (true, "TagMoved", "Check", note)
        }
        Happening::Available { from, to, why, .. } => {
            let note = format!("container {container}: {from} → {} is available: {why}", short(to));
            (false, "UpdateAvailable", "Report", note)
        }
        Happening::Reached { from, to, restart_for, approved_by, milestone, .. } => {
            let what = match restart_for {
                None => format!("container {container}: {from} → {to}"),
                Some(digest) => format!("container {container}: restart of {from} for {}", short(digest)),
            };
            let what = approved_by.as_ref().map_or(what.clone(), |by| format!("{what}, approved by {by}"));
            match milestone {
                Milestone::Began => (false, "Updating", "Update", what),
                Milestone::Finished => (false, "Updated", "Update", format!("{what}, the rollout is finished")),
                Milestone::Applied { hint } => (false, "Updated", "Update", format!("{what}: {hint}")),
                Milestone::Failed { message } => {
                    (true, "RolloutFailed", "Update", format!("{what}, the rollout failed: {message}"))
                }
                Milestone::RollingBack { why } => {
                    (true, "RollingBack", "RollBack", format!("{what} is taken back: {why}"))
                }
                Milestone::RolledBack => (
                    false,
                    "RolledBack",
                    "RollBack",
                    format!("{what} was taken back: {from} runs again, and {to} is held until there is a better one"),
                ),
                Milestone::RollbackFailed { message } => {
                    let note =
                        format!("{what} was taken back, but the rollout of {from} does not finish either: {message}");
                    (true, "RollbackFailed", "RollBack", note)
                }
                Milestone::Overtaken => (
                    false,
                    "Overtaken",
                    "Update",
                    format!("{what} was overtaken by somebody else's change, which is left alone"),
                ),
            }
        }
    };
    Saying { is_warning, reason, action, occasion, note }
}

/// Publishes an Event about `handler`.
pub(super) async fn say(
    ctx: &Context,
    handler: &impl ResourceExt,
    workload: Option<&WorkloadRef>,
    saying: &Saying,
    now: Timestamp,
) -> Result<(), StatusError> {
    let reference = HandlerRef {
        namespace: handler.namespace().unwrap_or_default(),
        name: handler.name_any(),
        uid: handler.uid().unwrap_or_default(),
        resource_version: handler.resource_version().unwrap_or_default(),
    };
    ctx.metrics.event(saying.reason);
    event::publish(&ctx.client, &ctx.config.instance, &reference, workload, saying, now)
        .await
        .map_err(|source| StatusError::api("Events", handler, source))
}

/// One line for all containers: the bare value where there is one container, else with the containers' names.
fn summary(containers: &[ContainerStatus], value: impl Fn(&ContainerStatus) -> Option<String>) -> Option<String> {
    let values: Vec<(&str, String)> = containers
        .iter()
        .filter_map(|container| value(container).map(|value| (container.name.as_str(), value)))
        .collect();
    match (values.as_slice(), containers.len()) {
        ([], _) => None,
        ([(_, value)], 1) => Some(value.clone()),
        (values, _) => {
            let parts: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
            Some(parts.join(", "))
        }
    }
}

/// `text` with a digest in it cut to what people compare: 12 digits, as container tools show them.
fn short(text: &str) -> String {
    match text.find("sha256:").map(|start| start + "sha256:".len() + 12) {
        Some(end) => text.get(..end).unwrap_or(text).to_owned(),
        None => text.to_owned(),
    }
}

fn tag_of(image: &str) -> Option<String> {
    let reference: k8supdater_core::image::ImageReference = image.parse().ok()?;
    reference.tag().map(ToString::to_string)
}
