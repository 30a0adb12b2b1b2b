//! What happens in the demo, and what is expected of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Narrator;
use super::cluster::{self, Cluster, NAMESPACE};
use super::metrics;
use crate::operator::Operator;
use crate::{image, step, stop};

/// Name of the Deployment, its container and its handler.
const WORKLOAD: &str = "web";
/// The repository in the local registry.
const REPOSITORY: &str = "demo/web";
/// What runs at first; newer, but right of the frontier; newer, and left of it.
const OLD: &str = "1.4.2";
const PATCH: &str = "1.4.3";
const MAJOR: &str = "2.0.0";
/// Time between two checks of the handler.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long each expected thing may take to happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// The parts that play.
#[derive(Debug)]
pub struct Story<'a> {
    /// Tells.
    pub narrator: &'a Narrator,
    /// Where it happens.
    pub cluster: &'a Cluster,
    /// Who makes it happen.
    pub operator: &'a mut Operator,
}

impl Story<'_> {
    /// From a Deployment of an old image to a finished rollout; returns the moral.
    ///
    /// # Errors
    /// When something expected does not happen in time, with the end of the operator's log.
    pub fn tell(mut self) -> Result<String> {
        self.expect("the shipped plugins are Ready", |story| {
            let plugins = story.cluster.kubectl().json(&format!("-n {} get plugins", story.operator.namespace()))?;
            let items = plugins["items"].as_array().context("a list has items")?;
            Ok(!items.is_empty() && items.iter().all(|plugin| status_of(plugin, "Ready") == "True"))
        })?;
        self.narrator.say("The shipped plugins are loaded, granted and Ready.");
        self.begin()?;
        let pushed = Instant::now();
        for tag in [PATCH, MAJOR] {
            image::push(self.cluster.registry(), REPOSITORY, tag)?;
        }
        self.narrator.say(&format!(
            "Pushed {PATCH} and {MAJOR} to the registry. The frontier is 2: 1.4.x may be applied, 2.x not."
        ));
        let (patched, rolled_out) = self.watch_update(pushed)?;
        self.watch_report()?;
        let metrics = metrics::check(&self.operator.metrics()?, self.cluster.directory())?;
        self.narrator.say(&format!("It shows {metrics}."));
        if !self.narrator.is_brief {
            self.show()?;
        }
        Ok(format!(
            "{PATCH} was applied {} after its push and rolled out after {} (checks are every {}); {MAJOR} was reported and not applied.",
            step::seconds(patched),
            step::seconds(rolled_out),
            step::seconds(INTERVAL),
        ))
    }

    /// An image, a Deployment that runs it, and a handler that finds nothing to do.
    fn begin(&mut self) -> Result<()> {
        let address = self.cluster.registry().to_owned();
        image::push(&address, REPOSITORY, OLD)?;
        self.cluster.create_deployment(WORKLOAD, &self.image(OLD))?;
        self.expect("the first rollout is finished", |story| Ok(is_rolled_out(&story.deployment()?)))?;
        self.narrator.say(&format!("The Deployment {WORKLOAD} runs {} in three pods.", self.image(OLD)));
        self.cluster.kubectl().apply(&cluster::handler(WORKLOAD, INTERVAL))?;
        self.expect("the handler is up to date", |story| Ok(status_of(&story.handler()?, "UpToDate") == "True"))?;
        self.narrator.say("A VersioningHandler looks after it, and says that it is up to date.");
        Ok(())
    }

    /// Times from the push to the patch, and to the end of the rollout.
    fn watch_update(&mut self, pushed: Instant) -> Result<(Duration, Duration)> {
        let newer = self.image(PATCH);
        self.expect(&format!("{PATCH} is applied"), |story| Ok(image_of(&story.deployment()?) == Some(&newer)))?;
        let patched = pushed.elapsed();
        self.narrator
            .say(&format!("The operator set the image to {newer}, {} after the push.", step::seconds(patched)));
        self.expect(&format!("{PATCH} is rolled out"), |story| Ok(is_rolled_out(&story.deployment()?)))?;
        let rolled_out = pushed.elapsed();
        self.narrator.say(&format!("Its rollout was finished {} after the push.", step::seconds(rolled_out)));
        Ok((patched, rolled_out))
    }

    /// The major version is told to people, and is not applied even after some more checks.
    fn watch_report(&mut self) -> Result<()> {
        self.expect(&format!("{MAJOR} is in the status"), |story| {
            Ok(story.handler()?["status"]["available"].as_str().is_some_and(|available| available.contains(MAJOR)))
        })?;
        self.narrator.say(&format!("{MAJOR} is shown as available by `kubectl get vh`."));
        self.expect(&format!("an Event reports {MAJOR}"), |story| {
            let events = story.cluster.kubectl().json(&format!("-n {NAMESPACE} get events"))?;
            let events = events["items"].as_array().context("a list has items")?;
            Ok(events.iter().any(|event| {
                event["involvedObject"]["kind"] == "VersioningHandler"
                    && event["message"].as_str().is_some_and(|message| message.contains(MAJOR))
            }))
        })?;
        self.narrator.say(&format!("An Event reports {MAJOR}."));
        stop::sleep(INTERVAL * 3)?;
        let deployment = self.deployment()?;
        if image_of(&deployment) != Some(&self.image(PATCH)) {
            return Err(self.failed(&format!("the image is {:?} after three more checks", image_of(&deployment))));
        }
        self.narrator.say(&format!("Three checks later the image is still {}.", self.image(PATCH)));
        Ok(())
    }

    fn show(&self) -> Result<()> {
        let kubectl = self.cluster.kubectl();
        self.narrator.show("kubectl get vh,plug -A");
        kubectl.show("get vh,plug -A")?;
        self.narrator.show("kubectl get events, those of the handler");
        kubectl.show(&format!(
            "-n {NAMESPACE} get events --field-selector=involvedObject.kind=VersioningHandler \
             -o custom-columns=TYPE:.type,REASON:.reason,OBJECT:.involvedObject.name,MESSAGE:.message"
        ))?;
        self.narrator.show("kubectl get deployment");
        kubectl.show(&format!("-n {NAMESPACE} get deployment {WORKLOAD} -o wide"))
    }

    /// Waits until something is so.
    fn expect(&mut self, what: &str, is_so: impl Fn(&Self) -> Result<bool>) -> Result<()> {
        let begun = Instant::now();
        while !is_so(self)? {
            self.operator.process().check()?;
            if begun.elapsed() > PATIENCE {
                return Err(self.failed(&format!("after {}: {what}", step::seconds(PATIENCE))));
            }
            stop::sleep(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// An error with what the cluster and the operator say.
    fn failed(&mut self, expectation: &str) -> anyhow::Error {
        let handler =
            self.handler().map_or_else(|err| format!("{err:#}"), |handler| format!("{:#}", handler["status"]));
        let log = self.operator.process().failure("was to make it so");
        anyhow::anyhow!("not as expected: {expectation}\nthe handler's status: {handler}\n{log}")
    }

    fn image(&self, tag: &str) -> String {
        format!("{}/{REPOSITORY}:{tag}", self.cluster.registry())
    }

    fn deployment(&self) -> Result<Value> {
        self.cluster.kubectl().json(&format!("-n {NAMESPACE} get deployment {WORKLOAD}"))
    }

    fn handler(&self) -> Result<Value> {
        self.cluster.kubectl().json(&format!("-n {NAMESPACE} get versioninghandler {WORKLOAD}"))
    }
}

/// The status of a condition; `Unknown` where there is none.
pub fn status_of<'a>(object: &'a Value, condition: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = conditions.iter().find(|found| found["type"] == condition);
    found.and_then(|found| found["status"].as_str()).unwrap_or("Unknown")
}

/// The image of the first container.
pub fn image_of(deployment: &Value) -> Option<&str> {
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str()
}

/// Whether all pods are new ones, and available.
pub fn is_rolled_out(deployment: &Value) -> bool {
    let (status, replicas) = (&deployment["status"], &deployment["spec"]["replicas"]);
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|count| status[count] == *replicas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rollout_is_finished_when_only_new_pods_are_left_and_all_are_available() {
        let deployment = |observed: u64, all: u64, updated: u64, available: u64| {
            json!({
                "metadata": {"generation": 2},
                "spec": {"replicas": 3},
                "status": {
                    "observedGeneration": observed,
                    "replicas": all,
                    "updatedReplicas": updated,
                    "availableReplicas": available,
                },
            })
        };
        assert!(is_rolled_out(&deployment(2, 3, 3, 3)));
        for unfinished in
            [deployment(1, 3, 3, 3), deployment(2, 4, 3, 3), deployment(2, 3, 2, 3), deployment(2, 3, 3, 2)]
        {
            assert!(!is_rolled_out(&unfinished), "{unfinished}");
        }
        assert!(!is_rolled_out(&json!({"metadata": {"generation": 1}, "spec": {"replicas": 3}})));
    }

    #[test]
    fn a_condition_that_is_not_there_is_unknown() {
        let object = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(status_of(&object, "Ready"), "True");
        assert_eq!(status_of(&object, "UpToDate"), "Unknown");
        assert_eq!(status_of(&json!({}), "Ready"), "Unknown");
    }
}
