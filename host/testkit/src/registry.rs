//! Pushing images to a real registry.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::http_client;

/// Media type of an image manifest (<https://github.com/opencontainers/image-spec/blob/main/media-types.md>).
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A registry that takes pushes over plain http without authentication.
#[derive(Clone, Debug)]
pub struct Registry {
    address: String,
    http: reqwest::Client,
}

impl Registry {
    /// The registry at `address`, a host and a port.
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), http: http_client() }
    }

    /// Its origin, as a grant names it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A reference to an image in it.
    pub fn image(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.address)
    }

    /// Pushes an image without layers under each of `tags`, every one with a digest of its own
    /// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push>).
    ///
    /// # Panics
    /// When the registry refuses.
    pub async fn push(&self, repository: &str, tags: &[&str]) {
        let config = config();
        let config_digest = self.push_blob(repository, config.clone()).await;
        for tag in tags {
            let manifest = manifest(&config_digest, config.len(), repository, tag);
            let url = format!("{}/v2/{repository}/manifests/{tag}", self.origin());
            let request = self.http.put(&url).header("content-type", MANIFEST).body(manifest);
            expect(&url, request, 201).await;
        }
    }

    /// Pushes `bytes` and gives their digest.
    async fn push_blob(&self, repository: &str, bytes: Vec<u8>) -> String {
        let digest = digest(&bytes);
        let url = format!("{}/v2/{repository}/blobs/uploads/", self.origin());
        let begun = expect(&url, self.http.post(&url), 202).await;
        let place = begun.headers().get("location").and_then(|place| place.to_str().ok());
        let place = place.unwrap_or_else(|| panic!("POST {url} gave no place to upload to"));
        // The location may be relative to the registry.
        let base = if place.starts_with('/') { self.origin() } else { String::new() };
        let separator = if place.contains('?') { '&' } else { '?' };
        let url = format!("{base}{place}{separator}digest={digest}");
        let request = self.http.put(&url).header("content-type", "application/octet-stream").body(bytes);
        expect(&url, request, 201).await;
        digest
    }
}

async fn expect(url: &str, request: reqwest::RequestBuilder, status: u16) -> reqwest::Response {
    let response = request.send().await.unwrap_or_else(|err| panic!("{url} cannot be reached: {err:?}"));
    if response.status() == status {
        return response;
    }
    let found = response.status();
    panic!("{url} answered {found} instead of {status}: {}", response.text().await.unwrap_or_default());
}

fn config() -> Vec<u8> {
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}});
    config.to_string().into_bytes()
}

/// An image manifest whose digest differs from that of every other repository and tag.
pub(crate) fn manifest(config_digest: &str, config_size: usize, repository: &str, tag: &str) -> Vec<u8> {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config_digest, "size": config_size},
        "layers": [],
        "annotations": {"org.opencontainers.image.version": tag, "org.opencontainers.image.title": repository},
    });
    manifest.to_string().into_bytes()
}

/// `sha256:` and 64 hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        text.extend([byte >> 4, byte & 0x0f].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_specification_and_differ_by_tag() {
        assert_eq!(digest(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let of = |tag| digest(&manifest(&digest(&config()), config().len(), "web", tag));
        assert_ne!(of("1.0"), of("1.1"));
    }
}
