//! Projects, the registry repositories in them, and their tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::image::{Image, Label, Platform, USUAL_PLATFORM};

/// When everything was built. The value means nothing.
const CREATED: &str = "2024-01-15T10:00:00.123+00:00";
/// Bytes of an image. The value means nothing.
const SIZE: u64 = 1_000;

/// A project.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) number: u64,
    /// With its groups: `group/project`.
    pub(super) path: String,
    pub(super) is_private: bool,
    repositories: Vec<Repository>,
}

/// What GitLab calls a registry repository: the images of one name.
#[derive(Debug)]
pub(super) struct Repository {
    pub(super) number: u64,
    /// Below the project; empty for the image that is named like it.
    name: String,
    tags: BTreeMap<String, Image>,
    pushes: u64,
}

impl Project {
    pub(super) fn new(number: u64, path: &str) -> Self {
        Self { number, path: path.to_owned(), is_private: false, repositories: Vec::new() }
    }

    pub(super) fn repositories(&self) -> &[Repository] {
        &self.repositories
    }

    pub(super) fn repository_mut(&mut self, name: &str) -> Option<&mut Repository> {
        self.repositories.iter_mut().find(|repository| repository.name == name)
    }

    /// The repository of that name; if there is none it is created with this number.
    pub(super) fn repository_or(&mut self, name: &str, number: u64) -> &mut Repository {
        let place = self.repositories.iter().position(|repository| repository.name == name);
        let place = place.unwrap_or_else(|| {
            let repository = Repository { number, name: name.to_owned(), tags: BTreeMap::new(), pushes: 0 };
            self.repositories.push(repository);
            self.repositories.len() - 1
        });
        &mut self.repositories[place]
    }
}

impl Repository {
    /// Puts another image under a tag.
    pub(super) fn push(&mut self, tag: &str) {
        self.pushes += 1;
        // Numbers are never given twice, so images of the same name in different projects differ.
        let repository = format!("{}/{}", self.number, self.name);
        let label = Label { repository: &repository, tag, build: self.pushes };
        self.tags.insert(tag.to_owned(), Image::new(&Platform::parse(USUAL_PLATFORM), label));
    }

    pub(super) fn remove(&mut self, tag: &str) {
        self.tags.remove(tag);
    }

    pub(super) fn digest(&self, tag: &str) -> Option<String> {
        self.tags.get(tag).map(|image| image.manifest.digest.clone())
    }

    /// Its tags in the order of their names.
    pub(super) fn tags(&self) -> Vec<&str> {
        self.tags.keys().map(String::as_str).collect()
    }

    fn path(&self, project: &Project) -> String {
        if self.name.is_empty() { project.path.clone() } else { format!("{}/{}", project.path, self.name) }
    }

    /// What a list of repositories says about it.
    pub(super) fn to_json(&self, project: &Project, registry: &str) -> Value {
        let path = self.path(project);
        json!({
            "id": self.number,
            "name": self.name,
            "path": path,
            "project_id": project.number,
            "location": format!("{registry}/{path}"),
            "created_at": CREATED,
            "cleanup_policy_started_at": null,
            "status": null,
        })
    }

    /// What a list of tags says about one: nothing but its name.
    pub(super) fn tag_to_json(&self, project: &Project, registry: &str, tag: &str) -> Value {
        let path = format!("{}:{tag}", self.path(project));
        json!({"name": tag, "path": path, "location": format!("{registry}/{path}")})
    }

    /// What there is to say about a tag, if it exists.
    pub(super) fn detail(&self, project: &Project, registry: &str, tag: &str) -> Option<Value> {
        let image = self.tags.get(tag)?;
        let revision = image.config.digest.trim_start_matches("sha256:");
        let mut detail = self.tag_to_json(project, registry, tag);
        detail["revision"] = json!(revision);
        detail["short_revision"] = json!(revision.get(..9));
        detail["digest"] = json!(image.manifest.digest);
        detail["created_at"] = json!(CREATED);
        detail["total_size"] = json!(SIZE);
        Some(detail)
    }
}
