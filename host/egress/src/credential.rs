//! Secrets, what they are bound to, and how they are put on a request.
//!
//! Pure, apart from one random number per process. A secret enters as a [`Credential`], is never shown again, and leaves only inside a
//! request header, URL or login, after [`crate::Client`] has made all its checks. Start reading at [`BoundCredential`].

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use k8supdater_core::origin::Origin;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::request::FRAMING_HEADERS;

/// What is left as it is when a secret stands in a URL: RFC 3986's unreserved characters, and `:`, which separates nothing in a path
/// or query and which Telegram wants to see in its tokens (<https://core.telegram.org/bots/api#making-requests>).
/// Everything else is encoded, so that no secret can add a path segment, a query or a fragment.
const UNTOUCHED_IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// A secret: a user name with a password, or a token.
///
/// Cheap to clone; the one copy is overwritten when the last clone is dropped. What is put on the wire is copied into buffers of the
/// HTTP library, which are freed but not overwritten.
///
/// `==` says whether two hold the same secret, which is how a rotation is noticed; it compares digests, not secrets.
#[derive(Clone)]
pub struct Credential(Arc<Inner>);

struct Inner {
    secret: Secret,
    identity: Identity,
}

enum Secret {
    Login { username: Zeroizing<String>, password: Zeroizing<String> },
    Token(Zeroizing<String>),
}

/// Stands for a secret in the keys of caches: the same for the same secret, of no use to anyone outside this process.
///
/// A cache that had the secret itself as its key would keep it long after a rotation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity([u8; 32]);

/// Makes digests of secrets worthless elsewhere: without it, a short password could be guessed from its digest in a memory dump.
static IDENTITY_KEY: LazyLock<[u8; 32]> = LazyLock::new(rand::random);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[identity of a secret]")
    }
}

impl Identity {
    fn of(parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        digest.update(IDENTITY_KEY.as_slice());
        for part in parts {
            // The length first, so that ("ab", "c") and ("a", "bc") differ.
            digest.update(part.len().to_le_bytes());
            digest.update(part.as_bytes());
        }
        Self(digest.finalize().into())
    }
}

impl Credential {
    /// A user name and its password, for the schemes [`Scheme::Basic`], [`Scheme::Login`] and [`Scheme::OciToken`].
    pub fn login(username: String, password: String) -> Self {
        let identity = Identity::of(&["login", &username, &password]);
        let secret = Secret::Login { username: Zeroizing::new(username), password: Zeroizing::new(password) };
        Self(Arc::new(Inner { secret, identity }))
    }

    /// A token, for the schemes [`Scheme::Bearer`], [`Scheme::Header`], [`Scheme::HmacSha256`] and [`Scheme::Url`].
    pub fn token(token: String) -> Self {
        let identity = Identity::of(&["token", &token]);
        Self(Arc::new(Inner { secret: Secret::Token(Zeroizing::new(token)), identity }))
    }

    /// What stands for this secret in the keys of caches.
    pub fn identity(&self) -> Identity {
        self.0.identity
    }

    /// The value of an `authorization` header of scheme Basic; none if this is not a login, or one that Basic cannot carry.
    ///
    /// A user name with a colon would be read as a shorter one (RFC 7617 section 2).
    pub(crate) fn basic(&self) -> Option<HeaderValue> {
        match &self.0.secret {
            Secret::Login { username, .. } if username.contains(':') => None,
            Secret::Login { username, password } => {
                sensitive(&Zeroizing::new(http_auth::basic::encode_credentials(username, password)))
            }
            Secret::Token(_) => None,
        }
    }

    /// The body of a login of this form, as JSON; none if this is a token.
    pub(crate) fn login_body(&self, form: &LoginForm) -> Option<Bytes> {
        match &self.0.secret {
            Secret::Login { username, password } => {
                // References, so that the only copy is the one that is sent.
                let fields: BTreeMap<&str, &str> =
                    [(form.username.as_str(), username.as_str()), (form.password.as_str(), password.as_str())].into();
                serde_json::to_vec(&fields).ok().map(Bytes::from)
            }
            Secret::Token(_) => None,
        }
    }

    fn bearer(&self) -> Option<HeaderValue> {
        self.as_token().and_then(bearer)
    }

    fn header(&self) -> Option<HeaderValue> {
        self.as_token().and_then(sensitive)
    }

    /// `sha256=` and the HMAC-SHA256 of `body` in lower-case hexadecimal digits, with the token as the key (RFC 2104); none if this is a
    /// login or empty: everybody could sign with that.
    fn signature(&self, body: &[u8]) -> Option<HeaderValue> {
        let token = self.as_token().filter(|token| !token.is_empty())?;
        let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).ok()?;
        mac.update(body);
        let mut value = "sha256=".to_owned();
        for byte in mac.finalize().into_bytes() {
            write!(value, "{byte:02x}").ok()?;
        }
        sensitive(&value)
    }

    /// The token as it may stand in a URL; none if this is a login.
    fn url_part(&self) -> Option<Zeroizing<String>> {
        let token = self.as_token()?;
        Some(Zeroizing::new(utf8_percent_encode(token, UNTOUCHED_IN_URL).to_string()))
    }

    fn as_token(&self) -> Option<&str> {
        match &self.0.secret {
            Secret::Login { .. } => None,
            Secret::Token(token) => Some(token),
        }
    }
}

/// The value of an `authorization` header of scheme Bearer; none if `token` holds what a header cannot.
pub(crate) fn bearer(token: &str) -> Option<HeaderValue> {
    sensitive(&Zeroizing::new(format!("Bearer {token}")))
}

/// Marked so that HTTP libraries neither log the value nor compress it with HPACK.
fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.0.identity == other.0.identity
    }
}

impl Eq for Credential {}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How a secret is put on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `authorization: Basic`, with user name and password.
    Basic,
    /// `authorization: Bearer`, with a token.
    Bearer,
    /// A header of this name whose whole value is the token, such as GitLab's `private-token`.
    Header(String),
    /// A header of this name with a signature: `sha256=` and the HMAC-SHA256 of the body, of which the token is the key. It shows that a
    /// request is from us and was not changed, without showing the token.
    HmacSha256(String),
    /// `authorization: Bearer`, with a token that the origin itself gives for user name and password.
    Login(LoginForm),
    /// What OCI registries do: user name and password buy a short-lived token, where the registry says so
    /// (<https://distribution.github.io/distribution/spec/auth/token/>). Without a secret, an anonymous token.
    OciToken,
    /// A token that stands in the URL, where the request says `{slot:name}`.
    Url,
}

/// How an API wants to be logged in to: a `POST` of a JSON object with user name and password, answered by one with a token.
///
/// Docker Hub's (<https://docs.docker.com/reference/api/hub/latest/#tag/authentication-api>) has the path `/v2/auth/token` and the fields
/// `identifier`, `secret` and `access_token`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoginForm {
    /// Where, on the origin that the secret is bound to. Only ever a path: what would be a query or a host in it is not one.
    pub path: String,
    /// The field for the user name.
    pub username: String,
    /// The field for the password; another one than that for the user name.
    pub password: String,
    /// The field of the answer that holds the token.
    pub token: String,
}

/// A secret, the slot that it fills, and the one origin that may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundCredential {
    /// The slot of the plugin manifest.
    pub slot: String,
    /// The only origin that the secret is sent to.
    pub origin: Origin,
    /// How it is sent.
    pub scheme: Scheme,
    /// The secret.
    pub secret: Credential,
}

/// How a request proves who it is.
#[derive(Clone, Debug)]
pub(crate) enum Proof {
    /// Not at all, whatever the answer.
    Nothing,
    /// With a header that is known before.
    Header(HeaderName, HeaderValue),
    /// With a token that a login at the same origin gives for the secret.
    Login(LoginForm, Credential),
    /// As the origin asks for when it refuses: with a token that it names the seller of, bought with the secret if there is one.
    OnChallenge(Option<Credential>),
}

impl BoundCredential {
    /// How a request with this body that names this slot proves who it is.
    ///
    /// # Errors
    /// [`Failure::Denied`] where scheme and secret do not fit each other. The text names the slot, never the secret.
    pub(crate) fn proof(&self, body: &[u8]) -> Result<Proof, Failure> {
        match &self.scheme {
            Scheme::Basic => {
                let value = self.secret.basic().ok_or_else(|| self.unfit(LOGIN))?;
                Ok(Proof::Header(AUTHORIZATION, value))
            }
            Scheme::Bearer => {
                let value = self.secret.bearer().ok_or_else(|| self.unfit(TOKEN))?;
                Ok(Proof::Header(AUTHORIZATION, value))
            }
            Scheme::Header(name) => {
                let value = self.secret.header().ok_or_else(|| self.unfit(TOKEN))?;
                Ok(Proof::Header(self.header_name(name)?, value))
            }
            Scheme::HmacSha256(name) => {
                let value = self.secret.signature(body).ok_or_else(|| self.unfit(KEY))?;
                Ok(Proof::Header(self.header_name(name)?, value))
            }
            Scheme::Login(form) => {
                self.secret.login_body(form).ok_or_else(|| self.unfit(PAIR))?;
                Ok(Proof::Login(form.clone(), self.secret.clone()))
            }
            Scheme::OciToken => {
                // Tried here, so that a login that cannot be sent is refused before anything is.
                self.secret.basic().ok_or_else(|| self.unfit(LOGIN))?;
                Ok(Proof::OnChallenge(Some(self.secret.clone())))
            }
            Scheme::Url => Ok(Proof::Nothing),
        }
    }

    fn header_name(&self, name: &str) -> Result<HeaderName, Failure> {
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
        parsed.filter(|parsed| !FRAMING_HEADERS.contains(&parsed.as_str())).ok_or_else(|| {
            let slot = &self.slot;
            Failure::Denied(format!("credential slot {slot:?} wants the header {name:?}, which cannot carry a secret"))
        })
    }

    /// The secret as it may stand in a URL in place of `{slot:name}`.
    ///
    /// # Errors
    /// [`Failure::Denied`] if the slot is not of scheme [`Scheme::Url`], or holds no token.
    pub(crate) fn url_part(&self) -> Result<Zeroizing<String>, Failure> {
        match self.scheme {
            Scheme::Url => self.secret.url_part().filter(|part| !part.is_empty()).ok_or_else(|| self.unfit(TOKEN)),
            Scheme::Basic
            | Scheme::Bearer
            | Scheme::Header(_)
            | Scheme::HmacSha256(_)
            | Scheme::Login(_)
            | Scheme::OciToken => {
                let slot = &self.slot;
                Err(Failure::Denied(format!(
                    "credential slot {slot:?} may not stand in a URL; only a slot of scheme url may"
                )))
            }
        }
    }

    fn unfit(&self, wants: &str) -> Failure {
        let slot = &self.slot;
        Failure::Denied(format!(
            "the secret bound to credential slot {slot:?} does not fit its scheme, which needs {wants}"
        ))
    }
}

const LOGIN: &str = "a user name without a colon and a password, both without control characters";
const PAIR: &str = "a user name and a password";
const TOKEN: &str = "a token without control characters";
const KEY: &str = "a token that is not empty";

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(scheme: Scheme, secret: Credential) -> BoundCredential {
        BoundCredential { slot: "s".to_owned(), origin: Origin::parse("https://example.com").unwrap(), scheme, secret }
    }

    fn login(username: &str, password: &str) -> Credential {
        Credential::login(username.to_owned(), password.to_owned())
    }

    fn token(token: &str) -> Credential {
        Credential::token(token.to_owned())
    }

    #[test]
    fn each_scheme_puts_its_secret_where_it_belongs() {
        let check = |scheme: Scheme, secret: Credential, expected: Option<(&str, &str)>| {
            let proof = bound(scheme.clone(), secret).proof(b"");
            match (proof, expected) {
                (Ok(Proof::Header(name, value)), Some(expected)) => {
                    assert!(value.is_sensitive(), "{scheme:?}");
                    assert_eq!((name.as_str(), value.to_str().unwrap()), expected);
                }
                (Err(Failure::Denied(_)), None) => {}
                (proof, expected) => panic!("{scheme:?}: {proof:?}, expected {expected:?}"),
            }
        };
        check(
            Scheme::Basic,
            login("Aladdin", "open sesame"),
            Some(("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
        );
        check(Scheme::Basic, login("Alad:din", "x"), None);
        check(Scheme::Basic, token("t"), None);
        check(Scheme::Bearer, token("t0k"), Some(("authorization", "Bearer t0k")));
        check(Scheme::Bearer, token("t\r\nx: y"), None);
        check(Scheme::Bearer, login("u", "p"), None);
        check(Scheme::Header("PRIVATE-TOKEN".to_owned()), token("glpat"), Some(("private-token", "glpat")));
        check(Scheme::Header("host".to_owned()), token("elsewhere"), None);
        check(Scheme::Header("Content-Length".to_owned()), token("0"), None);
        check(Scheme::Header("not a name".to_owned()), token("t"), None);
        check(Scheme::OciToken, token("t"), None);
    }

    #[test]
    fn a_signature_is_that_of_the_body() {
        let check = |key: &str, body: &[u8], expected: Option<&str>| {
            let proof = bound(Scheme::HmacSha256("X-Signature".to_owned()), token(key)).proof(body);
            match (proof, expected) {
                (Ok(Proof::Header(name, value)), Some(expected)) => {
                    assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-signature", expected));
                }
                (Err(Failure::Denied(why)), None) => assert!(why.contains("a token that is not empty"), "{why}"),
                (proof, expected) => panic!("{proof:?}, expected {expected:?}"),
            }
        };
        // Test case 2 of RFC 4231, section 4.3.
        check(
            "Jefe",
            b"what do ya want for nothing?",
            Some("sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        );
        // A key longer than a block, as in test case 6, section 4.7, but of text.
        let long = bound(Scheme::HmacSha256("s".to_owned()), token(&"k".repeat(131))).proof(b"x");
        assert!(matches!(long, Ok(Proof::Header(..))), "{long:?}");
        check("", b"x", None);
        let login = bound(Scheme::HmacSha256("s".to_owned()), login("u", "p")).proof(b"x");
        assert!(matches!(login, Err(Failure::Denied(_))), "{login:?}");
        let framing = bound(Scheme::HmacSha256("content-length".to_owned()), token("k")).proof(b"x");
        assert!(matches!(framing, Err(Failure::Denied(_))), "{framing:?}");
    }

    #[test]
    fn a_secret_in_a_url_cannot_change_its_structure() {
        let check = |secret: &str, expected: &str| {
            assert_eq!(bound(Scheme::Url, token(secret)).url_part().unwrap().as_str(), expected);
        };
        check("123456:ABC-DEF_x", "123456:ABC-DEF_x");
        check("a/b?c#d&e=f@g%h", "a%2Fb%3Fc%23d%26e%3Df%40g%25h");
        check("ü", "%C3%BC");
        assert!(bound(Scheme::Bearer, token("t")).url_part().is_err());
        assert!(bound(Scheme::Url, login("u", "p")).url_part().is_err());
    }

    #[test]
    fn equality_tells_a_rotation_and_debug_tells_nothing() {
        assert_eq!(login("a", "b"), login("a", "b"));
        assert_ne!(login("a", "b"), login("a", "c"));
        assert_ne!(login("ab", "c"), login("a", "bc"));
        assert_ne!(token("a"), token("b"));
        assert!(!format!("{:?}", bound(Scheme::Bearer, token("canary"))).contains("canary"));
    }
}
