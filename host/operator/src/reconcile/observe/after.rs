//! What the workloads that go first have proved: `spec.after`. Looks at what watches have brought, and is pure apart from that.

use std::time::Duration;

use jiff::Timestamp;
use k8supdater_core::image::ImageReference;
use k8supdater_core::policy::after::{Proofs, Run};
use kube::ResourceExt;

use crate::answer;
use crate::api::rollout_status::ProvenImage;
use crate::api::versioning_handler::VersioningHandler;
use crate::fleet;
use crate::reconcile::handlers::{HandlerKey, Handlers};
use crate::reconcile::validate::{HandlerRef, Predecessor, Target};

/// Stands for every namespace in `followers`.
const EVERY: &str = "*";

/// What all predecessors have proved of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// From when on which tags are proved.
    pub proofs: Proofs,
    /// Why a predecessor proves nothing at all, in words, for each that does not.
    pub obstacles: Vec<String>,
    /// What the others have to say: who they are, and how long an image has to run there.
    pub predecessors: Vec<String>,
}

impl After {
    /// What the predecessors in `target` have proved of the repository of `image`; none if it has no predecessors.
    pub(super) fn of(handlers: &Handlers, target: &Target, image: &ImageReference) -> Option<Self> {
        let mut after = Self::default();
        let mut proofs: Option<Proofs> = None;
        for predecessor in &target.after {
            let key = HandlerKey::new(&predecessor.name).within(&predecessor.namespace);
            let found = handlers.get(&key);
            let found = found.as_ref().and_then(|handler| handler.0.as_ref().ok());
            let proved = match runs(found, predecessor, &target.handler) {
                Ok(runs) => {
                    let soak = match predecessor.soak {
                        Duration::ZERO => String::new(),
                        soak => format!(" for {}", answer::as_duration(soak)),
                    };
                    after.predecessors.push(format!("{}{soak}", named(predecessor)));
                    Proofs::of(&runs, image, predecessor.soak)
                }
                Err(obstacle) => {
                    after.obstacles.push(obstacle);
                    Proofs::default()
                }
            };
            proofs = Some(proofs.map_or(proved.clone(), |proofs| proofs.and(&proved)));
        }
        after.proofs = proofs?;
        Some(after)
    }

    /// What is waited for, in words.
    pub fn explain(&self, now: Timestamp) -> String {
        if !self.obstacles.is_empty() {
            return self.obstacles.join("; ");
        }
        let next =
            self.proofs.next(now).map(|next| format!("; the next version is proved at {next}")).unwrap_or_default();
        format!("it has to run without trouble first at {}{next}", self.predecessors.join(" and "))
    }
}

fn named(Predecessor { namespace, name, .. }: &Predecessor) -> String {
    format!("VersioningHandler {namespace}/{name}")
}

/// What a predecessor has run; or why nobody may know.
fn runs(
    found: Option<&VersioningHandler>,
    predecessor: &Predecessor,
    follower: &HandlerRef,
) -> Result<Vec<Run>, String> {
    let Some(handler) = found else {
        return Err(format!("{}, which spec.after names, does not exist or is not watched", named(predecessor)));
    };
    if handler.spec.selector.is_some() {
        return Err(format!(
            "{} looks after several workloads; let spec.after name one of its members, as \"kubectl get vh -n {} -l {}={}\" lists them",
            named(predecessor),
            predecessor.namespace,
            fleet::LABEL,
            predecessor.name
        ));
    }
    let is_allowed = handler.namespace().as_deref() == Some(&follower.namespace)
        || handler.spec.followers.iter().any(|namespace| namespace == EVERY || *namespace == follower.namespace);
    if !is_allowed {
        return Err(format!(
            "{} does not let this namespace follow it: add {:?} to its spec.followers",
            named(predecessor),
            follower.namespace
        ));
    }
    let containers = handler.status.iter().flat_map(|status| &status.containers);
    Ok(containers.flat_map(|container| &container.proven).filter_map(run).collect())
}

fn run(proven: &ProvenImage) -> Option<Run> {
    Some(Run {
        image: proven.image.parse().ok()?,
        digest: proven.digest.as_ref().and_then(|digest| digest.parse().ok()),
        since: proven.since.0,
        until: proven.until.as_ref().map(|until| until.0),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::RawConfig;
    use crate::reconcile::validate::validate;

    fn handler(namespace: &str, name: &str, spec: &Value, proven: &Value) -> VersioningHandler {
        let mut full = json!({"deployment": "web", "containerregistry": "oci"});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let container = json!({"name": "app", "image": "app:1", "decision": "None", "proven": proven});
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "spec": full,
            "metadata": {"name": name, "namespace": namespace}, "status": {"containers": [container]},
        }))
        .unwrap()
    }

    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn check(after: Value, others: &[VersioningHandler], expected: &[&str], why: &str) {
        let now: Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let handlers = Handlers::listed(others.to_vec());
        let target = handler("prod", "web", &json!({"after": after}), &json!([]));
        let target = validate(&target, &RawConfig::default().check().unwrap()).unwrap();
        let after = After::of(&handlers, &target, &"app:0".parse().unwrap()).unwrap();
        assert_eq!(after.proofs.proven(now).tags().collect::<Vec<_>>(), expected);
        assert!(after.explain(now).contains(why), "{why} in {}", after.explain(now));
    }

    #[test]
    fn what_predecessors_have_run_for_long_enough_is_proved() {
        let ran = json!([{"image": "app:2", "since": "2026-01-01T12:00:00Z"},
                         {"image": "app:1", "since": "2026-01-01T00:00:00Z", "until": "2026-01-01T12:00:00Z"}]);
        let none = json!({});
        let staging = handler("prod", "staging", &none, &ran);
        let named = |soak: &str| json!([{"handler": "staging", "soak": soak}]);
        check(named("0s"), std::slice::from_ref(&staging), &["1", "2"], "first at VersioningHandler prod/staging");
        check(named("12h"), std::slice::from_ref(&staging), &["1", "2"], "staging");
        check(
            named("13h"),
            std::slice::from_ref(&staging),
            &[],
            "staging for 13h; the next version is proved at 2026-01-02T01:00:00Z",
        );
        let fleet = handler("prod", "staging", &json!({"deployment": null, "selector": {}}), &ran);
        check(
            named("1h"),
            &[fleet],
            &[],
            "prod/staging looks after several workloads; let spec.after name one of its members",
        );
        check(named("1h"), &[], &[], "prod/staging, which spec.after names, does not exist or is not watched");
        let two = json!([{"handler": "staging"}, {"handler": "canary"}]);
        let canary = handler("prod", "canary", &none, &json!([{"image": "app:2", "since": "2026-01-01T12:00:00Z"}]));
        check(two, &[staging, canary], &["2"], "prod/staging and VersioningHandler prod/canary");
    }

    #[test]
    fn the_handler_of_another_namespace_has_to_agree() {
        let ran = json!([{"image": "app:2", "since": "2026-01-01T12:00:00Z"}]);
        let other = |followers: Value| handler("stage", "web", &json!({"followers": followers}), &ran);
        let named = || json!([{"handler": "web", "namespace": "stage"}]);
        check(
            named(),
            &[other(json!([]))],
            &[],
            "does not let this namespace follow it: add \"prod\" to its spec.followers",
        );
        check(named(), &[other(json!(["qa"]))], &[], "add \"prod\"");
        check(named(), &[other(json!(["qa", "prod"]))], &["2"], "");
        check(named(), &[other(json!(["*"]))], &["2"], "");
    }
}
