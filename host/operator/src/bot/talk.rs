//! One bot: receives presses one after the other, and answers each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8supdater_egress::telegram::{Event, Press, Received, TelegramBot, TelegramError};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::board::{self, Notice};
use super::verdict::{Verdict, verdict};
use super::{Answer, Decided, Offer, Offers, Pace, words};
use crate::failure::chain;
use crate::telemetry::metrics::Metrics;

/// Most time that writing a decision down may take.
const DECISION: Duration = Duration::from_secs(30);
/// Least time between two polls that bring nothing: whoever answers sooner does not hold them, and must not be flooded.
const LEAST: Duration = Duration::from_millis(500);

/// One bot and what it needs.
pub(super) struct Talk<O> {
    pub(super) bot: TelegramBot,
    /// The Plugins whose notices it sends.
    pub(super) plugins: Vec<String>,
    pub(super) offers: Arc<O>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pace: Pace,
}

impl<O: Offers> Talk<O> {
    /// Until `stopping`. A press that is being dealt with is finished first.
    pub(super) async fn run(self, stopping: CancellationToken) {
        let (notices, shown) = mpsc::channel(64);
        tokio::select! {
            () = self.listen(&notices, &stopping) => {}
            () = board::keep(&self, shown) => {}
        }
    }

    async fn listen(&self, notices: &mpsc::Sender<Notice>, stopping: &CancellationToken) {
        // Sent only while it says something new: numbers of updates may begin anew after a quiet week.
        let mut offset = None;
        let mut trouble = Trouble::default();
        loop {
            let asked = Instant::now();
            let polled = stopping.run_until_cancelled(self.bot.updates(offset, self.pace.poll)).await;
            let pause = match polled {
                None => return,
                Some(Ok(updates)) => {
                    trouble.is_over(&self.plugins);
                    offset = None;
                    let pause = if updates.is_empty() { LEAST.saturating_sub(asked.elapsed()) } else { Duration::ZERO };
                    for received in updates {
                        if stopping.is_cancelled() {
                            return;
                        }
                        let next = received.update.saturating_add(1);
                        self.handle(received, notices).await;
                        offset = Some(next);
                    }
                    pause
                }
                Some(Err(err)) => {
                    self.metrics.bot_failed(err.reason());
                    trouble.goes_on(&err, &self.plugins);
                    self.pace.after(&err, trouble.failures, rand::random())
                }
            };
            if stopping.run_until_cancelled(sleep(pause)).await.is_none() {
                return;
            }
        }
    }

    /// Cannot fail: what goes wrong with one press is told to whoever pressed, and must not hold up the next.
    async fn handle(&self, received: Received, notices: &mpsc::Sender<Notice>) {
        match received.event {
            Event::Press(press) => {
                if let Some(notice) = self.press(*press).await {
                    // The board is there as long as this is.
                    let _ = notices.send(notice).await;
                }
            }
            Event::UnreadablePress { query } => {
                warn!(update = received.update, "a press cannot be understood");
                self.metrics.bot_pressed("unreadable");
                self.say(&query, words::UNREADABLE, true).await;
            }
            Event::Other => {}
        }
    }

    /// Deals with a press, and says how the message looks from now on.
    async fn press(&self, press: Press) -> Option<Notice> {
        let (user, chat) = (press.person.id, press.message.chat);
        // A bot speaks for its own Plugins: what another one has sent is none of its business.
        let offer = self.offers.find(&press.data).filter(|offer| self.plugins.contains(&offer.plugin));
        let Some(offer) = offer else { return self.gone(press).await };
        if verdict(&press, &offer) == Verdict::Refused {
            warn!(user, chat, handler = subject(&offer), "somebody who may not answer pressed a button");
            self.metrics.bot_pressed("refused");
            self.say(&press.query, words::STRANGER, true).await;
            return None;
        }
        let by = words::by(&press.person);
        match timeout(DECISION, self.offers.decide(&offer, &by)).await {
            Ok(Ok(Decided::New)) => {
                let at = Timestamp::now();
                info!(user, chat, handler = subject(&offer), tag = offer.tag, answer = ?offer.answer, "decided in a chat");
                self.metrics.bot_pressed("decided");
                self.say(&press.query, words::thanks(offer.answer), false).await;
                let line = words::decided(offer.answer, &by, Some(at));
                Some(Notice { is_first: true, followed: followed(&offer, offer.answer), ..Notice::of(&press, &line)? })
            }
            Ok(Ok(Decided::Already { answer, by })) => {
                self.metrics.bot_pressed("repeated");
                self.say(&press.query, &words::already(answer, &by), false).await;
                // Who was first may have been stopped before it was shown.
                let line = words::decided(answer, &by, None);
                Some(Notice { followed: followed(&offer, answer), ..Notice::of(&press, &line)? })
            }
            Ok(Ok(Decided::Gone)) => self.gone(press).await,
            Ok(Err(err)) => self.not_written(&press, &offer, &chain(&err)).await,
            Err(_) => self.not_written(&press, &offer, "it took too long").await,
        }
    }

    async fn gone(&self, press: Press) -> Option<Notice> {
        self.metrics.bot_pressed("gone");
        self.say(&press.query, words::GONE, true).await;
        Notice::of(&press, words::GONE)
    }

    async fn not_written(&self, press: &Press, offer: &Offer, error: &str) -> Option<Notice> {
        warn!(user = press.person.id, handler = subject(offer), error, "a decision could not be written down");
        self.metrics.bot_pressed("failed");
        self.say(&press.query, words::FAILED, true).await;
        None
    }

    /// Answers whoever pressed. Nobody waits for that: the message is what counts.
    async fn say(&self, query: &str, text: &str, is_alert: bool) {
        match self.bot.answer(query, text, is_alert).await {
            Ok(()) | Err(TelegramError::TooLate) => {}
            Err(err) => {
                self.metrics.bot_failed(err.reason());
                warn!(reason = err.reason(), error = %err, "whoever pressed a button was not told what came of it");
            }
        }
    }
}

/// Only of approvals something comes that there is to see.
fn followed(offer: &Offer, answer: Answer) -> Option<Offer> {
    (answer == Answer::Approve).then(|| Offer { answer, ..offer.clone() })
}

fn subject(offer: &Offer) -> String {
    format!("{}/{}", offer.namespace, offer.handler)
}

/// Failures in a row. Only the first of each kind is logged.
#[derive(Default)]
struct Trouble {
    failures: u32,
    last: Option<&'static str>,
}

impl Trouble {
    fn goes_on(&mut self, err: &TelegramError, plugins: &[String]) {
        self.failures = self.failures.saturating_add(1);
        if self.last.replace(err.reason()) != Some(err.reason()) {
            warn!(?plugins, reason = err.reason(), error = %err, "a bot hears nothing");
        }
    }

    fn is_over(&mut self, plugins: &[String]) {
        if std::mem::take(&mut self.failures) > 0 {
            self.last = None;
            info!(?plugins, "a bot hears again");
        }
    }
}
