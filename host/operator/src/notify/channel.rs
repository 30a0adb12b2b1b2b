//! Who is told: the channels of a handler. Pure.

use std::collections::BTreeMap;

use k8supdater_core::notice::Filter;
use k8supdater_core::notice::outbox::{Mode, Policy};

use super::delivery::Destination;
use crate::api::notices::{NoticeOptions, NotifierOptions};
use crate::api::versioning_handler::{SecretReference, Settings};

/// One way to people, as one handler uses it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Channel {
    /// What it is called in the status.
    pub(super) name: String,
    /// Name of the Plugin.
    pub(super) plugin: String,
    /// Laid over the Plugin's own settings.
    pub(super) settings: Settings,
    /// A Secret of the handler's namespace.
    pub(super) secret: Option<SecretReference>,
    /// Which notices it gets.
    pub(super) filter: Filter,
    /// When it gets them.
    pub(super) policy: Policy,
}

impl Channel {
    /// Where its messages go, as that of a handler in `namespace`.
    pub(super) fn destination(&self, namespace: &str) -> Destination {
        let settings = serde_json::to_string(&self.settings).unwrap_or_default();
        let secret = self.secret.as_ref();
        let secret = secret.map(|secret| (namespace.to_owned(), secret.name.clone(), secret.slot.clone()));
        Destination { plugin: self.plugin.clone(), settings, secret }
    }
}

/// The channels of a handler, and the names that it gives to more than one, of which the first counts.
///
/// `own` is `spec.notifiers`, and `configured` what each notifier is told that is ready for use, by the name of its Plugin.
pub(super) fn channels(
    own: Option<&[NotifierOptions]>,
    configured: &BTreeMap<String, NoticeOptions>,
) -> (Vec<Channel>, Vec<String>) {
    let Some(own) = own else {
        let of_plugin = |(plugin, options): (&String, &NoticeOptions)| Channel {
            name: plugin.clone(),
            plugin: plugin.clone(),
            settings: Settings::new(),
            secret: None,
            filter: filter(options),
            policy: policy(options),
        };
        return (configured.iter().map(of_plugin).collect(), Vec::new());
    };
    let mut channels: Vec<Channel> = Vec::new();
    let mut twice = Vec::new();
    for entry in own {
        let name = entry.name.clone().unwrap_or_else(|| entry.plugin.clone());
        if channels.iter().any(|known| known.name == name) {
            twice.push(name);
            continue;
        }
        let options = overlaid(entry, configured.get(&entry.plugin));
        channels.push(Channel {
            name,
            plugin: entry.plugin.clone(),
            settings: entry.settings.clone(),
            secret: entry.secret_ref.clone(),
            filter: filter(&options),
            policy: policy(&options),
        });
    }
    (channels, twice)
}

/// What the handler says, and what it does not say as the Plugin object does.
fn overlaid(entry: &NotifierOptions, plugin: Option<&NoticeOptions>) -> NoticeOptions {
    let plugin = plugin.cloned().unwrap_or_default();
    NoticeOptions {
        levels: entry.levels.clone().unwrap_or(plugin.levels),
        kinds: entry.kinds.clone().unwrap_or(plugin.kinds),
        digest: entry.digest.or(plugin.digest),
        remind_after: entry.remind_after.or(plugin.remind_after),
    }
}

fn filter(options: &NoticeOptions) -> Filter {
    Filter {
        levels: options.levels.iter().map(|&level| level.into()).collect(),
        kinds: options.kinds.iter().map(|&kind| kind.into()).collect(),
    }
}

fn policy(options: &NoticeOptions) -> Policy {
    let mode = options.digest.map_or(Mode::Immediate, |interval| Mode::Digest { interval: interval.into() });
    Policy { mode, remind_after: options.remind_after.map(Into::into) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8supdater_core::notice::{Kind, Level};
    use serde_json::{Value, json};

    use super::*;

    fn check(own: &Value, expected: &[&str], twice: &[&str]) -> Vec<Channel> {
        let own: Option<Vec<NotifierOptions>> = serde_json::from_value(own.clone()).unwrap();
        let configured = [
            ("email", json!({"levels": ["warning", "error"], "digest": "1h"})),
            ("telegram", json!({"remindAfter": "24h"})),
        ];
        let configured = configured.map(|(name, options)| (name.to_owned(), serde_json::from_value(options).unwrap()));
        let (channels, found) = channels(own.as_deref(), &configured.into());
        let names: Vec<&str> = channels.iter().map(|channel| channel.name.as_str()).collect();
        assert_eq!(
            (names.as_slice(), found.iter().map(String::as_str).collect::<Vec<_>>().as_slice()),
            (expected, twice)
        );
        channels
    }

    #[test]
    fn without_a_list_all_configured_channels_are_told_as_their_plugins_say() {
        let channels = check(&Value::Null, &["email", "telegram"], &[]);
        assert_eq!(channels[0].filter.levels, [Level::Warning, Level::Error]);
        assert_eq!(channels[0].policy.mode, Mode::Digest { interval: Duration::from_hours(1) });
        assert_eq!(
            (channels[1].policy.mode, channels[1].policy.remind_after),
            (Mode::Immediate, Some(Duration::from_hours(24)))
        );
    }

    #[test]
    fn with_a_list_those_and_no_others_are_told() {
        check(&json!([]), &[], &[]);
        let channels = check(
            &json!([
                {"plugin": "email", "kinds": ["updated"], "remindAfter": "2h"},
                {"plugin": "webhook", "name": "slack", "settings": {"url": "https://x"}},
                {"plugin": "webhook", "secretRef": {"name": "s"}},
            ]),
            &["email", "slack", "webhook"],
            &[],
        );
        assert_eq!(channels[0].filter.levels, [Level::Warning, Level::Error], "what is not said is as the Plugin says");
        assert_eq!(channels[0].filter.kinds, [Kind::Updated]);
        assert_eq!(channels[0].policy.remind_after, Some(Duration::from_hours(2)));
        assert_eq!((channels[1].plugin.as_str(), channels[1].filter.clone()), ("webhook", Filter::default()));
        assert!(channels[2].secret.is_some() && channels[1].secret.is_none());
    }

    #[test]
    fn of_two_channels_with_one_name_the_first_counts() {
        let own = json!([{"plugin": "email"}, {"plugin": "webhook", "name": "email"}, {"plugin": "telegram"}]);
        let channels = check(&own, &["email", "telegram"], &["email"]);
        assert_eq!(channels[0].plugin, "email");
    }
}
