//! What the Bot API's answers mean.

use k8supdater_plugin::text::one_line;
use k8supdater_plugin::{Error, HttpResponse, refusal};
use serde::Deserialize;

use crate::Settings;

/// Longest quotation of an answer, in characters.
const LONGEST_QUOTE: usize = 160;

/// An answer (<https://core.telegram.org/bots/api#making-requests>). What it says of the message is of no interest here.
#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

/// What a program can do about an error (<https://core.telegram.org/bots/api#responseparameters>).
#[derive(Default, Deserialize)]
struct Parameters {
    migrate_to_chat_id: Option<i64>,
    retry_after: Option<u32>,
}

/// Makes sure that the message was sent.
///
/// # Errors
///
/// Why it was not, with what has to be done about it where a person has to do something.
pub(crate) fn check(response: &HttpResponse, settings: &Settings) -> Result<(), Error> {
    let Ok(answer) = response.json::<Answer>() else {
        return Err(match (response.status, refusal::error(response, None)) {
            // No answer of a Bot API at all: whoever answers 404 in other words is somebody else.
            (404, _) => Error::InvalidReply(format!("{} is no Bot API: status 404", settings.api_url)),
            (_, error) => error,
        });
    };
    if response.status == 200 && answer.ok {
        return Ok(());
    }
    Err(error(response, &answer, settings))
}

fn error(response: &HttpResponse, answer: &Answer, settings: &Settings) -> Error {
    let chat = &settings.chat_id;
    let says = one_line(&answer.description, LONGEST_QUOTE);
    let speaks_of = |words: &str| says.to_ascii_lowercase().contains(words);
    match response.status {
        // A token that could not be one is answered with 404.
        401 | 404 => Error::Unauthorized,
        400 => match (answer.parameters.migrate_to_chat_id, settings.message_thread_id) {
            (Some(new), _) => Error::InvalidSettings(format!(
                "chatId: the group {chat} has become a supergroup, whose number is {new}; set chatId to {new}"
            )),
            (None, Some(topic)) if speaks_of("thread not found") => {
                Error::InvalidSettings(format!("messageThreadId: the chat {chat} has no topic {topic}"))
            }
            _ if speaks_of("chat not found") => Error::NotFound,
            _ => Error::Other(format!("telegram refused the message for the chat {chat}: {says}")),
        },
        403 => Error::Other(format!(
            "the bot may not write to the chat {chat}: {says}; unblock it, or add it to the chat and let it post there"
        )),
        429 => Error::RateLimited(answer.parameters.retry_after.or_else(|| response.retry_after())),
        _ => refusal::error(response, Some(&says)),
    }
}
