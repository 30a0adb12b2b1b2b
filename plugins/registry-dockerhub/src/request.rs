//! The requests of the API, and where they go.

use k8supdater_plugin::names::{check_repository, check_tag};
use k8supdater_plugin::{Error, HttpRequest, Repository};

use crate::Settings;

/// Where the API is. The registry that images are pulled from is another host, and another API.
const HUB: &str = "https://hub.docker.com";
/// The registry whose images are here, as image references name it.
const REGISTRY: &str = "docker.io";
/// Where images without a namespace are: `nginx` is `library/nginx`.
const OFFICIAL: &str = "library";
/// The credential slot of the plugin manifest.
const SLOT: &str = "hub";

/// The first page of all tags, the last updated first.
///
/// # Errors
///
/// [`Error::Unsupported`] for a repository in another registry, [`Error::Other`] for a name that Docker Hub cannot have.
pub(crate) fn tags_url(repository: &Repository, settings: &Settings) -> Result<String, Error> {
    Ok(format!("{}/tags?page_size={}&ordering=last_updated", repository_url(repository)?, settings.page_size))
}

/// One tag in detail.
///
/// # Errors
///
/// As [`tags_url`], and [`Error::Other`] for a name that no tag can have.
pub(crate) fn tag_url(repository: &Repository, tag: &str) -> Result<String, Error> {
    check_tag(tag)?;
    Ok(format!("{}/tags/{tag}", repository_url(repository)?))
}

/// A request for either.
pub(crate) fn get(url: &str) -> HttpRequest {
    HttpRequest::get(url).header("accept", "application/json").credential(SLOT)
}

fn repository_url(repository: &Repository) -> Result<String, Error> {
    check_repository(repository)?;
    let Repository { registry, name } = repository;
    if registry != REGISTRY {
        return Err(Error::Unsupported);
    }
    match name.split('/').collect::<Vec<_>>().as_slice() {
        [name] => Ok(format!("{HUB}/v2/repositories/{OFFICIAL}/{name}")),
        [namespace, name] => Ok(format!("{HUB}/v2/repositories/{namespace}/{name}")),
        _ => Err(Error::Other(format!("{name:?} cannot be in Docker Hub, where names have one slash"))),
    }
}
