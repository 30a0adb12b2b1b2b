//! The control plane that the tests share.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{GroupVersionKind, ObjectMeta};
use kube::{Client, Config, ResourceExt};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::surroundings::{Surroundings, root};
use crate::{PATIENCE, eventually, rbac};

/// A client for the control plane, with the rights of a user who may do everything.
///
/// Clients belong to the runtime that made them, and every test has its own, so each test connects by itself.
#[derive(Clone)]
pub struct Cluster {
    /// Where the tests run.
    pub surroundings: Surroundings,
    /// The client.
    pub client: Client,
    kubeconfig: Kubeconfig,
}

/// Set once this process has installed what is shared by all namespaces.
static INSTALLED: OnceCell<()> = OnceCell::const_new();

impl Cluster {
    /// Connects to the control plane that the environment names, and installs what `deploy` ships for the whole cluster.
    ///
    /// # Panics
    /// When there is none.
    pub async fn connect() -> Self {
        let surroundings = Surroundings::find();
        let kubeconfig = Kubeconfig::read_from(&surroundings.kubeconfig)
            .unwrap_or_else(|err| panic!("cannot read {}: {err}", surroundings.kubeconfig.display()));
        let client = client(&kubeconfig).await;
        let cluster = Self { surroundings, client, kubeconfig };
        INSTALLED.get_or_init(|| cluster.install()).await;
        cluster
    }

    async fn install(&self) {
        for definition in shipped("deploy/crd") {
            self.apply(&definition).await;
        }
        for role in rbac::roles_about_nodes() {
            self.apply(&role).await;
        }
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        for name in ["versioninghandlers.k8supdater.dev", "plugins.k8supdater.dev"] {
            let established = eventually(PATIENCE, async || {
                let definition = definitions.get(name).await.map_err(|err| err.to_string())?;
                let conditions = definition.status.and_then(|status| status.conditions).unwrap_or_default();
                let is_established =
                    conditions.iter().any(|condition| condition.type_ == "Established" && condition.status == "True");
                is_established.then_some(()).ok_or_else(|| format!("{conditions:?}"))
            });
            established.await.unwrap_or_else(|last| panic!("{name} is not established: {last}"));
        }
    }

    /// Server-side apply of an object of any kind, in the namespace that it names.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn apply(&self, object: &DynamicObject) {
        let types = object.types.clone().expect("a shipped object says what it is");
        let kind = GroupVersionKind::try_from(&types).expect("apiVersion and kind are well formed");
        let resource = ApiResource::from_gvk(&kind);
        let api: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), &namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let params = PatchParams::apply("k8supdater-testkit").force();
        if let Err(err) = api.patch(&object.name_any(), &params, &Patch::Apply(object)).await {
            panic!("cannot apply {} {}: {err}", types.kind, object.name_any());
        }
    }

    /// Creates a namespace whose name begins with `prefix`, and waits until pods can be created in it.
    ///
    /// # Panics
    /// When the API server refuses.
    pub async fn create_namespace(&self, prefix: &str) -> String {
        let name = format!("{prefix}-{:06x}", rand::random::<u32>() & 0x00ff_ffff);
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = Namespace { metadata, ..Namespace::default() };
        namespaces.create(&PostParams::default(), &namespace).await.expect("a new namespace can be created");
        // Pods without it are refused, and the ReplicaSet controller would then wait longer and longer.
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &name);
        let created = eventually(PATIENCE, async || accounts.get("default").await.map_err(|err| err.to_string()));
        created.await.unwrap_or_else(|last| panic!("namespace {name} gets no default ServiceAccount: {last}"));
        name
    }

    /// The kubeconfig that this was connected with.
    pub(crate) fn kubeconfig(&self) -> &Kubeconfig {
        &self.kubeconfig
    }

    /// The kubeconfig of somebody else, who has this token.
    pub(crate) fn kubeconfig_with_token(&self, token: &str) -> Kubeconfig {
        let mut kubeconfig = self.kubeconfig.clone();
        for user in &mut kubeconfig.auth_infos {
            let info = serde_json::json!({"token": token});
            user.auth_info = Some(serde_json::from_value(info).expect("a token alone is an identity"));
        }
        kubeconfig
    }
}

/// A client with the rights of `kubeconfig`.
pub(crate) async fn client(kubeconfig: &Kubeconfig) -> Client {
    crate::install_crypto();
    let options = KubeConfigOptions::default();
    let config =
        Config::from_custom_kubeconfig(kubeconfig.clone(), &options).await.expect("the kubeconfig is complete");
    Client::try_from(config).expect("a client can be built")
}

/// The objects in the YAML file, or in all YAML files of the directory, of that path in the repository.
pub(crate) fn shipped(path: &str) -> Vec<DynamicObject> {
    let path = root().join(path);
    let mut files = vec![path.clone()];
    if path.is_dir() {
        let entries = std::fs::read_dir(&path).expect("the directory can be read");
        files = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
    }
    let read = |file: &std::path::PathBuf| {
        std::fs::read_to_string(file).unwrap_or_else(|err| panic!("cannot read {}: {err}", file.display()))
    };
    files.iter().flat_map(|file| parse(&read(file))).collect()
}

/// The objects of a YAML stream; lists such as kustomizations, which are no objects, are left out.
pub(crate) fn parse(stream: &str) -> Vec<DynamicObject> {
    serde_yaml_ng::Deserializer::from_str(stream)
        .map(|document| serde_json::Value::deserialize(document).expect("what is shipped is YAML"))
        .filter(|document| document["metadata"]["name"].is_string())
        .map(|document| serde_json::from_value(document).expect("what is shipped are objects"))
        .collect()
}
