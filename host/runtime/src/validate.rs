//! What is checked before anything is compiled: that bytes are a component, import no code, and export one interface of ours.
//!
//! Nothing in here runs or compiles a plugin, so `plugin pack` and `plugin inspect` come here too, and refuse exactly what the operator
//! refuses.

use wasmparser::component_types::{ComponentEntityType, ComponentInstanceType};
use wasmparser::types::TypesRef;
use wasmparser::{Parser, Payload, Validator};

use crate::engine::FEATURES;
use crate::load::{LARGEST_COMPONENT, LoadError};
use crate::manifest::{Kind, Manifest};
use crate::section::{self, Format};

/// The package of our interfaces, with the slash.
const PACKAGE: &str = "k8supdater:plugin/";
/// The version of our interfaces. Until 1.0.0 every 0.x is another one, and all 0.1.x are one.
const VERSION: &str = "0.1.";
/// Depth of instances in instances after which an import is refused rather than looked into.
const DEEPEST: usize = 8;

/// What is known of a component that passed.
pub(crate) struct Valid {
    pub(crate) manifest: Manifest,
    pub(crate) kind: Kind,
    /// Imports that carry types and no code.
    pub(crate) type_imports: Vec<String>,
}

/// Checks everything that can be checked without compiling.
///
/// # Errors
/// The first thing for which the operator would refuse `bytes`.
pub(crate) fn validate(bytes: &[u8]) -> Result<Valid, LoadError> {
    if bytes.len() > LARGEST_COMPONENT {
        return Err(LoadError::TooLarge { size: bytes.len() });
    }
    match section::format(bytes)? {
        Format::Component => {}
        Format::Module => return Err(LoadError::CoreModule),
    }
    let manifest = section::manifest(bytes)?.ok_or(LoadError::NoManifest)?;
    let manifest = Manifest::parse(manifest).map_err(LoadError::Manifest)?;

    let invalid = |err: wasmparser::Error| LoadError::Invalid { message: err.to_string() };
    let types = Validator::new_with_features(FEATURES).validate_all(bytes).map_err(invalid)?;
    let (imports, exports) = names(bytes).map_err(invalid)?;
    for name in &imports {
        check_import(types.as_ref(), name)?;
    }
    let kind = exported_kind(&exports)?;
    if kind != manifest.kind {
        return Err(LoadError::WrongKind { claimed: manifest.kind, found: kind });
    }
    Ok(Valid { manifest, kind, type_imports: imports.into_iter().map(str::to_owned).collect() })
}

/// The names of what the component itself, not what is inside of it, imports and exports.
fn names(bytes: &[u8]) -> wasmparser::Result<(Vec<&str>, Vec<&str>)> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    imports.push(import?.name.name);
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    exports.push(export?.name.name);
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

/// Refuses every import that something would have to be given for.
fn check_import(types: TypesRef<'_>, name: &str) -> Result<(), LoadError> {
    let refused = |what: String| Err(LoadError::Import { what });
    let Some(item) = types.component_item_for_import(name) else {
        return refused(format!("{name:?}, whose type is not known"));
    };
    match item.ty {
        ComponentEntityType::Instance(id) => match code_in(types, &types[id], DEEPEST) {
            None => Ok(()),
            Some(what) => refused(format!("{what} of {name:?}")),
        },
        ComponentEntityType::Func(_) => refused(format!("the function {name:?}")),
        ComponentEntityType::Module(_) => refused(format!("the core module {name:?}")),
        ComponentEntityType::Component(_) => refused(format!("the component {name:?}")),
        ComponentEntityType::Value(_) => refused(format!("the value {name:?}")),
        ComponentEntityType::Type { .. } => refused(format!("the type {name:?} outside of an interface")),
    }
}

/// The first thing in an imported instance that is more than a plain type.
fn code_in(types: TypesRef<'_>, instance: &ComponentInstanceType, depth: usize) -> Option<String> {
    let Some(depth) = depth.checked_sub(1) else { return Some("an instance within instances".to_owned()) };
    instance.exports.iter().find_map(|(name, item)| match item.ty {
        ComponentEntityType::Func(_) => Some(format!("the function {name:?}")),
        ComponentEntityType::Module(_) => Some(format!("the core module {name:?}")),
        ComponentEntityType::Component(_) => Some(format!("the component {name:?}")),
        ComponentEntityType::Value(_) => Some(format!("the value {name:?}")),
        ComponentEntityType::Instance(id) => code_in(types, &types[id], depth),
        ComponentEntityType::Type { created, .. } => match created {
            wasmparser::component_types::ComponentAnyTypeId::Resource(_) => Some(format!("the resource {name:?}")),
            wasmparser::component_types::ComponentAnyTypeId::Defined(_)
            | wasmparser::component_types::ComponentAnyTypeId::Func(_)
            | wasmparser::component_types::ComponentAnyTypeId::Instance(_)
            | wasmparser::component_types::ComponentAnyTypeId::Component(_) => None,
        },
    })
}

/// The kind whose interface is among `exports`.
fn exported_kind(exports: &[&str]) -> Result<Kind, LoadError> {
    let mut kinds = Vec::new();
    for export in exports {
        let Some((interface, version)) = export.strip_prefix(PACKAGE).and_then(|name| name.split_once('@')) else {
            continue;
        };
        let Ok(kind) = interface.parse::<Kind>() else { continue };
        if !version.starts_with(VERSION) {
            return Err(LoadError::OtherVersion { export: (*export).to_owned() });
        }
        kinds.push(kind);
    }
    match kinds.as_slice() {
        [kind] => Ok(*kind),
        [] => Err(LoadError::NoInterface { exports: exports.iter().map(|name| (*name).to_owned()).collect() }),
        [..] => Err(LoadError::SeveralInterfaces { kinds }),
    }
}
