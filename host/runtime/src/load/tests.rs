use super::*;
use crate::engine::EngineOptions;
use crate::pack::{Check, pack};
use crate::section;
use crate::testing::{NOTIFIER, NUMBERS, REGISTRY, manifest, module, parser, parser_with, parser_with_memory};

fn engine() -> Engine {
    Engine::new(EngineOptions { concurrency: Some(2), ..EngineOptions::default() }).unwrap()
}

/// A plugin, right or wrong.
fn packed(module: &[u8], manifest: &str) -> Vec<u8> {
    pack(module, Some(manifest.as_bytes()), Check::Nothing).unwrap().component
}

/// A component from text, with a plugin manifest.
fn component(text: &str) -> Vec<u8> {
    let mut component = wat::parse_str(text).unwrap();
    section::embed(&mut component, manifest("version-parser", "").as_bytes());
    component
}

/// Loads `bytes`, gives the whole chain of the refusal, and makes sure that a neighbour in the same engine is loaded and works.
#[track_caller]
fn refusal(bytes: Vec<u8>) -> (LoadError, String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let engine = engine();
        let err = engine.load(bytes.into(), Limits::default()).await.unwrap_err();
        let neighbour = packed(&parser(NUMBERS), &manifest("version-parser", ""));
        let neighbour = engine.load(neighbour.into(), Limits::default()).await.unwrap();
        assert_eq!(neighbour.parse(vec!["x".to_owned()], "{}").await.unwrap().unwrap(), [None]);
        let mut message = err.to_string();
        let mut cause = std::error::Error::source(&err);
        while let Some(err) = cause {
            message = format!("{message}: {err}");
            cause = err.source();
        }
        (err, message)
    })
}

#[track_caller]
fn check(bytes: Vec<u8>, reason: &str, expected: &str) {
    let (err, message) = refusal(bytes);
    assert_eq!(err.reason(), reason, "{message}");
    assert!(message.contains(expected), "{message:?} without {expected:?}");
}

#[test]
fn what_is_no_component_is_refused_with_the_remedy() {
    check(b"noise, not code".to_vec(), "NotWasm", "it is not WebAssembly: it begins with \"noise, n\"");
    check(vec![], "NotWasm", "it is empty");
    check(parser(NUMBERS), "CoreModule", "it is a core module, not a component; run \"k8supdater plugin pack\" on it");
    check(vec![0; LARGEST_COMPONENT + 1], "TooLarge", "it has 67108865 bytes, and 67108864 are allowed");
    let mut cut = packed(&parser(NUMBERS), &manifest("version-parser", ""));
    let manifest_at = cut.len() - 300;
    cut[manifest_at / 2] ^= 0xff;
    check(cut, "InvalidComponent", "it is not a valid component");
    let wrong_feature = component("(component (core module (memory i64 1)))");
    check(wrong_feature, "InvalidComponent", "memory64 must be enabled");
}

#[test]
fn every_import_of_more_than_types_is_refused_by_name() {
    let import = |text: &str| component(&format!("(component (import {text}))"));
    let check = |bytes: Vec<u8>, expected: &str| check(bytes, "ImportsRefused", expected);
    check(import(r#""now" (func (result u64))"#), r#"it imports the function "now", and a plugin may import nothing"#);
    check(
        import(r#""wasi:cli/run@0.2.0" (instance (export "run" (func)))"#),
        r#"it imports the function "run" of "wasi:cli/run@0.2.0""#,
    );
    // The name of what is allowed does not help.
    check(
        import(r#""k8supdater:plugin/exchange@0.1.0" (instance (export "send" (func)))"#),
        r#"it imports the function "send" of "k8supdater:plugin/exchange@0.1.0""#,
    );
    check(
        import(r#""wasi:io/streams@0.2.0" (instance (export "input-stream" (type (sub resource))))"#),
        r#"it imports the resource "input-stream" of "wasi:io/streams@0.2.0""#,
    );
    check(import(r#""code" (core module)"#), r#"it imports the core module "code""#);
    check(import(r#""other" (component)"#), r#"it imports the component "other""#);
    check(import(r#""thing" (type (sub resource))"#), r#"it imports the type "thing""#);
    check(
        import(r#""outer" (instance (export "inner" (instance (export "hidden" (func)))))"#),
        r#"it imports the function "hidden" of "outer""#,
    );
}

#[test]
fn the_manifest_and_the_exports_have_to_agree() {
    let bare = packed(&parser(NUMBERS), "").len();
    let mut without = packed(&parser(NUMBERS), "");
    without = section::without_manifest(&without).unwrap();
    assert!(without.len() < bare);
    check(without.clone(), "NoManifest", "run \"k8supdater plugin pack --manifest FILE\" on it");
    for _ in 0..2 {
        section::embed(&mut without, manifest("version-parser", "").as_bytes());
    }
    check(without, "InvalidManifest", "it has more than one plugin manifest");
    check(packed(&parser(NUMBERS), "{}"), "InvalidManifest", "its plugin manifest is not usable: missing field `name`");
    check(
        packed(&module("notifier-plugin", NOTIFIER), &manifest("registry", "")),
        "WrongInterface",
        "its plugin manifest says that it is a registry plugin, and it exports the interface of a notifier plugin",
    );
    check(component("(component)"), "WrongInterface", "its exports are: none");
    let export = |names: &[&str]| {
        let exports: Vec<_> = names.iter().map(|name| format!(r#"(export "{name}" (instance $i))"#)).collect();
        component(&format!("(component (instance $i) {})", exports.join(" ")))
    };
    check(export(&["wasi:cli/run@0.2.0"]), "WrongInterface", "its exports are: wasi:cli/run@0.2.0");
    check(
        export(&["k8supdater:plugin/version-parser@0.2.0"]),
        "WrongInterface",
        "it exports k8supdater:plugin/version-parser@0.2.0, and this operator speaks version 0.1.0",
    );
    check(
        export(&["k8supdater:plugin/version-parser@0.1.0", "k8supdater:plugin/registry@0.1.0"]),
        "WrongInterface",
        "it exports several interfaces (version-parser, registry)",
    );
    check(export(&["k8supdater:plugin/version-parser@0.1.0"]), "ContractBroken", "does not have export `parse`");
}

#[test]
fn a_function_of_another_type_is_found_at_load() {
    let text = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $parse (canon lift (core func $i "f")))
        (instance $exports (export "parse" (func $parse)))
        (export "k8supdater:plugin/version-parser@0.1.0" (instance $exports)))"#;
    check(component(text), "ContractBroken", "it does not keep to the contract of its interface: ");
}

#[test]
fn an_instance_has_to_start_within_the_limits() {
    let plugin = |module: &[u8]| packed(module, &manifest("version-parser", ""));
    let endless = parser_with("(func $endless (loop $again (br $again))) (start $endless)", NUMBERS);
    check(plugin(&endless), "DeadlineExceeded", "an instance of it cannot start: it did not answer within 50 ms");
    let trapping = parser_with("(func $trapping unreachable) (start $trapping)", NUMBERS);
    check(plugin(&trapping), "Trapped", "an instance of it cannot start: it crashed: ");
    // 128 MiB from the start, where 64 are allowed.
    let hungry = parser_with_memory(r#"(memory (export "memory") 2048)"#);
    check(
        plugin(&hungry),
        "MemoryExceeded",
        "it wanted more than 65536 KiB of memory; if it needs more, raise spec.limits.memoryMib",
    );
    // More than any limits allow, or than there are places for.
    let vast = parser_with_memory(r#"(memory (export "memory") 8192)"#);
    check(plugin(&vast), "NotCompilable", "it cannot be compiled: ");
    let memories = format!(r#"(memory (export "memory") 2) {}"#, "(memory 1)".repeat(4));
    check(plugin(&parser_with_memory(&memories)), "NotCompilable", "memor");
    let tables = "(table 1 funcref)".repeat(9);
    check(plugin(&parser_with(&tables, NUMBERS)), "NotCompilable", "table");
    check(plugin(&parser_with("(table 200000 funcref)", NUMBERS)), "NotCompilable", "200000");
}

#[test]
fn a_plugin_that_fails_its_own_example_is_refused_with_both_answers() {
    let check = |examples: &str, expected: &str| {
        let manifest = manifest("version-parser", &format!(r#", "examples": [{examples}]"#));
        check(packed(&parser(NUMBERS), &manifest), "ExampleFailed", expected);
    };
    let good = r#"{"name": "good", "tags": ["1", "x"], "versions": [{"levels": [1], "tail": ""}, null], "ascending": ["9", "10"]}"#;
    check(
        &format!(r#"{good}, {{"name": "bad", "tags": ["2"], "versions": [{{"levels": [3]}}]}}"#),
        r#"its example "bad" fails: tag "2": expected Some(VersionExample { epoch: 0, levels: [3]"#,
    );
    check(r#"{"name": "bad", "tags": ["2"], "versions": [null]}"#, "expected None, got Some(Version");
    check(r#"{"name": "bad", "tags": ["2"], "versions": [{"levels": [2], "tail": "00"}]}"#, r#"tag "2": expected"#);
    check(r#"{"name": "bad", "tags": ["2"], "versions": []}"#, "it has 0 versions for 1 tags");
    check(
        r#"{"name": "bad", "ascending": ["2", "2"]}"#,
        r#"expected ["2", "2"] to be two versions in ascending order"#,
    );
    check(r#"{"name": "bad", "error": "x"}"#, r#"expected an error containing "x", got none"#);
    check(r#"{"name": "bad", "settings": {"a": 1}}"#, "its settings are not what the plugin's own schema allows: ");
}

#[test]
fn a_conversation_in_an_example_has_to_go_as_written() {
    let run = |rest: &str| {
        let asked = r#""repository": {"registry": "r", "name": "n"}, "question": {"tags": null}"#;
        let origins = r#""origins": [{"origin": "$registry", "reason": "to list"}]"#;
        let manifest = manifest("registry", &format!(r#", {origins}, "examples": [{{"name": "e", {asked}, {rest}}}]"#));
        packed(&module("registry-plugin", REGISTRY), &manifest)
    };
    let get = r#"{"request": {"method": "GET", "url": "https://r/tags"}, "response": {"status": 200}}"#;
    let check = |rest: &str, expected: &str| {
        check(run(rest), "ExampleFailed", &format!(r#"its example "e" fails: {expected}"#));
    };
    check(&format!(r#""exchanges": [{get}], "tags": [{{"name": "1.1"}}]"#), "expected the tags [Tag { name: \"1.1\"");
    check(&format!(r#""exchanges": [{get}], "error": "not-found""#), "expected the error not-found, got none");
    check(r#""exchanges": []"#, "it asks for the request GET https://r/tags without a credential, which");
    check(
        &format!(r#""exchanges": [{}]"#, get.replace("GET", "HEAD")),
        "expected the request HEAD https://r/tags without a credential, got the request GET https://r/tags",
    );
    check(&format!(r#""exchanges": [{get}, {get}], "tags": [{{"name": "1.0"}}]"#), "it ended while 1 exchanges");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let good = run(&format!(r#""exchanges": [{get}], "tags": [{{"name": "1.0"}}]"#));
    let loaded = runtime.block_on(engine().load(good.into(), Limits::default())).unwrap();
    assert_eq!((loaded.kind(), loaded.manifest().examples.len()), (Kind::Registry, 1));
}

#[tokio::test]
async fn an_example_calls_only_what_the_plugin_asks_for() {
    let run = async |settings: &str, origins: &str| {
        let example = format!(
            r#"{{"name": "e", "settings": {settings}, "repository": {{"registry": "elsewhere", "name": "n"}}, "question": {{"tags": null}},
                "exchanges": [{{"request": {{"method": "GET", "url": "https://r/tags"}}, "response": {{"status": 200}}}}],
                "tags": [{{"name": "1.0"}}]}}"#
        );
        let schema = r#"{"properties": {"baseUrl": {"type": "string", "default": "https://r/path"}}}"#;
        let manifest = manifest(
            "registry",
            &format!(r#", "settings": {schema}, "origins": [{origins}], "examples": [{example}]"#),
        );
        let bytes = packed(&module("registry-plugin", REGISTRY), &manifest);
        engine().load(bytes.into(), Limits::default()).await.map(drop).map_err(|err| err.to_string())
    };
    let of_setting = r#"{"setting": "baseUrl", "reason": "to list"}"#;
    let fixed = r#"{"origin": "https://r", "reason": "to list"}"#;
    assert_eq!(run("{}", fixed).await, Ok(()));
    assert_eq!(run("{}", of_setting).await, Ok(()));
    assert_eq!(run(r#"{"baseUrl": "https://r:443/other"}"#, of_setting).await, Ok(()));
    let refused = Err(
        r#"its example "e" fails: it asks for https://r/tags, which is at none of the origins that its plugin manifest asks for"#
            .to_owned(),
    );
    assert_eq!(run("{}", "").await, refused);
    assert_eq!(run("{}", r#"{"origin": "$registry", "reason": "to list"}"#).await, refused);
    assert_eq!(run(r#"{"baseUrl": "https://s"}"#, of_setting).await, refused);
    assert_eq!(run(r#"{"baseUrl": "http://r"}"#, of_setting).await, refused);
}

#[tokio::test]
async fn a_notifier_whose_example_passes_is_loaded() {
    let manifest = manifest("notifier", r#", "examples": [{"name": "delivered", "notice": {"kind": "updated"}}]"#);
    let bytes: Arc<[u8]> = packed(&module("notifier-plugin", NOTIFIER), &manifest).into();
    let loaded = engine().load(bytes, Limits::default()).await.unwrap();
    assert_eq!(format!("{loaded:?}"), format!("test 1 ({})", loaded.digest()));
}
