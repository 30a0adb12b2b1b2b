//! Which images an entry is for.

use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;

/// Most characters of a host; DNS knows no longer names (RFC 1035 section 2.3.4, without the length bytes and the root).
const LONGEST_HOST: usize = 253;
/// The host for Docker Hub in the days of its first API, whose key `docker login` still uses.
const DEFAULT_REGISTRY: &str = "index.docker.io";

/// The key of an entry: a host whose labels may hold `*`, perhaps a port, perhaps the beginning of a path.
///
/// Prints without scheme: `*.example.com:5000/team`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    host: String,
    /// Empty if there is none.
    port: String,
    /// Empty, or with a slash first.
    path: String,
}

/// Why a key is no pattern.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// It begins like a URL of another kind.
    #[error("its key has a scheme other than http:// and https://")]
    Scheme,
    /// There is no host, or it has characters that no host has.
    #[error(
        "its key has no valid host; expected labels of letters, digits, '-', '_' and '*', or an IPv6 address in brackets"
    )]
    Host,
    /// No registry has so long a name.
    #[error("the host in its key has more than {LONGEST_HOST} characters")]
    TooLong,
    /// What follows the colon is no number.
    #[error("the port in its key is no number")]
    Port,
    /// A path or what follows it has control characters.
    #[error("its key has control characters")]
    Control,
}

impl Pattern {
    /// The pattern that `key` spells, read as the kubelet does it:
    /// - `http://` and `https://` are left out, in lower case only, and mean the same.
    /// - A user and password before the host, a query and a fragment are left out, and not kept.
    /// - `/v1/` and `/v2/` at the beginning of the path are left out, once; a path of `/` alone is none. `/v1` without the second slash is
    ///   the path of a repository.
    ///
    /// Percent-encoding is not undone in paths, as no repository's name needs it. Keys that could match no image are refused rather than
    /// kept, where the kubelet says nothing: `oci://…`, and hosts that are not ASCII.
    ///
    /// # Errors
    /// [`PatternError`], which repeats nothing of `key`.
    pub fn parse(key: &str) -> Result<Self, PatternError> {
        if key.contains(char::is_control) {
            return Err(PatternError::Control);
        }
        let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
        let rest = rest.split_once(['?', '#']).map_or(rest, |(rest, _)| rest);
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.ends_with(':') && path.starts_with("//") {
            return Err(PatternError::Scheme);
        }
        let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let (host, port) = split_port(address);
        if host.len() > LONGEST_HOST {
            return Err(PatternError::TooLong);
        }
        if !is_host(host) {
            return Err(PatternError::Host);
        }
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PatternError::Port);
        }
        let path = path
            .strip_prefix("/v1")
            .or_else(|| path.strip_prefix("/v2"))
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path);
        let path = if path == "/" { "" } else { path };
        Ok(Self { host: host.to_owned(), port: port.to_owned(), path: path.to_owned() })
    }

    /// Whether the entry is for images in `repository` of `registry`, both as [`crate::image::ImageReference`] has them:
    /// - The ports are the same, or neither has one. `:443` is not the same as none.
    /// - The hosts have equally many labels, and each label matches the one at its place: letter for letter, capitals being different
    ///   letters, but `*` stands for any number of characters, none included. `*.io` does not match `k8s.gcr.io`. An IPv6 address matches
    ///   itself, also without a port, where the kubelet takes its brackets for a wildcard.
    /// - The pattern's path is the beginning of the repository's name, in whole characters, not parts: `/team` matches `team/web` and also
    ///   `teamwork/web`; whoever wants to prevent that writes `/team/`. There are no wildcards in paths and ports.
    pub fn matches(&self, registry: &str, repository: &str) -> bool {
        let (host, port) = split_port(registry);
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        self.port == port
            && self.host.split('.').count() == host.split('.').count()
            && self.host.split('.').zip(host.split('.')).all(|(glob, label)| is_glob_match(glob, label))
            && repository.starts_with(path)
    }

    /// Whether this is what `docker login` calls Docker Hub, which is no host that an image reference ever has.
    pub(super) fn is_default_registry(&self) -> bool {
        self.host == DEFAULT_REGISTRY && self.port.is_empty() && self.path.is_empty()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if !self.port.is_empty() {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

/// Host and port; the latter empty if there is none. A colon in brackets is an IPv6 address's.
fn split_port(address: &str) -> (&str, &str) {
    match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (address, ""),
    }
}

/// Whether `text` can stand for hosts. `?` and `[a-z]`, which Go's `filepath.Match` would know, cannot stand in the host of a URL.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'*' | b'.');
    !text.is_empty() && text.bytes().all(is_allowed)
}

/// Whether `glob`, in which `*` stands for any number of characters, matches all of `label`.
fn is_glob_match(glob: &str, label: &str) -> bool {
    let Some((first, rest)) = glob.split_once('*') else { return glob == label };
    let Some(mut label) = label.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    // The earliest place leaves most for what follows, so there is never a reason to come back.
    for part in middle.split('*') {
        let Some((_, behind)) = label.split_once(part) else { return false };
        label = behind;
    }
    label.ends_with(last)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_read_as_the_kubelet_reads_them() {
        let check = |key: &str, expected: &str| assert_eq!(Pattern::parse(key).unwrap().to_string(), expected, "{key}");
        check("ghcr.io", "ghcr.io");
        check("https://ghcr.io", "ghcr.io");
        check("http://ghcr.io/", "ghcr.io");
        check("ghcr.io:", "ghcr.io");
        check("ghcr.io:5000/team/", "ghcr.io:5000/team/");
        check("https://index.docker.io/v1/", "index.docker.io");
        check("https://quay.io/v2/team", "quay.io/team");
        check("https://quay.io/v2/v1/team", "quay.io/v1/team");
        check("quay.io/v1", "quay.io/v1");
        check("quay.io/v10/team", "quay.io/v10/team");
        check("quay.io/v3/", "quay.io/v3/");
        check("[::1]:5000/team", "[::1]:5000/team");
        check("[::1]", "[::1]");
        check("user:word@ghcr.io/team?a=b#c", "ghcr.io/team");
        check("https://a@b@ghcr.io", "ghcr.io");
        check("ghcr.io#c/d", "ghcr.io");
        check("*.ghcr.*", "*.ghcr.*");
        check("EXAMPLE.com", "EXAMPLE.com");
    }

    #[test]
    fn keys_that_no_image_can_match_are_refused() {
        let check = |key: &str, expected: PatternError| assert_eq!(Pattern::parse(key), Err(expected), "{key}");
        check("", PatternError::Host);
        check("https://", PatternError::Host);
        check("/team", PatternError::Host);
        check(":5000", PatternError::Host);
        check("user@", PatternError::Host);
        check("gh cr.io", PatternError::Host);
        check("gh[a-z].io", PatternError::Host);
        check("ghcr.io\\team", PatternError::Host);
        check("bücher.example", PatternError::Host);
        check("::1", PatternError::Host);
        check("[::g]", PatternError::Host);
        check("[::1", PatternError::Host);
        check("ghcr.io:https", PatternError::Port);
        check("ghcr.io:*", PatternError::Port);
        check("ghcr.io:-1", PatternError::Port);
        check("oci://ghcr.io", PatternError::Scheme);
        check("HTTPS://ghcr.io", PatternError::Scheme);
        check("ghcr.io/\n", PatternError::Control);
        check(&"a".repeat(254), PatternError::TooLong);
        assert!(Pattern::parse(&"a".repeat(253)).is_ok());
    }

    #[test]
    fn a_pattern_matches_host_port_and_beginning_of_the_path() {
        let check = |pattern: &str, registry: &str, repository: &str, expected: bool| {
            let matches = Pattern::parse(pattern).unwrap().matches(registry, repository);
            assert_eq!(matches, expected, "{pattern} {registry}/{repository}");
        };
        check("ghcr.io", "ghcr.io", "web", true);
        check("ghcr.io", "GHCR.io", "web", false);
        check("ghcr.io", "ghcr.io.attacker.example", "web", false);
        check("ghcr.io", "attackerghcr.io", "web", false);
        check("ghcr.io", "xn--ghcr-io", "web", false);
        check("attacker.example@ghcr.io", "attacker.example", "web", false);
        // Labels, one for one.
        check("*.example.com", "a.example.com", "web", true);
        check("*.example.com", "example.com", "web", false);
        check("*.example.com", "a.b.example.com", "web", false);
        check("*.*.example.com", "a.b.example.com", "web", true);
        check("a.*.com", "a.example.com", "web", true);
        check("a.example.*", "a.example.com", "web", true);
        check("*", "localhost", "web", true);
        check("*", "example.com", "web", false);
        check("app*.example.com", "app.example.com", "web", true);
        check("app*.example.com", "app1.example.com", "web", true);
        check("app*.example.com", "my-app.example.com", "web", false);
        check("*-good.example.com", "very-good.example.com", "web", true);
        check("*example.com", "a.example.com", "web", false);
        check("a*b*c.example.com", "a1b2c.example.com", "web", true);
        check("a*b*c.example.com", "abbc.example.com", "web", true);
        check("a*b*c.example.com", "acb.example.com", "web", false);
        check("ab*ba.example.com", "aba.example.com", "web", false);
        check("**.example.com", "a.example.com", "web", true);
        // Ports, letter for letter.
        check("ghcr.io:5000", "ghcr.io:5000", "web", true);
        check("ghcr.io:5000", "ghcr.io", "web", false);
        check("ghcr.io", "ghcr.io:5000", "web", false);
        check("ghcr.io:443", "ghcr.io", "web", false);
        check("*.example.com:5000", "a.example.com:5000", "web", true);
        check("10.0.0.7:5000", "10.0.0.7:5000", "web", true);
        check("[::1]:5000", "[::1]:5000", "web", true);
        check("[::1]", "[::1]", "web", true);
        check("[::1]", "[::1]:5000", "web", false);
        // Paths, from the beginning.
        check("ghcr.io/team", "ghcr.io", "team/web", true);
        check("ghcr.io/team/web", "ghcr.io", "team/web", true);
        check("ghcr.io/team/web", "ghcr.io", "team", false);
        check("ghcr.io/web", "ghcr.io", "team/web", false);
        check("ghcr.io/team", "ghcr.io", "teamwork/web", true);
        check("ghcr.io/team/", "ghcr.io", "teamwork/web", false);
        check("ghcr.io/team/", "ghcr.io", "team/web", true);
        check("ghcr.io/*", "ghcr.io", "web", false);
        check("ghcr.io//team", "ghcr.io", "team", false);
        check("https://ghcr.io/v2/", "ghcr.io", "web", true);
    }

    /// Says the same as [`is_glob_match`], by trying everything.
    pub(in super::super) fn is_match(glob: &[u8], label: &[u8]) -> bool {
        match (glob, label) {
            ([], []) => true,
            ([b'*', glob @ ..], _) => (0..=label.len()).any(|taken| is_match(glob, &label[taken..])),
            ([first, glob @ ..], [same, label @ ..]) => first == same && is_match(glob, label),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_glob_matches_what_trying_everything_finds(glob in "[ab*]{0,8}", label in "[ab]{0,8}") {
            prop_assert_eq!(is_glob_match(&glob, &label), is_match(glob.as_bytes(), label.as_bytes()));
        }

        #[test]
        fn a_pattern_without_wildcards_matches_its_own_host_only(
            pattern in "(https?://)?(u:p@)?[a-b]{1,2}(\\.[a-b]{1,2}){0,1}(:[1-2])?(/[a-b]{0,2}){0,2}",
            registry in "[a-b]{1,2}(\\.[a-b]{1,2}){0,1}(:[1-2])?",
            repository in "[a-b]{1,2}(/[a-b]{1,2})?",
        ) {
            let pattern = Pattern::parse(&pattern).unwrap();
            if pattern.matches(&registry, &repository) {
                let shown = pattern.to_string();
                prop_assert_eq!(shown.split('/').next(), Some(registry.as_str()));
            }
        }

        #[test]
        fn no_key_makes_a_panic_and_what_prints_reads_the_same(key in "(https?://)?\\PC{0,12}|[a-z*@:/?#\\[\\].]{0,16}") {
            if let Ok(pattern) = Pattern::parse(&key) {
                pattern.matches("ghcr.io:5000", "team/web");
                // A key may say /v1/v1/, of which one is left out each time.
                if !key.contains("/v1/") && !key.contains("/v2/") {
                    prop_assert_eq!(Pattern::parse(&pattern.to_string()), Ok(pattern));
                }
            }
        }
    }
}
