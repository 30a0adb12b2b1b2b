//! When, how far apart and after whom updates are made, as a spec says it.

use std::ops::RangeInclusive;
use std::time::Duration;

use k8supdater_core::policy::pace::Patience;
use k8supdater_core::policy::{Window, Windows, window};
use kube::core::Duration as GivenDuration;

use super::{HandlerRef, Invalid};
use crate::api::VersioningHandlerSpec;
use crate::api::pace as api;
use crate::config::{Config, LONGEST_INTERVAL, LONGEST_PATIENCE, SHORTEST_INTERVAL};

/// The time zone of windows that name none.
const DEFAULT_ZONE: &str = "UTC";

/// A handler whose workload goes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How long its workload must have run an image before this one gets it.
    pub soak: Duration,
}

/// How long something may take, and how that is said.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    allowed: RangeInclusive<Duration>,
    expected: &'static str,
}

/// Those of `interval`.
pub(super) const INTERVAL: Bounds =
    Bounds { allowed: SHORTEST_INTERVAL..=LONGEST_INTERVAL, expected: "a duration from 1s to 720h" };
/// Those of `rollout.timeout`.
pub(super) const TIMEOUT: Bounds =
    Bounds { allowed: Duration::from_secs(1)..=Duration::from_hours(24), expected: "a duration from 1s to 24h" };
/// Those of `rollout.stableFor`.
pub(super) const STABLE_FOR: Bounds =
    Bounds { allowed: Duration::ZERO..=Duration::from_hours(24), expected: "a duration from 0s to 24h" };
/// Those of all that makes updates wait.
const PATIENCE: Bounds = Bounds { allowed: Duration::ZERO..=LONGEST_PATIENCE, expected: "a duration from 0s to 8760h" };
/// Those of a window.
const WINDOW: Bounds = Bounds { allowed: window::SHORTEST..=window::LONGEST, expected: "a duration from 1m to 168h" };

/// The duration in `field`, if there is one.
pub(super) fn duration(
    handler: &HandlerRef,
    field: &str,
    given: Option<GivenDuration>,
    bounds: &Bounds,
) -> Result<Option<Duration>, Invalid> {
    let Some(given) = given else { return Ok(None) };
    let duration = Duration::from(given);
    if given.is_negative() || !bounds.allowed.contains(&duration) {
        return Err(Invalid::out_of_bounds(handler, field, &given, bounds.expected));
    }
    Ok(Some(duration))
}

/// How patient updates are, with the operator's defaults.
pub(super) fn patience(
    handler: &HandlerRef,
    spec: &VersioningHandlerSpec,
    config: &Config,
) -> Result<Patience, Invalid> {
    let time = |field: &str, given| duration(handler, field, given, &PATIENCE);
    let delay = time("delayBetweenUpdates", spec.delay_between_updates)?;
    Ok(Patience {
        minimum_age: time("minimumAge", spec.minimum_age)?.unwrap_or(config.minimum_age),
        delay_between_updates: delay.unwrap_or(config.delay_between_updates),
        cooldown: time("cooldown", spec.cooldown)?.unwrap_or_default(),
        windows: windows(handler, &spec.windows)?,
    })
}

fn windows(handler: &HandlerRef, given: &[api::WindowOptions]) -> Result<Windows, Invalid> {
    let read = |(index, given): (usize, &api::WindowOptions)| {
        let field = format!("windows[{index}]");
        let duration = duration(handler, &format!("{field}.duration"), Some(given.duration), &WINDOW)?;
        let zone = given.time_zone.as_deref().unwrap_or(DEFAULT_ZONE);
        Window::parse(&given.start, duration.unwrap_or_default(), zone).map_err(|source| Invalid::Window {
            namespace: handler.namespace.clone(),
            name: handler.name.clone(),
            field,
            source: Box::new(source),
        })
    };
    given.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>().map(Windows::from)
}

/// The handlers whose workloads go first.
pub(super) fn after(handler: &HandlerRef, given: &[api::Predecessor]) -> Result<Vec<Predecessor>, Invalid> {
    let read = |(index, given): (usize, &api::Predecessor)| {
        let field = format!("after[{index}]");
        let soak = duration(handler, &format!("{field}.soak"), given.soak, &PATIENCE)?.unwrap_or_default();
        let namespace = given.namespace.clone().unwrap_or_else(|| handler.namespace.clone());
        if namespace == handler.namespace && given.handler == handler.name {
            return Err(Invalid::AfterItself { namespace, name: handler.name.clone(), field });
        }
        Ok(Predecessor { namespace, name: given.handler.clone(), soak })
    };
    given.iter().enumerate().map(read).collect()
}
