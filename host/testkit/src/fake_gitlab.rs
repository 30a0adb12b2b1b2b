//! GitLab's API, at the root of a host or below a path.
//!
//! It speaks the wire format of <https://docs.gitlab.com/api/container_registry/> with the pages of
//! <https://docs.gitlab.com/api/rest/#pagination> and the errors of <https://docs.gitlab.com/api/rest/troubleshooting/>, over plain http on
//! the loopback interface. It has projects and the tags of their images, but not the registry that images are pulled from.

mod access;
mod answer;
mod page;
mod project;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Seen;
use crate::server::Server;
use access::Access;
use project::Project;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GitlabPart {
    /// The registry repositories of a project.
    Repositories,
    /// A page of tags.
    Tags,
    /// One tag.
    Tag,
    /// Anything else.
    Other,
}

/// How a request fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitlabFault {
    /// 401, whatever the token.
    Unauthorized,
    /// 401 for a token that has expired.
    TokenExpired,
    /// 404 of the project.
    NotFound,
    /// 429 of the limit against attacks: text, and the wait in seconds in `Retry-After`.
    RateLimited {
        /// How many seconds to wait.
        seconds: u32,
    },
    /// 429 of the application: JSON, no `Retry-After`, and requests left by the other limit.
    ApplicationLimited,
    /// 503 without a body.
    Unavailable,
    /// 301 to this URL, as for a project that was moved; to the same path and query there, if it is an origin without a path.
    Moved(String),
    /// 200 with JSON that ends in the middle.
    TruncatedJson,
    /// 200 with the page on which people sign in.
    SignInPage,
    /// The right answer, but only after this time.
    Slow(Duration),
    /// No answer: the connection is cut. Where everything fails like this, new connections are reset.
    Reset,
}

/// GitLab on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct FakeGitlab {
    server: Server<State>,
    prefix: String,
}

#[derive(Debug)]
struct State {
    /// Origin and prefix.
    base: String,
    prefix: String,
    /// Host and port of the registry, as image references name it.
    registry: String,
    projects: Vec<Project>,
    /// Numbers of projects by the paths that they had once.
    moved: BTreeMap<String, u64>,
    access: Access,
    is_keyset_usual: bool,
    /// The last number that a repository got: they are counted over all projects.
    repositories: u64,
}

impl FakeGitlab {
    /// GitLab at the root of its host, without projects.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        Self::start_below("").await
    }

    /// GitLab below a path, such as `/dev/gitlab`.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start_below(prefix: &str) -> Self {
        let state = |address| State {
            base: format!("http://{address}{prefix}"),
            prefix: prefix.to_owned(),
            registry: "registry.gitlab.example:5050".to_owned(),
            projects: Vec::new(),
            moved: BTreeMap::new(),
            access: Access::default(),
            is_keyset_usual: false,
            repositories: 0,
        };
        Self { server: Server::start(state).await, prefix: prefix.to_owned() }
    }

    /// Its origin, as a grant names it.
    pub fn origin(&self) -> String {
        self.server.origin()
    }

    /// Its origin under another name of this machine, such as `localhost`.
    pub fn origin_as(&self, host: &str) -> String {
        format!("http://{host}:{}", self.server.address().port())
    }

    /// Where it is, for the setting `baseUrl`: its origin and the path.
    pub fn base_url(&self) -> String {
        format!("{}{}", self.origin(), self.prefix)
    }

    /// A reference to an image (`group/project`, `group/project/releases`), in the registry that belongs to this GitLab.
    pub fn image(&self, path: &str, tag: &str) -> String {
        self.server.with(|state| format!("{}/{path}:{tag}", state.registry))
    }

    /// From now on the registry that belongs to this GitLab is this host, with a port if it has one.
    pub fn set_registry(&self, host: &str) {
        self.server.with(|state| host.clone_into(&mut state.registry));
    }

    /// Pushes images to a project (`group/project`), which is created with the first, and gives its number. `name` is that of the image below
    /// the project; the one that is named like the project has none. A tag that is there already gets another digest.
    pub fn push(&self, project: &str, name: &str, tags: &[&str]) -> u64 {
        self.server.with(|state| {
            let number = state.create(project);
            for tag in tags {
                state.push(number, name, tag);
            }
            number
        })
    }

    /// Pushes `count` tags `0.0.0`, `0.0.1` … over `0.0.99` and `0.1.0` on.
    pub fn fill(&self, project: &str, name: &str, count: usize) {
        self.server.with(|state| {
            let number = state.create(project);
            for tag in 0..count {
                state.push(number, name, &format!("0.{}.{}", tag / 100, tag % 100));
            }
        });
    }

    /// Pushes another image under a tag, and gives its new digest.
    pub fn repush(&self, project: &str, name: &str, tag: &str) -> String {
        self.push(project, name, &[tag]);
        self.digest(project, name, tag)
    }

    /// Removes a tag.
    pub fn remove(&self, project: &str, name: &str, tag: &str) {
        self.server.with(|state| {
            if let Some(repository) = state.project_mut(project).repository_mut(name) {
                repository.remove(tag);
            }
        });
    }

    /// The digest of what a tag points at.
    ///
    /// # Panics
    /// When there is no such tag.
    pub fn digest(&self, project: &str, name: &str, tag: &str) -> String {
        let digest = self.server.with(|state| {
            let repository = state.project_mut(project).repository_mut(name);
            repository.and_then(|repository| repository.digest(tag))
        });
        digest.unwrap_or_else(|| panic!("nobody has pushed {project}/{name}:{tag}"))
    }

    /// From now on only tokens that are allowed to may see a project.
    ///
    /// # Panics
    /// When there is no such project.
    pub fn make_private(&self, project: &str) {
        self.server.with(|state| state.project_mut(project).is_private = true);
    }

    /// Gives a project another path. Its number stays the same, and requests with the old path are redirected.
    ///
    /// # Panics
    /// When there is no such project.
    pub fn move_project(&self, from: &str, to: &str) {
        self.server.with(|state| {
            let project = state.project_mut(from);
            to.clone_into(&mut project.path);
            let number = project.number;
            state.moved.insert(from.to_owned(), number);
        });
    }

    /// A token that may see every project.
    pub fn allow_token(&self, token: &str) {
        self.server.with(|state| state.access.allow(token, None));
    }

    /// A token that may see these private projects and no other.
    pub fn allow_token_for(&self, token: &str, projects: &[&str]) {
        self.server.with(|state| state.access.allow(token, Some(projects)));
    }

    /// Lets a token expire.
    pub fn expire_token(&self, token: &str) {
        self.server.with(|state| state.access.expire(token));
    }

    /// Forgets a token, as if it had never been.
    pub fn revoke_token(&self, token: &str) {
        self.server.with(|state| state.access.revoke(token));
    }

    /// From now on lists of tags are paged with a cursor, even if nobody asks for it, and have no headers with numbers of pages.
    pub fn page_by_cursor(&self) {
        self.server.with(|state| state.is_keyset_usual = true);
    }

    /// From now on every request fails like this.
    pub fn fail(&self, fault: &GitlabFault) {
        self.server.fail(fault);
    }

    /// From now on requests of this part fail like this.
    pub fn fail_at(&self, part: GitlabPart, fault: GitlabFault) {
        self.server.fail_at(part, fault);
    }

    /// Nothing fails any more.
    pub fn recover(&self) {
        self.server.recover();
    }

    /// All requests so far, in order.
    pub fn seen(&self) -> Vec<Seen<GitlabPart>> {
        self.server.seen()
    }

    /// The tokens of all requests so far, in order, exactly as they arrived in `PRIVATE-TOKEN`.
    pub fn seen_tokens(&self) -> Vec<Option<String>> {
        self.seen().iter().map(|seen| seen.header(access::HEADER).map(str::to_owned)).collect()
    }

    /// Number of requests of a part so far.
    pub fn count(&self, part: GitlabPart) -> usize {
        self.server.count(part)
    }

    /// Forgets all requests so far.
    pub fn forget(&self) {
        self.server.forget();
    }
}

impl State {
    /// The number of a project, which is created if it is not there.
    fn create(&mut self, path: &str) -> u64 {
        if let Some(project) = self.projects.iter().find(|project| project.path == path) {
            return project.number;
        }
        let number = self.projects.len() as u64 + 1;
        self.projects.push(Project::new(number, path));
        number
    }

    fn push(&mut self, project: u64, name: &str, tag: &str) {
        let next = self.repositories + 1;
        if let Some(project) = self.projects.iter_mut().find(|found| found.number == project) {
            let repository = project.repository_or(name, next);
            repository.push(tag);
            self.repositories = self.repositories.max(repository.number);
        }
    }

    fn project_mut(&mut self, path: &str) -> &mut Project {
        let found = self.projects.iter_mut().find(|project| project.path == path);
        found.unwrap_or_else(|| panic!("there is no project {path}"))
    }
}

#[cfg(test)]
mod tests;
