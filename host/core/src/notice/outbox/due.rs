//! What to send now, and when to look again.

use std::time::Duration;

use jiff::Timestamp;

use super::tries::{is_ahead, later};
use super::{Outbox, Pending, Sent, is_same_concern};
use crate::notice::{Message, Notice, digest};

/// How a channel wants to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// At once, or summed up.
    pub mode: Mode,
    /// After how long people are reminded of what nobody has done anything about, again and again; none for never. Zero counts as a
    /// second.
    pub remind_after: Option<Duration>,
}

/// When to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Each notice as soon as it is known.
    Immediate,
    /// One message for all notices of an interval, at its end. Intervals are counted from 1970-01-01T00:00:00Z, so that those of all outboxes
    /// end together: of 24 hours at midnight UTC.
    Digest {
        /// The interval; fractions of a second do not count, and with none each notice is sent at once.
        interval: Duration,
    },
}

/// What to do about an outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Due {
    /// What to send now. All of them may be sent at the same time. There may be more after these, so that the outbox has to be asked again
    /// after [`Outbox::sent`] and [`Outbox::failed`].
    pub dispatches: Vec<Dispatch>,
    /// When there is something to do again, as far as is known today, apart from `dispatches`; none for never.
    pub next: Option<Timestamp>,
}

/// One message to send, and what it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The message.
    pub message: Message,
    /// What of the outbox is told by it.
    pub(super) items: Vec<Item>,
    /// How many notices that were given up it speaks of.
    pub(super) given_up: u32,
}

/// A notice of an outbox that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) notice: Notice,
    pub(super) serial: u64,
    /// Which reminder it is, counted from 1; none if it is told for the first time.
    pub(super) reminder: Option<u32>,
}

/// Something that can be sent at a certain time.
struct Candidate {
    at: Timestamp,
    item: Item,
}

impl Outbox {
    /// What to send now.
    ///
    /// Of each container, and of the handler itself, this is the first notice that waits. A reminder is due only when nothing newer waits
    /// about the same. A clock that went backwards makes reminders and digests late, but nothing else waits for more than a day.
    pub fn due(&self, now: Timestamp, policy: &Policy) -> Due {
        let pause = self.paused_until.filter(|&until| is_ahead(until, now));
        match policy.mode {
            Mode::Immediate => self.due_at_once(now, pause, policy),
            Mode::Digest { interval } => self.due_summed_up(now, pause, policy, interval),
        }
    }

    fn due_at_once(&self, now: Timestamp, pause: Option<Timestamp>, policy: &Policy) -> Due {
        let mut candidates: Vec<Candidate> = self.heads().map(|pending| Candidate::new(pending, now)).collect();
        candidates.extend(self.reminders(now, policy));
        let mut due = Due { dispatches: Vec::new(), next: None };
        for Candidate { at, item } in candidates {
            let at = at.max(pause.unwrap_or(at));
            if at <= now {
                let given_up = if due.dispatches.is_empty() { self.given_up } else { 0 };
                due.dispatches.extend(Dispatch::of(vec![item], given_up));
            } else {
                due.next = Some(due.next.map_or(at, |next| next.min(at)));
            }
        }
        due
    }

    fn due_summed_up(&self, now: Timestamp, pause: Option<Timestamp>, policy: &Policy, interval: Duration) -> Due {
        let reminders = self.reminders(now, policy);
        let collected = self.pending.iter().map(|pending| end_of_interval(pending.since, interval)).min();
        let reminded = reminders.iter().map(|reminder| end_at_or_after(reminder.at, interval)).min();
        let Some(wanted) = collected.into_iter().chain(reminded).min() else {
            return Due { dispatches: Vec::new(), next: None };
        };
        let rested = self.last_sent.map(|last| end_of_interval(last, interval));
        let retried = self.pending.iter().filter_map(|pending| pending.tries.waits_until(now)).max();
        let at = [rested, retried, pause].into_iter().flatten().fold(wanted, Timestamp::max);
        if now < at {
            return Due { dispatches: Vec::new(), next: Some(at) };
        }
        let told = self.pending.iter().map(|pending| Candidate::new(pending, now).item);
        let (ripe, unripe): (Vec<_>, Vec<_>) = reminders.into_iter().partition(|reminder| reminder.at <= now);
        let items = told.chain(ripe.into_iter().map(|reminder| reminder.item)).collect();
        let next = unripe.iter().map(|reminder| end_at_or_after(reminder.at, interval)).min();
        Due { dispatches: Dispatch::of(items, self.given_up).into_iter().collect(), next }
    }

    /// The first that waits of each container, and of the handler itself.
    fn heads(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter().enumerate().filter_map(|(index, pending)| {
            let mut earlier = self.pending.iter().take(index);
            let is_head = earlier.all(|earlier| earlier.notice.container != pending.notice.container);
            is_head.then_some(pending)
        })
    }

    /// What people may be reminded of, and when.
    fn reminders(&self, now: Timestamp, policy: &Policy) -> Vec<Candidate> {
        let Some(remind_after) = policy.remind_after else { return Vec::new() };
        let remind_after = remind_after.max(Duration::from_secs(1));
        let is_overtaken =
            |sent: &Sent| self.pending.iter().any(|pending| is_same_concern(&pending.notice, &sent.notice));
        let reminders = self.standing().filter(|sent| !is_overtaken(sent)).map(|sent| Candidate {
            at: later(sent.at, remind_after).max(sent.tries.waits_until(now).unwrap_or(sent.at)),
            item: Item {
                notice: sent.notice.clone(),
                serial: sent.serial,
                reminder: Some(sent.reminders.saturating_add(1)),
            },
        });
        reminders.collect()
    }
}

/// The end of the interval in which `time` lies.
fn end_of_interval(time: Timestamp, interval: Duration) -> Timestamp {
    let length = i64::try_from(interval.as_secs()).unwrap_or(i64::MAX);
    match time.as_second().checked_div_euclid(length) {
        Some(index) => {
            let end = index.saturating_add(1).saturating_mul(length);
            Timestamp::from_second(end).unwrap_or(Timestamp::MAX)
        }
        None => time,
    }
}

/// The first end of an interval that is not before `time`.
fn end_at_or_after(time: Timestamp, interval: Duration) -> Timestamp {
    let before = time.checked_sub(Duration::from_secs(1)).unwrap_or(Timestamp::MIN);
    end_of_interval(before, interval).max(time)
}

impl Candidate {
    fn new(pending: &Pending, now: Timestamp) -> Self {
        Self {
            at: pending.tries.waits_until(now).unwrap_or(now),
            item: Item { notice: pending.notice.clone(), serial: pending.serial, reminder: None },
        }
    }
}

impl Dispatch {
    /// One message in place of those of several dispatches, for a channel that sums up; none of none.
    pub fn sum_up(dispatches: &[Self]) -> Option<Message> {
        let items = dispatches.iter().flat_map(|dispatch| &dispatch.items);
        let given_up = dispatches.iter().fold(0_u32, |sum, dispatch| sum.saturating_add(dispatch.given_up));
        message(items, given_up)
    }

    fn of(items: Vec<Item>, given_up: u32) -> Option<Self> {
        Some(Self { message: message(items.iter(), given_up)?, items, given_up })
    }
}

/// What tells `items`, and that so many others were given up.
fn message<'a>(items: impl Iterator<Item = &'a Item>, given_up: u32) -> Option<Message> {
    let messages: Vec<Message> = items.map(Item::message).collect();
    let mut message = digest(&messages)?;
    if given_up > 0 {
        let notices = if given_up == 1 { "notice" } else { "notices" };
        message.text = format!(
            "{} Before this, {given_up} {notices} could not be delivered and had to be given up.",
            message.text
        );
    }
    Some(message)
}

impl Item {
    fn message(&self) -> Message {
        let key = format!("{}-{}", self.notice.fingerprint(), self.serial);
        match self.reminder {
            None => Message::of(&self.notice, key),
            Some(count) => Message::of(&self.notice, format!("{key}-{count}")).as_reminder(),
        }
    }
}
