//! Since when there are tags, where the registry does not tell. Pure.
//!
//! Their age counts from the first check that saw them, which the status remembers; so a restart of the operator makes nothing younger. A
//! check that cannot reach the registry does not come here, and forgets nothing.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8supdater_core::policy::{self, Policy, Tagged, Verdict};

use super::Tags;
use crate::api::rollout_status::SeenTag;

/// Most tags whose time a container's status remembers.
const MOST: usize = 32;

impl Tags {
    /// Gives the candidates that the registry has no date for the time at which a check saw them first, as far as the policy asks for an
    /// age: the `known` one, or now.
    pub(super) fn dated(self, known: &[SeenTag]) -> Self {
        let (candidates, first_seen) = dated(&self.policy, &self.current, &self.candidates, known);
        Self { candidates, first_seen, ..self }
    }
}

/// `candidates` with their times, and what the status has to remember: the tags that could be applied but for what makes them wait, the
/// newest first.
///
/// Where there are too many, known ones stay, then the newest of the others come, and last what is older than the update that could be made
/// now. If the newest always came first, a repository with forty builds a day would never have one that is three days old.
fn dated(
    policy: &Policy,
    current: &Tagged,
    candidates: &Arc<[Tagged]>,
    known: &[SeenTag],
) -> (Arc<[Tagged]>, Vec<SeenTag>) {
    let Some(age) = policy.age.filter(|_| candidates.iter().any(|candidate| candidate.since.is_none())) else {
        return (Arc::clone(candidates), Vec::new());
    };
    // In whole seconds, as the status holds it, so that the next check says the same.
    let now = Timestamp::from_second(age.now.as_second()).unwrap_or(age.now);
    // What is seen now was seen by now, whatever clock has written it down.
    let known: HashMap<&str, Timestamp> = known.iter().map(|seen| (seen.tag.as_str(), seen.at.0.min(now))).collect();
    let mut dated = candidates.to_vec();
    for candidate in dated.iter_mut().filter(|candidate| candidate.since.is_none()) {
        candidate.since = known.get(candidate.tag.as_str()).copied();
    }
    // Which platforms are needed, and which a candidate has, is found out later, and only for those that are old enough.
    let policy = Policy { platforms: Vec::new(), ..policy.clone() };
    let ruling = policy::decide(&policy, current, &dated);
    let rank = |index: usize, candidate: &Tagged| match ruling.update {
        Some(update) if index != update && !policy::is_newer(&dated, index, update) => Rank::Older,
        _ if known.contains_key(candidate.tag.as_str()) => Rank::Known,
        _ => Rank::New,
    };
    let judged = candidates.iter().zip(&ruling.verdicts).enumerate();
    let undated = judged.filter(|(_, (candidate, verdict))| candidate.since.is_none() && may_come(**verdict));
    let mut seen: Vec<(Rank, usize, &Tagged)> =
        undated.map(|(index, (candidate, _))| (rank(index, candidate), index, candidate)).collect();
    seen.sort_by(|(rank, _, one), (other_rank, _, other)| rank.cmp(other_rank).then_with(|| newest_first(one, other)));
    seen.truncate(MOST);
    seen.sort_by(|(_, _, one), (_, _, other)| newest_first(one, other));
    let mut first_seen = Vec::with_capacity(seen.len());
    for (_, index, candidate) in seen {
        let at = known.get(candidate.tag.as_str()).copied().unwrap_or(now);
        first_seen.push(SeenTag { tag: candidate.tag.clone(), at: Time(at) });
        if let Some(dated) = dated.get_mut(index) {
            dated.since = Some(at);
        }
    }
    (dated.into(), first_seen)
}

/// Which tags are remembered before others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Its time is known already.
    Known,
    /// It is seen for the first time.
    New,
    /// The update that could be made now is newer, or the same under a better name.
    Older,
}

/// Whether a candidate may be applied by itself some day, as far as its verdict tells.
fn may_come(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Update | Verdict::Superseded | Verdict::TooYoung | Verdict::OnHold | Verdict::NotProven)
}

fn newest_first(one: &Tagged, other: &Tagged) -> Ordering {
    let versions = one.version.as_ref().zip(other.version.as_ref());
    let order = versions.map_or(Ordering::Equal, |(one, other)| other.order(one));
    order.then_with(|| one.tag.cmp(&other.tag))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8supdater_core::policy::{Frontier, MinimumAge, Platform};
    use k8supdater_core::version::Version;

    use super::*;

    /// The given hour of some days.
    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + hour * 3_600).unwrap()
    }

    /// `1.4.3`, or `1.4.3@5` with the date of the registry, in hours.
    fn tagged(text: &str) -> Tagged {
        let (tag, since) = text.split_once('@').map_or((text, None), |(tag, hour)| (tag, Some(hour.parse().unwrap())));
        let levels = tag.split('.').map(|level| level.parse().ok()).collect::<Option<Vec<u64>>>();
        let version = levels.map(|levels| Version { levels, ..Version::default() });
        Tagged { since: since.map(at), ..Tagged::new(tag, version) }
    }

    fn policy(hour: i64) -> Policy {
        let age = MinimumAge { minimum: Duration::from_hours(72), now: at(hour) + Duration::from_millis(7) };
        Policy { age: Some(age), ..Policy::new(Frontier::new(2).unwrap()) }
    }

    fn known(text: &str) -> Vec<SeenTag> {
        let read = |seen: &str| {
            let (tag, hour) = seen.split_once('@').unwrap();
            SeenTag { tag: tag.to_owned(), at: Time(at(hour.parse().unwrap())) }
        };
        text.split_whitespace().map(read).collect()
    }

    fn shown(seen: &[SeenTag]) -> String {
        let hour = |time: Timestamp| time.duration_since(at(0)).as_hours();
        seen.iter().map(|seen| format!("{}@{}", seen.tag, hour(seen.at.0))).collect::<Vec<_>>().join(" ")
    }

    /// Looks at `tags` on 1.4.2; gives what is remembered. All of it, and nothing else, has a time now that had none.
    fn look(policy: &Policy, tags: &str, remembered: &[SeenTag]) -> Vec<SeenTag> {
        let candidates: Arc<[Tagged]> = tags.split_whitespace().map(tagged).collect();
        let (dated, seen) = dated(policy, &tagged("1.4.2"), &candidates, remembered);
        for (before, after) in candidates.iter().zip(dated.iter()) {
            let remembered = seen.iter().find(|seen| seen.tag == after.tag).map(|seen| seen.at.0);
            assert!(before.since.is_none() || remembered.is_none(), "{after:?}");
            // What is forgotten may have had a time in this very check still.
            assert!(after.since == before.since.or(remembered) || remembered.is_none(), "{after:?}");
        }
        seen
    }

    #[test]
    fn what_could_be_applied_is_remembered_until_it_is_not_newer_any_more() {
        let check = |tags: &str, remembered: &str, expected: &str| {
            assert_eq!(shown(&look(&policy(100), tags, &known(remembered))), expected, "{tags}, {remembered}");
        };
        check("1.4.1 1.4.2 1.4.3 main 2.0.0", "", "1.4.3@100");
        check("1.4.3 1.4.4", "1.4.3@60", "1.4.4@100 1.4.3@60");
        check("1.4.3 1.4.4", "1.4.3@60 1.4.4@90", "1.4.4@90 1.4.3@60");
        // Old enough to be applied; the others are of no use as long as it is.
        check("1.4.3 1.4.4 1.4.5", "1.4.3@10 1.4.4@20", "1.4.5@100 1.4.4@20 1.4.3@10");
        // Not newer, not there, left of the frontier.
        check("1.4.1 1.4.2 2.0.0", "1.4.1@5 1.4.2@5 1.4.3@5 2.0.0@5", "");
        // The registry knows better.
        check("1.4.3@95 1.4.4", "1.4.3@60", "1.4.4@100");
        check("1.4.3@95", "1.4.3@60", "");
        // Seen in the future, by a clock that was wrong.
        check("1.4.3", "1.4.3@500", "1.4.3@100");
    }

    #[test]
    fn what_waits_for_something_else_grows_older_meanwhile() {
        let failed = Policy { failed: ["1.4.3".to_owned()].into(), ..policy(100) };
        assert_eq!(shown(&look(&failed, "1.4.3 1.4.4", &known("1.4.3@50"))), "1.4.4@100 1.4.3@50");
        let proven = Policy { proven: Some(std::iter::empty().collect()), ..policy(100) };
        assert_eq!(shown(&look(&proven, "1.4.3", &[])), "1.4.3@100");
        let held = Policy { held: ["1.4.3".to_owned()].into(), ..policy(100) };
        assert_eq!(shown(&look(&held, "1.4.3", &known("1.4.3@50"))), "");
        // Whether it has the platforms that are needed is looked up later.
        let platform = |architecture| Platform::new("linux", architecture);
        let nodes = Policy { platforms: vec![platform("amd64"), platform("arm64")], ..policy(100) };
        let candidate = Tagged { platforms: Some([platform("amd64")].into()), ..tagged("1.4.3") };
        let (_, seen) = dated(&nodes, &tagged("1.4.2"), &[candidate].into(), &[]);
        assert_eq!(shown(&seen), "1.4.3@100");
    }

    #[test]
    fn nobody_asks_for_an_age_and_nothing_is_remembered() {
        let any = Policy { age: None, ..policy(100) };
        assert_eq!(look(&any, "1.4.3", &known("1.4.3@60")), []);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let tags = |count: u32| (3..3 + count).map(|patch| format!("1.4.{patch}")).collect::<Vec<_>>().join(" ");
        let first = look(&policy(0), &tags(50), &[]);
        assert_eq!((first.len(), first[0].tag.as_str(), first[31].tag.as_str()), (32, "1.4.52", "1.4.21"));
        assert_eq!(look(&policy(1), &tags(60), &first), first, "known ones are not crowded out");
    }

    #[test]
    fn a_busy_repository_has_something_that_is_old_enough_at_last() {
        let mut remembered = Vec::new();
        let mut current = 2;
        let mut updates = Vec::new();
        // A new build each hour.
        for hour in 0..400_u32 {
            let candidates: Arc<[Tagged]> = (3..=3 + hour).map(|patch| tagged(&format!("1.4.{patch}"))).collect();
            let (policy, now) = (policy(i64::from(hour)), tagged(&format!("1.4.{current}")));
            let (dated, seen) = dated(&policy, &now, &candidates, &remembered);
            assert!(seen.len() <= MOST);
            remembered = seen;
            if let Some(update) = policy::decide(&policy, &now, &dated).update {
                let age = hour - (u32::try_from(update).unwrap());
                assert!(age >= 72, "1.4.{} is {age}h old", update + 3);
                current = update + 3;
                updates.push(hour);
            }
        }
        let longest = updates.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(updates[0] == 72 && longest <= 72, "{updates:?}");
    }
}
