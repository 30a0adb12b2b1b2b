//! The settings; `plugin.json` holds their schema.

use std::fmt::Write;

use k8supdater_plugin::Error;
use k8supdater_plugin::settings::api_url;
use serde::Deserialize;

/// What can be set. The defaults are those of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Where GitLab is, without `/api/v4`. It may have a path.
    pub base_url: String,
    /// The project that the image belongs to. Without it, it is looked for along the path of the image.
    pub project: Option<Project>,
    /// How many entries to ask for at once, 1 to 100, which is the most that GitLab gives.
    pub page_size: u8,
}

/// A project: 42, or `group/project`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Project {
    /// Its number.
    Id(u64),
    /// Its full path, or its number as text.
    Path(String),
}

impl Default for Settings {
    fn default() -> Self {
        Self { base_url: "https://gitlab.com".to_owned(), project: None, page_size: 100 }
    }
}

impl Settings {
    /// Where the API is, without a slash at the end.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSettings`] if `baseUrl` is not the plain address of a GitLab.
    pub(crate) fn api(&self) -> Result<String, Error> {
        api_url("baseUrl", &self.base_url, "/api/v4")
    }
}

impl Project {
    /// As it stands in a URL: a number, or a path in which even the slashes are encoded
    /// (<https://docs.gitlab.com/api/rest/#namespaced-paths>).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSettings`] for a path that would lead elsewhere.
    pub(crate) fn encode(&self) -> Result<String, Error> {
        match self {
            Self::Id(id) => Ok(id.to_string()),
            Self::Path(path) if path.split('/').any(is_not_a_step) => Err(Error::InvalidSettings(format!(
                "project {path:?} is neither a number nor a path such as group/project"
            ))),
            Self::Path(path) => Ok(encode(path)),
        }
    }
}

/// Whether a part between slashes would change the path around it.
fn is_not_a_step(part: &str) -> bool {
    matches!(part, "" | "." | "..")
}

/// `text` with everything encoded but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes everything");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_a_plain_address_perhaps_with_a_path() {
        let check = |base: &str, expected: Result<&str, &str>| {
            let got = Settings { base_url: base.to_owned(), ..Settings::default() }.api();
            match expected {
                Ok(api) => assert_eq!(got, Ok(api.to_owned())),
                Err(text) => {
                    assert!(
                        matches!(&got, Err(Error::InvalidSettings(why)) if why.contains(text)),
                        "{base:?}: {got:?}"
                    );
                }
            }
        };
        check("https://gitlab.com", Ok("https://gitlab.com/api/v4"));
        check("https://gitlab.com/", Ok("https://gitlab.com/api/v4"));
        check("http://gitlab.tools:8080", Ok("http://gitlab.tools:8080/api/v4"));
        check("https://[2001:db8::1]:8443/dev/gitlab/", Ok("https://[2001:db8::1]:8443/dev/gitlab/api/v4"));
        check("", Err("neither https:// nor http://"));
        check("gitlab.com", Err("neither https:// nor http://"));
        check("https://gitlab.com/a b", Err("cannot be followed"));
        check("https://gitlab.com/api/v4", Err("leave out /api/v4"));
        check("https://gitlab.com/api", Err("leave out /api/v4"));
    }

    #[test]
    fn a_project_is_one_part_of_a_path() {
        let check = |project: &str, expected: Option<&str>| {
            let got = Project::Path(project.to_owned()).encode();
            assert_eq!(got.ok().as_deref(), expected, "{project:?}");
        };
        assert_eq!(Project::Id(42).encode(), Ok("42".to_owned()));
        check("42", Some("42"));
        check("group/project", Some("group%2Fproject"));
        check("Group/sub.group/project_1", Some("Group%2Fsub.group%2Fproject_1"));
        check("a?b#c%d", Some("a%3Fb%23c%25d"));
        check("ä", Some("%C3%A4"));
        for project in ["", "..", "/a", "a/", "a//b", "a/../b"] {
            check(project, None);
        }
    }
}
