//! What the operator tells about itself: [log lines](logging), [`metrics`], [`health`], [`panics`].

pub mod health;
pub mod logging;
pub mod metrics;
pub mod panics;
