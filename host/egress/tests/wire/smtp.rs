//! A mail server that follows a script, and writes down what it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::CertifiedKey;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::server::acceptor;

/// What the server does next.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    /// Says this, line ends included.
    Say(String),
    /// Says this, and begins TLS.
    BeginTls(String),
    /// Says nothing more, and keeps the connection.
    FallSilent,
    /// Closes the connection.
    HangUp,
    /// Says the same again and again, as fast as it is read.
    Pour(&'static [u8]),
}

/// Says this line.
pub(crate) fn say(line: &str) -> Turn {
    Turn::Say(format!("{line}\r\n"))
}

/// What a server says that has nothing against anything; `line` is empty for the greeting.
pub(crate) fn ordinary(line: &str) -> Turn {
    match line.split(' ').next().unwrap_or_default() {
        "" => say("220 mail.example ESMTP"),
        "EHLO" => say("250-mail.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"),
        "STARTTLS" => Turn::BeginTls("220 go ahead\r\n".to_owned()),
        "AUTH" => say("235 2.7.0 welcome"),
        "DATA" => say("354 go ahead"),
        "QUIT" => say("221 bye"),
        _ => say("250 2.0.0 fine"),
    }
}

/// Something that the server was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Without its line end. A mail is one line `.` among the commands; its text is elsewhere.
    pub(crate) line: String,
    /// Whether it came over TLS.
    pub(crate) secured: bool,
}

#[derive(Default)]
struct Notes {
    told: Mutex<Vec<Told>>,
    mails: Mutex<Vec<String>>,
}

/// A mail server on the loopback interface; stops when it is dropped.
pub(crate) struct Smtp {
    pub(crate) address: SocketAddr,
    notes: Arc<Notes>,
    task: JoinHandle<()>,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Smtp {
    /// One that speaks in the open, until its script says otherwise.
    pub(crate) async fn start(
        certificate: &CertifiedKey<rcgen::KeyPair>,
        script: impl Fn(&str) -> Turn + Send + Sync + 'static,
    ) -> Self {
        Self::serve(acceptor(certificate, &[]), false, script).await
    }

    /// One that speaks TLS from the beginning.
    pub(crate) async fn start_tls(
        certificate: &CertifiedKey<rcgen::KeyPair>,
        script: impl Fn(&str) -> Turn + Send + Sync + 'static,
    ) -> Self {
        Self::serve(acceptor(certificate, &[]), true, script).await
    }

    async fn serve(
        acceptor: TlsAcceptor,
        implicit: bool,
        script: impl Fn(&str) -> Turn + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (notes, script) = (Arc::new(Notes::default()), Arc::new(script));
        let shared = Arc::clone(&notes);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (notes, acceptor, script) = (Arc::clone(&shared), acceptor.clone(), Arc::clone(&script));
                tokio::spawn(async move { meet(stream, &acceptor, implicit, &notes, script.as_ref()).await });
            }
        });
        Self { address, notes, task }
    }

    /// All lines that it was told, over all connections.
    pub(crate) fn told(&self) -> Vec<Told> {
        self.notes.told.lock().unwrap().clone()
    }

    /// The first words of these lines.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.told().iter().map(|told| told.line.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    /// The mails as they came, dots at the beginning of lines taken off again.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.notes.mails.lock().unwrap().clone()
    }
}

/// A failure to read or write means that the client has gone, which is its right.
async fn meet(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    implicit: bool,
    notes: &Notes,
    script: &(impl Fn(&str) -> Turn + Sync),
) {
    if implicit {
        let Ok(stream) = acceptor.accept(stream).await else { return };
        converse(stream, true, true, notes, script).await;
    } else if let Some(stream) = converse(stream, false, true, notes, script).await {
        let Ok(stream) = acceptor.accept(stream).await else { return };
        converse(stream, true, false, notes, script).await;
    }
}

/// Follows the script until it ends, or TLS begins on the stream that is given back.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    secured: bool,
    greets: bool,
    notes: &Notes,
    script: &(impl Fn(&str) -> Turn + Sync),
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    if !greets {
        line = listen(&mut stream, secured, notes).await?;
    }
    loop {
        match script(&line) {
            Turn::Say(text) => {
                stream.write_all(text.as_bytes()).await.ok()?;
                stream.flush().await.ok()?;
                if text.starts_with("354") {
                    read_mail(&mut stream, notes).await?;
                    ".".clone_into(&mut line);
                    notes.told.lock().unwrap().push(Told { line: line.clone(), secured });
                    continue;
                }
            }
            Turn::BeginTls(text) => {
                stream.write_all(text.as_bytes()).await.ok()?;
                return Some(stream.into_inner());
            }
            Turn::FallSilent => std::future::pending().await,
            Turn::HangUp => return None,
            Turn::Pour(bytes) => loop {
                stream.write_all(bytes).await.ok()?;
            },
        }
        line = listen(&mut stream, secured, notes).await?;
    }
}

async fn listen<S: AsyncRead + Unpin>(stream: &mut BufReader<S>, secured: bool, notes: &Notes) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|count| *count > 0)?;
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    notes.told.lock().unwrap().push(Told { line: line.clone(), secured });
    Some(line)
}

async fn read_mail<S: AsyncRead + Unpin>(stream: &mut BufReader<S>, notes: &Notes) -> Option<()> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok().filter(|count| *count > 0)?;
        if line == ".\r\n" {
            notes.mails.lock().unwrap().push(mail);
            return Some(());
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
