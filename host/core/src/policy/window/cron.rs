//! When a window starts, on a clock without a time zone: a cron expression.
//!
//! The syntax is that of Vixie's cron (<https://man7.org/linux/man-pages/man5/crontab.5.html>) and so nearly that of `CronJobs`
//! (<https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax>).
//! What is different helps: `5/15` goes on to the end of the field, as in a `CronJob`; `sat-sun` is a weekend; and a step beyond its field,
//! which cron takes for the first value only, is refused.

use jiff::civil::{Date, DateTime, time};

use super::WindowError;
use super::field::{Field, Values};
use crate::policy::verdict::quoted;

/// Most bytes of an expression. Every minute of an hour, one by one, takes 169.
pub(super) const LONGEST: usize = 256;

/// Names of expressions that are used often.
pub(super) const SHORTHANDS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

/// A set of minutes on the calendar; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Values,
    hours: Values,
    days: Values,
    months: Values,
    weekdays: Values,
}

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, WindowError> {
        if text.len() > LONGEST {
            return Err(WindowError::TooLong(text.len()));
        }
        let text = text.trim();
        let text = match SHORTHANDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            Some((_, expression)) => expression,
            None if text.starts_with('@') => return Err(WindowError::Shorthand { shown: quoted(text) }),
            None => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let &[minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(WindowError::Fields(fields.len()));
        };
        let cron = Self {
            minutes: Values::parse(Field::Minute, minutes)?,
            hours: Values::parse(Field::Hour, hours)?,
            days: Values::parse(Field::DayOfMonth, days)?,
            months: Values::parse(Field::Month, months)?,
            weekdays: Values::parse(Field::DayOfWeek, weekdays)?,
        };
        if cron.has_some_day() { Ok(cron) } else { Err(WindowError::Never) }
    }

    /// The first of its minutes that is not before the minute of `from`; none only at the end of the calendar.
    pub(super) fn at_or_after(&self, from: DateTime) -> Option<DateTime> {
        let (mut date, mut earliest) = (from.date(), (from.hour().unsigned_abs(), from.minute().unsigned_abs()));
        loop {
            if !self.has_month(date) {
                date = date.last_of_month().tomorrow().ok()?;
                earliest = (0, 0);
                continue;
            }
            let time = if self.has_day(date) { self.first_time(earliest) } else { None };
            if let Some(time) = time {
                return Some(on(date, time));
            }
            date = date.tomorrow().ok()?;
            earliest = (0, 0);
        }
    }

    /// The last of its minutes that is not after `to`, if it is not on an earlier day than `from`.
    pub(super) fn at_or_before(&self, to: DateTime, from: Date) -> Option<DateTime> {
        let (mut date, mut latest) = (to.date(), (to.hour().unsigned_abs(), to.minute().unsigned_abs()));
        while date >= from {
            let time = if self.has_month(date) && self.has_day(date) { self.last_time(latest) } else { None };
            if let Some(time) = time {
                return Some(on(date, time));
            }
            date = date.yesterday().ok()?;
            latest = (23, 59);
        }
        None
    }

    fn has_month(&self, date: Date) -> bool {
        self.months.contains(date.month().unsigned_abs())
    }

    /// Whether it has the day in one of its months. If both the day of the month and the day of the week are given, one of them is enough;
    /// if one of them begins with a star, both must be right. That is Vixie's rule, by which `*/2` counts as a star too, and which
    /// people know how to use: `0 2 */31,1-7 * mon` is the first Monday of each month.
    fn has_day(&self, date: Date) -> bool {
        let day = self.days.contains(date.day().unsigned_abs());
        let weekday = self.weekdays.contains(date.weekday().to_sunday_zero_offset().unsigned_abs());
        if self.days.has_star || self.weekdays.has_star { day && weekday } else { day || weekday }
    }

    /// Whether one of its months ever has one of its days. On which days of the week a date falls need not be looked at: in the 400 years
    /// after which the calendar begins again each date, the 29th of February too, falls on all seven.
    fn has_some_day(&self) -> bool {
        let is_either = !self.days.has_star && !self.weekdays.has_star;
        let longest = |month: u8| match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let earliest = self.days.first_from(1);
        is_either
            || (1..=12).any(|month| self.months.contains(month) && earliest.is_some_and(|day| day <= longest(month)))
    }

    /// The first time of a day that is not before `from`; hour and minute.
    fn first_time(&self, (hour, minute): (u8, u8)) -> Option<(u8, u8)> {
        let same_hour = self.minutes.first_from(minute).filter(|_| self.hours.contains(hour));
        match same_hour {
            Some(minute) => Some((hour, minute)),
            None => self.hours.first_from(hour + 1).zip(self.minutes.first_from(0)),
        }
    }

    /// The last time of a day that is not after `to`; hour and minute.
    fn last_time(&self, (hour, minute): (u8, u8)) -> Option<(u8, u8)> {
        let same_hour = self.minutes.last_to(minute).filter(|_| self.hours.contains(hour));
        match same_hour {
            Some(minute) => Some((hour, minute)),
            None => self.hours.last_to(hour.checked_sub(1)?).zip(self.minutes.last_to(59)),
        }
    }
}

/// Both are within the bounds of their fields.
fn on(date: Date, (hour, minute): (u8, u8)) -> DateTime {
    date.to_datetime(time(hour.cast_signed(), minute.cast_signed(), 0, 0))
}
