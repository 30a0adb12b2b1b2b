//! Which of several handlers looks after a container: the one that was there first.
//!
//! Two handlers that both changed one image would undo each other's work for ever. So the older one acts, and the newer one says so. Pure, but
//! for [`Claims::of`], which looks at what watches have brought.

use std::sync::Arc;

use kube::ResourceExt;

use super::handlers::{Guarded, Handlers};
use super::validate::Target;
use crate::api::pace::Mode;
use crate::api::versioning_handler::{VersioningHandler, VersioningHandlerSpec};
use crate::workload::containers::List;

/// The handlers that come before another one.
#[derive(Debug, Default)]
pub struct Claims(Vec<Arc<Guarded>>);

impl Claims {
    /// Those that come before the handler of `target`.
    pub fn of(handlers: &Handlers, target: &Target) -> Self {
        let names_it = |handler: &VersioningHandler| handler.spec.workload_ref().as_ref() == Some(&target.workload);
        let all = handlers.in_namespace(&target.handler.namespace, |handler| handler.0.as_ref().is_ok_and(names_it));
        let this =
            all.iter().filter_map(|handler| handler.0.as_ref().ok()).find(|it| it.name_any() == target.handler.name);
        let Some(this) = this.cloned() else { return Self::default() };
        let comes_first = |handler: &Arc<Guarded>| handler.0.as_ref().is_ok_and(|handler| comes_before(handler, &this));
        Self(all.into_iter().filter(comes_first).collect())
    }

    /// Name of the oldest handler that looks after that container; none if no other one does.
    pub fn on(&self, list: List, container: &str) -> Option<String> {
        let claiming = self.0.iter().filter_map(|handler| handler.0.as_ref().ok());
        let claiming = claiming.filter(|handler| looks_after(&handler.spec, list, container));
        claiming.min_by_key(|handler| handler.seniority()).map(ResourceExt::name_any)
    }
}

/// Whether `other`, which names the same workload, has a better right to it than `this`. Who only looks has none, and needs none.
fn comes_before(other: &VersioningHandler, this: &VersioningHandler) -> bool {
    let acts = |handler: &VersioningHandler| handler.spec.mode != Some(Mode::Preview);
    acts(other) && acts(this) && other.seniority() < this.seniority()
}

/// Whether a handler with that spec looks after a container of its workload. A suspended one still does.
fn looks_after(spec: &VersioningHandlerSpec, list: List, container: &str) -> bool {
    match (spec.containers.iter().find(|exception| exception.name == container), list) {
        (Some(exception), _) => !exception.ignore,
        (None, List::Containers) => true,
        (None, List::InitContainers | List::Volumes) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::RawConfig;
    use crate::reconcile::validate::validate;

    fn handler(name: &str, created: u32, spec: &Value) -> VersioningHandler {
        let mut full = json!({"containerregistry": "oci"});
        if spec.get("workload").is_none() {
            full["deployment"] = json!("web");
        }
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "spec": full,
            "metadata": {"name": name, "namespace": "team-a", "creationTimestamp": format!("2026-01-02T03:04:{created:02}Z")},
        }))
        .unwrap()
    }

    /// Who is before a handler `me`, created in second 5 with that spec, at the container `app`, or at the init container `setup`.
    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn check(me: Value, others: &[(&str, u32, Value)], list: List, expected: Option<&str>) {
        let me = handler("me", 5, &me);
        let target = validate(&me, &RawConfig::default().check().unwrap()).unwrap();
        let all = others.iter().map(|(name, created, spec)| handler(name, *created, spec)).chain([me]);
        let claims = Claims::of(&Handlers::listed(all), &target);
        let container = if list == List::Containers { "app" } else { "setup" };
        assert_eq!(claims.on(list, container).as_deref(), expected, "{others:?}");
    }

    #[test]
    fn the_oldest_that_looks_after_a_container_acts() {
        let plain = || json!({});
        let of = |spec: Value, expected: Option<&str>| check(plain(), &[("x", 4, spec)], List::Containers, expected);
        of(plain(), Some("x"));
        of(json!({"suspend": true}), Some("x"));
        of(json!({"workload": {"kind": "Deployment", "name": "web"}}), Some("x"));
        of(json!({"containers": [{"name": "side", "ignore": true}]}), Some("x"));
        of(json!({"containers": [{"name": "app", "ignore": true}]}), None);
        of(json!({"mode": "Preview"}), None);
        of(json!({"mode": "Notify"}), Some("x"));
        of(json!({"workload": {"kind": "StatefulSet", "name": "web"}}), None);
        check(plain(), &[("x", 6, plain())], List::Containers, None);
        check(
            plain(),
            &[("x", 4, plain()), ("a", 3, plain()), ("b", 2, json!({"mode": "Preview"}))],
            List::Containers,
            Some("a"),
        );
        check(json!({"mode": "Preview"}), &[("x", 4, plain())], List::Containers, None);
        // Created in one second: the name decides.
        check(plain(), &[("a", 5, plain())], List::Containers, Some("a"));
        check(plain(), &[("x", 5, plain())], List::Containers, None);
    }

    #[test]
    fn an_init_container_is_claimed_by_naming_it() {
        let named = || json!({"containers": [{"name": "setup"}]});
        check(named(), &[("x", 4, json!({}))], List::InitContainers, None);
        check(named(), &[("x", 4, named())], List::InitContainers, Some("x"));
    }

    #[test]
    fn a_handler_that_no_watch_knows_is_before_nobody() {
        let me = handler("me", 5, &json!({}));
        let target = validate(&me, &RawConfig::default().check().unwrap()).unwrap();
        let claims = Claims::of(&Handlers::listed([handler("x", 4, &json!({}))]), &target);
        assert_eq!(claims.on(List::Containers, "app"), None);
    }
}
