use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::component::Component;
use crate::engine::Engine;
use crate::pack::{Check, pack};
use crate::store::Limits;
use crate::testing::{NUMBERS, manifest, parser};

fn plugin(name: &str) -> Arc<[u8]> {
    let manifest = manifest("version-parser", "").replace("test", name);
    pack(&parser(NUMBERS), Some(manifest.as_bytes()), Check::AsTheOperator).unwrap().component.into()
}

fn options(directory: &Path) -> EngineOptions {
    EngineOptions { cache_dir: Some(directory.join("compiled")), concurrency: Some(2), ..EngineOptions::default() }
}

/// Loads with a new engine, as after a restart, makes sure that the component works, and gives: compiled, reused, refused.
async fn load(options: EngineOptions, bytes: &Arc<[u8]>) -> (u64, u64, u64) {
    let engine = Engine::new(options).unwrap();
    let component = engine.load(Arc::clone(bytes), Limits::default()).await.unwrap();
    works(&component).await;
    let CacheStatistics { compiled, reused, refused } = engine.cache_statistics();
    (compiled, reused, refused)
}

async fn works(component: &Component) {
    let versions = component.parse(vec!["7".to_owned()], "{}").await.unwrap().unwrap();
    assert_eq!(versions[0].as_ref().unwrap().levels, [7]);
}

/// The only file with compiled code.
fn code_file(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory.join("compiled")).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.extension().is_some_and(|extension| extension == "code"));
    let file = files.next().unwrap();
    assert_eq!(files.next(), None);
    file
}

#[tokio::test]
async fn the_same_bytes_are_compiled_once_per_process_and_once_per_directory() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (plugin("one"), plugin("two"));
    let engine = Engine::new(options(directory.path())).unwrap();
    let first = engine.load(Arc::clone(&one), Limits::default()).await.unwrap();
    let again = engine.load(Arc::clone(&one), Limits { memory: 1024 * 1024, ..Limits::default() }).await.unwrap();
    assert_eq!(first.digest(), again.digest());
    assert_ne!(first.limits(), again.limits());
    assert_eq!(engine.cache_statistics(), CacheStatistics { compiled: 1, reused: 0, refused: 0 });
    works(&first).await;
    works(&again).await;
    // Many at the same time are no different.
    let loads: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let (engine, two) = (engine.clone(), Arc::clone(&two));
                async move { engine.load(two, Limits::default()).await.unwrap() }
            })
        })
        .collect();
    let mut loaded = Vec::new();
    for load in loads {
        loaded.push(load.await.unwrap());
    }
    assert_eq!(engine.cache_statistics(), CacheStatistics { compiled: 2, reused: 0, refused: 0 });
    assert_eq!(load(options(directory.path()), &one).await, (0, 1, 0));
    assert_eq!(load(options(directory.path()), &two).await, (0, 1, 0));
}

#[tokio::test]
async fn a_file_that_is_not_as_it_was_written_is_ignored_and_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (bytes, other) = (plugin("one"), plugin("two"));
    assert_eq!(load(options(directory.path()), &other).await, (1, 0, 0));
    let file = code_file(directory.path());
    let foreign = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(load(options(directory.path()), &bytes).await, (1, 0, 0));
    let file = code_file(directory.path());
    let good = fs::read(&file).unwrap();
    let flipped = |index: usize| {
        let mut bytes = good.clone();
        bytes[index] ^= 1;
        bytes
    };
    let forgeries = [
        Vec::new(),
        good[..20].to_vec(),
        good[..good.len() - 1].to_vec(),
        [&good[..], &b"x"[..]].concat(),
        flipped(0),
        flipped(100),
        flipped(good.len() - 1),
        // Authentic, and the code of another component.
        foreign,
    ];
    for forgery in forgeries {
        fs::write(&file, forgery).unwrap();
        assert_eq!(load(options(directory.path()), &bytes).await, (1, 0, 1));
        assert_eq!(load(options(directory.path()), &bytes).await, (0, 1, 0));
    }
}

#[tokio::test]
async fn code_that_was_written_with_another_key_is_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = plugin("one");
    let with_key = |key: &str| {
        let file = directory.path().join("given");
        fs::write(&file, key).unwrap();
        EngineOptions { cache_key_file: Some(file), ..options(directory.path()) }
    };
    assert_eq!(load(with_key("0123456789abcdef"), &bytes).await, (1, 0, 0));
    assert_eq!(load(with_key("0123456789abcdef"), &bytes).await, (0, 1, 0));
    assert_eq!(load(with_key("0123456789abcdeF"), &bytes).await, (1, 0, 1));
    assert_eq!(load(options(directory.path()), &bytes).await, (1, 0, 1));
    check_off(with_key("short"), "has 5 bytes, and 16 are needed at least");
    check_off(with_key(&"x".repeat(5000)), "it has more than 4096 bytes");
}

fn check_off(options: EngineOptions, expected: &str) {
    let engine = Engine::new(options).unwrap();
    let CacheState::Off { reason } = engine.cache() else { panic!("the cache is {:?}", engine.cache()) };
    assert!(reason.contains(expected), "{reason}");
}

#[tokio::test]
async fn a_directory_that_others_can_write_into_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let compiled = directory.path().join("compiled");
    fs::create_dir(&compiled).unwrap();
    for mode in [0o777, 0o1777, 0o720, 0o702] {
        fs::set_permissions(&compiled, Permissions::from_mode(mode)).unwrap();
        check_off(options(directory.path()), "others than its owner can write into the directory");
    }
    // The engine works all the same, and leaves nothing there.
    assert_eq!(load(options(directory.path()), &plugin("one")).await, (1, 0, 0));
    assert_eq!(fs::read_dir(&compiled).unwrap().count(), 0);
    fs::set_permissions(&compiled, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(load(options(directory.path()), &plugin("one")).await, (1, 0, 0));
    assert_eq!(load(options(directory.path()), &plugin("one")).await, (0, 1, 0));
    check_off(options(&directory.path().join("nowhere")), "cannot make the directory");
    fs::write(directory.path().join("file"), "").unwrap();
    let is_file = EngineOptions { cache_dir: Some(directory.path().join("file")), ..EngineOptions::default() };
    check_off(is_file, "is not a directory");
}

#[tokio::test]
async fn a_key_that_others_can_read_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(load(options(directory.path()), &plugin("one")).await, (1, 0, 0));
    let key = directory.path().join("compiled/key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(directory.path().join("compiled")).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    check_off(options(directory.path()), "others can read the key");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "short").unwrap();
    check_off(options(directory.path()), "has 5 bytes instead of 32");
}

#[tokio::test]
async fn the_directory_does_not_outgrow_its_size() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(load(options(directory.path()), &plugin("one")).await, (1, 0, 0));
    let size = fs::metadata(code_file(directory.path())).unwrap().len();
    // Room for two. What was used last stays.
    let small = || EngineOptions { cache_size: Some(2 * size + size / 2), ..options(directory.path()) };
    let pause = || tokio::time::sleep(std::time::Duration::from_millis(20));
    pause().await;
    assert_eq!(load(small(), &plugin("two")).await, (1, 0, 0));
    pause().await;
    assert_eq!(load(small(), &plugin("one")).await, (0, 1, 0));
    pause().await;
    assert_eq!(load(small(), &plugin("three")).await, (1, 0, 0));
    assert_eq!(load(small(), &plugin("one")).await, (0, 1, 0));
    assert_eq!(load(small(), &plugin("two")).await, (1, 0, 0));
    // Something that never fits is not kept, and does no harm.
    let tiny = EngineOptions { cache_size: Some(100), ..options(directory.path()) };
    assert_eq!(load(tiny, &plugin("four")).await, (1, 0, 0));
}
