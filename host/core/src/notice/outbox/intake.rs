//! What comes into the outbox, and what is over.

use jiff::Timestamp;

use super::{LONGEST_WORD, MOST_PENDING, Outbox, Pending, Tries, is_same_concern};
use crate::notice::{Filter, Fingerprint, Notice};

impl Outbox {
    /// Takes in what is news, in this order.
    ///
    /// May be told again and again how things stand: what is the last word already is ignored. A notice takes the place of one of the
    /// same kind and concern that still waits: newer versions that of older ones. If the older one was all that had changed, so that the
    /// new one is what was told before, none of them is sent.
    ///
    /// What `filter` keeps from the channel is not told, but ends what it was told about the same: a check that recovered unseen and fails
    /// again is told again.
    pub fn enqueue(&mut self, notices: impl IntoIterator<Item = Notice>, filter: &Filter, now: Timestamp) {
        for notice in notices {
            if filter.lets_through(&notice) {
                self.take_in(bounded(notice), now);
            } else {
                self.forget(|known| is_same_concern(known, &notice));
            }
        }
    }

    /// Forgets what is over: told or not, it would be news if it came again.
    ///
    /// What waits and stands is withdrawn, because it is no longer true. What waits and has happened is told nevertheless.
    pub fn forget(&mut self, is_over: impl Fn(&Notice) -> bool) {
        self.sent.retain(|sent| !is_over(&sent.notice));
        self.withdraw(|pending| pending.notice.kind.is_standing() && is_over(&pending.notice));
    }

    fn take_in(&mut self, notice: Notice, now: Timestamp) {
        let fingerprint = notice.fingerprint();
        if self.last_word(&notice) == Some(fingerprint) {
            return;
        }
        let is_replaced =
            |pending: &Pending| pending.notice.kind == notice.kind && is_same_concern(&pending.notice, &notice);
        let replaced = self.withdraw(is_replaced);
        if self.last_word(&notice) == Some(fingerprint) {
            return;
        }
        let since = replaced.iter().map(|pending| pending.since).fold(now, Timestamp::min);
        let tries = replaced.into_iter().next().map_or_else(Tries::default, |pending| pending.tries);
        self.pending.push(Pending { notice, serial: self.next_serial, since, is_begun: false, tries });
        self.next_serial = self.next_serial.saturating_add(1);
        self.give_up_the_least();
    }

    /// Takes out what must not be sent any more.
    ///
    /// Where sending it was attempted, it is not known which word people have heard last, so that none is remembered.
    fn withdraw(&mut self, is_obsolete: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let withdrawn: Vec<Pending> = self.pending.extract_if(.., |pending| is_obsolete(pending)).collect();
        for begun in withdrawn.iter().filter(|pending| pending.is_begun) {
            self.sent.retain(|sent| !is_same_concern(&sent.notice, &begun.notice));
        }
        self.drop_repetitions();
        withdrawn
    }

    /// The last word about what `notice` is about.
    fn last_word(&self, notice: &Notice) -> Option<Fingerprint> {
        let told = self.sent.iter().map(|sent| &sent.notice);
        let mut words = told.chain(self.pending.iter().map(|pending| &pending.notice));
        words.rfind(|word| is_same_concern(word, notice)).map(Notice::fingerprint)
    }

    /// Drops what waits and would repeat the word before it, after something between them has gone.
    pub(super) fn drop_repetitions(&mut self) {
        let mut words: Vec<Notice> = self.sent.iter().map(|sent| sent.notice.clone()).collect();
        self.pending.retain(|pending| {
            let before = words.iter_mut().find(|word| is_same_concern(word, &pending.notice));
            let is_repetition = before.as_ref().is_some_and(|word| word.fingerprint() == pending.notice.fingerprint());
            match before {
                Some(word) => *word = pending.notice.clone(),
                None => words.push(pending.notice.clone()),
            }
            !is_repetition
        });
    }

    /// Makes room: of those that matter least, the oldest go.
    fn give_up_the_least(&mut self) {
        while self.pending.len() > MOST_PENDING {
            let least = self.pending.iter().min_by_key(|pending| pending.notice.level);
            let Some(serial) = least.map(|pending| pending.serial) else { return };
            self.withdraw(|pending| pending.serial == serial);
            self.given_up = self.given_up.saturating_add(1);
        }
    }
}

/// `notice` with its texts cut to what an outbox keeps.
fn bounded(mut notice: Notice) -> Notice {
    let Notice { container, image, from, to, newest, plugin, error_class, detail, .. } = &mut notice;
    for word in [container, image, from, to, newest, plugin, error_class, detail].into_iter().flatten() {
        word.truncate(word.floor_char_boundary(LONGEST_WORD));
    }
    notice
}
