//! Whom to ask about which repository, and with what. Pure.

use std::sync::Arc;
use std::time::Duration;

use k8supdater_core::image::ImageReference;
use k8supdater_egress::{Identity, Scope};
use k8supdater_runtime::wit::registry::Repository;
use serde_json::{Map, Value};

use super::{ListCause, ListError};
use crate::credentials::Credentials;
use crate::plugin::Serving;

/// A repository, the plugin that asks about it, the settings that it is given, and the credentials that may be tried.
///
/// Holds secrets, so it is made anew for every check and kept by nobody.
#[derive(Clone, Debug)]
pub struct Inquiry {
    plugin: Arc<Serving>,
    image: ImageReference,
    settings: String,
    /// In the order in which they are tried; never empty.
    attempts: Vec<Attempt>,
    notes: Vec<String>,
    key: RepositoryKey,
}

/// One way to ask.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    /// With everything that may be sent.
    pub(super) scope: Arc<Scope>,
    /// Whose credential that is, in words; none if there is none.
    pub(super) credential: Option<String>,
}

/// What makes two inquiries the same. Secrets are in it as something of which nothing can be learnt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct RepositoryKey {
    /// Name of the Plugin, and revision of what it serves: its bytes, grants and credentials.
    plugin: (String, u64),
    registry: String,
    repository: String,
    settings: String,
    credentials: Vec<Identity>,
}

impl Inquiry {
    /// About the repository of `image`. `settings` are what [`Serving::settings`] made of the handler's.
    pub fn new(plugin: Arc<Serving>, image: ImageReference, settings: String, credentials: Credentials) -> Self {
        let Credentials { logins, notes } = credentials;
        let base = plugin.scope(&image, &settings);
        let identities = logins.iter().flat_map(|login| &login.credentials).map(|bound| bound.secret.identity());
        let key = RepositoryKey {
            plugin: (plugin.name.clone(), plugin.revision),
            registry: image.registry().to_owned(),
            repository: image.repository().to_owned(),
            settings: settings.clone(),
            credentials: identities.collect(),
        };
        let mut attempts: Vec<Attempt> = logins
            .into_iter()
            .map(|login| {
                // The first that fits is sent, so what comes before the plugin's own takes its place.
                let credentials = login.credentials.into_iter().chain(base.credentials.iter().cloned()).collect();
                Attempt { scope: Arc::new(Scope { credentials, ..(*base).clone() }), credential: Some(login.source) }
            })
            .collect();
        let own = plugin.own_credential(&base);
        // Without any it is asked anonymously. Where there are some, not: what nodes with these pull secrets could not pull is no update.
        if own.is_some() || attempts.is_empty() {
            attempts.push(Attempt { scope: base, credential: own });
        }
        Self { plugin, image, settings, attempts, notes, key }
    }

    /// An error about it, or about one `tag` of it.
    pub(super) fn error(&self, tag: Option<&str>, cause: Arc<ListCause>, wait: Duration) -> ListError {
        let name = self.image.name();
        let subject = tag.map_or_else(|| format!("list the tags of {name}"), |tag| format!("look up {name}:{tag}"));
        ListError { subject, plugin: self.plugin.name.clone(), cause, wait }
    }

    pub(super) fn plugin(&self) -> &Serving {
        &self.plugin
    }

    pub(super) fn repository(&self) -> Repository {
        Repository { registry: self.image.registry().to_owned(), name: self.image.repository().to_owned() }
    }

    /// The image whose repository it is about.
    pub fn image(&self) -> &ImageReference {
        &self.image
    }

    /// The setting `name` of the plugin, if it is a text.
    pub fn setting(&self, name: &str) -> Option<String> {
        let settings: Map<String, Value> = serde_json::from_str(&self.settings).ok()?;
        settings.get(name)?.as_str().map(str::to_owned)
    }

    pub(super) fn settings(&self) -> &str {
        &self.settings
    }

    pub(super) fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// What to know about credentials that could not be used.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn key(&self) -> &RepositoryKey {
        &self.key
    }
}
