//! What becomes of an update of a CronJob: the first Job with the new image shows it.
//!
//! Asked for only while an update is under way. Jobs are not watched: a CronJob's own status changes when one of them begins or ends.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::core::Selector;
use kube::{Api, ResourceExt};

use super::pods::{Complaint, complaint, has_image};
use super::rollout::{Rollout, rollout};
use super::{Workload, WorkloadError, Workloads};

/// How far an update of a CronJob is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextJob {
    /// Finished or failed as the Job is; progressing as long as none has ended. A failure says what is the matter with the Job's pods.
    pub rollout: Rollout,
    /// The same of a failure, if there still are such pods, for whoever wants to know which container is at fault.
    pub complaint: Option<Complaint>,
}

/// A Job that has ended.
#[derive(Clone, Copy, Debug)]
struct Ended<'a> {
    job: &'a Job,
    condition: &'a JobCondition,
}

impl Workloads {
    /// How far the update of a CronJob is that gave it `images`, each with the name of its container, not before `since`: what the first
    /// Job that has all of them and has ended came to. Of a workload of another kind it is the rollout.
    ///
    /// # Errors
    /// [`WorkloadError::Api`].
    pub async fn next_job(
        &self,
        workload: &Workload,
        images: &[(&str, &str)],
        since: Timestamp,
    ) -> Result<NextJob, WorkloadError> {
        let Workload::CronJob(cron_job) = workload else {
            return Ok(NextJob { rollout: rollout(workload), complaint: None });
        };
        let failed = |verb| move |err| WorkloadError::api(verb, workload.namespace(), &workload.reference(), err);
        let api: Api<Job> = Api::namespaced(self.client.clone(), workload.namespace());
        let jobs = api.list(&ListParams::default()).await.map_err(failed("list the Jobs of"))?.items;
        let jobs = of_update(cron_job, &jobs, images, since);
        let pods = match first_ended(&jobs).filter(Ended::is_failure) {
            Some(ended) => self.pods_of_job(ended.job).await.map_err(failed("list the pods of"))?,
            None => Vec::new(),
        };
        let complaint = complaint(&pods, images);
        Ok(NextJob { rollout: judge(cron_job, &jobs, complaint.as_ref(), since), complaint })
    }

    async fn pods_of_job(&self, job: &Job) -> kube::Result<Vec<Pod>> {
        // Its controller has given it one that selects by its uid.
        let selector = job.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
        let Ok(selector) = Selector::try_from(selector) else { return Ok(Vec::new()) };
        if selector.selects_all() {
            return Ok(Vec::new());
        }
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &job.namespace().unwrap_or_default());
        Ok(api.list(&ListParams::default().labels_from(&selector)).await?.items)
    }
}

/// Those of `jobs` that `cron_job` has made with all of `images`, not before `since`. Pure, like all that follows.
fn of_update<'a>(cron_job: &CronJob, jobs: &'a [Job], images: &[(&str, &str)], since: Timestamp) -> Vec<&'a Job> {
    let uid = cron_job.metadata.uid.as_deref().unwrap_or_default();
    let is_of_update = |job: &&Job| {
        let is_own = job.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.uid == uid);
        // The API server counts in whole seconds.
        let is_later = job.creation_timestamp().is_some_and(|created| created.0.as_second() >= since.as_second());
        let pod = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        is_own && is_later && pod.is_some_and(|pod| images.iter().all(|(name, image)| has_image(pod, name, image)))
    };
    jobs.iter().filter(is_of_update).collect()
}

/// That of `jobs` which ended first.
fn first_ended<'a>(jobs: &[&'a Job]) -> Option<Ended<'a>> {
    let ended = jobs.iter().filter_map(|job| {
        let conditions = job.status.as_ref()?.conditions.as_deref()?;
        let is_end = |it: &&JobCondition| matches!(it.type_.as_str(), "Complete" | "Failed") && it.status == "True";
        Some(Ended { job, condition: conditions.iter().find(is_end)? })
    });
    ended.min_by_key(|ended| (ended.condition.last_transition_time.as_ref().map(|at| at.0), ended.job.name_any()))
}

/// What `jobs`, all those with the new image, say of the update; `complaint` is about the pods of the one that has failed.
fn judge(cron_job: &CronJob, jobs: &[&Job], complaint: Option<&Complaint>, since: Timestamp) -> Rollout {
    if let Some(ended) = first_ended(jobs) {
        return if ended.is_failure() { Rollout::Failed { message: ended.why(complaint) } } else { Rollout::Finished };
    }
    if is_seen_to_succeed(cron_job, since) {
        return Rollout::Finished;
    }
    let waits_for = match jobs.iter().map(|job| job.name_any()).min() {
        Some(name) => format!("the Job {name} to end"),
        None if cron_job.spec.suspend == Some(true) => "the next Job; the CronJob is suspended".to_owned(),
        None => "the next Job".to_owned(),
    };
    Rollout::Progressing { waits_for }
}

/// Whether a Job that is not kept has succeeded, as with `successfulJobsHistoryLimit: 0`: the last one was to begin after the update, and a
/// Job has succeeded since then. A failure of Jobs that are not kept is not seen.
fn is_seen_to_succeed(cron_job: &CronJob, since: Timestamp) -> bool {
    let status = cron_job.status.as_ref();
    let scheduled = status.and_then(|status| status.last_schedule_time.as_ref());
    let succeeded = status.and_then(|status| status.last_successful_time.as_ref());
    scheduled.zip(succeeded).is_some_and(|(scheduled, succeeded)| scheduled.0 > since && succeeded.0 >= scheduled.0)
}

impl Ended<'_> {
    fn is_failure(&self) -> bool {
        self.condition.type_ == "Failed"
    }

    /// In words, of a failure.
    fn why(&self, complaint: Option<&Complaint>) -> String {
        let said = [self.condition.reason.as_deref(), self.condition.message.as_deref()];
        let said = said.into_iter().flatten().filter(|said| !said.is_empty()).map(|said| format!(": {said}"));
        let complaint = complaint.map(|complaint| format!("; {}", complaint.text)).unwrap_or_default();
        format!("the Job {} failed{}{complaint}", self.job.name_any(), said.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The update was announced at this second, half a second late.
    const SINCE: i64 = 1_000;

    fn since() -> Timestamp {
        Timestamp::from_millisecond(SINCE * 1_000 + 500).unwrap()
    }

    fn time(second: i64) -> String {
        Timestamp::from_second(second).unwrap().to_string()
    }

    /// A Job of the CronJob, with the new images, created in that second.
    fn job(name: &str, created: i64, conditions: &[Value]) -> Value {
        let owner =
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "uid": "1", "controller": true});
        let containers = json!([{"name": "app", "image": "a:2"}, {"name": "side", "image": "s:2"}]);
        json!({
            "metadata": {"name": name, "creationTimestamp": time(created), "ownerReferences": [owner]},
            "spec": {"template": {"spec": {"containers": containers}}},
            "status": {"conditions": conditions},
        })
    }

    fn ended(how: &str, at: i64) -> Value {
        json!({"type": how, "status": "True", "reason": "BackoffLimitExceeded", "message": "too often", "lastTransitionTime": time(at)})
    }

    /// What is said of an update that gave the CronJob two images, `spec` and `status` laid over a usual one.
    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn check(jobs: &[Value], spec: Value, status: Value, complaint: Option<&Complaint>, expected: &str) {
        let mut full = json!({"schedule": "0 3 * * *", "jobTemplate": {}});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let object = json!({"metadata": {"name": "report", "uid": "1"}, "spec": full, "status": status});
        let cron_job: CronJob = serde_json::from_value(object).unwrap();
        let jobs: Vec<Job> = jobs.iter().map(|job| serde_json::from_value(job.clone()).unwrap()).collect();
        let images = [("app", "a:2"), ("side", "s:2")];
        let found = match judge(&cron_job, &of_update(&cron_job, &jobs, &images, since()), complaint, since()) {
            Rollout::Finished => "finished".to_owned(),
            Rollout::Applied { hint } => format!("applied: {hint}"),
            Rollout::Progressing { waits_for } => waits_for,
            Rollout::Failed { message } => format!("failed: {message}"),
        };
        assert_eq!(found, expected, "{jobs:?} {spec} {status}");
    }

    #[test]
    fn the_first_job_with_the_new_image_to_end_decides() {
        let check = |jobs: &[Value], expected: &str| check(jobs, json!({}), json!({}), None, expected);
        let (complete, failed) = (|at| [ended("Complete", at)], |at| [ended("Failed", at)]);
        let failure = |name: &str| format!("failed: the Job {name} failed: BackoffLimitExceeded: too often");
        check(&[], "the next Job");
        check(&[job("b", SINCE, &[]), job("a", SINCE, &[])], "the Job a to end");
        check(&[job("a", SINCE, &complete(1_100))], "finished");
        check(&[job("a", SINCE, &failed(1_100))], &failure("a"));
        check(&[job("a", SINCE, &failed(1_200)), job("b", 1_100, &complete(1_150))], "finished");
        check(&[job("a", SINCE, &complete(1_200)), job("b", 1_100, &failed(1_150))], &failure("b"));
        check(&[job("a", SINCE, &[]), job("b", 1_100, &complete(1_150))], "finished");
        let mut not_yet = ended("Failed", 1_100);
        not_yet["status"] = json!("False");
        check(
            &[job("a", SINCE, &[not_yet, ended("FailureTarget", 1_100), ended("Suspended", 1_100)])],
            "the Job a to end",
        );
    }

    #[test]
    fn jobs_with_another_image_or_owner_or_from_before_do_not_count() {
        let check = |job: Value| check(&[job], json!({}), json!({}), None, "the next Job");
        let job = |created: i64| job("a", created, &[ended("Failed", 1_100)]);
        check(job(SINCE - 1));
        let mut other = job(SINCE);
        other["spec"]["template"]["spec"]["containers"][1]["image"] = json!("s:1");
        check(other);
        let mut other = job(SINCE);
        other["metadata"]["ownerReferences"][0]["uid"] = json!("2");
        check(other);
        let mut other = job(SINCE);
        other["metadata"]["ownerReferences"][0]["controller"] = json!(false);
        check(other);
        let mut other = job(SINCE);
        other["metadata"]["ownerReferences"] = json!([]);
        check(other);
    }

    #[test]
    fn a_failure_says_what_is_the_matter_with_its_pods() {
        let text = "pod a-x: container app ended with exit code 1 (Error)".to_owned();
        let complaint = Complaint { is_crash: true, container: Some("app".to_owned()), text };
        let jobs = [job("a", SINCE, &[ended("Failed", 1_100)])];
        let expected = "failed: the Job a failed: BackoffLimitExceeded: too often; pod a-x: container app ended with exit code 1 (Error)";
        check(&jobs, json!({}), json!({}), Some(&complaint), expected);
        let jobs = [job("a", SINCE, &[json!({"type": "Failed", "status": "True"})])];
        check(&jobs, json!({}), json!({}), None, "failed: the Job a failed");
    }

    #[test]
    fn success_of_a_job_that_is_not_kept_is_seen_in_the_status() {
        let check = |scheduled: i64, succeeded: i64, expected: &str| {
            let status = json!({"lastScheduleTime": time(scheduled), "lastSuccessfulTime": time(succeeded)});
            let spec = json!({"successfulJobsHistoryLimit": 0});
            super::tests::check(&[], spec, status, None, expected);
        };
        check(SINCE + 100, SINCE + 150, "finished");
        check(SINCE + 100, SINCE + 100, "finished");
        // The last one is not done yet, or has failed.
        check(SINCE + 100, SINCE + 50, "the next Job");
        // It may have begun before the update.
        check(SINCE, SINCE + 150, "the next Job");
        super::tests::check(&[], json!({}), json!({"lastSuccessfulTime": time(2_000)}), None, "the next Job");
    }

    #[test]
    fn suspended_cron_job_says_so() {
        let suspended = || json!({"suspend": true});
        check(&[], suspended(), json!({}), None, "the next Job; the CronJob is suspended");
        // One that somebody has made by hand counts all the same.
        check(&[job("a", SINCE, &[])], suspended(), json!({}), None, "the Job a to end");
    }
}
