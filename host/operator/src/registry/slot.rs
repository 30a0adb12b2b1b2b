//! The place of one answer: who asks, waits for whoever is asking already.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8supdater_core::backoff;
use k8supdater_runtime::wit::exchange::Error as PluginError;

use super::{ListCause, Listing};
use crate::exchange::{Answer, ExchangeError};

/// First delay after a failed listing.
const BACKOFF_BASE: Duration = Duration::from_secs(2);
/// Longest delay after failed listings.
const BACKOFF_CAP: Duration = Duration::from_mins(10);
/// Longest wait that a registry can ask for; some ask for years
/// (<https://github.com/jetstack/version-checker/blob/main/pkg/client/util/http_backoff_test.go>).
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How long a listing may be brought up to date by what is new since, before the whole of it is asked for: what was deleted meanwhile is
/// known only then.
const WHOLE_AGAIN: Duration = Duration::from_hours(24);

/// One listing, or why there is none, and when the registry may be asked again.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Held while the registry is asked, so that others wait for the answer instead of asking too.
    state: tokio::sync::Mutex<State>,
    used: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Known>,
    failure: Option<Failure>,
    /// Which credential was good.
    attempt: usize,
}

#[derive(Debug)]
struct Known {
    listing: Arc<Listing>,
    asked: Instant,
    /// With what the next listing can go on, and when the last one was made without.
    checkpoint: Option<(Vec<u8>, Instant)>,
}

/// Where the last answer ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Resume {
    /// What the plugin wants to be given again.
    pub checkpoint: Option<Vec<u8>>,
    /// Which credential was good.
    pub attempt: usize,
}

/// How much of a repository an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All tags.
    Whole,
    /// At least those that are new since the checkpoint.
    News,
    /// One tag in detail.
    Detail,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Found {
    /// What the plugin said.
    pub answer: Answer,
    /// How much of the repository that is.
    pub extent: Extent,
    /// Which credential was good.
    pub attempt: usize,
}

#[derive(Debug)]
struct Failure {
    cause: Arc<ListCause>,
    count: u32,
    again: Instant,
}

/// There is no listing, and none may be asked for before `wait` has passed.
#[derive(Debug)]
pub(super) struct Failed {
    pub cause: Arc<ListCause>,
    pub wait: Duration,
}

impl Slot {
    /// The listing, if it is younger than `max_age`; else what `ask` brings.
    pub(super) async fn get<Asking>(
        &self,
        max_age: Duration,
        ask: impl FnOnce(Resume) -> Asking,
    ) -> Result<Arc<Listing>, Failed>
    where
        Asking: Future<Output = Result<Found, ListCause>>,
    {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(failure) = &state.failure {
            if now < failure.again {
                return Err(Failed { cause: Arc::clone(&failure.cause), wait: failure.again - now });
            }
        } else if let Some(known) = &state.known
            && now.duration_since(known.asked) < max_age
        {
            return Ok(Arc::clone(&known.listing));
        }
        match ask(state.resume(now)).await {
            Ok(found) => Ok(state.succeed(found, now)),
            Err(cause) => Err(state.fail(cause)),
        }
    }

    /// The listing, however old.
    pub(super) async fn known(&self) -> Option<Arc<Listing>> {
        self.state.lock().await.known.as_ref().map(|known| Arc::clone(&known.listing))
    }

    /// Has the next one who asks get a new answer, however old a one is good enough.
    pub(super) async fn forget(&self) {
        self.state.lock().await.known = None;
    }

    /// Has the next listing made from scratch.
    pub(super) async fn forget_checkpoint(&self) {
        let mut state = self.state.lock().await;
        if let Some(known) = &mut state.known {
            known.checkpoint = None;
        }
    }

    /// Whether somebody is asking or waiting at this moment.
    pub(super) fn is_in_use(&self) -> bool {
        self.state.try_lock().is_err()
    }

    /// Time since somebody last asked.
    pub(super) fn unused_since(&self, now: Instant) -> Duration {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.map_or(Duration::ZERO, |used| now.saturating_duration_since(used))
    }
}

impl State {
    fn resume(&self, now: Instant) -> Resume {
        let checkpoint = self.known.as_ref().and_then(|known| known.checkpoint.as_ref());
        let checkpoint = checkpoint.filter(|(_, whole)| now.duration_since(*whole) < WHOLE_AGAIN);
        Resume { checkpoint: checkpoint.map(|(checkpoint, _)| checkpoint.clone()), attempt: self.attempt }
    }

    /// Keeps what was found; if it says what the last listing said, that one goes on, with the versions that were read from it.
    fn succeed(&mut self, found: Found, asked: Instant) -> Arc<Listing> {
        let Found { answer, extent, attempt } = found;
        let known = self.known.take();
        let whole = known.as_ref().and_then(|known| known.checkpoint.as_ref()).map(|(_, whole)| *whole);
        let whole = whole.filter(|_| extent == Extent::News).unwrap_or(asked);
        let mut listing = match (extent, &known) {
            (Extent::News, Some(known)) => known.listing.updated(answer.tags),
            (Extent::Detail, _) => Listing::detailed(answer.tags),
            (Extent::Whole | Extent::News, _) => Listing::new(answer.tags),
        };
        let listing = match known {
            Some(known) if known.listing.has_same_tags(&listing) => known.listing,
            Some(known) => {
                listing.follow(&known.listing, Timestamp::now());
                Arc::new(listing)
            }
            None => Arc::new(listing),
        };
        self.failure = None;
        self.attempt = attempt;
        let checkpoint = answer.checkpoint.map(|checkpoint| (checkpoint, whole));
        self.known = Some(Known { listing: Arc::clone(&listing), asked, checkpoint });
        listing
    }

    fn fail(&mut self, cause: ListCause) -> Failed {
        let count = self.failure.as_ref().map_or(0, |failure| failure.count).saturating_add(1);
        let asked_for = match &cause {
            ListCause::Exchange(ExchangeError::Plugin(PluginError::RateLimited(Some(seconds)))) => {
                Duration::from_secs(u64::from(*seconds)).min(LONGEST_WAIT)
            }
            _ => Duration::ZERO,
        };
        let wait = backoff::delay(count, BACKOFF_BASE, BACKOFF_CAP, rand::random()).max(asked_for);
        let cause = Arc::new(cause);
        self.failure = Some(Failure { cause: Arc::clone(&cause), count, again: Instant::now() + wait });
        Failed { cause, wait }
    }
}

#[cfg(test)]
mod tests {
    use k8supdater_runtime::wit::registry::Tag;

    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn found(tags: &[&str]) -> Found {
        let tag = |name: &&str| Tag {
            name: (*name).to_owned(),
            digest: None,
            pushed: None,
            images: Vec::new(),
            source: None,
        };
        let answer = Answer { tags: tags.iter().map(tag).collect(), checkpoint: None };
        Found { answer, extent: Extent::Whole, attempt: 0 }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_cause_one_question() {
        let (slot, asked) = (Slot::default(), AtomicUsize::new(0));
        let ask = |_| async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(found(&[]))
        };
        let minute = Duration::from_mins(1);
        let (a, b, c) = tokio::join!(slot.get(minute, ask), slot.get(minute, ask), slot.get(minute, ask));
        assert!(Arc::ptr_eq(&a.unwrap(), &b.unwrap()) && c.is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_old_listing_is_asked_for_again_and_kept_if_nothing_changed() {
        let slot = Slot::default();
        let first = slot.get(Duration::ZERO, async |_| Ok(found(&["1"]))).await.unwrap();
        let second = slot.get(Duration::ZERO, async |_| Ok(found(&["1"]))).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        let third = slot.get(Duration::ZERO, async |_| Ok(found(&["1", "2"]))).await.unwrap();
        assert!(!Arc::ptr_eq(&first, &third));
    }

    #[tokio::test]
    async fn what_is_new_since_the_checkpoint_is_laid_over_what_is_known() {
        let slot = Slot::default();
        // What it was resumed with, and the tags that are known afterwards.
        let ask = async |tags: &'static [&'static str], extent: Extent, checkpoint: Option<u8>, attempt: usize| {
            let mut resumed = Resume::default();
            let listing = slot.get(Duration::ZERO, async |resume| {
                resumed = resume;
                let mut found = Found { extent, attempt, ..found(tags) };
                found.answer.checkpoint = checkpoint.map(|checkpoint| vec![checkpoint]);
                Ok(found)
            });
            let listing = listing.await.unwrap();
            let known = ["1", "2", "3"].into_iter().filter(|tag| listing.detail(tag).is_some()).collect::<String>();
            (resumed.checkpoint, resumed.attempt, known)
        };
        assert_eq!(ask(&["1", "2"], Extent::Whole, Some(7), 1).await, (None, 0, "12".to_owned()));
        assert_eq!(ask(&["3"], Extent::News, Some(8), 1).await, (Some(vec![7]), 1, "123".to_owned()));
        assert_eq!(ask(&[], Extent::News, Some(8), 2).await, (Some(vec![8]), 1, "123".to_owned()));
        slot.forget_checkpoint().await;
        assert_eq!(ask(&["1", "3"], Extent::Whole, Some(9), 0).await, (None, 2, "13".to_owned()));
        assert_eq!(ask(&[], Extent::News, None, 0).await, (Some(vec![9]), 0, "13".to_owned()));
        assert_eq!(ask(&["2"], Extent::Whole, None, 0).await, (None, 0, "2".to_owned()));
    }

    #[test]
    fn the_whole_is_asked_for_again_after_a_day_of_news() {
        let (mut state, start) = (State::default(), Instant::now());
        let found = |extent| {
            let mut found = Found { extent, ..found(&[]) };
            found.answer.checkpoint = Some(vec![1]);
            found
        };
        state.succeed(found(Extent::Whole), start);
        state.succeed(found(Extent::News), start + WHOLE_AGAIN / 2);
        assert!(state.resume(start + WHOLE_AGAIN / 2).checkpoint.is_some());
        assert!(state.resume(start + WHOLE_AGAIN).checkpoint.is_none());
        state.succeed(found(Extent::Whole), start + WHOLE_AGAIN);
        assert!(state.resume(start + WHOLE_AGAIN).checkpoint.is_some());
    }

    #[tokio::test]
    async fn after_a_failure_nobody_asks_before_its_time() {
        let slot = Slot::default();
        let limited = async |_| Err(ListCause::Exchange(ExchangeError::Plugin(PluginError::RateLimited(Some(30)))));
        let failed = slot.get(Duration::ZERO, limited).await.unwrap_err();
        assert!(failed.wait >= Duration::from_secs(30), "{:?}", failed.wait);
        let again = slot.get(Duration::ZERO, async |_| Ok(found(&[]))).await.unwrap_err();
        assert!(Arc::ptr_eq(&failed.cause, &again.cause));
    }

    #[tokio::test]
    async fn an_absurd_wait_is_capped() {
        let slot = Slot::default();
        let absurd =
            async |_| Err(ListCause::Exchange(ExchangeError::Plugin(PluginError::RateLimited(Some(u32::MAX)))));
        assert!(slot.get(Duration::ZERO, absurd).await.unwrap_err().wait <= LONGEST_WAIT);
    }
}
