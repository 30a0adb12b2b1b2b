//! The digest of what a tag points at.

use k8supdater_plugin::names::is_digest;
use k8supdater_plugin::{Error, HttpResponse};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What the registry says in `docker-content-digest`; None if it does not, or says it in another algorithm than SHA-256.
pub(crate) fn stated_digest(response: &HttpResponse) -> Option<&str> {
    response.header("docker-content-digest").filter(|digest| is_digest(digest))
}

/// The digest of a manifest that has been fetched whole.
///
/// # Errors
///
/// [`Error::InvalidReply`] if the body is no manifest of schema version 2 (the digest of the older ones is not that of their bytes), or
/// not the one that the registry states the digest of.
pub(crate) fn digest(response: &HttpResponse) -> Result<String, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        schema_version: u8,
    }
    let manifest: Manifest = response.json()?;
    if manifest.schema_version != 2 {
        let version = manifest.schema_version;
        return Err(Error::InvalidReply(format!("a manifest of schema version {version}, expected 2")));
    }
    let digest = Sha256::digest(&response.body).iter().fold("sha256:".to_owned(), |mut text, byte| {
        let digits = [byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16));
        text.extend(digits);
        text
    });
    match stated_digest(response) {
        Some(stated) if stated != digest => {
            Err(Error::InvalidReply(format!("a manifest with digest {digest}, which the registry says is {stated}")))
        }
        _ => Ok(digest),
    }
}
