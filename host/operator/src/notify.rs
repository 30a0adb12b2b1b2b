//! Notices: people are told what happens, once, on channels that are notifier plugins.
//!
//! A loop of its own over the same VersioningHandlers, so that no channel ever keeps an update waiting. It reads from a handler's status how
//! things stand ([`standing`]), compares with what people know, which stands in the status too ([`record`]), and sends what is missing
//! ([`delivery`]). The rules of the comparison are those of [`k8supdater_core::notice::outbox`].
//!
//! ```text
//! event ─> reconcile ─> standing ─> plan ─> write the status ─> send ─> (later) event ─> … ─> write what came of it
//!                         pure      pure        writes          a task of its own
//! ```
//!
//! What is about to be sent is written down before it is sent, and that it was sent after it was: an operator that is killed in between sends
//! it once more, under the same key. Nothing is sent on the ground of what a watch has brought, which may be old, but only of what the API
//! server says at that moment.

mod channel;
mod delivery;
mod offers;
mod plan;
mod record;
mod standing;
mod traced;
mod wire;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8supdater_core::notice::Message;
use k8supdater_core::notice::outbox::{Dispatch, Mode};
use k8supdater_egress::{Client as Egress, Mailer};
use k8supdater_runtime::manifest::Kind as PluginKind;
use kube::api::PostParams;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Api, Client, ResourceExt};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tracing::{Instrument, Span, info, warn};

use crate::api::versioning_handler::{Settings, VersioningHandler};
use crate::config::Config;
use crate::credentials;
use crate::exchange::{self, Ways};
use crate::failure::chain;
use crate::fleet;
use crate::plugin::Plugins;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::context;

use channel::{Channel, channels};
use delivery::{Deliveries, DeliveryError, Parcel};
use plan::{Circumstances, Plan};
use standing::Standing;

pub use delivery::Place;
pub use offers::{Offers, bots};

/// How long a stopping operator waits for what is being sent. Shorter than the time that everything has to stop in.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what was sent for a handler is remembered after its end: longer than any look at it that has begun before.
const REMEMBERED: Duration = Duration::from_mins(2);
/// Longest time between two looks, for the case that an event was lost.
const LONGEST_REST: Duration = Duration::from_hours(1);

/// What the loop works with.
pub struct Context {
    client: Client,
    config: Config,
    plugins: Arc<Plugins>,
    egress: Egress,
    mailer: Option<Mailer>,
    metrics: Arc<Metrics>,
    deliveries: Arc<Deliveries>,
    /// With which plugin and spec something was sent last, by handler and channel.
    used: Mutex<HashMap<(String, String), Revision>>,
}

/// What a channel is made of: the revision of what the plugin serves, and the generation of the handler.
type Revision = (Option<u64>, Option<i64>);

/// What was sent could not be written down.
#[derive(Debug, Error)]
pub enum NotifyError {
    /// Somebody else wrote at the same time.
    #[error("VersioningHandler {namespace}/{name} was changed while its notices were written down")]
    Conflict {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("cannot write down the notices of VersioningHandler {namespace}/{name}")]
    Api {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
}

impl Context {
    /// Nothing is sent yet. The receiver tells of handlers that have to be looked at again.
    pub fn new(
        client: Client,
        config: Config,
        plugins: Arc<Plugins>,
        egress: Egress,
        mailer: Option<Mailer>,
        metrics: Arc<Metrics>,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Place>) {
        let (ended, receiver) = mpsc::unbounded_channel();
        let deliveries = Arc::new(Deliveries::new(ended));
        let used = Mutex::default();
        (Arc::new(Self { client, config, plugins, egress, mailer, metrics, deliveries, used }), receiver)
    }

    /// Changes whenever what serves does.
    pub fn plugin_changes(&self) -> watch::Receiver<u64> {
        self.plugins.changes()
    }

    fn channels(&self, handler: &VersioningHandler) -> (Vec<Channel>, Vec<String>) {
        channels_of(&self.plugins, handler)
    }

    /// The plan for `handler`, and how many deliveries that have ended it takes note of. With `is_ending` nothing is begun any more.
    fn plan(&self, handler: &VersioningHandler, is_ending: bool, now: Timestamp) -> (Plan, usize) {
        let uid = handler.uid().unwrap_or_default();
        let (channels, twice) = self.channels(handler);
        // In this order: what ends between the two looks still counts as under way. The other way round it would be neither, and sent again.
        let under_way = self.deliveries.under_way(&uid);
        let ended = self.deliveries.ended(&uid);
        let standing = Standing::of(handler, self.config.failing_after, now);
        let given = Circumstances {
            channels: &channels,
            twice: &twice,
            ended: &ended,
            is_under_way: &|channel| is_ending || under_way.contains(channel),
            has_changed: &|channel| {
                let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
                used.get(&(uid.clone(), channel.name.clone())) != Some(&self.revision(handler, channel))
            },
            now,
        };
        (Plan::of(handler, &standing, &given), ended.len())
    }

    fn revision(&self, handler: &VersioningHandler, channel: &Channel) -> Revision {
        let serving = self.plugins.serving(&channel.plugin, PluginKind::Notifier).ok();
        (serving.map(|serving| serving.revision), handler.metadata.generation)
    }

    /// Forgets what is known in memory of a handler that is gone.
    fn forget(&self, uid: &str) {
        self.deliveries.recorded(uid, usize::MAX);
        self.used.lock().unwrap_or_else(PoisonError::into_inner).retain(|(known, _), _| known != uid);
    }

    /// Has `dispatch` sent.
    fn send(self: &Arc<Self>, handler: &VersioningHandler, channel: Channel, dispatch: Dispatch) {
        let uid = handler.uid().unwrap_or_default();
        let place = Place { namespace: handler.namespace().unwrap_or_default(), name: handler.name_any() };
        let revision = self.revision(handler, &channel);
        let key = (uid.clone(), channel.name.clone());
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key, revision);
        let parcel = Parcel { uid, channel: channel.name.clone(), dispatch, place };
        let to = channel.destination(&parcel.place.namespace);
        let sums_up = matches!(channel.policy.mode, Mode::Digest { .. });
        let (ctx, namespace) = (Arc::clone(self), parcel.place.namespace.clone());
        // What sums up is about many things.
        let trace = if sums_up { None } else { traced::trace_of(handler, &parcel.dispatch.message) };
        let send = move |message: Message| async move {
            let span = traced::delivery(&channel, &message, trace.as_deref());
            ctx.deliver(&channel, &namespace, &message).instrument(span).await
        };
        self.deliveries.begin(parcel, to, sums_up, send);
    }

    /// Sends one message, and shows what came of it in log and metrics.
    /// The channel is that of a handler in `namespace`; the message may be about several.
    async fn deliver(&self, channel: &Channel, namespace: &str, message: &Message) -> Result<(), DeliveryError> {
        let result = self.converse(channel, namespace, message).await;
        let Message { handler, kind, title, key, .. } = message;
        let (namespace, name) = (&handler.namespace, &handler.name);
        let Channel { name: channel, plugin, .. } = channel;
        match &result {
            Ok(()) => {
                self.metrics.delivered(plugin);
                info!(namespace, handler = name, channel, %kind, title, key, "notice delivered");
            }
            Err(err) => {
                let reason = err.reason();
                self.metrics.not_delivered(plugin, reason);
                context::failed(&Span::current(), reason);
                warn!(namespace, handler = name, channel, %kind, key, reason, error = chain(err), "notice not delivered");
            }
        }
        result
    }

    async fn converse(&self, channel: &Channel, namespace: &str, message: &Message) -> Result<(), DeliveryError> {
        let serving = self.plugins.serving(&channel.plugin, PluginKind::Notifier)?;
        let refused = |cause| DeliveryError::Settings { plugin: channel.plugin.clone(), cause };
        let settings = serving.settings(&channel.settings).map_err(refused)?;
        let mut scope = serving.scope_for_notices(&settings, Vec::new());
        if let Some(reference) = &channel.secret {
            let own = credentials::of_channel(&self.client, namespace, reference, &serving, &scope).await?;
            scope = serving.scope_for_notices(&settings, own);
        }
        let can_answer = channel.secret.is_none() && offers::listens(&serving, &settings);
        let notice = wire::notice(message, can_answer.then_some(channel.name.as_str()));
        let ways = Ways { egress: &self.egress, mailer: self.mailer.as_ref() };
        Ok(exchange::notify(&serving.component, ways, &scope, &notice, &settings).await?)
    }
}

/// The channels of a handler, and the names that it gives to more than one.
fn channels_of(plugins: &Plugins, handler: &VersioningHandler) -> (Vec<Channel>, Vec<String>) {
    let own = handler.spec.notifiers.as_deref();
    let notifiers = plugins.notifiers();
    // A plugin that lacks settings is no channel by itself, but what it says of notices counts for handlers that complete it.
    let told = notifiers.iter().filter(|serving| own.is_some() || serving.settings(&Settings::new()).is_ok());
    let told = told.map(|serving| (serving.name.clone(), serving.notices().clone())).collect();
    channels(own, &told)
}

/// Looks at one handler, writes down what is to be sent for it, and has it sent.
///
/// # Errors
/// When it cannot be written down; then nothing is sent.
pub async fn reconcile(
    object: Arc<DeserializeGuard<VersioningHandler>>,
    ctx: Arc<Context>,
) -> Result<Action, NotifyError> {
    // What is wrong with an object that cannot be read is said elsewhere.
    let Ok(handler) = &object.0 else { return Ok(Action::await_change()) };
    let now = Timestamp::now();
    let (plan, _) = ctx.plan(handler, false, now);
    let is_news = plan.status != handler.status.clone().unwrap_or_default();
    let next =
        if is_news || !plan.dispatches.is_empty() { write_and_send(handler, &ctx, false).await? } else { plan.next };
    let rest = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok()).unwrap_or(LONGEST_REST);
    // A moment later rather than sooner: times in the status have no fractions of a second.
    Ok(Action::requeue(rest.min(LONGEST_REST).saturating_add(Duration::from_millis(50))))
}

/// Makes the plan again from what the API server says now, writes it down, and has sent what it says.
async fn write_and_send(
    handler: &VersioningHandler,
    ctx: &Arc<Context>,
    is_ending: bool,
) -> Result<Option<Timestamp>, NotifyError> {
    let (namespace, name) = (handler.namespace().unwrap_or_default(), handler.name_any());
    let api: Api<VersioningHandler> = Api::namespaced(ctx.client.clone(), &namespace);
    let failed =
        |source| NotifyError::Api { namespace: namespace.clone(), name: name.clone(), source: Box::new(source) };
    let fresh = api.get_opt(&name).await.map_err(failed)?;
    let Some(fresh) = fresh.filter(|fresh| fresh.uid() == handler.uid()) else {
        ctx.forget(&handler.uid().unwrap_or_default());
        return Ok(None);
    };
    let uid = fresh.uid().unwrap_or_default();
    let (plan, ended) = ctx.plan(&fresh, is_ending, Timestamp::now());
    if plan.status != fresh.status.clone().unwrap_or_default() {
        let mut changed = VersioningHandler { status: Some(plan.status), ..fresh.clone() };
        changed.metadata.managed_fields = None;
        ctx.metrics.status_written();
        match api.replace_status(&name, &PostParams::default(), &changed).await {
            Ok(_) => {}
            Err(kube::Error::Api(answer)) if answer.code == 409 => {
                return Err(NotifyError::Conflict { namespace, name });
            }
            Err(kube::Error::Api(answer)) if answer.code == 404 => return Ok(None),
            Err(source) => return Err(failed(source)),
        }
    }
    ctx.deliveries.recorded(&uid, ended);
    for (channel, dispatch) in plan.dispatches {
        ctx.send(&fresh, channel, dispatch);
    }
    Ok(plan.next)
}

/// When to try again what could not be written down.
#[allow(clippy::needless_pass_by_value, reason = "the controller prescribes the signature")]
pub fn error_policy(_: Arc<DeserializeGuard<VersioningHandler>>, err: &NotifyError, _: Arc<Context>) -> Action {
    match err {
        NotifyError::Conflict { .. } => Action::requeue(Duration::from_millis(200)),
        NotifyError::Api { namespace, name, .. } => {
            warn!(namespace, handler = name, error = chain(err), "notices not written down");
            Action::requeue(Duration::from_secs(5))
        }
    }
}

/// How often a deletion is told to a channel that fails.
const ATTEMPTS: u32 = 5;

/// Tells that `handler` is gone, as far as that is possible: there is no status left that could remember to try again.
pub fn deleted(handler: &VersioningHandler, ctx: &Arc<Context>) {
    forget_later(handler.uid().unwrap_or_default(), Arc::clone(ctx));
    // Of a fleet that goes, or a workload, nobody has to hear once more for each member.
    if fleet::owner(&handler.metadata).is_some() {
        return;
    }
    let now = Timestamp::now();
    let Some(notice) = Standing::of(handler, Duration::ZERO, now).deleted(now) else { return };
    let (channels, _) = ctx.channels(handler);
    for channel in channels.into_iter().filter(|channel| channel.filter.lets_through(&notice)) {
        let message = Message::of(&notice, notice.fingerprint().to_string());
        let (sender, deliveries) = (Arc::clone(ctx), Arc::clone(&ctx.deliveries));
        deliveries.by_itself(async move {
            for attempt in 1..=ATTEMPTS {
                let span = traced::delivery(&channel, &message, None);
                if sender.deliver(&channel, &message.handler.namespace, &message).instrument(span).await.is_ok() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(10).saturating_mul(attempt)).await;
            }
        });
    }
}

/// Not at once: whoever has read the handler just before its end would find there a message that was begun, know nothing of its delivery, and
/// send it again.
fn forget_later(uid: String, ctx: Arc<Context>) {
    // It keeps nobody from stopping: there is nothing to finish.
    tokio::spawn(async move {
        tokio::time::sleep(REMEMBERED).await;
        ctx.forget(&uid);
    });
}

/// Waits for what is being sent, though not for long, and writes down what came of it: called when the loop has ended, so that a restart
/// repeats nothing.
pub async fn finish(ctx: &Arc<Context>) {
    for Place { namespace, name } in ctx.deliveries.left(PATIENCE).await {
        let api: Api<VersioningHandler> = Api::namespaced(ctx.client.clone(), &namespace);
        let Ok(Some(handler)) = api.get_opt(&name).await else { continue };
        if let Err(err) = write_and_send(&handler, ctx, true).await {
            warn!(
                namespace,
                handler = name,
                error = chain(&err),
                "what was sent last is not written down, and sent again"
            );
        }
    }
}
