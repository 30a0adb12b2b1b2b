//! The one change that the operator makes to a workload: other images for some of its containers.
//!
//! A JSON Patch (RFC 6902) that first *tests* the images and names which the decision was made on. If anybody changed them meanwhile,
//! the API server refuses the whole patch, and nothing of theirs is overwritten.

use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation, ReplaceOperation, TestOperation};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::PatchParams;
use serde_json::Value;

use super::{WorkloadError, Workloads};

/// Another image for one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageChange {
    /// Place of the container in the pod template, from 0.
    pub index: usize,
    /// Name of the container at that place.
    pub container: String,
    /// Image that the decision was made on.
    pub from: String,
    /// Image to be set.
    pub to: String,
}

/// The patch for `changes`: all tests first, images before names, then the replacements.
fn image_patch(changes: &[ImageChange]) -> Patch {
    let path = |change: &ImageChange, field: &str| {
        PointerBuf::from_tokens(["spec", "template", "spec", "containers", &change.index.to_string(), field])
    };
    let test = |change: &ImageChange, field: &str, value: &str| {
        PatchOperation::Test(TestOperation { path: path(change, field), value: Value::from(value) })
    };
    let images = changes.iter().map(|change| test(change, "image", &change.from));
    let names = changes.iter().map(|change| test(change, "name", &change.container));
    let replacements = changes.iter().map(|change| {
        PatchOperation::Replace(ReplaceOperation {
            path: path(change, "image"),
            value: Value::from(change.to.as_str()),
        })
    });
    Patch(images.chain(names).chain(replacements).collect())
}

impl Workloads {
    /// Sets the images of `changes` in one patch, so that several containers make one rollout. Returns the generation that the
    /// Deployment then has.
    ///
    /// Not cancel-safe in the sense that the API server may have accepted the patch when the future is dropped; doing it again is
    /// harmless, because the tests then fail.
    ///
    /// # Errors
    /// [`WorkloadError::Overtaken`] if an image or the order of containers is not what `changes` expect.
    pub async fn patch_images(
        &self,
        namespace: &str,
        name: &str,
        changes: &[ImageChange],
    ) -> Result<Option<i64>, WorkloadError> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let patch = kube::api::Patch::<Deployment>::Json(image_patch(changes));
        let params = PatchParams { field_manager: Some("k8supdater".to_owned()), ..PatchParams::default() };
        match api.patch(name, &params, &patch).await {
            Ok(patched) => Ok(patched.metadata.generation),
            // A failing test operation is answered with 422 and reason Invalid, like a bad object; but the object was valid before,
            // and an image is any string, so only the test (or a container that has gone) can be at fault.
            Err(kube::Error::Api(status)) if status.code == 422 => {
                Err(WorkloadError::Overtaken { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            Err(err) => Err(WorkloadError::api("patch", namespace, name, err)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_change_is_guarded_by_tests_that_come_first() {
        let change = |index, container: &str, from: &str, to: &str| ImageChange {
            index,
            container: container.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let patch = image_patch(&[change(0, "web", "app:1", "app:2"), change(2, "proxy", "envoy:1", "envoy:3")]);
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
}
