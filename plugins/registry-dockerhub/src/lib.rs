//! Lists tags through the API of Docker Hub
//! (<https://docs.docker.com/reference/api/hub/latest/#tag/repositories>), which tells more than its registry does: digests and times,
//! a hundred tags a request, the last updated first.
//!
//! [`conversation`] is the plugin: what to ask, and what the answers mean. [`request`] spells the requests, [`tag`] reads what the Hub
//! says about a tag, [`checkpoint`] decides what is new, and [`refusal`] says what an answer other than 200 means.
//!
//! # Listing since a checkpoint
//!
//! A complete listing ends with a checkpoint: the newest `last_updated` among all tags, and the names of the tags updated at that
//! instant. A listing that is asked for with one
//!
//! - hands over the tags that are **new since**: updated later; or updated at that very instant, under a name that was not known; or
//!   without a readable `last_updated`, of which nobody can tell. A tag that was pushed again is among them, with its new digest. Whoever
//!   asks merges them into what he has, by name.
//! - stops behind the first page on which nothing is new. A repository in which nothing happened costs one request.
//! - does **not** see deletions, nor a tag that moved across a page's edge while the pages were read. Whoever asks has to list without
//!   a checkpoint from time to time.
//! - reads all pages where the Hub does not keep the order that this rests on, and lists everything, as if there were no checkpoint,
//!   where the first page is out of order or begins with something older than the checkpoint: its newest tag was deleted then. It does so
//!   too where the checkpoint is not one of this plugin's.
//!
//! Either way the last step has the checkpoint for the next time.

mod checkpoint;
mod conversation;
mod refusal;
mod request;
mod settings;
mod tag;

pub use checkpoint::Checkpoint;
pub use conversation::{DockerHub, State};
pub use settings::Settings;

k8supdater_plugin::export!(registry: DockerHub, manifest: "plugin.json");

#[cfg(test)]
mod tests;
