//! What is printed, for people and for programs. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use k8supdater_core::policy::{self, Policy, Tagged, Verdict};
use serde::Serialize;

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
    containers: Vec<Container>,
}

struct Container {
    name: String,
    image: String,
    plan: Option<PlanReport>,
    judged: Option<Judged>,
    moving: Option<MovingReport>,
    decision: String,
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
                Ok(Choice::Tags(tags)) => (Some(judge(tags)), None),
                Ok(Choice::Moving(moving)) => (None, Some(MovingReport::new(moving))),
                Ok(Choice::Ignored) | Err(_) => (None, None),
            };
            let name = container.container.name.clone();
            let plan = target.plan_of(&name).map(|plan| PlanReport {
                frontier: plan.policy.frontier.to_string(),
                registry: plan.registry.plugin.clone(),
                parser: plan.parser.plugin.clone(),
                needs: judged
                    .as_ref()
                    .map_or_else(Vec::new, |judged| judged.policy.platforms.iter().map(ToString::to_string).collect()),
            });
            let image = container.container.image.clone();
            let decision = String::new();
            Container { name, image, plan, judged, moving, decision, update: None, available: None, problem: None }
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
            containers: containers.collect(),
        }
    }

    /// Adds what was decided.
    pub(super) fn decided(&mut self, decision: &Decision) {
        let problems: BTreeMap<&str, &str> =
            decision.problems.iter().map(|problem| (problem.container.as_str(), problem.message.as_str())).collect();
        for container in &mut self.containers {
            let Some(status) = decision.containers.iter().find(|status| status.name == container.name) else {
                continue;
            };
            container.decision.clone_from(&status.decision);
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
        let mut text =
            format!("VersioningHandler {}, {}, rollout {}\n", self.handler, self.workload, printable(&self.rollout));
        for container in &self.containers {
            container.write(&mut text);
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let containers = self.containers.iter().map(Container::report).collect();
        let workload = self.workload.path();
        let report = Report { handler: &self.handler, workload: &workload, rollout: &self.rollout, containers };
        let mut text = serde_json::to_string_pretty(&report).expect("maps of text and lists can be written as JSON");
        text.push('\n');
        text
    }
}

fn judge(tags: &Tags) -> Judged {
    let ruling = policy::decide(&tags.policy, &tags.current, &tags.candidates);
    Judged {
        policy: tags.policy.clone(),
        current: tags.current.clone(),
        candidates: tags.candidates.to_vec(),
        verdicts: ruling.verdicts,
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
        line("image", &self.image);
        if let Some(plan) = &self.plan {
            line("plugins", &format!("{} lists, {} reads versions", plan.registry, plan.parser));
            line("frontier", &plan.frontier);
            if !plan.needs.is_empty() {
                line("platforms", &plan.needs.join(", "));
            }
        }
        if let Some(moving) = &self.moving {
            line("registry", moving.registry.as_deref().unwrap_or("does not tell a digest"));
            line(
                "running",
                &if moving.running.is_empty() { "not known".to_owned() } else { moving.running.join(", ") },
            );
        }
        line("decision", &self.decision);
        if let Some(update) = &self.update {
            match &update.restart_for {
                Some(digest) => line("restart", &format!("for {digest}")),
                None => line("update", &update.image),
            }
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
        ContainerReport {
            name: &self.name,
            image: &self.image,
            decision: &self.decision,
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
    containers: Vec<ContainerReport<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerReport<'a> {
    name: &'a str,
    image: &'a str,
    decision: &'a str,
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
