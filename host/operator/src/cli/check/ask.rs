//! From images to findings: loads the plugins that are needed, asks the registries, and has the rules of the operator decide.
//!
//! The questions and the decisions are those of a reconcile: [`Registries`] lists each repository once, [`Tags`] and [`Moving`] look
//! closer where it matters. What is different is who answers for it: settings, grants and logins come from whoever runs the command.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use k8supdater_core::image::ImageReference;
use k8supdater_core::origin::{Grant, Grants, Origin};
use k8supdater_core::policy::Tagged;
use k8supdater_core::policy::decide;
use k8supdater_core::policy::moving::{MovingRuling, MovingTag, PullPolicy, RunningImage, decide_moving};
use k8supdater_core::pull_secret;
use k8supdater_egress::RealmBinding;
use k8supdater_runtime::Component;
use k8supdater_runtime::manifest::Kind;
use serde_json::{Value, json};

use super::docker_config::DockerConfig;
use super::finding::{Failure, Finding, Followed, Judged, Rules, Subject};
use super::logins::{self, Keeper};
use super::remedy::{self, Circumstances};
use super::shelf::{self, Shelf, ShelfError};
use crate::api::versioning_handler::Settings;
use crate::config::Config;
use crate::failure::chain;
use crate::login;
use crate::plugin::{Defaults, Serving};
use crate::reconcile::decide::digest_unknown;
use crate::reconcile::observe::{LATEST, Moving, Problem, Tags};
use crate::reconcile::validate::PluginUse;
use crate::registry::{Inquiry, ListError, ParseError, Registries, parse};

/// Most images that are judged at the same time. More would wait for one another in the client, within the time of their requests.
const MOST_AT_ONCE: usize = 16;
/// How old an answer may be: longer than any run, so that nothing is asked twice.
const WHOLE_RUN: Duration = Duration::from_hours(24);
/// The setting with which plugins speak http instead of https.
const PLAIN_HTTP: &str = "plainHttp";

/// Who asks.
pub(super) struct Asker {
    /// Where plugins are.
    pub shelf: Shelf,
    /// What is known about registries, and the way out to them.
    pub registries: Registries,
    /// Logins.
    pub docker: DockerConfig,
    /// What the environment says about single plugins.
    pub config: Config,
    /// What is granted beside what plugins ask for.
    pub granted: Vec<Grant>,
    /// Whether updates of images in files will be written.
    pub is_writing: bool,
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
    is_in_file: bool,
}

/// Whom to ask about an image, and what to know if they do not answer.
struct Question {
    inquiry: Inquiry,
    circumstances: Circumstances,
}

/// Plugins by kind and name.
type Loaded = HashMap<(Kind, String), Result<Component, Failure>>;
/// Registry plugins by name and settings. Others with the same would be asked the same once more.
type Servings = BTreeMap<(String, String), Arc<Serving>>;

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
        let realms: Vec<RealmBinding> = asked.iter().filter_map(|asked| realms(&asked.image)).collect();
        let mut servings = Servings::new();
        let questions: Vec<_> =
            asked.iter().map(|asked| (asked, self.question(asked, &plugins, &realms, &mut servings))).collect();
        let judging = stream::iter(questions).map(|(asked, question)| {
            let (this, plugins) = (&*self, &plugins);
            async move {
                let finding = this.judge(asked, plugins, question).await;
                (asked.place, finding.unwrap_or_else(Finding::Failed))
            }
        });
        for (place, finding) in judging.buffer_unordered(MOST_AT_ONCE).collect::<Vec<_>>().await {
            if let Some(found) = findings.get_mut(place) {
                *found = Some(finding);
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

    /// Whom to ask about an image, with which settings and credentials.
    fn question(
        &self,
        asked: &Asked<'_>,
        plugins: &Loaded,
        realms: &[RealmBinding],
        servings: &mut Servings,
    ) -> Result<Question, Failure> {
        let Asked { image, rules, .. } = asked;
        let PluginUse { plugin, settings: given } = &rules.registry;
        let component = component(plugins, Kind::Registry, plugin)?;
        let manifest = component.manifest();
        let defaults = Defaults::of(shelf::bare(plugin, Kind::Registry), &self.config);
        let mut settings = defaults.settings.clone();
        settings.extend(given.clone());
        if is_granted_plain(image, &shelf::grants(component, &json!(settings), &self.granted))
            && knows(component, PLAIN_HTTP)
        {
            settings.entry(PLAIN_HTTP.to_owned()).or_insert(Value::Bool(true));
        }
        let settings = to_settings(component, plugin, &settings)?;
        let serving = servings.entry((plugin.clone(), settings.clone())).or_insert_with(|| {
            let settings = serde_json::from_str(&settings).unwrap_or_default();
            let granted = shelf::granted(component, &settings, &self.granted);
            Arc::new(Serving::for_one_run(plugin.clone(), component.clone(), granted, realms.to_vec()))
        });
        let circumstances = Circumstances {
            image: image.clone(),
            grants: serving.scope(image, &settings).grants.clone(),
            keeper: Keeper::of(manifest, &defaults, image),
            docker_config: self.docker.name(),
        };
        let credentials = logins::credentials(&self.docker, image, manifest, &circumstances.grants, &defaults);
        let inquiry = Inquiry::new(Arc::clone(serving), image.clone(), settings, credentials);
        Ok(Question { inquiry, circumstances })
    }

    async fn judge(
        &self,
        asked: &Asked<'_>,
        plugins: &Loaded,
        question: Result<Question, Failure>,
    ) -> Result<Finding, Failure> {
        let Asked { image, tag, rules, .. } = asked;
        let PluginUse { plugin, settings } = &rules.parser;
        let parser = component(plugins, Kind::VersionParser, plugin)?;
        let settings = to_settings(parser, plugin, settings)?;
        if tag != LATEST {
            let parsed = parse(parser, vec![tag.clone()], &settings).await.map_err(|cause| unparsed(plugin, cause))?;
            if let Some(current) = parsed.first().filter(|current| current.version.is_some()) {
                return self.choose(asked, parser, &settings, current.clone(), &question?).await;
            }
            if !rules.latest.follows_any {
                let why = format!("has the tag {tag}, which plugin {plugin} does not read as a version");
                return Err(Failure::of(&Problem::NoVersion { image: image.to_string(), why }));
            }
        }
        match image.digest() {
            Some(pinned) => {
                let running = vec![RunningImage { digest: pinned.clone() }];
                self.follow(asked, running, &question?).await
            }
            None => Ok(Finding::Moves(format!(
                "plugin {plugin} does not read {tag} as a version; if it moves, only a cluster knows what runs"
            ))),
        }
    }

    /// For a tag that is a version: which of the others is next.
    async fn choose(
        &self,
        asked: &Asked<'_>,
        parser: &Component,
        settings: &str,
        mut current: Tagged,
        question: &Question,
    ) -> Result<Finding, Failure> {
        let Asked { image, rules, .. } = asked;
        let Question { inquiry, circumstances } = question;
        let failed = |err: ListError| remedy::failure(&err, circumstances);
        let listing = self.registries.list_tags(inquiry, WHOLE_RUN).await.map_err(failed)?;
        let candidates = listing.versions(parser, settings).await;
        let candidates = candidates.map_err(|cause| unparsed(&rules.parser.plugin, cause))?;
        let listed = || listing.detail(&current.tag).and_then(|detail| detail.digest);
        current.digest = image.digest().cloned().or_else(listed);
        let (image, policy) = (image.clone(), rules.policy.clone());
        let tags = Tags { image, policy, current, candidates, first_seen: Vec::new(), approved: None, after: None };
        let Tags { image, policy, current, candidates, .. } =
            tags.look_closer(&self.registries, inquiry, WHOLE_RUN).await;
        let ruling = decide(&policy, &current, &candidates);
        let judged = Judged { image, policy, current, candidates, ruling };
        if let Some(update) = judged.update() {
            if judged.image.digest().is_some() && update.digest.is_none() {
                let message = digest_unknown(&judged.image.to_string(), &update.tag);
                return Err(Failure { reason: "DigestUnknown", message });
            }
            if self.is_writing && asked.is_in_file {
                // Registries list tags that they cannot serve.
                let shown = self.registries.digest(inquiry, &update.tag, WHOLE_RUN).await;
                shown.map_err(|err| Failure { reason: "TagNotUsable", ..failed(err) })?;
            }
        }
        Ok(Finding::Judged(Box::new(judged)))
    }

    /// For a tag that moves: whether it still points at what the image is pinned to.
    async fn follow(
        &self,
        asked: &Asked<'_>,
        running: Vec<RunningImage>,
        question: &Question,
    ) -> Result<Finding, Failure> {
        let Asked { image, tag, rules, .. } = asked;
        let Question { inquiry, circumstances } = question;
        let preference = rules.latest.preference;
        let (image, tag) = (image.clone(), tag.clone());
        let moving = Moving { image, tag, registry: None, members: Vec::new(), running, preference, after: None };
        let moving = moving.look_up(&self.registries, inquiry, WHOLE_RUN).await;
        let Moving { image, tag, registry, members, running, preference, .. } =
            moving.map_err(|err| remedy::failure(&err, circumstances))?;
        let ruling = decide_moving(&MovingTag {
            registry: registry.as_ref(),
            index_members: &members,
            running: &running,
            restarted_for: None,
            // What people have skipped is known in the cluster.
            is_held: false,
            preference,
            // Another digest in the image is another image, which is pulled whatever the policy says.
            pull_policy: PullPolicy::Always,
        });
        match ruling {
            MovingRuling::Unknown { why } | MovingRuling::CannotPull { why } => {
                let message = format!("whether the tag {tag} has moved is not known: {why}");
                Err(Failure { reason: "DigestUnknown", message })
            }
            ruling @ (MovingRuling::UpToDate
            | MovingRuling::Restart { .. }
            | MovingRuling::Notify { .. }
            | MovingRuling::Held { .. }) => Ok(Finding::Followed(Box::new(Followed { image, tag, ruling }))),
        }
    }
}

/// The question about a subject, or what can be said of it without asking anybody.
fn classify(place: usize, subject: &Subject) -> Result<Asked<'_>, Finding> {
    let rules = subject.rules.as_ref().map_err(Clone::clone)?;
    let image: ImageReference = subject.image.parse().map_err(|cause| {
        let image = subject.image.clone();
        Finding::Failed(Failure::of(&Problem::Image { image, cause }))
    })?;
    match (image.tag(), image.digest()) {
        (None, Some(_)) => Err(Finding::Ignored("it is pinned to a digest and has no tag".to_owned())),
        (None, None) => {
            Err(Finding::Moves("it has no tag, which means latest; only a cluster knows what runs".to_owned()))
        }
        (Some(LATEST), None) => Err(Finding::Moves("the tag moves; only a cluster knows what runs".to_owned())),
        (Some(tag), _) => {
            let (tag, is_in_file) = (tag.to_owned(), subject.place.is_some());
            Ok(Asked { place, image, tag, rules, is_in_file })
        }
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
    component.settings(&json!(given)).map_err(|cause| Failure::of(&Problem::settings(plugin, cause)))
}

fn unparsed(plugin: &str, cause: ParseError) -> Failure {
    Failure::of(&Problem::Parse { plugin: plugin.to_owned(), cause })
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

/// The token services of the registry of `image` on hosts of their own.
fn realms(image: &ImageReference) -> Option<RealmBinding> {
    let recipients = pull_secret::recipients(image).ok()?;
    Some(RealmBinding { registry: recipients.registry, realm: recipients.realm? })
}
