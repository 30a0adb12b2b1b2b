//! When which handler is looked at next: what the controller's queue knows and does not tell, for those who watch over it.
//!
//! In memory only, and nothing is decided by it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::runtime::controller::Action;

use super::handlers::HandlerKey;
use crate::telemetry::metrics::Queue;

/// How late a look may be without anybody hearing of it: a controller that has much to do at once catches up in less.
const TOLERANCE: Duration = Duration::from_mins(1);

/// When a handler is looked at again, if nothing happens to it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// After that time.
    After(Duration),
    /// Not before something happens.
    OnChange,
}

impl From<Next> for Action {
    fn from(next: Next) -> Self {
        match next {
            Next::After(wait) => Self::requeue(wait),
            Next::OnChange => Self::await_change(),
        }
    }
}

/// What is known of every handler that was looked at.
#[derive(Debug, Default)]
pub struct Schedule(Mutex<HashMap<HandlerKey, Turn>>);

/// When it is a handler's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Now: it is being looked at.
    Now,
    /// Then.
    At(Instant),
    /// Not before something happens to it.
    OnChange,
}

/// A look at a handler that is under way. Dropped without an [end](Self::end), as when it fails, it is a look that is to be repeated, until
/// [`Schedule::next`] says when.
#[derive(Debug)]
#[must_use = "a look ends when this is dropped"]
pub struct Look<'a> {
    schedule: &'a Schedule,
    handler: HandlerKey,
    next: Option<Next>,
}

impl Look<'_> {
    /// It is over, and what comes next is known.
    pub fn end(mut self, next: Next) {
        self.next = Some(next);
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.schedule.next(&self.handler, self.next.unwrap_or(Next::After(Duration::ZERO)));
    }
}

impl Schedule {
    /// A look at `handler` begins.
    pub fn begin(&self, handler: &HandlerKey) -> Look<'_> {
        self.lock().insert(handler.clone(), Turn::Now);
        Look { schedule: self, handler: handler.clone(), next: None }
    }

    /// Notes when `handler` is looked at again.
    pub fn next(&self, handler: &HandlerKey, next: Next) {
        let turn = match next {
            // The longest time there is has no end, and is none.
            Next::After(wait) => Instant::now().checked_add(wait).map_or(Turn::OnChange, Turn::At),
            Next::OnChange => Turn::OnChange,
        };
        self.lock().insert(handler.clone(), turn);
    }

    /// How `existing` handlers stand at `now`. Those that were never looked at are due from the first time on that this is asked; others that
    /// are known are forgotten, because they do not exist any more.
    pub fn queue(&self, existing: &HashSet<HandlerKey>, now: Instant) -> Queue {
        let mut turns = self.lock();
        turns.retain(|handler, _| existing.contains(handler));
        let mut queue = Queue::default();
        for handler in existing {
            match *turns.entry(handler.clone()).or_insert(Turn::At(now)) {
                Turn::Now => queue.in_flight += 1,
                Turn::At(time) if time <= now => {
                    queue.due += 1;
                    queue.overdue += usize::from(now.duration_since(time) > TOLERANCE);
                }
                Turn::At(_) | Turn::OnChange => {}
            }
        }
        queue
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<HandlerKey, Turn>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> HandlerKey {
        HandlerKey::new(name).within("a")
    }

    #[track_caller]
    fn check(schedule: &Schedule, existing: &[&str], later: Duration, expected: (usize, usize, usize)) {
        let existing = existing.iter().copied().map(key).collect();
        let Queue { in_flight, due, overdue } = schedule.queue(&existing, Instant::now() + later);
        assert_eq!((in_flight, due, overdue), expected, "{existing:?} {later:?}");
    }

    #[test]
    fn handlers_wait_for_their_turn_are_looked_at_and_wait_again() {
        let (now, minute) = (Duration::ZERO, Duration::from_mins(1));
        let schedule = Schedule::default();
        check(&schedule, &["new"], now, (0, 1, 0));
        check(&schedule, &["new"], 2 * minute, (0, 1, 1));
        let look = schedule.begin(&key("new"));
        check(&schedule, &["new"], 2 * minute, (1, 0, 0));
        look.end(Next::After(minute));
        check(&schedule, &["new"], now, (0, 0, 0));
        check(&schedule, &["new"], minute + minute / 2, (0, 1, 0));
        check(&schedule, &["new"], 3 * minute, (0, 1, 1));
        schedule.begin(&key("new")).end(Next::OnChange);
        check(&schedule, &["new"], 1_000 * minute, (0, 0, 0));
    }

    #[test]
    fn a_look_that_failed_is_to_be_repeated_when_the_error_policy_says() {
        let schedule = Schedule::default();
        drop(schedule.begin(&key("web")));
        check(&schedule, &["web"], Duration::ZERO, (0, 1, 0));
        schedule.next(&key("web"), Next::After(Duration::from_mins(5)));
        check(&schedule, &["web"], Duration::from_mins(1), (0, 0, 0));
    }

    #[test]
    fn what_does_not_exist_any_more_is_not_counted_and_not_kept() {
        let schedule = Schedule::default();
        schedule.next(&key("gone"), Next::After(Duration::ZERO));
        check(&schedule, &["web"], Duration::ZERO, (0, 1, 0));
        assert_eq!(schedule.lock().len(), 1);
        schedule.next(&key("web"), Next::After(Duration::MAX));
        check(&schedule, &["web"], Duration::from_hours(1_000_000), (0, 0, 0));
    }
}
