//! Work that has to end: bounded in time, and a panic in it ends nothing else.
//!
//! An object on which the operator trips must not keep it from all others, for ever after each restart. So what becomes of such work is an
//! error like any other, which is shown at the object and tried again later.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use thiserror::Error;
use tokio::time::timeout;

use crate::failure::Retry;

/// Why a piece of work was given up, whatever it was about.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Interrupted {
    /// It panicked.
    #[error(
        "the operator met a bug of its own and has given this up for now; its log has a line that begins with \"panic\", please report it"
    )]
    Panicked,
    /// It did not come to an end.
    #[error(
        "not finished after {0:?}, and given up for now; the operator or the API server is overloaded, or this is a bug"
    )]
    TookTooLong(Duration),
}

impl Interrupted {
    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Panicked => "Panicked",
            Self::TookTooLong(_) => "TookTooLong",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Panicked | Self::TookTooLong(_) => Retry::BackOff,
        }
    }
}

/// Does `work` for at most `limit`.
///
/// # Errors
/// [`Interrupted`].
pub fn bounded<T>(limit: Duration, work: impl Future<Output = T>) -> impl Future<Output = Result<T, Interrupted>> {
    // What it shares with others is behind locks that forgive a panic. On the heap, because a whole reconcile is large.
    let work = Box::pin(AssertUnwindSafe(work).catch_unwind());
    async move {
        match timeout(limit, work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(_)) => Err(Interrupted::Panicked),
            Err(_) => Err(Interrupted::TookTooLong(limit)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_or_does_not_end_is_given_up() {
        let limit = Duration::from_millis(10);
        assert_eq!(bounded(limit, async { 1 }).await, Ok(1));
        assert_eq!(bounded(limit, async { panic!("for a test") }).await, Err::<(), _>(Interrupted::Panicked));
        let endless = bounded(limit, std::future::pending::<()>()).await;
        assert_eq!(endless, Err(Interrupted::TookTooLong(limit)));
    }
}
