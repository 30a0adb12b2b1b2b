//! Where notices go, and how much of that may stand in settings, which everybody reads.

use k8supdater_plugin::Error;

/// What stands for the secret part of a URL.
const PLACEHOLDER: &str = "{slot:secret}";

/// The URL, if it may be used.
///
/// Whoever knows the URL of a webhook can post to it: its last part is a password. Where it is known which part that is, it has to be a
/// placeholder.
///
/// # Errors
///
/// [`Error::InvalidSettings`] that says what to write instead.
pub(crate) fn check(url: &str) -> Result<&str, Error> {
    let refused = |why: &str| Err(Error::InvalidSettings(format!("url: {why}")));
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "https" | "http")) else {
        return refused("it begins with neither https:// nor http://");
    };
    let (host, place) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        // Not shown: before an @ there may well be a password.
        return refused(&format!("{scheme}:// is not followed by a host and perhaps a port"));
    }
    if place
        .chars()
        .any(|character| character.is_control() || character.is_whitespace() || matches!(character, '\\' | '#'))
    {
        return refused("its path or query has a space, a backslash, a fragment or a control character");
    }
    if place.replace(PLACEHOLDER, "").contains(['{', '}']) {
        return refused(&format!(
            "it has braces that are not those of {PLACEHOLDER}, the only placeholder that there is"
        ));
    }
    if let (Some(part), false) = (secret_part(host, place), place.contains(PLACEHOLDER)) {
        return refused(&format!(
            "{part} is a password, and everybody reads settings; write {PLACEHOLDER} in its place, and put it into a Secret that is bound to the slot secret"
        ));
    }
    Ok(url)
}

/// Which part of the URL of a known service is secret.
fn secret_part(host: &str, place: &str) -> Option<&'static str> {
    let host = host.to_ascii_lowercase();
    let host = host.split(':').next().unwrap_or_default();
    match host {
        // https://hooks.slack.com/services/T…/B…/secret and https://discord.com/api/webhooks/number/secret
        "hooks.slack.com" | "discord.com" | "discordapp.com" => Some("the last part of its path"),
        // Workflows of Power Automate, and Azure Logic Apps.
        _ if place.split(['?', '&']).skip(1).any(|part| part.starts_with("sig=")) => {
            Some("what follows sig= in its query")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_url(url: &str, expected: Result<(), &str>) {
        match (check(url), expected) {
            (Ok(got), Ok(())) => assert_eq!(got, url),
            (Err(Error::InvalidSettings(why)), Err(text)) => {
                assert!(why.starts_with("url: ") && why.contains(text), "{url}: {why}");
                assert!(!why.contains("hunter2"), "{why}");
            }
            (got, expected) => panic!("{url}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_url_may_have_the_placeholder_and_no_other_braces() {
        check_url("https://example.com", Ok(()));
        check_url("http://hooks.tools:8080/a/b?c=d", Ok(()));
        check_url("https://[2001:db8::1]:8443/{slot:secret}", Ok(()));
        check_url("https://example.com/?key={slot:secret}", Ok(()));
        check_url("", Err("neither https:// nor http://"));
        check_url("ftp://example.com", Err("neither https:// nor http://"));
        check_url("https://", Err("not followed by a host"));
        check_url("https://me:hunter2@example.com/", Err("not followed by a host"));
        check_url("https://{slot:secret}/", Err("not followed by a host"));
        check_url("https://example.com/{slot:bot}", Err("braces that are not those of {slot:secret}"));
        check_url("https://example.com/{slot:secret", Err("braces"));
        check_url("https://example.com/a b", Err("a space"));
        check_url("https://example.com/a#b", Err("a fragment"));
        check_url("https://example.com/a\r\nb", Err("control character"));
    }

    #[test]
    fn what_is_known_to_be_secret_may_not_stand_in_settings() {
        check_url("https://hooks.slack.com/services/T0/B0/hunter2", Err("the last part of its path is a password"));
        check_url("https://hooks.slack.com/services/T0/B0/{slot:secret}", Ok(()));
        check_url("https://Discord.com/api/webhooks/1/hunter2", Err("put it into a Secret"));
        check_url("https://discord.com/api/webhooks/1/{slot:secret}", Ok(()));
        let teams =
            |sig: &str| format!("https://prod-1.westeurope.logic.azure.com:443/workflows/1/invoke?sv=1.0&sig={sig}");
        check_url(&teams("hunter2"), Err("what follows sig= in its query is a password"));
        check_url(&teams(PLACEHOLDER), Ok(()));
    }
}
