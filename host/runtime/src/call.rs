//! Calling: one instance per call, on a thread that may be slow, with an end in any case.
//!
//! Each call takes one of the engine's places, gets a [store] and an instance of its own, and loses both when it ends. The
//! epoch ends a guest that does not end; a time-out on the clock ends the waiting if the host itself hangs. What comes back has been
//! [checked against the contract](contract) before anyone else sees it.

mod contract;
mod error;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8supdater_core::version::Version;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::component::{Component, Exports, Loaded};
use crate::load::LoadError;
use crate::manifest::Kind;
use crate::store::{self, Limits, Meter};
use crate::wit::exchange::{Error, Reply};
use crate::wit::notifier::{self, Notice};
use crate::wit::registry::{self, Question, Repository};

pub use error::CallError;

/// Tags that are parsed in one call. JavaScript, the slowest language that was measured, takes 22 ms for as many.
pub(crate) const CHUNK: usize = 1_000;

/// Calls that one list of tags makes at the same time. More would keep the places of the engine from everybody else.
const AT_ONCE: usize = 2;

/// Called for each [`Call`] of a component. It must not block.
pub type CallObserver = Arc<dyn Fn(&Call<'_>) + Send + Sync>;

/// A call that was made, or tried: what there is to count. One whose caller has lost patience, and dropped it, is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// How it ended.
    pub end: CallEnd<'a>,
    /// From the start of the instance to its end; zero if there was none.
    pub elapsed: Duration,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd<'a> {
    /// With what was asked for.
    Answered,
    /// With an error that is the plugin's own answer.
    Refused,
    /// Without an answer that counts.
    Failed(&'a CallError),
}

/// Longest wait for one of the engine's places. With a deadline of 50 ms that many calls end in this time that it is not reached unless
/// something hangs.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

impl Component {
    /// The next turn of a conversation about the tags of a repository. The outer error is that the call failed, the inner one is the
    /// plugin's answer. Cancel-safe: dropping the future forgets the answer; the call itself ends by its deadline.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn registry_next(
        &self,
        repository: Repository,
        question: Question,
        settings: &str,
        state: Vec<u8>,
        replies: Vec<Reply>,
    ) -> Result<Result<registry::Step, Error>, CallError> {
        let Exports::Registry(exports) = self.loaded.exports.clone() else { return self.is_no(Kind::Registry) };
        let settings = settings.to_owned();
        let call = self.call(move |store, instance| {
            exports.load(&mut *store, instance)?.call_next(store, &repository, &question, &settings, &state, &replies)
        });
        self.told(call.await, contract::registry)
    }

    /// The next turn of the delivery of a notice; as [`registry_next`](Self::registry_next) otherwise.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn notifier_next(
        &self,
        notice: Notice,
        settings: &str,
        state: Vec<u8>,
        replies: Vec<Reply>,
    ) -> Result<Result<notifier::Step, Error>, CallError> {
        let Exports::Notifier(exports) = self.loaded.exports.clone() else { return self.is_no(Kind::Notifier) };
        let settings = settings.to_owned();
        let call = self.call(move |store, instance| {
            exports.load(&mut *store, instance)?.call_next(store, &notice, &settings, &state, &replies)
        });
        self.told(call.await, contract::notifier)
    }

    /// Reads `tags` as versions: as many and in the same order, `None` for what is no version. The inner error is a sentence of the
    /// plugin's: the settings make no sense to it.
    ///
    /// Many tags become several calls, [`AT_ONCE`] at a time: the contract has each tag read by itself. Cancel-safe, as
    /// [`registry_next`](Self::registry_next) is.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn parse(
        &self,
        tags: Vec<String>,
        settings: &str,
    ) -> Result<Result<Vec<Option<Version>>, String>, CallError> {
        let count = tags.len();
        let mut chunks: Vec<Vec<String>> = Vec::with_capacity(count.div_ceil(CHUNK));
        let mut tags = tags.into_iter().peekable();
        while tags.peek().is_some() {
            chunks.push(tags.by_ref().take(CHUNK).collect());
        }
        if chunks.is_empty() {
            // No tags are a question too: whether the settings make sense.
            chunks.push(Vec::new());
        }
        let mut calls =
            futures::stream::iter(chunks).map(|chunk| self.parse_chunk(chunk, settings.to_owned())).buffered(AT_ONCE);
        let mut versions = Vec::with_capacity(count);
        while let Some(read) = calls.try_next().await? {
            match read {
                Ok(read) => versions.extend(read),
                Err(message) => return Ok(Err(message)),
            }
        }
        Ok(Ok(versions))
    }

    async fn parse_chunk(
        &self,
        tags: Vec<String>,
        settings: String,
    ) -> Result<Result<Vec<Option<Version>>, String>, CallError> {
        let Exports::VersionParser(exports) = self.loaded.exports.clone() else {
            return self.is_no(Kind::VersionParser);
        };
        let count = tags.len();
        let call =
            self.call(move |store, instance| exports.load(&mut *store, instance)?.call_parse(store, &tags, &settings));
        self.told(call.await, |answer| contract::versions(answer, count))
    }

    /// Starts an instance and looks for its functions, to find out now rather than later that they are missing or of another type.
    ///
    /// # Errors
    /// [`LoadError::Start`] if there is no instance, [`LoadError::Contract`] if there is one and it is not what it should be.
    pub(crate) async fn start(&self) -> Result<(), LoadError> {
        let exports = self.loaded.exports.clone();
        let started = self.call(move |store, instance| {
            let functions = match exports {
                Exports::Notifier(exports) => exports.load(store, instance).map(drop),
                Exports::Registry(exports) => exports.load(store, instance).map(drop),
                Exports::VersionParser(exports) => exports.load(store, instance).map(drop),
            };
            Ok(functions.map_err(|err| format!("{err:#}")))
        });
        started.await.0.map_err(LoadError::Start)?.map_err(|message| LoadError::Contract { message })
    }

    fn is_no<T>(&self, wanted: Kind) -> Result<T, CallError> {
        Err(CallError::WrongKind { found: self.kind(), wanted })
    }

    /// Checks what a call brought, and tells the observer how it ended.
    fn told<A, T, E>(
        &self,
        (answer, elapsed): (Result<A, CallError>, Duration),
        check: impl FnOnce(A) -> Result<Result<T, E>, CallError>,
    ) -> Result<Result<T, E>, CallError> {
        let result = answer.and_then(check);
        if let Some(observer) = &self.observer {
            let end = match &result {
                Ok(Ok(_)) => CallEnd::Answered,
                Ok(Err(_)) => CallEnd::Refused,
                Err(err) => CallEnd::Failed(err),
            };
            observer(&Call { end, elapsed });
        }
        result
    }

    /// Runs `work` with a fresh instance, and says how long that took, waiting for a place not included.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store<Meter>, &Instance) -> wasmtime::Result<T> + Send + 'static,
    ) -> (Result<T, CallError>, Duration) {
        let place = match self.place().await {
            Ok(place) => place,
            Err(err) => return (Err(err), Duration::ZERO),
        };
        let (loaded, limits) = (Arc::clone(&self.loaded), self.limits());
        let call = tokio::task::spawn_blocking(move || {
            // Given back when the call has really ended, not when its caller has lost patience.
            let _place = place;
            let begun = Instant::now();
            (call_here(&loaded, limits, work), begun.elapsed())
        });
        match tokio::time::timeout(limits.timeout, call).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(err)) => (Err(CallError::Host { message: err.to_string() }), Duration::ZERO),
            Err(_) => (Err(CallError::TimedOut { timeout: limits.timeout }), limits.timeout),
        }
    }

    /// One of the engine's places, as soon as one is free.
    async fn place(&self) -> Result<OwnedSemaphorePermit, CallError> {
        let place = tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.loaded.engine.places).acquire_owned());
        let place = place.await.map_err(|_| CallError::Busy { waited: LONGEST_WAIT })?;
        place.map_err(|err| CallError::Host { message: err.to_string() })
    }
}

/// One call on this thread.
fn call_here<T>(
    loaded: &Loaded,
    limits: Limits,
    work: impl FnOnce(&mut Store<Meter>, &Instance) -> wasmtime::Result<T>,
) -> Result<T, CallError> {
    let _flight = loaded.engine.fly();
    let mut store = store::build(&loaded.engine.wasm, limits);
    let instance = loaded.instances.instantiate(&mut store);
    let instance = instance.map_err(|err| CallError::of_start(&err, store.data().refused(), limits))?;
    work(&mut store, &instance).map_err(|err| CallError::of_call(&err, store.data().refused(), limits))
}

#[cfg(test)]
mod tests;
