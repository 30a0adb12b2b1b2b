//! How much one call may use, and the one place where a `Store` is made.
//!
//! Every call gets a store and an instance of its own, from the image that loading prepared, and both are
//! dropped when the call ends, however it ends. With the pooling allocator that costs some microseconds. It buys that a call is a pure
//! function *by construction*: a component has nowhere to keep a thing from one call to the next, so what one tenant's tags did to it cannot
//! reach the next tenant's, a trap leaves nothing half done, and no answer depends on which calls came before.
//!
//! [`build`] is the only constructor of stores in the project, and sets every limit there is.

use std::time::Duration;

use wasmtime::{Engine, ResourceLimiter, Store};

use crate::engine::TICK;

/// 1 MiB in bytes.
const MIB: u64 = 1024 * 1024;

/// Most instances of core modules in one component. Components from Python are some dozen modules linked together.
pub(crate) const CORE_INSTANCES: u32 = 128;
/// Most linear memories in one component; compilers make one, composed components some more.
pub(crate) const MEMORIES: u32 = 4;
/// Most tables in one component. A module has one, and what makes it a component adds one or two.
pub(crate) const TABLES: u32 = 8;
/// Most elements of all tables of a component together. JavaScript and Python interpreters have some 10,000 functions to point at.
pub(crate) const TABLE_ELEMENTS: usize = 100_000;
/// Largest linear memory that any limits allow, in bytes.
pub(crate) const LARGEST_MEMORY: u64 = 256 * MIB;

/// How much one call of a component may use. Beyond that it is stopped with the [`CallError`](crate::CallError) that names the limit.
///
/// A value outside the bounds given here is taken for the nearest bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Time from the start of the instance to its answer, 1 ms to 5 s, counted in whole milliseconds. Tags are parsed
    /// [`CHUNK`](crate::call::CHUNK) at a time, and each chunk is a call with a deadline of its own.
    ///
    /// It is time on the clock and not on the processor: on a machine that is short of processors the guest gets less done in it.
    pub deadline: Duration,
    /// Bytes of all linear memories together, 64 KiB to 256 MiB.
    pub memory: u64,
    /// Bytes that the answer may take in the host's memory, 1 KiB to 256 MiB.
    pub output: u64,
    /// Time on the clock after which the caller goes on without the answer, 10 ms to 60 s; never less than twice the deadline, which
    /// stops a guest. This one is for when something other than the guest hangs.
    pub timeout: Duration,
}

impl Default for Limits {
    /// 50 ms, 64 MiB of memory, 32 MiB of answer, 2 s.
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(50),
            memory: 64 * MIB,
            output: 32 * MIB,
            timeout: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// These limits, each brought within its bounds.
    #[must_use]
    pub fn within_bounds(self) -> Self {
        let deadline = self.deadline.clamp(Duration::from_millis(1), Duration::from_secs(5));
        Self {
            deadline,
            memory: self.memory.clamp(MIB / 16, LARGEST_MEMORY),
            output: self.output.clamp(1024, 256 * MIB),
            timeout: self.timeout.clamp(Duration::from_millis(10), Duration::from_mins(1)).max(2 * deadline),
        }
    }
}

/// What a store holds for the host: the meter, and nothing that a guest could reach.
#[derive(Debug)]
pub(crate) struct Meter {
    memory: Budget,
    elements: Budget,
}

impl Meter {
    /// What the guest asked for and was refused, if anything: the likely cause of a trap that follows.
    pub(crate) fn refused(&self) -> Option<Refused> {
        match (self.memory.is_refused, self.elements.is_refused) {
            (true, _) => Some(Refused::Memory),
            (false, true) => Some(Refused::TableElements),
            (false, false) => None,
        }
    }
}

/// See [`Meter::refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Memory,
    TableElements,
}

/// An amount that all memories, or all tables, of a store share.
#[derive(Debug)]
struct Budget {
    left: usize,
    is_refused: bool,
}

impl Budget {
    fn new(amount: usize) -> Self {
        Self { left: amount, is_refused: false }
    }

    fn take(&mut self, amount: usize) -> bool {
        match self.left.checked_sub(amount) {
            Some(left) => self.left = left,
            None => self.is_refused = true,
        }
        !self.is_refused
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.memory.take(desired.saturating_sub(current)))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.elements.take(desired.saturating_sub(current)))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

/// A fresh store with every limit set. The deadline starts to run here, so instantiating counts.
pub(crate) fn build(engine: &Engine, limits: Limits) -> Store<Meter> {
    let limits = limits.within_bounds();
    let to_usize = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let meter = Meter { memory: Budget::new(to_usize(limits.memory)), elements: Budget::new(TABLE_ELEMENTS) };
    let mut store = Store::new(engine, meter);
    store.limiter(|meter| meter);
    store.set_epoch_deadline(ticks(limits.deadline));
    store.epoch_deadline_trap();
    store.set_hostcall_fuel(to_usize(limits.output));
    // No plugin can make a handle: resource types are refused at load.
    store.set_max_component_handles(0);
    store
}

/// Ticks after which `deadline` has passed for certain: the first one may come at any moment.
fn ticks(deadline: Duration) -> u64 {
    u64::try_from(deadline.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(set: impl FnOnce(&mut Limits), expected: impl FnOnce(&mut Limits)) {
        let (mut given, mut wanted) = (Limits::default(), Limits::default());
        set(&mut given);
        expected(&mut wanted);
        assert_eq!(given.within_bounds(), wanted);
    }

    #[test]
    fn limits_outside_their_bounds_become_the_nearest_bound() {
        check(|_| {}, |_| {});
        check(|limits| limits.deadline = Duration::ZERO, |limits| limits.deadline = Duration::from_millis(1));
        check(
            |limits| limits.deadline = Duration::from_mins(1),
            |limits| (limits.deadline, limits.timeout) = (Duration::from_secs(5), Duration::from_secs(10)),
        );
        check(|limits| limits.memory = u64::MAX, |limits| limits.memory = LARGEST_MEMORY);
        check(|limits| limits.memory = 0, |limits| limits.memory = 65_536);
        check(|limits| limits.output = 0, |limits| limits.output = 1024);
        check(|limits| limits.timeout = Duration::ZERO, |limits| limits.timeout = Duration::from_millis(100));
    }

    #[test]
    fn a_deadline_is_never_shorter_than_promised() {
        assert_eq!(ticks(Duration::from_millis(1)), 2);
        assert_eq!(ticks(Duration::from_millis(50)), 51);
        assert_eq!(ticks(Duration::from_micros(1_500)), 3);
    }

    #[test]
    fn memories_share_one_budget_and_a_refusal_is_remembered() {
        let mut meter = Meter { memory: Budget::new(100), elements: Budget::new(10) };
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(0, 40, None).unwrap());
        assert_eq!(meter.refused(), None);
        assert!(!meter.memory_growing(40, 41, None).unwrap());
        assert_eq!(meter.refused(), Some(Refused::Memory));
        let mut meter = Meter { memory: Budget::new(100), elements: Budget::new(10) };
        assert!(!meter.table_growing(0, 11, None).unwrap());
        assert_eq!(meter.refused(), Some(Refused::TableElements));
    }
}
