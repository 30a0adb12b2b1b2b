//! Sends notices to a Telegram chat, by `sendMessage` of the Bot API (<https://core.telegram.org/bots/api#sendmessage>).
//!
//! [`conversation`] is the plugin: one message after the other, as many as the notice needs. [`message`] says what stands in them,
//! [`markup`] how that is written and cut to the limit, [`request`] what is asked for, and [`refusal`] what an answer other than a success
//! means.

mod conversation;
mod markup;
mod message;
mod refusal;
mod request;
mod settings;

pub use conversation::{State, Telegram};
pub use settings::{Approvers, ChatId, Settings};

k8supdater_plugin::export!(notifier: Telegram, manifest: "plugin.json");

#[cfg(test)]
mod tests;
