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
    use super::*;

    #[track_caller]
    fn check(status: u16, body: &str, expected: &Error) {
        let response = HttpResponse { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
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
}
