//! The conversation with GitLab: the repository of the image, then its tags page after page, or one of them in detail.

use k8supdater_plugin::names::check_repository;
use k8supdater_plugin::registry::{Asked, Question, Registry, Step, Tag};
use k8supdater_plugin::trail::Trail;
use k8supdater_plugin::{Error, HttpResponse, Replies, link, refusal};
use serde::{Deserialize, Serialize};

use crate::repository::{self, Entry};
use crate::{Project, Settings, request};

/// Most requests of one conversation; with 100 tags a page that is nearly 50,000 tags.
const MOST_REQUESTS: usize = 500;

/// The plugin.
pub struct GitLab;

/// The request under way, and those before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    ask: Ask,
    url: String,
    /// All requests so far, this one included.
    trail: Trail,
    /// Projects, as they stand in a URL, that are tried if the image is not in the one asked about: from the last to the first.
    projects: Vec<String>,
}

/// What the request under way asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ask {
    /// A page of the repositories of a project.
    Repositories,
    /// A page of tags.
    Tags,
    /// One tag.
    Tag,
}

impl Registry for GitLab {
    type Settings = Settings;
    type State = State;

    fn begin(asked: &Asked<'_, Settings>) -> Result<Step<State>, Error> {
        check_repository(asked.repository)?;
        let name = &asked.repository.name;
        let projects = if let Some(project) = &asked.settings.project {
            vec![project.encode()?]
        } else {
            let encode = |path: &str| Project::Path(path.to_owned()).encode();
            repository::projects(name).into_iter().map(encode).collect::<Result<_, _>>()?
        };
        if projects.is_empty() {
            return Err(Error::Other(format!(
                "{name:?} cannot be in GitLab, where names begin with group and project"
            )));
        }
        State { ask: Ask::Repositories, url: String::new(), trail: Trail::default(), projects }.next_project(asked)
    }

    fn proceed(asked: &Asked<'_, Settings>, state: State, replies: Replies) -> Result<Step<State>, Error> {
        let response = replies.http()?;
        match (response.status, state.ask, asked.question) {
            // A project that was moved.
            (301 | 302 | 303 | 307 | 308, ask, _) => {
                let url = link::redirect(&response, &state.url)?;
                state.request(ask, url)
            }
            (200, Ask::Repositories, _) => state.repositories(asked, &response),
            // No such project, or hidden from us.
            (404, Ask::Repositories, _) => state.next_project(asked),
            (200, Ask::Tags, Question::Tags(_)) => state.tags(&response),
            (200, Ask::Tag, Question::Tag(name) | Question::Images(name)) => one(name, &response),
            (200, Ask::Tags | Ask::Tag, _) => {
                Err(Error::Other("the state handed back belongs to another question".to_owned()))
            }
            _ => Err(refusal::error(&response, None)),
        }
    }
}

impl State {
    /// The step that asks for `url` next.
    fn request(mut self, ask: Ask, url: String) -> Result<Step<Self>, Error> {
        if self.trail.len() >= MOST_REQUESTS {
            return Err(Error::Other(format!(
                "no end after {MOST_REQUESTS} requests; use registry-oci for this repository"
            )));
        }
        let request = request::get(&url);
        self.trail.visit(&format!("{} {url}", request.method))?;
        Ok(Step::request(request, Self { ask, url, ..self }))
    }

    /// The step that looks for the image in the next project.
    fn next_project(mut self, asked: &Asked<'_, Settings>) -> Result<Step<Self>, Error> {
        let project = self.projects.pop().ok_or(Error::NotFound)?;
        let url = request::repositories_url(asked.settings, &project)?;
        self.request(Ask::Repositories, url)
    }

    /// The step after a page of repositories.
    fn repositories(self, asked: &Asked<'_, Settings>, response: &HttpResponse) -> Result<Step<Self>, Error> {
        let entries: Vec<Entry> = response.json()?;
        if let Some(repository) = repository::find(entries, asked.repository)? {
            let (ask, url) = match asked.question {
                Question::Tags(_) => (Ask::Tags, request::tags_url(asked.settings, &repository)?),
                // GitLab tells no images.
                Question::Tag(tag) | Question::Images(tag) => {
                    (Ask::Tag, request::tag_url(asked.settings, &repository, tag)?)
                }
            };
            return self.request(ask, url);
        }
        match request::next_page(response, &self.url)? {
            Some(url) => self.request(Ask::Repositories, url),
            None => self.next_project(asked),
        }
    }

    /// The step after a page of tags.
    fn tags(self, response: &HttpResponse) -> Result<Step<Self>, Error> {
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let entries: Vec<Named> = response.json()?;
        let tags = entries.into_iter().map(|entry| Tag::named(entry.name)).collect();
        match request::next_page(response, &self.url)? {
            Some(url) => Ok(self.request(Ask::Tags, url)?.with_tags(tags)),
            None => Ok(Step::finished(tags)),
        }
    }
}

/// The answer about the tag `name`.
fn one(name: &str, response: &HttpResponse) -> Result<Step<State>, Error> {
    #[derive(Deserialize)]
    struct Detail {
        name: String,
        digest: Option<String>,
    }
    let detail: Detail = response.json()?;
    if detail.name != name {
        return Err(Error::InvalidReply(format!("asked for the tag {name:?} and got {:?}", detail.name)));
    }
    Ok(Step::finished(vec![Tag::named(detail.name).with_digest(detail.digest)]))
}
