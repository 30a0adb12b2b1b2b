//! A watch: whether its first list has come, and whether it has been failing since.
//!
//! A watch that fails is taken up again by itself, and nearly always that is all: a connection that was cut is no news. What counts is that
//! it keeps failing, as when a right was taken away or a definition deleted. Of a watch that is taken up again nothing is heard until some
//! object changes, so that it has recovered shows in that no failure has come for a while.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::lock;
use super::page::Verdict;
use crate::telemetry::metrics::Metrics;

/// For how long failures must have been coming before they count.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long after the last failure it counts as recovered. Between two tries are 30 s and what chance adds, kube's longest backoff.
const RECOVERED: Duration = Duration::from_secs(90);

/// What is known of one watch. Cheap to clone.
#[derive(Clone)]
pub struct Watch {
    objects: &'static str,
    namespace: Option<String>,
    metrics: Arc<Metrics>,
    record: Arc<Mutex<Record>>,
}

/// What has come of it so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Record {
    is_listed: bool,
    failing: Option<Failing>,
}

/// Failures, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failing {
    since: Instant,
    last: Instant,
    error: String,
}

impl Watch {
    pub(super) fn new(objects: &'static str, namespace: Option<&str>, metrics: Arc<Metrics>) -> Self {
        Self { objects, namespace: namespace.map(str::to_owned), metrics, record: Arc::default() }
    }

    /// The first list has come, or another one.
    pub fn listed(&self) {
        lock(&self.record).is_listed = true;
        self.lives();
    }

    /// Something has come.
    pub fn lives(&self) {
        let failing = lock(&self.record).failing.take();
        if let Some(failing) = failing.filter(|failing| failing.last.duration_since(failing.since) >= PATIENCE) {
            let lasted = failing.last.duration_since(failing.since);
            info!(watch = self.objects, namespace = self.namespace, ?lasted, "watch works again");
        }
    }

    /// It was interrupted, or could not be taken up again.
    pub fn failed(&self, error: &str) {
        self.metrics.watch_failed(self.objects);
        let is_news = lock(&self.record).failed(error.to_owned(), Instant::now());
        if is_news {
            warn!(watch = self.objects, namespace = self.namespace, error, "watch fails; it is taken up again");
        }
    }

    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        lock(&self.record).verdict(now)
    }
}

impl Record {
    /// Whether that is news: the first failure, one with another cause, or the first that counts.
    fn failed(&mut self, error: String, now: Instant) -> bool {
        match &mut self.failing {
            Some(failing) if now.duration_since(failing.last) < RECOVERED => {
                let counted = failing.counts(failing.last);
                let is_other = failing.error != error;
                failing.last = now;
                failing.error = error;
                is_other || counted != failing.counts(now)
            }
            failing => {
                *failing = Some(Failing { since: now, last: now, error });
                true
            }
        }
    }

    fn verdict(&self, now: Instant) -> Verdict {
        let failing = self.failing.as_ref().filter(|failing| now.duration_since(failing.last) < RECOVERED);
        match (self.is_listed, failing) {
            (false, None) => Verdict::failed("waiting for the first list"),
            (false, Some(failing)) => Verdict::failed(format!("waiting for the first list: {}", failing.error)),
            (true, Some(failing)) if failing.counts(failing.last) => {
                let seconds = now.duration_since(failing.since).as_secs();
                let error = &failing.error;
                Verdict::failed(format!("failing for {seconds} s, what changes is not seen meanwhile: {error}"))
            }
            (true, Some(_) | None) => Verdict::ok(),
        }
    }
}

impl Failing {
    fn counts(&self, last: Instant) -> bool {
        last.duration_since(self.since) >= PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Failures at these seconds; whether the watch, which has been listed, is well at that second.
    fn check(failures: &[u64], at: u64, expected: bool) {
        let begin = Instant::now();
        let after = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut record = Record { is_listed: true, failing: None };
        for second in failures {
            record.failed("forbidden".to_owned(), after(*second));
        }
        assert_eq!(record.verdict(after(at)).has_passed(), expected, "{failures:?} at {at}");
    }

    #[test]
    fn what_passes_by_itself_does_not_count_and_what_stays_does() {
        check(&[], 0, true);
        check(&[0], 0, true);
        check(&[0], 80, true);
        check(&[0, 10, 29], 60, true);
        check(&[0, 10, 30], 30, false);
        check(&[0, 10, 30, 60, 90], 95, false);
        check(&[0, 30, 60], 149, false);
        check(&[0, 30, 60], 150, true);
        // Two cuts an hour apart are no failure of an hour.
        check(&[0, 3600], 3601, true);
    }

    #[test]
    fn without_a_first_list_it_is_not_ready_whatever_the_time() {
        let now = Instant::now();
        let mut record = Record::default();
        assert_eq!(record.verdict(now), Verdict::failed("waiting for the first list"));
        record.failed("forbidden".to_owned(), now);
        assert_eq!(record.verdict(now), Verdict::failed("waiting for the first list: forbidden"));
    }

    #[test]
    fn it_is_told_once_and_again_when_it_counts_or_has_another_cause() {
        let begin = Instant::now();
        let mut record = Record { is_listed: true, failing: None };
        let mut told = |error: &str, second: u64| record.failed(error.to_owned(), begin + Duration::from_secs(second));
        let news = [("cut", 0), ("cut", 1), ("forbidden", 3), ("forbidden", 7), ("forbidden", 31), ("forbidden", 61)]
            .map(|(error, second)| told(error, second));
        assert_eq!(news, [true, false, true, false, true, false]);
    }

    #[test]
    fn a_sign_of_life_ends_it() {
        let metrics = Arc::new(Metrics::default());
        let watch = Watch::new("handlers", None, Arc::clone(&metrics));
        watch.listed();
        let begin = Instant::now();
        let failing = Failing { since: begin, last: begin + PATIENCE, error: "forbidden".to_owned() };
        lock(&watch.record).failing = Some(failing);
        let now = begin + PATIENCE;
        let shown = "failing for 30 s, what changes is not seen meanwhile: forbidden";
        assert_eq!(watch.verdict(now), Verdict::failed(shown));
        watch.lives();
        assert_eq!(watch.verdict(now), Verdict::ok());
        watch.failed("cut");
        let text = metrics.text(crate::telemetry::metrics::Format::OpenMetrics).unwrap();
        assert!(text.contains("k8supdater_watch_failures_total{watch=\"handlers\"} 1"), "{text}");
    }
}
