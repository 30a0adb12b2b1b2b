//! What a plugin may do: what it asks for and is granted, both.

use k8s_openapi::api::core::v1::Secret;
use k8supdater_core::origin::{Grant, Grants, Origin};
use k8supdater_egress::{BoundCredential, RealmBinding};
use k8supdater_runtime::manifest::{Manifest, Wanted};
use kube::Api;
use serde_json::Value;
use thiserror::Error;

use crate::api::plugin::{Plugin, SecretGrant};
use crate::credentials::{credential, scheme};
use crate::failure::Retry;

/// The grants of a Plugin object, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Granted {
    pub origins: Grants,
    pub secrets: Vec<(SecretGrant, Origin)>,
    pub realms: Vec<RealmBinding>,
}

/// Why grants cannot be used, or are not enough.
#[derive(Debug, Error)]
pub enum GrantError {
    /// A text that should be an origin is none.
    #[error("spec.grants.{field} of Plugin {plugin} is not usable: {message}")]
    Malformed {
        /// Name of the Plugin.
        plugin: String,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The component asks for more than is granted.
    #[error(
        "Plugin {plugin} asks for {missing}, which spec.grants.origins does not cover; add it there, or use another plugin"
    )]
    NotCovered {
        /// Name of the Plugin.
        plugin: String,
        /// The origins that are asked for and not granted.
        missing: String,
    },
    /// A Secret is granted for a slot that the component does not have.
    #[error(
        "spec.grants.secrets of Plugin {plugin} fills the slot {slot:?}, which the component does not have; it has: {slots}"
    )]
    NoSuchSlot {
        /// Name of the Plugin.
        plugin: String,
        /// The slot that was named.
        slot: String,
        /// The slots that there are.
        slots: String,
    },
    /// A Secret that is granted does not exist.
    #[error(
        "Secret {secret}, which Plugin {plugin} is granted for the slot {slot:?}, does not exist in the operator's namespace"
    )]
    NoSecret {
        /// Name of the Plugin.
        plugin: String,
        /// Name of the Secret.
        secret: String,
        /// The slot that it should fill.
        slot: String,
    },
    /// A Secret does not have the keys that its slot needs.
    #[error("Secret {secret}, which Plugin {plugin} is granted for the slot {slot:?}, lacks {lacks}")]
    SecretKeys {
        /// Name of the Plugin.
        plugin: String,
        /// Name of the Secret.
        secret: String,
        /// The slot that it should fill.
        slot: String,
        /// The keys that are missing.
        lacks: &'static str,
    },
    /// The API server refused or could not be reached.
    #[error("cannot read Secret {secret}, which Plugin {plugin} is granted")]
    Api {
        /// Name of the Plugin.
        plugin: String,
        /// Name of the Secret.
        secret: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
}

impl GrantError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "InvalidGrant",
            Self::NotCovered { .. } => "NotGranted",
            Self::NoSuchSlot { .. } => "NoSuchSlot",
            Self::NoSecret { .. } => "SecretNotFound",
            Self::SecretKeys { .. } => "SecretKeysMissing",
            Self::Api { .. } => "ApiServerRefused",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Api { .. } => Retry::BackOff,
            Self::Malformed { .. }
            | Self::NotCovered { .. }
            | Self::NoSuchSlot { .. }
            | Self::NoSecret { .. }
            | Self::SecretKeys { .. } => Retry::OnChange,
        }
    }
}

/// The grants of `plugin`, parsed, and the origin that the operator's configuration names, if it names one. Pure.
///
/// # Errors
/// [`GrantError::Malformed`] for the first text that is no origin.
pub(super) fn parse(plugin: &Plugin, configured: Option<&Origin>) -> Result<Granted, GrantError> {
    let name = plugin.metadata.name.clone().unwrap_or_default();
    let malformed =
        |field: &'static str, message: String| GrantError::Malformed { plugin: name.clone(), field, message };
    let grants = plugin.spec.grants.clone().unwrap_or_default();
    let origins = grants
        .origins
        .iter()
        .map(|text| text.parse::<Grant>().map_err(|err| malformed("origins", err.to_string())))
        .chain(configured.map(|origin| Ok(Grant::Origin(origin.clone()))))
        .collect::<Result<Vec<_>, _>>()?;
    let secrets = grants
        .secrets
        .iter()
        .map(|secret| match Origin::parse(&secret.origin) {
            Ok(origin) => Ok((secret.clone(), origin)),
            Err(err) => Err(malformed("secrets", err.to_string())),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let realms = grants
        .realms
        .iter()
        .map(|realm| {
            let registry = Origin::parse(&realm.registry).map_err(|err| malformed("realms", err.to_string()))?;
            let realm = Origin::parse(&realm.realm).map_err(|err| malformed("realms", err.to_string()))?;
            Ok(RealmBinding { registry, realm })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Granted { origins: Grants::new(origins), secrets, realms })
}

/// What a component may call when it is used with `settings`, in which defaults are filled in: the origins that it then asks for and that
/// are granted.
pub(super) fn usable(manifest: &Manifest, settings: &Value, granted: &Grants) -> Grants {
    let asked = manifest.origins.iter().filter_map(|asked| asked.origin.with_settings(settings));
    Grants::intersect(&Grants::new(asked.collect()), granted)
}

/// Makes sure that all that the component asks for with the Plugin's own `settings` is granted, and that granted Secrets have a slot to go
/// to. What it asks for with a handler's settings is judged request by request. Pure.
///
/// # Errors
/// [`GrantError::NotCovered`] or [`GrantError::NoSuchSlot`].
pub(super) fn check_coverage(
    plugin: &str,
    manifest: &Manifest,
    settings: &Value,
    granted: &Granted,
) -> Result<(), GrantError> {
    let missing: Vec<String> =
        manifest.origins.iter().filter_map(|asked| missing(&asked.origin, settings, &granted.origins)).collect();
    if !missing.is_empty() {
        return Err(GrantError::NotCovered { plugin: plugin.to_owned(), missing: missing.join(", ") });
    }
    for (secret, _) in &granted.secrets {
        if !manifest.slots.iter().any(|slot| slot.name == secret.slot) {
            let slots: Vec<&str> = manifest.slots.iter().map(|slot| slot.name.as_str()).collect();
            let slots = if slots.is_empty() { "none".to_owned() } else { slots.join(", ") };
            return Err(GrantError::NoSuchSlot { plugin: plugin.to_owned(), slot: secret.slot.clone(), slots });
        }
    }
    Ok(())
}

/// What of `wanted` is not granted, for people.
fn missing(wanted: &Wanted, settings: &Value, granted: &Grants) -> Option<String> {
    let missing = wanted.with_settings(settings).filter(|grant| !granted.covers(grant))?;
    Some(match wanted {
        Wanted::Grant(_) => missing.to_string(),
        Wanted::OriginOfSetting(name) => format!("{missing} (by the setting {name})"),
    })
}

/// Reads the granted Secrets. Their values go into [`Credential`]s at once and nowhere else.
///
/// # Errors
/// [`GrantError::NoSecret`], [`GrantError::SecretKeys`] or [`GrantError::Api`].
pub(super) async fn read_secrets(
    api: &Api<Secret>,
    plugin: &str,
    manifest: &Manifest,
    granted: &Granted,
) -> Result<Vec<BoundCredential>, GrantError> {
    let mut credentials = Vec::new();
    for (grant, origin) in &granted.secrets {
        let Some(slot) = manifest.slots.iter().find(|slot| slot.name == grant.slot) else { continue };
        let name = || (plugin.to_owned(), grant.secret_name.clone());
        let secret = api.get_opt(&grant.secret_name).await.map_err(|err| {
            let (plugin, secret) = name();
            GrantError::Api { plugin, secret, source: Box::new(err) }
        })?;
        let Some(secret) = secret else {
            let (plugin, secret) = name();
            return Err(GrantError::NoSecret { plugin, secret, slot: grant.slot.clone() });
        };
        let credential = credential(&secret, &slot.scheme).map_err(|lacks| {
            let (plugin, secret) = name();
            GrantError::SecretKeys { plugin, secret, slot: grant.slot.clone(), lacks }
        })?;
        credentials.push(BoundCredential {
            slot: grant.slot.clone(),
            origin: origin.clone(),
            scheme: scheme(&slot.scheme),
            secret: credential,
        });
    }
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use url::Url;

    use super::*;

    /// A plugin that asks for the registry, for one origin, and for that of a setting.
    fn manifest() -> Manifest {
        let manifest = json!({
            "name": "test", "version": "1", "kind": "registry", "description": "For tests.", "license": "Apache-2.0",
            "settings": {"properties": {"baseUrl": {"type": "string"}}},
            "origins": [
                {"origin": "$registry", "reason": "x"},
                {"origin": "https://api.example", "reason": "x"},
                {"setting": "baseUrl", "reason": "x"},
            ],
            "slots": [{"name": "token", "scheme": "bearer"}],
        });
        Manifest::parse(manifest.to_string().as_bytes()).unwrap()
    }

    fn granted(origins: &[&str]) -> Granted {
        Granted {
            origins: Grants::new(origins.iter().map(|text| text.parse().unwrap()).collect()),
            ..Granted::default()
        }
    }

    #[test]
    fn all_that_is_asked_for_with_the_plugins_own_settings_has_to_be_granted() {
        let check = |settings: Value, origins: &[&str], expected: Result<(), &str>| {
            let found = check_coverage("gitlab", &manifest(), &settings, &granted(origins));
            let expected = expected.map_err(|missing| {
                format!("Plugin gitlab asks for {missing}, which spec.grants.origins does not cover; add it there, or use another plugin")
            });
            assert_eq!(found.map_err(|err| err.to_string()), expected, "{settings} {origins:?}");
        };
        let none = || json!({});
        let git = || json!({"baseUrl": "https://git.example/path"});
        check(none(), &["$registry", "https://api.example"], Ok(()));
        check(none(), &["$registry"], Err("https://api.example"));
        check(none(), &[], Err("$registry, https://api.example"));
        check(git(), &["$registry", "https://api.example", "https://git.example"], Ok(()));
        let missing = "https://git.example (by the setting baseUrl)";
        check(git(), &["$registry", "https://api.example"], Err(missing));
        check(git(), &["$registry", "https://api.example", "http://git.example"], Err(missing));
        check(git(), &["https://api.example"], Err(&format!("$registry, {missing}")));
        // Nothing that could be called: the plugin itself says what it thinks of that.
        check(json!({"baseUrl": "git.example"}), &["$registry", "https://api.example"], Ok(()));
    }

    #[test]
    fn granted_secrets_have_a_slot_to_go_to() {
        let secret = |slot: &str| SecretGrant {
            slot: slot.to_owned(),
            origin: "https://api.example".to_owned(),
            secret_name: "secret".to_owned(),
        };
        let check = |slot: &str| {
            let origin = Origin::parse("https://api.example").unwrap();
            let granted =
                Granted { secrets: vec![(secret(slot), origin)], ..granted(&["$registry", "https://api.example"]) };
            check_coverage("gitlab", &manifest(), &json!({}), &granted).map_err(|err| err.to_string())
        };
        assert_eq!(check("token"), Ok(()));
        let message = "fills the slot \"tokn\", which the component does not have; it has: token";
        assert!(check("tokn").is_err_and(|err| err.contains(message)));
    }

    /// Whether `url` may be called with `settings`, or what egress says about it.
    fn call(settings: &Value, origins: &[&str], url: &str) -> Result<bool, String> {
        let usable = usable(&manifest(), settings, &granted(origins).origins);
        let permit = usable.permit(&Url::parse(url).unwrap(), Some(&Origin::registry("ghcr.io").unwrap()));
        permit.map(|permit| permit.named).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn the_origin_of_a_setting_may_be_called_where_that_very_origin_is_granted() {
        let all = ["$registry", "https://api.example", "https://git.example", "http://10.0.0.7:8080"];
        let check = |base_url: &str, url: &str, expected: Option<bool>| {
            let found = call(&json!({ "baseUrl": base_url }), &all, url);
            assert_eq!(found.as_ref().ok(), expected.as_ref(), "{base_url} {url}: {found:?}");
        };
        check("https://git.example", "https://git.example/api/v4/projects", Some(true));
        check("https://git.example/path/", "https://git.example/elsewhere", Some(true));
        check("http://10.0.0.7:8080", "http://10.0.0.7:8080/api/v4", Some(true));
        check("https://git.example", "https://api.example/", Some(true));
        check("https://git.example", "https://ghcr.io/v2/", Some(false));
        // Granted, but not asked for with this setting.
        check("https://git.example", "http://10.0.0.7:8080/api/v4", None);
        // Asked for, but not granted: the scheme, the host or the port is another.
        check("http://git.example", "http://git.example/", None);
        check("https://git.example:8443", "https://git.example:8443/", None);
        check("https://attacker.example", "https://attacker.example/", None);
        check("https://git.example@attacker.example", "https://attacker.example/", None);
        // A setting cannot widen what the registry means.
        check("$registry", "https://attacker.example/", None);
        check("https://quay.io", "https://quay.io/v2/", None);
    }

    #[test]
    fn a_refusal_names_the_remedy() {
        let settings = json!({"baseUrl": "https://git.example"});
        let refusal = call(&settings, &["https://api.example"], "https://git.example/api/v4").unwrap_err();
        assert_eq!(
            refusal,
            "https://git.example may not be called: the component must ask for it, and an administrator grant it in the Plugin's \
             spec.grants.origins; granted are: https://api.example"
        );
    }
}
