use super::*;
use crate::pack::{Check, pack};
use crate::testing::{REGISTRY, manifest, module};

#[test]
fn an_inspection_tells_what_a_plugin_is() {
    let manifest = manifest("registry", r#", "origins": [{"origin": "$registry", "reason": "to list"}]"#);
    let packed = pack(&module("registry-plugin", REGISTRY), Some(manifest.as_bytes()), Check::AsTheOperator).unwrap();
    let inspection = inspect(&packed.component).unwrap();
    assert_eq!((inspection.kind, inspection.manifest.name.as_str()), (Kind::Registry, "test"));
    assert_eq!((inspection.digest, inspection.raw_size), (packed.digest, packed.component.len()));
    assert!(inspection.gz_size > 0);
    assert_eq!(inspection.type_imports, ["k8supdater:plugin/exchange@0.1.0"]);
    let wit = &inspection.wit;
    assert!(wit.contains("export k8supdater:plugin/registry@0.1.0;"), "{wit}");
    let imports: Vec<_> = wit.lines().map(str::trim).filter(|line| line.starts_with("import ")).collect();
    assert_eq!(imports, ["import k8supdater:plugin/exchange@0.1.0;"]);
    assert!(wit.contains("record http-request {"), "{wit}");
}

#[test]
fn what_would_not_be_loaded_is_not_shown() {
    let check = |bytes: &[u8], expected: &str| {
        let message = inspect(bytes).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    };
    check(b"\0asm\x01\0\0\0", "it is a core module, not a component; run \"k8supdater plugin pack\" on it");
    check(b"this is not WebAssembly", "it is not WebAssembly: it begins with \"this is \"");
}
