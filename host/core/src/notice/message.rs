//! What a channel gets.

use jiff::Timestamp;

use super::{Fingerprint, Handler, Kind, Level, Link, Notice, Workload};

/// One message to one channel: the record `notice` of the interface `notifier`, where what is none is the empty string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Of several notices that of the one that matters most.
    pub kind: Kind,
    /// Of several notices the highest.
    pub level: Level,
    /// Which handler.
    pub handler: Handler,
    /// Which workload.
    pub workload: Option<Workload>,
    /// Name of the container.
    pub container: Option<String>,
    /// Repository without tag.
    pub image: Option<String>,
    /// Tag before.
    pub from: Option<String>,
    /// Tag after, or the one that could be.
    pub to: Option<String>,
    /// Newest tag there is.
    pub newest: Option<String>,
    /// Where to read more.
    pub link: Option<Link>,
    /// One line, for subjects.
    pub title: String,
    /// One paragraph, without markup.
    pub text: String,
    /// What a human can run; empty if there is nothing.
    pub command: String,
    /// What people may answer to: the offer of an update that k8supdater makes once somebody approves; none of anything else, and of
    /// several notices.
    pub offer: Option<Fingerprint>,
    /// When it happened; of several notices the last time.
    pub time: Timestamp,
    /// The same for every attempt to deliver the same message, and another one when the same is told again.
    pub key: String,
}

impl Message {
    /// What a channel gets of `notice`.
    pub fn of(notice: &Notice, key: String) -> Self {
        Self {
            kind: notice.kind,
            level: notice.level,
            handler: notice.handler.clone(),
            workload: notice.workload.clone(),
            container: notice.container.clone(),
            image: notice.image.clone(),
            from: notice.from.clone(),
            to: notice.to.clone(),
            newest: notice.newest.clone(),
            link: notice.link.clone(),
            title: notice.title(),
            text: notice.text(),
            command: notice.command(),
            offer: (notice.kind == Kind::UpdateAvailable && notice.is_approvable).then(|| notice.fingerprint()),
            time: notice.time,
            key,
        }
    }

    /// The same, said to be a reminder.
    #[must_use]
    pub fn as_reminder(self) -> Self {
        let (title, text) = (format!("Reminder: {}", self.title), format!("Reminder: {}", self.text));
        Self { title, text, ..self }
    }
}
