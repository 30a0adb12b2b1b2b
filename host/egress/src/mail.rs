//! One mail to one server.
//!
//! lettre composes the mail and speaks SMTP; the connection is made here, to an address that was judged, and so is TLS. What a server says
//! when it refuses goes through [`words`] before anybody sees it. Start reading at [`Mailer::send`].

mod address;
mod message;
mod socket;
mod words;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::FutureExt;
use k8supdater_core::pull_secret::Secret;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail as MailFrom, Rcpt, Starttls};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::debug;

use crate::client::BuildError;
use crate::failure::{self, Failure};
use crate::resolve::{CheckedResolver, Reach, Resolver};
use crate::tls;
use socket::{Secured, Socket};
use words::{Refused, Words};

pub use address::MailAddress;

/// Longest time for a goodbye. The mail is accepted by then, and nothing that comes later can change that.
const GOODBYE: Duration = Duration::from_secs(1);

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// Not at all: mails and the password go in the open.
    None,
    /// By TLS that the server offers after its greeting (RFC 3207), and that it has to offer: without it nothing is sent.
    StartTls,
    /// By TLS from the first byte on (RFC 8314).
    Implicit,
}

/// Who we are to a mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailLogin {
    /// The user name.
    pub username: String,
    /// The password; not empty.
    pub password: Secret,
}

/// How a [`Mailer`] is built.
#[derive(Clone, Debug)]
pub struct MailOptions {
    /// Name or address of the server. An administrator has chosen it, so it may be a private one.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Whom the mails are from.
    pub sender: MailAddress,
    /// None: the server is used without a login, whatever it offers.
    pub login: Option<MailLogin>,
    /// Certificate authorities to trust beside those of the web, as PEM.
    pub extra_authorities: Option<Vec<u8>>,
    /// How the host is looked up.
    pub resolver: Resolver,
    /// Most time to connect to one of the host's addresses. 5 s.
    pub connect: Duration,
    /// Most time from the look-up until the server has accepted the mail. 30 s: servers take their time over mails of strangers.
    pub total: Duration,
}

impl MailOptions {
    /// Those for a server, without a login, with the defaults for everything else.
    pub fn new(host: String, port: u16, tls: MailTls, sender: MailAddress) -> Self {
        Self {
            host,
            port,
            tls,
            sender,
            login: None,
            extra_authorities: None,
            resolver: Resolver::system(),
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
        }
    }
}

/// A mail as a plugin asks for it, unchecked. See the WIT's `exchange.mail` for what each field may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Plain addresses, 1 to 50. All of them stand in the head of the mail.
    pub to: Vec<String>,
    /// One line, at most 998 bytes.
    pub subject: String,
    /// The plain text part.
    pub text: String,
    /// The HTML part.
    pub html: Option<String>,
    /// The same for every attempt to send the same mail. It becomes the mail's `Message-ID`, by which servers and readers tell that two
    /// are one.
    pub key: String,
}

/// Sends mails, one connection each. Cheap to clone.
#[derive(Clone)]
pub struct Mailer(Arc<Inner>);

struct Inner {
    /// `host:port`, for people.
    place: String,
    host: String,
    port: u16,
    tls: MailTls,
    sender: MailAddress,
    login: Option<MailLogin>,
    name: ServerName<'static>,
    connector: TlsConnector,
    resolver: CheckedResolver,
    connect: Duration,
    total: Duration,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mailer").field(&self.0.place).finish()
    }
}

impl Mailer {
    /// A mailer that has not connected to anything yet. Reads nothing from the environment.
    ///
    /// # Errors
    /// [`BuildError::MailHost`], [`BuildError::Authorities`] or [`BuildError::Tls`].
    pub fn new(options: MailOptions) -> Result<Self, BuildError> {
        let MailOptions { host, port, tls, sender, login, extra_authorities, resolver, connect, total } = options;
        let name = ServerName::try_from(host.clone()).map_err(|_| BuildError::MailHost(host.clone()))?;
        let connector = TlsConnector::from(Arc::new(tls::config(extra_authorities.as_deref())?));
        let place = match host.parse() {
            Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
            Ok(IpAddr::V4(_)) | Err(_) => format!("{host}:{port}"),
        };
        let resolver = CheckedResolver { resolver, reach: Reach::Named };
        Ok(Self(Arc::new(Inner { place, host, port, tls, sender, login, name, connector, resolver, connect, total })))
    }

    /// Sends `mail`; success means that the server has accepted it for all recipients.
    ///
    /// One recipient that the server refuses is enough for nobody to get it, so that a repeated attempt does not send it twice to the
    /// others.
    ///
    /// Cancel-safe: dropping the future gives up the mail. The server may have accepted it by then.
    ///
    /// # Errors
    /// [`Failure::Denied`] if the mail is malformed, or the server is where nothing may connect to; [`Failure::Mail`] with the server's
    /// words if it refuses; and the others. It never takes longer than [`MailOptions::total`], and a second.
    pub async fn send(&self, mail: &Mail) -> Result<(), Failure> {
        let (envelope, message) = message::compose(&self.0.sender, mail, SystemTime::now())?;
        // lettre 0.11.23 panics at a reply to EHLO with a line of nothing but blanks. Nothing outlives the attempt that could be left half
        // done: the connection goes with it.
        let delivering = AssertUnwindSafe(self.0.deliver(&envelope, &message)).catch_unwind();
        let result = match timeout(self.0.total, delivering).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(words::nonsense(&self.0.place)),
            Err(_) => Err(Failure::Timeout),
        };
        debug!(server = %self.0.place, recipients = mail.to.len(), sent = result.is_ok(), "mail handed over");
        let mut connection = result?;
        let _ = timeout(GOODBYE, connection.quit()).await;
        Ok(())
    }
}

impl Inner {
    async fn deliver(&self, envelope: &Envelope, message: &[u8]) -> Result<AsyncSmtpConnection, Failure> {
        let words = Words::new(&self.place, self.login.as_ref());
        let mut connection = self.open(&words).await?;
        if let Some(login) = &self.login {
            self.log_in(&mut connection, login, &words).await?;
        }
        let from = MailFrom::new(envelope.from().cloned(), Vec::new());
        connection.command(from).await.map_err(|err| words.explain(Refused::Sender(&self.sender), &err))?;
        for to in envelope.to() {
            let recipient = Rcpt::new(to.clone(), Vec::new());
            connection.command(recipient).await.map_err(|err| words.explain(Refused::Recipient(to.as_ref()), &err))?;
        }
        connection.command(Data).await.map_err(|err| words.explain(Refused::Mail, &err))?;
        connection.message(message).await.map_err(|err| words.explain(Refused::Mail, &err))?;
        Ok(connection)
    }

    /// A connection that is protected as it should be.
    async fn open(&self, words: &Words<'_>) -> Result<AsyncSmtpConnection, Failure> {
        let (socket, hello) = self.dial().await?;
        match self.tls {
            MailTls::None => greet(Box::new(socket), &hello, words).await,
            MailTls::Implicit => greet(Box::new(self.secure(socket).await?), &hello, words).await,
            MailTls::StartTls => {
                let mut open = greet(Box::new(socket.clone()), &hello, words).await?;
                if !open.can_starttls() {
                    return Err(words.no_starttls());
                }
                open.command(Starttls).await.map_err(|err| words.explain(Refused::StartTls, &err))?;
                // With everything that it has read already: what somebody on the way put behind the answer is not what the server says
                // over TLS (RFC 3207 section 4.2).
                drop(open);
                greet(Box::new(self.secure(socket).await?.after_greeting()), &hello, words).await
            }
        }
    }

    /// Connects to the first of the host's addresses that lets us.
    async fn dial(&self) -> Result<(Socket, ClientId), Failure> {
        let mut refusal = Failure::Connect(format!("{} did not accept a connection in time", self.place));
        let addresses = self.resolver.addresses(self.host.clone()).await.map_err(|err| Failure::from(&err))?;
        for ip in addresses {
            match timeout(self.connect, TcpStream::connect(SocketAddr::new(ip, self.port))).await {
                Err(_) => {}
                Ok(Ok(stream)) => {
                    let hello = hello(&stream);
                    return Ok((Socket::new(stream), hello));
                }
                Ok(Err(err)) => {
                    let kind = failure::describe_io(err.kind()).map(|kind| format!("{} {kind}", self.place));
                    refusal =
                        Failure::Connect(kind.unwrap_or_else(|| format!("no connection to {}: {err}", self.place)));
                }
            }
        }
        Err(refusal)
    }

    async fn secure(&self, socket: Socket) -> Result<Secured, Failure> {
        match self.connector.connect(self.name.clone(), socket).await {
            Ok(stream) => Ok(Secured::new(stream)),
            Err(err) => Err(words::broken(&self.place, &err)),
        }
    }

    async fn log_in(
        &self,
        connection: &mut AsyncSmtpConnection,
        login: &MailLogin,
        words: &Words<'_>,
    ) -> Result<(), Failure> {
        if connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            return Err(words.no_login());
        }
        // Copies that lettre frees but does not overwrite.
        let credentials = Credentials::new(login.username.clone(), login.password.expose().to_owned());
        connection.auth(DEFAULT_MECHANISMS, &credentials).await.map_err(|err| words.explain(Refused::Login, &err))?;
        Ok(())
    }
}

async fn greet(
    stream: Box<dyn AsyncTokioStream>,
    hello: &ClientId,
    words: &Words<'_>,
) -> Result<AsyncSmtpConnection, Failure> {
    AsyncSmtpConnection::connect_with_transport(stream, hello)
        .await
        .map_err(|err| words.explain(Refused::Connection, &err))
}

/// What we call ourselves. A pod has no name that anybody outside could look up, and then it is the address
/// (RFC 5321 section 4.1.4).
fn hello(stream: &TcpStream) -> ClientId {
    match stream.local_addr().map(|address| address.ip().to_canonical()) {
        Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => ClientId::default(),
    }
}
