//! The API of Docker Hub at `hub.docker.com`, which is not the registry that images are pulled from.
//!
//! It speaks the wire format of <https://docs.docker.com/reference/api/hub/latest/>, over plain http on the loopback interface. What that
//! page leaves open is as reported in <https://github.com/docker/hub-feedback/issues>: a page behind the last one is 404 (issue 2357), an
//! unknown repository and a private one look the same (issue 1919), and there is a limit against abuse that says nothing (issue 1907).

mod answer;
mod tag;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::Seen;
use crate::image::USUAL_PLATFORM;
use crate::server::Server;
use tag::Tag;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HubPart {
    /// A page of tags.
    Tags,
    /// One tag.
    Tag,
    /// A login, in either of its forms.
    Login,
    /// Anything else.
    Other,
}

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubFault {
    /// 401, whatever the credentials.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404 as the API says it.
    NotFound,
    /// 404 as the website says it, where a path is wrong.
    NotFoundPage,
    /// 429 of the API, until this time in seconds since 1970.
    RateLimited {
        /// The value of `X-Retry-After`.
        until: i64,
    },
    /// 429 of the limit against abuse: text, and no header.
    AbuseLimited,
    /// 502 as a proxy says it.
    BadGateway,
    /// 200 with JSON that ends in the middle.
    TruncatedJson,
    /// The right page, but `next` is this URL.
    NextElsewhere(String),
    /// 307 to this URL; to the same path and query there, if it is an origin without a path.
    Redirect(String),
    /// The right answer, but only after this time.
    Slow(Duration),
    /// No answer: the connection is cut. Where everything fails like this, new connections are reset.
    Reset,
}

/// Docker Hub on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct FakeHub {
    server: Server<State>,
}

#[derive(Debug)]
struct State {
    origin: String,
    repositories: BTreeMap<String, BTreeMap<String, Tag>>,
    access: Option<Access>,
    /// When something was last pushed: no two pushes are at the same time.
    clock: Timestamp,
    pushes: u64,
    answers: u64,
}

/// Who may read.
#[derive(Debug)]
struct Access {
    token: String,
    /// Who gets the token.
    login: Option<(String, String)>,
}

impl FakeHub {
    /// An empty Hub that everybody may read.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let state = |address| State {
            origin: format!("http://{address}"),
            repositories: BTreeMap::new(),
            access: None,
            clock: Timestamp::UNIX_EPOCH,
            pushes: 0,
            answers: 0,
        };
        Self { server: Server::start(state).await }
    }

    /// Its origin, as a grant names it.
    pub fn origin(&self) -> String {
        self.server.origin()
    }

    /// Its origin under another name of this machine, such as `localhost`.
    pub fn origin_as(&self, host: &str) -> String {
        format!("http://{host}:{}", self.server.address().port())
    }

    /// Pushes images for linux/amd64 to a repository (`library/nginx`) now, each a moment after the one before it. A tag that is there
    /// already gets another digest.
    pub fn push(&self, repository: &str, tags: &[&str]) {
        self.server.with(|state| {
            for tag in tags {
                state.push(repository, tag, Tag::of_image(USUAL_PLATFORM));
            }
        });
    }

    /// Pushes an image index with one image for each of these platforms, and gives its digest.
    pub fn push_platforms(&self, repository: &str, tag: &str, platforms: &[&str]) -> String {
        self.server.with(|state| state.push(repository, tag, Tag::of_index(platforms)))
    }

    /// Pushes other images for the same platforms under a tag, and gives its new digest.
    ///
    /// # Panics
    /// When there is no such tag.
    pub fn repush(&self, repository: &str, tag: &str) -> String {
        self.server.with(|state| {
            let old = state.repositories.get(repository).and_then(|tags| tags.get(tag)).cloned();
            let old = old.unwrap_or_else(|| panic!("nobody has pushed {repository}:{tag}"));
            state.push(repository, tag, old)
        })
    }

    /// Makes a tag look as if it had been pushed this long ago.
    ///
    /// # Panics
    /// When there is no such tag.
    pub fn age(&self, repository: &str, tag: &str, age: Duration) {
        let pushed = Timestamp::now().checked_sub(age).expect("tests stay within the years that there are");
        self.with_tag(repository, tag, |tag| tag.pushed = pushed);
    }

    /// From now on what is said about a tag goes through `distort` first: the Hub leaves out fields now and then, or has null there.
    ///
    /// # Panics
    /// When there is no such tag.
    pub fn distort(&self, repository: &str, tag: &str, distort: fn(&mut Value)) {
        self.with_tag(repository, tag, |tag| tag.distort = Some(distort));
    }

    /// Pushes `count` tags from `0.0.0`, `0.0.1` … over `0.0.99` and `0.1.0` on, the last one is the newest.
    pub fn fill(&self, repository: &str, count: usize) {
        self.server.with(|state| {
            for number in 0..count {
                let tag = format!("0.{}.{}", number / 100, number % 100);
                state.push(repository, &tag, Tag::of_image(USUAL_PLATFORM));
            }
        });
    }

    /// Removes a tag.
    pub fn remove(&self, repository: &str, tag: &str) {
        self.server.with(|state| state.repositories.get_mut(repository).and_then(|tags| tags.remove(tag)));
    }

    /// The digest of what a tag points at.
    ///
    /// # Panics
    /// When there is no such tag.
    pub fn digest(&self, repository: &str, tag: &str) -> String {
        self.with_tag(repository, tag, |tag| tag.digest.clone())
    }

    /// From now on only who brings this token may read: without one there is nothing to be found, and another one is refused.
    pub fn require_token(&self, token: &str) {
        self.server.with(|state| state.access = Some(Access { token: token.to_owned(), login: None }));
    }

    /// The same with a token that this user name gets for this password or access token.
    pub fn require_login(&self, username: &str, secret: &str) {
        let login = Some((username.to_owned(), secret.to_owned()));
        self.server.with(|state| state.access = Some(Access { token: new_token(), login }));
    }

    /// Refuses the token that it has given, until somebody logs in again.
    pub fn expire_token(&self) {
        self.server.with(|state| {
            if let Some(access) = &mut state.access {
                access.token = new_token();
            }
        });
    }

    /// From now on every request fails like this.
    pub fn fail(&self, fault: &HubFault) {
        self.server.fail(fault);
    }

    /// From now on requests of this part fail like this.
    pub fn fail_at(&self, part: HubPart, fault: HubFault) {
        self.server.fail_at(part, fault);
    }

    /// Nothing fails any more.
    pub fn recover(&self) {
        self.server.recover();
    }

    /// All requests so far, in order.
    pub fn seen(&self) -> Vec<Seen<HubPart>> {
        self.server.seen()
    }

    /// Number of requests of a part so far.
    pub fn count(&self, part: HubPart) -> usize {
        self.server.count(part)
    }

    /// Forgets all requests so far.
    pub fn forget(&self) {
        self.server.forget();
    }

    fn with_tag<T>(&self, repository: &str, tag: &str, look: impl FnOnce(&mut Tag) -> T) -> T {
        self.server.with(|state| {
            let found = state.repositories.get_mut(repository).and_then(|tags| tags.get_mut(tag));
            look(found.unwrap_or_else(|| panic!("nobody has pushed {repository}:{tag}")))
        })
    }
}

impl State {
    /// Puts a tag there as pushed now, and gives its digest.
    fn push(&mut self, repository: &str, name: &str, mut tag: Tag) -> String {
        // The Hub tells microseconds.
        let next = self.clock.as_microsecond() + 1;
        let now = Timestamp::now().as_microsecond().max(next);
        self.clock =
            Timestamp::from_microsecond(now).expect("the clock of this machine is within the years that there are");
        self.pushes += 1;
        tag.pushed_as(repository, name, self.pushes, self.clock);
        let digest = tag.digest.clone();
        self.repositories.entry(repository.to_owned()).or_default().insert(name.to_owned(), tag);
        digest
    }
}

/// A JWT in its form only: nobody but this Hub has to understand it.
fn new_token() -> String {
    format!("eyJhbGciOiJub25lIn0.e30.{:016x}", rand::random::<u64>())
}

#[cfg(test)]
mod tests;
