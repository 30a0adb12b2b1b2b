use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn window(start: &str, duration: Duration, zone: &str) -> Window {
    Window::parse(start, duration, zone).unwrap_or_else(|err| panic!("{start} {zone}: {err}"))
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap_or_else(|err| panic!("{time}: {err}"))
}

/// Checks that the starts after `from` in `zone` begin with `expected`; both with their offset from UTC.
fn check_starts(start: &str, zone: &str, from: &str, expected: &[&str]) {
    let window = window(start, HOUR, zone);
    let mut now = at(from);
    for (place, expected) in expected.iter().enumerate() {
        now = window.start_after(now).unwrap_or_else(|| panic!("{start} {place}"));
        assert_eq!(now, at(expected), "{start} in {zone}, start {place} after {from}");
    }
}

#[test]
fn fields_are_read_as_cron_reads_them() {
    let check = |start: &str, expected: &[&str]| {
        let times: Vec<String> = expected.iter().map(|time| format!("{time}:00Z")).collect();
        // A Thursday.
        check_starts(start, "UTC", "2026-01-01T00:00:00Z", &times.iter().map(String::as_str).collect::<Vec<_>>());
    };
    check("* * * * *", &["2026-01-01T00:01", "2026-01-01T00:02"]);
    check("  5\t1-2  *   * *  ", &["2026-01-01T01:05", "2026-01-01T02:05", "2026-01-02T01:05"]);
    check("*/25 0 * * *", &["2026-01-01T00:25", "2026-01-01T00:50", "2026-01-02T00:00"]);
    check("10-40/15 0 * * *", &["2026-01-01T00:10", "2026-01-01T00:25", "2026-01-01T00:40", "2026-01-02T00:10"]);
    check("40/15 0 * * *", &["2026-01-01T00:40", "2026-01-01T00:55", "2026-01-02T00:40"]);
    check("59 23 * * *", &["2026-01-01T23:59", "2026-01-02T23:59"]);
    check("05,3,05,7-8 00 * * *", &["2026-01-01T00:03", "2026-01-01T00:05", "2026-01-01T00:07", "2026-01-01T00:08"]);
    check("0 0 * feb,Nov *", &["2026-02-01T00:00", "2026-02-02T00:00"]);
    check("0 0 1 OCT-dec *", &["2026-10-01T00:00", "2026-11-01T00:00", "2026-12-01T00:00", "2027-10-01T00:00"]);
    check("0 0 1 */5 *", &["2026-06-01T00:00", "2026-11-01T00:00", "2027-01-01T00:00"]);
    check("0 0 31 * *", &["2026-01-31T00:00", "2026-03-31T00:00", "2026-05-31T00:00"]);
    check("0 0 * * 0", &["2026-01-04T00:00", "2026-01-11T00:00"]);
    check("0 0 * * 7", &["2026-01-04T00:00", "2026-01-11T00:00"]);
    check("0 0 * * 5-7", &["2026-01-02T00:00", "2026-01-03T00:00", "2026-01-04T00:00", "2026-01-09T00:00"]);
    check("0 0 * * sat-Sun", &["2026-01-03T00:00", "2026-01-04T00:00", "2026-01-10T00:00"]);
    check("0 0 * * sun-mon", &["2026-01-04T00:00", "2026-01-05T00:00", "2026-01-11T00:00"]);
    check("0 0 * * 5/1", &["2026-01-02T00:00", "2026-01-03T00:00", "2026-01-09T00:00"]);
    check("0 0 * * */3", &["2026-01-03T00:00", "2026-01-04T00:00", "2026-01-07T00:00"]);
    check("@hourly", &["2026-01-01T01:00", "2026-01-01T02:00"]);
    check("@daily", &["2026-01-02T00:00", "2026-01-03T00:00"]);
    check("@midnight", &["2026-01-02T00:00", "2026-01-03T00:00"]);
    check("@weekly", &["2026-01-04T00:00", "2026-01-11T00:00"]);
    check(" @Monthly ", &["2026-02-01T00:00", "2026-03-01T00:00"]);
    check("@yearly", &["2027-01-01T00:00", "2028-01-01T00:00"]);
    check("@annually", &["2027-01-01T00:00", "2028-01-01T00:00"]);
}

#[test]
fn either_day_is_enough_unless_one_of_them_begins_with_a_star() {
    let check = |start: &str, expected: &[&str]| {
        let times: Vec<String> = expected.iter().map(|day| format!("2026-{day}T00:00:00Z")).collect();
        check_starts(start, "UTC", "2026-01-01T00:00:00Z", &times.iter().map(String::as_str).collect::<Vec<_>>());
    };
    check("0 0 13 * fri", &["01-02", "01-09", "01-13", "01-16"]);
    check("0 0 13 * *", &["01-13", "02-13"]);
    check("0 0 * * fri", &["01-02", "01-09"]);
    check("0 0 */2 * fri", &["01-09", "01-23", "02-13", "02-27"]);
    check("0 0 */31,1-7 * mon", &["01-05", "02-02", "03-02", "04-06"]);
    check("0 0 1-7 * */7", &["01-04", "02-01", "03-01", "04-05"]);
}

#[test]
fn leap_days_come_when_there_are_some() {
    let check = |start: &str, from: &str, expected: &[&str]| check_starts(start, "UTC", from, expected);
    let leap = &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"];
    check("0 0 29 2 *", "2026-01-01T00:00:00Z", leap);
    check("0 0 29 2 *", "2096-03-01T00:00:00Z", &["2104-02-29T00:00:00Z"]);
    // The 29th of February, if it is a Sunday.
    check(
        "0 0 29 2 */7",
        "2032-03-01T00:00:00Z",
        &["2060-02-29T00:00:00Z", "2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z"],
    );
    check("0 0 30 2 0", "2026-02-02T00:00:00Z", &["2026-02-08T00:00:00Z"]);
    check("59 23 31 12 *", "2026-01-01T00:00:00Z", &["2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"]);
}

#[test]
fn a_start_in_a_gap_is_at_the_first_moment_after_it() {
    let check = check_starts;
    let spring = "2026-03-28T12:00:00+01:00";
    check("30 2 * * *", "Europe/Berlin", spring, &["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
    check("0 2 * * *", "Europe/Berlin", spring, &["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]);
    check("0 3 * * *", "Europe/Berlin", spring, &["2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"]);
    // All times in the gap are one start.
    check(
        "*/30 1-3 * * *",
        "Europe/Berlin",
        "2026-03-29T01:00:00+01:00",
        &[
            "2026-03-29T01:30:00+01:00",
            "2026-03-29T03:00:00+02:00",
            "2026-03-29T03:30:00+02:00",
            "2026-03-30T01:00:00+02:00",
        ],
    );
    check("30 2 * * *", "America/New_York", "2026-03-07T12:00:00-05:00", &["2026-03-08T03:00:00-04:00"]);
    // Clocks in Chile skip the first hour of a day, those on Lord Howe half an hour, and those in Samoa once a whole day.
    check(
        "@daily",
        "America/Santiago",
        "2026-09-05T12:00:00-04:00",
        &["2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"],
    );
    check("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", &["2026-10-04T02:30:00+11:00"]);
    check(
        "0 12 * * *",
        "Pacific/Apia",
        "2011-12-29T12:00:00-10:00",
        &["2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"],
    );
}

#[test]
fn a_start_in_a_fold_is_at_the_first_of_both_times_only() {
    let check = check_starts;
    let autumn = "2026-10-24T12:00:00+02:00";
    check("30 2 * * *", "Europe/Berlin", autumn, &["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
    check("0 3 * * *", "Europe/Berlin", autumn, &["2026-10-25T03:00:00+01:00", "2026-10-26T03:00:00+01:00"]);
    check("30 2 * * *", "Europe/Berlin", "2026-10-25T02:10:00+01:00", &["2026-10-26T02:30:00+01:00"]);
    check(
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-10-25T02:00:00+02:00",
        &["2026-10-25T02:30:00+02:00", "2026-10-25T03:00:00+01:00"],
    );
    check(
        "45 1 * * *",
        "Australia/Lord_Howe",
        "2026-04-04T12:00:00+11:00",
        &["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"],
    );
}

/// What windows are at a moment, as one word and a time.
fn check_state(windows: &[Window], now: &str, expected: (&str, Option<&str>)) {
    let found = Windows::from(windows.to_vec()).state(at(now));
    if let [window] = windows {
        assert_eq!(window.state(at(now)), found, "{now}: a window alone is as one of several");
    }
    let expected = match expected {
        ("open", until) => WindowState::Open { until: until.map(at) },
        (_, opens) => WindowState::Closed { opens: opens.map(at) },
    };
    assert_eq!(found, expected, "{windows:?} at {now}");
}

#[test]
fn a_window_is_open_from_its_start_until_its_duration_has_passed() {
    let night = [window("0 22 * * sat", 8 * HOUR, "Europe/Berlin")];
    let check = |now: &str, expected: (&str, Option<&str>)| check_state(&night, now, expected);
    check("2026-06-06T21:59:59.999999999+02:00", ("closed", Some("2026-06-06T22:00:00+02:00")));
    check("2026-06-06T22:00:00+02:00", ("open", Some("2026-06-07T06:00:00+02:00")));
    check("2026-06-07T00:00:00+02:00", ("open", Some("2026-06-07T06:00:00+02:00")));
    check("2026-06-07T05:59:59.999999999+02:00", ("open", Some("2026-06-07T06:00:00+02:00")));
    check("2026-06-07T06:00:00+02:00", ("closed", Some("2026-06-13T22:00:00+02:00")));
}

#[test]
fn windows_go_on_over_the_ends_of_months_and_years() {
    let check = |start: &str, hours: u32, now: &str, expected: (&str, Option<&str>)| {
        check_state(&[window(start, hours * HOUR, "Asia/Kathmandu")], now, expected);
    };
    check("30 23 31 12 *", 2, "2027-01-01T01:00:00+05:45", ("open", Some("2027-01-01T01:30:00+05:45")));
    check("30 23 31 12 *", 2, "2027-01-01T01:30:00+05:45", ("closed", Some("2027-12-31T23:30:00+05:45")));
    check("0 12 29 2 *", 48, "2028-03-02T11:59:59+05:45", ("open", Some("2028-03-02T12:00:00+05:45")));
    check("0 12 29 2 *", 48, "2028-03-02T12:00:00+05:45", ("closed", Some("2032-02-29T12:00:00+05:45")));
    check("0 0 30 * *", 168, "2026-03-01T00:00:00+05:45", ("closed", Some("2026-03-30T00:00:00+05:45")));
    check("0 0 30 * *", 168, "2026-02-05T23:59:00+05:45", ("open", Some("2026-02-06T00:00:00+05:45")));
}

#[test]
fn a_duration_is_time_that_passes_when_clocks_are_changed() {
    let night = [window("0 1 * * *", 4 * HOUR, "Europe/Berlin")];
    let check = |now: &str, expected: (&str, Option<&str>)| check_state(&night, now, expected);
    check("2026-03-29T04:00:00+02:00", ("open", Some("2026-03-29T06:00:00+02:00")));
    check("2026-03-29T06:00:00+02:00", ("closed", Some("2026-03-30T01:00:00+02:00")));
    check("2026-10-25T02:30:00+02:00", ("open", Some("2026-10-25T04:00:00+01:00")));
    check("2026-10-25T02:30:00+01:00", ("open", Some("2026-10-25T04:00:00+01:00")));
    check("2026-10-25T04:00:00+01:00", ("closed", Some("2026-10-26T01:00:00+01:00")));

    let skipped = [window("30 2 * * *", HOUR, "Europe/Berlin")];
    check_state(&skipped, "2026-03-29T03:59:59+02:00", ("open", Some("2026-03-29T04:00:00+02:00")));
    // It starts while clocks show its time for the first time, and ends at the same time on the clock.
    check_state(&skipped, "2026-10-25T02:29:59+01:00", ("open", Some("2026-10-25T02:30:00+01:00")));
    check_state(&skipped, "2026-10-25T02:30:00+01:00", ("closed", Some("2026-10-26T02:30:00+01:00")));
}

#[test]
fn runs_that_overlap_or_touch_are_one() {
    let check = |start: &str, duration: Duration, now: &str, expected: (&str, Option<&str>)| {
        let time = |time: &str| format!("2026-06-{time}:00Z");
        let end = expected.1.map(time);
        check_state(&[window(start, duration, "UTC")], &time(now), (expected.0, end.as_deref()));
    };
    // The first of June is a Monday.
    check("0 8-11 * * *", HOUR, "01T09:30", ("open", Some("01T12:00")));
    check("0 8-11 * * *", 3 * HOUR, "01T08:00", ("open", Some("01T14:00")));
    check("0 8,12 * * *", 5 * HOUR, "01T12:30", ("open", Some("01T17:00")));
    check("0 8,12 * * *", 3 * HOUR, "01T11:00", ("closed", Some("01T12:00")));
    check("* 8 * * *", MINUTE, "01T08:30", ("open", Some("01T09:00")));
    check("* * * * 1-5", MINUTE, "01T00:00", ("open", Some("06T00:00")));
    check("@daily", 24 * HOUR, "01T00:00", ("open", None));
    check("* * * * *", MINUTE, "01T00:00", ("open", None));
    check("@weekly", LONGEST, "03T00:00", ("open", None));
    check("0 0 1-8 * *", 24 * HOUR, "01T00:00", ("open", Some("09T00:00")));
    check("0 0 1-9 * *", 24 * HOUR, "01T00:00", ("open", None));
}

#[test]
fn several_windows_are_open_if_one_of_them_is() {
    let windows = [
        window("0 22 * * *", 2 * HOUR, "UTC"),
        window("0 1 * * *", 2 * HOUR, "Europe/Berlin"),
        window("0 12 * * sat", HOUR, "Asia/Tokyo"),
    ];
    let check = |now: &str, expected: (&str, Option<&str>)| check_state(&windows, now, expected);
    // In winter the second one opens as the first one ends; in summer it opens an hour before.
    check("2026-01-05T22:30:00Z", ("open", Some("2026-01-06T02:00:00Z")));
    check("2026-07-05T22:30:00Z", ("open", Some("2026-07-06T01:00:00Z")));
    check("2026-07-06T01:00:00Z", ("closed", Some("2026-07-06T22:00:00Z")));
    check("2026-07-11T02:00:00Z", ("closed", Some("2026-07-11T03:00:00Z")));
    check("2026-07-11T03:59:59Z", ("open", Some("2026-07-11T04:00:00Z")));
    check_state(&[], "2026-07-06T01:00:00Z", ("open", None));
}

#[test]
fn nothing_opens_after_the_end_of_the_calendar() {
    let yearly = [window("@yearly", HOUR, "UTC")];
    check_state(&yearly, "9998-12-31T23:00:00Z", ("closed", Some("9999-01-01T00:00:00Z")));
    check_state(&yearly, "9999-12-01T00:00:00Z", ("closed", None));
    let last = Windows::from(yearly.to_vec());
    assert_eq!(last.state(Timestamp::MAX), WindowState::Closed { opens: None });
    assert!(matches!(last.state(Timestamp::MIN), WindowState::Closed { opens: Some(_) }));
    check_state(
        &[window("@daily", LONGEST, "UTC")],
        "9999-12-30T00:00:00Z",
        ("open", Some("9999-12-30T22:00:00.999999999Z")),
    );
}

#[test]
fn what_is_no_start_is_refused_with_what_would_be_one() {
    let check = |start: &str, expected: &str| {
        let err = Window::parse(start, HOUR, "UTC").err().unwrap_or_else(|| panic!("{start} is a start"));
        assert_eq!(err.to_string(), expected, "{start}");
    };
    let fields = |found: usize| {
        format!(
            "the start has {found} fields instead of five: minute, hour, day of month, month and day of week, such as \
             \"0 2 * * sat\" for Saturdays at 02:00"
        )
    };
    let value = |shown: &str, field: &str, allowed: &str, range: &str| {
        format!(
            "{shown:?} is no {field}: use {allowed}, a range such as {range}, a list with commas, or steps such as */2"
        )
    };
    check("", &fields(0));
    check("0 2 * *", &fields(4));
    check("0 0 2 * * *", &fields(6));
    check("TZ=UTC 0 2 * * *", &fields(6));
    check("60 2 * * *", &value("60", "minute", "0 to 59", "0-29"));
    check("0 24 * * *", &value("24", "hour", "0 to 23", "1-4"));
    check("0 2 0 * *", &value("0", "day of month", "1 to 31", "1-7"));
    check("0 2 L * *", &value("L", "day of month", "1 to 31", "1-7"));
    check("0 2 1 13 *", &value("13", "month", "1 to 12 or jan to dec", "jan-mar"));
    check("0 2 1 january *", &value("january", "month", "1 to 12 or jan to dec", "jan-mar"));
    let weekdays = "0 to 7 or sun to sat (0 and 7 are Sunday)";
    check("0 2 * * 8", &value("8", "day of week", weekdays, "mon-fri"));
    check("0 2 ? * mon#1", &value("?", "day of month", "1 to 31", "1-7"));
    check("0 2 * * mon#1", &value("mon#1", "day of week", weekdays, "mon-fri"));
    check("0 1,,2 * * *", &value("", "hour", "0 to 23", "1-4"));
    check("0 1- * * *", &value("1-", "hour", "0 to 23", "1-4"));
    check("0 +1 * * *", &value("+1", "hour", "0 to 23", "1-4"));
    check("0 *-2 * * *", &value("*-2", "hour", "0 to 23", "1-4"));
    check("0 1-2-3 * * *", &value("1-2-3", "hour", "0 to 23", "1-4"));
    check("0 256 * * *", &value("256", "hour", "0 to 23", "1-4"));
    check("*/0 2 * * *", "the step \"0\" of the minute is none from 1 to 60");
    check("*/90 2 * * *", "the step \"90\" of the minute is none from 1 to 60");
    check("*/ 2 * * *", "the step \"\" of the minute is none from 1 to 60");
    check("0 */2/2 * * *", "the step \"2/2\" of the hour is none from 1 to 24");
    check("0 0 30 2 *", "it never starts, because none of its months has one of its days of the month");
    check("0 0 31 2,4,jun */2", "it never starts, because none of its months has one of its days of the month");
    check(
        "@reboot",
        "unknown shorthand \"@reboot\", expected one of: @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually",
    );
    check(&"0".repeat(257), "the start has 257 bytes; at most 256 are allowed");
}

#[test]
fn what_is_written_instead_of_a_backward_range_can_be_read() {
    let check = |field: usize, range: &str, expected: &str| {
        let mut fields = ["0", "0", "*", "*", "*"];
        fields[field] = range;
        match Window::parse(&fields.join(" "), HOUR, "UTC") {
            Err(WindowError::Backwards { instead, .. }) => assert_eq!(instead, expected, "{range}"),
            other => panic!("{range}: {other:?}"),
        }
        fields[field] = expected;
        window(&fields.join(" "), HOUR, "UTC");
    };
    check(0, "50-10", "50-59,0-10");
    check(1, "22-4", "22-23,0-4");
    check(2, "28-3", "28-31,1-3");
    check(3, "nov-feb", "nov-dec,jan-feb");
    check(3, "11-2", "11-12,1-2");
    check(4, "fri-mon", "fri-sat,sun-mon");
    check(4, "5-1", "5-7,0-1");
    let err = Window::parse("0 22-4 * * *", HOUR, "UTC").unwrap_err();
    assert_eq!(err.to_string(), "the range \"22-4\" of the hour runs backwards; write \"22-23,0-4\" instead");
}

#[test]
fn a_window_lasts_from_a_minute_to_a_week() {
    let check = |seconds: u64, expected: Option<&str>| {
        let found = Window::parse("@daily", Duration::from_secs(seconds), "UTC");
        assert_eq!(found.err().map(|err| err.to_string()).as_deref(), expected, "{seconds}");
    };
    check(59, Some("a window of 59s is too short or too long; it may last from 1m to 7d"));
    check(60, None);
    check(604_800, None);
    check(604_801, Some("a window of 7d1s is too short or too long; it may last from 1m to 7d"));
}

#[test]
fn time_zones_are_those_of_the_database() {
    let check = |zone: &str, expected: Option<&str>| {
        let found = Window::parse("@daily", HOUR, zone).err().map(|err| err.to_string());
        assert_eq!(found.as_deref(), expected, "{zone}");
    };
    check("UTC", None);
    check("Etc/UTC", None);
    check("europe/berlin", None);
    check("America/Argentina/Buenos_Aires", None);
    check("Asia/Calcutta", None);
    let use_a_name = "use a name from the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"";
    check("Berlin", Some("unknown time zone \"Berlin\"; did you mean \"Europe/Berlin\"?"));
    check("America/Sydney", Some("unknown time zone \"America/Sydney\"; did you mean \"Australia/Sydney\"?"));
    check("new york", Some("unknown time zone \"new york\"; did you mean \"America/New_York\"?"));
    check("CEST", Some(&format!("unknown time zone \"CEST\"; {use_a_name}")));
    check("", Some(&format!("unknown time zone \"\"; {use_a_name}")));
    check("+02:00", Some(&format!("unknown time zone \"+02:00\"; {use_a_name}")));
    check("Etc/Unknown", Some(&format!("unknown time zone \"Etc/Unknown\"; {use_a_name}")));
    check("../../etc/passwd", Some(&format!("unknown time zone \"../../etc/passwd\"; {use_a_name}")));
}
