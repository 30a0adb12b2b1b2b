//! Compiled code: made once per component, kept on disk, and believed only if this operator wrote it.
//!
//! Compiling takes from a fraction of a second to some seconds, reading what was compiled some milliseconds. But compiled code is machine code:
//! whoever can write it into the cache owns the process. So each file carries a message authentication code over the code, the digest of the
//! component that it was made from, and all of the engine's settings ([`directory`]). A file that is damaged, cut short, made by another
//! engine or forged is ignored and made anew.

mod directory;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{debug, warn};
use wasmtime::component::Component;

use crate::digest::Digest;
use crate::engine::{EngineOptions, Inner};
use crate::load::LoadError;
use directory::{Directory, Found};

/// Bytes of compiled code that are kept unless told otherwise.
const USUAL_SIZE: u64 = 512 * 1024 * 1024;

/// Whether compiled code is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// No directory was given.
    Unset,
    /// A directory was given and cannot be used.
    Off {
        /// Why.
        reason: String,
    },
    /// It is kept.
    On {
        /// Where.
        directory: PathBuf,
    },
}

/// What the compile cache has done since the start of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Components that were compiled.
    pub compiled: u64,
    /// Components that were not compiled, because their code was found on disk.
    pub reused: u64,
    /// Files that were found and not believed.
    pub refused: u64,
}

/// The compiled code of all components of an engine.
pub(crate) struct Cache {
    state: CacheState,
    directory: Option<Directory>,
    compiled: AtomicU64,
    reused: AtomicU64,
    refused: AtomicU64,
}

impl Cache {
    /// A cache that cannot be used is off, and its state says why.
    pub(crate) fn open(options: EngineOptions, engine: &wasmtime::Engine) -> Self {
        let opened = options.cache_dir.map(|path| {
            let size = options.cache_size.unwrap_or(USUAL_SIZE);
            Directory::open(path, options.cache_key_file.as_deref(), size, engine)
        });
        let (state, directory) = match opened {
            None => (CacheState::Unset, None),
            Some(Err(reason)) => (CacheState::Off { reason }, None),
            Some(Ok(directory)) => (CacheState::On { directory: directory.path().to_owned() }, Some(directory)),
        };
        Self { state, directory, compiled: AtomicU64::new(0), reused: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    pub(crate) fn state(&self) -> &CacheState {
        &self.state
    }

    pub(crate) fn statistics(&self) -> CacheStatistics {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CacheStatistics { compiled: count(&self.compiled), reused: count(&self.reused), refused: count(&self.refused) }
    }

    fn find(&self, engine: &wasmtime::Engine, digest: &Digest) -> Option<Component> {
        let directory = self.directory.as_ref()?;
        let refusal = match directory.read(digest) {
            Found::Nothing => return None,
            Found::Refused { why } => why,
            Found::Code(code) => match deserialize(engine, &code) {
                Ok(component) => {
                    self.reused.fetch_add(1, Ordering::Relaxed);
                    return Some(component);
                }
                Err(err) => format!("{err:#}"),
            },
        };
        self.refused.fetch_add(1, Ordering::Relaxed);
        warn!(%digest, refusal, "compiled code in the cache is not believed, compiling again");
        None
    }

    fn keep(&self, digest: &Digest, component: &Component) {
        let Some(directory) = &self.directory else { return };
        let written =
            component.serialize().map_err(|err| format!("{err:#}")).and_then(|code| directory.write(digest, &code));
        match written {
            Ok(()) => debug!(%digest, "compiled code kept"),
            Err(error) => {
                warn!(%digest, error, "compiled code cannot be kept, it will be compiled again after a restart");
            }
        }
    }
}

/// The compiled code of valid `bytes`, from the cache or from the compiler.
///
/// # Errors
/// [`LoadError::Compile`], among others for components that have more memories, tables or instances than there are places for.
pub(crate) fn component(inner: &Inner, bytes: &[u8], digest: &Digest) -> Result<Component, LoadError> {
    if let Some(component) = inner.cache.find(&inner.wasm, digest) {
        return Ok(component);
    }
    let compiled = Component::from_binary(&inner.wasm, bytes);
    let component = compiled.map_err(|err| LoadError::Compile { message: format!("{err:#}") })?;
    inner.cache.compiled.fetch_add(1, Ordering::Relaxed);
    inner.cache.keep(digest, &component);
    Ok(component)
}

#[allow(
    unsafe_code,
    reason = "the one place: wasmtime cannot check that compiled code is sound, so it has to come from `Component::serialize`. \
              `code` does, because `Directory::read` has verified a message authentication code over it, with a key that only \
              operators of this installation have; they write nothing but what `serialize` gave them"
)]
fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: see the reason above. wasmtime itself compares its version and all settings of the engine.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(test)]
mod tests;
