//! What the registry answers, in the wire format.

use std::io;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use futures::stream;
use k8s_openapi::ByteString;
use serde_json::json;

use super::{Fault, Login, Part, Seen, Shared, State};
use crate::registry::{MANIFEST, digest, manifest};

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Tags { repository: String, most: Option<usize>, last: Option<String> },
    Manifest { repository: String, reference: String },
    Token,
    Base,
    Unknown,
}

impl Target {
    fn of(uri: &Uri) -> Self {
        let path = uri.path();
        if path == "/token" {
            return Self::Token;
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return Self::Unknown };
        if rest.is_empty() {
            Self::Base
        } else if let Some(repository) = rest.strip_suffix("/tags/list") {
            let most = query(uri, "n").and_then(|most| most.parse().ok());
            Self::Tags { repository: repository.to_owned(), most, last: query(uri, "last").map(str::to_owned) }
        } else if let Some((repository, reference)) = rest.rsplit_once("/manifests/") {
            Self::Manifest { repository: repository.to_owned(), reference: reference.to_owned() }
        } else {
            Self::Unknown
        }
    }

    fn part(&self) -> Part {
        match self {
            Self::Tags { .. } => Part::Tags,
            Self::Manifest { .. } => Part::Manifest,
            Self::Token => Part::Token,
            Self::Base | Self::Unknown => Part::Other,
        }
    }
}

/// The value of a parameter; those of a registry's paging need no decoding.
fn query<'uri>(uri: &'uri Uri, name: &str) -> Option<&'uri str> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Answers one request and writes it down.
pub(super) async fn answer(shared: Shared, request: Request) -> Response<Body> {
    let target = Target::of(request.uri());
    let part = target.part();
    let fault = shared.lock().faults.get(&part).cloned();
    if let Some(Fault::Slow(delay)) = &fault {
        // Written down before the wait: tests look for a request that is under way.
        shared.lock().seen.push(seen(&request, part, 0));
        tokio::time::sleep(*delay).await;
    }
    let mut state = shared.lock();
    let (response, status) = match &fault {
        Some(Fault::Reset) => (cut(), 0),
        Some(fault) if !matches!(fault, Fault::Slow(_)) => with_status(state.failing(fault, &target)),
        _ => with_status(state.respond(&target, &request)),
    };
    if matches!(&fault, Some(Fault::Slow(_))) {
        if let Some(seen) = state.seen.iter_mut().rev().find(|seen| seen.part == part && seen.status == 0) {
            seen.status = status;
        }
    } else {
        state.seen.push(seen(&request, part, status));
    }
    response
}

fn seen(request: &Request, part: Part, status: u16) -> Seen {
    Seen {
        method: request.method().to_string(),
        path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
        part,
        is_conditional: request.headers().contains_key(IF_NONE_MATCH),
        has_credentials: request.headers().contains_key(AUTHORIZATION),
        status,
    }
}

fn with_status(response: Response<Body>) -> (Response<Body>, u16) {
    let status = response.status().as_u16();
    (response, status)
}

/// The connection ends instead of an answer.
fn cut() -> Response<Body> {
    Response::new(Body::from_stream(stream::once(async { Err::<Vec<u8>, _>(io::Error::other("cut")) })))
}

fn reply(status: StatusCode, headers: &[(HeaderName, &str)], body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let version = (HeaderName::from_static("docker-distribution-api-version"), "registry/2.0");
    for (name, value) in headers.iter().chain([&version]) {
        let value = HeaderValue::from_str(value).expect("a header of a test is ASCII");
        response.headers_mut().insert(name.clone(), value);
    }
    response
}

const JSON: (HeaderName, &str) = (CONTENT_TYPE, "application/json");

/// The error envelope of the specification (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes>).
fn error(status: StatusCode, code: &str, message: &str, more: &[(HeaderName, &str)]) -> Response<Body> {
    let headers: Vec<_> = more.iter().cloned().chain([JSON]).collect();
    let body = json!({"errors": [{"code": code, "message": message, "detail": null}]});
    reply(status, &headers, body.to_string())
}

impl State {
    fn failing(&self, fault: &Fault, target: &Target) -> Response<Body> {
        match fault {
            Fault::Unauthorized => self.challenge(target),
            Fault::NotFound => not_found(target),
            Fault::RateLimited(wait) => {
                let headers: Vec<_> = wait.iter().map(|wait| (RETRY_AFTER, wait.as_str())).collect();
                error(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "too many requests", &headers)
            }
            Fault::ServerError => reply(StatusCode::INTERNAL_SERVER_ERROR, &[], Body::empty()),
            Fault::TruncatedJson => reply(StatusCode::OK, &[JSON], r#"{"name":"web","tags":["1.0.0","1."#),
            Fault::WrongJson => reply(StatusCode::OK, &[JSON], r#"{"tags":{"1.0.0":true}}"#),
            Fault::Slow(_) | Fault::Reset => unreachable!("these two are not answers"),
        }
    }

    fn respond(&self, target: &Target, request: &Request) -> Response<Body> {
        let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if *target == Target::Token {
            return self.sell_token(authorization);
        }
        if let Some(login) = &self.login
            && authorization != Some(&format!("Bearer {}", login.token))
        {
            return self.challenge(target);
        }
        match target {
            Target::Tags { repository, most, last } => match self.repositories.get(repository) {
                Some(tags) => self.list(repository, tags.iter(), *most, last.as_deref(), request),
                None => not_found(target),
            },
            Target::Manifest { repository, reference } => {
                let known = self.repositories.get(repository).is_some_and(|tags| tags.contains(reference));
                if known { show(repository, reference, request.method()) } else { not_found(target) }
            }
            Target::Base => reply(StatusCode::OK, &[JSON], "{}"),
            Target::Token | Target::Unknown => reply(StatusCode::NOT_FOUND, &[], "404 page not found\n"),
        }
    }

    /// One page of tags in lexical order, with an `ETag`.
    fn list<'tag>(
        &self,
        repository: &str,
        tags: impl Iterator<Item = &'tag String>,
        most: Option<usize>,
        last: Option<&str>,
        request: &Request,
    ) -> Response<Body> {
        let mut rest = tags.filter(|tag| last.is_none_or(|last| tag.as_str() > last)).peekable();
        let size = most.unwrap_or(self.page_size).min(self.page_size);
        let page: Vec<&String> = rest.by_ref().take(size).collect();
        let next = page.last().filter(|_| rest.peek().is_some());
        let link = next.map(|last| format!("</v2/{repository}/tags/list?n={size}&last={last}>; rel=\"next\""));
        let body = json!({"name": repository, "tags": page}).to_string();
        let etag = format!("\"{}\"", digest(body.as_bytes()));
        let is_known = request.headers().get(IF_NONE_MATCH).is_some_and(|known| known == etag.as_str());
        if is_known {
            return reply(StatusCode::NOT_MODIFIED, &[(ETAG, &etag)], Body::empty());
        }
        let mut headers = vec![JSON, (ETAG, etag.as_str())];
        headers.extend(link.as_deref().map(|link| (LINK, link)));
        reply(StatusCode::OK, &headers, body)
    }

    fn challenge(&self, target: &Target) -> Response<Body> {
        let scope = match target {
            Target::Tags { repository, .. } | Target::Manifest { repository, .. } => {
                format!(",scope=\"repository:{repository}:pull\"")
            }
            Target::Token | Target::Base | Target::Unknown => String::new(),
        };
        let challenge = format!("Bearer realm=\"{}/token\",service=\"fake\"{scope}", self.origin);
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
    /// The header that logs in (RFC 7617).
    fn basic(&self) -> String {
        // Kubernetes writes bytes as base64.
        let bytes = ByteString(format!("{}:{}", self.username, self.password).into_bytes());
        let encoded = serde_json::to_value(bytes).expect("bytes can be written as JSON");
        format!("Basic {}", encoded.as_str().unwrap_or_default())
    }
}

fn not_found(target: &Target) -> Response<Body> {
    let (code, message) = match target {
        Target::Manifest { .. } => ("MANIFEST_UNKNOWN", "manifest unknown"),
        Target::Tags { .. } | Target::Token | Target::Base | Target::Unknown => {
            ("NAME_UNKNOWN", "repository name not known to registry")
        }
    };
    error(StatusCode::NOT_FOUND, code, message, &[])
}

fn show(repository: &str, tag: &str, method: &Method) -> Response<Body> {
    let config = json!({}).to_string();
    let bytes = manifest(&digest(config.as_bytes()), config.len(), repository, tag);
    let digest = digest(&bytes);
    let length = bytes.len().to_string();
    let headers = [
        (CONTENT_TYPE, MANIFEST),
        (HeaderName::from_static("docker-content-digest"), digest.as_str()),
        (axum::http::header::CONTENT_LENGTH, length.as_str()),
    ];
    reply(StatusCode::OK, &headers, if *method == Method::HEAD { Body::empty() } else { Body::from(bytes) })
}

/// What a page of tags says.
#[cfg(test)]
pub(super) fn tags(body: &str) -> Vec<String> {
    let page: serde_json::Value = serde_json::from_str(body).unwrap();
    serde_json::from_value(page["tags"].clone()).unwrap()
}
