//! What the operator's own configuration adds to single plugins: k8sUpdater's variables for GitLab.
//!
//! Whoever sets the operator's variables administers it, so an origin that stands there counts as granted. What the Plugin object says
//! itself comes first.

use k8supdater_core::origin::Origin;
use k8supdater_core::pull_secret::Secret;
use k8supdater_egress::{BoundCredential, Credential};
use k8supdater_runtime::manifest::Manifest;

use crate::api::versioning_handler::Settings;
use crate::config::Config;
use crate::credentials::scheme;

/// Name of the Plugin that the variables are for: what k8sUpdater's users write into `containerregistry`.
const GITLAB: &str = "gitlab";
/// The slot of its token.
const TOKEN_SLOT: &str = "token";
/// Where GitLab is if nobody says.
const GITLAB_COM: &str = "https://gitlab.com";

/// What the operator's configuration adds to one plugin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) settings: Settings,
    pub(super) origin: Option<Origin>,
    token: Option<(Secret, Origin)>,
    is_gitlab: bool,
}

impl Defaults {
    /// Those for the Plugin called `name`.
    pub(crate) fn of(name: &str, config: &Config) -> Self {
        if name != GITLAB {
            return Self::default();
        }
        let gitlab = &config.gitlab;
        let (url, origin) = gitlab.base_url.clone().unzip();
        let settings = [("baseUrl", url), ("project", gitlab.project.clone())];
        let settings = settings.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))).collect();
        let home = origin.clone().or_else(|| Origin::parse(GITLAB_COM).ok());
        Self { settings, origin, token: gitlab.token.clone().zip(home), is_gitlab: true }
    }

    /// Whether the token, if there were one, would have a place in the component.
    pub(crate) fn takes_token(&self, manifest: &Manifest) -> bool {
        self.is_gitlab && manifest.slots.iter().any(|slot| slot.name == TOKEN_SLOT)
    }

    /// The token, bound to the one GitLab that it is for; none if the component has no slot for it.
    pub(crate) fn credential(&self, manifest: &Manifest) -> Option<BoundCredential> {
        let (token, origin) = self.token.as_ref()?;
        let slot = manifest.slots.iter().find(|slot| slot.name == TOKEN_SLOT)?;
        Some(BoundCredential {
            slot: slot.name.clone(),
            origin: origin.clone(),
            scheme: scheme(&slot.scheme),
            secret: Credential::token(token.expose().to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RawConfig;

    #[test]
    fn gitlab_gets_what_the_variables_say_and_nobody_else_does() {
        let raw = RawConfig {
            gitlab_base_url: Some("https://git.example:8443/dev".to_owned()),
            gitlab_token: Some(Secret::new("canary".to_owned())),
            gitlab_project: Some("42".to_owned()),
            ..RawConfig::default()
        };
        let config = raw.check().unwrap();
        let manifest = br#"{"name": "g", "version": "1", "kind": "registry", "description": "d", "license": "MIT",
            "slots": [{"name": "token", "scheme": {"header": "PRIVATE-TOKEN"}, "description": "d"}]}"#;
        let manifest = Manifest::parse(manifest).unwrap();
        let defaults = Defaults::of("gitlab", &config);
        assert_eq!(defaults.settings["baseUrl"], "https://git.example:8443/dev");
        assert_eq!(defaults.settings["project"], "42");
        let origin = Origin::parse("https://git.example:8443").unwrap();
        assert_eq!(defaults.origin, Some(origin.clone()));
        assert_eq!(defaults.credential(&manifest).unwrap().origin, origin);
        assert!(!format!("{defaults:?}").contains("canary"));
        let other = Defaults::of("oci", &config);
        assert!(other.settings.is_empty() && other.origin.is_none() && other.credential(&manifest).is_none());
    }

    #[test]
    fn a_token_alone_is_for_gitlab_com() {
        let raw = RawConfig { gitlab_token: Some(Secret::new("canary".to_owned())), ..RawConfig::default() };
        let defaults = Defaults::of("gitlab", &raw.check().unwrap());
        assert!(defaults.settings.is_empty() && defaults.origin.is_none());
        assert_eq!(defaults.token.map(|(_, origin)| origin.to_string()), Some(GITLAB_COM.to_owned()));
    }
}
