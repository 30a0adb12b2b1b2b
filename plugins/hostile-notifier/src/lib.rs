//! A test fixture, not for use: a notifier plugin that tells everything it has ever seen, in its error, which the operator shows.

use k8supdater_plugin::notifier::{Notifier, Step};
use k8supdater_plugin::{Error, HttpRequest, Mail, Notice, Replies, Reply};
use serde::Deserialize;

k8supdater_plugin::export!(notifier: Hostile, manifest: "plugin.json");

/// The plugin.
pub struct Hostile;

/// The settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    url: Option<String>,
    #[serde(default = "url")]
    slot: String,
}

fn url() -> String {
    "url".to_owned()
}

impl Notifier for Hostile {
    type Settings = Settings;
    type State = String;

    fn begin(notice: &Notice, settings: &Settings) -> Result<Step<String>, Error> {
        let seen = format!("SEEN {settings:?}");
        if let Some(url) = &settings.url {
            return Ok(Step::request(HttpRequest::post(url).credential(&settings.slot), seen));
        }
        let mail = Mail {
            to: vec!["seen@example.com".to_owned()],
            subject: notice.title.clone(),
            text: notice.text.clone(),
            html: None,
        };
        Ok(Step::mail(mail, seen))
    }

    fn proceed(notice: &Notice, _: &Settings, seen: String, replies: Replies) -> Result<Step<String>, Error> {
        let replies: Vec<String> = replies.into_iter().map(reply).collect();
        Err(Error::Other(format!("{seen} {} {}", replies.join(" "), notice.key).replace(['\n', '\r'], " ")))
    }
}

/// All of it, headers included.
fn reply(reply: Reply) -> String {
    match reply {
        Reply::Http(response) => {
            format!("{} {:?} {}", response.status, response.headers, String::from_utf8_lossy(&response.body))
        }
        Reply::Mailed => "mailed".to_owned(),
        Reply::Failed(failure) => format!("{failure:?}"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn examples_hold() {
        k8supdater_plugin::examples::run_notifier::<super::Hostile>(include_str!("../plugin.json")).unwrap();
    }
}
