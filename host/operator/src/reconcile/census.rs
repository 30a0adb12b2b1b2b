//! How all handlers stand, counted when somebody looks at the metrics.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use super::handlers::{Guarded, HandlerKey, Handlers};
use super::schedule::Schedule;
use crate::api::conditions::{READY, UP_TO_DATE};
use crate::api::versioning_handler::VersioningHandler;
use crate::telemetry::metrics::{Metrics, words};

/// Shows how many `handlers` there are in which state, and how many of them wait for their turn.
pub fn show(handlers: &Handlers, schedule: &Schedule, metrics: &Metrics) {
    let (mut existing, mut census) = (HashSet::new(), Census::default());
    for handler in handlers.all() {
        existing.insert(HandlerKey::from_obj(&*handler));
        census.count(&handler);
    }
    let number = |counts: &BTreeMap<&'static str, usize>, word| counts.get(word).copied().unwrap_or_default();
    for word in words::READY {
        metrics.handlers(word, number(&census.ready, word));
    }
    for word in words::WORKLOADS {
        metrics.workloads(word, number(&census.workloads, word));
    }
    metrics.queue(schedule.queue(&existing, Instant::now()));
}

/// How many there are of each word.
#[derive(Debug, Default)]
struct Census {
    ready: BTreeMap<&'static str, usize>,
    workloads: BTreeMap<&'static str, usize>,
}

impl Census {
    fn count(&mut self, handler: &Guarded) {
        let ready = match &handler.0 {
            Ok(handler) => condition(handler, READY).map_or("Unknown", |(status, _)| known(words::READY, status)),
            // It has a status, perhaps, of when it could be read.
            Err(_) => "False",
        };
        *self.ready.entry(ready).or_default() += 1;
        // Those of a fleet are counted with its members.
        let Ok(handler) = &handler.0 else { return };
        if handler.spec.selector.is_none() {
            let state = condition(handler, UP_TO_DATE).map_or("Unknown", |(_, reason)| known(words::WORKLOADS, reason));
            *self.workloads.entry(state).or_default() += 1;
        }
    }
}

/// That of `words` which `word` is; while a check fails, reasons are about that, and where the workload stands is not known.
fn known(words: &[&'static str], word: &str) -> &'static str {
    words.iter().find(|known| **known == word).copied().unwrap_or("Unknown")
}

/// Status and reason of a condition.
fn condition<'a>(handler: &'a VersioningHandler, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = &handler.status.as_ref()?.conditions;
    let found = conditions.iter().find(|condition| condition.type_ == kind)?;
    Some((&found.status, &found.reason))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::telemetry::metrics::Format;

    fn handler(name: &str, spec: &Value, ready: &str, up_to_date: &str) -> VersioningHandler {
        let mut full = json!({"containerregistry": "oci"});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let condition = |kind: &str, status: &str, reason: &str| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"});
        let conditions = [condition("Ready", ready, "Checked"), condition("UpToDate", "False", up_to_date)];
        let status = (!ready.is_empty()).then(|| json!({"conditions": conditions}));
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "spec": full, "status": status,
            "metadata": {"name": name, "namespace": "a"},
        }))
        .unwrap()
    }

    #[test]
    fn handlers_and_their_workloads_are_counted_by_what_their_conditions_say() {
        let one = json!({"deployment": "web"});
        let handlers = Handlers::listed([
            handler("good", &one, "True", "UpToDate"),
            handler("waits", &one, "True", "Waiting"),
            handler("held", &one, "True", "Held"),
            handler("fails", &one, "False", "RateLimited"),
            handler("new", &one, "", ""),
            handler("fleet", &json!({"selector": {}}), "True", "UpToDate"),
        ]);
        let metrics = Metrics::default();
        show(&handlers, &Schedule::default(), &metrics);
        let text = metrics.text(Format::Text).unwrap();
        for expected in [
            "handlers{ready=\"True\"} 4",
            "handlers{ready=\"False\"} 1",
            "handlers{ready=\"Unknown\"} 1",
            "workloads{state=\"UpToDate\"} 1",
            "workloads{state=\"Waiting\"} 1",
            "workloads{state=\"Held\"} 1",
            "workloads{state=\"Unknown\"} 2",
            "workloads{state=\"Updating\"} 0",
            "checks_due 6",
        ] {
            assert!(text.lines().any(|line| line == format!("k8supdater_{expected}")), "no {expected} in {text}");
        }
    }
}
