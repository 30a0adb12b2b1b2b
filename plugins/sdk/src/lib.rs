//! Write k8supdater plugins in Rust.
//!
//! A plugin is a WebAssembly component that imports nothing and computes. Choose a kind, implement its trait for a unit
//! struct, and name both in [`export!`]:
//!
//! | kind | trait | what it computes |
//! |---|---|---|
//! | `version-parser` | [`VersionParser`] | which tags are versions, and how they are ordered |
//! | `registry` | [`Registry`] | which requests list the tags of a repository, and what the answers mean |
//! | `notifier` | [`Notifier`] | which requests or mails deliver a notice |
//!
//! Settings arrive as a type of yours, checked against the JSON Schema of the plugin manifest before the plugin sees them.
//! A registry or notifier that needs the network returns the requests it wants made, together with a state of its own type,
//! and is called again with the replies; see [`registry`] for the turn order.
//!
//! Everything but the exported symbols compiles for the host as well, so a plugin is tested with plain `cargo test`;
//! [`examples`] runs the examples of the plugin manifest there, as the operator runs them before the plugin becomes Ready.
//! [`manifest`] documents what stands in it.
//!
//! What registry plugins have in common: [`link`] reads where an answer points at, [`refusal`] what a bad one means, [`time`] when
//! something happened, [`platform`] what an image is for; [`names`] keeps names from changing where a request goes, and [`trail`] finds out circles.
//!
//! What notifiers have in common: [`notice`] says how loud to be, and makes a table of what there is to say; [`text::within`] keeps to limits.
//!
//! What this crate must not do: add an import to the component, or panic over foreign data.
//!
//! Start reading at [`version_parser`], which is the shortest, then [`registry`].

// The generated code and `export!` name this crate as their users do.
extern crate self as k8supdater_plugin;

#[doc(hidden)]
pub mod bindings;
pub mod exchange;
#[macro_use]
mod export;
#[cfg(not(target_arch = "wasm32"))]
pub mod examples;
pub mod link;
pub mod manifest;
pub mod names;
pub mod notice;
pub mod notifier;
pub mod platform;
pub mod refusal;
pub mod registry;
pub mod settings;
pub mod text;
pub mod time;
pub mod trail;
pub mod version_parser;

pub use exchange::{Action, Error, Failure, Header, HttpRequest, HttpResponse, Mail, Replies, Reply};
pub use notice::{Answer, Level, Notice};
pub use notifier::Notifier;
pub use registry::{Image, Question, Registry, Repository, Tag};
pub use version_parser::{Version, VersionParser};
