//! What a workload has run without trouble, for those that follow it. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::rollout_status::ProvenImage;
use crate::api::versioning_handler::{ContainerStatus, UpdateStatus};
use crate::workload::rollout::Rollout;

/// Most images that a container's status remembers.
const MOST: usize = 4;

/// Writes down in `status` what the container runs now, over what was known `before`.
///
/// An image proves itself from the end of its rollout on, until there is another one or its rollout fails after all. That pods are not
/// available for a while is no failure: nodes are drained, and autoscalers add pods.
pub(super) fn note(status: &mut ContainerStatus, before: Option<&ContainerStatus>, rollout: &Rollout, now: Timestamp) {
    let mut proven = before.map(|before| before.proven.clone()).unwrap_or_default();
    let update = status.update.as_ref().filter(|update| update.to == status.image);
    let is_watched = update.is_some_and(UpdateStatus::is_under_way);
    let digest = update.and_then(|update| update.digest.clone());
    let digest = digest.or_else(|| before.filter(|before| before.image == status.image)?.digest.clone());
    let is_ok = matches!(rollout, Rollout::Finished | Rollout::Applied { .. }) && !is_watched;
    let is_lost = matches!(rollout, Rollout::Failed { .. });
    if let Some(last) = proven.first_mut().filter(|last| last.until.is_none()) {
        if last.image != status.image || is_lost || digest.is_some() && last.digest.is_some() && last.digest != digest {
            last.until = Some(Time(now));
        } else {
            last.digest = last.digest.take().or(digest.clone());
        }
    }
    if is_ok && proven.first().is_none_or(|last| last.until.is_some()) {
        proven.insert(0, ProvenImage { image: status.image.clone(), digest, since: Time(now), until: None });
        proven.truncate(MOST);
    }
    status.proven = proven;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::versioning_handler::UpdatePhase;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Image, digest, and from when to when.
    fn shown(status: &ContainerStatus) -> Vec<String> {
        let until = |proven: &ProvenImage| {
            proven.until.as_ref().map_or("…".to_owned(), |until| until.0.as_second().to_string())
        };
        let show = |proven: &ProvenImage| {
            let digest = proven.digest.as_deref().unwrap_or("?");
            format!("{}@{digest} {}-{}", proven.image, proven.since.0.as_second(), until(proven))
        };
        status.proven.iter().map(show).collect()
    }

    #[test]
    fn an_image_proves_itself_from_the_end_of_its_rollout_until_the_next_one() {
        use UpdatePhase::{Failed, Finished, RollingOut};
        let going = Rollout::Progressing { waits_for: "pods".to_owned() };
        let stuck = Rollout::Failed { message: "stuck".to_owned() };
        let mut before = None;
        let mut check = |image: &str, phase: Option<UpdatePhase>, rollout: &Rollout, now: i64, expected: &[&str]| {
            let update = phase.map(|phase| {
                let announced = UpdateStatus::announced("app:0", image, Time(at(0)));
                UpdateStatus { phase, digest: Some("d".to_owned()), ..announced }
            });
            let mut status = ContainerStatus { image: image.to_owned(), update, ..ContainerStatus::default() };
            note(&mut status, before.as_ref(), rollout, at(now));
            assert_eq!(shown(&status), expected, "{image} {phase:?} {rollout:?} {now}");
            before = Some(status);
        };
        check("app:1", None, &going, 1, &[]);
        check("app:1", None, &Rollout::Finished, 2, &["app:1@? 2-…"]);
        check("app:1", None, &going, 3, &["app:1@? 2-…"]);
        check("app:1", None, &Rollout::Finished, 4, &["app:1@? 2-…"]);
        check("app:2", Some(RollingOut), &going, 5, &["app:1@? 2-5"]);
        // It has to stay available for a while first.
        check("app:2", Some(RollingOut), &Rollout::Finished, 6, &["app:1@? 2-5"]);
        check("app:2", Some(Finished), &Rollout::Finished, 7, &["app:2@d 7-…", "app:1@? 2-5"]);
        check("app:2", Some(Finished), &stuck, 8, &["app:2@d 7-8", "app:1@? 2-5"]);
        check("app:2", Some(Failed), &stuck, 9, &["app:2@d 7-8", "app:1@? 2-5"]);
        check("app:2", Some(Finished), &Rollout::Finished, 10, &["app:2@d 10-…", "app:2@d 7-8", "app:1@? 2-5"]);
        check("app:3", None, &Rollout::Finished, 11, &["app:3@? 11-…", "app:2@d 10-11", "app:2@d 7-8", "app:1@? 2-5"]);
        check(
            "app:4",
            None,
            &Rollout::Finished,
            12,
            &["app:4@? 12-…", "app:3@? 11-12", "app:2@d 10-11", "app:2@d 7-8"],
        );
    }
}
