//! What people may answer in a chat: the side of notices of the [`bot`](crate::bot).
//!
//! A button stands for an offer as long as the handler offers it. Who may press it, and where, the channel's settings say.

use std::sync::Arc;

use jiff::Timestamp;
use k8supdater_core::origin::Origin;
use k8supdater_runtime::manifest::{Answers, Kind};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use serde_json::Value;
use url::Url;

use super::channel::Channel;
use super::wire::Pressed;
use super::{channels_of, standing};
use crate::answer::{self, AnswerError, Choice, Written};
use crate::api::conditions::ROLLOUT_HEALTHY;
use crate::api::versioning_handler::{ContainerStatus, UpdatePhase, VersioningHandler};
use crate::bot::{self, Answer, Approvers, Bot, Chat, Decided, Offer, Outcome};
use crate::plugin::{Plugins, Serving};

/// The setting that says where a notifier's API is.
const API_URL: &str = "apiUrl";

/// The offers of all handlers that are watched.
pub struct Offers {
    client: Client,
    plugins: Arc<Plugins>,
    handlers: Vec<Store<DeserializeGuard<VersioningHandler>>>,
}

impl Offers {
    /// Those of `handlers`.
    pub fn new(
        client: Client,
        plugins: Arc<Plugins>,
        handlers: Vec<Store<DeserializeGuard<VersioningHandler>>>,
    ) -> Self {
        Self { client, plugins, handlers }
    }

    fn channel(&self, handler: &VersioningHandler, pressed: &Pressed<'_>) -> Option<(Channel, Value)> {
        let (channels, _) = channels_of(&self.plugins, handler);
        let channel = channels.into_iter().find(|channel| pressed.is_on(&channel.name))?;
        let serving = self.plugins.serving(&channel.plugin, Kind::Notifier).ok()?;
        let settings = serving.settings(&channel.settings).ok()?;
        Some((channel, serde_json::from_str(&settings).ok()?))
    }

    fn handler(&self, offer: &Offer) -> Option<Arc<DeserializeGuard<VersioningHandler>>> {
        let reference = ObjectRef::new(&offer.handler).within(&offer.namespace);
        self.handlers.iter().find_map(|handlers| handlers.get(&reference))
    }
}

impl bot::Offers for Offers {
    type Error = AnswerError;

    fn find(&self, value: &str) -> Option<Offer> {
        let pressed = Pressed::read(value)?;
        let now = Timestamp::now();
        let all = self.handlers.iter().flat_map(Store::state);
        all.filter_map(|handler| handler.0.as_ref().ok().cloned()).find_map(|handler| {
            let offers = standing::offers(&handler, now).into_iter();
            let (_, container, tag) =
                offers.into_iter().find(|(notice, _, _)| pressed.is_about(notice.fingerprint()))?;
            let (channel, settings) = self.channel(&handler, &pressed)?;
            Some(Offer {
                plugin: channel.plugin,
                namespace: handler.namespace().unwrap_or_default(),
                handler: handler.name_any(),
                container,
                tag,
                answer: pressed.answer,
                label: pressed.label.to_owned(),
                chat: Chat::of(&settings)?,
                approvers: Approvers::of(&settings),
            })
        })
    }

    async fn decide(&self, offer: &Offer, by: &str) -> Result<Decided, AnswerError> {
        let answer = match offer.answer {
            Answer::Approve => answer::Answer::Approve,
            Answer::Skip => answer::Answer::Skip,
            Answer::Snooze => answer::Answer::Snooze(answer::SNOOZE_TIME),
        };
        let choice = Choice { container: Some(offer.container.clone()), tag: offer.tag.clone(), answer };
        match answer::write(&self.client, &offer.namespace, &offer.handler, &choice, by).await {
            Ok(Written::New) => Ok(Decided::New),
            Ok(Written::Already { by, answer }) => {
                let answer = match answer {
                    answer::Answer::Approve => Answer::Approve,
                    answer::Answer::Skip => Answer::Skip,
                    answer::Answer::Snooze(_) => Answer::Snooze,
                    // Said of what was applied, which is not offered any more.
                    answer::Answer::RollBack => return Ok(Decided::Gone),
                };
                Ok(Decided::Already { answer, by })
            }
            Err(AnswerError::NotFound { .. } | AnswerError::NotOffered { .. } | AnswerError::Impossible { .. }) => {
                Ok(Decided::Gone)
            }
            Err(err) => Err(err),
        }
    }

    fn outcome(&self, offer: &Offer) -> Option<Outcome> {
        let handler = self.handler(offer)?;
        outcome(handler.0.as_ref().ok()?, offer)
    }
}

/// What has come of an approval. Pure.
fn outcome(handler: &VersioningHandler, offer: &Offer) -> Option<Outcome> {
    let status = handler.status.as_ref()?;
    let container = status.container(&offer.container)?;
    if let Some(update) = container.update.as_ref().filter(|_| is_updated_to(container, &offer.tag)) {
        return match update.phase {
            UpdatePhase::Finished => Some(Outcome::RolledOut),
            UpdatePhase::Failed => {
                let healthy = status.conditions.iter().find(|condition| condition.type_ == ROLLOUT_HEALTHY);
                Some(Outcome::Failed { why: healthy.map(|it| it.message.clone()).unwrap_or_default() })
            }
            UpdatePhase::Overtaken => {
                Some(Outcome::NotApplied { why: "somebody else has changed the image first".to_owned() })
            }
            UpdatePhase::RolledBack | UpdatePhase::RollbackFailed => {
                Some(Outcome::Failed { why: update.failure.clone().unwrap_or_default() })
            }
            UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::RollingBack => None,
        };
    }
    // What a watch brings may be older than the decision: then the tag is still offered.
    let is_offered = container.reported.as_ref() == Some(&offer.tag);
    let is_awaited = container.approved.as_ref().is_some_and(|approved| approved.tag == offer.tag)
        || handler.annotations().contains_key(answer::APPROVE);
    if is_offered || is_awaited {
        return None;
    }
    let why = format!("it cannot be applied any more; see kubectl describe vh {}", offer.handler);
    Some(Outcome::NotApplied { why })
}

/// Whether the last update of the container, approved by somebody, is to that tag.
fn is_updated_to(container: &ContainerStatus, tag: &str) -> bool {
    let Some(update) = container.update.as_ref().filter(|update| update.approved_by.is_some()) else { return false };
    match tag.split_once('@') {
        Some((_, digest)) => update.digest.as_deref() == Some(digest),
        None => {
            let image = update.to.parse::<k8supdater_core::image::ImageReference>();
            image.is_ok_and(|image| image.tag() == Some(tag))
        }
    }
}

/// Whether the host listens for answers to what `serving` sends with these `settings`, and there is somebody who may give one.
pub(super) fn listens(serving: &Serving, settings: &str) -> bool {
    let settings: Value = serde_json::from_str(settings).unwrap_or_default();
    let is_private = matches!(Chat::of(&settings), Some(Chat::Number(number)) if number > 0);
    let has_approvers = match Approvers::of(&settings) {
        Approvers::Everybody => true,
        Approvers::Only(users) => !users.is_empty(),
    };
    // Elsewhere than where the Plugin's own bot is, nobody listens.
    let is_own = settings.get(API_URL) == serving.own_settings().get(API_URL);
    is_own && (is_private || has_approvers) && bot(serving).is_some()
}

/// The bots of all Plugins whose notices can be answered.
pub fn bots(plugins: &Plugins) -> Vec<Bot> {
    plugins.notifiers().iter().filter_map(|serving| bot(serving)).collect()
}

fn bot(serving: &Serving) -> Option<Bot> {
    match serving.component.manifest().answers? {
        Answers::Telegram => {
            let settings = serving.own_settings();
            let api_url = Url::parse(settings.get(API_URL)?.as_str()?).ok()?;
            let origin = Origin::of(&api_url)?;
            let token = serving.credential(Answers::TELEGRAM_SLOT, &origin)?.secret.clone();
            let scope = serving.scope_for_notices(&settings.to_string(), Vec::new());
            Some(Bot { plugin: serving.name.clone(), api_url, grants: scope.grants.clone(), token })
        }
    }
}
