//! Question: what does the sandbox cost when 10,000 tags are read as versions and put in order?
//!
//! Input: 10,000 tags as repositories have them (releases, flavors, pre-releases, names). Unit: time for reading all of them and sorting
//! what is a version; `native` runs the plugin's own code in this process, `component` calls the packed component. Compare the two of one
//! run. Needs the packed plugins; `cargo xtask bench` sees to that.

use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use k8supdater_core::version::Version;
use k8supdater_plugin::VersionParser;
use k8supdater_plugin::version_parser::NoSettings;
use k8supdater_runtime::{Engine, EngineOptions, Limits};
use version_pep440::Pep440;

fn tags() -> Vec<String> {
    let endings = ["", "-alpine", "-slim", "rc1", ".post1", "-bookworm", "-alpine3.20", "-beta.2"];
    (0..10_000_u64)
        .map(|n| match n % 25 {
            0 => format!("nightly-{n}"),
            1 => format!("v{}.{}", n % 7, n % 31),
            _ => format!("{}.{}.{}{}", n / 2_000, n / 100 % 20, n % 100, endings[usize::try_from(n % 8).unwrap_or(0)]),
        })
        .collect()
}

fn bench(criterion: &mut Criterion) {
    let directory = std::env::var_os("K8SUPDATER_TEST_PLUGINS").map(PathBuf::from);
    let directory =
        directory.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins")));
    let bytes = std::fs::read(directory.join("version-pep440.wasm")).expect("run `cargo xtask plugins` first");
    let runtime = tokio::runtime::Runtime::new().expect("tokio starts");
    let component = runtime.block_on(async {
        let engine = Engine::new(EngineOptions::default()).expect("the engine starts");
        engine.load(bytes.into(), Limits::default()).await.expect("the component loads")
    });
    let settings = component.settings(&serde_json::json!({})).expect("no settings are valid settings");
    let native = Pep440::prepare(NoSettings {}).expect("there is nothing to prepare");
    let tags = tags();

    let mut group = criterion.benchmark_group("order_tags");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("native", |bencher| {
        bencher.iter(|| {
            let versions = tags.iter().filter_map(|tag| native.parse(tag)).map(|version| Version {
                epoch: version.epoch,
                levels: version.levels,
                tail: version.tail,
                prerelease: version.prerelease,
                flavor: version.flavor,
            });
            let mut versions: Vec<Version> = versions.collect();
            versions.sort_by(Version::order);
            black_box(versions)
        });
    });
    group.bench_function("component", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            let parsed = component.parse(tags.clone(), &settings).await.expect("the call is within limits");
            let mut versions: Vec<Version> = parsed.expect("the settings are fine").into_iter().flatten().collect();
            versions.sort_by(Version::order);
            black_box(versions)
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
