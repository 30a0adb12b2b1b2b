//! One message after the other, so that they arrive in their order.

use k8supdater_plugin::notifier::{Notifier, Step};
use k8supdater_plugin::{Error, Notice, Replies};
use serde::{Deserialize, Serialize};

use crate::{Settings, markup, message, refusal, request};

/// The plugin.
pub struct Telegram;

/// What is left to be sent, as HTML, the next one first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct State(Vec<String>);

impl Notifier for Telegram {
    type Settings = Settings;
    type State = State;

    fn begin(notice: &Notice, settings: &Settings) -> Result<Step<State>, Error> {
        State(markup::messages(&message::of(notice))).step(notice, settings)
    }

    fn proceed(notice: &Notice, settings: &Settings, state: State, replies: Replies) -> Result<Step<State>, Error> {
        refusal::check(&replies.http()?, settings)?;
        state.step(notice, settings)
    }
}

impl State {
    /// The step that sends the next message.
    fn step(mut self, notice: &Notice, settings: &Settings) -> Result<Step<Self>, Error> {
        if self.0.is_empty() {
            return Ok(Step::delivered());
        }
        let text = self.0.remove(0);
        // Buttons belong below what they are about, where people have read it.
        let answers = if self.0.is_empty() { notice.answers.as_slice() } else { &[] };
        let request = request::send_message(settings, notice.level(), &text, answers)?;
        Ok(Step::request(request, self))
    }
}
