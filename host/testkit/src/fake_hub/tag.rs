//! A tag, and what the Hub says about it (schemas `tag` and `image` in <https://docs.docker.com/reference/api/hub/latest.yaml>).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::image::{INDEX, Image, Label, MANIFEST, Platform, images, index};

/// Bytes of an image. The value means nothing.
const SIZE: u64 = 1_000;

/// One tag.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    /// Of the index, or of the only image.
    pub(super) digest: String,
    pub(super) pushed: Timestamp,
    /// Changes what is said about it.
    pub(super) distort: Option<fn(&mut Value)>,
    platforms: Vec<String>,
    is_index: bool,
    id: u64,
    members: Vec<(Platform, Image)>,
}

impl Tag {
    /// An image on its own, not pushed yet.
    pub(super) fn of_image(platform: &str) -> Self {
        Self::new(&[platform], false)
    }

    /// An index over several images, not pushed yet.
    pub(super) fn of_index(platforms: &[&str]) -> Self {
        Self::new(platforms, true)
    }

    fn new(platforms: &[&str], is_index: bool) -> Self {
        Self {
            digest: String::new(),
            pushed: Timestamp::UNIX_EPOCH,
            distort: None,
            platforms: platforms.iter().map(|platform| (*platform).to_owned()).collect(),
            is_index,
            id: 0,
            members: Vec::new(),
        }
    }

    /// Gives it the content and the time of a push.
    pub(super) fn pushed_as(&mut self, repository: &str, name: &str, push: u64, time: Timestamp) {
        let label = Label { repository, tag: name, build: push };
        let platforms: Vec<&str> = self.platforms.iter().map(String::as_str).collect();
        self.members = images(&platforms, label);
        self.digest = match self.members.as_slice() {
            [(_, image)] if !self.is_index => image.manifest.digest.clone(),
            members => index(members, label).digest,
        };
        (self.id, self.pushed) = (push, time);
    }

    pub(super) fn to_json(&self, name: &str) -> Value {
        let time = self.pushed.to_string();
        let mut object = json!({
            "creator": 1,
            "id": self.id,
            "images": self.members.iter().map(|(platform, image)| describe(platform, image, &time)).collect::<Vec<_>>(),
            "last_updated": time,
            "last_updater": 1,
            "last_updater_username": "robot",
            "name": name,
            "repository": 1,
            "full_size": SIZE,
            "v2": true,
            "tag_status": "active",
            "tag_last_pulled": null,
            "tag_last_pushed": time,
            "media_type": if self.is_index { INDEX } else { MANIFEST },
            "content_type": "image",
            "digest": self.digest,
        });
        if let Some(distort) = self.distort {
            distort(&mut object);
        }
        object
    }
}

fn describe(platform: &Platform, image: &Image, time: &str) -> Value {
    json!({
        "architecture": platform.architecture,
        "features": "",
        "variant": platform.variant,
        "digest": image.manifest.digest,
        "os": platform.os,
        "os_features": "",
        "os_version": platform.os_version,
        "size": SIZE,
        "status": "active",
        "last_pulled": null,
        "last_pushed": time,
    })
}
