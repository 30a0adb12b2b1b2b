//! A bot in a chat, with somebody who knows what its buttons stand for.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use k8supdater::bot::{self, Answer, Approvers, Bot, Chat, Context, Decided, Offer, Offers, Outcome, Pace};
use k8supdater::telemetry::metrics::{Format, Metrics};
use k8supdater_core::origin::Grants;
use k8supdater_egress::{Client, Credential, Options};
use k8supdater_testkit::{FakeTelegram, PATIENCE, TelegramMessage, TelegramUser, eventually};
use serde_json::json;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;
use url::Url;

/// The group that everything happens in.
pub(crate) const GROUP: i64 = -1_001_234_567_890;
/// What the message says.
pub(crate) const TEXT: &str = "nginx 1.27 & more";
const HTML: &str = "<b>nginx</b> 1.27 &amp; more";

/// No wait is longer than a test bears.
const PACE: Pace = Pace {
    poll: Duration::from_secs(30),
    base: Duration::from_millis(20),
    cap: Duration::from_millis(100),
    conflict: Duration::from_millis(50),
    hopeless: Duration::from_millis(50),
    look: Duration::from_millis(20),
    follow: Duration::from_mins(15),
};

/// Who knows what buttons stand for; plays the API server too.
#[derive(Default)]
pub(crate) struct Desk {
    offers: Mutex<HashMap<String, Offer>>,
    /// What was decided about which tag of which handler.
    decided: Mutex<HashMap<(String, String), (Answer, String)>>,
    writes: Mutex<Vec<(Answer, String)>>,
    outcome: Mutex<Option<Outcome>>,
    is_broken: Mutex<bool>,
}

#[derive(Debug, Error)]
#[error("the API server is away")]
pub(crate) struct Away;

impl Offers for Desk {
    type Error = Away;

    fn find(&self, value: &str) -> Option<Offer> {
        self.offers.lock().unwrap().get(value).cloned()
    }

    async fn decide(&self, offer: &Offer, by: &str) -> Result<Decided, Away> {
        // Whoever else is there gets a turn.
        tokio::task::yield_now().await;
        if *self.is_broken.lock().unwrap() {
            return Err(Away);
        }
        if !self.offers.lock().unwrap().values().any(|known| known == offer) {
            return Ok(Decided::Gone);
        }
        let mut decided = self.decided.lock().unwrap();
        let key = (offer.handler.clone(), offer.tag.clone());
        if let Some((answer, by)) = decided.get(&key).cloned() {
            return Ok(Decided::Already { answer, by });
        }
        decided.insert(key, (offer.answer, by.to_owned()));
        self.writes.lock().unwrap().push((offer.answer, by.to_owned()));
        Ok(Decided::New)
    }

    fn outcome(&self, offer: &Offer) -> Option<Outcome> {
        assert_eq!(offer.answer, Answer::Approve, "nothing comes of anything else");
        self.outcome.lock().unwrap().clone()
    }
}

impl Desk {
    /// The buttons of a message about a handler: what they hand back ends in the name of the handler.
    pub(crate) fn offer(&self, plugin: &str, handler: &str, approvers: &serde_json::Value) {
        for (label, answer) in [("Update", Answer::Approve), ("Skip", Answer::Skip), ("Snooze", Answer::Snooze)] {
            let offer = Offer {
                plugin: plugin.to_owned(),
                namespace: "shop".to_owned(),
                handler: handler.to_owned(),
                container: "nginx".to_owned(),
                tag: "1.27.0".to_owned(),
                answer,
                label: label.to_owned(),
                chat: Chat::Number(GROUP),
                approvers: Approvers::of(&json!({"approvers": approvers})),
            };
            self.offers.lock().unwrap().insert(format!("{label}:{handler}"), offer);
        }
    }

    pub(crate) fn withdraw(&self) {
        self.offers.lock().unwrap().clear();
    }

    pub(crate) fn writes(&self) -> Vec<(Answer, String)> {
        self.writes.lock().unwrap().clone()
    }

    pub(crate) fn set_outcome(&self, outcome: Outcome) {
        *self.outcome.lock().unwrap() = Some(outcome);
    }

    pub(crate) fn set_broken(&self, is_broken: bool) {
        *self.is_broken.lock().unwrap() = is_broken;
    }
}

/// A replica that talks.
pub(crate) struct Replica {
    pub(crate) bots: watch::Sender<Vec<Bot>>,
    pub(crate) is_held: watch::Sender<bool>,
    pub(crate) metrics: Arc<Metrics>,
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    /// One that holds the lease.
    pub(crate) fn start(desk: &Arc<Desk>, bots: Vec<Bot>) -> Self {
        captured();
        let (bots, changing_bots) = watch::channel(bots);
        let (is_held, changing_holder) = watch::channel(true);
        let (metrics, stopping) = (Arc::new(Metrics::default()), CancellationToken::new());
        let context = Context {
            client: Client::new(Options::default()).unwrap(),
            bots: changing_bots,
            is_held: changing_holder,
            offers: Arc::clone(desk),
            metrics: Arc::clone(&metrics),
            pace: PACE,
        };
        let task = tokio::spawn(bot::run(context, stopping.clone()));
        Self { bots, is_held, metrics, stopping, task }
    }

    /// Has it stop, and waits until it has.
    pub(crate) async fn stop(self) {
        self.stopping.cancel();
        self.task.await.unwrap();
    }

    /// Whether the metrics have this line.
    pub(crate) fn counts(&self, line: &str) -> bool {
        self.metrics.text(Format::Text).unwrap().lines().any(|found| found == format!("k8supdater_{line}"))
    }
}

/// A chat in which the bot has written, and a replica.
pub(crate) struct Scene {
    pub(crate) telegram: FakeTelegram,
    pub(crate) token: String,
    pub(crate) desk: Arc<Desk>,
    pub(crate) replica: Replica,
    /// The message with the buttons.
    pub(crate) message: i64,
}

impl Scene {
    /// Ann may answer, and nobody else.
    pub(crate) async fn start() -> Self {
        let token = new_token();
        let telegram = FakeTelegram::start(&token).await;
        telegram.add_group(GROUP, "Operations");
        let desk = Arc::new(Desk::default());
        desk.offer("telegram", "web", &json!([ann().id]));
        let message = post(&telegram, "web");
        let replica = Replica::start(&desk, vec![bot_of("telegram", &telegram, &token)]);
        Self { telegram, token, desk, replica, message }
    }

    pub(crate) fn bot(&self) -> Bot {
        bot_of("telegram", &self.telegram, &self.token)
    }

    pub(crate) fn press(&self, label: &str, user: &TelegramUser) -> String {
        self.telegram.press(self.message, label, user)
    }

    /// What the person who pressed was told, and whether it was in the way.
    pub(crate) async fn told(&self, query: &str) -> (String, bool) {
        let found = async || {
            let answers = self.telegram.answers();
            let found = answers.iter().find(|answer| answer.query == query);
            found.map(|answer| (answer.text.clone(), answer.show_alert)).ok_or_else(|| format!("{answers:?}"))
        };
        eventually(PATIENCE, found).await.unwrap_or_else(|last| panic!("nobody answers {query}: {last}"))
    }

    /// The message, once it says `text`.
    pub(crate) async fn shown(&self, text: &str) -> TelegramMessage {
        shown(&self.telegram, self.message, text).await
    }

    /// Waits until all that has happened was dealt with.
    pub(crate) async fn settle(&self) {
        let settled = async || match self.telegram.unconfirmed() {
            0 => Ok(()),
            left => Err(format!("{left} updates are left")),
        };
        eventually(PATIENCE, settled).await.unwrap();
    }
}

/// A message once it says `text`.
pub(crate) async fn shown(telegram: &FakeTelegram, message: i64, text: &str) -> TelegramMessage {
    let found = async || {
        let message = telegram.message(message);
        if message.text.contains(text) { Ok(message) } else { Err(message.text) }
    };
    eventually(PATIENCE, found).await.unwrap_or_else(|last| panic!("no message says {text:?}, but {last:?}"))
}

/// The message about a handler.
pub(crate) fn post(telegram: &FakeTelegram, handler: &str) -> i64 {
    let value = |label: &str| format!("{label}:{handler}");
    let (update, skip, snooze) = (value("Update"), value("Skip"), value("Snooze"));
    telegram.post(GROUP, HTML, &[("Update", &update), ("Skip", &skip), ("Snooze", &snooze)])
}

pub(crate) fn bot_of(plugin: &str, telegram: &FakeTelegram, token: &str) -> Bot {
    Bot {
        plugin: plugin.to_owned(),
        api_url: Url::parse(&telegram.origin()).unwrap(),
        grants: Grants::new(vec![telegram.origin().parse().unwrap()]),
        token: Credential::token(token.to_owned()),
    }
}

/// A token that nothing else contains.
pub(crate) fn new_token() -> String {
    format!("123456:canary{:032x}", rand::random::<u128>())
}

pub(crate) fn ann() -> TelegramUser {
    TelegramUser::new(11, "Ann", "ann")
}

pub(crate) fn bob() -> TelegramUser {
    TelegramUser::new(12, "Bob", "bob")
}

/// Everything that was logged so far, by all tests.
pub(crate) fn logged() -> String {
    String::from_utf8_lossy(&captured().0.lock().unwrap()).into_owned()
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

/// For all tests of this process, at the most talkative level: of a subscriber for one thread only, some lines are lost.
fn captured() -> &'static Captured {
    static CAPTURED: LazyLock<Captured> = LazyLock::new(|| {
        let captured = Captured::default();
        let level = tracing::Level::TRACE;
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_max_level(level).with_writer(captured.clone()).finish();
        tracing::subscriber::set_global_default(subscriber).expect("no other test of this process captures");
        captured
    });
    &CAPTURED
}

impl io::Write for Captured {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
