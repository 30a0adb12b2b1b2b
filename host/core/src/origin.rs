//! Who may be called: origins, and grants of them.
//!
//! An origin is scheme, host and port, compared after parsing, and only as a whole: there are no wildcards, and a subdomain is another
//! host. What a granted name resolves to is [`crate::address`]'s to judge. Start reading at [`Grants::permit`].

pub mod grants;

use std::fmt;

use thiserror::Error;
use url::Url;

pub use grants::{Grant, Grants, Permit, Refusal};

/// The registry that `docker.io` means in image references has its API on another host
/// (<https://docs.docker.com/reference/api/registry/auth/>).
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// How an origin is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the open.
    Http,
    /// Over TLS.
    Https,
}

/// Scheme, host and port: `https://registry.example.com`, `http://10.0.0.7:5000`.
///
/// Hosts are in the URL standard's one form, lower-case, in Punycode, addresses without leading zeros, so that equal means the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// Why a text is no origin.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{text:?} is no origin: {why}; expected scheme, host and perhaps port, such as https://registry.example.com or http://10.0.0.7:5000"
)]
pub struct ParseError {
    text: String,
    why: &'static str,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Origin {
    /// The origin that `text` spells, with or without a slash at the end.
    ///
    /// # Errors
    /// [`ParseError`] if there is anything else in it, such as a path, a user or a wildcard.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let refuse = |why: &'static str| ParseError { text: text.to_owned(), why };
        // The URL standard forgives much, such as `https:\\host` and line ends in the middle. What a person grants must be what he reads.
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or_else(|| refuse("it begins with neither https:// nor http://"))?;
        if rest.contains('*') {
            return Err(refuse("there are no wildcards"));
        }
        if rest.contains('@') {
            return Err(refuse("it has a user or password"));
        }
        let host = rest.strip_suffix('/').unwrap_or(rest);
        if host.is_empty() {
            return Err(refuse("it has no host"));
        }
        if host.contains(['/', '\\', '?', '#']) {
            return Err(refuse("it has more than that"));
        }
        if host.contains(|char: char| char.is_whitespace() || char.is_control()) {
            return Err(refuse("it has a space or control character"));
        }
        let url = Url::parse(text).map_err(|_| refuse("its host or port is not valid"))?;
        Self::of(&url).ok_or_else(|| refuse("its host or port is not valid"))
    }

    /// The origin of `url`; none if that is not `http` or `https`.
    pub fn of(url: &Url) -> Option<Self> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let port = url.port_or_known_default().filter(|port| *port != 0)?;
        Some(Self { scheme, host: url.host_str()?.to_owned(), port })
    }

    /// The origin of the URL that `text` is, with whatever path; none if it is no absolute URL of `http` or `https`.
    pub fn of_text(text: &str) -> Option<Self> {
        Self::of(&Url::parse(text).ok()?)
    }

    /// Where the API of a registry is that an image reference names: always `https`, and Docker Hub's on a host of its own.
    ///
    /// # Errors
    /// [`ParseError`] if `registry` is no host with or without a port.
    pub fn registry(registry: &str) -> Result<Self, ParseError> {
        let (name, api) = DOCKER_HUB;
        Self::parse(&format!("https://{}", if registry == name { api } else { registry }))
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its host: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Host and port, the port only where it is not the scheme's own: `registry.example.com`, `10.0.0.7:5000`.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// Whether an image reference that means `other` could mean this as well, because it says nothing of the scheme: the same host, and
    /// the same port or for both the default one.
    pub fn has_same_authority(&self, other: &Self) -> bool {
        let has_default_port = |origin: &Self| origin.port == origin.scheme.default_port();
        self.host == other.host && (self.port == other.port || (has_default_port(self) && has_default_port(other)))
    }
}

/// Without the port where it is the scheme's own.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn origins_have_one_form() {
        let check = |text: &str, expected: &str| {
            let origin = Origin::parse(text).unwrap_or_else(|err| panic!("{err}"));
            assert_eq!(origin.to_string(), expected, "{text}");
            assert_eq!(Origin::parse(expected), Ok(origin));
        };
        check("https://ghcr.io", "https://ghcr.io");
        check("https://GHCR.io/", "https://ghcr.io");
        check("https://ghcr.io:443", "https://ghcr.io");
        check("https://ghcr.io:80", "https://ghcr.io:80");
        check("http://ghcr.io:80", "http://ghcr.io");
        check("http://ghcr.io:5000/", "http://ghcr.io:5000");
        check("https://bücher.example", "https://xn--bcher-kva.example");
        check("http://127.1:5000", "http://127.0.0.1:5000");
        check("http://0x7f.1", "http://127.0.0.1");
        check("http://2130706433", "http://127.0.0.1");
        check("http://[0:0::1]:5000", "http://[::1]:5000");
        check("http://[::ffff:10.0.0.1]", "http://[::ffff:a00:1]");
    }

    #[test]
    fn what_is_more_or_less_than_an_origin_is_refused() {
        let check = |text: &str, expected: &str| {
            let message = Origin::parse(text).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains(&format!("{text:?}")), "{message}");
        };
        check("", "neither https:// nor http://");
        check("ghcr.io", "neither https:// nor http://");
        check("ftp://ghcr.io", "neither https:// nor http://");
        check(" https://ghcr.io", "neither https:// nor http://");
        check("https:\\\\ghcr.io", "neither https:// nor http://");
        check("https://", "no host");
        check("https:///", "no host");
        check("https://*.ghcr.io", "no wildcards");
        check("https://user@ghcr.io", "user or password");
        check("https://user:pass@ghcr.io", "user or password");
        check("https://ghcr.io/v2", "more than that");
        check("https://ghcr.io//", "more than that");
        check("https://ghcr.io?a", "more than that");
        check("https://ghcr.io#", "more than that");
        check("https://evil.example\\.ghcr.io", "more than that");
        check("https://ghcr.io\n", "control character");
        check("https://ghcr .io", "control character");
        check("https://ghcr.io:port", "not valid");
        check("https://ghcr.io:65536", "not valid");
        check("https://ghcr.io:0", "not valid");
        check("https://[::1", "not valid");
        check("https://1.2.3.4.5", "not valid");
    }

    #[test]
    fn texts_that_are_urls_have_an_origin() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Origin::of_text(text).map(|origin| origin.to_string()).as_deref(), expected, "{text}");
        };
        check("https://gitlab.example.com", Some("https://gitlab.example.com"));
        check("https://GitLab.example.com:443/git/?a#b", Some("https://gitlab.example.com"));
        check("http://tools:8080/gitlab/", Some("http://tools:8080"));
        check("https://gitlab.com@attacker.example/", Some("https://attacker.example"));
        check("https://gitlab.com\\@attacker.example/", Some("https://gitlab.com"));
        check("", None);
        check("gitlab.example.com", None);
        check("/api/v4", None);
        check("ftp://gitlab.example.com", None);
        check("https://gitlab.example.com:0/", None);
    }

    #[test]
    fn registries_are_asked_where_they_are() {
        let check = |registry: &str, expected: &str| {
            assert_eq!(Origin::registry(registry).unwrap().to_string(), expected, "{registry}");
        };
        check("docker.io", "https://registry-1.docker.io");
        check("ghcr.io", "https://ghcr.io");
        check("Foo", "https://foo");
        check("test:5000", "https://test:5000");
        check("10.0.0.7:443", "https://10.0.0.7");
        check("[::1]:5000", "https://[::1]:5000");
        assert!(Origin::registry("").is_err());
        assert!(Origin::registry("ghcr.io/library").is_err());
        assert!(Origin::registry("user@ghcr.io").is_err());
    }

    proptest! {
        #[test]
        fn an_origin_is_that_of_its_urls(text in "https?://[a-z]{1,3}(\\.[A-Za-z0-9]{1,3}){0,2}(:[0-9]{1,5})?", path in "(/[a-z?#]{0,5})?") {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(Origin::of(&Url::parse(&format!("{text}{path}")).unwrap()), Some(origin.clone()));
                prop_assert_eq!(Origin::parse(&origin.to_string()), Ok(origin));
            }
        }

        #[test]
        fn no_text_makes_a_panic(text in "https?://.{0,20}|.{0,20}") {
            if let Ok(origin) = Origin::parse(&text) {
                prop_assert_eq!(Origin::parse(&origin.to_string()), Ok(origin));
            }
        }
    }
}
