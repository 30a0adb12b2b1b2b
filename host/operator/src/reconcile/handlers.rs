//! All handlers that are watched, for what depends on more than one of them, and how one has another looked at.

use std::collections::HashMap;
use std::sync::Arc;

use kube::ResourceExt;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher;
use tokio::sync::mpsc;

use crate::api::versioning_handler::VersioningHandler;

/// A handler as watches bring it, which may be unreadable.
pub type Guarded = DeserializeGuard<VersioningHandler>;

/// Which handler.
pub type HandlerKey = ObjectRef<Guarded>;

/// The handlers of all watches.
#[derive(Clone)]
pub struct Handlers(Arc<[Store<Guarded>]>);

impl Handlers {
    /// Those of `stores`, one for each watch, which the caller keeps filled.
    pub fn new(stores: impl IntoIterator<Item = Store<Guarded>>) -> Self {
        Self(stores.into_iter().collect())
    }

    /// Those of `list`, for a single look, which does not pay for a watch.
    pub fn listed(list: impl IntoIterator<Item = VersioningHandler>) -> Self {
        let (store, mut writer) = store();
        writer.apply_watcher_event(&watcher::Event::Init);
        for handler in list {
            writer.apply_watcher_event(&watcher::Event::InitApply(DeserializeGuard(Ok(handler))));
        }
        writer.apply_watcher_event(&watcher::Event::InitDone);
        Self::new([store])
    }

    /// One handler; none if it is not watched, or not known yet.
    pub fn get(&self, handler: &HandlerKey) -> Option<Arc<Guarded>> {
        self.0.iter().find_map(|store| store.get(handler))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Arc<Guarded>> {
        self.0.iter().flat_map(Store::state)
    }

    /// Those of a namespace that are `meant`.
    pub fn in_namespace(&self, namespace: &str, meant: impl Fn(&Guarded) -> bool) -> Vec<Arc<Guarded>> {
        let is_here = |handler: &Guarded| metadata(handler).namespace.as_deref() == Some(namespace);
        self.0.iter().flat_map(|store| store.state_filter(|handler| is_here(handler) && meant(handler))).collect()
    }

    /// Those that name `handler` in `spec.after`.
    pub fn followers(&self, handler: &VersioningHandler) -> Vec<HandlerKey> {
        let (namespace, name) = (handler.namespace(), handler.name_any());
        let names_it = |follower: &VersioningHandler| {
            follower.spec.after.iter().any(|predecessor| {
                let home = predecessor.namespace.clone().or_else(|| follower.namespace());
                predecessor.handler == name && home == namespace
            })
        };
        let is_follower = |follower: &Guarded| follower.0.as_ref().is_ok_and(names_it);
        let found = self.0.iter().flat_map(|store| store.state_filter(is_follower));
        found.map(|follower| HandlerKey::from_obj(&*follower)).collect()
    }
}

fn metadata(handler: &Guarded) -> &kube::api::ObjectMeta {
    kube::Resource::meta(handler)
}

/// Has handlers looked at although nothing about themselves has changed, in whichever scope they are watched.
#[derive(Clone, Default)]
pub struct Wake(Arc<HashMap<Option<String>, mpsc::UnboundedSender<HandlerKey>>>);

impl Wake {
    /// For these scopes, each a namespace or all of them. The receivers are for their controllers, in the same order.
    pub fn new(scopes: &[Option<String>]) -> (Self, Vec<mpsc::UnboundedReceiver<HandlerKey>>) {
        let channel = |scope: &Option<String>| {
            let (sender, receiver) = mpsc::unbounded_channel();
            ((scope.clone(), sender), receiver)
        };
        let (senders, receivers): (HashMap<_, _>, Vec<_>) = scopes.iter().map(channel).unzip();
        (Self(Arc::new(senders)), receivers)
    }

    /// Has `handler` looked at soon. Several times before that is as good as once; one that is not watched is nobody's business.
    pub fn wake(&self, handler: HandlerKey) {
        if let Some(sender) = self.0.get(&handler.namespace).or_else(|| self.0.get(&None)) {
            // Nobody listens any more while the operator stops.
            let _ = sender.send(handler);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_woken_where_it_is_watched() {
        let scopes = [Some("a".to_owned()), Some("b".to_owned())];
        let (wake, mut receivers) = Wake::new(&scopes);
        let handler = |namespace: &str| HandlerKey::new("web").within(namespace);
        for namespace in ["b", "a", "c"] {
            wake.wake(handler(namespace));
        }
        let woken: Vec<_> = receivers.iter_mut().map(|receiver| receiver.try_recv().unwrap().namespace).collect();
        assert_eq!(woken, scopes);
        assert!(receivers.iter_mut().all(|receiver| receiver.try_recv().is_err()), "c is watched by nobody");

        let (wake, mut everything) = Wake::new(&[None]);
        wake.wake(handler("c"));
        assert_eq!(everything[0].try_recv().unwrap(), handler("c"));
    }
}
