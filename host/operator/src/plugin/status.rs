//! The status of a Plugin: the only place that writes it.

use std::sync::Arc;

use jiff::Timestamp;
use k8supdater_runtime::manifest::Kind;
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use super::defaults::Defaults;
use super::grant;
use super::{PluginError, Serving};
use crate::api::conditions::{self, Finding, GRANTED, LOADED, READY, State};
use crate::api::plugin::{AskedOrigin, Asks, Plugin, PluginStatus};
use crate::api::versioning_handler::Settings;
use crate::failure::chain;

/// Writes what came of `plugin`, unless its status says so already. `kept` is what serves now, which after a failure is the last good
/// component.
///
/// # Errors
/// When the API server refuses for another reason than that the object has changed: then a newer event is on its way.
pub(super) async fn write(
    api: &Api<Plugin>,
    plugin: &Plugin,
    outcome: &Result<Arc<Serving>, PluginError>,
    kept: Option<&Serving>,
    defaults: &Defaults,
) -> Result<(), kube::Error> {
    let status = status(plugin, outcome.as_ref().err(), kept, defaults, Timestamp::now());
    if plugin.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let changed = Plugin { status: Some(status), ..plugin.clone() };
    match api.replace_status(&plugin.name_any(), &PostParams::default(), &changed).await {
        // Deleted meanwhile: there is nothing to report on any more. Changed meanwhile: the next reconcile reports.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other.map(drop),
    }
}

/// The status that `plugin` should have. Pure.
fn status(
    plugin: &Plugin,
    failure: Option<&PluginError>,
    kept: Option<&Serving>,
    defaults: &Defaults,
    now: Timestamp,
) -> PluginStatus {
    let before = plugin.status.clone().unwrap_or_default();
    let generation = plugin.metadata.generation;
    let manifest = kept.map(|serving| serving.component.manifest());
    let settings = kept.map(Serving::own_settings).unwrap_or_default();
    let granted = grant::parse(plugin, defaults.origin.as_ref()).map(|granted| granted.origins).unwrap_or_default();
    PluginStatus {
        observed_generation: generation,
        conditions: conditions::merge(&before.conditions, findings(failure, kept), generation, now),
        kind: kept.map(|serving| serving.component.kind().to_string()),
        name: manifest.map(|manifest| manifest.name.clone()),
        version: manifest.map(|manifest| manifest.version.clone()),
        digest: kept.map(|serving| serving.component.digest().to_string()),
        asks: manifest.map(|manifest| Asks {
            origins: manifest
                .origins
                .iter()
                .map(|asked| AskedOrigin {
                    origin: asked.origin.describe(&settings),
                    reason: asked.reason.clone(),
                    granted: asked.origin.with_settings(&settings).is_none_or(|grant| granted.covers(&grant)),
                })
                .collect(),
            slots: manifest.slots.iter().map(|slot| format!("{} ({})", slot.name, slot.scheme)).collect(),
        }),
    }
}

/// What a notifier lacks to be a channel by itself; empty for all others.
fn incomplete(serving: &Serving) -> String {
    if serving.component.kind() != Kind::Notifier {
        return String::new();
    }
    match serving.settings(&Settings::new()) {
        Ok(_) => ", and is a channel for all handlers that name none".to_owned(),
        Err(err) => format!(" handlers that complete its settings, and is no channel for others: {err}"),
    }
}

/// The three conditions of a plugin.
fn findings(failure: Option<&PluginError>, kept: Option<&Serving>) -> Vec<Finding> {
    let finding = |kind, state, reason, message: String| Finding { kind, state, reason, message };
    let serving = |serving: &Serving| {
        let manifest = serving.component.manifest();
        format!("{} {} ({})", manifest.name, manifest.version, serving.component.digest())
    };
    let Some(failure) = failure else {
        let what = kept.map(serving).unwrap_or_default();
        return vec![
            finding(LOADED, State::True, "Loaded", format!("{what} is loaded, and its examples passed")),
            finding(GRANTED, State::True, "Granted", "everything it asks for is granted".to_owned()),
            finding(
                READY,
                State::True,
                "Serving",
                format!("{what} serves{}", kept.map(incomplete).unwrap_or_default()),
            ),
        ];
    };
    let (reason, cause) = (failure.reason(), chain(failure));
    let (loaded, granted) = match failure {
        PluginError::Grant(_) => (
            finding(LOADED, State::True, "Loaded", "the newest bytes are loaded, and their examples passed".to_owned()),
            finding(GRANTED, State::False, reason, cause.clone()),
        ),
        PluginError::Malformed { .. }
        | PluginError::Source(_)
        | PluginError::Load { .. }
        | PluginError::Settings { .. } => (
            finding(LOADED, State::False, reason, cause.clone()),
            finding(GRANTED, State::Unknown, "NotLoaded", "what it asks for is known once it is loaded".to_owned()),
        ),
    };
    let ready = match kept {
        Some(kept) => {
            let message =
                format!("the last good component, {}, keeps serving; the newest was refused: {cause}", serving(kept));
            finding(READY, State::True, "KeptLastGood", message)
        }
        None => finding(READY, State::False, reason, cause),
    };
    vec![loaded, granted, ready]
}
