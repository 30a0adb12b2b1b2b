use k8supdater_plugin::notifier::next;
use k8supdater_plugin::{Action, Answer, Error, Failure, Mail, Notice, Reply};
use proptest::prelude::*;

use crate::{Email, html};

fn notice() -> Notice {
    let own = str::to_owned;
    Notice {
        kind: own("update-available"),
        level: own("warning"),
        handler: own("web"),
        namespace: own("shop"),
        workload: own("Deployment/web"),
        container: own("nginx"),
        image: own("docker.io/library/nginx"),
        from: own("1.25.3"),
        to: own("1.27.0"),
        newest: own("1.27.0"),
        link: own("https://hub.docker.com/_/nginx/tags?page=1&name=1.27"),
        title: own("nginx 1.27.0 is available for shop/web"),
        text: own("It differs left of the frontier & waits for you.\n\nSecond paragraph,\nsecond line."),
        command: own("k8supdater approve shop/web"),
        answers: vec![Answer { label: own("Update"), value: own("u:1") }],
        time: 1_705_312_801,
        key: own("k"),
    }
}

fn mail(notice: &Notice, settings: &str) -> Result<Mail, Error> {
    let mut step = next::<Email>(notice, settings, b"", vec![])?;
    match step.actions.pop() {
        Some(Action::Mail(mail)) if step.actions.is_empty() => Ok(mail),
        other => panic!("{other:?}"),
    }
}

const ONE: &str = r#"{"recipients": ["ops@example.com"]}"#;

#[test]
fn examples_hold() {
    k8supdater_plugin::examples::run_notifier::<Email>(include_str!("../plugin.json")).unwrap();
}

#[test]
fn a_mail_says_all_there_is_to_say() {
    let mail = mail(&notice(), r#"{"recipients": ["ops@example.com", "me@example.com"], "subjectPrefix": "[test] "}"#);
    let mail = mail.unwrap();
    assert_eq!(mail.to, ["ops@example.com", "me@example.com"]);
    assert_eq!(mail.subject, "[test] nginx 1.27.0 is available for shop/web");
    let expected = "nginx 1.27.0 is available for shop/web\n\n\
        It differs left of the frontier & waits for you.\n\nSecond paragraph,\nsecond line.\n\n\
        Handler:   shop/web\n\
        Workload:  Deployment/web\n\
        Container: nginx\n\
        Image:     docker.io/library/nginx\n\
        From:      1.25.3\n\
        To:        1.27.0\n\
        Time:      2024-01-15 10:00:01 UTC\n\n\
        Next step:\n\n    k8supdater approve shop/web\n\n\
        More: https://hub.docker.com/_/nginx/tags?page=1&name=1.27\n\n\
        -- \nSent by k8supdater\n";
    assert_eq!(mail.text, expected);
    let html = mail.html.unwrap();
    for part in [
        "<title>nginx 1.27.0 is available for shop/web</title>",
        ">Warning</span>",
        "It differs left of the frontier &amp; waits for you.</p>",
        ">Second paragraph,<br>\nsecond line.</p>",
        ">Image</td>",
        ">docker.io/library/nginx</td>",
        ">k8supdater approve shop/web</pre>",
        r#"<a href="https://hub.docker.com/_/nginx/tags?page=1&amp;name=1.27""#,
    ] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
    // Whoever answers a mail answers nobody.
    assert!(!html.contains("u:1") && !mail.text.contains("u:1"));
    // Nothing is loaded from anywhere, or the mail would tell that it was read.
    assert!(!html.contains("<img") && !html.contains("src=") && !html.contains("url("));
}

#[test]
fn what_is_missing_leaves_no_gap() {
    let bare = Notice { title: "Hello".to_owned(), text: "Hello".to_owned(), ..Notice::default() };
    let mail = mail(&bare, ONE).unwrap();
    assert_eq!(mail.text, "Hello\n\n-- \nSent by k8supdater\n");
    let html = mail.html.unwrap();
    assert!(!html.contains("<pre") && !html.contains("<a ") && !html.contains("<span"), "{html}");
    assert_eq!(html.matches("Hello").count(), 2, "{html}");
}

#[test]
fn a_link_that_is_none_for_browsers_is_text() {
    let html = |link: &str| html::of(&Notice { link: link.to_owned(), ..notice() });
    assert!(!html("javascript:alert(1)").contains("href"));
    assert!(html("https://example.com/\" onclick=\"x").contains("href=\"https://example.com/&quot; onclick=&quot;x\""));
}

#[test]
fn the_mail_server_decides_whether_it_was_delivered() {
    let state = next::<Email>(&notice(), ONE, b"", vec![]).unwrap().state;
    let check = |reply: Reply, expected: Result<(), Error>| {
        let last = next::<Email>(&notice(), ONE, &state, vec![reply]);
        assert_eq!(last.map(|step| assert_eq!(step.actions, [])), expected);
    };
    check(Reply::Mailed, Ok(()));
    let refused = Error::Unavailable("the mail server refused: 550 no such user".to_owned());
    check(Reply::Failed(Failure::Mail("550 no such user".to_owned())), Err(refused));
    check(Reply::Failed(Failure::Timeout), Err(Error::Unavailable("no answer in the time allowed".to_owned())));
}

#[test]
fn settings_without_recipients_are_refused() {
    let check = |settings: &str, text: &str| {
        let got = mail(&notice(), settings);
        assert!(matches!(&got, Err(Error::InvalidSettings(why)) if why.contains(text)), "{got:?} without {text:?}");
    };
    check("{}", "missing field `recipients`");
    check(r#"{"recipients": []}"#, "there is none");
    check(r#"{"recipients": ["a@b\nx"]}"#, "has a character");
    check(r#"{"recipients": ["a@b"], "recipient": "c"}"#, "unknown field `recipient`");
}

/// The tags of a document, in their order, without attributes.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|tag| tag.split([' ', '>']).next().unwrap_or_default()).collect()
}

fn unescape(text: &str) -> String {
    let pairs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// A notice of which every field holds `text`.
fn full_of(text: &str) -> Notice {
    let own = || text.to_owned();
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
        newest: own(),
        link: own(),
        title: own(),
        text: own(),
        command: own(),
        answers: vec![Answer { label: own(), value: own() }],
        time: 1,
        key: own(),
    }
}

proptest! {
    #[test]
    fn escaping_loses_nothing(text in r"[^\p{Cc}]*") {
        let escaped = html::escape(&text);
        prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        prop_assert_eq!(unescape(&escaped), text);
    }

    #[test]
    fn no_content_changes_the_structure(text in r#"[^\p{Cc}\s]([^\p{Cc}]|[<>&"'])*"#) {
        let (html, plain) = (html::of(&full_of(&text)), html::of(&full_of("x")));
        prop_assert_eq!(tags(&html), tags(&plain));
    }

    #[test]
    fn a_mail_is_always_composed_and_its_head_is_safe(text in any::<String>(), prefix in any::<String>(), time in any::<u64>()) {
        let settings = serde_json::json!({"recipients": ["a@b"], "subjectPrefix": prefix}).to_string();
        let mail = mail(&Notice { time, ..full_of(&text) }, &settings).unwrap();
        prop_assert!(!mail.subject.chars().any(char::is_control), "{:?}", mail.subject);
        prop_assert!(mail.subject.chars().count() <= 200);
        prop_assert!(!mail.text.chars().any(|character| character.is_control() && !matches!(character, '\n' | '\t')));
        prop_assert!(!mail.html.unwrap().contains('\r'));
    }
}
