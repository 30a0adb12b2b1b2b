//! What the outbox guarantees, on random histories: notices come and end, time goes on, the channel fails and writes get lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::notice::tests::{notice, some};
use crate::notice::{Filter, Fingerprint, Kind};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Something is told, of one of few kinds, containers and versions, so that there are many repetitions.
    Tell { kind: usize, container: usize, to: usize },
    /// Something is over.
    End { kind: usize, container: usize },
    /// So many seconds go by.
    Wait(u64),
    /// What is due is sent, and so comes of it.
    Send(Fate),
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Delivered,
    /// It arrives, but nobody notes that it did.
    DeliveredAndLost,
    /// It arrives, but the channel says that it failed.
    DeliveredAndFailed,
    Failed,
    Paused,
    Refused,
}

const KINDS: [Kind; 5] =
    [Kind::UpdateAvailable, Kind::Updated, Kind::RolloutFailed, Kind::CheckFailing, Kind::CheckRecovered];

fn step() -> impl Strategy<Value = Step> {
    let fate = prop_oneof![
        3 => Just(Fate::Delivered),
        1 => Just(Fate::DeliveredAndLost),
        1 => Just(Fate::DeliveredAndFailed),
        2 => Just(Fate::Failed),
        1 => Just(Fate::Paused),
        1 => Just(Fate::Refused),
    ];
    prop_oneof![
        5 => (0..KINDS.len(), 0..2_usize, 0..3_usize).prop_map(|(kind, container, to)| Step::Tell { kind, container, to }),
        1 => (0..KINDS.len(), 0..2_usize).prop_map(|(kind, container)| Step::End { kind, container }),
        3 => (0..5_000_u64).prop_map(Step::Wait),
        5 => fate.prop_map(Step::Send),
    ]
}

fn told(kind: usize, container: usize, to: usize) -> Notice {
    let kind = KINDS[kind];
    // A check has no versions.
    let to = if matches!(kind, Kind::CheckFailing | Kind::CheckRecovered) { 0 } else { to };
    Notice { container: some(&format!("c{container}")), to: some(&to.to_string()), ..notice(kind) }
}

/// By what words are told apart: concern and container.
fn topic(notice: &Notice) -> String {
    format!("{:?} {:?}", notice.kind.concern(), notice.container)
}

/// A notice that has arrived.
#[derive(Clone, Debug)]
struct Arrival {
    key: String,
    notice: Notice,
    serial: u64,
    reminder: Option<u32>,
}

/// An outbox, its channel, and what people know.
#[derive(Default)]
struct World {
    outbox: Outbox,
    now: Timestamp,
    arrivals: Vec<Arrival>,
    /// Attempts whose end nobody knows for certain.
    unclear: usize,
    /// How often a notice, or a reminder of it, arrived without being written down.
    lost: BTreeMap<(u64, Option<u32>), usize>,
    /// The last word of each topic; none after something about it has ended.
    words: BTreeMap<String, Option<Notice>>,
    /// Index of the first arrival after something about the topic has ended.
    ended: BTreeMap<String, usize>,
}

impl World {
    fn step(&mut self, step: Step, policy: &Policy) {
        match step {
            Step::Tell { kind, container, to } => {
                let notice = told(kind, container, to);
                self.words.insert(topic(&notice), Some(notice.clone()));
                self.outbox.enqueue([notice], &Filter::default(), self.now);
            }
            Step::End { kind, container } => {
                let example = told(kind, container, 0);
                self.words.insert(topic(&example), None);
                self.ended.insert(topic(&example), self.arrivals.len());
                self.outbox.forget(|notice| notice.kind == example.kind && notice.container == example.container);
            }
            Step::Wait(seconds) => self.now += Duration::from_secs(seconds),
            Step::Send(fate) => {
                let due = self.outbox.due(self.now, policy);
                for dispatch in &due.dispatches {
                    self.send(dispatch, fate);
                }
            }
        }
    }

    fn send(&mut self, dispatch: &Dispatch, fate: Fate) {
        self.outbox.begin(dispatch);
        let has_arrived = matches!(fate, Fate::Delivered | Fate::DeliveredAndLost | Fate::DeliveredAndFailed);
        if has_arrived {
            let key = &dispatch.message.key;
            self.arrivals.extend(dispatch.items.iter().map(|item| Arrival {
                key: key.clone(),
                notice: item.notice.clone(),
                serial: item.serial,
                reminder: item.reminder,
            }));
        }
        match fate {
            Fate::Delivered => self.outbox.sent(dispatch, self.now),
            Fate::DeliveredAndLost => {}
            Fate::DeliveredAndFailed | Fate::Failed => {
                self.outbox.failed(dispatch, Retry::BackOff { random: 0.5 }, self.now);
            }
            Fate::Paused => self.outbox.failed(dispatch, Retry::After(Duration::from_mins(10)), self.now),
            Fate::Refused => self.outbox.failed(dispatch, Retry::OnChange, self.now),
        }
        if !matches!(fate, Fate::Delivered) {
            self.unclear += dispatch.items.len();
        }
        if matches!(fate, Fate::DeliveredAndLost | Fate::DeliveredAndFailed) {
            for item in &dispatch.items {
                *self.lost.entry((item.serial, item.reminder)).or_default() += 1;
            }
        }
    }

    /// Sends everything that waits, on a channel that works.
    fn drain(&mut self, policy: &Policy) {
        let policy = Policy { remind_after: None, ..*policy };
        for _ in 0..1_000 {
            let due = self.outbox.due(self.now, &policy);
            for dispatch in &due.dispatches {
                self.send(dispatch, Fate::Delivered);
            }
            match due.next {
                Some(next) if due.dispatches.is_empty() => self.now = next,
                None if due.dispatches.is_empty() => return,
                _ => {}
            }
        }
        panic!("it never ends: {:?}", self.outbox);
    }

    fn news(&self) -> impl Iterator<Item = &Arrival> {
        self.arrivals.iter().filter(|arrival| arrival.reminder.is_none())
    }
}

fn policy() -> impl Strategy<Value = Policy> {
    let mode = prop_oneof![
        Just(Mode::Immediate),
        Just(Mode::Digest { interval: Duration::from_mins(50) }),
        Just(Mode::Digest { interval: Duration::ZERO })
    ];
    let remind_after = prop_oneof![Just(None), Just(Some(Duration::from_secs(4_000)))];
    (mode, remind_after).prop_map(|(mode, remind_after)| Policy { mode, remind_after })
}

fn live(steps: &[Step], policy: &Policy) -> World {
    let mut world = World::default();
    for &step in steps {
        world.step(step, policy);
    }
    world.drain(policy);
    world
}

proptest! {
    #[test]
    fn in_the_end_people_know_the_last_word(steps in prop::collection::vec(step(), 0..60), policy in policy()) {
        let world = live(&steps, &policy);
        prop_assert!(world.outbox.pending.is_empty());
        for (topic_of, word) in &world.words {
            if let Some(word) = word {
                let known = world.news().filter(|arrival| topic(&arrival.notice) == *topic_of).last();
                prop_assert_eq!(known.map(|arrival| arrival.notice.fingerprint()), Some(word.fingerprint()), "{}", topic_of);
            }
        }
    }

    #[test]
    fn a_message_arrives_once_and_again_for_each_time_that_nobody_noted_it(
        steps in prop::collection::vec(step(), 0..60), policy in policy()
    ) {
        let world = live(&steps, &policy);
        let mut counts: BTreeMap<(u64, Option<u32>), usize> = BTreeMap::new();
        for arrival in &world.arrivals {
            *counts.entry((arrival.serial, arrival.reminder)).or_default() += 1;
        }
        for (what, count) in counts {
            let lost = world.lost.get(&what).copied().unwrap_or(0);
            prop_assert!(count <= lost + 1, "{:?} arrived {} times, {} of them lost", what, count, lost);
        }
    }

    #[test]
    fn what_arrives_again_at_once_has_the_same_key(steps in prop::collection::vec(step(), 0..60)) {
        let policy = Policy { mode: Mode::Immediate, remind_after: Some(Duration::from_secs(4_000)) };
        let world = live(&steps, &policy);
        let mut keys: BTreeMap<(u64, Option<u32>), &str> = BTreeMap::new();
        for arrival in &world.arrivals {
            let key = keys.entry((arrival.serial, arrival.reminder)).or_insert(&arrival.key);
            prop_assert_eq!(*key, &arrival.key);
        }
        let different: BTreeSet<&str> = keys.values().copied().collect();
        prop_assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn nothing_is_told_twice_in_a_row_without_a_reason(
        steps in prop::collection::vec(step(), 0..60), policy in policy()
    ) {
        let world = live(&steps, &policy);
        let mut known: BTreeMap<String, (usize, Fingerprint)> = BTreeMap::new();
        let mut repetitions = 0;
        for (index, arrival) in world.arrivals.iter().enumerate().filter(|(_, arrival)| arrival.reminder.is_none()) {
            let (topic, word) = (topic(&arrival.notice), arrival.notice.fingerprint());
            let before = known.insert(topic.clone(), (index, word));
            // Histories in which something about the topic has ended between the two have their reason.
            let has_ended = before.is_some_and(|(before, _)| world.ended.get(&topic).is_some_and(|&ended| ended > before));
            if before.is_some_and(|(_, before)| before == word) && !has_ended {
                repetitions += 1;
            }
        }
        prop_assert!(repetitions <= world.unclear, "{} repetitions, {} unclear", repetitions, world.unclear);
    }

    #[test]
    fn the_order_is_kept_in_each_container(steps in prop::collection::vec(step(), 0..60), policy in policy()) {
        let world = live(&steps, &policy);
        let (mut last, mut known) = (BTreeMap::new(), BTreeSet::new());
        // A digest that nobody noted comes again with all that is in it, hence only what arrives for the first time.
        for arrival in world.news().filter(|arrival| known.insert(arrival.serial)) {
            let before = last.insert(arrival.notice.container.clone(), arrival.serial);
            prop_assert!(before.is_none_or(|before| before < arrival.serial), "{:?} after {:?}", arrival, before);
        }
    }

    #[test]
    fn a_channel_that_works_gets_each_word_exactly_once(
        told_words in prop::collection::vec((0..KINDS.len(), 0..2_usize, 0..3_usize), 0..60)
    ) {
        let policy = Policy { mode: Mode::Immediate, remind_after: None };
        let mut world = World::default();
        let mut expected = Vec::new();
        for (kind, container, to) in told_words {
            let notice = told(kind, container, to);
            let before = world.words.get(&topic(&notice)).cloned().flatten();
            if before.map(|before| before.fingerprint()) != Some(notice.fingerprint()) {
                expected.push(notice.fingerprint());
            }
            world.step(Step::Tell { kind, container, to }, &policy);
            world.drain(&policy);
        }
        let arrived: Vec<_> = world.news().map(|arrival| arrival.notice.fingerprint()).collect();
        prop_assert_eq!(arrived, expected);
    }

    #[test]
    fn a_dead_channel_does_not_grow(
        told_words in prop::collection::vec((0..KINDS.len(), 0..99_usize, 0..3_usize), 0..60)
    ) {
        let policy = Policy { mode: Mode::Immediate, remind_after: None };
        let mut world = World::default();
        for (kind, container, to) in told_words {
            world.step(Step::Tell { kind, container, to }, &policy);
            world.step(Step::Send(Fate::Failed), &policy);
            prop_assert!(world.outbox.pending.len() <= MOST_PENDING && world.outbox.sent.is_empty());
        }
        world.drain(&policy);
        prop_assert!(world.outbox.sent.len() <= MOST_SENT);
        prop_assert_eq!(world.outbox.given_up, 0);
    }

    #[test]
    fn when_nothing_is_due_there_is_a_time_at_which_something_is(
        steps in prop::collection::vec(step(), 0..60), policy in policy()
    ) {
        let mut world = World::default();
        for step in steps {
            world.step(step, &policy);
            let due = world.outbox.due(world.now, &policy);
            if due.dispatches.is_empty() {
                prop_assert!(due.next.is_some() || world.outbox.pending.is_empty());
                if let Some(next) = due.next {
                    prop_assert!(next > world.now);
                    prop_assert!(!world.outbox.due(next, &policy).dispatches.is_empty(), "{:?}", world.outbox);
                }
            }
        }
    }
}
