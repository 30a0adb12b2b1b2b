use serde_json::json;

use super::*;
use crate::http_client;
use crate::server::asking::{Answer, get, keys, texts};

fn names(page: &Value) -> Vec<&str> {
    texts(&page["results"], "name")
}

const PAGE: [&str; 4] = ["count", "next", "previous", "results"];
const TAG: [&str; 16] = [
    "content_type",
    "creator",
    "digest",
    "full_size",
    "id",
    "images",
    "last_updated",
    "last_updater",
    "last_updater_username",
    "media_type",
    "name",
    "repository",
    "tag_last_pulled",
    "tag_last_pushed",
    "tag_status",
    "v2",
];
const IMAGE: [&str; 11] = [
    "architecture",
    "digest",
    "features",
    "last_pulled",
    "last_pushed",
    "os",
    "os_features",
    "os_version",
    "size",
    "status",
    "variant",
];

#[tokio::test]
async fn pages_have_the_newest_first_and_link_to_each_other() {
    let hub = FakeHub::start().await;
    hub.push("library/nginx", &["1.0.0", "1.1.0", "1.2.0"]);
    let tags = format!("{}/v2/repositories/library/nginx/tags", hub.origin());
    let first = get(&format!("{tags}?page_size=2&ordering=last_updated")).await;
    let page = first.json();
    assert_eq!((first.status, keys(&page), names(&page)), (200, PAGE.to_vec(), vec!["1.2.0", "1.1.0"]));
    assert_eq!((&page["count"], &page["previous"]), (&json!(3), &Value::Null));
    assert_eq!(page["next"], json!(format!("{tags}?ordering=last_updated&page=2&page_size=2")));
    let tag = &page["results"][0];
    assert_eq!(keys(tag), TAG);
    assert_eq!(keys(&tag["images"][0]), IMAGE);
    assert_eq!(
        (&tag["digest"], &tag["digest"]),
        (&json!(hub.digest("library/nginx", "1.2.0")), &tag["images"][0]["digest"])
    );
    assert!(tag["last_updated"].as_str() > page["results"][1]["last_updated"].as_str());
    let last = get(page["next"].as_str().unwrap()).await.json();
    assert_eq!((names(&last), &last["next"]), (vec!["1.0.0"], &Value::Null));
    assert_eq!(last["previous"], json!(format!("{tags}?ordering=last_updated&page_size=2")));
    assert_eq!(get(&format!("{tags}?page=3&page_size=2")).await.status, 404, "behind the last page");
    assert_eq!(get(&tags).await.status, 200);
    assert_eq!((hub.count(HubPart::Tags), hub.count(HubPart::Tag)), (4, 0));
    assert_eq!(hub.seen()[3].path, "/v2/repositories/library/nginx/tags");
}

#[tokio::test]
async fn every_answer_says_what_may_still_be_asked() {
    let hub = FakeHub::start().await;
    hub.push("a/b", &["1"]);
    let mut remaining = Vec::new();
    for path in ["tags", "tags/1", "tags/2"] {
        let answer = get(&format!("{}/v2/repositories/a/b/{path}", hub.origin())).await;
        assert_eq!(answer.header("x-ratelimit-limit"), Some("180"));
        assert!(answer.header("x-ratelimit-reset").unwrap().parse::<i64>().unwrap() > 1_700_000_000);
        remaining.push(answer.header("x-ratelimit-remaining").unwrap().to_owned());
    }
    assert_eq!(remaining, ["179", "178", "177"]);
}

#[tokio::test]
async fn what_is_pushed_again_is_new_and_comes_first() {
    let hub = FakeHub::start().await;
    hub.push("a/b", &["latest", "1.0"]);
    let (old, times) = (hub.digest("a/b", "latest"), |page: &Value| page["results"][0]["last_updated"].to_string());
    let list = async || get(&format!("{}/v2/repositories/a/b/tags", hub.origin())).await.json();
    let before = list().await;
    let new = hub.repush("a/b", "latest");
    let after = list().await;
    assert_eq!((names(&before), names(&after)), (vec!["1.0", "latest"], vec!["latest", "1.0"]));
    assert!(new != old && times(&after) > times(&before));
    assert_eq!(after["results"][0]["digest"], json!(new));
    hub.remove("a/b", "latest");
    assert_eq!(names(&list().await), ["1.0"]);
}

#[tokio::test]
async fn an_index_has_an_image_for_each_platform() {
    let hub = FakeHub::start().await;
    let digest = hub.push_platforms("a/b", "1.0", &["linux/amd64", "linux/arm64/v8", "windows/amd64"]);
    let tag = get(&format!("{}/v2/repositories/a/b/tags/1.0", hub.origin())).await.json();
    let of = |image: &Value| {
        let text = |key: &str| image[key].as_str().unwrap_or("-").to_owned();
        [text("os"), text("architecture"), text("variant"), text("os_version")].join(" ")
    };
    let platforms: Vec<String> = tag["images"].as_array().unwrap().iter().map(of).collect();
    assert_eq!(platforms, ["linux amd64 - -", "linux arm64 v8 -", "windows amd64 - 10.0.20348.2700"]);
    assert_eq!(
        (&tag["digest"], &tag["media_type"]),
        (&json!(digest), &json!("application/vnd.oci.image.index.v1+json"))
    );
    assert!(tag["images"].as_array().unwrap().iter().all(|image| image["digest"] != json!(digest)));
}

#[tokio::test]
async fn five_thousand_tags_come_a_hundred_at_a_time() {
    let hub = FakeHub::start().await;
    hub.fill("a/b", 5_000);
    let mut url = format!("{}/v2/repositories/a/b/tags?page_size=1000&ordering=last_updated", hub.origin());
    let mut found = Vec::new();
    loop {
        let page = get(&url).await.json();
        found.extend(names(&page).into_iter().map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut url),
            None => break,
        }
    }
    assert_eq!((found.len(), found[0].as_str(), found[4_999].as_str()), (5_000, "0.49.99", "0.0.0"));
    assert_eq!(hub.count(HubPart::Tags), 50);
}

#[tokio::test]
async fn tags_can_be_old_and_incomplete() {
    let hub = FakeHub::start().await;
    hub.push("a/b", &["new", "old"]);
    hub.age("a/b", "old", Duration::from_hours(1));
    hub.distort("a/b", "old", |tag| {
        tag["last_pulled"] = Value::Null;
        tag.as_object_mut().unwrap().remove("digest");
    });
    let page = get(&format!("{}/v2/repositories/a/b/tags", hub.origin())).await.json();
    assert_eq!(names(&page), ["new", "old"]);
    assert_eq!(page["results"][1].get("digest"), None);
}

#[tokio::test]
async fn a_private_repository_is_hidden_and_a_wrong_token_refused() {
    let hub = FakeHub::start().await;
    hub.push("a/b", &["1.0"]);
    hub.require_token("right");
    let tags = format!("{}/v2/repositories/a/b/tags", hub.origin());
    let with = async |token: &str| Answer::to(http_client().get(&tags).bearer_auth(token)).await.status;
    assert_eq!((get(&tags).await.status, with("wrong").await, with("right").await), (404, 401, 200));
    let seen: Vec<_> = hub.seen().iter().map(|seen| seen.authorization().map(str::to_owned)).collect();
    assert_eq!(seen, [None, Some("Bearer wrong".to_owned()), Some("Bearer right".to_owned())]);
}

#[tokio::test]
async fn a_login_in_either_form_gives_a_token_until_it_expires() {
    let hub = FakeHub::start().await;
    hub.push("a/b", &["1.0"]);
    hub.require_login("robot", "hush");
    let tags = format!("{}/v2/repositories/a/b/tags", hub.origin());
    let log_in = async |path: &str, body: Value| {
        let request = http_client().post(format!("{}{path}", hub.origin()));
        Answer::to(request.header("content-type", "application/json").body(body.to_string())).await
    };
    for (path, name, secret, answer) in [
        ("/v2/auth/token", "identifier", "secret", "access_token"),
        ("/v2/users/login/", "username", "password", "token"),
    ] {
        let wrong = log_in(path, json!({name: "robot", secret: "wrong"})).await;
        assert_eq!((wrong.status, wrong.json()), (401, json!({"detail": "Incorrect authentication credentials"})));
        let right = log_in(path, json!({name: "robot", secret: "hush"})).await;
        assert_eq!((right.status, keys(&right.json())), (200, vec![answer]));
        let token = right.json()[answer].as_str().unwrap().to_owned();
        let list = async || Answer::to(http_client().get(&tags).bearer_auth(&token)).await.status;
        assert_eq!(list().await, 200);
        hub.expire_token();
        assert_eq!(list().await, 401);
    }
    assert_eq!(hub.seen().iter().filter(|seen| seen.holds("hush")).count(), 2);
}

#[tokio::test]
async fn faults_look_as_reported() {
    let hub = FakeHub::start().await;
    hub.push("a/b", &["1.0"]);
    let tags = format!("{}/v2/repositories/a/b/tags", hub.origin());
    for (fault, status, kind, text) in [
        (HubFault::Unauthorized, 401, "application/json", "Incorrect authentication credentials"),
        (HubFault::Forbidden, 403, "application/json", "access denied"),
        (HubFault::NotFound, 404, "application/json", "object not found"),
        (HubFault::NotFoundPage, 404, "text/html", "404 : Docker"),
        (HubFault::RateLimited { until: 1_705_312_860 }, 429, "application/json", "Rate limit exceeded"),
        (HubFault::AbuseLimited, 429, "text/plain", "Too Many Requests"),
        (HubFault::BadGateway, 502, "text/html", "502 Bad Gateway"),
        (HubFault::TruncatedJson, 200, "application/json", "{\"count\":1"),
        (HubFault::NextElsewhere("http://elsewhere.example/".to_owned()), 200, "application/json", "elsewhere.example"),
        (HubFault::Slow(Duration::from_millis(1)), 200, "application/json", "1.0"),
    ] {
        hub.fail_at(HubPart::Tags, fault.clone());
        let answer = get(&tags).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, Some(kind)), "{fault:?}");
        assert!(answer.text.contains(text), "{fault:?}: {}", answer.text);
        let retry = (fault == HubFault::RateLimited { until: 1_705_312_860 }).then_some("1705312860");
        assert_eq!((answer.header("x-retry-after"), answer.header("retry-after")), (retry, None), "{fault:?}");
        let is_truncated = serde_json::from_str::<Value>(&answer.text).is_err();
        assert_eq!(is_truncated, kind != "application/json" || fault == HubFault::TruncatedJson, "{fault:?}");
    }
    hub.fail(&HubFault::Reset);
    http_client().get(&tags).send().await.unwrap_err();
    hub.recover();
    assert_eq!(get(&tags).await.status, 200);
}

#[tokio::test]
async fn a_redirect_leads_to_another_host() {
    let (hub, other) = (FakeHub::start().await, FakeHub::start().await);
    hub.fail(&HubFault::Redirect(other.origin_as("localhost")));
    let answer = get(&format!("{}/v2/repositories/a/b/tags?page=1", hub.origin())).await;
    let expected = format!("{}/v2/repositories/a/b/tags?page=1", other.origin_as("localhost"));
    assert_eq!((answer.status, answer.header("location")), (307, Some(expected.as_str())));
}
