//! From pull secrets to credentials: which login goes into which slot of a registry plugin, and to whom it may be sent. Pure.
//!
//! [`pull_secret`] says which logins an image gets and who may see them; this module puts them into the form
//! that [egress](k8supdater_egress) sends. Start reading at [`Logins::of`].

use k8supdater_core::image::ImageReference;
use k8supdater_core::origin::{Grants, Origin};
use k8supdater_core::pull_secret::{self, Entry, Login};
use k8supdater_egress::{BoundCredential, Credential, Scheme};
use k8supdater_runtime::manifest::{Slot, SlotScheme};

/// The logins for one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    /// Those that can be sent, in the order in which they are to be tried: the next one only if the registry refuses the one before. No
    /// two are the same.
    pub attempts: Vec<Attempt>,
    /// Those that cannot.
    pub unusable: Vec<Unusable>,
}

/// One login, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The key of the entry that it comes from, for messages.
    pub pattern: String,
    /// The login in every slot that can hold it, bound to every origin that may see it. Belongs before the credentials that the plugin is
    /// granted anyway: the first that fits is sent.
    pub credentials: Vec<BoundCredential>,
}

/// A login that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The key of the entry that it comes from, for messages.
    pub pattern: String,
    /// Why not.
    pub why: Unfit,
}

/// Why a login cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is an identity token, which only buys tokens over OAuth 2 at the registry's token service; nobody does that here.
    IdentityToken,
    /// The plugin has no credential slot that can hold it.
    NoSlot,
}

impl Logins {
    /// The logins among `entries` for `image`, in the order of [`pull_secret::select`], for a plugin with these `slots`.
    ///
    /// A user name with its password fills slots of the schemes `oci-token` and `basic`, a registry token those of `oci-token` and `bearer`.
    /// The others hold what no pull secret has, and a slot of the scheme `login` what is for an API instead of a registry.
    ///
    /// Each is bound to the image's own registry over TLS, and beside that to the same registry without TLS if the `grants` of the
    /// conversation name that origin: an administrator has then decided that what is sent there may be read on the way. There are none for
    /// a registry that no URL can name.
    pub fn of(entries: &[Entry], image: &ImageReference, slots: &[Slot], grants: &Grants) -> Self {
        let mut logins = Self::default();
        let Ok(recipients) = pull_secret::recipients(image) else { return logins };
        let open = plain_http(image).filter(|origin| grants.names(origin, Some(&recipients.registry)));
        let origins: Vec<Origin> = [recipients.registry].into_iter().chain(open).collect();
        for entry in pull_secret::select(entries, image) {
            let pattern = entry.pattern.to_string();
            match bind(&entry.login, slots, &origins) {
                Ok(credentials) => {
                    if !logins.attempts.iter().any(|attempt| attempt.credentials == credentials) {
                        logins.attempts.push(Attempt { pattern, credentials });
                    }
                }
                Err(why) => logins.unusable.push(Unusable { pattern, why }),
            }
        }
        logins
    }
}

/// The origin of the registry of `image` without TLS; none for one that no URL can name.
pub fn plain_http(image: &ImageReference) -> Option<Origin> {
    Origin::parse(&format!("http://{}", image.registry())).ok()
}

fn bind(login: &Login, slots: &[Slot], origins: &[Origin]) -> Result<Vec<BoundCredential>, Unfit> {
    let (secret, scheme): (Credential, fn(&SlotScheme) -> Option<Scheme>) = match login {
        Login::Basic { username, password } => {
            (Credential::login(username.expose().to_owned(), password.expose().to_owned()), |slot| match slot {
                SlotScheme::OciToken => Some(Scheme::OciToken),
                SlotScheme::Basic => Some(Scheme::Basic),
                SlotScheme::Bearer
                | SlotScheme::Header(_)
                | SlotScheme::HmacSha256(_)
                | SlotScheme::Login(_)
                | SlotScheme::Url => None,
            })
        }
        Login::RegistryToken(token) => (Credential::token(token.expose().to_owned()), |slot| match slot {
            SlotScheme::OciToken | SlotScheme::Bearer => Some(Scheme::Bearer),
            SlotScheme::Basic
            | SlotScheme::Header(_)
            | SlotScheme::HmacSha256(_)
            | SlotScheme::Login(_)
            | SlotScheme::Url => None,
        }),
        Login::IdentityToken(_) => return Err(Unfit::IdentityToken),
    };
    let mut bound = Vec::new();
    for (slot, scheme) in slots.iter().filter_map(|slot| Some((slot, scheme(&slot.scheme)?))) {
        for origin in origins {
            bound.push(BoundCredential {
                slot: slot.name.clone(),
                origin: origin.clone(),
                scheme: scheme.clone(),
                secret: secret.clone(),
            });
        }
    }
    if bound.is_empty() { Err(Unfit::NoSlot) } else { Ok(bound) }
}

#[cfg(test)]
mod tests {
    use k8supdater_core::pull_secret::{Format, read};

    use super::*;

    /// What becomes of the logins in `auths` for `image`: "slot scheme origin" for each credential, attempts in brackets.
    fn check(auths: &str, image: &str, slots: &[(&str, SlotScheme)], grants: &[&str], expected: &[&str]) {
        let entries = read(Format::DockerCfg, auths.as_bytes()).unwrap().entries;
        let slot = |(name, scheme): &(&str, SlotScheme)| Slot {
            name: (*name).to_owned(),
            scheme: scheme.clone(),
            description: String::new(),
        };
        let slots: Vec<Slot> = slots.iter().map(slot).collect();
        let asked = Grants::new(vec!["$registry".parse().unwrap()]);
        let granted = Grants::new(grants.iter().map(|grant| grant.parse().unwrap()).collect());
        let image = image.parse().unwrap();
        let logins = Logins::of(&entries, &image, &slots, &Grants::intersect(&asked, &granted));
        let credential =
            |bound: &BoundCredential| format!("{} {:?} {}", bound.slot, bound.scheme, bound.origin).to_lowercase();
        let attempt = |attempt: &Attempt| {
            let credentials: Vec<String> = attempt.credentials.iter().map(credential).collect();
            format!("{}: {}", attempt.pattern, credentials.join(", "))
        };
        let unusable = |unusable: &Unusable| format!("{}: {:?}", unusable.pattern, unusable.why);
        let found: Vec<String> =
            logins.attempts.iter().map(attempt).chain(logins.unusable.iter().map(unusable)).collect();
        assert_eq!(found, expected, "{auths} {image}");
    }

    const LOGIN: &str = r#"{"username":"u","password":"canary"}"#;

    #[test]
    fn a_login_goes_to_its_own_registry_only() {
        let slots = [("registry", SlotScheme::OciToken)];
        let hub = format!(r#"{{"https://index.docker.io/v1/":{LOGIN}}}"#);
        check(
            &hub,
            "nginx:1",
            &slots,
            &["$registry"],
            &["index.docker.io: registry ocitoken https://registry-1.docker.io"],
        );
        check(&hub, "ghcr.io/a/b:1", &slots, &["$registry"], &[]);
        let internal = format!(r#"{{"reg.internal:5000":{LOGIN}}}"#);
        check(
            &internal,
            "reg.internal:5000/a:1",
            &slots,
            &["$registry", "http://other:5000"],
            &["reg.internal:5000: registry ocitoken https://reg.internal:5000"],
        );
    }

    #[test]
    fn it_goes_in_the_open_only_where_that_very_origin_is_granted() {
        let slots = [("registry", SlotScheme::OciToken)];
        let both = "registry ocitoken https://reg.internal, registry ocitoken http://reg.internal";
        let auths = format!(r#"{{"reg.internal":{LOGIN}}}"#);
        check(&auths, "reg.internal/a:1", &slots, &["http://reg.internal"], &[&format!("reg.internal: {both}")]);
        check(
            &auths,
            "reg.internal/a:1",
            &slots,
            &["http://reg.internal:5000"],
            &["reg.internal: registry ocitoken https://reg.internal"],
        );
    }

    #[test]
    fn slots_hold_what_their_scheme_can_send() {
        let form = k8supdater_runtime::manifest::LoginForm {
            path: "/token".to_owned(),
            username: "user".to_owned(),
            password: "secret".to_owned(),
            token: "token".to_owned(),
        };
        let slots = [
            ("a", SlotScheme::OciToken),
            ("b", SlotScheme::Basic),
            ("c", SlotScheme::Bearer),
            ("d", SlotScheme::Header("private-token".to_owned())),
            ("e", SlotScheme::Url),
            ("f", SlotScheme::Login(form)),
            ("g", SlotScheme::HmacSha256("x-signature".to_owned())),
        ];
        let entry = |login: &str| format!(r#"{{"ghcr.io":{login}}}"#);
        let image = "ghcr.io/a/b:1";
        check(&entry(LOGIN), image, &slots, &[], &["ghcr.io: a ocitoken https://ghcr.io, b basic https://ghcr.io"]);
        let token = entry(r#"{"registrytoken":"canary"}"#);
        check(&token, image, &slots, &[], &["ghcr.io: a bearer https://ghcr.io, c bearer https://ghcr.io"]);
        check(&token, image, &slots[3..], &[], &["ghcr.io: NoSlot"]);
        check(&entry(r#"{"identitytoken":"canary"}"#), image, &slots, &[], &["ghcr.io: IdentityToken"]);
    }

    #[test]
    fn several_are_tried_in_the_order_of_the_kubelet_each_once() {
        let auths = format!(r#"{{"ghcr.io":{LOGIN},"*.io":{LOGIN},"ghcr.io/a":{{"username":"v","password":"w"}}}}"#);
        let slots = [("s", SlotScheme::Basic)];
        check(
            &auths,
            "ghcr.io/a/b:1",
            &slots,
            &[],
            &["ghcr.io/a: s basic https://ghcr.io", "ghcr.io: s basic https://ghcr.io"],
        );
    }
}
