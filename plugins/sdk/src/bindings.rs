//! What `wit-bindgen` makes of the WIT package, one module per world. Nothing else lives here; the rest of the crate
//! re-exports the types under shorter names.
//!
//! The three worlds are generated side by side, so that the types exist natively for tests. Which of them a component
//! exports is decided by [`export!`](macro@crate::export), the only caller of the `export_*` macros.
#![allow(
    missing_docs,
    unsafe_code,
    unreachable_pub,
    unused_imports,
    unused_qualifications,
    clippy::pedantic,
    reason = "generated code; the docs come from the WIT where there are any"
)]

#[doc(hidden)]
pub mod registry {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "registry-plugin",
        pub_export_macro: true,
        export_macro_name: "export_registry",
        generate_unused_types: true,
        disable_custom_section_link_helpers: true,
        additional_derives: [PartialEq, Eq],
    });
}

#[doc(hidden)]
pub mod version_parser {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "version-parser-plugin",
        pub_export_macro: true,
        export_macro_name: "export_version_parser",
        disable_custom_section_link_helpers: true,
        additional_derives: [PartialEq, Eq],
    });
}

#[doc(hidden)]
pub mod notifier {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "notifier-plugin",
        pub_export_macro: true,
        export_macro_name: "export_notifier",
        disable_custom_section_link_helpers: true,
        additional_derives: [PartialEq, Eq],
        with: {
            // One set of exchange types for both kinds that exchange anything.
            "k8supdater:plugin/exchange@0.1.0": crate::bindings::registry::k8supdater::plugin::exchange,
        },
    });
}
