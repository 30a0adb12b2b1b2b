//! What is guaranteed of a handler, whatever the order of events: no container is updated twice to one version, moved backwards, or updated
//! outside its window.
//!
//! [`world`] is a world in which all that happens. The laws look at nothing but what has happened there; each is as simple as it can be said.

mod world;

use std::fmt;
use std::time::Duration;

use proptest::prelude::*;

use crate::api::pace::Mode;
use crate::api::versioning_handler::{UpdatePhase, VersioningHandlerStatus};
use crate::api::workload::WorkloadKind;
use crate::reconcile::announce::FRESH;
use world::{Death, Event, Fact, Fate, Human, Meanwhile, Patched, Setup, TAGS, World, tag_of, version, whole};

/// Longer than all that a handler may wait for.
const INTERVAL: Duration = Duration::from_hours(720);

fn human() -> impl Strategy<Value = Human> {
    let (container, tag) = (0..2_usize, 0..TAGS.len());
    let mode = prop_oneof![3 => Just(None), 1 => Just(Some(Mode::Update)), 1 => Just(Some(Mode::Notify)), 1 => Just(Some(Mode::Preview))];
    prop_oneof![
        3 => (container.clone(), tag.clone()).prop_map(|(container, tag)| Human::Set(container, tag)),
        4 => container.clone().prop_map(Human::SetBack),
        1 => (container.clone(), tag.clone()).prop_map(|(container, tag)| Human::Approve(container, tag)),
        3 => container.clone().prop_map(Human::ApproveOffered),
        1 => (container.clone(), tag).prop_map(|(container, tag)| Human::Skip(container, tag)),
        2 => container.prop_map(Human::RollBack),
        1 => mode.prop_map(Human::Mode),
        1 => prop::bool::weighted(0.3).prop_map(Human::Suspend),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let death = prop::sample::select(vec![
        Death::Announced,
        Death::BeforeThePatch,
        Death::AfterThePatch,
        Death::AfterThePatch,
        Death::Reported,
    ]);
    let meanwhile =
        prop_oneof![4 => human().prop_map(Meanwhile::Human), 1 => (0..TAGS.len()).prop_map(Meanwhile::Delete)];
    let wait = prop_oneof![1..90_000_u64, 60_000..20_000_000_u64, 3_600_000..300_000_000_u64];
    prop_oneof![
        4 => wait.prop_map(|millis| Event::Wait(Duration::from_millis(millis))),
        3 => (0..TAGS.len()).prop_map(Event::Push),
        1 => (0..TAGS.len()).prop_map(Event::Delete),
        6 => Just(Event::GoOn),
        4 => human().prop_map(Event::Human),
        10 => (prop::option::weighted(0.2, death), prop::option::weighted(0.15, meanwhile))
            .prop_map(|(death, meanwhile)| Event::Check { death, meanwhile }),
    ]
}

/// Events, of which a failure shows each on a line.
#[derive(Clone)]
struct Story(Vec<Event>);

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|event| write!(f, "\n    {event:?}"))
    }
}

fn story() -> impl Strategy<Value = Story> {
    prop::collection::vec(event(), 0..60).prop_map(Story)
}

/// What has happened, a fact on a line.
fn told(world: &World) -> String {
    world.facts.iter().fold(String::new(), |told, fact| format!("{told}\n    {fact:?}"))
}

fn setup() -> impl Strategy<Value = Setup> {
    let kind = prop_oneof![
        3 => Just(WorkloadKind::Deployment), 2 => Just(WorkloadKind::StatefulSet), 1 => Just(WorkloadKind::CronJob)
    ];
    let containers = prop_oneof![2 => Just(vec!["app"]), 1 => Just(vec!["app", "side"])];
    let time = |hours: u64| prop_oneof![1 => Just(Duration::ZERO), 1 => (1..hours).prop_map(Duration::from_hours)];
    let stable_for = prop_oneof![1 => Just(Duration::ZERO), 1 => (1..60_u64).prop_map(Duration::from_mins)];
    let windows = prop_oneof![
        1 => Just(Vec::new()),
        2 => prop::collection::vec((0..24_u64, 1..12_u64), 1..3),
    ];
    let fate = prop_oneof![6 => Just(Fate::Good), 2 => Just(Fate::Stuck), 1 => Just(Fate::Crashes)];
    let rules = (windows, time(72), time(48), time(24), stable_for);
    let flags = (prop::bool::weighted(0.7), prop::bool::weighted(0.15), any::<bool>());
    (kind, containers, 1..3_usize, rules, flags, prop::collection::vec(fate, TAGS.len())).prop_map(
        |(kind, containers, frontier, rules, flags, fates)| {
            let (windows, minimum_age, delay, cooldown, stable_for) = rules;
            let (rolls_back, needs_approval, is_dated) = flags;
            Setup {
                kind,
                containers,
                frontier,
                windows,
                minimum_age,
                delay,
                cooldown,
                stable_for,
                rolls_back,
                needs_approval,
                is_dated,
                fates,
            }
        },
    )
}

/// What was patched, each with its place among the facts and those before it.
fn patches(world: &World) -> impl Iterator<Item = (usize, &Patched, &[Fact])> {
    world.facts.iter().enumerate().filter_map(|(index, fact)| match fact {
        Fact::Patched(patched) => Some((index, patched, &world.facts[..index])),
        _ => None,
    })
}

/// The last of `facts` that is an update of that container, with its place, and from which image to which it goes.
///
/// One that was announced counts: if the container has its image afterwards, nobody can tell who has set it.
fn last_update<'a>(facts: &'a [Fact], container: &str) -> Option<(usize, &'a str, &'a str)> {
    let mut updates = facts.iter().enumerate().rev().filter_map(|(index, fact)| match fact {
        Fact::Patched(Patched { container: of, from, to, is_rollback: false, .. })
        | Fact::Announced { container: of, from, to } => {
            (of == container).then_some((index, from.as_str(), to.as_str()))
        }
        _ => None,
    });
    updates.next()
}

fn is_approved(facts: &[Fact], patched: &Patched) -> bool {
    let wanted = TAGS[tag_of(&patched.to)];
    facts.iter().any(
        |fact| matches!(fact, Fact::Approved { container, tag } if *container == patched.container && tag == wanted),
    )
}

/// No container gets the same image twice, unless somebody has approved that very image since it had it last.
fn twice(world: &World) -> Vec<String> {
    let again = patches(world).filter(|(_, patched, before)| {
        let same = before.iter().rposition(|fact| {
            matches!(fact, Fact::Patched(it) if it.container == patched.container && it.to == patched.to && !it.is_rollback)
        });
        !patched.is_rollback && same.is_some_and(|since| !is_approved(&before[since..], patched))
    });
    again.map(|(_, patched, _)| format!("twice: {patched:?}")).collect()
}

/// An update goes to a newer version. A rollback takes back the last update, and nothing else.
fn backwards(world: &World) -> Vec<String> {
    let wrong = patches(world).filter(|(_, patched, before)| {
        if patched.is_rollback {
            let update = last_update(before, &patched.container);
            !update.is_some_and(|(_, from, to)| to == patched.from && from == patched.to)
        } else {
            version(tag_of(&patched.to)).order(&version(tag_of(&patched.from))).is_le()
        }
    });
    wrong.map(|(_, patched, _)| format!("backwards: {patched:?}")).collect()
}

/// Nothing is changed while the handler is suspended or only looks; updates are made in windows, and all but approved ones keep the delay,
/// the age, and the owner's wish to approve them.
fn outside(world: &World) -> Vec<String> {
    let setup = &world.setup;
    let mut wrong = Vec::new();
    for (_, patched, before) in patches(world) {
        let mut check = |is_right: bool, what: &str| {
            if !is_right {
                wrong.push(format!("{what}: {patched:?}"));
            }
        };
        check(!patched.is_suspended, "suspended");
        check(matches!(patched.mode, None | Some(Mode::Update)), "mode");
        if patched.is_rollback {
            continue;
        }
        check(setup.is_open(patched.at), "window");
        if is_approved(before, patched) {
            continue;
        }
        check(!setup.needs_approval, "approval");
        let is_old_enough = |since| whole(since) + setup.minimum_age <= patched.at;
        check(setup.minimum_age.is_zero() || patched.known_since.is_some_and(is_old_enough), "age");
        let earlier = before.iter().filter_map(|fact| match fact {
            // Containers that are updated together are.
            Fact::Patched(it) if !it.is_rollback && it.at < patched.at => Some(it.at),
            _ => None,
        });
        check(earlier.max().is_none_or(|last| whole(last) + setup.delay <= patched.at + FRESH), "delay");
    }
    wrong
}

/// What somebody has set is replaced by nothing but a newer version; unless an update is taken back, because somebody has asked for that, or
/// because the operator could not see that it was not in place in between.
fn overruled(world: &World) -> Vec<String> {
    let wrong = patches(world).filter(|(_, patched, before)| {
        let set = before.iter().rposition(|fact| match fact {
            Fact::Set { container, .. } => *container == patched.container,
            Fact::Patched(it) => it.container == patched.container,
            _ => false,
        });
        let Some((index, Fact::Set { to, .. })) = set.map(|index| (index, &before[index])) else { return false };
        if *to != patched.from {
            return true;
        }
        if !patched.is_rollback {
            return version(tag_of(&patched.to)).order(&version(tag_of(to))).is_le();
        }
        let Some((update, ..)) = last_update(before, &patched.container) else { return true };
        let is_asked_for = before[update..].iter().any(
            |fact| matches!(fact, Fact::RollbackAsked { container } if *container == patched.container),
        );
        let is_away = |fact: &Fact| matches!(fact, Fact::Set { container, to } if *container == patched.container && *to != patched.from);
        let away = before.iter().skip(update).position(is_away).map(|place| place + update);
        let is_seen = before[update..index.max(update)]
            .iter()
            .any(|fact| matches!(fact, Fact::Written { looked } if away.is_some_and(|away| *looked > away)));
        !is_asked_for && is_seen
    });
    wrong.map(|(_, patched, _)| format!("overruled: {patched:?}")).collect()
}

/// The history is bounded, and knows each update once.
fn forgotten(world: &World) -> Vec<String> {
    let history = world.status().history;
    let mut updates: Vec<_> = history.iter().map(|entry| (entry.container.clone(), entry.started.0)).collect();
    updates.sort();
    updates.dedup();
    let is_right = updates.len() == history.len() && history.len() <= 20;
    if is_right { Vec::new() } else { vec![format!("history: {history:?}")] }
}

fn violations(world: &World) -> Vec<String> {
    [twice, backwards, outside, overruled, forgotten].iter().flat_map(|law| law(world)).collect()
}

/// Most reconciles until a handler is quiet.
const MOST_CHECKS: usize = 200;

/// Nothing else happens: the handler is reconciled when it said, or when its workload has changed, until it has nothing to do.
fn settle(world: &mut World) -> Result<(), String> {
    let timeless = |world: &World| {
        let mut status = VersioningHandlerStatus { last_check: None, next_check: None, ..world.status() };
        if status.mode == Some(Mode::Preview) {
            // It says what would be done now, which goes with the windows.
            status.conditions.clear();
            status.containers.clear();
        }
        status
    };
    let mut quiet = 0;
    for _ in 0..MOST_CHECKS {
        let before = (timeless(world), world.patches().count(), world.handler.metadata.annotations.clone());
        world.check(None, None);
        let has_changed = world.go_on();
        let after = (timeless(world), world.patches().count(), world.handler.metadata.annotations.clone());
        // What is offered to people is found by the interval alone, after which everything is old enough.
        let is_quiet = !has_changed && before == after && world.wait >= INTERVAL;
        quiet = if is_quiet { quiet + 1 } else { 0 };
        if quiet == 2 {
            return Ok(());
        }
        if !has_changed {
            world.now += world.wait.max(Duration::from_secs(15));
        }
    }
    Err(format!("it is never quiet: {:?}", timeless(world)))
}

/// In the end all rollouts have ended, all answers are taken up, and each container has the newest version that is its to have, or its status
/// says why not.
fn unfinished(world: &World) -> Vec<String> {
    let setup = &world.setup;
    let mut wrong = Vec::new();
    let (status, spec) = (world.status(), &world.handler.spec);
    if spec.suspend {
        return wrong;
    }
    if world.handler.metadata.annotations.as_ref().is_some_and(|annotations| !annotations.is_empty()) {
        wrong.push(format!("unanswered: {:?}", world.handler.metadata.annotations));
    }
    // What somebody has broken does not come right by itself, and a rollout that had come to its end before waits for that.
    let is_broken = world.is_broken_by_somebody();
    for container in world.containers() {
        let known = status.container(&container.name).unwrap();
        let phase = known.update.as_ref().map(|update| update.phase);
        let is_going = matches!(phase, Some(UpdatePhase::RollingOut | UpdatePhase::RollingBack));
        if known.approved.is_some() || is_going && !is_broken {
            wrong.push(format!("endless: {known:?}"));
        }
        if !matches!(spec.mode, None | Some(Mode::Update)) {
            continue;
        }
        let now = version(tag_of(&container.image));
        let is_applicable = |tag: usize| {
            let version = version(tag);
            version.order(&now).is_gt() && version.levels[..setup.frontier] == now.levels[..setup.frontier]
        };
        let is_skipped = |tag: usize| known.skipped.iter().any(|skipped| skipped.tag == TAGS[tag]);
        let applicable = || world.registry.iter().copied().filter(|tag| is_applicable(*tag));
        // They are in order.
        let Some(newest) = applicable().filter(|tag| !is_skipped(*tag)).max() else { continue };
        let is_held = known.held.iter().any(|held| applicable().any(|tag| TAGS[tag] == held.tag && tag >= newest));
        let is_offered = setup.needs_approval && known.reported.as_deref() == Some(TAGS[newest]);
        let is_waiting = is_broken && known.waits.as_ref().is_some_and(|waits| waits.reason == "Rollout");
        if !is_held && !is_offered && !is_waiting {
            wrong.push(format!("{} is not applied: {known:?}", TAGS[newest]));
        }
    }
    wrong
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_container_is_updated_twice_backwards_or_outside_its_window(setup in setup(), Story(events) in story()) {
        let mut world = World::after(setup, &events);
        settle(&mut world).ok();
        prop_assert_eq!(violations(&world), Vec::<String>::new(), "{}", told(&world));
    }

    #[test]
    fn in_the_end_all_is_done_that_may_be_done(setup in setup(), Story(events) in story()) {
        let mut world = World::after(setup, &events);
        prop_assert_eq!(settle(&mut world), Ok(()), "{}", told(&world));
        prop_assert_eq!(unfinished(&world), Vec::<String>::new(), "{}", told(&world));
    }
}

/// What is done after these events, apart from what a law says: each update as `container tag`, rollbacks with an arrow before.
fn check(setup: Setup, events: &[Event], expected: &[&str]) {
    let world = World::after(setup, events);
    assert_eq!(violations(&world), Vec::<String>::new(), "{}", told(&world));
    let made = world.patches().map(|patched| {
        let arrow = if patched.is_rollback { "<- " } else { "" };
        format!("{arrow}{} {}", patched.container, TAGS[tag_of(&patched.to)])
    });
    assert_eq!(made.collect::<Vec<_>>(), expected, "{}", told(&world));
}

const CHECK: Event = Event::Check { death: None, meanwhile: None };

fn tag(tag: &str) -> usize {
    TAGS.iter().position(|known| *known == tag).unwrap()
}

fn push(name: &str) -> Event {
    Event::Push(tag(name))
}

fn set(name: &str) -> Event {
    Event::Human(Human::Set(0, tag(name)))
}

fn approve(name: &str) -> Event {
    Event::Human(Human::Approve(0, tag(name)))
}

/// The rollout ends, and the operator sees it.
fn rolled_out() -> [Event; 3] {
    [Event::GoOn, Event::GoOn, CHECK]
}

#[test]
fn whoever_sets_an_image_back_further_than_to_the_one_before_is_not_overruled() {
    // 2.0.0 is left of the frontier, and says nothing of 1.0.3.
    let events = [&[push("1.0.3"), CHECK], &rolled_out()[..], &[push("2.0.0"), approve("2.0.0"), CHECK], &rolled_out()];
    let back = [set("1.0.2"), CHECK, CHECK];
    check(Setup::plain(), &[&events.concat()[..], &back].concat(), &["app 1.0.3", "app 2.0.0"]);
    // 1.0.4 is not there any more, and 1.0.3 is.
    let events = [&[push("1.0.3"), CHECK], &rolled_out()[..], &[push("1.0.4"), CHECK], &rolled_out()];
    let back = [Event::Delete(tag("1.0.4")), set("1.0.2"), CHECK, CHECK, push("1.0.5"), CHECK];
    check(Setup::plain(), &[&events.concat()[..], &back].concat(), &["app 1.0.3", "app 1.0.4", "app 1.0.5"]);
}

#[test]
fn an_update_that_another_takes_the_place_of_is_not_forgotten() {
    let back = Some(Meanwhile::Human(Human::SetBack(0)));
    let events = [
        push("1.0.3"),
        push("2.0.0"),
        CHECK,
        approve("2.0.0"),
        Event::Check { death: None, meanwhile: back },
        Event::Human(Human::Skip(0, tag("2.0.0"))),
        CHECK,
        CHECK,
    ];
    check(Setup::plain(), &events, &["app 1.0.3"]);
}

#[test]
fn whoever_wants_what_was_taken_back_keeps_it_even_if_nobody_has_noted_the_rollback() {
    let mut setup = Setup::plain();
    setup.fates[tag("1.0.3")] = Fate::Stuck;
    let killed = Event::Check { death: Some(Death::AfterThePatch), meanwhile: None };
    let events = [push("1.0.3"), CHECK, Event::GoOn, Event::GoOn, killed, set("1.0.3"), CHECK, CHECK];
    check(setup, &events, &["app 1.0.3", "<- app 1.0.2"]);
}

#[test]
fn what_ends_when_the_next_update_begins_is_not_forgotten() {
    let gone = Some(Meanwhile::Delete(tag("1.0.4")));
    let events = [
        push("1.0.3"),
        CHECK,
        push("1.0.4"),
        Event::GoOn,
        Event::GoOn,
        Event::Check { death: None, meanwhile: gone },
        set("1.0.2"),
        CHECK,
        CHECK,
    ];
    check(Setup::plain(), &events, &["app 1.0.3"]);
    let world = World::after(Setup::plain(), &[&events[..5], &[CHECK], &rolled_out()].concat());
    let history = world.status().history;
    let history: Vec<_> = history.iter().map(|entry| (TAGS[tag_of(&entry.to)], entry.result)).collect();
    assert_eq!(history, [("1.0.4", UpdatePhase::Finished), ("1.0.3", UpdatePhase::Finished)]);
}

#[test]
fn what_was_announced_long_before_it_is_made_has_the_time_that_any_update_has() {
    let announced = [
        push("1.0.3"),
        Event::Check { death: Some(Death::BeforeThePatch), meanwhile: None },
        Event::Wait(Duration::from_hours(3)),
        CHECK,
        CHECK,
    ];
    let stateful_set = || Setup { kind: WorkloadKind::StatefulSet, ..Setup::plain() };
    check(stateful_set(), &announced, &["app 1.0.3"]);
    let next = [&announced[..], &rolled_out(), &[push("1.0.4"), CHECK]].concat();
    check(Setup { delay: Duration::from_hours(2), ..stateful_set() }, &next, &["app 1.0.3"]);
}
