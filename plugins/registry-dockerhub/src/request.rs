//! The requests of the API, and where they go.

use k8supdater_plugin::names::{check_repository, check_tag};
use k8supdater_plugin::{Error, HttpRequest, Repository, link};

use crate::Settings;

/// Where the Hub's API is. The registry that images are pulled from is another host, and another API.
pub(crate) const HUB: &str = "https://hub.docker.com";
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
/// [`Error::Unsupported`] for a repository in another registry, [`Error::Other`] for a name that Docker Hub cannot have, and
/// [`Error::InvalidSettings`] for a `baseUrl` that is none.
pub(crate) fn tags_url(repository: &Repository, settings: &Settings) -> Result<String, Error> {
    Ok(format!("{}/tags?page_size={}&ordering=last_updated", repository_url(repository, settings)?, settings.page_size))
}

/// One tag in detail.
///
/// # Errors
///
/// As [`tags_url`], and [`Error::Other`] for a name that no tag can have.
pub(crate) fn tag_url(repository: &Repository, settings: &Settings, tag: &str) -> Result<String, Error> {
    check_tag(tag)?;
    Ok(format!("{}/tags/{tag}", repository_url(repository, settings)?))
}

/// A request for either.
pub(crate) fn get(url: &str) -> HttpRequest {
    HttpRequest::get(url).header("accept", "application/json").credential(SLOT)
}

/// Where the page after `current` is, which links to it as `next`.
///
/// Behind a proxy the link may name the Hub, which does not know the proxy. Only its query is taken then: the path stays that of the page
/// before, at the proxy.
///
/// # Errors
///
/// [`Error::InvalidReply`] if the link leads to another origin, or cannot be read.
pub(crate) fn next_page(current: &str, next: &str) -> Result<String, Error> {
    let at_hub = |url: &str| url.strip_prefix(HUB).is_some_and(|path| path.starts_with('/'));
    match next.split_once('?') {
        Some((_, query)) if at_hub(next) && !at_hub(current) => link::resolve(current, &format!("?{query}")),
        _ => link::resolve(current, next),
    }
}

fn repository_url(repository: &Repository, settings: &Settings) -> Result<String, Error> {
    check_repository(repository)?;
    let Repository { registry, name } = repository;
    if registry != REGISTRY {
        return Err(Error::Unsupported);
    }
    let api = settings.api()?;
    match name.split('/').collect::<Vec<_>>().as_slice() {
        [name] => Ok(format!("{api}/repositories/{OFFICIAL}/{name}")),
        [namespace, name] => Ok(format!("{api}/repositories/{namespace}/{name}")),
        _ => Err(Error::Other(format!("{name:?} cannot be in Docker Hub, where names have one slash"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` is where the next page is, or a part of the error.
    #[track_caller]
    fn check(current: &str, next: &str, expected: Result<&str, &str>) {
        match (next_page(current, next), expected) {
            (Ok(url), Ok(expected)) => assert_eq!(url, expected),
            (Err(Error::InvalidReply(why)), Err(text)) => assert!(why.contains(text), "{why}"),
            (got, expected) => panic!("{next}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn the_next_page_is_at_the_same_place() {
        let hub = "https://hub.docker.com/v2/repositories/a/b/tags";
        let proxy = "https://proxy.example.com/hub/v2/repositories/a/b/tags";
        let (first, second) =
            (|base: &str| format!("{base}?page_size=9"), |base: &str| format!("{base}?page=2&page_size=9"));
        check(&first(hub), &second(hub), Ok(&second(hub)));
        check(&first(proxy), &second(proxy), Ok(&second(proxy)));
        check(&first(proxy), &second(hub), Ok(&second(proxy)));
        check(&first(hub), &second(proxy), Err("another origin"));
        check(&first(proxy), "https://attacker.example.com/?page=2", Err("another origin"));
        check(&first(proxy), "https://hub.docker.com.attacker.example.com/?page=2", Err("another origin"));
        check(&first(proxy), "https://hub.docker.com@attacker.example.com/?page=2", Err("another origin"));
        check(&first(proxy), "http://hub.docker.com/?page=2", Err("another origin"));
        check(&first(proxy), hub, Err("another origin"));
        check(&first(proxy), "https://hub.docker.com/?a b", Err("not a URL"));
    }
}
