//! Windows against the slowest way to find out: looking at the clock each minute of a year, in zones that change it in odd ways.

use std::time::Duration;

use jiff::civil::{Date, DateTime, date};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// Where, and in which year, clocks are changed: by an hour, by half an hour, by two, at midnight, for Ramadan, by a day, or never.
const CLOCKS: [(&str, i16); 7] = [
    ("Europe/Berlin", 2026),
    ("Australia/Lord_Howe", 2027),
    ("Antarctica/Troll", 2026),
    ("America/Santiago", 2026),
    ("Africa/Casablanca", 2026),
    ("Pacific/Apia", 2011),
    ("Asia/Kathmandu", 2026),
];
const DAY: Duration = Duration::from_hours(24);

/// A field as it is written, and what it lets through.
#[derive(Clone, Debug)]
struct FieldText {
    text: String,
    values: Vec<usize>,
}

/// Parts of a field whose values are from `least` to `greatest`, with their names.
fn part(least: usize, greatest: usize, names: &'static [&'static str]) -> impl Strategy<Value = FieldText> {
    let shown = move |value: usize, named: bool| match names.get(value - least) {
        Some(name) if named => (*name).to_owned(),
        _ => value.to_string(),
    };
    // By number, Sunday is also 7, but a star ends on Saturday.
    let end = if greatest == 7 { 6 } else { greatest };
    let value = least..=greatest;
    (0..9_u8, value.clone(), value, 1..=(end - least + 1), any::<bool>()).prop_map(
        move |(shape, one, other, step, named)| {
            let (from, to) = (one.min(other), one.max(other));
            let range = format!("{}-{}", shown(from, named), shown(to, false));
            let (text, from, to, step) = match shape {
                0..=2 => ("*".to_owned(), least, end, 1),
                3 => (format!("*/{step}"), least, end, step),
                4 | 5 => (shown(one, named), one, one, 1),
                6 => (format!("{}/{step}", shown(one, named)), one, end.max(one), step),
                7 => (range, from, to, 1),
                _ => (format!("{range}/{step}"), from, to, step),
            };
            FieldText { text, values: (from..=to).step_by(step).collect() }
        },
    )
}

fn field(least: usize, greatest: usize, names: &'static [&'static str]) -> impl Strategy<Value = FieldText> {
    prop::collection::vec(part(least, greatest, names), 1..3).prop_map(|parts| FieldText {
        text: parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(","),
        values: parts.into_iter().flat_map(|part| part.values).collect(),
    })
}

/// A start, and the minutes, hours, days, months and days of the week that it lets through.
#[derive(Clone, Debug)]
struct StartText {
    fields: [FieldText; 5],
}

impl StartText {
    fn text(&self) -> String {
        self.fields.each_ref().map(|field| field.text.as_str()).join(" ")
    }

    fn has_day(&self, date: Date) -> bool {
        let [_, _, days, months, weekdays] = &self.fields;
        let number = |number: i8| usize::try_from(number).unwrap();
        let day = days.values.contains(&number(date.day()));
        let weekday = number(date.weekday().to_sunday_zero_offset());
        let weekday = weekdays.values.iter().any(|value| value % 7 == weekday);
        let is_both = days.text.starts_with('*') || weekdays.text.starts_with('*');
        months.values.contains(&number(date.month())) && if is_both { day && weekday } else { day || weekday }
    }
}

pub(in crate::policy) fn start() -> impl Strategy<Value = String> {
    start_text().prop_map(|start| start.text())
}

fn start_text() -> impl Strategy<Value = StartText> {
    let months: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let weekdays: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    (field(0, 59, &[]), field(0, 23, &[]), field(1, 31, &[]), field(1, 12, months), field(0, 7, weekdays)).prop_map(
        |(minutes, hours, days, months, weekdays)| StartText { fields: [minutes, hours, days, months, weekdays] },
    )
}

/// Short ones, which are as likely as long ones.
pub(in crate::policy) fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![1..=180_u64, 1..=10_080_u64].prop_map(Duration::from_mins)
}

/// What a zone's clocks show, minute by minute.
struct Clock {
    name: &'static str,
    /// The moments at which they show what they have not shown yet, with that: all times in a gap are shown as it ends.
    shown: Vec<(Timestamp, DateTime)>,
    changes: Vec<Timestamp>,
    end: Timestamp,
}

impl Clock {
    /// Looks at the clock from ten days before the year until its end.
    fn watch(name: &'static str, year: i16) -> Self {
        let zone = zone::find(name).unwrap();
        let (first, end) =
            (date(year, 1, 1).to_zoned(zone.clone()).unwrap().timestamp() - 10 * DAY, date(year + 1, 1, 1));
        let end = end.to_zoned(zone.clone()).unwrap().timestamp();
        let changes: Vec<Timestamp> =
            zone.following(first).map(|change| change.timestamp()).take_while(|change| *change < end).collect();
        // To look up each minute how far the zone is away from UTC takes most of the test.
        let is_quarter = |time: Timestamp| time.as_second() % 900 == 0;
        assert!(changes.iter().all(|change| is_quarter(*change)), "{name} changes its clocks at no quarter of an hour");
        let (mut shown, mut now, mut latest) = (Vec::new(), first, zone.to_datetime(first));
        let mut offset = zone.to_offset(first);
        while now < end {
            now += MINUTE;
            if is_quarter(now) {
                offset = zone.to_offset(now);
            }
            let time = offset.to_datetime(now);
            while latest < time {
                latest = latest.checked_add(MINUTE).unwrap();
                shown.push((now, latest));
            }
        }
        Self { name, shown, changes, end }
    }

    /// All starts, each moment once.
    fn starts(&self, start: &StartText) -> Vec<Timestamp> {
        let [minutes, hours, ..] = &start.fields;
        let is_among = |field: &FieldText, most: usize| -> Vec<bool> {
            (0..most).map(|value| field.values.contains(&value)).collect()
        };
        let (minutes, hours) = (is_among(minutes, 60), is_among(hours, 24));
        let mut day = (Date::ZERO, false);
        let mut starts: Vec<Timestamp> = Vec::new();
        for (now, time) in &self.shown {
            if time.date() != day.0 {
                day = (time.date(), start.has_day(time.date()));
            }
            let number = |number: i8| usize::try_from(number).unwrap();
            if day.1 && hours[number(time.hour())] && minutes[number(time.minute())] {
                starts.push(*now);
            }
        }
        starts.dedup();
        starts
    }

    /// Where something could go wrong: around `edges`, around changes of the clock, and anywhere.
    fn moments(&self, edges: &[Timestamp], places: &[prop::sample::Index]) -> Vec<Timestamp> {
        let anywhere = places.iter().map(|place| place.get(&self.shown).0 + Duration::from_secs(17));
        let hours = |change: Timestamp| {
            (0..10_u32).map(move |step| change - Duration::from_hours(2) + step * Duration::from_mins(30))
        };
        let around = places.iter().filter(|_| !edges.is_empty()).map(|place| *place.get(edges));
        let near = edges
            .iter()
            .copied()
            .filter(|edge| self.changes.iter().any(|change| edge.duration_since(*change).unsigned_abs() < DAY));
        let edges = around.chain(near.take(10)).flat_map(|edge| [edge - Duration::from_secs(1), edge]);
        anywhere.chain(self.changes.iter().copied().flat_map(hours)).chain(edges).collect()
    }

    /// What a window is at `now` that starts then; none if that is beyond the end.
    fn state(&self, starts: &[Timestamp], duration: Duration, now: Timestamp) -> Option<WindowState> {
        let begun = starts.partition_point(|start| *start <= now);
        let (begun, to_come) = starts.split_at(begun);
        let mut end = begun.last().map_or(Timestamp::MIN, |start| *start + duration);
        if end <= now {
            return Some(WindowState::Closed { opens: Some(*to_come.first()?) });
        }
        for start in to_come.iter().take_while(|start| **start <= now + SIGHT) {
            if *start > end {
                break;
            }
            end = *start + duration;
        }
        (end < self.end).then_some(WindowState::Open { until: Some(end).filter(|end| *end <= now + SIGHT) })
    }
}

#[test]
fn windows_are_what_the_clock_says_minute_by_minute() {
    for (name, year) in CLOCKS {
        let clock = Clock::watch(name, year);
        let places = prop::collection::vec(any::<prop::sample::Index>(), 10);
        let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(12) });
        let result = runner.run(&(start_text(), duration(), places), |(start, duration, places)| {
            let window = match Window::parse(&start.text(), duration, clock.name) {
                Err(WindowError::Never) => return Err(TestCaseError::reject("it never starts")),
                other => other.unwrap(),
            };
            let starts = clock.starts(&start);
            let edges: Vec<Timestamp> = starts.iter().flat_map(|start| [*start, *start + duration]).collect();
            // Before, runs are missing that had begun before the clock was looked at.
            let first = clock.shown[0].0 + LONGEST;
            for now in clock.moments(&edges, &places).into_iter().filter(|now| *now > first) {
                if let Some(expected) = clock.state(&starts, duration, now) {
                    prop_assert_eq!(window.state(now), expected, "{} in {} at {}", start.text(), name, now);
                }
            }
            Ok(())
        });
        result.unwrap_or_else(|err| panic!("{name}: {err}"));
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[-0-9*/,@a-z]{0,9}( [-0-9*/,a-z]{1,9}){0,5}", other in any::<String>(), second in any::<i32>()) {
        for text in [text, other] {
            if let Ok(window) = Window::parse(&text, MINUTE, "Europe/Berlin") {
                prop_assert!(window.start_after(Timestamp::from_second(second.into()).unwrap()).is_some(), "{} never starts", text);
            }
        }
    }

    #[test]
    fn what_is_read_starts_sometime(start in start(), second in any::<i32>()) {
        if let Ok(window) = Window::parse(&start, MINUTE, "Europe/Berlin") {
            prop_assert!(window.start_after(Timestamp::from_second(second.into()).unwrap()).is_some(), "{} never starts", start);
        }
    }
}
