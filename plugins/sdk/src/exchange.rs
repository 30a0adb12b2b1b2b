//! What passes between a plugin and the world: requests out, replies in. Types of the WIT interface `exchange`, with the
//! methods that make them pleasant.

mod http_date;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::registry::k8supdater::plugin::exchange::{
    Action, Error, Failure, Header, HttpRequest, HttpResponse, Mail, Reply,
};
use crate::text::one_line;

/// Longest piece of an answer that is quoted in an error, in characters.
const EXCERPT: usize = 80;

impl HttpRequest {
    /// A request without headers, body and credential. `method` is in capitals, `url` absolute.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new(), credential: None }
    }

    /// A `GET` request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `HEAD` request.
    pub fn head(url: impl Into<String>) -> Self {
        Self::new("HEAD", url)
    }

    /// A `POST` request; see [`json`](Self::json) for its body.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header. Those that belong to the host (`authorization`, `host` …) make it refuse the request.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: name.to_owned(), value: value.into() });
        self
    }

    /// Asks the host to attach the secret bound to this slot of the plugin manifest.
    #[must_use]
    pub fn credential(mut self, slot: &str) -> Self {
        self.credential = Some(slot.to_owned());
        self
    }

    /// Sets the body to `value` as JSON, and the header `content-type`.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] where `value` has no JSON form, such as a map whose keys are not strings.
    pub fn json(mut self, value: &impl Serialize) -> Result<Self, Error> {
        self.body = serde_json::to_vec(value)
            .map_err(|err| Error::Other(format!("the body for {} has no JSON form: {err}", self.url)))?;
        Ok(self.header("content-type", "application/json"))
    }
}

impl HttpResponse {
    /// The first header of this name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
    }

    /// All headers of this name, which is given in lower case, in the order received.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |header| header.name == name).map(|header| header.value.as_str())
    }

    /// The body, read as JSON into a type of the plugin's.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidReply`] that says what is wrong, where, and quotes at most 80 characters from there.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|err| {
            if self.body.is_empty() {
                return Error::InvalidReply("expected JSON, got an empty body".to_owned());
            }
            let excerpt = excerpt(&self.body, err.line(), err.column());
            Error::InvalidReply(format!("expected JSON, {} bytes with: {err}, near `{excerpt}`", self.body.len()))
        })
    }

    /// Seconds of the header `retry-after` (RFC 9110 section 10.2.3).
    ///
    /// A date there is counted from the header `date` of the same answer, since a plugin has no clock; a date in the past is 0.
    /// A date without that header counts as not said, and so does nonsense.
    pub fn retry_after(&self) -> Option<u32> {
        let value = self.header("retry-after")?.trim();
        // `parse` would accept a leading plus sign.
        if value.bytes().all(|byte| byte.is_ascii_digit()) {
            return value.parse().ok();
        }
        let wait = http_date::seconds(value)?.saturating_sub(self.date()?);
        Some(u32::try_from(wait).unwrap_or(u32::MAX))
    }

    /// When the answer was given, by its header `date`: seconds since 1970-01-01T00:00:00Z. The nearest to a clock that a plugin has.
    pub fn date(&self) -> Option<u64> {
        http_date::seconds(self.header("date")?.trim())
    }
}

/// What stands in `body` around a place that `serde_json` calls `line` and `column` (from 1, in bytes).
fn excerpt(body: &[u8], line: usize, column: usize) -> String {
    let before: usize = body.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    let place = (before + column).min(body.len());
    let start = place.saturating_sub(EXCERPT / 2);
    let end = (place + EXCERPT / 2).min(body.len());
    one_line(&String::from_utf8_lossy(body.get(start..end).unwrap_or_default()), EXCERPT)
}

impl From<HttpRequest> for Action {
    fn from(request: HttpRequest) -> Self {
        Self::Http(request)
    }
}

impl From<Mail> for Action {
    fn from(mail: Mail) -> Self {
        Self::Mail(mail)
    }
}

impl Error {
    /// The name of the case, as the WIT and the examples of a plugin manifest spell it.
    pub fn case(&self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Unauthorized => "unauthorized",
            Self::CredentialsExpired => "credentials-expired",
            Self::RateLimited(_) => "rate-limited",
            Self::Unavailable(_) => "unavailable",
            Self::InvalidSettings(_) => "invalid-settings",
            Self::InvalidReply(_) => "invalid-reply",
            Self::Unsupported => "unsupported",
            Self::Other(_) => "other",
        }
    }
}

impl From<Failure> for Error {
    /// What the host should do about an action that brought no answer: try later whatever may pass by itself, and show what
    /// a person has to change.
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied(cause) => Self::Other(format!("the request was not allowed: {cause}")),
            Failure::Timeout => Self::Unavailable("no answer in the time allowed".to_owned()),
            Failure::Connect(cause) => Self::Unavailable(format!("no connection: {cause}")),
            Failure::Tls(cause) => Self::Unavailable(format!("no TLS connection: {cause}")),
            Failure::TooLarge => Self::InvalidReply("the answer is larger than this plugin's limits allow".to_owned()),
            Failure::Mail(cause) => Self::Unavailable(format!("the mail server refused: {cause}")),
            Failure::Other(cause) => Self::Other(cause),
        }
    }
}

/// The replies to the actions of one step, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replies(Vec<Reply>);

impl Replies {
    /// Wraps what the host handed over.
    pub fn new(replies: Vec<Reply>) -> Self {
        Self(replies)
    }

    /// The answer to the only request of the step.
    ///
    /// # Errors
    ///
    /// What became of the request if there was no answer; [`Error::Other`] if the replies do not fit a single request.
    pub fn http(self) -> Result<HttpResponse, Error> {
        let [reply] = <[Reply; 1]>::try_from(self.0)
            .map_err(|replies| Error::Other(format!("expected one reply from the host, got {}", replies.len())))?;
        reply.http()
    }

    /// Makes sure that the only mail of the step was accepted.
    ///
    /// # Errors
    ///
    /// Why it was not; [`Error::Other`] if the replies do not fit a single mail.
    pub fn mailed(self) -> Result<(), Error> {
        match self.0.as_slice() {
            [Reply::Mailed] => Ok(()),
            [Reply::Failed(failure)] => Err(failure.clone().into()),
            [Reply::Http(_)] => Err(Error::Other("the host answered a mail with an HTTP response".to_owned())),
            replies => Err(Error::Other(format!("expected one reply from the host, got {}", replies.len()))),
        }
    }
}

impl IntoIterator for Replies {
    type Item = Reply;
    type IntoIter = std::vec::IntoIter<Reply>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Reply {
    /// The answer to an HTTP request, of whatever status.
    ///
    /// # Errors
    ///
    /// What became of the request if there was no answer.
    pub fn http(self) -> Result<HttpResponse, Error> {
        match self {
            Self::Http(response) => Ok(response),
            Self::Failed(failure) => Err(failure.into()),
            Self::Mailed => Err(Error::Other("the host answered an HTTP request with `mailed`".to_owned())),
        }
    }
}

/// The state of a conversation as bytes, and back. JSON, because a plugin contains a JSON parser anyway, and because a recorded
/// conversation can then be read by people.
pub(crate) fn encode_state(state: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(state).map_err(|err| Error::Other(format!("the plugin's state has no JSON form: {err}")))
}

/// The reverse of [`encode_state`].
pub(crate) fn decode_state<S: DeserializeOwned>(state: &[u8]) -> Result<S, Error> {
    serde_json::from_slice(state)
        .map_err(|err| Error::Other(format!("the state handed back is not one that this plugin gave: {err}")))
}

#[cfg(test)]
mod tests;
