//! What an error asks of the loop that met it. Types only.

use std::time::Duration;

/// When trying again makes sense. Every error enum of the operator answers this question in its `retry()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Only when the object, or something that it refers to, changes: the user has to act, and a watch will tell.
    OnChange,
    /// Nothing is broken; the world moved meanwhile. Look again in a moment.
    Soon,
    /// Something is broken for a while: again with growing delays.
    BackOff,
    /// Not before this much time has passed.
    After(Duration),
}

/// `err` and everything beneath it in one line, outermost first: what is shown in conditions and log lines.
pub fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
