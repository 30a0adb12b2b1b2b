//! What is in the registries: one answer for everybody who asks.
//!
//! An [`Inquiry`] says whom to ask about which repository, and with which credentials. However many handlers make the same one, the
//! registry is asked once per interval ([`Registries::list_tags`]), a failure is remembered for all of them, and the versions that a parser
//! reads from a listing are kept with it. Start reading at [`Registries::list_tags`].

mod error;
mod inquiry;
mod listing;
mod slot;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8supdater_egress::Client;
use k8supdater_runtime::wit::exchange::Error as PluginError;
use k8supdater_runtime::wit::registry::Question;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

pub use error::{ListCause, ListError, Refusal, Refused};
pub use inquiry::Inquiry;
pub use listing::{Detail, Listing, ParseError, parse};

use crate::exchange::{self, ExchangeError};
use crate::telemetry::traces::context;
use inquiry::{Attempt, RepositoryKey};
use slot::{Extent, Found, Resume, Slot};

/// All that is known about registries in this process.
pub struct Registries {
    egress: Client,
    slots: Mutex<HashMap<SlotKey, Arc<Slot>>>,
}

/// What makes two questions the same question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SlotKey {
    repository: RepositoryKey,
    subject: Subject,
}

/// What is asked about a repository.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// All its tags.
    Tags,
    /// The digest of one.
    Digest(String),
    /// The digest of one and the images behind it, which may count as a pull.
    Images(String),
}

/// An answer that nobody has asked for in this time is dropped. Longer than the longest interval would keep the tags of deleted
/// handlers for a month; one that is dropped too early costs one full listing.
const KEPT_UNUSED: Duration = Duration::from_hours(24);

impl Registries {
    /// Nothing is known yet; all requests will go out through `egress`.
    pub fn new(egress: Client) -> Self {
        Self { egress, slots: Mutex::default() }
    }

    /// The tags of the repository: those that are known, if they are younger than `max_age`, else newly asked for. Many who ask at the
    /// same time cause one conversation. After a failure nobody asks again before its backoff, or the registry's own Retry-After, has
    /// passed; until then all get the same error.
    ///
    /// A plugin that gives a checkpoint is asked for what is new since, and what it says is laid over what is known. That cannot show what
    /// was deleted, so the whole list is asked for once a day, and after [`Registries::distrust`].
    ///
    /// Cancel-safe: dropping the future loses this caller's turn only.
    ///
    /// # Errors
    /// See [`ListError`].
    pub async fn list_tags(&self, inquiry: &Inquiry, max_age: Duration) -> Result<Arc<Listing>, ListError> {
        self.answer(inquiry, Subject::Tags, max_age).await
    }

    /// Digest of one tag, at most `max_age` old.
    ///
    /// # Errors
    /// See [`ListError`]; a tag that is not there is `RepositoryNotFound`.
    pub async fn digest(&self, inquiry: &Inquiry, tag: &str, max_age: Duration) -> Result<Detail, ListError> {
        self.detail(inquiry, Subject::Digest(tag.to_owned()), tag, max_age).await
    }

    /// Digest of one tag and the images behind it, at most `max_age` old. Registries that count pulls may count this as one.
    ///
    /// # Errors
    /// As [`Registries::digest`].
    pub async fn images(&self, inquiry: &Inquiry, tag: &str, max_age: Duration) -> Result<Detail, ListError> {
        self.detail(inquiry, Subject::Images(tag.to_owned()), tag, max_age).await
    }

    /// What is known about one tag and the images behind it, however old. Asks nobody.
    pub async fn known_images(&self, inquiry: &Inquiry, tag: &str) -> Option<Detail> {
        self.slot(inquiry, Subject::Images(tag.to_owned())).known().await?.detail(tag)
    }

    /// When `tag` was listed first, if it was not there before; none if that is not known, as of tags that the first listing held. Asks nobody.
    pub async fn first_seen(&self, inquiry: &Inquiry, tag: &str) -> Option<Timestamp> {
        self.slot(inquiry, Subject::Tags).known().await?.first_seen(tag)
    }

    /// Forgets what is known about `tag`, and has the next listing made from scratch: it turned out to be wrong, as when a tag that is listed
    /// cannot be had, or points at something else.
    pub async fn distrust(&self, inquiry: &Inquiry, tag: &str) {
        self.slot(inquiry, Subject::Tags).forget_checkpoint().await;
        self.slot(inquiry, Subject::Images(tag.to_owned())).forget().await;
    }

    async fn detail(
        &self,
        inquiry: &Inquiry,
        subject: Subject,
        tag: &str,
        max_age: Duration,
    ) -> Result<Detail, ListError> {
        let answer = self.answer(inquiry, subject, max_age).await?;
        answer.detail(tag).ok_or_else(|| {
            let cause = ListCause::Exchange(ExchangeError::Plugin(PluginError::NotFound));
            inquiry.error(Some(tag), Arc::new(cause), Duration::ZERO)
        })
    }

    async fn answer(&self, inquiry: &Inquiry, subject: Subject, max_age: Duration) -> Result<Arc<Listing>, ListError> {
        let tag = match &subject {
            Subject::Tags => None,
            Subject::Digest(tag) | Subject::Images(tag) => Some(tag.clone()),
        };
        let slot = self.slot(inquiry, subject.clone());
        let span = span_of(inquiry, &subject, tag.as_deref());
        let asked = slot.get(max_age, |resume| {
            span.record("k8supdater.asked", true);
            self.ask(inquiry, &subject, resume)
        });
        let asked = asked.instrument(span.clone()).await;
        asked.map_err(|slot::Failed { cause, wait }| inquiry.error(tag.as_deref(), cause, wait)).inspect_err(|err| {
            context::failed(&span, err.reason());
        })
    }

    /// Asks with one credential after the other, beginning with the one that was good the last time.
    async fn ask(&self, inquiry: &Inquiry, subject: &Subject, resume: Resume) -> Result<Found, ListCause> {
        let attempts = inquiry.attempts();
        let first = resume.attempt.min(attempts.len().saturating_sub(1));
        let others = (0..attempts.len()).filter(|other| *other != first);
        let question = match subject {
            Subject::Tags => Question::Tags(resume.checkpoint.clone()),
            Subject::Digest(tag) => Question::Tag(tag.clone()),
            Subject::Images(tag) => Question::Images(tag.clone()),
        };
        let mut refusals = Vec::new();
        for index in std::iter::once(first).chain(others) {
            let Some(Attempt { scope, credential }) = attempts.get(index) else { continue };
            let (plugin, repository) = (inquiry.plugin(), inquiry.repository());
            let asked =
                exchange::ask(&plugin.component, &self.egress, scope, &repository, &question, inquiry.settings());
            match asked.await {
                Ok(answer) => {
                    let extent = match subject {
                        Subject::Tags if resume.checkpoint.is_some() => Extent::News,
                        Subject::Tags => Extent::Whole,
                        Subject::Digest(_) | Subject::Images(_) => Extent::Detail,
                    };
                    return Ok(Found { answer, extent, attempt: index });
                }
                Err(ExchangeError::Plugin(error)) if may_depend_on_credentials(&error) => {
                    refusals.push((credential.clone(), error));
                }
                Err(err) => return Err(err.into()),
            }
        }
        Err(Refused::cause(refusals, inquiry.notes().to_vec()))
    }

    fn slot(&self, inquiry: &Inquiry, subject: Subject) -> Arc<Slot> {
        let key = SlotKey { repository: inquiry.key().clone(), subject };
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(&key) {
            return Arc::clone(slot);
        }
        // A new question is the moment to forget old ones: it is rare, and the map is small.
        let now = Instant::now();
        slots.retain(|_, slot| slot.is_in_use() || slot.unused_since(now) < KEPT_UNUSED);
        Arc::clone(slots.entry(key).or_default())
    }
}

/// A question as a span. Whether the registry was asked for it, or somebody has asked before, is said in it.
fn span_of(inquiry: &Inquiry, subject: &Subject, tag: Option<&str>) -> Span {
    let name = match subject {
        Subject::Tags => "list tags",
        Subject::Digest(_) => "look up tag",
        Subject::Images(_) => "look into tag",
    };
    let repository = inquiry.repository();
    info_span!(
        "question",
        otel.name = name,
        k8supdater.plugin.name = inquiry.plugin().name,
        k8supdater.registry = repository.registry,
        k8supdater.repository = repository.name,
        k8supdater.tag = tag,
        k8supdater.asked = false,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Whether another credential might have been given another answer. Registries hide what one may not see behind "not found".
fn may_depend_on_credentials(error: &PluginError) -> bool {
    matches!(error, PluginError::Unauthorized | PluginError::CredentialsExpired | PluginError::NotFound)
}
