//! Ways to misbehave. Each provokes one limit of the operator; none is for calling outside of a sandbox.

use std::hint::black_box;
use std::mem::ManuallyDrop;

/// 1 MiB in bytes.
const MIB: usize = 1024 * 1024;

/// Computes for ever: provokes the deadline.
pub(crate) fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Takes memory, 1 MiB at a time, until there is no more, and traps then: provokes the limit of memory. It does not write to it, which
/// would take so long that the deadline might come first.
pub(crate) fn eat_memory() -> ! {
    let mut eaten = Vec::new();
    loop {
        eaten.push(black_box(Vec::<u8>::with_capacity(MIB)));
    }
}

/// Executes an `unreachable`.
pub(crate) fn trap() -> ! {
    std::process::abort()
}

/// 1,024 texts of 1 MiB, all of them in the same MiB of memory: provokes the limit of the answer, 1 GiB of which fit below
/// any limit of memory.
#[expect(unsafe_code, reason = "safe code cannot own the same memory twice")]
pub(crate) fn flood() -> Vec<String> {
    let mut text = ManuallyDrop::new("x".repeat(MIB));
    let (pointer, length, capacity) = (text.as_mut_ptr(), text.len(), text.capacity());
    // SAFETY: none. The texts may be read, which is all that becomes of them on their way to the host; dropping two of them would
    // free the same memory twice. The host gives up half-way, and if it did not, the damage would stay in the sandbox.
    (0..1024).map(|_| unsafe { String::from_raw_parts(pointer, length, capacity) }).collect()
}
