//! How long to wait for what. Pure: randomness is an argument.

use std::time::Duration;

use k8supdater_core::backoff;
use k8supdater_egress::telegram::TelegramError;

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long Telegram holds a poll when nothing happens; whole seconds, at most 50. 30 s.
    pub poll: Duration,
    /// Wait after the first failure. 1 s.
    pub base: Duration,
    /// Longest wait after many failures. 5 min.
    pub cap: Duration,
    /// Wait after the first time that somebody else was polling: two that do not wait would drive each other out for ever. 10 s.
    pub conflict: Duration,
    /// Wait after something that only a person can change, such as a wrong token. 10 min.
    pub hopeless: Duration,
    /// Time between two looks whether something has come of a decision. 2 s.
    pub look: Duration,
    /// How long something is expected to come of a decision. 15 min.
    pub follow: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(30),
            base: Duration::from_secs(1),
            cap: Duration::from_mins(5),
            conflict: Duration::from_secs(10),
            hopeless: Duration::from_mins(10),
            look: Duration::from_secs(2),
            follow: Duration::from_mins(15),
        }
    }
}

impl Pace {
    /// How long to do nothing after `failures` in a row, the last of which was `err`.
    pub fn after(&self, err: &TelegramError, failures: u32, random: f64) -> Duration {
        match err {
            // Not less than told.
            TelegramError::RateLimited(wait) => backoff::jittered(*wait, random),
            TelegramError::Conflict(_) => backoff::delay(failures, self.conflict, self.cap, random),
            _ if err.is_passing() => backoff::delay(failures, self.base, self.cap, random),
            _ => backoff::jittered(self.hopeless, random),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8supdater_egress::Failure;

    use super::*;

    #[test]
    fn each_error_has_its_wait() {
        let pace = Pace::default();
        let check = |err: TelegramError, failures: u32, expected: u64| {
            assert_eq!(pace.after(&err, failures, 1.0).as_secs(), expected, "{err:?} {failures}");
        };
        check(TelegramError::RateLimited(Duration::from_secs(20)), 9, 22);
        check(TelegramError::Conflict(String::new()), 1, 10);
        check(TelegramError::Conflict(String::new()), 3, 40);
        check(TelegramError::Unavailable(502), 1, 1);
        check(TelegramError::Unreachable(Failure::Timeout), 4, 8);
        check(TelegramError::InvalidReply(200), 30, 300);
        check(TelegramError::Unauthorized, 1, 660);
        check(TelegramError::Unreachable(Failure::Denied(String::new())), 1, 660);
        check(TelegramError::Refused(String::new()), 1, 660);
    }
}
