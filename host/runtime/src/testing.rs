//! Plugins for tests and benches, well-behaved and hostile, written as text.
//!
//! Uses nothing of this package, so that the benches can include it.

use std::path::Path;

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// What every module has: a memory, and an allocator that never frees.
const PRELUDE: &str = r#"
    (global $next (mut i32) (i32.const 4096))
    (func $alloc (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and
            (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get $align))))
        (global.set $next (i32.add (local.get $at) (local.get $size)))
        (block $enough
            (loop $more
                (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable))
                (br $more)))
        (local.get $at))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (call $alloc (local.get 2) (local.get 3)))
"#;

const MEMORY: &str = r#"(memory (export "memory") 2)"#;

/// The function of a version parser without its body. The result is a pointer to: 0 for "ok", and at 4 and 8 where the list is and how
/// long. An entry has 48 bytes: at 0 whether there is a version, at 8 the epoch, at 16 and 20 the levels, at 24 and 28 the tail, at 32
/// whether it is a pre-release, at 36 and 40 the flavor.
const PARSE: &str = r#"
    (func (export "k8supdater:plugin/version-parser@0.1.0#parse")
        (param $tags i32) (param $count i32) (param $settings i32) (param $length i32) (result i32)
"#;

/// Reads whole numbers as versions with one level.
pub(crate) const NUMBERS: &str = "
    (local $out i32) (local $list i32) (local $tag i32) (local $entry i32)
    (local $at i32) (local $end i32) (local $number i64) (local $digit i32) (local $level i32)
    (local.set $out (call $alloc (i32.const 4) (i32.const 12)))
    (local.set $list (call $alloc (i32.const 8) (i32.mul (local.get $count) (i32.const 48))))
    (i32.store offset=4 (local.get $out) (local.get $list))
    (i32.store offset=8 (local.get $out) (local.get $count))
    (local.set $entry (local.get $list))
    (local.set $tag (local.get $tags))
    (block $done
        (loop $each
            (br_if $done (i32.eqz (local.get $count)))
            (local.set $at (i32.load (local.get $tag)))
            (local.set $end (i32.add (local.get $at) (i32.load offset=4 (local.get $tag))))
            (local.set $number (i64.const 0))
            (block $none
                (br_if $none (i32.eq (local.get $at) (local.get $end)))
                (loop $digits
                    (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))
                    (br_if $none (i32.gt_u (local.get $digit) (i32.const 9)))
                    (local.set $number
                        (i64.add (i64.mul (local.get $number) (i64.const 10)) (i64.extend_i32_u (local.get $digit))))
                    (local.set $at (i32.add (local.get $at) (i32.const 1)))
                    (br_if $digits (i32.lt_u (local.get $at) (local.get $end))))
                (local.set $level (call $alloc (i32.const 8) (i32.const 8)))
                (i64.store (local.get $level) (local.get $number))
                (i32.store8 (local.get $entry) (i32.const 1))
                (i32.store offset=16 (local.get $entry) (local.get $level))
                (i32.store offset=20 (local.get $entry) (i32.const 1)))
            (local.set $entry (i32.add (local.get $entry) (i32.const 48)))
            (local.set $tag (i32.add (local.get $tag) (i32.const 8)))
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (br $each)))
    (local.get $out)
";

/// Asks for `https://r/tags` and then, whatever the reply is, lists the tag `1.0`.
pub(crate) const REGISTRY: &str = r#"
    (data (i32.const 1024) "GET")
    (data (i32.const 1032) "https://r/tags")
    (data (i32.const 1048) "1.0")
    ;; An action: HTTP, method, URL.
    (data (i32.const 1104) "\00\00\00\00\00\04\00\00\03\00\00\00\08\04\00\00\0e\00\00\00")
    ;; A tag: its name.
    (data (i32.const 1152) "\18\04\00\00\03\00\00\00")
    ;; Two answers: "ok" with no tag and the action, "ok" with the tag and no action.
    (data (i32.const 1200) "\00\00\00\00\00\00\00\00\00\00\00\00\50\04\00\00\01\00\00\00")
    (data (i32.const 1248) "\00\00\00\00\80\04\00\00\01\00\00\00")
    (func (export "k8supdater:plugin/registry@0.1.0#next")
        (param i32 i32 i32 i32) (param i32 i32 i32 i32) (param i32 i32) (param i32 i32)
        (param $replies i32) (param $count i32) (result i32)
        (select (i32.const 1248) (i32.const 1200) (local.get $count)))
"#;

/// Says that everything is delivered: a result that is all zeros.
pub(crate) const NOTIFIER: &str = r#"
    (func (export "k8supdater:plugin/notifier@0.1.0#next") (param i32) (result i32) (i32.const 2048))
"#;

/// A core module for a world of ours, as a compiler would write it.
pub(crate) fn module(world: &str, items: &str) -> Vec<u8> {
    embed(&format!("(module {MEMORY} {PRELUDE} {items})"), world)
}

/// A version parser with this body.
pub(crate) fn parser(body: &str) -> Vec<u8> {
    parser_with("", body)
}

/// A version parser with this body, and something else in the module.
pub(crate) fn parser_with(items: &str, body: &str) -> Vec<u8> {
    module("version-parser-plugin", &format!("{items} {PARSE} {body})"))
}

/// A version parser that reads numbers, with another memory than usual.
pub(crate) fn parser_with_memory(memory: &str) -> Vec<u8> {
    embed(&format!("(module {memory} {PRELUDE} {PARSE} {NUMBERS}))"), "version-parser-plugin")
}

/// `text` with what a compiler's bindings add: the world that the module is for.
fn embed(text: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap();
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let (package, _) = resolve.push_dir(wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

/// A plugin manifest of this kind; `more` are fields, each with a comma before it.
pub(crate) fn manifest(kind: &str, more: &str) -> String {
    format!(
        r#"{{"name": "test", "version": "1", "kind": "{kind}", "description": "For tests.", "license": "Apache-2.0"{more}}}"#
    )
}
