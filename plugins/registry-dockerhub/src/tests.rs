use k8supdater_plugin::registry::{EncodedStep, next};
use k8supdater_plugin::{Action, Error, Failure, Header, HttpResponse, Image, Question, Reply, Repository, Tag};

use super::*;

const FIRST: &str = "https://hub.docker.com/v2/repositories/library/nginx/tags?page_size=100&ordering=last_updated";
const SECOND: &str =
    "https://hub.docker.com/v2/repositories/library/nginx/tags?ordering=last_updated&page=2&page_size=100";
const ALL: Question = Question::Tags(None);

#[test]
fn the_examples_of_the_plugin_manifest_come_out() {
    k8supdater_plugin::examples::run_registry::<DockerHub>(include_str!("../plugin.json")).unwrap();
}

fn repository(registry: &str, name: &str) -> Repository {
    Repository { registry: registry.to_owned(), name: name.to_owned() }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
    Reply::Http(HttpResponse { status, headers: headers.iter().map(header).collect(), body: body.as_bytes().to_vec() })
}

/// A page of tags, each a name and the JSON of its `last_updated`.
fn page(tags: &[(&str, &str)], next: Option<&str>) -> Reply {
    let tag = |(name, updated): &(&str, &str)| {
        format!(r#"{{"name": "{name}", "last_updated": {updated}, "images": [{{"digest": null}}]}}"#)
    };
    let results = tags.iter().map(tag).collect::<Vec<_>>().join(", ");
    let next = next.map_or("null".to_owned(), |next| format!("\"{next}\""));
    answer(200, &[], &format!(r#"{{"count": 1, "next": {next}, "previous": null, "results": [{results}]}}"#))
}

/// All that was handed over, and the last step, after these replies, one per turn, to a question about `docker.io/library/nginx`.
fn converse(question: &Question, replies: Vec<Reply>) -> Result<(Vec<Tag>, EncodedStep), Error> {
    let repository = repository("docker.io", "library/nginx");
    let mut step = next::<DockerHub>(&repository, question, "{}", b"", vec![])?;
    let mut tags = Vec::new();
    for reply in replies {
        assert_eq!(step.actions.len(), 1, "asked for an answer after the end");
        step = next::<DockerHub>(&repository, question, "{}", &step.state, vec![reply])?;
        tags.append(&mut step.tags);
    }
    Ok((tags, step))
}

/// URL that a step asks for; none after the last.
fn asked(step: &EncodedStep) -> Option<&str> {
    match step.actions.as_slice() {
        [] => None,
        [Action::Http(request)] => Some(&request.url),
        actions => panic!("{actions:?}"),
    }
}

#[track_caller]
fn check_invalid<T: std::fmt::Debug>(got: &Result<T, Error>, text: &str) {
    assert!(matches!(got, Err(Error::InvalidReply(why)) if why.contains(text)), "{got:?} without {text:?}");
}

#[test]
fn requests_go_to_the_hub_with_the_slot() {
    let check = |registry: &str, name: &str, question: &Question, settings: &str, expected: &str| {
        let step = next::<DockerHub>(&repository(registry, name), question, settings, b"", vec![]).unwrap();
        let [Action::Http(request)] = step.actions.as_slice() else { panic!("{:?}", step.actions) };
        assert_eq!((request.method.as_str(), request.url.as_str()), ("GET", expected));
        assert_eq!(request.credential.as_deref(), Some("hub"));
    };
    let tag = Question::Tag("1.25".to_owned());
    check("docker.io", "library/nginx", &ALL, "{}", FIRST);
    check("docker.io", "nginx", &ALL, "{}", FIRST);
    check("docker.io", "library/nginx", &tag, "{}", "https://hub.docker.com/v2/repositories/library/nginx/tags/1.25");
    let small = "https://hub.docker.com/v2/repositories/a/b-c/tags?page_size=7&ordering=last_updated";
    check("docker.io", "a/b-c", &ALL, r#"{"pageSize": 7}"#, small);
    let proxy = r#"{"baseUrl": "http://proxy.tools:8080/hub/"}"#;
    check("docker.io", "nginx", &ALL, proxy, &FIRST.replace("https://hub.docker.com", "http://proxy.tools:8080/hub"));
    check("docker.io", "a/b", &tag, proxy, "http://proxy.tools:8080/hub/v2/repositories/a/b/tags/1.25");
}

#[test]
fn what_the_hub_cannot_have_is_refused_before_any_request() {
    let ask = |registry: &str, name: &str, question: &Question| {
        next::<DockerHub>(&repository(registry, name), question, "{}", b"", vec![])
    };
    for registry in ["ghcr.io", "registry-1.docker.io", "hub.docker.com", "docker.io:443"] {
        assert_eq!(ask(registry, "library/nginx", &ALL), Err(Error::Unsupported), "{registry}");
    }
    let nginx = repository("docker.io", "library/nginx");
    let got = next::<DockerHub>(&nginx, &ALL, r#"{"baseUrl": "https://me@hub.docker.com"}"#, b"", vec![]);
    assert!(matches!(&got, Err(Error::InvalidSettings(why)) if why.starts_with("baseUrl")), "{got:?}");
    let check = |name: &str, question: &Question| {
        let got = ask("docker.io", name, question);
        assert!(matches!(&got, Err(Error::Other(why)) if why.contains("cannot be")), "{name:?} {question:?}: {got:?}");
    };
    for name in ["", "a/b/c", "../x", "a/..", "a?x=", "a#", "A/b", "a b"] {
        check(name, &ALL);
    }
    for tag in ["", "..", "a/b", "a?b", "ä"] {
        check("library/nginx", &Question::Tag(tag.to_owned()));
    }
}

#[test]
fn a_page_may_leave_out_next_and_has_to_have_results() {
    let check = |body: &str, expected: &[&str]| {
        let (tags, last) = converse(&ALL, vec![answer(200, &[], body)]).unwrap();
        assert_eq!(
            (tags.iter().map(|tag| tag.name.as_str()).collect::<Vec<_>>(), asked(&last)),
            (expected.to_vec(), None)
        );
    };
    check(r#"{"count": 2, "results": [{"name": "0.9.0", "images": [], "digest": "bbb"}]}"#, &["0.9.0"]);
    check(r#"{"next": null, "results": [{"name": "a"}, {"name": "hollow", "images": []}]}"#, &["a"]);
    let check = |body: &str, text| check_invalid(&converse(&ALL, vec![answer(200, &[], body)]), text);
    check("", "empty body");
    check("invalid json", "near `invalid json`");
    check("{}", "missing field `results`");
    check(r#"{"detail": "try later"}"#, "missing field `results`");
    check(r#"{"results": [{"digest": "sha256:"}]}"#, "missing field `name`");
    check(r#"{"results": [{"name": "a", "#, "EOF");
}

#[test]
fn digests_and_times_are_told_or_left_out_never_guessed() {
    let valid = format!("sha256:{}", "d".repeat(64));
    let check = |fields: &str, digest: Option<&str>, pushed: Option<u64>| {
        let body = format!(r#"{{"results": [{{"name": "a", {}}}]}}"#, fields.replace("VALID", &valid));
        let (tags, _) = converse(&ALL, vec![answer(200, &[], &body)]).unwrap();
        let expected = Tag { pushed, ..Tag::named("a").with_digest(digest.map(str::to_owned)) };
        assert_eq!(tags, [expected], "for {fields}");
    };
    let some = Some(valid.as_str());
    check(r#""digest": "VALID""#, some, None);
    check(r#""digest": "VALID", "images": [{"digest": "sha256:0"}, {}]"#, some, None);
    check(r#""digest": "aaa", "images": [{"digest": "VALID"}]"#, None, None);
    check(r#""digest": "", "images": [{"digest": "VALID"}]"#, None, None);
    check(r#""digest": null, "images": [{"digest": "VALID"}]"#, some, None);
    check(r#""images": [{"digest": "VALID"}], "media_type": "application/vnd.oci.image.manifest.v1+json""#, some, None);
    check(r#""images": [{"digest": "VALID"}], "media_type": "application/vnd.oci.image.index.v1+json""#, None, None);
    let list = r#""images": [{"digest": "VALID"}],
        "media_type": "application/vnd.docker.distribution.manifest.list.v2+json""#;
    check(list, None, None);
    check(r#""images": [{"digest": "VALID"}, {"digest": "VALID"}]"#, None, None);
    check(r#""images": [{"digest": null}]"#, None, None);
    check(r#""images": null, "media_type": null"#, None, None);
    check(r#""tag_last_pushed": "2024-01-15T10:00:01.999999Z""#, None, Some(1_705_312_801));
    check(r#""last_updated": "2024-01-15T10:00:01Z""#, None, Some(1_705_312_801));
    let both = r#""tag_last_pushed": "2023-12-01T00:00:00Z", "last_updated": "2024-01-15T10:00:01Z""#;
    check(both, None, Some(1_701_388_800));
    check(r#""tag_last_pushed": null, "last_updated": null"#, None, None);
    check(r#""tag_last_pushed": "0001-01-01T00:00:00Z", "last_updated": "yesterday""#, None, None);
}

#[test]
fn images_are_told_in_a_listing_and_of_one_tag() {
    let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let check = |images: &str, expected: &[(&str, &str, &str, Option<&str>)]| {
        let images = images.replace("D1", &digest("1")).replace("D2", &digest("2"));
        let tag = format!(r#"{{"name": "a", "digest": "{}", "images": {images}}}"#, digest("a"));
        let image = |(digit, os, architecture, variant): &(&str, &str, &str, Option<&str>)| Image {
            digest: digest(digit),
            os: (*os).to_owned(),
            architecture: (*architecture).to_owned(),
            variant: variant.map(str::to_owned),
        };
        let expected = vec![Tag {
            images: expected.iter().map(image).collect(),
            ..Tag::named("a").with_digest(Some(digest("a")))
        }];
        let listed = converse(&ALL, vec![answer(200, &[], &format!(r#"{{"results": [{tag}]}}"#))]);
        assert_eq!(listed.unwrap().0, expected, "for {images}");
        for question in [Question::Tag("a".to_owned()), Question::Images("a".to_owned())] {
            assert_eq!(converse(&question, vec![answer(200, &[], &tag)]).unwrap().0, expected, "{question:?} {images}");
        }
    };
    let amd = r#"{"architecture": "amd64", "os": "linux", "variant": null, "os_version": null, "digest": "D1"}"#;
    let arm = r#"{"architecture": "arm64", "os": "linux", "variant": "v8", "digest": "D2"}"#;
    let both = [("1", "linux", "amd64", None), ("2", "linux", "arm64", Some("v8"))];
    check("[]", &[]);
    check("null", &[]);
    check(&format!("[{amd}, {arm}]"), &both);
    check(
        r#"[{"architecture": "amd64", "os": "windows", "os_version": "10.0.20348.2700", "digest": "D1"}]"#,
        &[("1", "windows", "amd64", None)],
    );
    let attestation = r#"{"architecture": "unknown", "os": "unknown", "digest": "D2"}"#;
    check(&format!("[{amd}, {attestation}, {arm}]"), &both);
    // Nothing behind it that could be pulled.
    check(&format!("[{amd}, {}, {arm}]", amd.replace("\"D1\"", "null")), &both);
    check(&format!("[{amd}, {{}}, {arm}]"), &both);
    check(&format!("[{}]", [amd; 65].join(", ")), &[]);
}

#[test]
fn the_next_page_is_on_the_hub_or_nowhere() {
    let check = |next: &str, expected: Result<&str, &str>| {
        let got = converse(&ALL, vec![page(&[("a", "null")], Some(next))]);
        match expected {
            Ok(url) => assert_eq!(asked(&got.unwrap().1), Some(url)),
            Err(text) => check_invalid(&got, text),
        }
    };
    check(SECOND, Ok(SECOND));
    check(
        "/v2/namespaces/library/repositories/nginx/tags?page=2",
        Ok("https://hub.docker.com/v2/namespaces/library/repositories/nginx/tags?page=2"),
    );
    check("https://attacker.example.com/v2/repositories/library/node/tags?page=2", Err("another origin"));
    check("http://hub.docker.com/v2/repositories/library/nginx/tags?page=2", Err("another origin"));
    check("https://hub.docker.com@attacker.example.com/", Err("another origin"));
    check(FIRST, Err("leads in a circle, back to GET https://hub.docker.com"));
    let circle = vec![page(&[("a", "null")], Some(SECOND)), page(&[("b", "null")], Some(SECOND))];
    check_invalid(&converse(&ALL, circle), "circle");
}

#[test]
fn redirects_are_followed_on_the_hub_only() {
    let to = |location: &str| answer(301, &[("location", location)], "");
    let (_, step) = converse(&ALL, vec![to("/v2/repositories/library/nginx/tags/?page_size=100")]).unwrap();
    assert_eq!(asked(&step), Some("https://hub.docker.com/v2/repositories/library/nginx/tags/?page_size=100"));
    check_invalid(&converse(&ALL, vec![to("https://login.docker.com/")]), "another origin");
    check_invalid(&converse(&ALL, vec![to(FIRST)]), "circle");
}

#[test]
fn an_endless_list_ends() {
    let endless = |pages: u32| {
        let next = |number| format!("https://hub.docker.com/v2/repositories/library/nginx/tags?page={number}");
        converse(&ALL, (0..pages).map(|number| page(&[("a", "null")], Some(&next(number)))).collect())
    };
    let (_, step) = endless(499).unwrap();
    assert!(step.state.len() < 64 * 1024, "{} bytes", step.state.len());
    let got = endless(500);
    assert!(matches!(&got, Err(Error::Other(why)) if why.contains("more than 500 pages")), "{got:?}");
}

#[test]
fn refusals_and_faults_keep_their_meaning() {
    let check =
        |replies: Vec<Reply>, expected: &Error| assert_eq!(converse(&ALL, replies).map(drop).as_ref(), Err(expected));
    check(vec![answer(404, &[], "not found")], &Error::NotFound);
    check(vec![page(&[], None)], &Error::NotFound);
    let gone = Error::Unavailable("there are fewer pages of tags than a moment ago".to_owned());
    check(vec![page(&[("a", "null")], Some(SECOND)), answer(404, &[], "")], &gone);
    check(vec![answer(403, &[], "")], &Error::Unauthorized);
    check(vec![answer(401, &[], r#"{"detail": "token has expired"}"#)], &Error::CredentialsExpired);
    check(vec![answer(429, &[], "Too Many Requests (HAP429)")], &Error::RateLimited(None));
    check(vec![Reply::Failed(Failure::Timeout)], &Error::Unavailable("no answer in the time allowed".to_owned()));
    check(vec![answer(405, &[], "")], &Error::InvalidReply("status 405".to_owned()));
}

#[test]
fn one_tag_is_the_one_that_was_asked_for() {
    let question = Question::Tag("1.0".to_owned());
    let ask = |body: &str| converse(&question, vec![answer(200, &[], body)]).map(|(tags, _)| tags);
    assert_eq!(ask(r#"{"name": "1.0", "images": [{}]}"#), Ok(vec![Tag::named("1.0")]));
    assert_eq!(ask(r#"{"name": "1.0", "images": []}"#), Err(Error::NotFound));
    check_invalid(&ask(r#"{"name": "1.1"}"#), r#"asked for the tag "1.0" and got "1.1""#);
    check_invalid(&ask(r#"{"count": 0, "results": []}"#), "missing field `name`");
    assert_eq!(converse(&question, vec![answer(404, &[], "")]).map(drop), Err(Error::NotFound));
}

#[test]
fn a_state_of_another_conversation_is_an_error_not_a_panic() {
    for state in [b"{}".as_slice(), b"\xff", b"", b"1"] {
        let nginx = repository("docker.io", "library/nginx");
        let got = next::<DockerHub>(&nginx, &ALL, "{}", state, vec![page(&[], None)]);
        assert!(matches!(&got, Err(Error::Other(why)) if why.contains("the state handed back")), "{got:?}");
    }
}

mod since;
