//! Dates as HTTP headers write them (RFC 9110 section 5.6.7), as far as they are written today.

use crate::time::days;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since 1970-01-01T00:00:00Z of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// None for anything else: the two obsolete forms, another zone, a day that no calendar has. The day of the week is not checked.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year) = (number(words.next()?, 2)?, words.next()?, number(words.next()?, 4)?);
    let (time, zone) = (words.next()?, words.next()?);
    let mut clock = time.split(':').map(|part| number(part, 2));
    let (hours, minutes, seconds) = (clock.next()??, clock.next()??, clock.next()??);
    let month = 1 + MONTHS.iter().zip(0_u64..).find(|(name, _)| **name == month)?.1;
    let in_range = (1..=31).contains(&day) && hours < 24 && minutes < 60 && seconds <= 60;
    let at_end = words.next().is_none() && clock.next().is_none();
    if zone != "GMT" || year < 1970 || !in_range || !at_end {
        return None;
    }
    Some(((days(year, month, day) * 24 + hours) * 60 + minutes) * 60 + seconds)
}

/// A number of exactly this many digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    if text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn dates_are_counted_from_1970() {
        let check = |text: &str, expected| assert_eq!(seconds(text), expected, "for {text:?}");
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        // The example of RFC 9110.
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
        check("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400));
        check("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800));
        check("Sun, 28 Feb 2100 23:59:59 GMT", Some(4_107_542_399));
        check("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400));
        check("Fri, 31 Dec 9999 23:59:60 GMT", Some(253_402_300_800));
        check("Sunday, 06-Nov-94 08:49:37 GMT", None);
        check("Sun Nov  6 08:49:37 1994", None);
        check("Sun, 06 Nov 1994 08:49:37 CET", None);
        check("Sun, 06 Nov 1994 08:49:37 GMT now", None);
        check("Sun, 32 Nov 1994 08:49:37 GMT", None);
        check("Sun, 06 Now 1994 08:49:37 GMT", None);
        check("Sun, 06 Nov 1969 08:49:37 GMT", None);
        check("Sun, 06 Nov 1994 24:00:00 GMT", None);
        check("Sun, +6 Nov 1994 08:49:37 GMT", None);
        check("", None);
        check(", ", None);
    }
}
