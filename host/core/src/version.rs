//! Versions: what a version parser makes of a tag, and how two of them compare.
//!
//! A version knows nothing of the scheme that it was written in. The parser, a plugin, has turned the scheme's order into numbers and
//! bytes; all that is left to do here is to compare them. Start reading at [`Version::order`].

use std::cmp::Ordering;
use std::fmt;

/// A tag that a version parser has read.
///
/// There is no `Ord`: [`order`](Self::order) leaves [`flavor`](Self::flavor) and [`prerelease`](Self::prerelease) out and takes 1.0 for
/// 1.0.0, while `==` compares field by field. Both are needed, and an operator that mixed them up would be a trap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Version {
    /// Outranks all that follows; 0 in schemes that have none.
    pub epoch: u64,
    /// The numbers between the dots, most significant first.
    pub levels: Vec<u64>,
    /// Orders versions with the same levels, compared as bytes: release candidates, post releases.
    pub tail: Vec<u8>,
    /// Whether people should ask for it explicitly: alpha, beta, release candidate, development build.
    pub prerelease: bool,
    /// What must stay the same in an update, such as `-alpine`; empty if there is none.
    pub flavor: String,
}

/// The leftmost place where two versions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Difference {
    /// The epochs differ, which is left of everything.
    Epoch,
    /// The levels at this index, counted from 0, differ.
    Level(usize),
    /// Only the tails differ, which come after all levels.
    Tail {
        /// How many levels come before the tail: those of the version that has more.
        levels: usize,
    },
}

impl Version {
    /// Which of the two is newer: by epoch, then levels (short ones padded with zeros), then tail.
    ///
    /// Total among all versions: parsers that do not belong together give versions that compare, if not sensibly.
    pub fn order(&self, other: &Self) -> Ordering {
        let levels = || {
            let longest = self.levels.len().max(other.levels.len());
            (0..longest).map(|index| self.level(index).cmp(&other.level(index))).find(|order| order.is_ne())
        };
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| levels().unwrap_or(Ordering::Equal))
            .then_with(|| self.tail.cmp(&other.tail))
    }

    /// Where the two differ first, from the left; none exactly if [`order`](Self::order) takes them for the same.
    pub fn first_difference(&self, other: &Self) -> Option<Difference> {
        if self.epoch != other.epoch {
            return Some(Difference::Epoch);
        }
        let levels = self.levels.len().max(other.levels.len());
        match (0..levels).find(|&index| self.level(index) != other.level(index)) {
            Some(index) => Some(Difference::Level(index)),
            None if self.tail != other.tail => Some(Difference::Tail { levels }),
            None => None,
        }
    }

    /// The level at `index`; 0 beyond the last one.
    fn level(&self, index: usize) -> u64 {
        self.levels.get(index).copied().unwrap_or(0)
    }
}

/// For people: the levels with dots between them, after the epoch if there is one. Tail and flavor are not shown, because a tail is not
/// made to be read; whoever wants to name a version exactly shows the tag.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(f, "{}!", self.epoch)?;
        }
        for (index, level) in self.levels.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{level}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Epoch => f.write_str("the epoch"),
            Self::Level(index) => write!(f, "level {}", index.saturating_add(1)),
            Self::Tail { .. } => f.write_str("what follows the last level"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(levels: &[u64], tail: &str) -> Version {
        Version { levels: levels.to_vec(), tail: tail.into(), ..Version::default() }
    }

    #[test]
    fn order_goes_by_epoch_then_levels_then_tail() {
        let check = |one: Version, two: Version, order: Ordering, difference: Option<Difference>| {
            assert_eq!(one.order(&two), order, "{one:?} {two:?}");
            assert_eq!(two.order(&one), order.reverse(), "{two:?} {one:?}");
            assert_eq!(one.first_difference(&two), difference, "{one:?} {two:?}");
            assert_eq!(two.first_difference(&one), difference, "{two:?} {one:?}");
        };
        let level = |index| Some(Difference::Level(index));
        let tail = |levels| Some(Difference::Tail { levels });
        check(version(&[3, 2, 10], ""), version(&[3, 2, 9], ""), Ordering::Greater, level(2));
        check(version(&[9, 0, 0], ""), version(&[10, 0, 0], ""), Ordering::Less, level(0));
        check(version(&[1, 0], ""), version(&[1, 0, 0], ""), Ordering::Equal, None);
        check(version(&[], ""), version(&[0, 0], ""), Ordering::Equal, None);
        check(version(&[3, 1, 5], ""), version(&[3, 1, 5, 1], ""), Ordering::Less, level(3));
        check(version(&[5, 4, 1], ""), version(&[5, 3, 2, 9], ""), Ordering::Greater, level(1));
        check(version(&[u64::MAX], ""), version(&[u64::MAX - 1, 9], ""), Ordering::Greater, level(0));
        check(version(&[1, 2], "a"), version(&[1, 2], "b"), Ordering::Less, tail(2));
        check(version(&[1, 2], "a"), version(&[1, 2, 0, 0], ""), Ordering::Greater, tail(4));
        check(version(&[1, 2], "a"), version(&[1, 2], "aa"), Ordering::Less, tail(2));
        check(version(&[1, 3], "a"), version(&[1, 2], "b"), Ordering::Greater, level(1));
        let epoch = Version { epoch: 1, ..version(&[0, 1], "") };
        check(epoch, version(&[9, 9], "z"), Ordering::Greater, Some(Difference::Epoch));
    }

    #[test]
    fn flavor_and_prerelease_take_no_part_in_the_order() {
        let plain = version(&[1, 2], "");
        let other = Version { flavor: "-alpine".to_owned(), prerelease: true, ..plain.clone() };
        assert_eq!(plain.order(&other), Ordering::Equal);
        assert_eq!(plain.first_difference(&other), None);
        assert_ne!(plain, other);
    }

    #[test]
    fn people_read_levels_with_dots() {
        let check = |version: Version, expected: &str| assert_eq!(version.to_string(), expected);
        check(version(&[1, 22, 3], "rc1"), "1.22.3");
        check(version(&[], ""), "");
        check(Version { epoch: 2, ..version(&[7], "") }, "2!7");
    }

    /// Few and small values, so that equal parts are common.
    fn any_version() -> impl Strategy<Value = Version> {
        let levels = prop::collection::vec(prop_oneof![0..3_u64, Just(u64::MAX)], 0..5);
        let tail = prop::collection::vec(0..3_u8, 0..3);
        (0..2_u64, levels, tail, any::<bool>(), "(-alpine)?")
            .prop_map(|(epoch, levels, tail, prerelease, flavor)| Version { epoch, levels, tail, prerelease, flavor })
    }

    proptest! {
        #[test]
        fn order_is_reflexive_and_antisymmetric(one in any_version(), two in any_version()) {
            prop_assert_eq!(one.order(&one), Ordering::Equal);
            prop_assert_eq!(one.order(&two), two.order(&one).reverse());
        }

        #[test]
        fn order_is_transitive(mut three in prop::array::uniform3(any_version())) {
            three.sort_by(Version::order);
            let [low, middle, high] = three;
            prop_assert_ne!(low.order(&middle), Ordering::Greater);
            prop_assert_ne!(middle.order(&high), Ordering::Greater);
            prop_assert_ne!(low.order(&high), Ordering::Greater);
            let all_equal = low.order(&middle).is_eq() && middle.order(&high).is_eq();
            prop_assert_eq!(low.order(&high).is_eq(), all_equal);
        }

        #[test]
        fn zeros_at_the_end_change_nothing(one in any_version(), two in any_version(), zeros in 0..4_usize) {
            let mut padded = one.clone();
            padded.levels.resize(one.levels.len() + zeros, 0);
            prop_assert_eq!(padded.order(&one), Ordering::Equal);
            prop_assert_eq!(padded.order(&two), one.order(&two));
        }

        #[test]
        fn there_is_a_difference_exactly_where_the_order_sees_one(one in any_version(), two in any_version()) {
            prop_assert_eq!(one.first_difference(&two).is_none(), one.order(&two).is_eq());
            prop_assert_eq!(one.first_difference(&two), two.first_difference(&one));
        }
    }
}
