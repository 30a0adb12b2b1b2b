//! A registry for what a real one does not do on demand: it fails, counts, is slow, wants a password, answers conditionally, redirects.
//!
//! It speaks the wire format of the OCI distribution specification
//! (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md>) with the tokens of the CNCF registry
//! (<https://distribution.github.io/distribution/spec/auth/token/>), over plain http on the loopback interface.

mod answer;
mod content;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::image::USUAL_PLATFORM;
use crate::server::Server;
use crate::{IndexDigests, Seen, Source};
use content::Repository;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The tags of a repository.
    Tags,
    /// One tag: the image manifest behind it.
    Manifest,
    /// A blob: the configuration of an image.
    Blob,
    /// The token service.
    Token,
    /// Anything else, `/v2/` among it.
    Other,
}

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 401 with a challenge, whatever the credentials.
    Unauthorized,
    /// 404 `NAME_UNKNOWN` or `MANIFEST_UNKNOWN`.
    NotFound,
    /// 429 `TOOMANYREQUESTS`, with this `Retry-After` if there is one.
    RateLimited(Option<String>),
    /// 500 without a body.
    ServerError,
    /// 200 with JSON that ends in the middle.
    TruncatedJson,
    /// 200 with JSON of another shape.
    WrongJson,
    /// 307 to this URL; to the same path and query there, if it is an origin without a path.
    Redirect(String),
    /// The right answer, but only after this time.
    Slow(Duration),
    /// No answer: the connection is cut. Where everything fails like this, new connections are reset.
    Reset,
}

/// A registry on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct FakeRegistry {
    server: Server<State>,
}

#[derive(Debug)]
struct State {
    realm: String,
    repositories: BTreeMap<String, Repository>,
    page_size: usize,
    login: Option<Login>,
}

/// Who may read, and the token that proves it.
#[derive(Debug)]
struct Login {
    username: String,
    password: String,
    token: String,
}

impl FakeRegistry {
    /// An empty registry without a login, with 1,000 tags on a page.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        let state = |address| State {
            realm: format!("http://{address}/token"),
            repositories: BTreeMap::new(),
            page_size: 1_000,
            login: None,
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

    /// A reference to an image in it.
    pub fn image(&self, repository: &str, tag: &str) -> String {
        format!("{}/{repository}:{tag}", self.server.address())
    }

    /// Adds tags to a repository, which is created with the first. They are images for linux/amd64; those that are there already stay as
    /// they are.
    pub fn push(&self, repository: &str, tags: &[&str]) {
        self.with_repository(repository, |content| {
            for tag in tags {
                if content.digest(tag).is_none() {
                    content.push(repository, tag, USUAL_PLATFORM);
                }
            }
        });
    }

    /// Pushes an image for another platform, such as `linux/arm64`, and gives its digest.
    pub fn push_for(&self, repository: &str, tag: &str, platform: &str) -> String {
        self.with_repository(repository, |content| content.push(repository, tag, platform))
    }

    /// Pushes an image for linux/amd64 that says where its source is.
    pub fn push_from(&self, repository: &str, tag: &str, source: Source<'_>) {
        self.with_repository(repository, |content| content.push_from(repository, tag, source));
    }

    /// Pushes an image index with one image for each of these platforms.
    pub fn push_index(&self, repository: &str, tag: &str, platforms: &[&str]) -> IndexDigests {
        self.with_repository(repository, |content| content.push_index(repository, tag, platforms))
    }

    /// Pushes another image for linux/amd64 under a tag, and gives its digest.
    pub fn repush(&self, repository: &str, tag: &str) -> String {
        self.push_for(repository, tag, USUAL_PLATFORM)
    }

    /// The digest of what a tag points at.
    ///
    /// # Panics
    /// When there is no such tag.
    pub fn digest(&self, repository: &str, tag: &str) -> String {
        let digest = self.server.with(|state| state.repositories.get(repository)?.digest(tag).map(str::to_owned));
        digest.unwrap_or_else(|| panic!("nobody has pushed {repository}:{tag}"))
    }

    /// Removes a tag.
    pub fn remove(&self, repository: &str, tag: &str) {
        self.server.with(|state| {
            if let Some(content) = state.repositories.get_mut(repository) {
                content.remove(tag);
            }
        });
    }

    /// From now on lists have at most that many tags on a page, with a `Link` to the next.
    pub fn set_page_size(&self, tags: usize) {
        self.server.with(|state| state.page_size = tags);
    }

    /// From now on only who logs in may read.
    pub fn require_login(&self, username: &str, password: &str) {
        let token = format!("token-{:016x}", rand::random::<u64>());
        let login = Login { username: username.to_owned(), password: password.to_owned(), token };
        self.server.with(|state| state.login = Some(login));
    }

    /// From now on challenges name this token service instead of its own.
    pub fn set_realm(&self, url: &str) {
        self.server.with(|state| url.clone_into(&mut state.realm));
    }

    /// From now on every request fails like this.
    pub fn fail(&self, fault: &Fault) {
        self.server.fail(fault);
    }

    /// From now on requests of this part fail like this.
    pub fn fail_at(&self, part: Part, fault: Fault) {
        self.server.fail_at(part, fault);
    }

    /// Nothing fails any more.
    pub fn recover(&self) {
        self.server.recover();
    }

    /// All requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.server.seen()
    }

    /// Number of requests of a part so far.
    pub fn count(&self, part: Part) -> usize {
        self.server.count(part)
    }

    /// Forgets all requests so far.
    pub fn forget(&self) {
        self.server.forget();
    }

    fn with_repository<T>(&self, name: &str, look: impl FnOnce(&mut Repository) -> T) -> T {
        self.server.with(|state| look(state.repositories.entry(name.to_owned()).or_default()))
    }
}

#[cfg(test)]
mod tests;
