//! Names that become part of a URL: registries, repositories, tags; and digests and sources.
//!
//! The host has parsed the image reference, and has read tags from a registry. A plugin checks again, so that no name can ever change
//! where a request goes. The grammar is that of
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>, as far as it matters for that.

use crate::exchange::Error;
use crate::registry::Repository;

/// Makes sure that registry and name are what they claim to be.
///
/// # Errors
///
/// [`Error::Other`] that names what cannot be.
pub fn check_repository(repository: &Repository) -> Result<(), Error> {
    let Repository { registry, name } = repository;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-/".contains(&byte);
    let is_component = |component: &str| component.starts_with(|first: char| first.is_ascii_alphanumeric());
    if registry.is_empty() || !registry.bytes().all(is_host) {
        return Err(Error::Other(format!("{registry:?} cannot be a registry")));
    }
    if !name.bytes().all(is_name) || !name.split('/').all(is_component) {
        return Err(Error::Other(format!("{name:?} cannot be a repository")));
    }
    Ok(())
}

/// Makes sure that `tag` is spelt like one.
///
/// # Errors
///
/// [`Error::Other`] that names it.
pub fn check_tag(tag: &str) -> Result<(), Error> {
    let is_expected = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if tag.is_empty() || tag.starts_with('.') || !tag.bytes().all(is_expected) {
        return Err(Error::Other(format!("{tag:?} cannot be a tag")));
    }
    Ok(())
}

/// Whether `text` is a digest as the WIT wants it: `sha256:` and 64 hexadecimal digits in lower case.
///
/// ```
/// use k8supdater_plugin::names::is_digest;
///
/// assert!(is_digest(&format!("sha256:{}", "0a".repeat(32))));
/// assert!(!is_digest(&format!("sha256:{}", "0A".repeat(32))));
/// assert!(!is_digest("sha256:"));
/// ```
pub fn is_digest(text: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(is_hex))
}

/// Whether the WIT allows `text` as the source of an image: 1 to 2048 bytes. Whether it is a URL is the host's to find out.
///
/// ```
/// use k8supdater_plugin::names::is_source;
///
/// assert!(is_source("https://github.com/example/app"));
/// assert!(!is_source("") && !is_source(&"x".repeat(2049)));
/// ```
pub fn is_source(text: &str) -> bool {
    (1..=2048).contains(&text.len())
}
