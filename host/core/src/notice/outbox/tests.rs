use std::time::Duration;

use super::*;
use crate::notice::tests::{available, notice, some};
use crate::notice::{Filter, Handler, Kind, Level};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const AT_ONCE: Policy = Policy { mode: Mode::Immediate, remind_after: None };
const DAILY: Policy = Policy { mode: Mode::Digest { interval: DAY }, remind_after: None };
const BROKEN: Retry = Retry::BackOff { random: 1.0 };

/// So many minutes after the beginning.
fn minute(count: u64) -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap() + Duration::from_mins(count)
}

/// Midnight UTC, so many days after another one.
fn day(count: u64) -> Timestamp {
    Timestamp::from_second(1_700_006_400).unwrap() + Duration::from_hours(count * 24)
}

fn enqueue(outbox: &mut Outbox, notices: &[Notice], now: Timestamp) {
    outbox.enqueue(notices.iter().cloned(), &Filter::default(), now);
}

/// Titles of what is due, without the handler.
fn titles(due: &Due) -> Vec<String> {
    due.dispatches.iter().map(|dispatch| dispatch.message.title.replace("team-a/web: ", "")).collect()
}

/// Sends all that is due on a channel that works, and says what that was.
fn deliver(outbox: &mut Outbox, now: Timestamp, policy: &Policy) -> Vec<String> {
    let mut delivered = Vec::new();
    loop {
        let due = outbox.due(now, policy);
        if due.dispatches.is_empty() {
            return delivered;
        }
        delivered.extend(titles(&due));
        for dispatch in &due.dispatches {
            outbox.begin(dispatch);
            outbox.sent(dispatch, now);
        }
    }
}

fn of(container: &str, notice: Notice) -> Notice {
    Notice { container: some(container), ..notice }
}

#[test]
fn the_same_again_is_told_once_and_a_b_a_three_times() {
    let mut outbox = Outbox::default();
    let mut tell = |to: &str, expected: &[&str]| {
        enqueue(&mut outbox, &[available(to), available(to)], minute(0));
        assert_eq!(deliver(&mut outbox, minute(0), &AT_ONCE), expected, "{to}");
    };
    tell("2.0", &["nginx 1.0 → 2.0 is available"]);
    tell("2.0", &[]);
    tell("2.1", &["nginx 1.0 → 2.1 is available"]);
    tell("2.0", &["nginx 1.0 → 2.0 is available"]);
    tell("2.0", &[]);
}

#[test]
fn told_again_means_another_key_and_tried_again_the_same() {
    let mut outbox = Outbox::default();
    let mut keys = Vec::new();
    for to in ["2.0", "2.1", "2.0"] {
        enqueue(&mut outbox, &[available(to)], minute(0));
        let first = outbox.due(minute(0), &AT_ONCE).dispatches.remove(0);
        outbox.failed(&first, BROKEN, minute(0));
        let second = outbox.due(minute(5), &AT_ONCE).dispatches.remove(0);
        assert_eq!(first.message, second.message);
        outbox.sent(&second, minute(5));
        keys.push(second.message.key);
    }
    assert_eq!(keys[0].split('-').next(), keys[2].split('-').next());
    assert_eq!(keys[0], format!("{}-0", available("2.0").fingerprint()));
    assert_ne!(keys[0], keys[2]);
}

#[test]
fn a_newer_version_takes_the_place_of_an_older_one_that_waits() {
    let mut outbox = Outbox::default();
    let other = of("sidecar", available("2.0"));
    enqueue(&mut outbox, &[available("2.0"), other, notice(Kind::HandlerCreated)], minute(0));
    enqueue(&mut outbox, &[available("2.1")], minute(1));
    let waiting: Vec<_> = outbox.pending.iter().map(|pending| (pending.notice.to.clone(), pending.since)).collect();
    assert_eq!(waiting, [(some("2.0"), minute(0)), (None, minute(0)), (some("2.1"), minute(0))]);
    // And does not make a broken channel be tried sooner.
    let dispatch = outbox.due(minute(1), &AT_ONCE).dispatches.pop().unwrap();
    outbox.failed(&dispatch, Retry::OnChange, minute(1));
    enqueue(&mut outbox, &[available("2.2")], minute(2));
    let due = outbox.due(minute(2), &AT_ONCE);
    assert_eq!((due.dispatches.len(), due.next, outbox.failures()), (2, Some(minute(61)), 1));
}

#[test]
fn what_is_undone_before_it_was_told_is_not_told() {
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0")], minute(0));
    deliver(&mut outbox, minute(0), &AT_ONCE);
    let told = outbox.clone();
    enqueue(&mut outbox, &[available("2.1"), available("2.0")], minute(1));
    assert_eq!((outbox.pending.len(), &outbox.sent), (0, &told.sent));
    // A check that fails, recovers and fails while the channel is down.
    let failing = notice(Kind::CheckFailing);
    let recovered = notice(Kind::CheckRecovered);
    enqueue(&mut outbox, std::slice::from_ref(&failing), minute(2));
    deliver(&mut outbox, minute(2), &AT_ONCE);
    enqueue(&mut outbox, &[recovered.clone(), failing, recovered], minute(3));
    assert_eq!(deliver(&mut outbox, minute(3), &AT_ONCE), ["check works again"]);
}

#[test]
fn what_was_attempted_may_have_arrived_and_is_taken_back() {
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0")], minute(0));
    deliver(&mut outbox, minute(0), &AT_ONCE);
    enqueue(&mut outbox, &[available("2.1")], minute(1));
    let dispatch = outbox.due(minute(1), &AT_ONCE).dispatches.remove(0);
    outbox.begin(&dispatch);
    enqueue(&mut outbox, &[available("2.0")], minute(2));
    assert_eq!(deliver(&mut outbox, minute(2), &AT_ONCE), ["nginx 1.0 → 2.0 is available"]);
}

#[test]
fn what_is_over_is_withdrawn_and_news_if_it_comes_again() {
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0")], minute(0));
    deliver(&mut outbox, minute(0), &AT_ONCE);
    assert_eq!(outbox.standing().count(), 1);
    outbox.forget(|notice| notice.kind == Kind::UpdateAvailable && notice.container.as_deref() == Some("sidecar"));
    assert_eq!(outbox.standing().count(), 1);
    outbox.forget(|notice| notice.kind == Kind::UpdateAvailable);
    assert_eq!(outbox.standing().count(), 0);
    enqueue(&mut outbox, &[available("2.0"), of("app", notice(Kind::Updated))], minute(1));
    outbox.forget(|notice| notice.container.as_deref() == Some("app"));
    // That it was updated stays true.
    assert_eq!(deliver(&mut outbox, minute(1), &AT_ONCE), ["the image is being rolled out"]);
}

#[test]
fn what_the_filter_keeps_back_ends_what_was_told() {
    let filter = Filter { levels: vec![Level::Error, Level::Critical], kinds: Vec::new() };
    let mut outbox = Outbox::default();
    let mut tell = |kind: Kind, is_working: bool, expected: &[&str]| {
        outbox.enqueue([notice(kind)], &filter, minute(0));
        if is_working {
            assert_eq!(deliver(&mut outbox, minute(0), &AT_ONCE), expected, "{kind}");
        }
    };
    tell(Kind::CheckFailing, true, &["check fails"]);
    tell(Kind::CheckRecovered, true, &[]);
    tell(Kind::CheckFailing, true, &["check fails"]);
    tell(Kind::CheckRecovered, true, &[]);
    // Nobody wants to hear of it when it has recovered already.
    tell(Kind::CheckFailing, false, &[]);
    tell(Kind::CheckRecovered, true, &[]);
}

#[test]
fn containers_do_not_wait_for_each_other_but_keep_their_order() {
    let mut outbox = Outbox::default();
    let notices = [
        of("app", notice(Kind::Updated)),
        of("app", notice(Kind::RolloutFinished)),
        of("sidecar", notice(Kind::Restarted)),
        notice(Kind::CheckFailing),
    ];
    enqueue(&mut outbox, &notices, minute(0));
    let due = outbox.due(minute(0), &AT_ONCE);
    assert_eq!(titles(&due), ["the image is being rolled out", "restarted for the image", "check fails"]);
    outbox.failed(&due.dispatches[0], BROKEN, minute(0));
    outbox.sent(&due.dispatches[1], minute(0));
    outbox.sent(&due.dispatches[2], minute(0));
    let due = outbox.due(minute(0), &AT_ONCE);
    assert_eq!((titles(&due), due.next), (vec![], Some(minute(0) + Duration::from_secs(30))));
    assert_eq!(deliver(&mut outbox, minute(1), &AT_ONCE), ["the image is being rolled out", "the image is rolled out"]);
}

#[test]
fn failures_back_off_and_a_change_ends_the_wait() {
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0")], minute(0));
    let dispatch = outbox.due(minute(0), &AT_ONCE).dispatches.remove(0);
    let mut check = |retry: Retry, seconds: u64, failures: u32| {
        outbox.failed(&dispatch, retry, minute(0));
        let due = outbox.due(minute(0), &AT_ONCE);
        let expected = minute(0) + Duration::from_secs(seconds);
        assert_eq!((due.dispatches.len(), due.next, outbox.failures()), (0, Some(expected), failures), "{retry:?}");
        assert_eq!(outbox.due(expected, &AT_ONCE).dispatches.len(), 1, "{retry:?}");
    };
    check(BROKEN, 30, 1);
    check(Retry::BackOff { random: 0.0 }, 30, 2);
    check(BROKEN, 120, 3);
    check(Retry::OnChange, 3_600, 4);
    for failures in 5..20 {
        check(Retry::BackOff { random: 1.0 }, (30 << (failures - 1)).min(3_600), failures);
    }
    check(Retry::After(Duration::from_secs(17)), 17, 20);
    check(Retry::After(Duration::from_hours(400)), 86_400, 21);
    outbox.retry_now();
    assert_eq!(deliver(&mut outbox, minute(0), &AT_ONCE).len(), 1);
    assert_eq!(outbox.failures(), 0);
}

#[test]
fn a_channel_that_asks_to_be_left_alone_is() {
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0"), of("sidecar", available("2.0"))], minute(0));
    let dispatch = outbox.due(minute(0), &AT_ONCE).dispatches.remove(0);
    outbox.failed(&dispatch, Retry::After(MINUTE), minute(0));
    let due = outbox.due(minute(0), &AT_ONCE);
    assert_eq!((due.dispatches.len(), due.next), (0, Some(minute(1))));
    let due = outbox.due(minute(0), &Policy { mode: Mode::Digest { interval: Duration::ZERO }, ..AT_ONCE });
    assert_eq!((due.dispatches.len(), due.next), (0, Some(minute(1))));
    assert_eq!(outbox.due(minute(1), &AT_ONCE).dispatches.len(), 2);
    // What was sent at the same time and arrived does not end the pause, and when it is over, nothing is left of it.
    let both = outbox.due(minute(1), &AT_ONCE).dispatches;
    outbox.failed(&both[0], Retry::After(MINUTE), minute(1));
    outbox.sent(&both[1], minute(1));
    assert_eq!(outbox.due(minute(1), &AT_ONCE).next, Some(minute(2)));
    assert_eq!(deliver(&mut outbox, minute(2), &AT_ONCE).len(), 1);
    assert_eq!(outbox.paused_until, None);
}

#[test]
fn people_are_reminded_until_something_is_done() {
    let policy = Policy { remind_after: Some(10 * MINUTE), ..AT_ONCE };
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0"), notice(Kind::HandlerCreated)], minute(0));
    assert_eq!(deliver(&mut outbox, minute(0), &policy).len(), 2);
    assert_eq!(outbox.due(minute(9), &policy).next, Some(minute(10)));
    assert_eq!(outbox.due(minute(90), &AT_ONCE), Due { dispatches: vec![], next: None });

    let first = outbox.due(minute(10), &policy).dispatches.remove(0);
    assert_eq!(first.message.title, "Reminder: team-a/web: nginx 1.0 → 2.0 is available");
    assert!(first.message.text.starts_with("Reminder: For container app"), "{}", first.message.text);
    outbox.failed(&first, BROKEN, minute(10));
    assert_eq!(outbox.due(minute(10), &policy).next, Some(minute(10) + Duration::from_secs(30)));
    outbox.sent(&first, minute(11));
    assert_eq!(outbox.due(minute(20), &policy).next, Some(minute(21)));
    let second = outbox.due(minute(21), &policy).dispatches.remove(0);
    assert_ne!(second.message.key, first.message.key);
    // Noting the first one once more, late, changes nothing.
    outbox.sent(&second, minute(21));
    outbox.sent(&first, minute(22));
    assert_eq!(outbox.due(minute(22), &policy).next, Some(minute(31)));

    // Something newer is told instead.
    enqueue(&mut outbox, &[available("2.1")], minute(31));
    assert_eq!(deliver(&mut outbox, minute(31), &policy), ["nginx 1.0 → 2.1 is available"]);
    outbox.forget(|notice| notice.kind == Kind::UpdateAvailable);
    assert_eq!(outbox.due(minute(99), &policy), Due { dispatches: vec![], next: None });
}

#[test]
fn a_digest_sums_up_an_interval() {
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0")], day(0));
    enqueue(&mut outbox, &[of("app", notice(Kind::RolloutFailed)), available("2.1")], day(0) + 60 * MINUTE);
    let due = outbox.due(day(0) + 60 * MINUTE, &DAILY);
    assert_eq!((due.dispatches.len(), due.next), (0, Some(day(1))));
    assert_eq!(deliver(&mut outbox, day(1), &DAILY), ["2 notices, among them: rollout of the image failed"]);
    assert_eq!(outbox.due(day(9), &DAILY), Due { dispatches: vec![], next: None });

    // However late it came, it is sent when that of everybody else is.
    enqueue(&mut outbox, &[of("app", notice(Kind::Updated))], day(10) - MINUTE);
    let dispatch = outbox.due(day(10), &DAILY).dispatches.remove(0);
    outbox.failed(&dispatch, BROKEN, day(10));
    assert_eq!(outbox.due(day(10), &DAILY).next, Some(day(10) + Duration::from_secs(30)));
    assert_eq!(deliver(&mut outbox, day(10) + MINUTE, &DAILY), ["the image is being rolled out"]);
    enqueue(&mut outbox, &[of("app", notice(Kind::RolloutFailed))], day(10) + 2 * MINUTE);
    assert_eq!(outbox.due(day(10) + 2 * MINUTE, &DAILY).next, Some(day(11)), "not twice in one interval");
}

#[test]
fn intervals_end_at_the_same_time_for_everybody() {
    let check = |since: u64, interval: Duration, expected: u64| {
        let mut outbox = Outbox::default();
        let at = |second: u64| day(0) + Duration::from_secs(second);
        enqueue(&mut outbox, &[available("2.0")], at(since));
        let policy = Policy { mode: Mode::Digest { interval }, remind_after: None };
        let due = outbox.due(at(since), &policy);
        let found = if due.dispatches.is_empty() { due.next } else { Some(at(since)) };
        assert_eq!(found, Some(at(expected)), "{since} {interval:?}");
    };
    check(0, DAY, 86_400);
    check(1, DAY, 86_400);
    check(86_399, DAY, 86_400);
    check(3_599, Duration::from_hours(1), 3_600);
    check(3_600, Duration::from_hours(1), 7_200);
    check(5, Duration::from_millis(1_500), 6);
    check(5, Duration::from_millis(500), 5);
    check(5, Duration::ZERO, 5);
}

#[test]
fn dispatches_of_several_handlers_become_one_message() {
    let outbox = |name: &str, given_up: u32| {
        let mut outbox = Outbox { given_up, ..Outbox::default() };
        let handler = Handler { name: name.to_owned(), uid: name.to_owned(), ..notice(Kind::Updated).handler };
        enqueue(&mut outbox, &[Notice { handler, ..available("2.0") }], day(0));
        outbox.due(day(1), &DAILY).dispatches.remove(0)
    };
    let both = [outbox("db", 0), outbox("web", 2)];
    let message = Dispatch::sum_up(&both).unwrap();
    assert!(message.title.starts_with("2 notices about 2 handlers"), "{}", message.title);
    for part in ["team-a/db: nginx", "team-a/web: nginx", "2 notices could not be delivered"] {
        assert!(message.text.contains(part), "{}", message.text);
    }
    assert_eq!(Dispatch::sum_up(&both[..1]), Some(both[0].message.clone()));
    assert_eq!(Dispatch::sum_up(&[]), None);
}

#[test]
fn reminders_come_with_the_digest() {
    let policy = Policy { remind_after: Some(5 * MINUTE), ..DAILY };
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0")], day(0));
    assert_eq!(deliver(&mut outbox, day(1), &policy).len(), 1);
    // Not more often than the interval says.
    assert_eq!(outbox.due(day(1) + 30 * MINUTE, &policy).next, Some(day(2)));
    enqueue(&mut outbox, &[notice(Kind::CheckFailing)], day(1) + 31 * MINUTE);
    let dispatch = outbox.due(day(2), &policy).dispatches.remove(0);
    assert!(dispatch.message.title.contains("2 notices"), "{}", dispatch.message.title);
    assert!(dispatch.message.text.contains("(2) Reminder: nginx 1.0 → 2.0 is available"), "{}", dispatch.message.text);
}

#[test]
fn too_many_are_given_up_and_people_hear_of_that() {
    let mut outbox = Outbox::default();
    for index in 0..MOST_PENDING {
        enqueue(&mut outbox, &[of(&index.to_string(), available("2.0"))], minute(0));
    }
    enqueue(&mut outbox, &[notice(Kind::HandlerCreated)], minute(0));
    enqueue(&mut outbox, &[notice(Kind::CheckFailing)], minute(0));
    assert_eq!((outbox.pending.len(), outbox.given_up), (MOST_PENDING, 2));
    let given_up: Vec<_> = outbox.pending.iter().map(|pending| pending.notice.container.clone()).collect();
    // First what matters least, then the oldest.
    assert_eq!((given_up[0].clone(), given_up[MOST_PENDING - 1].clone()), (some("1"), None));
    let due = outbox.due(minute(0), &AT_ONCE);
    assert!(due.dispatches[0].message.text.ends_with("2 notices could not be delivered and had to be given up."));
    assert!(!due.dispatches[1].message.text.contains("given up"));
    deliver(&mut outbox, minute(0), &AT_ONCE);
    assert_eq!((outbox.given_up, outbox.sent.len()), (0, MOST_SENT));
}

#[test]
fn what_has_happened_is_forgotten_before_what_stands() {
    let mut outbox = Outbox::default();
    for index in 0..MOST_SENT {
        enqueue(&mut outbox, &[of(&index.to_string(), available("2.0"))], minute(0));
        enqueue(&mut outbox, &[of(&index.to_string(), notice(Kind::Updated))], minute(0));
        deliver(&mut outbox, minute(0), &AT_ONCE);
    }
    assert_eq!((outbox.standing().count(), outbox.sent.len()), (MOST_SENT, MOST_SENT));
}

#[test]
fn little_is_kept() {
    let mut outbox = Outbox::default();
    let long = Notice { detail: some(&"ä".repeat(400)), to: some(&"9".repeat(600)), ..notice(Kind::Updated) };
    enqueue(&mut outbox, std::slice::from_ref(&long), minute(0));
    let kept = &outbox.pending[0].notice;
    assert_eq!((kept.detail.as_ref().unwrap().len(), kept.to.as_ref().unwrap().len()), (LONGEST_WORD, LONGEST_WORD));
    deliver(&mut outbox, minute(0), &AT_ONCE);
    assert_eq!(outbox.sent[0].notice.detail, None);
    enqueue(&mut outbox, &[long], minute(0));
    assert_eq!(outbox.pending, [], "what was cut is still the same");
}

#[test]
fn what_was_told_was_told_even_if_something_newer_waits_by_now() {
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0")], minute(0));
    let dispatch = outbox.due(minute(0), &AT_ONCE).dispatches.remove(0);
    enqueue(&mut outbox, &[available("2.1")], minute(0));
    outbox.sent(&dispatch, minute(0));
    assert_eq!(outbox.sent[0].notice.to, some("2.0"));
    assert_eq!(deliver(&mut outbox, minute(0), &AT_ONCE), ["nginx 1.0 → 2.1 is available"]);
    let after = outbox.clone();
    outbox.sent(&dispatch, minute(0));
    assert_eq!(outbox, after);
}

#[test]
fn a_clock_that_went_wrong_delays_nothing_for_long() {
    let mut outbox = Outbox::default();
    enqueue(&mut outbox, &[available("2.0")], minute(0));
    let dispatch = outbox.due(minute(0), &AT_ONCE).dispatches.remove(0);
    outbox.failed(&dispatch, BROKEN, minute(999_999));
    outbox.failed(&dispatch, Retry::After(MINUTE), minute(999_999));
    assert_eq!(deliver(&mut outbox, minute(0), &AT_ONCE).len(), 1);
}
