//! Who else sets the images of a workload. Pure.
//!
//! Argo CD, Flux and Helm mark what they have made, and what they say is what they go by themselves. A tool that marks nothing is not
//! noticed, and neither is Argo CD where it tracks by the label `app.kubernetes.io/instance` alone: every other Helm chart sets that label,
//! too, so that it says nothing about Argo CD.

use std::fmt;

use super::Workload;

/// Argo CD's mark: `APPLICATION:GROUP/KIND:NAMESPACE/NAME`
/// (<https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/>).
const ARGO_CD_TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// The label that Argo CD's documentation recommends to those who track by a label: the application's name.
const ARGO_CD_INSTANCE: &str = "argocd.argoproj.io/instance";
/// On all that a Flux Kustomization or `HelmRelease` applies there are a `name` and a `namespace` with such a prefix
/// (<https://fluxcd.io/flux/components/kustomize/kustomizations/>).
const FLUX_KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io";
const FLUX_HELM: &str = "helm.toolkit.fluxcd.io";
/// Without both of these Helm refuses to touch an object
/// (<https://github.com/helm/helm/blob/main/pkg/action/validate.go>).
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const HELM_RELEASE_NAME: &str = "meta.helm.sh/release-name";
const HELM_RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";

/// The annotations that are looked at here; all other marks are labels.
pub(super) const ANNOTATIONS: [&str; 4] =
    [ARGO_CD_TRACKING_ID, FLUX_RECONCILE, HELM_RELEASE_NAME, HELM_RELEASE_NAMESPACE];

/// With `disabled`, as annotation or label, a Kustomization leaves the object alone.
const FLUX_RECONCILE: &str = "kustomize.toolkit.fluxcd.io/reconcile";

/// Who sets the images of a workload, beside people and this operator. In words: `Argo CD application shop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Which tool.
    pub tool: Tool,
    /// What of the tool's the workload belongs to: `shop`, or with a namespace `flux-system/apps`.
    pub name: String,
}

/// A tool that sets images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Flux, by a `HelmRelease`.
    FluxHelm,
    /// Flux, by a Kustomization.
    FluxKustomize,
    /// Argo CD, by an Application.
    ArgoCd,
    /// Helm, whenever somebody upgrades the release.
    Helm,
}

/// Who sets the images of `workload`; none if nobody has marked it. Of several it is the one that would have the last word: Flux uses Helm,
/// and its `HelmRelease`s may come from a Kustomization.
pub fn owner(workload: &Workload) -> Option<Owner> {
    flux(workload, Tool::FluxHelm, FLUX_HELM)
        .or_else(|| flux(workload, Tool::FluxKustomize, FLUX_KUSTOMIZE).filter(|_| !is_left_by_flux(workload)))
        .or_else(|| argo_cd(workload))
        .or_else(|| helm(workload))
}

fn flux(workload: &Workload, tool: Tool, prefix: &str) -> Option<Owner> {
    let name = filled(workload.label(&format!("{prefix}/name")))?;
    let namespace = filled(workload.label(&format!("{prefix}/namespace")))?;
    Some(Owner { tool, name: format!("{namespace}/{name}") })
}

fn is_left_by_flux(workload: &Workload) -> bool {
    let marks = [workload.annotation(FLUX_RECONCILE), workload.label(FLUX_RECONCILE)];
    marks.into_iter().flatten().any(|mark| mark.eq_ignore_ascii_case("disabled"))
}

/// As Argo CD does, this passes over a mark that was copied from another object.
fn argo_cd(workload: &Workload) -> Option<Owner> {
    let tracked = workload.annotation(ARGO_CD_TRACKING_ID).and_then(|id| {
        let (application, object) = id.split_once(':')?;
        let (group, _) = workload.kind().api_version().split_once('/')?;
        let reference = workload.reference();
        let own = format!("{group}/{}:{}/{}", reference.kind, workload.namespace(), reference.name);
        (object == own).then_some(application)
    });
    let application = filled(tracked).or_else(|| filled(workload.label(ARGO_CD_INSTANCE)))?;
    // An Application outside of Argo CD's own namespace is called `namespace_name`; neither part can hold a `_`
    // (<https://argo-cd.readthedocs.io/en/stable/operator-manual/app-any-namespace/>).
    Some(Owner { tool: Tool::ArgoCd, name: application.replacen('_', "/", 1) })
}

fn helm(workload: &Workload) -> Option<Owner> {
    let name = filled(workload.annotation(HELM_RELEASE_NAME)).filter(|_| workload.label(MANAGED_BY) == Some("Helm"))?;
    let namespace = filled(workload.annotation(HELM_RELEASE_NAMESPACE)).filter(|it| *it != workload.namespace());
    let name = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
    Some(Owner { tool: Tool::Helm, name })
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

impl Tool {
    /// A fixed CamelCase word.
    pub fn reason(self) -> &'static str {
        match self {
            Self::FluxHelm => "FluxHelmRelease",
            Self::FluxKustomize => "FluxKustomization",
            Self::ArgoCd => "ArgoCDApplication",
            Self::Helm => "HelmRelease",
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FluxHelm => "Flux HelmRelease",
            Self::FluxKustomize => "Flux Kustomization",
            Self::ArgoCd => "Argo CD application",
            Self::Helm => "Helm release",
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tool, self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::batch::v1::CronJob;
    use serde_json::{Value, json};

    use super::super::{Object, strip};
    use super::*;

    fn owner_of<K: Object>(labels: &Value, annotations: &Value, spec: &Value) -> String {
        let metadata = json!({"name": "web", "namespace": "shop", "labels": labels, "annotations": annotations});
        let mut object: K = serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap();
        // The watch keeps what this needs.
        strip(&mut object);
        owner(&K::into_workload(Arc::new(object))).map_or_else(String::new, |owner| owner.to_string())
    }

    /// The owner of the Deployment `shop/web` in words; empty if there is none.
    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn check(labels: Value, annotations: Value, expected: &str) {
        let spec = json!({"selector": {}, "template": {}});
        assert_eq!(owner_of::<Deployment>(&labels, &annotations, &spec), expected, "{labels} {annotations}");
    }

    #[test]
    fn argo_cd_owns_what_its_tracking_id_or_its_own_label_says() {
        let tracked =
            |id: &str, expected: &str| check(json!({}), json!({"argocd.argoproj.io/tracking-id": id}), expected);
        tracked("shop:apps/Deployment:shop/web", "Argo CD application shop");
        tracked("team-a_shop:apps/Deployment:shop/web", "Argo CD application team-a/shop");
        // Copied from somewhere else, with all other annotations.
        for copied in
            ["shop:apps/Deployment:shop/api", "shop:apps/Deployment:test/web", "shop:apps/StatefulSet:shop/web"]
        {
            tracked(copied, "");
        }
        for strange in ["", "shop", "shop:", ":apps/Deployment:shop/web", "shop:Deployment:shop/web"] {
            tracked(strange, "");
        }
        check(json!({"argocd.argoproj.io/instance": "shop"}), json!({}), "Argo CD application shop");
        check(json!({"app.kubernetes.io/instance": "shop"}), json!({}), "");
        let cron_job = json!({"schedule": "", "jobTemplate": {}});
        let tracking = json!({"argocd.argoproj.io/tracking-id": "shop:batch/CronJob:shop/web"});
        assert_eq!(owner_of::<CronJob>(&json!({}), &tracking, &cron_job), "Argo CD application shop");
    }

    #[test]
    fn flux_owns_what_it_labels_unless_it_is_told_to_leave_it() {
        let named =
            |prefix: &str| json!({format!("{prefix}/name"): "apps", format!("{prefix}/namespace"): "flux-system"});
        let kustomization = || named("kustomize.toolkit.fluxcd.io");
        check(kustomization(), json!({}), "Flux Kustomization flux-system/apps");
        check(named("helm.toolkit.fluxcd.io"), json!({}), "Flux HelmRelease flux-system/apps");
        check(json!({"kustomize.toolkit.fluxcd.io/name": "apps"}), json!({}), "");
        check(kustomization(), json!({"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}), "");
        check(
            kustomization(),
            json!({"kustomize.toolkit.fluxcd.io/reconcile": "enabled"}),
            "Flux Kustomization flux-system/apps",
        );
        let mut left = kustomization();
        left["kustomize.toolkit.fluxcd.io/reconcile"] = json!("disabled");
        check(left, json!({}), "");
    }

    #[test]
    fn helm_owns_what_it_would_upgrade() {
        let helm = || json!({"app.kubernetes.io/managed-by": "Helm"});
        let release =
            |namespace: &str| json!({"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": namespace});
        check(helm(), release("shop"), "Helm release web");
        check(helm(), release("tools"), "Helm release tools/web");
        check(helm(), json!({"meta.helm.sh/release-name": "web"}), "Helm release web");
        // Rendered by `helm template`, which leaves no annotations.
        check(helm(), json!({}), "");
        check(json!({"app.kubernetes.io/managed-by": "kustomize"}), release("shop"), "");
        check(json!({}), json!({}), "");
    }

    #[test]
    fn the_outermost_of_several_owners_counts() {
        let helm = json!({"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"});
        let mut annotations = helm.clone();
        annotations["argocd.argoproj.io/tracking-id"] = json!("shop:apps/Deployment:shop/web");
        let mut labels = json!({"app.kubernetes.io/managed-by": "Helm"});
        check(labels.clone(), annotations.clone(), "Argo CD application shop");
        for (prefix, expected) in [
            ("kustomize.toolkit.fluxcd.io", "Flux Kustomization flux-system/apps"),
            ("helm.toolkit.fluxcd.io", "Flux HelmRelease flux-system/apps"),
        ] {
            labels[format!("{prefix}/name")] = json!("apps");
            labels[format!("{prefix}/namespace")] = json!("flux-system");
            check(labels.clone(), annotations.clone(), expected);
        }
    }
}
