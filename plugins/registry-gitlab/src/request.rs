//! The requests of the API, and where they go.

use k8supdater_plugin::names::check_tag;
use k8supdater_plugin::{Error, HttpRequest, HttpResponse, link};

use crate::Settings;
use crate::repository::Entry;

/// The credential slot of the plugin manifest.
const SLOT: &str = "token";

/// The first page of the registry repositories of a project, which is given as it stands in a URL.
pub(crate) fn repositories_url(settings: &Settings, project: &str) -> Result<String, Error> {
    Ok(format!("{}/projects/{project}/registry/repositories?per_page={}", settings.api()?, settings.page_size))
}

/// The first page of the tags of a repository.
pub(crate) fn tags_url(settings: &Settings, repository: &Entry) -> Result<String, Error> {
    Ok(format!("{}/tags?per_page={}", repository_url(settings, repository)?, settings.page_size))
}

/// One tag in detail.
pub(crate) fn tag_url(settings: &Settings, repository: &Entry, tag: &str) -> Result<String, Error> {
    check_tag(tag)?;
    Ok(format!("{}/tags/{tag}", repository_url(settings, repository)?))
}

/// A request for any of them.
pub(crate) fn get(url: &str) -> HttpRequest {
    HttpRequest::get(url).header("accept", "application/json").credential(SLOT)
}

/// Where the next page is; None on the last one.
///
/// GitLab links to it, with the number of a page or with a cursor (<https://docs.gitlab.com/api/rest/#pagination>). Where a proxy drops the
/// link, the number is in a header of its own.
///
/// # Errors
///
/// [`Error::InvalidReply`] if the link leads to another origin, or the number is none.
pub(crate) fn next_page(response: &HttpResponse, current: &str) -> Result<Option<String>, Error> {
    if let Some(url) = link::next_page(response, current)? {
        return Ok(Some(url));
    }
    match response.header("x-next-page").map(str::trim) {
        None | Some("") => Ok(None),
        Some(page) if page.len() < 10 && page.bytes().all(|byte| byte.is_ascii_digit()) => {
            let (path, query) = current.split_once('?').unwrap_or((current, ""));
            let kept = query.split('&').filter(|parameter| !parameter.is_empty() && !parameter.starts_with("page="));
            let query: Vec<&str> = kept.collect();
            Ok(Some(format!("{path}?{}&page={page}", query.join("&"))))
        }
        Some(page) => Err(Error::InvalidReply(format!("the header x-next-page is {page:?}, expected a number"))),
    }
}

/// The names of projects and repositories are not in here: GitLab's own numbers stay the same when a project is moved.
fn repository_url(settings: &Settings, repository: &Entry) -> Result<String, Error> {
    let Entry { id, project_id, .. } = repository;
    Ok(format!("{}/projects/{project_id}/registry/repositories/{id}", settings.api()?))
}

#[cfg(test)]
mod tests {
    use k8supdater_plugin::Header;

    use super::*;

    const TAGS: &str = "https://gitlab.example.com/api/v4/projects/9/registry/repositories/2/tags";

    /// `expected` is the query of the next page, or a part of the error.
    #[track_caller]
    fn check(headers: &[(&str, &str)], query: &str, expected: Result<Option<&str>, &str>) {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
        let response = HttpResponse { status: 200, headers: headers.iter().map(header).collect(), body: Vec::new() };
        let got = next_page(&response, &format!("{TAGS}?{query}"));
        match expected {
            Ok(query) => assert_eq!(got, Ok(query.map(|query| format!("{TAGS}?{query}"))), "for {headers:?}"),
            Err(text) => assert!(matches!(&got, Err(Error::InvalidReply(why)) if why.contains(text)), "{got:?}"),
        }
    }

    #[test]
    fn the_next_page_is_linked_or_numbered() {
        let links = |next: &str| format!("<{TAGS}?{next}>; rel=\"next\", <{TAGS}?page=1&per_page=100>; rel=\"first\"");
        let offset = links("page=2&per_page=100");
        check(&[("link", &offset), ("x-next-page", "2")], "per_page=100", Ok(Some("page=2&per_page=100")));
        let cursor = links("pagination=keyset&per_page=100&order_by=name&sort=asc&last=1.0.0");
        let expected = "pagination=keyset&per_page=100&order_by=name&sort=asc&last=1.0.0";
        check(&[("link", &cursor)], "per_page=100", Ok(Some(expected)));
        let last = format!("<{TAGS}?page=1&per_page=100>; rel=\"prev\"");
        check(&[("link", &last), ("x-next-page", "")], "page=2&per_page=100", Ok(None));
        check(&[], "per_page=100", Ok(None));
        check(&[("x-next-page", "2")], "per_page=100", Ok(Some("per_page=100&page=2")));
        check(&[("x-next-page", "3")], "page=2&per_page=100", Ok(Some("per_page=100&page=3")));
        check(&[("x-next-page", "two")], "per_page=100", Err("expected a number"));
        check(&[("x-next-page", "2&x=y")], "per_page=100", Err("expected a number"));
        let away = "<https://attacker.example.com/api/v4/projects/9?page=2>; rel=\"next\"";
        check(&[("link", away)], "per_page=100", Err("another origin"));
        let plain = "<http://gitlab.example.com/api/v4/projects/9?page=2>; rel=\"next\"";
        check(&[("link", plain)], "per_page=100", Err("another origin"));
    }
}
