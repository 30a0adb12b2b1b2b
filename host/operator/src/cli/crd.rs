//! `k8supdater crd`: prints the CustomResourceDefinitions.

use std::io::Write;

/// Prints both definitions as a YAML stream.
///
/// # Errors
/// When standard output cannot be written.
pub fn run() -> Result<(), Box<dyn std::error::Error>> {
    let text = crate::api::definitions()?;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}
