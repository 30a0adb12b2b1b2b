//! The bot that writes to Telegram, and the chat that it writes to: k8sUpdater's variables, and one of ours.

use clap::Args;
use k8supdater_core::origin::Origin;
use k8supdater_core::pull_secret::Secret;

use super::given::{Given, is_group_given};
use super::{ConfigError, base_url, secret};

/// Where the Bot API is if nobody says.
const API: &str = "https://api.telegram.org";

/// The flags and variables for Telegram, as given.
#[derive(Args, Clone, Debug, Default)]
pub struct TelegramFlags {
    /// Token of a Telegram bot, as `BotFather` gives it [default: no messages]. Needs --telegram-chat-id. It is sent to the Bot API and
    /// nowhere else. Set the variable rather than the flag, which others on the machine can see.
    #[arg(long, env = "TELEGRAM_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    pub telegram_token: Option<Secret>,

    /// Chat that the Plugin `telegram` writes to: its number, which is negative for groups, or @name of a public channel.
    #[arg(long, env = "TELEGRAM_CHAT_ID", value_name = "CHAT", allow_hyphen_values = true)]
    pub telegram_chat_id: Option<String>,

    /// Where the Bot API is, without /bot; it may have a path [default: <https://api.telegram.org>]. Its origin counts as granted to the
    /// Plugin `telegram`.
    // A URL of the Bot API that was copied from somewhere has a token in it.
    #[arg(long, env = "TELEGRAM_API_URL", hide_env_values = true, value_name = "URL")]
    pub telegram_api_url: Option<String>,
}

/// The bot, and the chat that it writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telegram {
    /// See [`TelegramFlags::telegram_token`].
    pub token: Secret,
    /// See [`TelegramFlags::telegram_chat_id`].
    pub chat: Chat,
    /// See [`TelegramFlags::telegram_api_url`]; without slashes at the end.
    pub api_url: String,
    /// The origin of [`Telegram::api_url`].
    pub origin: Origin,
}

/// How a chat is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chat {
    /// By its number.
    Number(i64),
    /// By the `@name` of a public channel or group.
    Name(String),
}

impl TelegramFlags {
    /// The bot, if there is one.
    pub(super) fn check(self) -> Result<Option<Telegram>, ConfigError> {
        let token = Given::of_secret(self.telegram_token, "TELEGRAM_TOKEN", "--telegram-token");
        let chat = Given::of(self.telegram_chat_id, "TELEGRAM_CHAT_ID", "--telegram-chat-id");
        let api_url = Given::of(self.telegram_api_url, "TELEGRAM_API_URL", "--telegram-api-url");

        is_group_given(
            &[token.presence(), chat.presence()],
            &[api_url.presence()],
            "messages need a bot and a chat to go to",
        )?;
        let token = token.read_secret("a token as BotFather gives it, such as 123456:ABC-DEF", is_token)?;
        // Tokens have colons in them, chats and the URL of an API on the usual port have none.
        let chat = chat.read_guarded(
            "the number of a chat, such as -1001234567890, or @name of a public channel",
            |text| text.contains(':'),
            read_chat,
        )?;
        let api = api_url.read_guarded(
            "a URL such as https://api.telegram.org, without user, query or /bot",
            |text| text.contains("/bot"),
            |text| base_url(text).filter(|(url, _)| !url.split('/').skip(3).any(|part| part.starts_with("bot"))),
        )?;

        // Both are there, or neither.
        let (Some(token), Some(chat)) = (token, chat) else { return Ok(None) };
        let usual = || (API.to_owned(), Origin::parse(API).expect("the URL of the Bot API is an origin"));
        let (api_url, origin) = api.unwrap_or_else(usual);
        Ok(Some(Telegram { token, chat, api_url, origin }))
    }
}

/// Whether `text` is the number of a bot and its secret, with a colon between them
/// (<https://core.telegram.org/bots/api#authorizing-your-bot>).
fn is_token(text: &str) -> bool {
    let is_secret = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.split_once(':').is_some_and(|(number, secret)| is_number(number) && is_secret(secret))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn read_chat(text: &str) -> Option<Chat> {
    if let Some(name) = text.strip_prefix('@') {
        let is_name =
            (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return is_name.then(|| Chat::Name(text.to_owned()));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    text.parse().ok().filter(|_| is_number(digits)).map(Chat::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "123456:ABC-def_canary";

    /// What comes of a token, a chat and a URL.
    fn read(token: &str, chat: &str, api_url: &str) -> Result<Option<Telegram>, String> {
        let flags = TelegramFlags {
            telegram_token: secret(token).ok(),
            telegram_chat_id: Some(chat.to_owned()),
            telegram_api_url: Some(api_url.to_owned()),
        };
        flags.check().map_err(|err| err.to_string())
    }

    #[test]
    fn right_values_are_taken() {
        let check = |chat: &str, api_url: &str, expected: Chat, url: &str, origin: &str| {
            let telegram = read(&format!(" {TOKEN}\n"), chat, api_url).unwrap().unwrap();
            assert_eq!((telegram.token.expose(), &telegram.chat), (TOKEN, &expected));
            assert_eq!((telegram.api_url.as_str(), telegram.origin.to_string().as_str()), (url, origin));
            assert!(!format!("{telegram:?}").contains("canary"), "{telegram:?}");
        };
        check("-1001234567890", "", Chat::Number(-1_001_234_567_890), API, API);
        check(" 42 ", "", Chat::Number(42), API, API);
        let bots = "http://bots.tools:8081";
        check(
            "@shop_news",
            &format!("{bots}/path/"),
            Chat::Name("@shop_news".to_owned()),
            &format!("{bots}/path"),
            bots,
        );
    }

    #[test]
    fn a_wrong_value_is_shown_with_what_is_allowed() {
        for chat in ["shop", "+42", "4 2", "-", "@", "@shop-news", "99999999999999999999"] {
            let expected = "the number of a chat, such as -1001234567890, or @name of a public channel";
            let message = format!("TELEGRAM_CHAT_ID (or --telegram-chat-id) is {chat:?}, expected {expected}");
            assert_eq!(read(TOKEN, chat, ""), Err(message));
        }
        for url in ["api.telegram.org", "ftp://api.telegram.org", "https://a?b", "https://[redacted]@a"] {
            let expected = "a URL such as https://api.telegram.org, without user, query or /bot";
            let message = format!("TELEGRAM_API_URL (or --telegram-api-url) is {url:?}, expected {expected}");
            assert_eq!(read(TOKEN, "42", &url.replace("[redacted]", "me:canary")), Err(message));
        }
    }

    #[test]
    fn a_wrong_value_that_may_be_secret_is_not_shown() {
        let check = |token: &str, chat: &str, api_url: &str, expected: &str| {
            let message = read(token, chat, api_url).unwrap_err();
            assert!(message.starts_with(expected) && message.contains("; expected "), "{message}");
            assert!(!message.contains("canary"), "{message}");
        };
        for token in ["canary", "bot123:canary", "123456:", ":canary", "123:can ary", "123:canary/x", "-1:canary"] {
            check(token, "42", "", "TELEGRAM_TOKEN (or --telegram-token) has a value that is not shown");
        }
        check(TOKEN, TOKEN, "", "TELEGRAM_CHAT_ID (or --telegram-chat-id) has a value that is not shown");
        check(TOKEN, "42", &format!("{API}/bot{TOKEN}"), "TELEGRAM_API_URL (or --telegram-api-url) has a value");
    }

    #[test]
    fn half_a_set_names_what_is_there_and_what_is_missing() {
        let check = |token: &str, chat: &str, api_url: &str, expected: &str| {
            let message = read(token, chat, api_url).unwrap_err();
            let rest = "; set what is missing, or none of them: messages need a bot and a chat to go to";
            assert_eq!(message, format!("{expected}{rest}"));
        };
        check(TOKEN, "", "", "TELEGRAM_TOKEN is set, but TELEGRAM_CHAT_ID is not");
        check(" ", "42", "", "TELEGRAM_CHAT_ID is set, but TELEGRAM_TOKEN is not");
        check("", "42", API, "TELEGRAM_CHAT_ID and TELEGRAM_API_URL are set, but TELEGRAM_TOKEN is not");
        check("", "", API, "TELEGRAM_API_URL is set, but TELEGRAM_TOKEN and TELEGRAM_CHAT_ID are not");
    }

    #[test]
    fn empty_means_unset() {
        assert_eq!(read("", " ", "\n"), Ok(None));
        assert_eq!(TelegramFlags::default().check(), Ok(None));
    }
}
