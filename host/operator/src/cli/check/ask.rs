//! From images to findings: loads the plugins that are needed, lists each repository once, and has the rules of the operator decide.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use k8supdater_core::image::ImageReference;
use k8supdater_core::origin::{Grant, Grants, Origin};
use k8supdater_core::policy::decide;
use k8supdater_core::pull_secret;
use k8supdater_egress::{Client, RealmBinding, Scope};
use k8supdater_runtime::Component;
use k8supdater_runtime::manifest::Kind;
use k8supdater_runtime::wit::exchange::Error as PluginError;
use k8supdater_runtime::wit::registry::{Question, Repository};
use serde_json::{Value, json};
use tracing::debug;

use super::docker_config::DockerConfig;
use super::finding::{Failure, Finding, Judged, Rules, Subject};
use super::shelf::{self, Shelf, ShelfError};
use crate::api::versioning_handler::Settings;
use crate::exchange::{self, ExchangeError};
use crate::failure::chain;
use crate::login::{self, Logins, Unfit};
use crate::reconcile::validate::PluginUse;
use crate::registry::{ListCause, ListError, Listing, ParseError, parse};

/// Most repositories that are listed at the same time. More would wait for one another in the client, within the time of their requests.
const MOST_AT_ONCE: usize = 16;
/// The tag that a reference without one means, and that never is a version.
const LATEST: &str = "latest";
/// The setting with which plugins speak http instead of https.
const PLAIN_HTTP: &str = "plainHttp";

/// Who asks.
pub(super) struct Asker {
    /// Where plugins are.
    pub shelf: Shelf,
    /// The way out.
    pub egress: Client,
    /// Logins.
    pub docker: DockerConfig,
    /// What is granted beside what plugins ask for.
    pub granted: Vec<Grant>,
    /// Tells the user what went wrong without stopping the rest.
    pub warn: fn(&str),
}

/// An image that can be judged.
struct Asked<'a> {
    /// Place among the subjects.
    place: usize,
    image: ImageReference,
    tag: String,
    rules: &'a Rules,
}

/// What makes two listings the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ListingKey {
    plugin: String,
    registry: String,
    repository: String,
    settings: String,
}

/// Plugins by kind and name.
type Loaded = HashMap<(Kind, String), Result<Component, Failure>>;

impl Asker {
    /// Finds out about every one of `subjects`, in the same order.
    ///
    /// # Errors
    /// [`ShelfError`] if one of the plugins in `required`, those of the command line, is needed and cannot be had. What fails for one image
    /// is its finding.
    pub(super) async fn answer(&mut self, subjects: &[Subject], required: &Rules) -> Result<Vec<Finding>, ShelfError> {
        let mut findings: Vec<Option<Finding>> = vec![None; subjects.len()];
        let mut asked = Vec::new();
        for (place, (subject, finding)) in subjects.iter().zip(&mut findings).enumerate() {
            match classify(place, subject) {
                Ok(question) => asked.push(question),
                Err(known) => *finding = Some(known),
            }
        }
        let plugins = self.load(&asked, required).await?;
        for warning in self.docker.ask_helpers(asked.iter().map(|asked| &asked.image)).await {
            (self.warn)(&warning);
        }
        let listings = self.list_all(&asked, &plugins).await;
        for asked in &asked {
            let finding = self.judge(asked, &plugins, &listings).await.unwrap_or_else(Finding::Failed);
            if let Some(place) = findings.get_mut(asked.place) {
                *place = Some(finding);
            }
        }
        let unasked = || Finding::Ignored("it was not looked at".to_owned());
        Ok(findings.into_iter().map(|finding| finding.unwrap_or_else(unasked)).collect())
    }

    async fn load(&self, asked: &[Asked<'_>], required: &Rules) -> Result<Loaded, ShelfError> {
        let mut loaded = Loaded::new();
        for asked in asked {
            let uses = [(Kind::Registry, &asked.rules.registry), (Kind::VersionParser, &asked.rules.parser)];
            for (kind, PluginUse { plugin, .. }) in uses {
                let key = (kind, plugin.clone());
                if loaded.contains_key(&key) {
                    continue;
                }
                let component = match self.shelf.load(plugin, kind).await {
                    Ok(component) => Ok(component),
                    Err(err) if *plugin == required.registry.plugin || *plugin == required.parser.plugin => {
                        return Err(err);
                    }
                    Err(err) => Err(Failure { reason: "PluginNotFound", message: chain(&err) }),
                };
                loaded.insert(key, component);
            }
        }
        Ok(loaded)
    }

    /// Lists every repository that is asked about, once for each plugin and settings.
    async fn list_all(
        &self,
        asked: &[Asked<'_>],
        plugins: &Loaded,
    ) -> BTreeMap<ListingKey, Result<Arc<Listing>, Failure>> {
        let mut jobs = BTreeMap::new();
        for asked in asked {
            if let Ok((component, key)) = self.listing_key(asked, plugins) {
                jobs.entry(key).or_insert((component, &asked.image));
            }
        }
        stream::iter(jobs)
            .map(|(key, (component, image))| async move {
                let listing = self.list(component, image, &key).await;
                (key, listing.map(Arc::new))
            })
            .buffer_unordered(MOST_AT_ONCE)
            .collect()
            .await
    }

    fn listing_key<'a>(&self, asked: &Asked<'_>, plugins: &'a Loaded) -> Result<(&'a Component, ListingKey), Failure> {
        let PluginUse { plugin, settings } = &asked.rules.registry;
        let component = component(plugins, Kind::Registry, plugin)?;
        let mut settings = settings.clone();
        let grants = shelf::grants(component, &json!(settings), &self.granted);
        if is_granted_plain(&asked.image, &grants) && knows(component, PLAIN_HTTP) {
            settings.entry(PLAIN_HTTP.to_owned()).or_insert(Value::Bool(true));
        }
        let key = ListingKey {
            plugin: plugin.clone(),
            registry: asked.image.registry().to_owned(),
            repository: asked.image.repository().to_owned(),
            settings: to_settings(component, plugin, &settings)?,
        };
        Ok((component, key))
    }

    /// The tags of one repository, with the first login that the registry does not refuse.
    async fn list(&self, component: &Component, image: &ImageReference, key: &ListingKey) -> Result<Listing, Failure> {
        let repository = Repository { registry: key.registry.clone(), name: key.repository.clone() };
        let settings = serde_json::from_str(&key.settings).unwrap_or_default();
        let grants = shelf::grants(component, &settings, &self.granted);
        let logins = Logins::of(self.docker.entries(), image, &component.manifest().slots, &grants);
        let mut attempts: Vec<_> = logins.attempts.iter().map(|attempt| attempt.credentials.clone()).collect();
        if attempts.is_empty() {
            attempts.push(Vec::new());
        }
        let mut outcome = Err(ExchangeError::Plugin(PluginError::Unauthorized));
        for credentials in attempts {
            let scope = Arc::new(Scope {
                grants: grants.clone(),
                registry: Origin::registry(image.registry()).ok(),
                credentials,
                realms: realms(image),
                limits: k8supdater_egress::Limits::default(),
            });
            let question = Question::Tags(None);
            outcome = exchange::ask(component, &self.egress, &scope, &repository, &question, &key.settings).await;
            if !matches!(outcome, Err(ExchangeError::Plugin(PluginError::Unauthorized))) {
                break;
            }
        }
        match outcome {
            Ok(answer) => {
                debug!(repository = %image.name(), plugin = %key.plugin, tags = answer.tags.len(), "repository listed");
                Ok(Listing::new(answer.tags))
            }
            Err(err) => Err(self.failure(err, image, &key.plugin, &logins, &grants)),
        }
    }

    /// The operator's words for a failed listing, with the remedies that there are at a terminal.
    fn failure(
        &self,
        err: ExchangeError,
        image: &ImageReference,
        plugin: &str,
        logins: &Logins,
        grants: &Grants,
    ) -> Failure {
        let remedy = match &err {
            ExchangeError::Plugin(PluginError::Unauthorized) => Some(self.login_remedy(image, logins)),
            ExchangeError::Plugin(PluginError::Other(_)) => grant_remedy(image, grants),
            ExchangeError::Plugin(PluginError::Unavailable(_)) if is_of_one_network(image) => {
                grant_remedy(image, grants)
            }
            _ => None,
        };
        let is_unauthorized = matches!(err, ExchangeError::Plugin(PluginError::Unauthorized));
        let err = ListError {
            subject: format!("list the tags of {}", image.name()),
            plugin: plugin.to_owned(),
            cause: Arc::new(ListCause::Exchange(err)),
            wait: Duration::ZERO,
        };
        let message = match remedy {
            // The operator's remedy is a Secret.
            Some(remedy) if is_unauthorized => format!("{err}: {remedy}"),
            Some(remedy) => format!("{}; {remedy}", chain(&err)),
            None => chain(&err),
        };
        Failure { reason: err.reason(), message }
    }

    fn login_remedy(&self, image: &ImageReference, logins: &Logins) -> String {
        let host = image.registry();
        let file = self.docker.path.as_ref().map_or_else(|| "no file".to_owned(), |path| path.display().to_string());
        let patterns: BTreeSet<&str> = logins.attempts.iter().map(|attempt| attempt.pattern.as_str()).collect();
        if !patterns.is_empty() {
            let patterns = patterns.into_iter().collect::<Vec<_>>().join(", ");
            return format!(
                "the registry refused the login for {patterns} from {file}; log in again with \"docker login {host}\""
            );
        }
        match logins.unusable.first().map(|unusable| unusable.why) {
            Some(Unfit::IdentityToken) => format!(
                "the registry wants a login, and that for it from {file} is an identity token, which cannot be used here; log in \
                 with a password or access token"
            ),
            Some(Unfit::NoSlot) => {
                "the registry wants a login, and the plugin has no credential slot for one from a Docker configuration"
                    .to_owned()
            }
            None => format!(
                "the registry wants a login, and {file} has none for it; log in with \"docker login {host}\", or name another file \
                 with --docker-config"
            ),
        }
    }

    async fn judge(
        &self,
        asked: &Asked<'_>,
        plugins: &Loaded,
        listings: &BTreeMap<ListingKey, Result<Arc<Listing>, Failure>>,
    ) -> Result<Finding, Failure> {
        let PluginUse { plugin, settings } = &asked.rules.parser;
        let parser = component(plugins, Kind::VersionParser, plugin)?;
        let settings = to_settings(parser, plugin, settings)?;
        let parse_failed = |cause: ParseError| Failure {
            reason: match &cause {
                ParseError::Call(err) => err.reason(),
                ParseError::Settings(_) => "InvalidSettings",
            },
            message: format!("cannot read tags as versions with plugin {plugin}: {}", chain(&cause)),
        };
        let current = parse(parser, vec![asked.tag.clone()], &settings).await.map_err(parse_failed)?;
        let Some(current) = current.first().filter(|current| current.version.is_some()) else {
            let tag = &asked.tag;
            let why = format!(
                "plugin {plugin} does not read {tag} as a version; if it moves, only a cluster knows what runs"
            );
            return Ok(Finding::Moves(why));
        };
        let (_, key) = self.listing_key(asked, plugins)?;
        let listing = listings.get(&key).cloned().unwrap_or_else(|| {
            Err(Failure { reason: "RegistryFailed", message: format!("{} was not listed", asked.image.name()) })
        })?;
        let candidates = listing.versions(parser, &settings).await.map_err(parse_failed)?;
        let mut current = current.clone();
        current.digest =
            candidates.iter().find(|listed| listed.tag == current.tag).and_then(|listed| listed.digest.clone());
        let policy = asked.rules.policy.clone();
        let ruling = decide(&policy, &current, &candidates);
        Ok(Finding::Judged(Box::new(Judged { image: asked.image.clone(), policy, current, candidates, ruling })))
    }
}

/// The question about a subject, or what can be said of it without asking anybody.
fn classify(place: usize, subject: &Subject) -> Result<Asked<'_>, Finding> {
    let rules = subject.rules.as_ref().map_err(Clone::clone)?;
    let image: ImageReference = subject.image.parse().map_err(|err| {
        let message = format!("the image {:?} is no image reference: {err}", subject.image);
        Finding::Failed(Failure { reason: "InvalidImage", message })
    })?;
    if image.digest().is_some() {
        return Err(Finding::Ignored("it is pinned to a digest".to_owned()));
    }
    match image.tag() {
        None => Err(Finding::Moves("it has no tag, which means latest; only a cluster knows what runs".to_owned())),
        Some(LATEST) => Err(Finding::Moves("the tag moves; only a cluster knows what runs".to_owned())),
        Some(tag) => Ok(Asked { place, tag: tag.to_owned(), image, rules }),
    }
}

fn component<'a>(plugins: &'a Loaded, kind: Kind, name: &str) -> Result<&'a Component, Failure> {
    match plugins.get(&(kind, name.to_owned())) {
        Some(Ok(component)) => Ok(component),
        Some(Err(failure)) => Err(failure.clone()),
        None => Err(Failure { reason: "PluginNotFound", message: format!("the plugin {name} was not loaded") }),
    }
}

fn to_settings(component: &Component, plugin: &str, given: &Settings) -> Result<String, Failure> {
    component.settings(&json!(given)).map_err(|err| Failure {
        reason: "InvalidSettings",
        message: format!("the settings for plugin {plugin} are refused: {}", chain(&err)),
    })
}

/// Whether somebody granted the registry of `image` without TLS.
fn is_granted_plain(image: &ImageReference, grants: &Grants) -> bool {
    let registry = Origin::registry(image.registry()).ok();
    login::plain_http(image).is_some_and(|origin| grants.names(&origin, registry.as_ref()))
}

/// Whether the plugin has such a setting.
fn knows(component: &Component, setting: &str) -> bool {
    component.manifest().settings.get("properties").is_some_and(|properties| properties.get(setting).is_some())
}

/// Whether the name of its registry looks like one that is known in some network only.
fn is_of_one_network(image: &ImageReference) -> bool {
    image.registry().contains(':') || !image.registry().contains('.')
}

/// What to grant for the registry of `image`, if it is not granted by name yet.
fn grant_remedy(image: &ImageReference, grants: &Grants) -> Option<String> {
    let registry = Origin::registry(image.registry()).ok()?;
    let plain = login::plain_http(image)?;
    let is_granted = [&registry, &plain].into_iter().any(|origin| grants.names(origin, Some(&registry)));
    (!is_granted).then(|| {
        format!("a registry at a private address needs --grant {registry}, and one without TLS --grant {plain}")
    })
}

/// The token services of the registry of `image` on hosts of their own.
fn realms(image: &ImageReference) -> Vec<RealmBinding> {
    let recipients = pull_secret::recipients(image).ok();
    let realm = recipients.and_then(|recipients| Some((recipients.registry, recipients.realm?)));
    realm.into_iter().map(|(registry, realm)| RealmBinding { registry, realm }).collect()
}
