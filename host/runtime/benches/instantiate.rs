//! What does a call cost, the plugin's own work apart?
//!
//! Input: a version parser of 600 bytes that reads whole numbers. Every call gets a new instance, on a thread of its own choosing, under all
//! limits. Unit: time per call (`one_tag`: nearly all of it is the way into the sandbox and back), and tags per second (`many_tags`:
//! 10,000 tags in ten calls). `load_again` is loading bytes that are in use already: hashing, one start, no compiling.
//!
//! ```text
//! cargo bench -p k8supdater-runtime --bench instantiate
//! ```

#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

#[allow(dead_code, reason = "shared with the tests, which need more of it")]
#[path = "../src/testing.rs"]
mod testing;

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use k8supdater_runtime::pack::{Check, pack};
use k8supdater_runtime::{Engine, EngineOptions, Limits};
use tokio::runtime::Runtime;

fn instantiate(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let manifest = testing::manifest("version-parser", "");
    let packed = pack(&testing::parser(testing::NUMBERS), Some(manifest.as_bytes()), Check::AsTheOperator).unwrap();
    let bytes: Arc<[u8]> = packed.component.into();
    let component = runtime.block_on(engine.load(Arc::clone(&bytes), Limits::default())).unwrap();

    let mut group = criterion.benchmark_group("instantiate");
    group.bench_function("one_tag", |bencher| {
        bencher.to_async(&runtime).iter(|| async { component.parse(vec!["7".to_owned()], "{}").await.unwrap() });
    });
    group.bench_function("load_again", |bencher| {
        bencher.to_async(&runtime).iter(|| async { engine.load(Arc::clone(&bytes), Limits::default()).await.unwrap() });
    });
    let tags: Vec<String> = (0..10_000).map(|number| number.to_string()).collect();
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("many_tags", |bencher| {
        bencher.to_async(&runtime).iter(|| async { component.parse(tags.clone(), "{}").await.unwrap() });
    });
    group.finish();
}

criterion_group!(benches, instantiate);
criterion_main!(benches);
