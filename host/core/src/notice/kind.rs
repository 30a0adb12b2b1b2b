//! What a notice may be about.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::Level;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A handler is new.
    HandlerCreated,
    /// A handler was suspended and is no longer.
    HandlerResumed,
    /// A handler says something else than before.
    HandlerChanged,
    /// A handler is gone.
    HandlerDeleted,
    /// There is something newer, for a human to decide.
    UpdateAvailable,
    /// A workload got another image.
    Updated,
    /// A workload was restarted for a tag that has moved.
    Restarted,
    /// All pods run what was updated or restarted.
    RolloutFinished,
    /// The pods do not come up.
    RolloutFailed,
    /// An update was taken back, and all pods run the image before again.
    RolledBack,
    /// An update was taken back, and the pods of the image before do not come up either.
    RollbackFailed,
    /// A tag that is a version points at another image than before: somebody has pushed it again.
    TagMoved,
    /// What is newer is not known.
    CheckFailing,
    /// It is known again.
    CheckRecovered,
    /// A plugin does not do its work.
    PluginFailing,
}

/// A text is no kind.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "unknown kind {0:?}, expected one of: handler-created, handler-resumed, handler-changed, handler-deleted, update-available, \
     updated, restarted, rollout-finished, rollout-failed, rolled-back, rollback-failed, tag-moved, check-failing, check-recovered, \
     plugin-failing"
)]
pub struct UnknownKind(pub String);

/// What a kind is news about: of several notices about the same, the last one tells how it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    Handler,
    Version,
    Rollout,
    Tag,
    Check,
    Plugin,
}

impl Kind {
    /// All of them, in the order of the interface `notifier`.
    pub const ALL: [Self; 15] = [
        Self::HandlerCreated,
        Self::HandlerResumed,
        Self::HandlerChanged,
        Self::HandlerDeleted,
        Self::UpdateAvailable,
        Self::Updated,
        Self::Restarted,
        Self::RolloutFinished,
        Self::RolloutFailed,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::TagMoved,
        Self::CheckFailing,
        Self::CheckRecovered,
        Self::PluginFailing,
    ];

    /// The word for it in the interface `notifier`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HandlerCreated => "handler-created",
            Self::HandlerResumed => "handler-resumed",
            Self::HandlerChanged => "handler-changed",
            Self::HandlerDeleted => "handler-deleted",
            Self::UpdateAvailable => "update-available",
            Self::Updated => "updated",
            Self::Restarted => "restarted",
            Self::RolloutFinished => "rollout-finished",
            Self::RolloutFailed => "rollout-failed",
            Self::RolledBack => "rolled-back",
            Self::RollbackFailed => "rollback-failed",
            Self::TagMoved => "tag-moved",
            Self::CheckFailing => "check-failing",
            Self::CheckRecovered => "check-recovered",
            Self::PluginFailing => "plugin-failing",
        }
    }

    /// How much it matters, as far as the kind tells.
    ///
    /// A rollback that somebody asked for is as any other change that went well. One that nobody asked for is told as an
    /// [error](Level::Error) by whoever knows that. Neither stands: the workload runs what it ran before, and what is better than the version
    /// that failed is applied by itself, so that there is nothing of which people would have to be reminded.
    pub fn level(self) -> Level {
        match self {
            Self::HandlerResumed | Self::HandlerChanged => Level::Debug,
            Self::HandlerCreated
            | Self::HandlerDeleted
            | Self::Updated
            | Self::Restarted
            | Self::RolloutFinished
            | Self::RolledBack
            | Self::CheckRecovered => Level::Info,
            Self::UpdateAvailable => Level::Warning,
            Self::TagMoved | Self::CheckFailing | Self::PluginFailing => Level::Error,
            Self::RolloutFailed | Self::RollbackFailed => Level::Critical,
        }
    }

    /// Whether it stands until somebody does something about it, so that people may be reminded, or need not be told any more; the others
    /// have happened, which stays true.
    pub fn is_standing(self) -> bool {
        match self {
            Self::UpdateAvailable
            | Self::RolloutFailed
            | Self::RollbackFailed
            | Self::TagMoved
            | Self::CheckFailing
            | Self::PluginFailing => true,
            Self::HandlerCreated
            | Self::HandlerResumed
            | Self::HandlerChanged
            | Self::HandlerDeleted
            | Self::Updated
            | Self::Restarted
            | Self::RolloutFinished
            | Self::RolledBack
            | Self::CheckRecovered => false,
        }
    }

    pub(super) fn concern(self) -> Concern {
        match self {
            Self::HandlerCreated | Self::HandlerResumed | Self::HandlerChanged | Self::HandlerDeleted => {
                Concern::Handler
            }
            Self::UpdateAvailable => Concern::Version,
            Self::Updated
            | Self::Restarted
            | Self::RolloutFinished
            | Self::RolloutFailed
            | Self::RolledBack
            | Self::RollbackFailed => Concern::Rollout,
            Self::TagMoved => Concern::Tag,
            Self::CheckFailing | Self::CheckRecovered => Concern::Check,
            Self::PluginFailing => Concern::Plugin,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_interface() {
        let interface = include_str!("../../../../wit/notifier.wit");
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert!(interface.contains(&format!("`{kind}`")), "{kind}");
            assert!(UnknownKind(String::new()).to_string().contains(kind.as_str()), "{kind}");
        }
        let documented = interface
            .lines()
            .skip_while(|line| !line.contains("`handler-created`"))
            .take_while(|line| line.contains('`'));
        let words: usize = documented.map(|line| line.matches('`').count() / 2).sum();
        assert_eq!(words, Kind::ALL.len(), "the interface documents another number of kinds");
        for wrong in ["", "Updated", "update_available"] {
            assert_eq!(wrong.parse::<Kind>(), Err(UnknownKind(wrong.to_owned())));
        }
    }

    #[test]
    fn what_stands_is_what_somebody_has_to_do_something_about() {
        for kind in Kind::ALL {
            assert_eq!(kind.is_standing(), kind.level() >= Level::Warning, "{kind}");
        }
    }
}
