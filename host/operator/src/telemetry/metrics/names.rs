//! Names that become values of labels, although nobody knows beforehand which there are: as many as there is room for.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::words::OTHER;

/// How many names are told apart. Each has some dozen series, and whoever may create handlers may name as many registries as he likes.
pub const MOST_NAMES: usize = 50;

/// The names that one label has had so far. None is forgotten: a counter that disappears and comes back is one that was set back.
#[derive(Debug)]
pub(super) struct Names {
    known: RwLock<HashSet<Arc<str>>>,
    other: Arc<str>,
}

impl Default for Names {
    fn default() -> Self {
        Self { known: RwLock::default(), other: OTHER.into() }
    }
}

impl Names {
    /// The value for `name` if it is known; [`OTHER`] if not.
    pub(super) fn find(&self, name: &str) -> Arc<str> {
        self.known(name).unwrap_or_else(|| self.other())
    }

    /// The value for `name`, which is known from now on if there is room; the others are [`OTHER`]. `is_new` is called for one that was not
    /// known before.
    pub(super) fn admit(&self, name: &str, is_new: impl FnOnce(&Arc<str>)) -> Arc<str> {
        if let Some(known) = self.known(name) {
            return known;
        }
        let mut names = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= MOST_NAMES || name == OTHER {
            return self.other();
        }
        let name: Arc<str> = name.into();
        if names.insert(Arc::clone(&name)) {
            is_new(&name);
        }
        name
    }

    pub(super) fn other(&self) -> Arc<str> {
        Arc::clone(&self.other)
    }

    fn known(&self, name: &str) -> Option<Arc<str>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_as_long_as_there_is_room() {
        let names = Names::default();
        let mut count = 0;
        for number in 0..3 * MOST_NAMES {
            for _ in 0..2 {
                let label = names.admit(&format!("r{number}"), |_| count += 1);
                assert_eq!(*label == *OTHER, number >= MOST_NAMES, "{number}");
            }
        }
        assert_eq!(count, MOST_NAMES);
        assert_eq!((&*names.find("r3"), &*names.find("r99"), &*names.find("never")), ("r3", OTHER, OTHER));
    }
}
