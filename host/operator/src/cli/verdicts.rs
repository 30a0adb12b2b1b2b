//! What became of every tag of a repository, and by which rule, as a table. Pure.

use std::cmp::Ordering;

use k8supdater_core::policy::{Policy, Tagged, Verdict};

use super::table::Table;

/// One line for each of `candidates`, which were judged against `current`: the newest first, tags that are no versions last.
///
/// `verdicts` are those of [`policy::decide`](k8supdater_core::policy::decide), in the order of the candidates.
pub fn table(policy: &Policy, current: &Tagged, candidates: &[Tagged], verdicts: &[Verdict]) -> Table {
    let mut table = Table::new(&["TAG", "VERSION", "VERDICT", "RULE"]);
    for (candidate, verdict) in newest_first(candidates, verdicts) {
        let version = candidate.version.as_ref().map(ToString::to_string).unwrap_or_default();
        let rule = verdict.explain(policy, current, candidate);
        table.push([candidate.tag.clone(), version, verdict.reason().to_owned(), rule]);
    }
    table
}

/// Every candidate with its verdict: the newest first, tags that are no versions last, what is equally new by name.
pub fn newest_first<'a>(candidates: &'a [Tagged], verdicts: &'a [Verdict]) -> Vec<(&'a Tagged, Verdict)> {
    let mut judged: Vec<(&Tagged, Verdict)> = candidates.iter().zip(verdicts.iter().copied()).collect();
    judged.sort_by(|(one, _), (other, _)| {
        let by_version = match (&one.version, &other.version) {
            (Some(one), Some(other)) => other.order(one),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        by_version.then_with(|| one.tag.cmp(&other.tag))
    });
    judged
}

#[cfg(test)]
mod tests {
    use k8supdater_core::policy::{Frontier, decide};
    use k8supdater_core::version::Version;

    use super::*;

    #[test]
    fn the_newest_stand_first_each_with_its_rule() {
        let tagged = |tag: &str| {
            let levels = tag.split('.').map(|level| level.parse().ok()).collect::<Option<Vec<u64>>>();
            Tagged::new(tag, levels.map(|levels| Version { levels, ..Version::default() }))
        };
        let policy = Policy::new(Frontier::new(1).unwrap());
        let (current, candidates) = (tagged("1.1"), ["edge", "1.0", "2.0", "1.2", "1.1"].map(tagged));
        let ruling = decide(&policy, &current, &candidates);
        let shown = table(&policy, &current, &candidates, &ruling.verdicts).to_string();
        let firsts: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
        assert_eq!(
            firsts,
            [
                ["TAG", "VERSION", "VERDICT"],
                ["2.0", "2.0", "BeyondFrontier"],
                ["1.2", "1.2", "Update"],
                ["1.1", "1.1", "NotNewer"],
                ["1.0", "1.0", "NotNewer"],
                ["edge", "-", "NoVersion"],
            ]
        );
        assert!(shown.contains("it differs from 1.1 in level 1"), "{shown}");
    }
}
