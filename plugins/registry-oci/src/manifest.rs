//! What a tag points at: its digest, the images that it leads to, and where these say that their source is.

use k8supdater_plugin::names::{is_digest, is_source};
use k8supdater_plugin::platform::Platform;
use k8supdater_plugin::{Error, HttpResponse, Image};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Types of the configurations that say what an image is for. Others belong to what is no image, such as a Helm chart.
const IMAGE_CONFIGURATIONS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// Types of the manifests of images.
const IMAGE_MANIFESTS: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];

/// Annotation of a manifest or an index, and label in the configuration of an image
/// (<https://github.com/opencontainers/image-spec/blob/main/annotations.md#pre-defined-annotation-keys>).
const SOURCE: &str = "org.opencontainers.image.source";

/// A manifest that has been fetched whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Its own digest.
    pub(crate) digest: String,
    /// Its annotation of that name.
    pub(crate) source: Option<String>,
    /// What is in it.
    pub(crate) content: Content,
}

/// What the configuration of an image says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    /// What the image is for.
    pub(crate) platform: Platform,
    /// Its label of that name.
    pub(crate) source: Option<String>,
}

/// What is in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// The images of an index; none if it does not tell all of them.
    Images(Vec<Image>),
    /// One image. What it is for stands in the configuration with this digest.
    Image { configuration: String },
    /// Something else, or something that does not tell.
    Other,
}

/// A manifest or an index, as far as it matters
/// (<https://github.com/opencontainers/image-spec/blob/main/manifest.md>,
/// <https://github.com/opencontainers/image-spec/blob/main/image-index.md>).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    schema_version: u8,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    /// Anything, because nothing that matters more may fail for it.
    #[serde(default)]
    annotations: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: String,
    platform: Option<Platform>,
    artifact_type: Option<String>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct Annotations {
    /// What an attestation is marked with, whatever its platform
    /// (<https://docs.docker.com/build/metadata/attestations/attestation-storage/>).
    #[serde(rename = "vnd.docker.reference.type")]
    attached_as: Option<IgnoredAny>,
}

/// Something may be an image, and does not tell for which platform.
struct Untold;

/// What the registry says in `docker-content-digest`; None if it does not, or says it in another algorithm than SHA-256.
pub(crate) fn stated_digest(response: &HttpResponse) -> Option<&str> {
    response.header("docker-content-digest").filter(|digest| is_digest(digest))
}

/// Reads a manifest that has been fetched whole.
///
/// # Errors
///
/// [`Error::InvalidReply`] if the body is no manifest, or not the one that the registry states the digest of. Of schema version 1, whose
/// digest is not that of its bytes, the registry has to state it.
pub(crate) fn read(response: &HttpResponse) -> Result<Manifest, Error> {
    let body: Body = response.json()?;
    let stated = stated_digest(response);
    match (body.schema_version, stated) {
        (1, Some(stated)) => return Ok(Manifest { digest: stated.to_owned(), source: None, content: Content::Other }),
        (2, _) => {}
        (version, _) => {
            return Err(Error::InvalidReply(format!("a manifest of schema version {version}, expected 2")));
        }
    }
    let digest = digest_of(&response.body);
    match stated {
        Some(stated) if stated != digest => {
            Err(Error::InvalidReply(format!("a manifest with digest {digest}, which the registry says is {stated}")))
        }
        _ => Ok(Manifest { digest, source: source(&body.annotations), content: content(body) }),
    }
}

/// The configuration of an image (<https://github.com/opencontainers/image-spec/blob/main/config.md#properties>). None if the body is not
/// the one with that digest, which may stand elsewhere, or is none.
pub(crate) fn configuration(response: &HttpResponse, digest: &str) -> Option<Configuration> {
    #[derive(Deserialize)]
    struct Labelled {
        #[serde(default)]
        config: Value,
    }
    if response.status != 200 || digest_of(&response.body) != digest {
        return None;
    }
    let labelled: Option<Labelled> = response.json().ok();
    let source = labelled.and_then(|labelled| source(labelled.config.get("Labels")?));
    Some(Configuration { platform: response.json().ok()?, source })
}

/// The source among annotations or labels. One that is none or longer than the contract allows is not told.
fn source(labels: &Value) -> Option<String> {
    labels.get(SOURCE)?.as_str().filter(|source| is_source(source)).map(str::to_owned)
}

fn content(body: Body) -> Content {
    match (body.manifests, body.config) {
        (Some(members), _) => Content::Images(images(members)),
        (None, Some(Descriptor { media_type: Some(media_type), digest, .. }))
            if IMAGE_CONFIGURATIONS.contains(&media_type.as_str()) && is_digest(&digest) =>
        {
            Content::Image { configuration: digest }
        }
        (None, _) => Content::Other,
    }
}

/// The images among the members of an index. None at all if there is one that may be an image and is not told: a part of them would be
/// taken for all.
fn images(members: Vec<Descriptor>) -> Vec<Image> {
    let members = members.into_iter().filter(|member| !member.is_attached());
    let images: Result<Vec<Option<Image>>, Untold> = members.map(Descriptor::into_image).collect();
    images.unwrap_or_default().into_iter().flatten().collect()
}

impl Descriptor {
    /// Whether it stands beside an image: an attestation, a signature.
    fn is_attached(&self) -> bool {
        let is_marked = self.annotations.as_ref().is_some_and(|annotations| annotations.attached_as.is_some());
        is_marked || self.artifact_type.as_ref().is_some_and(|artifact| !artifact.is_empty())
    }

    /// The image that it describes, if it describes one.
    fn into_image(self) -> Result<Option<Image>, Untold> {
        let is_manifest = self.media_type.is_none_or(|kind| IMAGE_MANIFESTS.contains(&kind.as_str()));
        let platform = self.platform.filter(|_| is_manifest && is_digest(&self.digest)).ok_or(Untold)?;
        Ok(platform.image(&self.digest))
    }
}

fn digest_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        let digits = [byte >> 4, byte & 15].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16));
        text.extend(digits);
        text
    })
}
