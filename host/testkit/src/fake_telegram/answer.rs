//! What the Bot API answers, in the wire format.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use super::message::Content;
use super::parameters::Parameters;
use super::updates::Poll;
use super::{State, TelegramAnswer, TelegramFault, TelegramMessage, TelegramPart, TelegramUser};
use crate::Seen;
use crate::server::reply::{html, json, truncated};
use crate::server::{Api, Disturbance};

/// Most characters of what is told to somebody who has pressed a button.
const LONGEST_ANSWER: usize = 200;

/// The description of the 409 that the older one of two polls gets.
const CONFLICT: &str =
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";

/// What comes of a method: its result, or a refusal.
type Outcome = Result<Value, Refusal>;

/// A status and its description.
struct Refusal(StatusCode, String);

impl Api for State {
    type Part = TelegramPart;
    type Fault = TelegramFault;

    const PARTS: &'static [TelegramPart] = &[
        TelegramPart::GetMe,
        TelegramPart::GetUpdates,
        TelegramPart::SendMessage,
        TelegramPart::EditMessageText,
        TelegramPart::AnswerCallbackQuery,
        TelegramPart::DeleteWebhook,
        TelegramPart::Other,
    ];

    fn part(&self, path: &str) -> TelegramPart {
        method(path).map_or(TelegramPart::Other, |(_, name)| part_of(name))
    }

    fn answer(&mut self, asked: &Seen<TelegramPart>) -> Response<Body> {
        respond(self.check(asked).and_then(|()| self.act(asked.part, &Parameters::of(asked))))
    }

    fn answer_in_time(
        &mut self,
        number: u64,
        asked: &Seen<TelegramPart>,
        waited: Duration,
    ) -> Result<Response<Body>, Duration> {
        if asked.part != TelegramPart::GetUpdates || self.check(asked).is_err() {
            return Ok(self.answer(asked));
        }
        match self.updates.poll(number, &Parameters::of(asked), waited) {
            Poll::Answered(updates) => Ok(respond(Ok(Value::from(updates)))),
            Poll::Held(wait) => Err(wait),
            Poll::Terminated => Ok(respond(Err(Refusal(StatusCode::CONFLICT, CONFLICT.to_owned())))),
        }
    }

    fn disturb(&self, fault: &TelegramFault, _asked: &Seen<TelegramPart>) -> Disturbance {
        let refuse = |status, description: &str| respond(Err(Refusal(status, description.to_owned())));
        Disturbance::Answer(match fault {
            TelegramFault::Slow(delay) => return Disturbance::Delay(*delay),
            TelegramFault::Reset => return Disturbance::Cut,
            TelegramFault::Unauthorized => refuse(StatusCode::UNAUTHORIZED, "Unauthorized"),
            TelegramFault::Blocked => refuse(StatusCode::FORBIDDEN, "Forbidden: bot was blocked by the user"),
            TelegramFault::Conflict => refuse(StatusCode::CONFLICT, CONFLICT),
            TelegramFault::RateLimited { seconds } => rate_limited(*seconds),
            TelegramFault::InternalError => refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            TelegramFault::BadGateway => html(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
            TelegramFault::TruncatedJson => truncated(r#"{"ok":true,"result":[{"update_id":870000001}]}"#),
        })
    }

    fn is_reset(fault: &TelegramFault) -> bool {
        *fault == TelegramFault::Reset
    }
}

impl State {
    /// Whether the token may do anything.
    fn check(&self, asked: &Seen<TelegramPart>) -> Result<(), Refusal> {
        let not_found = || Refusal(StatusCode::NOT_FOUND, "Not Found".to_owned());
        let (token, _) = method(asked.path_only()).ok_or_else(not_found)?;
        // What cannot be a token is not looked up.
        if !token.split_once(':').is_some_and(|(id, secret)| id.parse::<u64>().is_ok() && !secret.is_empty()) {
            return Err(not_found());
        }
        if token != self.token {
            return Err(Refusal(StatusCode::UNAUTHORIZED, "Unauthorized".to_owned()));
        }
        Ok(())
    }

    fn act(&mut self, part: TelegramPart, asked: &Parameters) -> Outcome {
        let done = match part {
            TelegramPart::GetMe => Ok(me(&self.token)),
            TelegramPart::SendMessage => self.send(asked),
            TelegramPart::EditMessageText => self.edit(asked),
            TelegramPart::AnswerCallbackQuery => self.answer_query(asked),
            TelegramPart::DeleteWebhook => Ok(json!(true)),
            TelegramPart::GetUpdates => unreachable!("polls are answered in time"),
            TelegramPart::Other => return Err(Refusal(StatusCode::NOT_FOUND, "Not Found".to_owned())),
        };
        done.map_err(|description| Refusal(StatusCode::BAD_REQUEST, format!("Bad Request: {description}")))
    }

    pub(super) fn send(&mut self, asked: &Parameters) -> Result<Value, String> {
        let chat = self.chat_of(asked)?;
        let thread = asked.integer("message_thread_id");
        if thread.is_some_and(|thread| !self.chats[chat].has_thread(thread)) {
            return Err("message thread not found".to_owned());
        }
        let content = Content::of(asked)?;
        let id = i64::try_from(self.messages.len()).expect("tests send a few messages") + 1;
        let is_silent = asked.is_set("disable_notification");
        let message = TelegramMessage::new(id, self.chats[chat].id, thread, content, is_silent);
        let told = self.to_json(&message);
        self.messages.push(message);
        Ok(told)
    }

    fn edit(&mut self, asked: &Parameters) -> Result<Value, String> {
        let chat = self.chats[self.chat_of(asked)?].id;
        let id = asked.integer("message_id").ok_or("message identifier is not specified")?;
        let content = Content::of(asked)?;
        let found = self.messages.iter_mut().find(|message| message.id == id && message.chat == chat);
        let message = found.ok_or("message to edit not found")?;
        message.edit(content)?;
        let message = message.clone();
        Ok(self.to_json(&message))
    }

    fn answer_query(&mut self, asked: &Parameters) -> Result<Value, String> {
        let query = asked.text("callback_query_id").unwrap_or_default();
        if !self.queries.contains(&query) {
            return Err("query is too old and response timeout expired or query ID is invalid".to_owned());
        }
        let text = asked.text("text").unwrap_or_default();
        if text.chars().count() > LONGEST_ANSWER {
            return Err("MESSAGE_TOO_LONG".to_owned());
        }
        self.answers.push(TelegramAnswer { query, text, show_alert: asked.is_set("show_alert") });
        Ok(json!(true))
    }

    /// Where the chat stands that a request is about.
    fn chat_of(&self, asked: &Parameters) -> Result<usize, String> {
        let chat_id = asked.text("chat_id").ok_or("chat_id is empty")?;
        self.chats.iter().position(|chat| chat.is_meant_by(&chat_id)).ok_or_else(|| "chat not found".to_owned())
    }

    pub(super) fn message(&self, id: i64) -> &TelegramMessage {
        let found = self.messages.iter().find(|message| message.id == id);
        found.unwrap_or_else(|| panic!("nobody has sent a message {id}"))
    }

    fn to_json(&self, message: &TelegramMessage) -> Value {
        let chat =
            self.chats.iter().find(|chat| chat.id == message.chat).expect("messages are in chats that there are");
        message.to_json(chat, &me(&self.token))
    }

    /// <https://core.telegram.org/bots/api#callbackquery>
    pub(super) fn press(&mut self, message: i64, button: &str, user: &TelegramUser) -> String {
        let message = self.message(message);
        let is_meant = |found: &&super::TelegramButton| found.label == button || found.data == button;
        let found = message.buttons.iter().chain(&message.ever).find(is_meant);
        let data = &found.unwrap_or_else(|| panic!("message {} has no button {button:?}", message.id)).data;
        let query = (4_380_000_000_000_000_000 + self.queries.len()).to_string();
        let content = json!({
            "id": query,
            "from": user.to_json(),
            "message": self.to_json(message),
            "chat_instance": (-3_000_000_000_000_000_000 + message.chat).to_string(),
            "data": data,
        });
        self.queries.push(query.clone());
        self.updates.push("callback_query", &content);
        query
    }
}

/// The bot itself (<https://core.telegram.org/bots/api#getme>); its identifier is the first part of its token.
fn me(token: &str) -> Value {
    let id = token.split(':').next().and_then(|id| id.parse::<u64>().ok()).unwrap_or_default();
    json!({"id": id, "is_bot": true, "first_name": "k8supdater", "username": "k8supdater_bot"})
}

/// Token and name of the method in `/bot<token>/<method>`.
fn method(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/bot")?.split_once('/').filter(|(_, name)| !name.contains('/'))
}

/// Names of methods are not case-sensitive.
fn part_of(name: &str) -> TelegramPart {
    match name.to_ascii_lowercase().as_str() {
        "getme" => TelegramPart::GetMe,
        "getupdates" => TelegramPart::GetUpdates,
        "sendmessage" => TelegramPart::SendMessage,
        "editmessagetext" => TelegramPart::EditMessageText,
        "answercallbackquery" => TelegramPart::AnswerCallbackQuery,
        "deletewebhook" => TelegramPart::DeleteWebhook,
        _ => TelegramPart::Other,
    }
}

/// <https://core.telegram.org/bots/api#making-requests>
fn respond(outcome: Outcome) -> Response<Body> {
    match outcome {
        Ok(result) => json(StatusCode::OK, &json!({"ok": true, "result": result})),
        Err(Refusal(status, description)) => {
            json(status, &json!({"ok": false, "error_code": status.as_u16(), "description": description}))
        }
    }
}

/// <https://core.telegram.org/bots/api#responseparameters>
fn rate_limited(seconds: u32) -> Response<Body> {
    let body = json!({
        "ok": false,
        "error_code": 429,
        "description": format!("Too Many Requests: retry after {seconds}"),
        "parameters": {"retry_after": seconds},
    });
    json(StatusCode::TOO_MANY_REQUESTS, &body)
}
