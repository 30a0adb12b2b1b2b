//! Who is told what: the part of the spec that is the same for handlers and for plugins, and what the operator remembers of it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8supdater_core::notice;
use kube::KubeSchema;
use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::versioning_handler::{SecretReference, Settings, settings};

/// Which notices a channel gets, and when. What is not said is: all of them, each at once, and no reminders.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NoticeOptions {
    /// Levels that are told: `debug`, `info`, `warning`, `error`, `critical`. Without it all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub levels: Vec<Level>,
    /// Kinds that are told, such as `update-available` or `rollout-failed`. Without it all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub kinds: Vec<Kind>,
    /// Sums up: one message for all notices of this time, and of all handlers that use the channel like this, instead of one for each; from
    /// 1s to 720h. With `24h` it comes at midnight UTC, with `1h` at every full hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('720h')").message("digest must be a duration between 1s and 720h, such as 1h or 24h"))]
    #[schemars(length(min = 2, max = 32))]
    pub digest: Option<Duration>,
    /// Reminds after this time, again and again, of what nobody has done anything about; from 1s to 720h. Without it nobody is reminded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('720h')").message("remindAfter must be a duration between 1s and 720h, such as 24h"))]
    #[schemars(length(min = 2, max = 32))]
    pub remind_after: Option<Duration>,
}

/// A channel of a handler: a notifier plugin, and what it is told.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotifierOptions {
    /// Name of a Plugin of kind `notifier`, for example `email`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub plugin: String,
    /// What the channel is called in the status. Defaults to the plugin's name; needed where the same plugin is used twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: Option<String>,
    /// Settings of the plugin; keys given here replace those of the Plugin object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "settings")]
    pub settings: Settings,
    /// A Secret of this namespace for the channel, with the keys that the plugin's credential slot needs. The plugin never sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Levels that are told; without it those that the Plugin object says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 5))]
    pub levels: Option<Vec<Level>>,
    /// Kinds that are told; without it those that the Plugin object says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    pub kinds: Option<Vec<Kind>>,
    /// Sums up: one message for all notices of this time, such as `24h`; without it as the Plugin object says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('720h')").message("digest must be a duration between 1s and 720h, such as 1h or 24h"))]
    #[schemars(length(min = 2, max = 32))]
    pub digest: Option<Duration>,
    /// Reminds after this time of what nobody has done anything about; without it as the Plugin object says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('720h')").message("remindAfter must be a duration between 1s and 720h, such as 24h"))]
    #[schemars(length(min = 2, max = 32))]
    pub remind_after: Option<Duration>,
}

/// How much a notice matters.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// For those who look back.
    Debug,
    /// It happened, and nobody has to do anything.
    Info,
    /// Somebody has something to decide.
    Warning,
    /// Something does not work, and updates do not come until it is mended.
    Error,
    /// The workload itself may be down.
    Critical,
}

/// What a notice is about.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A handler is new.
    HandlerCreated,
    /// A handler was suspended and is no longer.
    HandlerResumed,
    /// A handler says something else than before.
    HandlerChanged,
    /// A handler is gone.
    HandlerDeleted,
    /// There is something newer, for a human to decide.
    UpdateAvailable,
    /// A workload got another image.
    Updated,
    /// A workload was restarted for a tag that has moved.
    Restarted,
    /// All pods run what was updated or restarted.
    RolloutFinished,
    /// The pods do not come up.
    RolloutFailed,
    /// An update was taken back, and all pods run the image before again.
    RolledBack,
    /// An update was taken back, and the pods of the image before do not come up either.
    RollbackFailed,
    /// A tag that is a version points at another image than before: somebody has pushed it again.
    TagMoved,
    /// What is newer is not known.
    CheckFailing,
    /// It is known again.
    CheckRecovered,
    /// A plugin does not do its work.
    PluginFailing,
}

/// What people were told, and what they still have to be told.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticesStatus {
    /// The generation of the spec that people know of.
    pub generation: i64,
    /// Whether it was suspended then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Each channel by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub channels: BTreeMap<String, ChannelStatus>,
}

/// What was told on one channel, and what still has to be.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStatus {
    /// Since when the channel is told; what happened before is no news.
    pub since: Time,
    /// The last words that were told, the oldest first; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<SentStatus>,
    /// What waits to be told, the oldest first; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<PendingStatus>,
    /// Number that the next notice gets.
    #[serde(default)]
    pub next_serial: i64,
    /// When something was sent last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sent: Option<Time>,
    /// Until when the channel has asked to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<Time>,
    /// How many notices were given up, because too many waited, since something was sent last.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(extend("format" = "int32"))]
    pub given_up: u32,
    /// Why sending failed last; none while it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ChannelFailure>,
}

/// Why sending failed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelFailure {
    /// A fixed CamelCase word.
    pub reason: String,
    /// The same in words.
    pub message: String,
}

/// A notice that was told.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentStatus {
    /// What.
    pub notice: NoticeStatus,
    /// Its number.
    pub serial: i64,
    /// When it, or the last reminder of it, was sent.
    pub at: Time,
    /// How many reminders of it were sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(extend("format" = "int32"))]
    pub reminders: u32,
    /// How often in a row sending the next reminder failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(extend("format" = "int32"))]
    pub failures: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
}

/// A notice that waits to be told.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingStatus {
    /// What.
    pub notice: NoticeStatus,
    /// Its number.
    pub serial: i64,
    /// Since when it waits.
    pub since: Time,
    /// Whether sending it was attempted, so that it may have arrived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub begun: bool,
    /// How often in a row sending it failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(extend("format" = "int32"))]
    pub failures: u32,
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,
}

/// What a notice says.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoticeStatus {
    /// What happened.
    pub kind: Kind,
    /// How much it matters.
    pub level: Level,
    /// Kind and name of the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Name of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Repository without tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Tag before, or the generation of the spec before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Tag after, or the one that could be, or the generation of the spec after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Newest tag that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// Name of the plugin that fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// What sort of failure it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Whether not all pods run it yet, although it is finished.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub for_later: bool,
    /// Whether the operator does it once somebody approves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub approvable: bool,
    /// Where to read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// When it happened.
    pub time: Time,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde prescribes the signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The pairs of words of the API and of the core, each once.
macro_rules! words {
    ($name:ident: $($word:ident),*) => {
        impl From<$name> for notice::$name {
            fn from(word: $name) -> Self {
                match word { $($name::$word => Self::$word),* }
            }
        }

        impl From<notice::$name> for $name {
            fn from(word: notice::$name) -> Self {
                match word { $(notice::$name::$word => Self::$word),* }
            }
        }
    };
}

words!(Level: Debug, Info, Warning, Error, Critical);
words!(Kind: HandlerCreated, HandlerResumed, HandlerChanged, HandlerDeleted, UpdateAvailable, Updated, Restarted, RolloutFinished,
    RolloutFailed, RolledBack, RollbackFailed, TagMoved, CheckFailing, CheckRecovered, PluginFailing);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_has_the_words_of_the_interface() {
        for kind in notice::Kind::ALL {
            assert_eq!(serde_json::to_value(Kind::from(kind)).unwrap(), kind.as_str());
            assert_eq!(notice::Kind::from(Kind::from(kind)), kind);
        }
        for level in notice::Level::ALL {
            assert_eq!(serde_json::to_value(Level::from(level)).unwrap(), level.as_str());
            assert_eq!(notice::Level::from(Level::from(level)), level);
        }
    }
}
