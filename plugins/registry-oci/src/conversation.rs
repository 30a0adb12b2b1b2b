//! The conversation with a registry: page after page of tags, or the digest of one tag.

use k8supdater_plugin::registry::{Asked, Question, Registry, Step, Tag};
use k8supdater_plugin::text::one_line;
use k8supdater_plugin::trail::Trail;
use k8supdater_plugin::{Error, HttpResponse, Replies, link};
use serde::{Deserialize, Serialize};

use crate::{Settings, manifest, refusal, request};

/// The plugin.
pub struct Oci;

/// The request under way, and those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    ask: Ask,
    url: String,
    /// All requests so far, this one included.
    trail: Trail,
}

/// What the request under way asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ask {
    /// A page of tags.
    Tags,
    /// The digest of a manifest, which does not count as a pull.
    Head,
    /// The manifest itself, where its digest cannot be had otherwise.
    Manifest,
}

impl Registry for Oci {
    type Settings = Settings;
    type State = State;

    fn begin(asked: &Asked<'_, Settings>) -> Result<Step<State>, Error> {
        let (ask, url) = match asked.question {
            // There is no "since": every listing is a whole one, and the checkpoint of the last is of no use.
            Question::Tags(_) => (Ask::Tags, request::tags_url(asked.repository, asked.settings)?),
            Question::Tag(tag) | Question::Images(tag) => {
                (Ask::Head, request::manifest_url(asked.repository, asked.settings, tag)?)
            }
        };
        State { ask, url: String::new(), trail: Trail::default() }.request(ask, url)
    }

    fn proceed(asked: &Asked<'_, Settings>, state: State, replies: Replies) -> Result<Step<State>, Error> {
        let response = replies.http()?;
        match (response.status, state.ask, asked.question) {
            (301 | 302 | 303 | 307 | 308, ask, _) => {
                let url = link::redirect(&response, &state.url)?;
                state.request(ask, url)
            }
            (200, Ask::Tags, _) => {
                let tags = page(&response)?;
                match link::next_page(&response, &state.url)? {
                    Some(url) => Ok(state.request(Ask::Tags, url)?.with_tags(tags)),
                    None => Ok(Step::finished(tags)),
                }
            }
            (200, Ask::Head, Question::Tag(name) | Question::Images(name)) => {
                match manifest::stated_digest(&response) {
                    Some(digest) => Ok(finished(name, digest.to_owned())),
                    None => fetch_manifest(state),
                }
            }
            // Docker Hub has answered so to every HEAD for a time.
            (405, Ask::Head, _) => fetch_manifest(state),
            (200, Ask::Manifest, Question::Tag(name) | Question::Images(name)) => {
                Ok(finished(name, manifest::digest(&response)?))
            }
            (200, Ask::Head | Ask::Manifest, Question::Tags(_)) => {
                Err(Error::Other("the state handed back belongs to another question".to_owned()))
            }
            _ => Err(refusal::error(&response)),
        }
    }
}

impl State {
    /// The step that asks for `url` next.
    fn request(mut self, ask: Ask, url: String) -> Result<Step<Self>, Error> {
        let request = match ask {
            Ask::Tags => request::tags(&url),
            Ask::Head => request::manifest("HEAD", &url),
            Ask::Manifest => request::manifest("GET", &url),
        };
        self.trail.visit(&format!("{} {url}", request.method))?;
        Ok(Step::request(request, Self { ask, url, ..self }))
    }
}

fn fetch_manifest(state: State) -> Result<Step<State>, Error> {
    let url = state.url.clone();
    state.request(Ask::Manifest, url)
}

fn finished(name: &str, digest: String) -> Step<State> {
    Step::finished(vec![Tag::named(name).with_digest(Some(digest))])
}

/// The tags of one page. None at all is what an empty repository has; Go writes that as null, Quay leaves the field out.
fn page(response: &HttpResponse) -> Result<Vec<Tag>, Error> {
    #[derive(Deserialize)]
    struct Page {
        tags: Option<Vec<String>>,
    }
    let page: Page = response.json()?;
    if let Some(tags) = page.tags {
        return Ok(tags.into_iter().map(Tag::named).collect());
    }
    match refusal::errors(response) {
        None => Ok(Vec::new()),
        Some(errors) => Err(Error::InvalidReply(format!("status 200 with errors: {}", one_line(&errors, 160)))),
    }
}
