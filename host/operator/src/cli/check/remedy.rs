//! The operator's words for what goes wrong with a registry, with the remedies that there are at a terminal. Pure.

use k8supdater_core::image::ImageReference;
use k8supdater_core::origin::{Grants, Origin};
use k8supdater_runtime::wit::exchange::Error as PluginError;

use super::finding::Failure;
use super::logins::Keeper;
use crate::exchange::ExchangeError;
use crate::failure::chain;
use crate::login;
use crate::registry::{ListCause, ListError, Refusal, Refused};

/// What a remedy depends on.
#[derive(Clone, Debug)]
pub(super) struct Circumstances {
    /// Which image it is about.
    pub image: ImageReference,
    /// What the plugin may call.
    pub grants: Grants,
    /// Where its credentials come from.
    pub keeper: Keeper,
    /// The Docker configuration, if there is one.
    pub docker_config: Option<String>,
}

/// Why something is not known about a repository, and what to do about it here.
pub(super) fn failure(err: &ListError, circumstances: &Circumstances) -> Failure {
    let message = match &*err.cause {
        // The operator's remedies are Secrets.
        ListCause::Refused(refused) => format!("{err}: {}", circumstances.credentials(refused)),
        ListCause::Exchange(cause) => match circumstances.grant(cause) {
            Some(remedy) => format!("{}; {remedy}", chain(err)),
            None => chain(err),
        },
    };
    Failure { reason: err.reason(), message }
}

impl Circumstances {
    fn credentials(&self, refused: &Refused) -> String {
        let host = self.image.registry();
        let tried = refused.tried.join(" and ");
        let mut text = match (refused.refusal, self.keeper) {
            (Refusal::Missing, Keeper::Docker) if !refused.notes.is_empty() => "the registry wants a login".to_owned(),
            (Refusal::Missing, Keeper::Docker) => {
                let none = self.docker_config.as_ref().map_or_else(
                    || "there is no Docker configuration".to_owned(),
                    |file| format!("{file} has none for it"),
                );
                format!(
                    "the registry wants a login, and {none}; log in with \"docker login {host}\", or name another file with --docker-config"
                )
            }
            (Refusal::Missing, Keeper::GitLab) => {
                "GitLab wants an access token; set GITLAB_TOKEN to one with the scope read_api".to_owned()
            }
            (Refusal::Missing, Keeper::Nobody) => {
                "the registry wants a login, and the plugin has no credential slot for one from a Docker configuration"
                    .to_owned()
            }
            (Refusal::Wrong, Keeper::GitLab) => {
                format!("GitLab refused {tried}; set it to one with the scope read_api that may see the project")
            }
            (Refusal::Wrong, Keeper::Docker | Keeper::Nobody) => {
                format!("the registry refused {tried}; log in again with \"docker login {host}\"")
            }
            (Refusal::Expired, Keeper::GitLab) => format!("{tried} has expired; set it to another one"),
            (Refusal::Expired, Keeper::Docker | Keeper::Nobody) => {
                format!("the credentials have expired: {tried}; log in again with \"docker login {host}\"")
            }
        };
        for note in &refused.notes {
            text.push_str("; ");
            text.push_str(note);
        }
        text
    }

    /// What to grant for the registry, if that may be what is missing, and it is not granted by name yet.
    fn grant(&self, cause: &ExchangeError) -> Option<String> {
        let may_be_missing = match cause {
            ExchangeError::Plugin(PluginError::Other(_)) => true,
            ExchangeError::Plugin(PluginError::Unavailable(_)) => self.is_of_one_network(),
            _ => false,
        };
        let registry = Origin::registry(self.image.registry()).ok().filter(|_| may_be_missing)?;
        let plain = login::plain_http(&self.image)?;
        let is_granted = [&registry, &plain].into_iter().any(|origin| self.grants.names(origin, Some(&registry)));
        (!is_granted).then(|| {
            format!("a registry at a private address needs --grant {registry}, and one without TLS --grant {plain}")
        })
    }

    /// Whether the name of the registry looks like one that is known in some network only.
    fn is_of_one_network(&self) -> bool {
        self.image.registry().contains(':') || !self.image.registry().contains('.')
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_refusal_has_a_reason_and_a_remedy_at_a_terminal() {
        let check = |refusal: Refusal, keeper: Keeper, tried: &[&str], notes: &[&str], reason: &str, expected: &str| {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let cause = ListCause::Refused(Refused { refusal, tried: texts(tried), notes: texts(notes) });
            let (subject, plugin) = ("list the tags of r.example/a".to_owned(), "oci".to_owned());
            let err = ListError { subject, plugin, cause: Arc::new(cause), wait: Duration::ZERO };
            let circumstances = Circumstances {
                image: "r.example/a:1".parse().unwrap(),
                grants: Grants::new(Vec::new()),
                keeper,
                docker_config: Some("config.json".to_owned()),
            };
            let found = failure(&err, &circumstances);
            let message = format!("cannot list the tags of r.example/a with plugin oci: {expected}");
            assert_eq!((found.reason, found.message), (reason, message));
        };
        let login = "\"docker login r.example\"";
        check(
            Refusal::Missing,
            Keeper::Docker,
            &[],
            &[],
            "CredentialsMissing",
            &format!(
                "the registry wants a login, and config.json has none for it; log in with {login}, or name another file with --docker-config"
            ),
        );
        check(Refusal::Missing, Keeper::Docker, &[], &["so"], "CredentialsMissing", "the registry wants a login; so");
        check(
            Refusal::Missing,
            Keeper::GitLab,
            &[],
            &[],
            "CredentialsMissing",
            "GitLab wants an access token; set GITLAB_TOKEN to one with the scope read_api",
        );
        check(
            Refusal::Wrong,
            Keeper::Docker,
            &["a", "b"],
            &[],
            "CredentialsRefused",
            &format!("the registry refused a and b; log in again with {login}"),
        );
        check(
            Refusal::Wrong,
            Keeper::GitLab,
            &["the token in X"],
            &[],
            "CredentialsRefused",
            "GitLab refused the token in X; set it to one with the scope read_api that may see the project",
        );
        check(
            Refusal::Expired,
            Keeper::Docker,
            &["a"],
            &["b"],
            "CredentialsExpired",
            &format!("the credentials have expired: a; log in again with {login}; b"),
        );
        check(
            Refusal::Expired,
            Keeper::GitLab,
            &["the token in X"],
            &[],
            "CredentialsExpired",
            "the token in X has expired; set it to another one",
        );
    }
}
