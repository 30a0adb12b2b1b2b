//! A component that was loaded: what it is and says about itself. [`call`](crate::call) has what it can be asked.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use wasmtime::component::{InstancePre, Linker};

use crate::call::CallObserver;
use crate::digest::Digest;
use crate::engine::Inner;
use crate::load::LoadError;
use crate::manifest::{Kind, Manifest};
use crate::settings::{Schema, SettingsError};
use crate::store::{Limits, Meter};
use crate::wit::exports;

/// A plugin that can be called, under limits. Cheap to clone; the clones share the compiled code.
#[derive(Clone)]
pub struct Component {
    pub(crate) loaded: Arc<Loaded>,
    limits: Limits,
    /// Told of each call.
    pub(crate) observer: Option<CallObserver>,
}

/// What all components from the same bytes share.
pub(crate) struct Loaded {
    pub(crate) engine: Arc<Inner>,
    pub(crate) digest: Digest,
    manifest: Manifest,
    schema: Schema,
    pub(crate) instances: InstancePre<Meter>,
    pub(crate) exports: Exports,
}

/// Where the exported functions are; the cases are those of [`Kind`].
#[derive(Clone)]
pub(crate) enum Exports {
    Notifier(exports::Notifier),
    Registry(exports::Registry),
    VersionParser(exports::VersionParser),
}

impl Loaded {
    /// Links `compiled` against nothing: the linker is empty, so whatever a component would need from the host, it does not get.
    ///
    /// # Errors
    /// [`LoadError::Import`] if it needs something, [`LoadError::Contract`] if it lacks an export.
    pub(crate) fn link(
        engine: Arc<Inner>,
        compiled: &wasmtime::component::Component,
        digest: Digest,
        manifest: Manifest,
    ) -> Result<Self, LoadError> {
        let linked = Linker::new(&engine.wasm).instantiate_pre(compiled);
        let instances = linked.map_err(|err| LoadError::Import { what: format!("what does not exist: {err:#}") })?;
        let exports = match manifest.kind {
            Kind::Notifier => exports::Notifier::new(&instances).map(Exports::Notifier),
            Kind::Registry => exports::Registry::new(&instances).map(Exports::Registry),
            Kind::VersionParser => exports::VersionParser::new(&instances).map(Exports::VersionParser),
        };
        let exports = exports.map_err(|err| LoadError::Contract { message: format!("{err:#}") })?;
        let schema = Schema::compile(&manifest.settings).map_err(|message| LoadError::Host { message })?;
        Ok(Self { engine, digest, manifest, schema, instances, exports })
    }
}

impl Component {
    pub(crate) fn new(loaded: Arc<Loaded>, limits: Limits) -> Self {
        Self { loaded, limits, observer: None }
    }

    /// The same component, with `observer` told of each of its calls. Others from the same bytes are not concerned.
    #[must_use]
    pub fn observed_by(self, observer: CallObserver) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// What the plugin says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.loaded.manifest
    }

    /// What the plugin is, by its manifest and by what it exports.
    pub fn kind(&self) -> Kind {
        self.loaded.manifest.kind
    }

    /// The digest of the bytes that it was loaded from.
    pub fn digest(&self) -> Digest {
        self.loaded.digest
    }

    /// How much one call may use.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// `given`, checked against the schema of the plugin manifest and with the defaults of top-level properties filled in: the JSON text
    /// that the plugin is called with.
    ///
    /// # Errors
    /// Names every setting that the schema does not allow.
    pub fn settings(&self, given: &Value) -> Result<String, SettingsError> {
        self.loaded.schema.apply(given)
    }

    /// The same for a part of the settings, in which what is required may be missing because somebody else will give it.
    ///
    /// # Errors
    /// Names everything else that the schema does not allow.
    pub fn part_of_settings(&self, given: &Value) -> Result<String, SettingsError> {
        self.loaded.schema.apply_part(given)
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let manifest = self.manifest();
        write!(out, "{} {} ({})", manifest.name, manifest.version, self.digest())
    }
}
