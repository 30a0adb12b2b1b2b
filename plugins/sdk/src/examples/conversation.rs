//! Drives a plugin through a conversation, with the exchanges of an example as the other side.

use super::asked;
use super::format::{Exchange, NotifierExample, RegistryExample};
use crate::exchange::{Action, Error, Reply};
use crate::notifier::Notifier;
use crate::registry::Registry;

/// Turns after which a conversation counts as endless, as for the operator.
const MAX_TURNS: usize = 1000;

pub(super) fn run_registry<P: Registry>(example: &RegistryExample) -> Result<(), String> {
    let (repository, question) = (example.repository(), example.question());
    let settings = example.settings.to_string();
    let mut tags = Vec::new();
    let outcome = drive(&example.exchanges, |state, replies| {
        let step = crate::registry::next::<P>(&repository, &question, &settings, state, replies)?;
        tags.extend(step.tags);
        Ok((step.actions, step.state))
    })?;
    check_error(outcome, example.error.as_deref())?;
    let expected = example.tags();
    if example.error.is_none() && tags != expected {
        return Err(format!("expected the tags {expected:?}, got {tags:?}"));
    }
    Ok(())
}

pub(super) fn run_notifier<P: Notifier>(example: &NotifierExample) -> Result<(), String> {
    let (notice, settings) = (example.notice(), example.settings.to_string());
    let outcome = drive(&example.exchanges, |state, replies| {
        let step = crate::notifier::next::<P>(&notice, &settings, state, replies)?;
        Ok((step.actions, step.state))
    })?;
    check_error(outcome, example.error.as_deref())
}

/// Calls `turn` until it asks for nothing more. The outer error means that plugin and example disagree, the inner one is the
/// plugin's answer.
fn drive(
    exchanges: &[Exchange],
    mut turn: impl FnMut(&[u8], Vec<Reply>) -> Result<(Vec<Action>, Vec<u8>), Error>,
) -> Result<Result<(), Error>, String> {
    let mut exchanges = exchanges.iter();
    let (mut state, mut replies) = (Vec::new(), Vec::new());
    for _ in 0..MAX_TURNS {
        let outcome = turn(&state, std::mem::take(&mut replies));
        let finished = outcome.as_ref().map_or(true, |(actions, _)| actions.is_empty());
        if finished {
            let left = exchanges.len();
            return if left == 0 {
                Ok(outcome.map(|_| ()))
            } else {
                Err(format!("ended with {outcome:?} while {left} exchanges of the example are left"))
            };
        }
        let Ok((actions, next_state)) = outcome else { unreachable!("an error has ended the conversation above") };
        for action in actions {
            let exchange = exchanges
                .next()
                .ok_or_else(|| format!("asks for {}, which the example lacks", asked::describe(&action)))?;
            replies.push(exchange.reply(&action)?);
        }
        state = next_state;
    }
    Err(format!("no end after {MAX_TURNS} turns"))
}

fn check_error(outcome: Result<(), Error>, expected: Option<&str>) -> Result<(), String> {
    match (outcome, expected) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(expected)) => Err(format!("expected the error {expected}, got none")),
        (Err(error), Some(expected)) if error.case() == expected => Ok(()),
        (Err(error), Some(expected)) => Err(format!("expected the error {expected}, got {error:?}")),
        (Err(error), None) => Err(format!("failed with {error:?}")),
    }
}
