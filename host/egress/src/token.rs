//! Tokens that registries ask for: bought once, shared by all who hold the same secret, renewed before they run out.
//!
//! Owns the exchange that follows a 401. Whom a registry may send us to is decided in [`crate::challenge`]; all requests go through
//! [`crate::wire`] like any other. Start reading at [`Tokens::exchange`].

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use k8supdater_core::origin::Origin;
use lru::LruCache;
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::challenge::{self, Challenge, Realm, TokenService};
use crate::credential::{self, Credential, Identity};
use crate::failure::Failure;
use crate::scope::{Limits, Scope};
use crate::wire::{Answer, Outgoing, Wire};

/// Most bytes of a token service's answer. Real tokens are a few KiB.
pub(crate) const MOST_ANSWER_BYTES: usize = 64 * 1024;
/// How long a token lives if the service does not say
/// (<https://distribution.github.io/distribution/spec/auth/token/#token-response-fields>).
const DEFAULT_LIFE: Duration = Duration::from_mins(1);
/// Longest that a token is believed to live, whatever its seller says.
const LONGEST_LIFE: Duration = Duration::from_hours(1);
/// Most requests to an origin that answers each of them with 401.
const MOST_TRIES: usize = 3;
/// Most tokens and most remembered challenges: one per repository and secret. The least recently used go first.
pub(crate) const MOST: NonZeroUsize = NonZeroUsize::new(4096).expect("4096 is not zero");

/// All tokens and what is known about who asks for which.
pub(crate) struct Tokens {
    /// The challenge that was answered with success the last time, so that the next request need not be refused first.
    answered: Mutex<LruCache<Place, Challenge>>,
    /// The inner lock is held while a token is bought, so that of all who want the same one only the first asks for it.
    bought: Mutex<LruCache<Purchase, Arc<Slot>>>,
}

type Slot = tokio::sync::Mutex<Option<Token>>;

/// Where a challenge is expected.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    origin: Origin,
    identity: Option<Identity>,
    resource: String,
}

/// Everything that tells one token from another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Purchase {
    registry: Origin,
    identity: Option<Identity>,
    service: TokenService,
}

/// A token, with the time at which it is time for another.
#[derive(Clone)]
pub(crate) struct Token {
    value: Arc<Zeroizing<String>>,
    renew: Instant,
    /// Set, for all who hold a clone, when 401 was answered to it.
    is_refused: Arc<AtomicBool>,
}

impl Token {
    /// A token that was made after `asked` and lives for `life`; none if `value` is empty or cannot stand in a header.
    pub(crate) fn new(value: Zeroizing<String>, asked: Instant, life: Duration) -> Option<Self> {
        credential::bearer(&value).filter(|_| !value.is_empty())?;
        // Renewed early, so that none runs out on its way, or because the origin's clock is ahead of the seller's.
        Some(Self { value: Arc::new(value), renew: asked + life.min(LONGEST_LIFE) * 4 / 5, is_refused: Arc::default() })
    }

    /// Whether it is neither old nor refused.
    pub(crate) fn is_good(&self) -> bool {
        Instant::now() < self.renew && !self.is_refused.load(Ordering::Relaxed)
    }

    /// Has it replaced, by whoever needs it next.
    pub(crate) fn refuse(&self) {
        self.is_refused.store(true, Ordering::Relaxed);
    }

    /// The value of an `authorization` header; none cannot happen, because [`new`](Self::new) has made one before.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        credential::bearer(&self.value)
    }

    /// Seconds after `asked` at which it is time for another.
    #[cfg(test)]
    pub(crate) fn renewed_after(&self, asked: Instant) -> u64 {
        (self.renew - asked).as_secs()
    }
}

/// What came of a challenge.
enum Reply {
    /// Something to try again with.
    Proof(Proof),
    /// There is nothing to show, or the token service does not accept it. The registry's own 401 says it best.
    Refused,
    /// The token service's own answer is the answer: too many requests.
    Instead(Answer),
}

/// What is shown to the origin.
struct Proof {
    value: HeaderValue,
    token: Option<Token>,
    /// There can be none better for the same challenge: the token was bought just now, or it is a password.
    is_new: bool,
}

impl Reply {
    fn into_proof(self) -> Option<Proof> {
        match self {
            Self::Proof(proof) => Some(proof),
            Self::Refused | Self::Instead(_) => None,
        }
    }
}

/// The two parties of an exchange: what is asked of whom, in whose name.
struct Visit<'a> {
    wire: &'a Wire,
    scope: &'a Scope,
    outgoing: &'a Outgoing,
    login: Option<&'a Credential>,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        Self { answered: Mutex::new(LruCache::new(MOST)), bought: Mutex::new(LruCache::new(MOST)) }
    }

    /// The answer to `outgoing`, after a 401 with a token or password if that is what the origin asks for.
    ///
    /// At most three requests to the origin and three to its token service, whatever they answer: with a token at hand, with one that
    /// is new, and with the one for what the origin asks for then. Without `login`, tokens are bought anonymously.
    ///
    /// Cancel-safe: a purchase that is dropped half-way leaves room for the next in line.
    ///
    /// # Errors
    /// Those of [`Wire::exchange`], and [`Failure::Denied`] where the origin names a token service that it may not. A registry or token
    /// service that refuses is not an error: the 401 is the answer.
    pub(crate) async fn exchange(
        &self,
        wire: &Wire,
        scope: &Scope,
        outgoing: &Outgoing,
        login: Option<&Credential>,
    ) -> Result<Answer, Failure> {
        let visit = Visit { wire, scope, outgoing, login };
        let place = Place {
            origin: outgoing.origin.clone(),
            identity: login.map(Credential::identity),
            resource: resource(outgoing.url.path()).to_owned(),
        };
        let mut challenge = lock(&self.answered).get(&place).cloned();
        // If what worked the last time does not work now, the 401 will tell what does; its own failure would only confuse.
        let mut proof = match &challenge {
            Some(challenge) => self.reply(&visit, challenge).await.ok().and_then(Reply::into_proof),
            None => None,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let value = proof.as_ref().map(|proof| proof.value.clone());
            let answer = wire.exchange(outgoing.with_authorization(value), &scope.limits).await?;
            if answer.status != StatusCode::UNAUTHORIZED {
                if let (Some(challenge), Some(_)) = (challenge, proof) {
                    lock(&self.answered).put(place, challenge);
                }
                return Ok(answer);
            }
            lock(&self.answered).pop(&place);
            if let Some(token) = proof.as_ref().and_then(|proof| proof.token.as_ref()) {
                token.refuse();
            }
            let Some(wanted) = challenge::parse(&answer.headers) else { return Ok(answer) };
            let is_in_vain = challenge.as_ref() == Some(&wanted) && proof.as_ref().is_some_and(|proof| proof.is_new);
            if is_in_vain || tries == MOST_TRIES {
                return Ok(answer);
            }
            proof = match self.reply(&visit, &wanted).await? {
                Reply::Proof(proof) => Some(proof),
                Reply::Refused => return Ok(answer),
                Reply::Instead(instead) => return Ok(instead),
            };
            challenge = Some(wanted);
        }
    }

    async fn reply(&self, visit: &Visit<'_>, challenge: &Challenge) -> Result<Reply, Failure> {
        match challenge {
            Challenge::Basic => Ok(match visit.login.and_then(Credential::basic) {
                Some(value) => Reply::Proof(Proof { value, token: None, is_new: true }),
                None => Reply::Refused,
            }),
            Challenge::Bearer(service) => {
                let Visit { scope, outgoing, .. } = visit;
                // Asked each time, also for a token that is at hand: another scope may have bought it.
                let realm = challenge::check_realm(service, &outgoing.origin, outgoing.reach, &scope.realms)
                    .inspect_err(|_| visit.wire.count_denied(Some(&outgoing.origin)))?;
                self.token(visit, service, &realm).await
            }
        }
    }

    /// The token at hand, or a new one if there is none, it is old, or it was refused.
    async fn token(&self, visit: &Visit<'_>, service: &TokenService, realm: &Realm) -> Result<Reply, Failure> {
        let purchase = Purchase {
            registry: visit.outgoing.origin.clone(),
            identity: visit.login.map(Credential::identity),
            service: service.clone(),
        };
        let slot = Arc::clone(lock(&self.bought).get_or_insert(purchase, Arc::default));
        let mut latest = slot.lock().await;
        let (token, is_new) = match latest.clone().filter(Token::is_good) {
            Some(token) => (token, false),
            None => match buy(visit, service, realm).await? {
                Bought::Token(token) => (latest.insert(token).clone(), true),
                Bought::Refused => return Ok(Reply::Refused),
                Bought::Instead(answer) => return Ok(Reply::Instead(answer)),
            },
        };
        let value = token.bearer().ok_or_else(|| not_a_token(&realm.origin))?;
        Ok(Reply::Proof(Proof { value, token: Some(token), is_new }))
    }
}

enum Bought {
    Token(Token),
    Refused,
    Instead(Answer),
}

/// Asks a token service for a token. `realm` is the service's origin, which has been checked.
async fn buy(visit: &Visit<'_>, service: &TokenService, realm: &Realm) -> Result<Bought, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(value) = visit.login.and_then(Credential::basic) {
        headers.insert(AUTHORIZATION, value);
    }
    let outgoing = Outgoing {
        method: Method::GET,
        url: service.url(),
        origin: realm.origin.clone(),
        reach: realm.reach,
        headers,
        body: Bytes::new(),
    };
    let limits = Limits { wire: MOST_ANSWER_BYTES, decoded: MOST_ANSWER_BYTES, ..visit.scope.limits.clone() };
    // The life of a token counts from when it was made, which is no earlier than this.
    let asked = Instant::now();
    let answer = match visit.wire.exchange(outgoing, &limits).await {
        Err(Failure::TooLarge) => return Err(not_a_token(&realm.origin)),
        other => other?,
    };
    match answer.status.as_u16() {
        200 => parse_token(&answer.body, asked).map(Bought::Token).ok_or_else(|| not_a_token(&realm.origin)),
        // A wrong password, no right to the repository, or no such repository: the registry's 401 is the fitting answer.
        400 | 401 | 403 | 404 => Ok(Bought::Refused),
        429 => {
            let mut headers = HeaderMap::new();
            headers.extend(answer.headers.get(RETRY_AFTER).map(|value| (RETRY_AFTER, value.clone())));
            Ok(Bought::Instead(Answer { status: answer.status, headers, body: Bytes::new() }))
        }
        status => Err(Failure::Other(format!("the token service {} answered {status}", realm.origin))),
    }
}

fn not_a_token(realm: &Origin) -> Failure {
    Failure::Other(format!("the token service {realm} answered something that is not a token"))
}

/// <https://distribution.github.io/distribution/spec/auth/token/#token-response-fields>
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
    /// Anything but a number of seconds is read as if it were not there.
    expires_in: Option<serde_json::Value>,
}

fn parse_token(body: &[u8], asked: Instant) -> Option<Token> {
    let answer: TokenAnswer = serde_json::from_slice(body).ok()?;
    let value = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty())?;
    let life = answer.expires_in.and_then(|seconds| seconds.as_u64()).map_or(DEFAULT_LIFE, Duration::from_secs);
    Token::new(value, asked, life)
}

/// What in `path` the registry sells tokens for: all that is asked about one repository shares one
/// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#endpoints>).
fn resource(path: &str) -> &str {
    ["/tags/", "/manifests/", "/blobs/", "/referrers/"]
        .iter()
        .filter_map(|part| path.rfind(part))
        .max()
        .and_then(|end| path.get(..end))
        .unwrap_or(path)
}

/// A panic while a lock was held cannot leave these maps half-written: every change is one call.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_in_all_forms() {
        let asked = Instant::now();
        let check = |body: &str, expected: Option<(&str, u64)>| {
            let found = parse_token(body.as_bytes(), asked);
            let found = found.as_ref().map(|token| (token.value.as_str(), token.renewed_after(asked)));
            assert_eq!(found, expected, "{body}");
        };
        check(r#"{"token":"opaque","access_token":"opaque","expires_in":300}"#, Some(("opaque", 240)));
        check(r#"{"access_token":"test"}"#, Some(("test", 48)));
        check(r#"{"token":"","access_token":"test"}"#, Some(("test", 48)));
        check(r#"{"token":"t","expires_in":null}"#, Some(("t", 48)));
        check(r#"{"token":"t","expires_in":"300"}"#, Some(("t", 48)));
        check(r#"{"token":"t","expires_in":-5}"#, Some(("t", 48)));
        check(r#"{"token":"t","expires_in":0}"#, Some(("t", 0)));
        check(r#"{"token":"t","expires_in":99999999999}"#, Some(("t", 2880)));
        check(r#"{"token":"t\nx"}"#, None);
        check(r#"{"token":7}"#, None);
        check("{}", None);
        check("[]", None);
        check("<html>", None);
        check("", None);
    }

    #[test]
    fn all_that_is_asked_about_a_repository_is_one_resource() {
        let check = |path: &str, expected: &str| assert_eq!(resource(path), expected, "{path}");
        check("/v2/library/nginx/tags/list", "/v2/library/nginx");
        check("/v2/library/nginx/manifests/1.27", "/v2/library/nginx");
        check("/v2/library/nginx/manifests/sha256:00", "/v2/library/nginx");
        check("/v2/tags/list/tags/list", "/v2/tags/list");
        check("/v2/", "/v2/");
    }
}
