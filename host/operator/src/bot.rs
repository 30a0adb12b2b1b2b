//! The conversation: people press buttons below notices in Telegram, and what they decide is written down once.
//!
//! Owns the bots, one for each token, which poll while this replica [holds the lease](crate::lease). What a button stands for, what
//! becomes of a decision, and what comes of it, others know: [`Offers`]. Nothing is kept but in memory and for some minutes: Telegram
//! keeps what was not confirmed, and the API server what was decided.
//!
//! One press, in reading order: `talk` receives it, [`verdict`] says whether that person may answer, [`Offers::decide`] writes it down,
//! [`words`] says so, and `board` edits the message, and once more when something has come of it.

mod board;
mod offer;
mod pace;
mod talk;
pub mod verdict;
pub mod words;

use std::collections::HashMap;
use std::sync::Arc;

use k8supdater_core::origin::Grants;
use k8supdater_egress::telegram::TelegramBot;
use k8supdater_egress::{Client, Credential, Identity};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use crate::telemetry::metrics::Metrics;

pub use offer::{Answer, Approvers, Chat, Decided, Offer, Offers, Outcome};
pub use pace::Pace;

/// A bot, as a Plugin sets it up.
#[derive(Clone, Debug)]
pub struct Bot {
    /// Name of the Plugin.
    pub plugin: String,
    /// Where its API is, without `/bot`.
    pub api_url: Url,
    /// What the Plugin may call.
    pub grants: Grants,
    /// The token.
    pub token: Credential,
}

/// What the conversation needs.
pub struct Context<O> {
    /// A client for bots only, with a place for every poll: see [`TelegramBot::new`].
    pub client: Client,
    /// The bots that there are at the moment. Several Plugins may have the same one.
    pub bots: watch::Receiver<Vec<Bot>>,
    /// Whether this replica is the one that polls.
    pub is_held: watch::Receiver<bool>,
    /// What buttons stand for.
    pub offers: Arc<O>,
    /// Counts presses and failures.
    pub metrics: Arc<Metrics>,
    /// How long to wait for what.
    pub pace: Pace,
}

/// Talks until `stopping`, and returns when what is under way is finished: polls are broken off, decisions are not.
pub async fn run<O: Offers>(mut context: Context<O>, stopping: CancellationToken) {
    let mut talks = Talks::default();
    loop {
        let bots = context.bots.borrow_and_update().clone();
        let wanted = if *context.is_held.borrow_and_update() { one_for_each_token(bots) } else { HashMap::new() };
        talks.adjust(&context, wanted);
        tokio::select! {
            () = stopping.cancelled() => break,
            Ok(()) = context.bots.changed() => {}
            Ok(()) = context.is_held.changed() => {}
            Some(ended) = talks.tasks.join_next_with_id() => {
                let id = ended.map_or_else(|err| err.id(), |(id, ())| id);
                if talks.forget(id) {
                    // Talks end when they are told to; this one has come upon a mistake of ours.
                    warn!("a bot has stopped and is started again");
                    stopping.run_until_cancelled(sleep(context.pace.base)).await;
                }
            }
        }
    }
    talks.adjust(&context, HashMap::new());
    while talks.tasks.join_next().await.is_some() {}
}

/// What one poll at a time may serve: Telegram gives each update to one who asks with the token.
type Key = (Url, Identity);

/// Bots by what they poll with, each with the names of its Plugins.
fn one_for_each_token(bots: Vec<Bot>) -> HashMap<Key, (Bot, Vec<String>)> {
    let mut found: HashMap<Key, (Bot, Vec<String>)> = HashMap::new();
    for bot in bots {
        let plugin = bot.plugin.clone();
        let (_, plugins) =
            found.entry((bot.api_url.clone(), bot.token.identity())).or_insert_with(|| (bot, Vec::new()));
        plugins.push(plugin);
        plugins.sort();
    }
    found
}

/// The bots that are polling.
#[derive(Default)]
struct Talks {
    tasks: JoinSet<()>,
    running: HashMap<Key, Running>,
}

struct Running {
    id: Id,
    plugins: Vec<String>,
    stopping: CancellationToken,
}

impl Talks {
    /// Starts and stops bots so that those of `wanted` are polling.
    fn adjust<O: Offers>(&mut self, context: &Context<O>, wanted: HashMap<Key, (Bot, Vec<String>)>) {
        self.running.retain(|key, running| {
            let stays = wanted.get(key).is_some_and(|(_, plugins)| *plugins == running.plugins);
            if !stays {
                running.stopping.cancel();
                info!(plugins = ?running.plugins, "a bot stops listening");
            }
            stays
        });
        for (key, (bot, plugins)) in wanted {
            if self.running.contains_key(&key) {
                continue;
            }
            let made = TelegramBot::new(context.client.clone(), bot.grants, &bot.api_url, bot.token);
            let bot = match made {
                Ok(bot) => bot,
                Err(err) => {
                    context.metrics.bot_failed(err.reason());
                    warn!(?plugins, reason = err.reason(), error = %err, "a bot cannot listen");
                    continue;
                }
            };
            info!(?plugins, "a bot listens");
            let stopping = CancellationToken::new();
            let talk = talk::Talk {
                bot,
                plugins: plugins.clone(),
                offers: Arc::clone(&context.offers),
                metrics: Arc::clone(&context.metrics),
                pace: context.pace,
            };
            let id = self.tasks.spawn(talk.run(stopping.clone())).id();
            self.running.insert(key, Running { id, plugins, stopping });
        }
    }

    /// Whether a task that has ended was one that should go on.
    fn forget(&mut self, id: Id) -> bool {
        let before = self.running.len();
        self.running.retain(|_, running| running.id != id);
        self.running.len() < before
    }
}
