//! The settings; `plugin.json` holds their schema.

use k8supdater_plugin::Error;
use k8supdater_plugin::settings::api_url;
use serde::Deserialize;

use crate::request::HUB;

/// What can be set. The defaults are those of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// Where the API is, without `/v2`: the Hub, or a proxy in front of it. It may have a path.
    pub base_url: String,
    /// How many tags to ask for at once, 1 to 100, which is the most that Docker Hub gives.
    pub page_size: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { base_url: HUB.to_owned(), page_size: 100 }
    }
}

impl Settings {
    /// Where the API is, without a slash at the end.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSettings`] if `baseUrl` is not a plain address.
    pub(crate) fn api(&self) -> Result<String, Error> {
        api_url("baseUrl", &self.base_url, "/v2")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_a_plain_address_perhaps_with_a_path() {
        let check = |base: &str, expected: Result<&str, &str>| {
            let got = Settings { base_url: base.to_owned(), ..Settings::default() }.api();
            match (&got, expected) {
                (Ok(api), Ok(expected)) => assert_eq!(api, expected),
                (Err(Error::InvalidSettings(why)), Err(text)) if why.contains(text) => {}
                (_, expected) => panic!("{base:?}: {got:?}, expected {expected:?}"),
            }
        };
        check("https://hub.docker.com", Ok("https://hub.docker.com/v2"));
        check("http://127.0.0.1:8080/", Ok("http://127.0.0.1:8080/v2"));
        check("https://proxy.example.com/docker/hub", Ok("https://proxy.example.com/docker/hub/v2"));
        check("hub.docker.com", Err("neither https:// nor http://"));
        check("https://me@hub.docker.com", Err("more than a host"));
        check("https://hub.docker.com/a/../b", Err("cannot be followed"));
        check("https://hub.docker.com/v2/", Err("leave out /v2"));
    }
}
