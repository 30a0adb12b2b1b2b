//! Why something is not known about a repository.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8supdater_runtime::wit::exchange::Error as PluginError;
use thiserror::Error;

use crate::exchange::ExchangeError;
use crate::failure::Retry;

/// Why the tags of a repository, or one of them, are not known.
#[derive(Clone, Debug, Error)]
#[error("cannot {subject} with plugin {plugin}")]
pub struct ListError {
    /// What was to be done: `list the tags of ghcr.io/a/b`.
    pub subject: String,
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
    /// The registry wants other credentials.
    Refused(#[from] Refused),
}

/// A registry refused every credential that there is for it.
#[derive(Debug, Error)]
pub struct Refused {
    /// What it refused them for.
    pub refusal: Refusal,
    /// Whose credentials were tried, in words.
    pub tried: Vec<String>,
    /// What kept others from being tried.
    pub notes: Vec<String>,
}

/// What is wrong with the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are none, and the registry wants some.
    Missing,
    /// They are wrong, or allow too little.
    Wrong,
    /// They were good once.
    Expired,
}

impl Refused {
    /// What the `refusals` of all attempts, each with whose credential it was, come to. Notes are about credentials that could not be tried.
    ///
    /// "Not found" is an answer of its own if there was no other: most repositories that are not found do not exist. An expired credential
    /// is more telling than a wrong one beside it.
    pub(super) fn cause(refusals: Vec<(Option<String>, PluginError)>, notes: Vec<String>) -> ListCause {
        let is_expired = |error: &PluginError| matches!(error, PluginError::CredentialsExpired);
        if refusals.iter().all(|(_, error)| matches!(error, PluginError::NotFound)) {
            return ListCause::Exchange(ExchangeError::Plugin(PluginError::NotFound));
        }
        let has_expired = refusals.iter().any(|(_, error)| is_expired(error));
        let tried: Vec<String> = refusals
            .into_iter()
            .filter(|(_, error)| !has_expired || is_expired(error))
            .filter_map(|(credential, _)| credential)
            .collect();
        let refusal = match (has_expired, tried.is_empty()) {
            (true, _) => Refusal::Expired,
            (false, true) => Refusal::Missing,
            (false, false) => Refusal::Wrong,
        };
        ListCause::Refused(Self { refusal, tried, notes })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tried = self.tried.join(", nor by ");
        match self.refusal {
            Refusal::Missing => f.write_str(
                "the registry wants credentials, and there are none for it; name a Secret in spec.registry.secretRef, give the \
                 workload imagePullSecrets, or grant the Plugin a Secret in its spec.grants.secrets",
            )?,
            Refusal::Wrong => write!(
                f,
                "the registry is not convinced by {tried}; check user name, password or token, and whether they may read this repository"
            )?,
            Refusal::Expired => write!(f, "the credentials have expired: {}; renew them", self.tried.join(", "))?,
        }
        for note in &self.notes {
            write!(f, "; {note}")?;
        }
        Ok(())
    }
}

impl ListError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match &*self.cause {
            ListCause::Refused(refused) => match refused.refusal {
                Refusal::Missing => "CredentialsMissing",
                Refusal::Wrong => "CredentialsRefused",
                Refusal::Expired => "CredentialsExpired",
            },
            ListCause::Exchange(err) => match err {
                ExchangeError::Plugin(error) | ExchangeError::Notifier(error) => plugin_reason(error),
                ExchangeError::Call(err) => err.reason(),
                ExchangeError::TooManySteps | ExchangeError::TooSlow | ExchangeError::TooManyTags => "ListingTooLong",
            },
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        Retry::After(self.wait)
    }

    /// Name of the plugin, if it is the plugin that does not do its work.
    pub fn failing_plugin(&self) -> Option<&str> {
        matches!(&*self.cause, ListCause::Exchange(ExchangeError::Call(_))).then_some(self.plugin.as_str())
    }

    /// Whether the registry says that it is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(&*self.cause, ListCause::Exchange(ExchangeError::Plugin(PluginError::NotFound)))
    }
}

fn plugin_reason(error: &PluginError) -> &'static str {
    match error {
        PluginError::NotFound => "RepositoryNotFound",
        PluginError::Unauthorized => "CredentialsRefused",
        PluginError::CredentialsExpired => "CredentialsExpired",
        PluginError::RateLimited(_) => "RateLimited",
        PluginError::Unavailable(_) => "RegistryUnavailable",
        PluginError::InvalidSettings(_) => "InvalidSettings",
        PluginError::InvalidReply(_) => "InvalidReply",
        PluginError::Unsupported => "Unsupported",
        PluginError::Other(_) => "RegistryFailed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_all_credentials_come_to_one_that_helps() {
        let check = |refusals: &[(&str, PluginError)], notes: &[&str], reason: &str, words: &[&str]| {
            let refusals = refusals
                .iter()
                .map(|(credential, error)| ((!credential.is_empty()).then(|| (*credential).to_owned()), error.clone()));
            let notes = notes.iter().map(|note| (*note).to_owned()).collect();
            let cause = Arc::new(Refused::cause(refusals.collect(), notes));
            let text = cause.to_string();
            let error = ListError { subject: String::new(), plugin: String::new(), cause, wait: Duration::ZERO };
            assert_eq!(error.reason(), reason);
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        };
        let (unauthorized, expired, not_found) =
            (PluginError::Unauthorized, PluginError::CredentialsExpired, PluginError::NotFound);
        check(&[("", unauthorized.clone())], &[], "CredentialsMissing", &["spec.registry.secretRef"]);
        let note = "Secret a/b does not exist";
        check(
            &[("", unauthorized.clone())],
            &[note],
            "CredentialsMissing",
            &["grants.secrets; Secret a/b does not exist"],
        );
        check(&[("Secret a/x", unauthorized.clone())], &[], "CredentialsRefused", &["not convinced by Secret a/x;"]);
        let both = [("x", unauthorized.clone()), ("y", not_found.clone())];
        check(&both, &[], "CredentialsRefused", &["x, nor by y"]);
        check(&[("x", unauthorized), ("y", expired)], &[], "CredentialsExpired", &["expired: y; renew"]);
        check(&[("x", not_found.clone()), ("y", not_found)], &[], "RepositoryNotFound", &["does not exist"]);
    }
}
