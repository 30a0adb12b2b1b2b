//! How many levels a candidate may have.

use crate::version::Version;

/// Whether a candidate must be as precise as the current tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// As many levels as it likes: 1.27 is followed by 1.28.1.
    #[default]
    Any,
    /// As many levels as the current tag: 1.27 is followed by 1.28 only, which the registry moves from patch to patch.
    Same,
}

impl Precision {
    /// Whether a `candidate` is precise enough, and not too precise, to follow the version `now`.
    pub(super) fn allows(self, now: &Version, candidate: &Version) -> bool {
        match self {
            Self::Any => true,
            Self::Same => now.levels.len() == candidate.levels.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_counts_levels() {
        let check = |precision: Precision, now: &[u64], candidate: &[u64], expected: bool| {
            let version = |levels: &[u64]| Version { levels: levels.to_vec(), ..Version::default() };
            let found = precision.allows(&version(now), &version(candidate));
            assert_eq!(found, expected, "{precision:?} {now:?} {candidate:?}");
        };
        check(Precision::Any, &[5, 3], &[5, 4, 1], true);
        check(Precision::Any, &[5, 3], &[6], true);
        check(Precision::Same, &[5, 3], &[5, 4], true);
        check(Precision::Same, &[5, 3], &[5, 4, 0], false);
        check(Precision::Same, &[5, 3, 0], &[5, 4], false);
        check(Precision::Same, &[5], &[6], true);
    }
}
