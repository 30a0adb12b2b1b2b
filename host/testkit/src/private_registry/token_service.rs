//! The service that sells tokens for a registry.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::token::{self, Key};
use crate::Seen;
use crate::server::reply::json;
use crate::server::{Api, Disturbance, Server, basic_login};

/// A token service on a port of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct TokenService {
    server: Server<State>,
    host: String,
}

#[derive(Debug)]
struct State {
    key: Arc<Key>,
    /// User name and password, with a colon between them.
    login: Option<String>,
    allows_anybody: bool,
    lifetime: Duration,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Rejected,
}

impl TokenService {
    pub(super) async fn start(host: &str, key: Arc<Key>, username: &str, password: &str) -> Self {
        // Whoever is not an address is a name of this machine.
        let address = host.parse().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let login = Some(format!("{username}:{password}"));
        let state = State { key, login, allows_anybody: false, lifetime: token::LIFETIME };
        Self { server: Server::start_at(address, |_| state).await, host: host.to_owned() }
    }

    /// The URL that challenges name.
    pub fn realm(&self) -> String {
        format!("{}/token", self.origin())
    }

    /// Its origin under the host name that challenges name.
    pub fn origin(&self) -> String {
        format!("http://{}:{}", self.host, self.server.address().port())
    }

    /// From now on everybody gets tokens to pull, without a login. So far such tokens open nothing, as for private repositories at Docker
    /// Hub.
    pub fn allow_anybody(&self) {
        self.server.with(|state| state.allows_anybody = true);
    }

    /// From now on the only login is this one.
    pub fn set_login(&self, username: &str, password: &str) {
        self.server.with(|state| state.login = Some(format!("{username}:{password}")));
    }

    /// From now on nobody can log in. Tokens that were sold stay good.
    pub fn expire_login(&self) {
        self.server.with(|state| state.login = None);
    }

    /// From now on tokens are good for this long. The registry takes them for another minute, in case clocks differ.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.server.with(|state| state.lifetime = lifetime);
    }

    /// From now on everybody is refused, whoever asks for whatever.
    pub fn reject(&self) {
        self.server.fail(&Fault::Rejected);
    }

    /// Ends that.
    pub fn recover(&self) {
        self.server.recover();
    }

    /// All requests so far, in order.
    pub fn seen(&self) -> Vec<Seen<()>> {
        self.server.seen()
    }

    /// The values of `Authorization` of all requests so far, in order, exactly as they arrived.
    pub fn seen_authorizations(&self) -> Vec<Option<String>> {
        self.seen().iter().map(|seen| seen.authorization().map(str::to_owned)).collect()
    }

    /// Number of requests so far.
    pub fn count(&self) -> usize {
        self.server.count(())
    }

    /// Forgets all requests so far.
    pub fn forget(&self) {
        self.server.forget();
    }
}

impl Api for State {
    type Part = ();
    type Fault = Fault;

    const PARTS: &'static [()] = &[()];

    fn part(&self, _path: &str) {}

    fn answer(&mut self, asked: &Seen<()>) -> Response<Body> {
        match (asked.method.as_str(), asked.path_only()) {
            ("GET", "/token") => self.sell(asked),
            _ => json(StatusCode::NOT_FOUND, &json!({})),
        }
    }

    fn disturb(&self, fault: &Fault, _asked: &Seen<()>) -> Disturbance {
        match fault {
            Fault::Rejected => Disturbance::Answer(refused()),
        }
    }

    fn is_reset(fault: &Fault) -> bool {
        match fault {
            Fault::Rejected => false,
        }
    }
}

impl State {
    fn sell(&self, asked: &Seen<()>) -> Response<Body> {
        let scopes = asked.queries("scope");
        let wanted = scopes.iter().flat_map(|scope| scope.split(' ')).filter_map(token::access);
        let (subject, access) = match asked.authorization() {
            Some(given) => match basic_login(given) {
                Some(login) if Some(&login) == self.login.as_ref() => ("robot", wanted.collect()),
                _ => return refused(),
            },
            None if self.allows_anybody => ("", wanted.map(only_pull).collect()),
            None => ("", Vec::new()),
        };
        let token = self.key.token(subject, &Value::Array(access), self.lifetime);
        let body = json!({
            "token": token,
            "access_token": token,
            "expires_in": self.lifetime.as_secs(),
            "issued_at": Timestamp::now().to_string(),
        });
        json(StatusCode::OK, &body)
    }
}

fn only_pull(mut access: Value) -> Value {
    access["actions"] = json!(["pull"]);
    access
}

fn refused() -> Response<Body> {
    let error = json!({"code": "UNAUTHORIZED", "message": "incorrect username or password", "detail": null});
    json(StatusCode::UNAUTHORIZED, &json!({"errors": [error]}))
}
