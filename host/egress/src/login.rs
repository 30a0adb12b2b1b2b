//! Tokens that an API gives for user name and password: one login, shared by all who hold the same secret, repeated before its token
//! runs out.
//!
//! Owns the login. It goes to the request's own origin, for which the secret is bound and the address is judged, so that beside the
//! request itself there is nobody to check. All goes through [`crate::wire`] like any other. Start reading at [`Logins::exchange`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use k8supdater_core::origin::Origin;
use lru::LruCache;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

use crate::credential::{Credential, Identity, LoginForm};
use crate::failure::Failure;
use crate::scope::Limits;
use crate::token::{self, Token};
use crate::wire::{Answer, Outgoing, Wire};

/// How long a token lives that does not say so itself. Docker Hub's live for 10 minutes
/// (<https://docs.docker.com/reference/api/hub/latest/schemas/AuthCreateTokenResponse/>).
const DEFAULT_LIFE: Duration = Duration::from_mins(5);
/// What a login that came too early is told about when to come back. Docker Hub has a header of its own for that
/// (<https://docs.docker.com/reference/api/hub/latest/#tag/rate-limiting>), which counts from 1970, so that the date belongs to it.
const WHEN_TO_RETRY: [HeaderName; 3] = [DATE, RETRY_AFTER, HeaderName::from_static("x-retry-after")];

/// All logins.
pub(crate) struct Logins(Mutex<LruCache<Account, Arc<Session>>>);

/// Everything that tells one login from another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Account {
    origin: Origin,
    identity: Identity,
    /// Plugins with the same secret may not agree about which field holds the token.
    form: LoginForm,
}

/// What is known of an account.
#[derive(Default)]
struct Session {
    /// How many logins have ended so far.
    ended: AtomicU64,
    /// What came of the last one. Held while somebody logs in, so that of all who want the same token only the first asks for it.
    latest: tokio::sync::Mutex<Option<Outcome>>,
}

/// What came of a login.
#[derive(Clone)]
enum Outcome {
    Token(Token),
    /// It was refused, or it came too early: this is the answer to the request as well.
    Instead(Answer),
}

/// A request that needs a login, and what for.
struct Visit<'a> {
    wire: &'a Wire,
    limits: &'a Limits,
    outgoing: &'a Outgoing,
    form: &'a LoginForm,
    secret: &'a Credential,
}

impl Logins {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(LruCache::new(token::MOST)))
    }

    /// The answer to `outgoing`, with a token that a login at the same origin has given for `secret`.
    ///
    /// At most two requests and two logins, whatever is answered: if 401 is the answer to a token that was at hand, with a new one. Where
    /// a login is refused, or too early, its status is the answer, without the body, which may repeat what was sent.
    ///
    /// Cancel-safe: a login that is dropped half-way leaves room for the next in line.
    ///
    /// # Errors
    /// Those of [`Wire::exchange`], and [`Failure::Other`] if a login is answered with anything else than a token, a refusal or a 429.
    pub(crate) async fn exchange(
        &self,
        wire: &Wire,
        limits: &Limits,
        outgoing: &Outgoing,
        form: &LoginForm,
        secret: &Credential,
    ) -> Result<Answer, Failure> {
        let visit = Visit { wire, limits, outgoing, form, secret };
        let account = Account { origin: outgoing.origin.clone(), identity: secret.identity(), form: form.clone() };
        let session = Arc::clone(token::lock(&self.0).get_or_insert(account, Arc::default));
        let (outcome, is_new) = session.outcome(&visit).await?;
        let token = match outcome {
            Outcome::Token(token) => token,
            Outcome::Instead(answer) => return Ok(answer),
        };
        let answer = visit.show(&token).await?;
        // A token that was given just now is not to blame: this is something that the user may not see.
        if answer.status != StatusCode::UNAUTHORIZED || is_new {
            return Ok(answer);
        }
        token.refuse();
        match session.outcome(&visit).await? {
            (Outcome::Token(token), _) => visit.show(&token).await,
            (Outcome::Instead(answer), _) => Ok(answer),
        }
    }
}

impl Session {
    /// The token at hand, or what comes of a login; and whether that login was made for this request.
    async fn outcome(&self, visit: &Visit<'_>) -> Result<(Outcome, bool), Failure> {
        let ended = self.ended.load(Ordering::Relaxed);
        let mut latest = self.latest.lock().await;
        match &*latest {
            Some(Outcome::Token(token)) if token.is_good() => return Ok((Outcome::Token(token.clone()), false)),
            // Refused while this request waited. To ask the same again would only bring the account closer to being locked.
            Some(Outcome::Instead(answer)) if self.ended.load(Ordering::Relaxed) != ended => {
                return Ok((Outcome::Instead(answer.clone()), false));
            }
            _ => {}
        }
        let outcome = visit.log_in().await?;
        *latest = Some(outcome.clone());
        self.ended.fetch_add(1, Ordering::Relaxed);
        Ok((outcome, true))
    }
}

impl Visit<'_> {
    /// The answer to the request with this token.
    async fn show(&self, token: &Token) -> Result<Answer, Failure> {
        self.wire.exchange(self.outgoing.with_authorization(token.bearer()), self.limits).await
    }

    async fn log_in(&self) -> Result<Outcome, Failure> {
        let url = login_url(&self.outgoing.url, &self.form.path);
        let place = format!("the login at {}{}", self.outgoing.origin, url.path());
        let not_a_token = || Failure::Other(format!("{place} answered something that holds no token"));
        let body =
            self.secret.login_body(self.form).ok_or_else(|| Failure::Denied(format!("{place} needs a user name")))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let outgoing = Outgoing {
            method: Method::POST,
            url,
            origin: self.outgoing.origin.clone(),
            reach: self.outgoing.reach,
            headers,
            body,
        };
        let most = token::MOST_ANSWER_BYTES;
        let limits = Limits { wire: most, decoded: most, ..self.limits.clone() };
        // The life of a token counts from when it was made, which is no earlier than this.
        let asked = Instant::now();
        let answer = match self.wire.exchange(outgoing, &limits).await {
            Err(Failure::TooLarge) => return Err(not_a_token()),
            other => other?,
        };
        match answer.status.as_u16() {
            200 => parse_token(&answer.body, &self.form.token, asked).map(Outcome::Token).ok_or_else(not_a_token),
            401 | 403 | 429 => Ok(Outcome::Instead(without_body(&answer))),
            status => Err(Failure::Other(format!("{place} answered {status}"))),
        }
    }
}

/// Where to log in: at the origin of `url`, whatever `path` is made of.
fn login_url(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url.set_query(None);
    url
}

/// What a plugin is told of a login that gave no token.
fn without_body(answer: &Answer) -> Answer {
    let kept = WHEN_TO_RETRY.into_iter().filter(|_| answer.status == StatusCode::TOO_MANY_REQUESTS);
    let headers = kept.filter_map(|name| answer.headers.get(&name).map(|value| (name, value.clone()))).collect();
    Answer { status: answer.status, headers, body: Bytes::new() }
}

/// The token in this field of a JSON object; none if there is none that could stand in a header.
fn parse_token(body: &[u8], field: &str, asked: Instant) -> Option<Token> {
    let mut answer: Value = serde_json::from_slice(body).ok()?;
    let Value::String(value) = answer.get_mut(field)?.take() else { return None };
    let value = Zeroizing::new(value);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let life = life(&value, now).unwrap_or(DEFAULT_LIFE);
    Token::new(value, asked, life)
}

/// What a JWT says about its time, in seconds since 1970 (RFC 7519 section 4.1). Everything else in it is nobody's business but the API's.
#[derive(Deserialize)]
struct Claims {
    exp: f64,
    iat: Option<f64>,
}

/// How long a token lives that was given `now`, counted from 1970; none if it is no JWT that can be read, or does not end.
///
/// Counted from when it was made where it says so, because that is by the same clock as its end. Not verified: it only decides when to
/// ask for another one.
fn life(token: &str, now: Duration) -> Option<Duration> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(claims).ok()?);
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let begin = claims.iat.unwrap_or(now.as_secs_f64());
    Duration::try_from_secs_f64((claims.exp - begin).max(0.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_token_is_taken_from_its_field_only() {
        let asked = Instant::now();
        let check = |body: &str, expected: Option<u64>| {
            let found = parse_token(body.as_bytes(), "access_token", asked);
            assert_eq!(found.map(|token| token.renewed_after(asked)), expected, "{body}");
        };
        check(r#"{"access_token":"opaque"}"#, Some(240));
        check(r#"{"access_token":"opaque","token":7}"#, Some(240));
        check(&format!(r#"{{"access_token":"{}"}}"#, jwt(r#"{"exp":1600,"iat":1000}"#)), Some(480));
        check(r#"{"token":"opaque"}"#, None);
        check(r#"{"access_token":""}"#, None);
        check(r#"{"access_token":"a\r\nb: c"}"#, None);
        check(r#"{"access_token":null}"#, None);
        check(r#"{"access_token":["opaque"]}"#, None);
        check(r#"[{"access_token":"opaque"}]"#, None);
        check("<html>", None);
        check("", None);
    }

    #[test]
    fn a_token_lives_for_as_long_as_it_says() {
        let check = |token: &str, expected: Option<u64>| {
            assert_eq!(life(token, Duration::from_secs(1000)).map(|life| life.as_secs()), expected, "{token}");
        };
        check(&jwt(r#"{"exp":1600}"#), Some(600));
        check(&jwt(r#"{"exp":1600.5}"#), Some(600));
        check(&jwt(r#"{"exp":1600,"iat":1300}"#), Some(300));
        check(&jwt(r#"{"exp":500,"iat":200}"#), Some(300));
        check(&jwt(r#"{"exp":500}"#), Some(0));
        check(&jwt(r#"{"exp":-1e300}"#), Some(0));
        check(&jwt(r#"{"exp":1e300}"#), None);
        check(&jwt(r#"{"exp":"soon"}"#), None);
        check(&jwt(r#"{"iat":1000}"#), None);
        check(&jwt("no JSON"), None);
        check("eyJhbGciOiJub25lIn0.*.c2ln", None);
        check("a.b", None);
        check(&format!("{}.d", jwt(r#"{"exp":1600}"#)), None);
        check("", None);
    }

    #[test]
    fn the_login_is_at_the_same_origin_whatever_the_path() {
        let base = Url::parse("https://hub.example:8443/v2/repositories/a?page=2").unwrap();
        let check = |path: &str, expected: &str| {
            assert_eq!(login_url(&base, path).as_str(), format!("https://hub.example:8443{expected}"));
        };
        check("/v2/auth/token", "/v2/auth/token");
        check("//evil.example/token", "//evil.example/token");
        check("https://evil.example/token", "/https://evil.example/token");
        check("/a?b#c", "/a%3Fb%23c");
        check("/\\evil.example", "//evil.example");
        check("@evil.example", "/@evil.example");
        check("", "/");
    }
}
