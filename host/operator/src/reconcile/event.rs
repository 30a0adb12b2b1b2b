//! Kubernetes Events about handlers and their workloads.
//!
//! The name of an Event is a fingerprint of the handler, the reason, and the occasion: that in the status of which the Event tells the
//! sequel. An operator that is killed between saying and writing down that it has said so, or that looks at a status which the watch has
//! not brought up to date yet, says it again under the same name, and the API server refuses the second one.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource};
use sha2::{Digest, Sha256};

use super::validate::HandlerRef;
use crate::api::conditions::shorten;
use crate::api::versioning_handler::VersioningHandler;
use crate::api::workload::WorkloadRef;
use crate::api::{GROUP, versioning_handler};

/// Longest note of an Event, in bytes (`events.k8s.io/v1`, field `note`).
const LONGEST_NOTE: usize = 1024;

/// What an Event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saying {
    /// Whether people should worry.
    pub is_warning: bool,
    /// A fixed CamelCase word.
    pub reason: &'static str,
    /// What the operator did or did not do: a fixed CamelCase word.
    pub action: &'static str,
    /// What makes this another Event than an earlier one for the same reason. It may depend only on what is in the status or was decided,
    /// and not on the clock, nor on the version of the object, which changes for other reasons too.
    pub occasion: String,
    /// A sentence for people.
    pub note: String,
}

/// Publishes what is said about `handler`, with `workload` as the related object, if it is known.
///
/// # Errors
/// When the API server refuses for another reason than that the Event is there already.
pub async fn publish(
    client: &Client,
    instance: &str,
    handler: &HandlerRef,
    workload: Option<&WorkloadRef>,
    saying: &Saying,
    now: Timestamp,
) -> Result<(), kube::Error> {
    let api: Api<Event> = Api::namespaced(client.clone(), &handler.namespace);
    match api.create(&PostParams::default(), &event(instance, handler, workload, saying, now)).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other.map(drop),
    }
}

fn event(
    instance: &str,
    handler: &HandlerRef,
    workload: Option<&WorkloadRef>,
    saying: &Saying,
    now: Timestamp,
) -> Event {
    let regarding = ObjectReference {
        api_version: Some(versioning_handler::VersioningHandler::api_version(&()).into_owned()),
        kind: Some(VersioningHandler::kind(&()).into_owned()),
        namespace: Some(handler.namespace.clone()),
        name: Some(handler.name.clone()),
        uid: Some(handler.uid.clone()),
        resource_version: Some(handler.resource_version.clone()),
        ..ObjectReference::default()
    };
    let related = workload.map(|WorkloadRef { kind, name }| ObjectReference {
        api_version: Some(kind.api_version().to_owned()),
        kind: Some(kind.as_str().to_owned()),
        namespace: Some(handler.namespace.clone()),
        name: Some(name.clone()),
        ..ObjectReference::default()
    });
    Event {
        metadata: ObjectMeta {
            name: Some(name(handler, saying)),
            namespace: Some(handler.namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(now)),
        type_: Some(if saying.is_warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(saying.reason.to_owned()),
        action: Some(saying.action.to_owned()),
        note: Some(shorten(saying.note.clone(), LONGEST_NOTE)),
        regarding: Some(regarding),
        related,
        reporting_controller: Some(format!("{GROUP}/operator")),
        reporting_instance: Some(shorten(instance.to_owned(), 128)),
        ..Event::default()
    }
}

/// Unique per handler, reason and occasion; a DNS subdomain, as names of Events must be.
fn name(handler: &HandlerRef, saying: &Saying) -> String {
    let mut hash = Sha256::new();
    for part in [&handler.uid, saying.reason, &saying.occasion] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    let first = hash.finalize().0.first_chunk().copied().map_or(0, u64::from_be_bytes);
    let fingerprint = format!("{first:016x}");
    // A name has at most 253 characters; what is cut off is in the fingerprint through the uid.
    let prefix: String = handler.name.chars().take(200).collect();
    format!("{}.{fingerprint}", prefix.trim_end_matches(['.', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_occasion_has_the_same_name_whatever_the_words_and_the_version_of_the_object() {
        let handler = |uid: &str, version: &str| HandlerRef {
            namespace: "team-a".to_owned(),
            name: "web".to_owned(),
            uid: uid.to_owned(),
            resource_version: version.to_owned(),
        };
        let saying = |occasion: &str, note: &str| Saying {
            is_warning: false,
            reason: "UpdateAvailable",
            action: "Report",
            occasion: occasion.to_owned(),
            note: note.to_owned(),
        };
        let first = name(&handler("u-1", "7"), &saying("2.0.0", "1.0.0 → 2.0.0"));
        assert_eq!(first, name(&handler("u-1", "8"), &saying("2.0.0", "1.0.1 → 2.0.0")));
        assert_ne!(first, name(&handler("u-1", "7"), &saying("2.0.1", "1.0.0 → 2.0.0")));
        assert_ne!(first, name(&handler("u-2", "7"), &saying("2.0.0", "1.0.0 → 2.0.0")));
        assert!(first.starts_with("web.") && first.len() == "web.".len() + 16, "{first}");
        let long = HandlerRef { name: format!("{}-x", "a".repeat(199)), ..handler("u-1", "7") };
        assert!(!name(&long, &saying("o", "n")).contains("-."));
    }
}
