//! The bytes of modules and components, section by section: where the plugin manifest is, and how it gets there.
//!
//! Reads nothing but the outermost frame (a kind and a length per section), so that a plugin manifest can be read from bytes that nobody
//! has validated yet (<https://webassembly.github.io/spec/core/binary/modules.html#sections>; components are framed the same way,
//! <https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md#component-definitions>).

use std::borrow::Cow;
use std::ops::Range;

use wasm_encoder::{CustomSection, Encode as _, Section as _};
use wasmparser::{BinaryReader, Parser};

use crate::load::LoadError;

/// Name of the custom section that holds the plugin manifest.
pub(crate) const MANIFEST: &str = "k8supdater:manifest";

/// Bytes before the first section: the magic number, version and layer.
const HEADER: usize = 8;
/// Depth of nesting after which no plugin manifest is looked for: a component around a component around a module is three.
const DEEPEST: usize = 8;
/// Most sections that are read. Components of Python, the most that was seen, have some hundreds.
const MOST_SECTIONS: usize = 100_000;

const CUSTOM: u8 = 0;
/// A core module inside of a component.
const MODULE: u8 = 1;
/// A component inside of a component.
const COMPONENT: u8 = 4;

/// What bytes are by their first eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Component,
    Module,
}

/// What `bytes` say they are.
///
/// # Errors
/// [`LoadError::NotWasm`] if they are neither.
pub(crate) fn format(bytes: &[u8]) -> Result<Format, LoadError> {
    if Parser::is_component(bytes) {
        Ok(Format::Component)
    } else if Parser::is_core_wasm(bytes) {
        Ok(Format::Module)
    } else if bytes.starts_with(b"\x1f\x8b") {
        Err(LoadError::NotWasm {
            found: "it is compressed (gzip); give the key or file a name that ends in .gz".to_owned(),
        })
    } else if bytes.starts_with(b"\0asm") {
        Err(LoadError::NotWasm { found: "it is of a version of WebAssembly that is not known here".to_owned() })
    } else if bytes.is_empty() {
        Err(LoadError::NotWasm { found: "it is empty".to_owned() })
    } else {
        let start = bytes.get(..bytes.len().min(HEADER)).unwrap_or_default().escape_ascii().to_string();
        Err(LoadError::NotWasm { found: format!("it begins with \"{start}\" instead of \"\\0asm\"") })
    }
}

/// One section of the outermost frame.
struct Section<'a> {
    kind: u8,
    /// Where it is, kind and length included.
    range: Range<usize>,
    content: &'a [u8],
}

impl<'a> Section<'a> {
    /// The data of a custom section with the name of the plugin manifest.
    fn manifest(&self) -> Option<&'a [u8]> {
        if self.kind != CUSTOM {
            return None;
        }
        let mut reader = BinaryReader::new(self.content, 0);
        if reader.read_string().ok()? != MANIFEST {
            return None;
        }
        reader.read_bytes(reader.bytes_remaining()).ok()
    }
}

/// The sections of `bytes`, which begin with a header of either format.
fn sections(bytes: &[u8]) -> Result<Vec<Section<'_>>, LoadError> {
    let mut reader = BinaryReader::new(bytes.get(HEADER..).unwrap_or_default(), HEADER);
    let mut sections = Vec::new();
    let mut read = || {
        while !reader.eof() {
            if sections.len() == MOST_SECTIONS {
                return Err(format!("there are more than {MOST_SECTIONS} sections"));
            }
            let start = reader.original_position();
            let (kind, content) = read_section(&mut reader).map_err(|err| err.to_string())?;
            sections.push(Section { kind, range: start..reader.original_position(), content });
        }
        Ok(())
    };
    read().map_err(|message| LoadError::Invalid { message })?;
    Ok(sections)
}

fn read_section<'a>(reader: &mut BinaryReader<'a>) -> wasmparser::Result<(u8, &'a [u8])> {
    let kind = reader.read_u8()?;
    let size = reader.read_var_u32()?;
    Ok((kind, reader.read_bytes(usize::try_from(size).unwrap_or(usize::MAX))?))
}

/// The plugin manifest of a component or module itself, not of what is inside of it.
///
/// # Errors
/// [`LoadError::Invalid`] if the frame is damaged, [`LoadError::SeveralManifests`] if there are more than one.
pub(crate) fn manifest(bytes: &[u8]) -> Result<Option<&[u8]>, LoadError> {
    only(sections(bytes)?.iter().filter_map(Section::manifest))
}

/// The plugin manifest of the modules and components inside of a component.
///
/// # Errors
/// As for [`manifest`]. The same plugin manifest more than once is one.
pub(crate) fn nested_manifest(bytes: &[u8]) -> Result<Option<&[u8]>, LoadError> {
    let mut found = Vec::new();
    find_nested(bytes, DEEPEST, &mut found)?;
    found.sort_unstable();
    found.dedup();
    only(found.into_iter())
}

fn find_nested<'a>(bytes: &'a [u8], depth: usize, found: &mut Vec<&'a [u8]>) -> Result<(), LoadError> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    for section in sections(bytes)? {
        if section.kind == MODULE || section.kind == COMPONENT {
            found.extend(sections(section.content)?.iter().filter_map(Section::manifest));
        }
        if section.kind == COMPONENT {
            find_nested(section.content, depth, found)?;
        }
    }
    Ok(())
}

fn only<'a>(mut found: impl Iterator<Item = &'a [u8]>) -> Result<Option<&'a [u8]>, LoadError> {
    let first = found.next();
    if found.next().is_some() { Err(LoadError::SeveralManifests) } else { Ok(first) }
}

/// `bytes` without a plugin manifest of their own; the modules and components inside keep theirs.
///
/// # Errors
/// [`LoadError::Invalid`] if the frame is damaged.
pub(crate) fn without_manifest(bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    let mut kept = bytes.get(..HEADER).unwrap_or_default().to_vec();
    for section in sections(bytes)? {
        if section.manifest().is_none() {
            kept.extend_from_slice(bytes.get(section.range).unwrap_or_default());
        }
    }
    Ok(kept)
}

/// Appends `manifest` to a component.
pub(crate) fn embed(component: &mut Vec<u8>, manifest: &[u8]) {
    let section = CustomSection { name: Cow::Borrowed(MANIFEST), data: Cow::Borrowed(manifest) };
    component.push(section.id());
    section.encode(component);
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn with(bytes: &[u8], manifests: &[&[u8]]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for manifest in manifests {
            embed(&mut bytes, manifest);
        }
        bytes
    }

    /// A component with `content` as a section of that kind.
    fn around(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = EMPTY_COMPONENT.to_vec();
        bytes.push(kind);
        content.encode(&mut bytes);
        bytes
    }

    #[test]
    fn bytes_are_told_apart_by_their_beginning() {
        assert_eq!(format(EMPTY_COMPONENT).unwrap(), Format::Component);
        assert_eq!(format(EMPTY_MODULE).unwrap(), Format::Module);
        let check = |bytes: &[u8], expected: &str| {
            let message = format(bytes).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        check(b"", "it is empty");
        check(b"\x7fELF\x02\x01\x01\0more", r#"it begins with "\x7fELF\x02\x01\x01\x00" instead of"#);
        check(b"\x1f\x8b\x08", "it is compressed (gzip)");
        check(b"\0asm\x99\0\0\0", "of a version of WebAssembly that is not known");
        check(b"\0as", "instead of");
    }

    #[test]
    fn a_manifest_is_found_where_it_belongs_and_only_there() {
        assert_eq!(manifest(EMPTY_COMPONENT).unwrap(), None);
        assert_eq!(manifest(&with(EMPTY_COMPONENT, &[b"{}"])).unwrap(), Some(&b"{}"[..]));
        assert_eq!(manifest(&with(EMPTY_MODULE, &[b"{}"])).unwrap(), Some(&b"{}"[..]));
        assert!(matches!(manifest(&with(EMPTY_COMPONENT, &[b"{}", b"[]"])), Err(LoadError::SeveralManifests)));
        let nested = around(MODULE, &with(EMPTY_MODULE, &[b"{}"]));
        assert_eq!(manifest(&nested).unwrap(), None);
        assert_eq!(nested_manifest(&nested).unwrap(), Some(&b"{}"[..]));
        assert_eq!(nested_manifest(&around(COMPONENT, &nested)).unwrap(), Some(&b"{}"[..]));
    }

    #[test]
    fn a_manifest_can_be_taken_out_again() {
        assert_eq!(without_manifest(&with(EMPTY_COMPONENT, &[b"{}", b"[]"])).unwrap(), EMPTY_COMPONENT);
        let nested = around(MODULE, &with(EMPTY_MODULE, &[b"{}"]));
        assert_eq!(without_manifest(&nested).unwrap(), nested);
    }

    #[test]
    fn a_damaged_frame_is_an_error_and_costs_nothing() {
        // A section of 4 GiB in a file of 14 bytes; a length without end.
        for tail in [&b"\x00\xff\xff\xff\xff\x0f"[..], b"\x00\xff\xff\xff\xff\xff\xff", b"\x00"] {
            let bytes = [EMPTY_COMPONENT, tail].concat();
            assert!(matches!(manifest(&bytes), Err(LoadError::Invalid { .. })), "{tail:?}");
            assert!(without_manifest(&bytes).is_err());
        }
        // Nesting without end is not followed without end.
        let mut deep = EMPTY_COMPONENT.to_vec();
        for _ in 0..100 {
            deep = around(COMPONENT, &deep);
        }
        assert_eq!(nested_manifest(&deep).unwrap(), None);
    }
}
