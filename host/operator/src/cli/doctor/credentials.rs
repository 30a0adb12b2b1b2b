//! Secrets that handlers and Plugins name: whether they are there, with the keys that they need. Values are neither shown nor kept.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};

use super::finding::{Finding, Group};
use super::looked::{Looked, Unseen};
use crate::api::{Plugin, VersioningHandler};

/// The keys of pull secrets.
const PULL_SECRET: [&str; 2] = [".dockerconfigjson", ".dockercfg"];

/// Most Secrets that are looked at.
const MOST: usize = 200;

/// One use of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Use {
    namespace: String,
    secret: String,
    /// Who names it: `VersioningHandler team-a/web`.
    user: String,
    /// Scheme of the slot that it fills, as the Plugin's status has it; none if that is not known.
    scheme: Option<String>,
}

/// The names of the keys of each Secret, by namespace and name.
pub(super) type Keys = BTreeMap<(String, String), Looked<BTreeSet<String>>>;

/// What is named. Pure.
pub(super) fn uses(plugins: &[Plugin], handlers: &[VersioningHandler], own: &str) -> Vec<Use> {
    let mut uses = Vec::new();
    for plugin in plugins {
        for grant in plugin.spec.grants.iter().flat_map(|grants| &grants.secrets) {
            uses.push(Use {
                namespace: own.to_owned(),
                secret: grant.secret_name.clone(),
                user: format!("Plugin {own}/{}", plugin.name_any()),
                scheme: scheme(plugin, Some(&grant.slot)),
            });
        }
    }
    for handler in handlers {
        let namespace = handler.namespace().unwrap_or_default();
        let handler_name = format!("VersioningHandler {namespace}/{}", handler.name_any());
        let spec = &handler.spec;
        let whole = spec.registry.iter().map(|options| (options, &spec.containerregistry));
        let single = spec.containers.iter().filter_map(|exception| {
            Some((
                exception.registry.as_ref()?,
                exception.containerregistry.as_ref().unwrap_or(&spec.containerregistry),
            ))
        });
        let registries =
            whole.chain(single).filter_map(|(options, plugin)| Some((options.secret_ref.as_ref()?, plugin)));
        let channels = spec.notifiers.iter().flatten();
        let channels = channels.filter_map(|channel| Some((channel.secret_ref.as_ref()?, &channel.plugin)));
        for (reference, plugin) in registries.chain(channels) {
            let plugin = plugins.iter().find(|found| found.name_any() == *plugin);
            uses.push(Use {
                namespace: namespace.clone(),
                secret: reference.name.clone(),
                user: handler_name.clone(),
                scheme: plugin.and_then(|plugin| scheme(plugin, reference.slot.as_deref())),
            });
        }
    }
    uses.sort();
    uses.dedup();
    uses.truncate(MOST);
    uses
}

/// The scheme of a slot of the plugin, or of its only one: `registry (oci-token)` in its status.
fn scheme(plugin: &Plugin, slot: Option<&str>) -> Option<String> {
    let slots = &plugin.status.as_ref()?.asks.as_ref()?.slots;
    let parts = |text: &str| {
        let (name, scheme) = text.split_once(" (")?;
        Some((name.to_owned(), scheme.trim_end_matches(')').to_owned()))
    };
    let mut slots = slots.iter().filter_map(|text| parts(text));
    match slot {
        Some(slot) => slots.find(|(name, _)| name == slot).map(|(_, scheme)| scheme),
        None => slots.next().map(|(_, scheme)| scheme),
    }
}

/// Reads which keys there are.
pub(super) async fn look(client: &Client, uses: &[Use]) -> Keys {
    let mut keys = Keys::new();
    for Use { namespace, secret, .. } in uses {
        let place = (namespace.clone(), secret.clone());
        if keys.contains_key(&place) {
            continue;
        }
        let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let found = api.get(secret).await.map_err(Unseen::from);
        keys.insert(place, found.map(|secret| secret.data.unwrap_or_default().into_keys().collect()));
    }
    keys
}

/// What is missing, and what may not be looked at. Pure.
pub(super) fn findings(uses: &[Use], keys: &Keys) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (mut good, mut hidden) = (0_usize, Vec::new());
    for named in uses {
        let Use { namespace, secret, user, scheme } = named;
        let object = format!("Secret {namespace}/{secret}");
        let remedy = || create(named);
        match keys.get(&(namespace.clone(), secret.clone())) {
            None | Some(Err(Unseen::Forbidden(_))) => hidden.push(object),
            Some(Err(Unseen::Absent)) => {
                findings.push(
                    Group::Credentials
                        .fault(object, format!("does not exist, and {user} names it"))
                        .mended_by(remedy()),
                );
            }
            Some(Err(why @ Unseen::Failed(_))) => findings.push(Group::Credentials.unknown(object, why.why())),
            Some(Ok(keys)) => match lacks(keys, scheme.as_deref()) {
                None => good += 1,
                Some(lacks) => {
                    let message = format!("lacks {lacks}, which {user} needs");
                    findings.push(Group::Credentials.fault(object, message).mended_by(remedy()));
                }
            },
        }
    }
    if let Some((first, others)) = hidden.split_first() {
        let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
        let message =
            "may not be read with these rights; what the operator finds in it is in the conditions of who names it";
        findings.push(Group::Credentials.unknown(format!("{first}{more}"), message));
    }
    if findings.is_empty() {
        let message = match good {
            0 => "none is named".to_owned(),
            1 => "the one that is named has its keys".to_owned(),
            many => format!("all {many} that are named have their keys"),
        };
        findings.push(Group::Credentials.ok("Secrets", message));
    }
    findings
}

/// What a Secret with these keys lacks for a slot of that scheme; without one any usual key will do.
fn lacks(keys: &BTreeSet<String>, scheme: Option<&str>) -> Option<&'static str> {
    let has = |key: &str| keys.contains(key);
    let has_login = has("username") && has("password");
    let has_entries = PULL_SECRET.iter().any(|key| has(key));
    let scheme = scheme.unwrap_or_default().split(' ').next().unwrap_or_default();
    match scheme {
        "oci-token" | "basic" if has_login || has_entries => None,
        "login" if has_login => None,
        "oci-token" | "basic" | "login" => Some(match (has("username"), has("password")) {
            (true, false) => "the key password",
            (false, true) => "the key username",
            _ => "the keys username and password",
        }),
        "" if has_login || has_entries || has("token") => None,
        "" => Some("the keys username and password, or token"),
        _ => (!has("token")).then_some("the key token"),
    }
}

fn create(Use { namespace, secret, scheme, .. }: &Use) -> String {
    let needs_login = scheme
        .as_deref()
        .is_none_or(|scheme| ["oci-token", "basic", "login"].iter().any(|known| scheme.starts_with(known)));
    let literals = if needs_login {
        "--from-literal username=USER --from-literal password=PASSWORD"
    } else {
        "--from-literal token=TOKEN"
    };
    let create = format!("kubectl create secret generic -n {namespace} {secret} {literals}");
    format!("{create} --dry-run=client -o yaml | kubectl apply --server-side --force-conflicts -f -")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn keys_are_those_that_the_slot_needs() {
        let check = |keys: &[&str], scheme: Option<&str>, expected: Option<&str>| {
            let keys = keys.iter().map(|&key| key.to_owned()).collect();
            assert_eq!(lacks(&keys, scheme), expected, "{keys:?} {scheme:?}");
        };
        let login = ["username", "password"];
        check(&login, Some("oci-token"), None);
        check(&[".dockerconfigjson"], Some("oci-token"), None);
        check(&[".dockerconfigjson"], Some("login /v2/token"), Some("the keys username and password"));
        check(&login[..1], Some("basic"), Some("the key password"));
        check(&login[1..], Some("login /x"), Some("the key username"));
        check(&login, Some("header private-token"), Some("the key token"));
        check(&["token"], Some("header private-token"), None);
        check(&["token"], Some("url"), None);
        check(&["token"], None, None);
        check(&["passwd"], None, Some("the keys username and password, or token"));
    }

    fn named() -> Vec<Use> {
        let plugin: Plugin = serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "Plugin", "metadata": {"name": "oci"},
            "spec": {"source": {"configMap": {"name": "oci"}},
                "grants": {"secrets": [{"slot": "registry", "origin": "https://ghcr.io", "secretName": "ghcr"}]}},
            "status": {"asks": {"slots": ["registry (oci-token)"]}},
        }))
        .unwrap();
        let handler: VersioningHandler = serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "metadata": {"name": "web", "namespace": "team-a"},
            "spec": {"deployment": "web", "containerregistry": "oci", "registry": {"secretRef": {"name": "login"}}},
        }))
        .unwrap();
        uses(&[plugin], &[handler], "k8supdater")
    }

    /// What is found if the Plugin's Secret has its keys, and the handler's is like that.
    fn check(login: Looked<&[&str]>, level: Level, message: &str) {
        let uses = named();
        let set = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<BTreeSet<_>>();
        let keys = [
            (("k8supdater".to_owned(), "ghcr".to_owned()), Ok(set(&["username", "password"]))),
            (("team-a".to_owned(), "login".to_owned()), login.map(set)),
        ];
        let found = findings(&uses, &keys.into());
        assert_eq!((found.len(), found[0].level), (1, level), "{found:?}");
        assert!(found[0].message.contains(message), "{found:?}");
        if level == Level::Fault {
            let remedy = found[0].remedy.as_ref().unwrap();
            assert!(
                remedy.starts_with("kubectl create secret generic -n team-a login --from-literal username=USER"),
                "{remedy}"
            );
        }
    }

    #[test]
    fn secrets_have_to_be_there_with_their_keys() {
        check(Ok(&["username", "password"]), Level::Ok, "all 2 that are named have their keys");
        check(Ok(&["username"]), Level::Fault, "lacks the key password, which VersioningHandler team-a/web needs");
        check(Err(Unseen::Absent), Level::Fault, "does not exist, and VersioningHandler team-a/web names it");
        check(Err(Unseen::Forbidden("no".to_owned())), Level::Unknown, "may not be read with these rights");
    }
}
