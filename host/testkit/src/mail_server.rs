//! A real mail server: mailpit, as a process, which keeps what it gets and shows it.
//!
//! Its HTTP API (<https://mailpit.axllent.org/docs/api-v1/>) says what arrived, and makes it refuse.

mod message;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::htpasswd::htpasswd;
use crate::process::{ATTEMPTS, Process, free_port, is_port_taken};
use crate::{PATIENCE, Surroundings, eventually, http_client};
pub use message::MailMessage;

/// How the server wants to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailMode {
    /// In the open, and only so.
    Plain,
    /// It takes nothing before STARTTLS.
    StartTls,
    /// TLS from the first byte on.
    ImplicitTls,
}

/// What the server refuses on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailPart {
    /// Whoever a mail is from.
    Sender,
    /// Whoever it is for.
    Recipient,
    /// Every login, if it has any.
    Authentication,
}

/// A mail server process on the loopback interface. It is killed, and what it holds is removed, when it is dropped.
///
/// Its certificate is for `localhost` and `127.0.0.1`, and from an authority that nobody else knows: [`MailServer::authority`].
#[derive(Debug)]
pub struct MailServer {
    // Fields are dropped in this order: the directory goes last.
    process: Option<Process>,
    mode: MailMode,
    has_login: bool,
    ports: Option<Ports>,
    http: reqwest::Client,
    directory: TempDir,
}

/// Where it listens, from the first start on.
#[derive(Clone, Copy, Debug)]
struct Ports {
    smtp: u16,
    http: u16,
}

impl MailServer {
    /// Not started yet; without a login.
    pub fn new(mode: MailMode) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be created");
        let server = Self { process: None, mode, has_login: false, ports: None, http: http_client(), directory };
        server.write_certificate();
        server
    }

    /// From the next start on it takes mails only after this login.
    pub fn set_login(&mut self, username: &str, password: &str) {
        fs::write(self.file("logins"), htpasswd(username, password)).expect("a file can be written");
        self.has_login = true;
    }

    /// Starts it, at the same ports as the last time, with the mails that it had; waits until it answers.
    ///
    /// # Panics
    /// When it runs already or does not start; see [`Surroundings::mail_program`].
    pub async fn start(&mut self) {
        assert!(self.process.is_none(), "the mail server runs already");
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let ports = self.ports.unwrap_or_else(|| Ports { smtp: free_port(), http: free_port() });
            let mut process = self.spawn(ports);
            match process.wait_until_ready(&format!("http://127.0.0.1:{}/readyz", ports.http)).await {
                Ok(()) => {
                    self.ports = Some(ports);
                    self.process = Some(process);
                    return self.wait_for_smtp(ports.smtp).await;
                }
                Err(why) => last = why,
            }
            if !is_port_taken(&last) {
                break;
            }
        }
        panic!("the mail server does not start: {last}");
    }

    /// Kills it. Who connects is refused, until it is started again.
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&mut self) {
        drop(self.process.take().expect("only a mail server that runs can be stopped"));
    }

    fn spawn(&self, ports: Ports) -> Process {
        let at = |port: u16| format!("127.0.0.1:{port}");
        Process::start(&Surroundings::mail_program(), self.file("mailpit.log"), |command| {
            command.args(["--smtp", &at(ports.smtp), "--listen", &at(ports.http)]);
            // It must ask nobody anything: neither name servers nor its project's website.
            command.args(["--smtp-disable-rdns", "--disable-version-check", "--enable-chaos"]);
            command.arg("--database").arg(self.file("mails.db"));
            if self.mode != MailMode::Plain {
                command.arg("--smtp-tls-cert").arg(self.file("server.pem"));
                command.arg("--smtp-tls-key").arg(self.file("server.key"));
            }
            match self.mode {
                MailMode::Plain => {}
                MailMode::StartTls => _ = command.arg("--smtp-require-starttls"),
                MailMode::ImplicitTls => _ = command.arg("--smtp-require-tls"),
            }
            if self.has_login {
                command.arg("--smtp-auth-file").arg(self.file("logins"));
                if self.mode == MailMode::Plain {
                    command.arg("--smtp-auth-allow-insecure");
                }
            }
        })
    }

    /// Its HTTP API may answer a moment before mails are taken.
    async fn wait_for_smtp(&self, port: u16) {
        let open = eventually(PATIENCE, async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map(drop).map_err(|err| err.to_string())
        });
        if let Err(last) = open.await {
            panic!("the mail server takes no connections: {last}\n{}", self.log());
        }
    }

    /// An authority, and a certificate of it for this machine.
    fn write_certificate(&self) {
        let key = || KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are good names");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "authority of a test");
        let authority = CertifiedIssuer::self_signed(params, key()).expect("a certificate can be signed");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let (params, own_key) = (CertificateParams::new(names).expect("these are names"), key());
        let certificate = params.signed_by(&own_key, &authority).expect("a certificate can be signed");
        let files = [
            (self.authority(), authority.pem()),
            (self.file("server.pem"), certificate.pem()),
            (self.file("server.key"), own_key.serialize_pem()),
        ];
        for (path, text) in files {
            fs::write(path, text).expect("a file can be written");
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The port for mails.
    ///
    /// # Panics
    /// Before the first start.
    pub fn port(&self) -> u16 {
        self.ports().smtp
    }

    fn ports(&self) -> Ports {
        self.ports.expect("a mail server has ports once it was started")
    }

    /// PEM file with the authority of its certificate, as `K8SUPDATER_CA_FILE` takes it.
    pub fn authority(&self) -> PathBuf {
        self.file("authority.pem")
    }

    /// All mails that it has taken, the oldest first.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn messages(&self) -> Vec<MailMessage> {
        let listed = self.get("/api/v1/messages?limit=1000").await;
        let mut messages = Vec::new();
        for summary in listed["messages"].as_array().expect("a list of mails").iter().rev() {
            let id = summary["ID"].as_str().expect("a mail has an identity");
            let message = self.get(&format!("/api/v1/message/{id}")).await;
            let headers = self.get(&format!("/api/v1/message/{id}/headers")).await;
            messages.push(MailMessage::read(&message, headers));
        }
        messages
    }

    /// Waits until it has taken `count` mails or more.
    ///
    /// # Panics
    /// When there are fewer in the end.
    pub async fn wait_for_messages(&self, count: usize) -> Vec<MailMessage> {
        let arrived = eventually(PATIENCE, async || {
            let messages = self.messages().await;
            if messages.len() >= count { Ok(messages) } else { Err(format!("{messages:#?}")) }
        });
        arrived.await.unwrap_or_else(|last| panic!("expected {count} mails, there are {last}"))
    }

    /// From now on `part` is refused with this code, from 400 to 599; nothing else is.
    ///
    /// # Panics
    /// When it does not run, or the code is none that it takes.
    pub async fn fail(&self, part: MailPart, code: u16) {
        let name = match part {
            MailPart::Sender => "Sender",
            MailPart::Recipient => "Recipient",
            MailPart::Authentication => "Authentication",
        };
        self.set_chaos(&json!({name: {"ErrorCode": code, "Probability": 100}})).await;
    }

    /// From now on nothing is refused on demand.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn recover(&self) {
        self.set_chaos(&json!({})).await;
    }

    async fn set_chaos(&self, triggers: &Value) {
        let request = self.http.put(self.url("/api/v1/chaos")).body(triggers.to_string());
        let response = request.send().await.expect("the mail server answers");
        assert!(response.status().is_success(), "{}: {triggers}", response.status());
    }

    async fn get(&self, path: &str) -> Value {
        let request = self.http.get(self.url(path)).timeout(Duration::from_secs(10));
        let response = request.send().await.expect("the mail server answers");
        let text = response.text().await.expect("the answer is text");
        serde_json::from_str(&text).unwrap_or_else(|err| panic!("{path}: {err}: {text}"))
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports().http)
    }

    /// What it has logged since it was last started.
    pub fn log(&self) -> String {
        fs::read_to_string(self.file("mailpit.log")).unwrap_or_default()
    }
}
