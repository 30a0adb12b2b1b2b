//! Which credentials there are at a terminal: logins of the Docker configuration, and the token for GitLab. Pure.

use k8supdater_core::image::ImageReference;
use k8supdater_core::origin::{Grants, Origin};
use k8supdater_core::pull_secret::{self, Entry, Login as Stored};
use k8supdater_egress::{BoundCredential, Credential};
use k8supdater_runtime::manifest::{Manifest, Slot, SlotScheme};

use super::docker_config::DockerConfig;
use crate::credentials::{Credentials, Login, scheme};
use crate::login::{Logins, Unfit};
use crate::plugin::Defaults;

/// The registry whose company has an API at another origin.
const DOCKER_HUB: &str = "docker.io";
/// That API, which takes the same user names, passwords and access tokens (<https://docs.docker.com/reference/api/hub/latest/>).
const DOCKER_HUB_API: &str = "https://hub.docker.com";

/// Where a plugin's credentials come from, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// `docker login`.
    Docker,
    /// The variable `GITLAB_TOKEN`.
    GitLab,
    /// Nobody: the plugin has no slot that could be filled here.
    Nobody,
}

impl Keeper {
    /// Who keeps those for `image` of a plugin with this `manifest`, for which the environment says `defaults`.
    pub(super) fn of(manifest: &Manifest, defaults: &Defaults, image: &ImageReference) -> Self {
        let takes_docker = |slot: &Slot| match slot.scheme {
            SlotScheme::OciToken | SlotScheme::Basic => true,
            SlotScheme::Login(_) => image.registry() == DOCKER_HUB,
            SlotScheme::Bearer | SlotScheme::Header(_) | SlotScheme::HmacSha256(_) | SlotScheme::Url => false,
        };
        if defaults.takes_token(manifest) {
            Self::GitLab
        } else if manifest.slots.iter().any(takes_docker) {
            Self::Docker
        } else {
            Self::Nobody
        }
    }
}

/// The credentials for `image` with a plugin of this `manifest`, which may call what the `grants` say, in the order in which they are tried.
///
/// Logins go to the registry of the image, as in a cluster. Those for Docker Hub fill slots for its API, too, where that is at exactly
/// `https://hub.docker.com`: the same account at the same company, and nowhere else.
pub(super) fn credentials(
    docker: &DockerConfig,
    image: &ImageReference,
    manifest: &Manifest,
    grants: &Grants,
    defaults: &Defaults,
) -> Credentials {
    // Whoever has logins has a file with them.
    let file = docker.name().unwrap_or_default();
    let from = |pattern: &str| format!("the login for {pattern} from {file}");
    let Logins { attempts, unusable } = Logins::of(docker.entries(), image, &manifest.slots, grants);
    let mut logins: Vec<Login> = attempts
        .into_iter()
        .map(|attempt| Login { source: from(&attempt.pattern), credentials: attempt.credentials })
        .collect();
    logins.extend(
        hub_logins(docker.entries(), image, &manifest.slots, grants)
            .into_iter()
            .map(|(pattern, credentials)| Login { source: from(&pattern), credentials }),
    );
    let has_docker = !logins.is_empty();
    let token = defaults.credential(manifest);
    logins
        .extend(token.map(|token| Login { source: "the token in GITLAB_TOKEN".to_owned(), credentials: vec![token] }));
    let notes = unusable.into_iter().filter_map(|unusable| match unusable.why {
        Unfit::IdentityToken => Some(format!(
            "{} is an identity token, which cannot be used here; log in with a password or access token",
            from(&unusable.pattern)
        )),
        // That others do fit, or that none could, says more.
        Unfit::NoSlot if has_docker || Keeper::of(manifest, defaults, image) != Keeper::Docker => None,
        Unfit::NoSlot => Some(format!("the plugin has no credential slot for {}", from(&unusable.pattern))),
    });
    Credentials { notes: notes.collect(), logins }
}

/// The logins for Docker Hub among `entries`, each with its key, for its API.
fn hub_logins(
    entries: &[Entry],
    image: &ImageReference,
    slots: &[Slot],
    grants: &Grants,
) -> Vec<(String, Vec<BoundCredential>)> {
    let Ok(api) = Origin::parse(DOCKER_HUB_API) else { return Vec::new() };
    if image.registry() != DOCKER_HUB || !grants.reachable(None).contains(&api) {
        return Vec::new();
    }
    let bind = |entry: &Entry| {
        let Stored::Basic { username, password } = &entry.login else { return None };
        let secret = Credential::login(username.expose().to_owned(), password.expose().to_owned());
        let slots = slots.iter().filter(|slot| matches!(slot.scheme, SlotScheme::Login(_)));
        let bound: Vec<BoundCredential> = slots
            .map(|slot| BoundCredential {
                slot: slot.name.clone(),
                origin: api.clone(),
                scheme: scheme(&slot.scheme),
                secret: secret.clone(),
            })
            .collect();
        (!bound.is_empty()).then(|| (entry.pattern.to_string(), bound))
    };
    pull_secret::select(entries, image).into_iter().filter_map(bind).collect()
}

#[cfg(test)]
mod tests {
    use k8supdater_core::pull_secret::{Format, read};

    use super::*;
    use crate::config::RawConfig;

    const HUB: &str = r#"{"https://index.docker.io/v1/": {"username": "u", "password": "canary"}}"#;

    /// "slot origin" for every credential that there is for `image`, and the notes.
    fn check(auths: &str, image: &str, slots: &str, grants: &[&str], expected: &[&str]) {
        let docker = DockerConfig::of(read(Format::DockerCfg, auths.as_bytes()).unwrap().entries);
        let manifest = format!(
            r#"{{"name": "p", "version": "1", "kind": "registry", "description": "d", "license": "MIT", "slots": [{slots}]}}"#
        );
        let manifest = Manifest::parse(manifest.as_bytes()).unwrap();
        let grants = Grants::new(grants.iter().map(|grant| grant.parse().unwrap()).collect());
        let grants = Grants::intersect(&grants, &grants);
        let defaults = Defaults::of("p", &RawConfig::default().check().unwrap());
        let Credentials { logins, notes } =
            credentials(&docker, &image.parse().unwrap(), &manifest, &grants, &defaults);
        let bound = logins.iter().flat_map(|login| &login.credentials);
        let found: Vec<String> = bound.map(|bound| format!("{} {}", bound.slot, bound.origin)).chain(notes).collect();
        assert_eq!(found, expected, "{auths} {image} {slots}");
    }

    #[test]
    fn a_login_for_docker_hub_is_for_its_api_too_and_for_no_other() {
        let api = r#"{"name": "hub", "description": "d", "scheme": {"login": {"path": "/v2/auth/token", "username": "identifier", "password": "secret", "token": "access_token"}}}"#;
        let registry = r#"{"name": "oci", "description": "d", "scheme": "oci-token"}"#;
        check(HUB, "nginx:1", api, &["https://hub.docker.com"], &["hub https://hub.docker.com"]);
        let none = "the plugin has no credential slot for the login for index.docker.io from config.json";
        for elsewhere in ["https://proxy.example.com", "http://hub.docker.com", "https://hub.docker.com:8443"] {
            check(HUB, "nginx:1", api, &[elsewhere], &[none]);
        }
        check(HUB, "ghcr.io/a/b:1", api, &["https://hub.docker.com"], &[]);
        let other = r#"{"ghcr.io": {"username": "u", "password": "canary"}}"#;
        check(other, "nginx:1", api, &["https://hub.docker.com"], &[]);
        let both = format!("{registry}, {api}");
        let expected = ["oci https://registry-1.docker.io", "hub https://hub.docker.com"];
        check(HUB, "nginx:1", &both, &["$registry", "https://hub.docker.com"], &expected);
    }
}
