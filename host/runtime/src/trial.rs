//! The trial: a plugin's own examples, run in the sandbox before it serves.
//!
//! The SDK runs the same examples natively. Here the settings have to pass the plugin's schema as well, and requests have to go to origins
//! that the plugin manifest asks for, as they do in earnest.

use k8supdater_core::origin::{Grant, Grants, Origin};
use k8supdater_core::version::Version;
use serde_json::Value;
use url::Url;

use crate::call::CallError;
use crate::component::Component;
use crate::digest::Hex;
use crate::load::LoadError;
use crate::manifest::{
    Examples, Exchange, Manifest, NotifierExample, RegistryExample, VersionExample, VersionParserExample, describe,
};
use crate::wit::exchange::{Action, Error, Reply};
use crate::wit::registry::Tag;

/// Turns after which a conversation counts as endless, as for the operator.
const MOST_TURNS: usize = 1_000;

/// How often a call is made whose answer is late. The deadline is time as it passes, and a machine that is busy may not come to the plugin in
/// all of it; the same call to a pure function is late again only if it is too slow.
const TRIES: usize = 3;

/// Runs all examples.
///
/// # Errors
/// [`LoadError::Example`] for the first one that comes out differently.
pub(crate) async fn run(component: &Component) -> Result<(), LoadError> {
    let failed = |name: &str, problem: String| LoadError::Example { name: name.to_owned(), problem };
    match &component.manifest().examples {
        Examples::Notifier(examples) => {
            for example in examples {
                notifier(component, example).await.map_err(|problem| failed(&example.name, problem))?;
            }
        }
        Examples::Registry(examples) => {
            for example in examples {
                registry(component, example).await.map_err(|problem| failed(&example.name, problem))?;
            }
        }
        Examples::VersionParser(examples) => {
            for example in examples {
                version_parser(component, example).await.map_err(|problem| failed(&example.name, problem))?;
            }
        }
    }
    Ok(())
}

fn settings(component: &Component, given: &Value) -> Result<String, String> {
    component.settings(given).map_err(|err| format!("its settings are not what the plugin's own schema allows: {err}"))
}

// The problems are shown behind the name of the plugin and the example, where "the plugin failed" reads better than "it".
fn call_failed(err: &CallError) -> String {
    format!("the plugin failed, {err}")
}

async fn version_parser(component: &Component, example: &VersionParserExample) -> Result<(), String> {
    let settings = settings(component, &example.settings)?;
    let versions = match (parse(component, &example.tags, &settings).await?, &example.error) {
        (Err(message), Some(expected)) if message.contains(expected) => return Ok(()),
        (Err(message), Some(expected)) => {
            return Err(format!("expected an error containing {expected:?}, got {message:?}"));
        }
        (Err(message), None) => return Err(format!("expected no error, got {message:?}")),
        (Ok(_), Some(expected)) => return Err(format!("expected an error containing {expected:?}, got none")),
        (Ok(versions), None) => versions,
    };
    if versions.len() != example.versions.len() {
        return Err(format!("it has {} versions for {} tags", example.versions.len(), versions.len()));
    }
    for ((tag, got), expected) in example.tags.iter().zip(&versions).zip(&example.versions) {
        if !is_as_expected(got.as_ref(), expected.as_ref()) {
            return Err(format!("tag {tag:?}: expected {expected:?}, got {got:?}"));
        }
    }
    let ascending = parse(component, &example.ascending, &settings).await?;
    let ascending = ascending.map_err(|message| format!("expected no error, got {message:?}"))?;
    for (tags, versions) in example.ascending.windows(2).zip(ascending.windows(2)) {
        match versions {
            [Some(older), Some(newer)] if older.order(newer).is_lt() => {}
            _ => return Err(format!("expected {tags:?} to be two versions in ascending order, got {versions:?}")),
        }
    }
    Ok(())
}

async fn parse(
    component: &Component,
    tags: &[String],
    settings: &str,
) -> Result<Result<Vec<Option<Version>>, String>, String> {
    let mut tries = 1;
    loop {
        match component.parse(tags.to_vec(), settings).await {
            Err(CallError::DeadlineExceeded { .. }) if tries < TRIES => tries += 1,
            answer => return answer.map_err(|err| call_failed(&err)),
        }
    }
}

fn is_as_expected(got: Option<&Version>, expected: Option<&VersionExample>) -> bool {
    match (got, expected) {
        (None, None) => true,
        (Some(got), Some(expected)) => {
            got.epoch == expected.epoch
                && got.levels == expected.levels
                && got.prerelease == expected.prerelease
                && got.flavor == expected.flavor
                && expected.tail.as_ref().is_none_or(|tail| *tail == Hex(&got.tail).to_string())
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

async fn registry(component: &Component, example: &RegistryExample) -> Result<(), String> {
    let settings = settings(component, &example.settings)?;
    let (tags, outcome) = drive(component, Asking::Registry(example), &settings, &example.exchanges).await?;
    check_error(outcome, example.error.as_deref())?;
    let expected = example.tags();
    if example.error.is_none() && tags != expected {
        return Err(format!("expected the tags {expected:?}, got {tags:?}"));
    }
    Ok(())
}

async fn notifier(component: &Component, example: &NotifierExample) -> Result<(), String> {
    let settings = settings(component, &example.settings)?;
    let (_, outcome) = drive(component, Asking::Notifier(example), &settings, &example.exchanges).await?;
    check_error(outcome, example.error.as_deref())
}

/// What the conversation of an example is about.
#[derive(Clone, Copy)]
enum Asking<'a> {
    Registry(&'a RegistryExample),
    Notifier(&'a NotifierExample),
}

/// What a turn leads to: tags, which a notifier has none of, actions, and a state.
type Turn = Result<(Vec<Tag>, Vec<Action>, Vec<u8>), Error>;

impl Asking<'_> {
    /// The registry of the image in question.
    fn registry(self) -> Option<Origin> {
        match self {
            Self::Registry(example) => Origin::registry(&example.repository().registry).ok(),
            Self::Notifier(_) => None,
        }
    }

    async fn turn(
        self,
        component: &Component,
        settings: &str,
        state: &[u8],
        replies: &[Reply],
    ) -> Result<Turn, CallError> {
        let mut tries = 1;
        loop {
            match self.once(component, settings, state.to_vec(), replies.to_vec()).await {
                Err(CallError::DeadlineExceeded { .. }) if tries < TRIES => tries += 1,
                turn => return turn,
            }
        }
    }

    async fn once(
        self,
        component: &Component,
        settings: &str,
        state: Vec<u8>,
        replies: Vec<Reply>,
    ) -> Result<Turn, CallError> {
        Ok(match self {
            Self::Registry(example) => {
                let (repository, question) = (example.repository(), example.question());
                let step = component.registry_next(repository, question, settings, state, replies).await?;
                step.map(|step| (step.tags, step.actions, step.state))
            }
            Self::Notifier(example) => {
                let step = component.notifier_next(example.notice(), settings, state, replies).await?;
                step.map(|step| (Vec::new(), step.actions, step.state))
            }
        })
    }
}

/// Takes turns until the plugin asks for nothing more, and answers from `exchanges`. The outer error means that plugin and example
/// disagree, the inner one is the plugin's answer.
async fn drive(
    component: &Component,
    asking: Asking<'_>,
    settings: &str,
    exchanges: &[Exchange],
) -> Result<(Vec<Tag>, Result<(), Error>), String> {
    let asked = asked(component.manifest(), settings);
    let mut exchanges = exchanges.iter();
    let (mut tags, mut state, mut replies) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..MOST_TURNS {
        let turn = asking.turn(component, settings, &state, &replies).await.map_err(|err| call_failed(&err))?;
        let (found, actions, next_state) = match turn {
            Ok(step) => step,
            Err(error) => return Ok((tags, ended(exchanges.len(), Err(error))?)),
        };
        tags.extend(found);
        if actions.is_empty() {
            return Ok((tags, ended(exchanges.len(), Ok(()))?));
        }
        state = next_state;
        replies = Vec::with_capacity(actions.len());
        for action in actions {
            let exchange = exchanges
                .next()
                .ok_or_else(|| format!("it asks for {}, which the example lacks", describe(&action)))?;
            exchange.asked.check(&action)?;
            if let Action::Http(request) = &action {
                check_origin(&asked, asking.registry().as_ref(), &request.url)?;
            }
            replies.push(exchange.reply.clone());
        }
    }
    Err(format!("expected an end, got none after {MOST_TURNS} turns"))
}

/// The origins that the plugin asks for with these settings.
fn asked(manifest: &Manifest, settings: &str) -> Grants {
    let settings = serde_json::from_str(settings).unwrap_or_default();
    Grants::new(manifest.origins.iter().filter_map(|asked| asked.origin.with_settings(&settings)).collect())
}

/// Makes sure that a request would be made by a host whose administrator grants all that is asked for, and by its name.
fn check_origin(asked: &Grants, registry: Option<&Origin>, url: &str) -> Result<(), String> {
    let parsed = Url::parse(url).map_err(|err| format!("it asks for {url:?}, which is no URL: {err}"))?;
    let named = Origin::of(&parsed).map(Grant::Origin);
    let granted = Grants::new(named.into_iter().chain([Grant::Registry]).collect());
    match Grants::intersect(asked, &granted).permit(&parsed, registry) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("it asks for {url}, which is at none of the origins that its plugin manifest asks for")),
    }
}

fn ended(left: usize, outcome: Result<(), Error>) -> Result<Result<(), Error>, String> {
    match (left, &outcome) {
        (0, _) => Ok(outcome),
        (_, Ok(())) => Err(format!("it ended while {left} exchanges of the example were left")),
        (_, Err(error)) => Err(format!("it ended with {error:?} while {left} exchanges of the example were left")),
    }
}

fn check_error(outcome: Result<(), Error>, expected: Option<&str>) -> Result<(), String> {
    match (outcome, expected) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(expected)) => Err(format!("expected the error {expected}, got none")),
        (Err(error), Some(expected)) if case(&error) == expected => Ok(()),
        (Err(error), Some(expected)) => Err(format!("expected the error {expected}, got {error:?}")),
        (Err(error), None) => Err(format!("expected no error, got {error:?}")),
    }
}

/// The case of an error, as the WIT spells it.
fn case(error: &Error) -> &'static str {
    match error {
        Error::NotFound => "not-found",
        Error::Unauthorized => "unauthorized",
        Error::CredentialsExpired => "credentials-expired",
        Error::RateLimited(_) => "rate-limited",
        Error::Unavailable(_) => "unavailable",
        Error::InvalidSettings(_) => "invalid-settings",
        Error::InvalidReply(_) => "invalid-reply",
        Error::Unsupported => "unsupported",
        Error::Other(_) => "other",
    }
}
