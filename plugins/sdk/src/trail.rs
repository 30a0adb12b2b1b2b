//! The requests of one conversation so far, to find out a server that leads in circles.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use serde::{Deserialize, Serialize};

use crate::exchange::Error;
use crate::text::one_line;

/// Fingerprints of requests. Part of a plugin's state, which has to stay small over a thousand pages: about 20 bytes a request.
///
/// ```
/// use k8supdater_plugin::trail::Trail;
///
/// let mut trail = Trail::default();
/// assert!(trail.visit("GET https://r.test/1").is_ok());
/// assert!(trail.visit("GET https://r.test/2").is_ok());
/// assert!(trail.visit("GET https://r.test/1").is_err());
/// assert_eq!(trail.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trail(Vec<u64>);

impl Trail {
    /// Adds a request, spelt as method and URL.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReply`] if it was made before. Nobody answers the same question differently within one conversation on purpose.
    pub fn visit(&mut self, request: &str) -> Result<(), Error> {
        // Without random keys, so that every instance of the plugin computes the same.
        let fingerprint = BuildHasherDefault::<DefaultHasher>::default().hash_one(request);
        if self.0.contains(&fingerprint) {
            let request = one_line(request, 200);
            return Err(Error::InvalidReply(format!("the registry leads in a circle, back to {request}")));
        }
        self.0.push(fingerprint);
        Ok(())
    }

    /// How many requests there were.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
