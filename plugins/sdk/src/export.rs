//! The macro that turns a type into a component.

/// Exports a plugin and embeds its manifest.
///
/// ```text
/// k8supdater_plugin::export!(version-parser: Pep440, manifest: "plugin.json");
/// k8supdater_plugin::export!(registry: Oci, manifest: "plugin.json");
/// k8supdater_plugin::export!(notifier: Webhook, manifest: "plugin.json");
/// ```
///
/// The type implements the trait of the kind, or the raw `Guest` of that module, which is the WIT interface as it stands.
///
/// The path of the manifest counts from the `Cargo.toml` of the plugin. For `wasm32` the manifest becomes the custom section
/// `k8supdater:manifest` of the core module, which `k8supdater plugin pack` lifts to the component.
///
/// For any other target no symbol is exported, so several plugins can be linked into one native program, such as a bench.
#[macro_export]
macro_rules! export {
    (version-parser: $plugin:ident, manifest: $manifest:literal $(,)?) => {
        $crate::__embed_manifest!($manifest, $plugin: $crate::version_parser::Guest);
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::version_parser::export_version_parser!($plugin with_types_in $crate::bindings::version_parser);
    };
    (registry: $plugin:ident, manifest: $manifest:literal $(,)?) => {
        $crate::__embed_manifest!($manifest, $plugin: $crate::registry::Guest);
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::registry::export_registry!($plugin with_types_in $crate::bindings::registry);
    };
    (notifier: $plugin:ident, manifest: $manifest:literal $(,)?) => {
        $crate::__embed_manifest!($manifest, $plugin: $crate::notifier::Guest);
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::notifier::export_notifier!($plugin with_types_in $crate::bindings::notifier);
    };
}

/// The part of [`export!`] that is the same for every kind. A missing manifest or trait fails native builds as well.
#[doc(hidden)]
#[macro_export]
macro_rules! __embed_manifest {
    ($manifest:literal, $plugin:ident: $kind:path) => {
        const _: () = {
            const fn implements<P: $kind>() {}
            implements::<$plugin>();

            const MANIFEST: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $manifest));
            #[cfg_attr(
                target_arch = "wasm32",
                used,
                expect(unsafe_code, reason = "a custom section cannot be named without an unsafe attribute"),
                unsafe(link_section = "k8supdater:manifest")
            )]
            static SECTION: [u8; MANIFEST.len()] = {
                let mut section = [0; MANIFEST.len()];
                section.copy_from_slice(MANIFEST);
                section
            };
        };
    };
}
