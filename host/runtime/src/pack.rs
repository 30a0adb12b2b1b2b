//! Packing: from what a compiler wrote to a plugin that can be put into a cluster.
//!
//! The same input gives the same bytes, on every machine, so that a digest says which code it is; packing what is packed changes nothing.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use thiserror::Error;
use wit_component::ComponentEncoder;

use crate::digest::Digest;
use crate::load::{LARGEST_COMPONENT, LoadError};
use crate::manifest::Manifest;
use crate::section::{self, Format};
use crate::validate::validate;

/// How much of what the operator checks is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Everything that the operator checks before it compiles.
    AsTheOperator,
    /// Nothing; for tests of what the operator refuses.
    Nothing,
}

/// A plugin.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Its bytes, not compressed.
    pub component: Vec<u8>,
    /// Their digest.
    pub digest: Digest,
    /// Its manifest; none only if nothing was checked.
    pub manifest: Option<Manifest>,
}

/// Why there is no plugin.
#[derive(Debug, Error)]
pub enum PackError {
    /// The bytes are no WebAssembly, or damaged.
    #[error("it cannot be read")]
    Input(#[source] LoadError),
    /// The core module cannot become a component.
    #[error(
        "it cannot be made a component: {message}; it has to be built with bindings for a world of k8supdater:plugin, and without WASI"
    )]
    Encode {
        /// What the encoder said.
        message: String,
    },
    /// Neither the module nor the caller brought a plugin manifest.
    #[error("it carries no plugin manifest; give one with --manifest")]
    NoManifest,
    /// The operator would refuse it.
    #[error("the operator would refuse it")]
    Refused(#[source] LoadError),
}

impl PackError {
    /// A fixed CamelCase word, as those of [`LoadError::reason`].
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Input(err) | Self::Refused(err) => err.reason(),
            Self::Encode { .. } => "NotEncodable",
            Self::NoManifest => "NoManifest",
        }
    }
}

/// Makes a plugin of a core module or component.
///
/// `manifest` goes into it; without one the manifest is used that `input` carries, in itself or in a module inside.
///
/// # Errors
/// See [`PackError`].
pub fn pack(input: &[u8], manifest: Option<&[u8]>, check: Check) -> Result<Packed, PackError> {
    if input.len() > LARGEST_COMPONENT {
        return Err(PackError::Input(LoadError::TooLarge { size: input.len() }));
    }
    let format = section::format(input).map_err(PackError::Input)?;
    let embedded = match manifest {
        Some(manifest) => Some(manifest),
        None => carried(input, format).map_err(PackError::Input)?,
    };
    if embedded.is_none() && check == Check::AsTheOperator {
        return Err(PackError::NoManifest);
    }
    let component = match (format, embedded) {
        // Nothing to do: not one byte changes.
        (Format::Component, embedded) if embedded == section::manifest(input).unwrap_or_default() => input.to_vec(),
        (format, embedded) => {
            let bare = section::without_manifest(input).map_err(PackError::Input)?;
            let mut component = match format {
                Format::Component => bare,
                Format::Module => encode(&bare)?,
            };
            if let Some(manifest) = embedded {
                section::embed(&mut component, manifest);
            }
            component
        }
    };
    let manifest = match check {
        Check::AsTheOperator => Some(validate(&component).map_err(PackError::Refused)?.manifest),
        Check::Nothing => embedded.and_then(|manifest| Manifest::parse(manifest).ok()),
    };
    Ok(Packed { digest: Digest::of(&component), component, manifest })
}

/// The plugin manifest that `input` brings along.
fn carried(input: &[u8], format: Format) -> Result<Option<&[u8]>, LoadError> {
    match (section::manifest(input)?, format) {
        (None, Format::Component) => section::nested_manifest(input),
        (own, _) => Ok(own),
    }
}

fn encode(module: &[u8]) -> Result<Vec<u8>, PackError> {
    // Validating is left to the check that follows, which allows less.
    let encoded = ComponentEncoder::default().validate(false).module(module).and_then(|mut encoder| encoder.encode());
    encoded.map_err(|err| PackError::Encode { message: format!("{err:#}") })
}

/// `component` as gzip, as small as it gets. The same bytes give the same bytes: there is no time and no name in it.
pub fn compress(component: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(component).and_then(|()| encoder.finish());
    written.expect("writing to memory does not fail")
}

/// What [`compress`], or any other gzip, has compressed.
///
/// # Errors
/// [`LoadError::Gzip`], or [`LoadError::TooLargeDecompressed`] as soon as there is more than [`LARGEST_COMPONENT`]: a small file can
/// stand for a very large one.
pub fn decompress(compressed: &[u8]) -> Result<Vec<u8>, LoadError> {
    let mut bytes = Vec::new();
    let mut decoder = GzDecoder::new(compressed).take(LARGEST_COMPONENT as u64 + 1);
    decoder.read_to_end(&mut bytes).map_err(|err| LoadError::Gzip { message: err.to_string() })?;
    if bytes.len() > LARGEST_COMPONENT { Err(LoadError::TooLargeDecompressed) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;
