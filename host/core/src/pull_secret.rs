//! Pull secrets: which login belongs to an image, and who may be given it.
//!
//! The files are those of the Docker CLI, the rules which entry of them an image gets are the kubelet's, so that whoever can pull an image
//! can have its tags listed. Facts are from `pkg/credentialprovider/{keyring,config}.go` and `secrets/secrets.go` beside them
//! (<https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/credentialprovider/keyring.go>); where we deviate, [`select`] and [`read`]
//! say so. A password is never shown: it is a [`Secret`], and no error repeats anything that stands in a file.
//!
//! Fetching the files and sending the logins are the callers'. Start reading at [`read`], then [`select`], then [`recipients`].

mod config;
mod login;
mod matching;

use std::cmp::Reverse;

use crate::image::ImageReference;
use crate::origin::{Origin, ParseError};

pub use config::{Contents, Field, Format, MOST_BYTES, Problem, ProblemKind, ReadError, read};
pub use login::{Login, Secret};
pub use matching::{Pattern, PatternError};

/// The registry of image references that name none.
const DOCKER_HUB: &str = "docker.io";
/// Where Docker Hub has its tokens sold, which is neither `docker.io` nor the host of its API
/// (<https://docs.docker.com/reference/api/registry/auth/>).
const DOCKER_HUB_REALM: &str = "https://auth.docker.io";

/// A login, and the images that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which registries and repositories it is for.
    pub pattern: Pattern,
    /// What they want to see.
    pub login: Login,
}

/// The entries whose logins are for `image`, those to be tried first first; several, because an old and a new password may both be there.
///
/// `entries` are those of all files together, file after file in the order in which the workload names them, as the kubelet does it:
/// - Every entry counts whose [pattern matches](Pattern::matches), sorted backwards by pattern, byte for byte. That puts a longer path
///   before a shorter one of the same host, and `*` behind letters and digits. Of equal patterns, the earlier entry comes first.
/// - Only if there is none, an image of Docker Hub gets the entries for `index.docker.io` without port and path, which is what
///   `https://index.docker.io/v1/` means, the key under which `docker login` keeps them.
///
/// The kubelet also takes a host without dot and port, such as `localhost` in `localhost/web`, for Docker Hub in that last rule, and hands
/// it Docker Hub's password. We do not.
pub fn select<'a>(entries: impl IntoIterator<Item = &'a Entry>, image: &ImageReference) -> Vec<&'a Entry> {
    let (mut matching, mut default) = (Vec::new(), Vec::new());
    for entry in entries {
        if entry.pattern.matches(image.registry(), image.repository()) {
            matching.push(entry);
        } else if entry.pattern.is_default_registry() {
            default.push(entry);
        }
    }
    if matching.is_empty() && image.registry() == DOCKER_HUB {
        return default;
    }
    matching.sort_by_cached_key(|entry| Reverse(entry.pattern.to_string()));
    matching
}

/// The origins that may be given a login which was [selected](select) for an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipients {
    /// The API of the image's registry.
    pub registry: Origin,
    /// The host that is known to sell the registry's tokens, where it is another one. A service on the registry's own host is not listed.
    pub realm: Option<Origin>,
}

impl Recipients {
    /// Whether `origin` is one of them: the same scheme, host and port.
    pub fn contains(&self, origin: &Origin) -> bool {
        self.registry == *origin || self.realm.as_ref() == Some(origin)
    }
}

/// Who may be given the logins for `image`: its own registry, over TLS, and for Docker Hub the service that sells its tokens.
///
/// It follows from the image, never from the pattern that selected the login: `*.example.com` is no place to send anything to.
///
/// # Errors
/// [`ParseError`] if the image's registry has a name that no URL can have, such as `1.2.3.4.5`.
pub fn recipients(image: &ImageReference) -> Result<Recipients, ParseError> {
    let registry = Origin::registry(image.registry())?;
    let realm = if image.registry() == DOCKER_HUB { Some(Origin::parse(DOCKER_HUB_REALM)?) } else { None };
    Ok(Recipients { registry, realm })
}

#[cfg(test)]
mod tests;
