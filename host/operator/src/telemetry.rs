//! What the operator tells about itself: [log lines](logging), [`metrics`], [`health`].

pub mod health;
pub mod logging;
pub mod metrics;
