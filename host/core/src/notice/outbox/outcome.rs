//! What came of sending.

use std::time::Duration;

use jiff::Timestamp;

use super::due::Item;
use super::tries::{LONGEST_WAIT, is_ahead, later};
use super::{Dispatch, MOST_SENT, Outbox, Pending, Sent, Tries, is_same_concern};
use crate::backoff;
use crate::notice::Notice;

/// Time to wait after the first failure.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// Longest time that failures alone make anything wait.
const LONGEST_BACKOFF: Duration = Duration::from_hours(1);

/// When sending again makes sense.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Retry {
    /// Something is broken for a while: again after 30 seconds, then twice that, and so on up to an hour; of each wait between one half
    /// and all, as `random` says.
    BackOff {
        /// From 0 to 1.
        random: f64,
    },
    /// The channel has said when: nothing is sent on it before, of this handler. More than a day counts as a day.
    After(Duration),
    /// Only when somebody changes something, which [`Outbox::retry_now`] tells; without that, after an hour.
    OnChange,
}

impl Outbox {
    /// Notes that `dispatch` is attempted, so that it may arrive even if nobody ever calls [`Outbox::sent`].
    pub fn begin(&mut self, dispatch: &Dispatch) {
        for item in dispatch.items.iter().filter(|item| item.reminder.is_none()) {
            if let Some(pending) = self.pending_of(item) {
                pending.is_begun = true;
            }
        }
    }

    /// Notes that `dispatch` was delivered. Doing so twice is harmless.
    ///
    /// The outbox may have changed since [`Outbox::due`]: what was told was told, even if something newer waits by now.
    pub fn sent(&mut self, dispatch: &Dispatch, now: Timestamp) {
        self.last_sent = Some(self.last_sent.map_or(now, |last| last.max(now)));
        // A pause that another message of the same batch was told holds on.
        self.paused_until = self.paused_until.filter(|&until| is_ahead(until, now));
        self.given_up = self.given_up.saturating_sub(dispatch.given_up);
        for item in &dispatch.items {
            match item.reminder {
                Some(count) => self.reminded(item, count, now),
                None => self.told(item, now),
            }
        }
        self.drop_repetitions();
        self.forget_the_oldest();
    }

    /// Notes that `dispatch` was not delivered. If it is not known whether it was, it was not.
    pub fn failed(&mut self, dispatch: &Dispatch, retry: Retry, now: Timestamp) {
        if let Retry::After(wait) = retry {
            self.paused_until = Some(later(now, wait.min(LONGEST_WAIT)));
        }
        for item in &dispatch.items {
            if let Some(tries) = self.tries_of(item) {
                tries.failures = tries.failures.saturating_add(1);
                tries.not_before = match retry {
                    Retry::BackOff { random } => {
                        Some(later(now, backoff::delay(tries.failures, FIRST_WAIT, LONGEST_BACKOFF, random)))
                    }
                    Retry::After(_) => None,
                    Retry::OnChange => Some(later(now, LONGEST_BACKOFF)),
                };
            }
        }
    }

    fn told(&mut self, item: &Item, now: Timestamp) {
        self.pending.retain(|pending| !(pending.serial == item.serial && item.is(&pending.notice)));
        let is_newer = |sent: &Sent| is_same_concern(&sent.notice, &item.notice) && sent.serial >= item.serial;
        if self.sent.iter().any(is_newer) {
            return;
        }
        self.sent.retain(|sent| !is_same_concern(&sent.notice, &item.notice));
        let notice = remembered(item.notice.clone());
        self.sent.push(Sent { notice, serial: item.serial, at: now, reminders: 0, tries: Tries::default() });
    }

    fn reminded(&mut self, item: &Item, count: u32, now: Timestamp) {
        let sent = self.sent.iter_mut().find(|sent| sent.serial == item.serial && item.is(&sent.notice));
        if let Some(sent) = sent.filter(|sent| sent.reminders < count) {
            sent.at = now;
            sent.reminders = count;
            sent.tries = Tries::default();
        }
    }

    fn pending_of(&mut self, item: &Item) -> Option<&mut Pending> {
        self.pending.iter_mut().find(|pending| pending.serial == item.serial && item.is(&pending.notice))
    }

    fn tries_of(&mut self, item: &Item) -> Option<&mut Tries> {
        match item.reminder {
            None => self.pending_of(item).map(|pending| &mut pending.tries),
            Some(_) => {
                let mut sent = self.sent.iter_mut();
                let sent = sent.find(|sent| sent.serial == item.serial && item.is(&sent.notice));
                sent.map(|sent| &mut sent.tries)
            }
        }
    }

    /// Keeps the memory small: what has happened is forgotten before what stands, and the oldest first.
    fn forget_the_oldest(&mut self) {
        while self.sent.len() > MOST_SENT {
            let has_happened = self.sent.iter().position(|sent| !sent.notice.kind.is_standing());
            self.sent.remove(has_happened.unwrap_or(0));
        }
    }
}

impl Item {
    fn is(&self, notice: &Notice) -> bool {
        self.notice.fingerprint() == notice.fingerprint()
    }
}

/// What has to be kept of a notice that was told: all of it if people may be reminded of it, else what makes it the same or another.
fn remembered(notice: Notice) -> Notice {
    if notice.kind.is_standing() {
        return notice;
    }
    Notice { workload: None, image: None, newest: None, detail: None, link: None, ..notice }
}
