//! The settings; `plugin.json` holds their schema.

use std::fmt;

use k8supdater_plugin::Level;
use serde::{Deserialize, Serialize};

/// What can be set. The defaults are those of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The chat to write to.
    pub chat_id: ChatId,
    /// The topic within the chat, where it has topics.
    #[serde(default)]
    pub message_thread_id: Option<u32>,
    /// The levels whose messages arrive without a sound.
    #[serde(default = "silent_levels")]
    pub silent_levels: Vec<String>,
    /// Whether Telegram shows a preview of the page behind the link.
    #[serde(default)]
    pub link_preview: bool,
    /// Where the Bot API is, without `/bot`; for a local Bot API server. It may have a path.
    #[serde(default = "api_url")]
    pub api_url: String,
    /// Who may press the buttons. That is for the operator, whose bot hears of it; nothing here depends on it.
    #[serde(default)]
    pub approvers: Approvers,
}

/// Who may press the buttons.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Approvers {
    /// The users with these numbers.
    Users(Vec<u64>),
    /// `*`: everybody in the chat.
    Everybody(String),
}

impl Default for Approvers {
    /// Nobody, but for the person whose private chat it is.
    fn default() -> Self {
        Self::Users(Vec::new())
    }
}

/// A number, which is negative for groups and channels, or the name of a public channel with an `@` before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChatId {
    /// As a number.
    Number(i64),
    /// As text: a name, or a number in quotes, which the Bot API takes for one.
    Text(String),
}

impl fmt::Display for ChatId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(out),
            Self::Text(text) => text.fmt(out),
        }
    }
}

fn silent_levels() -> Vec<String> {
    ["debug", "info"].map(str::to_owned).into()
}

fn api_url() -> String {
    "https://api.telegram.org".to_owned()
}

impl Settings {
    /// Whether messages of this level arrive without a sound.
    pub(crate) fn is_silent(&self, level: Level) -> bool {
        self.silent_levels.iter().any(|name| Level::of(name) == level)
    }
}
