//! How messages should look, until they do: after a decision, and once more when something has come of it.
//!
//! In memory only. Whoever takes over the lease does not know these messages; what is lost is a line that says what anybody can see in
//! the cluster.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use k8supdater_egress::telegram::{Content, Message, Press};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::warn;

use super::talk::Talk;
use super::{Offer, Offers, words};

/// Most messages that are remembered; who decides more in a quarter of an hour does not read them either.
const MOST: usize = 1_000;

/// How a message should look from now on.
pub(super) struct Notice {
    pub(super) message: Message,
    pub(super) content: Content,
    /// Whether it says more than what is known of the message already.
    pub(super) is_first: bool,
    /// Whose outcome is waited for.
    pub(super) followed: Option<Offer>,
}

impl Notice {
    /// The message as it was when the button was pressed, with `line` below it; none if it has no text that could be kept, or no
    /// buttons any more: then somebody has written below it already.
    pub(super) fn of(press: &Press, line: &str) -> Option<Self> {
        let content = press.content.as_ref().filter(|_| press.has_buttons)?.with_paragraph(line);
        Some(Self { message: press.message, content, is_first: false, followed: None })
    }
}

/// A message that is looked after.
struct Entry {
    notice: Notice,
    is_shown: bool,
    /// Whether the message says already that the decision waits for its time.
    says_it_waits: bool,
    failures: u32,
    /// When it may be edited next.
    next: Instant,
    /// When it is forgotten.
    end: Instant,
}

/// Shows what comes through `notices`, and what comes of it. Never returns before the sender is gone.
pub(super) async fn keep<O: Offers>(talk: &Talk<O>, mut notices: mpsc::Receiver<Notice>) {
    let mut entries: VecDeque<Entry> = VecDeque::new();
    loop {
        let wait = if entries.is_empty() { Duration::MAX } else { pause(&entries, talk.pace.look) };
        tokio::select! {
            notice = notices.recv() => match notice {
                Some(notice) => put(&mut entries, notice, talk.pace.follow),
                None => return,
            },
            () = sleep(wait) => {}
        }
        let now = Instant::now();
        entries.retain(|entry| now < entry.end);
        for entry in &mut entries {
            entry.look(talk);
            if !entry.is_shown && entry.next <= Instant::now() {
                entry.show(talk).await;
            }
        }
    }
}

/// Until there is something to do: an edit, or a look.
fn pause(entries: &VecDeque<Entry>, look: Duration) -> Duration {
    let now = Instant::now();
    let edits = entries.iter().filter(|entry| !entry.is_shown);
    let edits = edits.map(|entry| entry.next.saturating_duration_since(now));
    edits.chain([look]).min().unwrap_or(look)
}

fn put(entries: &mut VecDeque<Entry>, notice: Notice, follow: Duration) {
    let known = entries.iter().position(|entry| entry.notice.message == notice.message);
    match known {
        // A second press of the same message knows less than the first.
        Some(_) if !notice.is_first => return,
        Some(place) => drop(entries.remove(place)),
        None if entries.len() >= MOST => drop(entries.pop_front()),
        None => {}
    }
    let now = Instant::now();
    entries.push_back(Entry {
        notice,
        is_shown: false,
        says_it_waits: false,
        failures: 0,
        next: now,
        end: now + follow,
    });
}

impl Entry {
    /// Writes below the message what has come of it, if that is known now.
    fn look<O: Offers>(&mut self, talk: &Talk<O>) {
        let outcome = self.notice.followed.as_ref().and_then(|offer| talk.offers.outcome(offer));
        // What it waits for may be put in other words with every check; once is enough.
        if let Some(outcome) = outcome.filter(|outcome| outcome.is_final() || !self.says_it_waits) {
            if outcome.is_final() {
                self.notice.followed = None;
            } else {
                self.says_it_waits = true;
            }
            self.notice.content = self.notice.content.with_paragraph(&words::outcome(&outcome));
            self.is_shown = false;
        }
    }

    async fn show<O: Offers>(&mut self, talk: &Talk<O>) {
        match talk.bot.edit(self.notice.message, &self.notice.content).await {
            Ok(()) => (self.is_shown, self.failures) = (true, 0),
            Err(err) => {
                talk.metrics.bot_failed(err.reason());
                self.failures = self.failures.saturating_add(1);
                if err.is_passing() {
                    self.next = Instant::now() + talk.pace.after(&err, self.failures, rand::random());
                } else {
                    warn!(chat = self.notice.message.chat, reason = err.reason(), error = %err, "a message cannot be edited");
                    self.is_shown = true;
                }
            }
        }
    }
}
