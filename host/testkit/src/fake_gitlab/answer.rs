//! What GitLab answers, in the wire format.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::project::{Project, Repository};
use super::{GitlabFault, GitlabPart, State, access, page};
use crate::Seen;
use crate::server::reply::{html, json, redirect, reply, set, truncated};
use crate::server::{Api, Disturbance};

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Repositories { project: String },
    Tags { project: String, repository: u64 },
    Tag { project: String, repository: u64, tag: String },
    Unknown,
}

impl Target {
    /// The target of a path below `/api/v4`. A slash within a name is encoded there.
    fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let ["projects", project, "registry", "repositories", rest @ ..] = parts.as_slice() else {
            return Self::Unknown;
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let project = decoded(project);
        match rest {
            [] => Self::Repositories { project },
            [number, rest @ ..] => match (number.parse(), rest) {
                (Ok(repository), ["tags"]) => Self::Tags { project, repository },
                (Ok(repository), ["tags", tag]) => Self::Tag { project, repository, tag: decoded(tag) },
                _ => Self::Unknown,
            },
        }
    }

    fn part(&self) -> GitlabPart {
        match self {
            Self::Repositories { .. } => GitlabPart::Repositories,
            Self::Tags { .. } => GitlabPart::Tags,
            Self::Tag { .. } => GitlabPart::Tag,
            Self::Unknown => GitlabPart::Other,
        }
    }

    fn project(&self) -> Option<&str> {
        match self {
            Self::Repositories { project } | Self::Tags { project, .. } | Self::Tag { project, .. } => Some(project),
            Self::Unknown => None,
        }
    }
}

impl Api for State {
    type Part = GitlabPart;
    type Fault = GitlabFault;

    const PARTS: &'static [GitlabPart] =
        &[GitlabPart::Repositories, GitlabPart::Tags, GitlabPart::Tag, GitlabPart::Other];

    fn part(&self, path: &str) -> GitlabPart {
        self.target(path).part()
    }

    fn answer(&mut self, asked: &Seen<GitlabPart>) -> Response<Body> {
        self.respond(asked)
    }

    fn disturb(&self, fault: &GitlabFault, asked: &Seen<GitlabPart>) -> Disturbance {
        Disturbance::Answer(match fault {
            GitlabFault::Slow(delay) => return Disturbance::Delay(*delay),
            GitlabFault::Reset => return Disturbance::Cut,
            GitlabFault::Unauthorized => access::unauthorized(),
            GitlabFault::TokenExpired => access::expired(),
            GitlabFault::NotFound => not_found("Project"),
            GitlabFault::RateLimited { seconds } => throttled(*seconds),
            GitlabFault::ApplicationLimited => {
                let text = "This endpoint has been requested too many times. Try again later.";
                let mut response = json(StatusCode::TOO_MANY_REQUESTS, &json!({"message": {"error": text}}));
                set(&mut response, HeaderName::from_static("ratelimit-limit"), "600");
                set(&mut response, HeaderName::from_static("ratelimit-remaining"), "595");
                response
            }
            GitlabFault::Unavailable => reply(StatusCode::SERVICE_UNAVAILABLE, &[], Body::empty()),
            GitlabFault::Moved(url) => moved(&asked.moved_to(url)),
            GitlabFault::TruncatedJson => truncated(r#"[{"name":"1.0.0","path":"group/project:1.0.0"}]"#),
            GitlabFault::SignInPage => html(StatusCode::OK, "Sign in"),
        })
    }

    fn is_reset(fault: &GitlabFault) -> bool {
        *fault == GitlabFault::Reset
    }
}

impl State {
    fn target(&self, path: &str) -> Target {
        let path = path.strip_prefix(&self.prefix).and_then(|path| path.strip_prefix("/api/v4"));
        path.map_or(Target::Unknown, Target::of)
    }

    fn respond(&self, asked: &Seen<GitlabPart>) -> Response<Body> {
        let target = self.target(asked.path_only());
        let Some(named) = target.project() else {
            return json(StatusCode::NOT_FOUND, &json!({"error": "404 Not Found"}));
        };
        let token = asked.header(access::HEADER);
        if let Some(refusal) = self.access.refusal(token) {
            return refusal;
        }
        let Some(project) = self.visible(named, token) else { return self.elsewhere(named, token, asked) };
        let find = |number: u64| project.repositories().iter().find(|repository| repository.number == number);
        let unknown = || json(StatusCode::NOT_FOUND, &json!({"message": "404 Not found"}));
        match &target {
            Target::Repositories { .. } => {
                let list = project.repositories().iter().map(|found| found.to_json(project, &self.registry));
                let url = format!("{}/registry/repositories", self.url_of(project));
                page::by_number(&url, &list.collect::<Vec<_>>(), asked)
            }
            Target::Tags { repository, .. } => {
                find(*repository).map_or_else(unknown, |repository| self.list_tags(project, repository, asked))
            }
            Target::Tag { repository, tag, .. } => {
                let Some(repository) = find(*repository) else { return unknown() };
                let detail = repository.detail(project, &self.registry, tag);
                detail.map_or_else(|| not_found("Tag"), |detail| json(StatusCode::OK, &detail))
            }
            Target::Unknown => unreachable!("what is unknown names no project"),
        }
    }

    fn list_tags(&self, project: &Project, repository: &Repository, asked: &Seen<GitlabPart>) -> Response<Body> {
        let url = format!("{}/registry/repositories/{}/tags", self.url_of(project), repository.number);
        let entry = |tag: &str| repository.tag_to_json(project, &self.registry, tag);
        let tags = repository.tags();
        if self.is_keyset_usual || asked.query("pagination").as_deref() == Some("keyset") {
            return page::by_cursor(&url, &tags, entry, asked);
        }
        page::by_number(&url, &tags.into_iter().map(entry).collect::<Vec<Value>>(), asked)
    }

    /// The address of a project. Links have its number, even if it was asked for by its path.
    fn url_of(&self, project: &Project) -> String {
        format!("{}/api/v4/projects/{}", self.base, project.number)
    }

    /// A project by its number or its path.
    fn visible(&self, named: &str, token: Option<&str>) -> Option<&Project> {
        let number = named.parse().ok();
        let is_meant = |project: &&Project| project.path == named || Some(project.number) == number;
        self.projects.iter().find(is_meant).filter(|project| self.access.sees(token, project))
    }

    /// The answer about a project that is not there: it may have been moved.
    fn elsewhere(&self, named: &str, token: Option<&str>, asked: &Seen<GitlabPart>) -> Response<Body> {
        let project = self.moved.get(named).and_then(|number| self.visible(&number.to_string(), token));
        let rest = asked.path.split_once("/registry/").map_or("", |(_, rest)| rest);
        let moved = |project: &Project| moved(&format!("{}/registry/{rest}", self.url_of(project)));
        project.map_or_else(|| not_found("Project"), moved)
    }
}

fn not_found(what: &str) -> Response<Body> {
    json(StatusCode::NOT_FOUND, &json!({"message": format!("404 {what} Not Found")}))
}

/// <https://docs.gitlab.com/api/rest/#redirects>
fn moved(url: &str) -> Response<Body> {
    let mut response = redirect(StatusCode::MOVED_PERMANENTLY, url);
    *response.body_mut() = Body::from(format!("This resource has been moved permanently to {url}"));
    response
}

/// <https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/>
fn throttled(seconds: u32) -> Response<Body> {
    let (now, text) = (jiff::Timestamp::now(), seconds.to_string());
    let reset = now.as_second().saturating_add(seconds.into());
    let headers = [(CONTENT_TYPE, "text/plain"), (RETRY_AFTER, text.as_str())];
    let mut response = reply(StatusCode::TOO_MANY_REQUESTS, &headers, "Retry later\n");
    for (name, value) in [
        ("ratelimit-limit", "60"),
        ("ratelimit-name", "throttle_authenticated_api"),
        ("ratelimit-observed", "61"),
        ("ratelimit-remaining", "0"),
        ("ratelimit-reset", &reset.to_string()),
    ] {
        set(&mut response, HeaderName::from_static(name), value);
    }
    response
}
