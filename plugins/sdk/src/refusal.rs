//! What an answer means that is neither a success nor a redirect, in the words of the contract.

use crate::exchange::{Error, HttpResponse};
use crate::text::one_line;

/// Longest quotation of an answer, in characters.
const LONGEST_QUOTE: usize = 160;

/// The error for an answer that is neither 200 nor a redirect.
///
/// `says` is what the other side says in its own format for errors; without it the body is quoted. Only people read it: the status
/// decides, except that expired credentials have no status of their own.
pub fn error(response: &HttpResponse, says: Option<&str>) -> Error {
    match response.status {
        // The host has tried with a token already, where it has one.
        401 | 403 => {
            let body = String::from_utf8_lossy(&response.body);
            if speaks_of_expired_credentials(says.unwrap_or(&body)) {
                Error::CredentialsExpired
            } else {
                Error::Unauthorized
            }
        }
        // Also what registries say about repositories that they hide from us.
        404 => Error::NotFound,
        429 => Error::RateLimited(response.retry_after()),
        408 | 500..=599 => Error::Unavailable(describe(response, says)),
        _ => Error::InvalidReply(describe(response, says)),
    }
}

/// Whether a sentence of `text` says that a token, or what stands for one, was good once.
///
/// There is no code for it, only prose. Amazon ECR: "Your authorization token has expired. Reauthenticate and try again."
/// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html>). GitLab: "Token is expired. …", "Token was revoked. …"
/// (<https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/api/api_guard.rb>). Of two sentences, one may offer a new token and the other
/// speak of an expired licence.
fn speaks_of_expired_credentials(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.split(['.', ';', ',', '"', '<', '\n']).any(|sentence| {
        let has_one_of = |words: &[&str]| words.iter().any(|word| sentence.contains(word));
        has_one_of(&["token", "credential", "password"]) && has_one_of(&["expired", "revoked"])
    })
}

/// The status, and what the other side says.
fn describe(response: &HttpResponse, says: Option<&str>) -> String {
    let text = match says {
        Some(text) => one_line(text, LONGEST_QUOTE),
        None => one_line(&String::from_utf8_lossy(&response.body), LONGEST_QUOTE),
    };
    let status = response.status;
    if text.is_empty() { format!("status {status}") } else { format!("status {status}: {text}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Header;

    #[track_caller]
    fn check(status: u16, headers: &[(&str, &str)], body: &str, expected: &Error) {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
        let response =
            HttpResponse { status, headers: headers.iter().map(header).collect(), body: body.as_bytes().to_vec() };
        assert_eq!(error(&response, None), *expected, "for {status} {body:?}");
    }

    #[test]
    fn the_status_decides_and_the_body_explains() {
        let unavailable = |text: &str| Error::Unavailable(text.to_owned());
        let invalid = |text: &str| Error::InvalidReply(text.to_owned());
        check(401, &[], "{invalid json}", &Error::Unauthorized);
        check(401, &[], "", &Error::Unauthorized);
        check(403, &[], r#"{"details": "requesting higher privileges"}"#, &Error::Unauthorized);
        check(404, &[], "<!doctype html>", &Error::NotFound);
        check(500, &[], "", &unavailable("status 500"));
        check(502, &[], "<html>\n<b>Bad gateway</b>", &unavailable("status 502: <html> <b>Bad gateway</b>"));
        check(408, &[], "", &unavailable("status 408"));
        check(400, &[], "", &invalid("status 400"));
        check(204, &[], "", &invalid("status 204"));
        check(304, &[], "", &invalid("status 304"));
        check(405, &[], &"x".repeat(1000), &invalid(&format!("status 405: {}…", "x".repeat(159))));
    }

    #[test]
    fn expired_credentials_are_told_from_wrong_ones_where_the_other_side_does() {
        let expired = Error::CredentialsExpired;
        let ecr = "Your authorization token has expired. Reauthenticate and try again.";
        check(403, &[], &format!(r#"{{"errors": [{{"code": "DENIED", "message": "{ecr}"}}]}}"#), &expired);
        let gitlab = |says: &str| format!(r#"{{"error": "invalid_token", "error_description": "{says}"}}"#);
        let again = "You can either do re-authorization or token refresh.";
        check(401, &[], &gitlab(&format!("Token is expired. {again}")), &expired);
        check(401, &[], &gitlab("Token was revoked. You have to re-authorize from the user."), &expired);
        check(401, &[], "The password of this robot account has EXPIRED", &expired);
        for wrong in
            [&gitlab(again), "the licence has expired; get a token", "<p>Session expired</p> <a>Forgot password?</a>"]
        {
            check(401, &[], wrong, &Error::Unauthorized);
        }
        check(404, &[], "token expired", &Error::NotFound);
    }

    #[test]
    fn a_rate_limit_says_how_long_to_wait_if_the_other_side_does() {
        check(429, &[], "Too Many Requests", &Error::RateLimited(None));
        check(429, &[("retry-after", "30")], "Retry later", &Error::RateLimited(Some(30)));
        check(429, &[("retry-after", "484289h20m8s")], "", &Error::RateLimited(None));
        let dates = [("retry-after", "Wed, 21 Oct 2026 07:29:00 GMT"), ("date", "Wed, 21 Oct 2026 07:28:00 GMT")];
        check(429, &dates, "", &Error::RateLimited(Some(60)));
    }
}
