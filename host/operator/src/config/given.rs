//! Values as somebody gave them, and what is said when they cannot be used.

use std::fmt;

use k8supdater_core::pull_secret::Secret;
use thiserror::Error;

/// Values that the operator cannot start with.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A value is out of bounds or malformed.
    #[error("{variable} (or {flag}) is {value:?}, expected {expected}")]
    Value {
        /// The environment variable.
        variable: &'static str,
        /// The flag that says the same.
        flag: &'static str,
        /// What it was set to, without the parts that are secret.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A value that is secret, or has a secret in it, is malformed.
    #[error("{variable} (or {flag}) has a value that is not shown, because it may be secret; expected {expected}")]
    Hidden {
        /// The environment variable.
        variable: &'static str,
        /// The flag that says the same.
        flag: &'static str,
        /// What is allowed.
        expected: &'static str,
    },
    /// Some of the values that are of use only together are not there.
    #[error("{set} {} set, but {missing} {} not; set what is missing, or none of them: {purpose}", set.verb(), missing.verb())]
    Incomplete {
        /// Variables of the group that are set.
        set: Names,
        /// Variables of the group that are not set and have no default.
        missing: Names,
        /// Why they need each other.
        purpose: &'static str,
    },
}

/// Names of variables: `A`, `A and B`, `A, B and C`.
#[derive(Debug, PartialEq, Eq)]
pub struct Names(Vec<&'static str>);

impl Names {
    fn verb(&self) -> &'static str {
        if self.0.len() == 1 { "is" } else { "are" }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => Ok(()),
            [one] => f.write_str(one),
            [first @ .., last] => write!(f, "{} and {last}", first.join(", ")),
        }
    }
}

/// A value as given, with the names by which it can be given. An empty one is none.
pub(super) struct Given<T = String> {
    value: Option<T>,
    variable: &'static str,
    flag: &'static str,
}

impl Given {
    pub(super) fn of(value: Option<String>, variable: &'static str, flag: &'static str) -> Self {
        let value = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        Self { value, variable, flag }
    }

    pub(super) fn read<T>(
        self,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Self { value, variable, flag } = self;
        let Some(value) = value else { return Ok(None) };
        match parse(&value) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(ConfigError::Value { variable, flag, value: conceal(value), expected }),
        }
    }

    /// The same for a value that must not be shown where `is_telling` says so: people put secrets into the wrong variable.
    pub(super) fn read_guarded<T>(
        self,
        expected: &'static str,
        is_telling: impl Fn(&str) -> bool,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let (variable, flag) = (self.variable, self.flag);
        let hidden = self.value.as_deref().is_some_and(is_telling);
        self.read(expected, parse)
            .map_err(|err| if hidden { ConfigError::Hidden { variable, flag, expected } } else { err })
    }
}

impl Given<Secret> {
    pub(super) fn of_secret(value: Option<Secret>, variable: &'static str, flag: &'static str) -> Self {
        let value = value.filter(|value| !value.expose().trim().is_empty());
        Self { value, variable, flag }
    }

    pub(super) fn read_secret(
        self,
        expected: &'static str,
        is_good: impl Fn(&str) -> bool,
    ) -> Result<Option<Secret>, ConfigError> {
        let Self { value, variable, flag } = self;
        match value {
            Some(value) if !is_good(value.expose()) => Err(ConfigError::Hidden { variable, flag, expected }),
            value => Ok(value),
        }
    }
}

impl<T> Given<T> {
    /// The name of its variable, and whether it is set.
    pub(super) fn presence(&self) -> (&'static str, bool) {
        (self.variable, self.value.is_some())
    }
}

/// Whether a group of values is given; `needed` and `others` are what is known of them.
///
/// # Errors
/// [`ConfigError::Incomplete`] if one of them is set, but not all that are needed.
pub(super) fn is_group_given(
    needed: &[(&'static str, bool)],
    others: &[(&'static str, bool)],
    purpose: &'static str,
) -> Result<bool, ConfigError> {
    let names = |wanted: bool, presences: &mut dyn Iterator<Item = &(&'static str, bool)>| {
        presences.filter(|(_, is_set)| *is_set == wanted).map(|(name, _)| *name).collect::<Vec<_>>()
    };
    let set = names(true, &mut needed.iter().chain(others));
    let missing = names(false, &mut needed.iter());
    match (set.is_empty(), missing.is_empty()) {
        (true, _) => Ok(false),
        (false, true) => Ok(true),
        (false, false) => Err(ConfigError::Incomplete { set: Names(set), missing: Names(missing), purpose }),
    }
}

/// `value` without the user and password that a URL may have.
fn conceal(value: String) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value };
    match rest.rsplit_once('@') {
        Some((_, place)) => format!("{scheme}://[redacted]@{place}"),
        None => value,
    }
}
