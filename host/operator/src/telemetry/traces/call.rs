//! Calls of plugins as spans.

use k8supdater_runtime::{CallError, Component};
use tracing::field::Empty;
use tracing::{Instrument, info_span};

use super::context;

/// Makes `call`, of a `function` of `component`, in a span of its own. The span lasts as long as the call, with the wait for one of the
/// engine's places.
///
/// # Errors
/// As the call.
pub async fn traced<T, E>(
    component: &Component,
    function: &'static str,
    call: impl Future<Output = Result<Result<T, E>, CallError>>,
) -> Result<Result<T, E>, CallError> {
    let span = info_span!(
        "call plugin",
        k8supdater.plugin.name = component.manifest().name,
        k8supdater.plugin.version = component.manifest().version,
        k8supdater.plugin.digest = %component.digest(),
        code.function.name = function,
        error.type = Empty,
        otel.status_code = Empty,
    );
    let result = call.instrument(span.clone()).await;
    match &result {
        Ok(Ok(_)) => {}
        // It has done what it is there for.
        Ok(Err(_)) => {
            span.record("error.type", "PluginError");
        }
        Err(err) => context::failed(&span, err.reason()),
    }
    result
}
