//! The pieces of work of a loop, each of which is [bounded]. Only one that cannot even be given up, because it does not let go of its
//! thread, is a matter for a restart.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::lock;
use super::page::Verdict;
use crate::interrupted::{Interrupted, bounded};

/// How much later than it should have been given up a piece of work counts as one that cannot be.
const TOLERANCE: Duration = Duration::from_mins(5);

/// The pieces of work of one loop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct UnderWay(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: Duration,
    next: AtomicU64,
    /// By number, so that the first is the oldest: what it is about, and since when.
    pieces: Mutex<BTreeMap<u64, (String, Instant)>>,
}

/// Takes a piece off the list, however it ends.
struct Piece<'a> {
    of: &'a Inner,
    number: u64,
}

impl Drop for Piece<'_> {
    fn drop(&mut self) {
        lock(&self.of.pieces).remove(&self.number);
    }
}

impl UnderWay {
    /// None yet. `limit`: the most time for one piece.
    pub fn new(limit: Duration) -> Self {
        Self(Arc::new(Inner { limit, next: AtomicU64::new(0), pieces: Mutex::default() }))
    }

    /// Does `work` on what `about` says.
    ///
    /// # Errors
    /// [`Interrupted`].
    pub async fn watched<T>(&self, about: String, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.0.pieces).insert(number, (about, Instant::now()));
        let _piece = Piece { of: &self.0, number };
        bounded(self.0.limit, work).await
    }

    /// Whether all of them end, or can be given up.
    pub fn verdict(&self, now: Instant) -> Verdict {
        let pieces = lock(&self.0.pieces);
        let Some((about, begun)) = pieces.values().next() else { return Verdict::ok() };
        let lasts = now.saturating_duration_since(*begun);
        if lasts < self.0.limit + TOLERANCE {
            return Verdict::noted(format!("{} under way", pieces.len()));
        }
        let minutes = lasts.as_secs() / 60;
        Verdict::failed(format!(
            "the work on {about} has been going on for {minutes} min and cannot be given up; a restart is needed"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_cannot_be_given_up_needs_a_restart() {
        let limit = Duration::from_mins(10);
        let under_way = UnderWay::new(limit);
        let begin = Instant::now();
        assert_eq!(under_way.verdict(begin), Verdict::ok());
        let looked = under_way.watched("team-a/web".to_owned(), async {
            let soon = under_way.verdict(Instant::now());
            (soon, under_way.verdict(Instant::now() + limit + TOLERANCE))
        });
        let (soon, late) = looked.await.unwrap();
        assert_eq!(soon, Verdict::noted("1 under way"));
        let shown = "the work on team-a/web has been going on for 15 min and cannot be given up; a restart is needed";
        assert_eq!(late, Verdict::failed(shown));
        assert_eq!(under_way.verdict(Instant::now() + 2 * limit), Verdict::ok());
        assert!(under_way.watched("team-a/web".to_owned(), async { panic!("for a test") }).await.is_err());
        assert_eq!(under_way.verdict(Instant::now()), Verdict::ok());
    }
}
