//! Who may see what.

use std::collections::{HashMap, HashSet};

use axum::body::Body;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{Response, StatusCode};
use serde_json::json;

use super::project::Project;
use crate::server::reply::{JSON, json, reply};

/// The header that a token arrives in (<https://docs.gitlab.com/api/rest/authentication/>).
pub(super) const HEADER: &str = "private-token";

/// All tokens that there are.
#[derive(Debug, Default)]
pub(super) struct Access {
    tokens: HashMap<String, Token>,
}

#[derive(Debug)]
struct Token {
    /// Paths of the private projects that it may see; all of them, if nothing is said.
    projects: Option<HashSet<String>>,
    is_expired: bool,
}

impl Access {
    pub(super) fn allow(&mut self, token: &str, projects: Option<&[&str]>) {
        let projects = projects.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
        self.tokens.insert(token.to_owned(), Token { projects, is_expired: false });
    }

    pub(super) fn expire(&mut self, token: &str) {
        if let Some(token) = self.tokens.get_mut(token) {
            token.is_expired = true;
        }
    }

    pub(super) fn revoke(&mut self, token: &str) {
        self.tokens.remove(token);
    }

    /// The answer to a token that is worth nothing, whatever it is used for.
    pub(super) fn refusal(&self, token: Option<&str>) -> Option<Response<Body>> {
        match self.tokens.get(token?) {
            Some(token) => token.is_expired.then(expired),
            None => Some(unauthorized()),
        }
    }

    /// Whether `project` can be seen with a token that was checked.
    pub(super) fn sees(&self, token: Option<&str>, project: &Project) -> bool {
        let is_member = |token: &Token| token.projects.as_ref().is_none_or(|projects| projects.contains(&project.path));
        !project.is_private || token.and_then(|token| self.tokens.get(token)).is_some_and(is_member)
    }
}

pub(super) fn unauthorized() -> Response<Body> {
    json(StatusCode::UNAUTHORIZED, &json!({"message": "401 Unauthorized"}))
}

/// The error of RFC 6750, section 3.1.
pub(super) fn expired() -> Response<Body> {
    let text = "Token is expired. You can either do re-authorization or token refresh.";
    let challenge =
        format!("Bearer realm=\"Protected by OAuth 2.0\", error=\"invalid_token\", error_description=\"{text}\"");
    let body = json!({"error": "invalid_token", "error_description": text});
    reply(StatusCode::UNAUTHORIZED, &[JSON, (WWW_AUTHENTICATE, &challenge)], body.to_string())
}
