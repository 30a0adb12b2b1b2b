//! Messages, and the buttons below them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::chat::Chat;
use super::html;
use super::parameters::Parameters;

/// Most UTF-16 code units of a text, after its markup was read.
const LONGEST_TEXT: usize = 4096;
/// Most bytes of what a button hands back.
const LONGEST_DATA: usize = 64;
/// When everything was sent. The value means nothing, but 0 stands for messages that cannot be seen any more.
const DATE: i64 = 1_705_312_800;
const EDIT_DATE: i64 = DATE + 60;

/// A message, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelegramMessage {
    /// Identifier; no other chat has the same.
    pub id: i64,
    /// Identifier of the chat that it is in.
    pub chat: i64,
    /// The topic that it is in.
    pub thread: Option<i64>,
    /// Without markup.
    pub text: String,
    /// As the bot wrote it, if it was HTML; otherwise empty.
    pub html: String,
    /// What is special about parts of the text.
    pub entities: Vec<TelegramEntity>,
    /// All buttons, row by row.
    pub buttons: Vec<TelegramButton>,
    /// Whether it arrived without a sound.
    pub is_silent: bool,
    /// How often it was changed.
    pub edits: usize,
    rows: Vec<Vec<TelegramButton>>,
    /// Every button that it has or once had.
    pub(super) ever: Vec<TelegramButton>,
}

/// A button below a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelegramButton {
    /// What stands on it.
    #[serde(rename = "text")]
    pub label: String,
    /// What it hands back.
    #[serde(rename = "callback_data")]
    pub data: String,
}

/// A part of a text that is special (<https://core.telegram.org/bots/api#messageentity>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TelegramEntity {
    /// `bold`, `code`, `text_link` …
    #[serde(rename = "type")]
    pub kind: String,
    /// Where it begins, in UTF-16 code units.
    pub offset: usize,
    /// How long it is, in UTF-16 code units.
    pub length: usize,
    /// Where a `text_link` leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The language of a `pre`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// What a request says about how a message shall look.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    text: String,
    html: String,
    entities: Vec<TelegramEntity>,
    rows: Vec<Vec<TelegramButton>>,
}

impl TelegramMessage {
    pub(super) fn new(id: i64, chat: i64, thread: Option<i64>, content: Content, is_silent: bool) -> Self {
        let mut message = Self {
            id,
            chat,
            thread,
            text: String::new(),
            html: String::new(),
            entities: Vec::new(),
            buttons: Vec::new(),
            is_silent,
            edits: 0,
            rows: Vec::new(),
            ever: Vec::new(),
        };
        message.show(content);
        message
    }

    /// Changes how it looks.
    ///
    /// # Errors
    /// If it looks like that already.
    pub(super) fn edit(&mut self, content: Content) -> Result<(), String> {
        if (&content.text, &content.entities, &content.rows) == (&self.text, &self.entities, &self.rows) {
            return Err(
                "message is not modified: specified new message content and reply markup are exactly the same as a \
                        current content and reply markup of the message"
                    .to_owned(),
            );
        }
        self.show(content);
        self.edits += 1;
        Ok(())
    }

    fn show(&mut self, content: Content) {
        self.buttons = content.rows.concat();
        let new = self.buttons.iter().filter(|button| !self.ever.contains(button)).cloned();
        let new: Vec<TelegramButton> = new.collect();
        self.ever.extend(new);
        (self.text, self.html, self.entities, self.rows) = (content.text, content.html, content.entities, content.rows);
    }

    /// <https://core.telegram.org/bots/api#message>
    pub(super) fn to_json(&self, chat: &Chat, from: &Value) -> Value {
        let mut message =
            json!({"message_id": self.id, "from": from, "chat": chat.to_json(), "date": DATE, "text": self.text});
        if self.edits > 0 {
            message["edit_date"] = json!(EDIT_DATE);
        }
        if let Some(thread) = self.thread {
            message["message_thread_id"] = json!(thread);
            message["is_topic_message"] = json!(true);
        }
        if !self.entities.is_empty() {
            message["entities"] = json!(self.entities);
        }
        if !self.rows.is_empty() {
            message["reply_markup"] = json!({"inline_keyboard": self.rows});
        }
        message
    }
}

impl Content {
    /// What a request asks for.
    ///
    /// # Errors
    /// With what Telegram says after `Bad Request: `.
    pub(super) fn of(asked: &Parameters) -> Result<Self, String> {
        let written = asked.text("text").unwrap_or_default();
        let mode = asked.text("parse_mode").unwrap_or_default().to_ascii_lowercase();
        let (text, entities, html) = match mode.as_str() {
            "" => {
                let entities = asked.value("entities").map(serde_json::from_value::<Vec<TelegramEntity>>);
                let entities = entities.transpose().map_err(|_| "can't parse entities".to_owned())?;
                (written.trim_end().to_owned(), entities.unwrap_or_default(), String::new())
            }
            "html" => {
                let (text, entities) =
                    html::read(&written).map_err(|problem| format!("can't parse entities: {problem}"))?;
                (text, entities, written)
            }
            _ => return Err("unsupported parse_mode".to_owned()),
        };
        let length = text.encode_utf16().count();
        if length == 0 {
            return Err("message text is empty".to_owned());
        }
        if length > LONGEST_TEXT {
            return Err("message is too long".to_owned());
        }
        let entities = entities.into_iter().filter(|entity| entity.offset + entity.length <= length).collect();
        Ok(Self { text, html, entities, rows: keyboard(asked)? })
    }
}

/// The buttons of an inline keyboard, of which only those that hand something back are known here.
fn keyboard(asked: &Parameters) -> Result<Vec<Vec<TelegramButton>>, String> {
    let Some(markup) = asked.value("reply_markup") else { return Ok(Vec::new()) };
    let rows = markup.get("inline_keyboard").cloned().unwrap_or_else(|| json!([]));
    let rows: Vec<Vec<TelegramButton>> = serde_json::from_value(rows).map_err(|_| {
        "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard".to_owned()
    })?;
    let rows: Vec<Vec<TelegramButton>> = rows.into_iter().filter(|row| !row.is_empty()).collect();
    for button in rows.iter().flatten() {
        if button.label.trim().is_empty() {
            return Err("BUTTON_TEXT_INVALID".to_owned());
        }
        if !(1..=LONGEST_DATA).contains(&button.data.len()) {
            return Err("BUTTON_DATA_INVALID".to_owned());
        }
    }
    Ok(rows)
}
