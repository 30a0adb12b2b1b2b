use std::sync::Arc;

use k8supdater::exchange::{self, ExchangeError};
use k8supdater_core::origin::{Grants, Origin};
use k8supdater_egress::{BoundCredential, Client, Credential, Limits as Bounds, LoginForm, Options, Scheme, Scope};
use k8supdater_runtime::manifest::SlotScheme;
use k8supdater_runtime::wit::exchange::Error;
use k8supdater_runtime::wit::registry::{Question, Repository};
use k8supdater_runtime::{Component, Engine, EngineOptions, Limits};
use k8supdater_testkit::{FakeHub, HubFault, HubPart};
use serde_json::json;

use crate::plugin;

/// The shipped component for Docker Hub, a client, and a Hub to talk to.
struct Talk {
    component: Component,
    client: Client,
    hub: FakeHub,
}

impl Talk {
    async fn new() -> Self {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let bytes = std::fs::read(plugin("registry-dockerhub")).unwrap();
        let hub = FakeHub::start().await;
        hub.push("acme/app", &["1.0"]);
        Self {
            component: engine.load(bytes.into(), Limits::default()).await.unwrap(),
            client: Client::new(Options::default()).unwrap(),
            hub,
        }
    }

    /// The secret as the component's own slot has it sent.
    fn login(&self, password: &str) -> BoundCredential {
        let [slot] = self.component.manifest().slots.as_slice() else { panic!("one slot is enough") };
        let SlotScheme::Login(form) = slot.scheme.clone() else { panic!("{:?}", slot.scheme) };
        let form = LoginForm { path: form.path, username: form.username, password: form.password, token: form.token };
        BoundCredential {
            slot: slot.name.clone(),
            origin: Origin::parse(&self.hub.origin()).unwrap(),
            scheme: Scheme::Login(form),
            secret: Credential::login("robot".to_owned(), password.to_owned()),
        }
    }

    /// The tags of `acme/app`.
    async fn list(&self, credential: Option<BoundCredential>) -> Result<Vec<String>, ExchangeError> {
        let scope = Arc::new(Scope {
            grants: Grants::new(vec![self.hub.origin().parse().unwrap()]),
            registry: None,
            credentials: credential.into_iter().collect(),
            realms: Vec::new(),
            limits: Bounds::default(),
        });
        let repository = Repository { registry: "docker.io".to_owned(), name: "acme/app".to_owned() };
        let settings = self.component.settings(&json!({"baseUrl": self.hub.origin()})).unwrap();
        let question = Question::Tags(None);
        let answer = exchange::ask(&self.component, &self.client, &scope, &repository, &question, &settings).await?;
        Ok(answer.tags.into_iter().map(|tag| tag.name).collect())
    }
}

#[tokio::test]
async fn a_private_repository_is_listed_with_a_login_that_the_component_never_sees() {
    let talk = Talk::new().await;
    talk.hub.require_login("robot", "correct horse");
    let err = talk.list(None).await.unwrap_err();
    assert!(matches!(err, ExchangeError::Plugin(Error::NotFound)), "{err:?}");
    let err = talk.list(Some(talk.login("wrong"))).await.unwrap_err();
    assert!(matches!(err, ExchangeError::Plugin(Error::Unauthorized)), "{err:?}");
    talk.hub.forget();
    for _ in 0..2 {
        assert_eq!(talk.list(Some(talk.login("correct horse"))).await.unwrap(), ["1.0"]);
    }
    assert_eq!((talk.hub.count(HubPart::Login), talk.hub.count(HubPart::Tags)), (1, 2));
    talk.hub.expire_token();
    assert_eq!(talk.list(Some(talk.login("correct horse"))).await.unwrap(), ["1.0"]);
    assert_eq!((talk.hub.count(HubPart::Login), talk.hub.count(HubPart::Tags)), (2, 4));
}

#[tokio::test]
async fn a_login_that_fails_is_told_apart_from_one_that_is_refused() {
    let talk = Talk::new().await;
    talk.hub.require_login("robot", "correct horse");
    let check = async |fault: HubFault, is_expected: fn(&ExchangeError) -> bool| {
        talk.hub.fail_at(HubPart::Login, fault.clone());
        let err = talk.list(Some(talk.login("correct horse"))).await.unwrap_err();
        assert!(is_expected(&err), "{fault:?} became {err:?}");
        assert_eq!(talk.hub.count(HubPart::Tags), 0, "{fault:?}");
        talk.hub.recover();
    };
    check(HubFault::Unauthorized, |err| matches!(err, ExchangeError::Plugin(Error::Unauthorized))).await;
    check(HubFault::Forbidden, |err| matches!(err, ExchangeError::Plugin(Error::Unauthorized))).await;
    check(HubFault::AbuseLimited, |err| matches!(err, ExchangeError::Plugin(Error::RateLimited(None)))).await;
    // As a number of seconds, which only comes out if the date came along.
    check(HubFault::RateLimited { until: 4_000_000_000 }, |err| {
        matches!(err, ExchangeError::Plugin(Error::RateLimited(Some(_))))
    })
    .await;
    check(HubFault::Redirect("http://127.0.0.1:1".to_owned()), |err| !is_refusal(err)).await;
    check(HubFault::BadGateway, |err| !is_refusal(err)).await;
    check(HubFault::Reset, |err| !is_refusal(err)).await;
    assert_eq!(talk.list(Some(talk.login("correct horse"))).await.unwrap(), ["1.0"]);
}

fn is_refusal(err: &ExchangeError) -> bool {
    matches!(err, ExchangeError::Plugin(Error::Unauthorized | Error::NotFound))
}
