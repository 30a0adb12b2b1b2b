//! What is remembered of a request.

use axum::http::header::{AUTHORIZATION, IF_NONE_MATCH};
use axum::http::request;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

use crate::Part;

/// A request as it arrived, and the status that it got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<P = Part> {
    /// `GET`, `HEAD` …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// What it is about.
    pub part: P,
    /// Whether it carried `If-None-Match`.
    pub is_conditional: bool,
    /// Whether it carried `Authorization`.
    pub has_credentials: bool,
    /// All headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// Status of the answer; 0 where there was none, or none yet.
    pub status: u16,
}

impl<P> Seen<P> {
    /// The value of a header exactly as it arrived; `name` is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The header `Authorization` exactly as it arrived.
    pub fn authorization(&self) -> Option<&str> {
        self.header(AUTHORIZATION.as_str())
    }

    /// Whether `secret` is anywhere in it: in the path, a header or the body, in plain text, percent-encoded, or in the base64 of a
    /// basic login.
    pub fn holds(&self, secret: &str) -> bool {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().contains(secret);
        let is_in_login = |value: &str| basic_login(value).is_some_and(|login| login.contains(secret));
        let is_in_header = |(_, value): &(String, String)| value.contains(secret) || is_in_login(value);
        [&self.path, &self.body].iter().any(|text| text.contains(secret) || decoded(text))
            || self.headers.iter().any(is_in_header)
    }

    pub(super) fn of(head: &request::Parts, body: &[u8], part: P) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Self {
            method: head.method.to_string(),
            path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            part,
            is_conditional: head.headers.contains_key(IF_NONE_MATCH),
            has_credentials: head.headers.contains_key(AUTHORIZATION),
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
            body: text(body),
            status: 0,
        }
    }

    /// A connection that was reset before it said anything.
    pub(super) fn unanswered(part: P) -> Self {
        Self {
            method: String::new(),
            path: String::new(),
            part,
            is_conditional: false,
            has_credentials: false,
            headers: Vec::new(),
            body: String::new(),
            status: 0,
        }
    }

    /// The path without the query.
    pub(crate) fn path_only(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// Where a redirect to `url` leads: to the same path and query, if that is an origin without a path.
    pub(crate) fn moved_to(&self, url: &str) -> String {
        let is_origin = url.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
        if is_origin { format!("{url}{}", self.path) } else { url.to_owned() }
    }

    /// The value of a parameter of the query, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        self.queries(name).into_iter().next()
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn queries(&self, name: &str) -> Vec<String> {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let pairs = url::form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
        pairs.map(|(_, value)| value.into_owned()).collect()
    }
}

/// The header that logs in with a password (RFC 7617).
pub(crate) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{password}")))
}

/// User name and password in such a header, with a colon between them.
pub(crate) fn basic_login(authorization: &str) -> Option<String> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    let bytes = BASE64_STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_was_put() {
        let seen = |path: &str, authorization: &str, body: &str| Seen {
            path: path.to_owned(),
            headers: vec![("authorization".to_owned(), authorization.to_owned())],
            body: body.to_owned(),
            ..Seen::unanswered(())
        };
        assert!(seen("/?token=s%2Fcret", "", "").holds("s/cret"));
        assert!(seen("/", "Bearer s/cret", "").holds("s/cret"));
        assert!(seen("/", &basic("robot", "s/cret"), "").holds("s/cret"));
        assert!(seen("/", "", r#"{"secret": "s/cret"}"#).holds("s/cret"));
        assert!(!seen("/path", &basic("robot", "other"), "body").holds("s/cret"));
    }

    #[test]
    fn a_basic_login_is_that_of_the_specification() {
        // The example of RFC 7617, section 2.
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(basic_login("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").as_deref(), Some("Aladdin:open sesame"));
        assert_eq!(basic_login("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), None);
    }

    #[test]
    fn parameters_are_decoded() {
        let seen = Seen { path: "/a?scope=repository%3Aa%2Fb%3Apull&n=5".to_owned(), ..Seen::unanswered(()) };
        assert_eq!(
            (seen.query("scope").as_deref(), seen.query("n").as_deref()),
            (Some("repository:a/b:pull"), Some("5"))
        );
        assert_eq!((seen.path_only(), seen.query("m")), ("/a", None));
        let moved = [seen.moved_to("http://b:1"), seen.moved_to("http://b:1/c")];
        assert_eq!(moved, [format!("http://b:1{}", seen.path), "http://b:1/c".to_owned()]);
    }
}
