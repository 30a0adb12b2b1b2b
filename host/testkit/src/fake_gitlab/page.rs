//! Lists in pages, with numbers or with a cursor (<https://docs.gitlab.com/api/rest/#pagination>).

use axum::body::Body;
use axum::http::header::LINK;
use axum::http::{HeaderName, Response, StatusCode};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::GitlabPart;
use crate::Seen;
use crate::server::reply::{json, set};

/// Entries on a page, if nobody says how many.
const USUAL_PAGE: usize = 20;
/// Most entries on a page.
const LARGEST_PAGE: usize = 100;

/// The page that `asked` asks for, by its number. `url` is the address of the list.
pub(super) fn by_number(url: &str, entries: &[Value], asked: &Seen<GitlabPart>) -> Response<Body> {
    let size = size(asked);
    let page = asked.query("page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1);
    let last = entries.len().div_ceil(size).max(1);
    let shown: Vec<Value> = entries.iter().skip((page - 1) * size).take(size).cloned().collect();
    let mut response = json(StatusCode::OK, &Value::from(shown));
    let (previous, next) = ((page > 1).then(|| page - 1), (page < last).then_some(page + 1));
    let text = |page: Option<usize>| page.map(|page| page.to_string()).unwrap_or_default();
    for (name, value) in [
        ("x-next-page", text(next)),
        ("x-page", page.to_string()),
        ("x-per-page", size.to_string()),
        ("x-prev-page", text(previous)),
        ("x-total", entries.len().to_string()),
        ("x-total-pages", last.to_string()),
    ] {
        set(&mut response, HeaderName::from_static(name), &value);
    }
    let link = |(relation, page): (&str, Option<usize>)| {
        page.map(|page| format!("<{url}?page={page}&per_page={size}>; rel=\"{relation}\""))
    };
    let links = [("prev", previous), ("next", next), ("first", Some(1)), ("last", Some(last))];
    let links: Vec<String> = links.into_iter().filter_map(link).collect();
    set(&mut response, LINK, &links.join(", "));
    response
}

/// The page behind the entry that `asked` names, in the order of `names`. There are no headers but the link to the next page.
pub(super) fn by_cursor(
    url: &str,
    names: &[&str],
    entry: impl Fn(&str) -> Value,
    asked: &Seen<GitlabPart>,
) -> Response<Body> {
    let size = size(asked);
    let last = asked.query("last");
    let mut rest = names.iter().filter(|name| last.as_deref().is_none_or(|last| **name > last)).peekable();
    let shown: Vec<&&str> = rest.by_ref().take(size).collect();
    let mut response = json(StatusCode::OK, &shown.iter().map(|name| entry(name)).collect());
    if let (Some(_), Some(last)) = (rest.peek(), shown.last()) {
        let query = Serializer::new(String::new())
            .append_pair("pagination", "keyset")
            .append_pair("per_page", &size.to_string())
            .append_pair("order_by", "name")
            .append_pair("sort", "asc")
            .append_pair("last", last)
            .finish();
        set(&mut response, LINK, &format!("<{url}?{query}>; rel=\"next\""));
    }
    response
}

fn size(asked: &Seen<GitlabPart>) -> usize {
    let size = asked.query("per_page").and_then(|size| size.parse().ok());
    size.unwrap_or(USUAL_PAGE).clamp(1, LARGEST_PAGE)
}
