//! Which notices a channel gets.

use super::{Kind, Level, Notice};

/// Which notices a channel gets. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of these levels; empty for all levels.
    pub levels: Vec<Level>,
    /// Those of these kinds; empty for all kinds.
    pub kinds: Vec<Kind>,
}

impl Filter {
    /// Whether the channel gets `notice`.
    pub fn lets_through(&self, notice: &Notice) -> bool {
        (self.levels.is_empty() || self.levels.contains(&notice.level))
            && (self.kinds.is_empty() || self.kinds.contains(&notice.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::notice;
    use super::*;

    #[test]
    fn level_and_kind_must_both_fit() {
        let check = |levels: &[Level], kinds: &[Kind], level: Level, kind: Kind, expected: bool| {
            let filter = Filter { levels: levels.to_vec(), kinds: kinds.to_vec() };
            let notice = Notice { level, ..notice(kind) };
            assert_eq!(filter.lets_through(&notice), expected, "{filter:?} {level} {kind}");
        };
        check(&[Level::Warning], &[], Level::Info, Kind::Updated, false);
        check(&[Level::Warning], &[], Level::Warning, Kind::Updated, true);
        check(&[Level::Warning], &[], Level::Critical, Kind::Updated, false);
        check(&[Level::Warning, Level::Critical], &[], Level::Critical, Kind::Updated, true);
        check(&[], &[Kind::Restarted, Kind::Updated], Level::Info, Kind::Updated, true);
        check(&[], &[Kind::Restarted], Level::Critical, Kind::Updated, false);
        check(&[Level::Error], &[Kind::Updated], Level::Info, Kind::Updated, false);
        for kind in Kind::ALL {
            assert!(Filter::default().lets_through(&Notice { level: Level::Debug, ..notice(kind) }));
        }
    }
}
