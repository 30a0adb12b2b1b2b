//! Settings as the host hands them over: JSON text. Only who implements a raw `Guest` has to read them; the traits do it themselves.

use serde::de::DeserializeOwned;

use crate::exchange::Error;

/// The settings as the plugin's own type.
///
/// # Errors
///
/// A sentence naming the field and what was expected. The host has checked the text against the schema before, so this means
/// that schema and type have drifted apart, or that the plugin was called by something other than the host.
pub fn parse<S: DeserializeOwned>(settings: &str) -> Result<S, String> {
    // No settings at all is the same as an empty object.
    let settings = if settings.trim().is_empty() { "{}" } else { settings };
    serde_json::from_str(settings).map_err(|err| format!("the settings cannot be read: {err}"))
}

/// Where an API is: the URL in the setting called `name`, with the `path` of the API behind it. The URL may have a port and a path, and
/// slashes at its end are left out.
///
/// The host asks for the origin of such a setting where the plugin manifest names it, and refuses what nobody granted. This keeps the
/// rest of the value from changing what is asked for at that origin.
///
/// ```
/// use k8supdater_plugin::settings::api_url;
///
/// assert_eq!(api_url("baseUrl", "https://example.com/git/", "/api/v4").unwrap(), "https://example.com/git/api/v4");
/// assert!(api_url("baseUrl", "https://example.com/?x=", "/api/v4").is_err());
/// ```
///
/// # Errors
///
/// [`Error::InvalidSettings`], naming the setting, for what is no such URL, or includes the path of the API already, or a part of it.
pub fn api_url(name: &str, value: &str, path: &str) -> Result<String, Error> {
    let refused = |why: &str| Err(Error::InvalidSettings(format!("{name} {value:?} {why}")));
    let base = value.trim_end_matches('/');
    let Some(place) = base.strip_prefix("https://").or_else(|| base.strip_prefix("http://")) else {
        return refused("begins with neither https:// nor http://");
    };
    let (host, own_path) = place.split_once('/').unwrap_or((place, "-"));
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    let is_path = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return refused("has no host, or more than a host and perhaps a port");
    }
    if !own_path.bytes().all(is_path) || own_path.split('/').any(|step| matches!(step, "" | "." | "..")) {
        return refused("has a path that cannot be followed");
    }
    // From "/api/v4" over "/api" to nothing.
    let mut part = path;
    while !part.is_empty() {
        // After a slash there would be the host, which may have any name.
        if base.strip_suffix(part).is_some_and(|rest| !rest.ends_with('/')) {
            return refused(&format!("includes the path of the API; leave out {path}"));
        }
        part = part.rfind('/').and_then(|slash| part.get(..slash)).unwrap_or_default();
    }
    Ok(format!("{base}{path}"))
}

/// For plugins without settings: accepts `{}` and refuses every field.
///
/// ```
/// use k8supdater_plugin::version_parser::NoSettings;
///
/// assert!(serde_json::from_str::<NoSettings>("{}").is_ok());
/// assert!(serde_json::from_str::<NoSettings>(r#"{"n": 1}"#).is_err());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_a_plain_address_perhaps_with_a_path() {
        let check = |base: &str, expected: Result<&str, &str>| match (api_url("baseUrl", base, "/api/v4"), expected) {
            (got, Ok(expected)) => assert_eq!(got, Ok(format!("{expected}/api/v4"))),
            (Err(Error::InvalidSettings(why)), Err(text)) => {
                assert!(why.starts_with("baseUrl") && why.contains(text), "{base:?}: {why}");
            }
            (got, expected) => panic!("{base:?}: {got:?}, expected {expected:?}"),
        };
        check("https://example.com", Ok("https://example.com"));
        check("https://example.com/", Ok("https://example.com"));
        check("http://tools:8080", Ok("http://tools:8080"));
        check("https://[2001:db8::1]:8443/dev/git/", Ok("https://[2001:db8::1]:8443/dev/git"));
        check("", Err("neither https:// nor http://"));
        check("example.com", Err("neither https:// nor http://"));
        check("ftp://example.com", Err("neither https:// nor http://"));
        check("https://", Err("neither https:// nor http://"));
        check("https:///x", Err("no host"));
        check("https://me@example.com", Err("more than a host"));
        check("https://example.com?x", Err("more than a host"));
        check("https://example.com\\x", Err("more than a host"));
        check("https://example.com/a b", Err("cannot be followed"));
        check("https://example.com/a?b", Err("cannot be followed"));
        check("https://example.com/a#b", Err("cannot be followed"));
        check("https://example.com/a/../b", Err("cannot be followed"));
        check("https://example.com//a", Err("cannot be followed"));
        check("https://example.com/api/v4", Err("leave out /api/v4"));
        check("https://example.com/git/api/", Err("leave out /api/v4"));
        check("https://example.com/my-api", Ok("https://example.com/my-api"));
        check("https://api", Ok("https://api"));
        check("https://api/v4", Ok("https://api/v4"));
    }
}
