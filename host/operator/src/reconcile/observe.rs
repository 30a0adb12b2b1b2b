//! Step three's input: the workload, the tags, their versions, the rollout. Reads, and changes nothing.
//!
//! Needs the client (through the watches of workloads, and for Secrets and pods) and the registries. Fails only if there is no workload;
//! what goes wrong with one container is a [`Problem`] of that container, and the others go on.

mod after;
mod choice;
mod facts;
mod problem;
mod seen;
mod under_way;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8supdater_core::image::ImageReference;
use k8supdater_core::policy::moving::RunningImage;
use k8supdater_core::policy::{MinimumAge, Platform, Policy, Tagged};
use k8supdater_runtime::manifest::Kind;
use tokio::sync::OnceCell;
use tracing::{Instrument, Span, info_span};

pub use after::After;
pub use choice::{Choice, Moving, Tags};
pub use problem::Problem;

use super::Context;
use super::claims::Claims;
use super::offer::LinkFacts;
use super::validate::{Plan, PluginUse, Target};
use crate::answer;
use crate::credentials::Wallet;
use crate::registry::{Inquiry, ParseError, parse};
use crate::workload::containers::{Container, PullSecrets, containers, node_selector, pull_secrets};
use crate::workload::owner::{Owner, owner};
use crate::workload::patch::Template;
use crate::workload::pods::{Complaint, running};
use crate::workload::rollout::Rollout;
use crate::workload::{Workload, WorkloadError};

/// The one tag that always moves, and that is meant where there is none.
pub(crate) const LATEST: &str = "latest";

/// How long the images behind a tag are taken to stay, as long as nothing says otherwise. Asking for them may count as a pull.
const KEPT: Duration = Duration::from_hours(24);

/// How often it is asked what the current tag points at, where a listing does not tell. A tag that is a version is not expected to move, and
/// each question counts with the registry.
const TRIPWIRE: Duration = Duration::from_hours(1);

/// What is, as far as it can be known.
#[derive(Debug)]
pub struct Observed {
    /// What is to be looked after.
    pub target: Target,
    /// How far the workload's rollout is.
    pub rollout: Rollout,
    /// What else a change has to know.
    pub template: Template,
    /// Its containers, in the order of the pod template.
    pub containers: Vec<ObservedContainer>,
    /// Who else sets the images of the workload.
    pub owner: Option<Owner>,
    /// What is the matter with the pods of an update that is under way, if they had to be asked.
    pub complaint: Option<Complaint>,
    /// Whom to ask about a tag once more before it is applied, by container.
    pub inquiries: BTreeMap<String, Inquiry>,
}

/// One container.
#[derive(Debug)]
pub struct ObservedContainer {
    /// Where it is in the pod template, and its image.
    pub container: Container,
    /// The answers for it that are not taken up yet.
    pub answers: Vec<answer::Choice>,
    /// What there is to choose from.
    pub state: Result<Choice, Problem>,
    /// What a link to what it is offered can be made of; none if it could not be looked at.
    pub link_facts: Option<LinkFacts>,
}

/// What all containers of a workload share while it is looked at.
struct Look<'a> {
    ctx: &'a Context,
    target: &'a Target,
    workload: &'a Workload,
    wallet: Wallet,
    pull_secrets: PullSecrets,
    node_selector: BTreeMap<String, String>,
    /// Asked for once, and only if a tag moves.
    pods: OnceCell<Vec<Pod>>,
    now: Timestamp,
}

/// Reads all that a decision needs at `now`.
///
/// # Errors
/// [`WorkloadError`] if the workload cannot be read.
pub async fn observe(ctx: &Context, target: Target, now: Timestamp) -> Result<Observed, WorkloadError> {
    // A watch may lag behind what this operator wrote itself; what it wrote is in the status.
    let written = target.before.containers.iter().filter_map(|container| container.update.as_ref()?.generation).max();
    let workload = ctx.workloads.read(&target.handler.namespace, &target.workload, written).await?;
    let look = Look {
        ctx,
        target: &target,
        workload: &workload,
        wallet: Wallet::new(&ctx.client, &target.handler.namespace),
        pull_secrets: pull_secrets(&workload),
        node_selector: node_selector(&workload),
        pods: OnceCell::new(),
        now,
    };
    let claims = Claims::of(&ctx.handlers, &target);
    let mut containers = containers(&workload);
    containers.retain(|container| target.is_meant(container.list, &container.name));
    let is_alone = containers.iter().filter(|container| target.plan_of(&container.name).is_some()).count() == 1;
    let observing = containers.into_iter().map(|container| async {
        let is_looked_after = target.plan_of(&container.name).is_some();
        let answers = target.answers_for(&container.name, is_alone && is_looked_after);
        let (state, inquiry) = match target.plan_of(&container.name) {
            None => (Ok(Choice::Ignored), None),
            Some(_) if let Some(name) = claims.on(container.list, &container.name) => {
                let handler = format!("{}/{name}", target.handler.namespace);
                (Err(Problem::Claimed { workload: target.workload.clone(), handler }), None)
            }
            Some(plan) => match look.container(plan, &container, &answers).instrument(span_of(&container)).await {
                Ok((choice, inquiry)) => (Ok(choice), Some(inquiry)),
                Err(problem) => (Err(problem), None),
            },
        };
        let link_facts = match (&state, &inquiry) {
            (Ok(choice), Some(inquiry)) => {
                let before = target.before.container(&container.name);
                let needs_approval = target.plan_of(&container.name).is_some_and(|plan| plan.needs_approval);
                Some(facts::facts(&ctx.registries, inquiry, choice, needs_approval, before).await)
            }
            _ => None,
        };
        let inquiry = inquiry.map(|inquiry| (container.name.clone(), inquiry));
        (ObservedContainer { container, answers, state, link_facts }, inquiry)
    });
    let (containers, inquiries): (Vec<_>, Vec<_>) = join_all(observing).await.into_iter().unzip();
    let inquiries = inquiries.into_iter().flatten().collect();
    let seen: Vec<Container> = containers.iter().map(|observed| observed.container.clone()).collect();
    let (rollout, complaint) = under_way::follow(ctx, &target, &workload, &seen, now).await?;
    Ok(Observed {
        owner: owner(&workload),
        complaint,
        rollout,
        template: Template::of(&workload),
        containers,
        inquiries,
        target,
    })
}

impl Look<'_> {
    async fn container(
        &self,
        plan: &Plan,
        container: &Container,
        answers: &[answer::Choice],
    ) -> Result<(Choice, Inquiry), Problem> {
        let image: ImageReference = match container.image.parse() {
            Ok(image) => image,
            Err(cause) => return Err(Problem::Image { image: container.image.clone(), cause }),
        };
        let tag = match (image.tag(), image.digest()) {
            (Some(tag), _) => tag.to_owned(),
            (None, None) => LATEST.to_owned(),
            (None, Some(_)) => {
                let why = "is pinned to a digest and has no tag".to_owned();
                return Err(Problem::NoVersion { image: container.image.clone(), why });
            }
        };
        let current = if tag == LATEST { None } else { self.current(plan, container, &tag).await? };
        let inquiry = self.inquiry(plan, &image).await?;
        let choice = match current {
            Some(mut current) => {
                current.digest = image.digest().cloned();
                let tags = self.tags(plan, image, current, &inquiry).await?;
                let tags = tags.with_what_is_known(self.target, &container.name, answers, self.now);
                let (registries, interval) = (&self.ctx.registries, self.target.interval);
                Choice::Tags(Box::new(tags.look_closer(registries, &inquiry, interval).await))
            }
            None => Choice::Moving(Box::new(self.moving(plan, container, image, tag, &inquiry).await?)),
        };
        Ok((choice, inquiry))
    }

    /// The current tag as a version; none if it is one that moves. It need not be in the registry any more, so it is read by itself.
    async fn current(&self, plan: &Plan, container: &Container, tag: &str) -> Result<Option<Tagged>, Problem> {
        let PluginUse { plugin, settings } = &plan.parser;
        let parser = self.ctx.plugins.serving(plugin, Kind::VersionParser)?;
        let settings = parser.settings(settings).map_err(|cause| Problem::settings(plugin, cause))?;
        let parsed = parse(&parser.component, vec![tag.to_owned()], &settings).await;
        let parsed = parsed.map_err(|cause| Problem::Parse { plugin: plugin.clone(), cause })?;
        match parsed.first() {
            Some(current) if current.version.is_some() => Ok(Some(current.clone())),
            _ if plan.latest.follows_any => Ok(None),
            _ => {
                let why = format!("has the tag {tag}, which plugin {plugin} does not read as a version");
                Err(Problem::NoVersion { image: container.image.clone(), why })
            }
        }
    }

    async fn inquiry(&self, plan: &Plan, image: &ImageReference) -> Result<Inquiry, Problem> {
        let PluginUse { plugin, settings } = &plan.registry;
        let registry = self.ctx.plugins.serving(plugin, Kind::Registry)?;
        let settings = registry.settings(settings).map_err(|cause| Problem::settings(plugin, cause))?;
        let secret = plan.secret.as_ref();
        let credentials = self.wallet.credentials(&self.pull_secrets, secret, &registry, image, &settings).await?;
        Ok(Inquiry::new(registry, image.clone(), settings, credentials))
    }

    async fn tags(
        &self,
        plan: &Plan,
        image: ImageReference,
        mut current: Tagged,
        inquiry: &Inquiry,
    ) -> Result<Tags, Problem> {
        let PluginUse { plugin, settings } = &plan.parser;
        let parser = self.ctx.plugins.serving(plugin, Kind::VersionParser)?;
        let settings = parser.settings(settings).map_err(|cause| Problem::settings(plugin, cause))?;
        let listing = self.ctx.registries.list_tags(inquiry, self.target.interval).await?;
        let failed = |cause: ParseError| Problem::Parse { plugin: plugin.clone(), cause };
        let candidates = listing.versions(&parser.component, &settings).await.map_err(failed)?;
        if current.digest.is_none() {
            current.digest = listing.detail(&current.tag).and_then(|detail| detail.digest);
        }
        if current.digest.is_none() {
            // Whether somebody has pushed the tag again; that it is not there any more is in order.
            let detail = self.ctx.registries.digest(inquiry, &current.tag, self.target.interval.max(TRIPWIRE)).await;
            current.digest = detail.ok().and_then(|detail| detail.digest);
        }
        let after = After::of(&self.ctx.handlers, self.target, &image);
        let mut policy = plan.policy.clone();
        policy.platforms = self.ctx.nodes.platforms(&self.node_selector).await;
        policy.proven = after.as_ref().map(|after| after.proofs.proven(self.now));
        Ok(Tags { image, policy, current, candidates, first_seen: Vec::new(), approved: None, after })
    }

    async fn moving(
        &self,
        plan: &Plan,
        container: &Container,
        image: ImageReference,
        tag: String,
        inquiry: &Inquiry,
    ) -> Result<Moving, Problem> {
        let running = match image.digest() {
            Some(pinned) => vec![RunningImage { digest: pinned.clone() }],
            None => running(self.pods().await?, &container.name),
        };
        let preference = plan.latest.preference;
        let after = After::of(&self.ctx.handlers, self.target, &image);
        let moving = Moving { image, tag, registry: None, members: Vec::new(), running, preference, after };
        Ok(moving.look_up(&self.ctx.registries, inquiry, self.target.interval).await?)
    }

    async fn pods(&self) -> Result<&Vec<Pod>, Problem> {
        self.pods.get_or_try_init(|| self.ctx.workloads.pods(self.workload)).await.map_err(Problem::Pods)
    }
}

impl Tags {
    /// With what `target` knows of the tags in that `container`, now that `answers` are given: what people do not want, what failed, what is
    /// approved, and since when there are those of which the registry does not tell. Pure.
    pub(super) fn with_what_is_known(
        self,
        target: &Target,
        container: &str,
        answers: &[answer::Choice],
        now: Timestamp,
    ) -> Self {
        let minimum = target.patience.minimum_age;
        let policy = Policy {
            held: target.held(container, answers),
            failed: target.failed(container, &self.image),
            age: (!minimum.is_zero()).then_some(MinimumAge { minimum, now }),
            ..self.policy
        };
        let tags = Self { policy, approved: target.approved(container, answers), ..self };
        let known = target.first_seen(container, &tags.image);
        tags.dated(known)
    }
}

fn span_of(container: &Container) -> Span {
    info_span!("look at container", k8s.container.name = container.name, container.image.name = container.image)
}

/// The platforms that a candidate must have: those of the nodes, as far as the `current` image has them too. Nodes that it cannot run on
/// are none of this workload's.
fn needed(nodes: Vec<Platform>, current: Option<&[Platform]>) -> Vec<Platform> {
    let Some(current) = current.filter(|_| nodes.len() > 1) else { return nodes };
    nodes.into_iter().filter(|platform| current.contains(platform)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_needs_the_platforms_on_which_the_current_image_can_run() {
        let platforms = |architectures: &[&str]| -> Vec<Platform> {
            architectures.iter().map(|architecture| Platform::new("linux", *architecture)).collect()
        };
        let check = |nodes: &[&str], current: Option<&[&str]>, expected: &[&str]| {
            let current = current.map(platforms);
            assert_eq!(needed(platforms(nodes), current.as_deref()), platforms(expected), "{nodes:?} {current:?}");
        };
        check(&["amd64", "arm64"], None, &["amd64", "arm64"]);
        check(&["amd64", "arm64"], Some(&["amd64", "s390x"]), &["amd64"]);
        check(&["amd64", "arm64"], Some(&["arm64", "amd64"]), &["amd64", "arm64"]);
        check(&["amd64"], Some(&["arm64"]), &["amd64"]);
        check(&[], Some(&["arm64"]), &[]);
    }
}
