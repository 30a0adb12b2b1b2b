use serde_json::Value;

use super::*;
use crate::http_client;
use crate::server::asking::{Answer, get, get_with, texts};

fn tags(answer: &Answer) -> Vec<String> {
    serde_json::from_value(answer.json()["tags"].clone()).unwrap()
}

#[tokio::test]
async fn tags_come_in_pages_with_a_link_and_conditionally() {
    let registry = FakeRegistry::start().await;
    registry.push("team/web", &["1.0.0", "1.1.0", "1.2.0"]);
    registry.set_page_size(2);
    let first = format!("{}/v2/team/web/tags/list", registry.origin());
    let page = get(&first).await;
    assert_eq!((page.status, tags(&page)), (200, vec!["1.0.0".to_owned(), "1.1.0".to_owned()]));
    assert_eq!(page.header("link"), Some("</v2/team/web/tags/list?n=2&last=1.1.0>; rel=\"next\""));
    let last = get(&format!("{first}?n=2&last=1.1.0")).await;
    assert_eq!((tags(&last), last.header("link")), (vec!["1.2.0".to_owned()], None));
    let known = [("if-none-match", page.header("etag").unwrap())];
    assert_eq!(get_with(&first, &known).await.status, 304);
    registry.push("team/web", &["1.0.1"]);
    assert_eq!(get_with(&first, &known).await.status, 200);
    let conditional: Vec<bool> = registry.seen().iter().map(|seen| seen.is_conditional).collect();
    assert_eq!(conditional, [false, false, true, true]);
}

#[tokio::test]
async fn who_logs_in_gets_a_token_that_opens() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0"]);
    registry.require_login("robot", "secret");
    let list = format!("{}/v2/web/tags/list", registry.origin());
    let refused = get(&list).await;
    let challenge =
        format!("Bearer realm=\"{}/token\",service=\"fake\",scope=\"repository:web:pull\"", registry.origin());
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(challenge.as_str())));
    assert!(refused.text.contains("UNAUTHORIZED"), "{}", refused.text);
    let service = format!("{}/token?service=fake&scope=repository:web:pull", registry.origin());
    assert_eq!(get_with(&service, &[("authorization", "Basic cm9ib3Q6d3Jvbmc=")]).await.status, 401);
    let sold = get_with(&service, &[("authorization", "Basic cm9ib3Q6c2VjcmV0")]).await;
    let bearer = format!("Bearer {}", sold.json()["token"].as_str().unwrap());
    assert_eq!(get_with(&list, &[("authorization", &bearer)]).await.status, 200);
    assert_eq!(registry.seen().last().unwrap().authorization(), Some(bearer.as_str()));
    registry.set_realm("http://elsewhere.example/token");
    let refused = get(&list).await;
    assert!(refused.header("www-authenticate").unwrap().contains("realm=\"http://elsewhere.example/token\""));
}

#[tokio::test]
async fn faults_are_injected_and_taken_back() {
    let (registry, other) = (FakeRegistry::start().await, FakeRegistry::start().await);
    registry.push("web", &["1.0.0"]);
    let list = format!("{}/v2/web/tags/list", registry.origin());
    for (fault, expected, code) in [
        (Fault::Unauthorized, 401, "UNAUTHORIZED"),
        (Fault::NotFound, 404, "NAME_UNKNOWN"),
        (Fault::RateLimited(Some("7".to_owned())), 429, "TOOMANYREQUESTS"),
        (Fault::ServerError, 500, ""),
        (Fault::TruncatedJson, 200, "\"1."),
        (Fault::WrongJson, 200, "true"),
        (Fault::Redirect(other.origin_as("localhost")), 307, ""),
        (Fault::Slow(Duration::from_millis(1)), 200, "1.0.0"),
    ] {
        registry.fail_at(Part::Tags, fault.clone());
        let answer = get(&list).await;
        assert_eq!(answer.status, expected, "{fault:?}");
        assert!(answer.text.contains(code), "{fault:?} {}", answer.text);
        assert_eq!(answer.header("retry-after").is_some(), expected == 429);
        let moved = (expected == 307).then(|| format!("{}/v2/web/tags/list", other.origin_as("localhost")));
        assert_eq!(answer.header("location"), moved.as_deref());
    }
    assert_eq!(registry.seen().iter().map(|seen| seen.status).max(), Some(500));
    registry.fail_at(Part::Tags, Fault::Reset);
    http_client().get(&list).send().await.unwrap_err();
    registry.fail(&Fault::Reset);
    http_client().get(&list).send().await.unwrap_err();
    assert_eq!((registry.count(Part::Tags), registry.count(Part::Other) > 0), (9, true));
    registry.recover();
    assert_eq!(get(&list).await.status, 200);
}

#[tokio::test]
async fn a_tag_is_shown_with_its_digest() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    let head = async |tag: &str| {
        let url = format!("{}/v2/web/manifests/{tag}", registry.origin());
        let answer = Answer::to(http_client().head(url)).await;
        (answer.status, answer.header("docker-content-digest").map(str::to_owned))
    };
    let (one, two) = (registry.digest("web", "1.0.0"), registry.digest("web", "1.0.1"));
    assert_ne!(one, two);
    assert_eq!(head("1.0.0").await, (200, Some(one.clone())));
    assert_eq!(head("1.0.1").await, (200, Some(two)));
    registry.remove("web", "1.0.1");
    assert_eq!(head("1.0.1").await.0, 404);
    registry.push("web", &["1.0.0"]);
    assert_eq!(registry.digest("web", "1.0.0"), one, "what is there stays as it is");
    let new = registry.repush("web", "1.0.0");
    assert_ne!(new, one);
    assert_eq!(head("1.0.0").await, (200, Some(new)));
    assert_eq!(registry.count(Part::Manifest), 4);
}

#[tokio::test]
async fn an_image_says_in_its_configuration_what_it_runs_on() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0"]);
    registry.push_for("web", "1.0.0-arm", "linux/arm64/v8");
    for (tag, expected) in [("1.0.0", ["linux", "amd64"]), ("1.0.0-arm", ["linux", "arm64"])] {
        let manifest = get(&format!("{}/v2/web/manifests/{tag}", registry.origin())).await;
        let digest = manifest.json()["config"]["digest"].as_str().unwrap().to_owned();
        let config = get(&format!("{}/v2/web/blobs/{digest}", registry.origin())).await;
        let text = |key: &str| config.json()[key].as_str().unwrap().to_owned();
        assert_eq!((config.status, [text("os"), text("architecture")]), (200, expected.map(str::to_owned)));
        assert_eq!(config.header("content-type"), Some("application/octet-stream"));
    }
    let unknown = get(&format!("{}/v2/web/blobs/sha256:0", registry.origin())).await;
    assert_eq!((unknown.status, unknown.text.contains("BLOB_UNKNOWN")), (404, true));
    assert_eq!(registry.count(Part::Blob), 3);
}

#[tokio::test]
async fn an_index_leads_to_its_images() {
    let registry = FakeRegistry::start().await;
    let platforms = ["linux/amd64", "linux/arm64"];
    let digests = registry.push_index("web", "1.0.0", &platforms);
    let index = get(&format!("{}/v2/web/manifests/1.0.0", registry.origin())).await;
    assert_eq!(index.header("content-type"), Some("application/vnd.oci.image.index.v1+json"));
    assert_eq!(index.header("docker-content-digest"), Some(digests.index.as_str()));
    let members = &index.json()["manifests"];
    assert_eq!(texts(members, "digest"), platforms.map(|platform| digests.member(platform)));
    let member = get(&format!("{}/v2/web/manifests/{}", registry.origin(), digests.member("linux/arm64"))).await;
    assert_eq!(member.header("content-type"), Some("application/vnd.oci.image.manifest.v1+json"));
    let expected: Value = serde_json::from_str(r#"{"architecture": "arm64", "os": "linux"}"#).unwrap();
    assert_eq!(members[1]["platform"], expected);
}
