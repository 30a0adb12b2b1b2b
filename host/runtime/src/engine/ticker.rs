//! The clock that ends calls.
//!
//! A guest checks the engine's epoch at every loop head and function entry, and traps when its deadline has come. Something has to advance the
//! epoch: a thread that does so once per [`TICK`] while a call is under way, and sleeps without any timer otherwise, so that an idle operator
//! wakes up no processor.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::EngineWeak;

/// Time between two advances of the epoch. Deadlines are as exact as this.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// The thread and what it shares with the calls. Dropping it ends the thread.
pub(super) struct Ticker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// Calls under way.
    flights: usize,
    is_asleep: bool,
    is_over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    pub(super) fn start(engine: EngineWeak) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || tick(&engine, &theirs))?;
        Ok(Self { shared })
    }

    /// Makes the clock run until the returned value is dropped.
    pub(super) fn fly(&self) -> Flight<'_> {
        let mut state = self.shared.lock();
        state.flights += 1;
        // A ticker that is awake looks for itself before it falls asleep; a run of short calls wakes it once.
        if state.is_asleep {
            self.shared.wake.notify_one();
        }
        Flight { shared: &self.shared }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.wake.notify_one();
    }
}

/// A call under way.
pub(crate) struct Flight<'a> {
    shared: &'a Shared,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.shared.lock().flights -= 1;
    }
}

fn tick(engine: &EngineWeak, shared: &Shared) {
    loop {
        {
            let mut state = shared.lock();
            while state.flights == 0 && !state.is_over {
                state.is_asleep = true;
                state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.is_asleep = false;
            if state.is_over {
                return;
            }
        }
        thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn wait_until(what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(10), "{what} did not happen in time");
            thread::sleep(TICK);
        }
    }

    #[test]
    fn the_clock_runs_only_while_calls_are_under_way() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(engine.weak()).unwrap();
        let is_asleep = || ticker.shared.lock().is_asleep;
        wait_until("falling asleep at the start", is_asleep);
        let (one, two) = (ticker.fly(), ticker.fly());
        wait_until("waking up", || !is_asleep());
        drop(one);
        thread::sleep(5 * TICK);
        assert!(!is_asleep(), "one call is still under way");
        drop(two);
        wait_until("falling asleep again", is_asleep);
    }

    #[test]
    fn the_thread_ends_with_the_engine() {
        let engine = wasmtime::Engine::default();
        let ticker = Ticker::start(engine.weak()).unwrap();
        let shared = Arc::downgrade(&ticker.shared);
        drop(ticker);
        wait_until("the end of the thread", || shared.strong_count() == 0);
    }
}
