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
                let healthy = || {
                    let healthy = status.conditions.iter().find(|condition| condition.type_ == ROLLOUT_HEALTHY)?;
                    Some(healthy.message.clone())
                };
                Some(Outcome::Failed { why: update.failure.clone().or_else(healthy).unwrap_or_default() })
            }
            UpdatePhase::Overtaken => {
                Some(Outcome::NotApplied { why: "somebody else has changed the image first".to_owned() })
            }
            UpdatePhase::RolledBack | UpdatePhase::RollbackFailed => {
                let by = update.rollback.as_ref().and_then(|rollback| rollback.by.as_ref());
                let why = by.map(|by| format!("{by} has taken it back"));
                Some(Outcome::Failed { why: why.or_else(|| update.failure.clone()).unwrap_or_default() })
            }
            UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::RollingBack => None,
        };
    }
    // What a watch brings may be older than the decision: then the tag is still offered.
    let is_offered = container.reported.as_ref() == Some(&offer.tag);
    let is_awaited = container.approved.as_ref().is_some_and(|approved| approved.tag == offer.tag)
        || handler.annotations().contains_key(answer::APPROVE);
    if let Some(waits) = container.waits.as_ref().filter(|waits| is_awaited && waits.tag == offer.tag) {
        let until = waits.until.as_ref().map(|until| until.0.strftime("until %Y-%m-%d %H:%M UTC, ").to_string());
        return Some(Outcome::Waits { why: until.unwrap_or_default() + &waits.message });
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::standing::tests::handler;
    use super::*;

    #[test]
    fn what_comes_of_an_approval_is_read_from_the_status() {
        let offer = Offer {
            plugin: "telegram".to_owned(),
            namespace: "team-a".to_owned(),
            handler: "web".to_owned(),
            container: "app".to_owned(),
            tag: "2.0".to_owned(),
            answer: Answer::Approve,
            label: "Update".to_owned(),
            chat: Chat::Number(1),
            approvers: Approvers::Everybody,
        };
        let check = |more: Value, expected: Option<Outcome>| {
            let mut container = json!({"name": "app", "image": "nginx:1.0", "decision": "None"});
            container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let handler = handler(&json!({}), &json!({"containers": [container]}));
            assert_eq!(outcome(&handler, &offer), expected, "{more}");
        };
        let approved = json!({"tag": "2.0", "by": "ada", "at": "1970-01-01T00:00:00Z"});
        check(json!({"approved": approved}), None);
        let waits = |tag: &str, until: Option<&str>| {
            let waits =
                json!({"tag": tag, "until": until, "reason": "OutsideWindow", "message": "the window is closed"});
            json!({"approved": approved, "waits": waits})
        };
        let why = |why: &str| Some(Outcome::Waits { why: why.to_owned() });
        check(waits("2.0", Some("2026-01-02T03:04:05Z")), why("until 2026-01-02 03:04 UTC, the window is closed"));
        check(waits("2.0", None), why("the window is closed"));
        check(waits("1.1", None), None);
        let update = |phase: &str, by: Option<&str>| {
            json!({"update": {
                "from": "nginx:1.0", "to": "nginx:2.0", "phase": phase, "approvedBy": "ada", "failure": "no pod is ready",
                "started": "1970-01-01T00:00:00Z", "rollback": {"started": "1970-01-01T00:00:00Z", "by": by},
            }})
        };
        check(update("Finished", None), Some(Outcome::RolledOut));
        check(update("RollingBack", None), None);
        let failed = |why: &str| Some(Outcome::Failed { why: why.to_owned() });
        check(update("Failed", None), failed("no pod is ready"));
        check(update("RolledBack", None), failed("no pod is ready"));
        check(update("RolledBack", Some("bob")), failed("bob has taken it back"));
    }
}
