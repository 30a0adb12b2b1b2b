//! The kind `notifier`: delivers notices to people. A conversation as in [`registry`](crate::registry); a step without actions
//! means *delivered*.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::notifier::exports::k8supdater::plugin::notifier::{Guest, Step as EncodedStep};
use crate::exchange::{Action, Error, HttpRequest, Mail, Replies, Reply, decode_state, encode_state};
pub use crate::notice::{Answer, Level, Notice};
pub use crate::settings::NoSettings;

/// Delivers notices. Implemented by the plugin, exported with `export!(notifier: …)`.
pub trait Notifier {
    /// The type behind the schema `settings` of the plugin manifest.
    type Settings: DeserializeOwned;
    /// What is remembered from one turn to the next. At most 1 MiB as JSON.
    type State: Serialize + DeserializeOwned;

    /// The first turn.
    fn begin(notice: &Notice, settings: &Self::Settings) -> Result<Step<Self::State>, Error>;

    /// A later turn: the state of the step before, and one reply per action of it, in the same order.
    fn proceed(
        notice: &Notice,
        settings: &Self::Settings,
        state: Self::State,
        replies: Replies,
    ) -> Result<Step<Self::State>, Error>;
}

/// One turn of a notifier plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<S> {
    next: Option<(Vec<Action>, S)>,
}

impl<S> Step<S> {
    /// The last turn: the notice has arrived.
    pub fn delivered() -> Self {
        Self { next: None }
    }

    /// Wants one request made, and `state` back with the reply.
    pub fn request(request: HttpRequest, state: S) -> Self {
        Self::actions(vec![request.into()], state)
    }

    /// Wants a mail sent, and `state` back with the reply.
    pub fn mail(mail: Mail, state: S) -> Self {
        Self::actions(vec![mail.into()], state)
    }

    /// Wants several things done, all at the same time, and `state` back with the replies. At least one and at most 16.
    pub fn actions(actions: Vec<Action>, state: S) -> Self {
        Self { next: Some((actions, state)) }
    }
}

impl<S: Serialize> Step<S> {
    fn encode(self) -> Result<EncodedStep, Error> {
        match self.next {
            None => Ok(EncodedStep { actions: Vec::new(), state: Vec::new() }),
            // No actions would count as delivered.
            Some((actions, _)) if actions.is_empty() => {
                Err(Error::Other("the plugin asked for no action and did not finish either".to_owned()))
            }
            Some((actions, state)) => Ok(EncodedStep { actions, state: encode_state(&state)? }),
        }
    }
}

/// One turn as the host calls it: settings as JSON text, state as bytes.
///
/// # Errors
///
/// Those of the plugin, [`Error::InvalidSettings`] for settings that are not of its type, [`Error::Other`] for a foreign state.
pub fn next<P: Notifier>(
    notice: &Notice,
    settings: &str,
    state: &[u8],
    replies: Vec<Reply>,
) -> Result<EncodedStep, Error> {
    let settings = crate::settings::parse(settings).map_err(Error::InvalidSettings)?;
    let step = if state.is_empty() && replies.is_empty() {
        P::begin(notice, &settings)?
    } else {
        P::proceed(notice, &settings, decode_state(state)?, Replies::new(replies))?
    };
    step.encode()
}

impl<P: Notifier> Guest for P {
    fn next(notice: Notice, settings: String, state: Vec<u8>, replies: Vec<Reply>) -> Result<EncodedStep, Error> {
        next::<P>(&notice, &settings, &state, replies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::{Failure, HttpResponse};

    /// Posts the text of the notice and expects 204.
    struct Webhook;

    impl Notifier for Webhook {
        type Settings = NoSettings;
        type State = ();

        fn begin(notice: &Notice, _settings: &NoSettings) -> Result<Step<()>, Error> {
            let request = HttpRequest::post("{slot:webhook}").json(&notice.text)?;
            Ok(Step::request(request, ()))
        }

        fn proceed(_: &Notice, _: &NoSettings, (): (), replies: Replies) -> Result<Step<()>, Error> {
            match replies.http()?.status {
                204 => Ok(Step::delivered()),
                status => Err(Error::Unavailable(format!("status {status}"))),
            }
        }
    }

    fn notice(text: &str) -> Notice {
        Notice { kind: "updated".to_owned(), level: "info".to_owned(), text: text.to_owned(), ..Notice::default() }
    }

    #[track_caller]
    fn check(reply: Reply, expected: &Result<(), Error>) {
        let first = next::<Webhook>(&notice("hello"), "{}", b"", vec![]).unwrap();
        let [Action::Http(request)] = first.actions.as_slice() else { panic!("{:?}", first.actions) };
        assert_eq!(request.body, b"\"hello\"");
        let last = next::<Webhook>(&notice("hello"), "{}", &first.state, vec![reply]);
        assert_eq!(last.map(|step| assert_eq!(step.actions, [])), *expected);
    }

    #[test]
    fn a_notice_is_delivered_or_says_why_not() {
        let answer = |status| Reply::Http(HttpResponse { status, headers: vec![], body: vec![] });
        check(answer(204), &Ok(()));
        check(answer(500), &Err(Error::Unavailable("status 500".to_owned())));
        let refused = Reply::Failed(Failure::Connect("refused".to_owned()));
        check(refused, &Err(Error::Unavailable("no connection: refused".to_owned())));
    }
}
