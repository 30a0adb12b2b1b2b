//! Whom the operator has to reach: each origin that a plugin is granted, and the registry of each image that is looked after.
//!
//! Requests go out by the operator's own [client](Client), so under the same rules, by the same proxy and with the same authorities, and
//! without any credentials: whatever is answered, it was reached.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use k8supdater_core::image::ImageReference;
use k8supdater_core::origin::{Grant, Grants, Origin};
use k8supdater_egress::{Client, Failure, Limits, Request, Scope};
use kube::ResourceExt;

use super::finding::{Finding, Group};
use super::plugins::{grant, is_ready};
use super::whereabouts::Whereabouts;
use crate::api::{Plugin, VersioningHandler};
use crate::config::Config;
use crate::plugin::Defaults;

/// Most origins that are tried.
const MOST: usize = 64;
/// How many at a time.
const AT_A_TIME: usize = 8;
/// Most time for one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where requests should get to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    origin: Origin,
    /// Whether the very origin is granted, or only whichever registry an image has.
    is_named: bool,
    /// Whether it is the registry of an image.
    is_registry: bool,
    /// Name of a plugin that wants to call it.
    plugin: String,
    /// A handler whose image is there.
    handler: Option<String>,
}

/// What came of it: the status of the answer, or why there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tried {
    target: Target,
    result: Result<u16, Failure>,
}

/// Whom ready plugins have to reach. Pure.
pub(super) fn targets(plugins: &[Plugin], handlers: &[VersioningHandler], config: &Config) -> Vec<Target> {
    let mut targets: BTreeMap<Origin, Target> = BTreeMap::new();
    let mut granted: BTreeMap<String, Vec<Grant>> = BTreeMap::new();
    for plugin in plugins.iter().filter(|plugin| is_ready(plugin)) {
        let name = plugin.name_any();
        let texts = plugin.spec.grants.iter().flat_map(|grants| &grants.origins);
        let configured = Defaults::of(&name, config).origin.map(Grant::Origin);
        let grants: Vec<Grant> = texts.filter_map(|text| text.parse().ok()).chain(configured).collect();
        for grant in &grants {
            if let Grant::Origin(origin) = grant {
                targets.entry(origin.clone()).or_insert_with(|| Target {
                    origin: origin.clone(),
                    is_named: true,
                    is_registry: false,
                    plugin: name.clone(),
                    handler: None,
                });
            }
        }
        granted.insert(name, grants);
    }
    for handler in handlers {
        let full = format!("{}/{}", handler.namespace().unwrap_or_default(), handler.name_any());
        for container in handler.status.iter().flat_map(|status| &status.containers) {
            let exception = handler.spec.containers.iter().find(|exception| exception.name == container.name);
            if exception.is_some_and(|exception| exception.ignore) {
                continue;
            }
            let plugin = exception.and_then(|exception| exception.containerregistry.as_ref());
            let plugin = plugin.unwrap_or(&handler.spec.containerregistry);
            let Some(grants) = granted.get(plugin).filter(|grants| grants.contains(&Grant::Registry)) else { continue };
            let Ok(image) = container.image.parse::<ImageReference>() else { continue };
            let Ok(registry) = Origin::registry(image.registry()) else { continue };
            // Who granted the registry by name meant that it is spoken to like that, without TLS perhaps.
            let named = grants.iter().find_map(|grant| match grant {
                Grant::Origin(origin) if origin.has_same_authority(&registry) => Some(origin.clone()),
                Grant::Origin(_) | Grant::Registry => None,
            });
            let is_named = named.is_some();
            let origin = named.unwrap_or(registry);
            let target = targets.entry(origin.clone()).or_insert_with(|| Target {
                origin,
                is_named,
                is_registry: true,
                plugin: plugin.clone(),
                handler: None,
            });
            target.is_registry = true;
            target.handler.get_or_insert_with(|| full.clone());
        }
    }
    targets.into_values().take(MOST).collect()
}

/// Tries each of them.
pub(super) async fn look(client: &Client, targets: Vec<Target>) -> Vec<Tried> {
    let tries = futures::stream::iter(targets).map(async |target| {
        let result = attempt(client, &target).await;
        Tried { target, result }
    });
    tries.buffered(AT_A_TIME).collect().await
}

async fn attempt(client: &Client, target: &Target) -> Result<u16, Failure> {
    let grant = if target.is_named { Grant::Origin(target.origin.clone()) } else { Grant::Registry };
    let scope = Scope {
        grants: Grants::new(vec![grant]),
        registry: Some(target.origin.clone()),
        credentials: Vec::new(),
        realms: Vec::new(),
        limits: Limits { total: PATIENCE, ..Limits::default() },
    };
    let path = if target.is_registry { "/v2/" } else { "/" };
    let request = Request {
        method: "GET".to_owned(),
        url: format!("{}{path}", target.origin),
        headers: Vec::new(),
        body: Vec::new(),
        credential: None,
    };
    match client.send(&scope, request).await {
        Ok(response) => Ok(response.status),
        // It has answered, and more than anybody wanted to know.
        Err(Failure::TooLarge) => Ok(200),
        Err(failure) => Err(failure),
    }
}

/// Who is reached, and who is not. What fails here need not fail there, so it is no fault unless this runs where the operator does. Pure.
pub(super) fn findings(tried: &[Tried], plugins: &[Plugin], has_proxy: bool, place: &Whereabouts) -> Vec<Finding> {
    if tried.is_empty() {
        return vec![Group::Egress.ok(
            "origins",
            "there is nobody to reach yet: no plugin is granted an origin, and no image is looked after",
        )];
    }
    tried.iter().map(|tried| finding(tried, plugins, has_proxy, place)).collect()
}

fn finding(Tried { target, result }: &Tried, plugins: &[Plugin], has_proxy: bool, place: &Whereabouts) -> Finding {
    let user = match &target.handler {
        Some(handler) => format!("for the images of VersioningHandler {handler}"),
        None => format!("for Plugin {}", target.plugin),
    };
    let object = target.origin.to_string();
    let (from, by) = (from(place), if has_proxy { ", by the proxy" } else { "" });
    let failure = match result {
        Ok(status) if *status < 500 => {
            return Group::Egress.ok(object, format!("answers from {from}{by} (status {status}), {user}"));
        }
        Ok(status) => {
            let message =
                format!("was reached from {from}{by}, and says that it has trouble (status {status}), {user}");
            return Group::Egress.warning(object, message).mended_by(place.exec("doctor"));
        }
        Err(failure) => failure,
    };
    let message = format!("{}, tried from {from}{by}, {user}", cause(failure));
    if place.is_in_pod {
        return Group::Egress.fault(object, message).mended_by(remedy(target, failure, plugins, place));
    }
    let message = format!("{message}; the operator may see it otherwise, which \"{}\" tells", place.exec("doctor"));
    Group::Egress.warning(object, message).mended_by(remedy(target, failure, plugins, place))
}

fn from(place: &Whereabouts) -> &'static str {
    if place.is_in_pod { "the operator's pod" } else { "this machine" }
}

/// What went wrong, by its kind.
fn cause(failure: &Failure) -> String {
    let kind = match failure {
        Failure::Denied(_) => "not allowed",
        Failure::Timeout => "no answer",
        Failure::Connect(text) if is_about_name(text) => "name not found",
        Failure::Connect(_) => "no connection",
        Failure::Tls(_) => "no trust",
        Failure::TooLarge | Failure::Mail(_) | Failure::Other(_) => "no proper answer",
    };
    format!("{kind}: {failure}")
}

fn is_about_name(text: &str) -> bool {
    text.contains("cannot be resolved") || text.contains("has no address")
}

fn remedy(target: &Target, failure: &Failure, plugins: &[Plugin], place: &Whereabouts) -> String {
    let Whereabouts { namespace, deployment, .. } = place;
    let object = plugins.iter().find(|plugin| plugin.name_any() == target.plugin);
    let (origin, host) = (target.origin.to_string(), target.origin.host());
    match (failure, object) {
        (Failure::Denied(why), Some(plugin)) if why.contains("grants the origin by name") => {
            grant(plugin, &[origin], place)
        }
        (Failure::Tls(why), Some(plugin)) if why.contains("does not speak TLS") => {
            let plain = origin.replacen("https://", "http://", 1);
            format!("{} (and set plainHttp in its spec.settings)", grant(plugin, &[plain], place))
        }
        (Failure::Tls(why), _) if why.contains("unknown authority") => format!(
            "kubectl create configmap -n {namespace} k8supdater-ca --from-file ca.pem=FILE; mount it into deploy/{deployment}, and set K8SUPDATER_CA_FILE to where it is"
        ),
        (Failure::Tls(_), _) => format!("openssl s_client -connect {host}:443 -servername {host} </dev/null"),
        (Failure::Connect(text), _) if is_about_name(text) => {
            format!("kubectl run look-up -n {namespace} -it --rm --restart=Never --image=busybox -- nslookup {host}")
        }
        _ => format!(
            "kubectl get networkpolicies -n {namespace}; if there is a proxy: {}",
            place.set_env("K8SUPDATER_PROXY", "URL")
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::doctor::finding::Level;
    use crate::config::RawConfig;

    fn plugin(name: &str, origins: &[&str]) -> Plugin {
        let ready = json!({"type": "Ready", "status": "True", "reason": "Serving", "message": "", "lastTransitionTime": "2026-01-02T03:04:05Z"});
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "Plugin", "metadata": {"name": name},
            "spec": {"source": {"configMap": {"name": name}}, "grants": {"origins": origins}}, "status": {"conditions": [ready]},
        }))
        .unwrap()
    }

    fn handler(image: &str, spec: &Value) -> VersioningHandler {
        let mut full = json!({"deployment": "web", "containerregistry": "oci"});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler", "metadata": {"name": "web", "namespace": "team-a"},
            "spec": full, "status": {"containers": [{"name": "app", "image": image, "decision": "None"}]},
        }))
        .unwrap()
    }

    #[test]
    fn whom_the_operator_has_to_reach_follows_from_grants_and_images() {
        let check = |origins: &[&str], image: &str, spec: Value, expected: &[(&str, bool)]| {
            let config = RawConfig::default().check().unwrap();
            let found = targets(&[plugin("oci", origins)], &[handler(image, &spec)], &config);
            let shown: Vec<_> = found.iter().map(|target| (target.origin.to_string(), target.is_named)).collect();
            let expected: Vec<_> = expected.iter().map(|(origin, named)| ((*origin).to_owned(), *named)).collect();
            assert_eq!(shown, expected);
        };
        let plain = || json!({});
        check(&["$registry"], "nginx:1.27", plain(), &[("https://registry-1.docker.io", false)]);
        check(&["$registry", "http://r:5000"], "r:5000/a:1", plain(), &[("http://r:5000", true)]);
        check(&["https://api.example"], "nginx:1.27", plain(), &[("https://api.example", true)]);
        check(&["$registry"], "nginx:1.27", json!({"containers": [{"name": "app", "ignore": true}]}), &[]);
        check(&["$registry"], "nginx:1.27", json!({"containerregistry": "other"}), &[]);
        let raw = RawConfig { gitlab_base_url: Some("https://git.example/path".to_owned()), ..RawConfig::default() };
        let found = targets(&[plugin("gitlab", &[])], &[], &raw.check().unwrap());
        assert_eq!(found[0].origin.to_string(), "https://git.example");
    }

    #[test]
    fn who_is_not_reached_is_told_with_the_kind_of_trouble_and_a_command() {
        let check = |failure: Failure, message: &str, remedy: &str| {
            let origin = Origin::parse("https://r.internal").unwrap();
            let target = Target {
                origin,
                is_named: false,
                is_registry: true,
                plugin: "oci".to_owned(),
                handler: Some("a/web".to_owned()),
            };
            let tried = [Tried { target, result: Err(failure) }];
            let plugins = [plugin("oci", &["$registry"])];
            let inside = Whereabouts { is_in_pod: true, ..Whereabouts::usual() };
            for (place, level) in [(inside, Level::Fault), (Whereabouts::usual(), Level::Warning)] {
                let found = findings(&tried, &plugins, false, &place);
                assert_eq!(found[0].level, level);
                assert!(found[0].message.starts_with(message), "{found:?}");
                assert!(found[0].remedy.as_ref().unwrap().contains(remedy), "{found:?}");
            }
        };
        let private = "r.internal is at 10.0.0.7, which may not be called: private addresses are called only where an administrator grants the origin by name";
        check(
            Failure::Denied(private.to_owned()),
            "not allowed: ",
            r#"{"origins":["$registry","https://r.internal"]}"#,
        );
        check(
            Failure::Connect("r.internal cannot be resolved: x".to_owned()),
            "name not found: ",
            "nslookup r.internal",
        );
        check(
            Failure::Connect("https://r.internal refused the connection".to_owned()),
            "no connection: ",
            "networkpolicies",
        );
        check(Failure::Timeout, "no answer: ", "networkpolicies");
        let unknown = "no TLS connection: its certificate is from an unknown authority; …";
        check(Failure::Tls(unknown.to_owned()), "no trust: ", "K8SUPDATER_CA_FILE");
        check(Failure::Tls("it does not speak TLS".to_owned()), "no trust: ", "http://r.internal");
        check(Failure::Tls("its certificate has expired".to_owned()), "no trust: ", "openssl s_client");
    }

    #[test]
    fn whatever_is_answered_it_was_reached() {
        let origin = Origin::parse("https://r.example").unwrap();
        let target = Target { origin, is_named: true, is_registry: false, plugin: "oci".to_owned(), handler: None };
        for (status, level) in [(200, Level::Ok), (401, Level::Ok), (404, Level::Ok), (503, Level::Warning)] {
            let tried = [Tried { target: target.clone(), result: Ok(status) }];
            assert_eq!(findings(&tried, &[], true, &Whereabouts::usual())[0].level, level, "{status}");
        }
    }
}
