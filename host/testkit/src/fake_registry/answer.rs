//! What the registry answers, in the wire format.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, Response, StatusCode};
use serde_json::json;

use super::content::Repository;
use super::{Fault, Login, Part, State};
use crate::Seen;
use crate::image::{Object, digest};
use crate::server::reply::{JSON, redirect, reply, set};
use crate::server::{Api, Disturbance, basic};

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Target<'path> {
    Tags { repository: &'path str },
    Manifest { repository: &'path str, reference: &'path str },
    Blob { repository: &'path str, digest: &'path str },
    Token,
    Base,
    Unknown,
}

impl<'path> Target<'path> {
    fn of(path: &'path str) -> Self {
        if path == "/token" {
            return Self::Token;
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Self::Unknown };
        if rest.is_empty() {
            Self::Base
        } else if let Some(repository) = rest.strip_suffix("/tags/list") {
            Self::Tags { repository }
        } else if let Some((repository, reference)) = rest.rsplit_once("/manifests/") {
            Self::Manifest { repository, reference }
        } else if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
            Self::Blob { repository, digest }
        } else {
            Self::Unknown
        }
    }

    fn part(&self) -> Part {
        match self {
            Self::Tags { .. } => Part::Tags,
            Self::Manifest { .. } => Part::Manifest,
            Self::Blob { .. } => Part::Blob,
            Self::Token => Part::Token,
            Self::Base | Self::Unknown => Part::Other,
        }
    }
}

impl Api for State {
    type Part = Part;
    type Fault = Fault;

    const PARTS: &'static [Part] = &[Part::Tags, Part::Manifest, Part::Blob, Part::Token, Part::Other];

    fn part(&self, path: &str) -> Part {
        Target::of(path).part()
    }

    fn answer(&mut self, asked: &Seen) -> Response<Body> {
        versioned(self.respond(asked))
    }

    fn disturb(&self, fault: &Fault, asked: &Seen) -> Disturbance {
        let target = Target::of(asked.path_only());
        let response = match fault {
            Fault::Slow(delay) => return Disturbance::Delay(*delay),
            Fault::Reset => return Disturbance::Cut,
            Fault::Unauthorized => self.challenge(&target),
            Fault::NotFound => not_found(&target),
            Fault::RateLimited(wait) => {
                let headers: Vec<_> = wait.iter().map(|wait| (RETRY_AFTER, wait.as_str())).collect();
                error(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "too many requests", &headers)
            }
            Fault::ServerError => reply(StatusCode::INTERNAL_SERVER_ERROR, &[], Body::empty()),
            Fault::TruncatedJson => reply(StatusCode::OK, &[JSON], r#"{"name":"web","tags":["1.0.0","1."#),
            Fault::WrongJson => reply(StatusCode::OK, &[JSON], r#"{"tags":{"1.0.0":true}}"#),
            Fault::Redirect(url) => redirect(StatusCode::TEMPORARY_REDIRECT, &asked.moved_to(url)),
        };
        Disturbance::Answer(versioned(response))
    }

    fn is_reset(fault: &Fault) -> bool {
        *fault == Fault::Reset
    }
}

/// Every answer of a registry names its version.
fn versioned(mut response: Response<Body>) -> Response<Body> {
    set(&mut response, HeaderName::from_static("docker-distribution-api-version"), "registry/2.0");
    response
}

/// The error envelope of the specification (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>).
fn error(status: StatusCode, code: &str, message: &str, more: &[(HeaderName, &str)]) -> Response<Body> {
    let headers: Vec<_> = more.iter().cloned().chain([JSON]).collect();
    let body = json!({"errors": [{"code": code, "message": message, "detail": null}]});
    reply(status, &headers, body.to_string())
}

impl State {
    fn respond(&self, asked: &Seen) -> Response<Body> {
        let target = Target::of(asked.path_only());
        if target == Target::Token {
            return self.sell_token(asked.authorization());
        }
        if let Some(login) = &self.login
            && asked.authorization() != Some(&format!("Bearer {}", login.token))
        {
            return self.challenge(&target);
        }
        match target {
            Target::Tags { repository } => match self.repositories.get(repository) {
                Some(content) => self.list(repository, content, asked),
                None => not_found(&target),
            },
            Target::Manifest { repository, reference } | Target::Blob { repository, digest: reference } => {
                let object = self.repositories.get(repository).and_then(|content| content.object(reference));
                object.map_or_else(|| not_found(&target), |object| show(object, asked))
            }
            Target::Base => reply(StatusCode::OK, &[JSON], "{}"),
            Target::Token | Target::Unknown => reply(StatusCode::NOT_FOUND, &[], "404 page not found\n"),
        }
    }

    /// One page of tags in lexical order, with an `ETag`.
    fn list(&self, repository: &str, content: &Repository, asked: &Seen) -> Response<Body> {
        let (most, last) = (asked.query("n").and_then(|most| most.parse().ok()), asked.query("last"));
        let mut rest = content.tags().filter(|tag| last.as_ref().is_none_or(|last| *tag > last)).peekable();
        let size = most.unwrap_or(self.page_size).min(self.page_size);
        let page: Vec<&String> = rest.by_ref().take(size).collect();
        let next = page.last().filter(|_| rest.peek().is_some());
        let link = next.map(|last| format!("</v2/{repository}/tags/list?n={size}&last={last}>; rel=\"next\""));
        let body = json!({"name": repository, "tags": page}).to_string();
        let etag = format!("\"{}\"", digest(body.as_bytes()));
        if asked.header(IF_NONE_MATCH.as_str()) == Some(&etag) {
            return reply(StatusCode::NOT_MODIFIED, &[(ETAG, &etag)], Body::empty());
        }
        let mut headers = vec![JSON, (ETAG, etag.as_str())];
        headers.extend(link.as_deref().map(|link| (LINK, link)));
        reply(StatusCode::OK, &headers, body)
    }

    fn challenge(&self, target: &Target<'_>) -> Response<Body> {
        let scope = match target {
            Target::Tags { repository } | Target::Manifest { repository, .. } | Target::Blob { repository, .. } => {
                format!(",scope=\"repository:{repository}:pull\"")
            }
            Target::Token | Target::Base | Target::Unknown => String::new(),
        };
        let challenge = format!("Bearer realm=\"{}\",service=\"fake\"{scope}", self.realm);
        let message = "access to the requested resource is not authorized";
        error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message, &[(WWW_AUTHENTICATE, &challenge)])
    }

    /// Who says nothing gets a token too, as at Docker Hub, but not one that opens anything.
    fn sell_token(&self, authorization: Option<&str>) -> Response<Body> {
        let token = match (&self.login, authorization) {
            (Some(login), Some(given)) if given == login.basic() => login.token.as_str(),
            (Some(_), Some(_)) => {
                return error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "incorrect username or password", &[]);
            }
            (_, None) | (None, Some(_)) => "token-of-nobody",
        };
        reply(StatusCode::OK, &[JSON], json!({"token": token, "expires_in": 300}).to_string())
    }
}

impl Login {
    fn basic(&self) -> String {
        basic(&self.username, &self.password)
    }
}

fn not_found(target: &Target<'_>) -> Response<Body> {
    let (code, message) = match target {
        Target::Manifest { .. } => ("MANIFEST_UNKNOWN", "manifest unknown"),
        Target::Blob { .. } => ("BLOB_UNKNOWN", "blob unknown to registry"),
        Target::Tags { .. } | Target::Token | Target::Base | Target::Unknown => {
            ("NAME_UNKNOWN", "repository name not known to registry")
        }
    };
    error(StatusCode::NOT_FOUND, code, message, &[])
}

fn show(object: &Object, asked: &Seen) -> Response<Body> {
    let length = object.bytes.len().to_string();
    // A registry does not keep the media types of blobs.
    let media_type = if asked.part == Part::Blob { "application/octet-stream" } else { object.media_type };
    let headers = [
        (CONTENT_TYPE, media_type),
        (HeaderName::from_static("docker-content-digest"), object.digest.as_str()),
        (CONTENT_LENGTH, length.as_str()),
    ];
    let body = if asked.method == "HEAD" { Body::empty() } else { Body::from(object.bytes.clone()) };
    reply(StatusCode::OK, &headers, body)
}
