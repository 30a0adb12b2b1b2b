//! A request as a plugin asks for it, and the checks that it has to pass.
//!
//! Pure. What comes out of [`check`] was looked at in every part: it can be sent as it is, to the origin that it names, and nothing in it
//! is secret yet. Secrets are put into a copy of the URL by [`Call::url_with_secrets`], after everything else.

use bytes::Bytes;
use http::Method;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use k8supdater_core::origin::Origin;
use url::Url;

use crate::credential::Identity;
use crate::failure::Failure;
use crate::resolve::Reach;
use crate::scope::Scope;

/// Most headers of one request.
const MOST_HEADERS: usize = 64;
/// Most bytes of names and values of a request's headers together. Servers commonly refuse more than 8 KiB.
const MOST_HEADER_BYTES: usize = 16 * 1024;
/// Most bytes of a request's body.
const MOST_BODY_BYTES: usize = 1024 * 1024;
/// Most bytes of a URL; RFC 9110 section 4.1 asks for at least 8,000.
const MOST_URL_BYTES: usize = 8 * 1024;

/// Headers that say where a message ends, where it goes and what the connection does. Whoever sets them can smuggle a second request
/// behind the first one, so that not even a secret may stand in them.
pub(crate) const FRAMING_HEADERS: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Further headers that are the host's: credentials come from slots, and requests are made conditional by [`crate::revalidate`].
const HOST_HEADERS: [&str; 4] = ["authorization", "cookie", "if-modified-since", "if-none-match"];

/// A request that a plugin asks for, unchecked. See the WIT's `exchange.http-request` for what each field may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Absolute, `http` or `https`; `{slot:name}` in path or query stands for the secret of that slot.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// The credential slot whose secret should be attached.
    pub credential: Option<String>,
}

/// A request that has passed all checks.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Without fragment and without secrets; placeholders still stand in it.
    pub(crate) url: Url,
    pub(crate) origin: Origin,
    pub(crate) reach: Reach,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// `request`, if `scope` allows it.
///
/// # Errors
/// [`Failure::Denied`] with the first thing that is wrong.
pub(crate) fn check(request: Request, scope: &Scope) -> Result<Call, Failure> {
    let method = check_method(&request.method)?;
    let url = check_url(&request.url)?;
    let permit =
        scope.grants.permit(&url, scope.registry.as_ref()).map_err(|refusal| Failure::Denied(refusal.to_string()))?;
    let headers = check_headers(&request.headers)?;
    if request.body.len() > MOST_BODY_BYTES {
        let length = request.body.len();
        return Err(Failure::Denied(format!(
            "the request has a body of {length} bytes; at most {MOST_BODY_BYTES} are allowed"
        )));
    }
    let reach = if permit.named { Reach::Named } else { Reach::Public };
    Ok(Call { method, url, origin: permit.origin, reach, headers, body: request.body.into() })
}

fn check_method(method: &str) -> Result<Method, Failure> {
    match method {
        "GET" => Ok(Method::GET),
        "HEAD" => Ok(Method::HEAD),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        other => Err(Failure::Denied(format!(
            "unknown method {:?}, expected one of: GET, HEAD, POST, PUT, PATCH, DELETE",
            excerpt(other)
        ))),
    }
}

fn check_url(text: &str) -> Result<Url, Failure> {
    let denied = |why: &str| Failure::Denied(format!("the URL {:?} {why}", excerpt(text)));
    if text.len() > MOST_URL_BYTES {
        return Err(denied(&format!("is longer than {MOST_URL_BYTES} bytes")));
    }
    // The URL standard drops tabs and line ends silently, so that the URL that a person reads is not the one that is called.
    if text.chars().any(|char| char.is_control() || char == ' ') {
        return Err(denied("holds a space or control character; percent-encode it"));
    }
    let mut url = Url::parse(text).map_err(|err| denied(&format!("is not valid: {err}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(denied("is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Not shown: what stands there may well be a password.
        return Err(Failure::Denied(
            "the URL holds a user name or password; name a credential slot instead, and the host will attach its secret".to_owned(),
        ));
    }
    url.set_fragment(None);
    Ok(url)
}

fn check_headers(headers: &[(String, String)]) -> Result<HeaderMap, Failure> {
    if headers.len() > MOST_HEADERS {
        let count = headers.len();
        return Err(Failure::Denied(format!("the request has {count} headers; at most {MOST_HEADERS} are allowed")));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MOST_HEADER_BYTES {
        return Err(Failure::Denied(format!(
            "the request has {bytes} bytes of headers; at most {MOST_HEADER_BYTES} are allowed"
        )));
    }
    let mut checked = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let denied = |why: &str| Failure::Denied(format!("the request header {:?} {why}", excerpt(name)));
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| denied("is not a valid header name"))?;
        if FRAMING_HEADERS.contains(&parsed.as_str()) || HOST_HEADERS.contains(&parsed.as_str()) {
            return Err(denied("is the host's; a plugin must not set it"));
        }
        // Stricter than RFC 9110 in the same way as the http crate: no control characters but the tab.
        let value =
            HeaderValue::from_str(value).map_err(|_| denied("has a value with a line end or control character"))?;
        checked.append(parsed, value);
    }
    Ok(checked)
}

/// The beginning of a text that a plugin made up, short enough for a condition.
fn excerpt(text: &str) -> String {
    const MOST_CHARS: usize = 200;
    match text.char_indices().nth(MOST_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// A URL with secrets in it, and how to take them out again.
pub(crate) struct SecretUrl {
    /// What is called. Never shown, logged or returned.
    pub(crate) url: Url,
    /// Each secret as it stands in the URL, with the placeholder that it stands for.
    secrets: Vec<(zeroize::Zeroizing<String>, String)>,
    /// Whose secrets these are, for the keys of caches.
    pub(crate) identities: Vec<Identity>,
}

impl Call {
    /// The URL with each `{slot:name}` in path and query replaced by the secret of that slot, percent-encoded.
    ///
    /// # Errors
    /// [`Failure::Denied`] if a slot has no secret for this origin, or is not of scheme url. The text names the slot.
    pub(crate) fn url_with_secrets(&self, scope: &Scope) -> Result<SecretUrl, Failure> {
        let mut filled = SecretUrl { url: self.url.clone(), secrets: Vec::new(), identities: Vec::new() };
        // The URL parser has percent-encoded the braces in the path, and left them alone in the query.
        let path = self.fill(self.url.path(), "%7Bslot:", "%7D", scope, &mut filled)?;
        let query = match self.url.query() {
            Some(query) => Some(self.fill(query, "{slot:", "}", scope, &mut filled)?),
            None => None,
        };
        if !filled.secrets.is_empty() {
            filled.url.set_path(&path);
            filled.url.set_query(query.as_ref().map(|query| query.as_str()));
        }
        Ok(filled)
    }

    fn fill(
        &self,
        text: &str,
        open: &str,
        close: &str,
        scope: &Scope,
        filled: &mut SecretUrl,
    ) -> Result<zeroize::Zeroizing<String>, Failure> {
        let mut result = zeroize::Zeroizing::new(String::with_capacity(text.len()));
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(open) {
            // Without its end it is no placeholder, and goes out as it is.
            let Some((slot, after)) = after.split_once(close) else { break };
            let bound = scope.credential(slot, &self.origin).ok_or_else(|| {
                let origin = &self.origin;
                Failure::Denied(format!(
                    "no secret is bound to credential slot {:?} for {origin}; an administrator can grant one in the Plugin's spec.grants.secrets",
                    excerpt(slot)
                ))
            })?;
            let secret = bound.url_part()?;
            result.push_str(before);
            result.push_str(&secret);
            filled.secrets.push((secret, format!("{{slot:{slot}}}")));
            filled.identities.push(bound.secret.identity());
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }
}

impl SecretUrl {
    /// `text` from an answer, with secrets turned back into placeholders: a redirect repeats the URL, and plugins must not read it.
    pub(crate) fn conceal(&self, text: &str) -> String {
        let mut concealed = text.to_owned();
        for (secret, placeholder) in &self.secrets {
            concealed = concealed.replace(secret.as_str(), placeholder);
        }
        concealed
    }
}
