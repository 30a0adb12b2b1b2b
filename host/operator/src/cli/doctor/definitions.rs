//! The `CustomResourceDefinitions` of the cluster, compared with those that this program was built with.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, CustomResourceExt, ResourceExt};
use serde_json::Value;

use super::finding::{Finding, Group};
use super::looked::{Looked, Unseen};
use super::whereabouts::Whereabouts;
use crate::api::{GROUP, Plugin, VersioningHandler};

/// How many fields are named.
const NAMED: usize = 5;

/// One definition, as far as it may be seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    expected: CustomResourceDefinition,
    found: Looked<CustomResourceDefinition>,
    /// The schema that the API server publishes, which more people may read.
    published: Looked<Value>,
}

/// Reads both.
pub(super) async fn look(client: &Client) -> Vec<Seen> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut seen = Vec::new();
    let mut published: Option<Looked<Value>> = None;
    for expected in [VersioningHandler::crd(), Plugin::crd()] {
        let found = api.get(&expected.name_any()).await.map_err(Unseen::from);
        let schema = match (&found, &published) {
            (Err(Unseen::Forbidden(_)), Some(known)) => known.clone(),
            (Err(Unseen::Forbidden(_)), None) => {
                let asked = self::published(client).await;
                published.insert(asked).clone()
            }
            _ => Err(Unseen::Absent),
        };
        seen.push(Seen { expected, found, published: schema });
    }
    seen
}

async fn published(client: &Client) -> Looked<Value> {
    let request = http(&format!("/openapi/v3/apis/{GROUP}/v1"))?;
    client.request::<Value>(request).await.map_err(Unseen::from)
}

fn http(path: &str) -> Looked<axum::http::Request<Vec<u8>>> {
    axum::http::Request::get(path).body(Vec::new()).map_err(|err| Unseen::Failed(err.to_string()))
}

/// Whether they are there, in force, and those that this program expects. Pure.
pub(super) fn findings(seen: &[Seen], place: &Whereabouts) -> Vec<Finding> {
    seen.iter().map(|seen| finding(seen, place)).collect()
}

fn finding(Seen { expected, found, published }: &Seen, place: &Whereabouts) -> Finding {
    let object = format!("CustomResourceDefinition {}", expected.name_any());
    let found = match found {
        Ok(found) => found,
        Err(Unseen::Absent) => {
            return Group::Definitions.fault(object, "is not installed").mended_by(place.apply_definitions());
        }
        Err(Unseen::Forbidden(_)) => return published_finding(object, expected, published, place),
        Err(why) => return Group::Definitions.unknown(object, why.why()),
    };
    if found.metadata.deletion_timestamp.is_some() {
        let message = "is being deleted, and with it all objects of its kind; install it again once it is gone";
        return Group::Definitions.fault(object, message).mended_by(place.apply_definitions());
    }
    let conditions = found.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ill = conditions.filter(|condition| {
        matches!(condition.type_.as_str(), "Established" | "NamesAccepted") && condition.status != "True"
    });
    let ill: Vec<String> = ill
        .map(|condition| {
            format!("{} is {}: {}", condition.type_, condition.status, condition.message.clone().unwrap_or_default())
        })
        .collect();
    if !ill.is_empty() {
        let message = format!("is not in force: {}", ill.join("; "));
        return Group::Definitions
            .fault(object, message)
            .mended_by(format!("kubectl describe crd {}", expected.name_any()));
    }
    compared(object, &Difference::of(&schema(expected), &schema(found)), place)
}

/// By what everybody may read: whether the kind is served, and with which fields.
fn published_finding(
    object: String,
    expected: &CustomResourceDefinition,
    published: &Looked<Value>,
    place: &Whereabouts,
) -> Finding {
    let document = match published {
        Ok(document) => document,
        Err(Unseen::Absent) => {
            return Group::Definitions.fault(object, "is not installed").mended_by(place.apply_definitions());
        }
        Err(why) => return Group::Definitions.unknown(object, why.why()),
    };
    let name = format!("dev.k8supdater.v1.{}", expected.spec.names.kind);
    let found = &document["components"]["schemas"][name.as_str()];
    if found.is_null() {
        return Group::Definitions.fault(object, "is not installed").mended_by(place.apply_definitions());
    }
    let mut difference = Difference::of(&schema(expected), found);
    // What is published has been worked on; only the fields are as they were.
    difference.other = Vec::new();
    compared(object, &difference, place)
}

fn compared(object: String, difference: &Difference, place: &Whereabouts) -> Finding {
    let version = env!("CARGO_PKG_VERSION");
    let Difference { missing, extra, other } = difference;
    match (missing.is_empty(), extra.is_empty(), other.is_empty()) {
        (true, true, true) => Group::Definitions.ok(object, format!("is that of this program, version {version}")),
        (false, true, _) => Group::Definitions
            .fault(object, format!("is older than this program, version {version}: it lacks {}", some(missing)))
            .mended_by(place.apply_definitions()),
        (false, false, _) => Group::Definitions
            .fault(
                object,
                format!(
                    "is that of another version than this program's, {version}: it lacks {}, and has {}",
                    some(missing),
                    some(extra)
                ),
            )
            .mended_by(place.apply_definitions()),
        (true, false, _) => Group::Definitions
            .warning(
                object,
                format!(
                    "is newer than this program, version {version}: it has {}, which is not looked at",
                    some(extra)
                ),
            )
            .mended_by(format!("kubectl get deploy -n {} {} -o wide", place.namespace, place.deployment)),
        (true, true, false) => Group::Definitions
            .warning(
                object,
                format!("has other rules than this program, version {version}, expects, at {}", some(other)),
            )
            .mended_by(place.apply_definitions()),
    }
}

/// The first few of `paths`.
fn some(paths: &[String]) -> String {
    let shown: Vec<&str> = paths.iter().take(NAMED).map(String::as_str).collect();
    match paths.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The schema of the version that is used, as JSON.
fn schema(definition: &CustomResourceDefinition) -> Value {
    let version = definition.spec.versions.iter().find(|version| version.name == "v1");
    let schema = version.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    serde_json::to_value(schema).unwrap_or_default()
}

/// How a schema differs from the one that is expected.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    /// Fields that are not there.
    missing: Vec<String>,
    /// Fields that nobody expects.
    extra: Vec<String>,
    /// Fields with other rules; descriptions do not count.
    other: Vec<String>,
}

impl Difference {
    fn of(expected: &Value, found: &Value) -> Self {
        let (mut expected_fields, mut found_fields) = (BTreeMap::new(), BTreeMap::new());
        fields(expected, "", &mut expected_fields);
        fields(found, "", &mut found_fields);
        let lacking = |these: &BTreeMap<String, Value>, those: &BTreeMap<String, Value>| -> Vec<String> {
            // Of a field that is missing, what is in it is not told as well.
            let lacks = |path: &String| !those.contains_key(path);
            these
                .keys()
                .filter(|path| lacks(path) && parent(path).is_none_or(|parent| those.contains_key(parent)))
                .cloned()
                .collect()
        };
        let differs = |(path, rules): (&String, &Value)| {
            let other = found_fields.get(path)?;
            (other != rules).then(|| path.clone())
        };
        Self {
            missing: lacking(&expected_fields, &found_fields),
            extra: lacking(&found_fields, &expected_fields),
            other: expected_fields.iter().filter_map(differs).collect(),
        }
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(parent, _)| parent)
}

/// Every field below `schema`, with what the schema says of it, its description and the fields in it excepted. Those that each object has
/// are left out.
fn fields(schema: &Value, path: &str, into: &mut BTreeMap<String, Value>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if path.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        into.insert(path.clone(), rules(field));
        fields(field, &path, into);
        for nested in ["items", "additionalProperties"] {
            fields(&field[nested], &path, into);
        }
    }
}

fn rules(field: &Value) -> Value {
    let mut rules = field.clone();
    if let Some(object) = rules.as_object_mut() {
        object.remove("description");
        object.remove("properties");
        for nested in ["items", "additionalProperties"] {
            if let Some(inner) = object.get_mut(nested) {
                *inner = self::rules(inner);
            }
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    /// What is found if the definition of handlers has been changed like this.
    fn check(change: impl Fn(&mut Value), level: Level, expected: &str) {
        let mut definition = serde_json::to_value(VersioningHandler::crd()).unwrap();
        change(&mut definition);
        let found: CustomResourceDefinition = serde_json::from_value(definition).unwrap();
        let published = Err(Unseen::Absent);
        let seen = Seen { expected: VersioningHandler::crd(), found: Ok(found), published };
        let finding = finding(&seen, &Whereabouts::usual());
        assert_eq!(finding.level, level, "{finding:?}");
        assert!(finding.message.contains(expected), "{finding:?}");
        assert_eq!(finding.remedy.is_some(), level != Level::Ok, "{finding:?}");
    }

    fn spec(definition: &mut Value) -> &mut Value {
        &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    }

    #[test]
    fn a_definition_is_compared_field_by_field() {
        check(|_| {}, Level::Ok, "is that of this program");
        let drop = |field: &'static str| move |it: &mut Value| _ = spec(it).as_object_mut().unwrap().remove(field);
        check(drop("cooldown"), Level::Fault, "is older than this program, version");
        check(drop("notifiers"), Level::Fault, "it lacks spec.notifiers");
        let add = |it: &mut Value| spec(it)["dance"] = serde_json::json!({"type": "boolean"});
        check(add, Level::Warning, "is newer than this program");
        check(
            |it| {
                add(it);
                drop("hold")(it);
            },
            Level::Fault,
            "it lacks spec.hold, and has spec.dance",
        );
        check(|it| spec(it)["frontier"]["maximum"] = 8.into(), Level::Warning, "at spec.frontier");
        check(|it| spec(it)["frontier"]["description"] = "x".into(), Level::Ok, "is that of this program");
        let unaccepted = serde_json::json!({"conditions": [
            {"type": "NamesAccepted", "status": "False", "reason": "x", "message": "\"vh\" is already in use", "lastTransitionTime": null},
        ]});
        check(move |it| it["status"] = unaccepted.clone(), Level::Fault, "is not in force: NamesAccepted is False");
        check(|it| it["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z".into(), Level::Fault, "being deleted");
    }

    #[test]
    fn who_may_not_read_it_compares_what_is_published() {
        let check = |published: Looked<Value>, level: Level, expected: &str| {
            let found = Err(Unseen::Forbidden("no".to_owned()));
            let seen = Seen { expected: VersioningHandler::crd(), found, published };
            let finding = finding(&seen, &Whereabouts::usual());
            assert_eq!(finding.level, level, "{finding:?}");
            assert!(finding.message.contains(expected), "{finding:?}");
        };
        let document = |schema: Value| serde_json::json!({"components": {"schemas": {"dev.k8supdater.v1.VersioningHandler": schema}}});
        let whole = schema(&VersioningHandler::crd());
        check(Ok(document(whole.clone())), Level::Ok, "is that of this program");
        let mut older = whole;
        older["properties"]["spec"]["properties"].as_object_mut().unwrap().remove("hold");
        check(Ok(document(older)), Level::Fault, "it lacks spec.hold");
        check(Ok(document(Value::Null)), Level::Fault, "is not installed");
        check(Err(Unseen::Absent), Level::Fault, "is not installed");
        check(Err(Unseen::Failed("reset".to_owned())), Level::Unknown, "cannot be read: reset");
    }
}
