//! Posts notices to a webhook: as a JSON document of our own, in the form that a chat service wants, or as a template says.
//!
//! [`conversation`] is the plugin: one request. [`destination`] says where it goes, [`body`] what stands in it: [`document`], [`slack`],
//! [`discord`], [`teams`], [`ntfy`] or [`template`]. [`refusal`] says what an answer other than a success means.

mod body;
mod conversation;
mod destination;
mod discord;
mod document;
mod ntfy;
mod refusal;
mod settings;
mod slack;
mod teams;
mod template;

pub use conversation::Webhook;
pub use settings::{Credential, Format, Settings};

k8supdater_plugin::export!(notifier: Webhook, manifest: "plugin.json");

#[cfg(test)]
mod tests;
