//! Grants: what a component asks for, what an administrator allows, and what remains of both.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use url::Url;

use super::{Origin, ParseError, Scheme};

/// What [`Grant::Registry`] is spelt like.
const REGISTRY: &str = "$registry";

/// An origin that is asked for or granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grant {
    /// `$registry`: the registry of the image in question, over `https` and at public addresses.
    Registry,
    /// This origin, over whatever it says and at private addresses too.
    Origin(Origin),
}

/// The origins that a component may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Whether each image's own registry may be called.
    registry: bool,
    /// What may be called whatever the image.
    origins: BTreeSet<Origin>,
    /// What may be called where it is the image's own registry: the component asked for `$registry`, the administrator named the origin.
    named_registries: BTreeSet<Origin>,
}

/// A request may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Where it goes.
    pub origin: Origin,
    /// Whether an administrator granted this very origin, and thereby its private addresses, rather than whichever registry an image has.
    pub named: bool,
}

/// A request may not be made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    /// The URL leads to no origin.
    #[error(
        "the URL has no origin that could be granted: it needs the scheme https or http, a host, and a port other than 0"
    )]
    NoOrigin,
    /// Nobody granted it.
    #[error(
        "{origin} may not be called: the component must ask for it, and an administrator grant it in the Plugin's spec.grants.origins; granted are: {granted}"
    )]
    NotGranted {
        /// What was to be called.
        origin: Origin,
        /// What may be called.
        granted: String,
    },
    /// It is the image's registry, but without TLS.
    #[error(
        "{0} may not be called: $registry grants https only; an administrator can grant this origin by name in the Plugin's spec.grants.origins"
    )]
    PlainHttp(Origin),
}

impl Grants {
    /// All of `grants`.
    pub fn new(grants: Vec<Grant>) -> Self {
        let mut all = Self::default();
        for grant in grants {
            match grant {
                Grant::Registry => all.registry = true,
                Grant::Origin(origin) => {
                    all.origins.insert(origin);
                }
            }
        }
        all
    }

    /// What is both asked for and granted.
    ///
    /// Who asks for `$registry` asks for each registry while an image of its is looked at. Of that, an origin that is granted by name is
    /// a part: it may then be called as such, at its private addresses and without TLS, if it has neither.
    pub fn intersect(asked: &Self, granted: &Self) -> Self {
        let origins: BTreeSet<Origin> = asked.origins.intersection(&granted.origins).cloned().collect();
        let named_registries = if asked.registry { &granted.origins - &origins } else { BTreeSet::new() };
        Self { registry: asked.registry && granted.registry, origins, named_registries }
    }

    /// What is asked for and not granted, sorted.
    pub fn missing(asked: &Self, granted: &Self) -> Vec<Grant> {
        let registry = asked.registry.then_some(Grant::Registry);
        let origins = asked.origins.iter().cloned().map(Grant::Origin);
        registry.into_iter().chain(origins).filter(|grant| !granted.covers(grant)).collect()
    }

    /// Whether all that `grant` allows is allowed. Named registries do not cover `$registry`, nor `$registry` any of them.
    pub fn covers(&self, grant: &Grant) -> bool {
        match grant {
            Grant::Registry => self.registry,
            Grant::Origin(origin) => self.origins.contains(origin),
        }
    }

    /// Whether `url` may be called in a conversation about an image in `registry`, and if so, at which addresses.
    ///
    /// # Errors
    /// [`Refusal`], which names the remedy.
    pub fn permit(&self, url: &Url, registry: Option<&Origin>) -> Result<Permit, Refusal> {
        let origin = Origin::of(url).ok_or(Refusal::NoOrigin)?;
        if self.names(&origin, registry) {
            return Ok(Permit { origin, named: true });
        }
        if self.registry && registry.is_some_and(|registry| origin.has_same_authority(registry)) {
            return match origin.scheme() {
                Scheme::Http => Err(Refusal::PlainHttp(origin)),
                // The same authority, so the same port, unless the registry was given as http.
                Scheme::Https if registry == Some(&origin) => Ok(Permit { origin, named: false }),
                Scheme::Https => Err(self.refuse(origin)),
            };
        }
        Err(self.refuse(origin))
    }

    /// Whether an administrator granted this very origin, be it only for images in the `registry` that it belongs to.
    pub fn names(&self, origin: &Origin, registry: Option<&Origin>) -> bool {
        let is_the_registry = || registry.is_some_and(|registry| origin.has_same_authority(registry));
        self.origins.contains(origin) || (self.named_registries.contains(origin) && is_the_registry())
    }

    /// The origins that may be called in a conversation about an image in `registry`, sorted: what a credential for it may be bound to.
    pub fn reachable(&self, registry: Option<&Origin>) -> Vec<Origin> {
        let mut origins = self.origins.clone();
        if let Some(registry) = registry {
            let named = self.named_registries.iter().filter(|named| named.has_same_authority(registry));
            origins.extend(named.cloned());
            origins.extend(self.registry.then(|| registry.clone()));
        }
        origins.into_iter().collect()
    }

    fn refuse(&self, origin: Origin) -> Refusal {
        let mut granted: Vec<String> = self.origins.iter().map(ToString::to_string).collect();
        granted.extend(self.registry.then(|| format!("{REGISTRY}, the registry of the image in question")));
        granted.extend(self.named_registries.iter().map(|origin| format!("{origin} for images in it")));
        let granted = if granted.is_empty() { "none".to_owned() } else { granted.join(", ") };
        Refusal::NotGranted { origin, granted }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry => f.write_str(REGISTRY),
            Self::Origin(origin) => origin.fmt(f),
        }
    }
}

impl FromStr for Grant {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text == REGISTRY { Ok(Self::Registry) } else { Origin::parse(text).map(Self::Origin) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    /// `Some(named)` if `url` may be called.
    fn check(grants: &Grants, registry: Option<&str>, url: &str, expected: Option<bool>) {
        let registry = registry.map(|registry| Origin::registry(registry).unwrap());
        let result = grants.permit(&Url::parse(url).unwrap(), registry.as_ref());
        assert_eq!(result.as_ref().ok().map(|permit| permit.named), expected, "{url} {registry:?} {result:?}");
        if let Ok(permit) = result {
            assert_eq!(Some(permit.origin), Origin::of(&Url::parse(url).unwrap()));
        }
    }

    #[test]
    fn origins_are_exact() {
        let granted = grants(&["https://api.example", "http://10.0.0.7:5000"]);
        check(&granted, None, "https://api.example/v2/?a=b", Some(true));
        check(&granted, None, "https://API.example:443/", Some(true));
        check(&granted, None, "http://0xa.7:5000/", Some(true));
        check(&granted, None, "http://api.example/", None);
        check(&granted, None, "http://api.example:443/", None);
        check(&granted, None, "https://api.example:8443/", None);
        check(&granted, None, "https://sub.api.example/", None);
        check(&granted, None, "https://api.example.attacker.example/", None);
        check(&granted, None, "https://api.example@attacker.example/", None);
        check(&granted, None, "https://api.example./", None);
        check(&granted, None, "https://10.0.0.7:5000/", None);
        check(&granted, None, "http://10.0.0.7/", None);
        check(&granted, None, "ftp://api.example/", None);
        check(&granted, Some("ghcr.io"), "https://ghcr.io/", None);
        check(&Grants::default(), Some("ghcr.io"), "https://ghcr.io/", None);
    }

    #[test]
    fn registry_stands_for_the_images_own_over_tls() {
        let granted = grants(&["$registry"]);
        check(&granted, Some("ghcr.io"), "https://ghcr.io/v2/", Some(false));
        check(&granted, Some("docker.io"), "https://registry-1.docker.io/v2/", Some(false));
        check(&granted, Some("docker.io"), "https://docker.io/v2/", None);
        check(&granted, Some("test:5000"), "https://test:5000/v2/", Some(false));
        check(&granted, Some("test:5000"), "https://test/v2/", None);
        check(&granted, Some("test:5000"), "http://test:5000/v2/", None);
        check(&granted, Some("test"), "http://test/v2/", None);
        check(&granted, Some("test:80"), "https://test/v2/", None);
        check(&granted, Some("ghcr.io"), "https://quay.io/v2/", None);
        check(&granted, None, "https://ghcr.io/v2/", None);
    }

    #[test]
    fn both_asked_for_and_granted_remains() {
        let both = |asked: &[&str], granted: &[&str]| Grants::intersect(&grants(asked), &grants(granted));
        let (a, b) = ("https://a.example", "https://b.example");
        assert_eq!(both(&[a, b], &[b]), grants(&[b]));
        assert_eq!(both(&[a], &[b]), Grants::default());
        assert!(both(&["$registry", a], &["$registry", a]).covers(&Grant::Registry));
        assert_eq!(both(&[a], &["$registry", a]), grants(&[a]));
        check(&both(&[a], &["$registry"]), Some("a.example"), a, None);
        // A registry with a private address or without TLS is named by the administrator, whom the component does not know.
        let named = both(&["$registry"], &["$registry", "http://test:5000", "http://plain", b]);
        check(&named, Some("test:5000"), "http://test:5000/v2/", Some(true));
        check(&named, Some("test:5000"), "https://test:5000/v2/", Some(false));
        check(&named, Some("plain"), "http://plain/v2/", Some(true));
        check(&named, Some("plain:80"), "http://plain/v2/", Some(true));
        check(&named, Some("b.example"), "https://b.example/v2/", Some(true));
        check(&named, Some("ghcr.io"), "https://ghcr.io/v2/", Some(false));
        // It was not asked for otherwise: an image elsewhere is no reason to call it.
        check(&named, Some("ghcr.io"), "http://test:5000/v2/", None);
        check(&named, Some("ghcr.io"), "https://b.example/v2/", None);
        check(&named, None, "https://b.example/v2/", None);
        check(&both(&["$registry"], &["http://test:5000"]), Some("ghcr.io"), "https://ghcr.io/", None);
    }

    #[test]
    fn what_can_be_reached_is_listed() {
        let check = |asked: &[&str], granted: &[&str], registry: Option<&str>, expected: &[&str]| {
            let registry = registry.map(|registry| Origin::registry(registry).unwrap());
            let found = Grants::intersect(&grants(asked), &grants(granted)).reachable(registry.as_ref());
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{asked:?} {granted:?}");
        };
        let (a, plain) = ("https://a.example", "http://test:5000");
        check(&[a], &[a, plain], Some("test:5000"), &[a]);
        check(&["$registry"], &["$registry", a, plain], None, &[]);
        check(&["$registry"], &["$registry", a, plain], Some("ghcr.io"), &["https://ghcr.io"]);
        check(&["$registry"], &["$registry", a, plain], Some("test:5000"), &[plain, "https://test:5000"]);
        check(&["$registry"], &[plain], Some("test:5000"), &[plain]);
    }

    #[test]
    fn what_an_administrator_named_is_told_from_what_registry_covers() {
        let check = |granted: &[&str], origin: &str, registry: Option<&str>, expected: bool| {
            let grants = Grants::intersect(&grants(&["$registry", "https://api.example.com"]), &grants(granted));
            let registry = registry.map(|registry| Origin::registry(registry).unwrap());
            let named = grants.names(&Origin::parse(origin).unwrap(), registry.as_ref());
            assert_eq!(named, expected, "{granted:?} {origin} {registry:?}");
        };
        let internal = Some("reg.internal:5000");
        check(&["$registry"], "https://reg.internal:5000", internal, false);
        check(&["http://reg.internal:5000"], "http://reg.internal:5000", internal, true);
        check(&["http://reg.internal:5000"], "https://reg.internal:5000", internal, false);
        check(&["http://reg.internal:5000"], "http://reg.internal:5000", Some("ghcr.io"), false);
        check(&["http://reg.internal:5000"], "http://reg.internal:5000", None, false);
        check(&["https://api.example.com"], "https://api.example.com", internal, true);
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = |asked: &[&str], granted: &[&str], expected: &[&str]| {
            let missing = Grants::missing(&grants(asked), &grants(granted));
            assert_eq!(missing.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{asked:?} {granted:?}");
        };
        let (a, b) = ("https://a.example", "https://b.example");
        check(&[], &[a], &[]);
        check(&[a, "$registry"], &["$registry", a, b], &[]);
        check(&[b, a, "$registry"], &[], &["$registry", a, b]);
        check(&["$registry"], &[a], &["$registry"]);
        check(&[a], &["$registry"], &[a]);
        check(&["https://a.example:443/"], &[a], &[]);
    }

    #[test]
    fn refusals_name_the_remedy() {
        let check = |granted: &[&str], url: &str, expected: &str| {
            let registry = Origin::registry("ghcr.io").unwrap();
            let refusal = grants(granted).permit(&Url::parse(url).unwrap(), Some(&registry)).unwrap_err();
            assert!(refusal.to_string().contains(expected), "{refusal}");
        };
        check(&[], "https://a.example/", "https://a.example may not be called: the component must ask for it");
        check(&[], "https://a.example/", "granted are: none");
        check(&["$registry", "https://b.example"], "https://a.example/", "granted are: https://b.example, $registry");
        check(&["$registry"], "http://ghcr.io/", "$registry grants https only");
        check(&["$registry"], "data:text/plain,x", "no origin");
    }

    #[test]
    fn grants_are_read_as_they_print() {
        for text in ["$registry", "https://a.example"] {
            assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
        }
        let err = "$registries".parse::<Grant>().unwrap_err();
        assert!(err.to_string().contains("is no origin"), "{err}");
    }
}
