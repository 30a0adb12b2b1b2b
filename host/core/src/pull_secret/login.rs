//! Logins, and the one type in which their secret parts live.

use std::fmt;

use zeroize::Zeroizing;

/// Text that nobody may see: it does not print, and [`Debug`] says `[redacted]`.
///
/// Overwritten when it is dropped; each clone is a copy of its own. `==` tells a rotation and two files with the same login; it does not
/// take the same time for all texts, so it must not be used to check what somebody else sends.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// A user name with its password, one of which may be empty: for HTTP Basic, or to buy a token with
    /// (<https://distribution.github.io/distribution/spec/auth/token/>).
    Basic {
        /// The user name. Secret too, because some registries take a token in its place.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// A refresh token, with which the registry's token service sells tokens over OAuth 2, as `grant_type=refresh_token`
    /// (<https://distribution.github.io/distribution/spec/auth/oauth/>). Never for the registry itself.
    IdentityToken(Secret),
    /// A token that the registry itself takes as it is, as `authorization: Bearer`.
    RegistryToken(Secret),
}

impl Secret {
    /// Keeps `text`, without copying it.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for whoever sends it. What is made of it is no longer protected by this type.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for Secret {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
