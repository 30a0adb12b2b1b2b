use std::fs;

use k8supdater_testkit::{FakeHub, Fault, HubPart, Part};
use serde_json::{Value, json};

use super::{Scene, ran};

/// `REPOSITORY:TAG@DIGEST` in the registry of `scene`, with the digest that the tag has now.
fn pinned(scene: &Scene, repository: &str, tag: &str) -> String {
    format!("{}@{}", scene.registry.image(repository, tag), scene.registry.digest(repository, tag))
}

/// A digest as tables show it.
fn short(digest: &str) -> &str {
    &digest[.."sha256:".len() + 12]
}

/// A Deployment `web` with one container, and what a handler has beside its name and its Deployment.
fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        image: {image}   # pinned\n"
    )
}

fn handler(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: k8supdater.dev/v1\nkind: VersioningHandler\nmetadata: {{name: {name}}}\nspec: {{deployment: web, containerregistry: oci{spec}}}\n"
    )
}

#[tokio::test]
async fn an_image_that_is_pinned_gets_the_new_tag_with_its_digest() {
    let scene = Scene::new().await;
    let (old, new) = (pinned(&scene, "team/web", "1.2.3"), pinned(&scene, "team/web", "1.2.4"));
    let digest = |tag: &str| scene.registry.digest("team/web", tag);
    let found = scene.json(&["--frontier", "2", &old]).await;
    assert_eq!(
        found["images"][0],
        json!({
            "image": old, "status": "updateAndAvailable", "current": "1.2.3", "digest": digest("1.2.3"),
            "update": {"tag": "1.2.4", "digest": digest("1.2.4"), "image": new, "written": false},
            "available": {
                "tag": "2.0.0", "digest": digest("2.0.0"),
                "why": "it differs from 1.2.3 in level 1, and frontier 2 leaves all up to level 2 to a human",
            },
        })
    );
    let short = |tag: &str| format!("{tag}@{}", short(&digest(tag)));
    let ran = scene.check(&["--frontier", "2", &old]).await;
    ran.has(0, &[&format!("/team/web  {}  {}  {}  2.0.0: it differs", short("1.2.3"), short("1.2.4"), short("2.0.0"))]);
    let path = scene.file("web.yaml", &deployment(&old));
    let before = fs::read_to_string(&path).unwrap();
    scene.check(&["-f", "web.yaml", "--write", "--frontier", "2"]).await.has(0, &["written"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), before.replace(&old, &new));
}

#[tokio::test]
async fn without_the_digest_of_the_new_tag_a_pinned_image_fails_and_stays() {
    let scene = Scene::new().await;
    let (old, newest) = (pinned(&scene, "team/web", "1.2.3"), pinned(&scene, "team/web", "2.0.0"));
    scene.registry.fail_at(Part::Manifest, Fault::ServerError);
    let path = scene.file("web.yaml", &deployment(&old));
    let before = fs::read_to_string(&path).unwrap();
    let message = format!(
        "the image {old} is pinned to a digest, and the registry does not tell the digest of 1.3.0; use another registry plugin, or \
         take the digest out of the image"
    );
    scene.check(&["-f", "web.yaml", "--write"]).await.has(1, &[&message]);
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    let found = scene.json(&[&old, &newest]).await;
    assert_eq!(found["images"][0]["error"], json!({"reason": "DigestUnknown", "message": message}));
    assert_eq!(found["images"][1]["status"], "current", "what needs no update needs no digest");
}

#[tokio::test]
async fn a_tag_that_is_listed_and_cannot_be_had_is_not_written() {
    let scene = Scene::new().await;
    let path = scene.file("web.yaml", &deployment(&scene.registry.image("team/web", "1.2.3")));
    let before = fs::read_to_string(&path).unwrap();
    scene.registry.fail_at(Part::Manifest, Fault::NotFound);
    let found = scene.json(&["-f", "web.yaml", "--write"]).await;
    assert_eq!(found["images"][0]["error"]["reason"], "TagNotUsable", "{found}");
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    scene.registry.recover();
    scene.check(&["-f", "web.yaml", "--write"]).await.has(0, &["written"]);
    assert_eq!(scene.registry.count(Part::Manifest), 2);
}

#[tokio::test]
async fn a_listing_with_digests_needs_no_second_question() {
    let (scene, hub) = (Scene::new().await, FakeHub::start().await);
    hub.push("library/nginx", &["1.25.1", "1.25.2"]);
    let digest = |tag: &str| hub.digest("library/nginx", tag);
    let image = format!("nginx:1.25.1@{}", digest("1.25.1"));
    let settings = json!({"baseUrl": hub.origin()}).to_string();
    let args = ["--registry", "dockerhub", "--registry-settings", &settings, "--frontier", "2", &image];
    let found = scene.json(&args).await;
    assert_eq!(found["images"][0]["update"]["image"], format!("nginx:1.25.2@{}", digest("1.25.2")));
    assert_eq!((hub.count(HubPart::Tags), hub.count(HubPart::Tag)), (1, 0));
}

/// What becomes of `image`: its status, what it would be updated to, and the digest that is available.
async fn becomes(scene: &Scene, args: &[&str], image: &str) -> (String, Value, Value) {
    let found = scene.json(&[args, &[image]].concat()).await;
    let image = &found["images"][0];
    let status = image["status"].as_str().unwrap().to_owned();
    (status, image["update"]["image"].clone(), image["available"]["digest"].clone())
}

#[tokio::test]
async fn a_pinned_tag_that_moves_is_followed_as_latest_says() {
    let scene = Scene::new().await;
    scene.registry.push("team/web", &["latest"]);
    let old = pinned(&scene, "team/web", "latest");
    let check = async |args: &[&str], image: &str, expected: (&str, Value, Value)| {
        let (status, update, available) = becomes(&scene, args, image).await;
        assert_eq!((status.as_str(), update, available), expected, "{args:?} {image}");
    };
    check(&[], &old, ("current", Value::Null, Value::Null)).await;
    let digest = scene.registry.repush("team/web", "latest");
    let new = pinned(&scene, "team/web", "latest");
    check(&[], &old, ("available", Value::Null, json!(digest))).await;
    check(&["--latest", "notify"], &old, ("available", Value::Null, json!(digest))).await;
    check(&["--latest", "update"], &old, ("update", json!(new), Value::Null)).await;
    check(&["--latest", "update"], &new, ("current", Value::Null, Value::Null)).await;
    let edge = pinned(&scene, "team/web", "edge");
    let edge_digest = scene.registry.repush("team/web", "edge");
    check(&[], &edge, ("available", Value::Null, json!(edge_digest))).await;
    let origin = scene.registry.origin();
    let variable = ran(scene.command(&["--grant", &origin, &old]).env("LATEST_PREFERENCE", "true")).await;
    variable.has(0, &[&format!("latest@{}", short(&digest))]);
    scene.check(&[&old, "--exit-code"]).await.has(2, &["it is pinned to, and latest is notify"]);
    let wrong = scene.check(&[&old, "--latest", "always"]).await;
    wrong.has(1, &["LATEST_PREFERENCE (or --latest) is \"always\", expected update or true, or notify or false"]);
    let tagless = old.replace(":latest@", "@");
    scene.check(&[&tagless]).await.has(0, &["it is pinned to a digest and has no tag"]);
    let path = scene.file("web.yaml", &deployment(&old));
    scene.check(&["-f", "web.yaml", "--write", "--latest", "update"]).await.has(0, &["written"]);
    assert_eq!(fs::read_to_string(path).unwrap(), deployment(&new));
}

#[tokio::test]
async fn an_image_behind_the_index_that_a_tag_points_at_is_current() {
    let scene = Scene::new().await;
    let digests = scene.registry.push_index("team/web", "latest", &["linux/amd64", "linux/arm64"]);
    let member = format!("{}@{}", scene.registry.image("team/web", "latest"), digests.member("linux/arm64"));
    assert_eq!(becomes(&scene, &["--latest", "update"], &member).await.0, "current");
    let digests = scene.registry.push_index("team/web", "latest", &["linux/amd64", "linux/arm64"]);
    let new = format!("{}@{}", scene.registry.image("team/web", "latest"), digests.index);
    assert_eq!(becomes(&scene, &["--latest", "update"], &member).await, ("update".to_owned(), json!(new), Value::Null));
}

#[tokio::test]
async fn a_handler_says_what_to_do_about_tags_that_move() {
    let scene = Scene::new().await;
    let edge = pinned(&scene, "team/web", "edge");
    scene.registry.repush("team/web", "edge");
    let check = async |spec: &str, status: &str, reason: Value| {
        scene.file("web.yaml", &format!("{}{}", deployment(&edge), handler("h", spec)));
        let found = scene.json(&["-f", "web.yaml"]).await;
        let image = &found["images"][0];
        assert_eq!((&image["status"], &image["error"]["reason"]), (&json!(status), &reason), "{spec}: {image}");
    };
    check(", latest: Update", "update", Value::Null).await;
    check(", latest: Notify", "available", Value::Null).await;
    check("", "failed", json!("NoVersion")).await;
}

#[tokio::test]
async fn a_handler_lists_tags_that_it_does_not_want() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    let check = async |spec: &str, update: Value, available: Value| {
        scene.file("web.yaml", &(deployment(&image) + &handler("h", &format!(", frontier: 2{spec}"))));
        let found = scene.json(&["-f", "web.yaml"]).await;
        let image = &found["images"][0];
        assert_eq!((&image["update"]["tag"], &image["available"]["tag"]), (&update, &available), "{spec}: {image}");
    };
    check("", json!("1.2.4"), json!("2.0.0")).await;
    check(", hold: [1.2.4]", Value::Null, json!("2.0.0")).await;
    check(", hold: [2.0.0]", json!("1.2.4"), json!("1.3.0")).await;
    check(", hold: [2.0.0], containers: [{name: app, hold: [1.2.4]}]", Value::Null, json!("2.0.0")).await;
}

#[tokio::test]
async fn a_tag_that_lacks_a_platform_is_refused_and_the_next_one_taken() {
    let scene = Scene::new().await;
    let both = ["linux/amd64", "linux/arm64"];
    scene.registry.push_index("team/api", "1.0.0", &both);
    scene.registry.push_index("team/api", "1.0.1", &both);
    scene.registry.push_for("team/api", "1.0.2", "linux/amd64");
    let image = scene.registry.image("team/api", "1.0.0");
    let check = async |flags: &[&str], expected: &str| {
        let found = scene.json(&[flags, &["--all", &image]].concat()).await;
        let image = &found["images"][0];
        assert_eq!(image["update"]["tag"], expected, "{flags:?}");
        let verdict = &image["candidates"].as_array().unwrap().iter().find(|found| found["tag"] == "1.0.2").unwrap();
        assert_eq!(verdict["verdict"] == "OtherPlatform", expected == "1.0.1", "{verdict}");
    };
    check(&[], "1.0.2").await;
    assert_eq!(scene.registry.count(Part::Manifest), 0, "nobody looks who need not");
    check(&["--platform", "linux/amd64"], "1.0.2").await;
    check(&["--platform", "linux/arm64"], "1.0.1").await;
    check(&["--platform", "linux/amd64", "--platform", "linux/arm64"], "1.0.1").await;
    // The current image does not run there either.
    check(&["--platform", "linux/amd64", "--platform", "linux/s390x"], "1.0.2").await;
    scene.check(&[&image, "--platform", "linux/arm64/v8"]).await.has(1, &["it is no platform, expected"]);
    let text = deployment(&image) + &handler("h", "");
    scene.file("web.yaml", &text);
    let found = scene.json(&["-f", "web.yaml", "--platform", "linux/arm64"]).await;
    assert_eq!(found["images"][0]["update"]["tag"], "1.0.1", "the flag stands for the nodes, whoever rules");
}

#[tokio::test]
async fn flavors_are_allowed_by_a_pattern() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.4");
    let check = async |flags: &[&str], expected: &str| {
        let found = scene.json(&[flags, &[&image, "--frontier", "2"]].concat()).await;
        assert_eq!(found["images"][0]["update"]["tag"].as_str(), Some(expected).filter(|tag| !tag.is_empty()));
    };
    check(&[], "").await;
    check(&["--flavor", "-alpine"], "1.2.5-alpine").await;
    check(&["--flavor=-slim"], "").await;
    scene.check(&[&image, "--flavor", "("]).await.has(1, &["it is no regular expression"]);
}

#[tokio::test]
async fn of_two_handlers_of_one_deployment_none_wins_silently() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    scene.file("k8s/web.yaml", &(deployment(&image) + &handler("one", ", frontier: 2")));
    scene.file("k8s/other.yaml", &handler("two", ""));
    let found = scene.json(&["-f", "k8s"]).await;
    assert_eq!(
        found["images"][0]["error"],
        json!({
            "reason": "SeveralHandlers",
            "message": "Deployment web is named by 2 VersioningHandlers, two and one; leave one",
        })
    );
    scene.check(&["-f", "k8s", "--write"]).await.has(1, &["is named by 2 VersioningHandlers"]);
    scene.check(&["-f", "k8s/web.yaml"]).await.has(0, &["1.2.4"]);
}
