use super::*;
use crate::testing::manifest;

fn check_refusal(json: &str, expected: &str) {
    let message = Manifest::parse(json.as_bytes()).unwrap_err().to_string();
    assert!(message.contains(expected), "{message:?} without {expected:?}");
}

#[test]
fn a_manifest_with_every_field_is_read() {
    let json = r#"{
        "name": "registry-x", "version": "0.1.0", "kind": "registry", "description": "Lists.", "license": "MIT",
        "settings": {"type": "object", "properties": {"baseUrl": {"type": "string", "default": "https://x.example"}}},
        "origins": [
            {"origin": "$registry", "reason": "to list"},
            {"origin": "https://api.example.com", "reason": "to ask"},
            {"setting": "baseUrl", "reason": "to ask elsewhere"}
        ],
        "slots": [
            {"name": "one", "scheme": "oci-token", "description": "an access token"},
            {"name": "two", "scheme": {"header": "PRIVATE-TOKEN"}},
            {"name": "four", "scheme": {"hmac-sha256": "X-Signature"}},
            {"name": "three", "scheme": {"login": {"path": "/token", "username": "u", "password": "p", "token": "t"}}}
        ],
        "examples": [{"name": "e", "repository": {"registry": "r", "name": "n"}, "question": {"tags": null}}]
    }"#;
    let read = Manifest::parse(json.as_bytes()).unwrap();
    assert_eq!((read.name.as_str(), read.version.as_str(), read.kind), ("registry-x", "0.1.0", Kind::Registry));
    let origins: Vec<_> = read.origins.iter().map(|asked| (asked.origin.to_string(), asked.reason.as_str())).collect();
    assert_eq!(
        origins,
        [
            ("$registry".to_owned(), "to list"),
            ("https://api.example.com".to_owned(), "to ask"),
            ("origin of the setting baseUrl".to_owned(), "to ask elsewhere")
        ]
    );
    assert_eq!(read.default_settings(), serde_json::json!({"baseUrl": "https://x.example"}));
    let slots: Vec<_> = read.slots.iter().map(|slot| (slot.name.as_str(), slot.scheme.to_string())).collect();
    let expected = [
        ("one", "oci-token"),
        ("two", "header PRIVATE-TOKEN"),
        ("four", "hmac-sha256 X-Signature"),
        ("three", "login /token"),
    ];
    assert_eq!(slots, expected.map(|(name, scheme)| (name, scheme.to_owned())));
    assert_eq!(read.examples.len(), 1);
}

#[test]
fn what_is_left_out_is_nothing_at_all() {
    let read = Manifest::parse(manifest("notifier", "").as_bytes()).unwrap();
    assert!(read.origins.is_empty() && read.slots.is_empty() && read.examples.is_empty());
    let schema = crate::settings::Schema::compile(&read.settings).unwrap();
    assert!(schema.apply(&serde_json::json!({})).is_ok());
    assert!(schema.apply(&serde_json::json!({"a": 1})).is_err());
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    check_refusal("{", "EOF while parsing");
    check_refusal("{}", "missing field `name`");
    check_refusal(
        &manifest("regsitry", ""),
        r#"unknown kind "regsitry", expected one of: notifier, registry, version-parser"#,
    );
    check_refusal(&manifest("registry", r#", "setings": {}"#), "unknown field `setings`, expected one of");
    check_refusal(&manifest("registry", r#", "settings": []"#), "settings: it is no JSON Schema");
    check_refusal(
        &manifest("registry", r#", "settings": {"$ref": "https://example.com/x"}"#),
        "settings: it is no JSON Schema that can be used",
    );
    let origins = |origins: &str| manifest("registry", &format!(r#", "origins": [{origins}]"#));
    check_refusal(&origins(r#"{"origin": "example.com", "reason": "x"}"#), "origins[0].origin: ");
    check_refusal(&origins(r#"{"origin": "https://example.com", "reason": " "}"#), "origins[0].reason: it is empty");
    check_refusal(&origins(r#"{"origin": "https://example.com"}"#), "missing field `reason`");
    let either = "origins[0]: it needs either `origin` or `setting`";
    check_refusal(&origins(r#"{"reason": "x"}"#), either);
    check_refusal(&origins(r#"{"origin": "$registry", "setting": "a", "reason": "x"}"#), either);
    let of_setting = |setting: &str, properties: &str| {
        let fields = format!(
            r#", "settings": {{"properties": {properties}}}, "origins": [{{"setting": "{setting}", "reason": "x"}}]"#
        );
        manifest("registry", &fields)
    };
    check_refusal(
        &of_setting("a", r#"{"a": {"type": ["string", "null"]}, "b": {"type": "string"}, "c": {"type": "string"}}"#),
        r#"origins[0].setting: "a" is no property of type "string" of the settings; such properties are: b, c"#,
    );
    check_refusal(&of_setting("a", "{}"), "such properties are: none");
    let many = vec![r#"{"origin": "$registry", "reason": "x"}"#; 33].join(",");
    check_refusal(&origins(&many), "origins: there are 33 entries, and 32 are allowed");
    let slots = |slots: &str| manifest("registry", &format!(r#", "slots": [{slots}]"#));
    check_refusal(
        &slots(r#"{"name": "a", "scheme": "baerer"}"#),
        "unknown variant `baerer`, expected one of `basic`, `bearer`",
    );
    check_refusal(
        &slots(r#"{"name": "A", "scheme": "basic"}"#),
        r#"slots[0].name: "A" is no name; expected up to 50 lower-case"#,
    );
    check_refusal(
        &slots(r#"{"name": "a", "scheme": "basic"}, {"name": "a", "scheme": "url"}"#),
        r#"slots[1].name: there are two slots named "a""#,
    );
    check_refusal(&slots(r#"{"name": "a", "scheme": {"header": "a b"}}"#), r#""a b" is no name of an HTTP header"#);
    check_refusal(
        &slots(r#"{"name": "a", "scheme": {"hmac-sha256": "a: b"}}"#),
        r#"slots[0].scheme.hmac-sha256: "a: b" is no name of an HTTP header"#,
    );
    check_refusal(&slots(r#"{"name": "a", "scheme": "hmac-sha256"}"#), "expected newtype variant");
    let login = |form: &str| slots(&format!(r#"{{"name": "a", "scheme": {{"login": {{{form}}}}}}}"#));
    check_refusal(&slots(r#"{"name": "a", "scheme": "login"}"#), "expected newtype variant");
    check_refusal(&login(r#""path": "/token", "username": "u", "password": "p""#), "missing field `token`");
    check_refusal(
        &login(r#""path": "/token", "username": "u", "password": "p", "token": "t", "origin": "x""#),
        "unknown field `origin`",
    );
    check_refusal(
        &login(r#""path": "https://evil.example/", "username": "u", "password": "p", "token": "t""#),
        r#"slots[0].scheme.login.path: "https://evil.example/" is no path to log in at"#,
    );
    let long = format!(r#", "settings": {{"title": "{}"}}"#, "x".repeat(LARGEST));
    check_refusal(&manifest("registry", &long), "and 262144 are allowed");
    check_refusal(&manifest("registry", "").replace("For tests.", r"a\nb"), "description: it has line breaks");
    check_refusal(&manifest("registry", "").replace("\"test\"", "\"-test\""), r#"name: "-test" is no name"#);
}

#[test]
fn answers_come_back_only_where_the_host_can_listen() {
    let with = |kind: &str, slots: &str, properties: &str| {
        let fields =
            format!(r#", "answers": "telegram", "slots": [{slots}], "settings": {{"properties": {{{properties}}}}}"#);
        manifest(kind, &fields)
    };
    let (bot, settings) = (r#"{"name": "bot", "scheme": "url"}"#, r#""apiUrl": {}, "chatId": {}, "approvers": {}"#);
    let parsed = Manifest::parse(with("notifier", bot, settings).as_bytes()).unwrap();
    assert_eq!(parsed.answers, Some(Answers::Telegram));
    assert_eq!(Manifest::parse(manifest("notifier", "").as_bytes()).unwrap().answers, None);
    check_refusal(&with("registry", bot, settings), "answers: only a notifier's notices can be answered");
    check_refusal(&with("notifier", "", settings), r#"answers: answers by telegram need a slot named "bot""#);
    let bearer = r#"{"name": "bot", "scheme": "bearer"}"#;
    check_refusal(&with("notifier", bearer, settings), "of scheme url");
    check_refusal(&with("notifier", bot, r#""apiUrl": {}, "chatId": {}"#), r#"need a setting named "approvers""#);
    check_refusal(&manifest("notifier", r#", "answers": "pigeon""#), "unknown variant `pigeon`, expected `telegram`");
}

#[test]
fn an_example_that_cannot_be_read_is_named() {
    let check = |kind: &str, example: &str, expected: &str| {
        check_refusal(&manifest(kind, &format!(r#", "examples": [{example}]"#)), expected);
    };
    check("version-parser", r#"{"name": "e", "tag": "1"}"#, r#"examples[0] "e": unknown field `tag`"#);
    check("version-parser", "{}", "examples[0]: missing field `name`");
    check("registry", r#"{"name": "e"}"#, r#"examples[0] "e": missing field `repository`"#);
    check("notifier", r#"{"name": "e", "notice": {"kid": ""}}"#, r#"examples[0] "e": unknown field `kid`"#);
    let exchange = |answer: &str| {
        let request = r#""request": {"method": "GET", "url": "https://r"}"#;
        format!(r#"{{"name": "e", "notice": {{}}, "exchanges": [{{{request}{answer}}}]}}"#)
    };
    check("notifier", &exchange(""), "the exchange for https://r needs either `response` or `failure`");
    check("notifier", &exchange(r#", "response": {"status": 200}, "failure": "tls""#), "needs either");
    check("notifier", &exchange(r#", "response": {"status": 200, "body": "", "json": 1}"#), "either `body` or `json`");
    let mail = |more: &str| {
        let mail = r#""mail": {"to": ["a@b"], "subject": "s"}"#;
        format!(r#"{{"name": "e", "notice": {{}}, "exchanges": [{{{mail}{more}}}]}}"#)
    };
    check("notifier", &mail(r#", "response": {"status": 200}"#), "a mail has no `response`");
    check("notifier", &mail(r#", "request": {"method": "GET", "url": "https://r"}"#), "either `request` or `mail`");
    check(
        "notifier",
        &exchange(r#", "failure": "tls""#).replace("\"https://r\"", r#""https://r", "body": "", "json": 1"#),
        "either `body` or `json`",
    );
    let answer = r#"{"name": "e", "notice": {"answers": [{"label": "Yes", "valeu": "y"}]}}"#;
    check("notifier", answer, "unknown field `valeu`");
    check("version-parser", &[r#"{"name": "e"}"#; 65].join(","), "examples: there are 65, and 64 are allowed");
}
