//! What an example expects a plugin to ask for: a request or a mail. The SDK compares in the same way.

use serde::Deserialize;
use serde_json::Value;

use crate::wit::exchange::{Action, HttpRequest, Mail};

#[derive(Clone, Debug)]
pub(crate) enum AskedExample {
    Request(RequestExample),
    Mail(MailExample),
}

/// What of a request is compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestExample {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) credential: Option<String>,
    /// The body, compared only if given: as text, or as JSON, whose spaces and order of fields do not count. Not both.
    pub(super) body: Option<String>,
    pub(super) json: Option<Value>,
}

/// What of a mail is compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MailExample {
    to: Vec<String>,
    subject: String,
    /// Compared only if given.
    text: Option<String>,
    html: Option<String>,
}

impl AskedExample {
    /// # Errors
    /// How `action` differs from what is expected.
    pub(crate) fn check(&self, action: &Action) -> Result<(), String> {
        match (self, action) {
            (Self::Request(expected), Action::Http(got)) => expected.check(got),
            (Self::Mail(expected), Action::Mail(got)) => expected.check(got),
            (Self::Request(_) | Self::Mail(_), _) => {
                Err(format!("expected {}, got {}", self.describe(), describe(action)))
            }
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Request(RequestExample { method, url, credential, .. }) => {
                describe_request(method, url, credential.as_deref())
            }
            Self::Mail(MailExample { to, subject, .. }) => describe_mail(to, subject),
        }
    }
}

impl RequestExample {
    fn check(&self, got: &HttpRequest) -> Result<(), String> {
        let expected = describe_request(&self.method, &self.url, self.credential.as_deref());
        let asked = describe_request(&got.method, &got.url, got.credential.as_deref());
        if asked != expected {
            return Err(format!("expected {expected}, got {asked}"));
        }
        let text = String::from_utf8_lossy(&got.body);
        let is_as_expected = match (&self.body, &self.json) {
            (Some(body), _) => *body == text,
            (None, Some(json)) => serde_json::from_slice::<Value>(&got.body).is_ok_and(|got| got == *json),
            (None, None) => true,
        };
        if is_as_expected {
            return Ok(());
        }
        let body = self.body.clone().or_else(|| self.json.as_ref().map(Value::to_string)).unwrap_or_default();
        Err(format!("expected {expected} with the body {body}, got the body {text}"))
    }
}

impl MailExample {
    fn check(&self, got: &Mail) -> Result<(), String> {
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
pub(crate) fn describe(action: &Action) -> String {
    match action {
        Action::Http(HttpRequest { method, url, credential, .. }) => {
            describe_request(method, url, credential.as_deref())
        }
        Action::Mail(Mail { to, subject, .. }) => describe_mail(to, subject),
    }
}

fn describe_request(method: &str, url: &str, credential: Option<&str>) -> String {
    match credential {
        Some(slot) => format!("the request {method} {url} with the credential {slot:?}"),
        None => format!("the request {method} {url} without a credential"),
    }
}

fn describe_mail(to: &[String], subject: &str) -> String {
    format!("a mail to {} with the subject {subject:?}", to.join(", "))
}
