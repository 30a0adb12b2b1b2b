//! When to try again. Randomness is an argument: a number from 0 to 1, which callers draw.

use std::time::Duration;

/// Time to wait after `failures` in a row: `base`, doubled with each failure after the first, at most `cap`; of that between one half
/// and all, as `random` says, so that those who failed together do not come back together.
///
/// No failure counts as one.
pub fn delay(failures: u32, base: Duration, cap: Duration, random: f64) -> Duration {
    let factor = 2_u32.checked_pow(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let half = base.saturating_mul(factor).min(cap) / 2;
    half + portion(half, random)
}

/// `wait` and up to a tenth of it more, as `random` says: those who begin together drift apart.
///
/// Never less, because what was learnt stays good for as long as nobody waits to ask again.
pub fn jittered(wait: Duration, random: f64) -> Duration {
    wait.saturating_add(portion(wait / 10, random))
}

/// As much of `time` as `random` says; numbers out of range are read as the nearest bound, and NaN as 0.
fn portion(time: Duration, random: f64) -> Duration {
    let random = if random.is_nan() { 0.0 } else { random.clamp(0.0, 1.0) };
    time.mul_f64(random)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: Duration = Duration::from_secs(2);
    const CAP: Duration = Duration::from_mins(10);

    #[test]
    fn delays_double_up_to_the_cap() {
        let check = |failures: u32, random: f64, expected: u64| {
            assert_eq!(delay(failures, BASE, CAP, random), Duration::from_secs(expected), "{failures} {random}");
        };
        check(0, 1.0, 2);
        check(1, 1.0, 2);
        check(1, 0.0, 1);
        check(2, 1.0, 4);
        check(3, 0.0, 4);
        check(3, 0.5, 6);
        check(9, 1.0, 512);
        check(10, 1.0, 600);
        check(10, 0.0, 300);
        check(u32::MAX, 1.0, 600);
        check(1, f64::NAN, 1);
        check(1, 7.0, 2);
        check(1, -7.0, 1);
    }

    #[test]
    fn jitter_only_adds() {
        let check = |seconds: u64, random: f64, expected: u64| {
            assert_eq!(jittered(Duration::from_secs(seconds), random), Duration::from_secs(expected));
        };
        check(600, 0.0, 600);
        check(600, 1.0, 660);
        check(0, 1.0, 0);
        assert_eq!(jittered(Duration::MAX, 1.0), Duration::MAX);
    }

    proptest! {
        #[test]
        fn a_delay_is_between_half_and_all(failures in any::<u32>(), base in any::<u32>(), cap in any::<u32>(), random in any::<f64>()) {
            let (base, cap) = (Duration::from_millis(base.into()), Duration::from_millis(cap.into()));
            let found = delay(failures, base, cap, random);
            prop_assert!(found <= cap);
            prop_assert!(found >= base.min(cap) / 2);
        }
    }
}
