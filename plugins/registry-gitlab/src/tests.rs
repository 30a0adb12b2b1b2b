use k8supdater_plugin::registry::{EncodedStep, next};
use k8supdater_plugin::{Action, Error, Failure, Header, HttpResponse, Question, Reply, Repository, Tag};

use super::*;

const API: &str = "https://gitlab.example.com/api/v4";
const SETTINGS: &str = r#"{"baseUrl": "https://gitlab.example.com"}"#;
const WITH_PROJECT: &str = r#"{"baseUrl": "https://gitlab.example.com", "project": 9}"#;
const ALL: Question = Question::Tags(None);
const REPOSITORIES: &str = r#"[
    {"id": 1, "name": "", "path": "group/project", "project_id": 9,
     "location": "gitlab.example.com:5000/group/project", "status": null},
    {"id": 2, "name": "releases", "path": "group/project/releases", "project_id": 9,
     "location": "gitlab.example.com:5000/group/project/releases", "status": "delete_ongoing"}
]"#;

#[test]
fn the_examples_of_the_plugin_manifest_come_out() {
    k8supdater_plugin::examples::run_registry::<GitLab>(include_str!("../plugin.json")).unwrap();
}

fn repository(name: &str) -> Repository {
    Repository { registry: "gitlab.example.com:5000".to_owned(), name: name.to_owned() }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
    Reply::Http(HttpResponse { status, headers: headers.iter().map(header).collect(), body: body.as_bytes().to_vec() })
}

fn ok(body: &str) -> Reply {
    answer(200, &[], body)
}

/// What became of a conversation.
#[derive(Debug, PartialEq, Eq)]
struct Course {
    /// What was asked for, without the part that all URLs of the API have.
    asked: Vec<String>,
    tags: Vec<Tag>,
}

/// Asks a question about `name`, with these replies, one per turn.
fn converse(settings: &str, name: &str, question: &Question, replies: Vec<Reply>) -> Result<Course, Error> {
    let mut course = Course { asked: Vec::new(), tags: Vec::new() };
    let mut step = next::<GitLab>(&repository(name), question, settings, b"", vec![])?;
    note(&mut course, &mut step);
    for reply in replies {
        assert_eq!(step.actions.len(), 1, "there is a reply too many: {course:?}");
        step = next::<GitLab>(&repository(name), question, settings, &step.state, vec![reply])?;
        note(&mut course, &mut step);
    }
    Ok(course)
}

fn note(course: &mut Course, step: &mut EncodedStep) {
    for action in &step.actions {
        let Action::Http(request) = action else { panic!("{action:?}") };
        assert_eq!((request.method.as_str(), request.credential.as_deref()), ("GET", Some("token")));
        course.asked.push(request.url.strip_prefix(API).unwrap_or(&request.url).to_owned());
    }
    course.tags.append(&mut step.tags);
}

#[track_caller]
fn check(got: Result<Course, Error>, asked: &[&str], tags: &[&str]) {
    let got = got.unwrap();
    assert_eq!(got.asked, asked);
    assert_eq!(got.tags, tags.iter().map(|tag| Tag::named(*tag)).collect::<Vec<_>>());
}

#[track_caller]
fn check_error<T: std::fmt::Debug>(got: &Result<T, Error>, case: &str, text: &str) {
    let is_expected = |error: &Error| error.case() == case && format!("{error:?}").contains(text);
    assert!(got.as_ref().is_err_and(is_expected), "{got:?} is not {case} with {text:?}");
}

const BY_ID: &str = "/projects/9/registry/repositories?per_page=100";

#[test]
fn the_image_is_found_in_the_project_also_where_it_has_its_name() {
    let tags = r#"[{"name": "1.0.0", "path": "x:1.0.0", "location": "y"}, {"name": "latest"}]"#;
    let list = |name: &str| converse(WITH_PROJECT, name, &ALL, vec![ok(REPOSITORIES), ok(tags)]);
    check(
        list("group/project"),
        &[BY_ID, "/projects/9/registry/repositories/1/tags?per_page=100"],
        &["1.0.0", "latest"],
    );
    let second = "/projects/9/registry/repositories/2/tags?per_page=100";
    check(list("group/project/releases"), &[BY_ID, second], &["1.0.0", "latest"]);
    let missing = converse(WITH_PROJECT, "group/project/other", &ALL, vec![ok(REPOSITORIES)]);
    assert_eq!(missing, Err(Error::NotFound));
    assert_eq!(converse(WITH_PROJECT, "group/project", &ALL, vec![ok("[]")]), Err(Error::NotFound));
}

#[test]
fn the_repository_may_be_on_a_later_page_and_tags_have_pages_too() {
    let linked = |url: &str, body: &str| answer(200, &[("link", &format!("<{API}{url}>; rel=\"next\""))], body);
    let replies = vec![
        answer(200, &[("x-next-page", "2")], "[]"),
        ok(REPOSITORIES),
        linked("/projects/9/registry/repositories/1/tags?page=2&per_page=100", r#"[{"name": "a"}]"#),
        linked("/projects/9/registry/repositories/1/tags?per_page=100&last=b", r#"[{"name": "b"}]"#),
        answer(200, &[("x-next-page", "")], r#"[{"name": "c"}]"#),
    ];
    let asked = [
        BY_ID,
        "/projects/9/registry/repositories?per_page=100&page=2",
        "/projects/9/registry/repositories/1/tags?per_page=100",
        "/projects/9/registry/repositories/1/tags?page=2&per_page=100",
        "/projects/9/registry/repositories/1/tags?per_page=100&last=b",
    ];
    check(converse(WITH_PROJECT, "group/project", &ALL, replies), &asked, &["a", "b", "c"]);
}

#[test]
fn the_project_is_looked_for_along_the_path_of_the_image() {
    let none = || answer(404, &[], r#"{"message": "404 Project Not Found"}"#);
    let url = |project: &str| format!("/projects/{project}/registry/repositories?per_page=100");
    let tags = "/projects/9/registry/repositories/2/tags?per_page=100";
    let found = converse(SETTINGS, "group/project/releases", &ALL, vec![none(), ok(REPOSITORIES), ok("[]")]);
    check(found, &[&url("group%2Fproject%2Freleases"), &url("group%2Fproject"), tags], &[]);
    // The longer path is a project as well, but without the image.
    let found = converse(SETTINGS, "group/project/releases", &ALL, vec![ok("[]"), ok(REPOSITORIES), ok("[]")]);
    check(found, &[&url("group%2Fproject%2Freleases"), &url("group%2Fproject"), tags], &[]);
    // Three projects, and no more.
    let three = converse(SETTINGS, "a/b/c/d/e", &ALL, vec![none(), none()]);
    check(three, &[&url("a%2Fb%2Fc%2Fd%2Fe"), &url("a%2Fb%2Fc%2Fd"), &url("a%2Fb%2Fc")], &[]);
    assert_eq!(converse(SETTINGS, "a/b/c/d/e", &ALL, vec![none(), none(), none()]), Err(Error::NotFound));
    assert_eq!(converse(SETTINGS, "a/b", &ALL, vec![none()]), Err(Error::NotFound));
    assert_eq!(converse(WITH_PROJECT, "a/b/c", &ALL, vec![none()]), Err(Error::NotFound), "the project was given");
    // Other refusals end the search: the token is as wrong for the next project.
    let refused = converse(SETTINGS, "a/b/c", &ALL, vec![answer(401, &[], r#"{"message": "401 Unauthorized"}"#)]);
    assert_eq!(refused, Err(Error::Unauthorized));
    check_error(&converse(SETTINGS, "project", &ALL, vec![]), "other", "cannot be in GitLab");
}

#[test]
fn every_setting_shows_in_the_request() {
    let check = |settings: &str, expected: &str| {
        let step = next::<GitLab>(&repository("a/b"), &ALL, settings, b"", vec![]).unwrap();
        let [Action::Http(request)] = step.actions.as_slice() else { panic!("{:?}", step.actions) };
        assert_eq!(request.url, expected, "for {settings}");
    };
    check("{}", "https://gitlab.com/api/v4/projects/a%2Fb/registry/repositories?per_page=100");
    check(r#"{"project": 42}"#, "https://gitlab.com/api/v4/projects/42/registry/repositories?per_page=100");
    let by_path = "https://gitlab.com/api/v4/projects/x%2Fy/registry/repositories?per_page=7";
    check(r#"{"project": "x/y", "pageSize": 7}"#, by_path);
    let below = "http://tools:8080/gitlab/api/v4/projects/a%2Fb/registry/repositories?per_page=100";
    check(r#"{"baseUrl": "http://tools:8080/gitlab/"}"#, below);
    let refused = |settings: &str, text: &str| {
        check_error(&next::<GitLab>(&repository("a/b"), &ALL, settings, b"", vec![]), "invalid-settings", text);
    };
    refused(r#"{"baseUrl": "gitlab.com"}"#, "neither https:// nor http://");
    refused(r#"{"project": ".."}"#, "neither a number nor a path");
    refused(r#"{"projekt": 1}"#, "unknown field `projekt`");
}

#[test]
fn an_image_in_another_registry_is_not_taken_for_one_of_the_same_path() {
    let image = Repository { registry: "docker.io".to_owned(), name: "group/project".to_owned() };
    let first = next::<GitLab>(&image, &ALL, WITH_PROJECT, b"", vec![]).unwrap();
    let got = next::<GitLab>(&image, &ALL, WITH_PROJECT, &first.state, vec![ok(REPOSITORIES)]);
    check_error(&got, "invalid-settings", "this GitLab has gitlab.example.com:5000/group/project");
}

#[test]
fn a_moved_project_is_followed_on_the_same_origin_only() {
    let to = |location: &str| answer(301, &[("location", location)], "This resource has been moved permanently");
    let list = |replies| converse(SETTINGS, "group/project", &ALL, replies);
    let moved = format!("{API}/projects/9/registry/repositories?per_page=100");
    let asked = [
        "/projects/group%2Fproject/registry/repositories?per_page=100",
        BY_ID,
        "/projects/9/registry/repositories/1/tags?per_page=100",
    ];
    check(list(vec![to(&moved), ok(REPOSITORIES), ok("[]")]), &asked, &[]);
    // The example in GitLab's documentation leaves TLS, which would show the token to everybody.
    check_error(&list(vec![to("http://gitlab.example.com/api/v4/projects/81")]), "invalid-reply", "another origin");
    check_error(&list(vec![to("https://attacker.example.com/")]), "invalid-reply", "another origin");
    check_error(&list(vec![answer(301, &[], "")]), "invalid-reply", "to nowhere");
    check_error(&list(vec![to(&moved), to(&format!("{API}{}", asked[0]))]), "invalid-reply", "circle");
}

#[test]
fn one_tag_comes_with_its_digest_and_without_the_time_of_its_build() {
    let question = Question::Tag("v10.0.0".to_owned());
    let digest = format!("sha256:{}", "8".repeat(64));
    let ask = |detail: Reply| converse(WITH_PROJECT, "group/project", &question, vec![ok(REPOSITORIES), detail]);
    // GitLab tells no images: the question about them is answered with the tag alone.
    let question_about_images = Question::Images("v10.0.0".to_owned());
    let detail = |digest: &str| {
        ok(&format!(r#"{{"name": "v10.0.0", "digest": {digest}, "created_at": "2019-01-06T16:49:51.272+00:00"}}"#))
    };
    let got = ask(detail(&format!("\"{digest}\""))).unwrap();
    assert_eq!(got.asked, [BY_ID, "/projects/9/registry/repositories/1/tags/v10.0.0"]);
    assert_eq!(got.tags, [Tag::named("v10.0.0").with_digest(Some(digest.clone()))]);
    let replies = vec![ok(REPOSITORIES), detail(&format!("\"{digest}\""))];
    assert_eq!(converse(WITH_PROJECT, "group/project", &question_about_images, replies), Ok(got));
    for digest in ["null", "\"\"", "\"sha256:88\""] {
        assert_eq!(ask(detail(digest)).unwrap().tags, [Tag::named("v10.0.0")], "{digest}");
    }
    assert_eq!(ask(answer(404, &[], r#"{"message": "404 Tag Not Found"}"#)), Err(Error::NotFound));
    check_error(&ask(ok(r#"{"name": "v9", "digest": null}"#)), "invalid-reply", r#"asked for the tag \"v10.0.0\""#);
    check_error(&ask(ok("[]")), "invalid-reply", "expected JSON");
    for tag in ["", "..", "a/b", "a?b"] {
        let got = converse(WITH_PROJECT, "group/project", &Question::Tag(tag.to_owned()), vec![ok(REPOSITORIES)]);
        check_error(&got, "other", "cannot be a tag");
    }
}

#[test]
fn refusals_and_faults_keep_their_meaning() {
    let check = |reply: Reply, case: &str, text: &str| {
        // The first request, and the one for tags.
        let first = converse(WITH_PROJECT, "group/project", &ALL, vec![reply.clone()]);
        check_error(&first, case, text);
        check_error(&converse(WITH_PROJECT, "group/project", &ALL, vec![ok(REPOSITORIES), reply]), case, text);
    };
    check(answer(401, &[], r#"{"message": "401 Unauthorized"}"#), "unauthorized", "");
    check(answer(403, &[], r#"{"message": "403 Forbidden"}"#), "unauthorized", "");
    let scope = r#"{"error": "insufficient_scope", "error_description": "The request requires higher privileges than provided by the access token."}"#;
    check(answer(403, &[], scope), "unauthorized", "");
    let expired = "Token is expired. You can either do re-authorization or token refresh.";
    for says in [expired, "Token was revoked. You have to re-authorize from the user."] {
        let body = format!(r#"{{"error": "invalid_token", "error_description": "{says}"}}"#);
        check(answer(401, &[], &body), "credentials-expired", "");
    }
    check(answer(404, &[], r#"{"message": "404 Project Not Found"}"#), "not-found", "");
    let nested = r#"{"message": {"bio": ["is too long (maximum is 255 characters)"]}}"#;
    check(answer(400, &[], nested), "invalid-reply", "status 400: {\\\"message\\\": {\\\"bio\\\": [\\\"is too long");
    let attack = [("retry-after", "30"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "1609844400")];
    check(answer(429, &attack, "Retry later"), "rate-limited", "Some(30)");
    let application = r#"{"message": {"error": "This endpoint has been requested too many times. Try again later."}}"#;
    check(answer(429, &[("ratelimit-remaining", "595")], application), "rate-limited", "None");
    check(answer(503, &[], ""), "unavailable", "status 503");
    check(answer(502, &[], "<html>"), "unavailable", "status 502: <html>");
    check(Reply::Failed(Failure::Timeout), "unavailable", "no answer in the time allowed");
    let denied = "the request was not allowed: not granted";
    check(Reply::Failed(Failure::Denied("not granted".to_owned())), "other", denied);
    check(ok("<!DOCTYPE html>"), "invalid-reply", "near `<!DOCTYPE html>`");
    check(ok(""), "invalid-reply", "empty body");
    check(ok(r#"{"message": "try later"}"#), "invalid-reply", "expected a sequence");
    check(ok(r#"[{"id": "#), "invalid-reply", "EOF");
}

#[test]
fn a_list_without_end_ends() {
    let page = |number: usize| answer(200, &[("x-next-page", &number.to_string())], r#"[{"name": "a"}]"#);
    let pages = |count: usize| {
        let replies = std::iter::once(ok(REPOSITORIES)).chain((2..count + 2).map(page)).collect();
        converse(WITH_PROJECT, "group/project", &ALL, replies)
    };
    assert_eq!(pages(498).unwrap().asked.len(), 500);
    check_error(&pages(499), "other", "no end after 500 requests");
    let same = vec![ok(REPOSITORIES), page(2), page(2)];
    check_error(&converse(WITH_PROJECT, "group/project", &ALL, same), "invalid-reply", "circle");
}

#[test]
fn a_state_of_another_conversation_is_an_error_not_a_panic() {
    let image = repository("group/project");
    let first = next::<GitLab>(&image, &ALL, WITH_PROJECT, b"", vec![]).unwrap();
    let listing = next::<GitLab>(&image, &ALL, WITH_PROJECT, &first.state, vec![ok(REPOSITORIES)]).unwrap();
    let question = Question::Tag("1.0".to_owned());
    for state in [listing.state.as_slice(), b"{}", b"\xff", b""] {
        let got = next::<GitLab>(&image, &question, WITH_PROJECT, state, vec![ok("[]")]);
        check_error(&got, "other", "the state handed back");
    }
}
