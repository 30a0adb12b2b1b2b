//! The kind `registry`: lists the tags of a repository.
//!
//! The host asks one [`Question`] in a conversation of several turns. [`begin`](Registry::begin) is the first of them; it
//! returns a [`Step`] with requests and a state. The host makes the requests and calls [`proceed`](Registry::proceed) with that
//! state and the replies, until a step has no requests any more. Each turn may run in another instance of the component, on
//! another machine, so whatever is to be remembered goes into the state.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::registry::exports::k8supdater::plugin::registry::{
    Guest, Image, Question, Repository, Step as EncodedStep, Tag,
};
use crate::exchange::{Action, Error, HttpRequest, Replies, Reply, decode_state, encode_state};
pub use crate::settings::NoSettings;

/// What the host wants to know; the same in every turn of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a, S> {
    /// About which repository.
    pub repository: &'a Repository,
    /// All tags, or one of them.
    pub question: &'a Question,
    /// The settings in force.
    pub settings: &'a S,
}

/// Lists tags. Implemented by the plugin, exported with `export!(registry: …)`.
pub trait Registry {
    /// The type behind the schema `settings` of the plugin manifest.
    type Settings: DeserializeOwned;
    /// What is remembered from one turn to the next. At most 1 MiB as JSON.
    type State: Serialize + DeserializeOwned;

    /// The first turn.
    fn begin(asked: &Asked<'_, Self::Settings>) -> Result<Step<Self::State>, Error>;

    /// A later turn: the state of the step before, and one reply per action of it, in the same order.
    fn proceed(
        asked: &Asked<'_, Self::Settings>,
        state: Self::State,
        replies: Replies,
    ) -> Result<Step<Self::State>, Error>;
}

/// One turn of a registry plugin. Either the last, made by [`finished`](Self::finished), or one that wants requests made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<S> {
    tags: Vec<Tag>,
    checkpoint: Option<Vec<u8>>,
    next: Option<(Vec<Action>, S)>,
}

impl<S> Step<S> {
    /// The last turn: these tags, and all that were handed over before, are the answer.
    pub fn finished(tags: Vec<Tag>) -> Self {
        Self { tags, checkpoint: None, next: None }
    }

    /// Wants one request made, and `state` back with the reply.
    pub fn request(request: HttpRequest, state: S) -> Self {
        Self::requests(vec![request], state)
    }

    /// Wants requests made, all at the same time, and `state` back with the replies. At least one and at most 16.
    pub fn requests(requests: Vec<HttpRequest>, state: S) -> Self {
        let actions = requests.into_iter().map(Action::from).collect();
        Self { tags: Vec::new(), checkpoint: None, next: Some((actions, state)) }
    }

    /// Hands over tags along with the requests, so that the state need not carry them.
    #[must_use]
    pub fn with_tags(mut self, tags: Vec<Tag>) -> Self {
        self.tags = tags;
        self
    }

    /// For the next listing; see the question `tags` in the WIT. At most 64 KiB.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: Vec<u8>) -> Self {
        self.checkpoint = Some(checkpoint);
        self
    }
}

impl<S: Serialize> Step<S> {
    fn encode(self) -> Result<EncodedStep, Error> {
        let (actions, state) = match self.next {
            None => (Vec::new(), Vec::new()),
            // No actions would end the conversation, with half the answer.
            Some((actions, _)) if actions.is_empty() => {
                return Err(Error::Other("the plugin asked for no request and did not finish either".to_owned()));
            }
            Some((actions, state)) => (actions, encode_state(&state)?),
        };
        Ok(EncodedStep { tags: self.tags, actions, state, checkpoint: self.checkpoint })
    }
}

/// One turn as the host calls it: settings as JSON text, state as bytes.
///
/// # Errors
///
/// Those of the plugin, [`Error::InvalidSettings`] for settings that are not of its type, [`Error::Other`] for a foreign state.
pub fn next<P: Registry>(
    repository: &Repository,
    question: &Question,
    settings: &str,
    state: &[u8],
    replies: Vec<Reply>,
) -> Result<EncodedStep, Error> {
    let settings = crate::settings::parse(settings).map_err(Error::InvalidSettings)?;
    let asked = Asked { repository, question, settings: &settings };
    // The WIT: the first call of a conversation has an empty state and no replies.
    let step = if state.is_empty() && replies.is_empty() {
        P::begin(&asked)?
    } else {
        P::proceed(&asked, decode_state(state)?, Replies::new(replies))?
    };
    step.encode()
}

impl<P: Registry> Guest for P {
    fn next(
        repository: Repository,
        question: Question,
        settings: String,
        state: Vec<u8>,
        replies: Vec<Reply>,
    ) -> Result<EncodedStep, Error> {
        next::<P>(&repository, &question, &settings, &state, replies)
    }
}

/// Most images of a tag; see the WIT.
const MOST_IMAGES: usize = 64;

impl Tag {
    /// A tag of which nothing but the name is known.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The same tag with this digest, or without one that is none.
    #[must_use]
    pub fn with_digest(self, digest: Option<String>) -> Self {
        Self { digest: digest.filter(|digest| crate::names::is_digest(digest)), ..self }
    }

    /// The same tag with these images; without any if they are more than the contract allows, because a part of them would be taken for
    /// all.
    #[must_use]
    pub fn with_images(self, images: Vec<Image>) -> Self {
        Self { images: if images.len() > MOST_IMAGES { Vec::new() } else { images }, ..self }
    }

    /// The same tag with this source, or without one that the contract does not allow: a part of a URL leads elsewhere.
    #[must_use]
    pub fn with_source(self, source: Option<String>) -> Self {
        Self { source: source.filter(|source| crate::names::is_source(source)), ..self }
    }
}

impl Default for Tag {
    /// Without a name, which no tag has: for `..Tag::default()`.
    fn default() -> Self {
        Self { name: String::new(), digest: None, pushed: None, images: Vec::new(), source: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::HttpResponse;
    use crate::platform::Platform;

    /// Asks for `pages` pages one after the other; each body is a tag.
    struct Pages;

    #[derive(serde::Deserialize)]
    struct Settings {
        pages: u32,
    }

    impl Registry for Pages {
        type Settings = Settings;
        type State = u32;

        fn begin(asked: &Asked<'_, Settings>) -> Result<Step<u32>, Error> {
            if asked.settings.pages == 0 {
                return Ok(Step::requests(Vec::new(), 0));
            }
            Ok(Step::request(HttpRequest::get(format!("https://{}/1", asked.repository.registry)), 1))
        }

        fn proceed(asked: &Asked<'_, Settings>, page: u32, replies: Replies) -> Result<Step<u32>, Error> {
            let tag = Tag::named(String::from_utf8_lossy(&replies.http()?.body));
            if page == asked.settings.pages {
                return Ok(Step::finished(vec![tag]).with_checkpoint(b"done".to_vec()));
            }
            let request = HttpRequest::get(format!("https://{}/{}", asked.repository.registry, page + 1));
            Ok(Step::request(request, page + 1).with_tags(vec![tag]))
        }
    }

    fn turn(settings: &str, state: &[u8], replies: &[&str]) -> Result<EncodedStep, Error> {
        let repository = Repository { registry: "r.test".to_owned(), name: "a".to_owned() };
        let reply = |body: &&str| {
            Reply::Http(HttpResponse { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() })
        };
        let replies = replies.iter().map(reply).collect();
        next::<Pages>(&repository, &Question::Tags(None), settings, state, replies)
    }

    #[test]
    fn state_travels_as_bytes_between_turns() {
        let first = turn(r#"{"pages": 2}"#, b"", &[]).unwrap();
        assert_eq!(first.actions, [Action::Http(HttpRequest::get("https://r.test/1"))]);
        let second = turn(r#"{"pages": 2}"#, &first.state, &["one"]).unwrap();
        assert_eq!((second.tags.as_slice(), second.actions.len()), (&[Tag::named("one")][..], 1));
        let third = turn(r#"{"pages": 2}"#, &second.state, &["two"]).unwrap();
        let expected = EncodedStep {
            tags: vec![Tag::named("two")],
            actions: vec![],
            state: vec![],
            checkpoint: Some(b"done".to_vec()),
        };
        assert_eq!(third, expected);
    }

    #[test]
    fn a_tag_has_what_the_contract_allows() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let platform = Platform { os: "linux".to_owned(), architecture: "arm64".to_owned(), variant: None };
        let image = platform.image(&digest).unwrap();
        let tag = |images: usize| Tag::named("a").with_images(vec![image.clone(); images]);
        assert_eq!((tag(64).images.len(), tag(65)), (64, Tag::named("a")));
        assert_eq!(Tag::named("a").with_digest(Some(digest.clone())).digest, Some(digest));
        assert_eq!(Tag::named("a").with_digest(Some("sha256:0a".to_owned())), Tag::named("a"));
        let source =
            |length: usize| Tag::named("a").with_source(Some("x".repeat(length))).source.map(|text| text.len());
        assert_eq!([source(0), source(1), source(2048), source(2049)], [None, Some(1), Some(2048), None]);
    }

    #[test]
    fn what_does_not_fit_is_an_error_not_a_panic() {
        let check = |got: Result<EncodedStep, Error>, expected: &str| {
            assert!(
                matches!(&got, Err(error) if format!("{error:?}").contains(expected)),
                "{got:?} without {expected}"
            );
        };
        check(turn(r#"{"pages": "2"}"#, b"", &[]), "InvalidSettings(\"the settings cannot be read: invalid type");
        check(turn(r#"{"pages": 2}"#, b"foreign", &["x"]), "Other(\"the state handed back is not one");
        check(turn(r#"{"pages": 2}"#, b"1", &[]), "expected one reply from the host, got 0");
        check(turn(r#"{"pages": 0}"#, b"", &[]), "asked for no request and did not finish");
    }
}
