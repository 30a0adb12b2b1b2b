//! A check of a Deployment as JSON has it, for the tables beside this file. All times are seconds since the epoch, and it is 1000.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8supdater_core::image::Digest;
use k8supdater_core::policy::Tagged;
use k8supdater_core::version::Version;
use serde_json::{Value, json};

use crate::api::VersioningHandler;
use crate::api::versioning_handler::ContainerStatus;
use crate::config::RawConfig;
use crate::reconcile::decide::{Decision, Happening, decide};
use crate::reconcile::observe::{Choice, Moving, Observed, ObservedContainer, Tags};
use crate::reconcile::validate::{Target, validate};
use crate::workload::containers::{Container, List};
use crate::workload::patch::Template;
use crate::workload::pods::Complaint;
use crate::workload::rollout::Rollout;
use k8supdater_core::policy::moving::PullPolicy;

/// What is looked at.
pub(super) struct Scene {
    /// Fields of the spec, beside what every handler has.
    pub spec: Value,
    /// Annotations without their prefix.
    pub answers: Vec<(&'static str, String)>,
    /// The statuses of containers before, `[["app", {…}]]`; of image and decision there is something already.
    pub before: Vec<(&'static str, Value)>,
    pub history: Value,
    /// Names of the containers and their images.
    pub images: Vec<(&'static str, String)>,
    /// All tags of the repository, separated by spaces.
    pub tags: &'static str,
    /// What the current tag points at.
    pub digest: Option<Digest>,
    pub rollout: Rollout,
    pub complaint: Option<Complaint>,
}

/// The container `app` with the image `app:1.0.0`, a frontier of 2, and nothing that has happened yet.
pub(super) fn scene() -> Scene {
    Scene {
        spec: json!({}),
        answers: Vec::new(),
        before: Vec::new(),
        history: json!([]),
        images: vec![("app", "app:1.0.0".to_owned())],
        tags: "1.0.0 1.0.1",
        digest: None,
        rollout: Rollout::Finished,
        complaint: None,
    }
}

pub(super) fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// That second in JSON.
pub(super) fn at(time: i64) -> Value {
    second(time).to_string().into()
}

pub(super) fn progressing() -> Rollout {
    Rollout::Progressing { waits_for: "pods".to_owned() }
}

/// An update of `app` that began at second 900.
pub(super) fn update(from: &str, to: &str, phase: &str) -> Value {
    json!({"from": format!("app:{from}"), "to": format!("app:{to}"), "phase": phase, "started": at(900)})
}

fn tagged(tag: &str) -> Tagged {
    let levels = tag.split('.').map(|level| level.parse().unwrap()).collect();
    Tagged::new(tag, Some(Version { levels, ..Version::default() }))
}

impl Scene {
    /// What is decided where the tags are versions.
    pub(super) fn decided(self) -> Decision {
        let (tags, digest) = (self.tags, self.digest.clone());
        self.decided_on(|target, container| {
            let Some(plan) = target.plan_of(&container.name) else { return Choice::Ignored };
            let image: k8supdater_core::image::ImageReference = container.image.parse().unwrap();
            let current = image.tag().unwrap().to_owned();
            let answers = target.answers_for(&container.name, true);
            let tags = Tags {
                policy: plan.policy.clone(),
                current: Tagged { digest: image.digest().cloned().or(digest.clone()), ..tagged(&current) },
                image,
                candidates: tags.split_whitespace().map(tagged).collect(),
                first_seen: Vec::new(),
                approved: None,
                after: None,
            };
            Choice::Tags(Box::new(tags.with_what_is_known(target, &container.name, &answers, second(1_000))))
        })
    }

    /// What is decided where they move.
    pub(super) fn decided_on_moving(self, moving: impl Fn() -> Moving) -> Decision {
        self.decided_on(|_, _| Choice::Moving(Box::new(moving())))
    }

    fn decided_on(self, choice: impl Fn(&Target, &Container) -> Choice) -> Decision {
        let mut spec = json!({"deployment": "web", "containerregistry": "oci", "frontier": 2});
        spec.as_object_mut().unwrap().extend(self.spec.as_object().unwrap().clone());
        let image = |name: &str| &self.images.iter().find(|(known, _)| *known == name).unwrap().1;
        let before = self.before.iter().map(|(name, fields)| {
            let mut before = json!({"name": name, "image": image(name), "decision": "None"});
            before.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            before
        });
        let answers: BTreeMap<String, &String> =
            self.answers.iter().map(|(name, value)| (format!("k8supdater.dev/{name}"), value)).collect();
        let handler: VersioningHandler = serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
            "metadata": {"name": "web", "namespace": "team-a", "annotations": answers},
            "spec": spec, "status": {"containers": before.collect::<Vec<_>>(), "history": self.history},
        }))
        .unwrap();
        let target = validate(&handler, &RawConfig::default().check().unwrap()).unwrap();
        let is_alone = self.images.len() == 1;
        let observed = self.images.iter().enumerate().map(|(index, (name, image))| {
            let container = Container {
                list: List::Containers,
                index,
                name: (*name).to_owned(),
                image: image.clone(),
                pull_policy: PullPolicy::Always,
                restarted_for: None,
                rolled_back: None,
            };
            let answers = target.answers_for(name, is_alone);
            ObservedContainer { state: Ok(choice(&target, &container)), container, answers, link_facts: None }
        });
        let observed = Observed {
            containers: observed.collect(),
            rollout: self.rollout,
            template: Template { generation: Some(5), ..Template::default() },
            owner: None,
            complaint: self.complaint,
            inquiries: BTreeMap::new(),
            target,
        };
        decide(observed, second(1_000))
    }
}

/// For what a container waits, and until when.
pub(super) fn waits(status: &ContainerStatus) -> Option<(&str, Option<i64>)> {
    let waits = status.waits.as_ref()?;
    Some((waits.reason.as_str(), waits.until.as_ref().map(|until| until.0.as_second())))
}

/// The images that are set, as `from -> to`, with an arrow back for a rollback.
pub(super) fn changes(decision: &Decision) -> Vec<String> {
    let change = |update: &crate::reconcile::decide::Update| {
        let arrow = if update.is_rollback() { "<-" } else { "->" };
        format!("{} {arrow} {}", update.change.from, update.change.to)
    };
    decision.updates.iter().map(change).collect()
}

/// What is said of answers and of tags that moved.
pub(super) fn said(decision: &Decision) -> Vec<String> {
    let say = |what: &Happening| match what {
        Happening::Answered(answered) => Some(answered.saying("").reason.to_owned()),
        Happening::TagMoved { tag, .. } => Some(format!("TagMoved {tag}")),
        Happening::Available { .. } | Happening::Reached { .. } => None,
    };
    decision.news.iter().filter_map(|news| say(&news.what)).collect()
}
