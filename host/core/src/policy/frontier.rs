//! The line between what is applied and what a human decides.

use std::fmt;

use crate::version::Difference;

/// How many levels, counted from the left, only a human changes: 0 to [`Frontier::MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frontier(u32);

impl Frontier {
    /// Most levels; no version in use has as many.
    pub const MOST: u32 = 16;

    /// The frontier after this many levels; none if they are more than [`MOST`](Self::MOST).
    pub const fn new(levels: u32) -> Option<Self> {
        if levels <= Self::MOST { Some(Self(levels)) } else { None }
    }

    /// Whether a version that differs there is left of the frontier.
    ///
    /// What follows the last level counts as one level more. An epoch is left of all levels; only a frontier of 0, which has nothing to
    /// its left, lets it pass.
    pub fn is_left(self, difference: Difference) -> bool {
        let index = match difference {
            Difference::Epoch => 0,
            Difference::Level(index) => index,
            Difference::Tail { levels } => levels,
        };
        u32::try_from(index).is_ok_and(|index| index < self.0)
    }
}

impl fmt::Display for Frontier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frontiers_have_bounds() {
        let check = |levels: u32, expected: bool| assert_eq!(Frontier::new(levels).is_some(), expected, "{levels}");
        check(0, true);
        check(16, true);
        check(17, false);
        check(u32::MAX, false);
    }

    #[test]
    fn what_differs_before_the_frontier_is_left_of_it() {
        let check = |levels: u32, difference: Difference, expected: bool| {
            assert_eq!(Frontier::new(levels).unwrap().is_left(difference), expected, "{levels} {difference:?}");
        };
        check(0, Difference::Epoch, false);
        check(1, Difference::Epoch, true);
        check(0, Difference::Level(0), false);
        check(1, Difference::Level(0), true);
        check(1, Difference::Level(1), false);
        check(2, Difference::Level(1), true);
        check(2, Difference::Level(2), false);
        check(16, Difference::Level(usize::MAX), false);
        check(2, Difference::Tail { levels: 3 }, false);
        check(3, Difference::Tail { levels: 3 }, false);
        check(4, Difference::Tail { levels: 3 }, true);
        check(0, Difference::Tail { levels: 0 }, false);
    }
}
