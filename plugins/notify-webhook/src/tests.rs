use k8supdater_plugin::notifier::next;
use k8supdater_plugin::{Action, Error, Header, HttpRequest, HttpResponse, Notice, Reply};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::Webhook;

const HOOK: &str = "https://hooks.example.com/a";

fn settings(more: &Value) -> String {
    let mut settings = json!({"url": HOOK});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings.to_string()
}

fn request(notice: &Notice, settings: &str) -> Result<HttpRequest, Error> {
    let mut step = next::<Webhook>(notice, settings, b"", vec![])?;
    match step.actions.pop() {
        Some(Action::Http(request)) if step.actions.is_empty() => Ok(request),
        other => panic!("{other:?}"),
    }
}

fn body(notice: &Notice, format: &str) -> Value {
    let mut more = json!({"format": format});
    if format == "ntfy" {
        more["topic"] = json!("t");
    }
    serde_json::from_slice(&request(notice, &settings(&more)).unwrap().body).unwrap()
}

#[track_caller]
fn check_invalid(settings: &str, text: &str) {
    let got = request(&Notice::default(), settings);
    assert!(matches!(&got, Err(Error::InvalidSettings(why)) if why.contains(text)), "{got:?} without {text:?}");
}

#[test]
fn examples_hold() {
    k8supdater_plugin::examples::run_notifier::<Webhook>(include_str!("../plugin.json")).unwrap();
}

#[test]
fn settings_choose_headers_and_credential() {
    let more = json!({"headers": {"X-Team": "web"}, "credential": "login"});
    let got = request(&Notice::default(), &settings(&more)).unwrap();
    assert_eq!((got.method.as_str(), got.url.as_str(), got.credential.as_deref()), ("POST", HOOK, Some("login")));
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    assert_eq!(got.headers, [header("content-type", "application/json"), header("X-Team", "web")]);
    let text = json!({"format": "template", "template": "x", "contentType": "text/plain"});
    let got = request(&Notice::default(), &settings(&text)).unwrap();
    assert_eq!(got.headers, [header("content-type", "text/plain")]);
    assert_eq!(got.credential.as_deref(), Some("signature"));
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let headers = |name: &str, value: &str| settings(&json!({"headers": {name: value}}));
    check_invalid(&headers("Authorization", "x"), "bind a Secret to one of the slots token and login");
    check_invalid(&headers("cookie", "x"), "is for secrets");
    check_invalid(&headers("Content-Type", "x"), "what the setting contentType is for");
    check_invalid(&headers("host", "x"), "is set by the operator");
    check_invalid(&headers("X-K8supdater-Signature", "x"), "is set by the operator");
    check_invalid(&headers("a b", "x"), "is no name of a header");
    check_invalid(&headers("a", "x\r\ny: z"), "a line end");
    check_invalid(&settings(&json!({"format": "template"})), "template: it is missing");
    check_invalid(&settings(&json!({"template": "x"})), "template: it is for the format template only");
    check_invalid(&settings(&json!({"format": "ntfy"})), "topic: it is missing");
    check_invalid(&settings(&json!({"topic": "x"})), "topic: it is for the format ntfy only");
    check_invalid(&settings(&json!({"format": "ntfy", "topic": "x", "template": "x"})), "template: it is for");
    check_invalid(&settings(&json!({"format": "template", "template": "x", "topic": "x"})), "topic: it is for");
    check_invalid(&settings(&json!({"format": "irc"})), "unknown variant `irc`");
    check_invalid("{}", "missing field `url`");
}

#[test]
fn levels_are_colours_and_priorities() {
    let check = |level: &str, color: &str, priority: u32, tags: Value| {
        let notice = Notice { level: level.to_owned(), kind: "k".to_owned(), ..Notice::default() };
        let card = &body(&notice, "teams")["attachments"][0]["content"];
        assert_eq!(card["body"][0]["inlines"][0]["color"], json!(color), "{level}");
        let message = body(&notice, "ntfy");
        assert_eq!((&message["priority"], &message["tags"]), (&json!(priority), &tags), "{level}");
    };
    check("debug", "Default", 2, json!(["k"]));
    check("info", "Default", 3, json!(["k"]));
    check("unheard-of", "Default", 3, json!(["k"]));
    check("warning", "Warning", 4, json!(["warning", "k"]));
    check("error", "Attention", 4, json!(["x", "k"]));
    check("critical", "Attention", 5, json!(["rotating_light", "k"]));
}

#[test]
fn answers_of_the_other_side_keep_their_meaning() {
    let check = |status: u16, headers: &[(&str, &str)], body: &str, expected: Result<(), Error>| {
        let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
        let response =
            HttpResponse { status, headers: headers.iter().map(header).collect(), body: body.as_bytes().to_vec() };
        let notice = Notice::default();
        let state = next::<Webhook>(&notice, &settings(&json!({})), b"", vec![]).unwrap().state;
        let got = next::<Webhook>(&notice, &settings(&json!({})), &state, vec![Reply::Http(response)]);
        assert_eq!(got.map(|step| assert_eq!(step.actions, [])), expected, "for {status}");
    };
    for status in [200, 201, 202, 204, 299] {
        check(status, &[], "whatever", Ok(()));
    }
    check(429, &[("retry-after", "7")], r#"{"retry_after": 6.4}"#, Err(Error::RateLimited(Some(7))));
    check(429, &[], "", Err(Error::RateLimited(None)));
    check(401, &[], "", Err(Error::Unauthorized));
    check(403, &[], "action_prohibited", Err(Error::Unauthorized));
    check(404, &[], "no_service", Err(Error::NotFound));
    check(410, &[], "channel_is_archived", Err(Error::NotFound));
    check(503, &[], "", Err(Error::Unavailable("status 503".to_owned())));
    let refused = "the webhook refused the notice with status 400: invalid_payload";
    check(400, &[], "invalid_payload\n", Err(Error::Other(refused.to_owned())));
    let moved = "the webhook has moved to https://new.example/a; set url to where it is now";
    check(301, &[("location", "https://new.example/a")], "", Err(Error::Other(moved.to_owned())));
}

/// Every text in `value`, of objects of this `type`; of all if it is none.
fn texts<'a>(value: &'a Value, of_type: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(all) => all.iter().for_each(|value| texts(value, of_type, found)),
        Value::Object(fields) => {
            if fields.get("type").and_then(Value::as_str) == Some(of_type) {
                found.extend(fields.get("text").and_then(Value::as_str));
            }
            fields.values().for_each(|value| texts(value, of_type, found));
        }
        _ => {}
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

fn any_notice() -> impl Strategy<Value = Notice> {
    let text = (r#"([a-z<>&"`*_\\👍\n ]){0,60}"#, 0_usize..200).prop_map(|(piece, count)| piece.repeat(count));
    let strange = prop_oneof![any::<String>(), r#"[<>&"`*_\\👍]{0,800}"#];
    (text, strange, r#"(https://)?[a-z<>|&" ]{0,700}"#, any::<u64>()).prop_map(|(text, strange, link, time)| {
        let own = || strange.clone();
        Notice {
            kind: own(),
            level: own(),
            handler: own(),
            namespace: own(),
            workload: own(),
            container: own(),
            image: own(),
            from: own(),
            to: own(),
            newest: format!("{strange}!"),
            link,
            title: own(),
            text,
            command: own(),
            answers: vec![],
            time,
            key: own(),
        }
    })
}

proptest! {
    #[test]
    fn the_document_loses_nothing(notice in any_notice()) {
        let document = body(&notice, "json");
        prop_assert_eq!(document["title"].as_str(), Some(notice.title.as_str()));
        prop_assert_eq!(document["text"].as_str(), Some(notice.text.as_str()));
        prop_assert_eq!(document["timeSeconds"].as_u64(), Some(notice.time));
    }

    #[test]
    fn slack_takes_every_message(notice in any_notice()) {
        let message = body(&notice, "slack");
        let blocks = message["blocks"].as_array().unwrap();
        prop_assert!((1..=50).contains(&blocks.len()));
        let (mut plain, mut marked) = (Vec::new(), vec![message["text"].as_str().unwrap()]);
        texts(&message, "plain_text", &mut plain);
        texts(&message, "mrkdwn", &mut marked);
        prop_assert!(plain.iter().all(|text| !text.is_empty() && units(text) <= 150));
        for text in marked {
            prop_assert!(!text.is_empty() && units(text) <= 3000, "{} units", units(text));
            // The only markup with angle brackets is the link at the end, which begins the text.
            let text = if text.starts_with("<https://") { &text[1..text.len() - 1] } else { text };
            prop_assert!(!text.contains(['<', '>']), "{}", text);
        }
        for block in blocks {
            let fields = block["fields"].as_array().cloned().unwrap_or_default();
            prop_assert!(fields.len() <= 10);
            prop_assert!(fields.iter().all(|field| units(field["text"].as_str().unwrap()) <= 2000));
        }
    }

    #[test]
    fn discord_takes_every_message(notice in any_notice()) {
        let message = body(&notice, "discord");
        let content = message["content"].as_str().unwrap();
        prop_assert!(!content.trim().is_empty() && units(content) <= 2000, "{} units", units(content));
        prop_assert_eq!(&message["allowed_mentions"], &json!({"parse": []}));
    }

    #[test]
    fn teams_takes_every_message(notice in any_notice()) {
        let message = body(&notice, "teams").to_string();
        prop_assert!(message.len() <= 28 * 1024, "{} bytes", message.len());
    }

    #[test]
    fn ntfy_takes_every_message(notice in any_notice()) {
        let message = body(&notice, "ntfy");
        let text = message["message"].as_str().unwrap();
        prop_assert!(!text.is_empty() && text.len() <= 4096, "{} bytes", text.len());
        prop_assert!(message["title"].as_str().unwrap().chars().count() <= 250);
    }
}
