//! One mail to all recipients, and whether the mail server took it.

use k8supdater_plugin::notifier::{Notifier, Step};
use k8supdater_plugin::{Error, Mail, Notice, Replies};

use crate::{Settings, html, subject, text};

/// The plugin.
pub struct Email;

impl Notifier for Email {
    type Settings = Settings;
    /// There is only one mail, and nothing to remember about it.
    type State = ();

    fn begin(notice: &Notice, settings: &Settings) -> Result<Step<()>, Error> {
        let mail = Mail {
            to: settings.recipients()?,
            subject: subject::of(notice, &settings.subject_prefix),
            text: text::of(notice),
            html: Some(html::of(notice)),
        };
        Ok(Step::mail(mail, ()))
    }

    fn proceed(_: &Notice, _: &Settings, (): (), replies: Replies) -> Result<Step<()>, Error> {
        replies.mailed()?;
        Ok(Step::delivered())
    }
}
