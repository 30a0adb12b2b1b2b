//! The conversation with a registry: page after page of tags, or the digest of one tag, perhaps with its images.

use k8supdater_plugin::registry::{Asked, Question, Registry, Step, Tag};
use k8supdater_plugin::text::one_line;
use k8supdater_plugin::trail::Trail;
use k8supdater_plugin::{Error, HttpResponse, Replies, link};
use serde::{Deserialize, Serialize};

use crate::manifest::{Configuration, Content, Manifest};
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
    /// What the manifest brought, while its configuration is asked for.
    found: Option<Found>,
}

/// An image of which only the platform is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    digest: String,
    source: Option<String>,
    configuration: String,
}

/// What the request under way asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ask {
    /// A page of tags.
    Tags,
    /// The digest of a manifest, which does not count as a pull.
    Head,
    /// The manifest itself, for the images in it, or where its digest cannot be had otherwise.
    Manifest,
    /// The configuration of the only image.
    Configuration,
}

impl Registry for Oci {
    type Settings = Settings;
    type State = State;

    fn begin(asked: &Asked<'_, Settings>) -> Result<Step<State>, Error> {
        let (ask, url) = match asked.question {
            // There is no "since": every listing is a whole one, and the checkpoint of the last is of no use.
            Question::Tags(_) => (Ask::Tags, request::tags_url(asked.repository, asked.settings)?),
            Question::Tag(tag) => (Ask::Head, request::manifest_url(asked.repository, asked.settings, tag)?),
            Question::Images(tag) => (Ask::Manifest, request::manifest_url(asked.repository, asked.settings, tag)?),
        };
        State { ask, url: String::new(), trail: Trail::default(), found: None }.request(ask, url)
    }

    fn proceed(asked: &Asked<'_, Settings>, state: State, replies: Replies) -> Result<Step<State>, Error> {
        if let (Ask::Configuration, Question::Images(name)) = (state.ask, asked.question) {
            return state.configuration(name, replies);
        }
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
            (200, Ask::Head, Question::Tag(name)) => match manifest::stated_digest(&response) {
                Some(digest) => Ok(finished(tag(name, digest))),
                None => fetch_manifest(state),
            },
            // Docker Hub has answered so to every HEAD for a time.
            (405, Ask::Head, _) => fetch_manifest(state),
            (200, Ask::Manifest, Question::Tag(name)) => {
                let Manifest { digest, source, .. } = manifest::read(&response)?;
                Ok(finished(tag(name, &digest).with_source(source)))
            }
            (200, Ask::Manifest, Question::Images(name)) => state.manifest(asked, name, manifest::read(&response)?),
            (200, Ask::Head | Ask::Manifest | Ask::Configuration, _) => {
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
            Ask::Configuration => request::blob(&url),
        };
        self.trail.visit(&format!("{} {url}", request.method))?;
        Ok(Step::request(request, Self { ask, url, ..self }))
    }

    /// The step after the manifest of the tag `name`, whose images are in question.
    fn manifest(self, asked: &Asked<'_, Settings>, name: &str, manifest: Manifest) -> Result<Step<Self>, Error> {
        let Manifest { digest, source, content } = manifest;
        match content {
            Content::Images(images) => Ok(finished(tag(name, &digest).with_source(source).with_images(images))),
            Content::Other => Ok(finished(tag(name, &digest).with_source(source))),
            Content::Image { configuration } => {
                let url = request::blob_url(asked.repository, asked.settings, &configuration)?;
                Self { found: Some(Found { digest, source, configuration }), ..self }.request(Ask::Configuration, url)
            }
        }
    }

    /// The step after the configuration of the only image. Many registries keep blobs on another host, where this plugin may not follow:
    /// then the image is not told, which is no reason to fail.
    fn configuration(self, name: &str, replies: Replies) -> Result<Step<Self>, Error> {
        let Some(Found { digest, source, configuration }) = self.found.clone() else {
            return Err(Error::Other("the state handed back belongs to no image".to_owned()));
        };
        let found = tag(name, &digest);
        let Ok(response) = replies.http() else { return Ok(finished(found.with_source(source))) };
        if matches!(response.status, 301 | 302 | 303 | 307 | 308)
            && let Ok(url) = link::redirect(&response, &self.url)
            && let Ok(step) = self.clone().request(Ask::Configuration, url)
        {
            return Ok(step);
        }
        let Some(Configuration { platform, source: label }) = manifest::configuration(&response, &configuration) else {
            return Ok(finished(found.with_source(source)));
        };
        let images = platform.image(&digest).into_iter().collect();
        Ok(finished(found.with_source(source.or(label)).with_images(images)))
    }
}

fn fetch_manifest(state: State) -> Result<Step<State>, Error> {
    let url = state.url.clone();
    state.request(Ask::Manifest, url)
}

fn finished(tag: Tag) -> Step<State> {
    Step::finished(vec![tag])
}

fn tag(name: &str, digest: &str) -> Tag {
    Tag::named(name).with_digest(Some(digest.to_owned()))
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
