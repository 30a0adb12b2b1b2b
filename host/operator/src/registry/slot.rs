//! The place of one listing: who asks, waits for whoever is asking already.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// One listing, or why there is none, and when the registry may be asked again.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Held while the registry is asked, so that others wait for the answer instead of asking too.
    state: tokio::sync::Mutex<State>,
    used: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct State {
    listing: Option<(Arc<Listing>, Instant)>,
    failure: Option<Failure>,
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
        ask: impl FnOnce() -> Asking,
    ) -> Result<Arc<Listing>, Failed>
    where
        Asking: Future<Output = Result<Answer, ListCause>>,
    {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut state = self.state.lock().await;
        let now = Instant::now();
        if let Some(failure) = &state.failure {
            if now < failure.again {
                return Err(Failed { cause: Arc::clone(&failure.cause), wait: failure.again - now });
            }
        } else if let Some((listing, since)) = &state.listing
            && now.duration_since(*since) < max_age
        {
            return Ok(Arc::clone(listing));
        }
        match ask().await {
            Ok(answer) => Ok(state.succeed(Listing::new(answer.tags))),
            Err(cause) => Err(state.fail(cause)),
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
    /// Keeps `listing`; if it says what the last one said, the last one goes on, with the versions that were read from it.
    fn succeed(&mut self, listing: Listing) -> Arc<Listing> {
        let listing = match self.listing.take() {
            Some((known, _)) if known.has_same_tags(&listing) => known,
            _ => Arc::new(listing),
        };
        self.failure = None;
        self.listing = Some((Arc::clone(&listing), Instant::now()));
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
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn answer() -> Answer {
        Answer { tags: Vec::new() }
    }

    #[tokio::test]
    async fn many_who_ask_at_once_cause_one_question() {
        let (slot, asked) = (Slot::default(), AtomicUsize::new(0));
        let ask = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(answer())
        };
        let minute = Duration::from_mins(1);
        let (a, b, c) = tokio::join!(slot.get(minute, ask), slot.get(minute, ask), slot.get(minute, ask));
        assert!(Arc::ptr_eq(&a.unwrap(), &b.unwrap()) && c.is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_old_listing_is_asked_for_again_and_kept_if_nothing_changed() {
        let slot = Slot::default();
        let first = slot.get(Duration::ZERO, || async { Ok(answer()) }).await.unwrap();
        let second = slot.get(Duration::ZERO, || async { Ok(answer()) }).await.unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }

    #[tokio::test]
    async fn after_a_failure_nobody_asks_before_its_time() {
        let slot = Slot::default();
        let limited = || async { Err(ListCause::Exchange(ExchangeError::Plugin(PluginError::RateLimited(Some(30))))) };
        let failed = slot.get(Duration::ZERO, limited).await.unwrap_err();
        assert!(failed.wait >= Duration::from_secs(30), "{:?}", failed.wait);
        let again = slot.get(Duration::ZERO, || async { Ok(answer()) }).await.unwrap_err();
        assert!(Arc::ptr_eq(&failed.cause, &again.cause));
    }

    #[tokio::test]
    async fn an_absurd_wait_is_capped() {
        let slot = Slot::default();
        let absurd =
            || async { Err(ListCause::Exchange(ExchangeError::Plugin(PluginError::RateLimited(Some(u32::MAX))))) };
        assert!(slot.get(Duration::ZERO, absurd).await.unwrap_err().wait <= LONGEST_WAIT);
    }
}
