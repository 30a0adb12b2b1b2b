//! Loading: from bytes to a component that has shown what it can do.
//!
//! In this order, each step only after the one before: the size; what [`validate`](crate::validate) refuses, the plugin manifest and the
//! imports among it; compiling, or finding compiled code in the [cache](crate::compile); linking against nothing at all; starting one
//! instance under the limits; running the plugin's own [examples](crate::trial). Whatever is not loaded has not been called.

use std::sync::Arc;

use thiserror::Error;
use tracing::info;

use crate::call::CallError;
use crate::component::{Component, Loaded};
use crate::digest::Digest;
use crate::engine::{Engine, Inner};
use crate::manifest::{Kind, ManifestError};
use crate::store::Limits;
use crate::validate::{Valid, validate};
use crate::{compile, trial};

/// Largest component, in bytes: three times the size of one that brings a Python interpreter along.
pub const LARGEST_COMPONENT: usize = 64 * 1024 * 1024;

/// Why bytes are not a plugin that may run here.
///
/// The messages say "it" of the bytes: the caller knows where they come from, and says so.
#[derive(Debug, Error)]
pub enum LoadError {
    /// More than [`LARGEST_COMPONENT`].
    #[error("it has {size} bytes, and {LARGEST_COMPONENT} are allowed")]
    TooLarge {
        /// Bytes that it has.
        size: usize,
    },
    /// Compressed data that decompresses to more than [`LARGEST_COMPONENT`].
    #[error("it decompresses to more than {LARGEST_COMPONENT} bytes, which is the most that is allowed")]
    TooLargeDecompressed,
    /// Not what a file that ends in `.gz` should be.
    #[error("it cannot be decompressed as gzip: {message}")]
    Gzip {
        /// What the decompressor said.
        message: String,
    },
    /// Neither a component nor a core module.
    #[error("it is not WebAssembly: {found}")]
    NotWasm {
        /// What it is instead, as far as one can say.
        found: String,
    },
    /// What compilers write when nobody makes a component of it.
    #[error("it is a core module, not a component; run \"k8supdater plugin pack\" on it")]
    CoreModule,
    /// Damaged, or it uses a feature of WebAssembly that is off.
    #[error("it is not a valid component, or uses what plugins may not use: {message}")]
    Invalid {
        /// What the validator said.
        message: String,
    },
    /// It wants something from the host.
    #[error(
        "it imports {what}, and a plugin may import nothing but types; build it without WASI, and return what should be done as actions"
    )]
    Import {
        /// The import.
        what: String,
    },
    /// There is no plugin manifest.
    #[error("it has no plugin manifest; run \"k8supdater plugin pack --manifest FILE\" on it")]
    NoManifest,
    /// There are several plugin manifests, and they differ or stand side by side.
    #[error(
        "it has more than one plugin manifest; run \"k8supdater plugin pack --manifest FILE\" with the right one on it"
    )]
    SeveralManifests,
    /// The plugin manifest cannot be used.
    #[error("its plugin manifest is not usable")]
    Manifest(#[source] ManifestError),
    /// It exports no interface of ours.
    #[error("it exports none of the interfaces {}; its exports are: {}", interfaces(), list(.exports))]
    NoInterface {
        /// What it exports.
        exports: Vec<String>,
    },
    /// It exports an interface of ours in a version that is unknown here.
    #[error(
        "it exports {export}, and this operator speaks version 0.1.0 of that interface; build it against that version"
    )]
    OtherVersion {
        /// The export.
        export: String,
    },
    /// It exports more than one interface of ours.
    #[error("it exports several interfaces ({}), and a plugin is of one kind; make a plugin of each", names(.kinds))]
    SeveralInterfaces {
        /// The kinds of the interfaces.
        kinds: Vec<Kind>,
    },
    /// The plugin manifest says something else than the code.
    #[error("its plugin manifest says that it is a {claimed} plugin, and it exports the interface of a {found} plugin")]
    WrongKind {
        /// What the plugin manifest says.
        claimed: Kind,
        /// What it exports.
        found: Kind,
    },
    /// The compiler refused it, or it needs more memories, tables or instances than there are places for.
    #[error("it cannot be compiled: {message}")]
    Compile {
        /// What the compiler said.
        message: String,
    },
    /// Its functions are not those of the contract.
    #[error("it does not keep to the contract of its interface: {message}")]
    Contract {
        /// What differs.
        message: String,
    },
    /// An instance cannot even start under the limits.
    #[error("an instance of it cannot start")]
    Start(#[source] CallError),
    /// One of its own examples came out differently.
    #[error("its example {name:?} fails: {problem}")]
    Example {
        /// Name of the example.
        name: String,
        /// What was expected, and what came.
        problem: String,
    },
    /// The host itself failed.
    #[error("it could not be loaded, which is not its fault: {message}")]
    Host {
        /// What happened.
        message: String,
    },
}

fn interfaces() -> String {
    Kind::ALL.map(|kind| format!("k8supdater:plugin/{kind}@0.1.0")).join(", ")
}

fn list(names: &[String]) -> String {
    /// Exports that are named: enough to recognise what it is.
    const SHOWN: usize = 10;
    match names {
        [] => "none".to_owned(),
        names if names.len() > SHOWN => {
            format!("{}, …", names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", "))
        }
        names => names.join(", "),
    }
}

fn names(kinds: &[Kind]) -> String {
    kinds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl LoadError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::TooLargeDecompressed => "TooLarge",
            Self::Gzip { .. } => "NotGzip",
            Self::NotWasm { .. } => "NotWasm",
            Self::CoreModule => "CoreModule",
            Self::Invalid { .. } => "InvalidComponent",
            Self::Import { .. } => "ImportsRefused",
            Self::NoManifest => "NoManifest",
            Self::SeveralManifests | Self::Manifest(_) => "InvalidManifest",
            Self::NoInterface { .. }
            | Self::OtherVersion { .. }
            | Self::SeveralInterfaces { .. }
            | Self::WrongKind { .. } => "WrongInterface",
            Self::Compile { .. } => "NotCompilable",
            Self::Contract { .. } => "ContractBroken",
            Self::Start(err) => err.reason(),
            Self::Example { .. } => "ExampleFailed",
            Self::Host { .. } => "LoadFailed",
        }
    }
}

impl Engine {
    /// Makes a component of `bytes`, to be called under `limits`.
    ///
    /// Bytes that are in use already are neither read nor compiled again, but their examples are run again, because the limits may be
    /// others. Compiling takes from a fraction of a second to some seconds, all processors, and one component at a time.
    ///
    /// Cancel-safe: dropping the future forgets the result; a compilation that is under way ends in the background.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub async fn load(&self, bytes: Arc<[u8]>, limits: Limits) -> Result<Component, LoadError> {
        if bytes.len() > LARGEST_COMPONENT {
            return Err(LoadError::TooLarge { size: bytes.len() });
        }
        let (bytes, digest) = on_thread(move || {
            let digest = Digest::of(&bytes);
            Ok((bytes, digest))
        })
        .await?;
        let loaded = match self.inner.known(&digest) {
            Some(loaded) => loaded,
            None => self.prepare(bytes, digest).await?,
        };
        let component = Component::new(loaded, limits.within_bounds());
        component.start().await?;
        trial::run(&component).await?;
        Ok(component)
    }

    async fn prepare(&self, bytes: Arc<[u8]>, digest: Digest) -> Result<Arc<Loaded>, LoadError> {
        let (bytes, valid) = on_thread(move || validate(&bytes).map(|valid| (bytes, valid))).await?;
        let turn = Arc::clone(&self.inner.compiling).lock_owned().await;
        // Somebody may have loaded the same bytes while this call was waiting for its turn.
        if let Some(loaded) = self.inner.known(&digest) {
            return Ok(loaded);
        }
        let inner = Arc::clone(&self.inner);
        on_thread(move || {
            let _turn = turn;
            link(&inner, &bytes, digest, valid)
        })
        .await
    }
}

fn link(inner: &Arc<Inner>, bytes: &[u8], digest: Digest, valid: Valid) -> Result<Arc<Loaded>, LoadError> {
    let compiled = compile::component(inner, bytes, &digest)?;
    let Valid { manifest, kind, .. } = valid;
    info!(name = manifest.name, version = manifest.version, %kind, %digest, "component prepared");
    let loaded = Arc::new(Loaded::link(Arc::clone(inner), &compiled, digest, manifest)?);
    inner.remember(&loaded);
    Ok(loaded)
}

/// Runs what takes more than a moment where nobody waits for it.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|err| Err(LoadError::Host { message: err.to_string() }))
}

#[cfg(test)]
mod tests;
