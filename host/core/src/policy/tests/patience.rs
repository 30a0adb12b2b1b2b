//! What could be applied by itself, and has to wait: the rules one by one, together, and with pace.

use super::*;
use crate::policy::pace::{Facts, Patience, decide_pace};
use crate::policy::{Pace, Window, Windows};

const HOUR: Duration = Duration::from_hours(1);
/// The minimum age in these tests, in hours.
const MINIMUM: i64 = 72;

/// The given hour after the beginning of the 10th of June 2026, or before it.
fn at(hour: i64) -> Timestamp {
    "2026-06-10T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_hours(hour)
}

/// `policy` with a minimum age, at hour 0.
fn patient(policy: Policy) -> Policy {
    let minimum = HOUR * u32::try_from(MINIMUM).unwrap();
    Policy { age: Some(MinimumAge { minimum, now: at(0) }), ..policy }
}

/// Tags as [`tagged`] reads them, separated by spaces; `1.4.3@-80` is of 80 hours before.
fn aged(tags: &str) -> Vec<Tagged> {
    let read = |text: &str| match text.split_once('@') {
        Some((tag, hour)) => Tagged { since: Some(at(hour.parse().unwrap())), ..tagged(tag) },
        None => tagged(text),
    };
    tags.split_whitespace().map(read).collect()
}

fn tags(tags: &str) -> BTreeSet<String> {
    tags.split_whitespace().map(str::to_owned).collect()
}

/// What is applied, what is reported, which is the next to become old enough and in which hour; `-` for none.
fn decided(policy: &Policy, current: &str, candidates: &[Tagged]) -> String {
    let current = tagged(current);
    let ruling = decide(policy, &current, candidates);
    let name = |index: Option<usize>| index.map_or("-", |index| &candidates[index].tag);
    let next = next_of_age(policy, &current, candidates, &ruling).map_or("-".to_owned(), |(index, end)| {
        format!("{}@{}", candidates[index].tag, end.duration_since(at(0)).as_hours())
    });
    format!("{} {} {next}", name(ruling.update), name(ruling.notify))
}

/// Checks update, notice and the next one in `expected`, whatever the order of the candidates.
fn check(policy: &Policy, current: &str, candidates: &str, expected: &str) {
    let mut candidates = aged(candidates);
    assert_eq!(decided(policy, current, &candidates), expected, "{current} with {candidates:?}, {policy:?}");
    candidates.reverse();
    assert_eq!(decided(policy, current, &candidates), expected, "{current} with {candidates:?}, {policy:?}");
}

/// Each rule by itself, as simple as it can be said, of a candidate that no other rule refuses.
pub(super) fn may_be_applied(policy: &Policy, current: &Tagged, candidates: &[Tagged], index: usize) -> bool {
    let candidate = &candidates[index];
    let (now, version) = (current.version.as_ref().unwrap(), candidate.version.as_ref().unwrap());
    let is_old_enough = policy
        .age
        .is_none_or(|age| age.minimum.is_zero() || candidate.since.is_some_and(|since| since + age.minimum <= age.now));
    let is_proven = policy.proven.as_ref().is_none_or(|proven| {
        let is_same = |digest: &Digest| proven.digest(&candidate.tag).is_none_or(|proven| proven == digest);
        proven.tags().any(|tag| tag == candidate.tag) && candidate.digest.as_ref().is_none_or(is_same)
    });
    let is_better = candidates.iter().filter(|other| policy.failed.contains(&other.tag)).all(|failed| {
        let Some(failed) = &failed.version else { return true };
        let is_left = now.first_difference(failed).is_some_and(|place| policy.frontier.is_left(place));
        is_left || scheme::is_other(now, failed) || version.order(failed) == Ordering::Greater
    });
    is_old_enough && is_proven && is_better
}

#[test]
fn the_greatest_that_is_old_enough_is_applied() {
    let two = patient(policy(2));
    check(&two, "1.4.2", "1.4.3@-80 1.4.4@-2", "1.4.3 - 1.4.4@70");
    check(&two, "1.4.2", "1.4.3@-2 1.4.4@-80", "1.4.4 - -");
    check(&two, "1.4.2", "1.4.3@-72", "1.4.3 - -");
    check(&two, "1.4.2", "1.4.3@-71", "- - 1.4.3@1");
    check(&two, "1.4.2", "1.4.3@-10 1.4.4@-2", "- - 1.4.3@62");
    check(&two, "1.4.2", "1.4.3@-2 1.4.4@-10", "- - 1.4.4@62");
    // Of several at once it is the one that is applied then.
    check(&two, "1.4.2", "1.4.3@-10 1.4.4@-10 1.4.4.0@-10", "- - 1.4.4@62");
    // A clock that went wrong makes it wait for longer, and what nobody knows is as young as can be.
    check(&two, "1.4.2", "1.4.3@5", "- - 1.4.3@77");
    check(&two, "1.4.2", "1.4.3", "- - -");
    check(&two, "1.4.2", "1.4.3 1.4.4@-2", "- - 1.4.4@70");
    let never = Policy { age: Some(MinimumAge { minimum: Duration::MAX, now: at(0) }), ..policy(2) };
    check(&never, "1.4.2", "1.4.3@-80", "- - -");
    let any = Policy { age: Some(MinimumAge { minimum: Duration::ZERO, now: at(0) }), ..policy(2) };
    check(&any, "1.4.2", "1.4.3 1.4.4@5", "1.4.4 - -");
    check(&policy(2), "1.4.2", "1.4.3 1.4.4@5", "1.4.4 - -");
}

#[test]
fn what_is_left_of_the_frontier_is_reported_at_any_age() {
    let two = patient(policy(2));
    check(&two, "1.4.2", "1.4.3@-80 2.0.0@-1", "1.4.3 2.0.0 -");
    check(&two, "1.4.2", "1.4.3@-2 1.4.4 2.0.0", "- 2.0.0 1.4.3@70");
    check(&patient(policy(16)), "1.4.2", "1.4.3@-1", "- 1.4.3 -");
    check(&patient(policy(0)), "1.4.2", "1.4.3@-80 2.0.0@-1", "1.4.3 - 2.0.0@71");
}

#[test]
fn only_a_better_one_than_what_failed_is_applied_by_itself() {
    let failed = |failed: &str| Policy { failed: tags(failed), ..policy(2) };
    check(&failed("1.4.4"), "1.4.2", "1.4.3 1.4.4", "- - -");
    check(&failed("1.4.4"), "1.4.2", "1.4.3 1.4.4 1.4.5", "1.4.5 - -");
    check(&failed("1.4.3"), "1.4.2", "1.4.3 1.4.4", "1.4.4 - -");
    check(&failed("1.4.3 1.4.5"), "1.4.2", "1.4.3 1.4.4 1.4.5 1.4.6", "1.4.6 - -");
    check(&failed("1.4.3 1.4.5"), "1.4.2", "1.4.3 1.4.4 1.4.5", "- - -");
    // Not under another name either; and what the registry does not list any more is a mere name.
    check(&failed("1.4.4"), "1.4.2", "1.4.4.0 1.4.4", "- - -");
    check(&failed("1.4.4"), "1.4.2", "1.4.3", "1.4.3 - -");
    check(&failed("1.4.1 main"), "1.4.2", "main 1.4.1 1.4.3", "1.4.3 - -");
    // What is left of the frontier, or numbered by something else, says nothing about the rest, and is reported as before.
    check(&failed("2.0.0"), "1.4.2", "1.4.3 2.0.0", "1.4.3 - -");
    check(&failed("2.0.0"), "1.4.2", "1.4.3 2.0.0 2.0.1", "1.4.3 2.0.1 -");
    check(&failed("1.4.3"), "1.4.2", "1.4.3 2.0.0", "- 2.0.0 -");
    check(&Policy { failed: tags("20240115"), ..policy(0) }, "1.4.2", "1.4.3 20240115", "1.4.3 - -");
    check(&Policy { failed: tags("2.0.0"), ..policy(0) }, "1.4.2", "1.4.3 2.0.0", "- - -");
}

#[test]
fn only_what_was_proved_is_applied_by_itself() {
    let proven = |tags: &[&str]| Policy {
        proven: Some(tags.iter().map(|tag| ((*tag).to_owned(), None)).collect()),
        ..policy(2)
    };
    check(&proven(&[]), "1.4.2", "1.4.3 2.0.0", "- 2.0.0 -");
    check(&proven(&["1.4.2", "1.4.3"]), "1.4.2", "1.4.3 1.4.4", "1.4.3 - -");
    check(&proven(&["1.4.3"]), "1.4.2", "1.4.3.0", "- - -");
    let digest = |name: &str| pointing("1.4.3", name).digest;
    let check = |proven: Option<Digest>, candidate: Tagged, expected: Verdict| {
        let policy = Policy { proven: Some([("1.4.3".to_owned(), proven)].into_iter().collect()), ..policy(2) };
        assert_eq!(decide(&policy, &tagged("1.4.2"), &[candidate]).verdicts, [expected], "{policy:?}");
    };
    check(digest("a"), pointing("1.4.3", "a"), Verdict::Update);
    check(digest("a"), pointing("1.4.3", "b"), Verdict::NotProven);
    check(digest("a"), tagged("1.4.3"), Verdict::Update);
    check(None, pointing("1.4.3", "a"), Verdict::Update);
}

#[test]
fn the_rule_that_lasts_longest_speaks() {
    let all = Policy {
        held: tags("1.4.6"),
        failed: tags("1.4.5"),
        proven: Some([("1.4.7".to_owned(), None), ("1.4.9".to_owned(), None)].into_iter().collect()),
        ..patient(policy(2))
    };
    let current = tagged("1.4.2");
    let candidates =
        aged("1.4.4 1.4.5@-80 1.4.6@-2 1.4.7@-80 1.4.8@-2 1.4.9@-2 1.3.0@-2 2.0.0@-2 1.4.3 1.4.6.0@-2 1.4.10rc");
    let ruling = decide(&all, &current, &candidates);
    let verdicts: Vec<&str> = ruling.verdicts.iter().map(|verdict| verdict.reason()).collect();
    let expected = "OnHold OnHold Held Update NotProven TooYoung NotNewer BeyondFrontier OnHold Held Prerelease";
    assert_eq!(verdicts.join(" "), expected);
    assert_eq!(decided(&all, "1.4.2", &candidates), "1.4.7 2.0.0 1.4.9@70");
}

#[test]
fn people_read_what_it_waits_for() {
    let check = |policy: Policy, candidates: &str, verdict: Verdict, expected: &str| {
        let (current, candidates) = (tagged("1.4.2"), aged(candidates));
        assert_eq!(decide(&policy, &current, &candidates).verdicts[0], verdict, "{policy:?}");
        assert_eq!(verdict.explain(&policy, &current, &candidates[0]), expected);
        assert_eq!((verdict.reason(), verdict.is_near_miss()), (format!("{verdict:?}").as_str(), true));
    };
    check(
        patient(policy(2)),
        "1.4.3@-2",
        Verdict::TooYoung,
        "it is of 2026-06-09T22:00:00Z, and minimumAge wants it to be 3d old: it may be applied by itself from 2026-06-12T22:00:00Z on",
    );
    check(
        patient(policy(2)),
        "1.4.3",
        Verdict::TooYoung,
        "nobody knows how old it is, and minimumAge wants it to be 3d old",
    );
    let failed = |failed: &str| Policy { failed: tags(failed), ..policy(2) };
    check(
        failed("1.4.4 1.4.3"),
        "1.4.3",
        Verdict::OnHold,
        "its rollout failed or it was taken back: a newer one is applied by itself, this one once somebody approves it",
    );
    check(
        failed("1.4.4"),
        "1.4.3 1.4.4",
        Verdict::OnHold,
        "it is not newer than 1.4.4, whose rollout failed or which was taken back: a newer one is applied by itself, this one once \
         somebody approves it",
    );
    check(
        failed("1.4.4 1.4.5"),
        "1.4.3 1.4.4",
        Verdict::OnHold,
        "it is not newer than one of 1.4.4, 1.4.5, whose rollouts failed or which were taken back: a newer one is applied by itself, \
         this one once somebody approves it",
    );
    let proven = |digest| Policy { proven: Some([("1.4.4".to_owned(), digest)].into_iter().collect()), ..policy(2) };
    let not_yet = "the workloads that go first (spec.after) have not proved it yet";
    check(proven(None), "1.4.3", Verdict::NotProven, not_yet);
    let (policy, moved) = (proven(pointing("1.4.4", "a").digest), pointing("1.4.4", "b"));
    assert_eq!(decide(&policy, &tagged("1.4.2"), std::slice::from_ref(&moved)).verdicts, [Verdict::NotProven]);
    let expected = format!(
        "the workloads that go first (spec.after) have proved it as sha256:{}, and its tag points at another image now",
        "a".repeat(64)
    );
    assert_eq!(Verdict::NotProven.explain(&policy, &tagged("1.4.2"), &moved), expected);
}

/// The update that is chosen, and the hour from which on it may be applied, with a delay of 24 hours since an update at hour -12 and a
/// window from 02:00 to 04:00; or the hour in which to look again because the first one is old enough then.
#[test]
fn age_frontier_hold_delay_and_window_work_together() {
    let window = Window::parse("0 2 * * *", 2 * HOUR, "UTC").unwrap();
    let patience = |delay: u32, windows: Windows| Patience {
        minimum_age: HOUR * u32::try_from(MINIMUM).unwrap(),
        delay_between_updates: delay * HOUR,
        windows,
        ..Patience::default()
    };
    let check = |policy: &Policy, delay: u32, windows: &[Window], candidates: &str, expected: &str| {
        let (current, candidates) = (tagged("1.4.2"), aged(candidates));
        let ruling = decide(policy, &current, &candidates);
        let hour = |time: Timestamp| time.duration_since(at(0)).as_hours();
        let found = match ruling.update.map(|update| &candidates[update]) {
            Some(update) => {
                let facts = Facts { published: update.since, last_update: Some(at(-12)), ..Facts::default() };
                match decide_pace(&patience(delay, windows.to_vec().into()), &facts, at(0)) {
                    Pace::Now => format!("{} now", update.tag),
                    Pace::Wait { until, why } => format!("{} at {} {}", update.tag, hour(until.unwrap()), why.reason()),
                }
            }
            None => next_of_age(policy, &current, &candidates, &ruling).map_or("nothing".to_owned(), |(index, end)| {
                format!("look at {} at {}", candidates[index].tag, hour(end))
            }),
        };
        assert_eq!(found, expected, "{candidates:?} {policy:?}");
    };
    let two = patient(policy(2));
    let night = [window];
    check(&two, 0, &[], "1.4.3@-80 1.4.4@-2 2.0.0@-90", "1.4.3 now");
    check(&two, 24, &[], "1.4.3@-80 1.4.4@-2", "1.4.3 at 12 DelayBetweenUpdates");
    check(&two, 0, &night, "1.4.3@-80 1.4.4@-2", "1.4.3 at 2 OutsideWindow");
    check(&two, 24, &night, "1.4.3@-80 1.4.4@-2", "1.4.3 at 26 OutsideWindow");
    check(&two, 24, &night, "1.4.3@-10 1.4.4@-2 2.0.0@-90", "look at 1.4.3 at 62");
    check(&two, 24, &night, "1.4.1@-90 1.4.2@-90", "nothing");
    let hold = Policy { held: tags("1.4.3"), ..two.clone() };
    check(&hold, 0, &[], "1.4.3@-80 1.4.4@-2", "look at 1.4.4 at 70");
    check(&hold, 0, &night, "1.4.3@-80 1.4.4@-100", "1.4.4 at 2 OutsideWindow");
    let failed = Policy { failed: tags("1.4.3"), ..two };
    check(&failed, 0, &[], "1.4.3@-80 1.4.4@-2", "look at 1.4.4 at 70");
    check(&failed, 0, &[], "1.4.3@-80 1.4.4@-72", "1.4.4 now");
    check(&failed, 0, &[], "1.4.3@-80", "nothing");
}
