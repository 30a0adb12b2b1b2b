//! Lists tags through the API of GitLab, on gitlab.com and self-managed
//! (<https://docs.gitlab.com/api/container_registry/>).
//!
//! [`conversation`] is the plugin: which project, which of its repositories, then the tags. [`settings`] says which GitLab is asked,
//! [`request`] spells the requests, and [`repository`] finds the image among the repositories of a project.
//!
//! # What is left out, and why
//!
//! - **Digests in a listing.** The list of tags has none, and asking for each tag would be a request per tag. The question about one
//!   tag brings the digest.
//! - **Times.** The `created_at` of a tag is when its image was *built*, by the image's own configuration
//!   (<https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/container_registry/tag.rb>), which reproducible builds set to 1970. The
//!   contract asks for the time of the push, and a guess is worse than none.
//! - **A checkpoint.** Tags are listed by name, so nothing tells where the new ones are; every listing is a whole one.

mod conversation;
mod repository;
mod request;
mod settings;

pub use conversation::{GitLab, State};
pub use settings::{Project, Settings};

k8supdater_plugin::export!(registry: GitLab, manifest: "plugin.json");

#[cfg(test)]
mod tests;
