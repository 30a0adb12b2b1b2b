//! What an example expects a plugin to ask for: a request or a mail.

use serde::Deserialize;
use serde_json::Value;

use crate::exchange::{Action, HttpRequest, Mail};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestExample {
    method: String,
    pub(super) url: String,
    credential: Option<String>,
    /// The body, compared only if given: as text, or as JSON, whose spaces and order of fields do not count.
    body: Option<String>,
    json: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MailExample {
    to: Vec<String>,
    subject: String,
    /// Compared only if given.
    text: Option<String>,
    html: Option<String>,
}

impl RequestExample {
    /// # Errors
    /// How `action` differs.
    pub(super) fn check(&self, action: &Action) -> Result<(), String> {
        let expected =
            HttpRequest { credential: self.credential.clone(), ..HttpRequest::new(&self.method, self.url.as_str()) };
        let got = match action {
            Action::Http(got)
                if (&got.method, &got.url, &got.credential)
                    == (&expected.method, &expected.url, &expected.credential) =>
            {
                got
            }
            other => return Err(format!("expected {}, got {}", describe_request(&expected), describe(other))),
        };
        let text = String::from_utf8_lossy(&got.body);
        let body_differs = |expected: &dyn std::fmt::Display| {
            Err(format!("expected {} with the body {expected}, got the body {text}", describe_request(got)))
        };
        match (&self.body, &self.json) {
            (Some(_), Some(_)) => Err("a request has either `body` or `json`".to_owned()),
            (Some(body), None) if *body != text => body_differs(body),
            (None, Some(json)) if serde_json::from_slice::<Value>(&got.body).ok().as_ref() != Some(json) => {
                body_differs(json)
            }
            (Some(_) | None, None) | (None, Some(_)) => Ok(()),
        }
    }
}

impl MailExample {
    /// # Errors
    /// How `action` differs.
    pub(super) fn check(&self, action: &Action) -> Result<(), String> {
        let Action::Mail(got) = action else {
            return Err(format!("expected a mail to {}, got {}", self.to.join(", "), describe(action)));
        };
        let differs = |part: &str, expected: &str, got: &str| {
            Err(format!("expected a mail with the {part} {expected:?}, got {got:?}"))
        };
        if self.to != got.to {
            return differs("recipients", &self.to.join(", "), &got.to.join(", "));
        }
        if self.subject != got.subject {
            return differs("subject", &self.subject, &got.subject);
        }
        match (&self.text, &self.html) {
            (Some(text), _) if *text != got.text => differs("text", text, &got.text),
            (_, Some(html)) if Some(html) != got.html.as_ref() => {
                differs("HTML part", html, got.html.as_deref().unwrap_or_default())
            }
            _ => Ok(()),
        }
    }
}

/// An action in a few words.
pub(super) fn describe(action: &Action) -> String {
    match action {
        Action::Http(request) => describe_request(request),
        Action::Mail(Mail { to, subject, .. }) => format!("a mail to {} with the subject {subject:?}", to.join(", ")),
    }
}

fn describe_request(request: &HttpRequest) -> String {
    let HttpRequest { method, url, credential, .. } = request;
    match credential {
        Some(slot) => format!("the request {method} {url} with the credential {slot:?}"),
        None => format!("the request {method} {url} without a credential"),
    }
}
