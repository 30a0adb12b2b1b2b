//! Maintenance windows: when a workload may be disturbed.
//!
//! A window is a start (a cron expression, [`cron`]), a duration, and the time zone of the clock on which it starts ([`zone`]). It is open
//! from each start, inclusive, until so much time has passed, exclusive. Where a run overlaps the next one, or ends as it starts, there is
//! no moment in between.
//!
//! Daylight saving: it starts at the first moment when clocks show the time of a start or a later one. So a start that clocks skip is at
//! the first moment after the gap, and one that they show twice is at the first of the two only. How long it is open is time that passes,
//! not what clocks say: four hours are four hours, in the night of a change too. Vixie's cron treats expressions with stars otherwise
//! there; with one rule for all of them people need not know which of both theirs is.

mod cron;
mod error;
mod field;
mod zone;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

pub use error::WindowError;
pub use field::Field;

use cron::Cron;

/// The shortest time that a window may be open. Checks are seldom more frequent, so that a shorter one would be missed.
pub const SHORTEST: Duration = Duration::from_mins(1);
/// The longest time that a window may be open. With a longer one no day of the week is left out.
pub const LONGEST: Duration = Duration::from_hours(7 * 24);
/// How far ahead the end of a window is looked for. What people plan comes back each week; a window that is open for longer has no end
/// that they could be waiting for.
const SIGHT: Duration = Duration::from_hours(8 * 24);
const MINUTE: Duration = Duration::from_mins(1);

/// A maintenance window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    start: Cron,
    /// From [`SHORTEST`] to [`LONGEST`].
    duration: Duration,
    zone: TimeZone,
}

/// What a window, or several, are at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowState {
    /// Updates may be applied.
    Open {
        /// The first moment at which they may not; none if that is more than eight days away.
        until: Option<Timestamp>,
    },
    /// Updates have to wait.
    Closed {
        /// The first moment at which they may be applied; none only at the end of the calendar, in the year 9999.
        opens: Option<Timestamp>,
    },
}

impl Window {
    /// Reads a window: five fields of a cron expression or a shorthand such as `@daily`, how long it is open from then on ([`SHORTEST`] to
    /// [`LONGEST`]), and the IANA name of the time zone of its start.
    ///
    /// # Errors
    /// With what is wrong and what would be right.
    pub fn parse(start: &str, duration: Duration, zone: &str) -> Result<Self, WindowError> {
        let start = Cron::parse(start)?;
        if !(SHORTEST..=LONGEST).contains(&duration) {
            return Err(WindowError::Duration(duration));
        }
        Ok(Self { start, duration, zone: zone::find(zone)? })
    }

    /// Whether it is open at `now`, and until when it stays so.
    pub fn state(&self, now: Timestamp) -> WindowState {
        state(std::slice::from_ref(self), now)
    }

    /// When the run that has begun last at `now` ends, if it has not ended.
    fn end_of_run(&self, now: Timestamp) -> Option<Timestamp> {
        // A start is later than another moment only if it is later on the clock than that.
        let earliest = self.zone.to_datetime(now.checked_sub(self.duration).unwrap_or(Timestamp::MIN)).date();
        let mut latest = zone::latest_time(&self.zone, now);
        loop {
            let time = self.start.at_or_before(latest, earliest)?;
            let start = zone::first_moment(&self.zone, time)?;
            if start <= now {
                return Some(start.checked_add(self.duration).unwrap_or(Timestamp::MAX)).filter(|end| *end > now);
            }
            latest = time.checked_sub(MINUTE).ok()?;
        }
    }

    /// The first start after `now`; none only at the end of the calendar.
    fn start_after(&self, now: Timestamp) -> Option<Timestamp> {
        // What clocks show now, and all that they have shown before, has started by now.
        let mut earliest = self.zone.to_datetime(now);
        loop {
            let time = self.start.at_or_after(earliest)?;
            let start = zone::first_moment(&self.zone, time)?;
            if start > now {
                return Some(start);
            }
            earliest = time.checked_add(MINUTE).ok()?;
        }
    }
}

/// The maintenance windows of one object: open if one of them is. Without any it is always open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Whether one is open at `now`, and until when there always is one; or else when the next one opens.
    pub fn state(&self, now: Timestamp) -> WindowState {
        if self.0.is_empty() { WindowState::Open { until: None } } else { state(&self.0, now) }
    }

    /// The first start of a window after `now`, on the clock of that window, for people to read.
    pub fn start_after(&self, now: Timestamp) -> Option<Zoned> {
        first_start(&self.0, now)
    }
}

impl From<Vec<Window>> for Windows {
    fn from(windows: Vec<Window>) -> Self {
        Self(windows)
    }
}

fn state(windows: &[Window], now: Timestamp) -> WindowState {
    let end_of_runs = |now| windows.iter().filter_map(|window| window.end_of_run(now)).max();
    let Some(mut end) = end_of_runs(now) else {
        return WindowState::Closed { opens: first_start(windows, now).map(|start| start.timestamp()) };
    };
    let in_sight = now.checked_add(SIGHT).unwrap_or(Timestamp::MAX);
    while end <= in_sight {
        match end_of_runs(end) {
            Some(later) => end = later,
            None => return WindowState::Open { until: Some(end) },
        }
    }
    WindowState::Open { until: None }
}

fn first_start(windows: &[Window], now: Timestamp) -> Option<Zoned> {
    let starts = windows.iter().filter_map(|window| Some(window.start_after(now)?.to_zoned(window.zone.clone())));
    starts.min_by_key(Zoned::timestamp)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) mod laws;
