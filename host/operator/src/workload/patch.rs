//! The one change that the operator makes to a workload: other images for some of its containers, and annotations that restart it or say
//! what was taken back.
//!
//! A JSON Patch (RFC 6902) that first *tests* the images and names which the decision was made on. If anybody changed them meanwhile,
//! the API server refuses the whole patch, and nothing of theirs is overwritten.

use std::collections::BTreeMap;

use jiff::Timestamp;
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, ReplaceOperation, TestOperation};
use k8supdater_core::image::Digest;
use kube::Api;
use kube::api::{DynamicObject, PatchParams};
use serde_json::{Map, Value};

use super::containers::List;
use super::restart::{self, RESTARTED_AT, RESTARTED_FOR};
use super::rolled_back::{self, ROLLED_BACK};
use super::{Workload, WorkloadError, Workloads};
use crate::api::workload::{WorkloadKind, WorkloadRef};

/// What is done to one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The list that the container is in.
    pub list: List,
    /// Place of the container in that list, from 0.
    pub index: usize,
    /// Name of the container at that place.
    pub container: String,
    /// Image that the decision was made on.
    pub from: String,
    /// Image to be set; the same for a restart.
    pub to: String,
    /// The digest for which the workload is restarted.
    pub restart_for: Option<Digest>,
    /// The update that it takes back, if it is a rollback: when that was announced, in seconds since the epoch. The workload then says so,
    /// and it is made only if the workload says what it said when it was looked at.
    pub rolls_back: Option<i64>,
    /// Whether it is wanted once only: a human has approved it, and may want the old image back afterwards. It is then made to nothing but
    /// the very generation of the workload that it was decided on, so that a process that was held up cannot make it again.
    pub is_for_once: bool,
}

/// What a patch has to know of the workload beside its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// `metadata.generation` of the workload.
    pub generation: Option<i64>,
    /// Whether the template has annotations.
    pub has_annotations: bool,
    /// For which digests the workload was restarted before.
    pub restarts: BTreeMap<String, Digest>,
    /// Whether the workload itself has annotations.
    pub is_annotated: bool,
    /// What it says of rollbacks, as it is written.
    pub rolled_back: Option<String>,
}

impl Template {
    /// What `workload` says.
    pub fn of(workload: &Workload) -> Self {
        Self {
            generation: workload.metadata().generation,
            has_annotations: restart::annotations(workload).is_some(),
            restarts: restart::restarts(workload),
            is_annotated: workload.metadata().annotations.is_some(),
            rolled_back: workload.annotation(ROLLED_BACK).map(str::to_owned),
        }
    }
}

/// The patch for `changes`: all tests first, images before names, then the replacements, then the annotations.
pub(crate) fn patch(kind: WorkloadKind, changes: &[Change], template: &Template, now: Timestamp) -> Patch {
    let path = |change: &Change, field: &[&str]| {
        in_template(kind, &[&["spec", change.list.field(), &change.index.to_string()], field].concat())
    };
    let image = |change: &Change| path(change, change.list.image());
    let images = changes.iter().map(|change| test(image(change), change.from.as_str().into()));
    let names = changes.iter().map(|change| test(path(change, &["name"]), change.container.as_str().into()));
    let replacements = changes.iter().filter(|change| change.restart_for.is_none()).map(|change| {
        PatchOperation::Replace(ReplaceOperation { path: image(change), value: Value::from(change.to.as_str()) })
    });
    let mut operations: Vec<PatchOperation> = images.chain(names).collect();
    let restarted = changes.iter().filter_map(|change| Some((change.container.clone(), change.restart_for.clone()?)));
    let restarted: BTreeMap<String, Digest> = restarted.collect();
    let rolled_back = changes.iter().filter_map(|change| Some((change.container.clone(), change.rolls_back?)));
    let rolled_back: BTreeMap<String, i64> = rolled_back.collect();
    // What the annotations of the template are based on can only be tested as a whole.
    if !restarted.is_empty() || changes.iter().any(|change| change.is_for_once) {
        operations.push(test(PointerBuf::from_tokens(["metadata", "generation"]), template.generation.into()));
    }
    if !rolled_back.is_empty() {
        operations.push(test_rollbacks(template));
    }
    operations.extend(replacements);
    if !restarted.is_empty() {
        operations.extend(say_restarts(kind, template, restarted, now));
    }
    if !rolled_back.is_empty() {
        operations.extend(say_rollbacks(template, rolled_back));
    }
    Patch(operations)
}

/// That the workload was restarted for these digests, beside those that the template names.
fn say_restarts(
    kind: WorkloadKind,
    template: &Template,
    restarted: BTreeMap<String, Digest>,
    now: Timestamp,
) -> Vec<PatchOperation> {
    let annotations = |name: &[&str]| in_template(kind, &[&["metadata", "annotations"], name].concat());
    let containers: BTreeMap<String, Digest> = template.restarts.clone().into_iter().chain(restarted).collect();
    let none_yet = (!template.has_annotations).then(|| add(annotations(&[]), Value::Object(Map::new())));
    let values = [(RESTARTED_AT, seconds(now)), (RESTARTED_FOR, restart::format(&containers))];
    let values = values.into_iter().map(|(name, value)| add(annotations(&[name]), Value::from(value)));
    none_yet.into_iter().chain(values).collect()
}

/// That the annotations are as they were, as far as they are written over. A change of them does not count in the generation; what does
/// not exist is tested as null, as the API server's library has it
/// (<https://github.com/evanphx/json-patch/blob/v4.13.0/patch.go>, `test`).
fn test_rollbacks(template: &Template) -> PatchOperation {
    if template.is_annotated {
        let said = template.rolled_back.as_deref().map_or(Value::Null, Value::from);
        test(PointerBuf::from_tokens(["metadata", "annotations", ROLLED_BACK]), said)
    } else {
        test(PointerBuf::from_tokens(["metadata", "annotations"]), Value::Null)
    }
}

/// That these updates were taken back, beside those that the workload names.
fn say_rollbacks(template: &Template, rolled_back: BTreeMap<String, i64>) -> Vec<PatchOperation> {
    let before = rolled_back::parse(template.rolled_back.as_deref().unwrap_or_default());
    let containers: BTreeMap<String, i64> = before.into_iter().chain(rolled_back).collect();
    let annotations = PointerBuf::from_tokens(["metadata", "annotations"]);
    let none_yet = (!template.is_annotated).then(|| add(annotations, Value::Object(Map::new())));
    let path = PointerBuf::from_tokens(["metadata", "annotations", ROLLED_BACK]);
    none_yet.into_iter().chain([add(path, Value::from(rolled_back::format(&containers)))]).collect()
}

fn in_template(kind: WorkloadKind, path: &[&str]) -> PointerBuf {
    PointerBuf::from_tokens([kind.template_path(), path].concat())
}

fn test(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Test(TestOperation { path, value })
}

fn add(path: PointerBuf, value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path, value })
}

/// As `kubectl rollout restart` writes it: RFC 3339 without fractions.
fn seconds(now: Timestamp) -> String {
    Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

impl Workloads {
    /// Makes `changes` in one patch, so that several containers make one rollout. Returns the generation that the workload then has.
    ///
    /// Not cancel-safe in the sense that the API server may have accepted the patch when the future is dropped; doing it again is
    /// harmless, because the tests then fail, or, for a restart, because it is not decided again for the same digest.
    ///
    /// # Errors
    /// [`WorkloadError::Overtaken`] if an image or the order of containers is not what `changes` expect.
    pub async fn patch(
        &self,
        namespace: &str,
        workload: &WorkloadRef,
        changes: &[Change],
        template: &Template,
        now: Timestamp,
    ) -> Result<Option<i64>, WorkloadError> {
        let WorkloadRef { kind, name } = workload;
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &kind.resource());
        let patch = kube::api::Patch::<DynamicObject>::Json(patch(*kind, changes, template, now));
        let params = PatchParams { field_manager: Some("k8supdater".to_owned()), ..PatchParams::default() };
        match api.patch(name, &params, &patch).await {
            Ok(patched) => Ok(patched.metadata.generation),
            // A failing test operation is answered with 422 and reason Invalid, like a bad object; but the object was valid before,
            // and an image is any string, so only the test (or a container that has gone) can be at fault.
            Err(kube::Error::Api(status)) if status.code == 422 => {
                Err(WorkloadError::Overtaken { kind: *kind, namespace: namespace.to_owned(), name: name.clone() })
            }
            Err(err) => Err(WorkloadError::api("patch", namespace, workload, err)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(index: usize, container: &str, from: &str, to: &str) -> Change {
        let (container, from, to) = (container.to_owned(), from.to_owned(), to.to_owned());
        Change {
            list: List::Containers,
            index,
            container,
            from,
            to,
            restart_for: None,
            rolls_back: None,
            is_for_once: false,
        }
    }

    fn digest(digit: &str) -> Digest {
        format!("sha256:{}", digit.repeat(64)).parse().unwrap()
    }

    #[test]
    fn every_change_is_guarded_by_tests_that_come_first() {
        let changes = [change(0, "web", "app:1", "app:2"), change(2, "proxy", "envoy:1", "envoy:3")];
        let patch = patch(WorkloadKind::Deployment, &changes, &Template::default(), Timestamp::UNIX_EPOCH);
        assert_eq!(
            serde_json::to_value(patch).unwrap(),
            json!([
                {"op": "test", "path": "/spec/template/spec/containers/0/image", "value": "app:1"},
                {"op": "test", "path": "/spec/template/spec/containers/2/image", "value": "envoy:1"},
                {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "web"},
                {"op": "test", "path": "/spec/template/spec/containers/2/name", "value": "proxy"},
                {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "app:2"},
                {"op": "replace", "path": "/spec/template/spec/containers/2/image", "value": "envoy:3"},
            ])
        );
    }

    #[test]
    fn init_containers_and_the_templates_of_jobs_are_where_the_kind_has_them() {
        let init = Change { list: List::InitContainers, ..change(1, "migrate", "app:1", "app:2") };
        let at = |field: &str| format!("/spec/jobTemplate/spec/template/spec/initContainers/1/{field}");
        assert_eq!(
            serde_json::to_value(patch(WorkloadKind::CronJob, &[init], &Template::default(), Timestamp::UNIX_EPOCH))
                .unwrap(),
            json!([
                {"op": "test", "path": at("image"), "value": "app:1"},
                {"op": "test", "path": at("name"), "value": "migrate"},
                {"op": "replace", "path": at("image"), "value": "app:2"},
            ])
        );
    }

    #[test]
    fn image_of_a_volume_is_its_reference() {
        let volume = Change { list: List::Volumes, ..change(2, "model", "m:1", "m:2") };
        let at = |field: &str| format!("/spec/template/spec/volumes/2/{field}");
        assert_eq!(
            serde_json::to_value(patch(
                WorkloadKind::Deployment,
                &[volume],
                &Template::default(),
                Timestamp::UNIX_EPOCH
            ))
            .unwrap(),
            json!([
                {"op": "test", "path": at("image/reference"), "value": "m:1"},
                {"op": "test", "path": at("name"), "value": "model"},
                {"op": "replace", "path": at("image/reference"), "value": "m:2"},
            ])
        );
    }

    #[test]
    fn what_was_approved_is_done_to_the_generation_that_was_looked_at() {
        let approved = Change { is_for_once: true, ..change(0, "web", "app:1", "app:2") };
        let template = Template { generation: Some(7), ..Template::default() };
        assert_eq!(
            serde_json::to_value(patch(WorkloadKind::Deployment, &[approved], &template, Timestamp::UNIX_EPOCH))
                .unwrap(),
            json!([
                {"op": "test", "path": "/spec/template/spec/containers/0/image", "value": "app:1"},
                {"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "web"},
                {"op": "test", "path": "/metadata/generation", "value": 7},
                {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "app:2"},
            ])
        );
    }

    #[test]
    fn a_restart_adds_two_annotations_and_keeps_all_others() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let restart = Change { restart_for: Some(digest("b")), ..change(0, "web", "app:latest", "app:latest") };
        let mut template = Template {
            generation: Some(7),
            has_annotations: true,
            restarts: [("web".to_owned(), digest("a")), ("db".to_owned(), digest("c"))].into(),
            ..Template::default()
        };
        let annotation = |name: &str| format!("/spec/template/metadata/annotations/{name}");
        let restarted_for = format!("db={},web={}", digest("c"), digest("b"));
        let annotations = [
            json!({"op": "add", "path": annotation("kubectl.kubernetes.io~1restartedAt"), "value": "2023-11-14T22:13:20Z"}),
            json!({"op": "add", "path": annotation("k8supdater.dev~1restarted-for"), "value": restarted_for}),
        ];
        let tests = [
            json!({"op": "test", "path": "/spec/template/spec/containers/0/image", "value": "app:latest"}),
            json!({"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "web"}),
            json!({"op": "test", "path": "/metadata/generation", "value": 7}),
        ];
        let found =
            serde_json::to_value(patch(WorkloadKind::Deployment, std::slice::from_ref(&restart), &template, now))
                .unwrap();
        assert_eq!(found, Value::from([tests.as_slice(), &annotations].concat()));
        template.has_annotations = false;
        let found = serde_json::to_value(patch(WorkloadKind::Deployment, &[restart], &template, now)).unwrap();
        let empty = json!({"op": "add", "path": "/spec/template/metadata/annotations", "value": {}});
        assert_eq!(found, Value::from([tests.as_slice(), &[empty], &annotations].concat()));
    }
    #[test]
    fn a_rollback_is_written_down_on_the_workload_and_keeps_what_is_written_of_other_containers() {
        let rollback = Change { rolls_back: Some(1_700_000_000), ..change(0, "web", "app:2", "app:1") };
        let annotation = "/metadata/annotations/k8supdater.dev~1rolled-back";
        let check = |template: &Template, guard: Value, annotate: &[Value]| {
            let changes = [rollback.clone(), change(1, "db", "db:1", "db:2")];
            let patch = patch(WorkloadKind::StatefulSet, &changes, template, Timestamp::UNIX_EPOCH);
            let mut expected = vec![
                json!({"op": "test", "path": "/spec/template/spec/containers/0/image", "value": "app:2"}),
                json!({"op": "test", "path": "/spec/template/spec/containers/1/image", "value": "db:1"}),
                json!({"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "web"}),
                json!({"op": "test", "path": "/spec/template/spec/containers/1/name", "value": "db"}),
                guard,
                json!({"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "app:1"}),
                json!({"op": "replace", "path": "/spec/template/spec/containers/1/image", "value": "db:2"}),
            ];
            expected.extend_from_slice(annotate);
            assert_eq!(serde_json::to_value(patch).unwrap(), Value::from(expected));
        };
        let say = |value: &str| json!({"op": "add", "path": annotation, "value": value});
        let none_at_all = json!({"op": "test", "path": "/metadata/annotations", "value": null});
        let empty = json!({"op": "add", "path": "/metadata/annotations", "value": {}});
        check(&Template::default(), none_at_all, &[empty, say("web=1700000000")]);
        let annotated = Template { is_annotated: true, ..Template::default() };
        check(&annotated, json!({"op": "test", "path": annotation, "value": null}), &[say("web=1700000000")]);
        let said = "web=1,db=2,rubbish";
        let again = Template { rolled_back: Some(said.to_owned()), ..annotated };
        check(&again, json!({"op": "test", "path": annotation, "value": said}), &[say("db=2,web=1700000000")]);
    }
}
