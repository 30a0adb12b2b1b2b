//! Panics: a line in the log like any other, and a count. What becomes of the work in which one happens is for others to say.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};
use std::sync::Arc;

use tracing::error;

use super::metrics::Metrics;

/// Has every panic of this process logged and counted from now on, in place of what would be written to standard error.
pub fn report(metrics: &Arc<Metrics>) {
    let metrics = Arc::clone(metrics);
    panic::set_hook(Box::new(move |panic| {
        metrics.panicked();
        log(panic);
    }));
}

fn log(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    // Only where RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    error!(place, message, backtrace, "panic: a bug of the operator, please report it");
}
