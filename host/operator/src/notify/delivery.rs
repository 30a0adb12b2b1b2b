//! What is being sent, and what came of it.
//!
//! Sending takes as long as the other side likes, so nobody waits for it: each message is sent by a task of its own, and what came of it is
//! kept until it stands in the status. Channels do not wait for each other, and updates for none of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8supdater_core::notice::Message;
use k8supdater_core::notice::outbox::{self, Dispatch};
use k8supdater_runtime::wit::exchange::Error as PluginError;
use thiserror::Error;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use crate::credentials::CredentialError;
use crate::exchange::ExchangeError;
use crate::plugin::{NotServing, SettingsError};

/// How long messages that sum up are waited for, so that those of all handlers go out as one. Their time comes at the same moment.
const GATHERING: Duration = Duration::from_secs(3);
/// Most messages that one plugin sends at the same time. A mail server counts connections, and a chat messages.
const MOST_AT_ONCE: usize = 4;

/// Which handler, by its UID.
pub(super) type Uid = String;

/// Everything that is being sent, and what was sent and does not stand in a status yet.
pub(super) struct Deliveries {
    state: Mutex<State>,
    tasks: TaskTracker,
    /// Told which handler has to be looked at again.
    ended: mpsc::UnboundedSender<Place>,
}

/// Where a handler is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

#[derive(Default)]
struct State {
    under_way: HashMap<(Uid, String), usize>,
    ended: HashMap<Uid, (Place, Vec<Ended>)>,
    limits: HashMap<String, Arc<Semaphore>>,
    /// What waits for others that go the same way.
    gathered: HashMap<Destination, Vec<Parcel>>,
}

/// A message of one handler on one channel.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) uid: Uid,
    pub(super) place: Place,
    /// Name of the channel.
    pub(super) channel: String,
    pub(super) dispatch: Dispatch,
}

/// Where messages go: whatever goes to the same one may go as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Destination {
    /// Name of the Plugin.
    pub(super) plugin: String,
    /// What it is told, as JSON.
    pub(super) settings: String,
    /// Namespace, name and slot of the Secret, if it is the handler's own.
    pub(super) secret: Option<(String, String, Option<String>)>,
}

/// What came of sending a message.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// Name of the channel.
    pub(super) channel: String,
    /// What was sent.
    pub(super) dispatch: Dispatch,
    /// Why it was not; none if it was.
    pub(super) failure: Option<Failure>,
    /// When.
    pub(super) at: Timestamp,
}

/// A failure as it is remembered: fixed, so that noting it twice notes the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Failure {
    /// A fixed CamelCase word.
    pub(super) reason: &'static str,
    /// The same in words.
    pub(super) message: String,
    /// When sending again makes sense.
    pub(super) retry: outbox::Retry,
}

impl Deliveries {
    /// Nothing is being sent. `ended` is told of each handler for which something was.
    pub(super) fn new(ended: mpsc::UnboundedSender<Place>) -> Self {
        Self { state: Mutex::default(), tasks: TaskTracker::new(), ended }
    }

    /// Has `send` send the message of `parcel`; together with others to the same destination if it `sums_up`.
    pub(super) fn begin<S>(
        self: &Arc<Self>,
        parcel: Parcel,
        to: Destination,
        sums_up: bool,
        send: impl FnOnce(Message) -> S + Send + 'static,
    ) where
        S: Future<Output = Result<(), DeliveryError>> + Send,
    {
        let mut state = self.lock();
        let count = state.under_way.entry((parcel.uid.clone(), parcel.channel.clone())).or_default();
        *count = count.saturating_add(1);
        let limit = state.limits.entry(to.plugin.clone()).or_insert_with(|| Arc::new(Semaphore::new(MOST_AT_ONCE)));
        let (deliveries, limit) = (Arc::clone(self), Arc::clone(limit));
        if !sums_up {
            self.tasks.spawn(async move { deliveries.send(vec![parcel], &limit, send).await });
            return;
        }
        let gathered = state.gathered.entry(to.clone()).or_default();
        gathered.push(parcel);
        if gathered.len() == 1 {
            self.tasks.spawn(async move {
                tokio::time::sleep(GATHERING).await;
                let mut parcels = deliveries.lock().gathered.remove(&to).unwrap_or_default();
                // In an order that is the same if the same has to be sent again.
                parcels.sort_by(|one, other| one.place.cmp(&other.place));
                deliveries.send(parcels, &limit, send).await;
            });
        }
    }

    async fn send<S>(&self, parcels: Vec<Parcel>, limit: &Semaphore, send: impl FnOnce(Message) -> S)
    where
        S: Future<Output = Result<(), DeliveryError>>,
    {
        let dispatches: Vec<Dispatch> = parcels.iter().map(|parcel| parcel.dispatch.clone()).collect();
        let Some(message) = Dispatch::sum_up(&dispatches) else { return };
        let result = {
            let _place = limit.acquire().await;
            send(message).await
        };
        let failure = result.err().map(|err| err.failure(rand::random()));
        let at = Timestamp::now();
        for Parcel { uid, place, channel, dispatch } in parcels {
            let ended = Ended { channel: channel.clone(), dispatch, failure: failure.clone(), at };
            self.end((uid, channel), &place, ended);
        }
    }

    fn end(&self, key: (Uid, String), place: &Place, ended: Ended) {
        let mut state = self.lock();
        if let Some(count) = state.under_way.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.under_way.remove(&key);
            }
        }
        let (_, known) = state.ended.entry(key.0).or_insert_with(|| (place.clone(), Vec::new()));
        known.push(ended);
        // Nobody listens any more while the operator stops; then `left` is asked.
        let _ = self.ended.send(place.clone());
    }

    /// Has something sent of which nothing is written down.
    pub(super) fn by_itself(&self, send: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(send);
    }

    /// The channels of a handler on which something is being sent.
    pub(super) fn under_way(&self, uid: &str) -> HashSet<String> {
        self.lock().under_way.keys().filter(|(known, _)| known == uid).map(|(_, channel)| channel.clone()).collect()
    }

    /// What was sent for a handler and does not stand in its status yet.
    pub(super) fn ended(&self, uid: &str) -> Vec<Ended> {
        self.lock().ended.get(uid).map(|(_, ended)| ended.clone()).unwrap_or_default()
    }

    /// The first `count` of these stand in the status now, or the handler is gone.
    pub(super) fn recorded(&self, uid: &str, count: usize) {
        let mut state = self.lock();
        if let Some((_, ended)) = state.ended.get_mut(uid) {
            ended.drain(..count.min(ended.len()));
            if ended.is_empty() {
                state.ended.remove(uid);
            }
        }
    }

    /// Waits for what is being sent, but no longer than `patience`, and says for which handlers something does not stand in the status.
    pub(super) async fn left(&self, patience: Duration) -> Vec<Place> {
        self.tasks.close();
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
        self.lock().ended.values().map(|(place, _)| place.clone()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a message was not delivered.
#[derive(Debug, Error)]
pub(super) enum DeliveryError {
    /// The plugin does not serve.
    #[error(transparent)]
    Plugin(#[from] NotServing),
    /// The settings are not what its schema allows.
    #[error("the settings for plugin {plugin} are refused")]
    Settings {
        /// Name of the Plugin.
        plugin: String,
        /// Which one and why.
        #[source]
        cause: SettingsError,
    },
    /// The Secret that the handler names is of no use.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The conversation failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
}

impl DeliveryError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Plugin(err) => err.reason(),
            Self::Settings { .. } => "InvalidSettings",
            Self::Credentials(err) => err.reason(),
            Self::Exchange(ExchangeError::Call(err)) => err.reason(),
            Self::Exchange(ExchangeError::TooManySteps | ExchangeError::TooSlow | ExchangeError::TooManyTags) => {
                "DeliveryTooLong"
            }
            Self::Exchange(ExchangeError::Notifier(error) | ExchangeError::Plugin(error)) => match error {
                PluginError::NotFound => "ChannelNotFound",
                PluginError::Unauthorized => "CredentialsRefused",
                PluginError::CredentialsExpired => "CredentialsExpired",
                PluginError::RateLimited(_) => "RateLimited",
                PluginError::Unavailable(_) => "ChannelUnavailable",
                PluginError::InvalidSettings(_) => "InvalidSettings",
                PluginError::InvalidReply(_) => "InvalidReply",
                PluginError::Unsupported => "Unsupported",
                PluginError::Other(_) => "ChannelFailed",
            },
        }
    }

    /// When sending again makes sense; `random` is from 0 to 1. What somebody has to mend is also tried when the plugin or the handler has
    /// changed, which is noticed elsewhere.
    fn retry(&self, random: f64) -> outbox::Retry {
        let back_off = outbox::Retry::BackOff { random };
        match self {
            Self::Settings { .. } => outbox::Retry::OnChange,
            // Neither is a Secret watched in the namespaces of handlers, nor can a plugin that traps be seen to be better.
            Self::Plugin(_)
            | Self::Credentials(_)
            | Self::Exchange(
                ExchangeError::Plugin(_)
                | ExchangeError::Call(_)
                | ExchangeError::TooManySteps
                | ExchangeError::TooSlow
                | ExchangeError::TooManyTags,
            ) => back_off,
            Self::Exchange(ExchangeError::Notifier(error)) => match error {
                PluginError::RateLimited(Some(seconds)) => {
                    outbox::Retry::After(Duration::from_secs(u64::from(*seconds)))
                }
                PluginError::InvalidSettings(_) | PluginError::Unsupported => outbox::Retry::OnChange,
                PluginError::RateLimited(None)
                | PluginError::NotFound
                | PluginError::Unauthorized
                | PluginError::CredentialsExpired
                | PluginError::Unavailable(_)
                | PluginError::InvalidReply(_)
                | PluginError::Other(_) => back_off,
            },
        }
    }

    fn failure(&self, random: f64) -> Failure {
        let message = crate::api::conditions::shorten(crate::failure::chain(self), 1024);
        Failure { reason: self.reason(), message, retry: self.retry(random) }
    }
}

#[cfg(test)]
mod tests {
    use k8supdater_core::notice::outbox::{Mode, Policy};
    use k8supdater_core::notice::{Filter, Handler, Kind, Notice, Outbox};

    use super::*;

    fn dispatch(name: &str) -> Dispatch {
        let mut outbox = Outbox::default();
        let handler = Handler { namespace: "a".to_owned(), name: name.to_owned(), uid: name.to_owned() };
        let now = Timestamp::from_second(1_000).unwrap();
        outbox.enqueue([Notice::new(Kind::Updated, handler, now)], &Filter::default(), now);
        outbox.due(now, &Policy { mode: Mode::Immediate, remind_after: None }).dispatches.remove(0)
    }

    fn parcel(name: &str) -> Parcel {
        let place = Place { namespace: "a".to_owned(), name: name.to_owned() };
        Parcel { uid: name.to_owned(), place, channel: "email".to_owned(), dispatch: dispatch(name) }
    }

    fn destination() -> Destination {
        Destination { plugin: "email".to_owned(), settings: String::new(), secret: None }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_sent_is_under_way_or_has_ended_at_any_moment() {
        let (ended, mut told) = mpsc::unbounded_channel();
        let deliveries = Arc::new(Deliveries::new(ended));
        for round in 0..500 {
            let uid = round.to_string();
            deliveries.begin(parcel(&uid), destination(), false, async |_| Ok(()));
            loop {
                // As a plan looks: first what is under way, then what has ended.
                let under_way = deliveries.under_way(&uid);
                let ended = deliveries.ended(&uid);
                assert!(under_way.contains("email") || !ended.is_empty(), "round {round}: it would be sent again");
                if under_way.is_empty() {
                    break;
                }
            }
            assert_eq!(told.recv().await.map(|place| place.name), Some(uid));
        }
    }

    #[tokio::test]
    async fn what_sums_up_goes_as_one_and_ends_for_each() {
        let (ended, _told) = mpsc::unbounded_channel();
        let deliveries = Arc::new(Deliveries::new(ended));
        let sent = Arc::new(Mutex::new(Vec::new()));
        for name in ["web", "db"] {
            let sent = Arc::clone(&sent);
            deliveries.begin(parcel(name), destination(), true, move |message: Message| async move {
                sent.lock().unwrap().push(message.title);
                Ok(())
            });
        }
        assert_eq!(deliveries.left(GATHERING * 2).await.len(), 2);
        let titles = sent.lock().unwrap().clone();
        assert_eq!(titles.len(), 1, "{titles:?}");
        assert!(titles[0].starts_with("2 notices about 2 handlers"), "{titles:?}");
        for name in ["web", "db"] {
            assert!(deliveries.ended(name)[0].failure.is_none() && deliveries.under_way(name).is_empty());
            deliveries.recorded(name, 1);
            assert!(deliveries.ended(name).is_empty());
        }
    }
}
