//! What has happened, as Telegram tells it.

use serde::Deserialize;
use serde_json::Value;
use teloxide::types::{CallbackQuery, User};

use super::content::Content;

/// Something that has happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Numbers increase; whoever has dealt with this one asks from the next one on.
    pub update: i64,
    /// What it was.
    pub event: Event,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Somebody pressed a button.
    Press(Box<Press>),
    /// Somebody pressed a button, and the rest cannot be read. It can be answered all the same.
    UnreadablePress {
        /// What the answer has to name.
        query: String,
    },
    /// Nothing that was asked for.
    Other,
}

/// Somebody pressed a button below a message of the bot.
#[derive(Clone, Debug, PartialEq)]
pub struct Press {
    /// What the answer has to name.
    pub query: String,
    /// What the button hands back.
    pub data: String,
    /// Who it was.
    pub person: Person,
    /// The message with the button.
    pub message: Message,
    /// The name of the chat without the `@`, if it is a public one.
    pub chat_name: Option<String>,
    /// Whether the chat is one with this person alone.
    pub is_private: bool,
    /// Whether the message had buttons when this one was pressed, as far as can be seen. Somebody may press what he only still sees.
    pub has_buttons: bool,
    /// What stands in the message; none if it is too old to be read, or has no text.
    pub content: Option<Content>,
}

/// A user of Telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Stays the same for ever.
    pub id: u64,
    /// How others see the person: the full name, and the user name where there is one. Chosen by the person, so it proves nothing.
    pub name: String,
}

/// Which message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Number of the chat.
    pub chat: i64,
    /// Number within the chat.
    pub id: i32,
}

impl Received {
    /// What an update says; none if it does not even have a number.
    pub(super) fn of(update: &Value) -> Option<Self> {
        let number = update.get("update_id")?.as_i64()?;
        let event = update.get("callback_query").map_or(Event::Other, |query| {
            // Whatever else is new in it, it can be answered.
            let id = query.get("id").and_then(Value::as_str);
            let press = CallbackQuery::deserialize(query).ok().and_then(|parsed| Press::of(parsed, &query["message"]));
            match (press, id) {
                (Some(press), _) => Event::Press(Box::new(press)),
                (None, Some(id)) => Event::UnreadablePress { query: id.to_owned() },
                (None, None) => Event::Other,
            }
        });
        Some(Self { update: number, event })
    }
}

impl Press {
    /// None if the message is not one in a chat, or the button hands nothing back. `raw` is the message as it came.
    fn of(query: CallbackQuery, raw: &Value) -> Option<Self> {
        let CallbackQuery { id, from, message, data, .. } = query;
        let message = message?;
        let chat = message.chat();
        Some(Self {
            query: id.0,
            data: data?,
            person: Person::of(&from),
            message: Message { chat: chat.id.0, id: message.id().0 },
            chat_name: chat.username().filter(|_| !chat.is_private()).map(str::to_owned),
            is_private: chat.is_private(),
            has_buttons: raw.get("reply_markup").is_some(),
            content: Content::of(raw),
        })
    }
}

impl Person {
    fn of(user: &User) -> Self {
        let name = user.full_name();
        let name = match &user.username {
            Some(username) => format!("{name} (@{username})"),
            None => name,
        };
        Self { id: user.id.0, name }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use teloxide::types::MessageEntity;

    use super::*;

    /// An update as <https://core.telegram.org/bots/api#callbackquery> has it.
    fn update() -> Value {
        json!({
            "update_id": 870_000_001,
            "callback_query": {
                "id": "4382",
                "from": {"id": 11, "is_bot": false, "first_name": "Ann", "last_name": "Lee", "username": "ann", "language_code": "en"},
                "message": {
                    "message_id": 7, "date": 1_705_312_800, "text": "nginx is new",
                    "from": {"id": 123_456, "is_bot": true, "first_name": "bot", "username": "a_bot"},
                    "chat": {"id": -100, "type": "supergroup", "title": "Operations", "username": "ops"},
                    "entities": [{"type": "bold", "offset": 0, "length": 5}],
                    "link_preview_options": {"is_disabled": true},
                    "reply_markup": {"inline_keyboard": [[{"text": "Update", "callback_data": "u:1"}]]},
                },
                "chat_instance": "1",
                "data": "u:1",
            },
        })
    }

    #[test]
    fn a_press_says_who_pressed_what_where() {
        let Some(Received { update: 870_000_001, event: Event::Press(press) }) = Received::of(&update()) else {
            panic!()
        };
        assert_eq!((press.query.as_str(), press.data.as_str()), ("4382", "u:1"));
        assert_eq!((press.is_private, press.has_buttons, press.chat_name), (false, true, Some("ops".to_owned())));
        assert_eq!(press.person, Person { id: 11, name: "Ann Lee (@ann)".to_owned() });
        assert_eq!(press.message, Message { chat: -100, id: 7 });
        let content = press.content.unwrap();
        assert_eq!((content.text(), content.entities.len()), ("nginx is new", 1));
        assert!(content.link_preview.unwrap().is_disabled);
    }

    #[test]
    fn what_cannot_be_read_still_has_its_number() {
        let check = |change: fn(&mut Value), expected: Option<Event>| {
            let mut changed = update();
            change(&mut changed);
            assert_eq!(Received::of(&changed).map(|received| received.event), expected, "for {changed}");
        };
        let unreadable = || Some(Event::UnreadablePress { query: "4382".to_owned() });
        check(|update| update["callback_query"]["from"] = json!("nobody"), unreadable());
        check(|update| drop(update["callback_query"].as_object_mut().unwrap().remove("message")), unreadable());
        check(|update| update["callback_query"]["id"] = json!(1), Some(Event::Other));
        check(|update| *update = json!({"update_id": 1, "message": {}}), Some(Event::Other));
        check(|update| update["update_id"] = json!("x"), None);
        check(|update| *update = json!([]), None);
    }

    #[test]
    fn styles_that_are_new_to_us_are_left_out() {
        let mut new = update();
        let bold = new["callback_query"]["message"]["entities"][0].clone();
        new["callback_query"]["message"]["entities"] = json!([{"type": "new", "offset": 0, "length": 1}, bold]);
        let Some(Event::Press(press)) = Received::of(&new).map(|received| received.event) else { panic!() };
        let content = press.content.unwrap();
        assert_eq!((content.text(), &content.entities[..]), ("nginx is new", &[MessageEntity::bold(0, 5)][..]));
    }

    #[test]
    fn a_message_that_is_too_old_has_no_content() {
        let mut old = update();
        let chat = json!({"id": 11, "type": "private", "first_name": "Ann"});
        old["callback_query"]["message"] = json!({"message_id": 7, "date": 0, "chat": chat});
        let Some(Event::Press(press)) = Received::of(&old).map(|received| received.event) else { panic!() };
        assert_eq!((press.content, press.is_private, press.message), (None, true, Message { chat: 11, id: 7 }));
    }
}
