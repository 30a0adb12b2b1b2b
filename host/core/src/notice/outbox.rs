//! What one channel was told about one handler, what it still has to be told, and when to try again.
//!
//! Pure: an [`Outbox`] is small plain data that lives in the status of the handler, and each step is a function of it and of the time.
//! In the order in which they are used:
//! 1. [`Outbox::enqueue`] and [`Outbox::forget`] take in how things are.
//! 2. [`Outbox::due`] says what to send now and when to look again, and [`Outbox::begin`] notes that this is attempted.
//! 3. The outbox is written down. If that fails, nothing may be sent: somebody else may be about to.
//! 4. It is sent; [`Outbox::sent`] and [`Outbox::failed`] note what came of it.
//! 5. The outbox is written down again, and asked again.
//!
//! # What it guarantees
//! Of notices with the same concern (versions, rollouts, tags that move, checks, the handler itself, a plugin), for the same container and
//! plugin, the *last word* is the one that was told or waits to be told last.
//!
//! - **Nothing twice without a reason.** What is the last word already is not told again; after another word it is, and so it is after
//!   [`Outbox::forget`]. A reminder is a reason, and says that it is one.
//!   An attempt that failed may have arrived nevertheless; where that makes it unclear what people know, the last word is told.
//! - **Nothing lost.** A notice waits until it was sent, however long the channel fails. It stops waiting only if a later one of the same
//!   kind and concern takes its place, if what it says is undone before it was told, or if there are too many, which the next message says.
//!   Once everything was sent, the last word is what people were told last, whatever failed on the way.
//! - **A write that is lost repeats a message at most once**, and with the same [`key`](super::Message::key), which lets the receiver drop
//!   it; of a digest, only if nothing has come to it meanwhile. One that is lost before sending costs nothing.
//! - **In order.** Of one container no notice is sent while an earlier one waits. Containers and the handler itself do not wait for each
//!   other, so that a notice which its channel cannot take holds up nothing else. A digest is one message, and waits as one.
//! - **Bounded.** At most [`MOST_PENDING`] notices wait and [`MOST_SENT`] are remembered, whose texts have at most [`LONGEST_WORD`]
//!   bytes. Where a handler has more words than are remembered, the oldest are told again.

mod due;
mod intake;
mod outcome;
mod tries;

pub use due::{Dispatch, Due, Mode, Policy};
pub use outcome::Retry;
pub use tries::Tries;

use jiff::Timestamp;

use super::Notice;

/// Most notices that wait.
pub const MOST_PENDING: usize = 32;
/// Most notices that are remembered as told.
pub const MOST_SENT: usize = 32;
/// Most bytes of each text of a notice that is kept; Kubernetes allows no longer names, and nobody reads longer reasons.
pub const LONGEST_WORD: usize = 512;

/// What one channel was told about one handler, and what it still has to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outbox {
    /// The last words that were told, one for each concern; the oldest first.
    pub sent: Vec<Sent>,
    /// What has to be told, the oldest first.
    pub pending: Vec<Pending>,
    /// Number that the next notice gets. Never reused, because the keys of messages depend on it.
    pub next_serial: u64,
    /// When something was sent last.
    pub last_sent: Option<Timestamp>,
    /// Until when the channel has asked to be left alone.
    pub paused_until: Option<Timestamp>,
    /// How often a notice was given up because too many waited, since something was sent last.
    pub given_up: u32,
}

/// A notice that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What. Of what does not stand, only as much is kept as makes it the same or another.
    pub notice: Notice,
    /// Its number in the outbox.
    pub serial: u64,
    /// When it, or the last reminder of it, was sent.
    pub at: Timestamp,
    /// How many reminders of it were sent.
    pub reminders: u32,
    /// What came of trying to send the next reminder.
    pub tries: Tries,
}

/// A notice that has to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What.
    pub notice: Notice,
    /// Its number in the outbox.
    pub serial: u64,
    /// Since when it waits, or the one whose place it took.
    pub since: Timestamp,
    /// Whether sending it was attempted, so that it may have arrived, although nobody knows.
    pub is_begun: bool,
    /// What came of trying to send it, or the one whose place it took.
    pub tries: Tries,
}

impl Outbox {
    /// What was told and, as far as is known, stands: nobody has done anything about it yet.
    pub fn standing(&self) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(|sent| sent.notice.kind.is_standing())
    }

    /// How often in a row sending failed, of what failed most often; 0 for a channel that works.
    pub fn failures(&self) -> u32 {
        let tries = self.pending.iter().map(|pending| &pending.tries).chain(self.sent.iter().map(|sent| &sent.tries));
        tries.map(|tries| tries.failures).max().unwrap_or(0)
    }

    /// Tries again now what waits for another attempt: the settings or the credentials of the channel have changed.
    pub fn retry_now(&mut self) {
        self.paused_until = None;
        self.pending.iter_mut().for_each(|pending| pending.tries.not_before = None);
        self.sent.iter_mut().for_each(|sent| sent.tries.not_before = None);
    }
}

/// Whether the two are about the same, so that the later one is the last word.
fn is_same_concern(one: &Notice, other: &Notice) -> bool {
    one.kind.concern() == other.kind.concern() && one.container == other.container && one.plugin == other.plugin
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
