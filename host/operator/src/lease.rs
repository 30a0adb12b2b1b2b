//! One replica at a time: a `Lease` of `coordination.k8s.io/v1` in the operator's own namespace.
//!
//! Owns the writes to that object. What to do when is decided in [`state`]; whoever works only while the lease is held looks at the
//! receiver of [`keep`]. Every write says which version of the object it is about, so of two who take over at once, one loses.

pub mod state;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::failure::{Retry, chain};
use state::{CONFIDENCE, PERIOD, Record, Sight, Step};

/// Name of the Lease of the one replica that listens to [bots](crate::bot). The operator's rights are for this one only.
pub const BOT: &str = "k8supdater-bot";
/// Most time for one request; more would leave no time for another before the lease is lost.
const REQUEST: Duration = Duration::from_secs(4);

/// Which lease, and who wants it.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The operator's own namespace.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Name of this replica: the pod's, which no other living pod has.
    pub identity: String,
}

/// Why a lease could not be read or written.
#[derive(Debug, Error)]
pub enum LeaseError {
    /// The API server refused, or could not be reached.
    #[error("cannot {verb} Lease {namespace}/{name}")]
    Api {
        /// `read`, `create` or `update`.
        verb: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("the API server does not answer about Lease {namespace}/{name}")]
    Timeout {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl LeaseError {
    /// A fixed CamelCase word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api { .. } => "LeaseRefused",
            Self::Timeout { .. } => "LeaseTimedOut",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Api { .. } | Self::Timeout { .. } => Retry::After(PERIOD),
        }
    }
}

/// Tries to get the lease and to keep it until `stopping`, and says through `is_held` whether it is held. At the end it is given back, so
/// that others need not wait; whoever works under it must have ended by then.
///
/// If it cannot be renewed, `is_held` says so before anybody else can take it over. Never fails: without an API server nobody holds it.
pub async fn keep(client: Client, claim: Claim, is_held: watch::Sender<bool>, stopping: CancellationToken) {
    let api = Api::namespaced(client, &claim.namespace);
    let mut keeper = Keeper { api, claim, seen: None, renewed: None };
    let mut is_failing = false;
    while !stopping.is_cancelled() {
        keeper.tell(&is_held);
        // A request that hangs must not hide that the lease is lost meanwhile.
        let patience = keeper.confidence().unwrap_or(2 * REQUEST);
        let attempt = stopping.run_until_cancelled(timeout(patience, keeper.attempt())).await;
        keeper.tell(&is_held);
        match attempt {
            Some(Ok(Ok(()))) => is_failing = false,
            Some(Ok(Err(err))) if !is_failing => {
                is_failing = true;
                warn!(reason = err.reason(), error = chain(&err), "the lease cannot be looked after");
            }
            Some(Ok(Err(_)) | Err(_)) | None => {}
        }
        stopping.run_until_cancelled(sleep(keeper.confidence().map_or(PERIOD, |left| left.min(PERIOD)))).await;
    }
    is_held.send_replace(false);
    if let Err(err) = keeper.release().await {
        warn!(reason = err.reason(), error = chain(&err), "the lease could not be given back; it runs out by itself");
    }
}

/// What is known of the lease.
struct Keeper {
    api: Api<Lease>,
    claim: Claim,
    /// As it was seen last, with the object.
    seen: Option<(Sight, Lease)>,
    /// When the last successful renewal was sent; none if it is not ours.
    renewed: Option<Instant>,
}

impl Keeper {
    /// For how long it is certainly still ours; none if it is not.
    fn confidence(&self) -> Option<Duration> {
        let renewed = self.renewed?;
        let now = Instant::now();
        state::is_held(renewed, now).then(|| CONFIDENCE.saturating_sub(now.saturating_duration_since(renewed)))
    }

    fn tell(&self, is_held: &watch::Sender<bool>) {
        let holds = self.confidence().is_some();
        if is_held.send_if_modified(|held| std::mem::replace(held, holds) != holds) {
            info!(lease = self.claim.name, identity = self.claim.identity, holds, "the lease has changed hands");
        }
    }

    /// Looks at the lease, and claims it if that may be done.
    async fn attempt(&mut self) -> Result<(), LeaseError> {
        self.look().await?;
        let now = Instant::now();
        match state::step(self.seen.as_ref().map(|(sight, _)| sight), &self.claim.identity, now) {
            Step::Create | Step::TakeOver | Step::Renew => {
                let record = self.seen.as_ref().map(|(sight, _)| sight.record());
                let record = state::claimed(record, &self.claim.identity, Timestamp::now());
                self.renewed = self.write(&record).await?.then_some(now);
            }
            Step::Wait(_) => self.renewed = None,
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<(), LeaseError> {
        let found = self.in_time("read", self.api.get_opt(&self.claim.name)).await?;
        let before = self.seen.take().map(|(sight, _)| sight);
        self.seen = found.map(|lease| (Sight::of(record_of(&lease), before, Instant::now()), lease));
        Ok(())
    }

    /// Writes `record` over what was seen. False if somebody else was faster.
    async fn write(&mut self, record: &Record) -> Result<bool, LeaseError> {
        let params = PostParams::default();
        let written = match &self.seen {
            None => {
                let metadata = ObjectMeta { name: Some(self.claim.name.clone()), ..ObjectMeta::default() };
                let lease = Lease { metadata, spec: Some(spec(record, None)) };
                self.in_time("create", self.api.create(&params, &lease)).await
            }
            Some((_, seen)) => {
                // The resourceVersion of what was seen goes along.
                let lease = Lease { spec: Some(spec(record, seen.spec.clone())), ..seen.clone() };
                self.in_time("update", self.api.replace(&self.claim.name, &params, &lease)).await
            }
        };
        match written {
            Ok(lease) => {
                self.seen = Some((Sight::of(record_of(&lease), None, Instant::now()), lease));
                Ok(true)
            }
            Err(LeaseError::Api { source, .. }) if is_conflict(&source) => Ok(false),
            Err(err) => Err(err),
        }
    }

    /// Gives the lease back, if it is ours. A claim may have been given up in the middle, so it is looked at first.
    async fn release(&mut self) -> Result<(), LeaseError> {
        if self.renewed.is_none() {
            return Ok(());
        }
        self.look().await?;
        let seen = self.seen.as_ref().map(|(sight, _)| sight.record());
        let ours = seen.filter(|record| record.holder == self.claim.identity);
        let Some(record) = ours.map(|record| state::released(record, Timestamp::now())) else { return Ok(()) };
        self.write(&record).await.map(drop)
    }

    async fn in_time<T>(
        &self,
        verb: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, LeaseError> {
        let (namespace, name) = (self.claim.namespace.clone(), self.claim.name.clone());
        match timeout(REQUEST, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(LeaseError::Api { verb, namespace, name, source: Box::new(source) }),
            Err(_) => Err(LeaseError::Timeout { namespace, name }),
        }
    }
}

/// Somebody else has written in between, or has created it first.
fn is_conflict(err: &kube::Error) -> bool {
    matches!(err, kube::Error::Api(status) if status.code == 409)
}

fn record_of(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(seconds),
        acquired: spec.acquire_time.map(|time| time.0),
        renewed: spec.renew_time.map(|time| time.0),
        transitions: spec.lease_transitions.unwrap_or(0),
    }
}

/// `record` as it is written; what else stood in the spec stays.
fn spec(record: &Record, before: Option<LeaseSpec>) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(record.holder.clone()),
        lease_duration_seconds: i32::try_from(record.duration.as_secs()).ok(),
        acquire_time: record.acquired.map(MicroTime),
        renew_time: record.renewed.map(MicroTime),
        lease_transitions: Some(record.transitions),
        ..before.unwrap_or_default()
    }
}
