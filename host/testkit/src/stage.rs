//! What one test plays on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::Kubeconfig;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::objects::{self, Packing};
use crate::{ApiProxy, Cluster, Operator, PATIENCE, Registry, cluster, eventually, rbac};

/// The file with the operator's rights, in the stage's directory.
const KUBECONFIG: &str = "kubeconfig";
/// The same rights, by way of an [`ApiProxy`].
const KUBECONFIG_OF_PROXY: &str = "kubeconfig-of-proxy";

/// Two new namespaces, one for the operator with its plugins and one that it watches, and the operator with its shipped rights on them.
///
/// When it is dropped the operator is killed and the namespaces are deleted; a test that fails leaves the namespaces to look at.
pub struct Stage {
    /// The control plane.
    pub cluster: Cluster,
    /// The namespace of handlers and workloads.
    pub namespace: String,
    /// The operator's own namespace.
    pub own_namespace: String,
    /// The operator, not started yet.
    pub operator: Operator,
    /// Further namespaces that the operator watches.
    others: Vec<String>,
    /// Holds the operator's log and kubeconfig.
    directory: TempDir,
}

impl Stage {
    /// A stage for a test called `name`, with the binary `program`. Compiled plugins are kept below `scratch` for all tests.
    ///
    /// # Panics
    /// When there is no control plane, or it refuses.
    pub async fn new(program: &str, scratch: &Path, name: &str) -> Self {
        let cluster = Cluster::connect().await;
        let (namespace, own_namespace) =
            (cluster.create_namespace(name).await, cluster.create_namespace(&format!("{name}-op")).await);
        let kubeconfig = rbac::grant(&cluster, &own_namespace, std::slice::from_ref(&namespace)).await;
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let path = directory.path().join(KUBECONFIG);
        write(&path, &kubeconfig);
        let args = [
            format!("--kubeconfig={}", path.display()),
            format!("--namespace={own_namespace}"),
            format!("--watch-namespaces={namespace}"),
            "--health-address=127.0.0.1:0".to_owned(),
            format!("--cache-dir={}", scratch.join("compiled-plugins").display()),
            "--log=info,k8supdater=debug".to_owned(),
        ];
        let args = args.into_iter().map(Into::into).collect();
        let operator = Operator::new(program, args, directory.path().join("operator.log"));
        Self { cluster, namespace, own_namespace, operator, others: Vec::new(), directory }
    }

    /// Creates another namespace that the operator watches from its next start on, and gives its name.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn also_watch(&mut self, name: &str) -> String {
        let other = self.cluster.create_namespace(name).await;
        rbac::grant(&self.cluster, &self.own_namespace, std::slice::from_ref(&other)).await;
        self.others.push(other.clone());
        let watched: Vec<&str> = [&self.namespace].into_iter().chain(&self.others).map(String::as_str).collect();
        self.operator.set_flag("--watch-namespaces", &watched.join(","));
        other
    }

    /// A client with the rights that the operator is shipped with, and no others.
    ///
    /// # Panics
    /// When the control plane is gone.
    pub async fn operator_client(&self) -> kube::Client {
        cluster::client(&self.kubeconfig()).await
    }

    /// A kubeconfig with the rights that the installer of plugins is shipped with in the operator's namespace, except those to do `less` to a
    /// resource, for an account called `name`.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn installer(&self, name: &str, less: Option<(&str, &str)>) -> PathBuf {
        let kubeconfig = rbac::grant_installer(&self.cluster, &self.own_namespace, name, less).await;
        let path = self.directory.path().join(format!("{name}.kubeconfig"));
        write(&path, &kubeconfig);
        path
    }

    fn kubeconfig(&self) -> Kubeconfig {
        Kubeconfig::read_from(self.directory.path().join(KUBECONFIG)).expect("the stage has written it")
    }

    /// Starts a proxy through which the operator talks to the API server from its next start on.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn through_proxy(&mut self) -> ApiProxy {
        let mut kubeconfig = self.kubeconfig();
        let proxy = ApiProxy::start(&kubeconfig).await;
        for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
            cluster.server = Some(proxy.origin());
        }
        let path = self.directory.path().join(KUBECONFIG_OF_PROXY);
        write(&path, &kubeconfig);
        self.operator.set_flag("--kubeconfig", &path.display().to_string());
        proxy
    }

    /// A directory for files of this test.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The real registry. Repositories of this test should begin with its namespace's name, which nobody else uses.
    pub fn registry(&self) -> Registry {
        Registry::new(&self.cluster.surroundings.registry)
    }

    /// A client for a kind in the watched namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.client.clone(), &self.namespace)
    }

    /// A client for a kind in the operator's own namespace.
    pub fn own_api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.client.clone(), &self.own_namespace)
    }

    /// A client for handlers as JSON.
    pub fn handlers(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.cluster.client.clone(), &self.namespace, &objects::handlers())
    }

    /// A client for plugins as JSON.
    pub fn plugins(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.cluster.client.clone(), &self.own_namespace, &objects::plugins())
    }

    /// Creates an object in the watched namespace.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn create<K>(&self, object: &K)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        create(&self.api(), object).await;
    }

    /// Creates a Deployment with these containers and waits until its pods run.
    pub async fn deploy(&self, name: &str, containers: &[(&str, &str)]) {
        self.deploy_as(&objects::deployment(name, containers)).await;
    }

    /// Creates this Deployment and waits until its pods run.
    pub async fn deploy_as(&self, deployment: &Deployment) {
        let api: Api<Deployment> = self.api();
        create(&api, deployment).await;
        let name = deployment.name_any();
        self.eventually(&format!("the pods of {name} run"), async || {
            let status = api.get(&name).await.map_err(|err| err.to_string())?.status.unwrap_or_default();
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
            (status.available_replicas.unwrap_or(0) == wanted).then_some(()).ok_or_else(|| format!("{status:?}"))
        })
        .await;
    }

    /// Creates a handler for the Deployment of the same name; see [`objects::handler`].
    pub async fn handle(&self, name: &str, spec: &Value) {
        create(&self.handlers(), &objects::handler(name, spec)).await;
    }

    /// Creates a ConfigMap with a packed component and a Plugin that uses it; see [`objects::plugin`].
    pub async fn plug(&self, name: &str, component: &str, spec: &Value) {
        let bytes = self.cluster.surroundings.component(component);
        create(&self.own_api(), &objects::config_map(name, &bytes, Packing::Gzip)).await;
        create(&self.plugins(), &objects::plugin(name, spec)).await;
    }

    /// Puts other bytes into the ConfigMap of a plugin.
    pub async fn replace_component(&self, name: &str, bytes: &[u8], packing: Packing) {
        let api: Api<ConfigMap> = self.own_api();
        let params = PostParams::default();
        api.replace(name, &params, &objects::config_map(name, bytes, packing))
            .await
            .expect("a ConfigMap can be replaced");
    }

    /// Image of a container of a Deployment.
    pub async fn image(&self, deployment: &str, container: &str) -> String {
        let found = self.api::<Deployment>().get(deployment).await.expect("the Deployment exists");
        let pod = found.spec.and_then(|spec| spec.template.spec).unwrap_or_default();
        let container = pod.containers.into_iter().find(|found| found.name == container);
        container.and_then(|container| container.image).expect("the container exists and has an image")
    }

    /// Image of a container of a workload of any kind.
    ///
    /// # Panics
    /// When there is no such workload, or no such container with an image, init containers included.
    pub async fn image_in<K>(&self, name: &str, container: &str) -> String
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let found = self.api::<K>().get(name).await.expect("the workload exists");
        let object = serde_json::to_value(&found).expect("a workload can be written as JSON");
        let pod =
            ["/spec/template/spec", "/spec/jobTemplate/spec/template/spec"].iter().find_map(|at| object.pointer(at));
        let lists = pod.into_iter().flat_map(|pod| [&pod["containers"], &pod["initContainers"]]);
        let mut containers = lists.filter_map(Value::as_array).flatten();
        let found = containers.find(|found| found["name"] == container).and_then(|found| found["image"].as_str());
        found.expect("the container exists and has an image").to_owned()
    }

    /// Sets the image of a container of a Deployment, as a human does with `kubectl set image`.
    pub async fn set_image(&self, deployment: &str, container: &str, image: &str) {
        let containers = json!([{"name": container, "image": image}]);
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        let patch = Patch::Strategic(&patch);
        let api: Api<Deployment> = self.api();
        api.patch(deployment, &PatchParams::default(), &patch).await.expect("an image can be set");
    }

    /// How many pod templates a Deployment has had: one `ReplicaSet` stands for each.
    pub async fn count_rollouts(&self, deployment: &str) -> usize {
        let api: Api<ReplicaSet> = self.api();
        let of_deployment = ListParams::default().labels(&format!("app={deployment}"));
        api.list(&of_deployment).await.expect("ReplicaSets can be listed").items.len()
    }

    /// The operator's Events about what a handler looks after, oldest first: reason and note.
    pub async fn events(&self, handler: &str) -> Vec<(String, String)> {
        let mut events = self.all_events(handler).await;
        events.retain(|(reason, _)| !reason.starts_with("Handler"));
        events
    }

    /// The reasons of the operator's Events about a handler itself, oldest first.
    pub async fn lifecycle(&self, handler: &str) -> Vec<String> {
        let events = self.all_events(handler).await.into_iter().map(|(reason, _)| reason);
        events.filter(|reason| reason.starts_with("Handler")).collect()
    }

    async fn all_events(&self, handler: &str) -> Vec<(String, String)> {
        let api: Api<Event> = self.api();
        let mut events = api.list(&ListParams::default()).await.expect("Events can be listed").items;
        events.retain(|event| {
            let regarding = event.regarding.as_ref().and_then(|regarding| regarding.name.as_deref());
            let kind = event.regarding.as_ref().and_then(|regarding| regarding.kind.as_deref());
            kind == Some("VersioningHandler") && regarding == Some(handler)
        });
        events.sort_by(|one, other| one.event_time.cmp(&other.event_time));
        events.into_iter().map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default())).collect()
    }

    /// How many Events with that reason there are about a handler.
    pub async fn count_events(&self, handler: &str, reason: &str) -> usize {
        self.events(handler).await.iter().filter(|(found, _)| found == reason).count()
    }

    /// Waits until `probe` is content.
    ///
    /// # Panics
    /// When that does not happen in [`PATIENCE`]; the message shows what `probe` said last, and the state of all objects of the test.
    pub async fn eventually<T>(&self, what: &str, probe: impl AsyncFnMut() -> Result<T, String>) -> T {
        self.within(PATIENCE, what, probe).await
    }

    /// The same with another patience.
    ///
    /// # Panics
    /// As [`Stage::eventually`].
    pub async fn within<T>(&self, patience: Duration, what: &str, probe: impl AsyncFnMut() -> Result<T, String>) -> T {
        match eventually(patience, probe).await {
            Ok(value) => value,
            Err(last) => {
                panic!("after {patience:?} it is not so that {what}; instead: {last}\n{}", self.account().await)
            }
        }
    }

    /// What there is, for the message of a failing test.
    pub async fn account(&self) -> String {
        let mut account = String::new();
        for (kind, listed) in [
            ("handler", self.handlers().list(&ListParams::default()).await),
            ("plugin", self.plugins().list(&ListParams::default()).await),
        ] {
            for object in listed.map(|list| list.items).unwrap_or_default() {
                let name = object.name_any();
                account.extend(["--- ", kind, " ", &name, "\n", &yaml(&object.data)]);
            }
        }
        let events = self.api::<Event>().list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default();
        account.push_str("--- Events\n");
        for event in events {
            let about = event.regarding.and_then(|regarding| regarding.name).unwrap_or_default();
            let (reason, note) = (event.reason.unwrap_or_default(), event.note.unwrap_or_default());
            account.extend([&about, ": ", &reason, ": ", &note, "\n"]);
        }
        account
    }

    /// Plays the kubelet: says that all pods that a Deployment has now run this image in a container, as in
    /// `docker.io/library/nginx@sha256:…`. Nobody pulls images here, so by itself a pod says nothing of the kind.
    ///
    /// Only for Deployments whose pods have the label `app` with its name, as those of [`objects::deployment`] have.
    pub async fn pods_run(&self, deployment: &str, container: &str, image_id: &str) {
        let api: Api<Pod> = self.api();
        let of_deployment = ListParams::default().labels(&format!("app={deployment}"));
        self.eventually(&format!("the pods of {deployment} run {container}"), async || {
            let mut pods = api.list(&of_deployment).await.map_err(|err| err.to_string())?.items;
            pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
            if pods.is_empty() {
                return Err("there are none".to_owned());
            }
            for mut pod in pods {
                let statuses = pod.status.iter_mut().filter_map(|status| status.container_statuses.as_mut()).flatten();
                let found = statuses.into_iter().find(|status| status.name == container);
                let found = found.ok_or_else(|| {
                    format!("{container} does not run in {}", pod.metadata.name.as_deref().unwrap_or_default())
                })?;
                image_id.clone_into(&mut found.image_id);
                // The whole list, because the API server does not merge such lists; refused, if the pod was changed meanwhile.
                let replaced = api.replace_status(&pod.name_any(), &PostParams::default(), &pod).await;
                replaced.map_err(|err| err.to_string())?;
            }
            Ok(())
        })
        .await;
    }

    async fn clean_up(&self) {
        // The client of the test belongs to a runtime that may be about to end.
        let client = crate::cluster::client(self.cluster.kubeconfig()).await;
        rbac::revoke(client.clone(), &self.own_namespace).await;
        let api: Api<Namespace> = Api::all(client);
        for name in [&self.namespace, &self.own_namespace].into_iter().chain(&self.others) {
            // What is left behind is removed with the control plane.
            let _ = api.delete(name, &DeleteParams::background()).await;
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.operator.kill();
        if std::thread::panicking() {
            eprintln!("namespaces {} and {} are left as they are", self.namespace, self.own_namespace);
            return;
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                if let Ok(runtime) = runtime {
                    runtime.block_on(self.clean_up());
                }
            });
        });
    }
}

/// Creates `object`.
async fn create<K>(api: &Api<K>, object: &K)
where
    K: Resource + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    if let Err(err) = api.create(&PostParams::default(), object).await {
        panic!("cannot create {}: {err}", object.name_any());
    }
}

fn write(path: &Path, kubeconfig: &Kubeconfig) {
    let text = serde_json::to_string(kubeconfig).expect("a kubeconfig can be written");
    std::fs::write(path, text).expect("a file can be written");
}

fn yaml(value: &Value) -> String {
    serde_yaml_ng::to_string(value).unwrap_or_else(|_| value.to_string())
}
