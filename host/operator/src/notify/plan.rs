//! What is to be written down and sent for one handler now. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8supdater_core::notice::Outbox;
use k8supdater_core::notice::outbox::{Dispatch, Policy};

use super::channel::Channel;
use super::delivery::Ended;
use super::record;
use super::standing::Standing;
use crate::api::conditions::{self, Finding, NOTIFIED, State};
use crate::api::notices::{ChannelFailure, ChannelStatus, NoticesStatus};
use crate::api::versioning_handler::{VersioningHandler, VersioningHandlerStatus};

/// Most channels that a status remembers, those included that are not used any more.
const MOST_CHANNELS: usize = 32;

/// What is known when a plan is made.
pub(super) struct Circumstances<'a> {
    /// The channels of the handler.
    pub(super) channels: &'a [Channel],
    /// Names that it gives to more than one.
    pub(super) twice: &'a [String],
    /// What was sent and does not stand in the status yet.
    pub(super) ended: &'a [Ended],
    /// Whether something of a channel is being sent.
    pub(super) is_under_way: &'a dyn Fn(&str) -> bool,
    /// Whether a channel, its plugin or credentials, is not what it was when something was sent on it last.
    pub(super) has_changed: &'a dyn Fn(&Channel) -> bool,
    pub(super) now: Timestamp,
}

/// What is to be done.
#[derive(Debug)]
pub(super) struct Plan {
    /// How the status should be before anything is sent.
    pub(super) status: VersioningHandlerStatus,
    /// What to send then, each with its channel.
    pub(super) dispatches: Vec<(Channel, Dispatch)>,
    /// When to look again, although nothing happens.
    pub(super) next: Option<Timestamp>,
}

impl Plan {
    /// For `handler`, with which things stand so.
    pub(super) fn of(handler: &VersioningHandler, standing: &Standing, given: &Circumstances<'_>) -> Self {
        let now = given.now;
        let before = handler.status.clone().unwrap_or_default();
        let known = before.notices.clone();
        let mut plan = Self { status: before, dispatches: Vec::new(), next: standing.changes_at };
        if given.channels.is_empty() && known.is_none() {
            return plan;
        }
        let created = handler.metadata.creation_timestamp.as_ref().map(|time| time.0);
        // Whoever is told of a new handler is told of everything that happens to it.
        let since = if known.is_none() && standing.is_new() { created.unwrap_or(now) } else { now };
        // While something is on its way on one of the channels, a change of the spec is not entered there, so it must remain news.
        let is_any_under_way = given.channels.iter().any(|channel| (given.is_under_way)(&channel.name));
        let told = known.as_ref().filter(|_| is_any_under_way).map(|known| (known.generation, known.suspended));
        let (generation, suspended) =
            told.unwrap_or((handler.metadata.generation.unwrap_or_default(), handler.spec.suspend));
        let mut channels = known.map(|known| known.channels).unwrap_or_default();
        for channel in given.channels {
            let known = channels.get(&channel.name);
            let since = known.map_or_else(|| record::time(since), |known| known.since.clone());
            let mut failure = known.and_then(|known| known.failure.clone());
            let mut outbox = known.map_or_else(Outbox::default, |known| record::outbox(known, &standing.handler));
            for ended in given.ended.iter().filter(|ended| ended.channel == channel.name) {
                failure = note(&mut outbox, ended);
            }
            // What is on its way may be the last word, and whether it was heard is not known yet.
            if !(given.is_under_way)(&channel.name) {
                standing.enter(&mut outbox, &channel.filter, since.0, now);
                if outbox.pending.is_empty() && outbox.failures() == 0 {
                    failure = None;
                }
                // Not before the time that the channel has named: what has changed may be no more than that this process is new.
                let may_be_asked = outbox.paused_until.is_none_or(|until| until <= now);
                if outbox.failures() > 0 && may_be_asked && (given.has_changed)(channel) {
                    outbox.retry_now();
                }
                plan.take(channel, &mut outbox, standing, now);
            }
            channels.insert(channel.name.clone(), record::status(&outbox, &since, failure));
        }
        forget_unused(&mut channels, given.channels);
        let finding = finding(&channels, given);
        put(&mut plan.status.conditions, finding, handler.metadata.generation, now);
        plan.status.notices = Some(NoticesStatus { generation, suspended, channels });
        plan
    }

    /// What of `outbox` is to be sent now, and when there is more.
    fn take(&mut self, channel: &Channel, outbox: &mut Outbox, standing: &Standing, now: Timestamp) {
        let policy = if standing.reminds() { channel.policy } else { Policy { remind_after: None, ..channel.policy } };
        let due = outbox.due(now, &policy);
        for dispatch in due.dispatches {
            outbox.begin(&dispatch);
            self.dispatches.push((channel.clone(), dispatch));
        }
        self.next = self.next.into_iter().chain(due.next).min();
    }
}

/// Notes what came of sending, and gives what is wrong with the channel.
fn note(outbox: &mut Outbox, ended: &Ended) -> Option<ChannelFailure> {
    match &ended.failure {
        None => {
            outbox.sent(&ended.dispatch, ended.at);
            None
        }
        Some(failure) => {
            outbox.failed(&ended.dispatch, failure.retry, ended.at);
            Some(ChannelFailure { reason: failure.reason.to_owned(), message: failure.message.clone() })
        }
    }
}

/// Channels that are not used any more are remembered, because a plugin that is gone may come back; but not any number of them.
fn forget_unused(channels: &mut BTreeMap<String, ChannelStatus>, used: &[Channel]) {
    while channels.len() > MOST_CHANNELS.max(used.len()) {
        let is_unused = |name: &&String| used.iter().all(|channel| channel.name != **name);
        let oldest =
            channels.keys().filter(is_unused).min_by_key(|name| channels.get(*name).map(|it| it.since.0)).cloned();
        let Some(oldest) = oldest else { return };
        channels.remove(&oldest);
    }
}

/// Whether everything that had to be told was; none where nobody is told.
fn finding(channels: &BTreeMap<String, ChannelStatus>, given: &Circumstances<'_>) -> Option<Finding> {
    let finding = |state, reason, message: String| Finding { kind: NOTIFIED, state, reason, message };
    let used = given.channels.iter().filter_map(|channel| Some((&channel.name, channels.get(&channel.name)?)));
    let failing: Vec<String> = used
        .filter_map(|(name, channel)| {
            let failure = channel.failure.as_ref()?;
            Some(format!("{name}: {} ({}); {} waiting", failure.message, failure.reason, channel.pending.len()))
        })
        .collect();
    if !given.twice.is_empty() {
        let names = given.twice.join(", ");
        let message = format!(
            "spec.notifiers has several channels called {names}, of which the first is told; give the others a name"
        );
        return Some(finding(State::False, "DuplicateChannel", message));
    }
    if given.channels.is_empty() {
        return None;
    }
    if failing.is_empty() {
        let names: Vec<&str> = given.channels.iter().map(|channel| channel.name.as_str()).collect();
        return Some(finding(State::True, "Delivered", format!("notices go to: {}", names.join(", "))));
    }
    Some(finding(State::False, "NotDelivered", failing.join("; ")))
}

/// Replaces the condition, and leaves all others as they are.
fn put(known: &mut Vec<Condition>, finding: Option<Finding>, generation: Option<i64>, now: Timestamp) {
    let merged = conditions::merge(known, finding.into_iter().collect(), generation, record::time(now).0);
    known.retain(|condition| condition.type_ != NOTIFIED);
    known.extend(merged);
}

#[cfg(test)]
mod tests;
