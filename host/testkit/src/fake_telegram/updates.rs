//! What has happened and was not confirmed yet.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use super::parameters::Parameters;

/// Longest time that a request is held. Telegram allows 50 s; no test should have to wait that long.
const LONGEST_POLL: Duration = Duration::from_secs(5);
/// Most updates of one answer, and how many there are if nothing is said.
const MOST_UPDATES: usize = 100;
/// Identifier of the first update; any positive number does.
const FIRST: i64 = 870_000_001;

/// The queue of updates, and who waits for it (<https://core.telegram.org/bots/api#getting-updates>).
#[derive(Debug, Default)]
pub(super) struct Updates {
    queue: VecDeque<(i64, Value)>,
    pushed: i64,
    /// The kinds that the bot wants; all of them if it never said so.
    allowed: Option<Vec<String>>,
    /// Number of the request that polled last. There can only be one.
    poller: u64,
}

/// What a poll comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Poll {
    /// These are there, or nothing came in time.
    Answered(Vec<Value>),
    /// Nothing for the moment, and at most for this time.
    Held(Duration),
    /// Somebody else has begun to poll.
    Terminated,
}

impl Updates {
    /// Puts an update in the queue, if the bot wants such ones.
    pub(super) fn push(&mut self, kind: &str, content: &Value) {
        let is_wanted = self.allowed.as_ref().is_none_or(|kinds| kinds.iter().any(|wanted| wanted == kind));
        if is_wanted {
            let id = FIRST + self.pushed;
            self.pushed += 1;
            self.queue.push_back((id, json!({"update_id": id, kind: content})));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Looks into the queue for the request with this number, which has waited for a while already.
    pub(super) fn poll(&mut self, number: u64, asked: &Parameters, waited: Duration) -> Poll {
        if number < self.poller {
            return Poll::Terminated;
        }
        self.poller = number;
        if let Some(kinds) = asked.value("allowed_updates").and_then(|kinds| serde_json::from_value(kinds).ok()) {
            // An empty list stands for the usual ones.
            self.allowed = Some(kinds).filter(|kinds: &Vec<String>| !kinds.is_empty());
        }
        self.confirm(asked.integer("offset").unwrap_or(0));
        let limit = asked.integer("limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MOST_UPDATES);
        let found: Vec<Value> =
            self.queue.iter().take(limit.clamp(1, MOST_UPDATES)).map(|(_, update)| update.clone()).collect();
        let seconds = asked.integer("timeout").and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
        let left = Duration::from_secs(seconds).min(LONGEST_POLL).saturating_sub(waited);
        if found.is_empty() && !left.is_zero() { Poll::Held(left) } else { Poll::Answered(found) }
    }

    /// Forgets what comes before `offset`; if that is negative, all but the last ones.
    fn confirm(&mut self, offset: i64) {
        if let Ok(kept) = usize::try_from(-offset)
            && kept > 0
        {
            self.queue.drain(..self.queue.len().saturating_sub(kept));
        }
        self.queue.retain(|(id, _)| *id >= offset);
    }
}
