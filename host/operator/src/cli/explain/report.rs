//! What is printed, for people and for programs. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use k8supdater_core::policy::{self, Policy, Tagged, Verdict};
use serde::Serialize;

use crate::api::pace::Mode;
use crate::api::rollout_status::{HeldTag, SeenTag, WaitStatus};
use crate::api::versioning_handler::{Approval, ApprovedTag, ContainerStatus};
use crate::api::workload::WorkloadRef;
use crate::cli::table::printable;
use crate::cli::verdicts;
use crate::reconcile::decide::{Decision, Happening};
use crate::reconcile::observe::{Choice, Moving, Observed, Tags};
use crate::workload::rollout::Rollout;

/// What a handler would do now, and why.
pub(super) struct Explanation {
    handler: String,
    workload: WorkloadRef,
    rollout: String,
    mode: Mode,
    owner: Option<String>,
    containers: Vec<Container>,
}

struct Container {
    name: String,
    plan: Option<PlanReport>,
    judged: Option<Judged>,
    moving: Option<MovingReport>,
    /// As it would stand in the status of the handler; apart from the image it is empty before anything is decided.
    status: ContainerStatus,
    update: Option<UpdateReport>,
    available: Option<String>,
    problem: Option<String>,
}

struct Judged {
    policy: Policy,
    current: Tagged,
    candidates: Vec<Tagged>,
    verdicts: Vec<Verdict>,
}

impl Explanation {
    /// What was observed; what follows from it is still to be [added](Self::decided).
    pub(super) fn of(observed: &Observed) -> Self {
        let target = &observed.target;
        let containers = observed.containers.iter().map(|container| {
            let (judged, moving) = match &container.state {
                Ok(Choice::Tags(tags)) => (Some(Judged::of(tags)), None),
                Ok(Choice::Moving(moving)) => (None, Some(MovingReport::new(moving))),
                Ok(Choice::Ignored) | Err(_) => (None, None),
            };
            let name = container.container.name.clone();
            let plan = target.plan_of(&name).map(|plan| PlanReport {
                frontier: plan.policy.frontier.to_string(),
                registry: plan.registry.plugin.clone(),
                parser: plan.parser.plugin.clone(),
                approval: if plan.needs_approval { Approval::Required } else { Approval::NotRequired },
                needs: judged
                    .as_ref()
                    .map_or_else(Vec::new, |judged| judged.policy.platforms.iter().map(ToString::to_string).collect()),
            });
            let status = ContainerStatus { image: container.container.image.clone(), ..ContainerStatus::default() };
            Container { name, plan, judged, moving, status, update: None, available: None, problem: None }
        });
        Self {
            handler: format!("{}/{}", target.handler.namespace, target.handler.name),
            workload: target.workload.clone(),
            rollout: match &observed.rollout {
                Rollout::Finished => "finished".to_owned(),
                Rollout::Applied { hint } => format!("finished: {hint}"),
                Rollout::Progressing { waits_for } => format!("waits for {waits_for}"),
                Rollout::Failed { message } => format!("failed: {message}"),
            },
            mode: Mode::Update,
            owner: None,
            containers: containers.collect(),
        }
    }

    /// Adds what was decided.
    pub(super) fn decided(&mut self, decision: &Decision) {
        self.mode = decision.mode;
        self.owner = decision.owner.as_ref().map(ToString::to_string);
        let problems: BTreeMap<&str, &str> =
            decision.problems.iter().map(|problem| (problem.container.as_str(), problem.message.as_str())).collect();
        for container in &mut self.containers {
            let Some(status) = decision.containers.iter().find(|status| status.name == container.name) else {
                continue;
            };
            container.status = status.clone();
            if let Some(judged) = &mut container.judged {
                judged.hold(&status.held);
            }
            let problem = problems.get(container.name.as_str()).map(|problem| (*problem).to_owned());
            container.problem = problem.or_else(|| status.problem.clone());
            let update = decision.updates.iter().find(|update| update.change.container == container.name);
            container.update = update.map(|update| UpdateReport {
                image: update.change.to.clone(),
                restart_for: update.change.restart_for.as_ref().map(ToString::to_string),
            });
            // Reported before or not: it is what stands in the status in the end.
            let told = decision.news.iter().find_map(|news| match &news.what {
                Happening::Available { to, .. } if news.container == container.name => Some(to.clone()),
                Happening::Available { .. }
                | Happening::Reached { .. }
                | Happening::Answered(_)
                | Happening::TagMoved { .. } => None,
            });
            container.available = told.or_else(|| status.reported.clone());
        }
    }

    /// Keeps only the container called `name`. If there is none, nothing changes, and the names that there are come back.
    pub(super) fn keep(&mut self, name: &str) -> Vec<String> {
        if !self.containers.iter().any(|container| container.name == name) {
            return self.containers.iter().map(|container| container.name.clone()).collect();
        }
        self.containers.retain(|container| container.name == name);
        Vec::new()
    }

    pub(super) fn text(&self) -> String {
        let owner = self.owner.as_ref().map(|owner| format!(" ({owner} sets its images)")).unwrap_or_default();
        let mode = format!("mode {:?}{}", self.mode, printable(&owner));
        let rollout = printable(&self.rollout);
        let mut text = format!("VersioningHandler {}, {}, {mode}, rollout {rollout}\n", self.handler, self.workload);
        for container in &self.containers {
            container.write(&mut text);
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let containers = self.containers.iter().map(Container::report).collect();
        let workload = self.workload.path();
        let Self { handler, rollout, mode, owner, .. } = self;
        let owner = owner.as_deref();
        let report = Report { handler, workload: &workload, rollout, mode: *mode, owner, containers };
        let mut text = serde_json::to_string_pretty(&report).expect("maps of text and lists can be written as JSON");
        text.push('\n');
        text
    }
}

impl Judged {
    fn of(tags: &Tags) -> Self {
        let (policy, current, candidates) = (tags.policy.clone(), tags.current.clone(), tags.candidates.to_vec());
        let verdicts = policy::decide(&policy, &current, &candidates).verdicts;
        Self { policy, current, candidates, verdicts }
    }

    /// The same, knowing which versions have failed or were taken back.
    fn hold(&mut self, held: &[HeldTag]) {
        self.policy.failed = held.iter().map(|held| held.tag.clone()).collect();
        self.verdicts = policy::decide(&self.policy, &self.current, &self.candidates).verdicts;
    }
}

impl Container {
    fn write(&self, text: &mut String) {
        text.push('\n');
        let mut line = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:<10} {}", printable(value));
        };
        line("container", &self.name);
        line("image", &self.status.image);
        if let Some(plan) = &self.plan {
            line("plugins", &format!("{} lists, {} reads versions", plan.registry, plan.parser));
            line("frontier", &plan.frontier);
            if !plan.needs.is_empty() {
                line("platforms", &plan.needs.join(", "));
            }
            if plan.approval == Approval::Required {
                line("approval", "Required");
            }
        }
        if let Some(moving) = &self.moving {
            line("registry", moving.registry.as_deref().unwrap_or("does not tell a digest"));
            line(
                "running",
                &if moving.running.is_empty() { "not known".to_owned() } else { moving.running.join(", ") },
            );
        }
        let status = &self.status;
        if let Some(moved_to) = &status.moved_to {
            line("moved to", moved_to);
        }
        line("decision", &status.decision);
        if let Some(update) = &self.update {
            match &update.restart_for {
                Some(digest) => line("restart", &format!("for {digest}")),
                None => line("update", &update.image),
            }
        }
        if let Some(ApprovedTag { tag, by, .. }) = &status.approved {
            line("approved", &format!("{tag}, by {by}"));
        }
        if let Some(WaitStatus { tag, until, message, .. }) = &status.waits {
            let until = until.as_ref().map(|until| format!(" until {}", until.0)).unwrap_or_default();
            line("waits", &format!("{tag}{until}: {message}"));
        }
        for SeenTag { tag, at } in &status.first_seen {
            line("seen", &format!("{tag} since {}", at.0));
        }
        for HeldTag { tag, message, at, .. } in &status.held {
            line("held", &format!("{tag} since {}: {message}", at.0));
        }
        if let Some(preview) = &status.preview {
            line("preview", preview);
        }
        if let Some(available) = &self.available {
            line("available", available);
        }
        if let Some(problem) = &self.problem {
            line("problem", problem);
        }
        if let Some(judged) = &self.judged {
            let table = verdicts::table(&judged.policy, &judged.current, &judged.candidates, &judged.verdicts);
            let _ = write!(text, "\n{table}");
        }
    }

    fn report(&self) -> ContainerReport<'_> {
        let candidates = self.judged.as_ref().map(|judged| {
            let candidate = |(tagged, verdict): (&Tagged, Verdict)| CandidateReport {
                tag: tagged.tag.clone(),
                version: tagged.version.as_ref().map(ToString::to_string),
                verdict: verdict.reason(),
                rule: verdict.explain(&judged.policy, &judged.current, tagged),
            };
            verdicts::newest_first(&judged.candidates, &judged.verdicts).into_iter().map(candidate).collect()
        });
        let status = &self.status;
        ContainerReport {
            name: &self.name,
            image: &status.image,
            decision: &status.decision,
            approved: status.approved.as_ref(),
            waits: status.waits.as_ref(),
            first_seen: &status.first_seen,
            held: &status.held,
            moved_to: status.moved_to.as_deref(),
            preview: status.preview.as_deref(),
            update: self.update.as_ref(),
            available: self.available.as_deref(),
            problem: self.problem.as_deref(),
            policy: self.plan.as_ref(),
            moving: self.moving.as_ref(),
            candidates,
        }
    }
}

impl MovingReport {
    fn new(moving: &Moving) -> Self {
        Self {
            registry: moving.registry.as_ref().map(ToString::to_string),
            members: moving.members.iter().map(ToString::to_string).collect(),
            running: moving.running.iter().map(|running| running.digest.to_string()).collect(),
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    handler: &'a str,
    workload: &'a str,
    rollout: &'a str,
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    containers: Vec<ContainerReport<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerReport<'a> {
    name: &'a str,
    image: &'a str,
    decision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved: Option<&'a ApprovedTag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<&'a WaitStatus>,
    #[serde(skip_serializing_if = "<[SeenTag]>::is_empty")]
    first_seen: &'a [SeenTag],
    #[serde(skip_serializing_if = "<[HeldTag]>::is_empty")]
    held: &'a [HeldTag],
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_to: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<&'a UpdateReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a PlanReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moving: Option<&'a MovingReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<Vec<CandidateReport>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdateReport {
    image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_for: Option<String>,
}

#[derive(Serialize)]
struct PlanReport {
    frontier: String,
    registry: String,
    parser: String,
    approval: Approval,
    /// Platforms that a candidate must have.
    needs: Vec<String>,
}

#[derive(Serialize)]
struct MovingReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<String>,
    /// The images behind that, if it is an index; asked for only where something else runs.
    #[serde(rename = "images")]
    members: Vec<String>,
    running: Vec<String>,
}

#[derive(Serialize)]
struct CandidateReport {
    tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    verdict: &'static str,
    rule: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::workload::WorkloadKind;

    fn explanation(mode: Mode, owner: Option<&str>, status: &Value) -> Explanation {
        let mut full = json!({"name": "app", "image": "app:1.0", "decision": "None"});
        full.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        let container = Container {
            name: "app".to_owned(),
            plan: None,
            judged: None,
            moving: None,
            status: serde_json::from_value(full).unwrap(),
            update: None,
            available: None,
            problem: None,
        };
        Explanation {
            handler: "team-a/web".to_owned(),
            workload: WorkloadRef { kind: WorkloadKind::Deployment, name: "web".to_owned() },
            rollout: "finished".to_owned(),
            mode,
            owner: owner.map(str::to_owned),
            containers: vec![container],
        }
    }

    #[test]
    fn what_is_waited_for_and_held_is_said() {
        let at = "2026-01-02T03:04:05Z";
        let status = json!({
            "decision": "Wait", "movedTo": "sha256:0",
            "approved": {"tag": "1.2", "by": "ada", "at": at},
            "waits": {"tag": "1.2", "until": at, "reason": "OutsideWindow", "message": "the window is closed"},
            "firstSeen": [{"tag": "1.3", "at": at}],
            "held": [{"tag": "1.1", "reason": "RolloutFailed", "message": "it crashed\u{1b}", "at": at}],
        });
        let explanation = explanation(Mode::Notify, Some("Argo CD application shop"), &status);
        let expected = "\
VersioningHandler team-a/web, Deployment web, mode Notify (Argo CD application shop sets its images), rollout finished

  container  app
  image      app:1.0
  moved to   sha256:0
  decision   Wait
  approved   1.2, by ada
  waits      1.2 until 2026-01-02T03:04:05Z: the window is closed
  seen       1.3 since 2026-01-02T03:04:05Z
  held       1.1 since 2026-01-02T03:04:05Z: it crashed\\u{1b}
";
        assert_eq!(explanation.text(), expected);
        let report: Value = serde_json::from_str(&explanation.json()).unwrap();
        assert_eq!((&report["mode"], &report["owner"]), (&json!("Notify"), &json!("Argo CD application shop")));
        for field in ["decision", "movedTo", "approved", "waits", "firstSeen", "held"] {
            assert_eq!(report["containers"][0][field], status[field], "{field}");
        }
    }

    #[test]
    fn what_a_preview_would_do_is_said() {
        let explanation = explanation(Mode::Preview, None, &json!({"preview": "would do nothing"}));
        let text = explanation.text();
        assert!(text.starts_with("VersioningHandler team-a/web, Deployment web, mode Preview, rollout"), "{text}");
        assert!(text.ends_with("\n  preview    would do nothing\n"), "{text}");
    }

    #[test]
    fn what_is_held_is_not_the_one_to_apply() {
        let version = |tag: &str| {
            let levels = tag.split('.').map(|level| level.parse().unwrap()).collect();
            Tagged::new(tag, Some(k8supdater_core::version::Version { levels, ..Default::default() }))
        };
        let mut judged = Judged {
            policy: Policy::new(policy::Frontier::new(1).unwrap()),
            current: version("1.0"),
            candidates: vec![version("1.0"), version("1.1")],
            verdicts: Vec::new(),
        };
        let mut verdict = |held: &[HeldTag]| {
            judged.hold(held);
            judged.verdicts[1].reason()
        };
        assert_eq!(verdict(&[]), "Update");
        let held = json!({"tag": "1.1", "reason": "RolledBack", "message": "", "at": "2026-01-02T03:04:05Z"});
        assert_eq!(verdict(&[serde_json::from_value(held).unwrap()]), "OnHold");
    }
}
