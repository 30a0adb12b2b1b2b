use std::sync::Arc;
use std::time::Duration;

use k8supdater::exchange::{self, ExchangeError};
use k8supdater::registry::Listing;
use k8supdater_core::origin::{Grants, Origin};
use k8supdater_egress::{BoundCredential, Client, Credential, Limits as Bounds, Options, Scheme, Scope};
use k8supdater_runtime::wit::exchange::Error;
use k8supdater_runtime::wit::registry::{Question, Repository, Tag};
use k8supdater_runtime::{Component, Engine, EngineOptions, Limits};
use k8supdater_testkit::{FakeRegistry, Fault, Part, Source};
use serde_json::json;

use crate::plugin;

/// The shipped registry component, a client, and a registry to talk to.
struct Talk {
    component: Component,
    client: Client,
    registry: FakeRegistry,
    credentials: Vec<BoundCredential>,
}

impl Talk {
    async fn new() -> Self {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let bytes = std::fs::read(plugin("registry-oci")).unwrap();
        Self {
            component: engine.load(bytes.into(), Limits::default()).await.unwrap(),
            client: Client::new(Options::default()).unwrap(),
            registry: FakeRegistry::start().await,
            credentials: Vec::new(),
        }
    }

    async fn ask(&self, question: Question) -> Result<exchange::Answer, ExchangeError> {
        let scope = Arc::new(Scope {
            grants: Grants::new(vec![self.registry.origin().parse().unwrap()]),
            registry: Origin::parse(&self.registry.origin()).ok(),
            credentials: self.credentials.clone(),
            realms: Vec::new(),
            limits: Bounds { total: Duration::from_secs(2), ..Bounds::default() },
        });
        let host = self.registry.origin().trim_start_matches("http://").to_owned();
        let repository = Repository { registry: host, name: "team/app".to_owned() };
        let settings = self.component.settings(&json!({"plainHttp": true})).unwrap();
        exchange::ask(&self.component, &self.client, &scope, &repository, &question, &settings).await
    }

    /// The tags, sorted.
    async fn list(&self) -> Result<Vec<String>, ExchangeError> {
        let mut names: Vec<String> =
            self.ask(Question::Tags(None)).await?.tags.into_iter().map(|tag| tag.name).collect();
        names.sort();
        Ok(names)
    }
}

#[tokio::test]
async fn all_pages_make_one_listing_and_the_next_one_is_conditional() {
    let talk = Talk::new().await;
    talk.registry.push("team/app", &["1.0", "1.1", "1.2", "2.0", "latest"]);
    talk.registry.set_page_size(2);
    let expected = ["1.0", "1.1", "1.2", "2.0", "latest"];
    assert_eq!(talk.list().await.unwrap(), expected);
    assert_eq!(talk.registry.count(Part::Tags), 3);
    talk.registry.forget();
    assert_eq!(talk.list().await.unwrap(), expected);
    let seen = talk.registry.seen();
    assert!(seen.iter().all(|seen| seen.is_conditional && seen.status == 304), "{seen:?}");
}

#[tokio::test]
async fn one_tag_comes_with_its_digest_and_a_missing_one_is_not_found() {
    let talk = Talk::new().await;
    talk.registry.push("team/app", &["1.0"]);
    let tags = talk.ask(Question::Tag("1.0".to_owned())).await.unwrap().tags;
    assert_eq!(tags.len(), 1);
    let digest = tags[0].digest.as_deref().unwrap();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    let err = talk.ask(Question::Tag("9.9".to_owned())).await.unwrap_err();
    assert!(matches!(err, ExchangeError::Plugin(Error::NotFound)), "{err:?}");
}

#[tokio::test]
async fn the_source_of_an_image_is_found_on_the_way_to_its_platform() {
    let talk = Talk::new().await;
    let home = "https://git.example.com/team/app";
    talk.registry.push_from("team/app", "1.0", Source::Label(home));
    talk.registry.push("team/app", &["1.1"]);
    let check = async |question: Question, expected: Option<&str>| {
        let tags = talk.ask(question.clone()).await.unwrap().tags;
        assert_eq!(tags[0].source.as_deref(), expected, "{question:?}");
    };
    check(Question::Images("1.0".to_owned()), Some(home)).await;
    check(Question::Images("1.1".to_owned()), None).await;
    assert_eq!((talk.registry.count(Part::Manifest), talk.registry.count(Part::Blob)), (2, 2));
    // Its digest is all that is asked for.
    check(Question::Tag("1.0".to_owned()), None).await;
    assert_eq!((talk.registry.count(Part::Manifest), talk.registry.count(Part::Blob)), (3, 2));
}

#[tokio::test]
async fn a_password_opens_a_closed_registry_and_never_goes_into_the_component() {
    let mut talk = Talk::new().await;
    talk.registry.push("team/app", &["1.0"]);
    talk.registry.require_login("robot", "correct horse");
    let err = talk.list().await.unwrap_err();
    assert!(matches!(err, ExchangeError::Plugin(Error::Unauthorized)), "{err:?}");
    let bind = |password: &str, origin: &str| BoundCredential {
        slot: "registry".to_owned(),
        origin: Origin::parse(origin).unwrap(),
        scheme: Scheme::OciToken,
        secret: Credential::login("robot".to_owned(), password.to_owned()),
    };
    talk.credentials = vec![bind("wrong", &talk.registry.origin())];
    let err = talk.list().await.unwrap_err();
    assert!(matches!(err, ExchangeError::Plugin(Error::Unauthorized)), "{err:?}");
    talk.credentials = vec![bind("correct horse", "https://elsewhere.example.com")];
    assert!(talk.list().await.is_err(), "a credential for another origin must not be sent here");
    talk.credentials = vec![bind("correct horse", &talk.registry.origin())];
    assert_eq!(talk.list().await.unwrap(), ["1.0"]);
}

#[tokio::test]
async fn every_fault_is_told_apart_and_passes() {
    let talk = Talk::new().await;
    talk.registry.push("team/app", &["1.0"]);
    let check = async |fault: Fault, is_expected: fn(&ExchangeError) -> bool| {
        talk.registry.fail(&fault);
        let err = talk.list().await.unwrap_err();
        assert!(is_expected(&err), "{fault:?} became {err:?}");
        talk.registry.recover();
        assert_eq!(talk.list().await.unwrap(), ["1.0"], "after {fault:?}");
    };
    check(Fault::Unauthorized, |err| matches!(err, ExchangeError::Plugin(Error::Unauthorized))).await;
    check(Fault::NotFound, |err| matches!(err, ExchangeError::Plugin(Error::NotFound))).await;
    check(Fault::RateLimited(Some("17".to_owned())), |err| {
        matches!(err, ExchangeError::Plugin(Error::RateLimited(Some(17))))
    })
    .await;
    check(Fault::RateLimited(None), |err| matches!(err, ExchangeError::Plugin(Error::RateLimited(None)))).await;
    check(Fault::ServerError, |err| matches!(err, ExchangeError::Plugin(Error::Unavailable(_)))).await;
    check(Fault::TruncatedJson, |err| matches!(err, ExchangeError::Plugin(Error::InvalidReply(_)))).await;
    check(Fault::WrongJson, |err| matches!(err, ExchangeError::Plugin(Error::InvalidReply(_)))).await;
    check(Fault::Slow(Duration::from_secs(5)), |err| matches!(err, ExchangeError::Plugin(Error::Unavailable(_)))).await;
    check(Fault::Reset, |err| matches!(err, ExchangeError::Plugin(Error::Unavailable(_)))).await;
}

#[tokio::test]
async fn the_age_of_a_version_counts_from_when_the_registry_says_that_it_was_pushed() {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let bytes = std::fs::read(plugin("version-pep440")).unwrap();
    let parser = engine.load(bytes.into(), Limits::default()).await.unwrap();
    let tag =
        |name: &str, pushed| Tag { name: name.to_owned(), digest: None, pushed, images: Vec::new(), source: None };
    let listing = Listing::new(vec![tag("1.0", Some(1_705_312_801)), tag("1.1", None), tag("1.2", Some(u64::MAX))]);
    let settings = parser.settings(&json!({})).unwrap();
    let versions = listing.versions(&parser, &settings).await.unwrap();
    let found: Vec<_> = versions.iter().map(|version| version.since.map(|since| since.to_string())).collect();
    assert_eq!(found, [Some("2024-01-15T10:00:01Z".to_owned()), None, None]);
}
