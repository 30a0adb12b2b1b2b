//! Inspecting: what a plugin is and what it asks for, without running it.

use wit_component::WitPrinter;

use crate::digest::Digest;
use crate::load::LoadError;
use crate::manifest::{Kind, Manifest};
use crate::pack;
use crate::validate::validate;

/// What can be told of a plugin that the operator would compile.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What it says about itself.
    pub manifest: Manifest,
    /// What it is, by what it exports; the same as its manifest says.
    pub kind: Kind,
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its size in bytes.
    pub raw_size: usize,
    /// Its size in bytes, compressed.
    pub gz_size: usize,
    /// Names of its imports, all of which carry types and no code.
    pub type_imports: Vec<String>,
    /// Its imports, exports and types, in the WIT language
    /// (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/WIT.md>).
    pub wit: String,
}

/// Looks at a plugin, which is not compressed.
///
/// # Errors
/// As for [`Engine::load`](crate::Engine::load), up to the point where something would be compiled.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, LoadError> {
    let valid = validate(bytes)?;
    Ok(Inspection {
        manifest: valid.manifest,
        kind: valid.kind,
        digest: Digest::of(bytes),
        raw_size: bytes.len(),
        gz_size: pack::compress(bytes).len(),
        type_imports: valid.type_imports,
        wit: wit(bytes).map_err(|message| LoadError::Invalid { message })?,
    })
}

fn wit(component: &[u8]) -> Result<String, String> {
    let decoded = wit_component::decode(component).map_err(|err| format!("{err:#}"))?;
    let (resolve, main) = (decoded.resolve(), decoded.package());
    let others: Vec<_> = resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != main).collect();
    let mut printer = WitPrinter::default();
    printer.print(resolve, main, &others).map_err(|err| format!("{err:#}"))?;
    Ok(printer.output.to_string())
}

#[cfg(test)]
mod tests;
