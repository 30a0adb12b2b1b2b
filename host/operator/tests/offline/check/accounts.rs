use k8supdater_testkit::{FakeGitlab, FakeHub, Fault, HubPart, Part};
use serde_json::{Value, json};

use super::{CANARY, LOUD, Ran, Scene, login, ran};

/// The reason and message for the first image.
async fn error(scene: &Scene, args: &[&str]) -> (String, String) {
    let found = scene.json(args).await;
    let error = &found["images"][0]["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_else(|| panic!("no {key} in {found}")).to_owned();
    (text("reason"), text("message"))
}

#[tokio::test]
async fn missing_and_wrong_logins_are_told_apart() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    scene.registry.require_login("robot", CANARY);
    let host = scene.host();
    let remedy = format!("log in with \"docker login {host}\", or name another file with --docker-config");
    let (reason, message) = error(&scene, &[&image]).await;
    assert_eq!(reason, "CredentialsMissing");
    assert!(message.ends_with(&format!("the registry wants a login, and there is no Docker configuration; {remedy}")));
    let other = scene.file("other.json", r#"{"auths": {"r.example": {"auth": "dTpw"}}}"#);
    let (reason, message) = error(&scene, &[&image, "--docker-config", &other]).await;
    assert_eq!(reason, "CredentialsMissing");
    assert!(message.contains(&format!("wants a login, and {other} has none for it; ")), "{message}");
    let wrong = scene.file("wrong.json", &login("canary-wrong"));
    let (reason, message) = error(&scene, &[&image, "--docker-config", &wrong]).await;
    assert_eq!(reason, "CredentialsRefused");
    let expected =
        format!("the registry refused the login for {host} from {wrong}; log in again with \"docker login {host}\"");
    assert!(message.ends_with(&expected), "{message}");
}

#[tokio::test]
async fn a_repository_that_one_login_does_not_see_is_looked_for_with_the_next() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    let auths = json!({"auths": {
        "HOST/team": {"username": "one", "password": CANARY}, "HOST": {"username": "two", "password": CANARY},
    }});
    let both = scene.file("both.json", &auths.to_string());
    scene.registry.fail_at(Part::Tags, Fault::NotFound);
    let (reason, _) = error(&scene, &[&image, "--docker-config", &both]).await;
    assert_eq!((reason.as_str(), scene.registry.count(Part::Tags)), ("RepositoryNotFound", 2));
}

/// A check of the image `team/app:1.0.0` of `gitlab` with these variables.
async fn check_gitlab(scene: &Scene, gitlab: &FakeGitlab, variables: &[(&str, &str)], args: &[&str]) -> (Ran, Value) {
    let image = gitlab.image("team/app", "1.0.0");
    let args = [&["--registry", "gitlab", "--output", "json", &image], args].concat();
    let ran = ran(scene.command(&args).envs(variables.iter().copied()).env("K8SUPDATER_LOG", LOUD)).await;
    assert!(!ran.stdout.contains("canary") && !ran.stderr.contains("canary"), "{}{}", ran.stdout, ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|err| panic!("{err}: {}", ran.stderr));
    let image = found["images"][0].clone();
    (ran, image)
}

#[tokio::test]
async fn gitlab_is_asked_as_the_variables_say() {
    let (scene, gitlab) = (Scene::new().await, FakeGitlab::start_below("/dev/gitlab").await);
    let number = gitlab.push("team/app", "", &["1.0.0", "1.0.1"]).to_string();
    gitlab.make_private("team/app");
    gitlab.allow_token(CANARY);
    gitlab.allow_token("canary-expired");
    gitlab.expire_token("canary-expired");
    let base = gitlab.base_url();
    let check = async |token: Option<&str>, expected: Result<&str, (&str, &str)>| {
        let mut variables = vec![("GITLAB_BASE_URL", base.as_str()), ("GITLAB_PROJECT_ID", &number)];
        variables.extend(token.map(|token| ("GITLAB_TOKEN", token)));
        let (ran, image) = check_gitlab(&scene, &gitlab, &variables, &[]).await;
        match expected {
            Ok(tag) => assert_eq!((ran.code, &image["update"]["tag"]), (0, &json!(tag)), "{image}"),
            Err((reason, words)) => {
                assert_eq!((ran.code, &image["error"]["reason"]), (1, &json!(reason)), "{image}");
                let message = image["error"]["message"].as_str().unwrap();
                assert!(message.contains(words), "{message}");
            }
        }
    };
    check(Some(CANARY), Ok("1.0.1")).await;
    let asked = gitlab.seen();
    assert!(asked.iter().all(|seen| seen.path.contains(&format!("/projects/{number}/"))), "{asked:?}");
    let expired = "the token in GITLAB_TOKEN has expired; set it to another one";
    check(Some("canary-expired"), Err(("CredentialsExpired", expired))).await;
    let refused = "GitLab refused the token in GITLAB_TOKEN; set it to one with the scope read_api";
    check(Some("canary-wrong"), Err(("CredentialsRefused", refused))).await;
    check(None, Err(("RepositoryNotFound", "these credentials may not see it"))).await;
}

#[tokio::test]
async fn the_token_for_gitlab_goes_to_that_gitlab_only() {
    let (scene, gitlab, other) = (Scene::new().await, FakeGitlab::start().await, FakeGitlab::start().await);
    for gitlab in [&gitlab, &other] {
        gitlab.push("team/app", "", &["1.0.0", "1.0.1"]);
    }
    let (base, settings) = (gitlab.base_url(), json!({"baseUrl": other.base_url()}).to_string());
    let variables = [("GITLAB_BASE_URL", base.as_str()), ("GITLAB_TOKEN", CANARY)];
    let (ran, _) = check_gitlab(&scene, &other, &variables, &["--registry-settings", &settings]).await;
    ran.has(0, &["1.0.1"]);
    assert!(gitlab.seen().is_empty());
    assert!(!other.seen().is_empty() && other.seen_tokens().iter().all(Option::is_none));
}

#[tokio::test]
async fn a_login_for_docker_hub_does_not_go_to_what_stands_in_for_its_api() {
    let (scene, hub) = (Scene::new().await, FakeHub::start().await);
    hub.push("library/nginx", &["1.25.1", "1.25.2"]);
    let settings = json!({"baseUrl": hub.origin()}).to_string();
    let auths = json!({"auths": {"https://index.docker.io/v1/": {"username": "robot", "password": CANARY}}});
    let config = scene.file("config.json", &auths.to_string());
    let args = [
        "--registry",
        "dockerhub",
        "--registry-settings",
        &settings,
        "--docker-config",
        &config,
        "--frontier=2",
        "nginx:1.25.1",
    ];
    scene.check(&args).await.has(0, &["1.25.2"]);
    assert!(hub.count(HubPart::Tags) > 0);
    assert_eq!(hub.count(HubPart::Login), 0);
    assert!(hub.seen().iter().all(|seen| seen.header("authorization").is_none()));
    hub.require_login("robot", CANARY);
    scene.check(&args).await.has(1, &["the repository does not exist"]);
    assert_eq!(hub.count(HubPart::Login), 0);
}
