//! Images without layers, as they lie in a registry
//! (<https://github.com/opencontainers/image-spec/blob/main/manifest.md>): a manifest and its configuration, or an index over several.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Media type of an image manifest (<https://github.com/opencontainers/image-spec/blob/main/media-types.md>).
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an image index.
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Annotation and label that name the source of an image
/// (<https://github.com/opencontainers/image-spec/blob/main/annotations.md#pre-defined-annotation-keys>).
const SOURCE: &str = "org.opencontainers.image.source";
/// The platform of images for which nothing else is said.
pub(crate) const USUAL_PLATFORM: &str = "linux/amd64";
/// The build of Windows in images for it; without one nobody could choose among them.
const WINDOWS: &str = "10.0.20348.2700";

/// What an image runs on: `linux/arm64/v8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) os_version: Option<&'static str>,
    pub(crate) architecture: String,
    pub(crate) variant: Option<String>,
}

impl Platform {
    /// Reads `os/architecture` or `os/architecture/variant`.
    ///
    /// # Panics
    /// When it is neither.
    pub(crate) fn parse(text: &str) -> Self {
        let (os, architecture, variant) = match text.split('/').collect::<Vec<_>>().as_slice() {
            [os, architecture] => ((*os).to_owned(), (*architecture).to_owned(), None),
            [os, architecture, variant] => ((*os).to_owned(), (*architecture).to_owned(), Some((*variant).to_owned())),
            _ => panic!("{text:?} is no platform, expected os/architecture or os/architecture/variant"),
        };
        let os_version = (os == "windows").then_some(WINDOWS);
        Self { os, os_version, architecture, variant }
    }

    fn to_json(&self) -> Value {
        let mut object = json!({"architecture": self.architecture, "os": self.os});
        if let Some(variant) = &self.variant {
            object["variant"] = json!(variant);
        }
        if let Some(version) = self.os_version {
            object["os.version"] = json!(version);
        }
        object
    }
}

/// Bytes that a registry knows by their digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: String,
}

impl Object {
    fn new(media_type: &'static str, content: &Value) -> Self {
        let bytes = content.to_string().into_bytes();
        let digest = digest(&bytes);
        Self { media_type, bytes, digest }
    }

    fn content(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("it was made of JSON")
    }

    fn describe(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len()})
    }
}

/// What makes the digest of an image differ from those of all others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Label<'a> {
    pub(crate) repository: &'a str,
    pub(crate) tag: &'a str,
    /// Which of the images under this tag it is: zero for the first; whoever pushes again takes another number.
    pub(crate) build: u64,
}

impl Label<'_> {
    fn annotations(&self) -> Value {
        json!({
            "org.opencontainers.image.title": self.repository,
            "org.opencontainers.image.version": self.tag,
            "org.opencontainers.image.revision": self.build.to_string(),
        })
    }
}

/// Where an image says that its source is, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// In an annotation of its manifest.
    Annotation(&'a str),
    /// In a label in its configuration.
    Label(&'a str),
}

/// An image for one platform.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Object,
    pub(crate) config: Object,
}

impl Image {
    pub(crate) fn new(platform: &Platform, label: Label<'_>) -> Self {
        let mut config = platform.to_json();
        config["rootfs"] = json!({"type": "layers", "diff_ids": []});
        let config = Object::new(CONFIG, &config);
        let content = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.describe(),
            "layers": [],
            "annotations": label.annotations(),
        });
        Self { manifest: Object::new(MANIFEST, &content), config }
    }

    /// The image that differs from this one in saying so.
    pub(crate) fn with_source(self, source: Source<'_>) -> Self {
        let (mut manifest, mut config) = (self.manifest.content(), self.config.content());
        match source {
            Source::Annotation(url) => manifest["annotations"][SOURCE] = json!(url),
            Source::Label(url) => config["config"] = json!({"Labels": {SOURCE: url}}),
        }
        let config = Object::new(CONFIG, &config);
        manifest["config"] = config.describe();
        Self { manifest: Object::new(MANIFEST, &manifest), config }
    }
}

/// The index over images for several platforms, in their order.
pub(crate) fn index(members: &[(Platform, Image)], label: Label<'_>) -> Object {
    let describe = |(platform, image): &(Platform, Image)| {
        let mut member = image.manifest.describe();
        member["platform"] = platform.to_json();
        member
    };
    let content = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": members.iter().map(describe).collect::<Vec<_>>(),
        "annotations": label.annotations(),
    });
    Object::new(INDEX, &content)
}

/// One image for each of `platforms`.
pub(crate) fn images(platforms: &[&str], label: Label<'_>) -> Vec<(Platform, Image)> {
    let image = |platform: &&str| {
        let platform = Platform::parse(platform);
        let image = Image::new(&platform, label);
        (platform, image)
    };
    platforms.iter().map(image).collect()
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

    fn image(platform: &str, tag: &str, build: u64) -> Image {
        Image::new(&Platform::parse(platform), Label { repository: "web", tag, build })
    }

    #[test]
    fn digests_are_those_of_the_specification_and_differ_by_tag_build_and_platform() {
        assert_eq!(digest(b""), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let usual = image(USUAL_PLATFORM, "1.0", 0);
        assert_eq!(usual.manifest, image(USUAL_PLATFORM, "1.0", 0).manifest);
        for other in [image(USUAL_PLATFORM, "1.1", 0), image(USUAL_PLATFORM, "1.0", 1), image("linux/arm64", "1.0", 0)]
        {
            assert_ne!(usual.manifest.digest, other.manifest.digest);
        }
    }

    #[test]
    fn an_image_says_what_it_runs_on_in_its_configuration_and_in_its_index() {
        let label = Label { repository: "web", tag: "1.0", build: 0 };
        let members = images(&["linux/amd64", "linux/arm64/v8", "windows/amd64"], label);
        let index: Value = serde_json::from_slice(&index(&members, label).bytes).unwrap();
        let expected = [
            json!({"architecture": "amd64", "os": "linux"}),
            json!({"architecture": "arm64", "os": "linux", "variant": "v8"}),
            json!({"architecture": "amd64", "os": "windows", "os.version": WINDOWS}),
        ];
        for (number, expected) in expected.into_iter().enumerate() {
            let (_, image) = &members[number];
            let mut config: Value = serde_json::from_slice(&image.config.bytes).unwrap();
            config.as_object_mut().unwrap().remove("rootfs");
            assert_eq!((&config, &index["manifests"][number]["platform"]), (&expected, &expected));
            assert_eq!(index["manifests"][number]["digest"], json!(image.manifest.digest));
        }
    }

    #[test]
    fn an_image_says_where_its_source_is_if_it_is_told_to() {
        let usual = image(USUAL_PLATFORM, "1.0", 0);
        let check = |source: Source<'_>, annotation: Value, label: Value| {
            let image = usual.clone().with_source(source);
            let (manifest, config) = (image.manifest.content(), image.config.content());
            assert_eq!((&manifest["annotations"][SOURCE], &config["config"]["Labels"][SOURCE]), (&annotation, &label));
            assert_eq!(manifest["config"]["digest"], json!(image.config.digest));
            assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], json!("1.0"));
        };
        check(Source::Annotation("https://a"), json!("https://a"), Value::Null);
        check(Source::Label("https://a"), Value::Null, json!("https://a"));
    }

    #[test]
    #[should_panic(expected = "is no platform")]
    fn what_is_no_platform_is_refused() {
        Platform::parse("linux");
    }
}
