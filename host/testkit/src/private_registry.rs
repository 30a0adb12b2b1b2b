//! Real registries that want to know who asks: that of the CNCF distribution project, as a process, with a login.
//!
//! Either the registry checks a password itself (<https://distribution.github.io/distribution/about/configuration/#htpasswd>), or it
//! sends everybody to a token service (<https://distribution.github.io/distribution/spec/auth/token/>), which is [`TokenService`].

mod process;
mod token;
mod token_service;

use std::fmt;
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Registry;
use crate::htpasswd::htpasswd;
use crate::registry::Login;
use crate::server::basic;
use process::Running;
use token::Key;
pub use token_service::TokenService;

/// A registry process with a login. It is killed, and what it holds is removed, when it is dropped.
#[derive(Debug)]
pub struct PrivateRegistry {
    // Fields are dropped in this order: the directory goes last.
    process: Running,
    registry: Registry,
    tokens: Option<TokenService>,
    directory: TempDir,
}

impl PrivateRegistry {
    /// A registry that answers only who sends this user name and password with every request.
    ///
    /// # Panics
    /// When the registry cannot be started; see [`Surroundings::registry_program`](crate::Surroundings::registry_program).
    pub async fn with_basic_auth(username: &str, password: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let path = directory.path().join("htpasswd");
        fs::write(&path, htpasswd(username, password)).expect("a file can be written");
        let process = Running::start(directory.path(), &json!({"htpasswd": {"realm": "testkit", "path": path}})).await;
        let login = Arc::new(Password { username: username.to_owned(), password: password.to_owned() });
        let registry = Registry::with_login(process.address(), login);
        Self { process, registry, tokens: None, directory }
    }

    /// A registry that wants tokens, which a service on the same host, at another port, gives to this user name and password.
    ///
    /// # Panics
    /// As [`PrivateRegistry::with_basic_auth`].
    pub async fn with_token_auth(username: &str, password: &str) -> Self {
        Self::with_token_auth_at("127.0.0.1", username, password).await
    }

    /// The same with the service at another host name of this machine: `localhost`, or `127.0.0.2` where there is such an address.
    ///
    /// # Panics
    /// As [`PrivateRegistry::with_basic_auth`].
    pub async fn with_token_auth_at(host: &str, username: &str, password: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let key = Arc::new(Key::generate());
        let path = directory.path().join("keys.json");
        fs::write(&path, key.to_jwks().to_string()).expect("a file can be written");
        let tokens = TokenService::start(host, Arc::clone(&key), username, password).await;
        let token = json!({
            "realm": tokens.realm(),
            "service": token::SERVICE,
            "issuer": token::ISSUER,
            "jwks": path,
        });
        let process = Running::start(directory.path(), &json!({"token": token})).await;
        let registry = Registry::with_login(process.address(), key);
        Self { process, registry, tokens: Some(tokens), directory }
    }

    /// The registry as somebody sees it who may do everything: to push, and to read digests. What it does never shows at the token service,
    /// and goes on working after passwords were changed.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Its origin, as a grant names it.
    pub fn origin(&self) -> String {
        self.registry.origin()
    }

    /// Host and port, as image references and pull secrets name it.
    pub fn address(&self) -> &str {
        self.process.address()
    }

    /// A reference to an image in it.
    pub fn image(&self, repository: &str, tag: &str) -> String {
        self.registry.image(repository, tag)
    }

    /// The service that sells its tokens.
    ///
    /// # Panics
    /// When it checks passwords itself.
    pub fn tokens(&self) -> &TokenService {
        self.tokens.as_ref().expect("this registry was started with a token service")
    }

    /// From now on the only login is this one.
    pub fn set_login(&mut self, username: &str, password: &str) {
        match &self.tokens {
            Some(tokens) => tokens.set_login(username, password),
            None => {
                // The registry reads the file anew when its time has changed.
                let path = self.directory.path().join("htpasswd");
                fs::write(path, htpasswd(username, password)).expect("a file can be written");
                let login = Arc::new(Password { username: username.to_owned(), password: password.to_owned() });
                self.registry = Registry::with_login(self.process.address(), login);
            }
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// A password that opens every repository.
struct Password {
    username: String,
    password: String,
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Password").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Login for Password {
    fn authorization(&self, _repository: &str) -> String {
        basic(&self.username, &self.password)
    }
}

impl Login for Key {
    fn authorization(&self, repository: &str) -> String {
        let access: Value = json!([{"type": "repository", "name": repository, "actions": ["pull", "push"]}]);
        format!("Bearer {}", self.token("testkit", &access, token::LIFETIME))
    }
}
