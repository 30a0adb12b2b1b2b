use super::*;
use crate::section::embed;
use crate::testing::{NOTIFIER, NUMBERS, manifest, module, parser};

const NOTHING: &[u8] = b"";

fn with_manifest(module: &[u8], manifest: &str) -> Vec<u8> {
    let mut module = module.to_vec();
    embed(&mut module, manifest.as_bytes());
    module
}

#[test]
fn a_module_becomes_a_component_with_the_manifest_that_is_given_or_carried() {
    let (given, carried) = (manifest("version-parser", ""), manifest("version-parser", "").replace("test", "other"));
    let bare = parser(NUMBERS);
    let packed = pack(&bare, Some(given.as_bytes()), Check::AsTheOperator).unwrap();
    assert_eq!(packed.manifest.unwrap().name, "test");
    assert_eq!(packed.digest, Digest::of(&packed.component));

    let carrying = with_manifest(&bare, &carried);
    let lifted = pack(&carrying, None, Check::AsTheOperator).unwrap();
    assert_eq!(lifted.manifest.unwrap().name, "other");
    // It is lifted, not copied: the module inside is the one that carried nothing.
    assert_eq!(section::nested_manifest(&lifted.component).unwrap(), None);
    let replaced = pack(&carrying, Some(given.as_bytes()), Check::AsTheOperator).unwrap();
    assert_eq!(replaced.component, packed.component);
    assert!(matches!(pack(&bare, None, Check::AsTheOperator), Err(PackError::NoManifest)));
}

#[test]
fn packing_is_deterministic_and_packing_again_changes_nothing() {
    let carrying = with_manifest(&parser(NUMBERS), &manifest("version-parser", ""));
    let once = pack(&carrying, None, Check::AsTheOperator).unwrap().component;
    assert_eq!(pack(&carrying, None, Check::AsTheOperator).unwrap().component, once);
    assert_eq!(pack(&once, None, Check::AsTheOperator).unwrap().component, once);
    let other = manifest("version-parser", "").replace("test", "other");
    let renamed = pack(&once, Some(other.as_bytes()), Check::AsTheOperator).unwrap();
    assert_eq!(renamed.manifest.unwrap().name, "other");
    assert_eq!(section::manifest(&renamed.component).unwrap(), Some(other.as_bytes()));
}

#[test]
fn the_manifest_of_a_module_inside_a_component_is_lifted() {
    // As other tools make components: the section stays in the module.
    let carrying = with_manifest(&parser(NUMBERS), &manifest("version-parser", ""));
    let component = encode(&carrying).unwrap();
    assert_eq!(section::manifest(&component).unwrap(), None);
    let packed = pack(&component, None, Check::AsTheOperator).unwrap();
    assert_eq!(packed.manifest.unwrap().name, "test");
}

#[test]
fn what_the_operator_would_refuse_is_refused_unless_nothing_is_checked() {
    let wrong = manifest("registry", "");
    let module = module("notifier-plugin", NOTIFIER);
    let refusal = pack(&module, Some(wrong.as_bytes()), Check::AsTheOperator).unwrap_err();
    assert!(matches!(refusal, PackError::Refused(LoadError::WrongKind { .. })), "{refusal:?}");
    assert_eq!(refusal.reason(), "WrongInterface");
    assert!(pack(&module, Some(wrong.as_bytes()), Check::Nothing).unwrap().manifest.is_some());
    assert!(pack(&module, None, Check::Nothing).unwrap().manifest.is_none());
    assert!(matches!(pack(b"noise", None, Check::Nothing), Err(PackError::Input(LoadError::NotWasm { .. }))));
}

#[test]
fn a_module_that_needs_a_system_is_refused_with_the_reason() {
    let module = wat::parse_str(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func)))"#).unwrap();
    let refusal = pack(&module, Some(manifest("registry", "").as_bytes()), Check::AsTheOperator).unwrap_err();
    let message = refusal.to_string();
    assert!(message.contains("wasi_snapshot_preview1") && message.contains("without WASI"), "{message}");
}

#[test]
fn what_was_compressed_comes_back_and_bombs_do_not_go_off() {
    let bytes = parser(NUMBERS);
    assert_eq!(compress(&bytes), compress(&bytes));
    assert_eq!(decompress(&compress(&bytes)).unwrap(), bytes);
    assert!(matches!(decompress(b"noise"), Err(LoadError::Gzip { .. })));
    assert!(matches!(decompress(NOTHING), Err(LoadError::Gzip { .. })));
    let mut cut = compress(&bytes);
    cut.truncate(cut.len() / 2);
    assert!(matches!(decompress(&cut), Err(LoadError::Gzip { .. })));
    let bomb = compress(&vec![0; LARGEST_COMPONENT + 1]);
    assert!(bomb.len() < 100_000);
    assert!(matches!(decompress(&bomb), Err(LoadError::TooLargeDecompressed)));
}
