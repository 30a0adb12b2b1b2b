//! Sends notices as e-mail, to one or several people, each as plain text and as HTML.
//!
//! A plugin only composes: the host knows the mail server, and who the sender is. [`conversation`] is the plugin, [`subject`], [`text`] and
//! [`html`] are the parts of a mail.

mod conversation;
mod html;
mod settings;
mod subject;
mod text;

pub use conversation::Email;
pub use settings::Settings;

k8supdater_plugin::export!(notifier: Email, manifest: "plugin.json");

#[cfg(test)]
mod tests;
