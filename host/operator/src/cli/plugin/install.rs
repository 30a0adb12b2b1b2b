//! `k8supdater plugin install`: brings the shipped plugins into a cluster. A Job of the installation runs it (`deploy/installer`), and so may
//! people.
//!
//! Everything is written by server-side apply under a name of our own, [`MANAGER`], so that the API server knows what is ours. The bytes of
//! components always are. Of a Plugin's fields those that somebody else has set since, such as a grant or a setting, stay theirs: an upgrade
//! must not take away what an administrator has given. Objects without [our label](super::shipped::LABEL) are somebody else's altogether.

mod conflict;

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::Status;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;

use conflict::{Conflict, conflicts};

use super::shipped::{LABEL, Shipped, ShippedError};
use crate::api::{GROUP, Plugin};
use crate::config::shipped::ShippedFlags;
use crate::config::{ConfigError, RawConfig};
use crate::connections::{self, ConnectError};
use crate::failure::chain;

/// Under this name the API server remembers what we have set.
pub const MANAGER: &str = "k8supdater-installer";

/// How long it may take until there is everything that this needs: it may have been created a moment ago, together with the Job.
const PATIENCE: Duration = Duration::from_mins(2);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Arguments of `plugin install`.
#[derive(Args, Debug)]
pub struct InstallArgs {
    /// Plugins to install, by the names of their objects, such as oci [default: all that are shipped].
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// From where to where.
    #[command(flatten)]
    pub shipped: ShippedFlags,

    /// A ServiceAccount in that namespace that becomes the owner of what is installed: when it is deleted, Kubernetes deletes that, too.
    #[arg(long, value_name = "SERVICEACCOUNT")]
    pub owner: Option<String>,

    /// Kubeconfig file. Without it the file that KUBECONFIG names, ~/.kube/config, or the pod's own ServiceAccount is used.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Why not everything is installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is nothing to install.
    #[error(transparent)]
    Shipped(#[from] ShippedError),
    /// There is no way to the API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Something else that has to be there first did not come.
    #[error("there is no {what} after {} s", PATIENCE.as_secs())]
    Missing {
        /// What.
        what: String,
        /// What the API server said last, if it did.
        source: Option<Box<kube::Error>>,
    },
    /// The API server refused.
    #[error("cannot {verb} {what}")]
    Api {
        /// Read or apply.
        verb: &'static str,
        /// The object.
        what: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// An object of that name was made by somebody else.
    #[error("{what} is somebody else's, for it lacks the label {}={}; rename it, or give it the label to have it replaced", LABEL.0, LABEL.1)]
    Foreign {
        /// The object.
        what: String,
    },
    /// Somebody else has set a field that cannot be left out.
    #[error("cannot apply {what} without {fields}, which somebody else has set")]
    Conflict {
        /// The object.
        what: String,
        /// The fields, with whose they are.
        fields: String,
    },
    /// Some objects are installed and some are not.
    #[error("{failed} of {all} objects could not be installed; the lines above say why")]
    NotAll {
        /// How many could not.
        failed: usize,
        /// How many there are.
        all: usize,
    },
    /// Something cannot be printed, or the program cannot wait.
    #[error("cannot say what is installed")]
    Print(#[from] std::io::Error),
    /// An object has no JSON form.
    #[error("cannot write an object as JSON")]
    Json(#[from] serde_json::Error),
}

/// What came of one object.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    done: Done,
    /// Fields that are left as they are.
    left: Vec<Conflict>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Created,
    Updated,
    Unchanged,
}

/// Installs the shipped plugins; says on standard output what came of each object, and on standard error what it waits for and what failed.
///
/// # Errors
/// See [`InstallError`]. After a failure with one object the others are installed all the same.
pub fn run(args: InstallArgs) -> Result<(), InstallError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(install(args, &mut std::io::stdout().lock()))
}

async fn install(args: InstallArgs, out: &mut impl Write) -> Result<(), InstallError> {
    let place = args.shipped.check()?;
    let shipped = Shipped::read(&place.places, &args.names, &place.namespace)?;
    let config = RawConfig { kubeconfig: args.kubeconfig, ..RawConfig::default() }.check()?;
    let client = connections::api_server_of(config.kubeconfig.as_deref()).await?;
    let api_server = ApiServer { client, namespace: place.namespace, end: Instant::now() + PATIENCE };
    api_server.wait_for_kind().await?;
    let owner = match &args.owner {
        Some(name) => Some(api_server.owner(name).await?),
        None => None,
    };
    let mut objects = Vec::new();
    for config_map in &shipped.config_maps {
        objects.push((ApiResource::erase::<ConfigMap>(&()), serde_json::to_value(config_map)?));
    }
    // After the bytes that they refer to.
    objects.extend(shipped.plugins.into_iter().map(|plugin| (ApiResource::erase::<Plugin>(&()), plugin)));
    let (all, mut failed) = (objects.len(), 0);
    for (resource, mut object) in objects {
        if let Some(owner) = &owner {
            object["metadata"]["ownerReferences"] = json!([owner]);
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        match api_server.apply(&resource, &name, object).await {
            Ok(outcome) => writeln!(out, "{}/{name} {outcome}", resource.kind.to_lowercase())?,
            Err(err) => {
                failed += 1;
                eprintln!("{}", chain(&err));
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(InstallError::NotAll { failed, all }) }
}

/// The API server, with the time until which it is waited for.
struct ApiServer {
    client: Client,
    namespace: String,
    end: Instant,
}

impl ApiServer {
    /// Waits until Plugins can be applied.
    async fn wait_for_kind(&self) -> Result<(), InstallError> {
        let version = format!("{GROUP}/v1");
        let kind = Plugin::kind(&());
        self.until(
            "read",
            &format!("kind {kind} ({version}); is its CustomResourceDefinition installed?"),
            async || {
                let known = found(self.client.list_api_group_resources(&version).await)?;
                Ok(known.filter(|known| known.resources.iter().any(|known| known.kind == kind)).map(drop))
            },
        )
        .await
    }

    /// The reference to the ServiceAccount `name`, as soon as there is one.
    async fn owner(&self, name: &str) -> Result<Value, InstallError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &self.namespace);
        let what = format!("ServiceAccount {}/{name}", self.namespace);
        let account = self.until("read", &what, async || accounts.get_opt(name).await).await?;
        // Whoever deletes the owner does not have to wait for what it owns, so no right on the owner's finalizers is needed.
        Ok(json!({"apiVersion": "v1", "kind": "ServiceAccount", "name": name, "uid": account.uid()}))
    }

    /// Applies one object, except what is somebody else's.
    async fn apply(&self, resource: &ApiResource, name: &str, mut object: Value) -> Result<Outcome, InstallError> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &self.namespace, resource);
        let what = format!("{} {}/{name}", resource.kind, self.namespace);
        let before = self.until("read", &what, async || api.get_opt(name).await.map(Some)).await?;
        if before.as_ref().is_some_and(|before| !is_ours(before)) {
            return Err(InstallError::Foreign { what });
        }
        let mut params = PatchParams::apply(MANAGER);
        // A component is a whole: nobody can mean half of its bytes.
        params.force = resource.kind == ConfigMap::kind(&());
        let mut left = Vec::new();
        loop {
            let answer = async || match api.patch(name, &params, &Patch::Apply(&object)).await {
                Err(kube::Error::Api(status)) if status.is_conflict() => Ok(Some(Err(status))),
                // The namespace may still be on its way.
                answer => found(answer).map(|answer| answer.map(Ok)),
            };
            let status: Box<Status> = match self.until("apply", &what, answer).await? {
                Ok(after) => return Ok(Outcome { done: done(before.as_ref(), &after), left }),
                Err(status) => status,
            };
            let found = conflicts(&status);
            if found.is_empty() || !found.iter().all(|conflict| conflict.leave_out_of(&mut object)) {
                let fields = if found.is_empty() { status.message.clone() } else { join(&found) };
                return Err(InstallError::Conflict { what, fields });
            }
            // Each turn leaves something out, so this ends.
            left.extend(found);
        }
    }

    /// Asks until there is an answer. Only what may pass by itself is waited for: what is not there yet, and an API server that is not itself.
    async fn until<T>(
        &self,
        verb: &'static str,
        what: &str,
        ask: impl AsyncFn() -> Result<Option<T>, kube::Error>,
    ) -> Result<T, InstallError> {
        let mut is_told = false;
        loop {
            let last = match ask().await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => None,
                Err(err) if may_pass(&err) => Some(Box::new(err)),
                Err(err) => return Err(InstallError::Api { verb, what: what.to_owned(), source: Box::new(err) }),
            };
            if Instant::now() > self.end {
                return Err(InstallError::Missing { what: what.to_owned(), source: last });
            }
            if !is_told {
                let why = last.map(|err| format!(": {}", chain(&*err))).unwrap_or_default();
                eprintln!("waiting for {what}{why}");
                is_told = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// None for what is not there.
fn found<T>(answer: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match answer {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        answer => answer.map(Some),
    }
}

/// Whether the same question may be answered in a moment.
fn may_pass(err: &kube::Error) -> bool {
    match err {
        kube::Error::Api(status) => status.code == 429 || status.code >= 500,
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}

fn is_ours(object: &DynamicObject) -> bool {
    object.labels().get(LABEL.0).is_some_and(|value| value == LABEL.1)
}

fn done(before: Option<&DynamicObject>, after: &DynamicObject) -> Done {
    match before {
        None => Done::Created,
        Some(before) if said(before) == said(after) => Done::Unchanged,
        Some(_) => Done::Updated,
    }
}

/// What an object says, without what the API server, or the operator in the status, notes about it.
fn said(object: &DynamicObject) -> Value {
    let mut data = object.data.clone();
    if let Some(fields) = data.as_object_mut() {
        fields.remove("status");
    }
    json!([data, object.labels(), object.owner_references()])
}

fn join(conflicts: &[Conflict]) -> String {
    conflicts.iter().map(Conflict::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.done {
            Done::Created => "created",
            Done::Updated => "updated",
            Done::Unchanged => "unchanged",
        })?;
        if self.left.is_empty() { Ok(()) } else { write!(f, ", and left as set by others: {}", join(&self.left)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_object_is_updated_when_it_says_something_else_than_before() {
        let plugin = |version: &str, label: &str, frontier: u32, ready: bool| {
            object(json!({
                "apiVersion": "k8supdater.dev/v1", "kind": "Plugin",
                "metadata": {"name": "oci", "resourceVersion": version, "labels": {LABEL.0: label}},
                "spec": {"settings": {"pageSize": frontier}}, "status": {"ready": ready},
            }))
        };
        let before = plugin("1", "k8supdater", 1, false);
        let check = |after: &DynamicObject, expected| assert_eq!(done(Some(&before), after), expected, "{after:?}");
        check(&before, Done::Unchanged);
        check(&plugin("2", "k8supdater", 1, true), Done::Unchanged);
        check(&plugin("2", "k8supdater", 2, false), Done::Updated);
        check(&plugin("2", "other", 1, false), Done::Updated);
        assert_eq!(done(None, &before), Done::Created);
        assert!(is_ours(&before) && !is_ours(&plugin("1", "other", 1, false)));
    }

    #[test]
    fn what_is_left_to_others_is_said_with_their_names() {
        let left = |field: &str| Conflict { field: field.to_owned(), manager: "kubectl-patch".to_owned() };
        let outcome = Outcome { done: Done::Updated, left: vec![left(".spec.grants.origins"), left(".spec.limits")] };
        assert_eq!(
            outcome.to_string(),
            "updated, and left as set by others: .spec.grants.origins (kubectl-patch), .spec.limits (kubectl-patch)"
        );
        assert_eq!(Outcome { done: Done::Created, left: Vec::new() }.to_string(), "created");
    }

    #[test]
    fn only_an_api_server_that_is_not_itself_is_asked_again() {
        let answer = |code, reason| {
            let status = Status::failure("", reason).with_code(code);
            kube::Error::Api(status.boxed())
        };
        assert!(may_pass(&answer(503, "ServiceUnavailable")) && may_pass(&answer(429, "TooManyRequests")));
        assert!(!may_pass(&answer(403, "Forbidden")) && !may_pass(&answer(422, "Invalid")));
        assert!(found::<()>(Err(answer(404, "NotFound"))).unwrap().is_none());
    }
}
