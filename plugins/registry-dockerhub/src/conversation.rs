//! The conversation with Docker Hub: page after page of tags, or one tag in detail.

use k8supdater_plugin::registry::{Asked, Question, Registry, Step, Tag};
use k8supdater_plugin::time::Timestamp;
use k8supdater_plugin::trail::Trail;
use k8supdater_plugin::{Error, HttpResponse, Replies, link};
use serde::{Deserialize, Serialize};

use crate::tag::Entry;
use crate::{Checkpoint, Settings, refusal, request};

/// Most pages of one listing, which is 50,000 tags. The Hub limits requests per minute, and a conversation has two minutes: nobody gets
/// much further.
const MOST_PAGES: u32 = 500;

/// The plugin.
pub struct DockerHub;

/// The request under way, and what the pages before it held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    url: String,
    /// All requests so far, this one included.
    trail: Trail,
    /// Pages read.
    pages: u32,
    /// Whether everything is listed, not only what is new since the checkpoint.
    is_whole: bool,
    /// What the next listing may take as known.
    known: Option<Checkpoint>,
    /// When the last tag so far was updated; none before the first, and where there is no order to rely on.
    oldest: Option<Timestamp>,
}

/// A page of tags (schema `paginated_tags` in <https://docs.docker.com/reference/api/hub/latest.yaml>).
#[derive(Debug, Deserialize)]
struct Page {
    results: Vec<Entry>,
    /// Missing or null on the last page.
    next: Option<String>,
}

impl Registry for DockerHub {
    type Settings = Settings;
    type State = State;

    fn begin(asked: &Asked<'_, Settings>) -> Result<Step<State>, Error> {
        let (url, known) = match asked.question {
            Question::Tags(checkpoint) => {
                let known = checkpoint.as_deref().and_then(Checkpoint::decode);
                (request::tags_url(asked.repository, asked.settings)?, known)
            }
            Question::Tag(tag) | Question::Images(tag) => {
                (request::tag_url(asked.repository, asked.settings, tag)?, None)
            }
        };
        let is_whole = known.is_none();
        State { url: String::new(), trail: Trail::default(), pages: 0, is_whole, known, oldest: None }.request(url)
    }

    fn proceed(asked: &Asked<'_, Settings>, state: State, replies: Replies) -> Result<Step<State>, Error> {
        let response = replies.http()?;
        match (response.status, asked.question) {
            (301 | 302 | 303 | 307 | 308, _) => {
                let url = link::redirect(&response, &state.url)?;
                state.request(url)
            }
            (200, Question::Tag(name) | Question::Images(name)) => one(name, &response),
            (200, Question::Tags(checkpoint)) => {
                let since = checkpoint.as_deref().and_then(Checkpoint::decode);
                state.page(response.json()?, since)
            }
            // The Hub answers so for a page behind the last one.
            (404, Question::Tags(_)) if state.pages > 0 => {
                Err(Error::Unavailable("there are fewer pages of tags than a moment ago".to_owned()))
            }
            _ => Err(refusal::error(&response)),
        }
    }
}

impl State {
    /// The step that asks for `url` next.
    fn request(mut self, url: String) -> Result<Step<Self>, Error> {
        let request = request::get(&url);
        self.trail.visit(&format!("{} {url}", request.method))?;
        Ok(Step::request(request, Self { url, ..self }))
    }

    /// The step after one more page. `since` is the checkpoint that the host has handed over.
    fn page(mut self, page: Page, since: Option<Checkpoint>) -> Result<Step<Self>, Error> {
        let is_first = self.pages == 0;
        self.pages += 1;
        if is_first && page.results.is_empty() && page.next.is_none() {
            // The Hub answers so for what it does not know. A repository that somebody runs an image from is not empty.
            return Err(Error::NotFound);
        }
        let is_ordered = is_ordered(self.oldest, &page.results);
        let begin = page.results.iter().find_map(Entry::updated);
        if is_first && since.as_ref().is_some_and(|since| !is_ordered || begin.is_none_or(|begin| begin < since.newest))
        {
            self.is_whole = true;
            self.known = None;
        }
        let since = since.filter(|_| !self.is_whole);
        for entry in &page.results {
            self.known = Checkpoint::with(self.known, &entry.name, entry.updated());
        }
        self.oldest = page.results.iter().rev().find_map(Entry::updated).or(self.oldest);

        let is_new = |entry: &Entry| since.as_ref().is_none_or(|since| since.is_new(&entry.name, entry.updated()));
        let is_end = since.is_some() && is_ordered && !page.results.iter().any(is_new);
        let listed = page.results.iter().filter(|entry| is_new(entry) && !entry.is_hollow());
        let tags: Vec<Tag> = listed.cloned().map(Entry::into_tag).collect();
        match page.next {
            Some(next) if !is_end => {
                if self.pages >= MOST_PAGES {
                    return Err(Error::Other(format!(
                        "the repository has more than {MOST_PAGES} pages of tags; use registry-oci for it"
                    )));
                }
                let url = request::next_page(&self.url, &next)?;
                Ok(self.request(url)?.with_tags(tags))
            }
            _ => Ok(finished(tags, self.known.as_ref())),
        }
    }
}

fn finished(tags: Vec<Tag>, known: Option<&Checkpoint>) -> Step<State> {
    let step = Step::finished(tags);
    match known.and_then(Checkpoint::encode) {
        Some(checkpoint) => step.with_checkpoint(checkpoint),
        None => step,
    }
}

/// Whether the last updated come first, also after `oldest` on the page before. Tags without a time do not count.
fn is_ordered(oldest: Option<Timestamp>, entries: &[Entry]) -> bool {
    let times = entries.iter().filter_map(Entry::updated);
    oldest.into_iter().chain(times).is_sorted_by(|newer, older| newer >= older)
}

/// The answer about the tag `name`.
fn one(name: &str, response: &HttpResponse) -> Result<Step<State>, Error> {
    let entry: Entry = response.json()?;
    if entry.name != name {
        return Err(Error::InvalidReply(format!("asked for the tag {name:?} and got {:?}", entry.name)));
    }
    if entry.is_hollow() {
        return Err(Error::NotFound);
    }
    Ok(Step::finished(vec![entry.into_tag()]))
}
