//! A test fixture, not for use: a registry plugin that misbehaves as its settings say.

#[path = "../../hostile-parser/src/misbehave.rs"]
mod misbehave;

use k8supdater_plugin::registry::{Asked, Question, Registry, Step, Tag};
use k8supdater_plugin::{Error, HttpRequest, Replies};
use serde::Deserialize;

k8supdater_plugin::export!(registry: Hostile, manifest: "plugin.json");

/// The tags that every repository has while this plugin behaves.
const TAGS: [&str; 2] = ["1.0.0", "1.1.0"];

/// One more than the WIT allows.
const TOO_MANY_REQUESTS: usize = 17;

/// An origin that the plugin manifest does not name.
const ELSEWHERE: &str = "https://elsewhere.invalid/";

/// The plugin.
pub struct Hostile;

/// The settings.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    behaviour: Behaviour,
}

/// What to do when called; `README.md` says what each is for.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Behaviour {
    #[default]
    Behave,
    Loop,
    EatMemory,
    Trap,
    Flood,
    WrongLength,
    EndlessSteps,
    AskElsewhere,
}

impl Registry for Hostile {
    type Settings = Settings;
    type State = ();

    fn begin(asked: &Asked<'_, Settings>) -> Result<Step<()>, Error> {
        let own = || HttpRequest::get(format!("https://{}/v2/", asked.repository.registry));
        match asked.settings.behaviour {
            Behaviour::Behave => answer(asked.question),
            Behaviour::Loop => misbehave::spin(),
            Behaviour::EatMemory => misbehave::eat_memory(),
            Behaviour::Trap => misbehave::trap(),
            Behaviour::Flood => Ok(Step::finished(misbehave::flood().into_iter().map(Tag::named).collect())),
            Behaviour::WrongLength => Ok(Step::requests(vec![own(); TOO_MANY_REQUESTS], ())),
            Behaviour::EndlessSteps => Ok(Step::request(own(), ())),
            Behaviour::AskElsewhere => Ok(Step::request(HttpRequest::get(ELSEWHERE), ())),
        }
    }

    fn proceed(asked: &Asked<'_, Settings>, (): (), replies: Replies) -> Result<Step<()>, Error> {
        if let Behaviour::AskElsewhere = asked.settings.behaviour {
            replies.http()?;
            return Ok(Step::finished(vec![Tag::named("elsewhere-has-answered")]));
        }
        // Whatever has come back, it starts all over again.
        Self::begin(asked)
    }
}

fn answer(question: &Question) -> Result<Step<()>, Error> {
    match question {
        Question::Tags(_) => Ok(Step::finished(TAGS.map(Tag::named).to_vec())),
        Question::Tag(name) | Question::Images(name) if TAGS.contains(&name.as_str()) => {
            let digest = Some(format!("sha256:{}", "0".repeat(64)));
            Ok(Step::finished(vec![Tag::named(name).with_digest(digest)]))
        }
        Question::Tag(_) | Question::Images(_) => Err(Error::NotFound),
    }
}

#[cfg(test)]
mod tests;
