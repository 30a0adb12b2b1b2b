//! What pace guarantees, for random rules, facts, windows and zones, around the days when clocks are changed and on any other.

use proptest::prelude::*;

use super::*;
use crate::policy::Window;
use crate::policy::window::{WindowState, laws};

const SECOND: Duration = Duration::from_secs(1);
const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Casablanca"];

fn patience() -> impl Strategy<Value = Patience> {
    let window = (laws::start(), laws::duration(), prop::sample::select(&ZONES[..]))
        .prop_filter_map("it never starts", |(start, duration, zone)| Window::parse(&start, duration, zone).ok());
    let time = || prop_oneof![1 => Just(Duration::ZERO), 2 => (0..20_000_u64).prop_map(Duration::from_mins)];
    (time(), time(), time(), prop::collection::vec(window, 0..3)).prop_map(
        |(minimum_age, delay_between_updates, cooldown, windows)| Patience {
            minimum_age,
            delay_between_updates,
            cooldown,
            windows: windows.into(),
        },
    )
}

/// A moment in about three years, in whole seconds.
fn moment() -> impl Strategy<Value = Timestamp> {
    (1_767_225_600_i64..1_860_000_000).prop_map(|second| Timestamp::from_second(second).unwrap())
}

/// What happened within two weeks before `now`, or after it by a wrong clock.
fn facts(now: Timestamp) -> impl Strategy<Value = Facts> {
    let time = move || {
        prop::option::of((0..20_000_u64, any::<bool>(), any::<bool>()).prop_map(move |(minutes, odd, wrong)| {
            let away = Duration::from_mins(minutes);
            if odd && wrong { now + away } else { now - away }
        }))
    };
    let approved = prop::bool::weighted(0.2);
    (time(), time(), time(), time(), approved).prop_map(
        |(published, first_seen, last_update, last_failure, is_approved)| Facts {
            published,
            first_seen,
            last_update,
            last_failure,
            is_approved,
        },
    )
}

fn case() -> impl Strategy<Value = (Patience, Facts, Timestamp)> {
    (patience(), moment()).prop_flat_map(|(patience, now)| (Just(patience), facts(now), Just(now)))
}

/// Each rule by itself, as simple as it can be said.
fn is_allowed(patience: &Patience, facts: &Facts, now: Timestamp) -> bool {
    let has_passed = |time: Duration, since: Option<Timestamp>| since.is_some_and(|since| since + time <= now);
    let is_old_enough =
        patience.minimum_age.is_zero() || has_passed(patience.minimum_age, facts.published.or(facts.first_seen));
    let is_apart = |time: Duration, last: Option<Timestamp>| time.is_zero() || last.is_none() || has_passed(time, last);
    let is_patient = is_old_enough
        && is_apart(patience.delay_between_updates, facts.last_update)
        && is_apart(patience.cooldown, facts.last_failure);
    (is_patient || facts.is_approved) && matches!(patience.windows.state(now), WindowState::Open { .. })
}

proptest! {
    #[test]
    fn an_update_is_applied_exactly_when_no_rule_is_against_it((patience, facts, now) in case()) {
        let found = decide_pace(&patience, &facts, now);
        prop_assert_eq!(found == Pace::Now, is_allowed(&patience, &facts, now), "{:?}", found);
    }

    #[test]
    fn it_waits_until_the_first_moment_that_is_right((patience, facts, now) in case(), place in any::<prop::sample::Index>()) {
        let Pace::Wait { until, why } = decide_pace(&patience, &facts, now) else { return Ok(()) };
        let Some(until) = until else {
            let is_unknown = facts.published.or(facts.first_seen).is_none();
            prop_assert!(is_unknown && why.reason() == "MinimumAge", "{:?}", why);
            return Ok(());
        };
        prop_assert!(until > now);
        prop_assert_eq!(decide_pace(&patience, &facts, until), Pace::Now);
        // However often somebody looks again, and just before, it is the same moment.
        let seconds = usize::try_from(until.duration_since(now).as_secs()).unwrap();
        let between = now + SECOND * u32::try_from(place.index(seconds)).unwrap();
        for earlier in [between, until - SECOND, until - Duration::from_nanos(1)] {
            if earlier < now {
                continue;
            }
            prop_assert!(!is_allowed(&patience, &facts, earlier), "it could have been applied at {}", earlier);
            match decide_pace(&patience, &facts, earlier) {
                Pace::Wait { until: again, .. } => prop_assert_eq!(again, Some(until), "at {}", earlier),
                Pace::Now => prop_assert!(false, "it is applied at {}", earlier),
            }
        }
    }

    #[test]
    fn more_patience_never_hurries((patience, facts, now) in case(), more in 1..20_000_u64) {
        let moment = |patience: &Patience| match decide_pace(patience, &facts, now) {
            Pace::Now => Some(now),
            Pace::Wait { until, .. } => until,
        };
        let more = Duration::from_mins(more);
        let before = moment(&patience);
        for patient in [
            Patience { minimum_age: patience.minimum_age + more, ..patience.clone() },
            Patience { delay_between_updates: patience.delay_between_updates + more, ..patience.clone() },
            Patience { cooldown: patience.cooldown + more, ..patience.clone() },
        ] {
            let after = moment(&patient);
            prop_assert!(after.is_none() || before <= after, "{:?} {:?}", before, after);
        }
    }
}
