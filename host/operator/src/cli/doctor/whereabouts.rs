//! Who looks, from where, and how the commands have to be written that whoever reads can run. Pure.

/// Who looks, from where, at which operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whereabouts {
    /// The operator's namespace.
    pub(super) namespace: String,
    /// Name of its Deployment, or of that which it should have.
    pub(super) deployment: String,
    /// Name of its `ServiceAccount`.
    pub(super) account: String,
    /// Whether this runs in a pod of the operator.
    pub(super) is_in_pod: bool,
    /// The namespaces that it watches; empty for all.
    pub(super) watched: Vec<String>,
}

impl Whereabouts {
    /// A command of this very program. From the operator's pod it has to be written in such a way that it can be run outside.
    pub(super) fn tool(&self, args: &str) -> String {
        if self.is_in_pod { self.exec(args) } else { format!("k8supdater {args}") }
    }

    /// The same, by the operator itself.
    pub(super) fn exec(&self, args: &str) -> String {
        format!("kubectl exec -n {} deploy/{} -- k8supdater {args}", self.namespace, self.deployment)
    }

    /// Brings the operator's rights in line with this program.
    pub(super) fn apply_rights(&self) -> String {
        let Self { namespace, account, watched, .. } = self;
        let account = if account == "k8supdater" { String::new() } else { format!(" --service-account {account}") };
        let watched =
            if watched.is_empty() { String::new() } else { format!(" --watch-namespaces {}", watched.join(",")) };
        let rights = self.tool(&format!("manifests rights --namespace {namespace}{account}{watched}"));
        format!("{rights} | kubectl apply --server-side --force-conflicts -f -")
    }

    /// Brings the definitions in line with this program.
    pub(super) fn apply_definitions(&self) -> String {
        format!("{} | kubectl apply --server-side --force-conflicts -f -", self.tool("crd"))
    }

    /// Sets a variable of the operator.
    pub(super) fn set_env(&self, variable: &str, value: &str) -> String {
        format!("kubectl set env -n {} deploy/{} {variable}={value}", self.namespace, self.deployment)
    }

    /// The user that the operator is for the API server.
    pub(super) fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.account)
    }

    /// The groups of that user.
    pub(super) fn groups(&self) -> Vec<String> {
        let of_namespace = format!("system:serviceaccounts:{}", self.namespace);
        vec!["system:serviceaccounts".to_owned(), of_namespace, "system:authenticated".to_owned()]
    }

    /// Whether the handlers of `namespace` are looked after.
    pub(super) fn watches(&self, namespace: &str) -> bool {
        self.watched.is_empty() || self.watched.iter().any(|watched| watched == namespace)
    }
}

#[cfg(test)]
impl Whereabouts {
    /// Outside, of an operator that is installed as it is shipped.
    pub(super) fn usual() -> Self {
        Self {
            namespace: "k8supdater".to_owned(),
            deployment: "k8supdater".to_owned(),
            account: "k8supdater".to_owned(),
            is_in_pod: false,
            watched: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_run_where_whoever_reads_them_is() {
        let outside = Whereabouts::usual();
        assert_eq!(
            outside.apply_rights(),
            "k8supdater manifests rights --namespace k8supdater | kubectl apply --server-side --force-conflicts -f -"
        );
        let inside = Whereabouts {
            namespace: "ops".to_owned(),
            account: "updater".to_owned(),
            is_in_pod: true,
            watched: vec!["a".to_owned(), "b".to_owned()],
            ..outside
        };
        assert_eq!(
            inside.apply_rights(),
            "kubectl exec -n ops deploy/k8supdater -- k8supdater manifests rights --namespace ops \
             --service-account updater --watch-namespaces a,b | kubectl apply --server-side --force-conflicts -f -"
        );
        assert!(inside.watches("a") && !inside.watches("c"));
        assert_eq!(inside.user(), "system:serviceaccount:ops:updater");
    }
}
