//! A world for one handler: its object and its workload as an API server keeps them, a registry, a controller, people, and a clock.
//!
//! Everything that decides or changes a status is the operator's own; what is made up here is only what the operator has to do with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use json_patch::PatchOperation;
use k8supdater_core::policy::Tagged;
use k8supdater_core::version::Version;
use serde_json::{Value, json};

use crate::answer::{APPROVE, BY, ROLLBACK, SKIP};
use crate::api::VersioningHandler;
use crate::api::pace::Mode;
use crate::api::versioning_handler::{ContainerStatus, UpdatePhase, UpdateStatus, VersioningHandlerStatus};
use crate::api::workload::WorkloadKind;
use crate::config::{Config, RawConfig};
use crate::reconcile::act::{Checked, UpdateFailure, note_made};
use crate::reconcile::announce::announced;
use crate::reconcile::decide::{Decision, decide};
use crate::reconcile::observe::{Choice, Observed, ObservedContainer, Tags};
use crate::reconcile::report::{findings, status_after, status_suspended};
use crate::reconcile::status::changed;
use crate::reconcile::validate::{Target, validate};
use crate::workload::containers::{Container, containers};
use crate::workload::patch::{Change, Template, patch};
use crate::workload::pods::Complaint;
use crate::workload::rollout::Rollout;
use crate::workload::{Workload, WorkloadError};

/// All tags that there ever are.
pub(super) const TAGS: [&str; 14] = [
    "1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.0.5", "1.0.6", "1.0.7", "1.1.0", "1.1.1", "1.1.2", "1.2.0",
    "2.0.0", "2.0.1",
];
/// Index of the tag that containers begin with; it and those before it are there from the beginning.
const FIRST: usize = 2;

/// What becomes of pods that run a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Good,
    /// They never become ready.
    Stuck,
    /// They crash some time after all of them were available, and come back.
    Crashes,
}

/// What stays the same in a world.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub kind: WorkloadKind,
    /// Names of the containers; each has a repository of its own, with the same tags.
    pub containers: Vec<&'static str>,
    pub frontier: usize,
    /// Hours of the day, UTC, at which windows open, and for how many hours.
    pub windows: Vec<(u64, u64)>,
    pub minimum_age: Duration,
    pub delay: Duration,
    pub cooldown: Duration,
    pub stable_for: Duration,
    pub rolls_back: bool,
    pub needs_approval: bool,
    /// Whether the registry tells when a tag was pushed.
    pub is_dated: bool,
    /// By index in [`TAGS`].
    pub fates: Vec<Fate>,
}

impl Setup {
    /// A Deployment of one container that is updated at once, with a frontier of 2.
    pub(super) fn plain() -> Self {
        Self {
            kind: WorkloadKind::Deployment,
            containers: vec!["app"],
            frontier: 2,
            windows: Vec::new(),
            minimum_age: Duration::ZERO,
            delay: Duration::ZERO,
            cooldown: Duration::ZERO,
            stable_for: Duration::ZERO,
            rolls_back: true,
            needs_approval: false,
            is_dated: false,
            fates: vec![Fate::Good; TAGS.len()],
        }
    }

    /// The hour of the day is all that counts.
    pub(super) fn is_open(&self, at: Timestamp) -> bool {
        let hour = at.as_second().rem_euclid(24 * 3_600).unsigned_abs() / 3_600;
        let is_in = |&(start, hours): &(u64, u64)| (hour + 24 - start) % 24 < hours;
        self.windows.is_empty() || self.windows.iter().any(is_in)
    }

    fn handler(&self) -> VersioningHandler {
        let seconds = |time: Duration| format!("{}s", time.as_secs());
        let window =
            |(start, hours): &(u64, u64)| json!({"start": format!("0 {start} * * *"), "duration": format!("{hours}h")});
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
            "metadata": {"name": "web", "namespace": "team-a", "generation": 1, "resourceVersion": "1"},
            "spec": {
                "workload": {"kind": self.kind, "name": "web"}, "containerregistry": "oci", "frontier": self.frontier,
                "windows": self.windows.iter().map(window).collect::<Vec<_>>(), "minimumAge": seconds(self.minimum_age),
                "delayBetweenUpdates": seconds(self.delay), "cooldown": seconds(self.cooldown),
                "rollback": if self.rolls_back { "OnFailure" } else { "Never" }, "interval": "720h",
                "approval": if self.needs_approval { "Required" } else { "NotRequired" },
                "rollout": {"stableFor": seconds(self.stable_for)},
            },
        }))
        .unwrap()
    }

    fn workload(&self) -> Value {
        let containers = self.containers.iter().map(|name| json!({"name": name, "image": image(name, FIRST)}));
        let pod = json!({"metadata": {}, "spec": {"containers": containers.collect::<Vec<_>>()}});
        let spec = match self.kind {
            WorkloadKind::CronJob => json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": pod}}}),
            _ => json!({"selector": {}, "serviceName": "web", "template": pod}),
        };
        json!({"metadata": {"name": "web", "namespace": "team-a", "generation": 1}, "spec": spec})
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// So much time goes by.
    Wait(Duration),
    /// A tag is pushed, if it is not there.
    Push(usize),
    /// A tag is deleted, if it is there.
    Delete(usize),
    /// The workload's controller and its pods go one step on.
    GoOn,
    /// Somebody does something.
    Human(Human),
    /// The handler is reconciled.
    Check {
        /// When the operator is killed, if it is.
        death: Option<Death>,
        /// What happens just after the operator has looked.
        meanwhile: Option<Meanwhile>,
    },
}

/// What happens while a handler is reconciled.
#[derive(Clone, Debug)]
pub(super) enum Meanwhile {
    Delete(usize),
    Human(Human),
}

/// When an operator is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// An update is announced, and the answers stand in the annotations still.
    Announced,
    /// All that is left to do is to change the workload.
    BeforeThePatch,
    /// The workload is changed, and the status does not say so.
    AfterThePatch,
    /// The status is written, and the answers stand in the annotations still.
    Reported,
}

/// What somebody does. Containers by their index, tags by theirs.
#[derive(Clone, Debug)]
pub(super) enum Human {
    /// Sets an image.
    Set(usize, usize),
    /// Sets the image that was there before the last update.
    SetBack(usize),
    /// Approves some tag.
    Approve(usize, usize),
    /// Approves what is offered, or held.
    ApproveOffered(usize),
    /// Skips some tag.
    Skip(usize, usize),
    /// Wants the last update taken back.
    RollBack(usize),
    Mode(Option<Mode>),
    Suspend(bool),
}

/// How far the workload's controller is with the current pod template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Controller {
    /// It has not looked at it yet.
    Lagging,
    Replacing,
    Done,
    Stuck,
    Crashed,
    /// All pods are available, some of them again.
    Restarted,
}

/// A change of an image by the operator, with what held when it was decided.
#[derive(Clone, Debug)]
pub(super) struct Patched {
    pub at: Timestamp,
    pub container: String,
    pub from: String,
    pub to: String,
    pub is_rollback: bool,
    pub mode: Option<Mode>,
    pub is_suspended: bool,
    /// Since when the tag counts as known: pushed, if the registry tells, else seen first by a check that was written down.
    pub known_since: Option<Timestamp>,
}

/// What has happened, as far as a law is about it.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    Patched(Patched),
    /// The status says that an update is about to be made.
    Announced {
        container: String,
        from: String,
        to: String,
    },
    /// Somebody has set an image.
    Set {
        container: String,
        to: String,
    },
    /// Somebody has approved a tag.
    Approved {
        container: String,
        tag: String,
    },
    /// Somebody wants the last update taken back.
    RollbackAsked {
        container: String,
    },
    /// A status was written, or says already what it would, by a check that has looked after so many facts.
    Written {
        looked: usize,
    },
}

pub(super) struct World {
    pub setup: Setup,
    config: Config,
    pub now: Timestamp,
    pub handler: VersioningHandler,
    workload: Value,
    controller: Controller,
    /// What is in the registry, in the order in which it was pushed.
    pub registry: Vec<usize>,
    /// When each tag was pushed last, and first seen by a check that was written down.
    pushed: BTreeMap<usize, Timestamp>,
    seen: BTreeMap<usize, Timestamp>,
    pub facts: Vec<Fact>,
    /// How long the last check that came to its end would wait for the next.
    pub wait: Duration,
}

pub(super) fn image(container: &str, tag: usize) -> String {
    format!("ghcr.io/a/{container}:{}", TAGS[tag])
}

/// Index of the tag of an image.
pub(super) fn tag_of(image: &str) -> usize {
    let tag = image.rsplit(':').next().unwrap();
    TAGS.iter().position(|known| *known == tag).unwrap()
}

pub(super) fn version(tag: usize) -> Version {
    let levels = TAGS[tag].split('.').map(|level| level.parse().unwrap()).collect();
    Version { levels, ..Version::default() }
}

/// As the API server keeps a time.
pub(super) fn whole(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap()
}

/// As somebody gets it back from the API server.
fn stored<T: serde::Serialize + serde::de::DeserializeOwned>(object: &T) -> T {
    serde_json::from_value(serde_json::to_value(object).unwrap()).unwrap()
}

impl World {
    pub(super) fn new(setup: Setup) -> Self {
        // A Monday, at midnight, and no whole second.
        let now = Timestamp::from_millisecond(1_767_571_200_700).unwrap();
        Self {
            config: RawConfig::default().check().unwrap(),
            now,
            handler: setup.handler(),
            workload: setup.workload(),
            controller: Controller::Done,
            registry: (0..=FIRST).collect(),
            pushed: (0..=FIRST).map(|tag| (tag, now)).collect(),
            seen: BTreeMap::new(),
            facts: Vec::new(),
            wait: Duration::ZERO,
            setup,
        }
    }

    /// A world in which all that has happened.
    pub(super) fn after(setup: Setup, events: &[Event]) -> Self {
        let mut world = Self::new(setup);
        for event in events {
            world.happen(event);
        }
        world
    }

    pub(super) fn happen(&mut self, event: &Event) {
        match event {
            Event::Wait(time) => self.now += *time,
            Event::Push(tag) if !self.registry.contains(tag) => {
                self.registry.push(*tag);
                self.pushed.insert(*tag, self.now);
            }
            Event::Push(_) => {}
            Event::Delete(tag) => self.registry.retain(|known| known != tag),
            Event::GoOn => {
                self.go_on();
            }
            Event::Human(human) => self.human(human),
            Event::Check { death, meanwhile } => {
                // An update is known by the second in which it was announced.
                self.now += Duration::from_secs(1);
                self.check(*death, meanwhile.as_ref());
            }
        }
    }

    pub(super) fn status(&self) -> VersioningHandlerStatus {
        self.handler.status.clone().unwrap_or_default()
    }

    fn known(&self, container: &str) -> Option<&ContainerStatus> {
        self.handler.status.as_ref()?.container(container)
    }

    pub(super) fn patches(&self) -> impl Iterator<Item = &Patched> {
        self.facts.iter().filter_map(|fact| if let Fact::Patched(patched) = fact { Some(patched) } else { None })
    }

    /// Containers and their images in the spec of the workload.
    pub(super) fn containers(&self) -> Vec<Container> {
        containers(&self.read())
    }

    fn read(&self) -> Workload {
        fn typed<T: serde::de::DeserializeOwned>(workload: &Value) -> Arc<T> {
            Arc::new(serde_json::from_value(workload.clone()).unwrap())
        }
        match self.setup.kind {
            WorkloadKind::Deployment => Workload::Deployment(typed(&self.workload)),
            WorkloadKind::StatefulSet => Workload::StatefulSet(typed(&self.workload)),
            WorkloadKind::DaemonSet => Workload::DaemonSet(typed(&self.workload)),
            WorkloadKind::CronJob => Workload::CronJob(typed(&self.workload)),
        }
    }

    fn fates(&self) -> Vec<(String, Fate)> {
        let fate = |container: Container| (container.name, self.setup.fates[tag_of(&container.image)]);
        self.containers().into_iter().map(fate).collect()
    }

    /// Whether pods never become ready because of an image that the operator has not set.
    pub(super) fn is_broken_by_somebody(&self) -> bool {
        let is_set = |container: &Container| {
            let last = self.facts.iter().rev().find_map(|fact| match fact {
                Fact::Set { container: of, .. } if *of == container.name => Some(true),
                Fact::Patched(patched) if patched.container == container.name => Some(patched.is_rollback),
                _ => None,
            });
            last.unwrap_or(true)
        };
        let is_stuck = |container: &Container| self.setup.fates[tag_of(&container.image)] == Fate::Stuck;
        self.containers().iter().any(|container| is_stuck(container) && is_set(container))
    }

    /// Says whether anything has changed.
    pub(super) fn go_on(&mut self) -> bool {
        let before = self.controller;
        let fates = self.fates();
        let is_any = |fate: Fate| fates.iter().any(|(_, is)| *is == fate);
        self.controller = match self.controller {
            Controller::Lagging => Controller::Replacing,
            Controller::Replacing if is_any(Fate::Stuck) => Controller::Stuck,
            Controller::Replacing => Controller::Done,
            // A Job ends once.
            Controller::Done if is_any(Fate::Crashes) && self.setup.kind != WorkloadKind::CronJob => {
                Controller::Crashed
            }
            Controller::Crashed => Controller::Restarted,
            other => other,
        };
        self.controller != before
    }

    /// What somebody has done to the pod template has another generation, and the controller has not seen it.
    fn template_changed(&mut self) -> i64 {
        let generation = &mut self.workload["metadata"]["generation"];
        let next = generation.as_i64().unwrap() + 1;
        *generation = next.into();
        self.controller = Controller::Lagging;
        next
    }

    fn human(&mut self, human: &Human) {
        let name = |container: &usize| self.setup.containers[container % self.setup.containers.len()].to_owned();
        match human {
            Human::Set(container, tag) => {
                let name = name(container);
                self.set(&name, &image(&name, *tag));
            }
            Human::SetBack(container) => {
                let name = name(container);
                let from = self.patches().filter(|patched| patched.container == name).last().map(|it| it.from.clone());
                if let Some(from) = from {
                    self.set(&name, &from);
                }
            }
            Human::Approve(container, tag) => {
                let name = name(container);
                self.answer(APPROVE, &name, TAGS[*tag]);
            }
            Human::ApproveOffered(container) => {
                let name = name(container);
                let known = self.known(&name);
                let offered = known.and_then(|known| {
                    known.reported.clone().or_else(|| known.held.last().map(|held| held.tag.clone()))
                });
                if let Some(tag) = offered {
                    self.answer(APPROVE, &name, &tag);
                }
            }
            Human::Skip(container, tag) => {
                let name = name(container);
                self.answer(SKIP, &name, TAGS[*tag]);
            }
            Human::RollBack(container) => {
                let name = name(container);
                let to = self.known(&name).and_then(|known| Some(known.update.as_ref()?.to.clone()));
                if let Some(to) = to {
                    self.answer(ROLLBACK, &name, TAGS[tag_of(&to)]);
                }
            }
            Human::Mode(mode) => {
                self.handler.spec.mode = *mode;
                self.handler_changed(true);
            }
            Human::Suspend(suspend) => {
                self.handler.spec.suspend = *suspend;
                self.handler_changed(true);
            }
        }
    }

    fn set(&mut self, container: &str, to: &str) {
        let Some(found) = self.containers().into_iter().find(|it| it.name == container && it.image != to) else {
            return;
        };
        if self.is_in_the_gap(container, to) {
            return;
        }
        let path = [self.setup.kind.template_path(), &["spec", "containers"]].concat();
        let list = path.iter().fold(&mut self.workload, |value, key| &mut value[*key]);
        list[found.index]["image"] = to.into();
        self.template_changed();
        self.facts.push(Fact::Set { container: container.to_owned(), to: to.to_owned() });
    }

    /// Whether nothing but the image can tell that the operator has made its last change: it was killed before the status could say so. Who
    /// sets the image before back in this very moment is taken for the one who has never seen the change, and it is made once more. Only an
    /// approval is worth a guard against that, which is the generation in the patch.
    fn is_in_the_gap(&self, container: &str, to: &str) -> bool {
        let written = self.facts.iter().rposition(|fact| matches!(fact, Fact::Written { .. })).unwrap_or(0);
        // A rollback leaves an annotation on the workload.
        let is_it = |fact: &Fact| matches!(fact, Fact::Patched(it) if it.container == container && it.from == to && !it.is_rollback);
        self.facts[written..].iter().any(is_it)
    }

    fn answer(&mut self, annotation: &str, container: &str, tag: &str) {
        let (container, tag) = (container.to_owned(), tag.to_owned());
        let annotations = self.handler.metadata.annotations.get_or_insert_default();
        annotations.insert(BY.to_owned(), "ada".to_owned());
        let said = annotations.entry(annotation.to_owned()).or_default();
        *said = if said.is_empty() { format!("{container}={tag}") } else { format!("{said},{container}={tag}") };
        self.handler_changed(false);
        match annotation {
            APPROVE => self.facts.push(Fact::Approved { container, tag }),
            ROLLBACK => self.facts.push(Fact::RollbackAsked { container }),
            _ => {}
        }
    }

    fn handler_changed(&mut self, is_spec: bool) {
        let metadata = &mut self.handler.metadata;
        metadata.generation = metadata.generation.map(|generation| generation + i64::from(is_spec));
        let version: u64 = metadata.resource_version.as_deref().unwrap().parse().unwrap();
        metadata.resource_version = Some((version + 1).to_string());
    }

    /// Writes the status over the object that `base` is. Gives it as it is then; none if somebody has changed it since.
    fn write(&mut self, base: &VersioningHandler, status: &VersioningHandlerStatus) -> Option<VersioningHandler> {
        if base.metadata.resource_version != self.handler.metadata.resource_version {
            return None;
        }
        self.handler.status = Some(stored(status));
        self.handler_changed(false);
        Some(self.handler.clone())
    }

    fn remove_answers(&mut self, base: VersioningHandler, target: &mut Target) -> Option<VersioningHandler> {
        let annotations = std::mem::take(&mut target.answers.annotations);
        if annotations.is_empty() {
            return Some(base);
        }
        if base.metadata.resource_version != self.handler.metadata.resource_version {
            return None;
        }
        let known = self.handler.metadata.annotations.get_or_insert_default();
        known.retain(|name, _| !annotations.contains(name.as_str()));
        self.handler_changed(false);
        Some(self.handler.clone())
    }

    /// One reconcile, as [`reconcile`](crate::reconcile::reconcile) has it. None if it ended early.
    pub(super) fn check(&mut self, death: Option<Death>, meanwhile: Option<&Meanwhile>) -> Option<()> {
        let (now, visible, mut handler) = (self.now, self.registry.clone(), self.handler.clone());
        let looked = self.facts.len();
        let target = validate(&handler, &self.config).unwrap();
        self.wait = target.interval;
        if target.is_suspended {
            let status = changed(&handler, status_suspended(&target.before, &handler, now), now)?;
            return self.write(&handler, &status).map(drop);
        }
        let mut decision = decide(self.observe(target), now);
        match meanwhile {
            Some(Meanwhile::Human(human)) => self.human(human),
            Some(Meanwhile::Delete(tag)) => self.registry.retain(|known| known != tag),
            None => {}
        }
        if !decision.updates.is_empty() {
            if let Some(status) = announced(handler.status.as_ref(), &mut decision, None, now) {
                handler = self.write(&handler, &status)?;
                self.written(&visible, looked);
                for Change { container, from, to, .. } in changes(&decision).filter(|it| it.rolls_back.is_none()) {
                    self.facts.push(Fact::Announced { container, from, to });
                }
            }
            if death == Some(Death::Announced) {
                return None;
            }
            handler = self.remove_answers(handler, &mut decision.target)?;
            if death == Some(Death::BeforeThePatch) {
                return None;
            }
        }
        let failure = if decision.updates.is_empty() { None } else { self.act(&handler, &mut decision) };
        if death == Some(Death::AfterThePatch) {
            return None;
        }
        let mut checked = Checked::new(decision, handler, failure);
        let problems = checked.problems();
        let findings = findings(&checked, &problems);
        self.wait = checked.next_check();
        let status = status_after(&mut checked, findings, self.wait, now);
        let mut handler = checked.handler.clone();
        if let Some(status) = changed(&handler, status, now) {
            handler = self.write(&handler, &status)?;
        }
        self.written(&visible, looked);
        if death == Some(Death::Reported) {
            return None;
        }
        self.remove_answers(handler, &mut checked.decision.target).map(drop)
    }

    /// Notes that a status was written by a check that saw these tags when so many facts were known.
    fn written(&mut self, tags: &[usize], looked: usize) {
        for tag in tags {
            self.seen.entry(*tag).or_insert(whole(self.now));
        }
        self.facts.push(Fact::Written { looked });
    }

    fn observe(&self, target: Target) -> Observed {
        let workload = self.read();
        let found = containers(&workload);
        let is_alone = found.len() == 1;
        let awaited: Vec<&str> = found
            .iter()
            .filter(|container| {
                let update = target.before.container(&container.name).and_then(|known| known.update.as_ref());
                update.is_some_and(|update| update.to == container.image && is_awaited(update))
            })
            .map(|container| container.name.as_str())
            .collect();
        let (rollout, complaint) = (self.rollout(!awaited.is_empty()), self.complaint(&awaited));
        let observed = found.iter().cloned().map(|container| {
            let answers = target.answers_for(&container.name, is_alone);
            let tags = Tags {
                image: container.image.parse().unwrap(),
                policy: target.plan_of(&container.name).unwrap().policy.clone(),
                current: self.tagged(tag_of(&container.image)),
                candidates: self.registry.iter().map(|tag| self.tagged(*tag)).collect(),
                first_seen: Vec::new(),
                approved: None,
                after: None,
            };
            let tags = tags.with_what_is_known(&target, &container.name, &answers, self.now);
            ObservedContainer { container, answers, state: Ok(Choice::Tags(Box::new(tags))), link_facts: None }
        });
        Observed {
            containers: observed.collect(),
            rollout,
            template: Template::of(&workload),
            owner: None,
            complaint,
            inquiries: BTreeMap::new(),
            target,
        }
    }

    fn tagged(&self, tag: usize) -> Tagged {
        let since = self.pushed.get(&tag).copied().filter(|_| self.setup.is_dated);
        Tagged { since, ..Tagged::new(TAGS[tag], Some(version(tag))) }
    }

    fn rollout(&self, is_awaited: bool) -> Rollout {
        let progressing = || Rollout::Progressing { waits_for: "pods".to_owned() };
        let failed = || Rollout::Failed { message: "it is stuck".to_owned() };
        match (self.setup.kind, self.controller) {
            (WorkloadKind::CronJob, _) if !is_awaited => Rollout::Applied { hint: "later".to_owned() },
            (_, Controller::Done | Controller::Restarted) => Rollout::Finished,
            (WorkloadKind::Deployment | WorkloadKind::CronJob, Controller::Stuck) => failed(),
            (_, Controller::Lagging | Controller::Replacing | Controller::Stuck | Controller::Crashed) => progressing(),
        }
    }

    fn complaint(&self, awaited: &[&str]) -> Option<Complaint> {
        let is_bad = matches!(self.controller, Controller::Stuck | Controller::Crashed | Controller::Restarted);
        if awaited.is_empty() || !is_bad {
            return None;
        }
        let guilty = self.fates().into_iter().find(|(_, fate)| *fate != Fate::Good).map(|(name, _)| name);
        let container = guilty.filter(|name| awaited.contains(&name.as_str()));
        Some(Complaint { is_crash: container.is_some(), container, text: "exit code 1".to_owned() })
    }

    /// The patch as the API server would take or refuse it.
    fn act(&mut self, handler: &VersioningHandler, decision: &mut Decision) -> Option<UpdateFailure> {
        let is_gone = |tag: &String| !self.registry.iter().any(|known| TAGS[*known] == tag);
        let gone = decision.updates.iter().find(|update| !update.is_rollback() && is_gone(&update.tag));
        if let Some(gone) = gone {
            return Some(UpdateFailure::Moved { tag: gone.tag.clone() });
        }
        let changes: Vec<Change> = changes(decision).collect();
        let mut patch = patch(self.setup.kind, &changes, &decision.template, self.now);
        // The API server takes what does not exist for null, the library does not.
        patch.0.retain(|operation| match operation {
            PatchOperation::Test(test) => !test.value.is_null() || test.path.resolve(&self.workload).is_ok(),
            _ => true,
        });
        let mut patched = self.workload.clone();
        if json_patch::patch(&mut patched, &patch).is_err() {
            let (namespace, name) = ("team-a".to_owned(), "web".to_owned());
            let overtaken = WorkloadError::Overtaken { kind: self.setup.kind, namespace, name };
            return Some(UpdateFailure::Workload(overtaken));
        }
        self.workload = patched;
        let generation = self.template_changed();
        for change in changes {
            let tag = tag_of(&change.to);
            let since = if self.setup.is_dated { &self.pushed } else { &self.seen };
            self.facts.push(Fact::Patched(Patched {
                at: self.now,
                container: change.container,
                from: change.from,
                to: change.to,
                is_rollback: change.rolls_back.is_some(),
                mode: handler.spec.mode,
                is_suspended: handler.spec.suspend,
                known_since: since.get(&tag).copied(),
            }));
        }
        let digests = vec![None; decision.updates.len()];
        note_made(decision, digests, Some(generation));
        None
    }
}

fn changes(decision: &Decision) -> impl Iterator<Item = Change> {
    decision.updates.iter().map(|update| update.change.clone())
}

/// As [`observe`](crate::reconcile::observe) has it.
fn is_awaited(update: &UpdateStatus) -> bool {
    matches!(update.phase, UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::Failed)
}
