//! What an answer says, and what stands in the way of one.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::content::within;
use crate::client::Response;
use crate::failure::Failure;

/// Longest quotation of what the API says, in UTF-16 code units.
const LONGEST_QUOTE: usize = 160;
/// Wait after a 429 that does not say how long.
const USUAL_WAIT: Duration = Duration::from_secs(30);
/// Most that anybody is told to wait and does: a typing error of a proxy must not silence a bot for a year.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Why a method of the Bot API did nothing.
///
/// No text holds the token: failures never do, and what the API says is quoted without it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TelegramError {
    /// The token is wrong, or was revoked.
    #[error(
        "telegram does not know the token of the bot; check the Secret that is granted to the plugin's slot \"bot\""
    )]
    Unauthorized,
    /// Somebody else polls with the same token, or a webhook is set. Both are over some time after they end.
    #[error("somebody else receives what is meant for this bot ({0}); a token must be used in one place only")]
    Conflict(String),
    /// Too many requests: none for this time.
    #[error("telegram wants no request for {} s", .0.as_secs())]
    RateLimited(Duration),
    /// An edit that would change nothing.
    #[error("the message looks like that already")]
    NotModified,
    /// The press is too long ago to be answered, or was answered already.
    #[error("the press is too old to be answered")]
    TooLate,
    /// It may not, or it makes no sense: repeating it is useless.
    #[error("telegram refused: {0}")]
    Refused(String),
    /// Trouble on the other side.
    #[error("telegram has trouble of its own: status {0}")]
    Unavailable(u16),
    /// The answer, which had this status, is none that a Bot API gives.
    #[error("what was answered with status {0} is not from a Bot API; check apiUrl")]
    InvalidReply(u16),
    /// There was no answer.
    #[error("telegram cannot be reached: {0}")]
    Unreachable(Failure),
}

impl TelegramError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unauthorized => "Unauthorized",
            Self::Conflict(_) => "Conflict",
            Self::RateLimited(_) => "RateLimited",
            Self::NotModified => "NotModified",
            Self::TooLate => "TooLate",
            Self::Refused(_) => "Refused",
            Self::Unavailable(_) => "Unavailable",
            Self::InvalidReply(_) => "InvalidReply",
            Self::Unreachable(failure) => failure.reason(),
        }
    }

    /// Whether the same request can succeed later, when nobody has changed anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::RateLimited(_) | Self::Unavailable(_) | Self::InvalidReply(_) | Self::Conflict(_) => true,
            Self::Unreachable(failure) => !matches!(failure, Failure::Denied(_)),
            Self::Unauthorized | Self::NotModified | Self::TooLate | Self::Refused(_) => false,
        }
    }
}

/// An answer (<https://core.telegram.org/bots/api#making-requests>).
#[derive(Deserialize)]
struct Answer<T> {
    ok: bool,
    result: Option<T>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

/// <https://core.telegram.org/bots/api#responseparameters>
#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

/// The result of a method; `token` is what must not be quoted.
///
/// Pure.
///
/// # Errors
/// [`TelegramError`], but for [`TelegramError::Unreachable`].
pub(super) fn read<T: DeserializeOwned>(response: &Response, token: Option<&str>) -> Result<T, TelegramError> {
    let status = response.status;
    // What a proxy says in the API's place may be no JSON, but has a status.
    let answer = serde_json::from_slice::<Answer<T>>(&response.body).ok();
    let answer = answer.unwrap_or(Answer {
        ok: false,
        result: None,
        description: String::new(),
        parameters: Parameters::default(),
    });
    if status == 200 && answer.ok {
        return answer.result.ok_or(TelegramError::InvalidReply(status));
    }
    let says = |words: &str| answer.description.to_ascii_lowercase().contains(words);
    Err(match status {
        // A token that cannot be one is not found.
        401 => TelegramError::Unauthorized,
        404 if says("not found") => TelegramError::Unauthorized,
        409 => TelegramError::Conflict(quote(&answer.description, token)),
        429 => TelegramError::RateLimited(wait(answer.parameters.retry_after)),
        400 if says("message is not modified") => TelegramError::NotModified,
        400 if says("query is too old") || says("query id is invalid") => TelegramError::TooLate,
        400 | 403 if !answer.description.is_empty() => TelegramError::Refused(quote(&answer.description, token)),
        500.. => TelegramError::Unavailable(status),
        _ => TelegramError::InvalidReply(status),
    })
}

fn wait(seconds: Option<u64>) -> Duration {
    seconds.map_or(USUAL_WAIT, Duration::from_secs).min(LONGEST_WAIT)
}

/// One line of what was said, without the token.
fn quote(said: &str, token: Option<&str>) -> String {
    let line: String = said.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    let line = match token.filter(|token| !token.is_empty()) {
        Some(token) => line.replace(token, "[redacted]"),
        None => line,
    };
    within(line.trim(), LONGEST_QUOTE).to_owned()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::Value;

    use super::*;

    fn answered(status: u16, body: &str) -> Result<Value, TelegramError> {
        let response = Response { status, headers: Vec::new(), body: Bytes::copy_from_slice(body.as_bytes()) };
        read(&response, Some("123:canary"))
    }

    #[test]
    fn each_answer_means_one_thing() {
        let check = |status: u16, body: &str, expected: &TelegramError| {
            assert_eq!(answered(status, body).as_ref(), Err(expected), "for {status} {body}");
        };
        let refused = |description: &str| format!(r#"{{"ok":false,"error_code":1,"description":"{description}"}}"#);
        check(401, &refused("Unauthorized"), &TelegramError::Unauthorized);
        check(401, "<html>", &TelegramError::Unauthorized);
        check(404, &refused("Not Found"), &TelegramError::Unauthorized);
        check(404, "<html>", &TelegramError::InvalidReply(404));
        let conflict = "Conflict: terminated by other getUpdates request";
        check(409, &refused(conflict), &TelegramError::Conflict(conflict.to_owned()));
        let limited = r#"{"ok":false,"description":"","parameters":{"retry_after":7}}"#;
        check(429, limited, &TelegramError::RateLimited(Duration::from_secs(7)));
        check(429, &limited.replace('7', "999999999"), &TelegramError::RateLimited(LONGEST_WAIT));
        check(429, "", &TelegramError::RateLimited(USUAL_WAIT));
        check(400, &refused("Bad Request: message is not modified: same"), &TelegramError::NotModified);
        check(400, &refused("Bad Request: query is too old and …"), &TelegramError::TooLate);
        check(
            400,
            &refused("Bad Request: chat not found"),
            &TelegramError::Refused("Bad Request: chat not found".to_owned()),
        );
        check(403, "", &TelegramError::InvalidReply(403));
        check(502, "<html>", &TelegramError::Unavailable(502));
        check(302, "", &TelegramError::InvalidReply(302));
        check(200, r#"{"ok":true"#, &TelegramError::InvalidReply(200));
        check(200, r#"{"ok":true}"#, &TelegramError::InvalidReply(200));
        assert_eq!(answered(200, r#"{"ok":true,"result":1}"#), Ok(Value::from(1)));
    }

    #[test]
    fn the_token_is_not_quoted() {
        let echo = r#"{"ok":false,"description":"Bad\nRequest: /bot123:canary/getMe"}"#;
        let expected = TelegramError::Refused("Bad Request: /bot[redacted]/getMe".to_owned());
        assert_eq!(answered(400, echo), Err(expected));
        let long = format!(r#"{{"ok":false,"description":"{}"}}"#, "x".repeat(1000));
        assert_eq!(answered(403, &long), Err(TelegramError::Refused("x".repeat(LONGEST_QUOTE))));
    }
}
