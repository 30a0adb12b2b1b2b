//! Telegram's Bot API, for one bot.
//!
//! It speaks the wire format of <https://core.telegram.org/bots/api>, over plain http on the loopback interface: what a bot sends is kept in
//! the chats that there are, and a person presses a button by [`FakeTelegram::press`]. Of the entities that Telegram finds in a text by
//! itself, such as links, it knows none.

mod answer;
mod chat;
mod html;
mod message;
mod parameters;
mod updates;

use std::time::Duration;

use serde_json::{Value, json};

use crate::Seen;
use crate::server::Server;
use chat::Chat;
pub use chat::TelegramUser;
pub use message::{TelegramButton, TelegramEntity, TelegramMessage};
use parameters::Parameters;
use updates::Updates;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TelegramPart {
    /// `getMe`
    GetMe,
    /// `getUpdates`
    GetUpdates,
    /// `sendMessage`
    SendMessage,
    /// `editMessageText`
    EditMessageText,
    /// `answerCallbackQuery`
    AnswerCallbackQuery,
    /// `deleteWebhook`
    DeleteWebhook,
    /// Anything else.
    Other,
}

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TelegramFault {
    /// 401, whatever the token.
    Unauthorized,
    /// 403: the person has blocked the bot.
    Blocked,
    /// 409: somebody else polls.
    Conflict,
    /// 429, with the wait in seconds in the body.
    RateLimited {
        /// How many seconds to wait.
        seconds: u32,
    },
    /// 500 of the Bot API.
    InternalError,
    /// 502 with the page of the proxy before it.
    BadGateway,
    /// 200 with JSON that ends in the middle.
    TruncatedJson,
    /// The right answer, but only after this time.
    Slow(Duration),
    /// No answer: the connection is cut. Where everything fails like this, new connections are reset.
    Reset,
}

/// What a bot told somebody who had pressed a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelegramAnswer {
    /// The identifier that [`FakeTelegram::press`] gave.
    pub query: String,
    /// The text; empty for none.
    pub text: String,
    /// Whether it is in the way until it is dismissed, rather than shown for a moment.
    pub show_alert: bool,
}

/// The Bot API on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct FakeTelegram {
    server: Server<State>,
}

#[derive(Debug)]
struct State {
    token: String,
    chats: Vec<Chat>,
    messages: Vec<TelegramMessage>,
    updates: Updates,
    /// Identifiers of the presses so far.
    queries: Vec<String>,
    answers: Vec<TelegramAnswer>,
}

impl FakeTelegram {
    /// The Bot API with one bot that has this token and knows no chat.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(token: &str) -> Self {
        let state = |_| State {
            token: token.to_owned(),
            chats: Vec::new(),
            messages: Vec::new(),
            updates: Updates::default(),
            queries: Vec::new(),
            answers: Vec::new(),
        };
        Self { server: Server::start(state).await }
    }

    /// Its origin, as a grant and the setting `apiUrl` name it.
    pub fn origin(&self) -> String {
        self.server.origin()
    }

    /// Its origin under another name of this machine, such as `localhost`.
    pub fn origin_as(&self, host: &str) -> String {
        format!("http://{host}:{}", self.server.address().port())
    }

    /// A chat with one person, which has that person's identifier.
    pub fn add_private(&self, user: &TelegramUser) {
        self.add(Chat::private(user));
    }

    /// A group, whose identifier is negative.
    pub fn add_group(&self, id: i64, title: &str) {
        self.add(Chat::group(id, title));
    }

    /// A group with these topics.
    pub fn add_forum(&self, id: i64, title: &str, threads: &[i64]) {
        self.add(Chat::forum(id, title, threads));
    }

    /// A group that everybody can find as `@name`.
    pub fn add_public(&self, id: i64, title: &str, name: &str) {
        self.add(Chat::public(id, title, name));
    }

    /// Writes a message as the bot itself would by `sendMessage`, in HTML and with a row of buttons (label, what it hands back), and gives
    /// its identifier.
    ///
    /// # Panics
    /// When Telegram would refuse it.
    pub fn post(&self, chat: i64, html: &str, buttons: &[(&str, &str)]) -> i64 {
        let button = |(label, data): &(&str, &str)| json!({"text": label, "callback_data": data});
        let row: Vec<Value> = buttons.iter().map(button).collect();
        let keyboard = json!({"inline_keyboard": [row]});
        let asked = json!({"chat_id": chat, "text": html, "parse_mode": "HTML", "reply_markup": keyboard});
        self.server.with(|state| {
            let sent = state.send(&Parameters::from(asked)).unwrap_or_else(|refusal| panic!("{refusal}: {html}"));
            sent["message_id"].as_i64().expect("messages have numbers")
        })
    }

    /// What the bot has written so far and how it looks now, in order.
    pub fn messages(&self) -> Vec<TelegramMessage> {
        self.server.with(|state| state.messages.clone())
    }

    /// A message by its identifier.
    ///
    /// # Panics
    /// When there is no such message.
    pub fn message(&self, id: i64) -> TelegramMessage {
        self.server.with(|state| state.message(id).clone())
    }

    /// Has `user` press a button, by its label or by what it hands back, and gives the identifier that the answer will name.
    ///
    /// A button that is gone by now can be pressed too: somebody may not have seen the edit yet.
    ///
    /// # Panics
    /// When the message never had such a button.
    pub fn press(&self, message: i64, button: &str, user: &TelegramUser) -> String {
        self.server.with(|state| state.press(message, button, user))
    }

    /// Puts an update in the queue: `kind` is the name of its field (`message`), `content` what stands there, even if it is nonsense. As with
    /// Telegram, it comes to nothing if the bot has said that it wants no updates of that kind.
    pub fn push_update(&self, kind: &str, content: &Value) {
        self.server.with(|state| state.updates.push(kind, content));
    }

    /// Number of updates that the bot has not confirmed.
    pub fn unconfirmed(&self) -> usize {
        self.server.with(|state| state.updates.len())
    }

    /// What the bot told those who pressed buttons, in order.
    pub fn answers(&self) -> Vec<TelegramAnswer> {
        self.server.with(|state| state.answers.clone())
    }

    /// From now on the bot has this token and no other.
    pub fn set_token(&self, token: &str) {
        self.server.with(|state| token.clone_into(&mut state.token));
    }

    /// From now on every request fails like this.
    pub fn fail(&self, fault: &TelegramFault) {
        self.server.fail(fault);
    }

    /// From now on requests of this part fail like this. Those that are under way do not.
    pub fn fail_at(&self, part: TelegramPart, fault: TelegramFault) {
        self.server.fail_at(part, fault);
    }

    /// Nothing fails any more.
    pub fn recover(&self) {
        self.server.recover();
    }

    /// All requests so far, in order. The token is in their paths.
    pub fn seen(&self) -> Vec<Seen<TelegramPart>> {
        self.server.seen()
    }

    /// Number of requests of a part so far.
    pub fn count(&self, part: TelegramPart) -> usize {
        self.server.count(part)
    }

    /// Forgets all requests so far.
    pub fn forget(&self) {
        self.server.forget();
    }

    fn add(&self, chat: Chat) {
        self.server.with(|state| state.chats.push(chat));
    }
}

#[cfg(test)]
mod tests;
