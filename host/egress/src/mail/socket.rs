//! What SMTP is spoken over.
//!
//! lettre reads lines of any length into memory and never gives a connection back. So it gets a [`Socket`], which is read within a bound
//! and shared with whoever begins TLS on it later.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Most bytes that a server may say to one mail, TLS included: 512 for each reply (RFC 5321 section 4.5.3.1.5) to 50 recipients, and as
/// many again for certificates. Not much more, because lettre reads a reply of many lines again from its beginning with each of them.
const MOST_BYTES: usize = 64 * 1024;
/// Stands for the greeting that servers do not repeat after STARTTLS (RFC 3207 section 4.2), and that lettre waits for.
const GREETING: &[u8] = b"220 \r\n";

/// The server says more than anybody wants to hear.
#[derive(Debug, Error)]
#[error("more than {MOST_BYTES} bytes")]
pub(super) struct TooMuch;

/// A connection without TLS. Clones are the same connection, which closes when the last of them is dropped.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    stream: Arc<TcpStream>,
    left: Arc<AtomicUsize>,
}

impl Socket {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Arc::new(stream), left: Arc::new(AtomicUsize::new(MOST_BYTES)) }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, ctx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.stream.poll_read_ready(ctx))?;
            match self.stream.try_read_buf(buf) {
                // Readiness is a guess: the loop registers for the next one.
                Err(err) if err.kind() == ErrorKind::WouldBlock => {}
                Err(err) => return Poll::Ready(Err(err)),
                Ok(count) => {
                    let left = self.left.load(Ordering::Relaxed).checked_sub(count);
                    self.left.store(left.unwrap_or_default(), Ordering::Relaxed);
                    return Poll::Ready(left.map(|_| ()).ok_or_else(|| io::Error::other(TooMuch)));
                }
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(ctx))?;
            match self.stream.try_write(bytes) {
                Err(err) if err.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Nothing: another clone may still have something to say.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncTokioStream for Socket {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

/// A connection with TLS.
#[derive(Debug)]
pub(super) struct Secured {
    stream: TlsStream<Socket>,
    unread: &'static [u8],
}

impl Secured {
    pub(super) fn new(stream: TlsStream<Socket>) -> Self {
        Self { stream, unread: b"" }
    }

    /// The same for a server whose greeting came before TLS.
    pub(super) fn after_greeting(self) -> Self {
        Self { unread: GREETING, ..self }
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(ctx, buf);
        }
        let (now, later) = self.unread.split_at(self.unread.len().min(buf.remaining()));
        buf.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(ctx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }
}

impl AsyncTokioStream for Secured {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}
