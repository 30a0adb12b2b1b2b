use k8supdater_plugin::notifier::{EncodedStep, next};
use k8supdater_plugin::{Action, Answer, Error, Failure, HttpRequest, HttpResponse, Notice, Reply};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Telegram;

const CHAT: &str = r#"{"chatId": -100123}"#;

fn notice() -> Notice {
    let own = str::to_owned;
    Notice {
        kind: own("update-available"),
        level: own("warning"),
        handler: own("web"),
        namespace: own("shop"),
        image: own("docker.io/library/nginx"),
        from: own("1.25.3"),
        to: own("1.27.0"),
        link: own("https://hub.docker.com/_/nginx/tags?page=1&name=1.27"),
        title: own("nginx 1.27.0 <is> available"),
        text: own("It waits for you & nobody else."),
        command: own("k8supdater approve shop/web"),
        ..Notice::default()
    }
}

fn answer(label: &str, value: &str) -> Answer {
    Answer { label: label.to_owned(), value: value.to_owned() }
}

fn response(status: u16, body: &Value) -> Reply {
    Reply::Http(HttpResponse { status, headers: vec![], body: body.to_string().into_bytes() })
}

fn sent() -> Reply {
    response(200, &json!({"ok": true, "result": {"message_id": 1}}))
}

fn request(step: &EncodedStep) -> Option<&HttpRequest> {
    match step.actions.as_slice() {
        [] => None,
        [Action::Http(request)] => Some(request),
        actions => panic!("{actions:?}"),
    }
}

/// The bodies of all requests that deliver `notice`, all of which succeed.
fn deliver(notice: &Notice, settings: &str) -> Vec<Value> {
    let mut step = next::<Telegram>(notice, settings, b"", vec![]).unwrap();
    let mut bodies = Vec::new();
    while let Some(request) = request(&step) {
        assert!(bodies.len() < 20, "no end");
        bodies.push(serde_json::from_slice(&request.body).unwrap());
        step = next::<Telegram>(notice, settings, &step.state, vec![sent()]).unwrap();
    }
    bodies
}

#[test]
fn examples_hold() {
    k8supdater_plugin::examples::run_notifier::<Telegram>(include_str!("../plugin.json")).unwrap();
}

#[test]
fn a_message_says_all_there_is_to_say() {
    let step = next::<Telegram>(&notice(), CHAT, b"", vec![]).unwrap();
    let request = request(&step).unwrap();
    assert_eq!((request.method.as_str(), request.credential.as_deref()), ("POST", None));
    assert_eq!(request.url, "https://api.telegram.org/bot{slot:bot}/sendMessage");
    let text = "<b>⚠️ nginx 1.27.0 &lt;is&gt; available</b>\n\n\
        It waits for you &amp; nobody else.\n\n\
        Handler: <code>shop/web</code>\nImage: <code>docker.io/library/nginx</code>\n\
        From: <code>1.25.3</code>\nTo: <code>1.27.0</code>\n\n\
        Next step:\n<pre>k8supdater approve shop/web</pre>\n\n\
        <a href=\"https://hub.docker.com/_/nginx/tags?page=1&amp;name=1.27\">More</a>";
    let body = json!({
        "chat_id": -100_123, "text": text, "parse_mode": "HTML", "disable_notification": false,
        "link_preview_options": {"is_disabled": true}
    });
    assert_eq!(deliver(&notice(), CHAT), [body]);
}

#[test]
fn settings_choose_chat_topic_sound_preview_and_server() {
    let check = |settings: &str, level: &str, field: &str, expected: Value| {
        let notice = Notice { level: level.to_owned(), ..notice() };
        assert_eq!(deliver(&notice, settings)[0].get(field), Some(&expected), "for {settings}");
    };
    check(r#"{"chatId": "@shop"}"#, "info", "chat_id", json!("@shop"));
    check(r#"{"chatId": 1, "messageThreadId": 7}"#, "info", "message_thread_id", json!(7));
    check(CHAT, "info", "disable_notification", json!(true));
    check(CHAT, "error", "disable_notification", json!(false));
    check(r#"{"chatId": 1, "silentLevels": []}"#, "info", "disable_notification", json!(false));
    check(r#"{"chatId": 1, "silentLevels": ["error"]}"#, "error", "disable_notification", json!(true));
    let preview = json!({"is_disabled": false});
    check(r#"{"chatId": 1, "linkPreview": true}"#, "info", "link_preview_options", preview);
    let local = r#"{"chatId": 1, "apiUrl": "http://bots.tools:8081/"}"#;
    let step = next::<Telegram>(&notice(), local, b"", vec![]).unwrap();
    assert_eq!(request(&step).unwrap().url, "http://bots.tools:8081/bot{slot:bot}/sendMessage");
    for approvers in [r#""*""#, "[]", "[123456789, 11]"] {
        let settings = format!(r#"{{"chatId": -100123, "approvers": {approvers}}}"#);
        assert_eq!(
            deliver(&notice(), &settings),
            deliver(&notice(), CHAT),
            "who may answer is the operator's business"
        );
    }
    let got = next::<Telegram>(&notice(), r#"{"chatId": 1, "apiUrl": "https://a.example/?"}"#, b"", vec![]);
    assert!(matches!(&got, Err(Error::InvalidSettings(why)) if why.starts_with("apiUrl")), "{got:?}");
}

#[test]
fn answers_are_buttons_below_the_last_message() {
    let answers = vec![answer("Update", "u:1"), answer("Skip", "s:1"), answer("Snooze", "z:1"), answer("No", "n:1")];
    let long = Notice { answers, text: "word ".repeat(1_500), ..notice() };
    let bodies = deliver(&long, CHAT);
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0].get("reply_markup"), None);
    let button = |text: &str, data: &str| json!({"text": text, "callback_data": data});
    let rows =
        json!([[button("Update", "u:1"), button("Skip", "s:1"), button("Snooze", "z:1")], [button("No", "n:1")]]);
    assert_eq!(bodies[1]["reply_markup"]["inline_keyboard"], rows);
    assert!(!bodies[1]["text"].as_str().unwrap().contains("approve"), "the buttons do it");
}

#[test]
fn what_cannot_be_a_button_is_none() {
    let answers = vec![answer("Long", &"x".repeat(65)), answer("Empty", ""), answer(" ", "x")];
    let bodies = deliver(&Notice { answers: answers.clone(), ..notice() }, CHAT);
    assert_eq!(bodies[0].get("reply_markup"), None);
    assert!(bodies[0]["text"].as_str().unwrap().contains("k8supdater approve"));
    let answers = [answers, vec![answer("Fits", &"x".repeat(64))]].concat();
    let bodies = deliver(&Notice { answers, ..notice() }, CHAT);
    assert_eq!(bodies[0]["reply_markup"]["inline_keyboard"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_endless_text_ends_after_some_messages() {
    let bodies = deliver(&Notice { text: "x".repeat(1_000_000), ..notice() }, CHAT);
    assert_eq!(bodies.len(), 5);
    let text: String = bodies.iter().filter_map(|body| body["text"].as_str()).collect();
    assert!(text.contains("x…"));
}

#[test]
fn refusals_say_what_to_do() {
    let check = |settings: &str, reply: Reply, expected: &Error| {
        let state = next::<Telegram>(&notice(), settings, b"", vec![]).unwrap().state;
        let got = next::<Telegram>(&notice(), settings, &state, vec![reply.clone()]).map(drop);
        assert_eq!(got.as_ref(), Err(expected), "for {reply:?}");
    };
    let refused = |code: u16, description: &str| {
        response(code, &json!({"ok": false, "error_code": code, "description": description}))
    };
    let other = |text: &str| Error::Other(text.to_owned());
    check(CHAT, refused(401, "Unauthorized"), &Error::Unauthorized);
    check(CHAT, refused(404, "Not Found"), &Error::Unauthorized);
    check(CHAT, refused(400, "Bad Request: chat not found"), &Error::NotFound);
    let blocked = "the bot may not write to the chat -100123: Forbidden: bot was blocked by the user; \
        unblock it, or add it to the chat and let it post there";
    check(CHAT, refused(403, "Forbidden: bot was blocked by the user"), &other(blocked));
    let too_long = "telegram refused the message for the chat -100123: Bad Request: message is too long";
    check(CHAT, refused(400, "Bad Request: message is too long"), &other(too_long));
    let migrated = json!({
        "ok": false, "error_code": 400, "description": "Bad Request: group chat was upgraded to a supergroup chat",
        "parameters": {"migrate_to_chat_id": -100_777}
    });
    let moved = "chatId: the group -5 has become a supergroup, whose number is -100777; set chatId to -100777";
    check(r#"{"chatId": -5}"#, response(400, &migrated), &Error::InvalidSettings(moved.to_owned()));
    let topic = Error::InvalidSettings("messageThreadId: the chat -5 has no topic 9".to_owned());
    let missing = refused(400, "Bad Request: message thread not found");
    check(r#"{"chatId": -5, "messageThreadId": 9}"#, missing, &topic);
    let limited = json!({"ok": false, "error_code": 429, "description": "Too Many Requests: retry after 30", "parameters": {"retry_after": 30}});
    check(CHAT, response(429, &limited), &Error::RateLimited(Some(30)));
    check(CHAT, refused(429, "Too Many Requests"), &Error::RateLimited(None));
    let down = Error::Unavailable("status 502: Bad Gateway".to_owned());
    check(CHAT, refused(502, "Bad Gateway"), &down);
    let plain =
        |status, body: &str| Reply::Http(HttpResponse { status, headers: vec![], body: body.as_bytes().to_vec() });
    check(CHAT, plain(502, "<html>"), &Error::Unavailable("status 502: <html>".to_owned()));
    let no_api = Error::InvalidReply("https://api.telegram.org is no Bot API: status 404".to_owned());
    check(CHAT, plain(404, "not here"), &no_api);
    check(CHAT, plain(200, "hello"), &Error::InvalidReply("status 200: hello".to_owned()));
    check(CHAT, Reply::Failed(Failure::Timeout), &Error::Unavailable("no answer in the time allowed".to_owned()));
}

#[test]
fn a_state_of_another_conversation_is_an_error_not_a_panic() {
    for state in [b"{}".as_slice(), b"\xff", b"1"] {
        let got = next::<Telegram>(&notice(), CHAT, state, vec![sent()]);
        assert!(matches!(&got, Err(Error::Other(why)) if why.contains("the state handed back")), "{got:?}");
    }
}

/// What is seen of HTML as the Bot API reads it: only its own tags, in their order, closed, not nested; only its four entities.
fn visible(html: &str) -> String {
    let mut open: Option<String> = None;
    let mut seen = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        seen += before;
        let (tag, after) = after.split_once('>').expect("a tag has an end");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.take().as_deref(), Some(name), "in {html}");
        } else {
            let name = tag.split(' ').next().unwrap().to_owned();
            assert!(["b", "code", "pre", "a"].contains(&name.as_str()), "<{tag}> in {html}");
            assert_eq!(open.replace(name), None, "in {html}");
        }
    }
    assert_eq!(open, None, "in {html}");
    seen += rest;
    assert!(!seen.contains(['>', '"']), "in {html}");
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
    pairs.iter().fold(seen, |text, (escaped, plain)| text.replace(escaped, plain))
}

proptest! {
    #[test]
    fn every_notice_is_sent_in_messages_that_telegram_takes(
        title in r#"[\PC<>&"\r\n]{0,300}"#,
        (piece, count) in (r#"([a-z<>&"👍]|\n|\n\n| ){0,100}"#, 0_usize..60),
        fact in any::<String>(),
        link in r#"(https://)?[a-z<>&"]{0,2000}"#,
        value in r"\PC{0,70}",
    ) {
        let text = piece.repeat(count);
        let notice = Notice {
            title,
            text: text.clone(),
            image: fact.clone(),
            command: fact.clone(),
            handler: fact.clone(),
            level: fact,
            link,
            answers: vec![answer(&value, &value)],
            ..Notice::default()
        };
        let mut seen = String::new();
        for body in deliver(&notice, CHAT) {
            let message = visible(body["text"].as_str().unwrap());
            prop_assert!(!message.trim().is_empty());
            prop_assert!(message.encode_utf16().count() <= 4096);
            seen += &message;
            if let Some(data) = body["reply_markup"]["inline_keyboard"][0][0]["callback_data"].as_str() {
                prop_assert_eq!(data, &value);
                prop_assert!((1..=64).contains(&data.len()));
            }
        }
        let solid = |text: &str| text.split_whitespace().collect::<String>();
        prop_assert!(solid(&seen).contains(&solid(&text)));
    }
}
