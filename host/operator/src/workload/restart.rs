//! What a restart leaves in the pod template. Pure.
//!
//! Two annotations: the one with which `kubectl rollout restart` restarts, so that everybody recognises it, and one that says for which
//! digest of which container it was. The second is what keeps an operator from restarting twice for the same image, however often it is
//! killed: it is written by the very patch that restarts.

use std::collections::BTreeMap;

use k8supdater_core::image::Digest;

use super::Workload;

/// The annotation of `kubectl rollout restart`; its value is the time.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// The annotation with the digests, as `container=digest`, separated by commas.
pub const RESTARTED_FOR: &str = "k8supdater.dev/restarted-for";

/// The digests for which `workload` was restarted, by container. What is not readable is left out.
pub fn restarts(workload: &Workload) -> BTreeMap<String, Digest> {
    let text = annotations(workload).and_then(|annotations| annotations.get(RESTARTED_FOR));
    text.map_or("", String::as_str)
        .split(',')
        .filter_map(|part| {
            let (container, digest) = part.split_once('=')?;
            Some((container.to_owned(), digest.parse().ok()?))
        })
        .collect()
}

/// The value of [`RESTARTED_FOR`] for `restarts`.
pub fn format(restarts: &BTreeMap<String, Digest>) -> String {
    restarts.iter().map(|(container, digest)| format!("{container}={digest}")).collect::<Vec<_>>().join(",")
}

/// The annotations of the pod template.
pub fn annotations(workload: &Workload) -> Option<&BTreeMap<String, String>> {
    workload.template()?.metadata.as_ref()?.annotations.as_ref()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
    use k8s_openapi::api::core::v1::PodTemplateSpec;
    use kube::api::ObjectMeta;

    use super::*;

    fn deployment(value: &str) -> Workload {
        let annotations = Some([(RESTARTED_FOR.to_owned(), value.to_owned())].into());
        let template = PodTemplateSpec {
            metadata: Some(ObjectMeta { annotations, ..ObjectMeta::default() }),
            ..PodTemplateSpec::default()
        };
        let spec = Some(DeploymentSpec { template, ..DeploymentSpec::default() });
        Workload::Deployment(Arc::new(Deployment { spec, ..Deployment::default() }))
    }

    #[test]
    fn restarts_are_read_as_they_are_written() {
        let digest = |digit: &str| -> Digest { format!("sha256:{}", digit.repeat(64)).parse().unwrap() };
        let restarts = BTreeMap::from([("app".to_owned(), digest("a")), ("web".to_owned(), digest("b"))]);
        assert_eq!(super::restarts(&deployment(&format(&restarts))), restarts);
        assert_eq!(super::restarts(&Workload::Deployment(Arc::default())), BTreeMap::new());
        let broken = format!("app,web=sha256:1,=,db={}", digest("c"));
        assert_eq!(super::restarts(&deployment(&broken)), BTreeMap::from([("db".to_owned(), digest("c"))]));
    }
}
