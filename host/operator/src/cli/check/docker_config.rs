//! Logins from the Docker configuration of whoever runs the command, and from the credential helpers that it names.
//!
//! The file is read by [`pull_secret`]. Helpers are asked as the Docker CLI asks them
//! (<https://github.com/docker/docker-credential-helpers#usage>): `docker-credential-NAME get` with the server on standard input, a JSON
//! object on standard output. Nothing that a helper prints is ever shown.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures::future::join_all;
use k8supdater_core::image::ImageReference;
use k8supdater_core::pull_secret::{self, Entry, Format, Login, Pattern, ProblemKind, ReadError, Secret};
use serde::Deserialize;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::config::terminal::DockerConfigFile;

/// What the Docker CLI calls Docker Hub when it looks for a login
/// (<https://github.com/docker/cli/blob/v28.3.2/cli/command/registry.go>).
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";
/// The registry of images that name none.
const DOCKER_HUB: &str = "docker.io";
/// Longest time that a helper may take. Some ask their user; who is not there should not hold up a pipeline.
const PATIENCE: Duration = Duration::from_secs(5);
/// What a helper says when it has no login, which is no failure
/// (<https://github.com/docker/docker-credential-helpers/blob/v0.9.3/credentials/error.go>).
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The user name with which a helper says that its secret is an identity token
/// (<https://github.com/docker/cli/blob/v28.3.2/cli/config/credentials/native_store.go>).
const TOKEN_USER: &str = "<token>";

/// What the configuration holds, and what was learnt from helpers.
#[derive(Debug, Default)]
pub(super) struct DockerConfig {
    /// The file, if there is one.
    path: Option<PathBuf>,
    entries: Vec<Entry>,
    helpers: Helpers,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Helpers {
    creds_store: String,
    cred_helpers: BTreeMap<String, String>,
}

/// The configuration cannot be used.
#[derive(Debug, Error)]
pub enum DockerConfigError {
    /// It cannot be read.
    #[error("cannot read the Docker configuration {path}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("the Docker configuration {path} cannot be used")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: ReadError,
    },
    /// The names of helpers are not what they should be.
    #[error("the Docker configuration {path} cannot be used: credsStore must be text, credHelpers an object of texts")]
    Helpers {
        /// The file.
        path: String,
    },
}

impl DockerConfig {
    /// Reads the file. One that nobody named need not be there. With it come sentences about entries that are of no use.
    ///
    /// # Errors
    /// See [`DockerConfigError`].
    pub(super) fn read(file: &DockerConfigFile) -> Result<(Self, Vec<String>), DockerConfigError> {
        let (path, must_exist) = match file {
            DockerConfigFile::Given(path) => (path, true),
            DockerConfigFile::Usual(path) => (path, false),
            DockerConfigFile::Nowhere => return Ok((Self::default(), Vec::new())),
        };
        match std::fs::read(path) {
            Ok(bytes) => Self::parse(path, &bytes),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound && !must_exist => Ok((Self::default(), Vec::new())),
            Err(source) => Err(DockerConfigError::Read { path: path.display().to_string(), source }),
        }
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<(Self, Vec<String>), DockerConfigError> {
        let name = path.display().to_string();
        let contents = match pull_secret::read(Format::DockerConfigJson, bytes) {
            Ok(contents) => contents,
            // A configuration need not have logins.
            Err(ReadError::NoAuths) => pull_secret::Contents { entries: Vec::new(), problems: Vec::new() },
            Err(source) => return Err(DockerConfigError::Content { path: name, source }),
        };
        // The error would quote the file.
        let helpers = serde_json::from_slice(bytes).map_err(|_| DockerConfigError::Helpers { path: name.clone() })?;
        // An entry without a login only says that a helper has one.
        let real = contents.problems.iter().filter(|problem| problem.kind != ProblemKind::Empty);
        let warnings = real.map(|problem| format!("{name}: {problem}")).collect();
        Ok((Self { path: Some(path.to_owned()), entries: contents.entries, helpers }, warnings))
    }

    /// Asks helpers for logins for the registries of `images`: each registry's helper, once. With the result come sentences about helpers
    /// that failed; images of their registries go on without.
    pub(super) async fn ask_helpers(&mut self, images: impl IntoIterator<Item = &ImageReference>) -> Vec<String> {
        let registries: BTreeSet<&str> = images.into_iter().map(ImageReference::registry).collect();
        let asked = registries.into_iter().filter_map(|registry| self.helpers.of(registry));
        let mut warnings = Vec::new();
        let mut entries = Vec::new();
        for answer in join_all(asked.map(|(helper, server)| ask(helper, server))).await {
            match answer {
                Ok(entry) => entries.extend(entry),
                Err(warning) => warnings.push(warning),
            }
        }
        // The Docker CLI would look at the helper only; what the file has beside it is worth a second try.
        self.entries.splice(0..0, entries);
        warnings
    }

    /// The file, if there is one, as messages name it.
    pub(super) fn name(&self) -> Option<String> {
        self.path.as_ref().map(|path| path.display().to_string())
    }

    /// All logins, to be [selected](pull_secret::select) from.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl Helpers {
    /// The helper for a registry, and the name under which it knows it.
    fn of(&self, registry: &str) -> Option<(String, String)> {
        let server = if registry == DOCKER_HUB { DOCKER_HUB_KEY } else { registry };
        let special = self.cred_helpers.get(server).or_else(|| self.cred_helpers.get(registry));
        let helper = special.unwrap_or(&self.creds_store);
        (!helper.is_empty()).then(|| (helper.clone(), server.to_owned()))
    }
}

/// What a helper answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    username: String,
    secret: String,
}

/// The login that a helper has for a server, if it has one.
async fn ask(helper: String, server: String) -> Result<Option<Entry>, String> {
    let program = format!("docker-credential-{helper}");
    // What stands in a file must not choose a program anywhere on the disk.
    if helper.contains(['/', '\\']) || helper.contains(char::is_control) {
        return Err(format!("the credential helper {helper:?} for {server} is no name of a helper"));
    }
    let failed = |why: String| format!("{program} gave no login for {server}: {why}");
    let running = timeout(PATIENCE, run(&program, &server)).await;
    let output = running
        .map_err(|_| failed(format!("it took more than {} s", PATIENCE.as_secs())))?
        .map_err(|err| failed(format!("it cannot be run: {err}")))?;
    if !output.status.success() {
        let is_not_found = String::from_utf8_lossy(&output.stdout).trim() == NOT_FOUND;
        return if is_not_found { Ok(None) } else { Err(failed(format!("it failed with {}", output.status))) };
    }
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed("it printed something else than a login".to_owned()))?;
    let pattern = Pattern::parse(&server).map_err(|err| failed(err.to_string()))?;
    let login = if answer.username == TOKEN_USER {
        Login::IdentityToken(Secret::new(answer.secret))
    } else {
        Login::Basic { username: Secret::new(answer.username), password: Secret::new(answer.secret) }
    };
    Ok(Some(Entry { pattern, login }))
}

async fn run(program: &str, server: &str) -> std::io::Result<std::process::Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that knows its answer may not read the question.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    child.wait_with_output().await
}

#[cfg(test)]
impl DockerConfig {
    /// One with these `entries`, as if from a file.
    pub(super) fn of(entries: Vec<Entry>) -> Self {
        Self { path: Some("config.json".into()), entries, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<(DockerConfig, Vec<String>), String> {
        DockerConfig::parse(Path::new("config.json"), json.as_bytes()).map_err(|err| crate::failure::chain(&err))
    }

    #[test]
    fn the_helper_of_a_registry_counts_more_than_the_store() {
        let check = |json: &str, registry: &str, expected: Option<(&str, &str)>| {
            let found = parse(json).unwrap().0.helpers.of(registry);
            let expected = expected.map(|(helper, server)| (helper.to_owned(), server.to_owned()));
            assert_eq!(found, expected, "{json} {registry}");
        };
        check("{}", "ghcr.io", None);
        check(r#"{"credsStore":"desktop"}"#, "ghcr.io", Some(("desktop", "ghcr.io")));
        check(r#"{"credsStore":"desktop"}"#, "docker.io", Some(("desktop", DOCKER_HUB_KEY)));
        let both = r#"{"credsStore":"pass","credHelpers":{"gcr.io":"gcloud","docker.io":"hub"}}"#;
        check(both, "gcr.io", Some(("gcloud", "gcr.io")));
        check(both, "docker.io", Some(("hub", DOCKER_HUB_KEY)));
        check(both, "ghcr.io", Some(("pass", "ghcr.io")));
    }

    #[test]
    fn what_is_wrong_is_told_without_what_is_in_the_file() {
        let (config, warnings) =
            parse(r#"{"auths":{"ghcr.io":{},"quay.io":{"auth":"canary!"},"a.example":{"auth":"dTpw"}}}"#).unwrap();
        assert_eq!(config.entries.len(), 1);
        assert_eq!(warnings, ["config.json: entry 2: its auth is not base64"]);
        assert!(parse("canary").unwrap_err().contains("it is not JSON"));
        let err = parse(r#"{"credsStore":{"canary":1}}"#).unwrap_err();
        assert!(err.contains("credsStore must be text") && !err.contains("canary"), "{err}");
    }

    #[tokio::test]
    async fn a_helper_that_is_not_there_or_is_none_is_named() {
        let err = ask("of-nobody".to_owned(), "ghcr.io".to_owned()).await.unwrap_err();
        assert!(err.starts_with("docker-credential-of-nobody gave no login for ghcr.io: it cannot be run: "), "{err}");
        let err = ask("../evil".to_owned(), "ghcr.io".to_owned()).await.unwrap_err();
        assert!(err.contains("is no name of a helper"), "{err}");
    }
}
