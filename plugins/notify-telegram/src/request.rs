//! The request of the Bot API.

use k8supdater_plugin::settings::api_url;
use k8supdater_plugin::text::within;
use k8supdater_plugin::{Answer, Error, HttpRequest, Level};
use serde::Serialize;

use crate::{ChatId, Settings};

/// Most bytes of what a button hands back (<https://core.telegram.org/bots/api#inlinekeyboardbutton>).
const LONGEST_VALUE: usize = 64;
/// Longest label of a button, in UTF-16 code units. Ours: more does not fit on one.
const LONGEST_LABEL: usize = 64;
/// Most buttons beside each other, so that their labels can be read on a telephone.
const BUTTONS_IN_A_ROW: usize = 3;

/// The body of `sendMessage` (<https://core.telegram.org/bots/api#sendmessage>).
#[derive(Serialize)]
struct SendMessage<'a> {
    chat_id: &'a ChatId,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<u32>,
    text: &'a str,
    parse_mode: &'static str,
    disable_notification: bool,
    link_preview_options: LinkPreviewOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_markup: Option<InlineKeyboard<'a>>,
}

#[derive(Serialize)]
struct LinkPreviewOptions {
    is_disabled: bool,
}

#[derive(Serialize)]
struct InlineKeyboard<'a> {
    inline_keyboard: Vec<Vec<Button<'a>>>,
}

#[derive(Serialize)]
struct Button<'a> {
    text: String,
    callback_data: &'a str,
}

/// Sends one message, whose text is HTML and not too long, with a button for each of the answers.
///
/// # Errors
///
/// [`Error::InvalidSettings`] if `apiUrl` is no plain address.
pub(crate) fn send_message(
    settings: &Settings,
    level: Level,
    text: &str,
    answers: &[Answer],
) -> Result<HttpRequest, Error> {
    let api = api_url("apiUrl", &settings.api_url, "/bot")?;
    let body = SendMessage {
        chat_id: &settings.chat_id,
        message_thread_id: settings.message_thread_id,
        text,
        parse_mode: "HTML",
        disable_notification: settings.is_silent(level),
        link_preview_options: LinkPreviewOptions { is_disabled: !settings.link_preview },
        reply_markup: keyboard(answers),
    };
    // The token stands in the path, where the host puts it.
    HttpRequest::post(format!("{api}{{slot:bot}}/sendMessage")).header("accept", "application/json").json(&body)
}

fn keyboard(answers: &[Answer]) -> Option<InlineKeyboard<'_>> {
    let answers: Vec<&Answer> = answers.iter().filter(|answer| is_sendable(answer)).collect();
    let rows = answers.chunks(BUTTONS_IN_A_ROW).map(|row| row.iter().map(|answer| Button::of(answer)).collect());
    let inline_keyboard: Vec<Vec<Button>> = rows.collect();
    (!inline_keyboard.is_empty()).then_some(InlineKeyboard { inline_keyboard })
}

impl<'a> Button<'a> {
    fn of(answer: &'a Answer) -> Self {
        Self { text: within(answer.label.trim(), LONGEST_LABEL, char::len_utf16), callback_data: &answer.value }
    }
}

/// Whether it can be a button: the Bot API refuses a whole message for one without a label or with a value of wrong length.
pub(crate) fn is_sendable(answer: &Answer) -> bool {
    (1..=LONGEST_VALUE).contains(&answer.value.len()) && !answer.label.trim().is_empty()
}
