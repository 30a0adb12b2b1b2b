//! Pushing images to a real registry.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use crate::http_client;
use crate::image::{INDEX, Image, Label, MANIFEST, Object, Platform, USUAL_PLATFORM, images, index};

/// A registry that takes pushes over plain http.
#[derive(Clone, Debug)]
pub struct Registry {
    address: String,
    http: reqwest::Client,
    login: Option<Arc<dyn Login>>,
}

/// The right to push.
pub(crate) trait Login: Debug + Send + Sync {
    /// The header `Authorization` with which `repository` can be read and written.
    fn authorization(&self, repository: &str) -> String;
}

/// The digests of an image index and of what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDigests {
    /// That of the index itself, which a tag points at.
    pub index: String,
    /// Those of the images, by platform: `linux/amd64`.
    pub members: BTreeMap<String, String>,
}

impl IndexDigests {
    pub(crate) fn of(platforms: &[&str], members: &[(Platform, Image)], index: &Object) -> Self {
        let digests = members.iter().map(|(_, image)| image.manifest.digest.clone());
        let members = platforms.iter().map(|platform| (*platform).to_owned()).zip(digests).collect();
        Self { index: index.digest.clone(), members }
    }

    /// The digest of the image for `platform`.
    ///
    /// # Panics
    /// When there is none.
    pub fn member(&self, platform: &str) -> &str {
        self.members.get(platform).unwrap_or_else(|| panic!("there is no image for {platform} in {self:?}"))
    }
}

impl Registry {
    /// The registry at `address`, a host and a port, which asks nobody who he is.
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), http: http_client(), login: None }
    }

    pub(crate) fn with_login(address: &str, login: Arc<dyn Login>) -> Self {
        Self { login: Some(login), ..Self::new(address) }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its origin, as a grant names it.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A reference to an image in it.
    pub fn image(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.address)
    }

    /// Pushes an image without layers for linux/amd64 under each of `tags`, every one with a digest of its own
    /// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#push>). Doing it again changes nothing.
    ///
    /// # Panics
    /// When the registry refuses.
    pub async fn push(&self, repository: &str, tags: &[&str]) {
        for tag in tags {
            self.push_image(USUAL_PLATFORM, Label { repository, tag, build: 0 }).await;
        }
    }

    /// Pushes an image for another platform, such as `linux/arm64`, and gives its digest.
    ///
    /// # Panics
    /// When the registry refuses, or that is no platform.
    pub async fn push_for(&self, repository: &str, tag: &str, platform: &str) -> String {
        self.push_image(platform, Label { repository, tag, build: 0 }).await
    }

    /// Pushes another image for linux/amd64 under a tag, and gives its digest.
    ///
    /// # Panics
    /// When the registry refuses.
    pub async fn repush(&self, repository: &str, tag: &str) -> String {
        self.push_image(USUAL_PLATFORM, Label { repository, tag, build: rand::random() }).await
    }

    /// Pushes an image index with one image for each of these platforms. Each call makes other images.
    ///
    /// # Panics
    /// When the registry refuses, or one of them is no platform.
    pub async fn push_index(&self, repository: &str, tag: &str, platforms: &[&str]) -> IndexDigests {
        let label = Label { repository, tag, build: rand::random() };
        let members = images(platforms, label);
        for (_, image) in &members {
            self.push_config(repository, image).await;
            self.put_manifest(repository, &image.manifest.digest, &image.manifest).await;
        }
        let index = index(&members, label);
        self.put_manifest(repository, tag, &index).await;
        IndexDigests::of(platforms, &members, &index)
    }

    /// The digest of what a tag points at.
    ///
    /// # Panics
    /// When there is no such tag.
    pub async fn digest(&self, repository: &str, tag: &str) -> String {
        let url = format!("{}/v2/{repository}/manifests/{tag}", self.origin());
        let request = self.http.head(&url).header("accept", format!("{INDEX}, {MANIFEST}"));
        let found = self.expect(repository, request, 200).await;
        let digest = found.headers().get("docker-content-digest").and_then(|digest| digest.to_str().ok());
        digest.unwrap_or_else(|| panic!("HEAD {url} gave no digest")).to_owned()
    }

    async fn push_image(&self, platform: &str, label: Label<'_>) -> String {
        let image = Image::new(&Platform::parse(platform), label);
        self.push_config(label.repository, &image).await;
        self.put_manifest(label.repository, label.tag, &image.manifest).await;
        image.manifest.digest
    }

    async fn push_config(&self, repository: &str, image: &Image) {
        let Object { bytes, digest, .. } = &image.config;
        let url = format!("{}/v2/{repository}/blobs/uploads/", self.origin());
        let begun = self.expect(repository, self.http.post(&url), 202).await;
        let place = begun.headers().get("location").and_then(|place| place.to_str().ok());
        let place = place.unwrap_or_else(|| panic!("POST {url} gave no place to upload to"));
        // The location may be relative to the registry.
        let base = if place.starts_with('/') { self.origin() } else { String::new() };
        let separator = if place.contains('?') { '&' } else { '?' };
        let url = format!("{base}{place}{separator}digest={digest}");
        let request = self.http.put(&url).header("content-type", "application/octet-stream").body(bytes.clone());
        self.expect(repository, request, 201).await;
    }

    async fn put_manifest(&self, repository: &str, reference: &str, manifest: &Object) {
        let url = format!("{}/v2/{repository}/manifests/{reference}", self.origin());
        let request = self.http.put(&url).header("content-type", manifest.media_type).body(manifest.bytes.clone());
        self.expect(repository, request, 201).await;
    }

    async fn expect(&self, repository: &str, request: reqwest::RequestBuilder, status: u16) -> reqwest::Response {
        let request = match &self.login {
            Some(login) => request.header("authorization", login.authorization(repository)),
            None => request,
        };
        let response = request.send().await.unwrap_or_else(|err| panic!("{} cannot be reached: {err:?}", self.address));
        if response.status() == status {
            return response;
        }
        let (url, found) = (response.url().clone(), response.status());
        panic!("{url} answered {found} instead of {status}: {}", response.text().await.unwrap_or_default());
    }
}
