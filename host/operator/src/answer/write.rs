//! Writes an answer into the API server.

use std::time::Duration;

use jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use thiserror::Error;
use tokio::time::sleep;

use super::standing::{Standing, standing};
use super::{Answer, BY, Choice, MOST_ANSWERS, one_line, parse};
use crate::api::VersioningHandler;
use crate::failure::Retry;

/// Most characters of the name of whoever answers.
const LONGEST_NAME: usize = 100;
/// How often it is tried while others change the handler. Between two tries there are [`PAUSE`]s, so that the operator has time to take up
/// what somebody else has answered.
const MOST_TRIES: usize = 12;
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The answer stands in the API server, and the operator will take it up.
    New,
    /// The offer was answered before; nothing was written.
    Already {
        /// Who answered.
        by: String,
        /// What they said; of a snooze, the time that is left.
        answer: Answer,
    },
}

/// Why an answer could not be written.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// There is no such handler.
    #[error(
        "there is no VersioningHandler {namespace}/{name}; \"kubectl get versioninghandlers -A\" lists those that there are"
    )]
    NotFound {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// It is not, or no longer, what is offered.
    #[error("{offer} is not offered by VersioningHandler {namespace}/{name}; {}", in_words(.offered))]
    NotOffered {
        /// The handler's namespace.
        namespace: String,
        /// The handler's name.
        name: String,
        /// What was answered to, `[CONTAINER=]TAG`.
        offer: String,
        /// What is offered, `CONTAINER=TAG`.
        offered: Vec<String>,
    },
    /// It is known, but the answer would come to nothing.
    #[error("{offer} of VersioningHandler {namespace}/{name} cannot be {participle}: {why}")]
    Impossible {
        /// The handler's namespace.
        namespace: String,
        /// The handler's name.
        name: String,
        /// What was answered to, `[CONTAINER=]TAG`.
        offer: String,
        /// What it cannot be.
        participle: &'static str,
        /// Why.
        why: String,
    },
    /// Answers of somebody else have not been taken up yet, and would be mistaken for answers of this one.
    #[error(
        "an answer of {by} on VersioningHandler {namespace}/{name} has not been taken up yet; does the operator run, and is the handler \
         neither suspended nor invalid?"
    )]
    Waiting {
        /// The handler's namespace.
        namespace: String,
        /// The handler's name.
        name: String,
        /// Who answered.
        by: String,
    },
    /// The handler changed whenever it was to be written.
    #[error("VersioningHandler {namespace}/{name} is changed all the time; try again")]
    Contended {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server refused or could not be reached.
    #[error("cannot {verb} VersioningHandler {namespace}/{name}")]
    Api {
        /// `read` or `annotate`.
        verb: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
}

impl AnswerError {
    /// A fixed CamelCase word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "HandlerNotFound",
            Self::NotOffered { .. } => "NotOffered",
            Self::Impossible { .. } => "AnswerImpossible",
            Self::Waiting { .. } => "AnswerWaits",
            Self::Contended { .. } => "HandlerChangedMeanwhile",
            Self::Api { .. } => "ApiServerRefused",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::NotFound { .. } | Self::NotOffered { .. } | Self::Impossible { .. } => Retry::OnChange,
            Self::Contended { .. } => Retry::Soon,
            Self::Waiting { .. } | Self::Api { .. } => Retry::BackOff,
        }
    }
}

fn in_words(offered: &[String]) -> String {
    match offered {
        [] => "nothing is, at present".to_owned(),
        [one] => format!("{one} is"),
        several => format!("offered are {}", several.join(", ")),
    }
}

/// Gives the answer `choice` in the name of `by`, if what it is about is still offered, or can be taken back.
///
/// Appends to the annotation, and only to the state of the object that was looked at: if that has changed, it looks again. Takes at most
/// some seconds; being dropped in the middle leaves the answer written or not.
///
/// # Errors
/// See [`AnswerError`].
pub async fn write(
    client: &Client,
    namespace: &str,
    name: &str,
    choice: &Choice,
    by: &str,
) -> Result<Written, AnswerError> {
    let by = one_line(by, LONGEST_NAME);
    let owned = || (namespace.to_owned(), name.to_owned());
    let mut waits_for = None;
    for _ in 0..MOST_TRIES {
        let handler = read(client, namespace, name).await?;
        match standing(&handler, choice, Timestamp::now()) {
            Standing::Offered => {}
            Standing::Answered { by, answer } => return Ok(Written::Already { by, answer }),
            // What a fleet's members offer, they know; the operator says so if it is nothing.
            Standing::NotOffered { .. } if handler.spec.selector.is_some() => {}
            Standing::NotOffered { offered } => {
                let (namespace, name) = owned();
                return Err(AnswerError::NotOffered { namespace, name, offer: choice.offer(), offered });
            }
            Standing::Impossible { why } => {
                let ((namespace, name), participle) = (owned(), choice.answer.participle());
                return Err(AnswerError::Impossible { namespace, name, offer: choice.offer(), participle, why });
            }
        }
        match with(&handler, choice, &by) {
            Ok(annotations) => match annotate(client, namespace, name, &handler, annotations).await {
                Ok(()) => return Ok(Written::New),
                Err(kube::Error::Api(status)) if status.code == 409 => waits_for = None,
                Err(source) => {
                    let (namespace, name) = owned();
                    return Err(AnswerError::Api { verb: "annotate", namespace, name, source: Box::new(source) });
                }
            },
            Err(other) => waits_for = Some(other),
        }
        sleep(PAUSE).await;
    }
    let (namespace, name) = owned();
    Err(match waits_for {
        Some(by) => AnswerError::Waiting { namespace, name, by },
        None => AnswerError::Contended { namespace, name },
    })
}

/// The handler of that name, as it is now. By a list, because that is what the operator may do with handlers.
///
/// # Errors
/// [`AnswerError::NotFound`] or [`AnswerError::Api`].
pub async fn read(client: &Client, namespace: &str, name: &str) -> Result<VersioningHandler, AnswerError> {
    let api: Api<VersioningHandler> = Api::namespaced(client.clone(), namespace);
    let found = api.list(&ListParams::default().fields(&format!("metadata.name={name}"))).await;
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    match found {
        Ok(found) => found.items.into_iter().next().ok_or(AnswerError::NotFound { namespace, name }),
        Err(source) => Err(AnswerError::Api { verb: "read", namespace, name, source: Box::new(source) }),
    }
}

/// The annotations of `handler` that change when `choice` is added to its answers; or who else's answers are still to be taken up.
fn with(handler: &VersioningHandler, choice: &Choice, by: &str) -> Result<[(&'static str, String); 2], String> {
    let annotations = handler.annotations();
    let answers = parse(annotations);
    let is_full = answers.choices.len() >= MOST_ANSWERS;
    if !answers.annotations.is_empty() && (answers.by != by || is_full) {
        return Err(answers.by);
    }
    let name = choice.answer.annotation();
    let value = match annotations.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()) {
        Some(value) => format!("{value},{choice}"),
        None => choice.to_string(),
    };
    Ok([(name, value), (BY, by.to_owned())])
}

async fn annotate(
    client: &Client,
    namespace: &str,
    name: &str,
    handler: &VersioningHandler,
    annotations: [(&'static str, String); 2],
) -> Result<(), kube::Error> {
    let api: Api<VersioningHandler> = Api::namespaced(client.clone(), namespace);
    let annotations: serde_json::Map<_, _> =
        annotations.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    // With the version in it the API server refuses what was made for another state of the object.
    let patch = json!({"metadata": {"resourceVersion": handler.resource_version(), "annotations": annotations}});
    api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handler(annotations: &serde_json::Value) -> VersioningHandler {
        serde_json::from_value(json!({
            "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
            "metadata": {"name": "web", "namespace": "team-a", "annotations": annotations},
            "spec": {"deployment": "web", "containerregistry": "oci"},
        }))
        .unwrap()
    }

    #[test]
    fn answers_are_added_to_those_of_the_same_person_only() {
        let check = |annotations: &serde_json::Value, expected: Result<&str, &str>| {
            let choice = Choice::new("app=2.0.0", Answer::Skip).unwrap();
            let found = with(&handler(annotations), &choice, "ada").map(|[(name, value), by]| {
                assert_eq!((name, by), ("k8supdater.dev/skip", (BY, "ada".to_owned())));
                value
            });
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{annotations}");
        };
        check(&json!({}), Ok("app=2.0.0"));
        check(&json!({"k8supdater.dev/by": "bob", "other": "x"}), Ok("app=2.0.0"));
        check(&json!({"k8supdater.dev/skip": "db=1.1", "k8supdater.dev/by": "ada"}), Ok("db=1.1,app=2.0.0"));
        check(&json!({"k8supdater.dev/skip": " ", "k8supdater.dev/by": "ada"}), Ok("app=2.0.0"));
        check(&json!({"k8supdater.dev/approve": "db=1.1", "k8supdater.dev/by": "ada"}), Ok("app=2.0.0"));
        check(&json!({"k8supdater.dev/approve": "db=1.1", "k8supdater.dev/by": "bob"}), Err("bob"));
        check(&json!({"k8supdater.dev/approve": "db=1.1"}), Err("an annotation"));
    }
}
