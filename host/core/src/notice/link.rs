//! Where to read more about an image.

use std::fmt;

use url::Url;

use crate::image::ImageReference;

/// Registry of Docker Hub.
const DOCKER_HUB: &str = "docker.io";
/// Registry of gitlab.com.
const GITLAB: &str = "registry.gitlab.com";
/// Most bytes of a link; longer ones are dropped. Mail and chat programs break long ones.
const LONGEST: usize = 2048;

/// An absolute `https` URL without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(Url);

/// What is known about an image that people are told of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The image; its tag and digest do not count.
    pub image: &'a ImageReference,
    /// The tag that people are told of, perhaps with a digest behind an `@`.
    pub tag: &'a str,
    /// Path of the GitLab project that the image belongs to (`group/subgroup/project`), if it is known.
    pub gitlab_project: Option<&'a str>,
    /// Label or annotation `org.opencontainers.image.source` of the image
    /// (<https://github.com/opencontainers/image-spec/blob/main/annotations.md>). Whoever built the image has chosen it.
    pub source: Option<&'a str>,
}

impl Link {
    /// `text`, if it is such a URL; a user before the host, which makes a link look as if it led elsewhere, makes it none.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
        (is_plain && url.as_str().len() <= LONGEST && !text.contains(char::is_control)).then_some(Self(url))
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where to read about the image: for Docker Hub the page with that tag, for gitlab.com the project's registry, else the source that the
/// image names, if that is an `https` URL.
///
/// Images on gitlab.com with more than two parts in their name may be of `group/project` or of a project in a subgroup
/// (<https://docs.gitlab.com/user/packages/container_registry/#naming-convention-for-your-container-images>). Unless the project is known,
/// the source is preferred, and what comes of the first two parts is a page in any case: the project or the subgroup.
pub fn link(facts: Facts<'_>) -> Option<Link> {
    let Facts { image, tag, gitlab_project, source } = facts;
    let source = source.and_then(Link::parse);
    match image.registry() {
        DOCKER_HUB => hub_page(image.repository(), tag),
        GITLAB => {
            let project = gitlab_project.filter(|project| is_at_or_under(image.repository(), project));
            let parts: Vec<&str> = image.repository().split('/').collect();
            match (project, parts.as_slice()) {
                (Some(project), _) => gitlab_page(project, true),
                (None, [_, _]) => gitlab_page(image.repository(), true),
                (None, [group, name, _, ..]) => source.or_else(|| gitlab_page(&format!("{group}/{name}"), false)),
                (None, _) => source,
            }
        }
        _ => source,
    }
}

/// Whether [`link`] can link to `image` only by its source.
pub fn is_source_needed(image: &ImageReference) -> bool {
    !matches!(image.registry(), DOCKER_HUB | GITLAB)
}

fn hub_page(repository: &str, tag: &str) -> Option<Link> {
    let path = match repository.strip_prefix("library/") {
        Some(name) => format!("https://hub.docker.com/_/{name}/tags"),
        None => format!("https://hub.docker.com/r/{repository}/tags"),
    };
    let mut url = Url::parse(&path).ok()?;
    let tag = tag.split_once('@').map_or(tag, |(tag, _)| tag);
    if !tag.is_empty() {
        url.query_pairs_mut().append_pair("name", tag);
    }
    Link::parse(url.as_str())
}

fn gitlab_page(path: &str, is_project: bool) -> Option<Link> {
    let page = if is_project { "/container_registry" } else { "" };
    Link::parse(&format!("https://gitlab.com/{path}{page}"))
}

/// Whether `path` is `parent` or lies under it. Paths of projects may have capitals, which names of images have not.
fn is_at_or_under(path: &str, parent: &str) -> bool {
    let parent = parent.to_ascii_lowercase();
    path.strip_prefix(&parent).is_some_and(|rest| !parent.is_empty() && (rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(image: &str, tag: &str, gitlab_project: Option<&str>, source: Option<&str>, expected: Option<&str>) {
        let image: ImageReference = image.parse().unwrap();
        let found = link(Facts { image: &image, tag, gitlab_project, source });
        assert_eq!(found.as_ref().map(Link::as_str), expected, "{image} {tag} {gitlab_project:?} {source:?}");
    }

    const SOURCE: Option<&str> = Some("https://github.com/example/app");

    #[test]
    fn docker_hub_has_a_page_for_each_tag() {
        check("nginx:1.0", "1.25.3", None, SOURCE, Some("https://hub.docker.com/_/nginx/tags?name=1.25.3"));
        check("grafana/grafana", "11.0", None, None, Some("https://hub.docker.com/r/grafana/grafana/tags?name=11.0"));
        check("index.docker.io/library/redis", "7", None, None, Some("https://hub.docker.com/_/redis/tags?name=7"));
        check("nginx", "latest@sha256:00", None, None, Some("https://hub.docker.com/_/nginx/tags?name=latest"));
        check("nginx", "", None, None, Some("https://hub.docker.com/_/nginx/tags"));
        check("nginx", "1 &x=y#z", None, None, Some("https://hub.docker.com/_/nginx/tags?name=1+%26x%3Dy%23z"));
    }

    #[test]
    fn gitlab_has_a_page_for_each_project() {
        let check = |image, project, source, expected| check(image, "1", project, source, Some(expected));
        let plain = "registry.gitlab.com/group/app";
        let deep = "registry.gitlab.com/group/app/web";
        check(plain, None, SOURCE, "https://gitlab.com/group/app/container_registry");
        check(deep, None, SOURCE, "https://github.com/example/app");
        check(deep, None, None, "https://gitlab.com/group/app");
        check(deep, Some("group/app"), SOURCE, "https://gitlab.com/group/app/container_registry");
        check(deep, Some("Group/App/Web"), SOURCE, "https://gitlab.com/Group/App/Web/container_registry");
        check(deep, Some("group/ap"), None, "https://gitlab.com/group/app");
        check(deep, Some(""), None, "https://gitlab.com/group/app");
        check(deep, Some("1234"), None, "https://gitlab.com/group/app");
    }

    #[test]
    fn a_source_is_needed_where_no_page_is_known() {
        let check = |image: &str, expected| {
            let image: ImageReference = image.parse().unwrap();
            assert_eq!(is_source_needed(&image), expected, "{image}");
        };
        check("nginx", false);
        check("registry.gitlab.com/group/app/web", false);
        check("ghcr.io/example/app", true);
        check("gitlab.example.com:5050/group/app", true);
    }

    #[test]
    fn elsewhere_the_source_is_linked_if_it_is_https() {
        let check = |source, expected| check("ghcr.io/example/app", "1", None, source, expected);
        check(SOURCE, SOURCE);
        check(None, None);
        check(Some(""), None);
        check(Some("http://github.com/example/app"), None);
        check(Some("git@github.com:example/app.git"), None);
        check(Some("https://github.com@example.net/app"), None);
        check(Some("https://user:secret@example.net/app"), None);
        check(Some("javascript:alert(1)"), None);
        check(Some("https://example.net/a\r\nb"), None);
        check(Some("https:///"), None);
        check(Some("https://example.net/a\"b c"), Some("https://example.net/a%22b%20c"));
        check(Some(&format!("https://example.net/{}", "a".repeat(2100))), None);
    }
}
