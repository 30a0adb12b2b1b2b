//! A place that webhooks are posted to: it takes everything, and fails on demand.

use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use ring::hmac;

use crate::server::reply::{html, reply};
use crate::server::{Api, Disturbance, Seen, Server};

/// What a request is about: nothing else than itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WebhookPart;

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookFault {
    /// With this status, and a page for people.
    Status(u16),
    /// The right answer, but only after this time.
    Slow(Duration),
    /// New connections are reset.
    Reset,
}

/// A webhook on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct FakeWebhook {
    server: Server<Hook>,
}

#[derive(Debug)]
struct Hook;

impl FakeWebhook {
    /// Answers 204 to everything.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        Self { server: Server::start(|_| Hook).await }
    }

    /// Its origin.
    pub fn origin(&self) -> String {
        self.server.origin()
    }

    /// Lets all requests fail like this.
    pub fn fail(&self, fault: &WebhookFault) {
        self.server.fail(fault);
    }

    /// Ends all faults.
    pub fn recover(&self) {
        self.server.recover();
    }

    /// Every request so far.
    pub fn seen(&self) -> Vec<Seen<WebhookPart>> {
        self.server.seen()
    }
}

/// The HMAC-SHA256 of `body` under `key`, in lower-case hexadecimal digits: what whoever gets a signed webhook compares with.
pub fn hmac_sha256(key: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    hmac::sign(&key, body.as_bytes()).as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Api for Hook {
    type Part = WebhookPart;
    type Fault = WebhookFault;

    const PARTS: &'static [WebhookPart] = &[WebhookPart];

    fn part(&self, _: &str) -> WebhookPart {
        WebhookPart
    }

    fn answer(&mut self, _: &Seen<WebhookPart>) -> Response<Body> {
        reply(StatusCode::NO_CONTENT, &[], Body::empty())
    }

    fn disturb(&self, fault: &WebhookFault, _: &Seen<WebhookPart>) -> Disturbance {
        match fault {
            WebhookFault::Status(status) => {
                let status = StatusCode::from_u16(*status).expect("a test knows its statuses");
                Disturbance::Answer(html(status, "no"))
            }
            WebhookFault::Slow(delay) => Disturbance::Delay(*delay),
            WebhookFault::Reset => Disturbance::Cut,
        }
    }

    fn is_reset(fault: &WebhookFault) -> bool {
        *fault == WebhookFault::Reset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_takes_what_is_posted_and_fails_when_told_to() {
        let hook = FakeWebhook::start().await;
        let post = || crate::http_client().post(format!("{}/a?b", hook.origin())).body("x").send();
        assert_eq!(post().await.unwrap().status(), 204);
        hook.fail(&WebhookFault::Status(500));
        assert_eq!(post().await.unwrap().status(), 500);
        hook.recover();
        assert_eq!(post().await.unwrap().status(), 204);
        hook.fail(&WebhookFault::Reset);
        assert!(post().await.is_err());
        let seen = hook.seen();
        assert_eq!((seen[0].method.as_str(), seen[0].path.as_str(), seen[0].body.as_str()), ("POST", "/a?b", "x"));
    }

    #[test]
    fn signatures_are_those_of_the_standard() {
        // Test case 2 of RFC 4231, section 4.3.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hmac_sha256("Jefe", "what do ya want for nothing?"), expected);
    }
}
