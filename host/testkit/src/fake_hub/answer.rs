//! What the Hub answers, in the wire format.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{HubFault, HubPart, State, Tag};
use crate::Seen;
use crate::server::reply::{html, json, redirect, reply, set, truncated};
use crate::server::{Api, Disturbance};

/// Requests per minute that the API allows.
const LIMIT: u64 = 180;
/// Tags on a page, if nobody says how many.
const USUAL_PAGE: usize = 10;
/// Most tags on a page.
const LARGEST_PAGE: usize = 100;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Target<'path> {
    Tags {
        repository: &'path str,
    },
    Tag {
        repository: &'path str,
        tag: &'path str,
    },
    /// With an identifier and a secret, for an `access_token`.
    Login,
    /// With a user name and a password, for a `token`; deprecated.
    OldLogin,
    Unknown,
}

impl<'path> Target<'path> {
    fn of(path: &'path str) -> Self {
        let path = path.strip_suffix('/').unwrap_or(path);
        match path {
            "/v2/auth/token" => return Self::Login,
            "/v2/users/login" => return Self::OldLogin,
            _ => {}
        }
        let Some(rest) = path.strip_prefix("/v2/repositories/") else { return Self::Unknown };
        match rest.split('/').collect::<Vec<_>>().as_slice() {
            [namespace, name, "tags"] => Self::Tags { repository: both(rest, namespace, name) },
            [namespace, name, "tags", tag] => Self::Tag { repository: both(rest, namespace, name), tag },
            _ => Self::Unknown,
        }
    }

    fn part(&self) -> HubPart {
        match self {
            Self::Tags { .. } => HubPart::Tags,
            Self::Tag { .. } => HubPart::Tag,
            Self::Login | Self::OldLogin => HubPart::Login,
            Self::Unknown => HubPart::Other,
        }
    }
}

/// Namespace and name as they stand at the beginning of `path`, with the slash between them.
fn both<'path>(path: &'path str, namespace: &str, name: &str) -> &'path str {
    path.get(..namespace.len() + 1 + name.len()).unwrap_or_default()
}

impl Api for State {
    type Part = HubPart;
    type Fault = HubFault;

    const PARTS: &'static [HubPart] = &[HubPart::Tags, HubPart::Tag, HubPart::Login, HubPart::Other];

    fn part(&self, path: &str) -> HubPart {
        Target::of(path).part()
    }

    fn answer(&mut self, asked: &Seen<HubPart>) -> Response<Body> {
        self.answers += 1;
        let (remaining, reset) = (LIMIT.saturating_sub(self.answers), Timestamp::now().as_second() + 60);
        limited(self.respond(asked, None), remaining, reset)
    }

    fn disturb(&self, fault: &HubFault, asked: &Seen<HubPart>) -> Disturbance {
        let (remaining, reset) = (LIMIT.saturating_sub(self.answers), Timestamp::now().as_second() + 60);
        let response = match fault {
            HubFault::Slow(delay) => return Disturbance::Delay(*delay),
            HubFault::Reset => return Disturbance::Cut,
            HubFault::Unauthorized => unauthorized(),
            HubFault::Forbidden => json(StatusCode::FORBIDDEN, &json!({"detail": "access denied"})),
            HubFault::NotFound => not_found(),
            HubFault::NotFoundPage => html(StatusCode::NOT_FOUND, "404 : Docker"),
            HubFault::RateLimited { until } => {
                let body = json!({"detail": "Rate limit exceeded", "error": false});
                let mut response = limited(json(StatusCode::TOO_MANY_REQUESTS, &body), 0, *until);
                set(&mut response, HeaderName::from_static("x-retry-after"), &until.to_string());
                return Disturbance::Answer(response);
            }
            HubFault::AbuseLimited => {
                let headers = [(CONTENT_TYPE, "text/plain")];
                let text = "Too Many Requests (HAP429)";
                return Disturbance::Answer(reply(StatusCode::TOO_MANY_REQUESTS, &headers, text));
            }
            HubFault::BadGateway => return Disturbance::Answer(html(StatusCode::BAD_GATEWAY, "502 Bad Gateway")),
            HubFault::TruncatedJson => {
                truncated(r#"{"count":1,"next":null,"previous":null,"results":[{"name":"1.0"}]}"#)
            }
            HubFault::NextElsewhere(url) => self.respond(asked, Some(url)),
            HubFault::Redirect(url) => redirect(StatusCode::TEMPORARY_REDIRECT, &asked.moved_to(url)),
        };
        Disturbance::Answer(limited(response, remaining, reset))
    }

    fn is_reset(fault: &HubFault) -> bool {
        *fault == HubFault::Reset
    }
}

impl State {
    /// `next` is what a page links to instead of the next one.
    fn respond(&self, asked: &Seen<HubPart>, next: Option<&str>) -> Response<Body> {
        let target = Target::of(asked.path_only());
        match (asked.method.as_str(), &target) {
            ("POST", Target::Login) => return self.log_in(asked, "identifier", "secret", "access_token"),
            ("POST", Target::OldLogin) => return self.log_in(asked, "username", "password", "token"),
            ("GET" | "HEAD", Target::Tags { .. } | Target::Tag { .. }) => {}
            (_, Target::Unknown) => return html(StatusCode::NOT_FOUND, "404 : Docker"),
            _ => return reply(StatusCode::METHOD_NOT_ALLOWED, &[], Body::empty()),
        }
        if let Some(access) = &self.access {
            match asked.authorization() {
                None => return not_found(),
                Some(given) if given != format!("Bearer {}", access.token) => return unauthorized(),
                Some(_) => {}
            }
        }
        match target {
            Target::Tags { repository } => self.list(repository, asked, next),
            Target::Tag { repository, tag } => {
                let found = self.repositories.get(repository).and_then(|tags| tags.get(tag));
                found.map_or_else(not_found, |found| json(StatusCode::OK, &found.to_json(tag)))
            }
            Target::Login | Target::OldLogin | Target::Unknown => unreachable!("these were answered before"),
        }
    }

    /// One page of tags, the last updated first.
    fn list(&self, repository: &str, asked: &Seen<HubPart>, next: Option<&str>) -> Response<Body> {
        let Some(tags) = self.repositories.get(repository) else { return not_found() };
        let number = |name: &str, usual: usize| asked.query(name).map_or(Some(usual), |value| value.parse().ok());
        let (Some(page @ 1..), Some(size @ 1..)) = (number("page", 1), number("page_size", USUAL_PAGE)) else {
            return not_found();
        };
        let size = size.min(LARGEST_PAGE);
        let mut tags: Vec<(&String, &Tag)> = tags.iter().collect();
        tags.sort_by(|(one, first), (other, second)| second.pushed.cmp(&first.pushed).then_with(|| one.cmp(other)));
        if asked.query("ordering").as_deref() == Some("-last_updated") {
            tags.reverse();
        }
        let count = tags.len();
        let results: Vec<Value> =
            tags.into_iter().skip((page - 1) * size).take(size).map(|(name, tag)| tag.to_json(name)).collect();
        if results.is_empty() && page > 1 {
            return not_found();
        }
        let url = |page: usize| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            if let Some(ordering) = asked.query("ordering") {
                query.append_pair("ordering", &ordering);
            }
            if page > 1 {
                query.append_pair("page", &page.to_string());
            }
            query.append_pair("page_size", &size.to_string());
            format!("{}/v2/repositories/{repository}/tags?{}", self.origin, query.finish())
        };
        let following = (page * size < count).then(|| url(page + 1));
        let body = json!({
            "count": count,
            "next": next.map(str::to_owned).or(following),
            "previous": (page > 1).then(|| url(page - 1)),
            "results": results,
        });
        json(StatusCode::OK, &body)
    }

    fn log_in(&self, asked: &Seen<HubPart>, name: &str, secret: &str, answer: &str) -> Response<Body> {
        let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let given = body[name].as_str().zip(body[secret].as_str());
        let access = self.access.as_ref().filter(|access| {
            let wanted = access.login.as_ref().map(|(name, secret)| (name.as_str(), secret.as_str()));
            given.is_some() && given == wanted
        });
        access.map_or_else(unauthorized, |access| json(StatusCode::OK, &json!({answer: access.token})))
    }
}

/// Every answer of the API says what may still be asked.
fn limited(mut response: Response<Body>, remaining: u64, reset: i64) -> Response<Body> {
    for (name, value) in [
        ("x-ratelimit-limit", LIMIT.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ] {
        set(&mut response, HeaderName::from_static(name), &value);
    }
    response
}

fn unauthorized() -> Response<Body> {
    json(StatusCode::UNAUTHORIZED, &json!({"detail": "Incorrect authentication credentials"}))
}

fn not_found() -> Response<Body> {
    let id = "REPOSREQ-00000000-0000-0000-0000-000000000000";
    let call = json!({
        "api_call_docker_id": "",
        "api_call_name": "ListRepositoryTags",
        "api_call_start": Timestamp::now().to_string(),
        "api_call_txnid": id,
    });
    json(StatusCode::NOT_FOUND, &json!({"txnid": id, "message": "object not found", "errinfo": call}))
}
