//! Which refused tags are shown. Pure.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use k8supdater_core::policy::{Policy, Tagged, Verdict};

use crate::api::versioning_handler::RefusedTag;

/// Most refused tags that are listed for a container: the newest, which are those that people ask about.
const MOST: usize = 5;
/// Most of them that were refused by the same rule: a repository that is full of dates would hide all other refusals.
const MOST_PER_RULE: usize = 2;

/// The newest tags that are newer than the current one and were refused, each with the rule that refused it. A place that other rules leave
/// free goes to the next newest, whatever its rule.
pub(super) fn refused(
    policy: &Policy,
    current: &Tagged,
    candidates: &[Tagged],
    verdicts: &[Verdict],
) -> Vec<RefusedTag> {
    let mut by_rule: BTreeMap<&'static str, Vec<(&Tagged, Verdict)>> = BTreeMap::new();
    for (tagged, verdict) in candidates.iter().zip(verdicts).filter(|(_, verdict)| verdict.is_near_miss()) {
        by_rule.entry(verdict.reason()).or_default().push((tagged, *verdict));
    }
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for refused in by_rule.values_mut() {
        // A repository may have thousands of near misses, and only a handful is shown: they alone are worth sorting.
        if refused.len() > MOST {
            refused.select_nth_unstable_by(MOST, newest_first);
            refused.truncate(MOST);
        }
        refused.sort_unstable_by(newest_first);
        let (shown, spare) = refused.split_at(refused.len().min(MOST_PER_RULE));
        first.extend_from_slice(shown);
        others.extend_from_slice(spare);
    }
    first.sort_unstable_by(newest_first);
    first.truncate(MOST);
    others.sort_unstable_by(newest_first);
    others.truncate(MOST - first.len());
    first.append(&mut others);
    first.sort_unstable_by(newest_first);
    first
        .into_iter()
        .map(|(tagged, verdict)| RefusedTag {
            tag: tagged.tag.clone(),
            reason: verdict.reason().to_owned(),
            message: verdict.explain(policy, current, tagged),
        })
        .collect()
}

fn newest_first((one, _): &(&Tagged, Verdict), (two, _): &(&Tagged, Verdict)) -> Ordering {
    match (&one.version, &two.version) {
        (Some(one_version), Some(two_version)) => two_version.order(one_version).then_with(|| one.tag.cmp(&two.tag)),
        _ => one.tag.cmp(&two.tag),
    }
}

#[cfg(test)]
mod tests {
    use k8supdater_core::policy::{Frontier, decide};
    use k8supdater_core::version::Version;

    use super::*;

    fn tagged(tag: &str) -> Tagged {
        let (version, flavor) = tag.split_once('-').map_or((tag, ""), |(version, flavor)| (version, flavor));
        let levels = version.split('.').map(|level| level.parse().unwrap()).collect();
        Tagged::new(tag, Some(Version { levels, flavor: flavor.to_owned(), ..Version::default() }))
    }

    fn check(candidates: &str, expected: &str) {
        let candidates: Vec<Tagged> = candidates.split_whitespace().map(tagged).collect();
        let (policy, current) = (Policy::new(Frontier::new(2).unwrap()), tagged("1.4.2"));
        let ruling = decide(&policy, &current, &candidates);
        let shown = refused(&policy, &current, &candidates, &ruling.verdicts);
        assert_eq!(shown.iter().map(|refused| refused.tag.as_str()).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn the_newest_are_shown_and_no_rule_crowds_out_the_others() {
        check("1.4.1 1.4.3 1.5.0", "1.5.0");
        check("2.0 2.1 2.2 2.3 2.4 2.5", "2.5 2.4 2.3 2.2 2.1");
        check(
            "20240101 20240102 20240103 20240104 20240105 20240106 2.0 3.0-slim",
            "20240106 20240105 20240104 3.0-slim 2.0",
        );
        check(
            "20240101 20240102 20240103 2.0 2.1 2.2 3.0-slim 3.1-slim 3.2-slim",
            "20240103 20240102 3.2-slim 3.1-slim 2.2",
        );
    }
}
