//! What is in a repository.

use std::collections::{BTreeMap, HashMap};

use crate::IndexDigests;
use crate::image::{Image, Label, Object, Platform, Source, USUAL_PLATFORM, images, index};

/// Tags, and what they point at.
#[derive(Debug, Default)]
pub(super) struct Repository {
    /// The digest that each tag points at.
    tags: BTreeMap<String, String>,
    /// Manifests, indices and configurations by digest; nothing is ever collected.
    objects: HashMap<String, Object>,
    pushes: u64,
}

impl Repository {
    pub(super) fn tags(&self) -> impl Iterator<Item = &String> {
        self.tags.keys()
    }

    pub(super) fn digest(&self, tag: &str) -> Option<&str> {
        self.tags.get(tag).map(String::as_str)
    }

    /// What a tag or a digest points at.
    pub(super) fn object(&self, reference: &str) -> Option<&Object> {
        self.objects.get(self.digest(reference).unwrap_or(reference))
    }

    pub(super) fn remove(&mut self, tag: &str) {
        self.tags.remove(tag);
    }

    /// Pushes an image for one platform, and gives its digest.
    pub(super) fn push(&mut self, repository: &str, tag: &str, platform: &str) -> String {
        let label = Label { repository, tag, build: self.next_build() };
        self.keep_as(tag, Image::new(&Platform::parse(platform), label))
    }

    /// Pushes an image for the usual platform that says where its source is.
    pub(super) fn push_from(&mut self, repository: &str, tag: &str, source: Source<'_>) {
        let label = Label { repository, tag, build: self.next_build() };
        self.keep_as(tag, Image::new(&Platform::parse(USUAL_PLATFORM), label).with_source(source));
    }

    /// Pushes an index.
    pub(super) fn push_index(&mut self, repository: &str, tag: &str, platforms: &[&str]) -> IndexDigests {
        let label = Label { repository, tag, build: self.next_build() };
        let members = images(platforms, label);
        let index = index(&members, label);
        let digests = IndexDigests::of(platforms, &members, &index);
        for (_, image) in members {
            self.keep(image);
        }
        self.tags.insert(tag.to_owned(), index.digest.clone());
        self.objects.insert(index.digest.clone(), index);
        digests
    }

    fn next_build(&mut self) -> u64 {
        self.pushes += 1;
        self.pushes
    }

    fn keep_as(&mut self, tag: &str, image: Image) -> String {
        let digest = self.keep(image);
        self.tags.insert(tag.to_owned(), digest.clone());
        digest
    }

    fn keep(&mut self, image: Image) -> String {
        let digest = image.manifest.digest.clone();
        for object in [image.manifest, image.config] {
            self.objects.insert(object.digest.clone(), object);
        }
        digest
    }
}
