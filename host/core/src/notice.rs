//! Notices: what people are told, and how they are told once only.
//!
//! Start reading at [`Notice`]. [`kind`] and [`level`] are its words, [`fingerprint`] says when two notices are the same, [`link`] where
//! to read more; how a notice reads is in `words`, what a human can run in `command`. A [`filter`] says which notices a channel gets, a
//! [`message`] is what it gets, perhaps of several notices at once ([`mod@digest`]). The [`outbox`] remembers what a channel was told, what
//! it still has to be told and when to try again.

pub mod digest;
pub mod filter;
pub mod fingerprint;
pub mod kind;
pub mod level;
pub mod link;
pub mod message;
pub mod outbox;

mod command;
mod words;

pub use digest::digest;
pub use filter::Filter;
pub use fingerprint::Fingerprint;
pub use kind::Kind;
pub use level::Level;
pub use link::Link;
pub use message::Message;
pub use outbox::Outbox;

use jiff::Timestamp;

/// Something that people may want to know.
///
/// Any value is valid. What does not apply is none; what a registry or a user made up is made fit for one line where it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub kind: Kind,
    /// How much it matters; [`Kind::level`] unless somebody knows better.
    pub level: Level,
    /// The handler that it is about.
    pub handler: Handler,
    /// The workload of that handler.
    pub workload: Option<Workload>,
    /// Name of the container.
    pub container: Option<String>,
    /// Repository without tag: `docker.io/library/nginx`.
    pub image: Option<String>,
    /// Tag before; with `@` and a digest behind it if it is what the tag pointed at. Of [`Kind::RolledBack`] and
    /// [`Kind::RollbackFailed`] it is the one that was taken back. Of [`Kind::HandlerResumed`] and [`Kind::HandlerChanged`] it is the
    /// generation of the spec before, so that each change is another notice.
    pub from: Option<String>,
    /// Tag after, or the one that could be; with `@` and a digest behind it if the tag has moved. Of [`Kind::RolledBack`] and
    /// [`Kind::RollbackFailed`] it is the one that was put back. Of [`Kind::HandlerResumed`] and [`Kind::HandlerChanged`] the
    /// generation after.
    pub to: Option<String>,
    /// Newest tag there is.
    pub newest: Option<String>,
    /// Name of the plugin that fails.
    pub plugin: Option<String>,
    /// What sort of failure it is: a fixed CamelCase word, such as `Unauthorized`.
    pub error_class: Option<String>,
    /// Why, in words for people: one sentence without a full stop. Must hold no secret. Two notices that differ in this only are the same.
    pub detail: Option<String>,
    /// Whether not all pods run what was updated, although its rollout is finished: why that is so is the detail.
    pub is_for_later: bool,
    /// Whether k8supdater itself does it once a human approves.
    pub is_approvable: bool,
    /// Where to read more.
    pub link: Option<Link>,
    /// When it happened.
    pub time: Timestamp,
}

/// Which handler a notice is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handler {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: a handler that is deleted and created again is another one.
    pub uid: String,
}

/// Which workload a notice is about, in the namespace of its handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// `Deployment`, `StatefulSet` and so on.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl Notice {
    /// A notice that says no more than this; the level is that of its kind.
    pub fn new(kind: Kind, handler: Handler, time: Timestamp) -> Self {
        Self {
            kind,
            level: kind.level(),
            handler,
            workload: None,
            container: None,
            image: None,
            from: None,
            to: None,
            newest: None,
            plugin: None,
            error_class: None,
            detail: None,
            is_for_later: false,
            is_approvable: false,
            link: None,
            time,
        }
    }

    /// What makes it the same as another notice.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self)
    }
}

#[cfg(test)]
mod tests;
