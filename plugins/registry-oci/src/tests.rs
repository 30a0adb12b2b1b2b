use k8supdater_plugin::registry::{EncodedStep, next};
use k8supdater_plugin::{Action, Error, Failure, Header, HttpResponse, Question, Reply, Repository, Tag};
use sha2::{Digest, Sha256};

use super::*;

const TAGS: Question = Question::Tags(None);
const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

#[test]
fn the_examples_of_the_plugin_manifest_come_out() {
    k8supdater_plugin::examples::run_registry::<Oci>(include_str!("../plugin.json")).unwrap();
}

fn repository(registry: &str, name: &str) -> Repository {
    Repository { registry: registry.to_owned(), name: name.to_owned() }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
    Reply::Http(HttpResponse { status, headers: headers.iter().map(header).collect(), body: body.as_bytes().to_vec() })
}

/// The last step after these replies, one per turn, to a question about `r.test/team/app`.
fn converse(question: &Question, replies: Vec<Reply>) -> Result<EncodedStep, Error> {
    let repository = repository("r.test", "team/app");
    let first = next::<Oci>(&repository, question, "{}", b"", vec![]);
    replies.into_iter().fold(first, |step, reply| next::<Oci>(&repository, question, "{}", &step?.state, vec![reply]))
}

/// Method and URL that a step asks for.
fn asked(step: &EncodedStep) -> Vec<(&str, &str)> {
    fn request(action: &Action) -> (&str, &str) {
        match action {
            Action::Http(request) => (&request.method, &request.url),
            Action::Mail(_) => panic!("a registry sends no mail"),
        }
    }
    step.actions.iter().map(request).collect()
}

#[track_caller]
fn check_invalid(got: &Result<EncodedStep, Error>, text: &str) {
    assert!(matches!(got, Err(Error::InvalidReply(why)) if why.contains(text)), "{got:?} without {text:?}");
}

#[test]
fn requests_name_the_slot_and_the_types_of_manifests() {
    let first = converse(&Question::Tag("1.0".to_owned()), vec![]).unwrap();
    let [Action::Http(request)] = first.actions.as_slice() else { panic!("{:?}", first.actions) };
    assert_eq!(request.credential.as_deref(), Some("registry"));
    let [Header { name, value }] = request.headers.as_slice() else { panic!("{:?}", request.headers) };
    let types: Vec<&str> = value.split(", ").collect();
    assert_eq!(name, "accept");
    assert_eq!(
        types,
        [
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        ]
    );
}

#[test]
fn every_setting_shows_in_the_request() {
    let check = |registry: &str, settings: &str, expected: &str| {
        let step = next::<Oci>(&repository(registry, "a/b"), &TAGS, settings, b"", vec![]).unwrap();
        assert_eq!(asked(&step), [("GET", expected)], "for {settings}");
    };
    check("r.test", "{}", "https://r.test/v2/a/b/tags/list?n=1000");
    check("r.test", r#"{"pageSize": 7}"#, "https://r.test/v2/a/b/tags/list?n=7");
    check("[::1]:5000", r#"{"plainHttp": true}"#, "http://[::1]:5000/v2/a/b/tags/list?n=1000");
    check("docker.io", "{}", "https://registry-1.docker.io/v2/a/b/tags/list?n=1000");
    check("ghcr.io", "{}", "https://ghcr.io/v2/a/b/tags/list?n=1000");
    let unknown = next::<Oci>(&repository("r.test", "a"), &TAGS, r#"{"pagesize": 7}"#, b"", vec![]);
    assert!(
        matches!(&unknown, Err(Error::InvalidSettings(why)) if why.contains("unknown field `pagesize`")),
        "{unknown:?}"
    );
}

#[test]
fn no_name_changes_where_a_request_goes() {
    let check = |registry: &str, name: &str, question: &Question| {
        let got = next::<Oci>(&repository(registry, name), question, "{}", b"", vec![]);
        assert!(
            matches!(&got, Err(Error::Other(why)) if why.contains("cannot be")),
            "{registry:?} {name:?} {question:?}: {got:?}"
        );
    };
    for registry in ["", "r.test/x", "me@r.test", "r.test?x", "r.test#", "r test", "r.test\\x"] {
        check(registry, "app", &TAGS);
    }
    for name in ["", "/app", "app/", "a//b", "../app", "a/../b", "app?x=", "app#", "App", "a b", "a%2fb"] {
        check("r.test", name, &TAGS);
    }
    for tag in ["", "..", ".x", "a/b", "a?b", "a b", "ä", "sha256:0"] {
        check("r.test", "app", &Question::Tag(tag.to_owned()));
    }
}

#[test]
fn a_page_holds_tags_or_says_why_not() {
    let check = |body: &str, expected: &[&str]| {
        let tags: Vec<Tag> = expected.iter().map(|name| Tag::named(*name)).collect();
        let last = converse(&TAGS, vec![answer(200, &[], body)]).unwrap();
        assert_eq!((last.tags, last.actions.len()), (tags, 0), "for {body}");
    };
    check(r#"{"name": "team/app", "tags": ["1.0", "latest"]}"#, &["1.0", "latest"]);
    check(r#"{"name": "team/app", "tags": []}"#, &[]);
    check(r#"{"name": "team/app", "tags": null}"#, &[]);
    check("{}", &[]);
    let check = |body: &str, text| check_invalid(&converse(&TAGS, vec![answer(200, &[], body)]), text);
    check("", "empty body");
    check(r#"{"tags": ["1.0", "#, "EOF");
    check("<!doctype html>", "near `<!doctype html>`");
    check(r#"{"tags": [1]}"#, "expected a string");
    check(r#"{"tags": "1.0"}"#, "expected a sequence");
    check(r#"{"errors": [{"code": "DENIED", "message": "no"}]}"#, "status 200 with errors: DENIED no");
}

#[test]
fn an_answer_that_never_came_is_unavailable() {
    let check = |failure: Failure, text: &str| {
        let got = converse(&TAGS, vec![Reply::Failed(failure)]);
        assert!(matches!(&got, Err(Error::Unavailable(why)) if why.contains(text)), "{got:?} without {text:?}");
    };
    check(Failure::Timeout, "no answer in the time allowed");
    check(Failure::Connect("refused".to_owned()), "refused");
    check(Failure::Tls("expired".to_owned()), "expired");
}

#[test]
fn tags_are_handed_over_page_by_page_and_the_state_stays_small() {
    let repository = repository("r.test", "team/app");
    let mut step = next::<Oci>(&repository, &TAGS, "{}", b"", vec![]).unwrap();
    for page in 0..999 {
        let link = format!("</v2/team/app/tags/list?n=1000&last={page}>; rel=\"next\"");
        let body = format!(r#"{{"tags": ["{page}"]}}"#);
        let reply = answer(200, &[("link", &link)], &body);
        step = next::<Oci>(&repository, &TAGS, "{}", &step.state, vec![reply]).unwrap();
        assert_eq!(step.tags, [Tag::named(page.to_string())]);
        let url = format!("https://r.test/v2/team/app/tags/list?n=1000&last={page}");
        assert_eq!(asked(&step), [("GET", url.as_str())]);
    }
    assert!(step.state.len() < 64 * 1024, "{} bytes", step.state.len());
}

#[test]
fn circles_are_found_out() {
    let page = |query: &str| answer(200, &[("link", &format!("<?{query}>; rel=\"next\""))], r#"{"tags": []}"#);
    check_invalid(
        &converse(&TAGS, vec![page("n=1000")]),
        "leads in a circle, back to GET https://r.test/v2/team/app/tags/list?n=1000",
    );
    check_invalid(&converse(&TAGS, vec![page("last=a"), page("last=b"), page("last=a")]), "circle");
    let to = |location: &str| answer(302, &[("location", location)], "");
    check_invalid(&converse(&TAGS, vec![to("/a"), to("/b"), to("/a")]), "circle");
}

#[test]
fn pages_after_a_redirect_stay_where_it_led() {
    let page = answer(200, &[("link", "</elsewhere?last=a>; rel=next")], r#"{"tags": ["a"]}"#);
    let step = converse(&TAGS, vec![answer(308, &[("location", "/v2/mirror/tags/list?n=5")], ""), page]).unwrap();
    assert_eq!(asked(&step), [("GET", "https://r.test/v2/mirror/tags/list?last=a")]);
    let away = converse(&TAGS, vec![answer(302, &[("location", "https://cdn.test/list")], "")]);
    check_invalid(&away, "a link to another origin: https://cdn.test/list");
}

#[test]
fn the_digest_is_stated_or_computed() {
    let question = Question::Tag("1.0".to_owned());
    let stated = format!("sha256:{}", "d".repeat(64));
    let computed = Sha256::digest(INDEX).iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    let check = |replies: Vec<Reply>, digest: &str| {
        let last = converse(&question, replies).unwrap();
        let tag = Tag::named("1.0").with_digest(Some(digest.to_owned()));
        assert_eq!((last.tags, last.actions.len()), (vec![tag], 0));
    };
    let head = |digest: &str| answer(200, &[("docker-content-digest", digest)], "");
    check(vec![head(&stated)], &stated);
    check(vec![answer(200, &[], ""), answer(200, &[], INDEX)], &computed);
    check(vec![answer(405, &[], ""), answer(200, &[("docker-content-digest", &computed)], INDEX)], &computed);
    check(vec![head("sha512:00"), answer(200, &[("docker-content-digest", "sha512:00")], INDEX)], &computed);
    for digest in ["", "sha256:", "sha256:xyz", &stated.to_uppercase(), &format!("{stated}0")] {
        check(vec![head(digest), answer(200, &[], INDEX)], &computed);
    }
    let after_head = |reply| converse(&question, vec![answer(200, &[], ""), reply]);
    check_invalid(
        &after_head(answer(200, &[("docker-content-digest", &stated)], INDEX)),
        "which the registry says is sha256:ddd",
    );
    check_invalid(&after_head(answer(200, &[], "<html>")), "expected JSON");
    check_invalid(&after_head(answer(200, &[], r#"{"schemaVersion": 1}"#)), "schema version 1, expected 2");
    assert_eq!(after_head(answer(404, &[], "")), Err(Error::NotFound));
    check_invalid(&after_head(answer(405, &[], "")), "status 405");
}

#[test]
fn a_state_of_another_question_is_an_error_not_a_panic() {
    let repository = repository("r.test", "team/app");
    let tag = converse(&Question::Tag("1.0".to_owned()), vec![]).unwrap();
    for state in [tag.state.as_slice(), b"{}", b"\xff", b""] {
        let got = next::<Oci>(&repository, &TAGS, "{}", state, vec![answer(200, &[], INDEX)]);
        assert!(matches!(&got, Err(Error::Other(why)) if why.contains("the state handed back")), "{got:?}");
    }
}
