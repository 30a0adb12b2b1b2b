//! Chats, and the people in them.

use serde_json::{Value, json};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelegramUser {
    /// Identifier.
    pub id: i64,
    /// Name that is shown.
    pub first_name: String,
    /// Name without the `@`, if the person has one.
    pub username: Option<String>,
}

/// Where messages are written.
#[derive(Clone, Debug)]
pub(super) struct Chat {
    pub(super) id: i64,
    /// `private`, `supergroup`
    kind: &'static str,
    title: String,
    username: Option<String>,
    is_forum: bool,
    threads: Vec<i64>,
}

impl TelegramUser {
    /// A person with a name that is shown and one to be mentioned by.
    pub fn new(id: i64, first_name: &str, username: &str) -> Self {
        Self { id, first_name: first_name.to_owned(), username: Some(username.to_owned()) }
    }

    /// <https://core.telegram.org/bots/api#user>
    pub(super) fn to_json(&self) -> Value {
        let mut user = json!({"id": self.id, "is_bot": false, "first_name": self.first_name, "language_code": "en"});
        if let Some(username) = &self.username {
            user["username"] = json!(username);
        }
        user
    }
}

impl Chat {
    pub(super) fn private(user: &TelegramUser) -> Self {
        let username = user.username.clone();
        Self { kind: "private", username, ..Self::group(user.id, &user.first_name) }
    }

    pub(super) fn group(id: i64, title: &str) -> Self {
        let title = title.to_owned();
        Self { id, kind: "supergroup", title, username: None, is_forum: false, threads: Vec::new() }
    }

    pub(super) fn forum(id: i64, title: &str, threads: &[i64]) -> Self {
        Self { is_forum: true, threads: threads.to_vec(), ..Self::group(id, title) }
    }

    pub(super) fn public(id: i64, title: &str, name: &str) -> Self {
        Self { username: Some(name.to_owned()), ..Self::group(id, title) }
    }

    /// Whether `chat_id` means this chat: its number, or its name after an `@`. People have to be named by their number.
    pub(super) fn is_meant_by(&self, chat_id: &str) -> bool {
        let name = chat_id.strip_prefix('@').filter(|_| self.kind != "private");
        chat_id == self.id.to_string() || name.is_some_and(|name| self.username.as_deref() == Some(name))
    }

    pub(super) fn has_thread(&self, thread: i64) -> bool {
        self.threads.contains(&thread)
    }

    /// <https://core.telegram.org/bots/api#chat>
    pub(super) fn to_json(&self) -> Value {
        let title = if self.kind == "private" { "first_name" } else { "title" };
        let mut chat = json!({"id": self.id, "type": self.kind, title: self.title});
        if let Some(username) = &self.username {
            chat["username"] = json!(username);
        }
        if self.is_forum {
            chat["is_forum"] = json!(true);
        }
        chat
    }
}
