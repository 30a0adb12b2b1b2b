//! One request, and whether it was taken.

use k8supdater_plugin::notifier::{Notifier, Step};
use k8supdater_plugin::{Error, HttpRequest, Notice, Replies};

use crate::{Settings, body, destination, refusal};

/// The plugin.
pub struct Webhook;

impl Notifier for Webhook {
    type Settings = Settings;
    /// There is only one request, and nothing to remember about it.
    type State = ();

    fn begin(notice: &Notice, settings: &Settings) -> Result<Step<()>, Error> {
        let url = destination::check(&settings.url)?;
        let (content_type, body) = body::of(notice, settings)?;
        let mut request = HttpRequest::post(url).header("content-type", content_type);
        request.body = body;
        request = request.credential(settings.credential.slot());
        for (name, value) in settings.headers()? {
            request = request.header(name, value);
        }
        Ok(Step::request(request, ()))
    }

    fn proceed(_: &Notice, _: &Settings, (): (), replies: Replies) -> Result<Step<()>, Error> {
        refusal::check(&replies.http()?)?;
        Ok(Step::delivered())
    }
}
