//! The image among the registry repositories of a project.

use k8supdater_plugin::{Error, Repository};
use serde::Deserialize;

/// Most projects that are tried for one image. Below its project an image has at most two more names
/// (<https://docs.gitlab.com/user/packages/container_registry/#naming-convention-for-your-container-images>).
const MOST_PROJECTS: usize = 3;

/// A registry repository, as GitLab lists it. Its `name` says nothing: it is empty for the image that is named like the project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    pub(crate) project_id: u64,
    path: String,
    location: Option<String>,
}

/// The entry of `image`, if it is among these.
///
/// # Errors
///
/// [`Error::InvalidSettings`] if the path is the image's but the registry is not: another image, in another place, that happens to have
/// the same name.
pub(crate) fn find(entries: Vec<Entry>, image: &Repository) -> Result<Option<Entry>, Error> {
    let Some(entry) = entries.into_iter().find(|entry| entry.path == image.name) else { return Ok(None) };
    let place = format!("{}/{}", image.registry, image.name);
    match &entry.location {
        Some(location) if !location.eq_ignore_ascii_case(&place) => Err(Error::InvalidSettings(format!(
            "the image is {place}, but this GitLab has {location}; check baseUrl, and whether this plugin is the right one"
        ))),
        _ => Ok(Some(entry)),
    }
}

/// Paths of the projects that the image `name` may belong to, the longest last: it is tried first, because only GitLab can tell the project
/// `group/subgroup/project` from an image of the project `group/subgroup`. Empty if it can belong to none.
pub(crate) fn projects(name: &str) -> Vec<&str> {
    let ends = name.match_indices('/').map(|(slash, _)| slash).skip(1).chain([name.len()]);
    let mut projects: Vec<&str> =
        if name.contains('/') { ends.filter_map(|end| name.get(..end)).collect() } else { Vec::new() };
    let surplus = projects.len().saturating_sub(MOST_PROJECTS);
    projects.drain(..surplus);
    projects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_paths_are_tried() {
        let check = |name: &str, expected: &[&str]| assert_eq!(projects(name), expected, "{name}");
        check("project", &[]);
        check("g/p", &["g/p"]);
        check("g/p/image", &["g/p", "g/p/image"]);
        check("g/p/image/debug", &["g/p", "g/p/image", "g/p/image/debug"]);
        check("g/s/t/p/image/debug", &["g/s/t/p", "g/s/t/p/image", "g/s/t/p/image/debug"]);
    }

    #[test]
    fn an_image_is_found_by_path_and_place_not_by_name() {
        let entry = |id, path: &str, location: Option<&str>| Entry {
            id,
            project_id: 9,
            path: path.to_owned(),
            location: location.map(str::to_owned),
        };
        let entries = vec![
            entry(1, "group/project", Some("gitlab.example.com:5000/group/project")),
            entry(2, "group/project/releases", Some("GitLab.example.com:5000/group/project/releases")),
            entry(3, "group/project/old", None),
        ];
        let find = |registry: &str, name: &str| {
            let image = Repository { registry: registry.to_owned(), name: name.to_owned() };
            find(entries.clone(), &image).map(|entry| entry.map(|entry| entry.id))
        };
        assert_eq!(find("gitlab.example.com:5000", "group/project"), Ok(Some(1)));
        assert_eq!(find("gitlab.example.com:5000", "group/project/releases"), Ok(Some(2)));
        assert_eq!(find("gitlab.example.com:5000", "group/project/old"), Ok(Some(3)));
        assert_eq!(find("gitlab.example.com:5000", "releases"), Ok(None));
        for registry in ["docker.io", "gitlab.example.com", "gitlab.example.com:5001"] {
            let got = find(registry, "group/project");
            let text = "but this GitLab has gitlab.example.com:5000/group/project";
            assert!(matches!(&got, Err(Error::InvalidSettings(why)) if why.contains(text)), "{registry}: {got:?}");
        }
    }
}
