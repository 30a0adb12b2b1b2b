//! What there is in a cluster, to compare what was there before with what is left.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Result;

use crate::kubectl::Kubectl;

/// Kinds of objects that come and go by themselves. Events are about what has been, so some stay.
const PASSING: [&str; 4] = ["events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses"];

/// Objects of a cluster, each as `kind namespace name`.
#[derive(Debug, Default)]
pub(super) struct Remains(BTreeSet<String>);

/// Every object of every kind that the API server lists, but for those that are [`PASSING`].
///
/// # Errors
/// When the API server cannot be asked.
pub(super) fn everything(kubectl: &Kubectl) -> Result<Remains> {
    let kinds = kubectl.output("api-resources --verbs=list -o name")?;
    let kinds: Vec<&str> = kinds.lines().filter(|kind| !PASSING.contains(kind)).collect();
    let columns = "custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name";
    let list = kubectl.output(&format!("get {} -A --ignore-not-found --no-headers -o {columns}", kinds.join(",")))?;
    Ok(Remains(list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()))
}

impl Remains {
    /// Those that were not there `before`.
    pub(super) fn beyond(self, before: &Self) -> Self {
        Self(self.0.difference(&before.0).cloned().collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<&str> = self.0.iter().map(String::as_str).collect();
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_before_is_not_left_behind() {
        let remains = |objects: &[&str]| Remains(objects.iter().map(|&object| object.to_owned()).collect());
        let left = remains(&["Node <none> a", "Role ns b"]).beyond(&remains(&["Node <none> a", "Pod ns c"]));
        assert_eq!(left.to_string(), "Role ns b");
        assert!(remains(&["Pod ns c"]).beyond(&remains(&["Pod ns c"])).is_empty());
    }
}
