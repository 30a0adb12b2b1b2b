//! How long something is, as people write it.

use std::time::Duration;

/// `time` in days, hours, minutes and seconds, such as `1h30m`; what is less than a second is left out. A single day is `24h`, as people
/// say.
pub(super) fn in_units(time: Duration) -> String {
    let seconds = time.as_secs();
    let days = if seconds < 2 * 86_400 { 0 } else { seconds / 86_400 };
    let rest = seconds - days * 86_400;
    let parts = [(days, 'd'), (rest / 3_600, 'h'), (rest / 60 % 60, 'm'), (rest % 60, 's')];
    let shown = parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}"));
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "0s".to_owned() } else { shown.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_units() {
        let check = |seconds: u64, expected: &str| assert_eq!(in_units(Duration::from_secs(seconds)), expected);
        check(0, "0s");
        check(59, "59s");
        check(60, "1m");
        check(5_400, "1h30m");
        check(86_400, "24h");
        check(172_799, "47h59m59s");
        check(172_800, "2d");
        check(7 * 86_400 + 3_601, "7d1h1s");
        assert_eq!(in_units(Duration::from_millis(1_999)), "1s");
    }
}
