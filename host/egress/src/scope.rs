//! What one conversation may do: the grants, credentials and limits that its requests are held against.
//!
//! Types only. The operator builds a [`Scope`] from a Plugin object and its Secrets, for one image; nothing in here changes while it is
//! used.

use std::time::Duration;

use k8supdater_core::origin::{Grants, Origin};

use crate::credential::BoundCredential;

/// What the requests of one conversation may reach, and with which secrets.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The origins that may be called.
    pub grants: Grants,
    /// What `$registry` stands for among the grants; none if the conversation is not about an image.
    pub registry: Option<Origin>,
    /// The secrets, each with the slot that it fills and the origin that may see it.
    pub credentials: Vec<BoundCredential>,
    /// Token services on other hosts than their registry's.
    pub realms: Vec<RealmBinding>,
    /// Bounds of each request.
    pub limits: Limits,
}

impl Scope {
    /// The secret that fills `slot` and may be shown to `origin`.
    pub(crate) fn credential(&self, slot: &str, origin: &Origin) -> Option<&BoundCredential> {
        self.credentials.iter().find(|bound| bound.slot == slot && bound.origin == *origin)
    }
}

/// A token service that a registry may send us to, with the registry's password, although it is another host.
///
/// A registry that could name any host would be able to collect its users' passwords for others, or to have us call addresses that only
/// we can reach. Docker Hub (`https://registry-1.docker.io`, `https://auth.docker.io`) is the best known that needs a binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealmBinding {
    /// The registry.
    pub registry: Origin,
    /// The service that sells its tokens.
    pub realm: Origin,
}

/// Bounds of one request, the exchange for a token included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of an answer's body as they come, before decoding. 8 MiB.
    pub wire: usize,
    /// Most bytes of an answer's body once decoded, which is what the WIT promises. 8 MiB.
    pub decoded: usize,
    /// Most time from the call of [`send`](crate::Client::send) to its return, waiting for a free place included. 30 s.
    pub total: Duration,
    /// Most time between two pieces of an answer. 10 s.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Room for a tag list of tens of thousands of long tags on one page.
            wire: 8 * 1024 * 1024,
            decoded: 8 * 1024 * 1024,
            total: Duration::from_secs(30),
            idle: Duration::from_secs(10),
        }
    }
}
