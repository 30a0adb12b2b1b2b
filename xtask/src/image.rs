//! Pushes images that hold nothing: enough for whoever lists tags, and for simulated nodes.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::hex::hex;

/// The media types of <https://github.com/opencontainers/image-spec/blob/v1.1.1/media-types.md>.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Pushes an image without layers as `repository`:`tag` to the registry at `address` (host and port), over plain http.
///
/// The tag is part of the image's configuration, so that every tag has a digest of its own.
///
/// # Errors
/// When the registry refuses it.
pub fn push(address: &str, repository: &str, tag: &str) -> Result<()> {
    push_parts(address, repository, tag).with_context(|| format!("cannot push {address}/{repository}:{tag}"))
}

fn push_parts(address: &str, repository: &str, tag: &str) -> Result<()> {
    let config = config(tag).to_string();
    let digest = digest(config.as_bytes());
    let begun = ureq::post(format!("http://{address}/v2/{repository}/blobs/uploads/")).send_empty()?;
    let Some(location) = begun.headers().get("location").and_then(|location| location.to_str().ok()) else {
        bail!("the registry does not say where to upload to");
    };
    // It may be a path only (https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#post-then-put).
    let location = if location.starts_with('/') { format!("http://{address}{location}") } else { location.to_owned() };
    let separator = if location.contains('?') { '&' } else { '?' };
    ureq::put(format!("{location}{separator}digest={digest}"))
        .content_type("application/octet-stream")
        .send(&config)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": digest, "size": config.len()},
        "layers": [],
    });
    ureq::put(format!("http://{address}/v2/{repository}/manifests/{tag}"))
        .content_type(MANIFEST)
        .send(manifest.to_string())?;
    Ok(())
}

fn config(tag: &str) -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"org.opencontainers.image.version": tag}},
        "rootfs": {"type": "layers", "diff_ids": []},
    })
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_registries_write_it() {
        // The digest of the empty JSON object, as in the image specification.
        assert_eq!(digest(b"{}"), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }

    #[test]
    fn every_tag_has_a_configuration_of_its_own() {
        assert_ne!(config("1.4.2"), config("1.4.3"));
    }
}
