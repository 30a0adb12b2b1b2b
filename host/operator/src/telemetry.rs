//! What the operator tells about itself: [log lines](logging), [`metrics`], [`health`], [`panics`], [`traces`].

pub mod health;
pub mod logging;
pub mod metrics;
pub mod panics;
pub mod traces;

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::config::Config;
use crate::connections::{self, ConnectError};
use metrics::Metrics;
use traces::Traces;

/// Starts log lines for the whole process, and traces if they are to be exported, which `runtime` then does.
///
/// # Errors
/// [`ConnectError::Authorities`] or [`ConnectError::Collector`], if traces cannot be exported as `config` says.
pub fn start(config: &Config, metrics: &Arc<Metrics>, runtime: &Handle) -> Result<Option<Traces>, ConnectError> {
    let traces = match &config.traces {
        Some(traces) => {
            let collector = connections::collector(config, traces)?;
            Some(Traces::start(traces, &config.instance, collector, Arc::clone(metrics), runtime.clone()))
        }
        None => None,
    };
    logging::start_with(&config.log, config.log_format, traces.as_ref());
    Ok(traces)
}
