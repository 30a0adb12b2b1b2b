//! Reads references as container runtimes do: the grammar and the short forms are those of
//! <https://github.com/distribution/reference/blob/main/reference.go> and `normalize.go` beside it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;

use super::digest::{Digest, DigestError};

/// The registry of references that name none.
const DEFAULT_REGISTRY: &str = "docker.io";
/// Its name of old, which means the same.
const LEGACY_DEFAULT_REGISTRY: &str = "index.docker.io";
/// Where [`DEFAULT_REGISTRY`] keeps repositories without a namespace.
const DEFAULT_NAMESPACE: &str = "library";
/// Most characters of a repository's name.
const LONGEST_REPOSITORY: usize = 255;
/// Most characters of a tag.
const LONGEST_TAG: usize = 128;

/// A reference to an image, as it is spelt and what it means.
///
/// Prints exactly what was parsed. Two references are equal if they are spelt the same; whoever wants to know whether they mean the
/// same compares [`name`](Self::name) and [`tag`](Self::tag).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageReference {
    /// Registry and repository in the owner's spelling.
    spelt: String,
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseError {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// It is a URL.
    #[error("it is a URL; leave out all up to and including \"://\"")]
    Url,
    /// It is what runtimes take for the ID of an image, which no registry knows.
    #[error("64 hexadecimal digits are the ID of an image, not the name of a repository")]
    ImageId,
    /// What stands before the first slash is neither a host nor part of a name.
    #[error("{0:?} is no registry; expected a host name or address, IPv6 in brackets, with or without a port")]
    Registry(String),
    /// A repository has capitals.
    #[error("the repository name {0:?} has upper-case letters; write it in lower case")]
    UpperCase(String),
    /// A repository is not named as it should be.
    #[error(
        "{0:?} is no part of a repository name; expected lower-case letters and digits, between them single '.' or '_', '__' or any number of '-'"
    )]
    Repository(String),
    /// A repository's name is too long.
    #[error("the repository name has {0} characters; at most {LONGEST_REPOSITORY} are allowed")]
    TooLong(usize),
    /// A tag is none.
    #[error(
        "{0:?} is no tag; expected up to {LONGEST_TAG} letters, digits, '_', '.' and '-', the first of them no '.' or '-'"
    )]
    Tag(String),
    /// A digest is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// Why a reference cannot get another tag.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RetagError {
    /// The tag is none.
    #[error("{0:?} is no tag")]
    Tag(String),
    /// A runtime pulls the digest, whatever the tag says, and its owner wanted exactly that.
    #[error("the reference is pinned to {0}, which another tag would not change")]
    Pinned(Digest),
}

impl ImageReference {
    /// Host and perhaps port of the registry, `docker.io` where none is spelt.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in that registry: `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Registry and repository: `docker.io/library/nginx`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Whether both are of one repository, however it is spelt.
    pub fn is_of_same_repository(&self, other: &Self) -> bool {
        self.registry == other.registry && self.repository == other.repository
    }

    /// The tag, if one is spelt. Runtimes read none as `latest`, or do not look at it if there is a digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is spelt.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same image in the same spelling, under another tag.
    ///
    /// # Errors
    /// [`RetagError`]. A digest is neither kept, because it belongs to the old tag, nor dropped, because somebody wants it.
    pub fn with_tag(&self, tag: &str) -> Result<Self, RetagError> {
        if let Some(digest) = &self.digest {
            return Err(RetagError::Pinned(digest.clone()));
        }
        if !is_tag(tag) {
            return Err(RetagError::Tag(tag.to_owned()));
        }
        Ok(Self { tag: Some(tag.to_owned()), ..self.clone() })
    }

    /// The same image in the same spelling, under another tag and pinned to what that tag points at.
    ///
    /// For references that are pinned already; whether one becomes so is its owner's affair, and [`with_tag`](Self::with_tag) leaves it.
    ///
    /// # Errors
    /// [`RetagError::Tag`].
    pub fn with_tag_and_digest(&self, tag: &str, digest: Digest) -> Result<Self, RetagError> {
        if !is_tag(tag) {
            return Err(RetagError::Tag(tag.to_owned()));
        }
        Ok(Self { tag: Some(tag.to_owned()), digest: Some(digest), ..self.clone() })
    }
}

impl FromStr for ImageReference {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() {
            return Err(ParseError::Empty);
        }
        if text.contains("://") {
            return Err(ParseError::Url);
        }
        // Neither names nor tags hold an @, and a colon after the last slash is no port's.
        let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
        let (spelt, tag) = match rest.rsplit_once(':') {
            Some((spelt, tag)) if !tag.contains('/') => (spelt, Some(tag)),
            _ => (rest, None),
        };
        let (registry, repository) = normalize(spelt)?;
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ParseError::Tag(tag.to_owned()));
        }
        Ok(Self {
            spelt: spelt.to_owned(),
            registry,
            repository,
            tag: tag.map(str::to_owned),
            digest: digest.map(str::parse).transpose()?,
        })
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelt)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether `text` can stand behind the colon: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
pub fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= LONGEST_TAG
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// Registry and repository that `spelt` means.
fn normalize(spelt: &str) -> Result<(String, String), ParseError> {
    if spelt.len() == 64 && spelt.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(ParseError::ImageId);
    }
    let (registry, path) = match spelt.split_once('/') {
        Some((first, path)) if is_meant_as_host(first) => {
            if !is_host(first) {
                return Err(ParseError::Registry(first.to_owned()));
            }
            (if first == LEGACY_DEFAULT_REGISTRY { DEFAULT_REGISTRY } else { first }, path)
        }
        _ => (DEFAULT_REGISTRY, spelt),
    };
    let repository = if registry == DEFAULT_REGISTRY && !path.contains('/') {
        format!("{DEFAULT_NAMESPACE}/{path}")
    } else {
        path.to_owned()
    };
    if repository.len() > LONGEST_REPOSITORY {
        return Err(ParseError::TooLong(repository.len()));
    }
    for part in path.split('/') {
        if part.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ParseError::UpperCase(path.to_owned()));
        }
        if !is_path_part(part) {
            return Err(ParseError::Repository(part.to_owned()));
        }
    }
    Ok((registry.to_owned(), repository))
}

/// Whether the first part of a name is a host rather than a namespace. Capitals make a host, because namespaces have none.
fn is_meant_as_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether `text` is a host name, IPv4 address or bracketed IPv6 address, with or without a port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|number| number != 0)
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_address = |address: &str| !address.contains('.') && address.parse::<Ipv6Addr>().is_ok();
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => is_address(address),
        None => host.split('.').all(is_label),
    };
    is_host && port.is_none_or(is_port)
}

/// Whether `part` is lower-case letters and digits, between them `.`, `_`, `__` or any number of `-`.
fn is_path_part(part: &str) -> bool {
    let is_word = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    let is_separator = |text: &str| matches!(text, "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    part.starts_with(is_word) && part.ends_with(is_word) && part.split(is_word).all(is_separator)
}

#[cfg(test)]
mod tests;
