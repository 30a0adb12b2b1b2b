//! What the operator's own configuration adds to single plugins: k8sUpdater's variables for GitLab, e-mail and Telegram.
//!
//! Whoever sets the operator's variables administers it, so an origin that stands there counts as granted. What the Plugin object says
//! itself comes first.

use k8supdater_core::origin::Origin;
use k8supdater_core::pull_secret::Secret;
use k8supdater_egress::{BoundCredential, Credential};
use k8supdater_runtime::manifest::{Manifest, Slot};
use serde_json::Value;

use crate::api::versioning_handler::Settings;
use crate::config::{Chat, Config, Email, GitLab, Telegram};
use crate::credentials::scheme;

/// Name of the Plugin that `GITLAB_*` are for: what k8sUpdater's users write into `containerregistry`.
const GITLAB: &str = "gitlab";
/// Where GitLab is if nobody says.
const GITLAB_COM: &str = "https://gitlab.com";
/// Name of the Plugin that `EMAIL_*` are for.
const EMAIL: &str = "email";
/// Name of the Plugin that `TELEGRAM_*` are for.
const TELEGRAM: &str = "telegram";

/// What the operator's configuration adds to one plugin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) settings: Settings,
    pub(crate) origin: Option<Origin>,
    token: Option<Token>,
}

/// Where a variable with a token belongs, whether or not it is set.
#[derive(Clone, Debug)]
struct Token {
    /// The slot of the component.
    slot: &'static str,
    /// The token, and the one origin that it is for.
    secret: Option<(Secret, Origin)>,
}

impl Defaults {
    /// Those for the Plugin called `name`.
    pub(crate) fn of(name: &str, config: &Config) -> Self {
        match name {
            GITLAB => Self::of_gitlab(&config.gitlab),
            EMAIL => config.email.as_ref().map(Self::of_email).unwrap_or_default(),
            TELEGRAM => config.telegram.as_ref().map(Self::of_telegram).unwrap_or_default(),
            _ => Self::default(),
        }
    }

    fn of_gitlab(gitlab: &GitLab) -> Self {
        let (url, origin) = gitlab.base_url.clone().unzip();
        let home = origin.clone().or_else(|| Origin::parse(GITLAB_COM).ok());
        Self {
            settings: settings([
                ("baseUrl", url.map(Value::from)),
                ("project", gitlab.project.clone().map(Value::from)),
            ]),
            origin,
            token: Some(Token { slot: "token", secret: gitlab.token.clone().zip(home) }),
        }
    }

    fn of_email(email: &Email) -> Self {
        let recipients: Vec<String> = email.recipients.iter().map(ToString::to_string).collect();
        Self { settings: settings([("recipients", Some(recipients.into()))]), ..Self::default() }
    }

    fn of_telegram(telegram: &Telegram) -> Self {
        let Telegram { token, chat, api_url, origin } = telegram;
        let chat = match chat {
            Chat::Number(number) => Value::from(*number),
            Chat::Name(name) => Value::from(name.as_str()),
        };
        Self {
            settings: settings([("chatId", Some(chat)), ("apiUrl", Some(api_url.as_str().into()))]),
            origin: Some(origin.clone()),
            token: Some(Token { slot: "bot", secret: Some((token.clone(), origin.clone())) }),
        }
    }

    /// Whether the token, if there were one, would have a place in the component.
    pub(crate) fn takes_token(&self, manifest: &Manifest) -> bool {
        self.token.as_ref().is_some_and(|token| token.slot_of(manifest).is_some())
    }

    /// The token, bound to the one origin that it is for; none if the component has no slot for it.
    pub(crate) fn credential(&self, manifest: &Manifest) -> Option<BoundCredential> {
        let token = self.token.as_ref()?;
        let (secret, origin) = token.secret.as_ref()?;
        let slot = token.slot_of(manifest)?;
        Some(BoundCredential {
            slot: slot.name.clone(),
            origin: origin.clone(),
            scheme: scheme(&slot.scheme),
            secret: Credential::token(secret.expose().to_owned()),
        })
    }
}

impl Token {
    fn slot_of<'a>(&self, manifest: &'a Manifest) -> Option<&'a Slot> {
        manifest.slots.iter().find(|slot| slot.name == self.slot)
    }
}

/// Those of `given` that have a value.
fn settings<const N: usize>(given: [(&str, Option<Value>); N]) -> Settings {
    given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{EmailFlags, RawConfig, TelegramFlags};

    fn manifest(slot: &Value) -> Manifest {
        let manifest = json!({
            "name": "g", "version": "1", "kind": "registry", "description": "d", "license": "MIT", "slots": [slot],
        });
        Manifest::parse(manifest.to_string().as_bytes()).unwrap()
    }

    fn origin(text: &str) -> Origin {
        Origin::parse(text).unwrap()
    }

    /// Every variable set.
    fn config() -> Config {
        let set = |text: &str| Some(text.to_owned());
        let canary = |prefix: &str| Some(Secret::new(format!("{prefix}canary")));
        let email = EmailFlags {
            email_host: set("mail.example"),
            email_sender: set("k8s@example.com"),
            email_recipient: set("a@example.com, b@example.com"),
            email_password: canary(""),
            ..EmailFlags::default()
        };
        let telegram = TelegramFlags {
            telegram_token: canary("123:"),
            telegram_chat_id: set("-1001234567890"),
            telegram_api_url: set("http://bots.tools:8081/path/"),
        };
        let raw = RawConfig {
            gitlab_base_url: set("https://git.example:8443/dev"),
            gitlab_token: canary(""),
            gitlab_project: set("42"),
            email,
            telegram,
            ..RawConfig::default()
        };
        raw.check().unwrap()
    }

    #[test]
    fn each_plugin_gets_what_its_own_variables_say_and_no_other_does() {
        let check = |name: &str, settings: Value, granted: Option<&str>, slot: &str| {
            let defaults = Defaults::of(name, &config());
            assert_eq!(json!(defaults.settings), settings, "{name}");
            assert_eq!(defaults.origin, granted.map(origin), "{name}");
            for given in ["token", "bot"] {
                let manifest = manifest(&json!({"name": given, "scheme": "url", "description": "d"}));
                let bound = defaults.credential(&manifest).map(|bound| (bound.slot, bound.origin));
                let expected = (slot == given).then(|| (slot.to_owned(), granted.map(origin).unwrap()));
                assert_eq!(bound, expected, "{name} {given}");
                assert_eq!(defaults.takes_token(&manifest), slot == given, "{name} {given}");
            }
            assert!(!format!("{defaults:?}").contains("canary"), "{defaults:?}");
        };
        let git = json!({"baseUrl": "https://git.example:8443/dev", "project": "42"});
        check("gitlab", git, Some("https://git.example:8443"), "token");
        check("email", json!({"recipients": ["a@example.com", "b@example.com"]}), None, "");
        let chat = json!({"chatId": -1_001_234_567_890_i64, "apiUrl": "http://bots.tools:8081/path"});
        check("telegram", chat, Some("http://bots.tools:8081"), "bot");
        for stranger in ["oci", "webhook", "Telegram", ""] {
            check(stranger, json!({}), None, "");
        }
    }

    #[test]
    fn nothing_is_added_where_no_variable_is_set() {
        let config = RawConfig::default().check().unwrap();
        for name in [GITLAB, EMAIL, TELEGRAM] {
            let defaults = Defaults::of(name, &config);
            assert!(defaults.settings.is_empty() && defaults.origin.is_none(), "{name}");
            let manifest = manifest(&json!({"name": "token", "scheme": "bearer", "description": "d"}));
            assert_eq!(defaults.credential(&manifest), None, "{name}");
        }
    }

    #[test]
    fn a_public_chat_goes_by_its_name_and_the_usual_api_counts_as_granted() {
        let telegram = TelegramFlags {
            telegram_token: Some(Secret::new("123:canary".to_owned())),
            telegram_chat_id: Some("@shop".to_owned()),
            telegram_api_url: None,
        };
        let defaults = Defaults::of("telegram", &RawConfig { telegram, ..RawConfig::default() }.check().unwrap());
        assert_eq!(defaults.settings["chatId"], "@shop");
        assert_eq!(defaults.origin, Some(origin("https://api.telegram.org")));
    }

    #[test]
    fn a_token_alone_is_for_gitlab_com() {
        let raw = RawConfig { gitlab_token: Some(Secret::new("canary".to_owned())), ..RawConfig::default() };
        let defaults = Defaults::of("gitlab", &raw.check().unwrap());
        assert!(defaults.settings.is_empty() && defaults.origin.is_none());
        let manifest = manifest(&json!({"name": "token", "scheme": "bearer", "description": "d"}));
        assert_eq!(defaults.credential(&manifest).unwrap().origin, origin(GITLAB_COM));
    }
}
