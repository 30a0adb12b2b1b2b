//! What the sandbox is made of: the features of WebAssembly that are on, and how memory is laid out.

use std::time::Duration;

use wasmparser::WasmFeatures;
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, RegallocAlgorithm, Strategy};

use crate::store::{CORE_INSTANCES, LARGEST_MEMORY, MEMORIES, TABLE_ELEMENTS, TABLES};

/// The features of WebAssembly that plugins may use: what Rust, C, Go, JavaScript (componentize-js) and Python (componentize-py)
/// toolchains emit, and no more. Everything left out is refused by validation, before a compiler sees it.
///
/// Left out, and why:
/// - threads, shared-everything: a plugin is one pure function; two threads could tell the time by counting.
/// - relaxed SIMD: its results differ between processors, and answers are cached for ever.
/// - memory64, custom page sizes: a plugin may have 256 MiB, and guard pages work best at 32 bits.
/// - GC, function references, exceptions, stack switching: each needs a part of the engine that is not compiled in.
/// - everything asynchronous of the component model: a plugin that imports nothing has nothing to wait for.
/// - values, nested names, maps, fixed-length lists and the like: not standard yet.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::FLOATS)
    // Code that the engine itself generates to pass data between the parts of a composed component has two memories.
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Stack of a guest, in bytes, which it takes from the thread that it runs on. Endless recursion ends here.
const WASM_STACK: usize = 512 * 1024;
/// Stack that a thread which runs a guest must have at least, in bytes: tokio gives 2 MiB unless told otherwise.
pub(crate) const THREAD_STACK: usize = 2 * 1024 * 1024;
const _: () = assert!(WASM_STACK * 2 <= THREAD_STACK, "the host needs room on the guest's stack too");

/// Bytes of a memory that are zeroed and kept, rather than given back to the system, when an instance ends. The small plugins fit in, so
/// calling them needs no system call; it is the price per place that the idle operator pays.
const KEPT_RESIDENT: usize = 512 * 1024;

/// Upper bound of [`super::TICK`] for which deadlines are still of use; checked here because the two belong together.
const _: () = assert!(super::TICK.as_nanos() <= Duration::from_millis(1).as_nanos());

/// The fast way: address space for `concurrency` components is reserved at the start and used again and again.
pub(super) fn pooling(concurrency: usize) -> Config {
    let places = u32::try_from(concurrency).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        .max_component_instance_size(4 * 1024 * 1024)
        .total_core_instances(places.saturating_mul(CORE_INSTANCES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_core_instance_size(4 * 1024 * 1024)
        .total_memories(places.saturating_mul(MEMORIES))
        .max_memories_per_component(MEMORIES)
        .max_memories_per_module(MEMORIES)
        .max_memory_size(usize::try_from(LARGEST_MEMORY).unwrap_or(usize::MAX))
        .total_tables(places.saturating_mul(TABLES))
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .linear_memory_keep_resident(KEPT_RESIDENT)
        .table_keep_resident(KEPT_RESIDENT)
        // As few places as possible are ever touched: memory matters more here than the last microsecond.
        .max_unused_warm_slots(places);
    let mut config = common();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Address space, in bytes, that a memory gets beyond its size when it has to move. Each move copies all of it: growing to 64 MiB by
/// one at a time took 409 ms with room for 4 MiB, 28 ms with 32 and 0.1 ms with 64 (one run, 2 busy processors), and the usual
/// deadline is 50 ms.
const GROWTH: u64 = 64 * 1024 * 1024;

/// The frugal way: nothing is reserved at the start, memory moves when it grows, and the code checks every bound explicitly.
pub(super) fn on_demand() -> Config {
    let mut config = common();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_reservation(0)
        .memory_guard_size(0)
        .memory_reservation_for_growth(GROWTH)
        .memory_may_move(true);
    config
}

fn common() -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WasmFeatures::all().difference(FEATURES), false)
        .wasm_features(FEATURES, true)
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)
        .parallel_compilation(true)
        // Every bit of an answer must be the same on every processor.
        .cranelift_nan_canonicalization(true)
        // Checked at loop heads and function entries; what ends a guest that does not end.
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK)
        // Nobody debugs a plugin in here: no frames in error messages, no tables that only they need.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        // The start image of a memory is mapped, not copied.
        .memory_init_cow(true);
    config
}
