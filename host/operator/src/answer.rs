//! Answers: what people say to what is offered to them. Approve it, skip it, or ask again later; or take back what was applied.
//!
//! An answer is an annotation on the VersioningHandler, so that everybody who may change the object can give one, with `kubectl annotate`,
//! `k8supdater approve` or a button in a chat, and so that no answer depends on a process that runs:
//!
//! ```text
//! k8supdater.dev/approve: app=1.4.3              [CONTAINER=]TAG, separated by commas
//! k8supdater.dev/skip: 2.0.0                     without a container: whatever container that tag is offered to
//! k8supdater.dev/snooze: app=latest@sha256:… 3d  TAG and a time, which is 24h where there is none
//! k8supdater.dev/rollback: app=1.4.3             what the last update has applied
//! k8supdater.dev/by: ada                         who says so
//! ```
//!
//! # From an annotation to a rollout
//!
//! Answers are taken up in an order in which a process may be killed after every step, and the next one goes on:
//!
//! 1. Somebody writes the annotation; [`write()`] does that for the operator's own tools.
//! 2. A check reads it ([`parse()`]) and decides what follows. Events say so, under names that depend on the answer alone, so that the API
//!    server refuses to hear them twice.
//! 3. The status records the answer: in the announcement of the update if there is one, else in the report of the check. An answer that is
//!    recorded already changes nothing.
//! 4. The annotation is removed ([`remove`]), if nobody has changed the object since it was recorded. From here on the status alone remembers.
//! 5. If it was an approval, the workload is changed: *after* the annotation is gone, because an annotation that outlived the rollout would
//!    have it repeated once somebody sets the old image back. The status says at which generation of the workload that was about to happen,
//!    which tells a change that was never made from one that was made and taken back.
//! 6. The report of the check removes the approval from the status; if it does not come to that, the next check sees the new image and
//!    does.
//!
//! This room owns the annotations: how they are read, written and removed. What an answer means for a container is decided in
//! [`reconcile::decide`](crate::reconcile::decide).

mod parse;
mod remove;
mod standing;
mod taking_back;
mod write;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use k8supdater_core::image::{Digest, is_tag};
use thiserror::Error;

pub use parse::{as_duration, duration, one_line, parse};
pub use remove::{RemoveError, remove};
pub use standing::{concerns, waiting};
pub use taking_back::{Reversible, last_update, reversible};
pub use write::{AnswerError, Written, read, write};

/// The annotation with what is approved.
pub const APPROVE: &str = "k8supdater.dev/approve";
/// The annotation with what is skipped.
pub const SKIP: &str = "k8supdater.dev/skip";
/// The annotation with what is snoozed.
pub const SNOOZE: &str = "k8supdater.dev/snooze";
/// The annotation with what is to be taken back.
pub const ROLLBACK: &str = "k8supdater.dev/rollback";
/// The annotation that says who answers.
pub const BY: &str = "k8supdater.dev/by";

/// Who answers where nobody says so.
pub const SOMEBODY: &str = "an annotation";

/// How long a snooze is where nobody says so.
pub const SNOOZE_TIME: Duration = Duration::from_hours(24);
/// Shortest and longest snooze. Whoever wants to hear nothing for longer wants to skip.
pub const SNOOZE_BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(365 * 24));

/// Most answers that one annotation may hold.
pub const MOST_ANSWERS: usize = 32;

/// What is said to an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Do it.
    Approve,
    /// Never do it, and do not offer it again.
    Skip,
    /// Remind nobody for that long.
    Snooze(Duration),
    /// Put back what was there before: this is said to what the last update has applied, not to something that is offered.
    RollBack,
}

/// An answer, and to what.
///
/// Written and read as in the annotations, `[CONTAINER=]TAG[ DURATION]`; which annotation says which answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The container that the tag is offered to; none for all containers that it is offered to.
    pub container: Option<String>,
    /// What is offered, as it stands in the status under `reported`: a tag, or a tag that has moved, `latest@sha256:…`.
    pub tag: String,
    /// What is said to that.
    pub answer: Answer,
}

/// All answers that the annotations of a handler hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Those that could be read, in the order of the annotations: approvals, skips, snoozes, rollbacks.
    pub choices: Vec<Choice>,
    /// What could not be read.
    pub misunderstood: Vec<Misunderstood>,
    /// Who says all that; one line.
    pub by: String,
    /// Names of the annotations that it was read from; empty if there are none.
    pub annotations: BTreeSet<&'static str>,
}

/// A part of an annotation that is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misunderstood {
    /// Name of the annotation.
    pub annotation: &'static str,
    /// The part that is wrong; one line, cut where it is long.
    pub value: String,
    /// What is wrong with it, and what would be right.
    pub remedy: String,
}

/// A text names nothing that could be offered.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("expected [CONTAINER=]TAG, such as app=1.4.3, or a tag that has moved with its whole digest, latest@sha256:…")]
pub struct NoOffer;

impl Answer {
    /// The annotation that says so.
    pub fn annotation(self) -> &'static str {
        match self {
            Self::Approve => APPROVE,
            Self::Skip => SKIP,
            Self::Snooze(_) => SNOOZE,
            Self::RollBack => ROLLBACK,
        }
    }

    /// What was done, in one or two words: `approved`, `skipped`, `snoozed`, `taken back`.
    pub fn participle(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Skip => "skipped",
            Self::Snooze(_) => "snoozed",
            Self::RollBack => "taken back",
        }
    }

    /// The end of a snooze that begins `now`; none for other answers.
    pub fn until(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Snooze(time) => now.checked_add(time).ok(),
            Self::Approve | Self::Skip | Self::RollBack => None,
        }
    }
}

impl Choice {
    /// That answer to `text`, which is `[CONTAINER=]TAG`.
    ///
    /// # Errors
    /// [`NoOffer`] if no container or no tag can be called so.
    pub fn new(text: &str, answer: Answer) -> Result<Self, NoOffer> {
        let (container, tag) = match text.split_once('=') {
            Some((container, tag)) => (Some(container), tag),
            None => (None, text),
        };
        if !container.is_none_or(is_container) || !is_offer(tag) {
            return Err(NoOffer);
        }
        Ok(Self { container: container.map(str::to_owned), tag: tag.to_owned(), answer })
    }

    /// Whether it is given for the container of `other`, too.
    fn is_for(&self, other: &Self) -> bool {
        self.container.is_none() || self.container == other.container
    }

    /// What it is about, without what is said to that: `[CONTAINER=]TAG`.
    pub fn offer(&self) -> String {
        match &self.container {
            Some(container) => format!("{container}={}", self.tag),
            None => self.tag.clone(),
        }
    }
}

/// As in an annotation.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.offer())?;
        match self.answer {
            Answer::Approve | Answer::Skip | Answer::RollBack => Ok(()),
            Answer::Snooze(time) => write!(f, " {}", as_duration(time)),
        }
    }
}

/// Whether a container can be called so: a DNS label
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>).
fn is_container(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| is_word(byte) || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether that is a tag, or a tag with a digest.
fn is_offer(text: &str) -> bool {
    match text.split_once('@') {
        Some((tag, digest)) => is_tag(tag) && Digest::from_str(digest).is_ok(),
        None => is_tag(text),
    }
}

#[cfg(test)]
mod tests;
