//! A task that runs until the operator stops: whether it still does, and whether it gets anywhere.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::lock;
use super::page::Verdict;

/// Time between two signs of life.
const BEAT: Duration = Duration::from_secs(5);
/// How long a task may give no sign of life. What makes it silent is code that does not let go of its thread, or that waits for a lock for
/// ever; a busy machine makes it late.
const SILENCE: Duration = Duration::from_mins(2);

/// What is known of one task. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Task(Arc<Mutex<Record>>);

#[derive(Clone, Copy, Debug)]
struct Record {
    beat: Instant,
    has_ended: bool,
}

/// How a task has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Returned,
    /// It panicked.
    Panicked,
}

impl Task {
    pub(super) fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(Record { beat: now, has_ended: false })))
    }

    /// Runs `work`, and gives a sign of life as long as it lets others on. A panic ends nothing but this.
    pub async fn run(&self, work: impl Future<Output = ()>) -> End {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let work = async {
            tokio::pin!(work);
            loop {
                tokio::select! {
                    () = &mut work => break,
                    _ = beats.tick() => lock(&self.0).beat = Instant::now(),
                }
            }
        };
        // What it shares with others is behind locks that forgive a panic.
        let end = AssertUnwindSafe(work).catch_unwind().await;
        self.ended();
        if end.is_ok() { End::Returned } else { End::Panicked }
    }

    /// It has come to its end.
    pub fn ended(&self) {
        lock(&self.0).has_ended = true;
    }

    /// `is_stopping`: whether it may end.
    pub(super) fn verdict(&self, is_stopping: bool, now: Instant) -> Verdict {
        let Record { beat, has_ended } = *lock(&self.0);
        let silence = now.saturating_duration_since(beat);
        match (has_ended, is_stopping) {
            (true, true) => Verdict::noted("ended"),
            (true, false) => Verdict::failed("ended by itself; the log says why, and a restart is needed"),
            (false, _) if silence >= SILENCE => {
                Verdict::failed(format!("no sign of life for {} s; a restart is needed", silence.as_secs()))
            }
            (false, _) => Verdict::ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_returns_or_panics_has_ended() {
        let task = Task::new(Instant::now());
        assert_eq!(task.verdict(false, Instant::now()), Verdict::ok());
        assert_eq!(task.run(async {}).await, End::Returned);
        let ended = "ended by itself; the log says why, and a restart is needed";
        assert_eq!(task.verdict(false, Instant::now()), Verdict::failed(ended));
        assert_eq!(task.verdict(true, Instant::now()), Verdict::noted("ended"));

        let task = Task::new(Instant::now());
        assert_eq!(task.run(async { panic!("for a test") }).await, End::Panicked);
        assert!(!task.verdict(false, Instant::now()).has_passed());
    }

    #[tokio::test]
    async fn a_task_that_waits_gives_signs_of_life_and_one_that_hangs_does_not() {
        let begin = Instant::now();
        let task = Task::new(begin);
        let silent = begin + SILENCE;
        assert_eq!(task.verdict(false, silent - Duration::from_secs(1)), Verdict::ok());
        let shown = "no sign of life for 120 s; a restart is needed";
        assert_eq!(task.verdict(false, silent), Verdict::failed(shown));
        // The first sign comes at once.
        let waiting = task.run(std::future::pending());
        assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
        assert!(lock(&task.0).beat > begin);
    }
}
