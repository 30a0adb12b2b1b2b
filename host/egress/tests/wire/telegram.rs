use std::time::Duration;

use k8supdater_egress::Failure;
use k8supdater_egress::telegram::{Content, Event, Message, TelegramBot, TelegramError};
use serde_json::{Value, json};
use url::Url;

use crate::server::{Server, Then, answer, client, names, ok, raw, scope, token};

const TOKEN: &str = "123456:ABC-DEF";
const MESSAGE: Message = Message { chat: -100, id: 7 };

fn bot_at(url: &str) -> TelegramBot {
    let origin = Url::parse(url).unwrap().origin().ascii_serialization();
    TelegramBot::new(client(), scope(&[&origin]).grants, &Url::parse(url).unwrap(), token(TOKEN)).unwrap()
}

fn body(server: &Server) -> (String, Value) {
    let seen = server.seen().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.header("content-type")), ("POST", "application/json"));
    (seen.path, serde_json::from_slice(&seen.body).unwrap())
}

#[tokio::test]
async fn the_methods_are_called_as_documented() {
    let server = Server::start(|seen| match seen.path.rsplit('/').next() {
        Some("GetUpdates") => ok(r#"{"ok":true,"result":[{"update_id":5,"poll":{}}]}"#),
        _ => ok(r#"{"ok":true,"result":true}"#),
    })
    .await;
    for prefix in ["", "/", "/telegram/"] {
        let bot = bot_at(&format!("{}{prefix}", server.origin()));
        let path = |method: &str| format!("{}/bot{TOKEN}/{method}", prefix.trim_end_matches('/'));
        let [received] = &bot.updates(Some(5), Duration::from_secs(30)).await.unwrap()[..] else {
            panic!("one update")
        };
        assert_eq!((received.update, &received.event), (5, &Event::Other));
        let expected = json!({"offset": 5, "timeout": 30, "allowed_updates": ["callback_query"]});
        assert_eq!(body(&server), (path("GetUpdates"), expected));
        bot.answer("42", &"ä".repeat(300), true).await.unwrap();
        let expected = json!({"callback_query_id": "42", "text": "ä".repeat(200), "show_alert": true});
        assert_eq!(body(&server), (path("AnswerCallbackQuery"), expected));
        bot.edit(MESSAGE, &Content::plain("done")).await.unwrap();
        let expected = json!({"chat_id": -100, "message_id": 7, "text": "done", "entities": []});
        assert_eq!(body(&server), (path("EditMessageText"), expected));
    }
}

#[tokio::test]
async fn an_edit_that_changes_nothing_is_no_error() {
    let same = r#"{"ok":false,"error_code":400,"description":"Bad Request: message is not modified: …"}"#;
    let server = Server::start(move |_| answer(400, &[], same)).await;
    assert_eq!(bot_at(&server.origin()).edit(MESSAGE, &Content::plain("x")).await, Ok(()));
    assert_eq!(bot_at(&server.origin()).answer("1", "x", false).await, Err(TelegramError::NotModified));
}

#[tokio::test]
async fn an_update_without_a_number_is_no_update() {
    let server = Server::start(|_| ok(r#"{"ok":true,"result":[{"poll":{}}]}"#)).await;
    let got = bot_at(&server.origin()).updates(None, Duration::ZERO).await;
    assert_eq!(got, Err(TelegramError::InvalidReply(200)));
}

#[tokio::test]
async fn where_nobody_may_call_nothing_is_sent() {
    let server = Server::start(|_| ok("{}")).await;
    let url = Url::parse(&server.origin()).unwrap();
    let bot = TelegramBot::new(client(), scope(&[]).grants, &url, token(TOKEN)).unwrap();
    let got = bot.updates(None, Duration::ZERO).await.unwrap_err();
    assert!(matches!(&got, TelegramError::Unreachable(Failure::Denied(_))) && !got.is_passing(), "{got:?}");
    let metadata = Url::parse("http://bots.example").unwrap();
    let resolver = names(&[("bots.example", &["169.254.169.254"])]);
    let client = k8supdater_egress::Client::new(k8supdater_egress::Options { resolver, ..Default::default() }).unwrap();
    let bot = TelegramBot::new(client, scope(&["http://bots.example"]).grants, &metadata, token(TOKEN)).unwrap();
    let got = bot.updates(None, Duration::ZERO).await.unwrap_err();
    assert!(matches!(&got, TelegramError::Unreachable(Failure::Denied(_))), "{got:?}");
    assert_eq!(server.count(), 0);
    for url in ["ftp://a.example", "https://a.example/?x", "https://a.example/#x"] {
        let got = TelegramBot::new(crate::server::client(), scope(&[]).grants, &Url::parse(url).unwrap(), token(TOKEN));
        assert!(got.is_err(), "{url}");
    }
}

#[tokio::test]
async fn what_is_broken_for_a_while_says_so() {
    let (cut, _cut) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx".to_vec(), Then::Close).await;
    let moved = Server::start(|seen| answer(302, &[("location", &seen.path)], "")).await;
    let garbage = Server::start(|_| ok(r#"{"ok":true,"result":["#)).await;
    let down = Server::start(|_| answer(502, &[], "<html>")).await;
    for (url, reason) in [
        (format!("http://{cut}"), "NotReachable"),
        ("http://127.0.0.1:1".to_owned(), "NotReachable"),
        (moved.origin(), "InvalidReply"),
        (garbage.origin(), "InvalidReply"),
        (down.origin(), "Unavailable"),
    ] {
        let err = bot_at(&url).updates(None, Duration::ZERO).await.unwrap_err();
        assert_eq!((err.reason(), err.is_passing()), (reason, true), "{err}");
    }
    assert_eq!(moved.count(), 1, "a redirect is not followed");
}
