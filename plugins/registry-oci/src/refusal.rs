//! What an answer other than 200 means.

use k8supdater_plugin::{Error, HttpResponse};
use serde::Deserialize;

/// The error for an answer that is neither 200 nor a redirect.
pub(crate) fn error(response: &HttpResponse) -> Error {
    k8supdater_plugin::refusal::error(response, errors(response).as_deref())
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
    fn check(status: u16, body: &str, expected: &Error) {
        check_with(status, &[], body, expected);
    }

    #[track_caller]
    fn check_with(status: u16, headers: &[(&str, &str)], body: &str, expected: &Error) {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
        let headers = headers.iter().map(header).collect();
        let response = HttpResponse { status, headers, body: body.as_bytes().to_vec() };
        assert_eq!(error(&response), *expected, "for {status} {body:?}");
    }

    #[test]
    fn the_status_decides_and_the_error_body_explains() {
        let denied = r#"{"errors": [{"code": "UNAUTHORIZED", "message": "action requires authentication"}]}"#;
        check(401, denied, &Error::Unauthorized);
        check(404, r#"{"errors": [{"code": "NAME_UNKNOWN", "message": "unknown"}]}"#, &Error::NotFound);
        let unavailable = r#"{"errors": [{"code": "UNAVAILABLE"}]}"#;
        check(503, unavailable, &Error::Unavailable("status 503: UNAVAILABLE".to_owned()));
        check(502, "<b>Bad gateway</b>", &Error::Unavailable("status 502: <b>Bad gateway</b>".to_owned()));
        let ecr = r#"{"errors": [{"code": "UNSUPPORTED", "message": "Invalid parameter at 'maxResults'"}]}"#;
        let expected = "status 405: UNSUPPORTED Invalid parameter at 'maxResults'";
        check(405, ecr, &Error::InvalidReply(expected.to_owned()));
    }

    #[test]
    fn bodies_that_are_no_errors_change_nothing() {
        for body in
            ["{invalid json}", "", r#"{"errors": "none"}"#, r#"{"randomkey": "randomvalue"}"#, "<html>", "\u{fffd}"]
        {
            check(401, body, &Error::Unauthorized);
            check(403, body, &Error::Unauthorized);
            check(404, body, &Error::NotFound);
        }
        check(403, r#"{"details": "requesting higher privileges than access token allows"}"#, &Error::Unauthorized);
        let media_type = r#"{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "Manifest has media type \"a\" but client accepts [\"b\"]"}]}"#;
        check(404, media_type, &Error::NotFound);
        check(500, "", &Error::Unavailable("status 500".to_owned()));
        check(504, "", &Error::Unavailable("status 504".to_owned()));
        let text = r#"{"Error Encountered" : "Function not implemented."}"#;
        check(501, text, &Error::Unavailable(format!("status 501: {text}")));
    }

    #[test]
    fn denied_is_not_expired() {
        let denied = |message: &str| format!(r#"{{"errors": [{{"code": "DENIED", "message": "{message}"}}]}}"#);
        check(403, &denied("requested access to the resource is denied"), &Error::Unauthorized);
        let expired = "Your authorization token has expired. Reauthenticate and try again.";
        check(403, &denied(expired), &Error::CredentialsExpired);
        check(401, &denied(expired), &Error::CredentialsExpired);
    }

    #[test]
    fn how_long_to_wait_is_taken_from_whoever_can_count() {
        let limit = r#"{"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}]}"#;
        check(429, limit, &Error::RateLimited(None));
        check(429, "", &Error::RateLimited(None));
        check_with(429, &[("retry-after", "30")], limit, &Error::RateLimited(Some(30)));
        check_with(429, &[("retry-after", "484289h20m8s")], "", &Error::RateLimited(None));
        check_with(429, &[("retry-after", "99999999999")], "", &Error::RateLimited(None));
        check_with(429, &[("retry-after", "-1")], "", &Error::RateLimited(None));
        // Years, which the host caps.
        check_with(429, &[("retry-after", "4294967295")], "", &Error::RateLimited(Some(u32::MAX)));
    }
}
