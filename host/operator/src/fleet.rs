//! Fleets: handlers that look after every workload that a selector matches.
//!
//! A handler with `spec.selector` looks after no workload itself. For each that matches the operator keeps a *member*, a handler like the fleet
//! that names that workload alone, and which is in no way special: its checks, updates, status, Events and notices are those of any handler.
//! A member belongs to its fleet by an owner reference, so that it goes when the fleet goes.
//!
//! Pure are [`selection`], what matches; [`members`], which members there should be; and [`counts`], how they stand. [`keep`] makes it so, and
//! [`pass_on`] hands answers to members; when that happens is decided in [`reconcile::fleet`](crate::reconcile::fleet).

pub mod counts;
pub mod members;
pub mod selection;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::ObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use thiserror::Error;
use tracing::info;

use crate::answer::{self, AnswerError, Answers, Choice};
use crate::api::versioning_handler::VersioningHandler;
use crate::failure::Retry;

use members::Plan;
use selection::InvalidSelector;

/// The label of members with the name of their fleet, for people to select by.
pub const LABEL: &str = "k8supdater.dev/fleet";

/// How many requests for one fleet are under way at the same time. A fleet may have hundreds of members, and the API server other things to do.
const AT_ONCE: usize = 8;

/// Why a fleet could not be looked after.
#[derive(Debug, Error)]
pub enum FleetError {
    /// The selector cannot be followed.
    #[error("spec.selector of VersioningHandler {namespace}/{name} cannot be followed")]
    Selector {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: InvalidSelector,
    },
    /// The API server refused or could not be reached.
    #[error("cannot {verb} VersioningHandler {namespace}/{name}")]
    Api {
        /// `create`, `change` or `delete`.
        verb: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// An answer could not be handed to a member.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl FleetError {
    /// A fixed CamelCase word for conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Selector { .. } => "InvalidSpec",
            Self::Api { .. } => "ApiServerRefused",
            Self::Answer(err) => err.reason(),
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Selector { .. } => Retry::OnChange,
            Self::Api { .. } => Retry::BackOff,
            Self::Answer(err) => err.retry(),
        }
    }
}

/// The fleet to which a handler with that metadata belongs; none if it was made by somebody else.
pub fn owner(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    owners.iter().find(|owner| {
        owner.controller == Some(true)
            && owner.kind == VersioningHandler::kind(&())
            && owner.api_version == VersioningHandler::api_version(&())
    })
}

/// Creates, changes and deletes members as `plan` says. Doing it twice is harmless, and so is a plan that is somewhat old: what is not as it
/// was when the plan was made is left for the next one.
///
/// # Errors
/// The first one; the other members are looked after all the same.
pub async fn keep(client: &Client, namespace: &str, plan: &Plan) -> Result<(), FleetError> {
    let api: Api<VersioningHandler> = Api::namespaced(client.clone(), namespace);
    let api = &api;
    let deleting: Requests<'_> = plan
        .delete
        .iter()
        .map(|member| {
            async move {
                let preconditions = Preconditions { uid: Some(member.uid.clone()), resource_version: None };
                let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                settled(namespace, "delete", &member.name, api.delete(&member.name, &params).await.map(drop))
            }
            .boxed()
        })
        .collect();
    each(deleting).await?;
    let changing: Requests<'_> = plan
        .change
        .iter()
        .map(|change| {
            async move {
                let patch: Patch<()> = Patch::Json(change.patch.clone());
                let changed = api.patch(&change.name, &PatchParams::default(), &patch).await;
                settled(namespace, "change", &change.name, changed.map(drop))
            }
            .boxed()
        })
        .collect();
    let creating: Requests<'_> = plan
        .create
        .iter()
        .map(|member| {
            async move {
                let created = api.create(&PostParams::default(), member).await;
                settled(namespace, "create", &member.name_any(), created.map(drop))
            }
            .boxed()
        })
        .collect();
    let (changed, created) = (each(changing).await, each(creating).await);
    changed.and(created)
}

/// Requests to the API server.
type Requests<'a> = Vec<BoxFuture<'a, Result<(), FleetError>>>;

/// Does all of it, a few at a time, and gives the first error.
async fn each(requests: Requests<'_>) -> Result<(), FleetError> {
    let results: Vec<_> = futures::stream::iter(requests).buffer_unordered(AT_ONCE).collect().await;
    results.into_iter().collect()
}

/// What an answer of the API server means for a plan that may be somewhat old.
fn settled(namespace: &str, verb: &'static str, name: &str, result: Result<(), kube::Error>) -> Result<(), FleetError> {
    match result {
        Ok(()) => {
            info!(namespace, handler = name, verb, "member of a fleet");
            Ok(())
        }
        // It is gone, or another object, or there is one by now: a watch will tell.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(source) => {
            let (namespace, name) = (namespace.to_owned(), name.to_owned());
            Err(FleetError::Api { verb, namespace, name, source: Box::new(source) })
        }
    }
}

/// Hands `answers` to every one of `members` that offers what they are about, and gives those that are about nothing that is offered.
///
/// Repeating it is harmless: a member that has an answer already is left as it is.
///
/// # Errors
/// The first one; then it has to be repeated.
pub async fn pass_on(
    client: &Client,
    members: &[&VersioningHandler],
    answers: &Answers,
    now: Timestamp,
) -> Result<Vec<Choice>, FleetError> {
    let mut unmatched = Vec::new();
    for choice in &answers.choices {
        let meant = members.iter().filter(|member| answer::concerns(member, choice, now));
        let writing: Requests<'_> = meant.map(|member| give(client, member, choice, &answers.by).boxed()).collect();
        if writing.is_empty() {
            unmatched.push(choice.clone());
        }
        each(writing).await?;
    }
    Ok(unmatched)
}

async fn give(client: &Client, member: &VersioningHandler, choice: &Choice, by: &str) -> Result<(), FleetError> {
    let namespace = member.namespace().unwrap_or_default();
    match answer::write(client, &namespace, &member.name_any(), choice, by).await {
        Ok(_) | Err(AnswerError::NotFound { .. } | AnswerError::NotOffered { .. }) => Ok(()),
        Err(err) => Err(err.into()),
    }
}
