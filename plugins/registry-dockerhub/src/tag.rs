//! What Docker Hub says about a tag (schema `tag` in <https://docs.docker.com/reference/api/hub/latest.yaml>).

use k8supdater_plugin::platform::Platform;
use k8supdater_plugin::time::Timestamp;
use k8supdater_plugin::{Image, Tag};
use serde::Deserialize;

/// A tag as it stands in a page, or alone. All but the name may be missing or null.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    digest: Option<String>,
    images: Option<Vec<Content>>,
    media_type: Option<String>,
    last_updated: Option<String>,
    tag_last_pushed: Option<String>,
}

/// What the tag holds for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Content {
    digest: Option<String>,
    #[serde(flatten)]
    platform: Platform,
}

impl Entry {
    /// When the Hub last changed it, which is what a listing is ordered by.
    pub(crate) fn updated(&self) -> Option<Timestamp> {
        Timestamp::parse(self.last_updated.as_deref()?)
    }

    /// Whether it points at nothing: neither a digest nor an image. There are such tags, and nobody can pull them.
    pub(crate) fn is_hollow(&self) -> bool {
        self.digest.is_none() && self.images.as_ref().is_some_and(Vec::is_empty)
    }

    /// The tag in the words of the contract.
    pub(crate) fn into_tag(self) -> Tag {
        // The time of an update is that of the last push, unless something else was changed later; then it is a bound from above, with
        // which a minimum age waits rather than hurries.
        let pushed = self.tag_last_pushed.as_deref().and_then(Timestamp::parse).or_else(|| self.updated());
        let digest = self.digest_of_target().map(str::to_owned);
        let images = self.images.unwrap_or_default().into_iter().filter_map(Content::into_image).collect();
        let tag = Tag::named(self.name).with_digest(digest).with_images(images);
        Tag { pushed: pushed.map(|time| time.seconds), ..tag }
    }

    /// The digest of what the tag points at, if that is certain.
    ///
    /// Without a digest of the tag itself, that of its only image is the same, unless the tag points at an index around that image.
    fn digest_of_target(&self) -> Option<&str> {
        let digest = match (&self.digest, self.images.as_deref()) {
            (Some(digest), _) => Some(digest),
            (None, Some([image])) if !self.is_index() => image.digest.as_ref(),
            (None, _) => None,
        };
        digest.map(String::as_str)
    }

    fn is_index(&self) -> bool {
        let is_index = |media_type: &String| {
            media_type.starts_with("application/vnd.oci.image.index.")
                || media_type.starts_with("application/vnd.docker.distribution.manifest.list.")
        };
        self.media_type.as_ref().is_some_and(is_index)
    }
}

impl Content {
    /// The image, unless it is none: an attestation, whose platform is `unknown`, or what has no digest, which nobody can pull.
    fn into_image(self) -> Option<Image> {
        self.platform.image(&self.digest?)
    }
}
