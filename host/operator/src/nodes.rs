//! The platforms of the cluster's nodes.
//!
//! Nodes come and go, but seldom with a new platform, so their labels are listed now and then instead of watched. An operator that may not
//! list nodes, as one that is confined to some namespaces, knows of none, and then no image is refused for its platform.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Node;
use k8supdater_core::policy::Platform;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::sync::Mutex;
use tracing::{debug, warn};

use crate::failure::chain;

/// The label with a node's operating system (<https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-os>).
const OS: &str = "kubernetes.io/os";
/// The label with its processor.
const ARCHITECTURE: &str = "kubernetes.io/arch";

/// How long a list of nodes is good for.
const KEPT: Duration = Duration::from_mins(5);

/// The nodes' labels, as of their last listing.
pub struct Nodes {
    client: Client,
    known: Mutex<Option<(Instant, Vec<Labels>)>>,
}

type Labels = BTreeMap<String, String>;

impl Nodes {
    /// Nothing is listed yet.
    pub fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The platforms of nodes that have all the labels of `selector`; empty if nobody knows.
    pub async fn platforms(&self, selector: &Labels) -> Vec<Platform> {
        let mut known = self.known.lock().await;
        match &*known {
            Some((listed, labels)) if listed.elapsed() < KEPT => platforms(labels, selector),
            _ => {
                let labels = self.list().await;
                let found = platforms(&labels, selector);
                *known = Some((Instant::now(), labels));
                found
            }
        }
    }

    /// The labels of all nodes; of none, if they cannot be had.
    async fn list(&self) -> Vec<Labels> {
        let api: Api<Node> = Api::all(self.client.clone());
        match api.list_metadata(&ListParams::default()).await {
            Ok(nodes) => nodes.items.into_iter().map(|node| node.labels().clone()).collect(),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                debug!("nodes may not be listed, so platforms are not looked at");
                Vec::new()
            }
            Err(err) => {
                warn!(error = chain(&err), "nodes not listed, so platforms are not looked at");
                Vec::new()
            }
        }
    }
}

/// The platforms of those of `nodes` that have all the labels of `selector`. Pure.
fn platforms(nodes: &[Labels], selector: &Labels) -> Vec<Platform> {
    let fits = |labels: &&Labels| selector.iter().all(|(key, value)| labels.get(key) == Some(value));
    let platform = |labels: &Labels| Some(Platform::new(labels.get(OS)?, labels.get(ARCHITECTURE)?));
    nodes.iter().filter(fits).filter_map(platform).collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_nodes_that_can_run_the_pods_count() {
        let nodes = [
            labels(&[(OS, "linux"), (ARCHITECTURE, "amd64"), ("pool", "web")]),
            labels(&[(OS, "linux"), (ARCHITECTURE, "amd64"), ("pool", "db")]),
            labels(&[(OS, "linux"), (ARCHITECTURE, "arm64")]),
            labels(&[("pool", "web")]),
        ];
        let check = |selector: &[(&str, &str)], expected: &[&str]| {
            let found = platforms(&nodes, &labels(selector));
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{selector:?}");
        };
        check(&[], &["linux/amd64", "linux/arm64"]);
        check(&[("pool", "web")], &["linux/amd64"]);
        check(&[(ARCHITECTURE, "arm64")], &["linux/arm64"]);
        check(&[(ARCHITECTURE, "s390x")], &[]);
    }
}
