use super::*;
use crate::http_client;

async fn get(url: &str, headers: &[(&str, &str)]) -> (u16, reqwest::header::HeaderMap, String) {
    let mut request = http_client().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.text().await.unwrap())
}

#[tokio::test]
async fn tags_come_in_pages_with_a_link_and_conditionally() {
    let registry = FakeRegistry::start().await;
    registry.push("team/web", &["1.0.0", "1.1.0", "1.2.0"]);
    registry.set_page_size(2);
    let first = format!("{}/v2/team/web/tags/list", registry.origin());
    let (status, headers, body) = get(&first, &[]).await;
    assert_eq!((status, answer::tags(&body)), (200, vec!["1.0.0".to_owned(), "1.1.0".to_owned()]));
    assert_eq!(headers["link"], "</v2/team/web/tags/list?n=2&last=1.1.0>; rel=\"next\"");
    let (_, last, body) = get(&format!("{first}?n=2&last=1.1.0"), &[]).await;
    assert_eq!((answer::tags(&body), last.get("link")), (vec!["1.2.0".to_owned()], None));
    let etag = headers["etag"].to_str().unwrap();
    assert_eq!(get(&first, &[("if-none-match", etag)]).await.0, 304);
    registry.push("team/web", &["1.0.1"]);
    assert_eq!(get(&first, &[("if-none-match", etag)]).await.0, 200);
    let conditional: Vec<bool> = registry.seen().iter().map(|seen| seen.is_conditional).collect();
    assert_eq!(conditional, [false, false, true, true]);
}

#[tokio::test]
async fn who_logs_in_gets_a_token_that_opens() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0"]);
    registry.require_login("robot", "secret");
    let list = format!("{}/v2/web/tags/list", registry.origin());
    let (status, headers, body) = get(&list, &[]).await;
    let challenge =
        format!("Bearer realm=\"{}/token\",service=\"fake\",scope=\"repository:web:pull\"", registry.origin());
    assert_eq!((status, headers["www-authenticate"].to_str().unwrap()), (401, challenge.as_str()));
    assert!(body.contains("UNAUTHORIZED"), "{body}");
    let service = format!("{}/token?service=fake&scope=repository:web:pull", registry.origin());
    assert_eq!(get(&service, &[("authorization", "Basic cm9ib3Q6d3Jvbmc=")]).await.0, 401);
    let (_, _, body) = get(&service, &[("authorization", "Basic cm9ib3Q6c2VjcmV0")]).await;
    let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
    let bearer = format!("Bearer {}", answer["token"].as_str().unwrap());
    assert_eq!(get(&list, &[("authorization", &bearer)]).await.0, 200);
}

#[tokio::test]
async fn faults_are_injected_and_taken_back() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0"]);
    let list = format!("{}/v2/web/tags/list", registry.origin());
    for (fault, expected, code) in [
        (Fault::Unauthorized, 401, "UNAUTHORIZED"),
        (Fault::NotFound, 404, "NAME_UNKNOWN"),
        (Fault::RateLimited(Some("7".to_owned())), 429, "TOOMANYREQUESTS"),
        (Fault::ServerError, 500, ""),
        (Fault::TruncatedJson, 200, "\"1."),
        (Fault::WrongJson, 200, "true"),
        (Fault::Slow(Duration::from_millis(1)), 200, "1.0.0"),
    ] {
        registry.fail_at(Part::Tags, fault.clone());
        let (status, headers, body) = get(&list, &[]).await;
        assert_eq!(status, expected, "{fault:?}");
        assert!(body.contains(code), "{fault:?} {body}");
        assert_eq!(headers.get("retry-after").is_some(), status == 429);
    }
    registry.fail(&Fault::Reset);
    http_client().get(&list).send().await.unwrap_err();
    registry.recover();
    assert_eq!(get(&list, &[]).await.0, 200);
}

#[tokio::test]
async fn a_tag_is_shown_with_its_digest() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let head = async |tag: &str| {
        let url = format!("{}/v2/web/manifests/{tag}", registry.origin());
        let response = http_client().head(url).send().await.unwrap();
        (response.status().as_u16(), response.headers().get("docker-content-digest").cloned())
    };
    let (one, two) = (head("1.0.0").await, head("1.0.1").await);
    assert_eq!((one.0, two.0), (200, 200));
    assert!(one.1.is_some() && one.1 != two.1);
    registry.remove("web", "1.0.1");
    assert_eq!(head("1.0.1").await.0, 404);
    assert_eq!(registry.count(Part::Manifest), 3);
}
