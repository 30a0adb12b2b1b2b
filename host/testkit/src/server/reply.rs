//! Building answers.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

/// Says that a body is JSON.
pub(crate) const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");

/// An answer with these headers.
pub(crate) fn reply(status: StatusCode, headers: &[(HeaderName, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    for (name, value) in headers {
        set(&mut response, name.clone(), value);
    }
    response
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Body> {
    reply(status, &[JSON], body.to_string())
}

/// A page for people, as proxies and wrong paths have it.
pub(crate) fn html(status: StatusCode, title: &str) -> Response<Body> {
    let body = format!("<!doctype html>\n<html lang=\"en\"><head><title>{title}</title></head><body></body></html>\n");
    reply(status, &[(CONTENT_TYPE, "text/html")], body)
}

/// An answer that sends somewhere else.
pub(crate) fn redirect(status: StatusCode, url: &str) -> Response<Body> {
    reply(status, &[(LOCATION, url)], Body::empty())
}

/// JSON that ends in the middle, under a header that says nothing of it.
pub(crate) fn truncated(text: &str) -> Response<Body> {
    reply(StatusCode::OK, &[JSON], text.get(..text.len() / 2).unwrap_or_default().to_owned())
}

/// Adds a header, or replaces it.
pub(crate) fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("a header of a test is ASCII");
    response.headers_mut().insert(name, value);
}
