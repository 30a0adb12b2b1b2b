//! How many requests are under way at the same time: to one origin, and in total.
//!
//! Registries count connections, and a thousand handlers that wake up together must not look like an attack.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8supdater_core::origin::Origin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many origins are remembered before those without any request are forgotten.
const MANY_ORIGINS: usize = 256;

/// All places, free and taken.
pub(crate) struct Places {
    total: Arc<Semaphore>,
    per_origin: usize,
    origins: Mutex<HashMap<Origin, Arc<Semaphore>>>,
}

/// A taken place; dropping it frees it.
pub(crate) struct Place {
    _origin: OwnedSemaphorePermit,
    _total: OwnedSemaphorePermit,
}

impl Places {
    /// At most `per_origin` places for one origin, and `total` for all of them. Neither may be zero, or nobody ever gets one.
    pub(crate) fn new(per_origin: usize, total: usize) -> Self {
        Self { total: Arc::new(Semaphore::new(total)), per_origin, origins: Mutex::default() }
    }

    /// Waits for a place, first come first served.
    ///
    /// Whoever holds one must not wait for another: all could be held by such waiters.
    /// Cancel-safe: dropping the future gives up its place in the queue.
    pub(crate) async fn take(&self, origin: &Origin) -> Place {
        // The origin's place first, so that the queue for a slow origin does not hold the places of all others.
        let of_origin = acquire(self.semaphore(origin)).await;
        let of_all = acquire(Arc::clone(&self.total)).await;
        Place { _origin: of_origin, _total: of_all }
    }

    fn semaphore(&self, origin: &Origin) -> Arc<Semaphore> {
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if origins.len() >= MANY_ORIGINS {
            // Whoever waits for or holds a place has a reference of his own.
            origins.retain(|_, semaphore| Arc::strong_count(semaphore) > 1);
        }
        Arc::clone(origins.entry(origin.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.per_origin))))
    }
}

async fn acquire(semaphore: Arc<Semaphore>) -> OwnedSemaphorePermit {
    semaphore.acquire_owned().await.expect("these semaphores are never closed")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn one_origin_cannot_take_the_places_of_another() {
        let origin = |n: usize| Origin::parse(&format!("https://r{n}.example")).unwrap();
        let places = Places::new(2, 3);
        let take = |n: usize| places.take(&origin(n)).now_or_never();
        let (first, second) = (take(1), take(1));
        assert!(first.is_some() && second.is_some());
        assert!(take(1).is_none(), "two is the most for one origin");
        let third = take(2);
        assert!(third.is_some());
        assert!(take(3).is_none(), "three is the most in total");
        drop(first);
        assert!(take(3).is_some());
    }

    #[test]
    fn origins_without_requests_are_forgotten() {
        let places = Places::new(1, 1);
        for n in 0..10 * MANY_ORIGINS {
            let origin = Origin::parse(&format!("https://r{n}.example")).unwrap();
            assert!(places.take(&origin).now_or_never().is_some());
        }
        assert!(places.origins.lock().unwrap().len() <= MANY_ORIGINS);
    }
}
