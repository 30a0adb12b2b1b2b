//! Conversations between a component and the world.
//!
//! Calls a component's `next`, performs the actions that it returns through the [egress client](k8supdater_egress), and calls again
//! with the replies, until a step has no actions. The component computes; what happens, happens here and in egress.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use k8supdater_egress::{Client, Mail, Mailer, Request, Scope};
use k8supdater_runtime::wit::exchange::{
    Action, Error as PluginError, Failure, Header, HttpRequest, HttpResponse, Mail as WitMail, Reply,
};
use k8supdater_runtime::wit::notifier::Notice;
use k8supdater_runtime::wit::registry::{Question, Repository, Tag};
use k8supdater_runtime::{CallError, Component};
use thiserror::Error;

use crate::telemetry::traces::call::traced;

/// Most steps of one conversation; the WIT promises plugins this many.
const MOST_STEPS: usize = 1_000;
/// Longest time of one conversation, all requests and calls together.
const LONGEST: Duration = Duration::from_mins(2);
/// Most tags of one listing: the largest public repositories have some tens of thousands.
const MOST_TAGS: usize = 200_000;
/// Most images of all tags of one listing together: about 100 MB.
const MOST_IMAGES: usize = 500_000;

/// What a component said in the end.
#[derive(Debug)]
pub struct Answer {
    /// All tags of all steps, in the order in which they came.
    pub tags: Vec<Tag>,
    /// What the component wants to be given when the same question is asked again.
    pub checkpoint: Option<Vec<u8>>,
}

/// Why a conversation did not come to its end.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// The component that asked a registry ended it.
    #[error("{}", describe(.0))]
    Plugin(PluginError),
    /// The component that delivered a notice ended it.
    #[error("{}", describe_delivery(.0))]
    Notifier(PluginError),
    /// The component broke a limit or its contract.
    #[error("the plugin failed")]
    Call(#[source] CallError),
    /// It went on and on.
    #[error("the plugin was not finished after {MOST_STEPS} steps")]
    TooManySteps,
    /// It took too long.
    #[error("the plugin was not finished after {} s", LONGEST.as_secs())]
    TooSlow,
    /// It found too much.
    #[error("the plugin listed more than {MOST_TAGS} tags, or more than {MOST_IMAGES} images of them")]
    TooManyTags,
}

/// Asks a registry component one question about one repository.
///
/// Cancel-safe: dropping the future ends the conversation, and nothing is kept of it.
///
/// # Errors
/// See [`ExchangeError`]. A listing that did not come to its end is an error, never a shorter listing.
pub async fn ask(
    component: &Component,
    egress: &Client,
    scope: &Arc<Scope>,
    repository: &Repository,
    question: &Question,
    settings: &str,
) -> Result<Answer, ExchangeError> {
    tokio::time::timeout(LONGEST, converse(component, egress, scope, repository, question, settings))
        .await
        .unwrap_or(Err(ExchangeError::TooSlow))
}

async fn converse(
    component: &Component,
    egress: &Client,
    scope: &Arc<Scope>,
    repository: &Repository,
    question: &Question,
    settings: &str,
) -> Result<Answer, ExchangeError> {
    let mut tags = Vec::new();
    let mut images = 0;
    let (mut state, mut replies) = (Vec::new(), Vec::new());
    for _ in 0..MOST_STEPS {
        let call = component.registry_next(repository.clone(), question.clone(), settings, state, replies);
        let step =
            traced(component, "next", call).await.map_err(ExchangeError::Call)?.map_err(ExchangeError::Plugin)?;
        images += step.tags.iter().map(|tag| tag.images.len()).sum::<usize>();
        tags.extend(step.tags.into_iter().map(|tag| without_needless_source(tag, question)));
        if tags.len() > MOST_TAGS || images > MOST_IMAGES {
            return Err(ExchangeError::TooManyTags);
        }
        if step.actions.is_empty() {
            return Ok(Answer { tags, checkpoint: step.checkpoint });
        }
        state = step.state;
        let post = Post::Nobody("a registry plugin has no business sending mail");
        replies = join_all(step.actions.into_iter().map(|action| perform(egress, scope, &post, action))).await;
    }
    Err(ExchangeError::TooManySteps)
}

/// `tag`, with its source only if it is the one that is in question: the sources of all would take more memory than all the rest.
fn without_needless_source(tag: Tag, question: &Question) -> Tag {
    let is_in_question = match question {
        Question::Tags(_) => false,
        Question::Tag(name) | Question::Images(name) => *name == tag.name,
    };
    Tag { source: tag.source.filter(|_| is_in_question), ..tag }
}

/// Has a notifier component deliver one notice.
///
/// A delivery that did not come to its end may have arrived nevertheless, in part or as a whole; so may one whose future is dropped.
///
/// # Errors
/// See [`ExchangeError`].
pub async fn notify(
    component: &Component,
    ways: Ways<'_>,
    scope: &Arc<Scope>,
    notice: &Notice,
    settings: &str,
) -> Result<(), ExchangeError> {
    tokio::time::timeout(LONGEST, deliver(component, ways, scope, notice, settings))
        .await
        .unwrap_or(Err(ExchangeError::TooSlow))
}

/// How a notifier's actions leave this process.
#[derive(Clone, Copy)]
pub struct Ways<'a> {
    /// Requests.
    pub egress: &'a Client,
    /// Mails; none if no mail server is configured.
    pub mailer: Option<&'a Mailer>,
}

async fn deliver(
    component: &Component,
    ways: Ways<'_>,
    scope: &Arc<Scope>,
    notice: &Notice,
    settings: &str,
) -> Result<(), ExchangeError> {
    let post = match ways.mailer {
        Some(mailer) => Post::Mailer { mailer, key: &notice.key },
        None => Post::Nobody("no mail server is configured; set EMAIL_HOST, EMAIL_SENDER and EMAIL_RECIPIENT"),
    };
    let (mut state, mut replies) = (Vec::new(), Vec::new());
    for _ in 0..MOST_STEPS {
        let call = component.notifier_next(notice.clone(), settings, state, replies);
        let step =
            traced(component, "next", call).await.map_err(ExchangeError::Call)?.map_err(ExchangeError::Notifier)?;
        if step.actions.is_empty() {
            return Ok(());
        }
        state = step.state;
        let actions = step.actions.into_iter();
        replies = join_all(actions.map(|action| perform(ways.egress, scope, &post, action))).await;
    }
    Err(ExchangeError::TooManySteps)
}

/// Who sends mails in a conversation.
enum Post<'a> {
    Mailer {
        mailer: &'a Mailer,
        /// The same for every attempt to send the same.
        key: &'a str,
    },
    /// Nobody, and why.
    Nobody(&'static str),
}

async fn perform(egress: &Client, scope: &Arc<Scope>, post: &Post<'_>, action: Action) -> Reply {
    match (action, post) {
        (Action::Http(request), _) => match egress.send(scope, to_request(request)).await {
            Ok(response) => Reply::Http(to_response(response)),
            Err(failure) => Reply::Failed(to_failure(failure)),
        },
        (Action::Mail(mail), Post::Mailer { mailer, key }) => {
            let WitMail { to, subject, text, html } = mail;
            match mailer.send(&Mail { to, subject, text, html, key: (*key).to_owned() }).await {
                Ok(()) => Reply::Mailed,
                Err(failure) => Reply::Failed(to_failure(failure)),
            }
        }
        (Action::Mail(_), Post::Nobody(why)) => Reply::Failed(Failure::Denied((*why).to_owned())),
    }
}

fn to_request(request: HttpRequest) -> Request {
    Request {
        method: request.method,
        url: request.url,
        headers: request.headers.into_iter().map(|Header { name, value }| (name, value)).collect(),
        body: request.body,
        credential: request.credential,
    }
}

fn to_response(response: k8supdater_egress::Response) -> HttpResponse {
    HttpResponse {
        status: response.status,
        headers: response.headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
        body: response.body.into(),
    }
}

fn to_failure(failure: k8supdater_egress::Failure) -> Failure {
    use k8supdater_egress::Failure as Egress;
    match failure {
        Egress::Denied(why) => Failure::Denied(why),
        Egress::Timeout => Failure::Timeout,
        Egress::Connect(why) => Failure::Connect(why),
        Egress::Tls(why) => Failure::Tls(why),
        Egress::TooLarge => Failure::TooLarge,
        Egress::Mail(why) => Failure::Mail(why),
        Egress::Other(why) => Failure::Other(why),
    }
}

/// What a component's error means to people.
fn describe(error: &PluginError) -> String {
    match error {
        PluginError::NotFound => {
            "the repository does not exist, or these credentials may not see it; check the image name and the credentials".to_owned()
        }
        PluginError::Unauthorized => {
            "the registry refused the credentials, or wants some".to_owned()
        }
        PluginError::CredentialsExpired => "the credentials have expired; renew the Secret".to_owned(),
        PluginError::RateLimited(Some(seconds)) => format!("the registry asks to wait {seconds} s before the next request"),
        PluginError::RateLimited(None) => "the registry says there were too many requests".to_owned(),
        PluginError::Unavailable(why) => format!("the registry is not available: {why}"),
        PluginError::InvalidSettings(why) => format!("the settings make no sense to the plugin: {why}"),
        PluginError::InvalidReply(why) => format!("the registry answered something unexpected: {why}"),
        PluginError::Unsupported => "the plugin cannot answer this question".to_owned(),
        PluginError::Other(why) => why.clone(),
    }
}

/// What a notifier's error means to people.
fn describe_delivery(error: &PluginError) -> String {
    match error {
        PluginError::NotFound => {
            "the place that it should be delivered to does not exist, or is hidden; check the channel's settings"
                .to_owned()
        }
        PluginError::Unauthorized => {
            "the channel's credentials were refused, or there are none; check the Secret".to_owned()
        }
        PluginError::CredentialsExpired => "the channel's credentials have expired; renew the Secret".to_owned(),
        PluginError::RateLimited(Some(seconds)) => format!("the channel asks to wait {seconds} s"),
        PluginError::RateLimited(None) => "the channel says that there were too many messages".to_owned(),
        PluginError::Unavailable(why) => format!("the channel is not available: {why}"),
        PluginError::InvalidSettings(why) => format!("the settings make no sense to the plugin: {why}"),
        PluginError::InvalidReply(why) => format!("the channel answered something unexpected: {why}"),
        PluginError::Unsupported => "the plugin cannot deliver this notice".to_owned(),
        PluginError::Other(why) => why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_kept_of_the_tag_in_question_only() {
        let check = |question: Question, expected: bool| {
            let (name, source) = ("1.0".to_owned(), Some("https://git.example.com".to_owned()));
            let tag = Tag { name, digest: None, pushed: None, images: Vec::new(), source };
            assert_eq!(without_needless_source(tag, &question).source.is_some(), expected, "{question:?}");
        };
        check(Question::Tags(None), false);
        check(Question::Tag("1.0".to_owned()), true);
        check(Question::Images("1.0".to_owned()), true);
        check(Question::Images("1.1".to_owned()), false);
    }
}
