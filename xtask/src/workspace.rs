//! Where things are in the checkout.

use std::path::{Path, PathBuf};

/// The root of the checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a directory below the root")
}

/// The target directory of the host's workspace: `CARGO_TARGET_DIR`, else `target` in the checkout.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) if !directory.is_empty() => root().join(directory),
        _ => root().join("target"),
    }
}

/// The directory of the plugin workspace.
pub fn plugins() -> PathBuf {
    root().join("plugins")
}

/// Where the plugin workspace is built natively, for its tests and lints.
pub fn plugins_native_target() -> PathBuf {
    target().join("plugins-native")
}

/// Where packed plugins are; the tests look for them there.
pub fn packed_plugins() -> PathBuf {
    target().join("plugins")
}

/// `path` relative to the root of the checkout where it is inside, for messages.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
