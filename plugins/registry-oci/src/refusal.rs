//! What an answer other than 200 means.

use k8supdater_plugin::text::one_line;
use k8supdater_plugin::{Error, HttpResponse};
use serde::Deserialize;

/// Longest quotation of a registry, in characters.
const LONGEST_QUOTE: usize = 160;

/// The error for an answer that is neither 200 nor a redirect.
pub(crate) fn error(response: &HttpResponse) -> Error {
    match response.status {
        // The host has tried with a token already, where it has one.
        401 | 403 => Error::Unauthorized,
        // Also what a registry says about repositories that it hides from us.
        404 => Error::NotFound,
        429 => Error::RateLimited(response.retry_after()),
        408 | 500..=599 => Error::Unavailable(describe(response)),
        _ => Error::InvalidReply(describe(response)),
    }
}

/// The status, and what the registry says in its body.
fn describe(response: &HttpResponse) -> String {
    let text = errors(response).unwrap_or_else(|| String::from_utf8_lossy(&response.body).into_owned());
    let text = one_line(&text, LONGEST_QUOTE);
    let status = response.status;
    if text.is_empty() { format!("status {status}") } else { format!("status {status}: {text}") }
}

/// The codes and messages of an error body, if it is one
/// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>).
pub(crate) fn errors(response: &HttpResponse) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        errors: Vec<Problem>,
    }
    #[derive(Deserialize)]
    struct Problem {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let body: Body = response.json().ok()?;
    let problems = body.errors.iter().map(|problem| format!("{} {}", problem.code, problem.message));
    Some(problems.collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use k8supdater_plugin::Header;

    use super::*;

    #[track_caller]
    fn check(status: u16, headers: &[(&str, &str)], body: &str, expected: &Error) {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
        let response =
            HttpResponse { status, headers: headers.iter().map(header).collect(), body: body.as_bytes().to_vec() };
        assert_eq!(error(&response), *expected, "for {status} {body:?}");
    }

    #[test]
    fn the_status_decides_and_the_body_explains() {
        let unavailable = |text: &str| Error::Unavailable(text.to_owned());
        let invalid = |text: &str| Error::InvalidReply(text.to_owned());
        let denied = r#"{"errors": [{"code": "UNAUTHORIZED", "message": "action requires authentication"}]}"#;
        check(401, &[], denied, &Error::Unauthorized);
        check(401, &[], "{invalid json}", &Error::Unauthorized);
        check(401, &[], "", &Error::Unauthorized);
        check(403, &[], r#"{"details": "requesting higher privileges"}"#, &Error::Unauthorized);
        check(404, &[], r#"{"errors": [{"code": "NAME_UNKNOWN", "message": "unknown"}]}"#, &Error::NotFound);
        check(404, &[], "<!doctype html>", &Error::NotFound);
        check(500, &[], "", &unavailable("status 500"));
        check(502, &[], "<html>\n<b>Bad gateway</b>", &unavailable("status 502: <html> <b>Bad gateway</b>"));
        check(503, &[], r#"{"errors": [{"code": "UNAVAILABLE"}]}"#, &unavailable("status 503: UNAVAILABLE"));
        check(408, &[], "", &unavailable("status 408"));
        let ecr = r#"{"errors": [{"code": "UNSUPPORTED", "message": "Invalid parameter at 'maxResults'"}]}"#;
        check(405, &[], ecr, &invalid("status 405: UNSUPPORTED Invalid parameter at 'maxResults'"));
        check(400, &[], "", &invalid("status 400"));
        check(204, &[], "", &invalid("status 204"));
        check(304, &[], "", &invalid("status 304"));
    }

    #[test]
    fn a_rate_limit_says_how_long_to_wait_if_the_registry_does() {
        check(429, &[], "Too Many Requests", &Error::RateLimited(None));
        check(429, &[("retry-after", "30")], "Retry later", &Error::RateLimited(Some(30)));
        check(429, &[("retry-after", "484289h20m8s")], "", &Error::RateLimited(None));
        let dates = [("retry-after", "Wed, 21 Oct 2026 07:29:00 GMT"), ("date", "Wed, 21 Oct 2026 07:28:00 GMT")];
        check(429, &dates, "", &Error::RateLimited(Some(60)));
    }
}
