//! Which members a fleet should have, and what has to be done for that. Pure.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use kube::api::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{LABEL, owner};
use crate::api::versioning_handler::{VersioningHandler, VersioningHandlerSpec};
use crate::api::workload::WorkloadRef;

/// Longest name of an object, and longest value of a label, in bytes
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Digits of the hash that stands for what was cut off.
const HASH: usize = 10;

type Guarded = DeserializeGuard<VersioningHandler>;

/// What has to be done so that a fleet has the members that it should have.
#[derive(Debug, Default)]
pub struct Plan {
    /// Members that are missing.
    pub create: Vec<VersioningHandler>,
    /// Members that are not as they should be.
    pub change: Vec<Change>,
    /// Members that should not be.
    pub delete: Vec<Doomed>,
    /// Members that there are and should be, perhaps after a change.
    pub members: Vec<Arc<Guarded>>,
    /// How many workloads match and have another handler.
    pub left_to_others: usize,
    /// Names that members should have and other objects do.
    pub taken: Vec<String>,
}

/// A change of one member.
#[derive(Debug, PartialEq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Replaces its spec and sets the label, if it still is the same object.
    pub patch: json_patch::Patch,
}

/// A member that has to go.
#[derive(Debug, PartialEq, Eq)]
pub struct Doomed {
    /// Its name.
    pub name: String,
    /// Which of all objects that ever had that name.
    pub uid: String,
}

impl Plan {
    /// For `fleet`, of whose namespace `workloads` match and `handlers` are all there are.
    ///
    /// A workload is left to a handler that names it and was made by somebody else, and to the member of an older fleet.
    pub fn of(fleet: &VersioningHandler, workloads: &[WorkloadRef], handlers: &[Arc<Guarded>]) -> Self {
        let mut plan = Self::default();
        let by_name: BTreeMap<&str, &Arc<Guarded>> =
            handlers.iter().filter_map(|handler| Some((handler.meta().name.as_deref()?, handler))).collect();
        let mut own: BTreeMap<&str, &Arc<Guarded>> =
            by_name.iter().filter(|(_, handler)| is_member(handler, fleet)).map(|(name, it)| (*name, *it)).collect();
        let others = others(fleet, handlers);
        for workload in workloads {
            if others.contains(workload) {
                plan.left_to_others += 1;
                continue;
            }
            let wanted = member(fleet, workload);
            let name = wanted.name_any();
            match (own.remove(name.as_str()), by_name.get(name.as_str())) {
                (Some(found), _) => {
                    plan.change.extend(change(found, &wanted));
                    plan.members.push(Arc::clone(found));
                }
                (None, Some(_)) => plan.taken.push(name),
                (None, None) => plan.create.push(wanted),
            }
        }
        plan.delete = own.into_iter().map(|(name, it)| Doomed { name: name.to_owned(), uid: uid(it) }).collect();
        plan
    }

    /// How many workloads have a member, or are about to.
    pub fn workloads(&self) -> usize {
        self.members.len().saturating_add(self.create.len())
    }
}

/// Whether `handler` is a member of `fleet`, of this very object.
pub fn is_member(handler: &Guarded, fleet: &VersioningHandler) -> bool {
    owner(handler.meta()).is_some_and(|owner| fleet.metadata.uid.as_ref() == Some(&owner.uid))
}

/// The value of the label that members of the fleet of that name have.
pub fn label(fleet: &str) -> String {
    fitted(fleet, LONGEST_LABEL)
}

/// The workloads that others than `fleet` look after.
fn others(fleet: &VersioningHandler, handlers: &[Arc<Guarded>]) -> HashSet<WorkloadRef> {
    let readable = || handlers.iter().filter_map(|handler| handler.0.as_ref().ok());
    let fleets: BTreeMap<&str, &VersioningHandler> = readable()
        .filter(|handler| handler.spec.selector.is_some())
        .filter_map(|handler| Some((handler.metadata.uid.as_deref()?, handler)))
        .collect();
    let comes_first = |handler: &&VersioningHandler| match owner(&handler.metadata) {
        None => true,
        // A fleet that is gone has left its members for the garbage collector.
        Some(owner) => fleets.get(owner.uid.as_str()).is_some_and(|other| other.seniority() < fleet.seniority()),
    };
    readable().filter(comes_first).filter_map(|handler| handler.spec.workload_ref()).collect()
}

/// The member of `fleet` for `workload`.
fn member(fleet: &VersioningHandler, workload: &WorkloadRef) -> VersioningHandler {
    let fleet_name = fleet.name_any();
    let kind = workload.kind.as_str().to_lowercase();
    let spec = VersioningHandlerSpec {
        selector: None,
        deployment: None,
        workload: Some(workload.clone()),
        ..fleet.spec.clone()
    };
    let mut owner = fleet.controller_owner_ref(&());
    // Nobody has to wait for members to go, and to say so would take rights on finalizers in some clusters
    // (https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#ownerreferencespermissionenforcement).
    if let Some(owner) = &mut owner {
        owner.block_owner_deletion = Some(false);
    }
    let metadata = ObjectMeta {
        name: Some(fitted(&format!("{fleet_name}.{kind}.{}", workload.name), LONGEST_NAME)),
        namespace: fleet.namespace(),
        labels: Some(BTreeMap::from([(LABEL.to_owned(), label(&fleet_name))])),
        owner_references: Some(owner.into_iter().collect()),
        ..ObjectMeta::default()
    };
    VersioningHandler { metadata, spec, status: None }
}

/// What has to be changed about `found` so that it says what `wanted` does; none if it does. Its other labels, its annotations and its
/// status are nobody's business here.
fn change(found: &Guarded, wanted: &VersioningHandler) -> Option<Change> {
    let label = wanted.labels().get(LABEL);
    let is_same_spec = found.0.as_ref().is_ok_and(|found| found.spec == wanted.spec);
    let is_labelled = found.meta().labels.as_ref().and_then(|labels| labels.get(LABEL)) == label;
    if is_same_spec && is_labelled {
        return None;
    }
    let mut patch = vec![json!({"op": "test", "path": "/metadata/uid", "value": uid(found)})];
    if !is_same_spec {
        patch.push(json!({"op": "add", "path": "/spec", "value": wanted.spec}));
    }
    if !is_labelled {
        patch.push(match &found.meta().labels {
            Some(_) => {
                let place = format!("/metadata/labels/{}", LABEL.replace('/', "~1"));
                json!({"op": "add", "path": place, "value": label})
            }
            None => json!({"op": "add", "path": "/metadata/labels", "value": {LABEL: label}}),
        });
    }
    let patch = serde_json::from_value(patch.into()).expect("these are operations of a JSON Patch");
    Some(Change { name: found.meta().name.clone().unwrap_or_default(), patch })
}

fn uid(handler: &Guarded) -> String {
    handler.meta().uid.clone().unwrap_or_default()
}

/// `text`, or, if it is longer than that, its beginning and a hash of all of it, so that two that begin alike stay different.
fn fitted(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let hash = Sha256::digest(text).iter().fold(String::new(), |hash, byte| format!("{hash}{byte:02x}"));
    let start = text.get(..text.floor_char_boundary(longest.saturating_sub(HASH + 1))).unwrap_or_default();
    // A name and the value of a label may not have a dot or a dash before the end of a part.
    format!("{}-{}", start.trim_end_matches(['.', '-', '_']), hash.get(..HASH).unwrap_or_default())
}

#[cfg(test)]
mod tests;
