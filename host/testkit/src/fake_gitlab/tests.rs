use serde_json::{Value, json};

use super::*;
use crate::http_client;
use crate::server::asking::{Answer, get, get_with, keys, texts};

const TOKEN: &str = "PRIVATE-TOKEN";

async fn with_token(url: &str, token: &str) -> Answer {
    get_with(url, &[(TOKEN, token)]).await
}

fn repositories(gitlab: &FakeGitlab, project: &str) -> String {
    format!("{}/api/v4/projects/{}/registry/repositories", gitlab.base_url(), project.replace('/', "%2F"))
}

/// The targets of a `Link` header by their relations.
fn links(answer: &Answer) -> BTreeMap<String, String> {
    let parts = answer.header("link").unwrap_or_default().split(", ").filter_map(|part| part.split_once("; rel="));
    parts
        .map(|(url, relation)| (relation.trim_matches('"').to_owned(), url.trim_matches(['<', '>']).to_owned()))
        .collect()
}

#[tokio::test]
async fn projects_have_images_and_one_of_them_has_no_name() {
    let gitlab = FakeGitlab::start().await;
    let number = gitlab.push("group/project", "", &["1.0"]);
    gitlab.push("group/project", "releases", &["2.0"]);
    let other = gitlab.push("group/other", "releases", &["3.0"]);
    let answer = get(&repositories(&gitlab, "group/project")).await;
    let list = answer.json();
    assert_eq!(
        (answer.status, texts(&list, "name"), texts(&list, "path")),
        (200, vec!["", "releases"], vec!["group/project", "group/project/releases"],)
    );
    assert_eq!(
        texts(&list, "location"),
        ["registry.gitlab.example:5050/group/project", "registry.gitlab.example:5050/group/project/releases",]
    );
    let expected =
        ["cleanup_policy_started_at", "created_at", "id", "location", "name", "path", "project_id", "status"];
    assert_eq!(keys(&list[0]), expected);
    assert_eq!((&list[0]["id"], &list[1]["id"], &list[1]["project_id"]), (&json!(1), &json!(2), &json!(number)));
    assert_eq!(get(&repositories(&gitlab, &number.to_string())).await.json(), list, "by number as by path");
    let list = get(&repositories(&gitlab, &other.to_string())).await.json();
    assert_eq!((texts(&list, "path"), &list[0]["id"]), (vec!["group/other/releases"], &json!(3)));
    assert_eq!(gitlab.image("group/other/releases", "3.0"), "registry.gitlab.example:5050/group/other/releases:3.0");
    assert_eq!(gitlab.count(GitlabPart::Repositories), 3);
}

#[tokio::test]
async fn tags_come_in_numbered_pages_twenty_at_a_time() {
    let gitlab = FakeGitlab::start_below("/dev/gitlab").await;
    gitlab.push("group/project", "", &["a", "b", "c"]);
    let url = format!("{}/1/tags", repositories(&gitlab, "1"));
    let answer = get(&format!("{url}?per_page=2")).await;
    let page = answer.json();
    assert_eq!((texts(&page, "name"), keys(&page[0])), (vec!["a", "b"], vec!["location", "name", "path"]));
    assert_eq!(page[0]["location"], "registry.gitlab.example:5050/group/project:a");
    for (header, expected) in [
        ("x-next-page", "2"),
        ("x-page", "1"),
        ("x-per-page", "2"),
        ("x-prev-page", ""),
        ("x-total", "3"),
        ("x-total-pages", "2"),
    ] {
        assert_eq!(answer.header(header), Some(expected), "{header}");
    }
    let found = links(&answer);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["first", "last", "next"]);
    assert_eq!(found["next"], format!("{url}?page=2&per_page=2"));
    let last = get(&found["next"]).await;
    assert_eq!((texts(&last.json(), "name"), last.header("x-next-page")), (vec!["c"], Some("")));
    assert_eq!(links(&last).keys().collect::<Vec<_>>(), ["first", "last", "prev"]);
    gitlab.fill("group/project", "", 150);
    let sizes = [(url.clone(), 20), (format!("{url}?per_page=100"), 100), (format!("{url}?per_page=1000"), 100)];
    for (url, expected) in sizes {
        assert_eq!(get(&url).await.json().as_array().unwrap().len(), expected, "{url}");
    }
    assert_eq!(get(&format!("{}/api/v4/projects/1/registry/repositories", gitlab.origin())).await.status, 404);
}

#[tokio::test]
async fn tags_come_with_a_cursor_where_that_is_asked_for_or_usual() {
    let gitlab = FakeGitlab::start().await;
    gitlab.push("group/project", "", &["1.0", "1.1", "1.2"]);
    let url = format!("{}/1/tags", repositories(&gitlab, "1"));
    let walk = async |mut url: String| {
        let mut found = Vec::new();
        loop {
            let answer = get(&url).await;
            assert_eq!(answer.header("x-page"), None);
            found.extend(texts(&answer.json(), "name").into_iter().map(str::to_owned));
            match links(&answer).remove("next") {
                Some(next) => url = next,
                None => return found,
            }
        }
    };
    assert_eq!(walk(format!("{url}?pagination=keyset&per_page=2")).await, ["1.0", "1.1", "1.2"]);
    gitlab.page_by_cursor();
    assert_eq!(walk(format!("{url}?per_page=1")).await, ["1.0", "1.1", "1.2"]);
    assert_eq!(gitlab.count(GitlabPart::Tags), 5);
}

#[tokio::test]
async fn a_tag_is_told_in_detail() {
    let gitlab = FakeGitlab::start().await;
    gitlab.push("group/project", "", &["1.0"]);
    let url = format!("{}/1/tags/1.0", repositories(&gitlab, "group/project"));
    let tag = get(&url).await.json();
    let expected = ["created_at", "digest", "location", "name", "path", "revision", "short_revision", "total_size"];
    assert_eq!(keys(&tag), expected);
    let revision = tag["revision"].as_str().unwrap();
    assert_eq!((revision.len(), tag["short_revision"].as_str()), (64, revision.get(..9)));
    assert_eq!(tag["digest"], json!(gitlab.digest("group/project", "", "1.0")));
    let new = gitlab.repush("group/project", "", "1.0");
    assert!(tag["digest"] != json!(new) && get(&url).await.json()["digest"] == json!(new));
    gitlab.remove("group/project", "", "1.0");
    let gone = get(&url).await;
    assert_eq!((gone.status, gone.json()), (404, json!({"message": "404 Tag Not Found"})));
    assert_eq!(gitlab.count(GitlabPart::Tag), 3);
}

#[tokio::test]
async fn a_token_sees_what_it_may_see() {
    let gitlab = FakeGitlab::start().await;
    gitlab.push("open/project", "", &["1.0"]);
    for project in ["a/project", "b/project"] {
        gitlab.push(project, "", &["1.0"]);
        gitlab.make_private(project);
    }
    gitlab.allow_token("glpat-all");
    gitlab.allow_token_for("glpat-a", &["a/project"]);
    gitlab.allow_token("glpat-old");
    gitlab.expire_token("glpat-old");
    let hidden = json!({"message": "404 Project Not Found"});
    let refused = json!({"message": "401 Unauthorized"});
    let expired = json!({
        "error": "invalid_token",
        "error_description": "Token is expired. You can either do re-authorization or token refresh.",
    });
    for (project, token, status, body) in [
        ("open/project", None, 200, None),
        ("a/project", None, 404, Some(&hidden)),
        ("open/project", Some("glpat-nobody"), 401, Some(&refused)),
        ("open/project", Some("glpat-old"), 401, Some(&expired)),
        ("a/project", Some("glpat-a"), 200, None),
        ("b/project", Some("glpat-a"), 404, Some(&hidden)),
        ("b/project", Some("glpat-all"), 200, None),
    ] {
        let url = repositories(&gitlab, project);
        let answer = if let Some(token) = token { with_token(&url, token).await } else { get(&url).await };
        assert_eq!(answer.status, status, "{project} {token:?}");
        assert!(body.is_none_or(|body| answer.json() == *body), "{project} {token:?}: {}", answer.text);
        assert_eq!(gitlab.seen_tokens().pop().unwrap().as_deref(), token);
    }
    gitlab.revoke_token("glpat-a");
    assert_eq!(with_token(&repositories(&gitlab, "a/project"), "glpat-a").await.status, 401);
}

#[tokio::test]
async fn a_project_that_was_moved_is_where_its_number_leads() {
    let gitlab = FakeGitlab::start_below("/gitlab").await;
    gitlab.push("old/project", "", &["1.0"]);
    gitlab.move_project("old/project", "new/project");
    let answer = get(&format!("{}?per_page=100", repositories(&gitlab, "old/project"))).await;
    let expected = format!("{}?per_page=100", repositories(&gitlab, "1"));
    assert_eq!((answer.status, answer.header("location")), (301, Some(expected.as_str())));
    assert!(answer.text.starts_with("This resource has been moved permanently to "), "{}", answer.text);
    assert_eq!(texts(&get(&expected).await.json(), "path"), ["new/project"]);
    gitlab.make_private("new/project");
    assert_eq!(get(&repositories(&gitlab, "old/project")).await.status, 404, "nobody learns where a hidden one went");
}

#[tokio::test]
async fn faults_look_as_documented() {
    let (gitlab, other) = (FakeGitlab::start().await, FakeGitlab::start().await);
    gitlab.push("group/project", "", &["1.0"]);
    let url = repositories(&gitlab, "group/project");
    for (fault, status, kind, text) in [
        (GitlabFault::Unauthorized, 401, Some("application/json"), "401 Unauthorized"),
        (GitlabFault::TokenExpired, 401, Some("application/json"), "invalid_token"),
        (GitlabFault::NotFound, 404, Some("application/json"), "404 Project Not Found"),
        (GitlabFault::RateLimited { seconds: 30 }, 429, Some("text/plain"), "Retry later"),
        (GitlabFault::ApplicationLimited, 429, Some("application/json"), "requested too many times"),
        (GitlabFault::Unavailable, 503, None, ""),
        (GitlabFault::Moved(other.origin_as("localhost")), 301, None, "moved permanently"),
        (GitlabFault::TruncatedJson, 200, Some("application/json"), "[{"),
        (GitlabFault::SignInPage, 200, Some("text/html"), "Sign in"),
        (GitlabFault::Slow(Duration::from_millis(1)), 200, Some("application/json"), "group/project"),
    ] {
        gitlab.fail(&fault);
        let answer = get(&url).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, kind), "{fault:?}");
        assert!(answer.text.contains(text), "{fault:?}: {}", answer.text);
        let wait = (fault == GitlabFault::RateLimited { seconds: 30 }).then_some("30");
        assert_eq!(answer.header("retry-after"), wait, "{fault:?}");
        let remaining = answer.header("ratelimit-remaining");
        assert_eq!(remaining.is_some(), status == 429, "{fault:?}");
        let moved = matches!(fault, GitlabFault::Moved(_))
            .then(|| url.replace(&gitlab.origin(), &other.origin_as("localhost")));
        assert_eq!(answer.header("location"), moved.as_deref(), "{fault:?}");
    }
    gitlab.fail(&GitlabFault::TruncatedJson);
    serde_json::from_str::<Value>(&get(&url).await.text).unwrap_err();
    gitlab.fail(&GitlabFault::Reset);
    http_client().get(&url).send().await.unwrap_err();
    gitlab.recover();
    assert_eq!(get(&url).await.status, 200);
}
