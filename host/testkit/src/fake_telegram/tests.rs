use serde_json::{Value, json};
use tokio::join;

use super::*;
use crate::http_client;
use crate::server::asking::{Answer, get, keys};
use crate::{PATIENCE, eventually};

const TOKEN: &str = "123456:ABC-DEF";
const GROUP: i64 = -1_001_234_567_890;

async fn call(telegram: &FakeTelegram, method: &str, body: &Value) -> Answer {
    let url = format!("{}/bot{TOKEN}/{method}", telegram.origin());
    Answer::to(http_client().post(url).header("content-type", "application/json").body(body.to_string())).await
}

/// The result of a method that succeeds.
async fn done(telegram: &FakeTelegram, method: &str, body: &Value) -> Value {
    let answer = call(telegram, method, body).await;
    let mut body = answer.json();
    assert_eq!((answer.status, &body["ok"]), (200, &json!(true)), "{body}");
    body["result"].take()
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, description: &str) {
    let expected = json!({"ok": false, "error_code": status, "description": description});
    assert_eq!((answer.status, answer.json()), (status, expected));
}

fn ann() -> TelegramUser {
    TelegramUser::new(11, "Ann", "ann_of_ops")
}

fn offer() -> Value {
    json!({
        "chat_id": GROUP,
        "text": "<b>nginx</b> 1.27",
        "parse_mode": "HTML",
        "disable_notification": true,
        "reply_markup": {"inline_keyboard": [[
            {"text": "Update", "callback_data": "u:1"},
            {"text": "Skip", "callback_data": "s:1"},
        ]]},
    })
}

async fn with_group() -> FakeTelegram {
    let telegram = FakeTelegram::start(TOKEN).await;
    telegram.add_group(GROUP, "Operations");
    telegram
}

#[tokio::test]
async fn a_message_is_what_people_see() {
    let telegram = with_group().await;
    let sent = done(&telegram, "sendMessage", &offer()).await;
    let expected = ["chat", "date", "entities", "from", "message_id", "reply_markup", "text"];
    assert_eq!(keys(&sent), expected);
    assert_eq!(sent["chat"], json!({"id": GROUP, "type": "supergroup", "title": "Operations"}));
    assert_eq!(sent["from"]["id"], json!(123_456));
    assert_eq!(sent["entities"], json!([{"type": "bold", "offset": 0, "length": 5}]));
    let [message] = &telegram.messages()[..] else { panic!("one message") };
    assert_eq!((message.text.as_str(), message.html.as_str()), ("nginx 1.27", "<b>nginx</b> 1.27"));
    assert_eq!((message.chat, message.thread, message.is_silent, message.edits), (GROUP, None, true, 0));
    let labels: Vec<_> = message.buttons.iter().map(|button| (button.label.as_str(), button.data.as_str())).collect();
    assert_eq!(labels, [("Update", "u:1"), ("Skip", "s:1")]);
    assert_eq!(telegram.count(TelegramPart::SendMessage), 1);
}

#[tokio::test]
async fn forms_and_queries_are_understood_as_well() {
    let telegram = with_group().await;
    telegram.add_public(-5, "Shop", "shop");
    let url = format!("{}/bot{TOKEN}/sendmessage", telegram.origin());
    let form = "chat_id=%40shop&text=a%20%26%20b";
    let answer =
        Answer::to(http_client().post(&url).header("content-type", "application/x-www-form-urlencoded").body(form));
    assert_eq!(answer.await.status, 200);
    assert_eq!(get(&format!("{url}?chat_id=-5&text=hello")).await.status, 200);
    let texts: Vec<_> = telegram.messages().into_iter().map(|message| (message.chat, message.text)).collect();
    assert_eq!(texts, [(-5, "a & b".to_owned()), (-5, "hello".to_owned())]);
}

#[tokio::test]
async fn what_telegram_refuses_is_refused() {
    let telegram = with_group().await;
    telegram.add_forum(-7, "Topics", &[42]);
    let check = async |change: Value, expected: &str| {
        let mut body = offer();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = call(&telegram, "sendMessage", &body).await;
        if expected.is_empty() {
            assert_eq!(answer.status, 200, "{}", answer.text);
        } else {
            assert_refused(&answer, 400, &format!("Bad Request: {expected}"));
        }
    };
    let button = |label: &str, data: &str| json!({"inline_keyboard": [[{"text": label, "callback_data": data}]]});
    check(json!({"chat_id": 99}), "chat not found").await;
    check(json!({"chat_id": "@nobody"}), "chat not found").await;
    check(json!({"message_thread_id": 42}), "message thread not found").await;
    check(json!({"chat_id": -7, "message_thread_id": 42}), "").await;
    check(json!({"text": "<b> </b>"}), "message text is empty").await;
    let unbalanced = "can't parse entities: Can't find end tag corresponding to start tag \"b\"";
    check(json!({"text": "<b>x"}), unbalanced).await;
    check(json!({"text": "x".repeat(4096)}), "").await;
    check(json!({"text": "x".repeat(4097)}), "message is too long").await;
    check(json!({"text": format!("<b>{}</b>", "&lt;".repeat(4096))}), "").await;
    check(json!({"text": "👍".repeat(2049)}), "message is too long").await;
    check(json!({"reply_markup": button("Go", &"x".repeat(64))}), "").await;
    check(json!({"reply_markup": button("Go", &"x".repeat(65))}), "BUTTON_DATA_INVALID").await;
    check(json!({"reply_markup": button("Go", "")}), "BUTTON_DATA_INVALID").await;
    check(json!({"parse_mode": "BBCode"}), "unsupported parse_mode").await;
    assert_eq!(telegram.messages().iter().filter(|message| message.thread == Some(42)).count(), 1);
}

#[tokio::test]
async fn tokens_and_paths_are_checked() {
    let telegram = with_group().await;
    for (path, status, description) in [
        ("/bot123456:OTHER/getMe", 401, "Unauthorized"),
        ("/botnonsense/getMe", 404, "Not Found"),
        ("/123456:ABC-DEF/getMe", 404, "Not Found"),
        ("/bot123456:ABC-DEF/getNothing", 404, "Not Found"),
        ("/bot123456:OTHER/getUpdates", 401, "Unauthorized"),
    ] {
        assert_refused(&get(&format!("{}{path}", telegram.origin())).await, status, description);
    }
    let me = done(&telegram, "getMe", &json!({})).await;
    assert_eq!((&me["id"], &me["is_bot"]), (&json!(123_456), &json!(true)));
    assert_eq!(done(&telegram, "deleteWebhook", &json!({})).await, json!(true));
    assert!(telegram.seen().last().unwrap().holds(TOKEN));
    telegram.set_token("123456:NEW");
    assert_refused(&call(&telegram, "getMe", &json!({})).await, 401, "Unauthorized");
}

#[tokio::test]
async fn a_press_is_an_update_until_it_is_confirmed() {
    let telegram = with_group().await;
    done(&telegram, "sendMessage", &offer()).await;
    let query = telegram.press(1, "Update", &ann());
    telegram.press(1, "s:1", &ann());
    let updates = done(&telegram, "getUpdates", &json!({"timeout": 5})).await;
    let press = &updates[0]["callback_query"];
    assert_eq!(keys(press), ["chat_instance", "data", "from", "id", "message"]);
    assert_eq!((&press["id"], &press["data"]), (&json!(query), &json!("u:1")));
    assert_eq!(press["message"]["text"], json!("nginx 1.27"));
    let user = json!({"id": 11, "is_bot": false, "first_name": "Ann", "username": "ann_of_ops", "language_code": "en"});
    assert_eq!(press["from"], user);
    assert_eq!(done(&telegram, "getUpdates", &json!({"limit": 1})).await, json!([updates[0]]), "nothing was confirmed");
    let second = updates[1]["update_id"].as_i64().unwrap();
    assert_eq!(done(&telegram, "getUpdates", &json!({"offset": second})).await, json!([updates[1]]));
    assert_eq!((telegram.unconfirmed(), second), (1, updates[0]["update_id"].as_i64().unwrap() + 1));
    assert_eq!(done(&telegram, "getUpdates", &json!({"offset": second + 1})).await, json!([]));
    let answer = json!({"callback_query_id": query, "text": "not you", "show_alert": true});
    assert_eq!(done(&telegram, "answerCallbackQuery", &answer).await, json!(true));
    assert_eq!(telegram.answers(), [TelegramAnswer { query, text: "not you".to_owned(), show_alert: true }]);
    let unknown = call(&telegram, "answerCallbackQuery", &json!({"callback_query_id": "1"})).await;
    let too_old = "Bad Request: query is too old and response timeout expired or query ID is invalid";
    assert_refused(&unknown, 400, too_old);
}

#[tokio::test]
async fn the_last_updates_can_be_had_and_unwanted_ones_do_not_come() {
    let telegram = FakeTelegram::start(TOKEN).await;
    for number in 0..3 {
        telegram.push_update("message", &json!({"number": number}));
    }
    let last = done(&telegram, "getUpdates", &json!({"offset": -1})).await;
    assert_eq!((last[0]["message"]["number"].clone(), telegram.unconfirmed()), (json!(2), 1));
    done(&telegram, "getUpdates", &json!({"allowed_updates": ["callback_query"]})).await;
    telegram.push_update("message", &json!({"number": 3}));
    assert_eq!(telegram.unconfirmed(), 1);
    done(&telegram, "getUpdates", &json!({"allowed_updates": []})).await;
    telegram.push_update("message", &json!({"number": 4}));
    assert_eq!(telegram.unconfirmed(), 2);
}

#[tokio::test]
async fn a_poll_is_held_until_something_happens() {
    let telegram = with_group().await;
    done(&telegram, "sendMessage", &offer()).await;
    let press = async {
        is_polled(&telegram, 1).await;
        telegram.press(1, "Update", &ann())
    };
    let poll = json!({"timeout": 30});
    let (updates, query) = join!(done(&telegram, "getUpdates", &poll), press);
    assert_eq!(updates[0]["callback_query"]["id"], json!(query));
    assert_eq!(done(&telegram, "getUpdates", &json!({"timeout": 1, "offset": -1})).await, updates);
    let none = json!({"timeout": 1, "offset": updates[0]["update_id"].as_i64().unwrap() + 1});
    assert_eq!(done(&telegram, "getUpdates", &none).await, json!([]), "the time passes");
}

#[tokio::test]
async fn the_older_of_two_polls_is_terminated() {
    let telegram = FakeTelegram::start(TOKEN).await;
    let poll = json!({"timeout": 30});
    let newer = async {
        is_polled(&telegram, 1).await;
        let push = async {
            is_polled(&telegram, 2).await;
            telegram.push_update("message", &json!({}));
        };
        join!(done(&telegram, "getUpdates", &poll), push).0
    };
    let (older, newer) = join!(call(&telegram, "getUpdates", &poll), newer);
    let conflict = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    assert_refused(&older, 409, conflict);
    assert_eq!(newer[0]["message"], json!({}));
}

async fn is_polled(telegram: &FakeTelegram, times: usize) {
    let polled = async || match telegram.count(TelegramPart::GetUpdates) {
        count if count >= times => Ok(()),
        count => Err(format!("{count} polls")),
    };
    eventually(PATIENCE, polled).await.unwrap();
}

#[tokio::test]
async fn an_edit_replaces_text_and_buttons() {
    let telegram = with_group().await;
    done(&telegram, "sendMessage", &offer()).await;
    let entities = json!([{"type": "code", "offset": 0, "length": 5}, {"type": "bold", "offset": 0, "length": 50}]);
    let edit = json!({"chat_id": GROUP, "message_id": 1, "text": "nginx was updated", "entities": entities});
    let edited = done(&telegram, "editMessageText", &edit).await;
    assert!(edited["edit_date"].is_number() && edited.get("reply_markup").is_none(), "{edited}");
    let message = telegram.message(1);
    assert_eq!((message.text.as_str(), message.edits, message.buttons.len()), ("nginx was updated", 1, 0));
    assert_eq!((message.entities.len(), message.html.as_str()), (1, ""), "what is out of bounds is ignored");
    let again = call(&telegram, "editMessageText", &edit).await;
    assert!(
        again.text.contains("Bad Request: message is not modified: specified new message content"),
        "{}",
        again.text
    );
    let missing = json!({"chat_id": GROUP, "message_id": 2, "text": "x"});
    let missing = call(&telegram, "editMessageText", &missing).await;
    assert_refused(&missing, 400, "Bad Request: message to edit not found");
    telegram.press(1, "Update", &ann());
    assert_eq!(telegram.unconfirmed(), 1, "somebody had not seen the edit yet");
}

#[tokio::test]
async fn faults_look_as_documented() {
    let telegram = with_group().await;
    let body = json!({});
    for (fault, status, text) in [
        (TelegramFault::Unauthorized, 401, "Unauthorized"),
        (TelegramFault::Blocked, 403, "Forbidden: bot was blocked by the user"),
        (TelegramFault::Conflict, 409, "terminated by other getUpdates request"),
        (TelegramFault::RateLimited { seconds: 7 }, 429, "\"parameters\":{\"retry_after\":7}"),
        (TelegramFault::InternalError, 500, "Internal Server Error"),
        (TelegramFault::BadGateway, 502, "<title>502 Bad Gateway"),
        (TelegramFault::TruncatedJson, 200, "{\"ok\":true"),
        (TelegramFault::Slow(Duration::from_millis(1)), 200, "\"is_bot\":true"),
    ] {
        telegram.fail_at(TelegramPart::GetMe, fault.clone());
        let answer = call(&telegram, "getMe", &body).await;
        assert_eq!(answer.status, status, "{fault:?}");
        assert!(answer.text.contains(text), "{fault:?}: {}", answer.text);
        assert_eq!(done(&telegram, "deleteWebhook", &body).await, json!(true), "{fault:?} is for getMe only");
    }
    telegram.fail(&TelegramFault::Reset);
    http_client().get(telegram.origin()).send().await.unwrap_err();
    telegram.recover();
    done(&telegram, "getMe", &body).await;
}
