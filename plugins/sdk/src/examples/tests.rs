use super::*;
use crate::exchange::{Error, HttpRequest, Mail, Replies};
use crate::notice::Notice;
use crate::registry::{Asked, NoSettings, Step, Tag};
use crate::version_parser::VersionParser;

/// Reads numbers; `13` it takes for the same version as `12`.
struct Numbers;

impl VersionParser for Numbers {
    type Settings = NoSettings;

    fn prepare(_: NoSettings) -> Result<Self, String> {
        Ok(Self)
    }

    fn parse(&self, tag: &str) -> Option<Version> {
        tag.parse().ok().map(|number: u64| Version::release([if number == 13 { 12 } else { number }]))
    }
}

/// Asks for one page, whose body is a tag, unless the answer is not 200.
struct OnePage;

impl Registry for OnePage {
    type Settings = NoSettings;
    type State = ();

    fn begin(asked: &Asked<'_, NoSettings>) -> Result<Step<()>, Error> {
        Ok(Step::request(HttpRequest::get(format!("https://{}", asked.repository.registry)), ()))
    }

    fn proceed(_: &Asked<'_, NoSettings>, (): (), replies: Replies) -> Result<Step<()>, Error> {
        let response = replies.http()?;
        match response.status {
            200 => Ok(Step::finished(vec![Tag::named(String::from_utf8_lossy(&response.body))])),
            404 => Err(Error::NotFound),
            _ => Ok(Step::request(HttpRequest::get("https://again"), ())),
        }
    }
}

/// Mails the title, and then posts it with the answers' values.
struct MailAndPost;

impl Notifier for MailAndPost {
    type Settings = NoSettings;
    type State = bool;

    fn begin(notice: &Notice, _: &NoSettings) -> Result<crate::notifier::Step<bool>, Error> {
        let mail = Mail { to: vec!["a@b".to_owned()], subject: notice.title.clone(), text: "t".to_owned(), html: None };
        Ok(crate::notifier::Step::mail(mail, true))
    }

    fn proceed(
        notice: &Notice,
        _: &NoSettings,
        is_first: bool,
        replies: Replies,
    ) -> Result<crate::notifier::Step<bool>, Error> {
        if is_first {
            replies.mailed()?;
            let values: Vec<_> = notice.answers.iter().map(|answer| &answer.value).collect();
            let request = HttpRequest::post("https://b").json(&values)?;
            return Ok(crate::notifier::Step::request(request, false));
        }
        replies.http().map(|_| crate::notifier::Step::delivered())
    }
}

#[track_caller]
fn check(outcome: Result<(), Failed>, expected: Result<(), &str>) {
    match expected {
        Ok(()) => assert_eq!(outcome, Ok(())),
        Err(text) => {
            let got = outcome.expect_err(text).to_string();
            assert!(got.contains(text), "{got:?} without {text:?}");
        }
    }
}

#[test]
fn version_examples_are_compared_field_by_field() {
    let check = |example: &str, expected| {
        let manifest = format!(r#"{{"kind": "version-parser", "examples": [{{"name": "e", {example}}}]}}"#);
        check(run_version_parser::<Numbers>(&manifest), expected);
    };
    check(r#""tags": ["1", "x"], "versions": [{"levels": [1]}, null], "ascending": ["1", "2", "10"]"#, Ok(()));
    check(r#""tags": ["1"], "versions": [{"levels": [1], "tail": ""}]"#, Ok(()));
    check(r#""tags": ["1"], "versions": [{"levels": [1], "tail": "00"}]"#, Err("example \"e\": tag \"1\": expected"));
    check(r#""tags": ["1"], "versions": [{"levels": [2]}]"#, Err("tag \"1\": expected"));
    check(r#""tags": ["1"], "versions": [{"levels": [1], "flavor": "-x"}]"#, Err("tag \"1\": expected"));
    check(r#""tags": ["x"], "versions": [{"levels": [1]}]"#, Err("got None"));
    check(r#""tags": ["1"], "versions": [null]"#, Err("expected None"));
    check(r#""tags": ["1"], "versions": []"#, Err("0 versions are expected for 1 tags"));
    check(r#""ascending": ["12", "13"]"#, Err("not two versions in ascending order"));
    check(r#""ascending": ["12", "x"]"#, Err("not two versions in ascending order"));
    check(r#""settings": {"a": 1}, "error": "unknown field""#, Ok(()));
    check(r#""settings": {"a": 1}, "error": "else""#, Err("expected an error containing \"else\""));
    check(r#""tags": [], "error": "else""#, Err("got none"));
    check(r#""tag": "1""#, Err("example \"e\": cannot be read: unknown field `tag`"));
}

#[test]
fn conversations_must_ask_exactly_what_the_example_says() {
    const ASK: &str = r#""repository": {"registry": "r", "name": "n"}, "question": {"tags": null}"#;
    const GET: &str = r#""request": {"method": "GET", "url": "https://r"}"#;
    let check = |rest: &str, expected| {
        let manifest = format!(r#"{{"kind": "registry", "examples": [{{"name": "e", {ASK}, {rest}}}]}}"#);
        check(run_registry::<OnePage>(&manifest), expected);
    };
    let answer = |answer: &str| format!(r#""exchanges": [{{{GET}, {answer}}}]"#);
    let page = answer(r#""response": {"status": 200, "body": "1.0"}"#);
    let absent = answer(r#""response": {"status": 404}"#);
    check(&format!(r#"{page}, "tags": [{{"name": "1.0"}}]"#), Ok(()));
    check(&format!(r#"{page}, "tags": [{{"name": "1.1"}}]"#), Err("expected the tags"));
    check(&format!(r#"{page}, "tags": [{{"name": "1.0", "source": "https://s"}}]"#), Err("expected the tags"));
    check(&format!(r#"{absent}, "error": "not-found""#), Ok(()));
    check(
        &format!(r#"{absent}, "error": "unauthorized""#),
        Err("expected the error unauthorized, got Error::NotFound"),
    );
    check(&absent, Err("failed with Error::NotFound"));
    check(&format!(r#"{page}, "error": "not-found""#), Err("expected the error not-found, got none"));
    check(&format!(r#"{}, "error": "unavailable""#, answer(r#""failure": "timeout""#)), Ok(()));
    check(&answer(r#""response": {"status": 500}"#), Err("which the example lacks"));
    check(&answer(r#""response": {"status": 200}, "failure": "tls""#), Err("needs either `response` or `failure`"));
    check(r#""exchanges": []"#, Err("which the example lacks"));
    let other = r#""exchanges": [{"request": {"method": "HEAD", "url": "https://r"}, "failure": "tls"}]"#;
    check(other, Err("expected the request"));
    let surplus = format!(r#""exchanges": [{{{GET}, "response": {{"status": 404}}}}, {{{GET}, "failure": "tls"}}]"#);
    check(&surplus, Err("while 1 exchanges of the example are left"));
}

#[test]
fn notices_are_mailed_and_posted_as_the_example_says() {
    let check = |mail: &str, post: &str, expected| {
        let notice = r#""notice": {"title": "T", "answers": [{"label": "Yes", "value": "y"}]}"#;
        let exchanges = format!("[{mail}{post}]");
        let manifest =
            format!(r#"{{"kind": "notifier", "examples": [{{"name": "e", {notice}, "exchanges": {exchanges}}}]}}"#);
        check(run_notifier::<MailAndPost>(&manifest), expected);
    };
    let mail = r#"{"mail": {"to": ["a@b"], "subject": "T"}}"#;
    let post = |more: &str| {
        format!(r#", {{"request": {{"method": "POST", "url": "https://b"{more}}}, "response": {{"status": 200}}}}"#)
    };
    check(mail, &post(""), Ok(()));
    check(mail, &post(r#", "json": [ "y" ]"#), Ok(()));
    check(mail, &post(r#", "body": "[\"y\"]""#), Ok(()));
    check(&mail.replace(r#""T""#, r#""T", "text": "t""#), &post(""), Ok(()));
    check(mail, &post(r#", "json": ["n"]"#), Err(r#"with the body ["n"], got the body ["y"]"#));
    check(mail, &post(r#", "body": "[ \"y\" ]""#), Err("got the body"));
    check(mail, &post(r#", "body": "", "json": 1"#), Err("either `body` or `json`"));
    check(&mail.replace("a@b", "c@d"), "", Err("the recipients \"c@d\", got \"a@b\""));
    check(&mail.replace(r#""T""#, r#""U""#), "", Err("the subject \"U\", got \"T\""));
    check(&mail.replace(r#""T""#, r#""T", "text": "u""#), "", Err("the text \"u\", got \"t\""));
    check(&mail.replace(r#""T""#, r#""T", "html": "u""#), "", Err("the HTML part \"u\", got \"\""));
    check(&mail.replace("}}", r#"}, "response": {"status": 200}}"#), "", Err("a mail has no `response`"));
    check(&mail.replace("}}", r#"}, "failure": "mail"}"#), "", Err("failed with Error::Unavailable"));
    check(&post("")[2..], "", Err("expected the request POST https://b without a credential, got a mail to a@b"));
    check(mail, &format!(", {mail}"), Err("expected a mail to a@b, got the request POST https://b"));
    check(r#"{"failure": "tls"}"#, "", Err("needs either `request` or `mail`"));
}

#[test]
fn examples_of_another_kind_are_refused() {
    check(run_registry::<OnePage>(r#"{"kind": "version-parser"}"#), Err("kind is \"version-parser\""));
    check(run_registry::<OnePage>("{"), Err("plugin manifest: EOF"));
}
