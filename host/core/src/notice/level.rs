//! How much a notice matters.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How much a notice matters, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For those who look back.
    Debug,
    /// It happened, and nobody has to do anything.
    Info,
    /// Somebody has something to decide.
    Warning,
    /// Something does not work, and updates do not come until it is mended.
    Error,
    /// The workload itself may be down.
    Critical,
}

/// A text is no level.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown level {0:?}, expected one of: debug, info, warning, error, critical")]
pub struct UnknownLevel(pub String);

impl Level {
    /// All of them, in ascending order.
    pub const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The word for it in the interface `notifier`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or_else(|| UnknownLevel(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_order() {
        assert!(Level::ALL.is_sorted());
        for level in Level::ALL {
            assert_eq!(level.to_string().parse(), Ok(level));
            assert!(UnknownLevel(String::new()).to_string().contains(level.as_str()), "{level}");
        }
        assert_eq!(format!("{:>8}", Level::Info), "    info");
        for wrong in ["", "Info", "INFO", "warn", " info"] {
            assert_eq!(wrong.parse::<Level>(), Err(UnknownLevel(wrong.to_owned())));
        }
    }
}
