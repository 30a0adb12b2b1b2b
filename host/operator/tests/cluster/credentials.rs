use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8supdater_testkit::{FakeGitlab, FakeRegistry, Fault, GitlabPart, Part, PrivateRegistry, Stage, objects};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::scene::{bare, condition, equal, image, more_checks, prepared};

async fn create_secret(stage: &Stage, secret: &Secret) {
    stage.api::<Secret>().create(&PostParams::default(), secret).await.unwrap();
}

async fn replace_secret(stage: &Stage, secret: &Secret) {
    let name = secret.metadata.name.clone().unwrap();
    stage.api::<Secret>().replace(&name, &PostParams::default(), secret).await.unwrap();
}

/// A stage with the plugins `gitlab`, which may call these origins, and `pep440`. Its operator is not started.
async fn with_gitlab(name: &str, origins: &[String]) -> Stage {
    let stage = bare(name).await;
    let mut granted = vec!["https://gitlab.com".to_owned()];
    granted.extend_from_slice(origins);
    stage.plug("gitlab", "registry-gitlab", &json!({"grants": {"origins": granted}})).await;
    stage.plug("pep440", "version-pep440", &json!({})).await;
    stage
}

fn gitlab_spec(gitlab: &FakeGitlab, secret: &str) -> Value {
    let settings = json!({"baseUrl": gitlab.base_url(), "project": "team/app"});
    json!({"containerregistry": "gitlab", "registry": {"settings": settings, "secretRef": {"name": secret}}})
}

#[tokio::test]
async fn two_gitlab_accounts_in_one_namespace_see_their_own_tokens_only() {
    let (one, two) = (FakeGitlab::start().await, FakeGitlab::start_below("/dev/gitlab").await);
    for (gitlab, token) in [(&one, "glpat-one-canary"), (&two, "glpat-two-canary")] {
        gitlab.push("team/app", "", &["1.0.0"]);
        gitlab.make_private("team/app");
        gitlab.allow_token(token);
    }
    let mut stage = with_gitlab("accounts", &[one.origin(), two.origin()]).await;
    stage.operator.start().await;
    for (name, gitlab, token) in [("one", &one, "glpat-one-canary"), ("two", &two, "glpat-two-canary")] {
        create_secret(&stage, &objects::secret(name, &[("token", token)])).await;
        stage.deploy(name, &[("app", &gitlab.image("team/app", "1.0.0"))]).await;
        stage.handle(name, &gitlab_spec(gitlab, name)).await;
    }
    for (name, gitlab) in [("one", &one), ("two", &two)] {
        condition(&stage, name, "UpToDate", "True", "UpToDate").await;
        gitlab.push("team/app", "", &["1.0.1"]);
        image(&stage, name, "app", &gitlab.image("team/app", "1.0.1")).await;
    }
    assert!(one.seen().iter().all(|seen| seen.holds("glpat-one-canary") && !seen.holds("glpat-two-canary")));
    assert!(two.seen().iter().all(|seen| seen.holds("glpat-two-canary") && !seen.holds("glpat-one-canary")));

    // Both in one workload, each for its own container.
    let containers = [("one", one.image("team/app", "1.0.0")), ("two", two.image("team/app", "1.0.0"))];
    let containers: Vec<(&str, &str)> = containers.iter().map(|(name, image)| (*name, image.as_str())).collect();
    stage.deploy("both", &containers).await;
    let options = |name: &str, gitlab: &FakeGitlab| {
        let mut options = gitlab_spec(gitlab, name);
        options["name"] = json!(name);
        options
    };
    let spec = json!({"containers": [options("one", &one), options("two", &two)]});
    stage.handle("both", &spec).await;
    image(&stage, "both", "one", &one.image("team/app", "1.0.1")).await;
    image(&stage, "both", "two", &two.image("team/app", "1.0.1")).await;
    assert!(!one.seen().iter().any(|seen| seen.holds("glpat-two-canary")));
    let shown = stage.operator.log() + &stage.account().await;
    assert!(!shown.contains("canary"), "no token in the log, in a status or in an Event");
}

#[tokio::test]
async fn a_token_goes_to_no_gitlab_that_the_administrator_did_not_grant() {
    let (granted, other) = (FakeGitlab::start().await, FakeGitlab::start().await);
    other.push("team/app", "", &["1.0.0", "1.0.1"]);
    let mut stage = with_gitlab("elsewhere", &[granted.origin()]).await;
    stage.operator.start().await;
    create_secret(&stage, &objects::secret("token", &[("token", "glpat-canary")])).await;
    stage.deploy("web", &[("app", &other.image("team/app", "1.0.0"))]).await;
    stage.handle("web", &gitlab_spec(&other, "token")).await;
    let message = condition(&stage, "web", "Ready", "False", "RegistryFailed").await;
    assert!(message.contains("may not be called") && message.contains("spec.grants.origins"), "{message}");
    assert_eq!(other.seen(), []);
}

#[tokio::test]
async fn the_operators_own_gitlab_is_there_for_handlers_that_name_none() {
    let gitlab = FakeGitlab::start().await;
    gitlab.push("team/app", "", &["1.0.0", "1.0.1"]);
    gitlab.make_private("team/app");
    gitlab.allow_token("glpat-canary");
    let mut stage = with_gitlab("default", &[]).await;
    stage.operator.arg(format!("--gitlab-base-url={}", gitlab.base_url()));
    stage.operator.arg("--gitlab-token=glpat-canary");
    stage.operator.arg("--gitlab-project=team/app");
    stage.operator.start().await;
    stage.deploy("web", &[("app", &gitlab.image("team/app", "1.0.0"))]).await;
    stage.handle("web", &json!({"containerregistry": "gitlab"})).await;
    image(&stage, "web", "app", &gitlab.image("team/app", "1.0.1")).await;
    assert!(!(stage.operator.log() + &stage.account().await).contains("canary"));
}

#[tokio::test]
async fn missing_wrong_and_expired_tokens_each_have_their_own_condition() {
    let gitlab = FakeGitlab::start().await;
    gitlab.push("team/app", "", &["1.0.0", "1.0.1"]);
    gitlab.allow_token("glpat-good");
    gitlab.allow_token("glpat-old");
    gitlab.expire_token("glpat-old");
    gitlab.fail_at(GitlabPart::Repositories, k8supdater_testkit::GitlabFault::Unauthorized);
    let mut stage = with_gitlab("tokens", &[gitlab.origin()]).await;
    stage.operator.start().await;
    stage.deploy("web", &[("app", &gitlab.image("team/app", "1.0.0"))]).await;
    let settings = json!({"baseUrl": gitlab.base_url(), "project": "team/app"});
    stage.handle("web", &json!({"containerregistry": "gitlab", "registry": {"settings": settings}})).await;
    let message = condition(&stage, "web", "Ready", "False", "CredentialsMissing").await;
    assert!(message.contains("spec.registry.secretRef"), "{message}");
    gitlab.recover();

    let refer = json!({"spec": {"registry": {"secretRef": {"name": "token"}}}});
    stage.handlers().patch("web", &PatchParams::default(), &Patch::Merge(&refer)).await.unwrap();
    let message = condition(&stage, "web", "Ready", "False", "SecretNotFound").await;
    assert!(message.contains(&format!("Secret {}/token", stage.namespace)), "{message}");
    let secret = |values: &[(&str, &str)]| objects::secret("token", values);
    create_secret(&stage, &secret(&[("password", "x")])).await;
    let message = condition(&stage, "web", "Ready", "False", "SecretKeysMissing").await;
    assert!(message.contains("lacks the key token"), "{message}");
    replace_secret(&stage, &secret(&[("token", "glpat-wrong-canary")])).await;
    let message = condition(&stage, "web", "Ready", "False", "CredentialsRefused").await;
    assert!(message.contains(&format!("not convinced by Secret {}/token", stage.namespace)), "{message}");
    replace_secret(&stage, &secret(&[("token", "glpat-old")])).await;
    let message = condition(&stage, "web", "Ready", "False", "CredentialsExpired").await;
    assert!(message.contains("renew"), "{message}");
    replace_secret(&stage, &secret(&[("token", "glpat-good")])).await;
    image(&stage, "web", "app", &gitlab.image("team/app", "1.0.1")).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
    assert!(!(stage.operator.log() + &stage.account().await).contains("canary"));
}

#[tokio::test]
async fn the_pull_secrets_of_a_workload_open_a_registry_with_a_token_service_and_may_be_rotated() {
    let mut registry = PrivateRegistry::with_token_auth("robot", "first-canary").await;
    registry.registry().push("team/app", &["1.0.0"]).await;
    let mut stage = prepared("pull-secret", &[registry.origin()]).await;
    stage.operator.start().await;
    let login = |password: &str| objects::pull_secret("regcred", &[(registry.address(), "robot", password)]);
    let (wrong, first, second) = (login("wrong-canary"), login("first-canary"), login("second-canary"));
    create_secret(&stage, &wrong).await;
    let deployment = objects::deployment("web", &[("app", &registry.image("team/app", "1.0.0"))]);
    stage.deploy_as(&objects::with_pull_secrets(&deployment, &["gone", "regcred"])).await;
    stage.handle("web", &json!({})).await;
    let message = condition(&stage, "web", "Ready", "False", "CredentialsRefused").await;
    assert!(message.contains(&format!("pull secret {}/gone does not exist", stage.namespace)), "{message}");
    assert!(message.contains(&format!("the entry {} of the pull secrets", registry.address())), "{message}");
    replace_secret(&stage, &first).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;

    registry.set_login("robot", "second-canary");
    registry.tokens().forget();
    replace_secret(&stage, &second).await;
    registry.registry().push("team/app", &["1.0.1"]).await;
    image(&stage, "web", "app", &registry.image("team/app", "1.0.1")).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
    let last = registry.tokens().seen().pop().unwrap();
    assert!(last.holds("second-canary") && !last.holds("first-canary"), "the new password is used: {last:?}");
    assert!(!(stage.operator.log() + &stage.account().await).contains("canary"));
}

#[tokio::test]
async fn a_workload_without_pull_secrets_has_those_of_its_service_account() {
    let registry = PrivateRegistry::with_basic_auth("robot", "sa-canary").await;
    registry.registry().push("team/app", &["1.0.0", "1.0.1"]).await;
    let mut stage = prepared("account", &[registry.origin()]).await;
    stage.operator.start().await;
    create_secret(&stage, &objects::pull_secret("regcred", &[(registry.address(), "robot", "sa-canary")])).await;
    let accounts = stage.api::<ServiceAccount>();
    accounts.create(&PostParams::default(), &objects::service_account("puller", &["regcred"])).await.unwrap();
    let deployment = objects::deployment("web", &[("app", &registry.image("team/app", "1.0.0"))]);
    stage.deploy_as(&objects::with_pod(&deployment, &json!({"serviceAccountName": "puller"}))).await;
    stage.handle("web", &json!({})).await;
    image(&stage, "web", "app", &registry.image("team/app", "1.0.1")).await;
    assert!(!(stage.operator.log() + &stage.account().await).contains("canary"));
}

#[tokio::test]
async fn pull_secrets_come_first_and_the_handlers_secret_after_them() {
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.require_login("robot", "good-canary");
    let mut stage = prepared("order", &[registry.origin()]).await;
    stage.operator.start().await;
    let address = registry.origin().replace("http://", "");
    create_secret(&stage, &objects::pull_secret("regcred", &[(&address, "robot", "wrong-canary")])).await;
    create_secret(&stage, &objects::secret("login", &[("username", "robot"), ("password", "good-canary")])).await;
    let deployment = objects::deployment("web", &[("app", &registry.image("web", "1.0.0"))]);
    stage.deploy_as(&objects::with_pull_secrets(&deployment, &["regcred"])).await;
    stage.handle("web", &json!({"registry": {"secretRef": {"name": "login"}}})).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    let logins = || -> Vec<bool> {
        let tokens = registry.seen().into_iter().filter(|seen| seen.part == Part::Token);
        tokens.map(|seen| seen.holds("wrong-canary")).collect()
    };
    assert_eq!(logins().first(), Some(&true), "the pull secret was tried first: {:?}", registry.seen());
    // What was good is remembered: the wrong one is not tried at every check.
    more_checks(&mut stage, 2).await;
    registry.forget();
    stage.eventually("it is listed again", async || equal(&(registry.count(Part::Tags) >= 2), &true)).await;
    assert!(!logins().contains(&true), "{:?}", registry.seen());
}

#[tokio::test]
async fn a_realm_or_a_redirect_to_another_host_gets_no_credential() {
    let (registry, thief) = (FakeRegistry::start().await, FakeRegistry::start().await);
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.require_login("robot", "stolen-canary");
    registry.set_realm(&format!("{}/token", thief.origin_as("localhost")));
    let mut stage = prepared("thief", &[registry.origin()]).await;
    stage.operator.start().await;
    let address = registry.origin().replace("http://", "");
    create_secret(&stage, &objects::pull_secret("regcred", &[(&address, "robot", "stolen-canary")])).await;
    let deployment = objects::deployment("web", &[("app", &registry.image("web", "1.0.0"))]);
    stage.deploy_as(&objects::with_pull_secrets(&deployment, &["regcred"])).await;
    stage.handle("web", &json!({})).await;
    let message = condition(&stage, "web", "Ready", "False", "RegistryFailed").await;
    assert!(message.contains("neither on its own host nor bound to it"), "{message}");
    assert_eq!(thief.seen(), []);

    // The same with a redirect, even where an administrator lets the other host be called.
    let registry = FakeRegistry::start().await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.fail_at(Part::Tags, Fault::Redirect(thief.origin()));
    thief.push("web", &["1.0.0", "9.0.0"]);
    let grants = json!({"spec": {"grants": {"origins": ["$registry", registry.origin(), thief.origin()]}}});
    stage.plugins().patch("oci", &PatchParams::default(), &Patch::Merge(&grants)).await.unwrap();
    let address = registry.origin().replace("http://", "");
    replace_secret(&stage, &objects::pull_secret("regcred", &[(&address, "robot", "stolen-canary")])).await;
    let deployment = objects::deployment("moved", &[("app", &registry.image("web", "1.0.0"))]);
    stage.deploy_as(&objects::with_pull_secrets(&deployment, &["regcred"])).await;
    stage.handle("moved", &json!({})).await;
    let message = condition(&stage, "moved", "Ready", "False", "InvalidReply").await;
    assert!(message.contains(&format!("a link to another origin: {}", thief.origin())), "{message}");
    assert!(!thief.seen().iter().any(|seen| seen.holds("stolen-canary")), "{:?}", thief.seen());
    assert!(!(stage.operator.log() + &stage.account().await).contains("canary"));
}
