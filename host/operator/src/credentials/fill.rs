//! What a Secret holds, and which slot it fills. Pure.

use k8s_openapi::api::core::v1::Secret;
use k8supdater_core::image::ImageReference;
use k8supdater_core::pull_secret::{self, Contents, Format};
use k8supdater_egress::{BoundCredential, Credential, LoginForm, Scheme, Scope};
use k8supdater_runtime::manifest::{Manifest, Slot, SlotScheme};

use super::{CredentialError, Login, REGISTRY};
use crate::login::Logins;

/// The key of a Secret of type `kubernetes.io/dockerconfigjson`.
const DOCKER_CONFIG_JSON: &str = ".dockerconfigjson";
/// The key of a Secret of type `kubernetes.io/dockercfg`.
const DOCKER_CFG: &str = ".dockercfg";

/// The slot called `wanted`, or the only one.
///
/// # Errors
/// [`CredentialError::NoSlots`], [`CredentialError::UnknownSlot`] or [`CredentialError::WhichSlot`].
pub(super) fn slot<'a>(
    field: &'static str,
    plugin: &str,
    manifest: &'a Manifest,
    wanted: Option<&str>,
) -> Result<&'a Slot, CredentialError> {
    let plugin = plugin.to_owned();
    let slots = || manifest.slots.iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ");
    match (manifest.slots.as_slice(), wanted) {
        ([], _) => Err(CredentialError::NoSlots { field, plugin }),
        ([slot], None) => Ok(slot),
        (_, None) => Err(CredentialError::WhichSlot { field, plugin, slots: slots() }),
        (all, Some(wanted)) => all
            .iter()
            .find(|slot| slot.name == wanted)
            .ok_or_else(|| CredentialError::UnknownSlot { field, plugin, slot: wanted.to_owned(), slots: slots() }),
    }
}

/// The logins in the Secret called `name` for `image`, in `slot`. Bound to every origin that the conversation may reach and nothing else:
/// what the plugin asks for and an administrator granted.
///
/// # Errors
/// [`CredentialError::Keys`].
pub(super) fn logins(
    name: &str,
    secret: &Secret,
    slot: &Slot,
    image: &ImageReference,
    scope: &Scope,
) -> Result<Vec<Login>, CredentialError> {
    let lacking = |lacks: String| keys_missing(REGISTRY, name, slot, lacks);
    let is_for_registries = matches!(slot.scheme, SlotScheme::OciToken | SlotScheme::Basic);
    if is_for_registries && (holds(secret, DOCKER_CONFIG_JSON) || holds(secret, DOCKER_CFG)) {
        let contents = entries(secret).map_err(|why| lacking(format!("usable entries: {why}")))?;
        let found = Logins::of(&contents.entries, image, std::slice::from_ref(slot), &scope.grants);
        if found.attempts.is_empty() {
            return Err(lacking(format!("an entry for {}", image.registry())));
        }
        let login = |attempt: crate::login::Attempt| Login {
            source: format!("the entry {} of Secret {name}", attempt.pattern),
            credentials: attempt.credentials,
        };
        return Ok(found.attempts.into_iter().map(login).collect());
    }
    Ok(vec![Login { source: format!("Secret {name}"), credentials: bound(REGISTRY, name, secret, slot, scope)? }])
}

/// The Secret called `name`, bound to every origin that the conversation may reach and nothing else.
///
/// # Errors
/// [`CredentialError::Keys`].
pub(super) fn bound(
    field: &'static str,
    name: &str,
    secret: &Secret,
    slot: &Slot,
    scope: &Scope,
) -> Result<Vec<BoundCredential>, CredentialError> {
    let credential =
        credential(secret, &slot.scheme).map_err(|lacks| keys_missing(field, name, slot, lacks.to_owned()))?;
    let bound = |origin| BoundCredential {
        slot: slot.name.clone(),
        origin,
        scheme: scheme(&slot.scheme),
        secret: credential.clone(),
    };
    Ok(scope.grants.reachable(scope.registry.as_ref()).into_iter().map(bound).collect())
}

fn keys_missing(field: &'static str, secret: &str, slot: &Slot, lacks: String) -> CredentialError {
    CredentialError::Keys { field, secret: secret.to_owned(), slot: slot.name.clone(), lacks }
}

/// The entries of a pull secret.
///
/// # Errors
/// A sentence that repeats nothing of what is in it.
pub(super) fn entries(secret: &Secret) -> Result<Contents, String> {
    let data = secret.data.as_ref();
    let formats = [(DOCKER_CONFIG_JSON, Format::DockerConfigJson), (DOCKER_CFG, Format::DockerCfg)];
    let found = formats.into_iter().find_map(|(key, format)| Some((format, data?.get(key)?)));
    let Some((format, bytes)) = found else {
        return Err(format!("it has neither the key {DOCKER_CONFIG_JSON} nor {DOCKER_CFG}"));
    };
    pull_secret::read(format, &bytes.0).map_err(|err| err.to_string())
}

fn holds(secret: &Secret, key: &str) -> bool {
    secret.data.as_ref().is_some_and(|data| data.contains_key(key))
}

/// How egress attaches a secret of a slot with this scheme.
pub(crate) fn scheme(scheme: &SlotScheme) -> Scheme {
    match scheme {
        SlotScheme::Basic => Scheme::Basic,
        SlotScheme::Bearer => Scheme::Bearer,
        SlotScheme::Header(name) => Scheme::Header(name.clone()),
        SlotScheme::HmacSha256(name) => Scheme::HmacSha256(name.clone()),
        SlotScheme::Login(form) => Scheme::Login(LoginForm {
            path: form.path.clone(),
            username: form.username.clone(),
            password: form.password.clone(),
            token: form.token.clone(),
        }),
        SlotScheme::OciToken => Scheme::OciToken,
        SlotScheme::Url => Scheme::Url,
    }
}

/// The credential in `secret` that fits `scheme`, or the keys that are missing.
pub(crate) fn credential(secret: &Secret, scheme: &SlotScheme) -> Result<Credential, &'static str> {
    let value = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok()).map(|text| text.trim_end().to_owned())
    };
    match scheme {
        SlotScheme::Basic | SlotScheme::Login(_) | SlotScheme::OciToken => match (value("username"), value("password"))
        {
            (Some(username), Some(password)) => Ok(Credential::login(username, password)),
            (None, Some(_)) => Err("the key username"),
            (Some(_), None) => Err("the key password"),
            (None, None) => Err("the keys username and password"),
        },
        SlotScheme::Bearer | SlotScheme::Header(_) | SlotScheme::HmacSha256(_) | SlotScheme::Url => {
            value("token").map(Credential::token).ok_or("the key token")
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use k8supdater_core::origin::{Grants, Origin};

    use super::*;

    fn secret(data: &[(&str, &str)]) -> Secret {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))).collect();
        Secret { data: Some(data), ..Secret::default() }
    }

    /// The logins, each as its source and where it may go, or the error.
    fn check(data: &[(&str, &str)], scheme: SlotScheme, image: &str, expected: Result<&[&str], &str>) {
        let slot = Slot { name: "s".to_owned(), scheme, description: String::new() };
        let image: ImageReference = image.parse().unwrap();
        let asked = Grants::new(vec!["$registry".parse().unwrap(), "https://api.example".parse().unwrap()]);
        let scope = Scope {
            grants: Grants::intersect(&asked, &asked),
            registry: Origin::registry(image.registry()).ok(),
            credentials: Vec::new(),
            realms: Vec::new(),
            limits: k8supdater_egress::Limits::default(),
        };
        let found = logins("a/b", &secret(data), &slot, &image, &scope).map(|logins| {
            let origins =
                |login: &Login| login.credentials.iter().map(|bound| bound.origin.to_string()).collect::<Vec<_>>();
            logins.iter().map(|login| format!("{}: {}", login.source, origins(login).join(" "))).collect::<Vec<_>>()
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(err), Err(expected)) => assert!(err.to_string().contains(expected), "{err}"),
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_secret_fills_a_slot_and_goes_where_the_conversation_may_go() {
        let login = [("username", "u"), ("password", "canary\n")];
        let everywhere: Result<&[&str], &str> = Ok(&["Secret a/b: https://api.example https://ghcr.io"]);
        check(&login, SlotScheme::OciToken, "ghcr.io/a/b", everywhere);
        check(&[("token", "canary")], SlotScheme::Header("x-token".to_owned()), "ghcr.io/a/b", everywhere);
        check(&login, SlotScheme::Bearer, "ghcr.io/a/b", Err("it lacks the key token"));
        check(&[("token", "canary")], SlotScheme::HmacSha256("x-sign".to_owned()), "ghcr.io/a/b", everywhere);
        check(&login, SlotScheme::HmacSha256("x-sign".to_owned()), "ghcr.io/a/b", Err("it lacks the key token"));
        let form = k8supdater_runtime::manifest::LoginForm {
            path: "/token".to_owned(),
            username: "user".to_owned(),
            password: "secret".to_owned(),
            token: "token".to_owned(),
        };
        check(&login, SlotScheme::Login(form.clone()), "ghcr.io/a/b", everywhere);
        check(&login[1..], SlotScheme::Login(form.clone()), "ghcr.io/a/b", Err("lacks the key username"));
        check(&login[..1], SlotScheme::Basic, "ghcr.io/a/b", Err("lacks the key password"));
        check(&[], SlotScheme::Basic, "ghcr.io/a/b", Err("lacks the keys username and password"));
        let docker = [(".dockerconfigjson", r#"{"auths": {"ghcr.io": {"auth": "dTpjYW5hcnk="}}}"#)];
        let registry: Result<&[&str], &str> = Ok(&["the entry ghcr.io of Secret a/b: https://ghcr.io"]);
        check(&docker, SlotScheme::OciToken, "ghcr.io/a/b", registry);
        check(&docker, SlotScheme::OciToken, "quay.io/a/b", Err("lacks an entry for quay.io"));
        // A pull secret is for a registry, and an API with a login is none.
        check(&docker, SlotScheme::Login(form), "ghcr.io/a/b", Err("lacks the keys username and password"));
        check(&docker, SlotScheme::Bearer, "ghcr.io/a/b", Err("lacks the key token"));
        check(&[(".dockercfg", "{")], SlotScheme::Basic, "ghcr.io/a/b", Err("usable entries: it is not JSON"));
    }
}
