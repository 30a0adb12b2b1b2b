//! Who has a slot, and who waits for one. Pure.

use std::collections::{HashMap, VecDeque};

use super::super::handlers::HandlerKey;

/// `metadata.resourceVersion` of a handler. Of one object the greater one is the newer
/// (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>); none if the API server does not count like that.
pub type Version = Option<u64>;

/// What a reconcile leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A rollout that is under way.
    RollingOut {
        /// The state of the handler that says so.
        as_of: Version,
    },
    /// An update that waits for a slot.
    Waiting,
    /// Perhaps a rollout: the API server was asked for something, and what came of it is not known. Said twice in a row it counts as none.
    Unclear,
    /// None of that.
    Idle,
}

/// Who has a slot, and who waits for one.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    held: HashMap<HandlerKey, Hold>,
    /// In the order in which they came.
    queue: VecDeque<HandlerKey>,
}

/// A slot that a handler has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// It was its turn, and it has not been looked at since.
    Handed,
    /// It is about to begin a rollout, or has one.
    Taken {
        /// The newest state of the handler that tells of the rollout.
        as_of: Version,
        /// Whether the last reconcile could not tell.
        is_unclear: bool,
    },
}

/// Taken, and nothing has been heard yet.
const TAKEN: Hold = Hold::Taken { as_of: None, is_unclear: false };

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self { most, held: HashMap::new(), queue: VecDeque::new() }
    }

    /// How many slots are in use.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// How many wait for one.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether `handler` has a slot now. If not, it is in the queue.
    pub(super) fn occupy(&mut self, handler: &HandlerKey) -> bool {
        let is_taken = matches!(self.held.get(handler), Some(Hold::Taken { .. }));
        if is_taken {
            return true;
        }
        if self.held.contains_key(handler) || self.held.len() < self.most {
            self.take(handler);
            return true;
        }
        self.enqueue(handler);
        false
    }

    /// `handler` has a slot, whatever the limit is.
    pub(super) fn restore(&mut self, handler: &HandlerKey) {
        if !self.held.contains_key(handler) {
            self.take(handler);
        }
    }

    /// Notes what a reconcile of the state `seen` of `handler` leaves behind.
    pub(super) fn settle(&mut self, handler: &HandlerKey, seen: Version, standing: Standing) {
        let hold = self.held.get(handler).copied();
        if let (Some(Hold::Taken { as_of: Some(as_of), .. }), Some(seen)) = (hold, seen)
            && seen < as_of
            && !matches!(standing, Standing::RollingOut { .. })
        {
            return;
        }
        match (standing, hold) {
            (Standing::RollingOut { as_of }, _) => {
                let known = if let Some(Hold::Taken { as_of, .. }) = hold { as_of } else { None };
                self.take(handler);
                self.held.insert(handler.clone(), Hold::Taken { as_of: as_of.max(known), is_unclear: false });
            }
            // It was handed over while the reconcile was under way that has asked for it.
            (Standing::Waiting, Some(Hold::Handed)) => {}
            (Standing::Waiting, _) => {
                self.held.remove(handler);
                self.enqueue(handler);
            }
            (Standing::Unclear, Some(Hold::Taken { as_of, is_unclear: false })) => {
                self.held.insert(handler.clone(), Hold::Taken { as_of, is_unclear: true });
            }
            (Standing::Unclear | Standing::Idle, _) => self.forget(handler),
        }
    }

    /// `handler` neither has a slot nor waits for one.
    pub(super) fn forget(&mut self, handler: &HandlerKey) {
        self.held.remove(handler);
        self.queue.retain(|waiting| waiting != handler);
    }

    /// Hands what is free to those who have waited the longest, and says to whom.
    pub(super) fn hand_on(&mut self) -> Vec<HandlerKey> {
        let mut turn = Vec::new();
        while self.held.len() < self.most
            && let Some(handler) = self.queue.pop_front()
        {
            self.held.insert(handler.clone(), Hold::Handed);
            turn.push(handler);
        }
        turn
    }

    fn take(&mut self, handler: &HandlerKey) {
        self.held.insert(handler.clone(), TAKEN);
        self.queue.retain(|waiting| waiting != handler);
    }

    fn enqueue(&mut self, handler: &HandlerKey) {
        if !self.queue.contains(handler) {
            self.queue.push_back(handler.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> HandlerKey {
        HandlerKey::new(name).within("team-a")
    }

    /// Places of which these handlers, in this order, have asked for one and told what came of it.
    fn places(most: usize, names: &[&str]) -> Places {
        let mut places = Places::new(most);
        for name in names {
            let standing = if places.occupy(&key(name)) { rolling_out(5) } else { Standing::Waiting };
            places.settle(&key(name), Some(4), standing);
        }
        places
    }

    fn rolling_out(as_of: u64) -> Standing {
        Standing::RollingOut { as_of: Some(as_of) }
    }

    /// Settles, and checks whose turn it is then, and how many slots are in use.
    #[track_caller]
    fn check(places: &mut Places, name: &str, seen: u64, standing: Standing, turn: &[&str], held: usize) {
        places.settle(&key(name), Some(seen), standing);
        let expected: Vec<HandlerKey> = turn.iter().map(|name| key(name)).collect();
        assert_eq!((places.hand_on(), places.held()), (expected, held), "{name} {seen} {standing:?}");
    }

    #[test]
    fn a_free_slot_goes_to_who_has_waited_the_longest() {
        let mut places = places(2, &["a", "b", "c", "d"]);
        assert_eq!((places.held(), places.waiting()), (2, 2));
        check(&mut places, "a", 6, Standing::Idle, &["c"], 2);
        assert!(!places.occupy(&key("a")), "it has to queue up again");
        assert!(places.occupy(&key("c")) && places.occupy(&key("b")), "whoever has a slot keeps it");
        check(&mut places, "b", 6, Standing::Idle, &["d"], 2);
        check(&mut places, "d", 6, Standing::Idle, &["a"], 2);
        places.forget(&key("c"));
        assert_eq!((places.hand_on(), places.held(), places.waiting()), (vec![], 1, 0));
    }

    #[test]
    fn a_slot_that_is_handed_over_in_the_middle_of_a_reconcile_is_kept_for_the_next() {
        let mut places = places(1, &["a", "b"]);
        check(&mut places, "a", 6, Standing::Idle, &["b"], 1);
        check(&mut places, "b", 4, Standing::Waiting, &[], 1);
        assert!(places.occupy(&key("b")));
    }

    #[test]
    fn who_no_longer_wants_a_slot_leaves_the_queue_and_gives_back_what_was_handed() {
        let mut places = places(1, &["a", "b", "c"]);
        check(&mut places, "b", 4, Standing::Idle, &[], 1);
        check(&mut places, "a", 6, Standing::Idle, &["c"], 1);
        check(&mut places, "c", 4, Standing::Idle, &[], 0);
    }

    #[test]
    fn a_reconcile_of_an_older_state_ends_no_rollout() {
        let mut places = places(1, &["a", "b"]);
        check(&mut places, "a", 4, Standing::Idle, &[], 1);
        check(&mut places, "a", 4, Standing::Unclear, &[], 1);
        check(&mut places, "a", 6, rolling_out(7), &[], 1);
        check(&mut places, "a", 6, Standing::Idle, &[], 1);
        check(&mut places, "a", 7, Standing::Idle, &["b"], 1);
    }

    #[test]
    fn what_is_unclear_holds_a_slot_once() {
        let mut places = places(1, &["a", "b"]);
        check(&mut places, "a", 6, Standing::Unclear, &[], 1);
        check(&mut places, "a", 6, rolling_out(6), &[], 1);
        check(&mut places, "a", 6, Standing::Unclear, &[], 1);
        check(&mut places, "a", 6, Standing::Unclear, &["b"], 1);
        check(&mut places, "c", 6, Standing::Unclear, &[], 1);
        assert!(!places.occupy(&key("c")), "who has none gets none by it");
    }

    #[test]
    fn what_is_under_way_counts_whatever_the_limit_is() {
        let mut places = places(1, &[]);
        for name in ["a", "b", "c"] {
            places.restore(&key(name));
        }
        assert!(!places.occupy(&key("d")));
        check(&mut places, "d", 1, Standing::Waiting, &[], 3);
        assert!(!places.occupy(&key("f")));
        places.restore(&key("f"));
        assert_eq!((places.held(), places.waiting()), (4, 1), "who has a slot does not wait for one");
        places.forget(&key("f"));
        check(&mut places, "a", 1, Standing::Idle, &[], 2);
        // A rollback does not ask.
        check(&mut places, "e", 1, rolling_out(2), &[], 3);
        for name in ["b", "c"] {
            places.forget(&key(name));
        }
        check(&mut places, "e", 3, Standing::Idle, &["d"], 1);
    }
}
