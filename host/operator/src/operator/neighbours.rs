//! Which handlers a change of another one concerns: its fleet, the fleets that may have to leave a workload to it, and handlers of the same
//! workload. Pure, but for what it remembers.

use std::collections::{HashMap, HashSet};

use kube::Resource;
use kube::api::ObjectMeta;
use kube::runtime::watcher::Event;

use crate::api::versioning_handler::VersioningHandlerSpec;
use crate::api::workload::WorkloadRef;
use crate::fleet::owner;
use crate::reconcile::handlers::{Guarded, HandlerKey};

/// The handlers of one watch, as far as they concern each other.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    known: HashMap<HandlerKey, Face>,
    /// Whether everything was listed once.
    is_listed: bool,
    /// While a watch lists everything anew: what it has listed, and what of that concerns others.
    listing: Option<(HashSet<HandlerKey>, Vec<Concern>)>,
}

/// What has to be done after an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Consequences {
    /// Handlers that have to be looked at, each once and in no order.
    pub(super) wake: HashSet<HandlerKey>,
    /// Handlers that do not exist any more.
    pub(super) gone: Vec<HandlerKey>,
}

/// What of a handler concerns others.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Face {
    generation: Option<i64>,
    workload: Option<WorkloadRef>,
    is_fleet: bool,
    /// The fleet that it belongs to.
    fleet: Option<HandlerKey>,
}

/// A handler that says something else than before, or is new, or gone: how it was or is.
#[derive(Clone, Debug)]
struct Concern(HandlerKey, Face);

impl Neighbours {
    /// Takes note of an event, and gives what follows from it.
    pub(super) fn note(&mut self, event: &Event<Guarded>) -> Consequences {
        match event {
            Event::Init => {
                self.listing = Some((HashSet::new(), Vec::new()));
                Consequences::default()
            }
            Event::InitApply(handler) => {
                let key = HandlerKey::from_obj(handler);
                let concerns = self.learn(&key, Face::of(handler));
                if let Some((listed, concerning)) = &mut self.listing {
                    listed.insert(key);
                    concerning.extend(concerns.into_iter().filter(|_| self.is_listed));
                }
                Consequences::default()
            }
            Event::InitDone => self.end_of_list(),
            Event::Apply(handler) => {
                let (key, face) = (HandlerKey::from_obj(handler), Face::of(handler));
                let fleet = face.fleet.clone();
                let concerns = self.learn(&key, face);
                let mut wake = self.concerned(&concerns);
                wake.extend(fleet);
                Consequences { wake, gone: Vec::new() }
            }
            Event::Delete(handler) => {
                let key = HandlerKey::from_obj(handler);
                let concerns: Vec<Concern> =
                    self.known.remove(&key).map(|face| Concern(key.clone(), face)).into_iter().collect();
                Consequences { wake: self.concerned(&concerns), gone: vec![key] }
            }
        }
    }

    /// Everything that was listed is looked at anyway, but perhaps before it was known what is not there any more.
    fn end_of_list(&mut self) -> Consequences {
        let Some((listed, mut concerns)) = self.listing.take() else { return Consequences::default() };
        self.is_listed = true;
        let gone: Vec<HandlerKey> = self.known.keys().filter(|key| !listed.contains(key)).cloned().collect();
        for key in &gone {
            concerns.extend(self.known.remove(key).map(|face| Concern(key.clone(), face)));
        }
        Consequences { wake: self.concerned(&concerns), gone }
    }

    /// Remembers how a handler looks now, and gives what of that concerns others.
    fn learn(&mut self, key: &HandlerKey, face: Face) -> Vec<Concern> {
        let before = self.known.insert(key.clone(), face.clone());
        if before.as_ref().is_some_and(|before| before.generation == face.generation) {
            return Vec::new();
        }
        before.into_iter().chain([face]).map(|face| Concern(key.clone(), face)).collect()
    }

    /// Whom that concerns: the fleets of the namespace, and handlers of the same workload.
    fn concerned(&self, concerns: &[Concern]) -> HashSet<HandlerKey> {
        let concerns_it = |other: &HandlerKey, face: &Face| {
            concerns.iter().any(|Concern(key, changed)| {
                let is_same_workload = changed.workload.is_some() && changed.workload == face.workload;
                key != other && key.namespace == other.namespace && (face.is_fleet || is_same_workload)
            })
        };
        if concerns.is_empty() {
            return HashSet::new();
        }
        self.known.iter().filter(|(other, face)| concerns_it(other, face)).map(|(other, _)| other.clone()).collect()
    }
}

impl Face {
    fn of(handler: &Guarded) -> Self {
        let metadata: &ObjectMeta = handler.meta();
        let spec = handler.0.as_ref().ok().map(|handler| &handler.spec);
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        Self {
            generation: metadata.generation,
            workload: spec.and_then(VersioningHandlerSpec::workload_ref),
            is_fleet: spec.is_some_and(|spec| spec.selector.is_some()),
            fleet: owner(metadata).map(|owner| HandlerKey::new(&owner.name).within(namespace)),
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::core::DeserializeGuard;
    use serde_json::{Value, json};

    use super::*;

    fn handler(name: &str, generation: i64, fleet: Option<&str>, spec: &Value) -> Guarded {
        let owners: Vec<Value> = fleet
            .iter()
            .map(|name| {
                json!({"apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "name": name, "uid": "u", "controller": true})
            })
            .collect();
        let mut full = json!({"containerregistry": "oci"});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        DeserializeGuard(Ok(serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "spec": full,
            "metadata": {"name": name, "namespace": "a", "generation": generation, "ownerReferences": owners},
        }))
        .unwrap()))
    }

    fn of(name: &str, generation: i64, workload: &str) -> Guarded {
        handler(name, generation, None, &json!({"deployment": workload}))
    }

    fn fleet(name: &str) -> Guarded {
        handler(name, 1, None, &json!({"selector": {}}))
    }

    fn listed(handlers: Vec<Guarded>) -> Neighbours {
        let mut neighbours = Neighbours::default();
        let list = handlers.into_iter().map(Event::InitApply);
        for event in [Event::Init].into_iter().chain(list).chain([Event::InitDone]) {
            let found = neighbours.note(&event);
            assert_eq!(found, Consequences::default(), "the first list has everything looked at by itself: {event:?}");
        }
        neighbours
    }

    #[track_caller]
    fn check(neighbours: &mut Neighbours, event: &Event<Guarded>, wake: &[&str], gone: &[&str]) {
        let key = |name: &&str| HandlerKey::new(name).within("a");
        let expected = Consequences { wake: wake.iter().map(key).collect(), gone: gone.iter().map(key).collect() };
        assert_eq!(neighbours.note(event), expected, "{event:?}");
    }

    #[test]
    fn handlers_of_one_workload_are_woken_by_what_each_of_them_says() {
        let mut neighbours = listed(vec![of("x", 1, "web"), of("y", 1, "web"), of("z", 1, "db")]);
        check(&mut neighbours, &Event::Apply(of("x", 1, "web")), &[], &[]);
        check(&mut neighbours, &Event::Apply(of("x", 2, "web")), &["y"], &[]);
        check(&mut neighbours, &Event::Apply(of("x", 3, "db")), &["y", "z"], &[]);
        check(&mut neighbours, &Event::Delete(of("x", 3, "db")), &["z"], &["x"]);
        check(&mut neighbours, &Event::Apply(of("n", 1, "web")), &["y"], &[]);
    }

    #[test]
    fn a_fleet_is_woken_by_its_members_and_by_what_may_take_a_workload_over() {
        let member = |generation| handler("f.deployment.web", generation, Some("f"), &json!({"deployment": "web"}));
        let mut neighbours = listed(vec![fleet("f"), fleet("g"), member(1)]);
        check(&mut neighbours, &Event::Apply(member(1)), &["f"], &[]);
        check(&mut neighbours, &Event::Delete(member(1)), &["f", "g"], &["f.deployment.web"]);
        check(&mut neighbours, &Event::Apply(of("x", 1, "web")), &["f", "g"], &[]);
        check(&mut neighbours, &Event::Apply(of("x", 1, "web")), &[], &[]);
        check(&mut neighbours, &Event::Delete(fleet("f")), &["g"], &["f"]);
    }

    #[test]
    fn what_a_watch_has_missed_is_made_up_for_when_it_lists_anew() {
        let mut neighbours = listed(vec![of("x", 1, "web"), of("y", 1, "web"), of("z", 1, "db"), of("v", 1, "db")]);
        for event in [
            Event::Init,
            Event::InitApply(of("y", 1, "web")),
            Event::InitApply(of("z", 2, "db")),
            Event::InitApply(of("v", 1, "db")),
        ] {
            check(&mut neighbours, &event, &[], &[]);
        }
        check(&mut neighbours, &Event::InitDone, &["y", "v"], &["x"]);
    }
}
