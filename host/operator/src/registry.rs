//! What is in the registries: one listing for everybody who asks.
//!
//! A [`Listing`] belongs to a [`ListingKey`]: plugin (by digest), repository, settings and credentials. However many handlers watch the
//! repository, it is asked once per interval ([`Registries::list_tags`]), a failure is remembered for all of them, and the versions
//! that a parser reads from a listing are kept with it. Start reading at [`Registries::list_tags`].

mod listing;
mod slot;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8supdater_core::image::{Digest, ImageReference};
use k8supdater_egress::Client;
use k8supdater_runtime::wit::exchange::Error as PluginError;
use k8supdater_runtime::wit::registry::{Question, Repository};
use thiserror::Error;

pub use listing::{Listing, ParseError, parse};
use slot::Slot;

use crate::exchange::{self, ExchangeError};
use crate::failure::Retry;
use crate::plugin::{Serving, SettingsError};

/// What makes two questions the same question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ListingKey {
    /// Name of the Plugin, and revision of what it serves: its bytes, grants and credentials.
    plugin: (String, u64),
    registry: String,
    repository: String,
    settings: String,
}

/// Why the tags of a repository are not known.
#[derive(Clone, Debug, Error)]
#[error("cannot list the tags of {repository} with plugin {plugin}")]
pub struct ListError {
    /// Registry and repository.
    pub repository: String,
    /// Name of the Plugin.
    pub plugin: String,
    /// What went wrong.
    #[source]
    pub cause: Arc<ListCause>,
    /// Time until the registry is asked again, whoever asks.
    pub wait: Duration,
}

/// The cause of a [`ListError`].
#[derive(Debug, Error)]
#[error(transparent)]
pub enum ListCause {
    /// The conversation with the registry failed.
    Exchange(#[from] ExchangeError),
    /// The settings are not what the plugin's schema allows.
    Settings(#[from] SettingsError),
}

impl ListError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match &*self.cause {
            ListCause::Settings(_) => "InvalidSettings",
            ListCause::Exchange(err) => match err {
                ExchangeError::Plugin(error) => plugin_reason(error),
                ExchangeError::Call(err) => err.reason(),
                ExchangeError::TooManySteps | ExchangeError::TooSlow | ExchangeError::TooManyTags => "ListingTooLong",
            },
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match &*self.cause {
            ListCause::Settings(_) => Retry::OnChange,
            ListCause::Exchange(_) => Retry::After(self.wait),
        }
    }
}

fn plugin_reason(error: &PluginError) -> &'static str {
    match error {
        PluginError::NotFound => "RepositoryNotFound",
        PluginError::Unauthorized => "Unauthorized",
        PluginError::CredentialsExpired => "CredentialsExpired",
        PluginError::RateLimited(_) => "RateLimited",
        PluginError::Unavailable(_) => "RegistryUnavailable",
        PluginError::InvalidSettings(_) => "InvalidSettings",
        PluginError::InvalidReply(_) => "InvalidReply",
        PluginError::Unsupported => "Unsupported",
        PluginError::Other(_) => "RegistryFailed",
    }
}

/// All listings of this process.
pub struct Registries {
    egress: Client,
    slots: Mutex<HashMap<ListingKey, Arc<Slot>>>,
}

/// A listing that nobody has asked for in this time is dropped. Longer than the longest interval would keep the tags of deleted
/// handlers for a month; a listing that is dropped too early costs one full request.
const KEPT_UNUSED: Duration = Duration::from_hours(24);

impl Registries {
    /// No listings yet; all requests will go out through `egress`.
    pub fn new(egress: Client) -> Self {
        Self { egress, slots: Mutex::default() }
    }

    /// The tags of the repository of `image`: those that are known, if they are younger than `max_age`, else newly asked for. Many who
    /// ask at the same time cause one conversation. After a failure nobody asks again before its backoff, or the registry's own
    /// Retry-After, has passed; until then all get the same error.
    ///
    /// `settings` are the handler's; they are laid over the plugin's own. Cancel-safe: dropping the future loses this caller's turn only.
    ///
    /// # Errors
    /// See [`ListError`].
    pub async fn list_tags(
        &self,
        plugin: &Arc<Serving>,
        image: &ImageReference,
        settings: &crate::api::versioning_handler::Settings,
        max_age: Duration,
    ) -> Result<Arc<Listing>, ListError> {
        let fail = |cause: ListCause| ListError {
            repository: image.name(),
            plugin: plugin.name.clone(),
            cause: Arc::new(cause),
            wait: Duration::ZERO,
        };
        let settings = plugin.settings(settings).map_err(|err| fail(err.into()))?;
        let slot = self.slot(plugin, image, &settings);
        slot.get(max_age, || self.ask_tags(plugin, image, &settings)).await.map_err(|slot::Failed { cause, wait }| {
            ListError { repository: image.name(), plugin: plugin.name.clone(), cause, wait }
        })
    }

    /// Digest of one tag, asked for now: what the operator makes sure of before it writes a tag into a workload.
    ///
    /// # Errors
    /// See [`ListError`]; a tag that is not there is `RepositoryNotFound`.
    pub async fn resolve_tag(
        &self,
        plugin: &Arc<Serving>,
        image: &ImageReference,
        settings: &crate::api::versioning_handler::Settings,
        tag: &str,
    ) -> Result<Option<Digest>, ListError> {
        let fail = |cause: ListCause| ListError {
            repository: format!("{}:{tag}", image.name()),
            plugin: plugin.name.clone(),
            cause: Arc::new(cause),
            wait: Duration::from_secs(5),
        };
        let settings = plugin.settings(settings).map_err(|err| fail(err.into()))?;
        let question = Question::Tag(tag.to_owned());
        let answer = exchange::ask(
            &plugin.component,
            &self.egress,
            &plugin.scope(image, &settings),
            &repository(image),
            &question,
            &settings,
        )
        .await
        .map_err(|err| fail(err.into()))?;
        let found = answer.tags.into_iter().find(|found| found.name == tag);
        found.map_or_else(
            || Err(fail(ExchangeError::Plugin(PluginError::NotFound).into())),
            |found| Ok(found.digest.and_then(|digest| digest.parse().ok())),
        )
    }

    async fn ask_tags(
        &self,
        plugin: &Arc<Serving>,
        image: &ImageReference,
        settings: &str,
    ) -> Result<exchange::Answer, ListCause> {
        // Always the whole listing: what a checkpoint leaves out would have to be remembered here.
        let question = Question::Tags(None);
        let (repository, scope) = (repository(image), plugin.scope(image, settings));
        Ok(exchange::ask(&plugin.component, &self.egress, &scope, &repository, &question, settings).await?)
    }

    fn slot(&self, plugin: &Serving, image: &ImageReference, settings: &str) -> Arc<Slot> {
        let key = ListingKey {
            plugin: (plugin.name.clone(), plugin.revision),
            registry: image.registry().to_owned(),
            repository: image.repository().to_owned(),
            settings: settings.to_owned(),
        };
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

fn repository(image: &ImageReference) -> Repository {
    Repository { registry: image.registry().to_owned(), name: image.repository().to_owned() }
}
