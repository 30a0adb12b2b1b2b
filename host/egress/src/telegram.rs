//! Telegram's Bot API, as far as the operator's own bot speaks it: it receives presses of buttons, answers them, and edits messages.
//!
//! The types of the wire are teloxide's, but its client is not used: it has no limit on answers, follows redirects, and shows the token
//! in its errors. So a bot's requests go out by [`Client::send`] like a plugin's, under the same grants, to judged addresses, and the
//! token stands in a credential slot until the very end. Start reading at [`TelegramBot`].

mod content;
mod error;
mod received;

use std::fmt;
use std::time::Duration;

use k8supdater_core::origin::{Grants, Origin};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use teloxide::payloads::{AnswerCallbackQuery, EditMessageText, GetUpdates};
use teloxide::requests::Payload;
use teloxide::types::{AllowedUpdate, CallbackQueryId, ChatId, MessageId};
use url::Url;

use crate::client::Client;
use crate::credential::{BoundCredential, Credential, Scheme};
use crate::failure::Failure;
use crate::request::Request;
use crate::scope::{Limits, Scope};

pub use content::Content;
pub use error::TelegramError;
pub use received::{Event, Message, Person, Press, Received};

/// The slot that the token stands in.
const SLOT: &str = "bot";
/// How much longer than the poll itself a poll may take: the way there and back.
const MARGIN: Duration = Duration::from_secs(10);
/// Most time for any other method.
const USUAL: Duration = Duration::from_secs(20);
/// Most bytes of an answer. A hundred updates, each with a message of the greatest length, stay below it.
const LARGEST: usize = 4 * 1024 * 1024;
/// Most UTF-16 code units of what is told to somebody who has pressed a button.
const LONGEST_ANSWER: usize = 200;

/// One bot. Holds no connection of its own: that is the client's.
#[derive(Clone)]
pub struct TelegramBot {
    client: Client,
    grants: Grants,
    credential: BoundCredential,
    /// Everything before the name of the method, with the slot in place of the token.
    base: String,
}

impl fmt::Debug for TelegramBot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelegramBot").field("base", &self.base).finish_non_exhaustive()
    }
}

impl TelegramBot {
    /// A bot whose API is at `api_url`, which may have a path. Sends nothing yet.
    ///
    /// A poll holds one of the client's places for as long as it lasts, so the client should be one for bots only.
    ///
    /// # Errors
    /// [`TelegramError::Unreachable`] if `api_url` has no origin, or a query. Whether `grants` hold its origin is looked at with every
    /// request: private addresses are only called where an administrator granted the origin by name.
    pub fn new(client: Client, grants: Grants, api_url: &Url, token: Credential) -> Result<Self, TelegramError> {
        let denied = |why: &str| TelegramError::Unreachable(Failure::Denied(format!("the URL of the Bot API {why}")));
        let origin = Origin::of(api_url).ok_or_else(|| denied("must begin with https:// or http://"))?;
        if api_url.query().is_some() || api_url.fragment().is_some() {
            return Err(denied("must have neither a query nor a fragment"));
        }
        let base = format!("{}/bot{{slot:{SLOT}}}/", api_url.as_str().trim_end_matches('/'));
        let credential = BoundCredential { slot: SLOT.to_owned(), origin, scheme: Scheme::Url, secret: token };
        Ok(Self { client, grants, credential, base })
    }

    /// What has happened since `offset`, oldest first; waits for `patience` until something does.
    ///
    /// Confirms all updates before `offset`: Telegram forgets them. Others come again.
    /// Cancel-safe: what was not received comes again.
    ///
    /// # Errors
    /// [`TelegramError`].
    pub async fn updates(&self, offset: Option<i64>, patience: Duration) -> Result<Vec<Received>, TelegramError> {
        let method = GetUpdates {
            offset: offset.and_then(|offset| i32::try_from(offset).ok()),
            limit: None,
            timeout: u32::try_from(patience.as_secs()).ok(),
            allowed_updates: Some(vec![AllowedUpdate::CallbackQuery]),
        };
        // Each is read by itself, so that one that nobody understands does not hide the others.
        let updates: Vec<Value> = self.call_for(&method, patience.saturating_add(MARGIN)).await?;
        updates.iter().map(|update| Received::of(update).ok_or(TelegramError::InvalidReply(200))).collect()
    }

    /// Tells somebody who has pressed a button what came of it: `text` for a moment, or in the way until it is dismissed if it
    /// `is_alert`. A text that is too long is cut off.
    ///
    /// # Errors
    /// [`TelegramError`]; [`TelegramError::TooLate`] if the press is so long ago that nobody waits any more.
    pub async fn answer(&self, query: &str, text: &str, is_alert: bool) -> Result<(), TelegramError> {
        let method = AnswerCallbackQuery {
            text: Some(content::within(text, LONGEST_ANSWER).to_owned()),
            show_alert: Some(is_alert),
            ..AnswerCallbackQuery::new(CallbackQueryId(query.to_owned()))
        };
        self.call_for::<_, Value>(&method, USUAL).await.map(drop)
    }

    /// Replaces text and buttons of a message by `content` and no buttons.
    ///
    /// # Errors
    /// [`TelegramError`]. That the message looks like that already is none.
    pub async fn edit(&self, message: Message, content: &Content) -> Result<(), TelegramError> {
        let method = EditMessageText {
            entities: Some(content.entities.clone()),
            link_preview_options: content.link_preview.clone(),
            ..EditMessageText::new(ChatId(message.chat), MessageId(message.id), content.text.clone())
        };
        match self.call_for::<_, Value>(&method, USUAL).await {
            Ok(_) | Err(TelegramError::NotModified) => Ok(()),
            Err(err) => Err(err),
        }
    }

    async fn call_for<M, T>(&self, method: &M, total: Duration) -> Result<T, TelegramError>
    where
        M: Payload + Serialize,
        T: DeserializeOwned,
    {
        let scope = Scope {
            grants: self.grants.clone(),
            registry: None,
            credentials: vec![self.credential.clone()],
            realms: Vec::new(),
            // Nothing comes while a poll is held.
            limits: Limits { wire: LARGEST, decoded: LARGEST, total, idle: total },
        };
        let body = serde_json::to_vec(method).expect("these payloads have string keys and no foreign types");
        let json = "application/json".to_owned();
        let request = Request {
            method: "POST".to_owned(),
            url: format!("{}{}", self.base, M::NAME),
            headers: vec![("content-type".to_owned(), json.clone()), ("accept".to_owned(), json)],
            body,
            credential: None,
        };
        let response = self.client.send(&scope, request).await.map_err(TelegramError::Unreachable)?;
        error::read(&response, self.credential.url_part().ok().as_deref().map(String::as_str))
    }
}
