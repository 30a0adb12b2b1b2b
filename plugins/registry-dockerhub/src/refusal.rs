//! What an answer other than 200 means.

use k8supdater_plugin::{Error, HttpResponse, refusal};

/// The error for an answer that is neither 200 nor a redirect.
///
/// There are two limits: that of the API, which says when to come back, and that against abuse, which says nothing
/// (<https://docs.docker.com/reference/api/hub/latest/#tag/rate-limiting>).
pub(crate) fn error(response: &HttpResponse) -> Error {
    match refusal::error(response, None) {
        Error::RateLimited(wait) => Error::RateLimited(seconds_until_retry(response).or(wait)),
        other => other,
    }
}

/// Seconds until the time in `x-retry-after`, which the Hub writes as seconds since 1970, counted from the header `date`.
///
/// None if either is missing, or if it is over already: then it was no such time, and the host's own backoff is the better guess.
fn seconds_until_retry(response: &HttpResponse) -> Option<u32> {
    let time: u64 = response.header("x-retry-after")?.trim().parse().ok()?;
    let wait = time.checked_sub(response.date()?)?;
    Some(u32::try_from(wait).unwrap_or(u32::MAX))
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
        assert_eq!(error(&response), *expected, "for {status} {headers:?} {body:?}");
    }

    #[test]
    fn the_status_decides() {
        check(401, &[], r#"{"detail": "Incorrect authentication credentials"}"#, &Error::Unauthorized);
        check(403, &[], r#"{"detail": "access denied"}"#, &Error::Unauthorized);
        let missing = r#"{"txnid": "REPOSREQ-0", "message": "object not found", "errinfo": {}}"#;
        check(404, &[("content-type", "application/json")], missing, &Error::NotFound);
        let html =
            "<!doctype html>\n<html lang=\"en\">\n<head><title>404 : Docker</title></head>\n<body></body></html>";
        check(404, &[("content-type", "text/html")], html, &Error::NotFound);
        check(404, &[], "not found", &Error::NotFound);
        check(404, &[], "", &Error::NotFound);
        let text = "status 502: <html><head><title>502 Bad Gateway</title></head></html>".to_owned();
        check(502, &[], "<html><head><title>502 Bad Gateway</title></head></html>", &Error::Unavailable(text));
        check(503, &[], "", &Error::Unavailable("status 503".to_owned()));
        check(405, &[], "", &Error::InvalidReply("status 405".to_owned()));
    }

    #[test]
    fn the_limit_of_the_api_is_a_time_not_a_number_of_seconds() {
        let limit = |retry: &str, date: Option<&str>, expected| {
            let mut headers = vec![("x-ratelimit-remaining", "0"), ("x-retry-after", retry)];
            headers.extend(date.map(|date| ("date", date)));
            let body = r#"{"detail": "Rate limit exceeded", "error": false}"#;
            check(429, &headers, body, &Error::RateLimited(expected));
        };
        let date = Some("Mon, 15 Jan 2024 10:00:00 GMT");
        limit("1705312860", date, Some(60));
        limit(" 1705312800 ", date, Some(0));
        limit("99999999999999", date, Some(u32::MAX));
        limit("1705312799", date, None);
        limit("60", date, None);
        limit("soon", date, None);
        limit("", date, None);
        // Fifty-four years would be a long time to wait.
        limit("1705312860", None, None);
        limit("1705312860", Some("today"), None);
    }

    #[test]
    fn other_limits_say_what_they_say() {
        check(429, &[("content-type", "text/plain")], "Too Many Requests (HAP429)", &Error::RateLimited(None));
        check(429, &[("retry-after", "30")], "", &Error::RateLimited(Some(30)));
    }
}
