//! The engine: one per process, shared by all components.
//!
//! Owns the compiler's and sandbox's configuration ([`config`]), the clock that ends calls ([`ticker`]), the places in which calls run, the
//! [compile cache](crate::compile), and a memory of what is loaded already, so that the same bytes are compiled once. Start reading at
//! [`Engine::new`]; loading is told in [`load`](crate::load).

mod config;
mod ticker;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use thiserror::Error;
use tokio::sync::Semaphore;
use tracing::{info, warn};

pub(crate) use config::FEATURES;
pub(crate) use ticker::{Flight, TICK};

use crate::compile::{Cache, CacheState, CacheStatistics};
use crate::component::Loaded;
use crate::digest::Digest;
use ticker::Ticker;

/// What can be chosen about an engine.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Directory for compiled code; made if its parent exists. It has to belong to this process's user and be writable by nobody else.
    /// None: compiled code is kept in memory only.
    pub cache_dir: Option<PathBuf>,
    /// File whose content authenticates compiled code, 16 bytes to 4 KiB. None: a random key, made once, in the cache directory.
    pub cache_key_file: Option<PathBuf>,
    /// Most bytes of compiled code in the cache directory; the least recently used goes first. None: 512 MiB.
    pub cache_size: Option<u64>,
    /// How many calls may run at the same time, 1 to 256. None: one per processor, but two at least, so that one slow plugin does not hold up
    /// all others.
    pub concurrency: Option<usize>,
}

/// There can be no engine.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Neither way of allocating works; the processor or the memory is not what the compiler needs.
    #[error("the WebAssembly engine cannot run here: {0}")]
    Unsupported(String),
    /// The thread that ends calls could not be started.
    #[error("cannot start the thread that ends calls at their deadline")]
    Ticker(#[source] std::io::Error),
}

impl EngineError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unsupported(_) => "EngineUnsupported",
            Self::Ticker(_) => "EngineNotStarted",
        }
    }
}

/// Where instances get their memory from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// From a pool of address space that was reserved at the start: some microseconds per instance.
    Pooling,
    /// From the system, call by call, because the pool's address space could not be reserved (`ulimit -v`, a strict overcommit policy).
    /// Slower, and otherwise the same.
    OnDemand,
}

/// Compiles and runs components. Cheap to clone; the clones are one engine, which ends with the last clone and the last component.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

/// What the clones of an [`Engine`], and its components, share.
pub(crate) struct Inner {
    pub(crate) wasm: wasmtime::Engine,
    pub(crate) cache: Cache,
    /// Held while something is compiled: one at a time, because a single compilation uses all processors anyway.
    pub(crate) compiling: Arc<tokio::sync::Mutex<()>>,
    /// One permit per call that may run.
    pub(crate) places: Arc<Semaphore>,
    allocator: Allocator,
    ticker: Ticker,
    loaded: Mutex<HashMap<Digest, Weak<Loaded>>>,
}

impl Engine {
    /// Reserves memory, prepares the cache directory and starts the ticker.
    ///
    /// A cache directory that cannot be used is no error: the engine does without and says why ([`Engine::cache`]).
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn new(options: EngineOptions) -> Result<Self, EngineError> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let concurrency = options.concurrency.unwrap_or(processors.max(2)).clamp(1, 256);
        let (wasm, allocator) = start(concurrency)?;
        Self::with(wasm, allocator, concurrency, options)
    }

    fn with(
        wasm: wasmtime::Engine,
        allocator: Allocator,
        concurrency: usize,
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        let ticker = Ticker::start(wasm.weak()).map_err(EngineError::Ticker)?;
        let cache = Cache::open(options, &wasm);
        if let CacheState::Off { reason } = cache.state() {
            warn!(reason, "compiled plugins are not cached on disk");
        }
        info!(?allocator, concurrency, cache = ?cache.state(), "plugin engine started");
        let inner = Inner {
            wasm,
            cache,
            compiling: Arc::default(),
            places: Arc::new(Semaphore::new(concurrency)),
            allocator,
            ticker,
            loaded: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Where instances get their memory from.
    pub fn allocator(&self) -> Allocator {
        self.inner.allocator
    }

    /// Whether compiled code is kept on disk, or why not.
    pub fn cache(&self) -> &CacheState {
        self.inner.cache.state()
    }

    /// What the compile cache has done since the start.
    pub fn cache_statistics(&self) -> CacheStatistics {
        self.inner.cache.statistics()
    }
}

impl Inner {
    /// Marks a call as under way; without one of these the clock stands still.
    pub(crate) fn fly(&self) -> Flight<'_> {
        self.ticker.fly()
    }

    /// What was loaded from the same bytes and is still in use somewhere.
    pub(crate) fn known(&self, digest: &Digest) -> Option<Arc<Loaded>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(digest)?.upgrade()
    }

    /// Remembers `loaded` for as long as somebody uses it.
    pub(crate) fn remember(&self, loaded: &Arc<Loaded>) {
        let mut known = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, loaded| loaded.strong_count() > 0);
        known.insert(loaded.digest, Arc::downgrade(loaded));
    }
}

fn start(concurrency: usize) -> Result<(wasmtime::Engine, Allocator), EngineError> {
    let pooling = match wasmtime::Engine::new(&config::pooling(concurrency)) {
        Ok(engine) => return Ok((engine, Allocator::Pooling)),
        Err(err) => err,
    };
    warn!(
        error = format!("{pooling:#}"),
        "cannot reserve the memory pool for plugins, memory is taken as it is needed"
    );
    match wasmtime::Engine::new(&config::on_demand()) {
        Ok(engine) => Ok((engine, Allocator::OnDemand)),
        Err(err) => Err(EngineError::Unsupported(format!("{err:#}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadError;
    use crate::pack::{Check, pack};
    use crate::store::Limits;
    use crate::testing;

    #[test]
    fn an_engine_starts_with_the_pool_where_address_space_allows() {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        assert_eq!(engine.allocator(), Allocator::Pooling);
        assert_eq!(*engine.cache(), CacheState::Unset);
    }

    #[tokio::test]
    async fn the_fallback_takes_the_same_components_and_keeps_the_same_limits() {
        let wasm = wasmtime::Engine::new(&config::on_demand()).unwrap();
        let engine = Engine::with(wasm, Allocator::OnDemand, 2, EngineOptions::default()).unwrap();
        let load = async |body: &str| {
            let manifest = testing::manifest("version-parser", "");
            let packed = pack(&testing::parser(body), Some(manifest.as_bytes()), Check::AsTheOperator).unwrap();
            engine.load(packed.component.into(), Limits::default()).await.unwrap()
        };
        let good = load(testing::NUMBERS).await;
        let hostile = [
            ("unreachable", "Trapped"),
            ("(loop $again (br $again)) (i32.const 0)", "DeadlineExceeded"),
            (
                "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
                "MemoryExceeded",
            ),
        ];
        for (body, reason) in hostile {
            assert_eq!(load(body).await.parse(vec![], "{}").await.unwrap_err().reason(), reason);
            let versions = good.parse(vec!["7".to_owned()], "{}").await.unwrap().unwrap();
            assert_eq!(versions[0].as_ref().unwrap().levels, [7]);
        }
        // What the pool has no place for is refused here too, by the limits of the store, when an instance starts.
        let memories = format!(r#"(memory (export "memory") 2) {}"#, "(memory 1)".repeat(4));
        let tables = "(table 1 funcref)".repeat(9);
        let manifest = testing::manifest("version-parser", "");
        let crowded = [
            (testing::parser_with_memory(&memories), "memory count too high"),
            (testing::parser_with(&tables, testing::NUMBERS), "table count too high"),
        ];
        for (module, expected) in crowded {
            let packed = pack(&module, Some(manifest.as_bytes()), Check::AsTheOperator).unwrap();
            let LoadError::Start(cause) = engine.load(packed.component.into(), Limits::default()).await.unwrap_err()
            else {
                panic!("refused for another reason");
            };
            assert_eq!(cause.reason(), "NotInstantiable");
            assert!(cause.to_string().contains(expected), "{cause}");
        }
    }
}
