//! The requests of the API, and where they go.

use k8supdater_plugin::names::{check_repository, check_tag};
use k8supdater_plugin::{Error, HttpRequest, Repository};

use crate::Settings;

/// The credential slot of the plugin manifest. The host buys the token that the registry asks for.
const SLOT: &str = "registry";

/// All that a tag may point at, an index or the manifest of one image, in the words of OCI and of Docker
/// (<https://github.com/opencontainers/image-spec/blob/main/media-types.md>,
/// <https://distribution.github.io/distribution/spec/manifest-v2-2/>). A registry that does not see the type that it has in the list
/// answers with another manifest, and so with another digest, or 404.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// The first page of all tags.
pub(crate) fn tags_url(repository: &Repository, settings: &Settings) -> Result<String, Error> {
    Ok(format!("{}/tags/list?n={}", repository_url(repository, settings)?, settings.page_size))
}

/// What `tag` points at.
pub(crate) fn manifest_url(repository: &Repository, settings: &Settings, tag: &str) -> Result<String, Error> {
    check_tag(tag)?;
    Ok(format!("{}/manifests/{tag}", repository_url(repository, settings)?))
}

/// The configuration of an image, which is a blob.
pub(crate) fn blob_url(repository: &Repository, settings: &Settings, digest: &str) -> Result<String, Error> {
    Ok(format!("{}/blobs/{digest}", repository_url(repository, settings)?))
}

/// A request for a blob.
pub(crate) fn blob(url: &str) -> HttpRequest {
    HttpRequest::get(url).credential(SLOT)
}

/// A request for tags.
pub(crate) fn tags(url: &str) -> HttpRequest {
    HttpRequest::get(url).header("accept", "application/json").credential(SLOT)
}

/// A request for what a tag points at; `method` is HEAD or GET.
pub(crate) fn manifest(method: &str, url: &str) -> HttpRequest {
    HttpRequest::new(method, url).header("accept", ACCEPT).credential(SLOT)
}

fn repository_url(repository: &Repository, settings: &Settings) -> Result<String, Error> {
    check_repository(repository)?;
    let Repository { registry, name } = repository;
    // Docker Hub answers under another name than the one in its image references.
    let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    let scheme = if settings.plain_http { "http" } else { "https" };
    Ok(format!("{scheme}://{host}/v2/{name}"))
}
