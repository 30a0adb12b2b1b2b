//! The last updates of a handler, as its status keeps them. Pure.

use std::cmp::Reverse;

use crate::api::conditions::shorten;
use crate::api::versioning_handler::{ContainerStatus, HistoryEntry, UpdatePhase, UpdateStatus};

/// Most updates that are kept; the oldest are forgotten first.
const MOST: usize = 20;
/// Longest reason that is kept of a failure, in bytes.
const LONGEST_MESSAGE: usize = 512;

/// `known` with the updates of `containers` that have ended, the newest first.
///
/// May be told the same again: an update is known by its container and its beginning. One that ended otherwise than it seemed, such as a
/// rollout that recovered, is corrected.
pub(super) fn history(known: &[HistoryEntry], containers: &[ContainerStatus]) -> Vec<HistoryEntry> {
    let mut history = known.to_vec();
    for container in containers {
        let Some(entry) = container.update.as_ref().and_then(|update| entry(&container.name, update)) else {
            continue;
        };
        let is_same = |known: &HistoryEntry| known.container == entry.container && known.started == entry.started;
        match history.iter_mut().find(|known| is_same(known)) {
            // A failure that somebody else has mended since was one nevertheless.
            Some(known) if is_failure(known.result) && entry.result == UpdatePhase::Overtaken => {}
            Some(known) if known.result == entry.result => {}
            Some(known) => *known = entry,
            None => history.push(entry),
        }
    }
    history.sort_by_key(|entry| Reverse(entry.started.0));
    history.truncate(MOST);
    history
}

fn is_failure(result: UpdatePhase) -> bool {
    matches!(result, UpdatePhase::Failed | UpdatePhase::RolledBack | UpdatePhase::RollbackFailed)
}

/// The update, if it has ended.
fn entry(container: &str, update: &UpdateStatus) -> Option<HistoryEntry> {
    let message = match update.phase {
        UpdatePhase::Announced | UpdatePhase::RollingOut | UpdatePhase::RollingBack => return None,
        UpdatePhase::Failed | UpdatePhase::RolledBack | UpdatePhase::RollbackFailed => update.failure.clone(),
        UpdatePhase::Finished | UpdatePhase::Overtaken => None,
    };
    let message = message.map(|message| shorten(message, LONGEST_MESSAGE));
    Some(HistoryEntry {
        container: container.to_owned(),
        from: update.from.clone(),
        to: update.to.clone(),
        from_digest: update.from_digest.clone(),
        digest: update.digest.clone(),
        reason: update.reason.clone(),
        rolled_back_by: update.rollback.as_ref().and_then(|rollback| rollback.by.clone()),
        approved_by: update.approved_by.clone(),
        started: update.started.clone(),
        finished: update.finished.clone(),
        result: update.phase,
        message,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn container(name: &str, started: i64, phase: UpdatePhase) -> ContainerStatus {
        let at = |second: i64| Time(Timestamp::from_second(second).unwrap());
        let update = UpdateStatus {
            phase,
            failure: (phase == UpdatePhase::Failed).then(|| "no pod is ready".to_owned()),
            approved_by: Some("ada".to_owned()),
            finished: Some(at(started + 5)),
            ..UpdateStatus::announced("app:1", &format!("app:{started}"), at(started))
        };
        ContainerStatus { name: name.to_owned(), update: Some(update), ..ContainerStatus::default() }
    }

    /// Container, beginning and result of each entry.
    fn check(
        known: &[HistoryEntry],
        containers: &[ContainerStatus],
        expected: &[(&str, i64, UpdatePhase)],
    ) -> Vec<HistoryEntry> {
        let found = history(known, containers);
        let seen: Vec<_> =
            found.iter().map(|it| (it.container.as_str(), it.started.0.as_second(), it.result)).collect();
        assert_eq!(seen, expected);
        // Being told the same again changes nothing.
        assert_eq!(history(&found, containers), found);
        found
    }

    #[test]
    fn what_has_ended_is_kept_once_the_newest_first() {
        use UpdatePhase::{Announced, Failed, Finished, Overtaken, RollingOut};
        let none = check(&[], &[container("app", 1, Announced), container("side", 1, RollingOut)], &[]);
        let one = check(&none, &[container("app", 1, Failed)], &[("app", 1, Failed)]);
        assert_eq!(one[0].message.as_deref(), Some("no pod is ready"));
        assert_eq!(one[0].approved_by.as_deref(), Some("ada"));
        check(&one, &[container("app", 1, Overtaken)], &[("app", 1, Failed)]);
        let recovered = check(&one, &[container("app", 1, Finished)], &[("app", 1, Finished)]);
        assert_eq!(recovered[0].message, None);
        let two = [container("app", 9, Overtaken), container("side", 4, Finished)];
        check(&recovered, &two, &[("app", 9, Overtaken), ("side", 4, Finished), ("app", 1, Finished)]);
    }

    #[test]
    fn it_is_bounded_and_an_old_update_of_another_container_pushes_nothing_out() {
        let mut known = Vec::new();
        for second in 10..60 {
            let containers =
                [container("app", second, UpdatePhase::Finished), container("old", 1, UpdatePhase::Finished)];
            known = history(&known, &containers);
        }
        assert_eq!(
            (known.len(), known[0].started.0.as_second(), known[MOST - 1].started.0.as_second()),
            (MOST, 59, 40)
        );
    }
}
