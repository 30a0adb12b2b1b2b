//! What can go wrong in a call, with the limit that was hit and the way to raise it.

use std::time::Duration;

use thiserror::Error;
use wasmtime::Trap;

use crate::manifest::Kind;
use crate::store::{Limits, Refused};

/// Why a call brought no answer. The next call is not affected: it gets an instance of its own.
///
/// The messages say "it" of the plugin.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CallError {
    /// It was still computing when its time was up.
    #[error("it did not answer within {} ms; if it needs longer, raise spec.limits.deadline of the Plugin (5s at most)", .deadline.as_millis())]
    DeadlineExceeded {
        /// The limit.
        deadline: Duration,
    },
    /// It wanted more memory than it may have.
    #[error("it wanted more than {} KiB of memory; if it needs more, raise spec.limits.memoryMib of the Plugin (256 at most)", .memory / 1024)]
    MemoryExceeded {
        /// The limit, in bytes.
        memory: u64,
    },
    /// It wanted larger tables of functions than any compiler makes.
    #[error("it wanted tables of more than {} elements, which no limit allows", crate::store::TABLE_ELEMENTS)]
    TableExceeded,
    /// Its functions call each other without end, or nearly.
    #[error("its stack overflowed: its functions call each other too deeply, which no limit changes")]
    StackExceeded,
    /// Its answer was larger than allowed; it has not been copied.
    #[error("its answer takes more than {} KiB, which is the most that is allowed", .output / 1024)]
    OutputTooLarge {
        /// The limit, in bytes.
        output: u64,
    },
    /// It gave up: a panic, an assertion, a division by zero.
    #[error("it crashed: {trap}")]
    Trapped {
        /// What the processor, or what stands for it, said.
        trap: String,
    },
    /// There is no instance of it: it needs more memories, tables or modules than are allowed, for example.
    #[error("no instance of it can be made: {message}")]
    NotInstantiable {
        /// What the sandbox said.
        message: String,
    },
    /// It answered something that the contract does not allow.
    #[error("it broke its contract: {what}")]
    ContractBroken {
        /// What was wrong with the answer.
        what: String,
    },
    /// It cannot be asked this.
    #[error("it is a {found} plugin and was asked as a {wanted} plugin")]
    WrongKind {
        /// What it is.
        found: Kind,
        /// What it should be.
        wanted: Kind,
    },
    /// The deadline did not end the call, so something else than the plugin hangs.
    #[error("the call was given up after {} ms, although its deadline is shorter", .timeout.as_millis())]
    TimedOut {
        /// The limit.
        timeout: Duration,
    },
    /// So many other calls run or wait that it was not called at all.
    #[error("it was not called, because all places for plugins were taken for {} s", .waited.as_secs())]
    Busy {
        /// How long the call waited.
        waited: Duration,
    },
    /// The host itself failed.
    #[error("it could not be called, which is not its fault: {message}")]
    Host {
        /// What happened.
        message: String,
    },
}

impl CallError {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::DeadlineExceeded { .. } => "DeadlineExceeded",
            Self::MemoryExceeded { .. } => "MemoryExceeded",
            Self::TableExceeded => "TableExceeded",
            Self::StackExceeded => "StackExceeded",
            Self::OutputTooLarge { .. } => "OutputTooLarge",
            Self::Trapped { .. } => "Trapped",
            Self::NotInstantiable { .. } => "NotInstantiable",
            Self::ContractBroken { .. } => "ContractBroken",
            Self::WrongKind { .. } => "PluginOfWrongKind",
            Self::TimedOut { .. } => "CallTimedOut",
            Self::Busy { .. } => "Busy",
            Self::Host { .. } => "CallFailed",
        }
    }

    pub(super) fn broken(what: impl Into<String>) -> Self {
        Self::ContractBroken { what: what.into() }
    }

    /// Why there is no instance; `refused` as for [`of_call`](Self::of_call).
    pub(super) fn of_start(err: &wasmtime::Error, refused: Option<Refused>, limits: Limits) -> Self {
        Self::of_guest(err, refused, limits).unwrap_or_else(|| Self::NotInstantiable { message: format!("{err:#}") })
    }

    /// Why an instance brought no answer. `refused` is what the guest asked for in vain before: a guest that gets no memory usually
    /// crashes, and then the memory is what its author wants to hear of.
    pub(super) fn of_call(err: &wasmtime::Error, refused: Option<Refused>, limits: Limits) -> Self {
        Self::of_guest(err, refused, limits).unwrap_or_else(|| {
            // wasmtime has no public type for this one; a test fails if its words change.
            if err.root_cause().to_string().contains("hostcalls has been exhausted") {
                Self::OutputTooLarge { output: limits.output }
            } else {
                // No code of the host runs during a call but that which reads the answer.
                Self::broken(format!("its answer cannot be read: {err:#}"))
            }
        })
    }

    /// What the guest itself did, if it did something.
    fn of_guest(err: &wasmtime::Error, refused: Option<Refused>, limits: Limits) -> Option<Self> {
        match (err.downcast_ref::<Trap>().copied(), refused) {
            (Some(Trap::Interrupt), _) => Some(Self::DeadlineExceeded { deadline: limits.deadline }),
            (_, Some(Refused::Memory)) => Some(Self::MemoryExceeded { memory: limits.memory }),
            (_, Some(Refused::TableElements)) => Some(Self::TableExceeded),
            (Some(Trap::StackOverflow), None) => Some(Self::StackExceeded),
            (Some(trap), None) if is_about_the_answer(trap) => Some(Self::broken(trap.to_string())),
            (Some(trap), None) => Some(Self::Trapped { trap: trap.to_string() }),
            (None, None) => None,
        }
    }
}

/// Traps that come from reading what a function returned, not from running it.
fn is_about_the_answer(trap: Trap) -> bool {
    matches!(
        trap,
        Trap::InvalidChar
            | Trap::StringOutOfBounds
            | Trap::ListOutOfBounds
            | Trap::InvalidDiscriminant
            | Trap::UnalignedPointer
    )
}
