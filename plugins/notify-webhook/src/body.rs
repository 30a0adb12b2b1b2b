//! The body of the request, in the form that was asked for.

use k8supdater_plugin::{Error, Notice};
use serde_json::Value;

use crate::{Format, Settings, discord, document, ntfy, slack, teams, template};

const JSON: &str = "application/json";

/// Its content type, and the body.
///
/// # Errors
///
/// [`Error::InvalidSettings`] if a setting that this format needs is missing, makes no sense, or belongs to another format.
pub(crate) fn of<'a>(notice: &Notice, settings: &'a Settings) -> Result<(&'a str, Vec<u8>), Error> {
    let invalid = |text: &str| Err(Error::InvalidSettings(text.to_owned()));
    match (settings.format, &settings.template, &settings.topic) {
        (Format::Template, Some(template), None) => {
            Ok((settings.content_type.as_str(), template::render(template, &settings.content_type, notice)?))
        }
        (Format::Template, None, _) => invalid("template: it is missing, and the format template needs it"),
        (Format::Ntfy, None, Some(topic)) => Ok(json(&ntfy::of(notice, topic))),
        (Format::Ntfy, _, None) => invalid("topic: it is missing, and the format ntfy needs it"),
        (Format::Template, Some(_), Some(_))
        | (Format::Json | Format::Slack | Format::Discord | Format::Teams, None, Some(_)) => {
            invalid("topic: it is for the format ntfy only; set format to ntfy, or leave it out")
        }
        (Format::Json | Format::Slack | Format::Discord | Format::Teams | Format::Ntfy, Some(_), _) => {
            invalid("template: it is for the format template only; set format to template, or leave it out")
        }
        (Format::Json, None, None) => Ok(json(&document::of(notice))),
        (Format::Slack, None, None) => Ok(json(&slack::of(notice))),
        (Format::Discord, None, None) => Ok(json(&discord::of(notice))),
        (Format::Teams, None, None) => Ok(json(&teams::of(notice))),
    }
}

fn json(body: &Value) -> (&'static str, Vec<u8>) {
    (JSON, body.to_string().into_bytes())
}

/// One line, without control characters.
pub(crate) fn line(text: &str) -> String {
    k8supdater_plugin::text::one_line(text, usize::MAX)
}
