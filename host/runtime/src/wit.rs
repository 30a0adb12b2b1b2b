//! The contract with plugins as Rust types: what passes into a component and comes out of it.
//!
//! Generated from the WIT files of the repository, docs included, so that there is one source of truth. The interfaces are modules here as
//! they are there. Everything is plain data that can be cloned, compared and printed; calling is the business of [`Component`].
//!
//! [`Component`]: crate::Component

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::pedantic,
    reason = "generated code: the types carry the docs of the WIT files, the glue around them carries none"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package k8supdater:runtime;

            /// All kinds at once, so that the types of `exchange` are generated once. No component has to have all of these exports.
            world every-kind {
                export k8supdater:plugin/registry@0.1.0;
                export k8supdater:plugin/version-parser@0.1.0;
                export k8supdater:plugin/notifier@0.1.0;
            }
        ",
        additional_derives: [PartialEq, Eq],
    });
}

/// `exchange`: what a plugin may ask for, and what it gets.
pub mod exchange {
    pub use super::bindings::k8supdater::plugin::exchange::{
        Action, Error, Failure, Header, HttpRequest, HttpResponse, Mail, Reply,
    };
}

/// `registry`: lists tags.
pub mod registry {
    pub use super::bindings::exports::k8supdater::plugin::registry::{Image, Question, Repository, Step, Tag};
}

/// `notifier`: delivers notices.
pub mod notifier {
    pub use super::bindings::exports::k8supdater::plugin::notifier::{Answer, Notice, Step};
}

/// `version-parser` as it passes the boundary. The rest of the program knows [`k8supdater_core::version::Version`].
pub(crate) mod version_parser {
    pub(crate) use super::bindings::exports::k8supdater::plugin::version_parser::Version;
}

/// Where the exported functions of a component are, found once at load.
pub(crate) mod exports {
    pub(crate) use super::bindings::exports::k8supdater::plugin::notifier::GuestIndices as Notifier;
    pub(crate) use super::bindings::exports::k8supdater::plugin::registry::GuestIndices as Registry;
    pub(crate) use super::bindings::exports::k8supdater::plugin::version_parser::GuestIndices as VersionParser;
}
